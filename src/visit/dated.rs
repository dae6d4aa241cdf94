//! Things of visitors that count for a while: found by visitor, leaving by time.
//!
//! They stand in a slab; a queue holds them by the time at which they stop to count, and each
//! remembers the one of its visitor before it. What is taken out early leaves an empty place until its
//! turn comes: it is the owner's to say what an empty value is.
//!
//! Invariant: every thing is in the queue once. Cost: O(1) a thing; a walk over a visitor's things;
//! some 36 bytes a thing and 12 a visitor.

use super::lookup::Lookup;
use super::slab::Slab;
use crate::event::VisitorId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;

/// No place.
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
struct Entry<T> {
    visitor: VisitorId,
    value: T,
    /// Its number among all of the store, from 1.
    number: u64,
    /// The visitor's one before it; only meant if that one's number is smaller.
    before: u32,
    /// First ms at which it does not count.
    until_ms: u64,
}

/// Things of one bin's visitors.
#[derive(Debug)]
pub struct Dated<T> {
    /// In small chunks: there are many bins, and things are too large to be moved as they grow.
    entries: Slab<Entry<T>, 64>,
    /// Places, those that stop to count earliest first.
    queue: VecDeque<u32>,
    /// The latest of each visitor.
    latest: Lookup,
    numbers: u64,
    /// When the last of the queue stops to count, while there is one.
    last_ms: u64,
}

impl<T> Default for Dated<T> {
    fn default() -> Self {
        Dated {
            entries: Slab::default(),
            queue: VecDeque::new(),
            latest: Lookup::default(),
            numbers: 0,
            last_ms: 0,
        }
    }
}

/// A thing on its way to a file or back: whose it is, what, its number, and until when it counts.
type Kept<T> = (VisitorId, T, u64, u64);

impl<T: Default + Serialize> Serialize for Dated<T> {
    /// As things in the order of the queue, and how many there ever were.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let kept = self.queue.iter().map(|place| {
            let entry = self.entries.get(*place);
            (entry.visitor, &entry.value, entry.number, entry.until_ms)
        });
        (self.numbers, kept.collect::<Vec<_>>()).serialize(to)
    }
}

impl<'de, T: Default + Deserialize<'de>> Deserialize<'de> for Dated<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Dated<T>, D::Error> {
        let (numbers, kept): (u64, Vec<Kept<T>>) = Deserialize::deserialize(from)?;
        let mut dated = Dated::default();
        for (visitor, value, number, until_ms) in kept {
            dated.numbers = number.saturating_sub(1);
            dated.put(visitor, value, until_ms);
        }
        dated.numbers = numbers;
        Ok(dated)
    }
}

impl<T: Default> Dated<T> {
    /// The things of all visitors, those that stop to count earliest first.
    pub fn iter(&self) -> impl Iterator<Item = (VisitorId, &T)> {
        let places = self.queue.iter();
        places.map(|place| {
            let entry = self.entries.get(*place);
            (entry.visitor, &entry.value)
        })
    }

    /// Puts a thing in that counts until `until_ms`; returns its place, which is its own until it
    /// has left.
    pub fn put(&mut self, visitor: VisitorId, value: T, until_ms: u64) -> u32 {
        self.numbers += 1;
        let place = self.entries.insert(Entry {
            visitor,
            value,
            number: self.numbers,
            before: NONE,
            until_ms,
        });
        let is = |place| self.entries.get(place).visitor == visitor;
        if let Some(before) = self.latest.replace(visitor, place, is) {
            self.entries.get_mut(place).before = before;
        }
        if until_ms >= self.last_ms {
            // The last of the queue is not looked at: it is one of many and out of sight.
            self.last_ms = until_ms;
            self.queue.push_back(place);
            return place;
        }
        // They come nearly in order: those that were put in late move up a little.
        let mut index = self.queue.len();
        while index > 0 && self.until_ms(self.queue[index - 1]) > until_ms {
            index -= 1;
        }
        self.queue.insert(index, place);
        place
    }

    /// The number that the next thing will have.
    pub fn next_number(&self) -> u64 {
        self.numbers + 1
    }

    /// When the next thing stops to count.
    pub fn next_expiry(&self) -> Option<u64> {
        self.queue.front().map(|place| self.until_ms(*place))
    }

    fn until_ms(&self, place: u32) -> u64 {
        self.entries.get(place).until_ms
    }

    /// Removes the first of the queue.
    pub fn pop(&mut self) -> Option<(VisitorId, T)> {
        let place = self.queue.pop_front()?;
        let entry = self.entries.get_mut(place);
        let (visitor, value) = (entry.visitor, std::mem::take(&mut entry.value));
        // Where another of the visitor's has come since, there is nothing to be taken out.
        self.latest.remove(visitor, place);
        self.entries.give_back(place);
        Some((visitor, value))
    }

    /// The places of a visitor's things, latest first.
    pub fn places(&self, visitor: VisitorId) -> impl Iterator<Item = u32> + '_ {
        let is = |place| self.entries.get(place).visitor == visitor;
        let mut next = self.latest.find(visitor, is).unwrap_or(NONE);
        let mut number = u64::MAX;
        std::iter::from_fn(move || {
            if next == NONE {
                return None;
            }
            let entry = self.entries.get(next);
            // A place that has been used anew is not the thing that stood there.
            if entry.visitor != visitor || entry.number >= number {
                return None;
            }
            let place = next;
            (next, number) = (entry.before, entry.number);
            Some(place)
        })
    }

    /// The thing of a place.
    #[inline]
    pub fn get(&self, place: u32) -> &T {
        &self.entries.get(place).value
    }

    /// The thing of a place.
    #[inline]
    pub fn get_mut(&mut self, place: u32) -> &mut T {
        &mut self.entries.get_mut(place).value
    }

    /// Things that stand, the empty among them until their turn comes.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
