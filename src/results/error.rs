//! What can go wrong with files. Every message names the path.

use std::io;
use std::path::{Path, PathBuf};

/// A file of a run that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The system refused: a full disk, a missing file, no permission.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// "write", "read", "create", …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is there, and it is not what posthaste wrote.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
}

impl ResultsError {
    /// For `map_err`: the action and the path of a failed call.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| ResultsError::Io { action, path: path.to_owned(), cause }
    }

    pub(super) fn malformed(path: &Path, reason: impl ToString) -> Self {
        ResultsError::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Whether the file or folder is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ResultsError::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
    }
}
