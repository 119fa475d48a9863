//! A server that a command of the user starts, for one run.

use super::Children;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::OpenOptions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Stands for the port in a command.
pub const PORT: &str = "{port}";

/// How long a server may take until it listens.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to say goodbye.
const END_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// A running server, with everything that it started. Dropping it ends it:
/// SIGTERM to its process group, and SIGKILL to what is left after five
/// seconds.
pub struct Launched<'c> {
    child: Child,
    children: &'c Children,
    /// Where it listens.
    pub url: String,
}

impl<'c> Launched<'c> {
    /// Starts `sh -c COMMAND` with a free loopback port for `{port}`, and waits
    /// until something listens there. What it says is appended to `log`.
    ///
    /// # Errors
    /// What the system says, or how the command ended before it listened.
    pub fn start(command: &str, log: &Path, children: &'c Children) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let out = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
        let child = Command::new("sh")
            .args(["-c", &command.replace(PORT, &port.to_string())])
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()?;
        children.server_began(child.id() as i32);
        let mut launched = Self { child, children, url: format!("http://127.0.0.1:{port}") };
        launched.wait_until_it_listens(port, command, log)?;
        Ok(launched)
    }

    fn wait_until_it_listens(&mut self, port: u16, command: &str, log: &Path) -> io::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let until = Instant::now() + START_PATIENCE;
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let last = said.trim().lines().last().unwrap_or("it says nothing").to_owned();
                return Err(io::Error::other(format!("{command:?} ended ({status}) before it listened: {last}")));
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!(
                    "{command:?} does not listen on port {port} after {} s",
                    START_PATIENCE.as_secs()
                )));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }
}

impl Drop for Launched<'_> {
    fn drop(&mut self) {
        let _ = killpg(self.group(), Signal::SIGTERM);
        let until = Instant::now() + END_PATIENCE;
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(POLL);
        }
        // The shell may be gone while what it started is not.
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.child.wait();
        self.children.server_ended(self.child.id() as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_and_is_gone_afterwards_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let pids = folder.path().join("pids");
        let serve = format!(
            "sleep 60 & echo $! > {pids}; exec python3 -m http.server --bind 127.0.0.1 {PORT}",
            pids = pids.display()
        );
        let children = Children::default();
        let Ok(launched) = Launched::start(&serve, &log, &children) else {
            println!("skipped: there is no python3");
            return;
        };
        let address = launched.url.strip_prefix("http://").unwrap().to_owned();
        drop(launched);
        assert!(TcpStream::connect(&address).is_err());
        let sleeper: i32 = std::fs::read_to_string(pids).unwrap().trim().parse().unwrap();
        let until = Instant::now() + Duration::from_secs(5);
        let is_there =
            || std::fs::read_to_string(format!("/proc/{sleeper}/stat")).is_ok_and(|stat| !stat.contains(") Z"));
        while is_there() && Instant::now() < until {
            std::thread::sleep(POLL);
        }
        assert!(!is_there());
    }

    #[test]
    fn a_command_that_ends_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let error = Launched::start("echo no such database; exit 3", &folder.path().join("log"), &Children::default())
            .err()
            .unwrap();
        let text = error.to_string();
        assert!(text.contains("before it listened: no such database") && text.contains("exit status: 3"), "{text}");
    }
}
