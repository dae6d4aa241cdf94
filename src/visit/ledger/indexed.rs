//! The sessions of a worker's visitors in the index that products are recommended from: they enter, leave,
//! and are taken back.
//!
//! Invariant: what is taken out is what was put in ([`Window`]); whatever enters or leaves is said to the
//! [`Output`], and counted. Cost: O(1) a session.

use super::{Desk, Ledger};
use crate::event::{ArrivalMs, VisitorId, bin_of};
use crate::visit::live::Visit;
use crate::visit::output::Output;
use crate::visit::rank::SessionKey;
use crate::visit::rank::shift::Shift;
use crate::visit::rank::window::{Seen, Window};

impl Ledger {
    /// The sessions of a bin that stand in the index.
    pub fn window(&self, bin: usize) -> &Window {
        &self.bins[bin].sessions
    }

    /// Takes up a bin's sessions in the index, and states them again.
    pub fn take_up_window(
        &mut self,
        bin: usize,
        window: Window,
        at: ArrivalMs,
        out: &mut impl Output,
    ) {
        for seen in window.iter() {
            out.indexed(at, Shift::enters(seen));
        }
        self.bins[bin].sessions = window;
        self.took_up(bin);
    }

    /// Takes a visitor's sessions out of the index, or the one of a number.
    pub(super) fn unindex(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        session: Option<u64>,
        desk: &mut Desk<'_, impl Output>,
    ) {
        let session = session.map(|number| SessionKey::of(visitor, number));
        let sessions = &mut self.bins[bin_of(visitor)].sessions;
        desk.tally.products.retracted += sessions.take_back(at, visitor, session, desk.out);
    }

    /// Sessions that stand in the index.
    pub fn standing(&self) -> u64 {
        let bins = self.bins.iter();
        bins.map(|bin| bin.sessions.iter().count() as u64).sum()
    }

    /// Puts a session into the index that products are recommended from, as it is now.
    pub(super) fn index(&mut self, at: ArrivalMs, visit: &Visit, desk: &mut Desk<'_, impl Output>) {
        let Some(index) = desk.rules.index().filter(|_| !visit.trail().is_empty()) else {
            return;
        };
        let seen = Seen {
            session: SessionKey::of(visit.visitor, visit.session_number()),
            at_ms: visit.last_arrival().0,
            items: visit.trail().into(),
        };
        let until = (at.0.saturating_add(index.window_ms), index.sessions_per_bin);
        self.expiry_ms = self.expiry_ms.min(until.0);
        let sessions = &mut self.bins[bin_of(visit.visitor)].sessions;
        let now = at.min(self.log_end);
        sessions.expire(now, desk.out);
        let entered = sessions.enter(at, visit.visitor, seen, until, desk.out);
        desk.tally.products.entered += u64::from(entered.is_new);
        desk.tally.limits.indexed += entered.early;
    }
}
