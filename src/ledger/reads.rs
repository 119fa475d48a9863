//! Reads of the history: the pages of subscribers, and the final reads that
//! are the truth.

use super::changes::Reaction;
use super::run_set::RunSet;
use super::window::CatchUpKind;
use crate::model::{ChannelId, MessageRef, Position, UserId};
use serde::{Deserialize, Serialize};

/// One page of history that a subscriber read. Times are µs since the start of
/// the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageRecord {
    /// Who read it.
    pub reader: UserId,
    /// The channel.
    pub channel: ChannelId,
    /// Why.
    pub kind: CatchUpKind,
    /// When the request was written.
    pub written_us: u64,
    /// The asked bound: rows past this position; `None` is from the start.
    pub after: Option<Position>,
    /// The least position of its rows; `None` for an empty page.
    pub lowest: Option<Position>,
    /// The greatest position of its rows.
    pub highest: Option<Position>,
    /// The messages of the run among its rows.
    pub messages: RunSet,
    /// Server ids of rows in which no message was recognised.
    pub unrecognised: Vec<Box<str>>,
    /// Whether it should show everything past its greatest row (past `after`,
    /// if it is empty): the last page of a traversal towards the newest row,
    /// the first of one towards the oldest.
    pub open_end: bool,
    /// Rows that this traversal had already returned.
    pub repeated_rows: u32,
    /// Whether the page brought neither a new row nor the end.
    pub stuck: bool,
}

/// A final read of one channel, from its start to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalRead {
    /// 1 or 2; a repeated second read has 3 and more.
    pub number: u32,
    /// The channel.
    pub channel: ChannelId,
    /// When its first request was written.
    pub written_us: u64,
    /// When its last answer was complete.
    pub ended_us: u64,
    /// `None` if it reached the end of the channel, else why not.
    pub failure: Option<String>,
    /// Its rows by ascending position, repeated ones left out.
    pub rows: Vec<HistoryRow>,
    /// Server ids of rows that came more than once.
    pub repeated: Vec<Box<str>>,
    /// Pages that brought neither a new row nor the end.
    pub stuck_pages: u32,
    /// Rows with the run's id and a key that the run cannot have made: their
    /// ids and the first characters of their texts.
    pub foreign: Vec<(Box<str>, String)>,
    /// Everything before this position was declared truncated by the target.
    pub truncated_before: Option<Position>,
    /// The run's own reactions among those of its rows.
    pub reactions: Vec<Reaction>,
}

/// One row of a final read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// The target's id of the row.
    pub server_id: Box<str>,
    /// Where it stands.
    pub position: Position,
    /// The message that its echoed key names, or else its text.
    pub message: Option<MessageRef>,
    /// What its text is.
    pub text: RowText,
}

/// What the text of a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowText {
    /// What the generator of the row's message produces.
    Intact,
    /// The row is a message of the run, and its text is something else.
    Altered,
    /// It carries the run's id and a key that the run cannot have made.
    Foreign,
    /// Nothing of this run is in it, and no key was echoed.
    Unrelated,
    /// What the generator of the row's message produces for the edit of this
    /// ordinal.
    Edited(u32),
}

/// A read of one acknowledged message by its server id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointRead {
    /// The message.
    pub message: MessageRef,
    /// When the request was written.
    pub written_us: u64,
    /// The row found under the acknowledged id; `None` if there is none.
    pub row: Option<HistoryRow>,
}
