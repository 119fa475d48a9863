//! `ledger/spill.bin`: parts of the ledger that a run did not hold in memory.
//! Scratch of the process that wrote it: the final ledger has all of it.

use super::RunFolder;
use crate::ledger::Spill;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

const SPILL: &str = "ledger/spill.bin";
/// No run writes more: a target whose history does not end must not fill the
/// disk.
const MOST_BYTES: u64 = 16 << 30;

/// The file, made at the first write. Workers share it: they write rarely, and
/// tens of kilobytes at a time.
#[derive(Debug)]
pub struct SpillFile {
    path: PathBuf,
    /// The file and its length.
    open: Mutex<Option<(File, u64)>>,
}

impl SpillFile {
    /// Nothing is on disk yet.
    pub fn new(folder: &RunFolder) -> Self {
        Self { path: folder.file(SPILL), open: Mutex::new(None) }
    }

    /// Removes the file, if there is one; what was written cannot be read any
    /// more.
    pub fn remove(&self) {
        if self.open.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn reason(&self, error: impl std::fmt::Display) -> String {
        format!("{}: {error}", self.path.display())
    }
}

impl Spill for SpillFile {
    fn write(&self, bytes: &[u8]) -> Result<u64, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(0o600);
            *open = Some((options.open(&self.path).map_err(|error| self.reason(error))?, 0));
        }
        let Some((file, end)) = open.as_mut() else { return Err(self.reason("not open")) };
        let at = *end;
        if at + bytes.len() as u64 > MOST_BYTES {
            return Err(self.reason(format!("more than {} GiB of history", MOST_BYTES >> 30)));
        }
        file.write_all_at(bytes, at).map_err(|error| self.reason(error))?;
        *end += bytes.len() as u64;
        Ok(at)
    }

    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, String> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((file, _)) = open.as_ref() else { return Err(self.reason("not open")) };
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at).map_err(|error| self.reason(error))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spilled_is_read_again_until_it_is_removed() {
        let results = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(results.path(), "r").unwrap();
        let spill = SpillFile::new(&folder);
        assert!(!folder.file(SPILL).exists(), "nothing is made for a run that spills nothing");
        let places: Vec<u64> = ["one", "second", ""].iter().map(|text| spill.write(text.as_bytes()).unwrap()).collect();
        assert_eq!(places, [0, 3, 9]);
        assert_eq!(spill.read(3, 6).unwrap(), b"second");
        assert!(spill.read(3, 7).unwrap_err().contains("spill.bin"), "past its end");
        spill.open.lock().unwrap().as_mut().unwrap().1 = MOST_BYTES - 2;
        assert!(spill.write(b"one").unwrap_err().contains("more than 16 GiB"));
        spill.remove();
        assert!(!folder.file(SPILL).exists());
        assert!(spill.read(0, 3).is_err());
    }
}
