//! Sends over HTTP/2: whole runs, with and without TLS, and under faults.

use crate::run::Run;

const H2: [&str; 2] = ["--set", "send.http=h2"];

fn with(more: &[&str]) -> Run {
    let short = ["--users", "60", "--duration", "3s", "--set", "arrival.warm_up=500ms", "--set", "connect.rate=2000"];
    Run::new(&[&short[..], &H2, more].concat())
}

#[test]
fn a_whole_run_over_http2() {
    for more in [&[][..], &["--serve", "tls"]] {
        let run = with(more);
        assert_eq!(run.code, 0, "{more:?}: {}\n{:#}", run.stderr, run.summary);
        run.only(&[]);
        run.adds_up();
        assert_eq!((run.ledger("retries"), run.ledger("rejected"), run.ledger("unknown")), (0, 0, 0), "{more:?}");
        assert_eq!(run.summary["plan"]["send"]["http"], "h2");
    }
}

/// Whatever a crash leaves undecided is called so, and nothing else.
#[test]
fn what_was_acknowledged_over_http2_survives_crashes_and_lost_answers() {
    let faults = r#"faults=[{kind="crash",at="700ms",for="100ms"},{kind="crash",at="1700ms",for="100ms"},
        {kind="drop-ack",at="0s",share=0.1},{kind="hedge",at="0s",share=0.1}]"#;
    let lenient = ["--set", "send.attempts=8", "--set", "thresholds=[\"errors.share < 50%\"]", "--set", faults];
    let run = with(&lenient);
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    run.adds_up();
    let (acknowledged, unknown, stored) = (run.ledger("acknowledged"), run.ledger("unknown"), run.ledger("stored"));
    assert!((acknowledged..=acknowledged + unknown).contains(&stored), "{}", run.summary["ledger"]);
    let touched = run.summary["faults"].as_array().unwrap().iter().map(|fault| fault["touched"].as_u64().unwrap());
    assert!(touched.min() > Some(0), "{}", run.summary["faults"]);
}

/// A server that leaves says GOAWAY, and finishes what it has begun.
#[test]
fn no_send_fails_when_a_server_leaves_in_peace() {
    let faults = r#"faults=[{kind="deploy",at="900ms"},{kind="deploy",at="1900ms"}]"#;
    for more in [&[][..], &["--serve", "tls"]] {
        let run = with(&[more, &["--set", "send.attempts=8", "--set", faults]].concat());
        assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
        run.only(&[]);
        assert_eq!((run.ledger("rejected"), run.ledger("unknown")), (0, 0), "{}", run.summary["ledger"]);
    }
}
