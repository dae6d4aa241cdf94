//! One learned slot of one visit: when it is drawn, from what, and with what probability.
//!
//! A slot is drawn when the session starts, and once more in every context leaf that the session
//! moves into, if that may be worth a change: as long as the leaf is not known well, or when the
//! draw can be expected to earn more than the arm in place by the policy's least gain. Else the arm
//! stays. An arm that may not be shown any more is replaced at once. Everything but the draw itself
//! follows from the session's state and the tables, so the probability that is logged is exact.
//!
//! Cost: 100 ns a draw; a few comparisons for a slot that is not drawn.

use super::choose::CERTAIN_PPM;
use super::learn::draw::{distribution, draw_ppm, pick};
use super::learn::fact::Exposure;
use super::learn::spec::PerArm;
use super::learn::tables::{Row, Tables};
use super::policy::learning::Promotions;
use super::policy::{ARMS_MAX, Situation, Slot};
use crate::event::VisitorId;

/// What is said about learning while a visit is judged: facts to be stated.
#[derive(Debug, Default)]
pub struct Said {
    /// Arms that the visit was shown.
    pub exposures: Vec<Exposure>,
    /// Promotions promised: slot, arm, and what it costs in millionths.
    pub spends: Vec<(u8, u8, i64)>,
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
    /// Whether the slot has had no turn in this leaf.
    pub fresh: bool,
}

/// What becomes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Not its turn.
    Not,
    /// The arm stays, knowingly.
    Kept,
    /// An arm was drawn, with this probability in millionths.
    Drawn(usize, u32),
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
    let Some(spec) = &slot.learn else {
        return Turn::Not;
    };
    let Standing {
        shown,
        starts,
        settled,
        fresh,
    } = standing;
    let barred = tables.barred(drawer.slot) >> shown & 1 == 1;
    let stays = shown == slot.default || (slot.arms[shown].when.holds(now) && !barred);
    if stays && !(fresh && (settled || starts)) {
        return Turn::Not;
    }
    let open = tables.open(drawer.slot) & !tables.barred(drawer.slot);
    let mut eligible: u16 = 0;
    for (index, arm) in slot.arms.iter().enumerate() {
        let in_place = index == shown && stays;
        let may = in_place
            || (open >> index & 1 == 1
                && arm.when.holds(now)
                && arm.cap.is_none_or(|(most, counter)| uses[counter] < most)
                && promotions.allows(cart_value, &arm.cost));
        eligible |= u16::from(may || index == slot.default) << index;
    }
    let row = tables.row(drawer.slot, drawer.leaf);
    let even = [1; ARMS_MAX];
    let shares = row.map_or(&even, |row| &row.weights.share_ppm);
    let chances = distribution(&shares[..slot.arms.len()], eligible, spec.floor_ppm);
    if stays && !starts && row.is_some_and(|row| !is_worth_it(row, &chances, shown, min_gain)) {
        return Turn::Kept;
    }
    let Drawer {
        visitor,
        session,
        slot: place,
        leaf,
        tables_ms,
        nth,
    } = drawer;
    let arm = pick(
        &chances,
        draw_ppm(visitor, session, place, leaf, tables_ms, nth),
    );
    Turn::Drawn(arm, chances[arm])
}

/// Whether a draw can be expected to earn more than the arm in place by `min_gain`, relative to
/// what that arm earns; always while the leaf is not known well.
fn is_worth_it(row: &Row, chances: &PerArm<u32>, shown: usize, min_gain: f64) -> bool {
    if !row.warm {
        return true;
    }
    let means = &row.weights.mean;
    let drawn: f64 = chances
        .iter()
        .zip(means)
        .map(|(&chance, mean)| f64::from(chance) * mean)
        .sum::<f64>()
        / f64::from(CERTAIN_PPM);
    drawn - means[shown] >= min_gain * means[shown].abs()
}
