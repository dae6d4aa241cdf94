//! Where two policies show different pages, to whom, and what they show instead.
//!
//! Two pages differ in a slot if they do so over a stretch of time: what both change in the same
//! millisecond is not compared in between. A session counts once in every figure, for a phase if it
//! was in that phase then. Invariant: sums over sessions, so parts add up. Cost: a few comparisons
//! a judgement.

use super::names::NO_ARM;
use crate::event::Device;
use crate::visit::decision::PerSlot;
use crate::visit::phase::Phase;
use crate::visit::policy::SLOTS_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The arm of every slot, in the target's numbers; [`NO_ARM`] where there is no such slot.
pub type Page = [u16; SLOTS_MAX];
/// Phase, device, and whether the visitor was here before.
pub type Whom = (Phase, Device, bool);
/// Slot; number of the phase, or [`ANY_PHASE`]; number of the device; whether the visitor was here
/// before.
pub type Place = (u8, u8, u8, bool);

/// All phases together.
pub const ANY_PHASE: u8 = u8::MAX;

/// A live session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    logged: Option<Page>,
    seen: Option<(Page, Whom)>,
    since_ms: u64,
    /// Bit per phase in which a slot could be compared, and in which it differed.
    compared: PerSlot<u8>,
    parted: PerSlot<u8>,
    /// Slot, arm of the log, arm of the target.
    pairs: Vec<(u8, u16, u16)>,
}

/// What is counted of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Sessions, or decisions, that could be compared.
    pub all: u64,
    /// Those in which the slot differed.
    pub parted: u64,
}

/// Where the pages part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differences {
    /// Sessions; those in which any slot differed.
    pub sessions: Counted,
    /// Sessions by slot.
    pub slots: BTreeMap<u8, Counted>,
    /// Decisions by slot.
    pub decisions: BTreeMap<u8, Counted>,
    /// Sessions by place.
    #[serde(with = "pairs")]
    pub places: BTreeMap<Place, Counted>,
    /// Sessions by slot, arm of the log and arm of the target.
    #[serde(with = "pairs")]
    pub instead: BTreeMap<(u8, u16, u16), u64>,
}

impl Counted {
    fn count(&mut self, parted: bool) {
        self.all += 1;
        self.parted += u64::from(parted);
    }

    fn add(&mut self, other: &Counted) {
        self.all += other.all;
        self.parted += other.parted;
    }

    /// The share that parted; 0 of nothing.
    pub fn share(&self) -> f64 {
        self.parted as f64 / self.all.max(1) as f64
    }
}

/// A layout as a page of so many slots.
pub fn page_of(layout: &PerSlot<u8>, slots: usize) -> Page {
    let mut page = [NO_ARM; SLOTS_MAX];
    for (arm, shown) in page.iter_mut().zip(layout).take(slots) {
        *arm = u16::from(*shown);
    }
    page
}

impl Session {
    /// Compares what was shown since the last change, if any time has passed.
    fn pass(&mut self, now_ms: u64) {
        if now_ms <= self.since_ms {
            return;
        }
        self.since_ms = now_ms;
        let (Some(logged), Some((seen, (phase, ..)))) = (&self.logged, &self.seen) else {
            return;
        };
        let bit = 1 << *phase as u8;
        for slot in 0..SLOTS_MAX {
            let (one, other) = (logged[slot], seen[slot]);
            if one == NO_ARM || other == NO_ARM {
                continue;
            }
            self.compared[slot] |= bit;
            if one != other {
                self.parted[slot] |= bit;
                let pair = (slot as u8, one, other);
                if !self.pairs.contains(&pair) {
                    self.pairs.push(pair);
                }
            }
        }
    }
}

impl Differences {
    /// A decision of the log.
    pub fn logged(&self, session: &mut Session, at_ms: u64, page: Page) {
        session.pass(at_ms);
        session.logged = Some(page);
    }

    /// A judgement of the target.
    pub fn seen(&self, session: &mut Session, at_ms: u64, page: Page, whom: Whom) {
        session.pass(at_ms);
        session.seen = Some((page, whom));
    }

    /// A decision of the log, and what the target shows then.
    pub fn decision(&mut self, page: &Page, shown: &PerSlot<u8>) {
        for (slot, (one, other)) in page.iter().zip(shown).enumerate() {
            if *one != NO_ARM {
                let counted = self.decisions.entry(slot as u8).or_default();
                counted.count(*one != u16::from(*other));
            }
        }
    }

    /// The end of a session.
    pub fn ended(&mut self, mut session: Session, at_ms: u64) {
        session.pass(at_ms);
        let Some((_, (_, device, returning))) = session.seen else {
            return;
        };
        if session.compared == [0; SLOTS_MAX] {
            return;
        }
        self.sessions.count(session.parted != [0; SLOTS_MAX]);
        for slot in 0..SLOTS_MAX {
            let (compared, parted) = (session.compared[slot], session.parted[slot]);
            if compared == 0 {
                continue;
            }
            let number = slot as u8;
            self.slots.entry(number).or_default().count(parted != 0);
            let mut place = |phase: u8, parted: bool| {
                let place = (number, phase, device as u8, returning);
                self.places.entry(place).or_default().count(parted);
            };
            place(ANY_PHASE, parted != 0);
            for phase in (0..Phase::ALL.len() as u8).filter(|phase| compared >> phase & 1 == 1) {
                place(phase, parted >> phase & 1 == 1);
            }
        }
        for pair in session.pairs {
            *self.instead.entry(pair).or_default() += 1;
        }
    }

    /// Adds what was counted of other sessions.
    pub fn merge(&mut self, other: &Differences) {
        self.sessions.add(&other.sessions);
        for (slot, counted) in &other.slots {
            self.slots.entry(*slot).or_default().add(counted);
        }
        for (slot, counted) in &other.decisions {
            self.decisions.entry(*slot).or_default().add(counted);
        }
        for (place, counted) in &other.places {
            self.places.entry(*place).or_default().add(counted);
        }
        for (pair, sessions) in &other.instead {
            *self.instead.entry(*pair).or_default() += sessions;
        }
    }
}

/// Maps whose keys are no text, as lists of pairs.
mod pairs {
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: DeserializeOwned + Ord,
        V: DeserializeOwned,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOM: Whom = (Phase::Browsing, Device::Mobile, false);

    fn page(arm: u16) -> Page {
        let mut page = [NO_ARM; SLOTS_MAX];
        page[0] = arm;
        page
    }

    #[test]
    fn pages_part_over_time_and_not_in_between() {
        let (mut all, mut session) = (Differences::default(), Session::default());
        all.logged(&mut session, 10, page(0));
        all.seen(&mut session, 10, page(0), WHOM);
        // Both change in the same millisecond.
        all.logged(&mut session, 20, page(1));
        all.seen(&mut session, 20, page(1), WHOM);
        let same = session.clone();
        all.ended(same, 30);
        assert_eq!(all.sessions, Counted { all: 1, parted: 0 });
        // Only one does, and comes back.
        all.logged(&mut session, 20, page(2));
        all.logged(&mut session, 25, page(1));
        all.ended(session, 30);
        assert_eq!(all.sessions, Counted { all: 2, parted: 1 });
        assert_eq!(all.slots[&0].share(), 0.5);
        assert_eq!(all.instead, BTreeMap::from([((0, 2, 1), 1)]));
        let place = (0, Phase::Browsing as u8, Device::Mobile as u8, false);
        assert_eq!(all.places[&place], Counted { all: 2, parted: 1 });
        let mut twice = all.clone();
        twice.merge(&all);
        assert_eq!(twice.sessions, Counted { all: 4, parted: 2 });
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Differences>(&text).unwrap(), all);
    }
}
