//! What a session counts: events of each kind, and a few things more, in a byte each while it is short.
//!
//! None of these numbers is greater than the session's number of events, so in a session of fewer than
//! 256 events, which nearly all are, a byte holds it. The first number that needs more moves all of
//! them into words behind a pointer; nothing is rounded or cut off. Cost: a comparison a look.

use crate::event::{KIND_COUNT, Kind};
use serde::{Deserialize, Serialize};

/// What is counted besides the events of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Items viewed, clicked or carted that were new to the session.
    DistinctItems,
    /// Item views of an item viewed before.
    RepeatViews,
    /// Most views of a single item.
    ViewsOfOneItemMax,
    /// Views of items with a known price.
    PricedViews,
    /// Dwell events that carried a duration.
    Dwells,
    /// Scroll events that carried a depth.
    Scrolls,
    /// Number of the last addition to the cart among the events, from 1; 0 before the first.
    CartAddEvent,
    /// Events on an item that was in the cart already.
    CartItemEvents,
}

const COUNTERS: usize = KIND_COUNT + Of::CartItemEvents as usize + 1;

/// The counters of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counters {
    /// None is above 255.
    Bytes([u8; COUNTERS]),
    /// Some are.
    Words(Box<[u32; COUNTERS]>),
}

const _: () = assert!(size_of::<Counters>() == 32);

impl Default for Counters {
    fn default() -> Counters {
        Counters::Bytes([0; COUNTERS])
    }
}

impl Counters {
    /// Events of a kind.
    #[inline]
    pub fn kind(&self, kind: Kind) -> u32 {
        self.at(kind as usize)
    }

    /// Something else that is counted.
    #[inline]
    pub fn get(&self, of: Of) -> u32 {
        self.at(KIND_COUNT + of as usize)
    }

    #[inline]
    fn at(&self, at: usize) -> u32 {
        match self {
            Counters::Bytes(bytes) => u32::from(bytes[at]),
            Counters::Words(words) => words[at],
        }
    }

    /// Counts an event.
    #[inline]
    pub fn count(&mut self, kind: Kind) {
        self.put_at(kind as usize, self.kind(kind) + 1);
    }

    /// Counts something else.
    #[inline]
    pub fn add(&mut self, of: Of) {
        self.put(of, self.get(of) + 1);
    }

    /// Sets a counter.
    #[inline]
    pub fn put(&mut self, of: Of, number: u32) {
        self.put_at(KIND_COUNT + of as usize, number);
    }

    #[inline]
    fn put_at(&mut self, at: usize, number: u32) {
        match (&mut *self, u8::try_from(number)) {
            (Counters::Bytes(bytes), Ok(byte)) => bytes[at] = byte,
            (Counters::Words(words), _) => words[at] = number,
            (Counters::Bytes(bytes), Err(_)) => {
                let mut words = Box::new(bytes.map(u32::from));
                words[at] = number;
                *self = Counters::Words(words);
            }
        }
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        match self {
            Counters::Bytes(_) => 0,
            Counters::Words(words) => size_of_val(&**words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_from_bytes_to_words_loses_nothing() {
        let mut counters = Counters::default();
        counters.put(Of::Dwells, 7);
        for number in 1..=70_000 {
            counters.count(Kind::ItemView);
            assert_eq!(counters.kind(Kind::ItemView), number);
            assert_eq!(matches!(counters, Counters::Bytes(_)), number < 256);
        }
        counters.add(Of::Dwells);
        let others = [counters.get(Of::Dwells), counters.kind(Kind::Click)];
        assert_eq!(others, [8, 0]);
    }
}
