//! `posthaste compare`, as a user runs it.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Two seconds a run, enough for a p50 and a p99.
const SHORT: &[&str] = &[
    "--set",
    "arrival.duration=1s",
    "--set",
    "arrival.warm_up=100ms",
    "--set",
    "arrival.rate=450",
    "--set",
    "population.users=30",
    "--set",
    "population.channels=5",
    "--set",
    "drain.quiet=100ms",
];

fn compare(args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
    let output = command.arg("compare").args(args).timeout(Duration::from_secs(170)).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_slower_build_is_told_from_its_base() {
    let folder = TempDir::new().unwrap();
    let results = folder.path().to_str().unwrap();
    let slow = "faults=[{kind=\"latency\",at=\"0s\",for=\"2s\",delay=\"60ms\"}]";
    let args = [&["--pairs=8", "--gate", "delivery.p50=20%", "--results", results, "--set-b", slow], SHORT].concat();
    let (code, stdout, stderr) = compare(&args);
    assert_eq!(code, 99, "{stdout}\n{stderr}");
    assert!(stdout.contains("REGRESSION: delivery.p50 is ") && stdout.contains("8 pairs); margin 1.20"), "{stdout}");
    assert!(stderr.contains("a pair takes about ") && stderr.lines().count() == 10, "{stderr}");

    let here = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let written: Value = serde_json::from_str(&fs::read_to_string(here.join("compare.json")).unwrap()).unwrap();
    let pairs = written["pairs"].as_array().unwrap();
    assert_eq!((pairs.len(), pairs[0]["discarded_because"].as_str()), (9, Some("the warm-up")));
    let orders: Vec<&str> = pairs.iter().filter_map(|pair| pair["order"].as_str()).collect();
    assert!(orders.contains(&"ab") && orders.contains(&"ba"), "{orders:?}");
    // A figure of the table stands in the run that it names.
    let reading = &pairs[3]["values"]["delivery.p50"];
    let summary = |side: &str| -> Value {
        let run: PathBuf = here.join(pairs[3][side].as_str().unwrap());
        serde_json::from_str(&fs::read_to_string(run.join("summary.json")).unwrap()).unwrap()
    };
    for (side, value) in [("a_run", &reading[0]), ("b_run", &reading[1])] {
        assert_eq!(summary(side)["latency_us"]["delivery"]["p50"].as_f64(), value["value"].as_f64(), "{side}");
    }
    assert!(fs::read_to_string(here.join("compare.md")).unwrap().contains("| delivery.p50 | "));
    let page = fs::read_to_string(here.join("compare.html")).unwrap();
    assert!(page.contains("B is worse: delivery.p50 is ") && page.matches("title=\"pair ").count() == 8, "{page}");
    crate::browser::is_quiet(&here.join("compare.html").canonicalize().unwrap());

    // Two of its runs, side by side.
    let [a, b] = ["a_run", "b_run"].map(|side| here.join(pairs[3][side].as_str().unwrap()).display().to_string());
    let (code, stdout, stderr) = compare(&[&a, &b]);
    assert_eq!(code, 2, "{stdout}");
    assert!(stderr.contains("runs of different workloads") && stderr.contains("--force"), "{stderr}");
    let two = folder.path().join("two.html");
    let (code, stdout, _) = compare(&[&a, &b, "--force", "--html", two.to_str().unwrap()]);
    assert!(fs::read_to_string(&two).unwrap().contains("<code>delivery p50</code>"));
    crate::browser::is_quiet(&two.canonicalize().unwrap());
    assert!(code == 0 && stdout.contains("delivery p50") && stdout.contains("Unpaired, descriptive only"), "{stdout}");
}

#[test]
fn a_build_that_loses_a_message_fails_at_once() {
    let folder = TempDir::new().unwrap();
    let results = folder.path().to_str().unwrap();
    let program = env!("CARGO_BIN_EXE_posthaste");
    let right = format!("exec {program} serve --port {{port}}");
    let wrong = format!("{right} --defect ack-before-persist=10");
    let args = [&["--pairs", "--exec", &right, "--exec", &wrong, "--results", results, "--json"], SHORT].concat();
    let (code, stdout, stderr) = compare(&args);
    assert_eq!(code, 97, "{stdout}\n{stderr}");
    let summary: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(summary["verdict"], "incorrect");
    assert!(summary["reasons"][0].as_str().unwrap().starts_with("a run of B lost, doubled or invented"), "{stdout}");
    assert_eq!(summary["pairs"].as_array().unwrap().len(), 0, "in the warm-up already");
}

#[test]
fn what_cannot_be_compared_says_so() {
    for (args, words) in [
        (&["a"][..], "the folders of two finished runs"),
        (&["no-such-folder", "nor-this"], "cannot open no-such-folder"),
        (&["a", "b", "--gate", "ack.p99"], "--gate is for --pairs"),
        (&["--pairs=5", "--set-b", "send.attempts=1"], "--pairs 5: fewer than 8 pairs show nothing"),
        (&["--pairs"], "A and B are the same"),
        (&["--pairs", "--set-b", "send.atempts=1"], "B: --set send.atempts=1: unknown key"),
        (&["--pairs", "--exec", "serve", "--set-b", "send.attempts=1"], "has no {port}"),
        (&["--pairs", "--url", "http://127.0.0.1:9", "--exec", "x {port}"], "give either"),
        (&["--pairs", "--gate", "findings.acked_lost", "--set-b", "send.attempts=1"], "never a matter of statistics"),
        (&["--pairs", "--budget", "1m", "--set-b", "send.attempts=1"], "8 pairs and a warm-up take about"),
        (&["--aa", "--html", "page.html"], "--html is for two finished runs"),
        (&["--aa", "--set-b", "send.attempts=1"], "with --aa both sides are A"),
    ] {
        let (code, _, stderr) = compare(args);
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{args:?}: {stderr}");
    }
    let folder = TempDir::new().unwrap();
    let results = folder.path().to_str().unwrap();
    let unreachable = ["--pairs", "--url", "http://127.0.0.1:9", "--set-b", "send.attempts=1", "--results", results];
    let (code, _, stderr) = compare(&unreachable);
    assert!(code == 5 && stderr.contains("cannot reach the target"), "{code} {stderr}");
    let (code, _, stderr) =
        compare(&["--pairs", "--exec", "echo no; exit 4 # {port}", "--set-b", "send.attempts=1", "--results", results]);
    assert!(code == 1 && stderr.contains("before it listened: no"), "{code} {stderr}");
}
