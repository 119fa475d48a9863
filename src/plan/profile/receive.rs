//! The `[receive]` section, and what does not go with a design.

use super::error::ProfileError;
use super::keys::{Keys, Reading};
use crate::plan::{Acknowledges, AppManners, Connections, Fault, FaultKind, Receive, ReceiveDesign, RunPlan, Touches};

pub(super) fn read(root: &Keys<'_>) -> Result<Receive, ProfileError> {
    let known = &["design", "interval", "replay_window", "ack", "fail_share", "delay_share", "delay", "crash_share"];
    let keys = root.table("receive", known)?;
    let designs = ReceiveDesign::ALL.map(|design| (design.name(), design));
    let design = keys.word("design", &designs, Some(ReceiveDesign::Ws))?;
    let usual_window = if design == ReceiveDesign::Rtm { 1_000 } else { 0 };
    Ok(Receive {
        design,
        interval_us: keys.time("interval", "1ms"..="1h", Some("1s"))?,
        replay_window: keys.whole("replay_window", 0..=1_000_000, Some(usual_window))?,
        app: AppManners {
            acknowledges: keys.word("ack", &Acknowledges::NAMES, Some(Acknowledges::After))?,
            fail_share: keys.share("fail_share", 0.0..=1.0, 0.0)?,
            delay_share: keys.share("delay_share", 0.0..=1.0, 0.0)?,
            delay_us: keys.time("delay", "0s"..="1m", Some("500ms"))?,
            crash_share: keys.share("crash_share", 0.0..=1.0, 0.0)?,
        },
    })
}

/// What a design cannot do: send over a socket that it does not hold, lose one,
/// or behave as an app where it is none.
pub(super) fn check(reading: &Reading<'_>, plan: &RunPlan) -> Result<(), ProfileError> {
    let Receive { design, app, .. } = plan.receive;
    let name = design.name();
    if plan.send.design.is_over_socket() && !design.takes_sends() {
        let message = format!(
            "receive.design: {name} holds no socket to send over, and send.design = {:?} sends over one; set \
             send.design to \"http\"",
            plan.send.design.name()
        );
        return Err(reading.error("receive.design", message));
    }
    let shares = app.fail_share + app.delay_share + app.crash_share;
    for (key, wrong, why) in [
        ("ack", !design.is_app() && app.acknowledges == Acknowledges::Before, "acknowledges nothing"),
        ("fail_share", !design.is_app() && app.fail_share > 0.0, "is no app"),
        ("delay_share", !design.is_app() && app.delay_share > 0.0, "is no app"),
        ("crash_share", !design.is_app() && app.crash_share > 0.0, "is no app"),
        ("fail_share", shares > 1.0, "has fail_share, delay_share and crash_share that are above 1 together"),
    ] {
        if wrong {
            return Err(reading.error(&format!("receive.{key}"), format!("receive.{key}: {name} {why}")));
        }
    }
    if design.holds_socket() { Ok(()) } else { without_socket(reading, plan) }
}

fn without_socket(reading: &Reading<'_>, plan: &RunPlan) -> Result<(), ProfileError> {
    let name = plan.receive.design.name();
    if plan.churn.share_per_minute > 0.0 {
        let message = format!(
            "churn.share_per_minute: subscribers lose their sockets, and receive.design = {name:?} holds none; set it \
             to 0"
        );
        return Err(reading.error("churn.share_per_minute", message));
    }
    let touches_sockets = |fault: &Fault| {
        fault.kind.touches() == Touches::Subscribers
            || fault.kind == FaultKind::Herd
            || fault.settings.connections == Connections::Sockets
    };
    if let Some(rank) = plan.faults.iter().position(touches_sockets) {
        let kind = plan.faults[rank].kind.name();
        let message = format!("the fault {kind} is one of sockets, and receive.design = {name:?} holds none");
        return Err(reading.error(&format!("faults.{rank}.kind"), message));
    }
    Ok(())
}
