//! The folder of a question that takes several runs: what it came to, and the
//! runs below it.

use super::ResultsError;
use super::files::{read_text, write_whole};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// `results/matrix-ID/`, `results/capacity-ID/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyFolder {
    path: PathBuf,
}

impl StudyFolder {
    /// Makes `results_dir/id/` (0700), which must not exist.
    pub fn create(results_dir: &Path, id: &str) -> Result<Self, ResultsError> {
        fs::create_dir_all(results_dir).map_err(ResultsError::io("create", results_dir))?;
        let path = results_dir.join(id);
        DirBuilder::new().mode(0o700).create(&path).map_err(ResultsError::io("create", &path))?;
        Ok(Self { path })
    }

    /// One that is there.
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where one of its runs goes: a folder of its own, so that runs side by
    /// side do not mix. Blanks of the names become dashes.
    pub fn below(&self, names: &[&str]) -> PathBuf {
        names.iter().fold(self.path.clone(), |path, name| path.join(name.replace(' ', "-")))
    }

    /// A path below the folder as text, relative to it.
    pub fn relative(&self, below: &Path) -> String {
        let root = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        below.strip_prefix(&root).or_else(|_| below.strip_prefix(&self.path)).unwrap_or(below).display().to_string()
    }

    /// Writes a whole file of JSON (`matrix.json`, `capacity.json`).
    pub fn write_json(&self, name: &str, value: &impl serde::Serialize) -> Result<(), ResultsError> {
        let path = self.path.join(name);
        let mut text = serde_json::to_vec_pretty(value).map_err(|error| ResultsError::malformed(&path, error))?;
        text.push(b'\n');
        write_whole(&path, &text)
    }

    /// Reads one.
    pub fn read_json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, ResultsError> {
        let path = self.path.join(name);
        serde_json::from_str(&read_text(&path)?).map_err(|error| ResultsError::malformed(&path, error))
    }

    /// Writes a whole text file (`matrix.md`, `matrix.txt`, `matrix.html`).
    pub fn write_text(&self, name: &str, text: &str) -> Result<(), ResultsError> {
        write_whole(&self.path.join(name), text.as_bytes())
    }
}
