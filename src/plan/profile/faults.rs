//! The `[[faults]]` of a workload.

use super::error::ProfileError;
use super::keys::{Keys, Reading, constant};
use super::tree::{Node, Value};
use crate::plan::{Connections, Direction, Ending, Fault, FaultKind, FaultSettings};

const KEYS: &[&str] = &[
    "kind",
    "at",
    "for",
    "share",
    "connections",
    "direction",
    "ends",
    "delay",
    "jitter",
    "bytes_per_s",
    "bytes",
    "idle",
    "stall",
    "begin",
    "end",
];

pub(super) fn read(reading: &Reading<'_>, root: &Keys<'_>) -> Result<Vec<Fault>, ProfileError> {
    let kinds: Vec<(&str, FaultKind)> = FaultKind::ALL.iter().map(|kind| (kind.name(), *kind)).collect();
    let Some(tables) = root.tables("faults", KEYS)? else { return Ok(Vec::new()) };
    let one = |keys: &Keys<'_>| {
        let kind = keys.word("kind", &kinds, None)?;
        let (length, share) = usual(kind);
        Ok(Fault {
            kind,
            at_us: keys.time("at", "0s"..="720h", None)?,
            for_us: keys.time("for", "0s"..="720h", Some(length))?,
            share: keys.share("share", 0.0..=1.0, share)?,
            settings: settings(keys, kind)?,
        })
    };
    let faults = tables.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    for (keys, fault) in tables.iter().zip(&faults) {
        if lasts(fault.kind) && fault.for_us == 0 {
            let message = format!("must be above 0s for the fault {}, which lasts for a while", fault.kind.name());
            return Err(reading.error(&keys.path_of("for"), message));
        }
        if fault.kind == FaultKind::Pause && fault.for_us > constant("10m") {
            return Err(reading.error(&keys.path_of("for"), "must be at most 10m for a pause"));
        }
    }
    Ok(faults)
}

/// Length and share where the profile has none.
fn usual(kind: FaultKind) -> (&'static str, f64) {
    match kind {
        FaultKind::Disconnect => ("1s", 0.5),
        FaultKind::Hedge | FaultKind::DropAck => ("720h", 0.1),
        FaultKind::Handoff => ("1s", 0.2),
        FaultKind::SlowReader | FaultKind::Suspend => ("5s", 0.1),
        FaultKind::Blackhole => ("5s", 0.2),
        FaultKind::IdleEvict => ("720h", 1.0),
        FaultKind::Herd => ("0s", 1.0),
        FaultKind::Latency | FaultKind::Bandwidth | FaultKind::Slice => ("10s", 1.0),
        FaultKind::Crash | FaultKind::Deploy => ("0s", 1.0),
        FaultKind::Pause | FaultKind::StoreFail => ("1s", 1.0),
    }
}

/// Whether a fault of no length would do nothing.
fn lasts(kind: FaultKind) -> bool {
    !matches!(kind, FaultKind::Disconnect | FaultKind::Handoff | FaultKind::Herd | FaultKind::Crash | FaultKind::Deploy)
}

/// The further keys that a kind of fault has.
pub(super) fn keys_of(kind: FaultKind) -> &'static [&'static str] {
    match kind {
        FaultKind::Blackhole => &["connections", "direction", "ends"],
        FaultKind::IdleEvict => &["connections", "idle"],
        FaultKind::Herd => &["ends"],
        FaultKind::Latency => &["connections", "direction", "delay", "jitter"],
        FaultKind::Bandwidth => &["connections", "bytes_per_s"],
        FaultKind::Slice => &["connections", "bytes"],
        FaultKind::StoreFail => &["begin", "end"],
        FaultKind::Crash => &["stall"],
        _ => &[],
    }
}

fn settings(keys: &Keys<'_>, kind: FaultKind) -> Result<FaultSettings, ProfileError> {
    let known = keys_of(kind);
    for key in KEYS[4..].iter().filter(|key| !known.contains(key)) {
        if keys.node(key).is_some() {
            let why = match known {
                [] => format!("is no key of the fault {}", kind.name()),
                _ => format!("is no key of the fault {}, which has {}", kind.name(), known.join(", ")),
            };
            return Err(keys.refuse(key, &why));
        }
    }
    let usual = FaultSettings::default();
    let endings: &[(&str, Ending)] = if kind == FaultKind::Herd { &Ending::NAMES[..2] } else { &Ending::NAMES };
    let has = |key| known.contains(&key);
    let settings = FaultSettings {
        connections: if has("connections") {
            keys.word("connections", &Connections::NAMES, Some(usual.connections))?
        } else {
            usual.connections
        },
        direction: if has("direction") {
            keys.word("direction", &Direction::NAMES, Some(usual.direction))?
        } else {
            usual.direction
        },
        ending: if has("ends") { keys.word("ends", endings, Some(usual.ending))? } else { usual.ending },
        delay_us: if has("delay") { keys.time("delay", "0s"..="1m", Some("100ms"))? } else { usual.delay_us },
        jitter_us: if has("jitter") { keys.time("jitter", "0s"..="1m", Some("0s"))? } else { usual.jitter_us },
        bytes_per_s: if has("bytes_per_s") {
            keys.whole("bytes_per_s", 1..=10_000_000_000, Some(usual.bytes_per_s))?
        } else {
            usual.bytes_per_s
        },
        slice_bytes: if has("bytes") {
            keys.whole("bytes", 1..=65_536, Some(usual.slice_bytes))?
        } else {
            usual.slice_bytes
        },
        idle_us: if has("idle") { keys.time("idle", "100ms"..="24h", Some("1m"))? } else { usual.idle_us },
        stall_us: if has("stall") { keys.time("stall", "0s"..="1m", Some("0s"))? } else { usual.stall_us },
        begin: if has("begin") { keys.value("begin", Some(Vec::new()), command)? } else { Vec::new() },
        end: if has("end") { keys.value("end", Some(Vec::new()), command)? } else { Vec::new() },
    };
    if settings.begin.is_empty() != settings.end.is_empty() {
        return Err(keys.missing(if settings.begin.is_empty() { "begin" } else { "end" }));
    }
    Ok(settings)
}

/// A program and its arguments; no shell reads them.
fn command(node: &Node) -> Result<Vec<String>, String> {
    let expected = "must be a program and its arguments, such as [\"fallocate\", \"-l\", \"1G\", \"/data/ballast\"]";
    let Value::Array(items) = &node.value else { return Err(expected.to_owned()) };
    let word = |item: &Node| match &item.value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err(expected.to_owned()),
    };
    items.iter().map(word).collect()
}
