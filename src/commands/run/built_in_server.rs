//! The reference server as a process of its own: its CPU is not the
//! generator's, and it can be killed.

use crate::results::{RunFolder, private_file};
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running server with a database of its own; both end with it.
pub struct BuiltInServer {
    child: Child,
    url: String,
    _database: TempDir,
}

/// How long a server may take to say goodbye.
const PATIENCE: Duration = Duration::from_secs(5);

impl BuiltInServer {
    /// Starts `posthaste serve` on a free loopback port. What it says stands in
    /// `server.log` of the run.
    pub fn start(
        defects: &[String],
        defect_log: Option<&Path>,
        lose_ack: Option<NonZeroU64>,
        folder: &RunFolder,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find posthaste's own program")?;
        let database = tempfile::Builder::new().prefix("posthaste-").tempdir();
        let database = database.context("cannot make a folder for the built-in server's database")?;
        let log = private_file(&folder.file("server.log")).context("server.log")?;
        let mut command = Command::new(program);
        command.args(["serve", "--port", "0", "--exit-with-stdin", "--db"]).arg(database.path().join("server.db"));
        for defect in defects {
            command.arg("--defect").arg(defect);
        }
        if let Some(every) = lose_ack {
            command.arg("--lose-ack").arg(every.to_string());
        }
        if let Some(path) = defect_log {
            command.arg("--defect-log").arg(path);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        own_process_group(&mut command);
        let mut child = command.spawn().context("cannot start the built-in server")?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("the built-in server's first line")?;
        }
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            let _ = child.wait();
            let said = std::fs::read_to_string(folder.file("server.log")).unwrap_or_default();
            bail!("the built-in server did not start: {}", said.trim());
        };
        Ok(Self { url: url.to_owned(), child, _database: database })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets it say goodbye, and ends it if it does not.
    pub fn stop(mut self) {
        drop(self.child.stdin.take());
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for BuiltInServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Ctrl-C in the terminal reaches the whole group; the server must outlive
/// it until the drain is over.
fn own_process_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}
