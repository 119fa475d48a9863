//! The folder of a run.

use super::files::{read_text, write_whole};
use super::{Environment, ResultsError};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// Names of the files, in one place.
pub(super) const LEDGER_FOLDER: &str = "ledger";
const PLAN: &str = "plan.toml";
const ENVIRONMENT: &str = "env.json";

/// `results/RUN-ID/`, which holds everything that a run leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// A name for a run: its start in UTC, so that names sort by time, and four
/// characters that tell runs of one second apart: `20261124-031502-k7q2`.
pub fn new_run_id(now: jiff::Timestamp, random: u64) -> String {
    /// Without the letters and digits that are read as others.
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let tail: String = (0..4).map(|place| char::from(LETTERS[(random >> (place * 5)) as usize & 31])).collect();
    format!("{}-{tail}", now.strftime("%Y%m%d-%H%M%S"))
}

impl RunFolder {
    /// Makes `results_dir/run_id/` (0700), which must not exist, with its
    /// `ledger/`, and points `results_dir/latest` at it. `results_dir` is made
    /// if it is missing.
    pub fn create(results_dir: &Path, run_id: &str) -> Result<Self, ResultsError> {
        fs::create_dir_all(results_dir).map_err(ResultsError::io("create", results_dir))?;
        let path = results_dir.join(run_id);
        for folder in [&path, &path.join(LEDGER_FOLDER)] {
            DirBuilder::new().mode(0o700).create(folder).map_err(ResultsError::io("create", folder))?;
        }
        point_latest(results_dir, run_id)?;
        Ok(Self { path })
    }

    /// The folder of a finished, interrupted or killed run: `results/RUN-ID`,
    /// `results/latest`, or any other link to one.
    pub fn open(dir: &Path) -> Result<Self, ResultsError> {
        let path = fs::canonicalize(dir).map_err(ResultsError::io("open", dir))?;
        if !path.join(PLAN).is_file() && !path.join(LEDGER_FOLDER).is_dir() {
            let reason = "not the folder of a run: it has neither plan.toml nor ledger/";
            return Err(ResultsError::malformed(dir, reason));
        }
        Ok(Self { path })
    }

    /// Where it is: as it was given to [`RunFolder::create`], absolute after
    /// [`RunFolder::open`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a whole text file (`summary.md`, `summary.txt`, …).
    pub fn write_text(&self, name: &str, text: &str) -> Result<(), ResultsError> {
        write_whole(&self.file(name), text.as_bytes())
    }

    /// Writes `plan.toml`: the effective plan, as its own text.
    pub fn write_plan(&self, text: &str) -> Result<(), ResultsError> {
        self.write_text(PLAN, text)
    }

    /// Reads `plan.toml`.
    pub fn read_plan(&self) -> Result<String, ResultsError> {
        read_text(&self.file(PLAN))
    }

    /// Writes `env.json`.
    pub fn write_environment(&self, environment: &Environment) -> Result<(), ResultsError> {
        self.write_json(ENVIRONMENT, environment)
    }

    /// Reads `env.json`.
    pub fn read_environment(&self) -> Result<Environment, ResultsError> {
        self.read_json(ENVIRONMENT)
    }

    pub(super) fn write_json<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<(), ResultsError> {
        let path = self.file(name);
        let mut text = serde_json::to_vec_pretty(value).map_err(|error| ResultsError::malformed(&path, error))?;
        text.push(b'\n');
        write_whole(&path, &text)
    }

    pub(super) fn read_json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, ResultsError> {
        let path = self.file(name);
        serde_json::from_str(&read_text(&path)?).map_err(|error| ResultsError::malformed(&path, error))
    }
}

/// Replaces the link in one step: a reader finds the old run or the new one.
fn point_latest(results_dir: &Path, run_id: &str) -> Result<(), ResultsError> {
    let latest = results_dir.join("latest");
    let fresh = results_dir.join(format!(".latest-{run_id}"));
    symlink(run_id, &fresh).map_err(ResultsError::io("create", &fresh))?;
    fs::rename(&fresh, &latest).map_err(|source| {
        // A folder named `latest` cannot be replaced; the half-made link must
        // not stay behind.
        let _ = fs::remove_file(&fresh);
        ResultsError::io("replace the link", &latest)(source)
    })
}
