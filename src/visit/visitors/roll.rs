//! Who is live: visitors come in, are found, leave and are remembered.
//!
//! Invariant: a visitor has one live session at most, in the bin of its hash, and a bin no more of them
//! than the policy allows. Cost: a probe of the bin's map, and a walk over a bin where it is full.

use super::Visitors;
use crate::event::{ArrivalMs, Event, Texts, VisitorId, bin_of};
use crate::visit::live::{Due, Visit};
use crate::visit::lookup::Lookup;
use crate::visit::output::{Ending, Output};
use crate::visit::wheel::Wheel;

/// Sessions by whose size that of all is told, at least.
const MEASURED_MIN: u64 = 4096;

impl Visitors {
    /// A visitor without a live session: finds room and what is remembered.
    pub(super) fn enter(
        &mut self,
        bin: usize,
        event: &Event,
        texts: Texts<'_>,
        out: &mut impl Output,
    ) -> u32 {
        let limits = self.rules.policy.limits;
        if self.bins[bin].live.len() >= limits.live_sessions_per_bin {
            self.make_room(bin, event.arrival, out);
        }
        let history =
            self.bins[bin]
                .memory
                .recall(event.visitor, event.arrival, limits.history_keep_ms);
        self.tally.visitors += u64::from(history.is_none());
        let key = self.visits.take_key();
        self.visits.get_mut(key).set_timer(Due::NEVER);
        self.begin(key, event, texts, history.unwrap_or_default());
        self.list(bin, key);
        if self.live > self.tally.live_sessions_peak {
            self.tally.live_sessions_peak = self.live;
            // Measured at every eighth more: the walk over some thousands pays for itself.
            if self.live * 8 >= self.tally.state_sessions * 9 {
                self.tally.state_sessions = self.live;
                // What waits to be judged may take room.
                self.settle(out);
                self.tally.state_bytes = self.bytes();
            }
        }
        key
    }

    /// Ends a live session whose visitor has no other, and remembers the visitor.
    pub(super) fn leave(&mut self, key: u32, at: ArrivalMs, ending: Ending, out: &mut impl Output) {
        let history = self.end(key, at, ending, out);
        let limits = self.rules.policy.limits;
        let visitor = self.visits.get(key).visitor;
        self.strike(bin_of(visitor), key);
        let bin = &mut self.bins[bin_of(visitor)];
        self.tally.limits.histories += bin.memory.keep(
            visitor,
            at,
            history,
            limits.history_keep_ms,
            limits.histories_per_bin,
        );
        self.visits.get_mut(key).set_timer(Due::NEVER);
        self.visits.give_back(key);
    }

    /// Ends the sessions of a full bin that have been silent longest: a sixteenth of them, so that
    /// the search pays for itself.
    fn make_room(&mut self, bin: usize, at: ArrivalMs, out: &mut impl Output) {
        let mut sessions: Vec<(ArrivalMs, VisitorId, u32)> = self.bins[bin]
            .live
            .keys()
            .map(|key| {
                let visit = self.visits.get(key);
                (visit.last_arrival(), visit.visitor, key)
            })
            .collect();
        sessions.sort_unstable();
        let many = (sessions.len() / 16).max(1);
        for &(_, _, key) in &sessions[..many] {
            self.leave(key, at, Ending::Crowded, out);
            self.tally.limits.live_sessions += 1;
        }
    }

    /// The key of a visitor's live session.
    #[inline]
    pub(super) fn find(&self, bin: usize, visitor: VisitorId) -> Option<u32> {
        let visits = &self.visits;
        let live = &self.bins[bin].live;
        live.find(visitor, |key| visits.get(key).visitor == visitor)
    }

    /// Makes a session findable that has begun.
    pub(super) fn list(&mut self, bin: usize, key: u32) {
        let visitor = self.visits.get(key).visitor;
        self.bins[bin].live.insert(visitor, key);
        self.live += 1;
    }

    /// Makes it findable no more.
    pub(super) fn strike(&mut self, bin: usize, key: u32) {
        let visitor = self.visits.get(key).visitor;
        self.bins[bin].live.remove(visitor, key);
        self.live -= 1;
    }

    /// Sessions live now.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Bytes of state that the live sessions hold now, without spare room. Where there are many, a few bins
    /// stand for all: visitors are in them by their hash.
    pub(super) fn bytes(&self) -> u64 {
        let each = size_of::<Visit>() + Lookup::ENTRY_BYTES;
        let (mut measured, mut heap) = (0, 0);
        for bin in &self.bins {
            if measured >= MEASURED_MIN {
                break;
            }
            measured += bin.live.len() as u64;
            let held = bin.live.keys().map(|key| self.visits.get(key).bytes());
            heap += held.sum::<usize>() as u64;
        }
        let heap = heap * self.live / measured.max(1);
        self.live * each as u64 + heap + (self.wheel.len() * Wheel::TIMER_BYTES) as u64
    }
}
