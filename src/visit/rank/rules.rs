//! Association and sequential rules: what is seen in the same session as an item, or after it.
//!
//! *Association*: every two events of a session count one, both ways. *Sequential*: an event after
//! another at a distance of d ≤ 20 counts 1/d², one way. An item's list is the twenty heaviest of
//! its pairs; a recommendation is the list of the item on the page. Source: Kamehkhosh, Jannach,
//! Ludewig (2017, TempRec), with the settings that Ludewig and Jannach (2018, UMUAI 28) found good.
//!
//! An item that comes twice is a pair with itself, and may be recommended where it is looked at; so
//! it is published. [`Spec::own_pairs`] leaves those pairs out, and lists stay full.
//!
//! Weights are integers in units of 2⁻⁴⁰: a session that leaves takes away what it brought. What the
//! pairs come to, and the lists, is kept by [`Pairs`].
//!
//! Cost: n² / 2 pairs for a session of n items (20 n for sequential rules).

use super::pairs::{ONE, Pairs};
use super::sessions::Sessions;
use super::{Change, Index, LIST_LENGTH, Scored, Scratch, SessionKey};
use crate::event::Id;

/// Which pairs count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Any two events of a session, both ways, each 1.
    Association,
    /// A later event after an earlier one at most `steps` before, 1/d² at a distance of d.
    Sequential {
        /// The greatest distance; 1 for neighbours only.
        steps: u32,
    },
}

/// How rules are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Which pairs count.
    pub count: Count,
    /// Items of a list.
    pub length: usize,
    /// Whether an item that comes twice is a pair with itself.
    pub own_pairs: bool,
}

impl Spec {
    /// Association rules, twenty an item.
    pub const ASSOCIATION: Spec = Spec {
        count: Count::Association,
        length: LIST_LENGTH,
        own_pairs: true,
    };
    /// Sequential rules over twenty steps, twenty an item.
    pub const SEQUENTIAL: Spec = Spec {
        count: Count::Sequential { steps: 20 },
        ..Spec::ASSOCIATION
    };
}

impl Spec {
    /// What the item at a place of a session's items is a pair with, in order, each with its weight in
    /// units of 2⁻⁴⁰.
    pub fn row(&self, items: &[Id], at: usize) -> Vec<(Id, u64)> {
        let (before, reach) = match self.count {
            Count::Association => (&items[..at], items.len()),
            Count::Sequential { steps } => (&items[..0], steps as usize),
        };
        let after = items[at + 1..].iter().zip(1u64..).take(reach);
        let after = after.map(|(&other, distance)| match self.count {
            Count::Association => (other, ONE),
            Count::Sequential { .. } => (other, one_over_square(distance)),
        });
        let row = before.iter().map(|&other| (other, ONE)).chain(after);
        row.filter(|(other, _)| self.own_pairs || *other != items[at])
            .collect()
    }
}

/// 1/d², rounded to the nearest unit.
fn one_over_square(distance: u64) -> u64 {
    let square = distance * distance;
    (ONE + square / 2) / square
}

/// The index of rules: sessions, and what their pairs come to.
#[derive(Debug)]
pub struct Rules {
    spec: Spec,
    sessions: Sessions,
    pairs: Pairs,
    /// The items of the session at hand.
    room: Vec<Id>,
}

impl Rules {
    /// An index without sessions.
    pub fn new(spec: Spec) -> Rules {
        Rules {
            spec,
            sessions: Sessions::default(),
            pairs: Pairs::new(spec.length),
            room: Vec::new(),
        }
    }

    /// The list of an item at the last close, best first.
    pub fn list(&self, item: Id) -> impl Iterator<Item = Scored> {
        self.pairs.list(item)
    }

    /// Pairs that are kept.
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Adds or subtracts the pairs of some items.
    fn count(&mut self, numbers: &[u32], change: fn(&mut Pairs, Id, &[(Id, u64)])) {
        self.room.clear();
        let ids = numbers.iter().map(|number| self.sessions.items.id(*number));
        self.room.extend(ids);
        for (at, &item) in self.room.iter().enumerate() {
            change(&mut self.pairs, item, &self.spec.row(&self.room, at));
        }
    }
}

impl Index for Rules {
    fn insert(&mut self, session: SessionKey, at_ms: u64, items: &[Id]) {
        self.remove(session);
        if let Some(slot) = self.sessions.put(session, at_ms, items, false) {
            let items = self.sessions.get(slot).items.clone();
            self.count(&items, Pairs::add);
        }
    }

    fn remove(&mut self, session: SessionKey) -> bool {
        let Some(slot) = self.sessions.find(session) else {
            return false;
        };
        let items = self.sessions.take(slot).items;
        self.count(&items, Pairs::subtract);
        for &number in &items {
            self.sessions.items.release(number);
        }
        true
    }

    fn close(&mut self, _version_ms: u64) -> Vec<Change> {
        self.pairs.close()
    }

    fn recommend(&self, visit: &[Id], length: usize, _: &mut Scratch, out: &mut Vec<Scored>) {
        out.clear();
        if let Some(&last) = visit.last() {
            out.extend(self.list(last).take(length));
        }
    }

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(spec: Spec, sessions: &[&[u64]]) -> Vec<(u64, Vec<(u64, f64)>)> {
        let mut rules = Rules::new(spec);
        for (key, items) in (0..).zip(sessions) {
            let items: Vec<Id> = items.iter().map(|&item| Id(item)).collect();
            rules.insert(SessionKey(key), key, &items);
        }
        let changed: Vec<Id> = rules.close(0).iter().map(|change| change.item).collect();
        let plain = |item| rules.list(item).map(|one| (one.item.0, one.score));
        let lists = changed.iter().map(|item| (item.0, plain(*item).collect()));
        lists.collect()
    }

    #[test]
    fn association_counts_every_two_events_both_ways() {
        let found = lists(Spec::ASSOCIATION, &[&[1, 2, 1], &[2, 3], &[4]]);
        let expected = vec![
            (1, vec![(1, 2.0), (2, 2.0)]),
            (2, vec![(1, 2.0), (3, 1.0)]),
            (3, vec![(2, 1.0)]),
        ];
        assert_eq!(found, expected);
        let others = Spec {
            own_pairs: false,
            ..Spec::ASSOCIATION
        };
        assert_eq!(lists(others, &[&[1, 2, 1]])[0], (1, vec![(2, 2.0)]));
    }

    #[test]
    fn sequential_counts_what_follows_by_the_square_of_the_distance() {
        let near = Spec {
            count: Count::Sequential { steps: 2 },
            ..Spec::SEQUENTIAL
        };
        let found = lists(near, &[&[1, 2, 3, 4]]);
        let expected = vec![
            (1, vec![(2, 1.0), (3, 0.25)]),
            (2, vec![(3, 1.0), (4, 0.25)]),
            (3, vec![(4, 1.0)]),
        ];
        assert_eq!(found, expected);
        let twentieth = one_over_square(20) as f64 / ONE as f64;
        assert!((twentieth - 1.0 / 400.0).abs() <= 0.5 / ONE as f64);
    }
}
