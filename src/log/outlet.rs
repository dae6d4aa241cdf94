//! The outlet: all committed output as one plain file, the user's.
//!
//! Bytes come here only after their row is synced, so the file is always a prefix of the committed output.
//! On opening, what stands behind that of which a manifest says that it was there for certain is written
//! again from the segments, and whatever stands behind all output, which only a power cut can have left
//! there, is cut off. The output is a pure function of the log and the rules: what a process that should be
//! dead may still write here, at its own place, are the bytes that stand there or will, as long as its
//! successor goes by the same rules up to there; the protocol sees to that ([`super`], *fencing*).
//!
//! Others may have cut it, moved it away or taken it for a log to be rotated. Before anything is appended
//! its length is asked for by its name: what is gone would leave a hole that nobody notices.
//!
//! Cost: a copy of the output; a look a commit, a sync a manifest.

use super::error::LogError;
use super::storage::{AppendFile, Storage};
use std::path::{Path, PathBuf};

/// The file, while it is being written.
pub(super) struct Outlet<S: Storage> {
    path: PathBuf,
    file: S::File,
    /// The bytes that it has.
    pub bytes: u64,
}

impl<S: Storage> Outlet<S> {
    /// Opens the file behind its first `released` bytes, which it must have.
    pub(super) fn open(storage: &S, path: &Path, released: u64) -> Result<Outlet<S>, LogError> {
        has(storage, path, released)?;
        let file = storage.reopen(path, released)?;
        Ok(Outlet {
            path: path.to_owned(),
            file,
            bytes: released,
        })
    }

    /// Whether a file is missing or empty, as one must be that nobody knows of.
    pub(super) fn is_free(storage: &S, path: &Path) -> Result<bool, LogError> {
        Ok(length_of(storage, path)? == 0)
    }

    /// Whether all that was appended is still there, under the file's name.
    pub(super) fn check(&self, storage: &S) -> Result<(), LogError> {
        has(storage, &self.path, self.bytes)
    }

    pub(super) fn append(&mut self, output: &[u8]) -> Result<(), LogError> {
        self.file.append(output)?;
        self.bytes += output.len() as u64;
        Ok(())
    }

    /// Cuts off what stands behind all output, if anything does; `is_mine` is asked right before.
    pub(super) fn cut(
        &mut self,
        storage: &S,
        path: &Path,
        is_mine: impl FnOnce() -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        if storage.length(path)? > self.bytes {
            is_mine()?;
            self.file.cut()?;
        }
        Ok(())
    }

    /// Syncs it; how many bytes it has for certain.
    pub(super) fn sync(&mut self) -> Result<u64, LogError> {
        self.file.sync()?;
        Ok(self.bytes)
    }
}

/// Bytes of a file; one that is missing has none.
fn length_of<S: Storage>(storage: &S, path: &Path) -> Result<u64, LogError> {
    match storage.length(path) {
        Err(error) if error.is_missing() => Ok(0),
        other => Ok(other?),
    }
}

/// Makes sure that a file has so many bytes at least.
fn has<S: Storage>(storage: &S, path: &Path, bytes: u64) -> Result<(), LogError> {
    let length = length_of(storage, path)?;
    match length < bytes {
        true => Err(LogError::OutletShort {
            path: path.to_owned(),
            length,
            released: bytes,
        }),
        false => Ok(()),
    }
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}
