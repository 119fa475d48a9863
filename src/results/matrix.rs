//! The folder of a matrix: `matrix.json`, its texts, and the runs of its cells.

use super::ResultsError;
use super::files::write_whole;
use crate::judge::{Design, MatrixSummary};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// `results/matrix-ID/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixFolder {
    path: PathBuf,
}

impl MatrixFolder {
    /// Makes `results_dir/matrix_id/` (0700), which must not exist.
    pub fn create(results_dir: &Path, matrix_id: &str) -> Result<Self, ResultsError> {
        fs::create_dir_all(results_dir).map_err(ResultsError::io("create", results_dir))?;
        let path = results_dir.join(matrix_id);
        DirBuilder::new().mode(0o700).create(&path).map_err(ResultsError::io("create", &path))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the run of a cell goes: a folder of its own, so that runs side by
    /// side do not mix.
    pub fn cell(&self, design: Design, failure: &str) -> PathBuf {
        let name = format!("{}--{}", design.name(), failure.replace(' ', "-"));
        self.path.join(design.table()).join(name)
    }

    /// A path below the folder as text, relative to it.
    pub fn relative(&self, below: &Path) -> String {
        let root = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        below.strip_prefix(&root).or_else(|_| below.strip_prefix(&self.path)).unwrap_or(below).display().to_string()
    }

    /// Writes `matrix.json`.
    pub fn write_summary(&self, summary: &MatrixSummary) -> Result<(), ResultsError> {
        let path = self.path.join("matrix.json");
        let mut text = serde_json::to_vec_pretty(summary).map_err(|error| ResultsError::malformed(&path, error))?;
        text.push(b'\n');
        write_whole(&path, &text)
    }

    /// Writes a whole text file (`matrix.md`, `matrix.txt`, `matrix.html`).
    pub fn write_text(&self, name: &str, text: &str) -> Result<(), ResultsError> {
        write_whole(&self.path.join(name), text.as_bytes())
    }
}
