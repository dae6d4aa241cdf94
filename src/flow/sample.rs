//! A share of the visitors whose sessions' rows are kept.
//!
//! Invariant: whether a visitor is in it depends on the visitor alone, so it is the same for any number of
//! workers. Cost: one hash.

use crate::event::{VisitorId, mix};

/// A share of the visitors, chosen by a pinned hash: the same for any number of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The share, in millionths.
    pub share_ppm: u32,
}

impl Sample {
    /// Whether a visitor is among them.
    pub fn holds(self, visitor: VisitorId) -> bool {
        let draw = mix(visitor.0 ^ SAMPLE_SALT) >> 32;
        (draw * 1_000_000) >> 32 < u64::from(self.share_ppm)
    }
}

/// Sets the draw apart from those of holdout and split.
const SAMPLE_SALT: u64 = 0x726f_7773;
