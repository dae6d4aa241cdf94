//! What came of the visits: the facts that the job learns from, and the accounts of the visitors.
//!
//! Every order, refund, erasure and verdict goes through here, and everything is undone by the very
//! numbers with which it was done. An order counts once (by its event id), capped, and never from a
//! session taken for a bot's. A refund takes back the visitor's latest order of that value, or a
//! part of the latest one that is large enough.
//!
//! Facts come and go in the order of time, whenever judgements are settled: whoever books an event
//! that [`touches facts`](Ledger::touches_facts) settles them first. When the log has ended, facts
//! stop to age: what follows are only timers.
//!
//! A visitor's [`Account`] lies with the visitor's history; the sums over all accounts, in
//! [`Tally`], follow every change of an account by what it was and what it is.
//!
//! Cost: about 150 ns for a session and for each outcome and exposure.

mod desk;
mod indexed;
mod orders;

use super::bots::{Rule, Verdict};
use super::history::History;
use super::learn::fact::{Exposure, Fact};
use super::learn::moments::Account;
use super::learn::store::FactStore;
use super::learned::Said;
use super::live::{Mark, Rules, Visit};
use super::output::Output;
use super::rank::window::Window;
use crate::event::{ArrivalMs, BINS, Event, Id, Kind, VisitorId, bin_of};
pub use desk::Desk;

/// What a bin's visitors taught that still counts.
#[derive(Debug, Default)]
struct Bin {
    facts: FactStore,
    /// Their sessions in the index.
    sessions: Window,
}

impl Bin {
    fn expire(&mut self, now: ArrivalMs, out: &mut impl Output) {
        self.facts.expire(now, out);
        self.sessions.expire(now, out);
    }

    fn next_expiry(&self) -> Option<u64> {
        let next = [self.facts.next_expiry(), self.sessions.next_expiry()];
        next.into_iter().flatten().min()
    }
}

/// The facts of a worker's visitors.
#[derive(Debug)]
pub struct Ledger {
    bins: Vec<Bin>,
    /// Nothing of any bin stops to count before this time, in ms.
    expiry_ms: u64,
    /// The last arrival of the log, once it is known.
    log_end: ArrivalMs,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger {
            bins: (0..BINS).map(|_| Bin::default()).collect(),
            expiry_ms: u64::MAX,
            log_end: ArrivalMs(u64::MAX),
        }
    }
}

impl Ledger {
    /// The facts of a visitor's bin.
    pub fn of(&self, visitor: VisitorId) -> &FactStore {
        &self.bins[bin_of(visitor)].facts
    }

    /// The facts of a bin.
    pub fn facts(&self, bin: usize) -> &FactStore {
        &self.bins[bin].facts
    }

    /// Takes up a bin's facts, and states again what is joined of them.
    pub fn take_up_facts(
        &mut self,
        bin: usize,
        facts: FactStore,
        at: ArrivalMs,
        out: &mut impl Output,
    ) {
        facts.restate(at, out);
        self.bins[bin].facts = facts;
        self.took_up(bin);
    }

    fn took_up(&mut self, bin: usize) {
        let next = self.bins[bin].next_expiry();
        self.expiry_ms = self.expiry_ms.min(next.unwrap_or(u64::MAX));
    }

    /// The log has ended with this arrival: no fact stops to count after it.
    pub fn log_ends(&mut self, last: ArrivalMs) {
        self.log_end = last;
    }

    /// Takes back the facts that stopped to count by `now`, in every bin.
    pub fn expire(&mut self, now: ArrivalMs, out: &mut impl Output) {
        let now = now.min(self.log_end);
        // Asked far more often than it happens: the bins are not looked at in vain.
        if now.0 < self.expiry_ms {
            return;
        }
        for bin in &mut self.bins {
            bin.expire(now, out);
        }
        let next = self.bins.iter().filter_map(Bin::next_expiry).min();
        self.expiry_ms = next.unwrap_or(u64::MAX);
    }

    /// Before what time no fact stops to count; `None` if none will.
    pub fn next_expiry(&self) -> Option<u64> {
        (self.expiry_ms <= self.log_end.0).then_some(self.expiry_ms)
    }

    /// The facts of a visitor's bin that count at `at`. Those that do not any more leave first, so
    /// how often somebody looked cannot be seen.
    fn bin(&mut self, visitor: VisitorId, at: ArrivalMs, out: &mut impl Output) -> &mut FactStore {
        let bin = &mut self.bins[bin_of(visitor)];
        let now = at.min(self.log_end);
        if now.0 >= self.expiry_ms {
            bin.expire(now, out);
        }
        &mut bin.facts
    }

    /// Whether booking an event, which has just been folded, may state facts, take some back, or
    /// look at the page.
    pub fn touches_facts(&self, event: &Event, visit: &Visit, rules: &Rules) -> bool {
        match event.kind {
            Kind::Purchase | Kind::Refund | Kind::Impression => true,
            Kind::AddToCart if !visit.is(Mark::Carted) => true,
            _ => !visit.is(Mark::Muted) && verdict(visit, rules).is_some(),
        }
    }

    /// States a fact for as long as the policy says.
    fn state(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        fact: Fact,
        order: Id,
        desk: &mut Desk<'_, impl Output>,
    ) {
        let learning = &desk.rules.policy.learning;
        let until = (
            at.0.saturating_add(learning.retention_ms),
            learning.facts_per_bin,
        );
        self.expiry_ms = self.expiry_ms.min(until.0);
        let bin = self.bin(visitor, at, desk.out);
        let early = bin.state(at, visitor, fact, order, until, desk.out);
        desk.tally.limits.facts += early;
    }

    /// Books an event that has just been folded, whose page is settled.
    pub fn book(&mut self, event: &Event, visit: &mut Visit, desk: &mut Desk<'_, impl Output>) {
        let policy = &desk.rules.policy;
        let (at, counts) = (event.arrival, event.arrival.0 >= policy.learning.from_ms);
        match event.kind {
            Kind::Refund => return self.refund(event, visit, desk),
            // An erasure is no part of a session.
            Kind::Consent | Kind::Erase => return,
            _ => {}
        }
        if visit.is(Mark::Muted) {
            return;
        }
        if counts && !visit.is(Mark::Counted) {
            desk.settle(visit, at, |visit| {
                visit.mark(Mark::Counted, true);
            });
        }
        let touched = matches!(event.kind, Kind::ItemView | Kind::Click | Kind::AddToCart);
        if touched && desk.rules.index().is_some_and(|index| index.growing) {
            self.index(at, visit, desk);
        }
        match event.kind {
            Kind::Purchase => self.order(event, visit, counts, desk),
            Kind::AddToCart if counts => self.cart(event, visit, desk),
            Kind::Impression => self.seen(event, visit, desk),
            _ => {}
        }
        if let Some(verdict) = verdict(visit, desk.rules) {
            self.rule_out(at, verdict.rule(), visit, desk);
        }
    }

    /// Forgets what a visitor taught in all sessions, and what the visitor came to, which `history`
    /// says. Every erasure comes through here, with or without a live session. Returns how many facts were taken back.
    pub fn erase(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        history: &History,
        desk: &mut Desk<'_, impl Output>,
    ) -> u64 {
        let bin = self.bin(visitor, at, desk.out);
        let facts = bin.take_back(at, visitor, |_| true, desk.out);
        self.unindex(at, visitor, None, desk);
        let policy = &desk.rules.policy;
        let group = (policy.holdout.holds(visitor), policy.held(visitor));
        if history.compared {
            desk.compare(at, visitor, group, -1);
        }
        desk.sum(at, group, &history.account, &Account::default());
        facts
    }

    /// The session turned out to be a bot's: what it taught is taken back, and it teaches no more.
    /// Where the policy takes bots for bots from the first, so is what the visitor's earlier sessions
    /// taught, and later ones begin muted. What was spent on promotions stays spent.
    fn rule_out(
        &mut self,
        at: ArrivalMs,
        rule: Rule,
        visit: &mut Visit,
        desk: &mut Desk<'_, impl Output>,
    ) {
        let earlier = desk.rules.policy.bots.earlier;
        let (visitor, session) = (visit.visitor, visit.session_number());
        let taught = |fact: &Fact| match fact {
            Fact::Exposure(exposure) => earlier || exposure.session == session,
            Fact::Outcome(outcome) => earlier || outcome.session == session,
            Fact::Spend { .. } | Fact::Visitor { .. } => false,
        };
        let bin = self.bin(visitor, at, desk.out);
        bin.take_back(at, visitor, taught, desk.out);
        let indexed = (!earlier).then_some(session);
        self.unindex(at, visitor, indexed, desk);
        desk.settle(visit, at, Visit::unearn);
        if earlier {
            // What is left of the account is that of earlier sessions.
            let sessions = visit.account().sessions;
            desk.tally.bots.earlier += u64::try_from(sessions).unwrap_or(0);
            desk.settle_past(visit, at, |account| *account = Account::default());
            if visit.mark(Mark::Compared, false) {
                desk.compare(at, visitor, (visit.holdout(), visit.held()), -1);
            }
            visit.mark(Mark::Bot, true);
        }
        visit.rule_out(rule);
        visit.mute();
    }

    /// States what a visit was shown and promised while it was judged.
    pub fn told(
        &mut self,
        at: ArrivalMs,
        visit: &mut Visit,
        said: &mut Said,
        desk: &mut Desk<'_, impl Output>,
    ) {
        desk.spend(at, visit.visitor, &said.spends);
        said.spends.clear();
        if let Some(mut rise) = said.risen.take().filter(|_| !visit.is(Mark::Muted)) {
            rise.number = self.of(visit.visitor).next_number();
            self.state(at, visit.visitor, Fact::Outcome(rise), Id::NONE, desk);
        }
        for exposure in said.exposures.drain(..) {
            if visit.is(Mark::Muted) {
                continue;
            }
            if desk.rules.policy.learning.seen && visit.seen_seq() != Some(exposure.seq) {
                desk.tally.limits.exposures += u64::from(visit.await_impression(exposure));
            } else {
                self.expose(at, visit, exposure, desk);
            }
        }
    }

    fn expose(
        &mut self,
        at: ArrivalMs,
        visit: &mut Visit,
        exposure: Exposure,
        desk: &mut Desk<'_, impl Output>,
    ) {
        if !visit.mark(Mark::Compared, true) {
            let group = (visit.holdout(), visit.held());
            desk.compare(at, visit.visitor, group, 1);
        }
        let fact = Fact::Exposure(Exposure {
            at_ms: at.0,
            ..exposure
        });
        self.state(at, visit.visitor, fact, Id::NONE, desk);
    }

    /// A decision was seen: what it exposed counts from now on.
    fn seen(&mut self, event: &Event, visit: &mut Visit, desk: &mut Desk<'_, impl Output>) {
        if !desk.rules.policy.learning.seen || event.item.is_none() {
            return;
        }
        let Some(seq) = visit.awaited(event.item) else {
            desk.tally.impressions_unmatched += 1;
            return;
        };
        for exposure in visit.take_awaited(seq) {
            self.expose(event.arrival, visit, exposure, desk);
        }
    }

    /// A session has ended: it enters the index, and what it was promised without ordering is not
    /// spent.
    pub fn end(&mut self, at: ArrivalMs, visit: &mut Visit, desk: &mut Desk<'_, impl Output>) {
        if !visit.is(Mark::Muted) && desk.rules.index().is_some_and(|index| !index.growing) {
            self.index(at, visit, desk);
        }
        self.take_promise(at, visit, desk);
        desk.spend(at, visit.visitor, &visit.break_promises());
        if let Some((rule, _)) = visit.ruled_out() {
            desk.tally.bots.count(rule, visit.session.events);
        }
    }
}

/// Whether a visit's session is a bot's, and why.
fn verdict(visit: &Visit, rules: &Rules) -> Option<Verdict> {
    rules.policy.bots.verdict(&visit.session, &visit.pace)
}
