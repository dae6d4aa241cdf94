//! The times of a visit, each kept as its distance from a time shortly before the session began.
//!
//! So they take 32 bits each ([`Narrow`]), as long as all lie within five weeks of the session's beginning
//! or twelve days before it; a session of which that is not true keeps them in 64. A time of 0 is none.

use super::{Due, Visit};
use crate::event::ArrivalMs;
use crate::event::EventMs;
use crate::visit::bots::Since;

/// A time of a visit, by its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    /// The session's number, which is a time or shortly after one.
    Number,
    /// Arrival of the last event.
    Arrival,
    /// When the visit counts as stalled.
    Stalls,
    /// The deadline that the wheel holds.
    Timer,
    /// When the page changed last.
    Changed,
    /// Since when the item is in view.
    View,
    /// When the latest action was.
    Action,
}

pub(super) const TIMES: usize = Time::Action as usize + 1;

/// So much earlier than the session a time may be: what is told late, and clocks that differ.
const BEFORE_MS: u64 = 1 << 30;

/// From a time to its distance from `origin`, and back again by the negative. None stays none: the distance
/// that none would have stands for the origin itself.
#[inline]
fn shift(number: u64, origin: u64) -> u64 {
    match number {
        0 => 0,
        number if number == origin => origin.wrapping_neg(),
        number => number.wrapping_sub(origin),
    }
}

impl Visit {
    #[inline]
    fn origin(&self) -> u64 {
        self.session.start.0.saturating_sub(BEFORE_MS)
    }

    #[inline]
    pub(super) fn time(&self, time: Time) -> u64 {
        let distance = self.times.get(time as usize);
        shift(distance, self.origin().wrapping_neg())
    }

    /// Sets a time, once the session has begun.
    #[inline]
    pub(super) fn put_time(&mut self, time: Time, ms: u64) {
        let distance = shift(ms, self.origin());
        self.times.put(time as usize, distance);
    }

    #[inline]
    fn due(&self, time: Time) -> Due {
        match self.time(time) {
            0 => Due::NEVER,
            ms => Due(ms),
        }
    }

    #[inline]
    fn put_due(&mut self, time: Time, due: Due) {
        self.put_time(time, due.get().map_or(0, |at| at.0));
    }

    /// Event time of the session's first event in ms, or one more than the visitor's last number,
    /// whichever is greater; so that no two sessions of a visitor share one.
    #[inline]
    pub fn session_number(&self) -> u64 {
        self.time(Time::Number)
    }

    /// Arrival of the last event.
    #[inline]
    pub fn last_arrival(&self) -> ArrivalMs {
        ArrivalMs(self.time(Time::Arrival))
    }

    /// When the visit counts as stalled; never while the timer is off.
    #[inline]
    pub fn stalls_at(&self) -> Due {
        self.due(Time::Stalls)
    }

    #[inline]
    pub(super) fn stalls(&mut self, due: Due) {
        self.put_due(Time::Stalls, due);
    }

    /// The deadline that the wheel holds for this visit.
    #[inline]
    pub fn timer(&self) -> Due {
        self.due(Time::Timer)
    }

    /// Sets that deadline.
    #[inline]
    pub fn set_timer(&mut self, due: Due) {
        self.put_due(Time::Timer, due);
    }

    /// When the page changed last.
    #[inline]
    pub(super) fn changed_at(&self) -> ArrivalMs {
        ArrivalMs(self.time(Time::Changed))
    }

    #[inline]
    pub(super) fn since(&self) -> Since {
        Since {
            view: EventMs(self.time(Time::View)),
            action: EventMs(self.time(Time::Action)),
        }
    }

    #[inline]
    pub(super) fn put_since(&mut self, since: Since) {
        self.put_time(Time::View, since.view.0);
        self.put_time(Time::Action, since.action.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::narrow::Narrow;

    #[test]
    fn every_time_comes_back() {
        let start = 1_767_571_200_000;
        let near = [0, start, start - BEFORE_MS + 1, start + 3_000_000_000];
        let far = [1, start - BEFORE_MS, start + 5_000_000_000, u64::MAX - 1];
        for session in [0, 1, start] {
            for ms in near.into_iter().chain(far) {
                let mut visit = Visit::default();
                visit.session.start = EventMs(session);
                visit.put_time(Time::Arrival, ms);
                assert_eq!(visit.time(Time::Arrival), ms, "in a session of {session}");
                let narrow = matches!(visit.times, Narrow::Words(_));
                assert!(session != start || narrow == near.contains(&ms), "{ms}");
            }
        }
        let mut visit = Visit::default();
        visit.set_timer(Due::NEVER);
        assert_eq!((visit.timer(), visit.stalls_at()), (Due::NEVER, Due::NEVER));
    }
}
