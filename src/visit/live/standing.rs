//! How a visit stands: what others may ask of it.

use super::{Mark, Visit};
use crate::event::Kind;
use crate::visit::choose::Why;
use crate::visit::decision::PerSlot;
use crate::visit::history::History;
use crate::visit::phase::Phase;
use std::borrow::Cow;

impl Visit {
    /// The session's name: the log's own id, or [`Visit::session_number`] in decimal.
    pub fn session_text(&self) -> Cow<'_, [u8]> {
        match self.log_text() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.session_number().to_string().into_bytes()),
        }
    }

    /// The bar of the highest `p_purchase` before the first purchase in a histogram of scores.
    pub fn peak_bar(&self) -> Option<usize> {
        usize::from(self.peak).checked_sub(1)
    }

    /// What is remembered of the visitor's earlier sessions, as it is by now.
    pub fn past(&self) -> History {
        History {
            account: self.account(),
            compared: self.is(Mark::Compared),
            bot: self.is(Mark::Bot),
            ..*self.session.history()
        }
    }

    /// What is kept of the visitor when the session ends.
    pub fn history(&self) -> History {
        let before = self.past();
        History {
            sessions: before.sessions.saturating_add(1),
            purchases: before
                .purchases
                .saturating_add(self.session.count(Kind::Purchase)),
            abandoned_carts: before
                .abandoned_carts
                .saturating_add(u32::from(self.session.abandons_cart())),
            last: self.session.last,
            last_session: self.session_number(),
            next_seq: self.next_seq,
            ..before
        }
    }

    /// The phase after the last judgement.
    pub fn phase(&self) -> Phase {
        self.phase.phase()
    }

    /// The layout after the last judgement.
    pub fn layout(&self) -> &PerSlot<u8> {
        &self.layout
    }

    /// Why each slot shows what it shows.
    pub fn why(&self) -> &PerSlot<Why> {
        &self.why
    }

    /// Whether the visitor keeps the default layout.
    pub fn holdout(&self) -> bool {
        self.is(Mark::Holdout)
    }

    /// Bit per slot whose default the visitor keeps for comparison.
    pub fn held(&self) -> u8 {
        self.held
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        self.visitor_text.len()
            + self.times.bytes()
            + self.session.bytes()
            + self.aside.as_ref().map_or(0, |aside| size_of_val(&**aside))
            + self.seldom.as_ref().map_or(0, |seldom| seldom.bytes())
    }
}
