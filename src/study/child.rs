//! One run as a process of its own.

use crate::judge::RunSummary;
use crate::results::RunFolder;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// Makes one run with these arguments of `posthaste run`, and reads its
/// summary. A Ctrl-C in the terminal reaches it too, and has it drain and
/// judge what there is.
pub fn run(args: &[String], results: &Path) -> Result<Ended, NoRun> {
    let cannot = |error: std::io::Error| NoRun { code: None, said: format!("cannot start a run: {error}") };
    let ran = Command::new(std::env::current_exe().map_err(cannot)?)
        .arg("run")
        .args(args)
        .arg("--results")
        .arg(results)
        .arg("--quiet")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(cannot)?;
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
