//! The lines of the format.

use super::changes::{ChangeLine, ReactionLine, ThreadLine};
use super::promises::Promises;
use crate::ledger::{CatchUpKind, ConnectionEnd, RowText};
use crate::model::SendState;
use crate::plan::FaultKind;
use serde::{Deserialize, Serialize};

/// The version that this program writes and reads.
pub(super) const VERSION: u32 = 1;

/// One line. Times are milliseconds since the run's `origin`; fractions are
/// microseconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    Run(RunLine),
    Member { user: String, channel: String },
    Intended(IntendedLine),
    Attempt(AttemptLine),
    Outcome(OutcomeLine),
    Absent(AbsentLine),
    Connected { t: f64, user: String },
    Noticed(NoticedLine),
    Push(PushLine),
    Received(ReceivedLine),
    Page(PageLine),
    FinalRead(FinalReadLine),
    PointRead(PointReadLine),
    Change(ChangeLine),
    Thread(ThreadLine),
    Fault(FaultLine),
    Altered(SeenLine),
    Foreign { t: f64, text: String, user: Option<String> },
    Leaked { t: f64, user: String, message: Reference, under: Option<String> },
    Elsewhere { t: f64, message: Reference, channel: String, user: Option<String> },
    Reordered { t: f64, user: String, message: Reference, ahead: u32 },
}

/// The first line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunLine {
    pub format: u32,
    pub id: String,
    /// What is subtracted from every time of the file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub origin: f64,
    #[serde(default)]
    pub promises: Promises,
    /// An attempt may take effect so long after it was begun.
    #[serde(default = "default_timeout")]
    pub timeout: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<f64>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub interrupted: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub killed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Why the end of the run is not complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// How posthaste's own texts and keys are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posthaste: Option<OwnRun>,
}

/// What posthaste's keys and texts need.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnRun {
    pub number: u64,
    pub channel_bits: u32,
    pub load_start: f64,
    pub text_bytes: (u32, u32),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntendedLine {
    pub t: f64,
    pub key: String,
    pub user: String,
    pub channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
}

/// One attempt.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttemptLine {
    pub key: String,
    /// When its first byte was written; absent if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t: Option<f64>,
    /// When it ended, however it ended.
    pub end: f64,
    pub result: AttemptResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AttemptResult {
    Ok,
    NoEffect,
    Indeterminate,
    /// A fire-and-forget write that returned success.
    Written,
}

/// All attempts of a message in one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutcomeLine {
    pub key: String,
    pub state: SendState,
    pub attempts: u32,
    #[serde(default)]
    pub indeterminate: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

/// A member left a channel and joined it again: when each call was written and
/// answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AbsentLine {
    pub user: String,
    pub channel: String,
    pub t: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joining: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoticedLine {
    pub t: f64,
    pub user: String,
    #[serde(default = "lost")]
    pub how: ConnectionEnd,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PushLine {
    pub t: f64,
    pub user: String,
    pub channel: String,
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    #[serde(default = "yes")]
    pub intact: bool,
}

/// All pushes and pages of one user in one channel, summed up.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceivedLine {
    pub user: String,
    pub channel: String,
    /// Sets of indices: "0-41,43".
    #[serde(default)]
    pub live: String,
    #[serde(default)]
    pub caught_up: String,
    #[serde(default)]
    pub drained: String,
    #[serde(default)]
    pub duplicates_same_connection: u64,
    #[serde(default)]
    pub duplicates_across_reconnect: u64,
    /// Index and time of some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicate_examples: Vec<(u32, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached_end: Option<f64>,
    #[serde(default)]
    pub frames: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageLine {
    pub t: f64,
    pub user: String,
    pub channel: String,
    #[serde(default = "policy")]
    pub why: CatchUpKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// The rows of the page, or what follows of them: one of both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<RowLine>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summed: Option<SummedPage>,
    /// Whether nothing follows past its greatest row.
    #[serde(default)]
    pub last: bool,
    #[serde(default)]
    pub repeated_rows: u32,
    #[serde(default)]
    pub stuck: bool,
}

/// The rows of a page of which the `received` line already knows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SummedPage {
    pub lowest: Option<u64>,
    pub highest: Option<u64>,
    pub messages: String,
    #[serde(default)]
    pub unrecognised: Vec<String>,
}

/// A message: by its key, or where nobody intended it by its place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reference {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowLine {
    pub id: String,
    pub position: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A message that nobody intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<RowText>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FinalReadLine {
    pub number: u32,
    pub channel: String,
    pub t: f64,
    pub end: f64,
    /// Only a read that failed may have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<RowLine>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeated: Vec<String>,
    #[serde(default)]
    pub stuck_pages: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated_before: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<ReactionLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PointReadLine {
    pub t: f64,
    pub key: String,
    pub row: Option<RowLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeenLine {
    pub t: f64,
    pub message: Reference,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// A fault that was asked for. One that touched nothing tested nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultLine {
    pub kind: FaultKind,
    pub t: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fired: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healed: Option<f64>,
    pub touched: u64,
}

/// Milliseconds as microseconds; `None` where they are none.
pub(super) fn to_us(ms: f64) -> Option<u64> {
    (ms.is_finite() && (0.0..=9e15).contains(&(ms * 1e3).round())).then(|| (ms * 1e3).round() as u64)
}

/// Microseconds as milliseconds.
pub(super) fn from_us(us: u64) -> f64 {
    us as f64 / 1e3
}

fn default_timeout() -> f64 {
    30_000.0
}

fn lost() -> ConnectionEnd {
    ConnectionEnd::Lost
}

fn policy() -> CatchUpKind {
    CatchUpKind::Policy
}

fn yes() -> bool {
    true
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !value
}
