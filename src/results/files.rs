//! The two ways a file comes to be: whole, or line by line. Both are readable
//! by their owner only.

use super::ResultsError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Writes a whole file: to a temporary name in the same folder, synced, and
/// renamed. A reader sees the old contents or the new, never a part; after a
/// failure the old contents are still there.
pub(super) fn write_whole(path: &Path, contents: &[u8]) -> Result<(), ResultsError> {
    let mut replacement = Replacement::of(path)?;
    replacement.write(contents)?;
    replacement.finish()
}

/// A file that takes another's place when it is whole; dropped before, it is
/// deleted.
#[derive(Debug)]
pub(super) struct Replacement {
    // 0600 is the mode that `tempfile` gives.
    file: NamedTempFile,
    path: PathBuf,
}

impl Replacement {
    pub(super) fn of(path: &Path) -> Result<Self, ResultsError> {
        let file = tempfile::Builder::new().prefix(".").suffix(".tmp").tempfile_in(folder_of(path));
        Ok(Self { file: file.map_err(ResultsError::io("write", path))?, path: path.to_owned() })
    }

    pub(super) fn write(&mut self, contents: &[u8]) -> Result<(), ResultsError> {
        self.file.write_all(contents).map_err(ResultsError::io("write", &self.path))
    }

    pub(super) fn finish(self) -> Result<(), ResultsError> {
        let Self { file, path } = self;
        file.as_file().sync_all().map_err(ResultsError::io("write", &path))?;
        file.persist(&path).map_err(|failed| ResultsError::io("write", &path)(failed.error))?;
        // The rename itself must survive a crash of the machine.
        let folder = folder_of(&path);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(ResultsError::io("sync", folder))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// A new or emptied file for its owner only, to be filled bit by bit.
///
/// # Errors
/// What the system says.
pub fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Reads a whole file.
pub(super) fn read_whole(path: &Path) -> Result<Vec<u8>, ResultsError> {
    fs::read(path).map_err(ResultsError::io("read", path))
}

/// Reads a whole file that must be UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, ResultsError> {
    fs::read_to_string(path).map_err(ResultsError::io("read", path))
}

/// A file that grows by whole lines. There is no buffer in this process: what
/// was appended survives its death.
#[derive(Debug)]
pub(super) struct GrowingFile {
    path: PathBuf,
    file: File,
}

impl GrowingFile {
    /// Creates the file, which must not exist.
    pub(super) fn create(path: PathBuf) -> Result<Self, ResultsError> {
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(ResultsError::io("create", &path))?;
        Ok(Self { path, file })
    }

    /// Appends lines in one write.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), ResultsError> {
        self.file.write_all(lines).map_err(ResultsError::io("write", &self.path))
    }
}

/// The lines of a growing file; what follows the last line end is a line that
/// a killed run did not finish, and is left out.
pub(super) fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let error = GrowingFile { path, file }.append(b"line\n").unwrap_err().to_string();
        assert_eq!(error, "cannot write /dev/full: No space left on device (os error 28)");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let blocked = folder.path().join("blocked");
        fs::create_dir(&blocked).unwrap();
        assert!(write_whole(&blocked, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays");
    }

    #[test]
    fn an_unfinished_line_is_left_out() {
        for (bytes, whole) in [("a\nb\n", "a\nb\n"), ("a\nb", "a\n"), ("a", ""), ("", "")] {
            assert_eq!(whole_lines(bytes.as_bytes()), whole.as_bytes());
        }
    }
}
