//! Silences: spans of time in which nobody in the whole log did anything, whatever its order.
//!
//! Time is cut into slots as wide as the shortest silence asked for. Of each slot in which
//! something happened, the first and the last moment are kept. Two moments further apart than a
//! slot's width never share a slot, so the silences are exactly the distances between neighbouring
//! slots, and the log need not be sorted for it.
//!
//! Limit: 2²⁰ slots (nine years of five minutes). Beyond it slots become twice as wide, again and
//! again: what is reported stays true, but silences shorter than a slot may then go unseen.

use super::finding::{Finding, Place};
use std::collections::BTreeMap;

const SLOTS_MAX: usize = 1 << 20;

struct Slot {
    first_ms: u64,
    last_ms: u64,
    /// The row of the first moment.
    place: Place,
}

/// When something happened.
pub(super) struct SilenceCheck {
    gap_ms: u64,
    width_ms: u64,
    slots: BTreeMap<u64, Slot>,
    slots_max: usize,
}

impl SilenceCheck {
    pub(super) fn new(gap_ms: u64) -> SilenceCheck {
        SilenceCheck {
            gap_ms,
            width_ms: gap_ms.max(1),
            slots: BTreeMap::new(),
            slots_max: SLOTS_MAX,
        }
    }

    pub(super) fn row(&mut self, now_ms: u64, place: Place) {
        let slot = Slot {
            first_ms: now_ms,
            last_ms: now_ms,
            place,
        };
        add(&mut self.slots, now_ms / self.width_ms, slot);
        while self.slots.len() > self.slots_max {
            self.width_ms *= 2;
            let mut wider = BTreeMap::new();
            for (number, slot) in std::mem::take(&mut self.slots) {
                add(&mut wider, number / 2, slot);
            }
            self.slots = wider;
        }
    }

    /// All silences, the longest first; of those as long as each other, the earliest. The place of
    /// a silence is the row that ends it.
    pub(super) fn found(&self, places_max: usize) -> Finding {
        let mut found = Vec::new();
        let mut last_ms = None;
        for slot in self.slots.values() {
            let silent_ms = last_ms.map_or(0, |last_ms| slot.first_ms - last_ms);
            if silent_ms > self.gap_ms {
                found.push(slot.place.lasting(silent_ms));
            }
            last_ms = Some(slot.last_ms);
        }
        let count = found.len() as u64;
        found.sort_by_key(|place| std::cmp::Reverse(place.ms));
        found.truncate(places_max);
        Finding {
            count,
            places: found,
        }
    }

    /// Silences longer than this are certain to be found.
    pub(super) fn certain_above_ms(&self) -> u64 {
        self.width_ms
    }

    /// The first and the last moment of all.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        let (_, first) = self.slots.first_key_value()?;
        let (_, last) = self.slots.last_key_value()?;
        Some((first.first_ms, last.last_ms))
    }
}

fn add(slots: &mut BTreeMap<u64, Slot>, number: u64, new: Slot) {
    match slots.get_mut(&number) {
        None => {
            slots.insert(number, new);
        }
        Some(slot) => {
            slot.last_ms = slot.last_ms.max(new.last_ms);
            if new.first_ms < slot.first_ms {
                (slot.first_ms, slot.place) = (new.first_ms, new.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(times: &[u64], gap_ms: u64, slots_max: usize) -> SilenceCheck {
        let mut check = SilenceCheck::new(gap_ms);
        check.slots_max = slots_max;
        for (index, &now_ms) in times.iter().enumerate() {
            let place = Place {
                line: index as u64 + 1,
                byte: 0,
                ms: None,
            };
            check.row(now_ms, place);
        }
        check
    }

    #[test]
    fn the_longest_silence_comes_first_with_the_row_that_ends_it() {
        let check = check(&[5000, 100, 9000, 7000, 5100], 1000, 100);
        let found = check.found(2);
        assert_eq!(found.count, 3);
        let places: Vec<_> = found.places.iter().map(|p| (p.line, p.ms)).collect();
        assert_eq!(places, [(1, Some(4900)), (3, Some(2000))]);
        assert_eq!(check.span(), Some((100, 9000)));
    }

    #[test]
    fn wider_slots_still_tell_the_truth() {
        let times: Vec<u64> = (0..1000).map(|n| n * 1500 + (n / 500) * 100_000).collect();
        let check = check(&times, 1000, 10);
        assert!(check.slots.len() <= 10 && check.certain_above_ms() > 1000);
        assert_eq!(check.found(1).places[0].ms, Some(101_500));
    }

    proptest! {
        /// The same silences as sorting gives.
        #[test]
        fn silences_are_those_of_the_sorted_times(
            mut times in proptest::collection::vec(0u64..50_000, 0..60),
            gap_ms in 1u64..3000,
        ) {
            let found = check(&times, gap_ms, 1 << 20).found(usize::MAX);
            times.sort_unstable();
            let mut expected: Vec<u64> = times
                .windows(2)
                .map(|two| two[1] - two[0])
                .filter(|&ms| ms > gap_ms)
                .collect();
            expected.sort_unstable_by_key(|&ms| std::cmp::Reverse(ms));
            let found: Vec<u64> = found.places.iter().filter_map(|place| place.ms).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
