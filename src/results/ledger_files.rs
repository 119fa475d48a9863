//! `ledger/`: what a run is judged by.
//!
//! While a run goes on, each shard replaces its `shard-N.bin` from time to
//! time, and `record.json` says that the run was killed: if it is, that is
//! what a reader finds. At the end `merged.bin` takes the place of the shards.

use super::files::{Replacement, read_whole, write_whole};
use super::folder::LEDGER_FOLDER;
use super::{ResultsError, RunFolder};
use crate::ledger::{Ledger, LedgerEncoder, LedgerPiece, RunRecord, decode_ledger};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

const MERGED: &str = "ledger/merged.bin";
const RECORD: &str = "ledger/record.json";

impl RunFolder {
    /// Writes what is known of the run so far, marked as of a killed run. To
    /// be called when the run starts, and with each checkpoint.
    pub fn checkpoint_record(&self, record: &RunRecord) -> Result<(), ResultsError> {
        self.write_json(RECORD, &RunRecord { killed: true, ..record.clone() })
    }

    /// What is known of the run as a whole.
    pub fn read_record(&self) -> Result<RunRecord, ResultsError> {
        self.read_json(RECORD)
    }

    /// Writes the final ledger of all shards and the record as it is, and then
    /// removes the checkpoints.
    pub fn write_ledger(&self, ledger: &Ledger, record: &RunRecord) -> Result<(), ResultsError> {
        write_whole(&self.file(MERGED), &LedgerEncoder::encode(ledger))?;
        self.write_json(RECORD, record)?;
        for shard in shard_files(self.path())? {
            fs::remove_file(&shard).map_err(ResultsError::io("remove", &shard))?;
        }
        Ok(())
    }
}

/// The checkpoints of the shards, which come piece by piece: each takes the
/// place of the shard's last one when it is whole.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    begun: HashMap<usize, Replacement>,
}

impl Checkpoints {
    /// Those of a run.
    pub fn of(folder: &RunFolder) -> Self {
        Self { folder: folder.file(LEDGER_FOLDER), begun: HashMap::new() }
    }

    /// Takes the next piece of a shard. Behind an error the others of its
    /// checkpoint are left out, and the last whole one stays.
    pub fn take(&mut self, shard: usize, piece: &LedgerPiece) -> Result<(), ResultsError> {
        let begun = self.begun.remove(&shard);
        let replacement = match piece.begins {
            true => Some(Replacement::of(&self.folder.join(format!("shard-{shard}.bin")))?),
            false => begun,
        };
        let Some(mut replacement) = replacement else { return Ok(()) };
        replacement.write(&piece.bytes)?;
        if piece.ends {
            return replacement.finish();
        }
        self.begun.insert(shard, replacement);
        Ok(())
    }
}

/// The ledger and the record of a run: the final ones, or of a killed run the
/// merged checkpoints of its shards (none yet is an empty ledger).
///
/// A missing record, and a file that is damaged or cut off, are errors that
/// name the file.
pub fn read_ledger(folder: &RunFolder) -> Result<(Ledger, RunRecord), ResultsError> {
    let record = folder.read_json(RECORD)?;
    let merged = folder.file(MERGED);
    if merged.exists() {
        return Ok((read_ledger_file(&merged)?, record));
    }
    let mut ledger = Ledger::default();
    for shard in shard_files(folder.path())? {
        ledger = ledger.merge(read_ledger_file(&shard)?);
    }
    Ok((ledger, record))
}

fn read_ledger_file(path: &Path) -> Result<Ledger, ResultsError> {
    decode_ledger(&read_whole(path)?).map_err(|error| ResultsError::malformed(path, error))
}

/// The checkpoints of the shards, by name.
fn shard_files(run: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let folder = run.join(LEDGER_FOLDER);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(ResultsError::io("read", &folder))? {
        let path = entry.map_err(ResultsError::io("read", &folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("shard-") && name.ends_with(".bin") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
