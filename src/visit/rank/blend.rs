//! Several rankers in one list, by the ranks that they give.
//!
//! A reciprocal rank fusion (Cormack, Clarke, Büttcher 2009, SIGIR): an item scores the sum, over the
//! rankers that propose it, of weight / (60 + rank), ranks counting from 1. Ranks compare where scores do
//! not: a count of pairs and a similarity have no common unit.
//!
//! Invariant: sums are integers, and ties go to the smaller item. Cost: a sort of what was proposed.

use super::sessions::Sessions;
use super::{Change, Index, Ranker, Scored, Scratch, SessionKey};
use crate::event::Id;
use std::cmp::Reverse;

/// The constant of the fusion, as published.
const RANK_OFFSET: u64 = 60;
/// 1 in a sum, for a weight of a millionth.
const UNIT: u64 = 1_000_000;

/// What a blend is made of where nobody says: rankers with weights in millionths.
pub const DEFAULT: [(Ranker, u64); 3] = [
    (Ranker::SequentialRules, 1_000_000),
    (Ranker::SessionKnn, 1_000_000),
    (Ranker::Trending, 250_000),
];

/// Sums while they are made.
#[derive(Debug)]
pub struct Fusion<T> {
    sums: Vec<(T, u64)>,
}

impl<T> Default for Fusion<T> {
    fn default() -> Self {
        Fusion { sums: Vec::new() }
    }
}

impl<T: Copy + Ord> Fusion<T> {
    /// Takes a ranker's list, best first, none twice; the weight is in millionths.
    pub fn add(&mut self, list: impl Iterator<Item = T>, weight_ppm: u64) {
        let ranked = list.zip(1u64..);
        self.sums
            .extend(ranked.map(|(item, rank)| (item, weight_ppm * UNIT / (RANK_OFFSET + rank))));
    }

    /// The items with their sums, best first.
    pub fn finish(mut self) -> Vec<(T, u64)> {
        self.sums.sort_unstable();
        self.sums.dedup_by(|next, sum| {
            let same = next.0 == sum.0;
            sum.1 += if same { next.1 } else { 0 };
            same
        });
        self.sums
            .sort_unstable_by_key(|&(item, sum)| (Reverse(sum), item));
        self.sums
    }
}

/// The index of a blend: those of its parts.
pub struct Blend {
    parts: Vec<(Box<dyn Index>, u64)>,
    /// Items that each part proposes.
    length: usize,
}

impl Blend {
    /// Of some indexes without sessions, with weights in millionths; at least one.
    ///
    /// # Panics
    /// Without parts.
    pub fn new(parts: Vec<(Box<dyn Index>, u64)>, length: usize) -> Blend {
        assert!(!parts.is_empty(), "a blend has parts");
        Blend { parts, length }
    }
}

impl Index for Blend {
    fn insert(&mut self, session: SessionKey, at_ms: u64, items: &[Id]) {
        for (part, _) in &mut self.parts {
            part.insert(session, at_ms, items);
        }
    }

    fn remove(&mut self, session: SessionKey) -> bool {
        let removed = self.parts.iter_mut().map(|(part, _)| part.remove(session));
        removed.fold(false, |any, one| any | one)
    }

    fn close(&mut self, version_ms: u64) -> Vec<Change> {
        for (part, _) in &mut self.parts {
            part.close(version_ms);
        }
        Vec::new()
    }

    fn recommend(&self, visit: &[Id], length: usize, scratch: &mut Scratch, out: &mut Vec<Scored>) {
        let mut fusion = Fusion::default();
        for (part, weight_ppm) in &self.parts {
            part.recommend(visit, self.length, scratch, out);
            fusion.add(out.iter().map(|one| one.item), *weight_ppm);
        }
        let best = fusion.finish().into_iter().take(length);
        out.clear();
        out.extend(best.map(|(item, sum)| Scored {
            item,
            score: sum as f64 / (UNIT as f64 * 1e6),
        }));
    }

    fn sessions(&self) -> &Sessions {
        self.parts[0].0.sessions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_added_up_by_weight() {
        let mut fusion = Fusion::default();
        fusion.add([7, 3, 5].into_iter(), 1_000_000);
        fusion.add([3, 9].into_iter(), 500_000);
        let found = fusion.finish();
        let sum = |parts: &[(f64, u64)]| -> f64 {
            let part = |(weight, rank): &(f64, u64)| weight / (60 + rank) as f64;
            parts.iter().map(part).sum()
        };
        let expected = [
            (3, sum(&[(1.0, 2), (0.5, 1)])),
            (7, sum(&[(1.0, 1)])),
            (5, sum(&[(1.0, 3)])),
            (9, sum(&[(0.5, 2)])),
        ];
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.0, expected.0);
            assert!((found.1 as f64 / 1e12 - expected.1).abs() < 1e-9);
        }
    }

    #[test]
    fn of_items_that_tie_the_smaller_leads() {
        let mut fusion = Fusion::default();
        fusion.add([8].into_iter(), 5);
        fusion.add([2].into_iter(), 5);
        let items: Vec<u32> = fusion.finish().iter().map(|one| one.0).collect();
        assert_eq!(items, [2, 8]);
    }
}
