//! A fact as a store keeps it: in few words, since nearly all are exposures of whose visitor nothing comes.
//!
//! An exposure lies flat in three quarters of a line of memory; any other fact lies behind a pointer. In
//! snapshots every fact is the same record ([`Saved`]), however it lies here.

use super::fact::{Cell, Exposure, Fact};
use crate::event::Id;
use serde::{Deserialize, Serialize};

/// A fact that was stated.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(super) enum Stated {
    /// An exposure.
    Shown(Shown),
    /// Another fact, nothing once it has been taken back; and the order's own id, for an order.
    Other(Box<(Option<Fact>, Id)>),
}

const _: () = assert!(size_of::<Stated>() == 48);

/// An exposure, and how it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    at_ms: u64,
    session: u64,
    tables_ms: u64,
    cell: Cell,
    seq: u32,
    propensity_ppm: u32,
    /// [`NO_LOT`] where nothing was left to chance.
    lot: u8,
    stands: Stands,
}

/// In place of a lot.
const NO_LOT: u8 = u8::MAX;

/// Whether an exposure stands, and whether it was handed on as creditable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Counted,
    HandedOn,
    Gone,
    GoneHandedOn,
}

/// A fact in a snapshot.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Stated")]
struct Saved {
    /// What it is; `None` once it has been taken back.
    fact: Option<Fact>,
    /// The order's own id, for an order.
    order: Id,
    /// Whether it is an exposure that was handed on as creditable.
    handed_on: bool,
}

impl Stated {
    /// A fact, with the order's own id if it is one.
    pub(super) fn of(fact: Fact, order: Id) -> Stated {
        match fact {
            Fact::Exposure(exposure) => Stated::Shown(Shown::of(&exposure, Stands::Counted)),
            other => Stated::Other(Box::new((Some(other), order))),
        }
    }

    /// The fact, while it stands.
    pub(super) fn fact(&self) -> Option<Fact> {
        match self {
            Stated::Shown(shown) => shown.stands().then(|| Fact::Exposure(shown.exposure())),
            Stated::Other(other) => other.0,
        }
    }

    /// The order's own id, for an order.
    pub(super) fn order(&self) -> Id {
        match self {
            Stated::Shown(_) => Id::NONE,
            Stated::Other(other) => other.1,
        }
    }

    /// Whether it is an exposure that was handed on as creditable.
    pub(super) fn is_handed_on(&self) -> bool {
        let Stated::Shown(shown) = self else {
            return false;
        };
        matches!(shown.stands, Stands::HandedOn | Stands::GoneHandedOn)
    }

    /// Notes that it is handed on, and says what, if it is an exposure that stands and was not before.
    pub(super) fn hand_on(&mut self) -> Option<Exposure> {
        match self {
            Stated::Shown(shown) if shown.stands == Stands::Counted => {
                shown.stands = Stands::HandedOn;
                Some(shown.exposure())
            }
            _ => None,
        }
    }

    /// Takes it back: it does not stand any more.
    pub(super) fn take_back(&mut self) {
        match self {
            Stated::Shown(shown) => {
                shown.stands = match shown.stands {
                    Stands::Counted | Stands::Gone => Stands::Gone,
                    Stands::HandedOn | Stands::GoneHandedOn => Stands::GoneHandedOn,
                };
            }
            Stated::Other(other) => other.0 = None,
        }
    }

    /// Puts another fact in its place, where it is no exposure; returns what it was.
    pub(super) fn replace(&mut self, new: Fact) -> Option<Fact> {
        match self {
            Stated::Shown(_) => None,
            Stated::Other(other) => other.0.replace(new),
        }
    }
}

impl Default for Stated {
    fn default() -> Stated {
        Stated::Shown(Shown::of(&Exposure::default(), Stands::Gone))
    }
}

impl Shown {
    fn of(exposure: &Exposure, stands: Stands) -> Shown {
        Shown {
            at_ms: exposure.at_ms,
            session: exposure.session,
            tables_ms: exposure.tables_ms,
            cell: exposure.cell,
            seq: exposure.seq,
            propensity_ppm: exposure.propensity_ppm,
            lot: exposure.lot.unwrap_or(NO_LOT),
            stands,
        }
    }

    fn exposure(&self) -> Exposure {
        Exposure {
            at_ms: self.at_ms,
            session: self.session,
            seq: self.seq,
            cell: self.cell,
            propensity_ppm: self.propensity_ppm,
            tables_ms: self.tables_ms,
            lot: (self.lot != NO_LOT).then_some(self.lot),
        }
    }

    fn stands(&self) -> bool {
        matches!(self.stands, Stands::Counted | Stands::HandedOn)
    }
}

impl From<Stated> for Saved {
    fn from(stated: Stated) -> Saved {
        Saved {
            fact: stated.fact(),
            order: stated.order(),
            handed_on: stated.is_handed_on(),
        }
    }
}

impl From<Saved> for Stated {
    fn from(saved: Saved) -> Stated {
        let Saved {
            fact,
            order,
            handed_on,
        } = saved;
        let (exposure, stands) = match (fact, handed_on) {
            (Some(Fact::Exposure(exposure)), false) => (exposure, Stands::Counted),
            (Some(Fact::Exposure(exposure)), true) => (exposure, Stands::HandedOn),
            (None, true) => (Exposure::default(), Stands::GoneHandedOn),
            (fact, _) => return Stated::Other(Box::new((fact, order))),
        };
        Stated::Shown(Shown::of(&exposure, stands))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::learn::fact::Outcome;

    fn put_by(stated: &Stated) -> Vec<u8> {
        postcard::to_allocvec(stated).unwrap()
    }

    #[test]
    fn every_fact_comes_back_as_it_stood() {
        let exposure = Fact::Exposure(Exposure {
            at_ms: 7,
            session: 5,
            seq: 3,
            propensity_ppm: 250_000,
            tables_ms: 6,
            lot: Some(0),
            ..Exposure::default()
        });
        let order = Fact::Outcome(Outcome::default());
        for (fact, id) in [(exposure, Id::NONE), (order, Id(9)), (order, Id::NONE)] {
            let mut stated = Stated::of(fact, id);
            for step in 0..3 {
                match step {
                    1 => assert_eq!(stated.hand_on().is_some(), fact == exposure),
                    2 => stated.take_back(),
                    _ => {}
                }
                assert_eq!(stated.fact(), (step < 2).then_some(fact));
                let bytes = put_by(&stated);
                let again: Stated = postcard::from_bytes(&bytes).unwrap();
                assert_eq!(again.fact(), stated.fact());
                assert_eq!(again.order(), stated.order());
                assert_eq!(again.is_handed_on(), stated.is_handed_on());
                assert_eq!(put_by(&again), bytes);
            }
        }
    }
}
