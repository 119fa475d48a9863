//! A plan in words: what a run would do, and what it would need.

use super::figures::{count, counted, long_duration, memory, percent, rate};
use super::phrases::plan_parts;
use super::terminal::Style;
use super::wrap::wrap;
use crate::plan::estimate::{descriptors_needed, memory_estimate_bytes, ports_needed};
use crate::plan::{Fault, PhaseKind, RunPlan, SendDesign, TraceSample, expected_messages};

/// The plan for somebody who is about to start it. `where_to` is the target, as
/// the reader would say it.
pub fn explain(plan: &RunPlan, where_to: &str, style: Style) -> String {
    let mut text = format!("{}\n", wrap("", &title(plan, where_to), style.width, 0));
    for step in steps(plan) {
        text.push_str(&format!("{}\n", wrap("  ", &step, style.width, 4)));
    }
    text.push_str(&format!("{}\n", wrap("", &needs(plan), style.width, 0)));
    text
}

fn title(plan: &RunPlan, where_to: &str) -> String {
    format!("posthaste run {} would, against {where_to}:", plan.workload)
}

fn steps(plan: &RunPlan) -> Vec<String> {
    let mut steps = vec![population(plan), sends(plan), deliveries(plan)];
    steps.extend(traces(plan));
    let churn = &plan.churn;
    if churn.share_per_minute > 0.0 {
        steps.push(format!(
            "have {} of the subscribers a minute lose their connection for {} to {}, and heal from history",
            percent(churn.share_per_minute),
            brief(churn.away_us.min),
            brief(churn.away_us.max)
        ));
    }
    steps.extend(plan.faults.iter().map(fault));
    steps.push(format!(
        "wait until nothing has moved for {}, read the whole history twice, and have everybody catch up; at most {}",
        brief(plan.drain.quiet_us),
        brief(plan.drain.deadline_us)
    ));
    steps.push(match plan.thresholds.as_slice() {
        [] => "judge what came of every message".to_owned(),
        [only] => format!("judge what came of every message, and 1 threshold: {only}"),
        several => {
            format!("judge what came of every message, and {} thresholds: {}", several.len(), several.join(", "))
        }
    });
    steps
}

fn population(plan: &RunPlan) -> String {
    let people = &plan.population;
    let seconds = f64::from(people.subscribers) / plan.connect.rate_per_s.max(f64::MIN_POSITIVE);
    format!(
        "set up {} and {}, and connect {} ({}), {} a second: about {}",
        counted(people.users.into(), "user"),
        counted(people.channels.into(), "channel"),
        counted(people.subscribers.into(), "subscriber"),
        plan.receive.design.name(),
        count(plan.connect.rate_per_s.round() as u64),
        brief((seconds * 1e6) as u64)
    )
}

fn sends(plan: &RunPlan) -> String {
    let load = plan_parts(&serde_json::to_value(plan).unwrap_or_default());
    let load = load.get(1).cloned().unwrap_or_default();
    let how = match plan.send.design {
        SendDesign::Http => "by POST with an idempotency key",
        SendDesign::HttpNoKey => "by POST without a key",
        _ => "over the socket",
    };
    let size = &plan.message_size_bytes;
    format!(
        "send {} {} messages of {} to {} bytes in {} ({load}), {how}: at most {} each, given up after {}",
        about(plan),
        count(expected_messages(plan).round() as u64),
        size.min,
        size.max,
        phases(plan),
        counted(plan.send.attempts.into(), "attempt"),
        brief(plan.send.timeout_us)
    )
}

/// How well a number of messages is known before the run.
fn about(plan: &RunPlan) -> &'static str {
    if plan.arrival.is_closed() { "up to about" } else { "about" }
}

fn traces(plan: &RunPlan) -> Option<String> {
    let kept = match plan.trace.sample? {
        TraceSample::Slow => "each trace".to_owned(),
        TraceSample::Share(share) => format!("the traces of {} of the messages", percent(share)),
    };
    Some(format!("tell the target's tracing of each attempt (traceparent), and ask it to keep {kept}"))
}

fn phases(plan: &RunPlan) -> String {
    let phases = plan.arrival.phases.iter().map(|phase| {
        let name = match phase.kind {
            PhaseKind::WarmUp => "warm-up",
            PhaseKind::Steady => "load",
            PhaseKind::Ramp => "ramp",
            PhaseKind::Spike => "spike",
        };
        format!("{} of {name}", brief(phase.duration_us))
    });
    phases.collect::<Vec<_>>().join(" and ")
}

fn deliveries(plan: &RunPlan) -> String {
    let people = &plan.population;
    let mean = (f64::from(people.members.min) + f64::from(people.members.max)) / 2.0;
    let share = f64::from(people.subscribers) / f64::from(people.users.max(1));
    let messages = expected_messages(plan);
    let each_second = messages * mean * share * 1e6 / plan.arrival.duration_us().max(1) as f64;
    format!(
        "expect {} {} deliveries, {}",
        about(plan),
        count((messages * mean * share).round() as u64),
        rate(each_second)
    )
}

fn fault(fault: &Fault) -> String {
    let length = match fault.for_us {
        0 => String::new(),
        length => format!(" for {}", brief(length)),
    };
    format!("do this at {} of the load: {}{length}", brief(fault.at_us), fault.kind.name())
}

fn needs(plan: &RunPlan) -> String {
    let connect = f64::from(plan.population.subscribers) / plan.connect.rate_per_s.max(f64::MIN_POSITIVE) * 1e6;
    let long = connect as u64 + plan.arrival.duration_us() + plan.drain.quiet_us + 2_000_000;
    format!(
        "It takes about {}, and needs {} descriptors, {} ports towards each address of the target, and about {} of memory.",
        long_duration(long),
        count(descriptors_needed(plan)),
        count(ports_needed(plan)),
        memory(memory_estimate_bytes(plan))
    )
}

/// Below a second exactly, else in whole seconds.
fn brief(us: u64) -> String {
    if us < 1_000_000 { format!("{} ms", us / 1_000) } else { long_duration(us) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Trace;
    use crate::report::example_summary::plan;

    #[test]
    fn a_plan_is_told_in_words() {
        let text = explain(&plan(), "http://127.0.0.1:8065", Style { colour: false, width: 80 });
        for part in [
            "posthaste run steady would, against http://127.0.0.1:8065:",
            "set up 5,000 users and 100 channels, and connect 5,000 subscribers (ws), 500 a",
            "send about 7,200 messages of 80 to 400 bytes in 1 min of warm-up and 5 min of",
            "expect about 360,000 deliveries, 1,000.0/s",
            "It takes about 6 min 13 s",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.contains("trace"), "{text}");
        let traced = RunPlan { trace: Trace { sample: Some(TraceSample::Share(0.01)), url: None }, ..plan() };
        let text = explain(&traced, "x", Style { colour: false, width: 200 });
        assert!(text.contains("ask it to keep the traces of 1 % of the messages"), "{text}");
    }
}
