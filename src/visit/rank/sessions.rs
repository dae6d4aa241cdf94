//! The sessions that stand in an index: by key, by time, each with its items' numbers.
//!
//! They stand in a slab under a dense number, which postings refer to. Invariant: the map, the
//! order by time and the slab name the same sessions; every item of a session is held once in the
//! numbering. Cost: some 100 bytes a session and four an item; an insert or a removal is a probe of
//! the map and one of a tree.

use super::super::keys::KeyMap;
use super::super::slab::Slab;
use super::numbering::Numbering;
use super::{SESSION_ITEMS_MAX, SessionKey};
use crate::event::Id;
use std::collections::BTreeSet;

/// A session that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its last event, in ms.
    pub at_ms: u64,
    /// Its name.
    pub key: SessionKey,
    /// The numbers of its items.
    pub items: Box<[u32]>,
}

impl Default for Session {
    fn default() -> Session {
        Session {
            at_ms: 0,
            key: SessionKey(0),
            items: Box::default(),
        }
    }
}

impl Session {
    /// What sessions are ordered by: none is as recent as another.
    #[inline]
    pub fn recency(&self) -> (u64, SessionKey) {
        (self.at_ms, self.key)
    }
}

/// The sessions, and the numbers of their items.
#[derive(Debug, Default)]
pub struct Sessions {
    /// The items of all sessions.
    pub items: Numbering,
    slots: KeyMap<u32>,
    by_time: BTreeSet<(u64, SessionKey)>,
    slab: Slab<Session>,
    room: Vec<u32>,
}

impl Sessions {
    /// Holds a session's items and gives their numbers.
    fn numbered(&mut self, items: &[Id], distinct: bool) -> Box<[u32]> {
        let from = items.len().saturating_sub(SESSION_ITEMS_MAX);
        self.room.clear();
        for &item in items[from..].iter().filter(|item| !item.is_none()) {
            let number = self.items.hold(item);
            if distinct && self.room.contains(&number) {
                self.items.release(number);
            } else {
                self.room.push(number);
            }
        }
        self.room.as_slice().into()
    }

    /// Puts in a session that is not there, with its items once each, or as often as they came.
    /// Returns its slot, or nothing for a session without items.
    pub fn put(
        &mut self,
        key: SessionKey,
        at_ms: u64,
        items: &[Id],
        distinct: bool,
    ) -> Option<u32> {
        let items = self.numbered(items, distinct);
        if items.is_empty() {
            return None;
        }
        let slot = self.slab.take_key();
        *self.slab.get_mut(slot) = Session { at_ms, key, items };
        let there = self.slots.insert(key.0, slot);
        assert_eq!(there, None, "session {key:?} was put in twice");
        self.by_time.insert((at_ms, key));
        Some(slot)
    }

    /// The slot of a session.
    #[inline]
    pub fn find(&self, key: SessionKey) -> Option<u32> {
        self.slots.get(&key.0).copied()
    }

    /// Takes the session of a slot out. Its items stay held: whoever has taken their numbers out
    /// of everything else gives them back with [`Numbering::release`].
    pub fn take(&mut self, slot: u32) -> Session {
        let session = std::mem::take(self.slab.get_mut(slot));
        self.slots.remove(&session.key.0);
        self.by_time.remove(&session.recency());
        self.slab.give_back(slot);
        session
    }

    /// The session of a slot.
    #[inline]
    pub fn get(&self, slot: u32) -> &Session {
        self.slab.get(slot)
    }

    /// The oldest session, if its last event is earlier than this.
    pub fn oldest_before(&self, before_ms: u64) -> Option<SessionKey> {
        let &(at_ms, key) = self.by_time.first()?;
        (at_ms < before_ms).then_some(key)
    }

    /// Sessions that stand.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
