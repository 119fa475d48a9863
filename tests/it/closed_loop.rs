//! Closed loops: who waits for the answer before the next message.

use super::run::Run;
use super::self_check::Null;

/// The workload `closed` for so many senders on a null server, as fast as the rest
/// of the arguments let it be.
fn on(null: &Null, senders: u32, set: &[&str]) -> Run {
    let senders = format!("population.senders={senders}");
    let quick = [&senders[..], "arrival.warm_up=0s", "population.subscribers=0", "connect.rate=10_000"];
    let quick = [&quick[..], &["drain.quiet=50ms", "measurement.self_check=false"], set].concat();
    let mut args = vec!["closed", "--target", super::self_check::TARGET, "--url", &null.url];
    quick.iter().for_each(|assignment| args.extend(["--set", assignment]));
    Run::new(&args)
}

fn has_note(run: &Run) -> bool {
    run.summary["warnings"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().starts_with("closed loop: "))
}

#[test]
fn a_user_waits_for_the_answer_and_thinks() {
    for (ack_delay, think, turn_ms) in [("100ms", "100ms", 200), ("300ms", "100ms", 400), ("200ms", "0s", 200)] {
        let null = Null::start(&["--ack-delay", ack_delay]);
        let think = format!("arrival.think={think}");
        let run = on(&null, 10, &[&think, "arrival.duration=4s"]);
        // Nobody is ever faster; a busy machine is slower.
        let most = 10 * (4_000 / turn_ms + 1);
        let intended = run.ledger("intended");
        assert!(intended <= most && intended >= most / 2, "{intended} of {most}: {}", run.stderr);
        assert_eq!(run.ledger("acknowledged"), intended);
        assert!(has_note(&run), "{}", run.summary["warnings"]);
        let lag = run.summary["latency_us"]["lag"]["count"].as_u64();
        assert_eq!(lag, Some(intended), "{}", run.summary["latency_us"]);
    }
}

#[test]
fn workers_share_channels_and_every_message_is_another() {
    let run = Run::new(&[
        "closed",
        "--workers",
        "2",
        "--set",
        "arrival.think={min='0s',max='20ms'}",
        "--set",
        "arrival.duration=2s",
        "--set",
        "arrival.warm_up=0s",
        "--set",
        "measurement.self_check=false",
        "--set",
        "changes.share=0.3",
        "--set",
        "changes.per_message={min=1,max=2}",
        "--set",
        "changes.after={min='10ms',max='200ms'}",
        "--set",
        "connect.rate=2000",
    ]);
    assert_ne!(run.code, 1, "{}", run.stderr);
    assert_eq!(run.summary["correctness"]["verdict"], "pass", "{:#}", run.summary);
    run.only(&[]);
    run.adds_up();
    assert_eq!(run.ledger("acknowledged"), run.ledger("intended"));
    assert!(run.summary["changes"]["edit"]["acknowledged"].as_u64() > Some(20), "{}", run.summary["changes"]);
}

#[test]
fn a_ceiling_holds_who_does_not_think() {
    let null = Null::start(&[]);
    let senders = ["population.senders=20", "population.subscribers=0", "arrival.warm_up=0s", "arrival.think=0s"];
    let rest = ["arrival.duration=2s", "measurement.self_check=false", "drain.quiet=50ms", "connect.rate=10_000"];
    let mut args = vec!["closed", "--target", super::self_check::TARGET, "--url", &null.url, "--ceiling", "50"];
    [&senders[..], &rest].concat().iter().for_each(|assignment| args.extend(["--set", assignment]));
    let run = Run::new(&args);
    let attempts = run.summary["sends"]["attempts"].as_u64().or(run.summary["ledger"]["attempts"].as_u64());
    // So many a second, those under way when the load ends, and what a ceiling lets pass at once.
    assert!(
        attempts.is_some_and(|attempts| (50..=50 * 2 + 50 + 20).contains(&attempts)),
        "{attempts:?} {}",
        run.stderr
    );
}

#[test]
fn what_needs_a_rate_says_so() {
    for (args, words) in [
        (&["capacity", "closed"][..], "is a closed loop"),
        (&["run", "closed", "--rate", "50"], "arrival.rate does not go with a closed loop"),
        (&["run", "steady", "--set", "arrival.think=1s"], "arrival.think goes with process = \"closed\""),
    ] {
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_posthaste")).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words) && output.stdout.is_empty(), "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
    let explained = assert_cmd::Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .args(["run", "closed", "--explain"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&explained.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("(200 senders, thinking 500 ms to 1.50 s, seed 42)"), "{text}");
}
