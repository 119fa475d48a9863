//! Whole runs with faults: a correct server stays correct under each of them,
//! and a fault that hits nothing proves nothing.

use crate::run::Run;
use serde_json::Value;

fn with(faults: &str, more: &[&str]) -> Run {
    let set = format!("faults={faults}");
    // Errors of a crash are not what is judged here.
    let lenient = ["--set", "thresholds=[\"errors.share < 50%\"]", "--set", "send.attempts=8"];
    let short = ["--users", "60", "--duration", "3s", "--set", "arrival.warm_up=500ms", "--set", "connect.rate=2000"];
    Run::new(&[&short[..], &["--set", &set], &lenient[..], more].concat())
}

fn hit(run: &Run) -> Vec<(String, u64)> {
    let faults = run.summary["faults"].as_array().unwrap_or_else(|| panic!("no summary: {}", run.stderr));
    let one = |fault: &Value| (fault["kind"].as_str().unwrap().to_owned(), fault["touched"].as_u64().unwrap());
    faults.iter().map(one).collect()
}

#[test]
fn a_correct_server_is_correct_under_faults_of_its_process() {
    let run = with(
        r#"[{kind="crash",at="700ms"},{kind="pause",at="1300ms",for="500ms"},{kind="deploy",at="2200ms",for="100ms"}]"#,
        &[],
    );
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    run.adds_up();
    let one_each = ["crash", "pause", "deploy"].map(|kind| (kind.to_owned(), 1));
    assert_eq!(hit(&run), one_each);
    assert!(run.ledger("connections") > 100, "everybody reconnected: {}", run.summary["ledger"]);
    assert!(run.ledger("healed") > 0);
}

#[test]
fn a_correct_server_is_correct_under_faults_of_its_clients() {
    let run = with(
        r#"[{kind="disconnect",at="800ms",for="200ms"},{kind="hedge",at="0s",share=0.3},
            {kind="handoff",at="1500ms",share=0.3},{kind="slow-reader",at="1800ms",for="800ms",share=0.2}]"#,
        &[],
    );
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    run.adds_up();
    let touched = hit(&run);
    assert!(touched.iter().all(|(_, touched)| *touched > 3), "{touched:?}");
    assert!(run.ledger("retries") >= touched[1].1, "each hedged message has a second attempt");
    assert_eq!((run.ledger("unhealed"), run.ledger("unresolved")), (0, 0));
    // A machine that stalls for longer than the declared lag misses some.
    assert!(run.finding("live_missed") * 100 < run.ledger("entitled_deliveries"), "{:#}", run.summary["findings"]);
}

#[test]
fn a_fault_that_hits_nothing_makes_the_run_inconclusive() {
    let run = with(r#"[{kind="disconnect",at="1m"}]"#, &[]);
    assert_eq!((run.code, run.summary["verdict"].as_str()), (3, Some("inconclusive")), "{:#}", run.summary);
    let reasons = run.summary["correctness"]["reasons"].to_string();
    assert!(reasons.contains("never hit"), "{reasons}");
    let remote = Run::new(&["--url", "http://127.0.0.1:1", "--set", r#"faults=[{kind="crash",at="1s"}]"#]);
    assert_eq!(remote.code, 2, "{}", remote.stderr);
    assert!(remote.stderr.contains("crash needs a process"), "{}", remote.stderr);
}
