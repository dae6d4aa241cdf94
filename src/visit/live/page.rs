//! The page of a visit: which arm each slot shows, and what the shopper has been shown of it.
//!
//! Slots with rules are chosen by them ([`choose`]), slots that learn are drawn when it is their turn
//! ([`crate::visit::learned`]). The facts of what was shown are said aside and booked by the ledger;
//! where only what was seen counts they wait aside for the impression of their decision.

use super::{Judgement, Mark, Rules, Time, Visit};
use crate::event::ArrivalMs;
use crate::visit::choose::{CERTAIN_PPM, Why, choose, keeps};
use crate::visit::decision::{PerSlot, Trigger};
use crate::visit::feature::Vector;
use crate::visit::learn::fact::{Cell, Exposure, HELD, JOINT};
use crate::visit::learn::group::{code_of, members};
use crate::visit::learn::spec::Method;
use crate::visit::learn::tables::{Tables, leaf_of};
use crate::visit::learned::{
    Drawer, Said, Standing, Together, Turn, may_stay, turn, turn_together,
};
use crate::visit::phase::Phase;
use crate::visit::policy::{Context, Policy, SLOTS_MAX, Situation, Slot};
use crate::visit::products::list::{For, list, mend};
use crate::visit::products::propose::Sources;

/// Bit per slot that changed, and per slot that was drawn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moves {
    /// Whose arm is another, or whose list of products.
    pub(super) changed: u8,
    /// Whose arm is another.
    pub(super) arms: u8,
    /// Which were drawn.
    pub(super) drawn: u8,
    /// Whether the list of products is another.
    pub(super) listed: bool,
}

/// The place of a phase among the homes of a slot; one place for all where the phase does not
/// matter.
fn home_place(slot: &Slot, phase: Phase) -> usize {
    if slot.context.contains(&Context::Phase) {
        phase as usize
    } else {
        0
    }
}

impl Visit {
    /// Chooses the arm of every slot. While the page must be left alone, only an arm that may not
    /// be shown any more is replaced, and of the products only what must go leaves the list.
    pub(super) fn rearrange(
        &mut self,
        judgement: &Judgement,
        (rules, tables): (&Rules, &Tables),
        features: &Vector,
        said: &mut Said,
    ) -> Moves {
        let policy = &rules.policy;
        let (at, starts) = (judgement.at, judgement.trigger == Trigger::Start);
        let mut moves = Moves::default();
        let rested = starts || self.is_rested(at, policy);
        if at.0 < policy.learning.from_ms {
            self.relist(judgement, rested, (policy, tables), said, &mut moves);
            return moves;
        }
        let situation = Situation {
            features,
            scores: self.scores,
            phase: self.phase.phase(),
        };
        let (stability, cart) = (&policy.stability, judgement.cart_value);
        let settled = starts || self.is_settled(at, policy);
        let first_exposure = said.exposures.len();
        self.take_turns(
            &situation,
            (at, starts, settled),
            (rules, tables, cart),
            &mut moves,
            said,
        );
        for (index, slot) in policy.slots.iter().enumerate() {
            if slot.learn.is_some() {
                continue;
            }
            if self.is(Mark::Holdout) {
                continue;
            }
            let shown = usize::from(self.layout[index]);
            let (arm, why) = if settled {
                let uses = self.uses();
                let choice = choose(slot, &situation, shown, uses, stability.min_gain);
                (choice.arm, choice.why)
            } else if keeps(slot, &situation, shown) {
                continue;
            } else {
                (slot.default, Why::NotEligible)
            };
            if self.put_up(index, arm, why, (policy, cart), said) {
                moves.changed |= 1 << index;
            }
        }
        moves.arms = moves.changed;
        if moves.arms != 0 {
            self.put_time(Time::Changed, at.0);
            self.changes += u32::from(!starts);
        }
        let free = rested || moves.arms != 0;
        self.relist(judgement, free, (policy, tables), said, &mut moves);
        // The decision that will be written now has the next number; else the last one is in force.
        let writes = starts || moves.changed != 0 || moves.drawn != 0;
        let seq = self.next_seq.saturating_sub(u32::from(!writes));
        for exposure in &mut said.exposures[first_exposure..] {
            exposure.seq = seq;
        }
        moves
    }

    /// Makes the list of products anew if anything that it is made of has changed. While the page
    /// must be left alone the list is only mended: what may not be shown any more goes, and the rest
    /// waits for the next event after that. A list that the catalogue has merely mended is no reason to
    /// leave the page alone.
    fn relist(
        &mut self,
        judgement: &Judgement,
        free: bool,
        (policy, tables): (&Policy, &Tables),
        said: &mut Said,
        moves: &mut Moves,
    ) {
        let (Some(seldom), Some(shelf)) = (&mut self.seldom, &tables.shelf) else {
            return;
        };
        let Some((index, slot, spec)) = policy.products() else {
            return;
        };
        let arm = &slot.arms[usize::from(self.layout[index])];
        let (Some(shown), Some(ranker)) = (&mut seldom.products, arm.ranker) else {
            return;
        };
        let starts = judgement.trigger == Trigger::Start;
        let changed = moves.arms >> index & 1 == 1;
        if !(starts || changed || shown.stale || shown.version != shelf.version()) {
            return;
        }
        let whom = For {
            browsed: &shown.browsed,
            session: &self.session,
        };
        let sources = Sources {
            shelf,
            learned: policy.index.as_ref().zip(tables.recommender.as_ref()),
        };
        let made = if free {
            (shown.stale, shown.version) = (false, shelf.version());
            list(spec, ranker, &sources, whom, &mut said.room)
        } else {
            mend(spec, ranker, &sources, whom, &shown.list, &mut said.room)
        };
        let in_view = shown.browsed.trail().last();
        let known = in_view.filter(|item| shelf.catalogue().number(**item).is_some());
        said.products.lists_made += u64::from(free || made != shown.list);
        said.products.lists_changed += u64::from(!starts && made != shown.list);
        said.products.in_view += u64::from(in_view.is_some());
        said.products.known += u64::from(known.is_some());
        if made != shown.list {
            let sold_out = |number: &u32| {
                let product = shelf.product(*number);
                product.is_some_and(|product| !product.is_for_sale()) && !made.contains(number)
            };
            said.sold_out.clear();
            said.sold_out
                .extend(shown.list.iter().copied().filter(sold_out));
            let is_change = free && !starts;
            let merely_mended = is_change
                && judgement.trigger == Trigger::Tables
                && made == mend(spec, ranker, &sources, whom, &shown.list, &mut said.room);
            shown.list = made;
            moves.listed = true;
            moves.changed |= u8::from(!starts) << index;
            if is_change && !merely_mended {
                self.put_time(Time::Changed, judgement.at.0);
            }
        }
    }

    /// Whether arms of a session that goes on may change.
    pub(super) fn is_settled(&self, at: ArrivalMs, policy: &Policy) -> bool {
        self.is_rested(at, policy) && self.changes < policy.stability.changes_max
    }

    /// Whether the page was left alone for long enough.
    fn is_rested(&self, at: ArrivalMs, policy: &Policy) -> bool {
        at.0 - self.changed_at().0 >= policy.stability.cooldown_ms
    }

    /// The arm that a slot had in this phase's leaf before.
    pub(super) fn home(&self, index: usize, slot: &Slot, phase: Phase) -> Option<usize> {
        self.aside().homes(index).get(home_place(slot, phase))
    }

    /// Whether a slot is known to show the arm that it has in this phase's leaf.
    #[inline]
    fn is_at_home(&self, index: usize) -> bool {
        self.at_home >> index & 1 == 1
    }

    /// The arms that the slots that learn together had in this phase's leaf before.
    pub(super) fn homes_together(&self, policy: &Policy, phase: Phase) -> PerSlot<Option<usize>> {
        let mut homes = [None; SLOTS_MAX];
        for (index, slot) in members(policy) {
            homes[index] = self.home(index, slot, phase);
        }
        homes
    }

    /// The visit as the slots that learn together see it.
    pub(super) fn together<'a>(&'a self, homes: &'a PerSlot<Option<usize>>) -> Together<'a> {
        Together {
            layout: &self.layout,
            homes,
            held: self.held,
        }
    }

    /// Gives the learned slots their turns: those that learn together first, then one by one.
    fn take_turns(
        &mut self,
        situation: &Situation<'_>,
        when: (ArrivalMs, bool, bool),
        (rules, tables, cart): (&Rules, &Tables, i64),
        moves: &mut Moves,
        said: &mut Said,
    ) {
        let policy = &rules.policy;
        let (phase, starts) = (situation.phase, when.1);
        if let Some((first, _)) = members(policy).next() {
            let (standing, drawer) = self.stands(first, phase, when, policy, tables);
            let homes = self.homes_together(policy, phase);
            let page = self.together(&homes);
            let may_move = standing.settled || starts;
            let (uses, by) = (self.uses(), (tables, cart));
            let turns = turn_together(policy, situation, may_move, page, uses, by, drawer);
            for (index, _) in members(policy) {
                self.follow(
                    index,
                    turns[index],
                    drawer,
                    (when.0, phase),
                    (policy, cart),
                    (moves, said),
                );
            }
            if turns
                .iter()
                .any(|turn| matches!(turn, Turn::Held { .. } | Turn::Drawn { .. }))
            {
                let cell = Cell {
                    slot: JOINT,
                    leaf: drawer.leaf as u8,
                    arm: code_of(policy, &self.layout),
                    ..Cell::default()
                };
                said.exposures
                    .push(self.exposure(cell, CERTAIN_PPM, drawer, when.0));
            }
        }
        for (index, slot) in policy.slots.iter().enumerate() {
            let Some(spec) = &slot.learn else { continue };
            if spec.method == Method::Multivariate {
                continue;
            }
            let shown = usize::from(self.layout[index]);
            // Said without a look aside, as it is of nearly every event.
            let rests = !(when.2 || starts) || self.is_at_home(index);
            if rests && may_stay(slot, situation, shown, tables.barred(index)) {
                continue;
            }
            let (standing, drawer) = self.stands(index, phase, when, policy, tables);
            let min_gain = policy.stability.min_gain;
            let by = (tables, &policy.promotions, cart, min_gain);
            let turn = turn(slot, situation, standing, self.uses(), by, drawer);
            let by = (policy, cart);
            self.follow(index, turn, drawer, (when.0, phase), by, (moves, said));
            let home = self.home(index, slot, phase);
            let is_at_home = home == Some(usize::from(self.layout[index]));
            self.at_home |= u8::from(is_at_home) << index;
        }
    }

    /// How a learned slot stands, and who would draw for it.
    fn stands(
        &self,
        index: usize,
        phase: Phase,
        (at, starts, settled): (ArrivalMs, bool, bool),
        policy: &Policy,
        tables: &Tables,
    ) -> (Standing, Drawer) {
        let slot = &policy.slots[index];
        let returning = self.session.history().returning();
        let standing = Standing {
            shown: usize::from(self.layout[index]),
            starts,
            settled,
            home: self.home(index, slot, phase),
            held: self.held >> index & 1 == 1,
        };
        let drawer = Drawer {
            visitor: self.visitor,
            session: self.session_number(),
            slot: index,
            leaf: leaf_of(&slot.context, phase, self.device, returning),
            tables_ms: tables.version_at(at),
            nth: self.aside().draws,
        };
        (standing, drawer)
    }

    /// Does what a turn says, and says what the visit was drawn.
    fn follow(
        &mut self,
        index: usize,
        turn: Turn,
        drawer: Drawer,
        (at, phase): (ArrivalMs, Phase),
        (policy, cart): (&Policy, i64),
        (moves, said): (&mut Moves, &mut Said),
    ) {
        let slot = &policy.slots[index];
        let (shown, arm, propensity_ppm, set, lot) = match turn {
            Turn::Not => return,
            Turn::Held { set } => (slot.default, HELD, CERTAIN_PPM, set, None),
            Turn::Back(arm) => (arm, arm as u32, CERTAIN_PPM, 0, None),
            Turn::Drawn {
                arm,
                propensity_ppm,
                set,
                lot,
            } => (arm, arm as u32, propensity_ppm, set, lot),
        };
        self.aside_mut().choose(index, propensity_ppm);
        let why = Why::Drawn(shown as u8);
        if self.put_up(index, shown, why, (policy, cart), said) {
            moves.changed |= 1 << index;
        }
        if let Turn::Back(_) = turn {
            return;
        }
        if let Turn::Drawn { .. } = turn {
            self.aside_mut().draws += 1;
            moves.drawn |= 1 << index;
        }
        let place = home_place(slot, phase);
        self.aside_mut().settle(index, place, shown);
        let cell = Cell {
            slot: index as u8,
            leaf: drawer.leaf as u8,
            set,
            epoch: policy.learning.epoch_of(at),
            arm,
        };
        let exposure = self.exposure(cell, propensity_ppm, drawer, at);
        said.exposures.push(Exposure { lot, ..exposure });
    }

    /// An exposure whose decision's number is still to be known.
    fn exposure(&self, cell: Cell, propensity_ppm: u32, drawer: Drawer, at: ArrivalMs) -> Exposure {
        Exposure {
            at_ms: at.0,
            session: self.session_number(),
            seq: 0,
            cell,
            propensity_ppm,
            tables_ms: drawer.tables_ms,
            lot: None,
        }
    }

    /// Puts an arm up, by what the cart is worth; whether it was not there before.
    fn put_up(
        &mut self,
        index: usize,
        arm: usize,
        why: Why,
        (policy, cart): (&Policy, i64),
        said: &mut Said,
    ) -> bool {
        if arm == usize::from(self.layout[index]) {
            return false;
        }
        self.layout[index] = arm as u8;
        self.at_home &= !(1 << index);
        self.why[index] = why;
        let arm_of = &policy.slots[index].arms[arm];
        if let Some((_, counter)) = arm_of.cap {
            let uses = &mut self.awaited_mut().uses[counter];
            *uses = uses.saturating_add(1);
        }
        if !arm_of.cost.is_none() {
            self.promise(
                (index as u8, arm as u8),
                arm_of.cost,
                cart,
                &mut said.spends,
            );
        }
        true
    }
}
