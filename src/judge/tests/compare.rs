//! What a run says of the metrics that a comparison takes.

use super::check;
use crate::judge::compare::{Reading, reading};
use crate::judge::{LatencySummary, TargetProcess};

#[test]
fn what_a_run_says_of_a_metric() {
    let mut run = check("a run", &[], |_| {});
    let quantiles = LatencySummary {
        p50: Some(5),
        p90: Some(6),
        p99: Some(7),
        p999: Some(8),
        p9999: Some(9),
        max: Some(10),
        lower_bounds: vec!["p99".to_owned()],
        ..LatencySummary::default()
    };
    run.latency_us.insert("ack".to_owned(), quantiles);
    (run.rates.offered_per_s, run.rates.achieved_per_s, run.rates.delivered_per_s) = (3.0, 2.0, 0.0);
    (run.ledger.acknowledged, run.ledger.written) = (3, 1);
    let process = TargetProcess {
        source: "a process".to_owned(),
        seconds: 10.0,
        cpu_s: 2.0,
        rss_before_bytes: None,
        rss_connected_bytes: None,
        rss_max_bytes: Some(4_096),
        unknown_because: None,
    };
    assert_eq!(reading(&run, "target.cpu_per_message"), None, "nobody looked");
    run.target_process = Some(process);
    for (metric, value, at_least) in [
        ("ack.p50", Some(5.0), false),
        ("ack.p90", Some(6.0), false),
        ("ack.p99", Some(7.0), true),
        ("ack.p99.9", Some(8.0), false),
        ("ack.p99.99", Some(9.0), false),
        ("ack.max", Some(10.0), false),
        ("ack.count", None, false),
        ("heal.p99", None, false),
        ("rates.offered_per_s", Some(3.0), false),
        ("rates.achieved_per_s", Some(2.0), false),
        ("rates.delivered_per_s", None, false),
        ("target.cpu_per_message", Some(500_000.0), false),
        ("target.rss_max", Some(4_096.0), false),
        ("findings.acked_lost", None, false),
    ] {
        let expected = value.map(|value| Reading { value, at_least });
        assert_eq!(reading(&run, metric), expected, "{metric}");
    }
    (run.ledger.acknowledged, run.ledger.written) = (0, 0);
    assert_eq!(reading(&run, "target.cpu_per_message"), None, "of no message");
    run.target_process.as_mut().unwrap().unknown_because = Some("it is gone".to_owned());
    run.ledger.acknowledged = 1;
    assert_eq!(reading(&run, "target.cpu_per_message"), None, "it is gone");
}
