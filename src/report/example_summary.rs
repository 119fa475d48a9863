//! Summaries made by hand, for the tests of those who read summaries.

use crate::judge::{
    Correctness, CountedRates, Example, FindingClass, FindingSummary, GeneratorSummary, LatencySummary, LedgerCounts,
    Measurement, Rates, RunSummary, SendSummary, SlowMessage, ThresholdOutcome, TimeSpan, TraceLink, Verdict,
    WorkerSummary,
};
use crate::model::{FindingKind, KeyLayout, SizeRange};
use crate::plan::{
    Arrival, ArrivalProcess, Backoff, Capabilities, CatchUp, CatchUpCursor, Churn, Connect, Drain, Heartbeat, HttpUse,
    Measurement as MeasurementPlan, Phase, PhaseKind, Population, Range, RunPlan, Send, SendDesign, Taps, UserChoice,
};
use std::collections::BTreeMap;

fn class_of(kind: FindingKind) -> (FindingClass, u64, &'static str) {
    match kind {
        FindingKind::LiveMissed | FindingKind::LiveDuplicates => (FindingClass::Rate, 299_640, "live deliveries due"),
        FindingKind::Healed | FindingKind::Unresolved => (FindingClass::Info, 300_050, "entitled deliveries"),
        FindingKind::UnknownStored | FindingKind::UnknownAbsent => (FindingClass::Info, 24, "unknown messages"),
        FindingKind::Unverifiable => (FindingClass::Info, 6_001, "acknowledged messages"),
        _ => (FindingClass::Zero, 6_001, "acknowledged messages"),
    }
}

fn finding(kind: FindingKind, count: u64) -> FindingSummary {
    let (class, of, of_what) = class_of(kind);
    FindingSummary {
        count,
        of,
        of_what: of_what.to_owned(),
        class,
        checked: true,
        unchecked_because: None,
        split: BTreeMap::new(),
        span_us: None,
        examples: Vec::new(),
    }
}

fn latency(count: u64, quantiles: [u64; 5]) -> LatencySummary {
    let [p50, p90, p99, p999, max] = quantiles.map(Some);
    LatencySummary { count, p50, p90, p99, p999, max, ..LatencySummary::default() }
}

fn threshold(expr: &str, value: f64, shown: &str, passed: Option<bool>) -> ThresholdOutcome {
    ThresholdOutcome { expr: expr.to_owned(), value: Some(value), shown: shown.to_owned(), passed }
}

/// A run that passed.
pub(crate) fn passed() -> RunSummary {
    let mut findings: BTreeMap<String, FindingSummary> =
        FindingKind::ALL.iter().map(|kind| (kind.name().to_owned(), finding(*kind, 0))).collect();
    let healed = findings.get_mut("healed").unwrap();
    healed.count = 416;
    healed.split = BTreeMap::from([("away".to_owned(), 404), ("missed".to_owned(), 12)]);
    findings.get_mut("live_missed").unwrap().count = 12;
    findings.get_mut("unknown_stored").unwrap().count = 7;
    findings.get_mut("unknown_absent").unwrap().count = 17;
    let heal = LatencySummary { p99: None, p999: None, ..latency(120, [96_000, 310_000, 0, 0, 1_400_000]) };
    RunSummary {
        schema_version: 1,
        posthaste_version: "0.1.0".to_owned(),
        run_id: "20261124-031502-k7q2".to_owned(),
        started_at: "2026-11-24T03:15:02Z".to_owned(),
        workload: "steady".to_owned(),
        target: "slack".to_owned(),
        url: "http://127.0.0.1:8065".to_owned(),
        verdict: Verdict::Pass,
        exit_code: 0,
        interrupted: false,
        warnings: Vec::new(),
        correctness: Correctness { verdict: Verdict::Pass, reasons: Vec::new() },
        measurement: Measurement { valid: true, reasons: Vec::new() },
        sends: sends(),
        changes: BTreeMap::new(),
        hints: BTreeMap::new(),
        ledger: LedgerCounts {
            intended: 6_025,
            acknowledged: 6_001,
            unknown: 24,
            stored: 6_008,
            entitled_deliveries: 300_050,
            live_deliveries: 299_634,
            healed: 416,
            attempts: 6_080,
            retries: 55,
            subscribers: 5_000,
            connections: 5_012,
            message_frames: 299_640,
            catch_up_pages: 31,
            ..LedgerCounts::default()
        },
        findings,
        latency_us: BTreeMap::from([
            ("ack".to_owned(), latency(6_001, [11_210, 24_000, 88_100, 301_000, 1_420_000])),
            ("delivery".to_owned(), latency(30_000_123, [19_700, 61_300, 212_000, 890_000, 2_310_000])),
            ("service".to_owned(), latency(6_001, [10_900, 22_800, 71_000, 212_000, 1_100_000])),
            ("heal".to_owned(), heal),
            ("notice".to_owned(), LatencySummary::default()),
            ("lag".to_owned(), latency(6_001, [61, 92, 400, 900, 1_100])),
        ]),
        rates: rates(),
        slowest: Vec::new(),
        thresholds: vec![
            threshold("findings.acked_lost == 0", 0.0, "0 of 6,001 acknowledged", Some(true)),
            threshold("delivery.p99 < 250ms", 212_000.0, "212 ms", Some(true)),
        ],
        faults: Vec::new(),
        generator: generator(),
        target_process: None,
        plan: serde_json::to_value(plan()).unwrap(),
    }
}

fn generator() -> GeneratorSummary {
    GeneratorSummary {
        cpu_fraction: 0.38,
        rss_bytes: 212_000_000,
        descriptors: 5_211,
        lag_p99_us: Some(400),
        exhausted: 0,
        answer_bytes: 1_860_000,
        frame_bytes: 153_000_000,
        receive_wait_p99_us: Some(220),
        throttled: 0,
        self_check: None,
        workers: vec![WorkerSummary { cpu_fraction: 0.38, canary_late_share: 0.0, canary_worst_us: 1_900 }],
    }
}

fn rates() -> Rates {
    Rates {
        load_s: 300.0,
        offered_per_s: 20.0,
        achieved_per_s: 20.04,
        delivered_per_s: 1_000.18,
        counted: CountedRates::default(),
    }
}

fn sends() -> SendSummary {
    SendSummary {
        design: "http".to_owned(),
        shown_sent: 6_001,
        shown_sent_absent: Some(0),
        shown_failed: 24,
        shown_failed_stored: Some(7),
        taps: 0,
    }
}

/// A run that lost five acknowledged messages and broke a threshold; its
/// server's words try to be more than words.
pub(crate) fn failed() -> RunSummary {
    let mut summary = passed();
    summary.verdict = Verdict::Fail;
    summary.exit_code = 97;
    summary.correctness = Correctness {
        verdict: Verdict::Fail,
        reasons: vec!["5 of 5,236 acknowledged messages are not in history (acked_lost)".to_owned()],
    };
    summary.ledger.intended = 5_260;
    summary.ledger.acknowledged = 5_236;
    summary.sends.shown_sent = 5_236;
    summary.sends.shown_sent_absent = Some(5);
    let lost = summary.findings.get_mut("acked_lost").unwrap();
    lost.count = 5;
    lost.of = 5_236;
    lost.span_us = Some(TimeSpan { first: 12_300_000, last: 45_100_000 });
    lost.examples = (0..3)
        .map(|rank| Example {
            key: Some(format!("01890a5d-ac96-874b-8b5e-00000000000{rank}")),
            channel: Some(3),
            index: Some(17 + rank),
            sender: Some(4),
            server_ids: vec!["1700000000.000100".to_owned()],
            intended_us: Some(12_300_000),
            acknowledged_us: Some(12_400_000),
            note: "in the middle of its sender's sequence".to_owned(),
            ..Example::default()
        })
        .collect();
    lost.examples[1].server_ids = vec!["=1+1\u{1b}[2J<script>|".to_owned()];
    let order = summary.findings.get_mut("sender_order").unwrap();
    order.checked = false;
    order.unchecked_because = Some("the target does not promise an order".to_owned());
    summary.latency_us.get_mut("delivery").unwrap().p99 = Some(312_000);
    summary.thresholds = vec![
        threshold("findings.acked_lost == 0", 5.0, "5 of 5,236 acknowledged", Some(false)),
        threshold("delivery.p99 < 250ms", 312_000.0, "312 ms, 25 % over", Some(false)),
        threshold("ack.p99 < 250ms", 88_100.0, "88.1 ms", Some(true)),
    ];
    summary
}

/// A run whose generator lagged: nothing is wrong, and latencies are withheld.
pub(crate) fn inconclusive() -> RunSummary {
    let mut summary = passed();
    summary.verdict = Verdict::Inconclusive;
    summary.exit_code = 3;
    summary.measurement = Measurement {
        valid: false,
        reasons: vec!["lag p99 4.2 ms is above 1.1 ms: use fewer users or more cores".to_owned()],
    };
    for latency in summary.latency_us.values_mut() {
        latency.withheld = true;
    }
    let ack = summary.latency_us.get_mut("ack").unwrap();
    ack.at_least_count = 24;
    ack.lower_bounds = vec!["p999".to_owned(), "max".to_owned()];
    summary.thresholds[1].passed = None;
    summary.thresholds[1].shown = "withheld".to_owned();
    summary
}

/// What a checkpoint of a killed run gives.
pub(crate) fn killed() -> RunSummary {
    let mut summary = passed();
    summary.verdict = Verdict::Inconclusive;
    summary.exit_code = 3;
    summary.correctness = Correctness {
        verdict: Verdict::Inconclusive,
        reasons: vec![
            "the process ended before the run: the ledger is a checkpoint".to_owned(),
            "no final read".to_owned(),
        ],
    };
    summary.sends =
        SendSummary { design: "http".to_owned(), shown_sent: 100, shown_failed: 20, ..SendSummary::default() };
    summary.ledger = LedgerCounts { intended: 120, acknowledged: 100, unattempted: 20, ..LedgerCounts::default() };
    summary.findings.values_mut().for_each(|finding| {
        finding.checked = false;
        finding.count = 0;
        finding.split.clear();
        finding.unchecked_because = Some("there is no final read".to_owned());
    });
    summary.latency_us = BTreeMap::from([(
        "ack".to_owned(),
        LatencySummary { p99: None, p999: None, ..latency(100, [11_210, 24_000, 0, 0, 90_000]) },
    )]);
    summary.thresholds.iter_mut().for_each(|threshold| {
        threshold.value = None;
        threshold.shown = "no data".to_owned();
        threshold.passed = None;
    });
    summary
}

/// A run whose user pressed Ctrl-C, and let it drain.
pub(crate) fn aborted() -> RunSummary {
    let mut summary = passed();
    (summary.verdict, summary.exit_code, summary.interrupted) = (Verdict::Inconclusive, 130, true);
    summary.correctness =
        Correctness { verdict: Verdict::Inconclusive, reasons: vec!["the run was interrupted".to_owned()] };
    let latency = &mut summary.thresholds[1];
    (latency.value, latency.shown, latency.passed) = (None, "no data".to_owned(), None);
    summary.latency_us.retain(|name, _| name == "ack" || name == "lag");
    summary
}

/// The messages that waited longest in a run that was traced.
pub(crate) fn slowest() -> Vec<SlowMessage> {
    let one = |rank: u32| SlowMessage {
        key: format!("01890a5d-ac96-874b-8b5e-0000000000{rank:02}"),
        channel: 3,
        index: rank,
        sender: 4,
        intended_us: 12_300_000,
        ack_us: 1_420_000 - 10_000 * u64::from(rank),
        at_least: rank == 0,
        attempts: 1 + rank % 2,
        trace: Some(TraceLink {
            id: format!("01890a5dac96874b8b5e0000000000{rank:02}"),
            sampled: rank != 1,
            url: (rank != 1).then(|| format!("https://traces.example/01890a5dac96874b8b5e0000000000{rank:02}")),
        }),
    };
    (0..20).map(one).collect()
}

/// The plan of all of them.
pub(crate) fn plan() -> RunPlan {
    let backoff = Backoff { base_us: 100_000, max_us: 2_000_000 };
    let phase = |kind, duration_us| Phase { kind, duration_us, rate_from: 20.0, rate_to: 20.0 };
    RunPlan {
        workload: "steady".to_owned(),
        target: "slack".to_owned(),
        seed: 42,
        population: Population {
            users: 5_000,
            channels: 100,
            members: Range { min: 50, max: 50 },
            senders: 5_000,
            subscribers: 5_000,
            choice: UserChoice::Uniform,
            private_share: 0.0,
        },
        arrival: Arrival {
            process: ArrivalProcess::Poisson,
            phases: vec![phase(PhaseKind::WarmUp, 60_000_000), phase(PhaseKind::Steady, 300_000_000)],
        },
        message_size_bytes: SizeRange { min: 80, max: 400 },
        send: Send {
            design: SendDesign::Http,
            http: HttpUse::Kept,
            taps: Taps::NONE,
            attempts: 5,
            timeout_us: 5_000_000,
            backoff,
            idle_timeout_us: 30_000_000,
        },
        changes: crate::plan::Changes::NONE,
        hints: crate::plan::Hints::default(),
        actions: crate::plan::Actions::default(),
        receive: crate::plan::Receive::default(),
        connect: Connect { rate_per_s: 500.0, timeout_us: 5_000_000, backoff },
        churn: Churn { share_per_minute: 0.0, reset_share: 0.5, away_us: Range { min: 0, max: 0 } },
        members: crate::plan::Members::STEADY,
        faults: Vec::new(),
        heartbeat: Heartbeat { interval_us: 0, timeout_us: 0 },
        catch_up: CatchUp { page_size: 200, max_pages: 100, timeout_us: 5_000_000, cursor: CatchUpCursor::Read },
        drain: Drain { quiet_us: 1_000_000, deadline_us: 60_000_000, first_page_size: 200, second_page_size: 130 },
        measurement: MeasurementPlan {
            lag_p99_us: 1_000,
            canary_late_us: 10_000,
            canary_late_share: 0.001,
            achieved_share: 0.99,
            worker_cpu_share: 0.85,
            receive_wait_p99_us: 5_000,
            self_check: false,
        },
        stop: crate::plan::StopRule::default(),
        observe: None,
        trace: Default::default(),
        thresholds: Vec::new(),
        capabilities: Capabilities::ALL,
        key_layout: KeyLayout { channel_bits: 20 },
    }
}
