//! Orders, what carts promise of them, and refunds.
//!
//! Invariant: an order counts once, and what takes it back undoes it by the very numbers with which it was
//! done. Cost: a walk over the visitor's facts.

use super::{Desk, Ledger};
use crate::event::{ArrivalMs, Event, Id, bin_of};
use crate::visit::learn::fact::{Fact, Outcome, OutcomeKind};
use crate::visit::learn::moments::Account;
use crate::visit::live::{Mark, Visit};
use crate::visit::output::Output;

impl Ledger {
    /// An order counts once, capped.
    pub(super) fn order(
        &mut self,
        event: &Event,
        visit: &mut Visit,
        counts: bool,
        desk: &mut Desk<'_, impl Output>,
    ) {
        let policy = &desk.rules.policy;
        if !counts {
            return desk.settle_past(visit, event.arrival, |account| account.before += 1);
        }
        let (visitor, session) = (event.visitor, visit.session_number());
        let facts = self.bin(visitor, event.arrival, desk.out);
        let known = |(_, order): (Outcome, Id)| !order.is_none() && order == event.event_id;
        if facts.orders(visitor).any(known) {
            desk.tally.orders_repeated += 1;
            return;
        }
        let (worth, most) = (event.revenue(), policy.learning.value_max);
        desk.tally.limits.value_max += u64::from(worth > most);
        let value = worth.min(most);
        let shown = policy.slots.iter().zip(visit.layout());
        let costs = shown.map(|(slot, arm)| slot.arms[usize::from(*arm)].cost.of(value));
        let margin = policy.promotions.margin(value, costs.sum());
        self.take_promise(event.arrival, visit, desk);
        desk.spend(event.arrival, visitor, &visit.redeem(value, policy));
        let number = self.of(visitor).next_number();
        visit.mark(Mark::Ordered, true);
        let fact = Fact::Outcome(Outcome {
            at_ms: event.time.0,
            session,
            number,
            kind: OutcomeKind::Order,
            value,
            margin,
        });
        self.state(event.arrival, visitor, fact, event.event_id, desk);
        visit.set_orders(visit.orders() + 1);
        let more = Account {
            converted: i64::from(visit.orders() == 1),
            revenue: value,
            margin,
            ..Account::default()
        };
        desk.settle(visit, event.arrival, |visit| visit.earn(&more));
    }

    /// The first addition to the cart in a session may count for itself, or promise an order.
    pub(super) fn cart(
        &mut self,
        event: &Event,
        visit: &mut Visit,
        desk: &mut Desk<'_, impl Output>,
    ) {
        let policy = &desk.rules.policy;
        let reward = policy.learning.reward;
        if visit.mark(Mark::Carted, true) {
            return;
        }
        let mut state = |ledger: &mut Ledger, kind| {
            let fact = Fact::Outcome(Outcome {
                at_ms: event.time.0,
                session: visit.session_number(),
                number: ledger.of(event.visitor).next_number(),
                kind,
                ..Outcome::default()
            });
            ledger.state(event.arrival, event.visitor, fact, Id::NONE, desk);
        };
        if reward.wants_carts() {
            state(self, OutcomeKind::Cart);
        }
        if reward.provisional > 0 && !visit.is(Mark::Ordered) {
            state(self, OutcomeKind::Promise);
            visit.mark(Mark::Promised, true);
        }
    }

    /// What an addition to the cart promised is settled: the order is there, or will not come.
    pub(super) fn take_promise(
        &mut self,
        at: ArrivalMs,
        visit: &mut Visit,
        desk: &mut Desk<'_, impl Output>,
    ) {
        if !visit.mark(Mark::Promised, false) {
            return;
        }
        let session = visit.session_number();
        let promise = |fact: &Fact| {
            matches!(fact, Fact::Outcome(outcome)
                if outcome.session == session && outcome.kind == OutcomeKind::Promise)
        };
        let bin = self.bin(visit.visitor, at, desk.out);
        bin.take_back(at, visit.visitor, promise, desk.out);
    }

    /// A refund takes back the latest order of exactly that worth, or a part of the latest that is worth more.
    pub(super) fn refund(
        &mut self,
        event: &Event,
        visit: &mut Visit,
        desk: &mut Desk<'_, impl Output>,
    ) {
        let (at, visitor) = (event.arrival, event.visitor);
        // Orders are known by what they count for.
        let back = event.revenue().min(desk.rules.policy.learning.value_max);
        let facts = &*self.bin(visitor, at, desk.out);
        let orders = || facts.orders(visitor).map(|(order, _)| order);
        let exactly = orders().find(|order| back == 0 || order.value == back);
        let Some(order) = exactly.or_else(|| orders().find(|order| order.value > back)) else {
            desk.tally.refunds_unmatched += 1;
            return;
        };
        let whole = back == 0 || order.value == back;
        let live = order.session == visit.session_number();
        // Of the live session, orders that were forgotten are counted, too.
        let standing = if live {
            visit.orders() as usize
        } else {
            let of_session = |other: &Outcome| other.session == order.session;
            orders().filter(of_session).count()
        };
        let bin = &mut self.bins[bin_of(visitor)].facts;
        let remains = if whole {
            let it = |fact: &Fact| matches!(fact, Fact::Outcome(o) if *o == order);
            bin.take_back(at, visitor, it, desk.out);
            Outcome::default()
        } else {
            // Goods come back; what the promotion cost stays spent.
            let goods = desk.rules.policy.promotions.margin(back, 0);
            let rest = Outcome {
                value: order.value - back,
                margin: order.margin - goods,
                ..order
            };
            bin.replace(at, visitor, rest, desk.out);
            rest
        };
        let less = Account {
            converted: -i64::from(whole && standing == 1),
            revenue: remains.value - order.value,
            margin: remains.margin - order.margin,
            ..Account::default()
        };
        if live {
            visit.set_orders(visit.orders() - u32::from(whole));
            desk.settle(visit, at, |visit| visit.earn(&less));
        } else {
            desk.settle_past(visit, at, |account| account.add(&less));
        }
    }
}
