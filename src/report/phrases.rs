//! What a summary says, piece by piece: the same words in the terminal and in
//! Markdown.

use super::figures::{count, counted, duration, instant, long_duration, percent, rate, short_count};
use crate::judge::{
    Example, FaultLatency, FaultRecovery, FaultSummary, FindingClass, FindingSummary, LatencySummary, RunSummary,
    SendSummary, Verdict, predicate,
};
use crate::model::FindingKind;
use crate::plan::{ArrivalProcess, ChangeKind, PhaseKind, Range, RunPlan};

/// "pass", "fail", "inconclusive".
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Fail => "fail",
    }
}

/// The three parts of the verdict: correctness, thresholds, measurement.
pub(super) fn verdict_parts(summary: &RunSummary) -> Vec<String> {
    let mut parts = vec![format!("correctness {}", verdict(summary.correctness.verdict))];
    let of = summary.thresholds.len();
    let with = |passed| summary.thresholds.iter().filter(|threshold| threshold.passed == passed).count();
    let (broken, open) = (with(Some(false)), with(None));
    let noun = if of == 1 { "threshold" } else { "thresholds" };
    if of > 0 {
        parts.push(format!("{broken} of {of} {noun} broken"));
    }
    if open > 0 {
        parts.push(format!("{open} undecided"));
    }
    parts.push(format!("measurement {}", if summary.measurement.valid { "valid" } else { "not valid" }));
    if summary.interrupted {
        parts.push("interrupted".to_owned());
    }
    parts
}

/// The load and the population of the plan, if the summary carries a plan that
/// this version knows.
pub(super) fn plan_parts(plan: &serde_json::Value) -> Vec<String> {
    let Ok(plan) = serde_json::from_value::<RunPlan>(plan.clone()) else { return Vec::new() };
    let [loop_kind, pace] = match plan.arrival.process {
        ArrivalProcess::Poisson => ["open loop".to_owned(), open_pace(&plan, "Poisson")],
        ArrivalProcess::Constant => ["open loop".to_owned(), open_pace(&plan, "constant")],
        ArrivalProcess::Closed { think_us } => {
            let senders = counted(plan.population.senders.into(), "sender");
            ["closed loop".to_owned(), format!("{senders}, {}", thinking(think_us))]
        }
    };
    let Range { min, max } = plan.population.members;
    let members = if min == max { count(max.into()) } else { format!("{}–{}", count(min.into()), count(max.into())) };
    let warm_up = plan.arrival.warm_up_us();
    let load = long_duration(plan.arrival.duration_us() - warm_up);
    vec![
        loop_kind,
        format!("{pace}, seed {}", plan.seed),
        counted(plan.population.users.into(), "user"),
        format!("{} × {members}", counted(plan.population.channels.into(), "channel")),
        if warm_up > 0 { format!("{} warm-up + {load}", long_duration(warm_up)) } else { load },
    ]
}

fn open_pace(plan: &RunPlan, process: &str) -> String {
    let peak = rate(plan.arrival.peak_per_s());
    let peak = peak.trim_end_matches("/s").trim_end_matches(".0").trim_end_matches(".00");
    let up_to = if plan.arrival.phases.iter().any(|phase| phase.kind == PhaseKind::Ramp) { "up to " } else { "" };
    format!("{up_to}{peak} msg/s {process}")
}

/// What a user of a closed loop does between an answer and the next message.
pub(super) fn thinking(think_us: Range<u64>) -> String {
    match think_us {
        Range { min: 0, max: 0 } => "as fast as answered".to_owned(),
        Range { min, max } if min == max => format!("thinking {}", duration(min)),
        Range { min, max } => format!("thinking {} to {}", duration(min), duration(max)),
    }
}

/// The findings in the order of their vocabulary, and then whatever else the
/// summary names.
pub(super) fn findings_in_order(summary: &RunSummary) -> Vec<(&str, &FindingSummary)> {
    let known = FindingKind::ALL.iter().filter_map(|kind| summary.findings.get_key_value(kind.name()));
    let others = summary.findings.iter().filter(|(name, _)| FindingKind::from_name(name).is_none());
    known.chain(others).map(|(name, finding)| (name.as_str(), finding)).collect()
}

/// "5 of 5,236 acknowledged messages are not in history", with the parts where
/// it has some. Never a percentage.
pub(super) fn finding_sentence(name: &str, finding: &FindingSummary) -> String {
    let (number, of) = (count(finding.count), count(finding.of));
    let predicate = FindingKind::from_name(name).map_or("", predicate);
    let parts = [finding.of_what.clone(), predicate.to_owned(), split(finding)];
    let rest: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{number} of {of} {}", rest.join(" "))
}

/// "(away 404, missed 12)": the parts that are not zero, or nothing.
fn split(finding: &FindingSummary) -> String {
    let parts = finding.split.iter().filter(|(_, part)| **part > 0);
    let parts: Vec<String> = parts.map(|(name, part)| format!("{} {}", name.replace('_', " "), count(*part))).collect();
    if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) }
}

/// The warnings, the reasons of the verdict on correctness that are not a
/// finding's own sentence, and those against the measurement.
pub(super) fn reasons(summary: &RunSummary) -> Vec<&str> {
    let mut reasons: Vec<&str> = summary.warnings.iter().map(String::as_str).collect();
    reasons.extend(correctness_reasons(summary));
    reasons.extend(summary.measurement.reasons.iter().map(String::as_str));
    reasons
}

/// Those of the first kind alone.
pub(super) fn correctness_reasons(summary: &RunSummary) -> Vec<&str> {
    let violated: Vec<String> = summary
        .findings
        .iter()
        .filter(|(_, finding)| finding.count > 0 && finding.class == FindingClass::Zero)
        .map(|(name, _)| format!("({name})"))
        .collect();
    let is_finding = |reason: &&String| violated.iter().any(|name| reason.ends_with(name));
    summary.correctness.reasons.iter().filter(|reason| !is_finding(reason)).map(String::as_str).collect()
}

/// The pieces of an example, as the server's words stand in the summary: to be
/// made safe by the renderer.
pub(super) fn example_parts(example: &Example) -> Vec<String> {
    let mut parts = Vec::new();
    let mut add = |part: Option<String>| parts.extend(part);
    add(example.key.as_ref().map(|key| format!("key {key}")));
    add(example.channel.map(|channel| format!("channel {channel}")));
    add(example.index.map(|index| format!("index {index}")));
    add(example.sender.map(|sender| format!("sender u{sender}")));
    add(example.subscriber.map(|subscriber| format!("subscriber u{subscriber}")));
    for id in &example.server_ids {
        add(Some(format!("id {id}")));
    }
    add(example.intended_us.map(|at| format!("intended {}", instant(at))));
    add(example.acknowledged_us.map(|at| format!("acknowledged {}", instant(at))));
    add(example.seen_us.map(|at| format!("seen {}", instant(at))));
    add((!example.note.is_empty()).then(|| example.note.clone()));
    add(example.trace.as_ref().map(|trace| format!("trace {}", trace.id)));
    parts
}

/// An address that a page may link to and a terminal may print: a web address
/// without blanks and control characters.
pub(super) fn web_address(url: &str) -> Option<&str> {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    (is_web && url.chars().all(|letter| letter.is_ascii_graphic())).then_some(url)
}

/// What the users were shown of their messages: "design http", "6,001 shown as
/// sent, 0 of them not in history", …
pub(super) fn send_parts(sends: &SendSummary) -> Vec<String> {
    let of_them = |number: Option<u64>, what: &str| match number {
        Some(number) => format!(", {} of them {what}", count(number)),
        None => String::new(),
    };
    let mut parts = vec![
        format!("design {}", sends.design),
        format!("{} shown as sent{}", count(sends.shown_sent), of_them(sends.shown_sent_absent, "not in history")),
    ];
    if sends.shown_failed > 0 {
        let stored = of_them(sends.shown_failed_stored, "in history");
        parts.push(format!("{} shown as failed{stored}", count(sends.shown_failed)));
    }
    if sends.taps > 0 {
        parts.push(format!("{} to retry", counted(sends.taps, "tap")));
    }
    parts
}

/// How changes of messages ended: "edit 118 of 120 acknowledged (2 unknown)".
/// Nothing where the workload has none.
pub(super) fn change_parts(summary: &RunSummary) -> Vec<String> {
    let of_kind = |kind: &ChangeKind| {
        let counts = summary.changes.get(kind.name())?;
        let others = [("rejected", counts.rejected), ("unknown", counts.unknown), ("unattempted", counts.unattempted)];
        let others = others.iter().filter(|(_, number)| *number > 0);
        let others: Vec<String> = others.map(|(name, number)| format!("{} {name}", count(*number))).collect();
        let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
        Some(format!(
            "{} {} of {} acknowledged{others}",
            kind.name(),
            count(counts.acknowledged),
            count(counts.intended)
        ))
    };
    ChangeKind::ALL.iter().filter_map(of_kind).collect()
}

/// What came of what nobody keeps: "typing shown 2,310 of 2,400 times (96.3 %)".
/// Nothing where the workload has none.
pub(super) fn hint_parts(summary: &RunSummary) -> Vec<String> {
    let of_kind = |(name, done): &(&str, &str)| {
        let counts = summary.hints.get(*name)?;
        let share = counts.delivered_share.map_or_else(String::new, |share| format!(" ({})", percent(share)));
        Some(format!("{name} {done} {} of {} times{share}", count(counts.delivered), count(counts.expected)))
    };
    [("typing", "shown"), ("presence", "told"), ("action", "answered")].iter().filter_map(of_kind).collect()
}

/// Characters of a fault's sentence: its figures are more than a text of the target
/// may be.
pub(super) const FAULT_MAX: usize = 600;

/// "3.18 s disconnect: 200 subscribers, over after 1.90 s".
pub(super) fn fault_sentence(fault: &FaultSummary) -> String {
    let touched = match (fault.touched, fault.what.as_str()) {
        (1, "processes") => "1 process".to_owned(),
        (touched, what) => counted(touched, what.strip_suffix('s').unwrap_or(what)),
    };
    match (fault.fired_us, fault.healed_us) {
        (Some(fired_us), Some(healed_us)) => {
            let lasted = duration(healed_us.saturating_sub(fired_us));
            let slowest = slowest(fault);
            let back = fault.recovery.as_ref().map_or_else(String::new, recovery);
            format!("{} {}: {touched}, over after {lasted}{back}{slowest}", instant(fired_us), fault.kind)
        }
        (Some(fired_us), None) => format!("{} {}: {touched}", instant(fired_us), fault.kind),
        (None, _) => format!("{} {}: never hit anything", instant(fault.at_us), fault.kind),
    }
}

/// " · 12 retries and 0 failed of 340 sends · 60 sockets moved, connected after 1.02 s,
/// caught up after 1.05 s with 240 history pages, 85 in the worst second".
fn recovery(back: &FaultRecovery) -> String {
    let sends = format!(
        "{} retries and {} failed of {} sends",
        count(back.retries),
        count(back.failed_sends),
        count(back.sends)
    );
    let Some(back) = &back.sockets else { return format!(" · {sends}") };
    let (Some(connected), Some(caught_up)) = (back.reconnected_us, back.caught_up_us) else {
        return format!(" · {sends} · no socket moved");
    };
    let pages =
        format!("{} history pages, {} in the worst second", count(back.pages), count(back.pages_in_worst_second));
    let (moved, connected, caught_up) = (count(back.moved), duration(connected), duration(caught_up));
    format!(" · {sends} · {moved} sockets moved, connected after {connected}, caught up after {caught_up} with {pages}")
}

/// " · slowest ack 5.10 ms before, 1.04 s during, 6.20 ms after · slowest delivery …".
fn slowest(fault: &FaultSummary) -> String {
    let named = [("ack", &fault.ack_us), ("delivery", &fault.delivery_us)];
    let of = |(name, latency): (&str, &Option<FaultLatency>)| {
        let latency = latency.as_ref().filter(|latency| latency.during.max.is_some())?;
        let slowest = |latency: &LatencySummary| {
            let at_least = if latency.lower_bounds.iter().any(|name| name == "max") { "≥" } else { "" };
            latency.max.map_or_else(|| "n/a".to_owned(), |max| format!("{at_least}{}", duration(max)))
        };
        let [before, during, after] = [&latency.before, &latency.during, &latency.after].map(slowest);
        Some(format!(" · slowest {name} {before} before, {during} during, {after} after"))
    };
    named.into_iter().filter_map(of).collect()
}

/// How many examples a report shows; all stand in `findings.csv`.
pub(super) fn examples_shown(class: FindingClass) -> usize {
    match class {
        FindingClass::Zero => 3,
        FindingClass::Rate => 1,
        FindingClass::Info => 0,
    }
}

/// The line that stands for everything that is zero.
pub(super) fn zero_line(summary: &RunSummary) -> String {
    let checked: Vec<_> = summary.findings.values().filter(|finding| finding.checked).collect();
    let of_class_zero: Vec<_> = checked.iter().filter(|finding| finding.class == FindingClass::Zero).collect();
    let violated = of_class_zero.iter().filter(|finding| finding.count > 0).count();
    let all = format!("{} of {} findings checked", checked.len(), summary.findings.len());
    match (of_class_zero.len(), violated) {
        (0, _) => all,
        (_, 0) => format!("{all}; all {} of class zero are 0", of_class_zero.len()),
        (of, _) => format!("{all}; {} of {of} of class zero are 0", of - violated),
    }
}

/// A column of the table of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    P50,
    P90,
    P99,
    P999,
    Max,
    Count,
}

impl Column {
    pub(super) const ALL: [Column; 6] =
        [Column::P50, Column::P90, Column::P99, Column::P999, Column::Max, Column::Count];

    pub(super) fn head(self) -> &'static str {
        match self {
            Column::P50 => "p50",
            Column::P90 => "p90",
            Column::P99 => "p99",
            Column::P999 => "p99.9",
            Column::Max => "max",
            Column::Count => "n",
        }
    }

    /// The cell: "n/a" without enough samples, "≥" where unfinished messages
    /// make it a lower bound.
    pub(super) fn cell(self, latency: &LatencySummary) -> String {
        let (value, name) = match self {
            Column::P50 => (latency.p50, "p50"),
            Column::P90 => (latency.p90, "p90"),
            Column::P99 => (latency.p99, "p99"),
            Column::P999 => (latency.p999, "p999"),
            Column::Max => (latency.max, "max"),
            Column::Count => return short_count(latency.count),
        };
        let bound = if latency.lower_bounds.iter().any(|bound| bound == name) { "≥" } else { "" };
        value.map_or_else(|| "n/a".to_owned(), |value| format!("{bound}{}", duration(value)))
    }
}

/// The state of the sender's messages: names and counts, which sum up to
/// `intended`.
pub(super) fn message_sum(summary: &RunSummary) -> (u64, Vec<(&'static str, u64, String)>) {
    let ledger = &summary.ledger;
    let stored = summary.findings.get("unknown_stored").filter(|finding| finding.checked && ledger.unknown > 0);
    let stored = stored.map_or_else(String::new, |finding| format!("({} stored)", count(finding.count)));
    let parts = vec![
        ("acknowledged", ledger.acknowledged, String::new()),
        ("rejected", ledger.rejected, String::new()),
        ("unknown", ledger.unknown, stored),
        ("written", ledger.written, String::new()),
        ("unattempted", ledger.unattempted, String::new()),
    ];
    (ledger.intended, parts)
}

/// The same for deliveries, which sum up to `entitled`.
pub(super) fn delivery_sum(summary: &RunSummary) -> (u64, Vec<(&'static str, u64, String)>) {
    let ledger = &summary.ledger;
    let split = summary.findings.get("healed").map(split).unwrap_or_default();
    let parts = vec![
        ("live", ledger.live_deliveries, String::new()),
        ("healed", ledger.healed, split),
        ("unhealed", ledger.unhealed, String::new()),
        ("unresolved", ledger.unresolved, String::new()),
    ];
    (ledger.entitled_deliveries, parts)
}
