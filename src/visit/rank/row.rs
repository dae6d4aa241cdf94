//! An item's pairs: a small hash table from item numbers to integer weights.
//!
//! There are tens of millions of pairs in a large index, so what an entry costs decides what the
//! index costs: here twelve bytes at a load of 0.6 to 0.9, growing by half. Open addressing, linear
//! probes, and a removal that moves back what it displaced, so no marks are left behind. The order
//! of its entries depends on history and is used for nothing but a pass over all of them.

/// Room of the first table.
const CAPACITY_MIN: usize = 4;
/// A place that holds nothing; no item has this number.
const EMPTY: u32 = u32::MAX;

/// Weights above 0 by item number; what is not there weighs 0.
#[derive(Clone, Debug, Default)]
pub struct Row {
    numbers: Box<[u32]>,
    weights: Box<[u64]>,
    len: u32,
}

impl Row {
    /// Adds to an item's weight; returns what it was.
    ///
    /// # Panics
    /// If the sum passes 2⁶⁴: a weight of 1 is at most 2⁴⁰, so after sixteen million pairs.
    pub fn add(&mut self, number: u32, weight: u64) -> u64 {
        if (self.len as usize + 1) * 8 > self.numbers.len() * 7 {
            self.grow();
        }
        let at = self.place(number);
        if self.numbers[at] == EMPTY {
            self.numbers[at] = number;
            self.len += 1;
        }
        let before = self.weights[at];
        let sum = before.checked_add(weight);
        self.weights[at] = sum.expect("a pair's weight stays below 2⁶⁴");
        before
    }

    /// Takes from an item's weight what was added; an item of weight 0 leaves. Returns what it was.
    ///
    /// # Panics
    /// If less was added.
    pub fn subtract(&mut self, number: u32, weight: u64) -> u64 {
        assert!(self.len > 0, "subtracted from an empty row");
        let at = self.place(number);
        assert_eq!(self.numbers[at], number, "subtracted what was added");
        let before = self.weights[at];
        let rest = before.checked_sub(weight);
        self.weights[at] = rest.expect("subtracted what was added");
        if self.weights[at] == 0 {
            self.close_gap(at);
            self.len -= 1;
            if self.len == 0 {
                *self = Row::default();
            }
        }
        before
    }

    /// The items and their weights, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        let pairs = self.numbers.iter().zip(&self.weights);
        pairs
            .filter(|&(&number, _)| number != EMPTY)
            .map(|(&number, &weight)| (number, weight))
    }

    /// Items with a weight.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The place a number would best have: spread evenly over a table of any length.
    #[inline]
    fn home(&self, number: u32) -> usize {
        let spread = number.wrapping_mul(0x9e37_79b1);
        ((u64::from(spread) * self.numbers.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.numbers.len() {
            0
        } else {
            at + 1
        }
    }

    /// Where a number is, or where it would go.
    fn place(&self, number: u32) -> usize {
        let mut at = self.home(number);
        while self.numbers[at] != number && self.numbers[at] != EMPTY {
            at = self.after(at);
        }
        at
    }

    /// Empties a place and moves back whatever was put further on because of it.
    fn close_gap(&mut self, mut gap: usize) {
        let capacity = self.numbers.len();
        let mut at = gap;
        loop {
            at = self.after(at);
            let number = self.numbers[at];
            if number == EMPTY {
                break;
            }
            let from_home = (at + capacity - self.home(number)) % capacity;
            let from_gap = (at + capacity - gap) % capacity;
            if from_home >= from_gap {
                (self.numbers[gap], self.weights[gap]) = (number, self.weights[at]);
                gap = at;
            }
        }
        (self.numbers[gap], self.weights[gap]) = (EMPTY, 0);
    }

    fn grow(&mut self) {
        let capacity = (self.numbers.len() * 3 / 2).max(CAPACITY_MIN);
        let grown = Row {
            numbers: vec![EMPTY; capacity].into(),
            weights: vec![0; capacity].into(),
            len: self.len,
        };
        let old = std::mem::replace(self, grown);
        for (number, weight) in old.iter() {
            let at = self.place(number);
            (self.numbers[at], self.weights[at]) = (number, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn a_row_is_a_map_of_sums() {
        let mut rng = Rng::new(5);
        for numbers in [3, 40, 700] {
            let (mut row, mut map) = (Row::default(), BTreeMap::<u32, u64>::new());
            for _ in 0..6_000 {
                let number = rng.below(numbers);
                let there = map.get(&number).copied().unwrap_or(0);
                if rng.chance(0.5) || there == 0 {
                    row.add(number, 2);
                    *map.entry(number).or_default() += 2;
                } else {
                    let weight = if rng.chance(0.5) { there } else { 1 };
                    row.subtract(number, weight);
                    map.insert(number, there - weight);
                }
                map.retain(|_, weight| *weight > 0);
                assert_eq!(row.len(), map.len());
            }
            let found: BTreeMap<u32, u64> = row.iter().collect();
            assert_eq!(found, map);
            for (number, weight) in map {
                row.subtract(number, weight);
            }
            assert!(row.is_empty() && row.numbers.is_empty());
        }
    }
}
