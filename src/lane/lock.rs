//! Who writes to a lane: a lock that the system keeps, and gives back however its holder ended.
//!
//! A file beside the lane, locked by its collector for as long as it lives and by a stand-in
//! ([`super::stand_in`]) for a moment. In it stands by which kernel the lock was last taken: a lock that is
//! free means that the collector is gone only where both sides ask the same kernel. *Over a network file
//! system the lock of a collector that is alive elsewhere may well look free.*

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a collector waits for a stand-in to let go.
const WAIT: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(1);

/// Names the kernel that runs, until the machine is started again.
const KERNEL: &str = "/proc/sys/kernel/random/boot_id";

/// The lock of a lane, until it is dropped.
pub struct LaneLock {
    /// The system lets go of the lock with it.
    _file: File,
}

impl LaneLock {
    /// Where the lock of a lane stands.
    fn path_of(lane: &Path) -> PathBuf {
        let mut name = lane.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }

    /// Takes the lock for a writer; none if another writer has it.
    ///
    /// # Errors
    /// The system's.
    pub fn take(lane: &Path) -> io::Result<Option<LaneLock>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(LaneLock::path_of(lane))?;
        let until = Instant::now() + WAIT;
        while !is_locked(file.try_lock())? {
            if Instant::now() > until {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
        file.set_len(0)?;
        (&file).write_all(kernel().unwrap_or_default().as_bytes())?;
        Ok(Some(LaneLock { _file: file }))
    }

    /// Takes the lock of a lane whose writer is gone for sure: it was taken under this kernel, and nobody
    /// has it.
    ///
    /// # Errors
    /// The system's.
    pub fn of_the_gone(lane: &Path) -> io::Result<Option<LaneLock>> {
        let mut file = match File::open(LaneLock::path_of(lane)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        if !is_locked(file.try_lock())? {
            return Ok(None);
        }
        let mut by = String::new();
        file.read_to_string(&mut by)?;
        let is_ours = !by.is_empty() && kernel().is_some_and(|kernel| kernel == by);
        Ok(is_ours.then_some(LaneLock { _file: file }))
    }

    /// Whether a collector has the lock, or a stand-in just now, as far as this machine can tell.
    pub fn is_taken(lane: &Path) -> bool {
        let file = File::open(LaneLock::path_of(lane));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

fn is_locked(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn kernel() -> Option<String> {
    std::fs::read_to_string(KERNEL).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As if the lock had been taken on another machine.
    pub(in super::super) fn moved(lane: &Path) {
        std::fs::write(LaneLock::path_of(lane), "another").unwrap();
    }

    #[test]
    fn a_lane_has_one_writer_and_the_gone_leave_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let lane = dir.path().join("0.jsonl");
        assert!(LaneLock::of_the_gone(&lane).unwrap().is_none());
        assert!(!LaneLock::is_taken(&lane), "nobody has ever written here");
        let writer = LaneLock::take(&lane).unwrap().unwrap();
        assert!(LaneLock::is_taken(&lane));
        assert!(LaneLock::of_the_gone(&lane).unwrap().is_none());
        assert!(LaneLock::take(&lane).unwrap().is_none());
        drop(writer);
        assert!(!LaneLock::is_taken(&lane));
        let stand_in = LaneLock::of_the_gone(&lane).unwrap().unwrap();
        let letting_go = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            drop(stand_in);
        });
        assert!(LaneLock::take(&lane).unwrap().is_some(), "it is waited for");
        letting_go.join().unwrap();
        moved(&lane);
        assert!(LaneLock::of_the_gone(&lane).unwrap().is_none());
    }
}
