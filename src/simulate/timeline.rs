//! What is still to come: a heap of things, each due at a moment.
//!
//! Invariant: things leave by (moment, order), and orders differ, so that the sequence does not
//! depend on the history of the heap. Cost: a push or pop is logarithmic in the things that wait.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A thing and when it is due.
#[derive(Clone, Debug)]
struct Due<T> {
    at_ms: u64,
    order: u64,
    thing: T,
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Due<T> {}

/// Things that wait for their moment (ms since 1970).
#[derive(Clone, Debug)]
pub(super) struct Timeline<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
}

impl<T> Timeline<T> {
    /// Nothing waits.
    pub fn new() -> Timeline<T> {
        Timeline {
            heap: BinaryHeap::new(),
        }
    }

    /// Things that wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Lets a thing wait until `at_ms`. `order` decides between things of the same moment.
    pub fn push(&mut self, at_ms: u64, order: u64, thing: T) {
        self.heap.push(Reverse(Due {
            at_ms,
            order,
            thing,
        }));
    }

    /// When the next thing is due; the end of time if nothing waits.
    #[inline]
    pub fn next_ms(&self) -> u64 {
        self.heap.peek().map_or(u64::MAX, |top| top.0.at_ms)
    }

    /// Takes the next thing.
    pub fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|top| top.0.thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_leave_by_moment_and_then_order() {
        let mut timeline = Timeline::new();
        assert_eq!(timeline.next_ms(), u64::MAX);
        for (at_ms, order) in [(5, 1), (3, 9), (3, 2), (8, 0)] {
            timeline.push(at_ms, order, (at_ms, order));
        }
        assert_eq!((timeline.len(), timeline.next_ms()), (4, 3));
        let left: Vec<_> = std::iter::from_fn(|| timeline.pop()).collect();
        assert_eq!(left, [(3, 2), (3, 9), (5, 1), (8, 0)]);
        assert_eq!(timeline.len(), 0);
    }
}
