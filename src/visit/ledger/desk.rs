//! What the ledger works with, and how accounts and the sums over them move together.
//!
//! Invariant: a sum follows every change of an account by what it was and what it is, so whatever is taken back
//! leaves it as it had been. Cost: some additions a slot that learns.

use crate::event::{ArrivalMs, VisitorId};
use crate::visit::learn::fact::{Fact, Side};
use crate::visit::learn::moments::Account;
use crate::visit::live::promises::Spend;
use crate::visit::live::{Rules, Visit};
use crate::visit::output::Output;
use crate::visit::tally::Tally;

/// What the ledger works with.
pub struct Desk<'a, O> {
    /// By which rules.
    pub rules: &'a Rules,
    /// What counts.
    pub tally: &'a mut Tally,
    /// Where facts go.
    pub out: &'a mut O,
}

impl<O: Output> Desk<'_, O> {
    /// Changes a visitor's account, and the sums that it is part of.
    pub(super) fn settle(
        &mut self,
        visit: &mut Visit,
        at: ArrivalMs,
        change: impl FnOnce(&mut Visit),
    ) {
        let before = visit.account();
        change(visit);
        let after = visit.account();
        if after != before {
            self.sum(at, (visit.holdout(), visit.held()), &before, &after);
        }
    }

    /// Changes what the account came to before the live session.
    pub(super) fn settle_past(
        &mut self,
        visit: &mut Visit,
        at: ArrivalMs,
        change: impl FnOnce(&mut Account),
    ) {
        self.settle(visit, at, |visit| {
            change(&mut visit.session.history_mut().account)
        });
    }

    /// Changes the sums that a visitor's account is part of: in whose group it is, overall and, bit by
    /// bit, slot by slot.
    pub(super) fn sum(
        &mut self,
        at: ArrivalMs,
        (holdout, held): (bool, u8),
        before: &Account,
        after: &Account,
    ) {
        let policy = &self.rules.policy;
        let learned = policy
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.learn.is_some());
        let slots = learned
            .filter(|_| !holdout)
            .map(|(index, _)| (1 + index, held >> index & 1 == 1));
        for (place, held) in std::iter::once((0, holdout)).chain(slots) {
            self.tally.lift_of(place).change(held, before, after);
        }
        if let Some(timeline) = &mut self.tally.timeline {
            timeline.at(at.0).lift.change(holdout, before, after);
        }
    }

    /// States what promotions took or promise, or takes it back.
    pub(super) fn spend(&mut self, at: ArrivalMs, visitor: VisitorId, spends: &[Spend]) {
        for &(slot, arm, amount, sign) in spends {
            let fact = Fact::Spend { slot, arm, amount };
            self.out.fact(at, visitor, &fact, sign);
        }
    }

    /// Counts a visitor of a group among those who are compared slot by slot (`1`), or not any more
    /// (`-1`).
    pub(super) fn compare(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        (holdout, held): (bool, u8),
        sign: i8,
    ) {
        let slots = self.rules.policy.slots.iter().enumerate();
        for (index, _) in slots.filter(|(_, slot)| slot.learn.is_some()) {
            let (slot, side) = (index as u8, Side::of(holdout, held >> index & 1 == 1));
            let fact = Fact::Visitor { slot, side };
            self.out.fact(at, visitor, &fact, sign);
        }
    }
}
