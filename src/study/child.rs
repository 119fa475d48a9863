//! Runs as processes of their own.

use crate::judge::RunSummary;
use crate::results::RunFolder;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The variable in which a run is handed the address of a store, which may have a
/// password in it: arguments stand in the list of processes.
const STORE: &str = "POSTHASTE_RUN_STORE";

/// A run that has ended.
pub struct Ended {
    /// Its folder.
    pub folder: PathBuf,
    /// What it found.
    pub summary: RunSummary,
}

/// Why there is no summary.
pub struct NoRun {
    /// What the run returned, if it began.
    pub code: Option<u8>,
    /// What it said, in one line.
    pub said: String,
}

/// The runs that are under way. A Ctrl-C in the terminal does not reach them:
/// they are told by [`Children::interrupt`], once for each signal, wherever it
/// came from.
#[derive(Debug, Default)]
pub struct Children {
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    pids: Vec<u32>,
    /// Process groups of servers that were started for the runs.
    servers: Vec<i32>,
    interrupted: bool,
}

impl Children {
    /// Makes one run with these arguments of `posthaste run`, and reads its
    /// summary.
    pub fn run(&self, args: &[String], results: &Path) -> Result<Ended, NoRun> {
        let cannot = |error: std::io::Error| NoRun { code: None, said: format!("cannot start a run: {error}") };
        let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
        let (args, store) = without_store(args);
        store.iter().for_each(|url| _ = command.env(STORE, url));
        command.arg("run").args(args).arg("--results").arg(results).arg("--quiet");
        // Whoever makes many runs checks once, with posthaste check --self.
        command.arg("--no-self-check");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let child = {
            let mut running = self.running();
            if running.interrupted {
                return Err(NoRun { code: None, said: "interrupted".to_owned() });
            }
            let child = command.spawn().map_err(cannot)?;
            running.pids.push(child.id());
            child
        };
        let pid = child.id();
        let ran = child.wait_with_output();
        self.running().pids.retain(|one| *one != pid);
        let ran = ran.map_err(cannot)?;
        let folder = RunFolder::open(&results.join("latest")).ok();
        let ended = folder.and_then(|folder| {
            let summary = folder.read_summary().ok()?;
            Some(Ended { folder: folder.path().to_owned(), summary })
        });
        ended.ok_or_else(|| {
            let said = String::from_utf8_lossy(&ran.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            let code = ran.status.code().and_then(|code| u8::try_from(code).ok());
            NoRun { code, said: last.trim_start_matches("posthaste: ").to_owned() }
        })
    }

    /// Tells all runs: the first time to drain and judge what there is, the
    /// second time to leave at once. No further run begins.
    pub fn interrupt(&self) {
        let mut running = self.running();
        running.interrupted = true;
        for pid in &running.pids {
            // One that has just ended needs no telling.
            let _ = kill(Pid::from_raw(*pid as i32), Signal::SIGINT);
        }
    }

    /// Notes the process group of a server, so that it does not outlive this
    /// process however that ends.
    pub(super) fn server_began(&self, group: i32) {
        self.running().servers.push(group);
    }

    /// Notes that it is gone.
    pub(super) fn server_ended(&self, group: i32) {
        self.running().servers.retain(|one| *one != group);
    }

    /// Kills the servers that were started for the runs.
    pub fn kill_servers(&self) {
        for group in &self.running().servers {
            let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
        }
    }

    /// Whether the runs were told to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.running().interrupted
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The arguments of a run without the address of a store, and the address.
fn without_store(args: &[String]) -> (Vec<String>, Option<&str>) {
    let mut store = None;
    let args = args.iter().map(|arg| match arg.strip_prefix("store=") {
        Some(url) if !url.starts_with("env:") => {
            store = Some(url);
            format!("store=env:{STORE}")
        }
        _ => arg.clone(),
    });
    (args.collect(), store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_store_is_no_argument() {
        let args = |store: &str| ["gate", "--serve", store, "--seed", "7"].map(str::to_owned);
        let url = "postgres://me:secret@127.0.0.1/chat";
        let given = args(&format!("store={url}"));
        let handed_on = args("store=env:POSTHASTE_RUN_STORE").to_vec();
        assert_eq!(without_store(&given), (handed_on, Some(url)));
        for store in ["store=env:MINE", "replicas=3"] {
            assert_eq!(without_store(&args(store)), (args(store).to_vec(), None), "{store}");
        }
    }
}
