//! Ids: 64-bit hashes of the log's own strings, and the pinned functions that route by them.
//!
//! [`hash_text`] is XXH3-64 (xxHash specification 0.8, seed 0), whose output is frozen; [`mix`] is
//! the finaliser of SplitMix64 (Steele, Lea, Flood 2014). Both are golden-tested, because routing,
//! holdouts and files depend on them. Two different strings share an id with probability 2⁻⁶⁴ a
//! pair: about 3 in a million for a log of ten million visitors; such two would be taken for one.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Number of bins over which visitors are spread, whatever the number of workers.
pub const BINS: usize = 256;

/// The hash of an item, category, session or event id; zero is "none".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Id(pub u64);

/// The hash of a visitor's id.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct VisitorId(pub u64);

impl Id {
    /// No id given.
    pub const NONE: Id = Id(0);

    /// The id of a text; an empty text is no id.
    #[inline]
    pub fn of(text: &[u8]) -> Id {
        if text.is_empty() {
            Id::NONE
        } else {
            Id(hash_text(text))
        }
    }

    /// Whether the log gave no id.
    #[inline]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl VisitorId {
    /// The id of a visitor's text.
    #[inline]
    pub fn of(text: &[u8]) -> VisitorId {
        VisitorId(hash_text(text))
    }
}

/// Hashes an id's text to 64 bits, never zero.
#[inline]
pub fn hash_text(text: &[u8]) -> u64 {
    xxh3_64(text).max(1)
}

/// Spreads the bits of `x`; a bijection on 64-bit integers.
#[inline]
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The bin of a visitor, below [`BINS`]. A worker owns the bins equal to its index modulo the
/// number of workers, so a visitor's neighbours in a bin are the same in every run.
#[inline]
pub fn bin_of(visitor: VisitorId) -> usize {
    (mix(visitor.0) >> 56) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The functions are part of the file formats: a changed value breaks every stored digest.
    #[test]
    fn hashes_are_pinned() {
        assert_eq!(hash_text(b"541312140"), 0x5b64_8cce_8d69_0e7d);
        assert_eq!(hash_text(b"a"), 0xe6c6_32b6_1e96_4e1f);
        assert_eq!(mix(1), 0x5692_161d_100b_05e5);
        assert_eq!(bin_of(VisitorId(1)), 0x56);
        assert_eq!(Id::of(b""), Id::NONE);
    }
}
