//! What the job learns from: who was shown what, and what came of it.
//!
//! Facts leave a visit with a sign: `+1` when they come about, `-1` when they are taken back (a
//! refund, an erased visitor, a bot found out, an age at which they stop to count). A fact carries
//! the arrival time at which it was stated; [`version_after`] says which table may first know it.

use super::super::choose::CERTAIN_PPM;
use crate::event::ArrivalMs;
use serde::{Deserialize, Serialize};

/// In place of an arm: a visitor who keeps the slot's default for comparison.
pub const HELD: u32 = u32::MAX;
/// In place of a slot: all slots that learn together; the arm is then the layout's code.
pub const JOINT: u8 = u8::MAX;

/// What statistics are kept of: an arm of a slot in a stratum of a context leaf. Arms are compared
/// with each other within strata ([`super::strata`]).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Cell {
    /// The slot, or [`JOINT`].
    pub slot: u8,
    /// The context leaf.
    pub leaf: u8,
    /// Bit per arm that could have been drawn; 0 for [`JOINT`].
    pub set: u16,
    /// The epoch in which it was drawn: time over the policy's `epoch`; 0 for [`JOINT`].
    pub epoch: u32,
    /// The arm, [`HELD`], or a layout's code.
    pub arm: u32,
}

impl Cell {
    /// Leaf, set and arm in a word.
    #[inline]
    pub(super) fn low(&self) -> u64 {
        u64::from(self.arm) | u64::from(self.set) << 32 | u64::from(self.leaf) << 48
    }
}

/// A session was shown an arm of a slot in a context leaf; once a session, slot and leaf, and
/// once more when an arm that may not be shown any more was replaced.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Exposure {
    /// When, on the arrival clock, in ms.
    pub at_ms: u64,
    /// The session's number.
    pub session: u64,
    /// Number of the decision in force.
    pub seq: u32,
    /// Where and what.
    pub cell: Cell,
    /// Probability of this arm when it was drawn, in millionths; 1,000,000 for an arm that was kept.
    pub propensity_ppm: u32,
    /// The version of the tables that it was drawn from.
    pub tables_ms: u64,
    /// Which part of [`LOTS`] the draw fell into; none where nothing was left to chance.
    pub lot: Option<u8>,
}

/// Parts of equal probability into which draws fall: of an arm with probability p, p of them. What
/// counts of the draws has to be spread evenly over them, whatever the probabilities were at the
/// time; where an arm's exposures get lost, its parts are thin.
pub const LOTS: usize = 16;

/// The part that a draw below a million falls into.
pub fn lot_of(draw_ppm: u32) -> u8 {
    (u64::from(draw_ppm) * LOTS as u64 / u64::from(CERTAIN_PPM)) as u8
}

/// How a visitor is compared in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Side {
    /// The slot is drawn.
    Drawn,
    /// The visitor keeps this slot's default.
    Held,
    /// The visitor keeps all defaults.
    Out,
}

impl Side {
    /// The side of a visitor in the page's holdout, or else in a slot's own.
    pub fn of(holdout: bool, held: bool) -> Side {
        match (holdout, held) {
            (true, _) => Side::Out,
            (false, true) => Side::Held,
            (false, false) => Side::Drawn,
        }
    }
}

/// Number of sides.
pub const SIDES: usize = 3;

/// What a shopper did that a reward may be made of.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum OutcomeKind {
    /// An order that stands.
    #[default]
    Order,
    /// The first addition to the cart in a session.
    Cart,
    /// The same, for as long as it is not known whether an order follows.
    Promise,
    /// The session came into a phase of higher intent for the first time; the value is by how much
    /// `p_purchase` rose since it last did, or since the session began.
    Intent,
}

/// Something that came of a visit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Outcome {
    /// When the shopper did it, in ms of event time.
    pub at_ms: u64,
    /// The session's number.
    pub session: u64,
    /// Sets it apart from the visitor's others.
    pub number: u64,
    /// What it was.
    pub kind: OutcomeKind,
    /// Worth of the order, capped, less what was given back, or rise of intent; in millionths.
    pub value: i64,
    /// What remains of it after the goods and the promotions shown; in millionths.
    pub margin: i64,
}

/// A fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fact {
    /// A session was shown an arm.
    Exposure(Exposure),
    /// Something came of a visit.
    Outcome(Outcome),
    /// A promotion was promised.
    Spend {
        /// The slot.
        slot: u8,
        /// The arm.
        arm: u8,
        /// What it costs, in millionths of the currency.
        amount: i64,
    },
    /// A visitor entered the comparison of a slot.
    Visitor {
        /// The slot.
        slot: u8,
        /// On which side.
        side: Side,
    },
}

impl Exposure {
    /// Whether an outcome may be credited to this exposure: it came after it, in the same session
    /// or, with a window, no later than that.
    #[inline]
    pub fn precedes(&self, outcome: &Outcome, window_ms: Option<u64>) -> bool {
        self.at_ms <= outcome.at_ms
            && match window_ms {
                None => self.session == outcome.session,
                Some(window_ms) => outcome.at_ms - self.at_ms <= window_ms,
            }
    }
}

/// The first version of the tables that knows a fact of this arrival: versions stand at multiples
/// of the quantum, and know what arrived before them.
#[inline]
pub fn version_after(at: ArrivalMs, quantum_ms: u64) -> u64 {
    (at.0 / quantum_ms + 1).saturating_mul(quantum_ms)
}

/// The newest version that decisions of an arrival may rest on: `lag_ms` old at least. The lag is
/// a multiple of the quantum.
#[inline]
pub fn version_at(at: ArrivalMs, quantum_ms: u64, lag_ms: u64) -> u64 {
    at.0.saturating_sub(lag_ms) / quantum_ms * quantum_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_knows_what_arrived_a_lag_and_a_quantum_before() {
        let (quantum, lag) = (1_000, 2_000);
        for fact_at in [0, 1, 999, 1_000, 1_001, 123_456] {
            let version = version_after(ArrivalMs(fact_at), quantum);
            assert!(version > fact_at && version <= fact_at + quantum);
            let first = (0..)
                .find(|&at| version_at(ArrivalMs(at), quantum, lag) >= version)
                .unwrap();
            assert_eq!(first, version + lag);
        }
    }

    #[test]
    fn outcomes_are_credited_to_what_came_before_them() {
        let exposure = Exposure {
            at_ms: 100,
            session: 1,
            ..Exposure::default()
        };
        let outcome = |at_ms, session| Outcome {
            at_ms,
            session,
            ..Outcome::default()
        };
        assert!(exposure.precedes(&outcome(100, 1), None));
        assert!(!exposure.precedes(&outcome(99, 1), None));
        assert!(!exposure.precedes(&outcome(200, 2), None));
        assert!(exposure.precedes(&outcome(200, 2), Some(100)));
        assert!(!exposure.precedes(&outcome(201, 2), Some(100)));
    }
}
