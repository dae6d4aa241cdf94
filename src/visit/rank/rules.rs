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
//! Cost: n² pairs for a session of n items (20 n for sequential rules), 2 n (20) for an item by which
//! one grows.

use super::pairs::{ONE, Pairs};
use super::sessions::Sessions;
use super::shift::{Shift, Stretch};
use super::{Change, Index, LIST_LENGTH, Scored, Scratch, SessionKey};
use crate::event::Id;
use std::ops::Range;

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
    /// What a shift of a session does to its pairs: every item and one that it is a pair with, with what
    /// that adds to the pair's weight, in units of 2⁻⁴⁰. What comes is said before what goes.
    pub fn pairs(&self, shift: &Shift, mut each: impl FnMut((Id, Id), i64)) {
        for (stretch, sign) in [(shift.comes(), 1), (shift.goes(), -1)] {
            self.news(shift.items(), &stretch, |pair, weight| {
                each(pair, sign * weight);
            });
        }
    }

    /// The pairs of a stretch, by the place of the first, but those of two items that are kept.
    fn news(&self, items: &[Id], stretch: &Stretch, mut each: impl FnMut((Id, Id), i64)) {
        let Stretch { all, kept } = stretch;
        for at in all.clone() {
            let (before, after) = self.partners(at, all);
            for places in [before, after] {
                // Of an item that is kept, those that are not: before what is kept or behind it.
                let news = if kept.contains(&at) {
                    let front = places.start..places.end.min(kept.start);
                    let back = places.start.max(kept.end)..places.end;
                    [front, back]
                } else {
                    [places, 0..0]
                };
                for place in news.into_iter().flatten() {
                    if self.own_pairs || items[place] != items[at] {
                        each((items[at], items[place]), self.weight(at.abs_diff(place)));
                    }
                }
            }
        }
    }

    /// The places within a stretch whose items the one at a place is a pair with: before it, and after.
    fn partners(&self, at: usize, stretch: &Range<usize>) -> (Range<usize>, Range<usize>) {
        match self.count {
            Count::Association => (stretch.start..at, at + 1..stretch.end),
            Count::Sequential { steps } => {
                let end = stretch.end.min((at + 1).saturating_add(steps as usize));
                (0..0, at + 1..end)
            }
        }
    }

    /// What a pair at a distance weighs.
    fn weight(&self, distance: usize) -> i64 {
        let weight = match self.count {
            Count::Association => ONE,
            Count::Sequential { .. } => one_over_square(distance as u64),
        };
        weight as i64
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
}

impl Rules {
    /// An index without sessions.
    pub fn new(spec: Spec) -> Rules {
        Rules {
            spec,
            sessions: Sessions::default(),
            pairs: Pairs::new(spec.length),
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

    /// Changes pairs as a session does, from what it was to what it is.
    fn count(&mut self, was: &[Id], is: &[Id]) {
        let shift = Shift::between(SessionKey::default(), (0, was), (0, is));
        let pairs = &mut self.pairs;
        self.spec.pairs(&shift, |(item, other), weight| {
            pairs.change(item, other, weight);
        });
    }

    /// Takes a session's items out of the sessions.
    fn take(&mut self, session: SessionKey) -> Option<Vec<Id>> {
        let slot = self.sessions.find(session)?;
        let numbers = self.sessions.take(slot).items;
        let items = &mut self.sessions.items;
        let ids = numbers.iter().map(|number| items.id(*number)).collect();
        for &number in &numbers {
            items.release(number);
        }
        Some(ids)
    }
}

impl Index for Rules {
    fn insert(&mut self, session: SessionKey, at_ms: u64, items: &[Id]) {
        let was = self.take(session).unwrap_or_default();
        let slot = self.sessions.put(session, at_ms, items, false);
        let numbers = slot.map_or(&[][..], |slot| &self.sessions.get(slot).items);
        let ids = numbers.iter().map(|number| self.sessions.items.id(*number));
        let is: Vec<Id> = ids.collect();
        self.count(&was, &is);
    }

    fn remove(&mut self, session: SessionKey) -> bool {
        let Some(was) = self.take(session) else {
            return false;
        };
        self.count(&was, &[]);
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
