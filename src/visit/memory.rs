//! Visitors remembered between sessions: one bin's histories, bounded by time and by number.
//!
//! Forgetting by time is exact, because it is decided when a history is read; forgetting by number
//! takes the visitor gone longest and is counted by the caller. Cost: O(1) amortised.

use super::history::History;
use super::keys::KeyMap;
use crate::event::{ArrivalMs, VisitorId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;

/// Histories of one bin.
#[derive(Default)]
pub struct Memory {
    kept: KeyMap<(ArrivalMs, History)>,
    /// (end of session, visitor) in the order of ends; entries of returned visitors go stale.
    order: VecDeque<(ArrivalMs, u64)>,
}

impl Serialize for Memory {
    /// As visitors in the order in which they left.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let current = self.order.iter();
        let current = current.filter(|(ended, key)| self.is_current(*ended, *key));
        let kept = current.map(|(ended, key)| (key, ended, &self.kept[key].1));
        kept.collect::<Vec<_>>().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Memory, D::Error> {
        let kept: Vec<(u64, ArrivalMs, History)> = Deserialize::deserialize(from)?;
        let mut memory = Memory::default();
        for (key, ended, history) in kept {
            memory.kept.insert(key, (ended, history));
            memory.order.push_back((ended, key));
        }
        Ok(memory)
    }
}

impl Memory {
    /// Takes out what is remembered of a visitor.
    pub fn recall(&mut self, visitor: VisitorId, now: ArrivalMs, keep_ms: u64) -> Option<History> {
        let (ended, history) = self.kept.remove(&visitor.0)?;
        (now.0.saturating_sub(ended.0) <= keep_ms).then_some(history)
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
        self.kept.insert(visitor.0, (ended, history));
        self.order.push_back((ended, visitor.0));
        let mut early = 0;
        while let Some(&(oldest, key)) = self.order.front() {
            let stale = !self.is_current(oldest, key);
            let expired = ended.0.saturating_sub(oldest.0) > keep_ms;
            if !stale && !expired && self.kept.len() <= limit {
                break;
            }
            self.order.pop_front();
            if !stale {
                self.kept.remove(&key);
                early += u64::from(!expired);
            }
        }
        if self.order.len() > 2 * self.kept.len() + 64 {
            let kept = &self.kept;
            self.order
                .retain(|(ended, key)| kept.get(key).is_some_and(|(end, _)| end == ended));
        }
        early
    }

    fn is_current(&self, ended: ArrivalMs, key: u64) -> bool {
        self.kept.get(&key).is_some_and(|(end, _)| *end == ended)
    }

    /// Visitors remembered.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
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
