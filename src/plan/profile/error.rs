//! What is wrong with a profile, and exactly where.

use super::Override;
use std::fmt;

/// Why a profile is not a plan. Displays as `FILE:LINE:COLUMN: message`, or as
/// `FLAG: message` where a flag is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct ProfileError {
    /// Where.
    pub at: ProfilePlace,
    /// What is wrong, naming the key to change.
    pub message: String,
}

/// Where a profile is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfilePlace {
    /// In a file. Lines and columns count from 1, columns in characters.
    File {
        /// The file as the caller names it.
        file: String,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In a flag, as typed.
    Flag(String),
}

impl fmt::Display for ProfilePlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfilePlace::File { file, line, column } => write!(out, "{file}:{line}:{column}"),
            ProfilePlace::Flag(flag) => out.write_str(flag),
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The text, at this byte.
    Text(usize),
    /// The override of this rank.
    Flag(usize),
}

/// What the places of one profile refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
    pub overrides: &'a [Override],
}

impl Source<'_> {
    pub(super) fn error(&self, place: Place, message: impl Into<String>) -> ProfileError {
        let at = match place {
            Place::Text(byte) => {
                let before = self.text.get(..byte).unwrap_or(self.text);
                let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
                ProfilePlace::File {
                    file: self.file.to_owned(),
                    line: before.matches('\n').count() + 1,
                    column: before[line_start..].chars().count() + 1,
                }
            }
            Place::Flag(rank) => ProfilePlace::Flag(self.overrides[rank].to_string()),
        };
        ProfileError { at, message: message.into() }
    }
}
