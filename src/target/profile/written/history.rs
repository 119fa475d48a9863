//! How history is read, as written.

use super::{PositionWritten, When, with_request};
use crate::target::profile::source::SourcesWritten;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;

/// How the next page is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The answer names it.
    NextCursor,
    /// By the id of the oldest row.
    BeforeId,
    /// By the id of the newest row.
    AfterId,
    /// By the position of the newest row.
    SinceTime,
    /// By how many rows there were.
    Offset,
    /// By how many pages there were.
    Page,
    /// A header names it.
    LinkHeader,
    /// One page is all.
    Once,
}

/// The order of the rows of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The newest is the last.
    OldestFirst,
    /// The newest is the first.
    NewestFirst,
    /// As their positions say.
    ByPosition,
}

/// When the last page was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// It has no row.
    Empty,
    /// It has fewer rows than were asked for.
    Short,
    /// It names no next one.
    NoNext,
}

/// What a page is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum PageFormat {
    /// JSON.
    #[default]
    Json,
    /// A line, a row.
    NdJson,
}

with_request! {
    /// How history is read.
    HistoryWritten {
        /// How the next page is found.
        by: By,
        /// The order of the rows of a page.
        order: Order,
        /// What a page is made of.
        #[serde(default)]
        format: PageFormat,
        /// Where the rows stand.
        rows: Option<String>,
        /// Which rows are messages: what must be equal.
        #[serde(default)]
        when: When,
        /// What must be there.
        #[serde(default)]
        exists: Vec<String>,
        /// What must not be there.
        #[serde(default)]
        absent: Vec<String>,
        /// The target's id of a row.
        id: Option<SourcesWritten>,
        /// Where it stands.
        position: Option<PositionWritten>,
        /// Its text.
        text: Option<SourcesWritten>,
        /// Its key.
        key: Option<SourcesWritten>,
        /// Its channel.
        channel: Option<SourcesWritten>,
        /// Where the next cursor stands.
        next: Option<SourcesWritten>,
        /// Whether there is a next page.
        more: Option<SourcesWritten>,
        /// Pages walk from the newest row to the oldest.
        #[serde(default)]
        backwards: bool,
        /// A page begins with the row that was asked from.
        #[serde(default)]
        inclusive: bool,
        /// The largest page.
        size: Option<u32>,
        /// When the last page was read.
        until: Option<Until>,
        /// Statuses that mean an empty channel.
        #[serde(default)]
        missing: Vec<u16>,
        /// One message by its id.
        row: Option<RowWritten>,
    }
}

with_request! {
    /// A request for one message.
    RowWritten {
        /// Where it stands in the answer; the whole answer where nothing is said.
        rows: Option<String>,
        /// Statuses that mean that there is none: 404 where nothing is said.
        missing: Option<Vec<u16>>,
    }
}
