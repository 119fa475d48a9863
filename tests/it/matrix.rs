//! `posthaste matrix`, as a user runs it: a few of its cells.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

fn matrix(folder: &TempDir, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
    command.arg("matrix").args(args).arg("--results").arg(folder.path());
    let output = command.timeout(Duration::from_secs(170)).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn cell<'m>(matrix: &'m Value, table: usize, design: &str, failure: &str) -> &'m Value {
    let cells = matrix["tables"][table]["cells"].as_array().unwrap();
    let found = cells.iter().find(|cell| cell["design"] == design && cell["failure"] == failure);
    found.unwrap_or_else(|| panic!("no cell {design} × {failure}: {matrix:#}"))
}

#[test]
fn the_designs_differ_as_they_are_known_to() {
    let folder = TempDir::new().unwrap();
    let designs = "--designs=http,http-no-key,ws,ws-fanout-first,ws-trusting";
    let (code, stdout, stderr) = matrix(&folder, &[designs, "--failures=ack lost,store fails,disconnect", "--json"]);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    let summary: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((summary["verdict"].as_str(), summary["interrupted"].as_bool()), (Some("kept"), Some(false)));

    let count = |table, design, failure, name: &str| cell(&summary, table, design, failure)["counts"][name].as_u64();
    for failure in ["ack lost", "store fails"] {
        for harm in ["lost silently", "lost after ack", "stored twice", "phantoms"] {
            assert_eq!(count(0, "http", failure, harm), None, "{failure}: {harm}");
        }
    }
    assert!(count(0, "http-no-key", "ack lost", "stored twice") > Some(10));
    assert!(count(0, "ws", "store fails", "lost silently") > Some(10));
    assert_eq!(count(0, "ws", "store fails", "phantoms"), None);
    assert!(count(0, "ws-fanout-first", "store fails", "phantoms") > Some(10));
    // ws is a design of both tables.
    assert_eq!(count(1, "ws", "disconnect", "never received"), None);
    assert!(count(1, "ws-trusting", "disconnect", "never received") > Some(10));

    let here: PathBuf = folder.path().join(summary["matrix_id"].as_str().unwrap());
    let run = cell(&summary, 0, "ws", "store fails")["run"].as_str().unwrap();
    let of_run: Value =
        serde_json::from_str(&fs::read_to_string(here.join(run).join("summary.json")).unwrap()).unwrap();
    assert_eq!(of_run["sends"]["shown_sent_absent"].as_u64(), count(0, "ws", "store fails", "lost silently"));
    assert_eq!(of_run["plan"]["send"]["design"], "ws");
    let written: Value = serde_json::from_str(&fs::read_to_string(here.join("matrix.json")).unwrap()).unwrap();
    assert_eq!(written, summary);
    for (name, part) in [("matrix.md", "| send design |"), ("matrix.html", "<table>"), ("matrix.txt", "send design")] {
        assert!(fs::read_to_string(here.join(name)).unwrap().contains(part), "{name}");
    }
    crate::browser::is_quiet(&here.join("matrix.html"));
}

#[test]
fn what_cannot_be_asked_for_says_so() {
    let folder = TempDir::new().unwrap();
    for (args, said) in [
        (&["--designs", "htp"][..], "--designs htp: did you mean \"http\"?"),
        (&["--failures", "zzz"], "--failures zzz: there are clean, crash"),
        (&["--set", "send.design=ws"], "--set send.design: the matrix sets it in each cell"),
        (&["--set", "faults=[]"], "--set faults: the matrix sets it in each cell"),
        (&["--set", "population.subscribers=3"], "population.subscribers must be all users"),
        (&["--url", "ftp://127.0.0.1"], "ftp"),
        (&["nowhere.toml"], "cannot read the workload nowhere.toml"),
        (&["--quick", "--failures", "disconnect"], "--failures disconnect: there are"),
    ] {
        let (code, _, stderr) = matrix(&folder, args);
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, _, stderr) = matrix(&folder, &["--url", &format!("http://{closed}")]);
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains(&format!("cannot reach the target at http://{closed}")), "{stderr}");
}
