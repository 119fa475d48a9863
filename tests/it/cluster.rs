//! A PostgreSQL of the tests' own, on a free port of loopback, in a folder that
//! is gone at the end.

use postgres::{Client, NoTls};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A password that nothing may show, and that URLs cannot hold as it is.
pub const PASSWORD: &str = "canary/7%";
/// The same as it stands in a URL.
pub const PASSWORD_IN_URL: &str = "canary%2F7%25";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running PostgreSQL that waits for no disk. It ends when nobody has it any
/// more, and also when this process is killed.
pub struct Cluster {
    guard: Child,
    port: u16,
    _folder: TempDir,
}

/// The one of this process, while a test uses it; `None`, and words to standard
/// error, where there is no PostgreSQL.
pub fn cluster() -> Option<Arc<Cluster>> {
    static RUNNING: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let Some(programs) = programs() else {
        eprintln!("skipped: no initdb of PostgreSQL is found (tests/postgres/install gets it where it can be had)");
        return None;
    };
    let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(cluster) = running.upgrade() {
        return Some(cluster);
    }
    let cluster = Arc::new(Cluster::start(&programs));
    *running = Arc::downgrade(&cluster);
    Some(cluster)
}

impl Cluster {
    fn start(programs: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
        let user = user(folder.path());
        let data = folder.path().join("data");
        let mut initdb =
            user.iter().chain([&programs.join("initdb").display().to_string()]).cloned().collect::<Vec<_>>();
        initdb.extend(
            ["--no-sync", "--auth=scram-sha-256", "--username=chat", "--encoding=UTF8", "--locale=C"].map(String::from),
        );
        initdb.push(format!("--pwfile={}", folder.path().join("password").display()));
        initdb.extend(["--pgdata".to_owned(), data.display().to_string()]);
        let made = Command::new(&initdb[0]).args(&initdb[1..]).current_dir(folder.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut guard = guarded(&user, &programs.join("postgres"), folder.path(), port);
            if is_up(&mut guard, port) {
                return Self { guard, port, _folder: folder };
            }
            // Somebody else took the port meanwhile.
            let _ = guard.wait();
        }
        panic!("{}", std::fs::read_to_string(folder.path().join("log")).unwrap_or_default());
    }

    /// With the password.
    pub fn url(&self) -> String {
        format!("postgres://chat:{PASSWORD_IN_URL}@127.0.0.1:{}/postgres", self.port)
    }

    /// Without it.
    pub fn bare_url(&self) -> String {
        format!("postgres://chat@127.0.0.1:{}/postgres", self.port)
    }

    /// The first column of all rows of a query.
    pub fn ask(&self, sql: &str) -> Vec<String> {
        ask(&self.url(), sql)
    }
}

/// The same, of any database: on a thread of its own, for the client brings a
/// runtime.
pub fn ask(url: &str, sql: &str) -> Vec<String> {
    let ask = || {
        let mut client = Client::connect(url, NoTls).unwrap();
        let rows = client.simple_query(sql).unwrap();
        rows.iter()
            .filter_map(|row| if let postgres::SimpleQueryMessage::Row(row) = row { row.get(0) } else { None })
            .map(str::to_owned)
            .collect()
    };
    std::thread::scope(|scope| scope.spawn(ask).join().unwrap())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// PostgreSQL, which ends when the standard input of the shell around it does.
fn guarded(user: &[String], postgres: &Path, folder: &Path, port: u16) -> Child {
    let script = r#"exec 3<&0
        "$0" -D data -p "$1" -h 127.0.0.1 -k "$PWD" -c fsync=off -c max_connections=300 <&- 3<&- >>log 2>&1 &
        server=$!
        { read -r _ <&3; kill -INT $server; } 2>/dev/null &
        wait $server
        kill $! 2>/dev/null"#;
    let words = ["sh", "-c", script].map(str::to_owned);
    let mut words: Vec<String> = user.iter().cloned().chain(words).collect();
    words.extend([postgres.display().to_string(), port.to_string()]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn is_up(guard: &mut Child, port: u16) -> bool {
    let started = Instant::now();
    let url = format!("postgres://chat:{PASSWORD_IN_URL}@127.0.0.1:{port}/postgres");
    let connect = || std::thread::scope(|scope| scope.spawn(|| Client::connect(&url, NoTls).is_ok()).join().unwrap());
    while started.elapsed() < PATIENCE && guard.try_wait().unwrap().is_none() {
        if connect() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// What runs a program as somebody whom PostgreSQL accepts: it refuses root. The
/// folder becomes theirs.
fn user(folder: &Path) -> Vec<String> {
    if folder.metadata().unwrap().uid() != 0 {
        return Vec::new();
    }
    let known = std::fs::read_to_string("/etc/passwd").unwrap();
    let user = if known.contains("\npostgres:") { "postgres" } else { "nobody" };
    assert!(Command::new("chown").args(["-R", user]).arg(folder).status().unwrap().success());
    ["runuser", "-u", user, "--"].map(str::to_owned).into()
}

/// The folder of the newest initdb.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<PathBuf> = installed.map(|version| version.path().join("bin")).collect();
    installed.sort();
    folders.extend(installed.into_iter().rev());
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}
