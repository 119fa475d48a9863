//! What was seen when a target was asked with a handful of messages. Facts: what
//! they say about its promises is for `study::probe`.

use serde::{Deserialize, Serialize};

/// Everything that was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeFacts {
    /// Subscriptions that were opened, of how many.
    pub subscriptions: (u32, u32),
    /// The latest trouble, in words.
    pub trouble: Option<String>,
    /// One message, sent and received.
    pub first: Option<PostFact>,
    /// The same key again, in all ways.
    pub repeats: Vec<RepeatFact>,
    /// What was missed while a connection was away, and came by itself after it
    /// was resumed; `None` where there is no resume.
    pub resumed: Option<ResumeFact>,
    /// A hundred messages, read from the start in small pages while others write.
    pub from_start: Option<PagingFact>,
    /// The same from a row in the middle.
    pub from_middle: Option<PagingFact>,
    /// How many of the messages of a channel its history shows.
    pub kept: Option<ShownFact>,
    /// What becomes of texts.
    pub texts: Vec<TextFact>,
    /// What is refused, and how.
    pub refusals: Vec<RefusalFact>,
    /// Pushes that came behind one of a greater position.
    pub reordered: u64,
}

/// What a target answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerFact {
    /// "acknowledged", "refused", "in doubt", or "no answer".
    pub meaning: String,
    /// HTTP status; `None` over a socket.
    pub status: Option<u16>,
    /// The target's id of the message.
    pub id: Option<String>,
    /// The beginning of what it said.
    pub said: String,
}

/// One message, sent and received.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PostFact {
    /// The answer.
    pub answer: AnswerFact,
    /// From the request to the answer, in µs.
    pub answered_us: u64,
    /// Other members to whom it was pushed, of how many.
    pub pushed: ShownFact,
    /// From the answer to the last push, in µs; to 2 ms.
    pub push_us: u64,
    /// Whether it was pushed to its sender too.
    pub own_push: bool,
    /// Whether a read that began after the answer showed it; `None` without a
    /// history.
    pub read_after_answer: Option<bool>,
    /// Whether it was in the history in the end.
    pub stored: Option<bool>,
}

/// How a key is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// At once.
    Twice,
    /// Eight times at the same time.
    EightAtOnce,
    /// With another text.
    OtherText,
    /// By another user, with a text of its own.
    OtherUser,
    /// In another channel, with a text of its own.
    OtherChannel,
    /// After so many seconds.
    Later(u64),
}

/// The same key again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepeatFact {
    /// In which way.
    pub again: Again,
    /// The answer to the first.
    pub first: AnswerFact,
    /// The answers to the others.
    pub others: Vec<AnswerFact>,
    /// Rows of the first message; `None` without a history.
    pub copies: Option<u32>,
    /// Rows of what was sent with another text.
    pub other_copies: Option<u32>,
    /// Pushes of the key to one member, on average.
    pub pushes: f64,
}

/// So many, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownFact {
    /// How many were there.
    pub shown: u32,
    /// Of how many.
    pub of: u32,
}

/// What became of messages that were sent while a connection was away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeFact {
    /// Came by themselves after the resume.
    pub pushed: u32,
    /// Were read from history instead: the target had said that some are missing, or
    /// did not take the connection up again.
    pub read: u32,
    /// Of how many.
    pub of: u32,
}

/// A read in pages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PagingFact {
    /// Rows for which a page was asked.
    pub page_size: u32,
    /// Pages that it took.
    pub pages: u32,
    /// The messages that were there before, and how many of them were shown.
    pub shown: ShownFact,
    /// Rows that came more than once.
    pub repeated: u32,
    /// Messages that stand before one that was acknowledged earlier.
    pub out_of_order: u32,
    /// Rows before the point that was asked from.
    pub before_point: u32,
    /// Two messages with one position.
    pub tied_positions: u32,
    /// Rows without a position.
    pub without_position: u32,
    /// Why it did not come to its end.
    pub failure: Option<String>,
    /// Whether its pages are counted from the newest row: what is written meanwhile
    /// moves rows into the next page, where they come again.
    pub moves: bool,
}

/// What becomes of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextFact {
    /// What is particular about it.
    pub what: String,
    /// The answer.
    pub answer: AnswerFact,
    /// "as it was", "trimmed", "cut after N bytes", "normalised", "changed",
    /// "not stored".
    pub fate: String,
    /// The end of what is stored instead, where it was changed.
    pub stored: Option<String>,
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusalFact {
    /// What was wrong.
    pub what: String,
    /// The answer.
    pub answer: AnswerFact,
    /// Whether it is in the history all the same.
    pub stored: Option<bool>,
}
