//! The slots that learn together: a layout is drawn for all of them.
//!
//! Invariant: an arm's probability is its share of the layouts' mixture, so what is logged is exact. Cost: a
//! mixture of the layouts that are known, made anew a draw.

use super::{Drawer, Turn, eligible, may_stay};
use crate::visit::choose::CERTAIN_PPM;
use crate::visit::decision::PerSlot;
use crate::visit::learn::draw::draw_ppm;
use crate::visit::learn::fact::lot_of;
use crate::visit::learn::group::members;
use crate::visit::learn::mixture::Mixture;
use crate::visit::learn::spec::PerArm;
use crate::visit::learn::tables::Tables;
use crate::visit::policy::{Policy, SLOTS_MAX, Situation};

/// The arms of the slots that learn together, as a visit has them: shown, and in this leaf before.
#[derive(Clone, Copy, Debug)]
pub struct Together<'a> {
    /// The arm that each slot shows.
    pub layout: &'a PerSlot<u8>,
    /// The arm that each slot had in this leaf before.
    pub homes: &'a PerSlot<Option<usize>>,
    /// Bit per slot whose default is kept for comparison.
    pub held: u8,
}

/// Gives the slots that learn together their turn: in a fresh leaf a layout is drawn for all of
/// them, held slots with their default; coming back into a leaf, its layout comes back. At any time
/// the slots whose arm may not stay are drawn anew, the others as they are.
pub fn turn_together(
    policy: &Policy,
    now: &Situation<'_>,
    moves: bool,
    page: Together<'_>,
    uses: &[u8],
    (tables, cart_value): (&Tables, i64),
    drawer: Drawer,
) -> PerSlot<Turn> {
    let lots = lots(policy, now, moves, page, uses, (tables, cart_value));
    let mut turns = lots.turns;
    if !lots.draws {
        return turns;
    }
    let mixture = lots.mixture(tables, drawer.leaf);
    let draw = |place| {
        let Drawer {
            visitor, session, ..
        } = drawer;
        draw_ppm(
            visitor,
            session,
            place,
            drawer.leaf,
            drawer.tables_ms,
            drawer.nth,
        )
    };
    let drawn = mixture.pick(|nth| draw(SLOTS_MAX + nth));
    let chances = mixture.marginals();
    for (place, (index, _)) in members(policy).enumerate() {
        turns[index] = match drawn[place] {
            _ if page.held >> index & 1 == 1 => Turn::Held {
                set: lots.eligible[place],
            },
            arm => Turn::Drawn {
                arm,
                propensity_ppm: chances[place][arm],
                set: lots.eligible[place],
                lot: lot_within(&chances[place], arm, draw(LOT_PLACE + place)),
            },
        };
    }
    turns
}

/// First place of the draws that spread an arm of a layout over its lots.
const LOT_PLACE: usize = 2 * SLOTS_MAX + 1;

/// The part that an arm's draw fell into, where the arm came with a whole layout: anywhere within
/// what the arm has of a million, by a draw of its own.
fn lot_within(chances: &PerArm<u32>, arm: usize, draw_ppm: u32) -> Option<u8> {
    let (before, own): (u32, u32) = (chances[..arm].iter().sum(), chances[arm]);
    let within = u64::from(own) * u64::from(draw_ppm) / u64::from(CERTAIN_PPM);
    (own < CERTAIN_PPM).then(|| lot_of(before + within as u32))
}

/// The probability of each arm of the slots that learn together, in their order: of the draw that
/// is due, or, where none is, of one as if the session came into the leaf now.
pub fn chances_together(
    policy: &Policy,
    now: &Situation<'_>,
    moves: bool,
    page: Together<'_>,
    uses: &[u8],
    by: (&Tables, i64),
    leaf: usize,
) -> PerSlot<PerArm<u32>> {
    let mut lots_now = lots(policy, now, moves, page, uses, by);
    if !lots_now.draws {
        let homes = &[None; SLOTS_MAX];
        lots_now = lots(policy, now, true, Together { homes, ..page }, uses, by);
    }
    lots_now.mixture(by.0, leaf).marginals()
}

/// What may be drawn for the slots that learn together.
struct Lots {
    /// Whether it is drawn; else what becomes of the slots without a draw.
    draws: bool,
    turns: PerSlot<Turn>,
    arms: Vec<usize>,
    masks: Vec<u16>,
    /// Bit per arm that could be drawn, were all to be.
    eligible: Vec<u16>,
    floor_ppm: u32,
}

impl Lots {
    fn mixture<'a>(&'a self, tables: &'a Tables, leaf: usize) -> Mixture<'a> {
        Mixture {
            layouts: tables.layouts(leaf),
            arms: &self.arms,
            eligible: &self.masks,
            floor_ppm: self.floor_ppm,
        }
    }
}

fn lots(
    policy: &Policy,
    now: &Situation<'_>,
    moves: bool,
    page: Together<'_>,
    uses: &[u8],
    (tables, cart_value): (&Tables, i64),
) -> Lots {
    let mut turns = [Turn::Not; SLOTS_MAX];
    let fresh = members(policy).all(|(index, _)| page.homes[index].is_none());
    let (mut arms, mut masks, mut could) = (Vec::new(), Vec::new(), Vec::new());
    let (mut floor_ppm, mut forced) = (0, false);
    for (index, slot) in members(policy) {
        let arm = usize::from(page.layout[index]);
        let stays = may_stay(slot, now, arm, tables.barred(index));
        let held = page.held >> index & 1 == 1;
        forced |= !stays && !held;
        let by = (tables, &policy.promotions, cart_value);
        let may = eligible(slot, index, now, stays.then_some(arm), uses, by);
        if let Some(home) = page.homes[index]
            && home != arm
            && moves
            && may >> home & 1 == 1
        {
            turns[index] = Turn::Back(home);
        }
        masks.push(match (held, (fresh && moves) || !stays) {
            (true, _) => 1 << slot.default,
            (_, false) => 1 << arm,
            _ => may,
        });
        could.push(may);
        arms.push(slot.arms.len());
        floor_ppm = floor_ppm.max(slot.learn.map_or(0, |spec| spec.floor_ppm));
    }
    Lots {
        draws: forced || (fresh && moves),
        turns,
        arms,
        masks,
        eligible: could,
        floor_ppm,
    }
}
