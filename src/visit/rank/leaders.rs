//! The heaviest items of a row, kept as its weights change.
//!
//! A list of twenty changes with nearly every session, and a popular item's row has tens of thousands
//! of pairs: it must not be read for that. So somewhat more than the list needs are held, in order, and
//! a *floor*: whatever is not held stands at it or behind it. A weight that grows past the floor enters,
//! one that falls to it leaves; only when more have left than there were to spare is the row read
//! again. Order is by weight, the greatest first, ties to the smaller id.
//!
//! Invariant: everything before the floor is held; without a floor, everything is. So the first
//! items are exactly those that a sort of the row would give. Cost: a comparison for a weight that
//! stays behind the floor, a bisection and a few steps for one that is held, a bisection and a move of some
//! hundred bytes for one that enters or leaves.

use super::top::keep_heaviest;
use crate::event::Id;
use std::cmp::Reverse;

/// The heaviest items of a row.
#[derive(Clone, Debug, Default)]
pub struct Leaders {
    held: Vec<(u64, Id)>,
    floor: Option<(u64, Id)>,
}

/// What a row is ordered by.
#[inline]
fn place((weight, item): (u64, Id)) -> (Reverse<u64>, Id) {
    (Reverse(weight), item)
}

impl Leaders {
    /// Takes an item's new weight; 0 is none. At most `most` are held.
    pub fn change(&mut self, item: Id, old: u64, new: u64, most: usize) {
        let held = (old > 0 && self.leads((old, item)))
            .then(|| self.search((old, item)).expect("what leads is held"));
        let stays = new > 0 && self.leads((new, item));
        match held {
            Some(at) if stays => {
                self.held[at].0 = new;
                self.settle(at);
            }
            Some(at) => {
                self.held.remove(at);
            }
            None if stays => {
                let at = self.search((new, item)).unwrap_or_else(|at| at);
                self.held.insert(at, (new, item));
                if self.held.len() > most {
                    self.floor = self.held.pop();
                }
            }
            None => {}
        }
    }

    /// Moves what has another weight to its place, which is mostly near.
    fn settle(&mut self, mut at: usize) {
        let here = place(self.held[at]);
        let held = &mut self.held;
        while at > 0 && here < place(held[at - 1]) {
            held.swap(at - 1, at);
            at -= 1;
        }
        while at + 1 < held.len() && place(held[at + 1]) < here {
            held.swap(at, at + 1);
            at += 1;
        }
    }

    fn leads(&self, entry: (u64, Id)) -> bool {
        self.floor.is_none_or(|floor| place(entry) < place(floor))
    }

    fn search(&self, entry: (u64, Id)) -> Result<usize, usize> {
        self.held
            .binary_search_by_key(&place(entry), |held| place(*held))
    }

    /// Whether fewer than `length` are known although there are others.
    pub fn is_short(&self, length: usize) -> bool {
        self.held.len() < length && self.floor.is_some()
    }

    /// Reads the row again.
    pub fn read(&mut self, row: impl Iterator<Item = (u64, Id)>, most: usize) {
        self.held.clear();
        self.held.extend(row);
        // One more than are held, for the floor.
        keep_heaviest(&mut self.held, most + 1);
        self.floor = if self.held.len() > most {
            self.held.pop()
        } else {
            None
        };
        self.held.shrink_to(most + 1);
    }

    /// The heaviest, in order.
    pub fn held(&self) -> &[(u64, Id)] {
        &self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn the_first_are_those_of_a_sort() {
        let (length, most) = (4, 9);
        let (mut reads, mut steps) = (0, 0);
        for seed in 0..8 {
            let mut rng = Rng::new(seed);
            let (mut leaders, mut row) = (Leaders::default(), BTreeMap::<Id, u64>::new());
            for _ in 0..3_000 {
                let item = Id(1 + u64::from(rng.zipf(60)));
                let old = row.get(&item).copied().unwrap_or(0);
                let new = if rng.chance(0.52) {
                    old + 1 + u64::from(rng.below(3))
                } else {
                    old.saturating_sub(1 + u64::from(rng.below(4)))
                };
                leaders.change(item, old, new, most);
                row.insert(item, new);
                row.retain(|_, weight| *weight > 0);
                let mut sorted: Vec<(u64, Id)> = row.iter().map(|(id, w)| (*w, *id)).collect();
                sorted.sort_unstable_by_key(|entry| place(*entry));
                if leaders.is_short(length) {
                    leaders.read(sorted.iter().copied(), most);
                    reads += 1;
                }
                steps += 1;
                let first = |list: &[(u64, Id)]| list[..length.min(list.len())].to_vec();
                assert_eq!(first(leaders.held()), first(&sorted), "seed {seed}");
            }
        }
        assert!(
            reads > 0 && reads * 20 < steps,
            "{reads} reads in {steps} steps"
        );
    }
}
