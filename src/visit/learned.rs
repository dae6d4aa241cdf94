//! One learned slot of one visit: when it is drawn, from what, and with what probability.
//!
//! A slot is drawn when the session starts, and once more in every context leaf that the session
//! moves into, if draws there may be worth a change: as long as the leaf is not known well, or when
//! they can be expected to earn more than even shares by the policy's least gain. Else the arm
//! stays, and nothing is said of it: only what was drawn teaches ([`is_worth_it`] says why). When a
//! session comes back into a leaf, the arm that it had there comes back, by the same rule and
//! without a draw: what a leaf's exposure says was shown, was shown whenever the session was there.
//! An arm that may not be shown any more is replaced at once. Everything but the draw itself
//! follows from the session's state and the tables, so the probability that is logged is exact.
//!
//! Cost: some 30 ns a draw, 100 where chances are made anew; a comparison or two for a slot that is not drawn.

mod together;

use super::choose::CERTAIN_PPM;
use super::learn::draw::{distribution, draw_ppm, pick};
use super::learn::fact::{Exposure, Outcome, lot_of};
use super::learn::spec::PerArm;
use super::learn::tables::{DrawnBy, Row, Tables};
use super::live::promises::Spend;
use super::phase::Phase;
use super::policy::learning::Promotions;
use super::policy::{ARMS_MAX, Arm, Situation, Slot};
use super::products::propose::Room;
use super::tally::ProductCounts;
use super::view::View;
use crate::event::VisitorId;
use serde::{Deserialize, Serialize};

pub use together::{Together, chances_together, turn_together};

/// What is said while a visit is judged: facts to be stated.
#[derive(Debug, Default)]
pub struct Said {
    /// Arms that the visit was shown.
    pub exposures: Vec<Exposure>,
    /// What promotions promise, stated or taken back.
    pub spends: Vec<Spend>,
    /// That intent has risen, where that counts and a higher phase was reached; yet without a number.
    pub risen: Option<Outcome>,
    /// What the policy would do, where it is asked at every step.
    pub view: Option<Box<View>>,
    /// Room for making lists of products.
    pub room: Room,
    /// Lists of products that were made.
    pub products: ProductCounts,
    /// What left the last list that changed since it is sold out.
    pub sold_out: Vec<u32>,
    /// Room for the name of a session that is its number.
    pub digits: Digits,
}

/// Room for a number in decimal.
#[derive(Clone, Copy, Default)]
pub struct Digits(itoa::Buffer);

impl Digits {
    /// Writes a number.
    pub fn of(&mut self, number: u64) -> &[u8] {
        self.0.format(number).as_bytes()
    }
}

impl std::fmt::Debug for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digits")
    }
}

impl Said {
    /// Whether there is anything to be stated.
    pub fn has_facts(&self) -> bool {
        !self.exposures.is_empty() || !self.spends.is_empty() || self.risen.is_some()
    }
}

/// Who draws, and where.
#[derive(Clone, Copy, Debug)]
pub struct Drawer {
    /// The visitor.
    pub visitor: VisitorId,
    /// The session's number.
    pub session: u64,
    /// The slot's place.
    pub slot: usize,
    /// The context leaf.
    pub leaf: usize,
    /// The version of the tables.
    pub tables_ms: u64,
    /// Draws of the session before this one.
    pub nth: u32,
}

/// How a slot stands before its turn.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The arm shown.
    pub shown: usize,
    /// Whether the session starts.
    pub starts: bool,
    /// Whether the page may change.
    pub settled: bool,
    /// The arm that the session had in this leaf before; `None` if the slot has had no turn in it.
    pub home: Option<usize>,
    /// Whether the visitor keeps the default, for comparison.
    pub held: bool,
}

/// The arm that a session had in each leaf that it can reach, by phase: five bits each, one more
/// than the arm's number, and none where the slot has had no turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Homes(u32);

const HOME_BITS: usize = 5;
const _: () = assert!(ARMS_MAX < 1 << HOME_BITS && Phase::ALL.len() * HOME_BITS <= 32);

impl Homes {
    /// The slot has had no turn.
    pub const NONE: Homes = Homes(0);
    /// Bits that all places take.
    pub const BITS: u32 = (Phase::ALL.len() * HOME_BITS) as u32;

    /// All places as bits, [`Homes::BITS`] of them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Back again.
    pub const fn of_bits(bits: u32) -> Homes {
        Homes(bits)
    }

    /// The arm of a place below the number of phases.
    pub fn get(self, place: usize) -> Option<usize> {
        let arm = self.0 >> (place * HOME_BITS) & ((1 << HOME_BITS) - 1);
        (arm as usize).checked_sub(1)
    }

    /// Notes the arm of a place.
    pub fn set(&mut self, place: usize, arm: usize) {
        let shift = place * HOME_BITS;
        self.0 &= !(((1 << HOME_BITS) - 1) << shift);
        self.0 |= (arm as u32 + 1) << shift;
    }
}

/// What becomes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Not its turn.
    Not,
    /// The default stays, for comparison with what could have been drawn.
    Held {
        /// Bit per arm that could have been.
        set: u16,
    },
    /// The arm that the session had in this leaf before comes back.
    Back(usize),
    /// An arm was drawn.
    Drawn {
        /// The arm.
        arm: usize,
        /// With what probability, in millionths.
        propensity_ppm: u32,
        /// Bit per arm that could have been drawn.
        set: u16,
        /// The part that the draw fell into; none where the arm was certain.
        lot: Option<u8>,
    },
}

/// Gives a slot its turn. `uses` counts how often each capped arm was put up in this session.
pub fn turn(
    slot: &Slot,
    now: &Situation<'_>,
    standing: Standing,
    uses: &[u8],
    (tables, promotions, cart_value, min_gain): (&Tables, &Promotions, i64, f64),
    drawer: Drawer,
) -> Turn {
    if slot.learn.is_none() {
        return Turn::Not;
    }
    let Standing {
        shown,
        starts,
        settled,
        home,
        held,
    } = standing;
    let stays = may_stay(slot, now, shown, tables.barred(drawer.slot));
    if stays && (!(settled || starts) || home == Some(shown)) {
        return Turn::Not;
    }
    let in_place = stays.then_some(shown);
    let by = (tables, promotions, cart_value);
    let eligible = eligible(slot, drawer.slot, now, in_place, uses, by);
    let row = || tables.row(drawer.slot, drawer.leaf, eligible);
    if held {
        let draws = home.is_none() && (starts || is_worth_it(row(), eligible, min_gain));
        return if draws {
            Turn::Held { set: eligible }
        } else {
            Turn::Not
        };
    }
    if let (Some(home), true) = (home, stays) {
        let back = eligible >> home & 1 == 1 && is_better(row(), home, shown, min_gain);
        return if back { Turn::Back(home) } else { Turn::Not };
    }
    if stays && !starts && !is_worth_it(row(), eligible, min_gain) {
        return Turn::Not;
    }
    let chances = chances_of(slot, tables, (drawer.slot, drawer.leaf), eligible);
    let Drawer {
        visitor,
        session,
        slot: place,
        leaf,
        tables_ms,
        nth,
    } = drawer;
    let draw = draw_ppm(visitor, session, place, leaf, tables_ms, nth);
    let arm = pick(&chances, draw);
    Turn::Drawn {
        arm,
        propensity_ppm: chances[arm],
        set: eligible,
        lot: (chances[arm] < CERTAIN_PPM).then(|| lot_of(draw)),
    }
}

/// Bit per arm that could be drawn, and the probability of each arm in millionths, were the slot at
/// `place` (slot, leaf) drawn now, whether or not it is its turn.
pub fn chances(
    slot: &Slot,
    now: &Situation<'_>,
    shown: usize,
    uses: &[u8],
    by: (&Tables, &Promotions, i64),
    (place, leaf): (usize, usize),
) -> (u16, PerArm<u32>) {
    let tables = by.0;
    let in_place = may_stay(slot, now, shown, tables.barred(place)).then_some(shown);
    let eligible = eligible(slot, place, now, in_place, uses, by);
    let chances = chances_of(slot, tables, (place, leaf), eligible);
    (eligible, chances)
}

/// Whether the arm shown may be shown on.
#[inline]
pub fn may_stay(slot: &Slot, now: &Situation<'_>, shown: usize, barred: u16) -> bool {
    shown == slot.default || (slot.arms[shown].when.holds(now) && barred >> shown & 1 == 0)
}

/// What eligible arms are drawn with, by what the leaf of a place (slot, leaf) knows of them.
fn chances_of(slot: &Slot, tables: &Tables, place: (usize, usize), eligible: u16) -> PerArm<u32> {
    let by = DrawnBy {
        eligible,
        arms: slot.arms.len() as u8,
        floor_ppm: slot.learn.map_or(0, |spec| spec.floor_ppm),
    };
    tables.chances(place, by, |row| {
        let even = [1; ARMS_MAX];
        let shares = row.map_or(&even, |row| &row.weights.share_ppm);
        distribution(&shares[..slot.arms.len()], eligible, by.floor_ppm)
    })
}

/// Bit per arm that may be drawn. The arm in place may, if it stays, and the default always may.
fn eligible(
    slot: &Slot,
    place: usize,
    now: &Situation<'_>,
    stays: Option<usize>,
    uses: &[u8],
    (tables, promotions, cart_value): (&Tables, &Promotions, i64),
) -> u16 {
    let open = tables.open(place) & !tables.barred(place);
    let may = |(index, arm): (usize, &Arm)| {
        stays == Some(index)
            || index == slot.default
            || (open >> index & 1 == 1
                && arm.when.holds(now)
                && arm.cap.is_none_or(|(most, counter)| uses[counter] < most)
                && promotions.allows(cart_value, &arm.cost))
    };
    let arms = slot.arms.iter().enumerate();
    arms.fold(0, |bits, (index, arm)| {
        bits | u16::from(may((index, arm))) << index
    })
}

/// Whether draws among some arms can be expected to earn more than any of them, taken evenly, by
/// `min_gain` relative to that; always while the leaf is not known well.
///
/// The arm in place has no say: were it kept where it is good and replaced where it is not, those
/// who keep it would be others than those who draw it, and arms that are shown often would look
/// good for it. So all sessions that come into a leaf with the same arms to draw from do, or none.
pub fn is_worth_it(row: Option<&Row>, eligible: u16, min_gain: f64) -> bool {
    let Some(row) = row.filter(|row| row.warm) else {
        return true;
    };
    let (mut drawn, mut even, mut count) = (0.0, 0.0, 0.0);
    for arm in (0..ARMS_MAX).filter(|arm| eligible >> arm & 1 == 1) {
        let mean = row.weights.mean[arm];
        drawn += f64::from(row.weights.share_ppm[arm]) * mean / f64::from(CERTAIN_PPM);
        even += mean;
        count += 1.0;
    }
    drawn * count - even >= min_gain * even.abs()
}

/// Whether an arm earns more than the one in place by `min_gain`, as far as is known.
fn is_better(row: Option<&Row>, arm: usize, shown: usize, min_gain: f64) -> bool {
    let Some(row) = row.filter(|row| row.warm) else {
        return true;
    };
    let means = &row.weights.mean;
    means[arm] - means[shown] >= min_gain * means[shown].abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_are_kept_apart() {
        let mut homes = Homes::default();
        let places = || 0..Phase::ALL.len();
        assert!(places().all(|place| homes.get(place).is_none()));
        for place in places() {
            homes.set(place, ARMS_MAX - 1 - place);
        }
        homes.set(2, 0);
        for place in places() {
            let arm = if place == 2 { 0 } else { ARMS_MAX - 1 - place };
            assert_eq!(homes.get(place), Some(arm));
        }
    }
}
