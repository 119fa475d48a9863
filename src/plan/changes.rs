//! What happens to messages after they were sent: edits, deletions, reactions
//! and replies, of the share of the messages that the workload sets apart.
//!
//! A message that is set apart is a register with one writer: its sender alone
//! changes it, one change after the other, in the order of their ordinals. So
//! the last acknowledged edit is what its text must be in the end, and a
//! deletion is the last change of all. Reactions of one user are a set of
//! names, and every reaction of a message has a name of its own.

use super::{Range, RunPlan};
use crate::model::{MessageRef, Random};
use serde::{Deserialize, Serialize};

/// Which messages are changed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    /// The share of the messages that is set apart.
    pub share: f64,
    /// Changes of one of them, where nothing ends them earlier; at most
    /// [`Changes::MOST`].
    pub per_message: Range<u32>,
    /// From the intended time of a message to its first change, and from each
    /// change to the next, in µs.
    pub after_us: Range<u64>,
    /// How often a change is an edit, in proportion to the other weights.
    pub edit: f64,
    /// How often it is a deletion.
    pub delete: f64,
    /// How often it is a reaction.
    pub react: f64,
    /// How often it is a reply.
    pub reply: f64,
}

/// What is done to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It gets another text.
    Edit,
    /// It is taken away.
    Delete,
    /// Its sender reacts to it.
    React,
    /// Its sender replies to it.
    Reply,
}

/// One change that the workload wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its rank among the changes of its message, from 1. An edit gives the
    /// message the text of this version.
    pub ordinal: u32,
    /// What is done.
    pub kind: ChangeKind,
    /// When, in µs after the start of the load.
    pub at_us: u64,
}

impl ChangeKind {
    /// All kinds, in the order of the reports.
    pub const ALL: [ChangeKind; 4] = [ChangeKind::Edit, ChangeKind::Delete, ChangeKind::React, ChangeKind::Reply];

    /// The name in results.
    pub fn name(self) -> &'static str {
        match self {
            ChangeKind::Edit => "edit",
            ChangeKind::Delete => "delete",
            ChangeKind::React => "react",
            ChangeKind::Reply => "reply",
        }
    }
}

impl Changes {
    /// Changes of one message at most.
    pub const MOST: u32 = 8;
    /// Nothing is changed.
    pub const NONE: Changes = Changes {
        share: 0.0,
        per_message: Range { min: 1, max: 3 },
        after_us: Range { min: 200_000, max: 2_000_000 },
        edit: 4.0,
        delete: 1.0,
        react: 3.0,
        reply: 2.0,
    };

    /// The weight of a kind.
    pub fn weight(&self, kind: ChangeKind) -> f64 {
        match kind {
            ChangeKind::Edit => self.edit,
            ChangeKind::Delete => self.delete,
            ChangeKind::React => self.react,
            ChangeKind::Reply => self.reply,
        }
    }

    /// Edits of one message at most; 0 where there are none.
    pub fn most_edits(&self) -> u32 {
        if self.share > 0.0 && self.edit > 0.0 { self.per_message.max } else { 0 }
    }

    fn draw(&self, random: &mut Random) -> ChangeKind {
        let total: f64 = ChangeKind::ALL.iter().map(|kind| self.weight(*kind)).sum();
        let mut left = random.unit() * total;
        let chosen = ChangeKind::ALL.into_iter().find(|kind| {
            left -= self.weight(*kind);
            left < 0.0
        });
        // Rounding may leave nothing; then it is the last that has a weight.
        chosen
            .or_else(|| ChangeKind::ALL.into_iter().rfind(|kind| self.weight(*kind) > 0.0))
            .unwrap_or(ChangeKind::Edit)
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::NONE
    }
}

/// The changes of a message that is intended at `intended_us` after the start of
/// the load, in their order; none where the message is not set apart or the
/// target takes no changes. Pure: every shard and the judge draw the same ones.
/// None of them is intended after the end of the load.
pub fn changes_of(plan: &RunPlan, message: MessageRef, intended_us: u64) -> Vec<Change> {
    let changes = &plan.changes;
    if changes.share <= 0.0 || !plan.capabilities.changes {
        return Vec::new();
    }
    let place = (u64::from(message.channel.0) << 32) | u64::from(message.index);
    let mut random = Random::new(plan.seed, "changes").split(place);
    if random.unit() >= changes.share {
        return Vec::new();
    }
    let count = random.between(changes.per_message.min.into(), changes.per_message.max.into()) as u32;
    let (mut at_us, end_us) = (intended_us, plan.arrival.duration_us());
    let mut found = Vec::new();
    for ordinal in 1..=count {
        at_us = at_us.saturating_add(random.between(changes.after_us.min, changes.after_us.max));
        let kind = changes.draw(&mut random);
        if at_us >= end_us {
            break;
        }
        found.push(Change { ordinal, kind, at_us });
        if kind == ChangeKind::Delete {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;
    use crate::model::ChannelId;
    use std::collections::BTreeMap;

    fn plan(changes: Changes) -> RunPlan {
        RunPlan { changes, ..example() }
    }

    fn all(plan: &RunPlan, intended_us: u64) -> Vec<Vec<Change>> {
        (0..20_000).map(|index| changes_of(plan, MessageRef { channel: ChannelId(3), index }, intended_us)).collect()
    }

    #[test]
    fn a_share_of_the_messages_is_set_apart_and_kinds_follow_their_weights() {
        let changes = Changes { share: 0.1, ..Changes::NONE };
        let all = all(&plan(changes), 0);
        let apart: Vec<_> = all.iter().filter(|list| !list.is_empty()).collect();
        // 2,000 expected, standard deviation 42.
        assert!((1_800..2_200).contains(&apart.len()), "{}", apart.len());
        let firsts: BTreeMap<ChangeKind, f64> = apart.iter().fold(BTreeMap::new(), |mut counts, list| {
            *counts.entry(list[0].kind).or_default() += 1.0;
            counts
        });
        for kind in ChangeKind::ALL {
            let (expected, found) = (changes.weight(kind) / 10.0, firsts[&kind] / apart.len() as f64);
            assert!((expected - found).abs() < 0.05, "{}: {found} instead of {expected}", kind.name());
        }
    }

    #[test]
    fn changes_are_in_order_end_with_a_deletion_and_with_the_load() {
        let changes = Changes { share: 1.0, per_message: Range { min: 2, max: 5 }, ..Changes::NONE };
        let late_us = example().arrival.duration_us() - 1_000_000;
        for intended_us in [0, late_us] {
            for list in all(&plan(changes), intended_us) {
                assert!(list.len() <= 5);
                for (rank, change) in list.iter().enumerate() {
                    assert_eq!(change.ordinal, rank as u32 + 1);
                    assert!(change.at_us < example().arrival.duration_us());
                    let before_us = if rank == 0 { intended_us } else { list[rank - 1].at_us };
                    assert!((200_000..=2_000_000).contains(&(change.at_us - before_us)));
                    assert!(change.kind != ChangeKind::Delete || rank + 1 == list.len(), "nothing follows a deletion");
                }
            }
        }
        let counts: Vec<usize> = all(&plan(changes), 0).iter().map(Vec::len).collect();
        assert!(counts.contains(&1) && counts.contains(&5), "a deletion ends some early");
    }

    #[test]
    fn the_seed_decides_each_message_by_itself_and_nothing_else_does() {
        let mut plan = plan(Changes { share: 0.5, ..Changes::NONE });
        let before = all(&plan, 0);
        assert_eq!(before, all(&plan, 0));
        plan.population.users = 7;
        assert_eq!(before, all(&plan, 0));
        plan.seed += 1;
        assert_ne!(before, all(&plan, 0));
    }

    #[test]
    fn without_a_share_or_a_target_that_takes_them_there_is_none() {
        let mut plan = plan(Changes::NONE);
        assert!(all(&plan, 0).iter().all(Vec::is_empty));
        plan.changes.share = 1.0;
        assert!(!all(&plan, 0).iter().any(Vec::is_empty));
        plan.capabilities.changes = false;
        assert!(all(&plan, 0).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_kind_without_a_weight_is_never_drawn() {
        for kind in ChangeKind::ALL {
            let only = |other| if other == kind { 1.0 } else { 0.0 };
            let [edit, delete, react, reply] = ChangeKind::ALL.map(only);
            let changes = Changes { share: 1.0, edit, delete, react, reply, ..Changes::NONE };
            assert!(all(&plan(changes), 0).iter().flatten().all(|change| change.kind == kind), "{}", kind.name());
            assert_eq!(changes.most_edits() > 0, kind == ChangeKind::Edit);
        }
    }
}
