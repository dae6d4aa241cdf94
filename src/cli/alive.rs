//! Who is alive at a state folder.
//!
//! A process that was frozen and superseded may wake within a write to the file of decisions. What it
//! writes there is what its successor writes, too, as long as both go by the same rules
//! ([`crate::log`], *fencing*). So whoever has opened a folder holds a lock on it, with all others, until
//! its process ends, however it ends; and whoever brings other rules must have found that it is alone:
//! then nobody is left who does not know of them. The system keeps the lock, so a crash leaves none behind.

use super::Failure;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// In a state folder: what is locked.
const NAME: &str = "alive";
/// How long it is waited for.
const WAIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// This process's part of the lock. Clones are the same.
#[derive(Clone, Debug)]
pub struct Alive {
    file: Arc<File>,
    path: PathBuf,
}

impl Alive {
    /// Takes part in a folder's lock, which is made if it is not there; `alone`, until
    /// [`Alive::share`], or with others.
    ///
    /// # Errors
    /// Somebody else has it, or it cannot be had.
    pub fn at(dir: &Path, alone: bool) -> Result<Alive, Failure> {
        let path = dir.join(NAME);
        let made = std::fs::create_dir_all(dir);
        made.map_err(|error| could_not("make the state folder", dir, error))?;
        let opened = File::create(&path);
        let file = opened.map_err(|error| could_not("write in the state folder", dir, error))?;
        let alive = Alive {
            file: Arc::new(file),
            path,
        };
        let locked = match alone {
            true => alive.try_alone()?,
            false => alive.wait_shared()?,
        };
        match (locked, alone) {
            (true, _) => Ok(alive),
            (false, true) => Err(alive.refused("a process that has opened it is alive, or asleep: end it before other rules take over")),
            (false, false) => Err(alive.refused("another process brings other rules")),
        }
    }

    /// Whether no other process has opened the folder.
    ///
    /// # Errors
    /// The lock was lost: this process must end.
    pub fn is_alone(&self) -> Result<bool, Failure> {
        let is_alone = self.try_alone()?;
        self.share()?;
        Ok(is_alone)
    }

    /// From now on with others.
    ///
    /// # Errors
    /// The lock was lost: this process must end.
    pub fn share(&self) -> Result<(), Failure> {
        match self.wait_shared()? {
            true => Ok(()),
            false => Err(self.refused("another process brings other rules")),
        }
    }

    fn try_alone(&self) -> Result<bool, Failure> {
        self.locked(self.file.try_lock())
    }

    fn wait_shared(&self) -> Result<bool, Failure> {
        let until = Instant::now() + WAIT;
        loop {
            let locked = self.locked(self.file.try_lock_shared())?;
            if locked || Instant::now() > until {
                return Ok(locked);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn locked(&self, tried: Result<(), TryLockError>) -> Result<bool, Failure> {
        match tried {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(could_not("lock", &self.path, error)),
        }
    }

    fn refused(&self, why: &str) -> Failure {
        let dir = self.path.parent().unwrap_or(&self.path);
        Failure::new(5, anyhow::anyhow!("{}: {why}", dir.display()))
    }
}

fn could_not(act: &str, path: &Path, error: std::io::Error) -> Failure {
    let what = format!("could not {act} {}", path.display());
    Failure::new(5, anyhow::Error::new(error).context(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_alone_brings_no_other_rules() {
        let dir = tempfile::tempdir().unwrap();
        let first = Alive::at(dir.path(), true).unwrap();
        first.share().unwrap();
        assert!(first.is_alone().unwrap());
        let second = Alive::at(dir.path(), false).unwrap();
        assert!(!first.is_alone().unwrap() && !second.is_alone().unwrap());
        let error = Alive::at(dir.path(), true).unwrap_err();
        assert_eq!(error.code, 5);
        assert!(error.error.to_string().contains("alive, or asleep"));
        drop(first);
        assert!(second.is_alone().unwrap(), "whoever ends lets go of it");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (file, state) = (dir.path().join("file"), dir.path().join("state"));
        std::fs::write(&file, "").unwrap();
        std::fs::create_dir_all(state.join(NAME)).unwrap();
        for (folder, words) in [
            (file.join("state"), "could not make the state folder"),
            (state, "could not write in the state folder"),
        ] {
            let error = Alive::at(&folder, false).unwrap_err();
            assert_eq!(error.code, 5);
            let said = error.error.to_string();
            assert_eq!(said, format!("{words} {}", folder.display()));
        }
    }
}
