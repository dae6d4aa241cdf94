//! Pairs of items with their weights, and of every item the heaviest pairs: its list.
//!
//! Invariant: an item's row holds the sum of what was added less what was subtracted; weights are
//! integers, so that nothing of a session is left when it goes. All pairs are kept, for any of them
//! may come into a list when a heavier one leaves. Lists are those of the last close. Items are held
//! by number while a row, a pair or a list that was not looked at names them.
//!
//! Cost: two probes of the numbering and one of a row a pair; at a close, a comparison of the lists
//! touched since, which can be had in slices. Twelve to eighteen bytes a pair, about a kilobyte an item with many.

use super::leaders::Leaders;
use super::numbering::Numbering;
use super::row::Row;
use super::{Change, Scored};
use crate::event::Id;

/// A weight of 1.
pub const ONE: u64 = 1 << 40;

/// What is known of an item.
#[derive(Debug, Default)]
struct Item {
    /// All its pairs.
    row: Row,
    leaders: Leaders,
    /// Its list at the last close.
    list: Vec<(u64, Id)>,
    /// Whether its row changed since.
    touched: bool,
}

/// Pairs and lists.
#[derive(Debug)]
pub struct Pairs {
    length: usize,
    numbers: Numbering,
    items: Vec<Item>,
    touched: Vec<u32>,
    pairs: usize,
}

impl Pairs {
    /// No pairs; lists of at most `length` items.
    pub fn new(length: usize) -> Pairs {
        Pairs {
            length,
            numbers: Numbering::default(),
            items: Vec::new(),
            touched: Vec::new(),
            pairs: 0,
        }
    }

    /// Twice what a list needs are kept in order.
    fn most(&self) -> usize {
        2 * self.length
    }

    /// Changes the weight of an item's pair with another.
    ///
    /// # Panics
    /// If a sum falls below 0, or passes 2⁶⁴: after sixteen million pairs of weight [`ONE`].
    pub fn change(&mut self, item: Id, other: Id, weight: i64) {
        match weight {
            0 => {}
            1.. => self.add(item, other, weight.unsigned_abs()),
            _ => self.subtract(item, other, weight.unsigned_abs()),
        }
    }

    fn add(&mut self, item: Id, other: Id, weight: u64) {
        let most = self.most();
        let at = self.numbers.hold(item);
        let of = self.numbers.hold(other);
        if self.items.len() < self.numbers.end() {
            self.items.resize_with(self.numbers.end(), Item::default);
        }
        let known = &mut self.items[at as usize];
        // A row and a pair hold their items once.
        if !known.row.is_empty() {
            self.numbers.release(at);
        }
        let old = known.row.add(of, weight);
        known.leaders.change(other, old, old + weight, most);
        if old > 0 {
            self.numbers.release(of);
        } else {
            self.pairs += 1;
        }
        self.touch(at);
    }

    fn subtract(&mut self, item: Id, other: Id, weight: u64) {
        let most = self.most();
        let number = |numbers: &Numbering, item| {
            let number = numbers.find(item);
            number.expect("what was added is held")
        };
        let at = number(&self.numbers, item);
        let of = number(&self.numbers, other);
        self.touch(at);
        let known = &mut self.items[at as usize];
        let old = known.row.subtract(of, weight);
        known.leaders.change(other, old, old - weight, most);
        if old == weight {
            self.pairs -= 1;
            self.numbers.release(of);
            if known.row.is_empty() {
                self.numbers.release(at);
            }
        }
    }

    /// Notes that an item's row changed. It is held until its list has been looked at, so that its
    /// number means the same item then, though its last pair leave.
    fn touch(&mut self, at: u32) {
        let item = &mut self.items[at as usize];
        if !item.touched {
            item.touched = true;
            self.touched.push(at);
            self.numbers.hold(self.numbers.id(at));
        }
    }

    /// Brings lists up to date. Returns those whose items, or their order, changed, by item.
    pub fn close(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        self.close_some(usize::MAX, &mut changes);
        changes.sort_unstable_by_key(|change| change.item);
        changes
    }

    /// Brings at most so many lists up to date, and says which of them changed, in no order that means
    /// anything. Whether all are; nothing may be changed before.
    pub fn close_some(&mut self, most: usize, changes: &mut Vec<Change>) -> bool {
        let begin = self.touched.len().saturating_sub(most);
        for at in self.touched.split_off(begin) {
            changes.extend(self.look_at(at));
        }
        self.touched.is_empty()
    }

    /// Brings the list of an item that was touched up to date; what it is now, if it changed.
    fn look_at(&mut self, at: u32) -> Option<Change> {
        let (length, most) = (self.length, self.most());
        let item = &mut self.items[at as usize];
        item.touched = false;
        if item.leaders.is_short(length) {
            let numbers = &self.numbers;
            let row = item.row.iter();
            let row = row.map(|(other, weight)| (weight, numbers.id(other)));
            item.leaders.read(row, most);
        }
        let held = item.leaders.held();
        let list = &held[..length.min(held.len())];
        let before = item.list.iter().map(|one| one.1);
        let change = !list.iter().map(|one| one.1).eq(before);
        let change = change.then(|| Change {
            item: self.numbers.id(at),
            list: list.iter().map(|one| one.1).collect(),
        });
        item.list.clear();
        item.list.extend_from_slice(list);
        if item.row.is_empty() {
            *item = Item::default();
        }
        self.numbers.release(at);
        change
    }

    /// The list of an item at the last close, best first; scores in units of [`ONE`].
    pub fn list(&self, item: Id) -> impl Iterator<Item = Scored> {
        let number = self.numbers.find(item);
        let known = number.and_then(|number| self.items.get(number as usize));
        let list = known.into_iter().flat_map(|known| &known.list);
        list.map(|&(weight, item)| Scored {
            item,
            score: weight as f64 / ONE as f64,
        })
    }

    /// Items that are in a pair.
    pub fn items(&self) -> usize {
        self.numbers.len()
    }

    /// Pairs that have a weight.
    pub fn len(&self) -> usize {
        self.pairs
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An item may go with its last pair and its number to another before anyone looks.
    #[test]
    fn a_number_is_not_given_away_while_its_list_stands() {
        let mut pairs = Pairs::new(20);
        let both = |pairs: &mut Pairs, one, other, weight| {
            pairs.change(Id(one), Id(other), weight);
            pairs.change(Id(other), Id(one), weight);
        };
        both(&mut pairs, 1, 2, ONE as i64);
        assert_eq!(pairs.close().len(), 2);
        both(&mut pairs, 1, 2, -(ONE as i64));
        both(&mut pairs, 3, 4, ONE as i64);
        let changes = pairs.close();
        let sizes: Vec<_> = changes.iter().map(|c| (c.item.0, c.list.len())).collect();
        assert_eq!(sizes, [(1, 0), (2, 0), (3, 1), (4, 1)]);
        assert_eq!(pairs.list(Id(1)).count(), 0);
        assert_eq!((pairs.numbers.len(), pairs.len()), (2, 2));
    }
}
