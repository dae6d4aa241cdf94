//! The real disk: `std::fs` behind the [`Storage`] trait.
//!
//! A handle on which an append or a sync failed stays failed for ever: after a failed `fsync` Linux
//! marks the pages clean, and the next one reports success without having written them (Rebello et
//! al. 2020, "Can Applications Recover from fsync Failures?", USENIX ATC). Folders are synced by
//! opening them, which Unix allows. Cost: a system call each; a read opens its file anew, which is
//! nothing against the quarter of a megabyte that readers ask for at a time.

use super::storage::{AppendFile, Storage, StorageError};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

/// A file that is being written.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    path: PathBuf,
    failed: bool,
}

impl Storage for Disk {
    type File = DiskFile;

    fn create_folder(&self, folder: &Path) -> Result<(), StorageError> {
        fs::create_dir_all(folder).map_err(|e| StorageError::new("create", folder, e))
    }

    fn create(&self, path: &Path) -> Result<DiskFile, StorageError> {
        let opened = OpenOptions::new().append(true).create_new(true).open(path);
        Ok(DiskFile {
            file: opened.map_err(|e| StorageError::new("create", path, e))?,
            path: path.to_owned(),
            failed: false,
        })
    }

    fn reopen(&self, path: &Path, offset: u64) -> Result<DiskFile, StorageError> {
        let reopened = || -> io::Result<File> {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            // At its own place, not wherever the end is: a process that should be dead writes the
            // same bytes at the same place, or none.
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        };
        Ok(DiskFile {
            file: reopened().map_err(|e| StorageError::new("open", path, e))?,
            path: path.to_owned(),
            failed: false,
        })
    }

    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        let mut read = || -> io::Result<usize> {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            loop {
                match file.read(into) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    other => return other,
                }
            }
        };
        read().map_err(|e| StorageError::new("read", path, e))
    }

    fn length(&self, path: &Path) -> Result<u64, StorageError> {
        let metadata = fs::metadata(path).map_err(|e| StorageError::new("read", path, e))?;
        Ok(metadata.len())
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, StorageError> {
        let list = || -> io::Result<Vec<String>> {
            let entries = match fs::read_dir(folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                other => other?,
            };
            let mut names = Vec::new();
            for entry in entries {
                // A name that is not text is none of ours.
                names.extend(entry?.file_name().into_string());
            }
            names.sort_unstable();
            Ok(names)
        };
        list().map_err(|e| StorageError::new("list", folder, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        fs::rename(from, to).map_err(|e| StorageError::new("rename", from, e))
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        fs::remove_file(path).map_err(|e| StorageError::new("remove", path, e))
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), StorageError> {
        let is_here = folder.as_os_str().is_empty();
        let opened = if is_here { Path::new(".") } else { folder };
        let synced = File::open(opened).and_then(|folder| folder.sync_all());
        synced.map_err(|e| StorageError::new("sync", folder, e))
    }
}

impl AppendFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.attempt("append to", |file| file.write_all(bytes))
    }

    fn cut(&mut self) -> Result<(), StorageError> {
        self.attempt("cut", |file| {
            let end = file.stream_position()?;
            file.set_len(end)
        })
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.attempt("sync", |file| file.sync_data())
    }
}

impl DiskFile {
    fn attempt(
        &mut self,
        action: &'static str,
        act: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), StorageError> {
        let done = if self.failed {
            Err(io::Error::other("an earlier write to it failed"))
        } else {
            act(&mut self.file)
        };
        self.failed |= done.is_err();
        done.map_err(|e| StorageError::new(action, &self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        Disk.create_folder(&inner).unwrap();
        Disk.create_folder(&inner).unwrap();
        let path = inner.join("new");
        let mut file = Disk.create(&path).unwrap();
        file.append(b"one ").unwrap();
        file.append(b"two").unwrap();
        file.sync().unwrap();
        let taken = Disk.create(&path).unwrap_err();
        assert_eq!(taken.source.kind(), ErrorKind::AlreadyExists);
        let final_path = inner.join("final");
        Disk.rename(&path, &final_path).unwrap();
        Disk.sync_folder(&inner).unwrap();
        assert_eq!(Disk.names(&inner).unwrap(), ["final"]);
        assert_eq!(Disk.length(&final_path).unwrap(), 7);
        let mut bytes = [0; 16];
        assert_eq!(Disk.read_at(&final_path, 4, &mut bytes).unwrap(), 3);
        assert_eq!(&bytes[..3], b"two");
        assert_eq!(Disk.read_at(&final_path, 9, &mut bytes).unwrap(), 0);
        Disk.remove(&final_path).unwrap();
        assert!(Disk.length(&final_path).unwrap_err().is_missing());
        assert!(Disk.names(&inner.join("nowhere")).unwrap().is_empty());
    }

    #[test]
    fn a_handle_that_failed_stays_failed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = Disk.create(&path).unwrap();
        let refused = file.attempt("sync", |_| Err(io::Error::other("the disk is gone")));
        assert!(refused.is_err());
        let again = file.sync().unwrap_err();
        assert_eq!(again.source.to_string(), "an earlier write to it failed");
        assert!(file.append(b"x").is_err());
        assert_eq!(
            Disk.length(&path).unwrap(),
            0,
            "nothing was written after it"
        );
    }
}
