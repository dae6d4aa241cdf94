//! VMIS-kNN: what the sessions most like this visit held besides.
//!
//! Source: Kersbergen, Sprangers, Schelter (2022), "Serenade: Low-Latency Session-Based
//! Recommendation in e-Commerce at Scale", SIGMOD; and the code published with it.
//!
//! 1. Of the visit's last [`Spec::last_items`] events, L of them and U different items, an item last
//!    seen at place p from the end (from 1) weighs π = (L − p + 1) / U.
//! 2. Each item names the m most recent sessions that hold it; of all those, the m most recent are
//!    compared. Their similarity is the sum of π over the items shared.
//! 3. The k most similar are the neighbours, the more recent first among equals.
//! 4. An item scores Σ similarity · λ · idf^w over the neighbours that hold it. λ = 1 − p/10 (never
//!    below 0) with p of the latest item shared; idf = ln(all / its own), in postings. The item
//!    on the page is left out.
//!
//! The published code multiplies idf by a weight, which changes no order. Here w is an exponent:
//! 1 is the published formula, 0 leaves idf out, 2 was found better on Serenade's own example.
//!
//! Invariant: an item's postings are all sessions that hold it, by time, and only the newest m are
//! read: when one of those leaves, the next is there. Similarities and λ are integers until the
//! last step, so no sum depends on its order. Sessions of one millisecond go by key.
//!
//! Cost: a recommendation merges at most `last_items` postings, newest first, and stops after m
//! sessions (no map, no heap), then adds up the items of k. An insert or a removal finds a place in
//! each item's postings by bisection and moves the shorter side. About 240 bytes a session of ten.

use super::sessions::Sessions;
use super::top::keep_best;
use super::{Change, Index, Scored, Scratch, SessionKey};
use crate::event::Id;
use std::cmp::{Ordering, Reverse};
use std::collections::VecDeque;

/// How neighbours are found and what they say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// m: sessions read of an item's, and compared, the most recent.
    pub sessions: usize,
    /// k: sessions most alike that count.
    pub neighbours: usize,
    /// Last events of the visit that count.
    pub last_items: usize,
    /// w: the exponent of idf.
    pub idf: f64,
}

impl Default for Spec {
    /// What Serenade's own search found best on its example.
    fn default() -> Spec {
        Spec {
            sessions: 1_502,
            neighbours: 288,
            last_items: 4,
            idf: 2.0,
        }
    }
}

/// A session that shares an item with the visit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbour {
    /// U times the similarity.
    similarity: u64,
    /// Its place among the compared, the most recent first.
    rank: u32,
    slot: u32,
    /// Ten times λ.
    weight: u64,
}

/// That a session holds an item.
#[derive(Clone, Copy, Debug)]
struct Posting {
    /// When, in steps of 2¹⁰ ms: most postings are told apart without a look at their sessions.
    step: u32,
    slot: u32,
}

/// The step of a time, for all times that a log may name: it comes round in the year 2109.
fn step(at_ms: u64) -> u32 {
    (at_ms >> 10) as u32
}

/// What is known of an item.
#[derive(Debug, Default)]
struct Item {
    /// The sessions that hold it, the most recent last.
    postings: VecDeque<Posting>,
    /// The logarithm of their number.
    log: f64,
}

/// The index.
#[derive(Debug)]
pub struct SessionKnn {
    spec: Spec,
    sessions: Sessions,
    items: Vec<Item>,
    /// Postings of all items.
    postings: u64,
}

/// Where the reading of an item's postings has got to.
struct Head<'a> {
    /// Those still to be read, the next one last.
    rest: std::collections::vec_deque::Iter<'a, Posting>,
    at: Posting,
    /// U times π.
    weight: u64,
    /// p, from 1.
    place: u64,
}

impl SessionKnn {
    /// An index without sessions.
    pub fn new(spec: Spec) -> SessionKnn {
        SessionKnn {
            spec,
            sessions: Sessions::default(),
            items: Vec::new(),
            postings: 0,
        }
    }

    /// Postings of all items.
    pub fn postings(&self) -> u64 {
        self.postings
    }

    /// Different items in the window, the latest first, each at the newest of its sessions; and U.
    fn heads(&self, visit: &[Id]) -> (Vec<Head<'_>>, u64) {
        let window = &visit[visit.len().saturating_sub(self.spec.last_items)..];
        let mut heads = Vec::with_capacity(window.len());
        let mut different = 0;
        for (at, &item) in window.iter().enumerate().rev() {
            if window[at + 1..].contains(&item) {
                continue;
            }
            different += 1;
            let Some(number) = self.sessions.items.find(item) else {
                continue;
            };
            let postings = &self.items[number as usize].postings;
            let skipped = postings.len().saturating_sub(self.spec.sessions);
            let mut rest = postings.range(skipped..);
            if let Some(&newest) = rest.next_back() {
                heads.push(Head {
                    rest,
                    at: newest,
                    weight: at as u64 + 1,
                    place: (window.len() - at) as u64,
                });
            }
        }
        (heads, different)
    }

    /// The m most recent sessions of those that the heads name.
    fn compare(&self, mut heads: Vec<Head<'_>>, found: &mut Vec<Neighbour>) {
        found.clear();
        while found.len() < self.spec.sessions
            && let Some(newest) = self.newest(&heads)
        {
            let mut neighbour = Neighbour {
                similarity: 0,
                rank: found.len() as u32,
                slot: newest.slot,
                weight: 0,
            };
            let mut index = 0;
            while let Some(head) = heads.get_mut(index) {
                if head.at.slot == newest.slot {
                    neighbour.similarity += head.weight;
                    neighbour.weight = neighbour.weight.max(10u64.saturating_sub(head.place));
                    let Some(&next) = head.rest.next_back() else {
                        heads.swap_remove(index);
                        continue;
                    };
                    head.at = next;
                }
                index += 1;
            }
            found.push(neighbour);
        }
    }

    /// The most recent of the sessions that heads stand at.
    #[inline]
    fn newest(&self, heads: &[Head<'_>]) -> Option<Posting> {
        let mut heads = heads.iter().map(|head| head.at);
        let first = heads.next()?;
        Some(heads.fold(first, |newest, one| {
            let later = match one.step.cmp(&newest.step) {
                Ordering::Equal if one.slot != newest.slot => {
                    let recency = |slot| self.sessions.get(slot).recency();
                    recency(one.slot) > recency(newest.slot)
                }
                order => order == Ordering::Greater,
            };
            if later { one } else { newest }
        }))
    }

    /// Cuts those compared to the k most alike.
    fn keep_nearest(&self, found: &mut Vec<Neighbour>) {
        let k = self.spec.neighbours;
        if k == 0 {
            found.clear();
        } else if found.len() > k {
            let key = |one: &Neighbour| (Reverse(one.similarity), one.rank);
            found.select_nth_unstable_by_key(k - 1, key);
            found.truncate(k);
        }
    }

    /// idf^w of an item.
    #[inline]
    fn rarity(&self, number: u32, log_all: f64) -> f64 {
        let idf = log_all - self.items[number as usize].log;
        match self.spec.idf {
            0.0 => 1.0,
            1.0 => idf,
            2.0 => idf * idf,
            w => libm::pow(idf.max(0.0), w),
        }
    }

    /// Where a session stands, or would stand, among an item's postings.
    fn place(&self, number: u32, recency: (u64, SessionKey)) -> usize {
        let postings = &self.items[number as usize].postings;
        let at = step(recency.0);
        postings.partition_point(|one| match one.step.cmp(&at) {
            Ordering::Equal => self.sessions.get(one.slot).recency() < recency,
            order => order == Ordering::Less,
        })
    }

    /// Notes that an item's postings changed.
    fn count(&mut self, number: u32) {
        let item = &mut self.items[number as usize];
        item.log = libm::log(item.postings.len() as f64);
        if item.postings.is_empty() {
            item.postings = VecDeque::new();
        }
    }
}

impl Index for SessionKnn {
    fn insert(&mut self, session: SessionKey, at_ms: u64, items: &[Id]) {
        self.remove(session);
        let Some(slot) = self.sessions.put(session, at_ms, items, true) else {
            return;
        };
        self.items
            .resize_with(self.sessions.items.end(), Item::default);
        for index in 0..self.sessions.get(slot).items.len() {
            let number = self.sessions.get(slot).items[index];
            let place = self.place(number, (at_ms, session));
            let posting = Posting {
                step: step(at_ms),
                slot,
            };
            self.items[number as usize].postings.insert(place, posting);
            self.postings += 1;
            self.count(number);
        }
    }

    fn remove(&mut self, session: SessionKey) -> bool {
        let Some(slot) = self.sessions.find(session) else {
            return false;
        };
        let recency = self.sessions.get(slot).recency();
        for index in 0..self.sessions.get(slot).items.len() {
            let number = self.sessions.get(slot).items[index];
            let place = self.place(number, recency);
            let removed = self.items[number as usize].postings.remove(place);
            let removed = removed.map(|posting| posting.slot);
            assert_eq!(removed, Some(slot), "postings name the session");
            self.postings -= 1;
            self.count(number);
        }
        for &number in &self.sessions.take(slot).items {
            self.sessions.items.release(number);
        }
        true
    }

    fn close(&mut self, _version_ms: u64) -> Vec<Change> {
        Vec::new()
    }

    fn recommend(&self, visit: &[Id], length: usize, scratch: &mut Scratch, out: &mut Vec<Scored>) {
        out.clear();
        let Scratch {
            sums,
            touched,
            neighbours,
        } = scratch;
        let (heads, different) = self.heads(visit);
        self.compare(heads, neighbours);
        self.keep_nearest(neighbours);
        if sums.len() < self.items.len() {
            sums.resize(self.items.len(), 0);
        }
        for one in neighbours.iter().filter(|one| one.weight > 0) {
            for &number in &self.sessions.get(one.slot).items {
                let sum = &mut sums[number as usize];
                if *sum == 0 {
                    touched.push(number);
                }
                *sum += one.similarity * one.weight;
            }
        }
        let log_all = libm::log(self.postings as f64);
        let unit = 10.0 * different as f64;
        for number in touched.drain(..) {
            let sum = std::mem::take(&mut sums[number as usize]);
            let item = self.sessions.items.id(number);
            let score = sum as f64 / unit * self.rarity(number, log_all);
            if visit.last() != Some(&item) && score > 0.0 {
                out.push(Scored { item, score });
            }
        }
        keep_best(out, length);
    }

    fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(spec: Spec, sessions: &[(u64, &[u64])]) -> SessionKnn {
        let mut index = SessionKnn::new(spec);
        for (key, &(at_ms, items)) in (0..).zip(sessions) {
            let items: Vec<Id> = items.iter().map(|&item| Id(item)).collect();
            index.insert(SessionKey(key), at_ms, &items);
        }
        index
    }

    fn answers(index: &SessionKnn, visit: &[u64]) -> Vec<(u64, f64)> {
        let visit: Vec<Id> = visit.iter().map(|&item| Id(item)).collect();
        let (mut scratch, mut out) = (Scratch::default(), Vec::new());
        index.recommend(&visit, 20, &mut scratch, &mut out);
        out.iter().map(|one| (one.item.0, one.score)).collect()
    }

    /// Worked by hand. The visit 1, 2: L = U = 2, so item 2 weighs 1 and item 1 weighs 1/2. The
    /// three sessions have similarities 1.5, 1 and 0.5, and λ 0.9, 0.9 and 0.8.
    #[test]
    fn scores_are_those_of_the_paper() {
        let sessions: [(u64, &[u64]); 3] = [(1, &[1, 2, 3]), (2, &[2, 3, 4]), (3, &[1, 5])];
        let spec = Spec {
            idf: 1.0,
            ..Spec::default()
        };
        let found = answers(&index(spec, &sessions), &[1, 2]);
        let idf = |own: f64| (8.0 / own).ln();
        let expected = [
            (3, (1.5 * 0.9 + 1.0 * 0.9) * idf(2.0)),
            (1, (1.5 * 0.9 + 0.5 * 0.8) * idf(2.0)),
            (4, 1.0 * 0.9 * idf(1.0)),
            (5, 0.5 * 0.8 * idf(1.0)),
        ];
        assert_eq!(found.len(), 4);
        for ((item, score), (wanted, value)) in found.iter().zip(expected) {
            assert_eq!(*item, wanted);
            assert!(
                (score - value).abs() < 1e-12,
                "{item}: {score}, not {value}"
            );
        }
    }

    /// With one neighbour it is the most alike; among equals, the most recent.
    #[test]
    fn the_nearest_count_and_then_the_newest() {
        let sessions: [(u64, &[u64]); 3] = [(9, &[1, 7]), (2, &[1, 2, 8]), (3, &[2, 1, 9])];
        let spec = Spec {
            neighbours: 1,
            ..Spec::default()
        };
        let ids = |found: Vec<(u64, f64)>| found.iter().map(|one| one.0).collect::<Vec<_>>();
        assert_eq!(ids(answers(&index(spec, &sessions), &[1, 2])), [9, 1]);
    }

    /// Only the newest m of an item are read, and one that was cut off comes back when a newer
    /// leaves.
    #[test]
    fn a_removal_brings_back_the_session_that_was_cut_off() {
        let sessions: [(u64, &[u64]); 3] = [(1, &[1, 7]), (2, &[1, 8]), (3, &[1, 9])];
        let spec = Spec {
            sessions: 2,
            ..Spec::default()
        };
        let mut index = index(spec, &sessions);
        let ids = |found: Vec<(u64, f64)>| found.iter().map(|one| one.0).collect::<Vec<_>>();
        assert_eq!(ids(answers(&index, &[1])), [8, 9]);
        assert!(index.remove(SessionKey(1)));
        assert!(!index.remove(SessionKey(1)));
        assert_eq!(ids(answers(&index, &[1])), [7, 9]);
        assert_eq!(index.expire(3), 1);
        assert_eq!(ids(answers(&index, &[1])), [9]);
    }

    /// A visit of items nobody else saw, or none at all, gets no list.
    #[test]
    fn nothing_is_made_up() {
        let index = index(Spec::default(), &[(1, &[1, 2])]);
        assert!(answers(&index, &[]).is_empty());
        assert!(answers(&index, &[77]).is_empty());
        assert!(answers(&SessionKnn::new(Spec::default()), &[1]).is_empty());
    }
}
