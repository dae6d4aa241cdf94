//! What a session remembers of single items and categories: bounded, insertion-ordered tables.
//!
//! A table is searched from its newest entry backwards, because shoppers come back to what they
//! just saw. It holds at most its limit; when it is full the oldest item that is not in the cart
//! makes room, and the caller counts that. Cost: O(limit) at worst, two or three compares usually.

use crate::event::Id;
use serde::{Deserialize, Serialize};

/// One item of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The item.
    pub id: Id,
    /// Unit price at which it went into the cart, in millionths; 0 where unknown.
    pub cart_price: i64,
    /// Times its page was viewed in this session.
    pub views: u32,
    /// Units of it in the cart.
    pub units: u32,
}

/// The items that a session remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Items(Vec<Item>);

/// Where an item was found or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It was known, at this place.
    Known(usize),
    /// It is new, at this place; `evicted` says whether another had to leave.
    New {
        /// Place of the new entry.
        at: usize,
        /// Whether the oldest item outside the cart was forgotten for it.
        evicted: bool,
    },
    /// The table is full of items in the cart.
    Full,
}

impl Items {
    /// Finds `id` or makes an entry for it, holding at most `limit` entries.
    pub fn find_or_insert(&mut self, id: Id, limit: usize) -> Slot {
        if let Some(at) = self.find(id) {
            return Slot::Known(at);
        }
        let mut evicted = false;
        if self.0.len() >= limit {
            let Some(oldest) = self.0.iter().position(|item| item.units == 0) else {
                return Slot::Full;
            };
            self.0.remove(oldest);
            evicted = true;
        }
        if self.0.len() == self.0.capacity() {
            // Sessions are short: start at two entries, then double.
            self.0.reserve_exact(self.0.len().max(2));
        }
        self.0.push(Item {
            id,
            cart_price: 0,
            views: 0,
            units: 0,
        });
        Slot::New {
            at: self.0.len() - 1,
            evicted,
        }
    }

    /// The latest entry.
    #[inline]
    pub fn last(&self) -> Option<&Item> {
        self.0.last()
    }

    /// The place of `id`.
    #[inline]
    pub fn find(&self, id: Id) -> Option<usize> {
        self.0.iter().rposition(|item| item.id == id)
    }

    /// The entry at `at`.
    #[inline]
    pub fn get(&self, at: usize) -> &Item {
        &self.0[at]
    }

    /// The entry at `at`, to change it.
    #[inline]
    pub fn get_mut(&mut self, at: usize) -> &mut Item {
        &mut self.0[at]
    }

    /// All entries, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.0.iter()
    }

    /// Takes everything out of the cart.
    pub fn empty_cart(&mut self) {
        for item in &mut self.0 {
            item.units = 0;
        }
    }

    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Item>()
    }
}

/// How often each category was touched in a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Categories(Vec<(Id, u32)>);

impl Categories {
    /// Counts one touch of `id`. Returns false, and counts nothing, when the table is full.
    pub fn count(&mut self, id: Id, limit: usize) -> bool {
        let counts = &mut self.0;
        let at = match counts.iter().rposition(|(known, _)| *known == id) {
            Some(at) => at,
            None if counts.len() >= limit => return false,
            None => {
                if counts.len() == counts.capacity() {
                    counts.reserve_exact(counts.len().max(1));
                }
                counts.push((id, 0));
                counts.len() - 1
            }
        };
        counts[at].1 += 1;
        true
    }

    /// Number of different categories.
    #[inline]
    pub fn distinct(&self) -> usize {
        self.0.len()
    }

    /// The latest entry.
    #[inline]
    pub fn last(&self) -> Option<&(Id, u32)> {
        self.0.last()
    }

    /// Herfindahl–Hirschman index of the touches: 1 when all are in one category, 1/n when they
    /// are spread evenly over n; `None` before the first. Sums are of integers, made when asked for:
    /// there are few categories, and the latest event has just counted one.
    #[inline]
    pub fn concentration(&self) -> Option<f64> {
        let (mut squares, mut total) = (0, 0);
        for (_, count) in &self.0 {
            squares += u64::from(*count) * u64::from(*count);
            total += *count;
        }
        let all = f64::from(total);
        (total > 0).then(|| squares as f64 / (all * all))
    }

    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(Id, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_item_outside_the_cart_makes_room() {
        let mut items = Items::default();
        for id in 1..=3 {
            assert!(matches!(
                items.find_or_insert(Id(id), 3),
                Slot::New { evicted: false, .. }
            ));
        }
        items.get_mut(0).units = 1;
        assert_eq!(
            items.find_or_insert(Id(4), 3),
            Slot::New {
                at: 2,
                evicted: true
            }
        );
        let left: Vec<u64> = items.iter().map(|item| item.id.0).collect();
        assert_eq!(left, [1, 3, 4]);
        for at in 0..3 {
            items.get_mut(at).units = 1;
        }
        assert_eq!(items.find_or_insert(Id(5), 3), Slot::Full);
        assert_eq!(items.find_or_insert(Id(3), 3), Slot::Known(1));
    }

    #[test]
    fn concentration_is_the_herfindahl_index() {
        let mut categories = Categories::default();
        assert_eq!(categories.concentration(), None);
        for id in [1, 1, 1, 2] {
            assert!(categories.count(Id(id), 2));
        }
        assert_eq!(categories.concentration(), Some(10.0 / 16.0));
        assert!(!categories.count(Id(3), 2));
        assert_eq!(categories.distinct(), 2);
    }
}
