//! The effective plan as a workload profile with every value explicit, each
//! with its origin: what `plan.toml` of a run holds.

use super::units::{format_duration, format_number};
use super::{Origin, ProfileError, Resolved, error, faults, load};
use crate::plan::{
    ArrivalProcess, Backoff, Capabilities, CatchUpCursor, ChangeKind, Connections, Direction, Ending, Fault, Observe,
    Phase, PhaseKind, Range, RunPlan, TraceSample, UserChoice,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a profile does not say of a plan.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    target: String,
    capabilities: Capabilities,
}

/// The table that holds it.
#[derive(Serialize, Deserialize)]
struct File {
    resolved: Rest,
}

/// The plan as a profile. [`load`] reads it as any other profile and comes to
/// the same plan; [`load_effective`] needs nothing else.
pub fn to_toml(resolved: &Resolved) -> String {
    let mut text = Text { origins: &resolved.origins, table: String::new(), written: String::new() };
    let plan = &resolved.plan;
    text.string("name", &plan.workload);
    text.string("description", &resolved.description);
    text.line("seed", plan.seed.to_string());
    text.thresholds(&plan.thresholds);
    traffic(&mut text, plan);
    sending(&mut text, plan);
    reading(&mut text, plan);
    text.table("measurement");
    text.time("lag_p99", plan.measurement.lag_p99_us);
    text.time("canary_late", plan.measurement.canary_late_us);
    text.number("canary_late_share", plan.measurement.canary_late_share);
    text.number("achieved_share", plan.measurement.achieved_share);
    text.number("worker_cpu_share", plan.measurement.worker_cpu_share);
    text.time("receive_wait_p99", plan.measurement.receive_wait_p99_us);
    text.line("self_check", plan.measurement.self_check.to_string());
    text.table("stop");
    text.number("failed_share", plan.stop.failed_share);
    text.time("failed_for", plan.stop.failed_for_us);
    observed(&mut text, plan);
    traced(&mut text, plan);
    let rest = Rest { target: plan.target.clone(), capabilities: plan.capabilities.clone() };
    let rest = toml::to_string(&File { resolved: rest }).expect("strings, numbers and truths are TOML");
    format!("{}\n{rest}", text.written)
}

/// The plan of a text that [`to_toml`] wrote. `file` names it in errors.
pub fn load_effective(text: &str, file: &str) -> Result<RunPlan, ProfileError> {
    let rest = toml::from_str::<File>(text).map_err(|why| {
        let byte = why.span().map_or(0, |span| span.start);
        let message = format!("not the plan of a run: {}", why.message().replace('\n', ", "));
        error::Source { file, text, overrides: &[] }.error(error::Place::Text(byte), message)
    })?;
    let Rest { target, capabilities } = rest.resolved;
    load(text, file, &[], capabilities, &target).map(|resolved| resolved.plan)
}

fn traffic(text: &mut Text<'_>, plan: &RunPlan) {
    let population = &plan.population;
    text.table("population");
    text.line("users", population.users.to_string());
    text.line("channels", population.channels.to_string());
    text.range("members", population.members, |number| number.to_string());
    text.line("senders", population.senders.to_string());
    text.line("subscribers", population.subscribers.to_string());
    text.line(
        "choice",
        match population.choice {
            UserChoice::Uniform => "\"uniform\"".to_owned(),
            UserChoice::Zipf { exponent } => format!("{{ zipf = {} }}", format_number(exponent)),
        },
    );
    text.number("private_share", population.private_share);
    text.table("arrival");
    match plan.arrival.process {
        ArrivalProcess::Poisson => text.string("process", "poisson"),
        ArrivalProcess::Constant => text.string("process", "constant"),
        ArrivalProcess::Closed { think_us } => {
            text.string("process", "closed");
            text.range("think", think_us, |time| quoted(&format_duration(time)));
            text.time("warm_up", plan.arrival.warm_up_us());
            text.time("duration", plan.arrival.duration_us() - plan.arrival.warm_up_us());
        }
    }
    let phases = if plan.arrival.is_closed() { &[][..] } else { &plan.arrival.phases };
    for (rank, phase) in phases.iter().enumerate() {
        text.phase(rank, phase);
    }
    text.table("message");
    let size = plan.message_size_bytes;
    text.range("size", Range { min: size.min, max: size.max }, |number| number.to_string());
}

fn sending(text: &mut Text<'_>, plan: &RunPlan) {
    text.table("send");
    text.string("design", plan.send.design.name());
    text.string("http", plan.send.http.name());
    text.line("attempts", plan.send.attempts.to_string());
    text.time("timeout", plan.send.timeout_us);
    text.time("idle_timeout", plan.send.idle_timeout_us);
    text.backoff("send.backoff", plan.send.backoff);
    text.table("send.taps");
    text.number("share", plan.send.taps.share);
    text.range("after", plan.send.taps.after_us, |time| quoted(&format_duration(time)));
    changing(text, plan);
    receiving(text, plan);
    text.table("connect");
    text.number("rate", plan.connect.rate_per_s);
    text.time("timeout", plan.connect.timeout_us);
    text.backoff("connect.backoff", plan.connect.backoff);
    text.table("churn");
    text.number("share_per_minute", plan.churn.share_per_minute);
    text.number("reset_share", plan.churn.reset_share);
    text.range("away", plan.churn.away_us, |time| quoted(&format_duration(time)));
    text.table("members");
    text.number("churn_per_minute", plan.members.churn_per_minute);
    text.range("away", plan.members.away_us, |time| quoted(&format_duration(time)));
    for (rank, fault) in plan.faults.iter().enumerate() {
        text.put(format_args!("\n[[faults]]\n"));
        text.table = format!("faults.{rank}.");
        text.string("kind", fault.kind.name());
        text.time("at", fault.at_us);
        text.time("for", fault.for_us);
        text.number("share", fault.share);
        fault_settings(text, fault);
    }
}

fn changing(text: &mut Text<'_>, plan: &RunPlan) {
    let changes = &plan.changes;
    text.table("changes");
    text.number("share", changes.share);
    text.range("per_message", changes.per_message, |number| number.to_string());
    text.range("after", changes.after_us, |time| quoted(&format_duration(time)));
    for kind in ChangeKind::ALL {
        text.number(kind.name(), changes.weight(kind));
    }
    text.table("hints");
    text.number("typing_per_user_per_minute", plan.hints.typing_per_user_per_minute);
    text.number("presence_per_user_per_minute", plan.hints.presence_per_user_per_minute);
    text.table("actions");
    text.number("commands_per_user_per_minute", plan.actions.commands_per_user_per_minute);
    text.number("clicks_per_user_per_minute", plan.actions.clicks_per_user_per_minute);
}

fn receiving(text: &mut Text<'_>, plan: &RunPlan) {
    text.table("receive");
    text.string("design", plan.receive.design.name());
    text.time("interval", plan.receive.interval_us);
    text.line("replay_window", plan.receive.replay_window.to_string());
    let app = plan.receive.app;
    text.string("ack", app.acknowledges.name());
    text.number("fail_share", app.fail_share);
    text.number("delay_share", app.delay_share);
    text.time("delay", app.delay_us);
    text.number("crash_share", app.crash_share);
}

fn observed(text: &mut Text<'_>, plan: &RunPlan) {
    let Some(observe) = &plan.observe else { return };
    text.table("observe");
    match observe {
        Observe::Pid(pid) => text.line("pid", pid.to_string()),
        Observe::Cgroup(path) => text.string("cgroup", path),
        Observe::Prometheus(query) => text.string("prometheus", query),
    }
}

fn traced(text: &mut Text<'_>, plan: &RunPlan) {
    let Some(sample) = plan.trace.sample else { return };
    text.table("trace");
    match sample {
        TraceSample::Slow => text.string("sample", "slow"),
        TraceSample::Share(share) => text.number("sample", share),
    }
    plan.trace.url.iter().for_each(|url| text.string("url", url));
}

/// The keys that only some kinds of fault have.
fn fault_settings(text: &mut Text<'_>, fault: &Fault) {
    fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
        names.iter().find(|(_, named)| named == value).map_or("", |(name, _)| name)
    }
    let settings = &fault.settings;
    let words =
        |words: &[String]| format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "));
    for key in faults::keys_of(fault.kind) {
        match *key {
            "connections" => text.string(key, name_of(&Connections::NAMES, &settings.connections)),
            "direction" => text.string(key, name_of(&Direction::NAMES, &settings.direction)),
            "ends" => text.string(key, name_of(&Ending::NAMES, &settings.ending)),
            "delay" => text.time(key, settings.delay_us),
            "jitter" => text.time(key, settings.jitter_us),
            "bytes_per_s" => text.line(key, settings.bytes_per_s.to_string()),
            "bytes" => text.line(key, settings.slice_bytes.to_string()),
            "idle" => text.time(key, settings.idle_us),
            "stall" => text.time(key, settings.stall_us),
            "begin" => text.line(key, words(&settings.begin)),
            _ => text.line(key, words(&settings.end)),
        }
    }
}

fn reading(text: &mut Text<'_>, plan: &RunPlan) {
    text.table("heartbeat");
    text.time("interval", plan.heartbeat.interval_us);
    text.time("timeout", plan.heartbeat.timeout_us);
    text.table("catch_up");
    text.line("page_size", plan.catch_up.page_size.to_string());
    text.line("max_pages", plan.catch_up.max_pages.to_string());
    text.time("timeout", plan.catch_up.timeout_us);
    let cursor = match plan.catch_up.cursor {
        CatchUpCursor::Read => "read",
        CatchUpCursor::Seen => "seen",
    };
    text.string("cursor", cursor);
    text.table("drain");
    text.time("quiet", plan.drain.quiet_us);
    text.time("deadline", plan.drain.deadline_us);
    text.line("page_sizes", format!("[{}, {}]", plan.drain.first_page_size, plan.drain.second_page_size));
}

/// The text so far.
struct Text<'a> {
    origins: &'a BTreeMap<String, Origin>,
    /// The table that lines go to, as a path with its dot.
    table: String,
    written: String,
}

impl Text<'_> {
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.written.write_fmt(text).expect("a string takes all that is written");
    }

    fn table(&mut self, name: &str) {
        self.table = format!("{name}.");
        self.put(format_args!("\n[{name}]\n"));
    }

    fn line(&mut self, key: &str, value: String) {
        let origin = self.origin(key);
        self.put(format_args!("{key} = {value} # {origin}\n"));
    }

    fn origin(&self, key: &str) -> Origin {
        self.origins.get(&format!("{}{key}", self.table)).cloned().unwrap_or(Origin::Default)
    }

    fn string(&mut self, key: &str, value: &str) {
        self.line(key, quoted(value));
    }

    fn time(&mut self, key: &str, time_us: u64) {
        self.string(key, &format_duration(time_us));
    }

    fn number(&mut self, key: &str, number: f64) {
        self.line(key, format_number(number));
    }

    fn range<T: Copy + PartialEq>(&mut self, key: &str, range: Range<T>, show: impl Fn(T) -> String) {
        let value = match range.min == range.max {
            true => show(range.min),
            false => format!("{{ min = {}, max = {} }}", show(range.min), show(range.max)),
        };
        self.line(key, value);
    }

    fn backoff(&mut self, table: &str, backoff: Backoff) {
        self.table(table);
        self.time("base", backoff.base_us);
        self.time("max", backoff.max_us);
    }

    fn phase(&mut self, rank: usize, phase: &Phase) {
        self.put(format_args!("\n[[arrival.phases]]\n"));
        self.table = format!("arrival.phases.{rank}.");
        let kind = match phase.kind {
            PhaseKind::WarmUp => "warm-up",
            PhaseKind::Steady => "steady",
            PhaseKind::Ramp => "ramp",
            PhaseKind::Spike => "spike",
        };
        self.string("kind", kind);
        self.time("duration", phase.duration_us);
        if phase.kind != PhaseKind::Ramp && phase.rate_from == phase.rate_to {
            self.number("rate", phase.rate_from);
        } else {
            self.number("from", phase.rate_from);
            self.number("to", phase.rate_to);
        }
    }

    fn thresholds(&mut self, thresholds: &[String]) {
        let origin = self.origin("thresholds");
        self.put(format_args!("thresholds = [ # {origin}\n"));
        for threshold in thresholds {
            self.put(format_args!("  {},\n", quoted(threshold)));
        }
        self.put(format_args!("]\n"));
    }
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
