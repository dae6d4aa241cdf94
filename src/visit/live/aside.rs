//! What visits have whose slots are drawn: how many draws there were, and of each slot the probability of the
//! last one and the arms that it had before.
//!
//! It is kept aside, behind one pointer, and made when the first slot is drawn by learned weights. So a visit
//! whose page follows rules stays small. Without it everything is as at the start: read it through
//! [`Visit::aside`]. It takes one line of memory, and an event that changes nothing does not look at it
//! ([`Visit::is_at_home`]).
//!
//! In snapshots it is one record with what is counted and awaited besides ([`super::awaited`]).

use super::Visit;
use super::awaited::{Awaited, NONE};
use super::promises::Promise;
use crate::visit::choose::CERTAIN_PPM;
use crate::visit::decision::PerSlot;
use crate::visit::learn::fact::Exposure;
use crate::visit::learned::Homes;
use crate::visit::policy::{CAPPED_ARMS_MAX, SLOTS_MAX};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What is kept aside.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Aside {
    slots: PerSlot<Drawn>,
    /// Draws so far.
    pub(super) draws: u32,
}

const _: () = assert!(size_of::<Aside>() == 64);

/// Of a slot the probability of its last choice, in millionths, and the arm that it had in each phase in which
/// it had its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Drawn([u16; 3]);

/// Bits that a probability in millionths takes.
const PPM_BITS: u32 = 20;
const _: () = assert!(CERTAIN_PPM < 1 << PPM_BITS && PPM_BITS + Homes::BITS <= 48);

impl Drawn {
    const NOTHING: Drawn = Drawn::of(CERTAIN_PPM, Homes::NONE);

    const fn of(propensity_ppm: u32, homes: Homes) -> Drawn {
        let bits = (homes.bits() as u64) << PPM_BITS | propensity_ppm as u64;
        Drawn([bits as u16, (bits >> 16) as u16, (bits >> 32) as u16])
    }

    fn bits(self) -> u64 {
        let [low, middle, high] = self.0.map(u64::from);
        high << 32 | middle << 16 | low
    }

    fn propensity_ppm(self) -> u32 {
        self.bits() as u32 & ((1 << PPM_BITS) - 1)
    }

    fn homes(self) -> Homes {
        Homes::of_bits((self.bits() >> PPM_BITS) as u32)
    }
}

static NOTHING: Aside = Aside {
    slots: [Drawn::NOTHING; SLOTS_MAX],
    draws: 0,
};

impl Aside {
    /// The arms that a slot had in each phase in which it had its turn.
    pub(super) fn homes(&self, slot: usize) -> Homes {
        self.slots[slot].homes()
    }

    /// A slot was chosen with this probability, in millionths.
    pub(super) fn choose(&mut self, slot: usize, propensity_ppm: u32) {
        self.slots[slot] = Drawn::of(propensity_ppm, self.homes(slot));
    }

    /// A slot has had its turn in the phase of a place, and has this arm there.
    pub(super) fn settle(&mut self, slot: usize, place: usize, arm: usize) {
        let mut homes = self.homes(slot);
        homes.set(place, arm);
        self.slots[slot] = Drawn::of(self.slots[slot].propensity_ppm(), homes);
    }
}

impl Visit {
    /// What is kept aside, or that there is nothing.
    #[inline]
    pub(super) fn aside(&self) -> &Aside {
        self.aside.as_deref().unwrap_or(&NOTHING)
    }

    /// The same, to keep something there.
    pub(super) fn aside_mut(&mut self) -> &mut Aside {
        self.aside.get_or_insert_with(|| Box::new(NOTHING.clone()))
    }

    /// The probability of each slot's last choice, in millionths.
    pub fn propensity_ppm(&self) -> PerSlot<u32> {
        let mut all = [CERTAIN_PPM; SLOTS_MAX];
        if let Some(aside) = &self.aside {
            for (ppm, slot) in all.iter_mut().zip(&aside.slots) {
                *ppm = slot.propensity_ppm();
            }
        }
        all
    }
}

/// The record of a snapshot.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Aside")]
pub(super) struct Saved<'a> {
    uses: [u8; CAPPED_ARMS_MAX],
    propensity_ppm: PerSlot<u32>,
    homes: PerSlot<Homes>,
    draws: u32,
    promises: Cow<'a, [Promise]>,
    awaiting: Cow<'a, [Exposure]>,
    seen_seq: Option<u32>,
}

impl<'a> Saved<'a> {
    /// The record of a visit that has anything of it.
    pub(super) fn of(visit: &'a Visit) -> Option<Saved<'a>> {
        let awaited = visit.awaited_if_any();
        if visit.aside.is_none() && awaited.is_none() {
            return None;
        }
        let (aside, awaited) = (visit.aside(), awaited.unwrap_or(&NONE));
        Some(Saved {
            uses: awaited.uses,
            propensity_ppm: visit.propensity_ppm(),
            homes: aside.slots.map(Drawn::homes),
            draws: aside.draws,
            promises: Cow::Borrowed(&awaited.promises),
            awaiting: Cow::Borrowed(&awaited.awaiting),
            seen_seq: awaited.seen_seq,
        })
    }

    /// Back again.
    pub(super) fn into_parts(self) -> (Box<Aside>, Option<Box<Awaited>>) {
        let mut slots = [Drawn::NOTHING; SLOTS_MAX];
        for (slot, (ppm, homes)) in slots
            .iter_mut()
            .zip(self.propensity_ppm.into_iter().zip(self.homes))
        {
            *slot = Drawn::of(ppm, homes);
        }
        let awaited = Awaited {
            uses: self.uses,
            promises: self.promises.into_owned(),
            awaiting: self.awaiting.into_owned(),
            seen_seq: self.seen_seq,
        };
        let draws = self.draws;
        let any = awaited.is_any().then(|| Box::new(awaited));
        (Box::new(Aside { slots, draws }), any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::phase::Phase;
    use crate::visit::policy::ARMS_MAX;

    #[test]
    fn what_is_packed_comes_back() {
        let mut aside = NOTHING.clone();
        for slot in 0..SLOTS_MAX {
            aside.choose(slot, CERTAIN_PPM - slot as u32);
            for place in 0..Phase::ALL.len() {
                aside.settle(slot, place, ARMS_MAX - 1 - place);
            }
        }
        for slot in 0..SLOTS_MAX {
            let ppm = CERTAIN_PPM - slot as u32;
            assert_eq!(aside.slots[slot].propensity_ppm(), ppm);
            for place in 0..Phase::ALL.len() {
                let home = aside.homes(slot).get(place);
                assert_eq!(home, Some(ARMS_MAX - 1 - place));
            }
        }
    }
}
