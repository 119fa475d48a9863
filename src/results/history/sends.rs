//! The senders' lines: `intended`, `attempt`, `outcome`.

use super::lines::{AttemptLine, AttemptResult, IntendedLine, OutcomeLine, to_us};
use super::reader::Names;
use crate::ledger::SendRow;
use crate::model::{MessageRef, Position, SendState};
use std::collections::HashMap;

/// The rows of the sender log.
pub(super) struct Sends {
    pub(super) rows: Vec<SendRow>,
    /// The latest time that was named.
    pub(super) latest_us: u64,
    by_message: HashMap<MessageRef, usize>,
    origin: f64,
}

impl Sends {
    pub(super) fn new(origin: f64) -> Self {
        Self { rows: Vec::new(), latest_us: 0, by_message: HashMap::new(), origin }
    }

    pub(super) fn intend(&mut self, names: &mut Names, line: &IntendedLine) -> Result<(), String> {
        let channel = names.channel_id(&line.channel)?;
        let message = names.intend(&line.key, channel, line.index)?;
        let intended_us = self.time(line.t)?;
        self.by_message.insert(message, self.rows.len());
        self.rows.push(SendRow::intended(message, names.user_id(&line.user)?, intended_us));
        Ok(())
    }

    pub(super) fn attempt(&mut self, names: &Names, line: &AttemptLine) -> Result<(), String> {
        let end_us = self.time(line.end)?;
        let begun_us = line.t.map(|t| self.time(t)).transpose()?;
        if begun_us.is_some_and(|begun_us| begun_us > end_us) {
            return Err("the attempt ends before it begins".to_owned());
        }
        let row = self.row(names, &line.key)?;
        row.attempts += 1;
        row.first_byte_us = row.first_byte_us.into_iter().chain(begun_us).min();
        row.last_attempt_us = row.last_attempt_us.max(Some(end_us));
        let acknowledged = row.state == SendState::Acknowledged;
        match line.result {
            AttemptResult::Ok => {
                if begun_us.is_none() {
                    return Err("an acknowledged attempt has a first byte: t is missing".to_owned());
                }
                row.state = SendState::Acknowledged;
                let earlier = row.acknowledged_us.is_some_and(|known_us| known_us <= end_us);
                if !earlier {
                    row.acknowledged_us = Some(end_us);
                    row.server_id = line.id.as_deref().map(Into::into);
                    row.position = line.position.map(Position);
                }
            }
            AttemptResult::Written => row.state = if acknowledged { row.state } else { SendState::Written },
            AttemptResult::Indeterminate => {
                row.indeterminate += 1;
                row.state = if acknowledged { row.state } else { SendState::Unknown };
            }
            AttemptResult::NoEffect if row.state == SendState::Unattempted => row.state = SendState::Rejected,
            AttemptResult::NoEffect => {}
        }
        Ok(())
    }

    pub(super) fn outcome(&mut self, names: &Names, line: &OutcomeLine) -> Result<(), String> {
        let mut times = [line.first_byte, line.acknowledged, line.last_attempt].into_iter();
        let mut next = || times.next().flatten().map(|t| self.time(t)).transpose();
        let (first_byte_us, acknowledged_us, last_attempt_us) = (next()?, next()?, next()?);
        if line.state == SendState::Acknowledged && acknowledged_us.is_none() {
            return Err("an acknowledged message has a time of its acknowledgement: acknowledged is missing".to_owned());
        }
        let row = self.row(names, &line.key)?;
        if row.attempts > 0 || row.state != SendState::Unattempted {
            return Err(format!("the outcome of {:?} is told twice", line.key));
        }
        (row.first_byte_us, row.acknowledged_us, row.last_attempt_us) =
            (first_byte_us, acknowledged_us, last_attempt_us);
        (row.state, row.attempts, row.indeterminate) = (line.state, line.attempts, line.indeterminate);
        row.server_id = line.id.as_deref().map(Into::into);
        row.position = line.position.map(Position);
        Ok(())
    }

    fn row(&mut self, names: &Names, key: &str) -> Result<&mut SendRow, String> {
        let rank = names.messages.get(key).and_then(|message| self.by_message.get(message));
        let rank = *rank.ok_or_else(|| format!("no intended line has the key {key:?}"))?;
        self.rows.get_mut(rank).ok_or_else(|| "no such row".to_owned())
    }

    fn time(&mut self, t: f64) -> Result<u64, String> {
        let us = time(t, self.origin)?;
        self.latest_us = self.latest_us.max(us);
        Ok(us)
    }
}

/// A time of the file in µs since its origin.
pub(super) fn time(t: f64, origin: f64) -> Result<u64, String> {
    to_us(t - origin).ok_or_else(|| format!("{t} is no time: milliseconds, not before the run's origin ({origin})"))
}
