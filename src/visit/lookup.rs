//! Where what a bin holds of visitors stands: from a visitor to a key of a slab, in 8 bytes.
//!
//! Open addressing with linear probing (Knuth, vol. 3, 6.4) over one vector, at most seven eighths
//! full; what is taken out leaves no gap. An entry is half of the visitor's id and the key; the same half
//! says where it stands, so that a table grows without a look at what the keys stand for. Who is really
//! meant says the value under the key, which the caller has to look at anyway.
//!
//! A table belongs to one bin of many: it grows alone, and no event waits for all of them. Cost: one
//! line of the cache a look.

use crate::event::VisitorId;

/// The keys of a bin, by visitor.
#[derive(Debug, Default)]
pub struct Lookup {
    /// A power of two of them, or none.
    entries: Vec<u64>,
    len: usize,
}

/// No entry: no key is this great.
const EMPTY: u64 = u64::MAX;

/// Where a visitor, or an entry, stands in a table that is large enough.
#[inline]
fn home(half_id: u64) -> usize {
    (half_id >> 32) as usize
}

/// The entry of a visitor's key.
#[inline]
fn entry(visitor: VisitorId, key: u32) -> u64 {
    visitor.0 >> 32 << 32 | u64::from(key)
}

/// Entries that a table begins with.
const ENTRIES_MIN: usize = 8;

impl Lookup {
    /// Bytes that an entry takes.
    pub const ENTRY_BYTES: usize = size_of::<u64>();

    /// The key of a visitor, if `is` says of the key that it is the one.
    #[inline]
    pub fn find(&self, visitor: VisitorId, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.place(visitor, is).map(|at| self.entries[at] as u32)
    }

    #[inline]
    fn place(&self, visitor: VisitorId, is: impl Fn(u32) -> bool) -> Option<usize> {
        let mask = self.entries.len().checked_sub(1)?;
        let mut at = home(visitor.0) & mask;
        loop {
            let entry = self.entries[at];
            if entry == EMPTY {
                return None;
            }
            if entry >> 32 == visitor.0 >> 32 && is(entry as u32) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    /// Puts in the key of a visitor who has none.
    pub fn insert(&mut self, visitor: VisitorId, key: u32) {
        debug_assert_ne!(key, u32::MAX);
        if (self.len + 1) * 8 > self.entries.len() * 7 {
            let room = (self.entries.len() * 2).max(ENTRIES_MIN);
            for entry in std::mem::replace(&mut self.entries, vec![EMPTY; room]) {
                if entry != EMPTY {
                    self.put(entry);
                }
            }
        }
        self.put(entry(visitor, key));
        self.len += 1;
    }

    /// Puts in a key of a visitor in the place of the one that there was, if `is` says of one that it is;
    /// returns that one.
    pub fn replace(
        &mut self,
        visitor: VisitorId,
        key: u32,
        is: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let Some(at) = self.place(visitor, is) else {
            self.insert(visitor, key);
            return None;
        };
        let before = std::mem::replace(&mut self.entries[at], entry(visitor, key));
        Some(before as u32)
    }

    fn put(&mut self, entry: u64) {
        let mask = self.entries.len() - 1;
        let mut at = home(entry) & mask;
        while self.entries[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.entries[at] = entry;
    }

    /// Takes out the key of a visitor. What stands behind it moves up, if it may.
    pub fn remove(&mut self, visitor: VisitorId, key: u32) {
        let Some(mut gap) = self.place(visitor, |other| other == key) else {
            return;
        };
        let mask = self.entries.len() - 1;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let entry = self.entries[at];
            if entry == EMPTY {
                break;
            }
            let home = home(entry) & mask;
            // From its home on, the entry may stand anywhere up to where it is.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(gap) & mask {
                self.entries[gap] = entry;
                gap = at;
            }
        }
        self.entries[gap] = EMPTY;
        self.len -= 1;
    }

    /// All keys, in no order that means anything.
    pub fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        let taken = self.entries.iter().filter(|entry| **entry != EMPTY);
        taken.map(|entry| *entry as u32)
    }

    /// Keys in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::mix;
    use std::collections::BTreeMap;

    /// Against a map of the library, with ids that crowd one place and ids that share a half.
    #[test]
    fn it_finds_what_a_map_finds() {
        let ids: Vec<VisitorId> = (0..300u64)
            .map(|n| {
                VisitorId(match n % 3 {
                    0 => 5 << 32 | n,
                    1 => n << 40 | 5,
                    _ => mix(n),
                })
            })
            .collect();
        let visitor_of = |key: u32| ids[key as usize];
        let (mut lookup, mut map) = (Lookup::default(), BTreeMap::new());
        for round in 0..20_000u64 {
            let key = (mix(round) % 300) as u32;
            let visitor = visitor_of(key);
            if map.remove(&key).is_some() {
                lookup.remove(visitor, key);
            } else if mix(!round) % 4 < 3 {
                lookup.insert(visitor, key);
                map.insert(key, ());
            }
            assert_eq!(lookup.len(), map.len());
            let asked = visitor_of((mix(round + 7) % 300) as u32);
            let found = lookup.find(asked, |key| visitor_of(key) == asked);
            assert_eq!(
                found.is_some(),
                map.keys().any(|key| visitor_of(*key) == asked)
            );
        }
        let mut keys: Vec<u32> = lookup.keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, map.keys().copied().collect::<Vec<_>>());
    }
}
