//! What falls due: timers, and what changes at a time of its own.
//!
//! A timer is set at a visit's next deadline or earlier and never moved: one that calls too early sets
//! another, one whose session has ended finds nobody. Timers of one deadline fire in the order of their
//! visitors, so the order in which they were set cannot be seen.
//!
//! Cost: an entry in the wheel a deadline; most events set none.

use super::Visitors;
use crate::event::ArrivalMs;
use crate::visit::live::Due;
use crate::visit::output::{Cause, Ending, Output};
use crate::visit::wheel::Timer;

/// Timers that nobody waits for, kept whatever the number of live sessions.
const STALE_TIMERS_MAX: usize = 4096;

impl Visitors {
    /// Nothing happens before this time, in ms, unless an event comes: no timer fires, no fact
    /// stops to count.
    pub fn quiet_until(&self) -> u64 {
        let restock = self.restock_ms().unwrap_or(u64::MAX);
        let expiry = self.ledger.next_expiry().unwrap_or(u64::MAX);
        let turn = self.turn_ms().unwrap_or(u64::MAX);
        self.wheel.quiet_until().min(expiry).min(restock).min(turn)
    }

    /// Fires the timers whose deadline lies before `to`, and does what is due before `turns_ms`.
    pub(super) fn run_to(&mut self, to: ArrivalMs, turns_ms: u64, out: &mut impl Output) {
        loop {
            let turn = self.turn_ms().unwrap_or(u64::MAX);
            let at = turn.min(self.restock_ms().unwrap_or(u64::MAX));
            if at >= turns_ms {
                break;
            }
            self.fire_until(ArrivalMs(at), out);
            if turn == at {
                self.turn_rules(out);
            } else {
                self.restock(ArrivalMs(at), out);
            }
        }
        self.fire_until(to, out);
    }

    pub(super) fn fire_until(&mut self, to: ArrivalMs, out: &mut impl Output) {
        let mut due = std::mem::take(&mut self.due);
        while self.wheel.next_due(to.0, &mut due) {
            let visits = &self.visits;
            due.sort_unstable_by_key(|timer| visits.get(timer.key).visitor);
            if let Some(timer) = due.first() {
                self.turn_tables(ArrivalMs(timer.deadline), out);
            }
            for timer in &due {
                self.fire(*timer, out);
            }
        }
        self.due = due;
    }

    /// Makes sure that the wheel calls at the visit's next deadline or earlier.
    pub(super) fn set_timer(&mut self, key: u32) {
        let idle_ms = self.rules.policy.session.idle_ms;
        let visit = self.visits.get_mut(key);
        let idle_at = ArrivalMs(visit.last_arrival().0 + idle_ms);
        let deadline = visit
            .stalls_at()
            .get()
            .map_or(idle_at, |stalls_at| stalls_at.min(idle_at));
        if Due::at(deadline) < visit.timer() {
            visit.set_timer(Due::at(deadline));
            self.wheel.set(Timer {
                deadline: deadline.0,
                key,
            });
            // Sessions ended early leave their timers behind: state stays bounded by what lives.
            if self.wheel.len() > 4 * self.live as usize + STALE_TIMERS_MAX {
                let visits = &self.visits;
                self.wheel.retain(|timer| {
                    visits.get(timer.key).timer() == Due::at(ArrivalMs(timer.deadline))
                });
            }
        }
    }

    fn fire(&mut self, timer: Timer, out: &mut impl Output) {
        let idle_ms = self.rules.policy.session.idle_ms;
        let at = ArrivalMs(timer.deadline);
        let visit = self.visits.get_mut(timer.key);
        if visit.timer() != Due::at(at) {
            return;
        }
        visit.set_timer(Due::NEVER);
        if visit.stalls_at() == Due::at(at) {
            self.stall(timer.key, at, out);
        } else if visit.last_arrival().0 + idle_ms == at.0 {
            self.leave(timer.key, at, Ending::Idle, out);
            return;
        }
        self.set_timer(timer.key);
    }

    fn stall(&mut self, key: u32, at: ArrivalMs, out: &mut impl Output) {
        let before = self.before(key, out);
        let visit = self.visits.get_mut(key);
        let judgement = visit.stall(at, &self.rules, &mut self.features);
        self.judge(key, judgement, out);
        if let Some(before) = before {
            self.tell(key, at, Cause::Hesitation, &before, out);
        }
    }
}
