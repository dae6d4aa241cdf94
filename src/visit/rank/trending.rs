//! What is looked at most, lately: sessions that hold an item, decayed by age.
//!
//! A session counts one for each of its items, in the quantum of its last event. A version's last
//! quantum is the one that holds the millisecond before it; a quantum a quanta before that one weighs
//! 2^(−a/h), with h the half-life in quanta, and later ones do not count. Weights are rounded once, to
//! units of 2⁻³², and nothing weighs less than a thousandth: older quanta count for nothing.
//!
//! Invariant: an item's counts are those of the sessions that stand, and its score is their weighted
//! sum, an integer; within a quantum it follows every change, and a new quantum weighs all anew. So it
//! is exact under removal. (A running sum that is multiplied down would remember what was taken out.)
//!
//! Cost: a bisection an item of a session; a pass over all items and their quanta at the first close
//! of a quantum, else a comparison of lists.

use super::leaders::Leaders;
use super::numbering::Numbering;
use super::row::Row;
use super::sessions::Sessions;
use super::shift::Shift;
use super::{Change, Index, LIST_LENGTH, Scored, Scratch, SessionKey};
use crate::event::Id;

/// A weight of 1.
const ONE: f64 = (1u64 << 32) as f64;
/// Half-lives after which a count is forgotten: 2⁻¹⁰ is about a thousandth.
const HALF_LIVES_MAX: f64 = 10.0;
/// Most quanta of a half-life.
pub const QUANTA_MAX: u64 = 10_000;

/// How counts decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Milliseconds of a quantum, at least 1.
    pub quantum_ms: u64,
    /// Milliseconds in which a count halves, above 0; at most [`QUANTA_MAX`] quanta.
    pub half_life_ms: u64,
    /// Items of the list.
    pub length: usize,
    /// Whether the item on the page may be recommended.
    pub own: bool,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            quantum_ms: 3_600_000,
            half_life_ms: 86_400_000,
            length: 2 * LIST_LENGTH,
            own: true,
        }
    }
}

impl Spec {
    /// The quantum of a time.
    pub fn quantum(&self, at_ms: u64) -> u64 {
        at_ms / self.quantum_ms.max(1)
    }

    /// What a shift of a session does to the counts of items in quanta. What comes is said before what
    /// goes; a session that grows within a quantum brings what it did not hold.
    pub fn counts(&self, shift: &Shift, mut each: impl FnMut((Id, u64), i64)) {
        let (was_ms, is_ms) = shift.at_ms();
        let (was, is) = (self.quantum(was_ms), self.quantum(is_ms));
        let (goes, comes) = (shift.goes(), shift.comes());
        for (of, other, quantum, sign) in [(&comes, &goes, is, 1), (&goes, &comes, was, -1)] {
            let items = &shift.items()[of.all.clone()];
            let counted = if was == is {
                &shift.items()[other.all.clone()]
            } else {
                &[]
            };
            for (place, item) in (of.all.clone()).zip(items) {
                let is_news = was != is || !of.kept.contains(&place);
                let mut before = items[..place - of.all.start].iter();
                if is_news && !counted.contains(item) && before.all(|other| other != item) {
                    each((*item, quantum), sign);
                }
            }
        }
    }
}

/// Counts of items by quantum, and the list that they give.
#[derive(Debug)]
pub struct Trends {
    spec: Spec,
    items: Numbering,
    /// By item number: quanta and sessions in them, the earliest first.
    counts: Vec<Vec<(u64, u32)>>,
    /// By age in quanta.
    weights: Vec<u64>,
    /// The last quantum of the version that scores stand for.
    last: Option<u64>,
    scores: Row,
    leaders: Leaders,
    list: Vec<(u64, Id)>,
}

impl Trends {
    /// No counts.
    pub fn new(spec: Spec) -> Trends {
        let half_life = spec.half_life_ms.max(1) as f64 / spec.quantum_ms.max(1) as f64;
        let ages = (half_life * HALF_LIVES_MAX) as u64;
        let weight = |age: u64| (ONE * libm::exp2(-(age as f64) / half_life) + 0.5) as u64;
        Trends {
            spec,
            items: Numbering::default(),
            counts: Vec::new(),
            weights: (0..=ages).map(weight).collect(),
            last: None,
            scores: Row::default(),
            leaders: Leaders::default(),
            list: Vec::new(),
        }
    }

    /// Changes how many sessions hold an item in a quantum.
    ///
    /// # Panics
    /// If more are taken back than were counted.
    pub fn change(&mut self, item: Id, quantum: u64, sessions: i64) {
        (0..sessions).for_each(|_| self.add(item, quantum));
        (sessions..0).for_each(|_| self.subtract(item, quantum));
    }

    fn add(&mut self, item: Id, quantum: u64) {
        let number = self.items.hold(item);
        self.counts.resize_with(self.items.end(), Vec::new);
        let counts = &mut self.counts[number as usize];
        match counts.binary_search_by_key(&quantum, |count| count.0) {
            Ok(at) => counts[at].1 += 1,
            Err(at) => counts.insert(at, (quantum, 1)),
        }
        let weight = self.weight(quantum);
        if weight > 0 {
            let old = self.scores.add(number, weight);
            self.leaders.change(item, old, old + weight, self.most());
        }
    }

    fn subtract(&mut self, item: Id, quantum: u64) {
        let number = self.items.find(item).expect("what was counted is held");
        let counts = &mut self.counts[number as usize];
        let at = counts
            .binary_search_by_key(&quantum, |count| count.0)
            .expect("what was counted is there");
        counts[at].1 -= 1;
        if counts[at].1 == 0 {
            counts.remove(at);
        }
        let weight = self.weight(quantum);
        if weight > 0 {
            let old = self.scores.subtract(number, weight);
            self.leaders.change(item, old, old - weight, self.most());
        }
        self.items.release(number);
    }

    /// What a session of a quantum weighs now.
    fn weight(&self, quantum: u64) -> u64 {
        let age = self.last.and_then(|last| last.checked_sub(quantum));
        let age = age.and_then(|age| usize::try_from(age).ok());
        age.and_then(|age| self.weights.get(age).copied())
            .unwrap_or(0)
    }

    /// Items with counts.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// Items that are kept in order.
    fn most(&self) -> usize {
        2 * self.spec.length
    }

    /// Brings the list up to date for a version. Whether its items, or their order, changed.
    pub fn close(&mut self, version_ms: u64) -> bool {
        let last = version_ms.checked_sub(1).map(|ms| self.spec.quantum(ms));
        if self.last != last {
            self.last = last;
            self.weigh();
        }
        if self.leaders.is_short(self.spec.length) {
            self.read();
        }
        let held = self.leaders.held();
        let list = &held[..self.spec.length.min(held.len())];
        let ids = |list: &[(u64, Id)]| list.iter().map(|one| one.1).collect::<Vec<Id>>();
        let changed = ids(list) != ids(&self.list);
        self.list = list.to_vec();
        changed
    }

    /// Weighs all counts anew.
    fn weigh(&mut self) {
        self.scores = Row::default();
        for (number, counts) in (0u32..).zip(&self.counts) {
            let weigh = |&(quantum, count): &(u64, u32)| self.weight(quantum) * u64::from(count);
            let sum: u64 = counts.iter().map(weigh).sum();
            if sum > 0 {
                self.scores.add(number, sum);
            }
        }
        self.read();
    }

    fn read(&mut self) {
        let (items, most) = (&self.items, self.most());
        let scores = self.scores.iter();
        let row = scores.map(|(number, score)| (score, items.id(number)));
        self.leaders.read(row, most);
    }

    /// The list at the last close, best first.
    pub fn list(&self) -> impl Iterator<Item = Scored> {
        self.list.iter().map(|&(weight, item)| Scored {
            item,
            score: weight as f64 / ONE,
        })
    }
}

/// The index of trends: sessions, and what their items come to.
#[derive(Debug)]
pub struct Trending {
    spec: Spec,
    sessions: Sessions,
    trends: Trends,
}

impl Trending {
    /// An index without sessions.
    pub fn new(spec: Spec) -> Trending {
        Trending {
            spec,
            sessions: Sessions::default(),
            trends: Trends::new(spec),
        }
    }

    /// The list at the last close, best first.
    pub fn list(&self) -> impl Iterator<Item = Scored> {
        self.trends.list()
    }
}

impl Index for Trending {
    fn insert(&mut self, session: SessionKey, at_ms: u64, items: &[Id]) {
        self.remove(session);
        let Some(slot) = self.sessions.put(session, at_ms, items, true) else {
            return;
        };
        for &number in &self.sessions.get(slot).items {
            let item = self.sessions.items.id(number);
            self.trends.add(item, self.spec.quantum(at_ms));
        }
    }

    fn remove(&mut self, session: SessionKey) -> bool {
        let Some(slot) = self.sessions.find(session) else {
            return false;
        };
        let session = self.sessions.take(slot);
        for &number in &session.items {
            let item = self.sessions.items.id(number);
            let quantum = self.spec.quantum(session.at_ms);
            self.trends.subtract(item, quantum);
            self.sessions.items.release(number);
        }
        true
    }

    fn close(&mut self, version_ms: u64) -> Vec<Change> {
        if !self.trends.close(version_ms) {
            return Vec::new();
        }
        vec![Change {
            item: Id::NONE,
            list: self.list().map(|one| one.item).collect(),
        }]
    }

    fn recommend(&self, visit: &[Id], length: usize, _: &mut Scratch, out: &mut Vec<Scored>) {
        out.clear();
        let Some(&last) = visit.last() else {
            return;
        };
        let shown = self.list().filter(|one| self.spec.own || one.item != last);
        out.extend(shown.take(length));
    }

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A half-life of two quanta of ten: item 1 had four sessions in quantum 0, item 2 three in
    /// quantum 2. At version 30 those weigh 4 · 2⁻¹ and 3.
    #[test]
    fn counts_decay_by_the_quantum() {
        let mut trending = Trending::new(Spec {
            quantum_ms: 10,
            half_life_ms: 20,
            ..Spec::default()
        });
        for key in 0..4 {
            trending.insert(SessionKey(key), key, &[Id(1), Id(1)]);
        }
        for key in 4..7 {
            trending.insert(SessionKey(key), 25, &[Id(2)]);
        }
        let mut scores = |version_ms| {
            trending.close(version_ms);
            let list = trending.list().map(|one| (one.item.0, one.score));
            list.collect::<Vec<_>>()
        };
        assert_eq!(scores(0), []);
        assert_eq!(scores(10), [(1, 4.0)]);
        // The quantum that is going on counts as the last one.
        assert_eq!(scores(21), [(2, 3.0), (1, 2.0)]);
        assert_eq!(scores(30), [(2, 3.0), (1, 2.0)]);
        assert_eq!(scores(70), [(2, 0.75), (1, 0.5)]);
        assert_eq!(scores(10_000), []);
        assert!(trending.remove(SessionKey(4)));
        assert_eq!(trending.close(30).len(), 1);
        assert_eq!(trending.close(30).len(), 0);
        let tied: Vec<u64> = trending.list().map(|one| one.item.0).collect();
        assert_eq!(tied, [1, 2]);
    }
}
