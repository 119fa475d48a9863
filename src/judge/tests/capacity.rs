use super::check;
use crate::judge::capacity::{Egress, Find, Measured, Outcome, Purpose, SearchSettings, probe_of};
use crate::judge::{
    Correctness, CountedRates, LatencySummary, Measurement, RunSummary, TargetProcess, ThresholdOutcome, Verdict,
};

fn settings() -> SearchSettings {
    SearchSettings { find: Find::Rate, goodput: 0.97, warm_up_s: 1.0, probe_s: 10.0, ..SearchSettings::default() }
}

fn threshold(expr: &str, value: Option<f64>, shown: &str, passed: Option<bool>) -> ThresholdOutcome {
    ThresholdOutcome { expr: expr.to_owned(), value, shown: shown.to_owned(), passed }
}

/// A run of ten seconds at a hundred messages a second that kept everything.
fn run() -> RunSummary {
    let mut summary = check("a run", &[], |_| {});
    summary.correctness = Correctness { verdict: Verdict::Pass, reasons: Vec::new() };
    summary.measurement = Measurement { valid: true, reasons: Vec::new() };
    summary.rates.counted =
        CountedRates { seconds: 10.0, offered_per_s: 100.0, achieved_per_s: 100.0, goodput: Some(1.0) };
    summary.thresholds = vec![
        threshold("errors.share < 1%", Some(0.0), "0", Some(true)),
        threshold("delivery.p99 < 250ms", Some(100_000.0), "100 ms", Some(true)),
    ];
    summary.generator.lag_p99_us = Some(500);
    summary
}

fn outcome(reason: &str, expected: Outcome, said: &str, change: impl FnOnce(&mut RunSummary)) {
    let mut summary = run();
    change(&mut summary);
    let measured = Measured { run: "probes/1", summary: &summary, took_s: 15.0 };
    let probe = probe_of(&settings(), 1, Purpose::Coarse, 100.0, &measured);
    assert_eq!(probe.outcome, expected, "{reason}: {}", probe.because);
    assert!(probe.because.contains(said), "{reason}: {}", probe.because);
}

fn void(summary: &mut RunSummary, lag_us: u64) {
    summary.measurement = Measurement { valid: false, reasons: vec!["sends left late".to_owned()] };
    summary.generator.lag_p99_us = Some(lag_us);
    for threshold in &mut summary.thresholds[1..] {
        threshold.passed = None;
    }
}

#[test]
fn what_a_run_says_of_a_load() {
    use Outcome::{Failed, Held, Incorrect, Interrupted, Unclear};
    outcome("all is well", Held, "", |_| {});
    outcome("a threshold is broken", Failed, "delivery.p99 < 250ms: 312 ms", |run| {
        run.thresholds[1] = threshold("delivery.p99 < 250ms", Some(312_000.0), "312 ms", Some(false));
    });
    outcome("less is carried than comes", Failed, "goodput 96.0 % < 97 %", |run| {
        run.rates.counted.goodput = Some(0.96);
    });
    outcome("a message or two at the ends of a short probe decide nothing", Held, "", |run| {
        run.rates.counted = CountedRates { offered_per_s: 3.0, goodput: Some(0.92), ..run.rates.counted.clone() };
    });
    outcome("loss comes before all else", Incorrect, "acked_lost", |run| {
        run.rates.counted.goodput = Some(0.5);
        run.correctness = Correctness { verdict: Verdict::Fail, reasons: vec!["5 lost (acked_lost)".to_owned()] };
    });
    outcome("a signal", Interrupted, "", |run| run.interrupted = true);
    outcome("a drain that is not complete shows nothing", Unclear, "no final read", |run| {
        run.correctness = Correctness { verdict: Verdict::Inconclusive, reasons: vec!["no final read".to_owned()] };
    });
    outcome("unless the objective was missed already", Failed, "goodput", |run| {
        run.rates.counted.goodput = Some(0.5);
        run.correctness = Correctness { verdict: Verdict::Inconclusive, reasons: vec!["sends pending".to_owned()] };
    });
    outcome("too few samples", Unclear, "no data", |run| {
        run.thresholds[1] = threshold("delivery.p99 < 250ms", None, "no data: 12 samples", None);
    });
    outcome("a quantile that reaches what never came", Failed, "never came", |run| {
        run.thresholds[1] = threshold("delivery.p99 < 250ms", Some(90_000.0), "≥ 90.0 ms", None);
    });
    outcome("of the time of a fault too, whatever the whole run says", Failed, "never came", |run| {
        run.thresholds[1] = threshold("delivery.p99 < 250ms during pause", Some(90_000.0), "≥ 90.0 ms", None);
        run.latency_us.insert("delivery".to_owned(), LatencySummary { at_least_count: 5, ..LatencySummary::default() });
    });
    outcome("what is broken counts before what is not known", Failed, "312 ms", |run| {
        run.thresholds[0] = threshold("ack.p99 < 1s", None, "no data: 12 samples", None);
        run.thresholds[1] = threshold("delivery.p99 < 250ms", Some(312_000.0), "312 ms", Some(false));
    });
    outcome("a bound from below says nothing where it was not decided", Unclear, "ack.p50 > 1ms", |run| {
        run.thresholds[1] = threshold("ack.p50 > 1ms", Some(2_000.0), "2.00 ms, withheld", None);
    });
    outcome("nothing was sent", Unclear, "nothing was intended", |run| run.rates.counted.goodput = None);
}

#[test]
fn a_generator_that_lags_is_no_failure_of_the_target() {
    use Outcome::{Failed, GeneratorLimit, Held};
    outcome("a void latency that is kept all the same is kept", Held, "", |run| void(run, 4_000));
    outcome("one that is missed by what the generator may have added", GeneratorLimit, "sends left late", |run| {
        run.thresholds[1] = threshold("delivery.p99 < 250ms", Some(300_000.0), "300 ms, withheld", None);
        void(run, 200_000);
    });
    outcome("one that is missed by far more", Failed, "3.00 s", |run| {
        run.thresholds[1] = threshold("delivery.p99 < 250ms", Some(3_000_000.0), "3.00 s, withheld", None);
        void(run, 2_000);
    });
    outcome("less than it may have added, twice over, and not enough", Failed, "300 ms", |run| {
        run.thresholds[1] = threshold("delivery.p99 < 250ms", Some(300_000.0), "300 ms, withheld", None);
        void(run, 24_000);
    });
    outcome("just enough", GeneratorLimit, "300 ms", |run| {
        run.thresholds[1] = threshold("delivery.p99 < 250ms", Some(300_000.0), "300 ms, withheld", None);
        void(run, 25_001);
    });
    outcome(
        "a shortfall of two seconds, and sends that were one second late at most",
        Failed,
        "goodput 80.0 %",
        |run| {
            run.rates.counted.goodput = Some(0.80);
            void(run, 500_000);
        },
    );
    outcome(
        "a shortfall that late sends explain",
        GeneratorLimit,
        "goodput 95.0 % < 97 %, but sends left late",
        |run| {
            run.rates.counted.goodput = Some(0.95);
            void(run, 400_000);
        },
    );
    outcome("a shortfall that they do not explain", Failed, "goodput 80.0 %", |run| {
        run.rates.counted.goodput = Some(0.80);
        void(run, 4_000);
    });
}

#[test]
fn what_the_target_used_comes_with_what_for() {
    let mut summary = run();
    summary.ledger.attempts = 1_100;
    summary.ledger.message_frames = 22_000;
    summary.ledger.subscribers = 200;
    summary.ledger.connections = 201;
    let process = TargetProcess {
        source: "process 1".to_owned(),
        seconds: 12.0,
        cpu_s: 3.5,
        rss_before_bytes: Some(10_000),
        rss_connected_bytes: Some(30_000),
        rss_max_bytes: Some(50_000),
        unknown_because: None,
    };
    summary.target_process = Some(process.clone());
    let measured = |summary: &RunSummary| {
        let measured = Measured { run: "probes/1", summary, took_s: 15.0 };
        probe_of(&settings(), 1, Purpose::Coarse, 100.0, &measured).target
    };
    let used = measured(&summary).unwrap();
    assert_eq!((used.cpu_s, used.seconds, used.posts, used.deliveries, used.sockets), (3.5, 12.0, 1_100, 22_000, 200));
    assert_eq!((used.rss_of_sockets_bytes, used.rss_max_bytes), (Some(20_000), Some(50_000)));
    summary.ledger.connections = 0;
    assert_eq!(measured(&summary).unwrap().sockets, 0, "nobody held a connection");
    summary.target_process = Some(TargetProcess { unknown_because: Some("gone".to_owned()), ..process });
    assert_eq!(measured(&summary), None, "what is not known is not zero");
}

#[test]
fn bytes_are_told_apart_where_answers_and_pushes_have_their_own_way() {
    let mut summary = run();
    (summary.ledger.attempts, summary.ledger.message_frames) = (10, 200);
    (summary.generator.answer_bytes, summary.generator.frame_bytes) = (3_000, 80_000);
    let expected = Egress { posts: 10, answer_bytes: 3_000, deliveries: 200, frame_bytes: 80_000 };
    for (design, over_sockets, told) in [
        ("ws", false, true),
        ("rtm", false, true),
        ("ws", true, false),
        ("webhook", false, false),
        ("webhook", true, false),
        ("poll", false, false),
    ] {
        summary.plan["receive"]["design"] = design.into();
        let mut settings = settings();
        settings.base.sends_over_sockets = over_sockets;
        let measured = Measured { run: "probes/1", summary: &summary, took_s: 15.0 };
        let egress = probe_of(&settings, 1, Purpose::Coarse, 100.0, &measured).egress;
        assert_eq!(egress, told.then_some(expected), "{design}, sends over sockets: {over_sockets}");
    }
}
