//! The sessions of one bin's visitors that stand in the index: what a retraction takes out of it.
//!
//! A session enters when it closes, or with every item as it grows, and leaves a window after it first
//! entered; earlier when its visitor is erased or ruled a bot, or when there is no room. Whatever the
//! cause, what is taken out is what was put in. Wherever pairs, trends and postings are kept, they
//! follow the [`Shift`]s that are said here, and need not remember sessions themselves.
//!
//! Cost: O(1) a session; 8 bytes an item and some 100 a session.

use super::super::dated::Dated;
use super::super::output::Output;
use super::SessionKey;
use super::shift::Shift;
use crate::event::{ArrivalMs, Id, VisitorId, mix};
use serde::{Deserialize, Serialize};

/// A session as it stands in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seen {
    /// Its name.
    pub session: SessionKey,
    /// Arrival of its last event, in ms.
    pub at_ms: u64,
    /// Its items in order, none twice in a row.
    pub items: Box<[Id]>,
}

impl SessionKey {
    /// The name of a visitor's session by its number.
    pub fn of(visitor: VisitorId, number: u64) -> SessionKey {
        SessionKey(mix(visitor.0 ^ mix(number)))
    }
}

/// The sessions of one bin.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Window {
    sessions: Dated<Option<Seen>>,
}

/// How a session entered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entered {
    /// Whether it did not stand there before.
    pub is_new: bool,
    /// Sessions that had to leave early for it.
    pub early: u64,
}

impl Window {
    /// Puts a session in, or in place of what it was before; it leaves at `until_ms`, or when it
    /// would have left before. Beyond `limit` sessions the one that would leave first is taken out
    /// early.
    pub fn enter(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        seen: Seen,
        (until_ms, limit): (u64, usize),
        out: &mut impl Output,
    ) -> Entered {
        if let Some(place) = self.find(visitor, seen.session) {
            let stands = self.sessions.get_mut(place);
            if let Some(before) = stands {
                let was = (before.at_ms, &*before.items);
                let is = (seen.at_ms, &*seen.items);
                out.indexed(at, Shift::between(seen.session, was, is));
            }
            *stands = Some(seen);
            return Entered::default();
        }
        out.indexed(at, Shift::enters(&seen));
        self.sessions.put(visitor, Some(seen), until_ms);
        let mut early = 0;
        while self.sessions.len() > limit {
            early += u64::from(self.leave(at, out));
        }
        Entered {
            is_new: true,
            early,
        }
    }

    fn find(&self, visitor: VisitorId, session: SessionKey) -> Option<u32> {
        self.sessions.places(visitor).find(|&place| {
            let seen = self.sessions.get(place).as_ref();
            seen.is_some_and(|seen| seen.session == session)
        })
    }

    /// Takes out what has left by `now`, each at its time.
    pub fn expire(&mut self, now: ArrivalMs, out: &mut impl Output) {
        while let Some(until_ms) = self.next_expiry().filter(|until_ms| *until_ms <= now.0) {
            self.leave(ArrivalMs(until_ms), out);
        }
    }

    /// The sessions that stand.
    pub fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.sessions.iter().filter_map(|(_, seen)| seen.as_ref())
    }

    /// When the next session leaves.
    pub fn next_expiry(&self) -> Option<u64> {
        self.sessions.next_expiry()
    }

    /// Removes the first of the queue; whether it still stood.
    fn leave(&mut self, at: ArrivalMs, out: &mut impl Output) -> bool {
        let Some((_, Some(seen))) = self.sessions.pop() else {
            return false;
        };
        out.indexed(at, Shift::leaves(&seen));
        true
    }

    /// Takes out all sessions of a visitor, or one of them; how many there were.
    pub fn take_back(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        session: Option<SessionKey>,
        out: &mut impl Output,
    ) -> u64 {
        let places: Vec<u32> = self.sessions.places(visitor).collect();
        let meant = |seen: &mut Seen| session.is_none_or(|session| seen.session == session);
        let mut count = 0;
        for place in places {
            if let Some(seen) = self.sessions.get_mut(place).take_if(meant) {
                out.indexed(at, Shift::leaves(&seen));
                count += 1;
            }
        }
        count
    }
}
