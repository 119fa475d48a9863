//! The `[arrival]` section: one rate, or phases, or a closed loop; and how `--rate`
//! and `--duration` change them.

use super::error::{Place, ProfileError};
use super::keys::{Keys, Reading};
use super::tree::Node;
use crate::plan::{Arrival, ArrivalProcess, Phase, PhaseKind, Range};

/// The highest rate in messages a second.
const MOST_PER_S: f64 = 1e7;
const LEAST_TIME: &str = "1us";
const MOST_TIME: &str = "720h";

pub(super) fn read(reading: &Reading<'_>, root: &Keys<'_>) -> Result<Arrival, ProfileError> {
    let keys = root.table("arrival", &["process", "think", "rate", "duration", "warm_up", "phases"])?;
    let open = [ArrivalProcess::Poisson, ArrivalProcess::Constant].map(Some);
    let processes = [("poisson", open[0]), ("constant", open[1]), ("closed", None)];
    let Some(process) = keys.word("process", &processes, Some(open[0]))? else { return closed(reading, &keys) };
    if keys.node("think").is_some() {
        let why = "goes with process = \"closed\", where users wait for answers; an open loop has a rate";
        return Err(keys.refuse("think", why));
    }
    let known = &["kind", "duration", "rate", "from", "to"];
    let phases = match keys.tables("phases", known)? {
        Some(tables) => many(reading, &keys, &tables)?,
        None => one_rate(reading, &keys)?,
    };
    Ok(Arrival { process, phases })
}

/// `think`, `duration` and perhaps `warm_up`. The rate is the target's answer; what
/// memory and keys are reckoned for is filled in when the population is known.
fn closed(reading: &Reading<'_>, keys: &Keys<'_>) -> Result<Arrival, ProfileError> {
    let by_flag = |key: &str| keys.node(key).map(|node| matches!(node.place, Place::Flag(_)));
    for key in ["rate", "phases"] {
        // Of a profile whose process a flag replaces, the rate is replaced too.
        if by_flag(key).is_some_and(|flag| flag || by_flag("process") != Some(true)) {
            let why = "does not go with a closed loop, where the answers of the target make the rate: give think and \
                       population.senders";
            return Err(keys.refuse(key, why));
        }
    }
    if keys.node("think").is_none() {
        let mut error = keys.missing("think");
        error.message.push_str(", the time between an answer and the next message; \"0s\" is as fast as answered");
        return Err(error);
    }
    let think_us = keys.times("think", "0s"..=MOST_TIME, Range { min: 0, max: 0 })?;
    let duration_us = keys.time("duration", LEAST_TIME..=MOST_TIME, None)?;
    let warm_up_us = keys.time("warm_up", "0s"..=MOST_TIME, Some("0s"))?;
    let origins = ["rate", "phases"].map(|key| keys.path_of(key));
    origins.iter().for_each(|path| _ = reading.take_origin(path));
    let phase = |kind, duration_us| Phase { kind, duration_us, rate_from: 0.0, rate_to: 0.0 };
    let warm_up = (warm_up_us > 0).then(|| phase(PhaseKind::WarmUp, warm_up_us));
    let phases = warm_up.into_iter().chain([phase(PhaseKind::Steady, duration_us)]).collect();
    Ok(Arrival { process: ArrivalProcess::Closed { think_us }, phases })
}

/// `rate`, `duration` and perhaps `warm_up`: a steady phase, perhaps behind a
/// warm-up of the same rate.
fn one_rate(reading: &Reading<'_>, keys: &Keys<'_>) -> Result<Vec<Phase>, ProfileError> {
    if keys.node("rate").is_none() && keys.node("duration").is_none() {
        let mut error = keys.missing("rate");
        error.message.push_str("; give rate and duration, or phases");
        return Err(error);
    }
    let rate = keys.number("rate", 0.0..=MOST_PER_S, None)?;
    let duration_us = keys.time("duration", LEAST_TIME..=MOST_TIME, None)?;
    let warm_up_us = keys.time("warm_up", "0s"..=MOST_TIME, Some("0s"))?;
    let origins = ["rate", "duration", "warm_up"].map(|key| reading.take_origin(&keys.path_of(key)));
    let [of_rate, of_duration, of_warm_up] = &origins;
    let mut phases = Vec::new();
    let mut add = |kind, duration_us, of_phase| {
        let path = |key: &str| keys.path_of(&format!("phases.{}.{key}", phases.len()));
        for (key, origin) in [("kind", of_phase), ("duration", of_phase), ("rate", of_rate)] {
            reading.note(path(key), origin.clone());
        }
        phases.push(Phase { kind, duration_us, rate_from: rate, rate_to: rate });
    };
    if warm_up_us > 0 {
        add(PhaseKind::WarmUp, warm_up_us, of_warm_up);
    }
    add(PhaseKind::Steady, duration_us, of_duration);
    Ok(phases)
}

fn many(reading: &Reading<'_>, keys: &Keys<'_>, tables: &[Keys<'_>]) -> Result<Vec<Phase>, ProfileError> {
    let from_flag = |key: &str| keys.node(key).map(|node| matches!(node.place, Place::Flag(_)));
    // A rate or duration from a flag scales the phases, and phases from a flag
    // replace what the profile says of one rate; all else is a contradiction.
    let replaced = from_flag("phases") == Some(true);
    for key in ["rate", "duration", "warm_up"] {
        let contradicts = match from_flag(key) {
            None => false,
            Some(true) => key == "warm_up",
            Some(false) => !replaced,
        };
        if contradicts {
            return Err(keys.refuse(key, "does not go with arrival.phases; give each phase its own values"));
        }
    }
    let mut phases = tables.iter().map(|table| phase(reading, table)).collect::<Result<Vec<_>, _>>()?;
    check_kinds(reading, &phases)?;
    if let Some(node) = keys.node("rate").filter(|_| from_flag("rate") == Some(true)) {
        scale_rates(reading, node, &mut phases, keys.number("rate", 0.0..=MOST_PER_S, None)?)?;
    }
    if let Some(node) = keys.node("duration").filter(|_| from_flag("duration") == Some(true)) {
        scale_durations(reading, node, &mut phases, keys.time("duration", LEAST_TIME..=MOST_TIME, None)?)?;
    }
    reading.take_origin("arrival.rate");
    reading.take_origin("arrival.duration");
    Ok(phases)
}

fn phase(reading: &Reading<'_>, keys: &Keys<'_>) -> Result<Phase, ProfileError> {
    let kinds = [
        ("warm-up", PhaseKind::WarmUp),
        ("steady", PhaseKind::Steady),
        ("ramp", PhaseKind::Ramp),
        ("spike", PhaseKind::Spike),
    ];
    let kind = keys.word("kind", &kinds, None)?;
    let duration_us = keys.time("duration", LEAST_TIME..=MOST_TIME, None)?;
    let given = |key: &str| keys.node(key).is_some();
    let linear = given("from") || given("to");
    if kind == PhaseKind::Ramp && given("rate") {
        let why = "does not go with a ramp, which goes from one rate to another: give from and to";
        return Err(keys.refuse("rate", why));
    }
    if kind == PhaseKind::Steady && linear {
        let why = "does not go with a steady phase, which has one rate: give rate, or kind = \"ramp\"";
        return Err(keys.refuse(if given("from") { "from" } else { "to" }, why));
    }
    if linear && given("rate") {
        return Err(keys.refuse("rate", "does not go with from and to: give one or the other"));
    }
    let (rate_from, rate_to) = if linear || kind == PhaseKind::Ramp {
        (keys.number("from", 0.0..=MOST_PER_S, None)?, keys.number("to", 0.0..=MOST_PER_S, None)?)
    } else {
        let rate = keys.number("rate", 0.0..=MOST_PER_S, None)?;
        (rate, rate)
    };
    if linear && kind != PhaseKind::Ramp && rate_from == rate_to {
        // The plan shows one rate, so the origin is one rate's.
        let origin = reading.take_origin(&keys.path_of("from"));
        reading.take_origin(&keys.path_of("to"));
        reading.note(keys.path_of("rate"), origin);
    }
    Ok(Phase { kind, duration_us, rate_from, rate_to })
}

fn check_kinds(reading: &Reading<'_>, phases: &[Phase]) -> Result<(), ProfileError> {
    let mut loaded = false;
    for (rank, phase) in phases.iter().enumerate() {
        if phase.kind == PhaseKind::WarmUp && loaded {
            let path = format!("arrival.phases.{rank}.kind");
            return Err(reading.error(&path, "a warm-up comes only at the start, before every other phase"));
        }
        loaded |= phase.kind != PhaseKind::WarmUp;
    }
    if loaded {
        return Ok(());
    }
    Err(reading.error("arrival.phases", "arrival.phases needs a phase that is not a warm-up"))
}

/// Scales all rates so that the highest of a steady phase becomes `rate`; of
/// any phase, where none is steady.
fn scale_rates(reading: &Reading<'_>, by: &Node, phases: &mut [Phase], rate: f64) -> Result<(), ProfileError> {
    let highest = |phases: &mut dyn Iterator<Item = &Phase>| {
        phases.map(|phase| phase.rate_from.max(phase.rate_to)).fold(0.0, f64::max)
    };
    let steady = highest(&mut phases.iter().filter(|phase| phase.kind == PhaseKind::Steady));
    let highest = if steady > 0.0 { steady } else { highest(&mut phases.iter()) };
    if highest == 0.0 {
        return Err(reading.source.error(by.place, "every phase has rate 0, which cannot be scaled"));
    }
    for (rank, phase) in phases.iter_mut().enumerate() {
        // Dividing first makes the highest rate exactly the one asked for.
        phase.rate_from = phase.rate_from / highest * rate;
        phase.rate_to = phase.rate_to / highest * rate;
        if phase.rate_from.max(phase.rate_to) > MOST_PER_S {
            let message = format!("scales phase {} above {MOST_PER_S} messages a second", rank + 1);
            return Err(reading.source.error(by.place, message));
        }
        for key in ["rate", "from", "to"] {
            reading.renote(&format!("arrival.phases.{rank}.{key}"), by);
        }
    }
    Ok(())
}

/// Scales all but the warm-up so that together they last `duration_us`.
fn scale_durations(
    reading: &Reading<'_>,
    by: &Node,
    phases: &mut [Phase],
    duration_us: u64,
) -> Result<(), ProfileError> {
    let loaded: Vec<usize> = (0..phases.len()).filter(|rank| phases[*rank].kind != PhaseKind::WarmUp).collect();
    let before_us: u64 = loaded.iter().map(|rank| phases[*rank].duration_us).sum();
    let (mut passed_us, mut start_us) = (0u64, 0u64);
    for rank in loaded {
        passed_us += phases[rank].duration_us;
        // Ends are scaled, not lengths: what rounding takes from one phase it
        // gives to the next.
        let end_us = (u128::from(passed_us) * u128::from(duration_us) / u128::from(before_us)) as u64;
        if end_us == start_us {
            return Err(reading.source.error(by.place, format!("leaves no time for phase {}", rank + 1)));
        }
        phases[rank].duration_us = end_us - start_us;
        start_us = end_us;
        reading.renote(&format!("arrival.phases.{rank}.duration"), by);
    }
    Ok(())
}
