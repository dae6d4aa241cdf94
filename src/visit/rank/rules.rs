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
//! Invariant: an item's row holds the sum over the sessions that stand; weights are integers in
//! units of 2⁻⁴⁰, so that what is taken away is what was added. All pairs are kept, for any of them
//! may come into a list when a heavier one leaves. Lists are those of the last close.
//!
//! Cost: n² / 2 probes for a session of n items (20 n for sequential rules); at a close, a pass over
//! the rows of the items touched since. Twelve to eighteen bytes a pair.

use super::numbering::Numbering;
use super::row::Row;
use super::sessions::Sessions;
use super::top::keep_heaviest;
use super::{Change, LIST_LENGTH, Ranker, Scored, Scratch, SessionKey};
use crate::event::Id;

/// A weight of 1.
const ONE: u64 = 1 << 40;

/// Which pairs count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
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
    pub pairs: Pairs,
    /// Items of a list.
    pub length: usize,
    /// Whether an item that comes twice is a pair with itself.
    pub own_pairs: bool,
}

impl Spec {
    /// Association rules, twenty an item.
    pub const ASSOCIATION: Spec = Spec {
        pairs: Pairs::Association,
        length: LIST_LENGTH,
        own_pairs: true,
    };
    /// Sequential rules over twenty steps, twenty an item.
    pub const SEQUENTIAL: Spec = Spec {
        pairs: Pairs::Sequential { steps: 20 },
        ..Spec::ASSOCIATION
    };
}

/// What is known of an item.
#[derive(Debug, Default)]
struct Item {
    /// All its pairs.
    row: Row,
    /// Its list at the last close.
    list: Vec<(u64, Id)>,
    /// Whether its row changed since.
    touched: bool,
}

/// The index of rules.
#[derive(Debug)]
pub struct Rules {
    spec: Spec,
    sessions: Sessions,
    items: Vec<Item>,
    /// Items that hold a list or whose row changed are held for that: once each.
    touched: Vec<u32>,
}

impl Rules {
    /// An index without sessions.
    pub fn new(spec: Spec) -> Rules {
        Rules {
            spec,
            sessions: Sessions::default(),
            items: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// The list of an item at the last close, best first.
    pub fn list(&self, item: Id) -> impl Iterator<Item = Scored> {
        let number = self.sessions.items.find(item);
        let known = number.and_then(|number| self.items.get(number as usize));
        known.into_iter().flat_map(|known| scored(&known.list))
    }

    /// Pairs that are kept.
    pub fn pairs(&self) -> usize {
        self.items.iter().map(|item| item.row.len()).sum()
    }

    /// Adds or subtracts a session's pairs.
    fn count(&mut self, items: &[u32], change: fn(&mut Row, u32, u64)) {
        self.items
            .resize_with(self.sessions.items.end(), Item::default);
        let reach = match self.spec.pairs {
            Pairs::Association => items.len(),
            Pairs::Sequential { steps } => steps as usize,
        };
        for (at, &later) in items.iter().enumerate() {
            let earlier = items[..at].iter().rev().take(reach);
            for (&earlier, distance) in earlier.zip(1u64..) {
                if earlier == later && !self.spec.own_pairs {
                    continue;
                }
                let weight = match self.spec.pairs {
                    Pairs::Association => ONE,
                    Pairs::Sequential { .. } => one_over_square(distance),
                };
                change(&mut self.items[earlier as usize].row, later, weight);
                if self.spec.pairs == Pairs::Association {
                    change(&mut self.items[later as usize].row, earlier, weight);
                }
            }
        }
        for &number in items {
            touch(
                &mut self.items[number as usize],
                number,
                &mut self.sessions.items,
                &mut self.touched,
            );
        }
    }

    /// The list that an item's row gives.
    fn heaviest(&self, number: u32) -> Vec<(u64, Id)> {
        let row = self.items[number as usize].row.iter();
        let mut list: Vec<(u64, Id)> = row
            .map(|(other, weight)| (weight, self.sessions.items.id(other)))
            .collect();
        keep_heaviest(&mut list, self.spec.length);
        list.shrink_to_fit();
        list
    }
}

impl Ranker for Rules {
    fn insert(&mut self, session: SessionKey, at_ms: u64, items: &[Id]) {
        self.remove(session);
        if let Some(slot) = self.sessions.put(session, at_ms, items, false) {
            let items = self.sessions.get(slot).items.clone();
            self.count(&items, Row::add);
        }
    }

    fn remove(&mut self, session: SessionKey) -> bool {
        let Some(slot) = self.sessions.find(session) else {
            return false;
        };
        let items = self.sessions.take(slot).items;
        self.count(&items, Row::subtract);
        for &number in &items {
            self.sessions.items.release(number);
        }
        true
    }

    fn close(&mut self, _version_ms: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        for number in std::mem::take(&mut self.touched) {
            let list = self.heaviest(number);
            let id = self.sessions.items.id(number);
            let item = &mut self.items[number as usize];
            item.touched = false;
            if item.list != list {
                changes.push(Change {
                    item: id,
                    list: scored(&list).collect(),
                });
                item.list = list;
            }
            self.sessions.items.release(number);
        }
        changes.sort_unstable_by_key(|change| change.item);
        changes
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

/// Notes that an item's row changed. It is held until its list has been looked at, so that its
/// number means the same item then, though its last session leave.
fn touch(item: &mut Item, number: u32, numbering: &mut Numbering, touched: &mut Vec<u32>) {
    if !item.touched {
        item.touched = true;
        touched.push(number);
        numbering.hold(numbering.id(number));
    }
}

/// A list as others read it.
fn scored(list: &[(u64, Id)]) -> impl Iterator<Item = Scored> {
    list.iter().map(|&(weight, item)| Scored {
        item,
        score: weight as f64 / ONE as f64,
    })
}

/// 1/d², rounded to the nearest unit.
fn one_over_square(distance: u64) -> u64 {
    let square = distance * distance;
    (ONE + square / 2) / square
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
        let plain = |list: Vec<Scored>| list.iter().map(|one| (one.item.0, one.score)).collect();
        let changes = rules.close(0).into_iter();
        changes
            .map(|change| (change.item.0, plain(change.list)))
            .collect()
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
            pairs: Pairs::Sequential { steps: 2 },
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

    /// An item may go with its last session and its number to another before anyone looks.
    #[test]
    fn a_number_is_not_given_away_while_its_list_stands() {
        let mut rules = Rules::new(Spec::ASSOCIATION);
        rules.insert(SessionKey(1), 1, &[Id(1), Id(2)]);
        assert_eq!(rules.close(0).len(), 2);
        rules.remove(SessionKey(1));
        rules.insert(SessionKey(2), 2, &[Id(3), Id(4)]);
        let changes = rules.close(0);
        let sizes: Vec<_> = changes.iter().map(|c| (c.item.0, c.list.len())).collect();
        assert_eq!(sizes, [(1, 0), (2, 0), (3, 1), (4, 1)]);
        assert_eq!(rules.list(Id(1)).count(), 0);
        assert_eq!(rules.sessions.items.len(), 2);
        assert_eq!(rules.pairs(), 2);
    }
}
