//! Event ids seen lately, so that a resent event counts once.
//!
//! Bounded twice: by time on the arrival clock and by number. Forgetting by time is exact; an id
//! forgotten early because of the number is counted by the caller. An id counts per visitor.
//! Cost: one probe and one insertion per event that carries an id.

use super::keys::KeySet;
use crate::event::{ArrivalMs, Id, VisitorId, mix};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;

/// Event ids of one bin.
#[derive(Default)]
pub struct RecentIds {
    seen: KeySet,
    order: VecDeque<(u64, u64)>,
}

/// What became of an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// For the first time.
    First,
    /// For the first time, and an older id had to be forgotten early for it.
    FirstCrowded,
    /// Again.
    Again,
}

impl Serialize for RecentIds {
    /// As ids in the order in which they came.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.order.serialize(to)
    }
}

impl<'de> Deserialize<'de> for RecentIds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<RecentIds, D::Error> {
        let order: VecDeque<(u64, u64)> = Deserialize::deserialize(from)?;
        let seen = order.iter().map(|(_, key)| *key).collect();
        Ok(RecentIds { seen, order })
    }
}

/// What an event id is known by: it counts per visitor.
#[inline]
fn key_of(visitor: VisitorId, event_id: Id) -> u64 {
    mix(visitor.0).wrapping_add(event_id.0)
}

impl RecentIds {
    /// Looks where an event id would stand.
    #[inline]
    pub fn has(&self, visitor: VisitorId, event_id: Id) -> bool {
        self.seen.contains(&key_of(visitor, event_id))
    }

    /// Notes an event id.
    pub fn note(
        &mut self,
        visitor: VisitorId,
        event_id: Id,
        now: ArrivalMs,
        keep_ms: u64,
        limit: usize,
    ) -> Seen {
        while let Some(&(arrival, key)) = self.order.front() {
            if arrival + keep_ms >= now.0 {
                break;
            }
            self.order.pop_front();
            self.seen.remove(&key);
        }
        let key = key_of(visitor, event_id);
        if !self.seen.insert(key) {
            return Seen::Again;
        }
        self.order.push_back((now.0, key));
        if self.order.len() <= limit {
            return Seen::First;
        }
        if let Some((_, oldest)) = self.order.pop_front() {
            self.seen.remove(&oldest);
        }
        Seen::FirstCrowded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_remembered_for_a_time_and_a_number() {
        let mut recent = RecentIds::default();
        let mut note =
            |visitor, id, now| recent.note(VisitorId(visitor), Id(id), ArrivalMs(now), 100, 2);
        assert_eq!(note(1, 7, 1_000), Seen::First);
        assert_eq!(note(1, 7, 1_100), Seen::Again);
        assert_eq!(
            note(2, 7, 1_100),
            Seen::First,
            "another visitor's id is another id"
        );
        assert_eq!(note(1, 7, 1_101), Seen::First, "the window has passed");
        assert_eq!(note(1, 8, 1_102), Seen::FirstCrowded);
        assert_eq!(note(2, 7, 1_103), Seen::FirstCrowded, "forgotten early");
    }

    #[test]
    fn no_more_ids_are_held_than_the_limit_says() {
        let mut recent = RecentIds::default();
        let mut crowded = 0;
        for id in 1..=10_000u64 {
            let seen = recent.note(
                VisitorId(id % 7),
                Id(id),
                ArrivalMs(id / 100),
                u64::MAX / 2,
                64,
            );
            crowded += u64::from(seen == Seen::FirstCrowded);
            assert!(recent.order.len() <= 64);
            assert_eq!(recent.order.len(), recent.seen.len());
        }
        assert_eq!(crowded, 10_000 - 64);
    }
}
