//! The `[[faults]]` of a workload.

use super::error::ProfileError;
use super::keys::{Keys, Reading, constant};
use crate::plan::{Fault, FaultKind};

const KEYS: &[&str] = &["kind", "at", "for", "share"];

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
        })
    };
    let faults = tables.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    for (keys, fault) in tables.iter().zip(&faults) {
        if fault.kind == FaultKind::Hedge && fault.for_us == 0 {
            return Err(reading.error(&keys.path_of("for"), "must be above 0s for a hedge, which lasts for a while"));
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
        FaultKind::Hedge => ("720h", 0.1),
        FaultKind::Handoff => ("1s", 0.2),
        FaultKind::SlowReader => ("5s", 0.1),
        FaultKind::Crash | FaultKind::Deploy => ("0s", 1.0),
        FaultKind::Pause => ("1s", 1.0),
    }
}
