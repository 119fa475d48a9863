//! What a search comes to, piece by piece: the same words in every report.

use super::super::figures::{count, duration, memory, percent};
use crate::judge::capacity::{
    CapacityProbe, CapacityResult, CapacitySummary, CapacityVerdict, Cost, EgressCost, Find, Outcome, Purpose,
    Recovery, SearchSettings, Usl,
};
use crate::plan::{Metric, Threshold};

/// "3,150 msg/s", "640 users".
pub fn load_in_words(find: Find, load: f64) -> String {
    format!("{} {}", number(load), unit(find))
}

/// "msg/s", "users".
pub(super) fn unit(find: Find) -> &'static str {
    match find {
        Find::Rate => "msg/s",
        Find::Users => "users",
    }
}

/// Whole from a hundred on, with one digit below.
pub(super) fn number(load: f64) -> String {
    let load = load.max(0.0);
    if load >= 99.95 || load.fract() < 0.05 { count(load.round() as u64) } else { format!("{load:.1}") }
}

/// "coarse at 640 msg/s", "posts without subscribers at 300 msg/s".
pub fn purpose_in_words(purpose: Purpose, load: &str) -> String {
    match purpose {
        Purpose::Coarse | Purpose::Bisect | Purpose::Hold => format!("{} at {load}", purpose.name()),
        Purpose::Overload => format!("overload of 1.2 × {load}, and back to 0.8 ×"),
        Purpose::CostOfPosts => format!("cost: posts without subscribers at {load}"),
        Purpose::CostOfSockets => "cost: idle sockets".to_owned(),
    }
}

/// "held", "failed", …
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "held",
        Outcome::Failed => "failed",
        Outcome::GeneratorLimit => "generator's limit",
        Outcome::Unclear => "unclear",
        Outcome::Incorrect => "incorrect",
        Outcome::Interrupted => "interrupted",
        Outcome::NoRun => "no run",
    }
}

/// One line of a search under way: "3 coarse at 450 msg/s: held, goodput 100 %,
/// delivery p99 12.1 ms".
pub fn probe_in_words(settings: &SearchSettings, probe: &CapacityProbe) -> String {
    let what = purpose_in_words(probe.purpose, &load_in_words(settings.find, probe.load));
    let says =
        if probe.purpose.is_search() || probe.outcome != Outcome::Held { outcome(probe.outcome) } else { "done" };
    let mut parts = vec![says.to_owned()];
    if probe.because.is_empty() {
        parts.extend(probe.goodput.map(|goodput| format!("goodput {}", percent(goodput))));
        for (name, p99) in [("ack", probe.ack_us.p99), ("delivery", probe.delivery_us.p99)] {
            parts.extend(p99.map(|us| format!("{name} p99 {}", duration(us))));
        }
    } else {
        parts.push(probe.because.clone());
    }
    format!("{} {what}: {}", probe.number, parts.join(", "))
}

/// What was searched for, in a line.
pub(super) fn objective(settings: &SearchSettings) -> String {
    let all: Vec<&str> = settings.objective.iter().map(String::as_str).collect();
    format!("{}, goodput ≥ {}", all.join(", "), percent(settings.goodput))
}

/// "posthaste capacity steady → built-in server".
pub(super) fn title(summary: &CapacitySummary) -> String {
    let about = &summary.about;
    let target = match &about.url {
        Some(url) => format!("{} → {url}", about.target),
        None => "built-in server".to_owned(),
    };
    format!("posthaste capacity {} → {target}", about.workload)
}

/// The capacity alone: "≥ 3,150 msg/s", or why there is none.
pub(super) fn capacity(summary: &CapacitySummary) -> String {
    match &summary.result {
        Some(result) => {
            let at_least = if result.at_least { "≥ " } else { "" };
            format!("{at_least}{}", load_in_words(summary.settings.find, result.load))
        }
        None => match summary.verdict {
            CapacityVerdict::NoneHolds => "no load keeps the objective".to_owned(),
            _ => "not known".to_owned(),
        },
    }
}

/// What it rests on: "3 of 3 five-minute holds, delivery p99 212–238 ms <
/// 250 ms".
pub(super) fn basis(result: &CapacityResult) -> String {
    let mut parts = Vec::new();
    parts.push(match result.holds {
        0 => format!("no hold of {}", result.of_holds),
        holds => format!("{holds} of {} {}", result.of_holds, holds_of(result.hold_s)),
    });
    if let (Some(limit), Some(values)) = (&result.limit, result.values) {
        parts.extend(range(limit, values));
    }
    parts.join(", ")
}

fn holds_of(seconds: f64) -> String {
    match seconds.round() as u64 {
        300 => "five-minute holds".to_owned(),
        seconds => format!("holds of {seconds} s"),
    }
}

/// "delivery p99 212–238 ms < 250 ms".
fn range(limit: &str, (least, greatest): (f64, f64)) -> Option<String> {
    let threshold = Threshold::parse(limit).ok()?;
    let Metric::Latency { kind, quantile } = threshold.metric else { return None };
    let (from, to, bound) = (duration(least as u64), duration(greatest as u64), duration(threshold.value as u64));
    let same_unit = from.split(' ').nth(1) == to.split(' ').nth(1);
    let from = if same_unit { from.split(' ').next().unwrap_or_default() } else { &from };
    let values = if least == greatest { to.clone() } else { format!("{from}–{to}") };
    Some(format!("{} {} {values} {} {bound}", kind.name(), quantile.name(), threshold.op))
}

/// The whole line of a result.
pub(super) fn headline(summary: &CapacitySummary) -> String {
    let Some(result) = &summary.result else { return capacity(summary) };
    let mut text = format!("{} ({})", capacity(summary), basis(result));
    if let Some(failed) = result.failed {
        text.push_str(&format!("; {} failed", number(failed)));
    }
    if let Some(generator) = &summary.generator {
        text.push_str(&format!("; generator at {} of its ceiling", percent(generator.share)));
    }
    text
}

/// What the verdict is, where it is not simply a capacity.
pub(super) fn verdict(verdict: CapacityVerdict) -> &'static str {
    match verdict {
        CapacityVerdict::Unfinished => "The search is not at its end.",
        CapacityVerdict::Found => "Found, and confirmed.",
        CapacityVerdict::Unconfirmed => "Not confirmed by three holds.",
        CapacityVerdict::NoneHolds => "No load keeps the objective.",
        CapacityVerdict::Incorrect => "Messages were lost, doubled or invented: that comes first.",
        CapacityVerdict::Interrupted => "Interrupted: what is known so far.",
        CapacityVerdict::Inconclusive => "Inconclusive.",
    }
}

/// "1.2 × for 6 s: 1,003 msg/s acknowledged; back at 810 msg/s, the objective
/// was kept again after 5 s".
pub(super) fn recovery(find: Find, recovery: &Recovery) -> String {
    let overload = load_in_words(find, recovery.overload);
    let back = load_in_words(find, recovery.return_to);
    let after = match recovery.recovered_after_s {
        Some(seconds) if seconds < 1.0 => "the objective was kept at once".to_owned(),
        Some(seconds) => format!("the objective was kept again after {seconds:.0} s"),
        None => format!("it does not recover within {:.0} s", recovery.watched_s),
    };
    format!(
        "{overload} for {:.0} s: {} msg/s were acknowledged; back at {back}, {after}",
        recovery.overload_s,
        number(recovery.achieved_per_s)
    )
}

/// The parts of the scaling law, or why it is not known.
pub(super) fn usl(find: Find, usl: &Usl) -> String {
    if let Some(why) = &usl.not_identifiable {
        return why.clone();
    }
    let peak = match usl.peak {
        Some(peak) => format!("throughput peaks at {}", load_in_words(find, peak)),
        None => "no peak within 1.5 × the highest load".to_owned(),
    };
    format!(
        "Universal Scalability Law: contention α {:.3}, coherency β {:.5}, of {} each; {peak}; fits within {}",
        usl.alpha,
        usl.beta,
        load_in_words(find, usl.unit),
        percent(usl.error)
    )
}

/// What a message costs: one part a cause.
pub(super) fn cost(cost: &Cost) -> Vec<String> {
    let seconds = |seconds: f64| match seconds {
        seconds if seconds < 0.0995 => format!("{:.1} ms CPU", seconds * 1e3),
        seconds => format!("{seconds:.2} s CPU"),
    };
    let mut parts = Vec::new();
    let mut add = |value: Option<f64>, of: &str| parts.extend(value.map(|value| format!("{} {of}", seconds(value))));
    add(cost.cpu_s_per_1000_posts, "per 1,000 posts");
    add(cost.cpu_s_per_10000_deliveries, "per 10,000 deliveries");
    add(cost.cpu_s_per_minute_of_1000_sockets, "a minute per 1,000 idle sockets");
    parts.extend(
        cost.rss_bytes_per_1000_sockets.map(|bytes| format!("{} of memory per 1,000 idle sockets", memory(bytes))),
    );
    parts.extend(cost.rss_max_bytes.map(|bytes| format!("{} at most", memory(bytes))));
    match &cost.unknown_because {
        Some(why) => parts.push(why.clone()),
        None => parts.push(format!("fitted over {} probes, within {}", cost.probes.len(), percent(cost.error))),
    }
    parts
}

/// What the target sends for a message.
pub(super) fn egress(egress: &EgressCost) -> String {
    let size = |bytes: f64| match bytes {
        bytes if bytes < 1e6 => format!("{:.0} kB", bytes / 1e3),
        bytes => format!("{:.2} MB", bytes / 1e6),
    };
    let posts = egress.bytes_per_1000_posts.map(|bytes| format!("{} per 1,000 posts", size(bytes)));
    let deliveries = egress.bytes_per_10000_deliveries.map(|bytes| format!("{} per 10,000 deliveries", size(bytes)));
    let parts = posts.into_iter().chain(deliveries).chain(["without what TCP and TLS add".to_owned()]);
    parts.collect::<Vec<_>>().join(" · ")
}

/// How far the generator was from its own limit.
pub(super) fn generator(summary: &CapacitySummary) -> Option<String> {
    let ceiling = summary.generator.as_ref()?;
    let lag = summary.result.as_ref().and_then(|result| result.lag_p99_us);
    let lag = lag.map(|us| format!(", and messages left up to {} late (p99)", duration(us)));
    Some(format!(
        "at the capacity its busiest worker used {} of a core{}; by the CPU time over the loads it would come to the \
         {} that it may use at about {}: extrapolated, not measured",
        percent(ceiling.worker_cpu),
        lag.unwrap_or_default(),
        percent(ceiling.worker_cpu_limit),
        load_in_words(summary.settings.find, ceiling.load)
    ))
}
