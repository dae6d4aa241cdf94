//! Maps and sets keyed by 64-bit hashes, which need no further hashing.
//!
//! Their iteration order is never used for anything that reaches an output.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Takes a key that is a hash already as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    #[inline]
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("keys are 64-bit hashes");
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map from 64-bit hashes.
pub type KeyMap<V> = HashMap<u64, V, BuildHasherDefault<KeyHasher>>;
/// A set of 64-bit hashes.
pub type KeySet = HashSet<u64, BuildHasherDefault<KeyHasher>>;
