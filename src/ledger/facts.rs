//! What was seen in frames and rows beside deliveries. Facts only: what they
//! mean is the judge's.

use crate::model::{ChannelId, MessageRef, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Facts of a shard, each counted exactly; memory is bounded by the number of
/// messages and members, not by the number of copies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Messages pushed or read with a body that the key's generator does not
    /// produce.
    pub altered: BTreeMap<MessageRef, FirstSeen>,
    /// Texts with the run's id and a key that the run cannot have made, by
    /// their first characters.
    pub foreign: BTreeMap<String, FirstSeen>,
    /// Messages shown to a user who is not a member of their channel,
    /// or under another channel than the key's.
    pub leaked: BTreeMap<(UserId, MessageRef), Leak>,
    /// Messages that a catch-up showed in another channel than the key's.
    pub elsewhere: BTreeMap<(MessageRef, ChannelId), FirstSeen>,
    /// First copies that arrived behind a message of a greater position.
    pub reordered: Vec<Reordered>,
}

/// Who saw a fact first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirstSeen {
    /// When, in µs since the start of the run.
    pub at_us: u64,
    /// By whom; `None` for a final read.
    pub subscriber: Option<UserId>,
}

/// A push that a subscriber should not have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Leak {
    /// When, in µs since the start of the run.
    pub at_us: u64,
    /// The channel that the frame named; `None` if the run does not know it.
    pub under: Option<ChannelId>,
}

/// A first copy that arrived behind a message of a greater position, on the
/// same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reordered {
    /// The subscriber.
    pub subscriber: UserId,
    /// The message that came late.
    pub message: MessageRef,
    /// Index of the message that had arrived before it.
    pub ahead: u32,
    /// When, in µs since the start of the run.
    pub at_us: u64,
}

impl Facts {
    /// Notes an altered body.
    pub fn altered(&mut self, message: MessageRef, seen: FirstSeen) {
        keep_first(&mut self.altered, message, seen);
    }

    /// Notes a foreign text.
    pub fn foreign(&mut self, text: &str, seen: FirstSeen) {
        keep_first(&mut self.foreign, Self::beginning(text), seen);
    }

    /// As much of a foreign text as tells it from others.
    pub fn beginning(text: &str) -> String {
        text.chars().take(80).collect()
    }

    /// Notes a leaked push.
    pub fn leaked(&mut self, subscriber: UserId, message: MessageRef, leak: Leak) {
        keep_first(&mut self.leaked, (subscriber, message), leak);
    }

    /// Notes a row that stands in another channel than its key's.
    pub fn elsewhere(&mut self, message: MessageRef, channel: ChannelId, seen: FirstSeen) {
        keep_first(&mut self.elsewhere, (message, channel), seen);
    }

    /// Joins the facts of two shards.
    pub fn merge(&mut self, other: Facts) {
        for (message, seen) in other.altered {
            keep_first(&mut self.altered, message, seen);
        }
        for (place, seen) in other.elsewhere {
            keep_first(&mut self.elsewhere, place, seen);
        }
        for (text, seen) in other.foreign {
            keep_first(&mut self.foreign, text, seen);
        }
        for (place, leak) in other.leaked {
            keep_first(&mut self.leaked, place, leak);
        }
        self.reordered.extend(other.reordered);
    }
}

fn keep_first<K: Ord, V: Ord + Copy>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    map.entry(key).and_modify(|first| *first = value.min(*first)).or_insert(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(index: u32) -> MessageRef {
        MessageRef { channel: ChannelId(1), index }
    }

    /// A fact of each kind, seen at an instant.
    fn seen(at_us: u64) -> Facts {
        let mut facts = Facts::default();
        let first = FirstSeen { at_us, subscriber: Some(UserId(at_us as u32)) };
        facts.altered(message(0), first);
        facts.foreign("text", first);
        facts.leaked(UserId(3), message(0), Leak { at_us, under: None });
        facts.elsewhere(message(0), ChannelId(2), first);
        facts
    }

    #[test]
    fn of_several_sightings_the_first_is_kept_in_whatever_order() {
        for order in [[1, 5], [5, 1]] {
            let [mut one, other] = order.map(seen);
            one.merge(other);
            assert_eq!(one, seen(1), "{order:?}");
        }
        let mut facts = seen(5);
        facts.altered(message(0), FirstSeen { at_us: 2, subscriber: None });
        facts.altered(message(0), FirstSeen { at_us: 3, subscriber: None });
        assert_eq!(facts.altered[&message(0)].at_us, 2);
    }

    #[test]
    fn different_facts_are_kept_apart() {
        let (mut facts, other) = (seen(1), seen(1));
        facts.merge(other);
        facts.altered(message(1), FirstSeen { at_us: 1, subscriber: None });
        facts.elsewhere(message(0), ChannelId(3), FirstSeen { at_us: 1, subscriber: None });
        facts.leaked(UserId(4), message(0), Leak { at_us: 1, under: None });
        facts.foreign("text of another", FirstSeen { at_us: 1, subscriber: None });
        let counts = [facts.altered.len(), facts.elsewhere.len(), facts.leaked.len(), facts.foreign.len()];
        assert_eq!(counts, [2; 4]);
    }

    #[test]
    fn of_a_foreign_text_eighty_characters_are_kept() {
        let text = "ü".repeat(81);
        assert_eq!(Facts::beginning(&text), "ü".repeat(80));
        let mut facts = Facts::default();
        facts.foreign(&text, FirstSeen { at_us: 1, subscriber: None });
        facts.foreign(&format!("{text} and more"), FirstSeen { at_us: 2, subscriber: None });
        assert_eq!(facts.foreign.len(), 1);
    }
}
