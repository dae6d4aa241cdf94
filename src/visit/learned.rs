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
use super::decision::PerSlot;
use super::learn::draw::{distribution, draw_ppm, pick};
use super::learn::fact::Exposure;
use super::learn::group::members;
use super::learn::layout::encode;
use super::learn::mixture::Mixture;
use super::learn::spec::PerArm;
use super::learn::tables::{Row, Tables};
use super::policy::learning::Promotions;
use super::policy::{ARMS_MAX, Arm, Policy, SLOTS_MAX, Situation, Slot};
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
    let stays = stays.then_some(shown);
    let eligible = eligible(
        slot,
        drawer.slot,
        now,
        stays,
        uses,
        (tables, promotions, cart_value),
    );
    let row = tables.row(drawer.slot, drawer.leaf);
    let even = [1; ARMS_MAX];
    let shares = row.map_or(&even, |row| &row.weights.share_ppm);
    let chances = distribution(&shares[..slot.arms.len()], eligible, spec.floor_ppm);
    if stays.is_some()
        && !starts
        && row.is_some_and(|row| !is_worth_it(row, &chances, shown, min_gain))
    {
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

/// Gives the slots that learn together their turn: a layout is drawn for all of them. A slot that
/// is held keeps its default, and outside of a fresh leaf only slots whose arm may not stay move.
///
/// The layout in place is kept in a fresh leaf if it is half as likely the best as any other.
pub fn turn_together(
    policy: &Policy,
    now: &Situation<'_>,
    standing: Standing,
    (layout, held): (&PerSlot<u8>, u8),
    uses: &[u8],
    (tables, cart_value): (&Tables, i64),
    drawer: Drawer,
) -> PerSlot<Turn> {
    let mut turns = [Turn::Not; SLOTS_MAX];
    let free = standing.fresh && (standing.settled || standing.starts);
    let (mut arms, mut masks, mut shown) = (Vec::new(), Vec::new(), [0; SLOTS_MAX]);
    let (mut floor_ppm, mut forced) = (0, false);
    for (place, (index, slot)) in members(policy).enumerate() {
        let arm = usize::from(layout[index]);
        let barred = tables.barred(index) >> arm & 1 == 1;
        let stays = arm == slot.default || (slot.arms[arm].when.holds(now) && !barred);
        let is_held = held >> index & 1 == 1;
        forced |= !stays && !is_held;
        masks.push(match (is_held, free || !stays) {
            (true, _) => 1 << slot.default,
            (_, false) => 1 << arm,
            _ => {
                let by = (tables, &policy.promotions, cart_value);
                eligible(slot, index, now, stays.then_some(arm), uses, by)
            }
        });
        arms.push(slot.arms.len());
        shown[place] = arm;
        floor_ppm = floor_ppm.max(slot.learn.map_or(0, |spec| spec.floor_ppm));
    }
    if !free && !forced {
        return turns;
    }
    let layouts = tables.layouts(drawer.leaf);
    let share_of = |code: u32| {
        let found = layouts.binary_search_by_key(&code, |(code, _)| *code);
        found.map_or(0, |place| layouts[place].1)
    };
    let most = layouts.iter().map(|(_, share)| *share).max().unwrap_or(0);
    let likely = most > 0 && 2 * share_of(encode(&shown, &arms)) >= most;
    let keeps = likely && !forced && !standing.starts;
    let mixture = Mixture {
        layouts,
        arms: &arms,
        eligible: &masks,
        floor_ppm,
    };
    let drawn = mixture.pick(|nth| {
        let Drawer {
            visitor,
            session,
            leaf,
            tables_ms,
            ..
        } = drawer;
        let place = SLOTS_MAX + nth;
        draw_ppm(visitor, session, place, leaf, tables_ms, drawer.nth)
    });
    let chances = mixture.marginals();
    for (place, (index, _)) in members(policy).enumerate() {
        let is_held = held >> index & 1 == 1;
        turns[index] = match drawn[place] {
            _ if is_held || keeps => Turn::Kept,
            arm => Turn::Drawn(arm, chances[place][arm]),
        };
    }
    turns
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
