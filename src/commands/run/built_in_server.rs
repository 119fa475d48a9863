//! The reference server as a process of its own: its CPU is not the
//! generator's, and it can be killed.

use super::inputs::serve_flag;
use super::observed::Source;
use crate::cli::RunArgs;
use crate::engine::{Means, SharedProcess};
use crate::faults::{ProcessCommand, ServerProcess};
use crate::plan::RunPlan;
use crate::results::RunFolder;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// What `posthaste serve` signs with where it is not told otherwise.
pub const BUILT_IN_SECRET: &str = "posthaste";

/// A running reference server, with a database that lives as long.
pub struct BuiltInServer {
    /// Where it listens.
    pub url: String,
    process: SharedProcess,
    /// While this file exists, the store refuses writes.
    store_fails_while: PathBuf,
    /// The certificate that it makes for itself where it is to speak TLS.
    certificate: PathBuf,
    _database: TempDir,
}

impl BuiltInServer {
    /// Starts `posthaste serve` on a free loopback port, as the server side of
    /// the plan's design. What it says stands in `server.log` of the run.
    pub fn start(args: &RunArgs, plan: &RunPlan, folder: &RunFolder) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find posthaste's own program")?;
        let database = tempfile::Builder::new().prefix("posthaste-").tempdir();
        let database = database.context("cannot make a folder for the built-in server's database")?;
        let store_fails_while = database.path().join("store-fails");
        let certificate = database.path().join("server.db.cert.pem");
        let mut flags = vec!["serve".to_owned(), "--exit-with-stdin".to_owned()];
        let mut add = |flag: &str, value: String| flags.extend([flag.to_owned(), value]);
        add("--db", database.path().join("server.db").display().to_string());
        add("--store-fail-while", store_fails_while.display().to_string());
        for defect in &args.defect {
            add("--defect", defect.clone());
        }
        if let Some(every) = args.lose_ack {
            add("--lose-ack", every.to_string());
        }
        if let Some(path) = &args.defect_log {
            add("--defect-log", path.display().to_string());
        }
        if plan.receive.replay_window > 0 {
            add("--replay-window", plan.receive.replay_window.to_string());
        }
        if !plan.send.design.stores_first() {
            flags.push("--fanout-first".to_owned());
        }
        flags.extend(args.aim.serve.iter().map(|option| serve_flag(option)));
        let command = ProcessCommand { program, args: flags, log: folder.file("server.log") };
        let server = ServerProcess::start(command).context("the built-in server did not start")?;
        let url = server.url().to_owned();
        Ok(Self { url, process: Arc::new(Mutex::new(server)), store_fails_while, certificate, _database: database })
    }

    /// What faults can be done to it with.
    pub fn means(&self) -> Means {
        Means {
            process: Some(self.process.clone()),
            store_fails_while: Some(self.store_fails_while.clone()),
            proxy: None,
        }
    }

    /// The authority of its certificate, where that is its own.
    pub fn authority(&self) -> Option<&Path> {
        self.certificate.exists().then_some(&*self.certificate)
    }

    /// What its process uses.
    pub fn usage(&self) -> Source {
        Source::BuiltIn(self.process.clone())
    }

    /// Ends it.
    pub fn stop(self) {
        if let Some(process) = Arc::into_inner(self.process) {
            process.into_inner().unwrap_or_else(PoisonError::into_inner).stop();
        }
    }
}
