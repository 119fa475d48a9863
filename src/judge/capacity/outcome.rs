//! What one run says of a load: whether the objective was kept, and if not,
//! whether that was the target or the generator.

use super::summary::{CapacityProbe, Egress, Outcome, Purpose, SearchSettings, SlowestOf, TargetUse};
use crate::judge::{RunSummary, ThresholdOutcome, Verdict};
use crate::plan::{Comparison, Metric, Threshold};

/// What a late generator adds to a latency, in times of its lateness: it may be
/// late when it sends, and again when it receives.
const ADDS: f64 = 2.0;

/// So many messages may have been done just outside of the time that counts: of
/// thirty, one is more than three per cent.
const AT_THE_ENDS: f64 = 2.0;

/// A run that was made.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'r> {
    /// Its folder, below the search's.
    pub run: &'r str,
    /// What it found.
    pub summary: &'r RunSummary,
    /// How long it took in seconds.
    pub took_s: f64,
}

/// The probe of a run.
pub fn probe_of(
    settings: &SearchSettings,
    number: u32,
    purpose: Purpose,
    load: f64,
    measured: &Measured<'_>,
) -> CapacityProbe {
    let summary = measured.summary;
    let (outcome, because) = judge(settings, purpose, summary);
    let [users, ..] = settings.population_of(load);
    let latency = |kind: &str| {
        let latency = summary.latency_us.get(kind);
        SlowestOf { p50: latency.and_then(|latency| latency.p50), p99: latency.and_then(|latency| latency.p99) }
    };
    let counted = &summary.rates.counted;
    CapacityProbe {
        number,
        purpose,
        load,
        rate_per_s: settings.phases(purpose, load).iter().map(|phase| phase.rate_per_s).fold(0.0, f64::max),
        users,
        subscribers: summary.ledger.subscribers as u32,
        outcome,
        because,
        run: Some(measured.run.to_owned()),
        took_s: measured.took_s,
        offered_per_s: counted.offered_per_s,
        achieved_per_s: counted.achieved_per_s,
        goodput: counted.goodput,
        delivered_per_s: summary.rates.delivered_per_s,
        thresholds: summary.thresholds.clone(),
        ack_us: latency("ack"),
        delivery_us: latency("delivery"),
        worker_cpu: summary.generator.workers.iter().map(|worker| worker.cpu_fraction).fold(0.0, f64::max),
        worker_cpu_limit: summary.plan["measurement"]["worker_cpu_share"].as_f64().unwrap_or(1.0),
        lag_p99_us: summary.generator.lag_p99_us,
        target: target_use(summary),
        egress: egress(settings, summary),
    }
}

/// Nothing where answers and pushes come over the same socket, or messages another
/// way than by push.
fn egress(settings: &SearchSettings, summary: &RunSummary) -> Option<Egress> {
    let design = summary.plan["receive"]["design"].as_str().unwrap_or("ws");
    let is_pushed = matches!(design, "ws" | "ws-trusting" | "rtm" | "socket-mode");
    (is_pushed && !settings.base.sends_over_sockets).then_some(Egress {
        posts: summary.ledger.attempts,
        answer_bytes: summary.generator.answer_bytes,
        deliveries: summary.ledger.message_frames,
        frame_bytes: summary.generator.frame_bytes,
    })
}

fn target_use(summary: &RunSummary) -> Option<TargetUse> {
    let process = summary.target_process.as_ref().filter(|process| process.unknown_because.is_none())?;
    let added = process.rss_connected_bytes.zip(process.rss_before_bytes);
    Some(TargetUse {
        cpu_s: process.cpu_s,
        seconds: process.seconds,
        posts: summary.ledger.attempts,
        deliveries: summary.ledger.message_frames,
        sockets: if summary.ledger.connections > 0 { summary.ledger.subscribers } else { 0 },
        rss_max_bytes: process.rss_max_bytes,
        rss_of_sockets_bytes: added.map(|(with, without)| with.saturating_sub(without)),
    })
}

fn judge(settings: &SearchSettings, purpose: Purpose, summary: &RunSummary) -> (Outcome, String) {
    let first = |reasons: &[String], otherwise: &str| reasons.first().cloned().unwrap_or_else(|| otherwise.to_owned());
    if summary.correctness.verdict == Verdict::Fail {
        return (Outcome::Incorrect, first(&summary.correctness.reasons, "incorrect"));
    }
    if summary.interrupted {
        return (Outcome::Interrupted, "interrupted".to_owned());
    }
    if !purpose.is_search() {
        return (Outcome::Held, String::new());
    }
    let mut blamed = Vec::new();
    for (outcome, because) in std::iter::once(goodput(settings, summary))
        .chain(summary.thresholds.iter().map(|threshold| of_threshold(threshold, summary)))
    {
        match outcome {
            Outcome::Held => {}
            Outcome::Failed => return (outcome, because),
            _ => blamed.push((outcome, because)),
        }
    }
    if let Some(first) = blamed.into_iter().next() {
        return first;
    }
    if summary.correctness.verdict == Verdict::Inconclusive {
        // Sends that outlive the drain are a target that does not keep up;
        // anything else was not shown.
        return (Outcome::Unclear, first(&summary.correctness.reasons, "inconclusive"));
    }
    (Outcome::Held, String::new())
}

/// Less acknowledged than came, and more so than late sends explain.
fn goodput(settings: &SearchSettings, summary: &RunSummary) -> (Outcome, String) {
    let counted = &summary.rates.counted;
    let Some(goodput) = counted.goodput else {
        return (Outcome::Unclear, "nothing was intended after the warm-up".to_owned());
    };
    let missing = (settings.goodput - goodput) * counted.offered_per_s * counted.seconds;
    if missing <= AT_THE_ENDS {
        return (Outcome::Held, String::new());
    }
    let words = format!("goodput {:.1} % < {:.0} %", goodput * 100.0, settings.goodput * 100.0);
    let behind_s = (1.0 - goodput) * counted.seconds;
    let late_s = summary.generator.lag_p99_us.unwrap_or(0) as f64 / 1e6;
    if !summary.measurement.valid && behind_s <= ADDS * late_s {
        return (Outcome::GeneratorLimit, format!("{words}, but {}", void(summary)));
    }
    (Outcome::Failed, words)
}

/// A latency of a run whose measurement is void says something all the same:
/// what the generator adds makes it longer, never shorter. One that is kept was
/// kept, and one that is missed by more than the generator added was missed by
/// the target.
fn of_threshold(threshold: &ThresholdOutcome, summary: &RunSummary) -> (Outcome, String) {
    // That the latencies are withheld is dealt with here.
    let shown = threshold.shown.split(", withheld").next().unwrap_or_default();
    let words = format!("{}: {shown}", threshold.expr);
    match threshold.passed {
        Some(true) => return (Outcome::Held, String::new()),
        Some(false) => return (Outcome::Failed, words),
        None => {}
    }
    let (Some(value), Ok(parsed)) = (threshold.value, Threshold::parse(&threshold.expr)) else {
        return (Outcome::Unclear, words);
    };
    let is_upper = matches!(parsed.op, Comparison::Less | Comparison::LessOrEqual);
    if !is_upper || !matches!(parsed.metric, Metric::Latency { .. }) {
        return (Outcome::Unclear, words);
    }
    // A lower bound, also where it is of the time of a fault alone.
    if threshold.shown.starts_with('≥') {
        return (Outcome::Failed, format!("{words}: so many never came"));
    }
    if parsed.holds(value) {
        return (Outcome::Held, String::new());
    }
    let late_us = summary.generator.lag_p99_us.unwrap_or(0) as f64;
    if !parsed.holds(value - ADDS * late_us) {
        return (Outcome::Failed, words);
    }
    (Outcome::GeneratorLimit, format!("{words}, but {}", void(summary)))
}

/// The first reason why the measurement is void, without its advice.
fn void(summary: &RunSummary) -> &str {
    let reason = summary.measurement.reasons.first().map_or("", String::as_str);
    reason.split(';').next().unwrap_or_default()
}
