//! What can go wrong with a state folder, told with file and byte.
//!
//! A [`Damage`] is what a reader found at one place of one file; whether it is the torn end of an
//! interrupted append, a reason to take the snapshot before, or the end of the run is decided by
//! who reads ([`super::segment`], [`super::recover`]). Nothing here repeats its cause in its text:
//! causes are chained.

use super::storage::StorageError;
use super::{Epoch, Generation};
use std::path::PathBuf;

/// Why the durable layer could not go on.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file is not what was written.
    #[error("state was damaged: {0}")]
    Damaged(Damage),
    /// A file of another version of the format.
    #[error("{}: was written in version {found} of the state format, and versions {oldest} to {newest} can be read; finish the run with the release that began it, or begin a new folder", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// The oldest version that can be read.
        oldest: u16,
        /// The newest.
        newest: u16,
    },
    /// The folder belongs to a job with another configuration.
    #[error("{}: belongs to a job of another configuration ({found:032x}, and this one is {expected:032x}); run it with its own logs, read in the same way (--lateness, --future, --format, --mapping, --visitor), and its own --out-format, or begin a new folder", path.display())]
    Config {
        /// The file that says so.
        path: PathBuf,
        /// Its configuration digest.
        found: u128,
        /// The digest of this job.
        expected: u128,
    },
    /// A successor has taken over.
    #[error("stopped writing: generation {} of this job was superseded by generation {}", own.0, newest.0)]
    Fenced {
        /// The generation of this process.
        own: Generation,
        /// The newest one.
        newest: Generation,
    },
    /// The replay gave another output than the one that was committed.
    #[error("replay of epoch {} gave other output than was committed (digest {found:032x}, committed {committed:032x}); the logs are not the ones of the first run, or this program decides otherwise than the one that began it; go on with those, or begin a new folder", epoch.0)]
    Mismatch {
        /// The epoch up to which digests were added up.
        epoch: Epoch,
        /// The sum that was committed.
        committed: u128,
        /// The sum of the replay.
        found: u128,
    },
    /// The run had come to its end, and the logs go on.
    #[error(
        "the run had come to the end of its logs, and they have grown or changed since; what was decided at their end holds for that end only: begin a new folder, and follow a log that is still written with `restage run`"
    )]
    Grown,
    /// Used after an error, which must end the process.
    #[error("state could not be written after an earlier failure ({first})")]
    Failed {
        /// The first failure.
        first: String,
    },
    /// The file that is to get the output holds something else.
    #[error("{} was not empty, and the state folder knows nothing of it; name another file, or move it away", path.display())]
    Outlet {
        /// The file.
        path: PathBuf,
    },
    /// The output goes to another file.
    #[error(
        "the decisions of this state folder go to {known}, not to {given}; say the same, or begin a new folder"
    )]
    OutletOther {
        /// The file that the folder knows.
        known: String,
        /// The one that was given.
        given: String,
    },
    /// The file that gets the output lacks some that it had.
    #[error("{} has {length} bytes, and had {released} before; put it back, or begin a new state folder", path.display())]
    OutletShort {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        length: u64,
        /// The bytes that it had.
        released: u64,
    },
    /// Output that is asked for has been collected.
    #[error("output before byte {first} has been collected")]
    Collected {
        /// The first byte that is still there.
        first: u64,
    },
    /// Another process has just claimed the folder.
    #[error("{}: was claimed by another process at the same time; only one may write", path.display())]
    Claimed {
        /// The claim.
        path: PathBuf,
    },
}

/// What was found at one place of one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}, byte {offset}: {fault}", path.display())]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where the frame or header begins that is wrong, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong at a place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No such file, although another one names it.
    #[error("the file was missing")]
    Missing,
    /// The file ends within its header.
    #[error("the file ended within its header")]
    HeaderShort,
    /// The header is no header of ours.
    #[error("the file did not begin as a state file does")]
    Magic,
    /// The header's bytes do not fit its checksum.
    #[error("the header did not match its checksum")]
    HeaderChecksum,
    /// The header belongs to another file.
    #[error("the header was that of another file")]
    Misplaced,
    /// The file ends within a frame.
    #[error("the file ended within a frame")]
    FrameShort,
    /// The frame's length is impossible.
    #[error("a frame was longer than any that is written")]
    FrameLong,
    /// The frame's bytes do not fit its checksum, its file or its place.
    #[error("a frame did not match its checksum")]
    FrameChecksum,
    /// A whole frame that does not belong there, or whose body says nonsense.
    #[error("a frame made no sense: {0}")]
    Nonsense(&'static str),
    /// The file is shorter than was synced.
    #[error("the file ended before the {0} bytes that had been written")]
    CutShort(u64),
    /// More bytes than were written.
    #[error("bytes followed the end")]
    Trailing,
}

impl LogError {
    /// The exit code that the failure ends a command with.
    pub fn exit_code(&self) -> i32 {
        match self {
            LogError::Storage(_) => 5,
            LogError::Config { .. } | LogError::Outlet { .. } | LogError::OutletOther { .. } => 2,
            // Another process has the state: to try again would take it away from there.
            LogError::Damaged(_)
            | LogError::Version { .. }
            | LogError::Collected { .. }
            | LogError::OutletShort { .. }
            | LogError::Claimed { .. }
            | LogError::Fenced { .. } => 4,
            LogError::Mismatch { .. } | LogError::Grown | LogError::Failed { .. } => 1,
        }
    }

    /// The damage, if it is one.
    pub fn damage(&self) -> Option<&Damage> {
        match self {
            LogError::Damaged(damage) => Some(damage),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_where_and_end_with_their_code() {
        let damage = LogError::Damaged(Damage {
            path: "state/segment".into(),
            offset: 56,
            fault: Fault::FrameChecksum,
        });
        assert_eq!(
            damage.to_string(),
            "state was damaged: state/segment, byte 56: a frame did not match its checksum"
        );
        assert_eq!(damage.exit_code(), 4);
        let gone = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let full = LogError::from(StorageError::new("append to", "f".as_ref(), gone));
        assert_eq!(full.to_string(), "could not append to f");
        assert_eq!(full.exit_code(), 5);
        assert!(std::error::Error::source(&full).is_some());
        let superseded = LogError::Fenced {
            own: Generation(1),
            newest: Generation(2),
        };
        assert_eq!(superseded.exit_code(), 4, "never tried again");
    }
}
