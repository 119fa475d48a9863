//! What came of what nobody keeps: typing, presence, and what users ask apps.
//! Figures, never findings: nobody promised that a hint arrives.

use super::Input;
use crate::ledger::HintFigures;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What came of hints of one kind, or of commands and clicks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct HintCounts {
    /// How often users did so.
    pub sent: u64,
    /// How many should have been shown it, whether they were connected or not.
    pub expected: u64,
    /// To how many it was shown.
    pub delivered: u64,
    /// The share of the expected; null without any.
    pub delivered_share: Option<f64>,
}

/// The counts of each kind that the workload has.
pub(super) fn counts(input: &Input) -> BTreeMap<String, HintCounts> {
    let mut all = HintFigures::default();
    input.record.generator.workers.iter().for_each(|worker| all.add(&worker.hints));
    let (hints, actions) = (input.plan.hints, input.plan.actions);
    let kinds = [
        ("typing", hints.typing_per_user_per_minute > 0.0, [all.typing_sent, all.typing_expected, all.typing_shown]),
        (
            "presence",
            hints.presence_per_user_per_minute > 0.0,
            [all.presence_asked, all.presence_asked, all.presence_told],
        ),
        ("action", actions.any(), [all.actions_asked, all.actions_asked, all.actions_answered]),
    ];
    let wanted = kinds.into_iter().filter(|(_, is_wanted, _)| *is_wanted);
    let count = |(name, _, [sent, expected, delivered]): (&str, bool, [u64; 3])| {
        let delivered_share = (expected > 0).then(|| delivered as f64 / expected as f64);
        (name.to_owned(), HintCounts { sent, expected, delivered, delivered_share })
    };
    wanted.map(count).collect()
}
