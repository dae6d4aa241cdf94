//! The head of a lane: how far it may be read, and up to when.
//!
//! 24 bytes, little-endian: the length that is synced, the clock in ms, and the xxh3 hash of these
//! sixteen. It is overwritten in place, so a reader may come upon half of one; the hash says so.

use crate::log::storage::{AppendFile, Storage, StorageError};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

const HEAD_BYTES: usize = 24;

/// How far a lane may be read, and up to when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Bytes that are synced; whole lines.
    pub synced_bytes: u64,
    /// No line behind them arrives before this, in ms since 1970.
    pub clock_ms: u64,
}

impl Head {
    /// Where the head of a lane stands.
    pub fn path_of(lane: &Path) -> PathBuf {
        let mut name = lane.as_os_str().to_owned();
        name.push(".head");
        name.into()
    }

    /// The head of a lane; none if there is none, or only half of one at this moment.
    ///
    /// # Errors
    /// The system's.
    pub fn read<S: Storage>(storage: &S, lane: &Path) -> Result<Option<Head>, StorageError> {
        let mut bytes = [0; HEAD_BYTES];
        match storage.read_at(&Head::path_of(lane), 0, &mut bytes) {
            Ok(HEAD_BYTES) => Ok(Head::decode(&bytes)),
            Ok(_) => Ok(None),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts the head in the place of the one before.
    ///
    /// # Errors
    /// The system's.
    pub fn publish<S: Storage>(self, storage: &S, lane: &Path) -> Result<(), StorageError> {
        let mut file = storage.reopen(&Head::path_of(lane), 0)?;
        file.append(&self.encode())
    }

    fn encode(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..8].copy_from_slice(&self.synced_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.clock_ms.to_le_bytes());
        let hash = xxh3_64(&bytes[..16]);
        bytes[16..].copy_from_slice(&hash.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEAD_BYTES]) -> Option<Head> {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        (word(16) == xxh3_64(&bytes[..16])).then(|| Head {
            synced_bytes: word(0),
            clock_ms: word(8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_head_is_none() {
        let (old, new) = (
            Head {
                synced_bytes: 1_000,
                clock_ms: 1_600_000_000_000,
            },
            Head {
                synced_bytes: 1_200,
                clock_ms: 1_600_000_000_007,
            },
        );
        let (before, after) = (old.encode(), new.encode());
        for cut in 0..=HEAD_BYTES {
            let mut mixed = before;
            mixed[..cut].copy_from_slice(&after[..cut]);
            let read = Head::decode(&mixed);
            let whole = if mixed == after { new } else { old };
            let is_whole = mixed == before || mixed == after;
            assert_eq!(read, is_whole.then_some(whole), "cut at {cut}");
        }
    }
}
