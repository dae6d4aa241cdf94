//! A disk on which the process dies at an operation of its choice: for the tests that kill it.
//!
//! `RESTAGE_FAILPOINT=17:before` ends the process by SIGKILL right before its 17th operation that changes
//! the disk, `17:after` right after it. How far a run has come by then hangs on the machine;
//! `o.jsonl:200000` ends it before it adds to a file of that name that holds so many bytes already. Without
//! the variable operations and bytes are counted, and nothing else.

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
    dies_at: Option<DiesAt>,
}

/// Where a process dies.
#[derive(Clone, Debug, PartialEq, Eq)]
enum DiesAt {
    /// At an operation, counted from 1.
    Operation { number: u64, is_done_first: bool },
    /// Before an addition to a file of this name that holds so many bytes already.
    Length { name: String, bytes: u64 },
}

impl DiesAt {
    fn parse(given: &str) -> Option<DiesAt> {
        let (what, when) = given.split_once(':')?;
        let Ok(number) = what.parse() else {
            let (name, bytes) = (what.to_owned(), when.parse().ok()?);
            return Some(DiesAt::Length { name, bytes });
        };
        let is_done_first = match when {
            "before" => false,
            "after" => true,
            _ => return None,
        };
        Some(DiesAt::Operation {
            number,
            is_done_first,
        })
    }
}

/// A file on it that is being written.
pub struct FailingFile<S: Storage> {
    file: S::File,
    bytes: u64,
    /// The process dies before it adds to so many.
    bytes_max: u64,
    disk: Failing<S>,
}

impl<S: Storage> Failing<S> {
    /// A disk that dies where the environment says.
    pub fn from_env(disk: S) -> Failing<S> {
        let dies_at = std::env::var(VARIABLE)
            .ok()
            .and_then(|given| DiesAt::parse(&given));
        Failing {
            disk,
            operations: Arc::default(),
            dies_at,
        }
    }

    fn around<T>(&self, act: impl FnOnce(&S) -> T) -> T {
        let number = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        let dies = |is_done_first: bool| {
            let here = DiesAt::Operation {
                number,
                is_done_first,
            };
            self.dies_at.as_ref() == Some(&here)
        };
        if dies(false) {
            die();
        }
        let done = act(&self.disk);
        if dies(true) {
            die();
        }
        done
    }

    fn file(&self, path: &Path, file: S::File, bytes: u64) -> FailingFile<S> {
        let bytes_max = match &self.dies_at {
            Some(DiesAt::Length { name, bytes }) if path.ends_with(name) => *bytes,
            _ => u64::MAX,
        };
        FailingFile {
            file,
            bytes,
            bytes_max,
            disk: self.clone(),
        }
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
        Ok(self.file(path, file, 0))
    }

    fn reopen(&self, path: &Path, offset: u64) -> Result<FailingFile<S>, StorageError> {
        let file = self.around(|disk| disk.reopen(path, offset))?;
        Ok(self.file(path, file, offset))
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
        if self.bytes >= self.bytes_max {
            die();
        }
        let file = &mut self.file;
        self.disk.around(|_| file.append(bytes))?;
        self.bytes += bytes.len() as u64;
        Ok(())
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
