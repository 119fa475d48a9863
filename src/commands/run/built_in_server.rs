//! The reference server as a process of its own: its CPU is not the
//! generator's, and it can be killed.

use crate::cli::RunArgs;
use crate::faults::{ProcessCommand, ServerProcess};
use crate::results::RunFolder;
use anyhow::Context;
use tempfile::TempDir;

/// Starts `posthaste serve` on a free loopback port, with a database that lives
/// as long as the folder that comes with it. What it says stands in
/// `server.log` of the run.
pub fn start(args: &RunArgs, folder: &RunFolder) -> anyhow::Result<(ServerProcess, TempDir)> {
    let program = std::env::current_exe().context("cannot find posthaste's own program")?;
    let database = tempfile::Builder::new().prefix("posthaste-").tempdir();
    let database = database.context("cannot make a folder for the built-in server's database")?;
    let mut flags = vec!["serve".to_owned(), "--exit-with-stdin".to_owned()];
    let mut add = |flag: &str, value: String| flags.extend([flag.to_owned(), value]);
    add("--db", database.path().join("server.db").display().to_string());
    for defect in &args.defect {
        add("--defect", defect.clone());
    }
    if let Some(every) = args.lose_ack {
        add("--lose-ack", every.to_string());
    }
    if let Some(path) = &args.defect_log {
        add("--defect-log", path.display().to_string());
    }
    let command = ProcessCommand { program, args: flags, log: folder.file("server.log") };
    let server = ServerProcess::start(command).context("the built-in server did not start")?;
    Ok((server, database))
}
