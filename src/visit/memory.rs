//! Visitors remembered between sessions: one bin's histories, bounded by time and by number.
//!
//! Forgetting by time is exact, because it is decided when a history is read; forgetting by number
//! takes the visitor gone longest and is counted by the caller. Histories never move: a table that has
//! grown full copies eight bytes a visitor, and no event waits for more. Cost: O(1) amortised.

use super::history::History;
use super::lookup::Lookup;
use super::slab::Slab;
use crate::event::{ArrivalMs, VisitorId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;

/// Histories of one bin.
#[derive(Default)]
pub struct Memory {
    places: Lookup,
    /// In small chunks: there are many bins.
    kept: Slab<Kept, 16>,
    /// (end of session, visitor) in the order of ends; entries of returned visitors go stale.
    order: VecDeque<(ArrivalMs, u64)>,
}

#[derive(Default)]
struct Kept {
    visitor: u64,
    ended: ArrivalMs,
    history: History,
}

impl Serialize for Memory {
    /// As visitors in the order in which they left.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let noted = self.order.iter();
        let current = noted.filter_map(|(ended, visitor)| self.current(*ended, *visitor));
        let kept = current.map(|kept| (kept.visitor, kept.ended, &kept.history));
        kept.collect::<Vec<_>>().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Memory, D::Error> {
        let kept: Vec<(u64, ArrivalMs, History)> = Deserialize::deserialize(from)?;
        let mut memory = Memory::default();
        for (visitor, ended, history) in kept {
            memory.put(visitor, ended, history);
            memory.order.push_back((ended, visitor));
        }
        Ok(memory)
    }
}

impl Memory {
    /// Takes out what is remembered of a visitor.
    pub fn recall(&mut self, visitor: VisitorId, now: ArrivalMs, keep_ms: u64) -> Option<History> {
        let key = self.find(visitor.0)?;
        let Kept { ended, history, .. } = *self.kept.get(key);
        self.take_out(visitor.0, key);
        (now.0.saturating_sub(ended.0) <= keep_ms).then_some(history)
    }

    fn find(&self, visitor: u64) -> Option<u32> {
        let is = |key| self.kept.get(key).visitor == visitor;
        self.places.find(VisitorId(visitor), is)
    }

    fn put(&mut self, visitor: u64, ended: ArrivalMs, history: History) {
        let key = self.find(visitor).unwrap_or_else(|| {
            let key = self.kept.take_key();
            self.places.insert(VisitorId(visitor), key);
            key
        });
        *self.kept.get_mut(key) = Kept {
            visitor,
            ended,
            history,
        };
    }

    fn take_out(&mut self, visitor: u64, key: u32) {
        self.places.remove(VisitorId(visitor), key);
        self.kept.give_back(key);
    }

    /// Remembers a visitor. Returns how many others had to be forgotten early for it.
    pub fn keep(
        &mut self,
        visitor: VisitorId,
        ended: ArrivalMs,
        history: History,
        keep_ms: u64,
        limit: usize,
    ) -> u64 {
        self.put(visitor.0, ended, history);
        self.order.push_back((ended, visitor.0));
        let mut early = 0;
        while let Some(&(oldest, gone)) = self.order.front() {
            let stale = self.current(oldest, gone).is_none();
            let expired = ended.0.saturating_sub(oldest.0) > keep_ms;
            if !stale && !expired && self.len() <= limit {
                break;
            }
            self.order.pop_front();
            if let (false, Some(key)) = (stale, self.find(gone)) {
                self.take_out(gone, key);
                early += u64::from(!expired);
            }
        }
        if self.order.len() > 2 * self.len() + 64 {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|(ended, visitor)| self.current(*ended, *visitor).is_some());
            self.order = order;
        }
        early
    }

    /// What is kept of a visitor, if it is since that time.
    fn current(&self, ended: ArrivalMs, visitor: u64) -> Option<&Kept> {
        let kept = self.kept.get(self.find(visitor)?);
        (kept.ended == ended).then_some(kept)
    }

    /// Visitors remembered.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_sessions(sessions: u32) -> History {
        History {
            sessions,
            ..History::default()
        }
    }

    #[test]
    fn a_visitor_is_remembered_for_as_long_as_it_says() {
        let mut memory = Memory::default();
        memory.keep(VisitorId(1), ArrivalMs(1_000), with_sessions(1), 500, 10);
        assert_eq!(
            memory.recall(VisitorId(1), ArrivalMs(1_500), 500),
            Some(with_sessions(1))
        );
        assert_eq!(
            memory.recall(VisitorId(1), ArrivalMs(1_500), 500),
            None,
            "taken out"
        );
        memory.keep(VisitorId(1), ArrivalMs(1_000), with_sessions(1), 500, 10);
        assert_eq!(memory.recall(VisitorId(1), ArrivalMs(1_501), 500), None);
    }

    #[test]
    fn the_visitor_gone_longest_is_forgotten_first() {
        let mut memory = Memory::default();
        let mut early = 0;
        for visitor in 1..=4 {
            let ended = ArrivalMs(1_000 + visitor);
            early += memory.keep(VisitorId(visitor), ended, with_sessions(1), 500, 3);
        }
        assert_eq!((early, memory.len()), (1, 3));
        assert_eq!(memory.recall(VisitorId(1), ArrivalMs(1_010), 500), None);
        assert!(memory.recall(VisitorId(2), ArrivalMs(1_010), 500).is_some());
    }

    #[test]
    fn frequent_visitors_do_not_grow_the_order() {
        let mut memory = Memory::default();
        for round in 0..10_000 {
            memory.recall(VisitorId(1), ArrivalMs(round), u64::MAX);
            memory.keep(
                VisitorId(1),
                ArrivalMs(round),
                with_sessions(1),
                u64::MAX,
                3,
            );
        }
        assert!(memory.order.len() < 100);
    }

    /// A history read before it expired must not be forgotten through what was noted of its
    /// visitor earlier, and nothing grows beyond the limit.
    #[test]
    fn a_visitor_who_came_back_is_as_fresh_as_the_last_visit() {
        let mut memory = Memory::default();
        memory.keep(VisitorId(1), ArrivalMs(0), with_sessions(1), 1_000, 2);
        memory.keep(VisitorId(2), ArrivalMs(1), with_sessions(1), 1_000, 2);
        assert!(memory.recall(VisitorId(1), ArrivalMs(2), 1_000).is_some());
        memory.keep(VisitorId(1), ArrivalMs(3), with_sessions(2), 1_000, 2);
        assert_eq!(
            memory.keep(VisitorId(3), ArrivalMs(4), with_sessions(1), 1_000, 2),
            1
        );
        assert_eq!(memory.recall(VisitorId(2), ArrivalMs(5), 1_000), None);
        assert_eq!(
            memory.recall(VisitorId(1), ArrivalMs(5), 1_000),
            Some(with_sessions(2))
        );
        assert_eq!(
            memory.keep(VisitorId(4), ArrivalMs(2_000), with_sessions(1), 1_000, 2),
            0
        );
        assert_eq!(memory.len(), 1, "expired ones leave without being counted");
    }
}
