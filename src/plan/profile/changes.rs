//! The sections `[changes]`, `[hints]` and `[actions]`, and what does not go
//! with them.

use super::error::ProfileError;
use super::keys::{Keys, Reading};
use crate::plan::{Actions, ChangeKind, Changes, Hints, RunPlan};

/// More often than once a second, nobody types or asks.
const MOST_PER_MINUTE: f64 = 60.0;

pub(super) fn read(root: &Keys<'_>) -> Result<Changes, ProfileError> {
    let usual = Changes::NONE;
    let keys = root.table("changes", &["share", "per_message", "after", "edit", "delete", "react", "reply"])?;
    let weight = |kind: ChangeKind| keys.number(kind.name(), 0.0..=1e6, Some(usual.weight(kind)));
    Ok(Changes {
        share: keys.share("share", 0.0..=1.0, usual.share)?,
        per_message: keys.range("per_message", 1..=Changes::MOST, usual.per_message)?,
        after_us: keys.times("after", "0s"..="1h", usual.after_us)?,
        edit: weight(ChangeKind::Edit)?,
        delete: weight(ChangeKind::Delete)?,
        react: weight(ChangeKind::React)?,
        reply: weight(ChangeKind::Reply)?,
    })
}

pub(super) fn hints(root: &Keys<'_>) -> Result<Hints, ProfileError> {
    let keys = root.table("hints", &["typing_per_user_per_minute", "presence_per_user_per_minute"])?;
    let rate = |key| keys.number(key, 0.0..=MOST_PER_MINUTE, Some(0.0));
    Ok(Hints {
        typing_per_user_per_minute: rate("typing_per_user_per_minute")?,
        presence_per_user_per_minute: rate("presence_per_user_per_minute")?,
    })
}

pub(super) fn actions(root: &Keys<'_>) -> Result<Actions, ProfileError> {
    let keys = root.table("actions", &["commands_per_user_per_minute", "clicks_per_user_per_minute"])?;
    let rate = |key| keys.number(key, 0.0..=MOST_PER_MINUTE, Some(0.0));
    Ok(Actions {
        commands_per_user_per_minute: rate("commands_per_user_per_minute")?,
        clicks_per_user_per_minute: rate("clicks_per_user_per_minute")?,
    })
}

/// What cannot be: changes of no kind, of what nobody acknowledges, or of
/// messages without a key that names them; hints without a socket that carries
/// them; actions without an app.
pub(super) fn check(reading: &Reading<'_>, plan: &RunPlan) -> Result<(), ProfileError> {
    let changes = &plan.changes;
    if changes.share > 0.0 {
        let weights: f64 = ChangeKind::ALL.iter().map(|kind| changes.weight(*kind)).sum();
        let message = "changes.share: every weight is 0, so there is nothing to do to a message; give edit, delete, \
                       react or reply one, or set share to 0";
        if weights <= 0.0 {
            return Err(reading.error("changes.share", message));
        }
        if !plan.send.design.is_acknowledged() {
            let message = format!(
                "changes.share: a message is changed by the id of its acknowledgement, and send.design = {:?} has \
                 none; set send.design to \"http\" or \"ws-ack\", or share to 0",
                plan.send.design.name()
            );
            return Err(reading.error("changes.share", message));
        }
    }
    let design = plan.receive.design;
    if plan.hints.any() && !design.takes_sends() {
        let message = format!(
            "hints: users type and ask over the sockets that they hold, and receive.design = {:?} holds none that \
             carries it; set the rates of [hints] to 0",
            design.name()
        );
        return Err(reading.error("hints", message));
    }
    if plan.actions.any() && !design.is_app() {
        let message = format!(
            "actions: commands and clicks go to an app, and receive.design = {:?} is none; set receive.design to \
             \"socket-mode\" or \"webhook\", or the rates of [actions] to 0",
            design.name()
        );
        return Err(reading.error("actions", message));
    }
    Ok(())
}
