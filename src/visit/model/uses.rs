//! Which features a model's scores depend on, and whether they have moved.
//!
//! Scores are a function of the features that the model uses, so they are asked for only when one
//! of those has moved. What they rest on is kept as one number, the XXH3 hash of the model's number
//! and of the bits of those features: two of them are the same by accident once in 2⁶⁴ pairs, and
//! then a score stays for one event more. A model that uses a feature which moves with every event
//! has no such number and is always asked. Cost: about 1 ns a feature used.

use super::head::Ready;
use crate::visit::feature::{FEATURE_COUNT, RESTLESS, Vector, index_of};
use std::num::NonZeroU64;
use xxhash_rust::xxh3::xxh3_64;

/// The features that a model uses.
#[derive(Clone, Debug)]
pub(super) struct Uses {
    /// Their places, rising; `None` where one of them moves with every event.
    features: Option<Vec<usize>>,
}

impl Uses {
    /// What heads use between them.
    pub(super) fn of(heads: &[&Ready]) -> Uses {
        let mut features: Vec<usize> = heads.iter().flat_map(|head| head.features()).collect();
        features.sort_unstable();
        features.dedup();
        let restless = |name: &&str| index_of(name).is_some_and(|at| features.contains(&at));
        Uses {
            features: if RESTLESS.iter().any(restless) {
                None
            } else {
                Some(features)
            },
        }
    }

    /// What a vector's scores rest on, under the model of this number.
    #[inline]
    pub(super) fn footprint(&self, number: u8, features: &Vector) -> Option<NonZeroU64> {
        let used = self.features.as_ref()?;
        let mut bytes = [0; 8 * FEATURE_COUNT + 1];
        bytes[0] = number;
        let (bits, _) = bytes[1..].as_chunks_mut::<8>();
        for (bits, &feature) in bits.iter_mut().zip(used) {
            *bits = features[feature].to_bits().to_le_bytes();
        }
        let hash = xxh3_64(&bytes[..8 * used.len() + 1]);
        Some(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
    }
}
