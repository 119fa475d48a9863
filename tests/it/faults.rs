//! Whole runs with faults: a correct server stays correct under each of them,
//! and a fault that hits nothing proves nothing.

use crate::run::Run;
use crate::self_check::{self, Null, summary_of};
use serde_json::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// Every fault, at a time and of a length that a short run can bear.
const FAULTS: [&str; 18] = [
    r#"{kind="disconnect",at="700ms",for="300ms"}"#,
    r#"{kind="hedge",at="0s",share=0.2}"#,
    r#"{kind="handoff",at="900ms",share=0.3}"#,
    r#"{kind="slow-reader",at="700ms",for="900ms",share=0.2}"#,
    r#"{kind="suspend",at="700ms",for="900ms",share=0.3}"#,
    r#"{kind="drop-ack",at="0s",share=0.1}"#,
    r#"{kind="blackhole",at="700ms",for="1200ms",share=0.3}"#,
    r#"{kind="blackhole",at="700ms",for="900ms",ends="heal",direction="from-target"}"#,
    r#"{kind="blackhole",at="700ms",for="900ms",ends="close",direction="to-target",connections="posts"}"#,
    r#"{kind="idle-evict",at="0s",idle="150ms"}"#,
    r#"{kind="herd",at="900ms"}"#,
    r#"{kind="latency",at="600ms",for="900ms",delay="40ms",jitter="60ms"}"#,
    r#"{kind="bandwidth",at="600ms",for="900ms",bytes_per_s=20_000}"#,
    r#"{kind="slice",at="600ms",for="900ms"}"#,
    r#"{kind="store-fail",at="800ms",for="300ms"}"#,
    r#"{kind="crash",at="800ms",for="100ms",stall="20ms"}"#,
    r#"{kind="pause",at="800ms",for="400ms"}"#,
    r#"{kind="deploy",at="900ms"}"#,
];

/// Runs at once: they wait most of the time.
const AT_ONCE: usize = 4;

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
    for fault in run.summary["faults"].as_array().unwrap() {
        let count = |part: &str| fault["delivery_us"][part]["count"].as_u64().unwrap();
        let parts = ["before", "during", "after"].map(count);
        let all = run.summary["latency_us"]["delivery"]["count"].as_u64().unwrap();
        assert!(parts.iter().sum::<u64>() == all && parts[1] > 0, "{parts:?} are the parts of {all}");
    }
}

#[test]
fn three_servers_over_one_store_are_correct_under_faults_of_each() {
    let faults = r#"[{kind="crash",at="700ms"},{kind="disconnect",at="1200ms",for="200ms"},
        {kind="hedge",at="0s",share=0.3},{kind="pause",at="1500ms",for="300ms"},{kind="deploy",at="2100ms"}]"#;
    let run = with(faults, &["--serve", "replicas=3"]);
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    run.adds_up();
    let touched = hit(&run);
    assert_eq!((touched[0].1, touched[3].1, touched[4].1), (1, 1, 3), "each process was replaced: {touched:?}");
    assert!(run.ledger("healed") > 0);
    for refused in [&["--defect", "drop-live"][..], &["--set", "receive.design=socket-mode"]] {
        let run = with("[]", &[&["--serve", "replicas=3"], refused].concat());
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("is of one process alone"), "{}", run.stderr);
    }
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
fn whoever_is_away_holds_no_socket() {
    let folder = TempDir::new().unwrap();
    let stamps = folder.path().join("stamps.json");
    let mut null = Null::start(&["--stamps", stamps.to_str().unwrap()]);
    let away = "faults=[{kind=\"disconnect\",at=\"300ms\",for=\"1200ms\",share=1.0}]";
    let summary = summary_of(&self_check::run(folder.path(), &null, &[away]).output().unwrap());
    null.end();
    let stamps: Value = serde_json::from_str(&std::fs::read_to_string(stamps).unwrap()).unwrap();
    let (pushed, live) =
        (stamps["push"]["count"].as_u64().unwrap(), summary["ledger"]["live_deliveries"].as_u64().unwrap());
    assert_eq!(summary["faults"][0]["touched"], 40);
    // Sockets that end by themselves: a few pushes are under way then.
    assert!(live > 2_000 && pushed < live + live / 10, "{pushed} pushed, {live} taken");
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

#[test]
fn twenty_crashes_in_a_row_at_a_thousand_messages_a_second() {
    let crash = |number: u32| format!(r#"{{kind="crash",at="{}ms",for="100ms"}}"#, 700 + 800 * number);
    let crashes: Vec<String> = (0..20).map(crash).collect();
    let faults = format!("faults=[{}]", crashes.join(","));
    let run = Run::new(&[
        "--users",
        "60",
        "--rate",
        "1000",
        "--duration",
        "17s",
        "--set",
        "population.channels=20",
        "--set",
        "population.members=3",
        "--set",
        "connect.rate=2000",
        "--set",
        "send.attempts=8",
        // A slow machine works off what has piled up; it does not fail.
        "--set",
        "drain.deadline=5m",
        "--set",
        "thresholds=[\"errors.share < 50%\"]",
        "--set",
        &faults,
    ]);
    // Stored is all that was acknowledged, and nothing that was refused: what
    // is only unknown may be either.
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    run.adds_up();
    assert_eq!(hit(&run).iter().map(|(_, touched)| touched).sum::<u64>(), 20);
    let (acknowledged, unknown, stored) = (run.ledger("acknowledged"), run.ledger("unknown"), run.ledger("stored"));
    assert!((acknowledged..=acknowledged + unknown).contains(&stored), "{}", run.summary["ledger"]);
    assert!(run.ledger("retries") > 20, "each crash had somebody wait: {}", run.summary["ledger"]);
}

/// What is wrong with a run against a correct server under some faults; empty
/// where nothing is.
fn wrong_under(design: &str, faults: &[&str]) -> Vec<String> {
    let design = format!("send.design={design}");
    let quick = ["--set", &design, "--set", "send.timeout=700ms", "--set", "heartbeat.interval=400ms"];
    let run = with(&format!("[{}]", faults.join(",")), &[&quick[..], &["--set", "heartbeat.timeout=400ms"]].concat());
    let mut wrong = Vec::new();
    let mut complain = |what: String| wrong.push(format!("{design} {faults:?}: {what}"));
    let Some(findings) = run.summary["findings"].as_object() else {
        complain(format!("no summary: {}", run.stderr));
        return wrong;
    };
    if run.code != 0 {
        complain(format!("the exit code is {}: {}", run.code, run.summary["correctness"]["reasons"]));
    }
    for (name, finding) in findings.iter().filter(|(_, finding)| finding["class"] == "zero") {
        if finding["count"] != 0 {
            complain(format!("{name}: {finding}"));
        }
    }
    if (run.ledger("unhealed"), run.ledger("unresolved"), run.finding("silent_loss")) != (0, 0, 0) {
        complain(format!("{:#}", run.summary["ledger"]));
    }
    for (kind, touched) in hit(&run) {
        if touched == 0 {
            complain(format!("{kind} hit nothing"));
        }
    }
    wrong
}

/// Runs each case, a few at once.
fn check(cases: &[(&str, Vec<&str>)]) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((design, faults)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = wrong_under(design, faults);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
}

/// A hedge posts twice over HTTP, and some faults touch posts alone.
fn goes_with(design: &str, faults: &[&str]) -> bool {
    design == "http" || !faults.iter().any(|fault| fault.contains("hedge") || fault.contains("posts"))
}

#[test]
fn a_correct_server_is_correct_under_each_fault() {
    let cases = ["http", "ws-ack"].into_iter().flat_map(|design| FAULTS.map(|fault| (design, vec![fault])));
    let cases: Vec<_> = cases.filter(|(design, faults)| goes_with(design, faults)).collect();
    check(&cases);
}

#[test]
#[ignore = "takes ten minutes; scripts/detection-matrix runs it"]
fn a_correct_server_is_correct_under_each_pair_of_faults() {
    let pairs = FAULTS.iter().enumerate().flat_map(|(rank, one)| FAULTS[rank + 1..].iter().map(|two| vec![*one, *two]));
    let cases = pairs.flat_map(|pair| ["http", "ws-ack"].map(|design| (design, pair.clone())));
    let cases: Vec<_> = cases.filter(|(design, faults)| goes_with(design, faults)).collect();
    let (piece, pieces) = piece();
    check(&cases.into_iter().skip(piece).step_by(pieces).collect::<Vec<_>>());
}

/// Which of how many pieces of the pairs to run: all of them, or what
/// POSTHASTE_PIECE says, as `3/8`.
fn piece() -> (usize, usize) {
    let Ok(text) = std::env::var("POSTHASTE_PIECE") else { return (0, 1) };
    let read = || Some((text.split_once('/')?.0.parse().ok()?, text.split_once('/')?.1.parse().ok()?));
    let (piece, pieces): (usize, usize) = read().unwrap_or_else(|| panic!("{text:?} is no piece, such as 3/8"));
    assert!((1..=pieces).contains(&piece), "{text:?} is no piece, such as 3/8");
    (piece - 1, pieces)
}
