//! What reads show, and in which order.

use super::super::world::{Fate, Row, What};
use super::{Counts, Naive};
use std::collections::BTreeSet;

impl Naive<'_> {
    pub(super) fn order(&self, counts: &mut Counts) {
        let place = |message: usize| self.stored(message).first().copied().filter(|_| !self.truncated(message));
        for (rank, message) in self.world.messages.iter().enumerate() {
            let counted = self.known(message.channel) && message.fate != Fate::Rejected && self.tried(rank);
            let Some(position) = place(rank).filter(|_| counted) else { continue };
            let behind = self.world.messages.iter().enumerate().any(|(other, earlier)| {
                (earlier.sender, earlier.channel) == (message.sender, message.channel)
                    && earlier.fate == Fate::Acked
                    && earlier.end < message.first_byte
                    && place(other).is_some_and(|earlier| earlier > position)
            });
            *counts.entry("sender_order").or_default() += u64::from(behind);
        }
    }

    pub(super) fn reads(&self, counts: &mut Counts) {
        let mut add = |name, count: u64| *counts.entry(name).or_default() += count;
        let mut stale = BTreeSet::new();
        for page in &self.pages {
            let What::Page { after, drain, last, repeated, stuck, .. } = page.act.what else { continue };
            add("page_anomaly.repeated", if drain { u64::from(repeated) } else { 0 });
            add("page_anomaly.stuck", u64::from(stuck));
            let after = after.unwrap_or(0);
            let (lowest, highest) = (page.shows.keys().min().copied(), page.shows.keys().max().copied());
            for (message, sent) in self.world.messages.iter().enumerate() {
                let acked = sent.fate == Fate::Acked && sent.end < page.act.at;
                if sent.channel != page.channel || !acked || !self.due(message) {
                    continue;
                }
                let Some(position) = self.stored(message).first().copied() else { continue };
                let inside =
                    lowest.zip(highest).is_some_and(|(lowest, highest)| position > lowest && position < highest);
                let beyond = last && highest.is_none_or(|highest| position > highest);
                let shown = page.shows.iter().any(|(at, named)| match named {
                    Some(named) => *named == message,
                    None => self.acknowledged_as(page.channel, *at) == Some(message),
                });
                let never = !self.read.contains_key(&(page.subscriber, message))
                    && !self.copies.contains_key(&(page.subscriber, message))
                    && self.entitled(page.subscriber, message)
                    && self.passed_over(page.subscriber, message);
                if position > after && (inside || beyond) && !shown && !never {
                    stale.insert((page.subscriber, message));
                }
            }
        }
        add("stale_read", stale.len() as u64);
        let differing = self.differing();
        add("page_anomaly.differing", differing);
        let all = ["page_anomaly.repeated", "page_anomaly.stuck", "page_anomaly.differing"].map(|part| counts[part]);
        counts.insert("page_anomaly", all.iter().sum());
    }

    /// Rows of messages that only one of the two final reads shows.
    fn differing(&self) -> u64 {
        let mut count = 0;
        for channel in (0..2).filter(|channel| self.known(*channel)) {
            let bound = self.world.truncated[channel as usize].unwrap_or(0);
            let rows = self.rows(channel).into_iter().filter(|(row, _)| row.position >= bound);
            let owned: Vec<(&Row, usize)> =
                rows.filter_map(|(row, of)| Some((row, self.owner(channel, of, row)?))).collect();
            let owned: Vec<(&Row, usize)> = owned.into_iter().filter(|(_, of)| !self.erased(*of)).collect();
            for (row, message) in &owned {
                let in_first = owned.iter().any(|(other, of)| other.reads[0] && of == message);
                let closed = matches!(self.world.messages[*message].fate, Fate::Acked | Fate::Unattempted);
                match row.reads {
                    [true, false] => count += 1,
                    [false, true] if closed && !in_first => count += 1,
                    _ => {}
                }
            }
        }
        count
    }
}
