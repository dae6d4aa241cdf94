//! Items numbered densely, from 0: a session's item costs four bytes, and sums fit an array.
//!
//! A number is held as long as somebody holds the item, and given back with the last hold, to be
//! given to another item later. Numbers depend on the order of what happened, so none may reach an
//! output or break a tie; ids do. Cost: one probe of a map for an item by id, none by number; 32
//! bytes or so an item.

use super::super::keys::KeyMap;
use crate::event::Id;

/// Items and their numbers.
#[derive(Debug, Default)]
pub struct Numbering {
    numbers: KeyMap<u32>,
    ids: Vec<Id>,
    holds: Vec<u32>,
    free: Vec<u32>,
}

impl Numbering {
    /// The number of an item, if anyone holds it.
    #[inline]
    pub fn find(&self, item: Id) -> Option<u32> {
        self.numbers.get(&item.0).copied()
    }

    /// Holds an item once more, numbering it if it is new.
    pub fn hold(&mut self, item: Id) -> u32 {
        let (ids, holds, free) = (&mut self.ids, &mut self.holds, &mut self.free);
        let number = *self.numbers.entry(item.0).or_insert_with(|| {
            if let Some(number) = free.pop() {
                ids[number as usize] = item;
                return number;
            }
            ids.push(item);
            holds.push(0);
            u32::try_from(ids.len() - 1).expect("fewer than 2³² items")
        });
        self.holds[number as usize] += 1;
        number
    }

    /// Gives a hold back. Returns whether it was the last.
    ///
    /// # Panics
    /// If nobody holds the item.
    pub fn release(&mut self, number: u32) -> bool {
        let holds = &mut self.holds[number as usize];
        *holds = holds.checked_sub(1).expect("released what was held");
        let last = *holds == 0;
        if last {
            self.numbers.remove(&self.ids[number as usize].0);
            self.free.push(number);
        }
        last
    }

    /// The item of a number that is held.
    #[inline]
    pub fn id(&self, number: u32) -> Id {
        self.ids[number as usize]
    }

    /// Numbers that were ever given: all numbers are below.
    #[inline]
    pub fn end(&self) -> usize {
        self.ids.len()
    }

    /// Items that are held.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether no item is held.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_with_the_last_hold() {
        let mut items = Numbering::default();
        assert_eq!((items.hold(Id(7)), items.hold(Id(8))), (0, 1));
        assert_eq!(items.hold(Id(7)), 0);
        assert!(!items.release(0));
        assert_eq!(items.find(Id(7)), Some(0));
        assert!(items.release(0));
        assert_eq!((items.find(Id(7)), items.len()), (None, 1));
        assert_eq!(items.hold(Id(9)), 0);
        assert_eq!((items.id(0), items.end()), (Id(9), 2));
    }
}
