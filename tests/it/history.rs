//! Histories: of runs, and of a k6 script.

use crate::run::Run;
use crate::server::harness::ServerProcess;
use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn judge(file: &Path) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_posthaste")).args(["judge", "--json"]).arg(file).output().unwrap();
    let verdict = serde_json::from_slice(&output.stdout);
    (output.status.code().unwrap(), verdict.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

/// Without the names of examples, which are numbers in a summary.
fn counted(findings: &Value) -> Value {
    let mut findings = findings.clone();
    for finding in findings.as_object_mut().unwrap().values_mut() {
        for example in finding["examples"].as_array_mut().into_iter().flatten() {
            for field in ["channel", "sender", "subscriber"] {
                let name = example[field].as_str().map(|name| name[1..].parse::<u64>().unwrap());
                if let Some(number) = name {
                    example[field] = number.into();
                }
            }
        }
    }
    findings
}

#[test]
fn a_run_that_is_written_as_a_history_is_judged_the_same() {
    let pages = ["--set", "catch_up.page_size=10", "--set", "churn.share_per_minute=10"];
    let run = Run::short(
        &[&pages[..], &["--defect", "cursor-skip=3", "--defect", "ack-before-persist=40", "--defect", "drop-live=70"]]
            .concat(),
    );
    for finding in ["acked_lost", "unhealed", "live_missed", "healed"] {
        assert!(run.finding(finding) > 0, "{finding}: {}", run.stderr);
    }
    let file = run.folder().join("history.ndjson");
    let report = Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .args(["report", "--json", "--history"])
        .args([&file, &run.folder()])
        .output()
        .unwrap();
    assert_eq!(report.status.code(), Some(97));
    let (code, verdict) = judge(&file);
    assert_eq!((code, verdict["verdict"].as_str()), (97, Some("fail")));
    assert_eq!(counted(&verdict["findings"]), run.summary["findings"]);
    assert_eq!(verdict["ledger"], run.summary["ledger"]);
    // A line that is cut off is no history.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() - 10]).unwrap();
    let cut = Command::new(env!("CARGO_BIN_EXE_posthaste")).arg("judge").arg(&file).output().unwrap();
    assert_eq!(cut.status.code(), Some(2));
    let says = String::from_utf8_lossy(&cut.stderr).into_owned();
    assert!(says.contains(&format!("line {}", text.lines().count())), "{says}");
}

#[test]
fn the_log_of_the_k6_script_is_a_history() {
    let node = std::process::Command::new("node").args(["--experimental-websocket", "-e", "WebSocket.name"]).output();
    let curl = std::process::Command::new("curl").arg("--version").output();
    if !node.is_ok_and(|node| node.status.success()) || curl.is_err() {
        println!("skipped: Node.js with WebSocket, or curl, is not installed");
        return;
    }
    for (defects, code, expected) in
        [(&[][..], 0, vec![]), (&["--defect", "ack-before-persist=10"][..], 97, vec![("acked_lost", 2)])]
    {
        let folder = tempfile::tempdir().unwrap();
        let server = ServerProcess::start(&folder.path().join("k6.db"), defects);
        let output = std::process::Command::new("node")
            .args(["--experimental-websocket", "--no-warnings", "scripts/k6/shim.mjs", "scripts/k6/history.js"])
            .args([format!("URL={}", server.client.base), "SECONDS=2".to_owned(), "SLACK=6".to_owned()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file = folder.path().join("k6.ndjson");
        fs::write(&file, &output.stdout).unwrap();
        let (found, verdict) = judge(&file);
        assert_eq!(found, code, "{verdict:#}");
        assert_eq!(verdict["ledger"]["intended"], 20, "{verdict:#}");
        assert_eq!(verdict["ledger"]["unresolved"], 0);
        for (name, count) in expected {
            assert_eq!(verdict["findings"][name]["count"], count, "{verdict:#}");
        }
    }
}
