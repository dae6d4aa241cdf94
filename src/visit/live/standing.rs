//! How a visit stands: what others may ask of it.

use super::{LogSession, Shown, Visit};
use crate::event::{Id, Kind};
use crate::visit::choose::Why;
use crate::visit::decision::PerSlot;
use crate::visit::history::History;
use crate::visit::learn::moments::Account;
use crate::visit::phase::Phase;
use std::borrow::Cow;

impl Visit {
    /// The session's name: the log's own id, or [`Visit::session_number`] in decimal.
    pub fn session_text(&self) -> Cow<'_, [u8]> {
        match self.log_text() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.session_number.to_string().into_bytes()),
        }
    }

    pub(super) fn log_text(&self) -> Option<&[u8]> {
        let text = &self.log_session.as_ref()?.text;
        (!text.is_empty()).then_some(text)
    }

    /// The log's own id of the session; none where sessions are not the log's.
    pub fn log_session(&self) -> Id {
        let known = self.log_session.as_ref();
        known.map_or(Id::NONE, |known| known.id)
    }

    /// What the visitor came to, this session included.
    pub fn account(&self) -> Account {
        let mut account = self.session.history().account;
        account.add(&self.earned());
        account
    }

    /// What the session has added to its visitor's account.
    fn earned(&self) -> Account {
        let mut earned = self.sales.as_deref().copied().unwrap_or_default();
        earned.sessions += i64::from(self.counted);
        earned
    }

    /// Adds to what the session has added.
    pub fn earn(&mut self, more: &Account) {
        self.sales.get_or_insert_default().add(more);
    }

    /// Takes back all that the session has added.
    pub fn unearn(&mut self) {
        (self.counted, self.sales) = (false, None);
    }

    /// The bar of the highest `p_purchase` before the first purchase in a histogram of scores.
    pub fn peak_bar(&self) -> Option<usize> {
        usize::from(self.peak).checked_sub(1)
    }

    /// What is remembered of the visitor's earlier sessions, as it is by now.
    pub fn past(&self) -> History {
        History {
            account: self.account(),
            compared: self.compared,
            bot: self.bot,
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
            last_session: self.session_number,
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
        self.holdout
    }

    /// Bit per slot whose default the visitor keeps for comparison.
    pub fn held(&self) -> u8 {
        self.held
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        self.visitor_text.len()
            + self
                .log_session
                .as_ref()
                .map_or(0, |known| size_of::<LogSession>() + known.text.len())
            + self.session.bytes()
            + self.sales.as_ref().map_or(0, |_| size_of::<Account>())
            + self.aside.as_ref().map_or(0, |aside| aside.bytes())
            + self.products.as_ref().map_or(0, |shown| {
                size_of::<Shown>()
                    + shown.browsed.bytes()
                    + shown.list.capacity() * size_of::<u32>()
            })
    }
}
