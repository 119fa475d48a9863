//! Whole runs against a chat server that shares nothing with posthaste but the
//! wire (`tests/independent/server.mjs`): what a correct server may do as well
//! is not found fault with, and its bugs are counted as it notes them.

use crate::run::Run;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The server, killed when dropped.
struct Independent {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Independent {
    fn start(args: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut child = Command::new("node")
            .args(["tests/independent/server.mjs", "--log"])
            .arg(folder.path().join("log.ndjson"))
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the first line names the address").to_owned();
        Self { child, url, folder }
    }

    /// What it noted: how often, and of how many messages.
    fn noted(&self) -> (u64, u64) {
        let path: PathBuf = self.folder.path().join("log.ndjson");
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let keys: BTreeSet<String> = lines.iter().map(|line| line["key"].to_string()).collect();
        (lines.len() as u64, keys.len() as u64)
    }

    fn run(&self, more: &[&str]) -> Run {
        let pages = ["catch_up.page_size=10", "drain.page_sizes=[20,13]"];
        let pages: Vec<&str> = pages.iter().flat_map(|page| ["--set", page]).collect();
        Run::short(&[&["--url", &self.url][..], &pages, more].concat())
    }
}

impl Drop for Independent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn node_is_missing() -> bool {
    let missing = !Command::new("node").arg("--version").output().is_ok_and(|node| node.status.success());
    if missing {
        println!("skipped: Node.js is not installed");
    }
    missing
}

const CHURN: &[&str] = &["--set", "churn.share_per_minute=10"];
const STEADY: &[&str] = &["--set", "churn.share_per_minute=0"];

#[test]
fn what_a_correct_server_may_do_is_not_found_fault_with() {
    if node_is_missing() {
        return;
    }
    for manners in [
        &["echoes-no-key", "noise", "chunks"][..],
        &["oldest-first", "pages-of-nothing", "last-page-is-empty", "hangs-up", "closes"],
        &["busy", "fails-before", "answers-late", "fragments", "pages-of-nothing"],
    ] {
        let server = Independent::start(manners);
        let run = server.run(CHURN);
        assert!(run.summary["findings"].is_object(), "{manners:?}: {}", run.stderr);
        run.only(&[]);
        run.adds_up();
        assert_eq!(run.summary["correctness"]["verdict"], "pass", "{manners:?}: {}", run.summary["correctness"]);
        assert!(run.ledger("healed") > 0 && run.ledger("unresolved") == 0, "{manners:?}");
    }
}

#[test]
fn what_is_still_under_way_at_the_end_is_nobodys_bug() {
    if node_is_missing() {
        return;
    }
    let server = Independent::start(&["never-answers"]);
    let run = server.run(&[STEADY, &["--set", "send.timeout=30s", "--set", "drain.deadline=2s"]].concat());
    run.only(&[]);
    run.adds_up();
    assert!(run.ledger("unknown") > 0, "{:#}", run.summary["ledger"]);
    let reasons = run.summary["correctness"]["reasons"].to_string();
    assert!(run.code == 3 && reasons.contains("still under way"), "{}: {reasons}", run.code);
}

#[test]
fn bugs_that_this_repository_did_not_plan_are_counted_exactly() {
    if node_is_missing() {
        return;
    }
    for (bug, manner, finding, zero) in [
        ("lost=30", "", "acked_lost", true),
        ("stored-twice=30", "oldest-first", "store_duplicates", true),
        ("forgets-key=1", "answers-late", "store_duplicates", true),
        ("pushed-then-failed=30", "", "phantom", true),
        ("refused-and-stored=30", "echoes-no-key", "rejected_stored", true),
        ("wrong-ts=30", "", "ack_identity", true),
        ("own-eyes-only=30", "", "page_anomaly", true),
        ("push-twice=40", "fragments", "live_duplicates", false),
        ("push-lost=40", "", "live_missed", false),
    ] {
        let server = Independent::start(&[bug, manner]);
        let run = server.run(STEADY);
        let (lines, _) = server.noted();
        assert!(lines > 0, "{bug}: {}", run.stderr);
        run.only(if zero { std::slice::from_ref(&finding) } else { &[] });
        assert_eq!(run.finding(finding), lines, "{bug}: {:#}", run.summary["findings"][finding]);
        assert_eq!(run.code == 97, zero, "{bug}");
    }
}
