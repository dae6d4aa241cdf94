//! Visitors who were erased and whose events are not taken for a while: one bin's tombstones.
//!
//! An erasure reaches a log after events that are still on their way, and a page that stays open goes
//! on sending. So a visitor's 64-bit id, and nothing else, is kept for a time; while it stands,
//! nothing is begun, said or learned of that visitor. Bounded by time, exactly, and by number: the
//! tombstone that is oldest goes first, counted by the caller.
//!
//! Cost: nothing in a bin without a tombstone, else a probe for an event of a visitor without a live
//! session. Memory: some 40 bytes a tombstone.

use super::keys::KeyMap;
use crate::event::{ArrivalMs, VisitorId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;

/// The tombstones of one bin.
#[derive(Debug, Default)]
pub struct Tombstones {
    standing: KeyMap<ArrivalMs>,
    /// (erased at, visitor) in the order of erasures; entries of those erased again go stale.
    order: VecDeque<(ArrivalMs, u64)>,
}

impl Serialize for Tombstones {
    /// As visitors in the order of their erasures.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let standing = self.order.iter();
        let standing = standing.filter(|(erased, key)| self.standing.get(key) == Some(erased));
        standing.collect::<Vec<_>>().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Tombstones {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Tombstones, D::Error> {
        let order: VecDeque<(ArrivalMs, u64)> = Deserialize::deserialize(from)?;
        let standing = order.iter().map(|(erased, key)| (*key, *erased)).collect();
        Ok(Tombstones { standing, order })
    }
}

impl Tombstones {
    /// Puts one up for a visitor erased now, or renews it. Returns how many others had to go early
    /// for it. With `keep_ms` 0 nothing is kept.
    pub fn put_up(
        &mut self,
        visitor: VisitorId,
        now: ArrivalMs,
        keep_ms: u64,
        limit: usize,
    ) -> u64 {
        if keep_ms == 0 {
            return 0;
        }
        self.take_down(now, keep_ms);
        self.standing.insert(visitor.0, now);
        self.order.push_back((now, visitor.0));
        let mut early = 0;
        while self.standing.len() > limit {
            early += u64::from(self.drop_oldest());
        }
        if self.order.len() > 2 * self.standing.len() + 64 {
            let standing = &self.standing;
            self.order
                .retain(|(erased, key)| standing.get(key) == Some(erased));
        }
        early
    }

    /// Whether a visitor's tombstone stands.
    pub fn stands(&mut self, visitor: VisitorId, now: ArrivalMs, keep_ms: u64) -> bool {
        if self.standing.is_empty() {
            return false;
        }
        self.take_down(now, keep_ms);
        self.standing.contains_key(&visitor.0)
    }

    /// Takes down those whose time is over.
    fn take_down(&mut self, now: ArrivalMs, keep_ms: u64) {
        let is_over = |erased: ArrivalMs| now.0.saturating_sub(erased.0) >= keep_ms;
        while self.order.front().is_some_and(|first| is_over(first.0)) {
            self.drop_oldest();
        }
    }

    /// Whether the oldest entry was a tombstone that stood.
    fn drop_oldest(&mut self) -> bool {
        let Some((erased, key)) = self.order.pop_front() else {
            return false;
        };
        let stood = self.standing.get(&key) == Some(&erased);
        if stood {
            self.standing.remove(&key);
        }
        stood
    }

    /// Tombstones kept.
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::mix;
    use std::collections::BTreeMap;

    #[test]
    fn a_tombstone_stands_for_as_long_as_it_says() {
        let mut stones = Tombstones::default();
        let (one, other) = (VisitorId(1), VisitorId(2));
        assert_eq!(stones.put_up(one, ArrivalMs(1_000), 500, 10), 0);
        assert!(stones.stands(one, ArrivalMs(1_499), 500));
        assert!(!stones.stands(other, ArrivalMs(1_499), 500));
        stones.put_up(one, ArrivalMs(1_499), 500, 10);
        assert!(stones.stands(one, ArrivalMs(1_998), 500), "renewed");
        assert!(!stones.stands(one, ArrivalMs(1_999), 500));
        assert!(stones.is_empty());
        stones.put_up(one, ArrivalMs(2_000), 0, 10);
        assert!(stones.is_empty(), "none is kept for no time");
    }

    #[test]
    fn the_oldest_goes_first_and_nothing_grows() {
        let mut stones = Tombstones::default();
        let early = |stones: &mut Tombstones, visitor, at| {
            stones.put_up(VisitorId(visitor), ArrivalMs(at), 1_000_000, 2)
        };
        assert_eq!(early(&mut stones, 1, 10), 0);
        assert_eq!(early(&mut stones, 2, 20), 0);
        assert_eq!(early(&mut stones, 1, 30), 0, "renewed");
        assert_eq!(early(&mut stones, 3, 40), 1);
        let standing =
            [1, 2, 3].map(|visitor| stones.stands(VisitorId(visitor), ArrivalMs(50), 1_000_000));
        assert_eq!(standing, [true, false, true]);
        for at in 50..20_000 {
            assert_eq!(early(&mut stones, 1, at), 0);
        }
        assert!(stones.order.len() < 100);
    }

    /// Against a map that keeps the last erasure of everybody.
    #[test]
    fn what_stands_is_what_was_erased_lately() {
        let (mut stones, mut last) = (Tombstones::default(), BTreeMap::new());
        for now in 0..20_000u64 {
            let visitor = mix(now) % 50;
            if mix(now ^ 5).is_multiple_of(4) {
                stones.put_up(VisitorId(visitor), ArrivalMs(now), 60, 50);
                last.insert(visitor, now);
            }
            let asked = mix(now ^ 9) % 50;
            let wanted = last.get(&asked).is_some_and(|at| now - at < 60);
            let stands = stones.stands(VisitorId(asked), ArrivalMs(now), 60);
            assert_eq!(stands, wanted, "visitor {asked} at {now}");
            assert!(stones.len() <= 50);
        }
    }
}
