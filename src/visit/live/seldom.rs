//! What most visits have nothing of: a name in the log, a list of products, orders, a verdict.
//!
//! It lies behind one pointer and is made when there is something to keep. What slots keep that are drawn by
//! learned weights lies in `aside`.

use super::awaited::Awaited;
use super::{Mark, Visit};
use crate::event::{Event, Id};
use crate::visit::bots::Rule;
use crate::visit::history::History;
use crate::visit::learn::moments::Account;
use crate::visit::policy::Policy;
use crate::visit::products::browsed::Browsed;
use crate::visit::session::Session;
use serde::{Deserialize, Serialize};

/// What is seldom there.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    /// What the log calls the session, where sessions are the log's.
    pub(super) log_session: Option<LogSession>,
    /// The products shown, where any are.
    pub(super) products: Option<Box<Shown>>,
    /// What the session has added to its visitor's account besides itself.
    pub(super) sales: Option<Box<Account>>,
    /// Its orders that stand.
    pub(super) orders: u32,
    /// The rule by which the session was taken for a bot's, and the number of the event at which.
    pub(super) ruled_out: Option<(Rule, u32)>,
    /// Promises, capped arms, and exposures that wait to be seen.
    pub(super) awaited: Option<Box<Awaited>>,
}

/// A session's name in the log.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct LogSession {
    pub(super) id: Id,
    /// Empty if its first event had none.
    pub(super) text: Box<[u8]>,
}

/// The products that a visit is shown, and what they are chosen by.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) browsed: Browsed,
    /// By number, first to last.
    pub(super) list: Vec<u32>,
    /// Whether something that matters has happened since it was made.
    pub(super) stale: bool,
    /// The shelf's version by which it was made.
    pub(super) version: u64,
}

impl Visit {
    pub(super) fn seldom_mut(&mut self) -> &mut Seldom {
        self.seldom.get_or_insert_default()
    }

    /// The log's own id of the session; none where sessions are not the log's.
    pub fn log_session(&self) -> Id {
        let known = self.seldom.as_ref().and_then(|it| it.log_session.as_ref());
        known.map_or(Id::NONE, |known| known.id)
    }

    /// Its text, if it has one.
    pub(super) fn log_text(&self) -> Option<&[u8]> {
        let text = &self.seldom.as_ref()?.log_session.as_ref()?.text;
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn shown(&self) -> Option<&Shown> {
        self.seldom.as_ref()?.products.as_deref()
    }

    /// The items that the visit has touched, latest last, where products are shown.
    pub fn trail(&self) -> &[Id] {
        self.shown().map_or(&[], |shown| shown.browsed.trail())
    }

    /// The products shown after the last judgement, by number.
    pub fn list(&self) -> &[u32] {
        self.shown().map_or(&[], |shown| &shown.list)
    }

    /// Its orders that stand.
    pub fn orders(&self) -> u32 {
        self.seldom.as_ref().map_or(0, |it| it.orders)
    }

    /// Another number of orders stands.
    pub fn set_orders(&mut self, orders: u32) {
        self.seldom_mut().orders = orders;
    }

    /// The rule by which the session was taken for a bot's, and the number of the event at which.
    pub fn ruled_out(&self) -> Option<(Rule, u32)> {
        self.seldom.as_ref()?.ruled_out
    }

    /// The session is taken for a bot's, at its latest event.
    pub fn rule_out(&mut self, rule: Rule) {
        self.seldom_mut().ruled_out = Some((rule, self.session.events));
    }

    /// What the visitor came to, this session included.
    pub fn account(&self) -> Account {
        let mut account = self.session.history().account;
        account.add(&self.earned());
        account
    }

    /// What the session has added to its visitor's account.
    fn earned(&self) -> Account {
        let sales = self.seldom.as_ref().and_then(|it| it.sales.as_deref());
        let mut earned = sales.copied().unwrap_or_default();
        earned.sessions += i64::from(self.is(Mark::Counted));
        earned
    }

    /// Adds to what the session has added.
    pub fn earn(&mut self, more: &Account) {
        let sales = &mut self.seldom_mut().sales;
        sales.get_or_insert_default().add(more);
    }

    /// Takes back all that the session has added.
    pub fn unearn(&mut self) {
        self.mark(Mark::Counted, false);
        if let Some(seldom) = &mut self.seldom {
            seldom.sales = None;
        }
    }

    /// From now on the session teaches nothing.
    pub fn mute(&mut self) {
        self.mark(Mark::Muted, true);
        self.mark(Mark::Promised, false);
        self.unearn();
        if let Some(seldom) = &mut self.seldom {
            seldom.orders = 0;
        }
        self.await_nothing();
    }
}

impl Seldom {
    /// What is there from a session's first event on, if anything is.
    pub(super) fn at_start(
        event: &Event,
        log_session: &[u8],
        history: &History,
        policy: &Policy,
    ) -> Option<Box<Seldom>> {
        let (by_log, shows) = (policy.session.from_log, policy.products().is_some());
        let seldom = || Seldom {
            log_session: by_log.then(|| LogSession {
                id: event.session,
                text: log_session.into(),
            }),
            products: shows.then(Box::default),
            ruled_out: history.bot.then_some((Rule::Known, 0)),
            ..Seldom::default()
        };
        (by_log || shows || history.bot).then(|| Box::new(seldom()))
    }

    /// Takes an event, before the session has folded it.
    #[inline]
    pub(super) fn observe(&mut self, event: &Event, session: &Session) {
        if let Some(shown) = &mut self.products {
            shown.stale |= shown.browsed.observe(event, session);
        }
        if let Some(known) = &mut self.log_session
            && known.id.is_none()
        {
            known.id = event.session;
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let text = self.log_session.as_ref().map_or(0, |it| it.text.len());
        let sales = self.sales.as_ref().map_or(0, |_| size_of::<Account>());
        let products = self.products.as_ref().map_or(0, |shown| {
            size_of::<Shown>() + shown.browsed.bytes() + shown.list.capacity() * size_of::<u32>()
        });
        let awaited = self.awaited.as_ref().map_or(0, |it| it.bytes());
        size_of::<Seldom>() + text + sales + products + awaited
    }
}
