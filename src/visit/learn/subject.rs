//! What statistics are about, and which worker keeps them.
//!
//! Invariant: what is said of one slot, or of slots that learn together, has one place. Cost: a subject is 20
//! bytes, its hash a multiplication or two.

use super::fact::{Cell, Exposure, JOINT, Side};
use crate::event::mix;
use crate::visit::policy::learning::Learning;
use serde::{Deserialize, Serialize};

/// What statistics are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// An arm in a leaf: exposures and their rewards.
    Cell(Cell),
    /// What of a cell's rewards is not settled: credit for orders that may yet come.
    Open(Cell),
    /// Promises of an arm: their number, and as the reward what they cost.
    Spend {
        /// The slot.
        slot: u8,
        /// The arm.
        arm: u8,
    },
    /// Visitors who are compared in a slot.
    Visitors {
        /// The slot.
        slot: u8,
        /// On which side.
        side: Side,
    },
    /// Draws of a slot that fell into a part of equal probability, of those that count.
    Lots {
        /// The slot.
        slot: u8,
        /// The part.
        lot: u8,
    },
    /// Nothing that is counted: the version has facts that are on their way to be matched, and waits for what
    /// exposures earned by them.
    Matching,
}

impl Subject {
    /// The part that an exposure's draw fell into, where something may get lost between the draw and
    /// what counts: what was only decided counts at once.
    pub fn lots(exposure: &Exposure, learning: &Learning) -> Option<Subject> {
        let (slot, lot) = (exposure.cell.slot, exposure.lot?);
        learning.seen.then_some(Subject::Lots { slot, lot })
    }

    /// A hash to find it by; pinned to nothing.
    #[inline]
    pub fn hash(&self) -> u64 {
        let (kind, slot, low, high) = match *self {
            Subject::Cell(cell) => (0, cell.slot, cell.low(), cell.epoch),
            Subject::Open(cell) => (1, cell.slot, cell.low(), cell.epoch),
            Subject::Spend { slot, arm } => (2, slot, arm.into(), 0),
            Subject::Visitors { slot, side } => (3, slot, side as u64, 0),
            Subject::Lots { slot, lot } => (4, slot, lot.into(), 0),
            Subject::Matching => (5, 0, 0, 0),
        };
        let words = low ^ u64::from(high).rotate_right(20) ^ kind << 56 ^ u64::from(slot) << 60;
        mix(words)
    }

    /// The slot that it belongs to, or [`JOINT`].
    pub fn slot(&self) -> u8 {
        match *self {
            Subject::Cell(cell) | Subject::Open(cell) => cell.slot,
            Subject::Spend { slot, .. }
            | Subject::Visitors { slot, .. }
            | Subject::Lots { slot, .. } => slot,
            Subject::Matching => JOINT,
        }
    }

    /// What an exposure's reward is added to, and how often, with what of it is settled.
    pub fn of_reward(
        cell: Cell,
        reward: i64,
        settled: i64,
    ) -> impl Iterator<Item = (Subject, i64, isize)> {
        let open = Subject::Open(cell);
        let open = (reward != settled).then_some([(open, reward, 1), (open, settled, -1)]);
        std::iter::once((Subject::Cell(cell), reward, 1)).chain(open.into_iter().flatten())
    }

    /// By what it finds its worker: the slots that learn together (`joint`, a bit each) are learned
    /// in one place.
    pub fn place(&self, joint: u8) -> u8 {
        place_of(self.slot(), joint)
    }
}

/// The place of a slot: its own, or that of those that learn together.
pub(super) fn place_of(slot: u8, joint: u8) -> u8 {
    let is_joint = slot == JOINT || joint >> slot & 1 == 1;
    if is_joint { JOINT } else { slot }
}
