//! The reference server as a process of its own: its CPU is not the
//! generator's, and it can be killed.

use super::inputs::serve_flag;
use super::observed::Source;
use crate::cli::RunArgs;
use crate::commands::{complain, store};
use crate::engine::Means;
use crate::faults::{ProcessCommand, Replicas};
use crate::plan::RunPlan;
use crate::results::RunFolder;
use crate::server::{Certificate, PostgresAddress, remove_store, self_signed};
use anyhow::Context;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What `posthaste serve` signs with where it is not told otherwise.
pub const BUILT_IN_SECRET: &str = "posthaste";

/// A running reference server, with a database that lives as long.
pub struct BuiltInServer {
    /// Where it listens.
    pub url: String,
    replicas: Replicas,
    /// While this file exists, the store refuses writes.
    store_fails_while: PathBuf,
    /// The certificate that it makes for itself where it is to speak TLS.
    certificate: PathBuf,
    _database: TempDir,
    /// What is removed once the processes have ended, which stand above.
    _schema: Option<OwnSchema>,
}

/// A schema of PostgreSQL for one run.
struct OwnSchema(PostgresAddress);

impl Drop for OwnSchema {
    fn drop(&mut self) {
        if let Err(error) = remove_store(&self.0) {
            complain(&format!("{} stays: {error}", self.0));
        }
    }
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
        let db = database.path().join("server.db");
        let (count, mut options) = replicas_of(&args.aim.serve);
        let mut secrets = Vec::new();
        let mut schema = None;
        if let Some(store) = store::named_by(&args.aim.serve) {
            let name = format!("posthaste_run_{}", uuid::Uuid::new_v4().simple());
            schema = Some(OwnSchema(store::address(store, &name)?));
            secrets.push((store::HANDED_ON.to_owned(), store::url(store)?));
            add("--store", format!("env:{}", store::HANDED_ON));
            add("--schema", name);
            if options.iter().any(|option| *option == "tls") {
                let Certificate { chain, key } = self_signed(&db, "127.0.0.1")?;
                add("--tls-cert", chain.display().to_string());
                add("--tls-key", key.display().to_string());
            }
            options.retain(|option| *option != "tls" && !store::is_store(option));
        } else {
            add("--db", db.display().to_string());
        }
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
        if count > 1 {
            flags.push("--shared".to_owned());
        }
        flags.extend(options.iter().map(|option| serve_flag(option)));
        let command = ProcessCommand { program, args: flags, log: Some(folder.file("server.log")), secrets };
        let replicas = Replicas::start(&command, count, None).context("the built-in server did not start")?;
        Ok(Self { url: replicas.url(), replicas, store_fails_while, certificate, _database: database, _schema: schema })
    }

    /// What faults can be done to it with.
    pub fn means(&self) -> Means {
        Means {
            processes: self.replicas.processes().to_vec(),
            store_fails_while: Some(self.store_fails_while.clone()),
            proxy: None,
        }
    }

    /// The authority of its certificate, where that is its own.
    pub fn authority(&self) -> Option<&Path> {
        self.certificate.exists().then_some(&*self.certificate)
    }

    /// What its processes use.
    pub fn usage(&self) -> Source {
        Source::BuiltIn(self.replicas.processes().to_vec())
    }

    /// Ends it.
    pub fn stop(self) {
        self.replicas.stop();
    }
}

/// How many processes `--serve replicas=N` asks for, and the options for each of
/// them: here they are posthaste's own, so that faults can be done to them.
pub fn replicas_of(options: &[String]) -> (usize, Vec<&String>) {
    let number = |option: &str| option.strip_prefix("replicas=")?.parse().ok();
    let count = options.iter().rev().find_map(|option| number(option)).unwrap_or(1);
    (count, options.iter().filter(|option| number(option).is_none()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_processes_is_an_option_of_the_whole() {
        let options = ["max-rate=5", "replicas=3"].map(str::to_owned);
        assert_eq!(replicas_of(&options), (3, vec![&options[0]]));
        assert_eq!(replicas_of(&options[..1]), (1, vec![&options[0]]));
    }
}
