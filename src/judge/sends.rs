//! What the users were shown of their messages, against what is stored. A
//! message that was shown as sent and is stored nowhere is the worst case: its
//! user will not send it again.

use super::Input;
use super::summary::SendSummary;
use super::truth::Truth;
use crate::model::SendState;

/// Counts by what was shown last.
pub(super) fn summary(input: &Input, truth: &Truth) -> SendSummary {
    let mut summary = SendSummary {
        design: input.plan.send.design.name().to_owned(),
        taps: input.record.generator.workers.iter().map(|worker| worker.taps).sum(),
        ..SendSummary::default()
    };
    let known = truth.unknown_because().is_none();
    let (mut absent, mut stored) = (0, 0);
    for channel in &truth.channels {
        for message in &channel.messages {
            match message.state() {
                Some(SendState::Acknowledged | SendState::Written) => {
                    summary.shown_sent += 1;
                    let gone = channel.is_known() && channel.is_gone(message);
                    absent += u64::from(gone);
                }
                Some(SendState::Rejected | SendState::Unknown | SendState::Unattempted) => {
                    summary.shown_failed += 1;
                    stored += u64::from(message.is_stored());
                }
                None => {}
            }
        }
    }
    summary.shown_sent_absent = known.then_some(absent);
    summary.shown_failed_stored = known.then_some(stored);
    summary
}
