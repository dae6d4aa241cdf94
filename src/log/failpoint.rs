//! A disk on which the process dies at an operation of its choice: for the tests that kill it.
//!
//! `RESTAGE_FAILPOINT=17:before` ends the process by SIGKILL right before its 17th operation that changes
//! the disk, `17:after` right after it. Without the variable operations are counted, and nothing else.

use super::storage::{AppendFile, Storage, StorageError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable.
pub const VARIABLE: &str = "RESTAGE_FAILPOINT";
const SIGKILL: i32 = 9;

/// A disk that may end its process.
#[derive(Clone)]
pub struct Failing<S> {
    disk: S,
    operations: Arc<AtomicU64>,
    /// The operation, from 1, and whether it is done first.
    dies_at: Option<(u64, bool)>,
}

/// A file on it that is being written.
pub struct FailingFile<S: Storage> {
    file: S::File,
    disk: Failing<S>,
}

impl<S> Failing<S> {
    /// A disk that dies where the environment says.
    pub fn from_env(disk: S) -> Failing<S> {
        let given = std::env::var(VARIABLE).unwrap_or_default();
        let dies_at = given.split_once(':').and_then(|(number, when)| {
            let is_after = match when {
                "before" => false,
                "after" => true,
                _ => return None,
            };
            Some((number.parse().ok()?, is_after))
        });
        Failing {
            disk,
            operations: Arc::default(),
            dies_at,
        }
    }

    fn around<T>(&self, act: impl FnOnce(&S) -> T) -> T {
        let number = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        let dies = |after: bool| self.dies_at == Some((number, after));
        if dies(false) {
            die();
        }
        let done = act(&self.disk);
        if dies(true) {
            die();
        }
        done
    }
}

fn die() {
    // It cannot be refused, and the process does not come back from it.
    let _ = signal_hook::low_level::raise(SIGKILL);
}

impl<S: Storage> Storage for Failing<S> {
    type File = FailingFile<S>;

    fn create_folder(&self, folder: &Path) -> Result<(), StorageError> {
        self.around(|disk| disk.create_folder(folder))
    }

    fn create(&self, path: &Path) -> Result<FailingFile<S>, StorageError> {
        let file = self.around(|disk| disk.create(path))?;
        Ok(FailingFile {
            file,
            disk: self.clone(),
        })
    }

    fn reopen(&self, path: &Path, offset: u64) -> Result<FailingFile<S>, StorageError> {
        let file = self.around(|disk| disk.reopen(path, offset))?;
        Ok(FailingFile {
            file,
            disk: self.clone(),
        })
    }

    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        self.disk.read_at(path, offset, into)
    }

    fn length(&self, path: &Path) -> Result<u64, StorageError> {
        self.disk.length(path)
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, StorageError> {
        self.disk.names(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.around(|disk| disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        self.around(|disk| disk.remove(path))
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), StorageError> {
        self.around(|disk| disk.sync_folder(folder))
    }
}

impl<S: Storage> AppendFile for FailingFile<S> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let file = &mut self.file;
        self.disk.around(|_| file.append(bytes))
    }

    fn cut(&mut self) -> Result<(), StorageError> {
        let file = &mut self.file;
        self.disk.around(|_| file.cut())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let file = &mut self.file;
        self.disk.around(|_| file.sync())
    }
}
