//! Sessions of a log as sequences of items, for rankers to learn from and to be judged by.
//!
//! What counts: `item_view`, `click` and `add_to_cart` on an item. A click or a cart addition on
//! the item that the sequence ends with anyway says nothing new and adds nothing; a second view
//! does. Sessions are the log's own, of one visitor, where events name one; else a visitor's events
//! with no gap longer than the idle time. Within a session events go by time, and by their place in
//! the log where times are equal; the log itself may be in any order. A session's time is that of
//! its last event, and sessions are given in that order.
//!
//! Whom an `erase` event names is noted, to be left out with everything before it and after
//! ([`Gatherer::forget`]).
//!
//! Cost: 48 bytes an event and a sort.

use crate::event::{EventRef, Id, Kind, VisitorId, mix};
use crate::visit::keys::{KeyMap, KeySet};
use crate::visit::rank::SessionKey;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Its name in an index.
    pub key: SessionKey,
    /// Its name in the log: the session's, or `VISITOR/N` with N from 1 where the log has none.
    pub name: String,
    /// Its last event, ms since 1970.
    pub at_ms: u64,
    /// Its items, in order.
    pub items: Vec<Id>,
}

/// An event that counts.
struct Row {
    visitor: VisitorId,
    session: Id,
    at_ms: u64,
    /// Its number in the log.
    place: u64,
    item: Id,
    kind: Kind,
}

/// Gathers events.
#[derive(Default)]
pub struct Gatherer {
    rows: Vec<Row>,
    /// Names of items, of sessions and visitors, by their ids.
    items: KeyMap<String>,
    names: KeyMap<String>,
    erased: KeySet,
}

impl Gatherer {
    /// Takes an event, if it counts.
    pub fn take(&mut self, event: EventRef<'_>) {
        let EventRef { event, texts } = event;
        if event.kind == Kind::Erase {
            self.erased.insert(event.visitor.0);
        }
        let counts = matches!(event.kind, Kind::ItemView | Kind::Click | Kind::AddToCart);
        if !counts || event.item.is_none() {
            return;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let items = &mut self.items;
        items
            .entry(event.item.0)
            .or_insert_with(|| text(texts.item));
        let (id, name) = match event.session {
            Id::NONE => (event.visitor.0, texts.visitor),
            Id(id) => (id, texts.session),
        };
        self.names.entry(id).or_insert_with(|| text(name));
        self.rows.push(Row {
            visitor: event.visitor,
            session: event.session,
            at_ms: event.time.0,
            place: self.rows.len() as u64,
            item: event.item,
            kind: event.kind,
        });
    }

    /// Visitors that an `erase` event named.
    pub fn erased(&self) -> &KeySet {
        &self.erased
    }

    /// Forgets visitors that another log erases; how many of them had events that count here.
    pub fn forget(&mut self, erased: &KeySet) -> u64 {
        let mut gone = KeySet::default();
        self.rows.retain(|row| {
            let erased = erased.contains(&row.visitor.0);
            if erased {
                gone.insert(row.visitor.0);
            }
            !erased
        });
        gone.len() as u64
    }

    /// The sessions by time, and the items' names.
    pub fn finish(mut self, idle_ms: u64) -> (Vec<Sequence>, KeyMap<String>) {
        let group = |row: &Row| (row.visitor, row.session);
        self.rows
            .sort_unstable_by_key(|row| (group(row), row.at_ms, row.place));
        let mut sequences: Vec<Sequence> = Vec::new();
        for rows in self.rows.chunk_by(|a, b| group(a) == group(b)) {
            let own = !rows[0].session.is_none();
            let parts = rows.chunk_by(|a, b| own || b.at_ms - a.at_ms <= idle_ms);
            for (number, rows) in (1u64..).zip(parts) {
                let last = &rows[rows.len() - 1];
                let id = if own { last.session.0 } else { last.visitor.0 };
                let name = self.names.get(&id).cloned().unwrap_or_default();
                sequences.push(Sequence {
                    key: SessionKey(key(last, number)),
                    name: if own {
                        name
                    } else {
                        format!("{name}/{number}")
                    },
                    at_ms: last.at_ms,
                    items: items(rows),
                });
            }
        }
        sequences.sort_unstable_by_key(|sequence| (sequence.at_ms, sequence.key));
        (sequences, self.items)
    }
}

/// A hash of whose session it is, and which.
fn key(row: &Row, number: u64) -> u64 {
    mix(mix(mix(row.visitor.0) ^ row.session.0).wrapping_add(number))
}

/// The items of a session's events.
fn items(rows: &[Row]) -> Vec<Id> {
    let mut items: Vec<Id> = Vec::with_capacity(rows.len());
    for row in rows {
        if row.kind == Kind::ItemView || items.last() != Some(&row.item) {
            items.push(row.item);
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::page_view;
    use crate::event::{ArrivalMs, Batch, Event, EventMs, Texts};

    fn gathered(rows: &[(&str, &str, u64, Kind, &str)]) -> Vec<(String, u64, Vec<Id>)> {
        let mut batch = Batch::default();
        for &(visitor, session, at_ms, kind, item) in rows {
            let event = Event {
                arrival: ArrivalMs(at_ms),
                time: EventMs(at_ms),
                visitor: VisitorId::of(visitor.as_bytes()),
                session: Id::of(session.as_bytes()),
                item: Id::of(item.as_bytes()),
                kind,
                ..page_view()
            };
            let texts = Texts {
                visitor: visitor.as_bytes(),
                session: session.as_bytes(),
                item: item.as_bytes(),
                ..Texts::default()
            };
            batch.push(event, texts);
        }
        let mut gatherer = Gatherer::default();
        batch.iter().for_each(|event| gatherer.take(event));
        let (sequences, _) = gatherer.finish(1_000);
        let plain = |one: Sequence| (one.name, one.at_ms, one.items);
        sequences.into_iter().map(plain).collect()
    }

    #[test]
    fn sessions_are_the_logs_own_or_end_with_a_silence() {
        let view = Kind::ItemView;
        let found = gathered(&[
            ("v", "", 5_001, view, "c"),
            ("v", "", 5_000, view, "b"),
            ("v", "", 4_000, view, "a"),
            ("v", "", 6_002, view, "d"),
            ("w", "s", 100, view, "a"),
            ("w", "s", 9_000, view, "b"),
            ("x", "s", 50, view, "c"),
        ]);
        let ids = |names: &[&str]| names.iter().map(|n| Id::of(n.as_bytes())).collect();
        let expected: Vec<(String, u64, Vec<Id>)> = vec![
            ("s".into(), 50, ids(&["c"])),
            ("v/1".into(), 5_001, ids(&["a", "b", "c"])),
            ("v/2".into(), 6_002, ids(&["d"])),
            ("s".into(), 9_000, ids(&["a", "b"])),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_cart_addition_of_the_item_in_view_adds_nothing() {
        let found = gathered(&[
            ("v", "s", 1, Kind::ItemView, "a"),
            ("v", "s", 2, Kind::AddToCart, "a"),
            ("v", "s", 3, Kind::ItemView, "a"),
            ("v", "s", 4, Kind::Click, "b"),
            ("v", "s", 5, Kind::AddToCart, "a"),
            ("v", "s", 6, Kind::Purchase, "a"),
            ("v", "s", 7, Kind::ItemView, ""),
        ]);
        let ids = ["a", "a", "b", "a"].map(|name| Id::of(name.as_bytes()));
        assert_eq!(found, [("s".into(), 5, ids.to_vec())]);
    }
}
