//! The sender log while a run goes on: a structure of arrays, about twenty bytes a
//! message.
//!
//! Times are µs after the intended one. A server id that its position spells
//! takes no room; others stand in an arena. A row that fits no column (twenty
//! attempts, a first byte before its time) is held as it is: the log is exact
//! whatever happens.

use super::sends::SendRow;
use crate::model::{ChannelId, MessageRef, Position, SendState, UserId};
use column::Column;
use std::collections::BTreeMap;

/// Rows of one page: what a log grows by, so that it neither reserves twice
/// its size nor copies itself.
const PAGE: usize = 4_096;

/// Rows of a shard in the order in which they were intended.
#[derive(Clone, Debug, Default)]
pub struct SendLog {
    pages: Vec<Page>,
    ids: Arena,
    /// Rows that fit no column, by rank.
    odd: BTreeMap<usize, Box<SendRow>>,
}

/// One column for each field, all of one length.
#[derive(Clone, Debug)]
struct Page {
    channel: Column,
    index: Column,
    user: Column,
    intended_us: Column,
    /// µs after the intended time, and one; [`NEVER`] without a first byte.
    first_byte: Column,
    /// When the last attempt ended, in µs after the intended time, and one;
    /// [`NEVER`] if none did.
    ended: Column,
    /// The position, or the place in the arena.
    place: Column,
    /// Attempts, and above them those that were indeterminate.
    tries: Vec<u8>,
    /// State, whether the last attempt is the acknowledged one, and how the
    /// server id is held.
    flags: Vec<u8>,
}

const NEVER: u64 = 0;
/// Bits of the attempts.
const TRIES_BITS: u32 = 4;
const TRIES: u8 = 0b1111;
const STATE: u8 = 0b111;
const ACKNOWLEDGED: u8 = 1 << 3;
const POSITION: u8 = 1 << 4;
const ID: u8 = 0b11 << 5;
const ID_NONE: u8 = 0;
/// The id is the position in decimal.
const ID_NUMBER: u8 = 1 << 5;
/// The id is the position with a point before its last six digits.
const ID_MICROS: u8 = 2 << 5;
/// The id, and the position if there is one, stand in the arena.
const ID_TEXT: u8 = 3 << 5;

/// An attempt has begun that has not ended.
const UNDER_WAY: u8 = 1 << 7;

const STATES: [SendState; 5] =
    [SendState::Acknowledged, SendState::Rejected, SendState::Unknown, SendState::Written, SendState::Unattempted];

/// One row as its columns hold it.
struct Packed {
    first_byte: u64,
    ended: u64,
    place: u64,
    tries: u8,
    flags: u8,
}

/// What never changes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendHead {
    /// Which message.
    pub message: MessageRef,
    /// Who sends it.
    pub user: UserId,
    /// When the schedule asked for it, in µs since the start of the run.
    pub intended_us: u64,
}

impl SendLog {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.flags.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Adds a row and returns its rank.
    pub fn push(&mut self, row: SendRow) -> usize {
        let rank = self.len();
        if rank.is_multiple_of(PAGE) {
            self.pages.push(Page::new());
        }
        if let Some(page) = self.pages.last_mut() {
            page.push(&row);
        }
        self.set(rank, row);
        rank
    }

    /// The row of a rank.
    pub fn get(&self, rank: usize) -> Option<SendRow> {
        if let Some(row) = self.odd.get(&rank) {
            return Some((**row).clone());
        }
        let (page, at) = (self.pages.get(rank / PAGE)?, rank % PAGE);
        let flags = *page.flags.get(at)?;
        let SendHead { message, user, intended_us } = page.head(at);
        let time = |later: u64| (later != NEVER).then(|| intended_us + (later - 1));
        let ended_us = time(page.ended.get(at));
        let place = page.place.get(at);
        let (server_id, position) = match flags & ID {
            ID_TEXT => self.ids.get(place, flags & POSITION != 0),
            form => (spelled(form, place), (flags & POSITION != 0).then_some(Position(place))),
        };
        Some(SendRow {
            message,
            user,
            intended_us,
            first_byte_us: time(page.first_byte.get(at)),
            acknowledged_us: ended_us.filter(|_| flags & ACKNOWLEDGED != 0),
            last_attempt_us: ended_us,
            attempts: (page.tries[at] & TRIES).into(),
            indeterminate: (page.tries[at] >> TRIES_BITS).into(),
            state: STATES[usize::from(flags & STATE)],
            server_id,
            position,
        })
    }

    /// What never changes of the row of a rank.
    pub fn head(&self, rank: usize) -> Option<SendHead> {
        let page = self.pages.get(rank / PAGE)?;
        (rank % PAGE < page.flags.len()).then(|| page.head(rank % PAGE))
    }

    /// The state of the row of a rank.
    pub fn state(&self, rank: usize) -> Option<SendState> {
        match self.odd.get(&rank) {
            Some(row) => Some(row.state),
            None => {
                let flags = self.pages.get(rank / PAGE)?.flags.get(rank % PAGE)?;
                Some(STATES[usize::from(flags & STATE)])
            }
        }
    }

    /// Notes that an attempt of the message of a rank has begun, or has ended.
    pub fn set_under_way(&mut self, rank: usize, is_under_way: bool) {
        if let Some(flags) = self.pages.get_mut(rank / PAGE).and_then(|page| page.flags.get_mut(rank % PAGE)) {
            *flags = if is_under_way { *flags | UNDER_WAY } else { *flags & !UNDER_WAY };
        }
    }

    /// Whether an attempt has begun that has not ended.
    pub fn is_under_way(&self, rank: usize) -> bool {
        let flags = self.pages.get(rank / PAGE).and_then(|page| page.flags.get(rank % PAGE));
        flags.is_some_and(|flags| flags & UNDER_WAY != 0)
    }

    /// Changes the row of a rank: not which message it is of, nor when that
    /// was intended, nor by whom.
    pub fn update(&mut self, rank: usize, change: impl FnOnce(&mut SendRow)) {
        if let Some(mut row) = self.get(rank) {
            change(&mut row);
            self.set(rank, row);
        }
    }

    /// All rows in their order.
    pub fn iter(&self) -> impl Iterator<Item = SendRow> + '_ {
        self.rows(0..self.len())
    }

    /// The rows of some ranks.
    pub fn rows(&self, ranks: std::ops::Range<usize>) -> impl Iterator<Item = SendRow> + '_ {
        ranks.filter_map(|rank| self.get(rank))
    }

    /// Bytes on the heap, as they were asked for; of rows that fit no column
    /// without their ids.
    pub fn heap_bytes(&self) -> usize {
        let pages: usize = self.pages.iter().map(Page::heap_bytes).sum();
        pages + self.ids.heap_bytes() + self.odd.len() * size_of::<SendRow>()
    }

    fn set(&mut self, rank: usize, row: SendRow) {
        self.odd.remove(&rank);
        match Packed::new(&row, &mut self.ids) {
            Some(packed) => self.pages[rank / PAGE].set(rank % PAGE, &packed),
            None => {
                self.odd.insert(rank, Box::new(row));
            }
        }
    }
}

impl FromIterator<SendRow> for SendLog {
    fn from_iter<I: IntoIterator<Item = SendRow>>(rows: I) -> Self {
        let mut log = Self::default();
        for row in rows {
            log.push(row);
        }
        log
    }
}

impl Page {
    fn new() -> Self {
        Self {
            channel: Column::of(PAGE),
            index: Column::of(PAGE),
            user: Column::of(PAGE),
            intended_us: Column::of(PAGE),
            first_byte: Column::of(PAGE),
            ended: Column::of(PAGE),
            place: Column::of(PAGE),
            tries: Vec::with_capacity(PAGE),
            flags: Vec::with_capacity(PAGE),
        }
    }

    /// Adds a row of which only what never changes is set.
    fn push(&mut self, row: &SendRow) {
        self.channel.push(row.message.channel.0.into());
        self.index.push(row.message.index.into());
        self.user.push(row.user.0.into());
        self.intended_us.push(row.intended_us);
        self.first_byte.push(NEVER);
        self.ended.push(NEVER);
        self.place.push(0);
        self.tries.push(0);
        self.flags.push(0);
    }

    fn head(&self, at: usize) -> SendHead {
        // Each was pushed as 32 bits.
        let of = |column: &Column| column.get(at) as u32;
        let message = MessageRef { channel: ChannelId(of(&self.channel)), index: of(&self.index) };
        SendHead { message, user: UserId(of(&self.user)), intended_us: self.intended_us.get(at) }
    }

    fn heap_bytes(&self) -> usize {
        let Self { channel, index, user, intended_us, first_byte, ended, place, tries, flags } = self;
        let columns = [channel, index, user, intended_us, first_byte, ended, place];
        columns.map(Column::heap_bytes).iter().sum::<usize>() + tries.capacity() + flags.capacity()
    }

    fn set(&mut self, at: usize, row: &Packed) {
        self.first_byte.set(at, row.first_byte);
        self.ended.set(at, row.ended);
        self.place.set(at, row.place);
        self.tries[at] = row.tries;
        self.flags[at] = row.flags | self.flags[at] & UNDER_WAY;
    }
}

impl Packed {
    /// `None` for a row that fits no column.
    fn new(row: &SendRow, ids: &mut Arena) -> Option<Self> {
        let later = |time_us: Option<u64>| match time_us {
            None => Some(NEVER),
            Some(us) => us.checked_sub(row.intended_us)?.checked_add(1),
        };
        let acknowledged = match row.acknowledged_us {
            None => 0,
            Some(_) if row.acknowledged_us == row.last_attempt_us => ACKNOWLEDGED,
            Some(_) => return None,
        };
        let (first_byte, ended) = (later(row.first_byte_us)?, later(row.last_attempt_us)?);
        let few = |count: u32| u8::try_from(count).ok().filter(|count| *count <= TRIES);
        let tries = few(row.attempts)? | few(row.indeterminate)? << TRIES_BITS;
        let state = STATES.iter().position(|state| *state == row.state)? as u8;
        let known = row.position.map_or(0, |_| POSITION);
        let spelled = row.position.map_or(0, |position| position.0);
        let (form, place) = match row.server_id.as_deref() {
            None => (ID_NONE, spelled),
            Some(id) if known != 0 && is_micros(id, spelled) => (ID_MICROS, spelled),
            Some(id) if known != 0 && is_number(id, spelled) => (ID_NUMBER, spelled),
            Some(id) => (ID_TEXT, ids.add(id, row.position)?),
        };
        let flags = state | acknowledged | known | form;
        Some(Self { first_byte, ended, place, tries, flags })
    }
}

/// The id that a position spells.
fn spelled(form: u8, position: u64) -> Option<Box<str>> {
    match form {
        ID_NUMBER => Some(position.to_string().into()),
        ID_MICROS => Some(micros(position).into()),
        _ => None,
    }
}

fn micros(position: u64) -> String {
    format!("{}.{:06}", position / 1_000_000, position % 1_000_000)
}

/// Whether an id is the position in decimal. Like the next, it is asked of every
/// acknowledgement: nothing is written for it.
fn is_number(id: &str, position: u64) -> bool {
    number(id.as_bytes()) == Some(position)
}

/// Whether it is the position with a point before its last six digits.
fn is_micros(id: &str, position: u64) -> bool {
    let halves = id.len().checked_sub(7).and_then(|at| id.as_bytes().split_at_checked(at));
    let Some((seconds, [b'.', micros @ ..])) = halves else { return false };
    number(seconds) == Some(position / 1_000_000) && digits(micros) == Some(position % 1_000_000)
}

/// A number as it is usually written: with no digit that says nothing.
fn number(text: &[u8]) -> Option<u64> {
    digits(text).filter(|_| text[0] != b'0' || text.len() == 1)
}

/// `None` without a digit, too.
fn digits(text: &[u8]) -> Option<u64> {
    let with = |number: u64, digit: &u8| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    text.iter().try_fold(0, with).filter(|_| !text.is_empty())
}

/// Server ids behind each other: length as u16, the id, and the position if it
/// is known.
#[derive(Clone, Debug, Default)]
struct Arena {
    segments: Vec<Vec<u8>>,
}

impl Arena {
    const SEGMENT: usize = 1 << 16;

    /// Adds an id and returns its place; `None` for one that is too long.
    fn add(&mut self, id: &str, position: Option<Position>) -> Option<u64> {
        let needed = 2 + id.len() + position.map_or(0, |_| 8);
        if needed > Self::SEGMENT {
            return None;
        }
        if self.segments.last().is_none_or(|last| last.len() + needed > Self::SEGMENT) {
            self.segments.push(Vec::with_capacity(Self::SEGMENT));
        }
        let segment = self.segments.len() - 1;
        let last = self.segments.last_mut()?;
        let place = segment * Self::SEGMENT + last.len();
        last.extend_from_slice(&(id.len() as u16).to_le_bytes());
        last.extend_from_slice(id.as_bytes());
        if let Some(position) = position {
            last.extend_from_slice(&position.0.to_le_bytes());
        }
        Some(place as u64)
    }

    fn get(&self, place: u64, with_position: bool) -> (Option<Box<str>>, Option<Position>) {
        let (segment, at) = (place as usize / Self::SEGMENT, place as usize % Self::SEGMENT);
        let bytes = &self.segments[segment][at..];
        let length = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        let (id, rest) = bytes[2..].split_at(length);
        let id = std::str::from_utf8(id).expect("it was written as text");
        let position = || u64::from_le_bytes(rest[..8].try_into().expect("eight bytes"));
        (Some(id.into()), with_position.then(|| Position(position())))
    }

    fn heap_bytes(&self) -> usize {
        self.segments.len() * Self::SEGMENT
    }
}

mod column;
#[cfg(test)]
mod tests;
