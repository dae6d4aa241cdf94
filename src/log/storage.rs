//! What the durable layer asks of a disk, and nothing more.
//!
//! State files are created new, appended to, synced, and never changed again. A restart begins new files
//! instead, so a process that should be dead can only ever write behind what others have stopped
//! reading. Only the outlet, which is the user's, is opened again. Two implementations: [`super::disk::Disk`], and [`super::memory::Memory`], which fails on purpose.
//!
//! # Contract
//!
//! - `sync` returns only when everything appended so far would survive a power cut. Once it has
//!   failed, the handle is of no use: a kernel may have dropped the pages and forgotten it.
//! - A new, renamed or removed name survives a power cut only after `sync_folder` of its folder;
//!   before that the changes of a folder may be lost one by one, in any order.
//! - `rename` within a folder is atomic: nobody sees neither name nor half a file.
//! - A failed `append` may have written any part of its bytes.

use std::io;
use std::path::{Path, PathBuf};

/// A call to the disk that failed.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}", path.display())]
pub struct StorageError {
    /// What was attempted.
    pub action: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

impl StorageError {
    /// The error of an attempt.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> StorageError {
        StorageError {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether there was no such file.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// A disk. Clones are the same disk.
pub trait Storage: Clone {
    /// A file that is being written.
    type File: AppendFile;

    /// Makes a folder, and those above it; that it is there already is no error.
    ///
    /// # Errors
    /// The system's.
    fn create_folder(&self, folder: &Path) -> Result<(), StorageError>;

    /// Makes a new file, for appending; it is an error if the name is taken.
    ///
    /// # Errors
    /// The system's.
    fn create(&self, path: &Path) -> Result<Self::File, StorageError>;

    /// Opens a file for writing from byte `offset` on, over what is there; makes it if it is not there.
    ///
    /// # Errors
    /// The system's.
    fn reopen(&self, path: &Path, offset: u64) -> Result<Self::File, StorageError>;

    /// Reads from `offset` (bytes) on, and says how many bytes came: fewer than asked for is no
    /// error, none means that the file ends there.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> Result<usize, StorageError>;

    /// The length of a file in bytes.
    ///
    /// # Errors
    /// The system's.
    fn length(&self, path: &Path) -> Result<u64, StorageError>;

    /// The names in a folder, sorted; none if there is no such folder.
    ///
    /// # Errors
    /// The system's.
    fn names(&self, folder: &Path) -> Result<Vec<String>, StorageError>;

    /// Gives a file another name in the same folder, in the place of any that had it.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> Result<(), StorageError>;

    /// Returns once the names in a folder would survive a power cut.
    ///
    /// # Errors
    /// The system's.
    fn sync_folder(&self, folder: &Path) -> Result<(), StorageError>;
}

/// A file that is being written, by one writer.
pub trait AppendFile {
    /// Adds bytes behind those that were added before.
    ///
    /// # Errors
    /// The system's; part of the bytes may be there.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError>;

    /// Cuts off whatever stands behind the bytes that were added.
    ///
    /// # Errors
    /// The system's.
    fn cut(&mut self) -> Result<(), StorageError>;

    /// Returns once all bytes would survive a power cut.
    ///
    /// # Errors
    /// The system's; the handle must not be used any more.
    fn sync(&mut self) -> Result<(), StorageError>;
}
