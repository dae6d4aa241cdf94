//! What is looked at most, lately: sessions that hold an item, decayed by age.
//!
//! A session counts one for each of its items, in the quantum of its last event. At version v, which
//! is a multiple of the quantum Q, a quantum that ended a quanta before v weighs 2^(−a/h), with h the
//! half-life in quanta; the quanta from v on do not count, for a version's facts arrived before it.
//! Weights are rounded once, to units of 2⁻³², and nothing weighs less than a thousandth: older
//! quanta count for nothing.
//!
//! Invariant: an item's counts are those of the sessions that stand, so the decayed sum is an
//! integer computed anew at a close, and exact under removal. (A running sum that is multiplied
//! down every quantum would be cheaper and would remember what was taken out.)
//!
//! Cost: a bisection an item of a session; at a close, a pass over all items and their quanta.

use super::sessions::Sessions;
use super::top::keep_heaviest;
use super::{Change, LIST_LENGTH, Ranker, Scored, Scratch, SessionKey};
use crate::event::Id;

/// A weight of 1.
const ONE: f64 = (1u64 << 32) as f64;
/// Half-lives after which a count is forgotten: 2⁻¹⁰ is about a thousandth.
const HALF_LIVES_MAX: f64 = 10.0;

/// How counts decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Milliseconds of a quantum, at least 1.
    pub quantum_ms: u64,
    /// Milliseconds in which a count halves, above 0.
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

/// The index.
#[derive(Debug)]
pub struct Trending {
    spec: Spec,
    sessions: Sessions,
    /// By item number: quanta and sessions in them, the earliest first.
    counts: Vec<Vec<(u64, u32)>>,
    /// By age in quanta.
    weights: Vec<u64>,
    list: Vec<(u64, Id)>,
}

impl Trending {
    /// An index without sessions.
    pub fn new(spec: Spec) -> Trending {
        let half_life = spec.half_life_ms.max(1) as f64 / spec.quantum_ms.max(1) as f64;
        let ages = (half_life * HALF_LIVES_MAX) as u64;
        let weight = |age: u64| (ONE * libm::exp2(-(age as f64) / half_life) + 0.5) as u64;
        Trending {
            spec,
            sessions: Sessions::default(),
            counts: Vec::new(),
            weights: (0..=ages).map(weight).collect(),
            list: Vec::new(),
        }
    }

    /// The list at the last close, best first.
    pub fn list(&self) -> impl Iterator<Item = Scored> {
        self.list.iter().map(|&(weight, item)| Scored {
            item,
            score: weight as f64 / ONE,
        })
    }

    /// The quantum of a time.
    fn quantum(&self, at_ms: u64) -> u64 {
        at_ms / self.spec.quantum_ms.max(1)
    }

    /// An item's decayed count at the end of quantum `last`.
    fn decayed(&self, counts: &[(u64, u32)], last: u64) -> u64 {
        let weigh = |&(quantum, count): &(u64, u32)| {
            let age = usize::try_from(last.checked_sub(quantum)?).ok()?;
            Some(self.weights.get(age)? * u64::from(count))
        };
        counts.iter().filter_map(weigh).sum()
    }
}

impl Ranker for Trending {
    fn insert(&mut self, session: SessionKey, at_ms: u64, items: &[Id]) {
        self.remove(session);
        let Some(slot) = self.sessions.put(session, at_ms, items, true) else {
            return;
        };
        let quantum = self.quantum(at_ms);
        self.counts.resize_with(self.sessions.items.end(), Vec::new);
        for &number in &self.sessions.get(slot).items {
            let counts = &mut self.counts[number as usize];
            match counts.binary_search_by_key(&quantum, |count| count.0) {
                Ok(at) => counts[at].1 += 1,
                Err(at) => counts.insert(at, (quantum, 1)),
            }
        }
    }

    fn remove(&mut self, session: SessionKey) -> bool {
        let Some(slot) = self.sessions.find(session) else {
            return false;
        };
        let session = self.sessions.take(slot);
        let quantum = self.quantum(session.at_ms);
        for &number in &session.items {
            let counts = &mut self.counts[number as usize];
            let at = counts
                .binary_search_by_key(&quantum, |count| count.0)
                .expect("what was counted is there");
            counts[at].1 -= 1;
            if counts[at].1 == 0 {
                counts.remove(at);
            }
            self.sessions.items.release(number);
        }
        true
    }

    fn close(&mut self, version_ms: u64) -> Vec<Change> {
        let mut list = Vec::new();
        if let Some(last) = self.quantum(version_ms).checked_sub(1) {
            for (number, counts) in (0u32..).zip(&self.counts) {
                let weight = self.decayed(counts, last);
                if weight > 0 {
                    list.push((weight, self.sessions.items.id(number)));
                }
            }
        }
        keep_heaviest(&mut list, self.spec.length);
        if list == self.list {
            return Vec::new();
        }
        self.list = list;
        vec![Change {
            item: Id::NONE,
            list: self.list().collect(),
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
        assert_eq!(scores(29), scores(20));
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
