//! One run as a process of its own.

use crate::judge::RunSummary;
use crate::results::RunFolder;
use anyhow::{Context, anyhow};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A run that has ended.
pub struct Ended {
    /// Its folder.
    pub folder: PathBuf,
    /// What it found.
    pub summary: RunSummary,
}

/// Makes one run with these arguments of `posthaste run`, and reads its
/// summary. A Ctrl-C in the terminal reaches it too, and has it drain and
/// judge what there is.
///
/// # Errors
/// Where there is no summary: what the run said, in one line.
pub fn run(args: &[String], results: &Path) -> anyhow::Result<Ended> {
    let program = std::env::current_exe().context("cannot find posthaste's own program")?;
    let results_flag: [OsString; 2] = ["--results".into(), results.into()];
    let ran = Command::new(program)
        .arg("run")
        .args(args)
        .args(results_flag)
        .arg("--quiet")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .context("cannot start a run")?;
    let folder = RunFolder::open(&results.join("latest"));
    let summary = folder.as_ref().ok().and_then(|folder| folder.read_summary().ok());
    match (folder, summary) {
        (Ok(folder), Some(summary)) => Ok(Ended { folder: folder.path().to_owned(), summary }),
        _ => {
            let said = String::from_utf8_lossy(&ran.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            Err(anyhow!("{}", last.trim_start_matches("posthaste: ")))
        }
    }
}
