//! How good a product ranker is, judged by what the shoppers of other sessions looked at next.
//!
//! A *position* is a moment in a test session: its events so far are known, those after it are not.
//! At each, the ranker gives a list of at most N items (N = [`CUTOFF`]). Let `next` be the item of the
//! event that follows, R the different items of all events that follow, and r the rank of an item in
//! the list, from 1. Every figure is a mean over all positions; a position without a list counts, and
//! gets 0.
//!
//! | figure | at a position |
//! |---|---|
//! | hit rate | 1 if `next` is in the list |
//! | reciprocal rank | 1 / r of `next`, 0 if it is not in the list |
//! | NDCG | Σ 1 / log₂(r + 1) over items of R in the list, over the same sum for ranks 1 to min(N, R) |
//! | precision | items of R in the list / N |
//! | recall | items of R in the list / items of R |
//! | popularity bias | mean over the list of an item's events in the training log / the most of any item |
//!
//! *Coverage* is the share of the training log's items that any list held. [`sequences`] makes
//! sessions of a log, [`report`] says the figures. No clock is read here: whoever asks the ranker
//! measures. Cost: a list's length times the rest of the session, at every position.

pub mod report;
pub mod sequences;

use crate::event::Id;
use crate::visit::keys::{KeyMap, KeySet};
use report::Figures;

/// Items of a list that are judged.
pub const CUTOFF: usize = 20;

/// Which positions of a test session are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// After each event but the last.
    Every,
    /// Before the last event only.
    Last,
}

impl Positions {
    /// The positions of a session of `events` events: numbers of events known, from 1.
    pub fn of(self, events: usize) -> std::ops::Range<usize> {
        match self {
            Positions::Every => 1..events.max(1),
            Positions::Last if events < 2 => 1..1,
            Positions::Last => events - 1..events,
        }
    }
}

/// How often items came in the training log.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    events: KeyMap<u64>,
    most: u64,
}

impl Catalogue {
    /// Counts an event on an item.
    pub fn count(&mut self, item: Id) {
        let events = self.events.entry(item.0).or_default();
        *events += 1;
        self.most = self.most.max(*events);
    }

    /// Whether an item came at all.
    pub fn has(&self, item: Id) -> bool {
        self.events.contains_key(&item.0)
    }

    /// Different items.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event was counted.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// An item's events over those of the most frequent.
    fn popularity(&self, item: Id) -> f64 {
        let events = self.events.get(&item.0).copied().unwrap_or(0);
        events as f64 / self.most.max(1) as f64
    }
}

/// Sums over the positions judged so far.
#[derive(Debug)]
pub struct Judge<'a> {
    catalogue: &'a Catalogue,
    /// 1 / log₂(rank + 1), and the sums of those up to a rank.
    discounts: [f64; CUTOFF],
    ideal: [f64; CUTOFF],
    shown: KeySet,
    rest: Vec<Id>,
    positions: u64,
    empty: u64,
    sums: Figures,
}

impl<'a> Judge<'a> {
    /// A judge who has seen nothing.
    pub fn new(catalogue: &'a Catalogue) -> Judge<'a> {
        let discounts = std::array::from_fn(|at| 1.0 / libm::log2(at as f64 + 2.0));
        let mut sum = 0.0;
        let ideal = discounts.map(|discount: f64| {
            sum += discount;
            sum
        });
        Judge {
            catalogue,
            discounts,
            ideal,
            shown: KeySet::default(),
            rest: Vec::new(),
            positions: 0,
            empty: 0,
            sums: Figures::default(),
        }
    }

    /// Judges a list, best first, by the items of the events that followed, in order. What stands
    /// beyond [`CUTOFF`] is not looked at.
    ///
    /// # Panics
    /// If nothing followed.
    pub fn add(&mut self, list: impl IntoIterator<Item = Id>, followed: &[Id]) {
        let next = followed[0];
        self.rest.clear();
        self.rest.extend_from_slice(followed);
        self.rest.sort_unstable();
        self.rest.dedup();
        let (mut length, mut relevant, mut gain, mut popularity) = (0u32, 0u32, 0.0, 0.0);
        for (at, item) in list.into_iter().take(CUTOFF).enumerate() {
            length += 1;
            popularity += self.catalogue.popularity(item);
            self.shown.insert(item.0);
            if item == next {
                self.sums.hr_at_20 += 1.0;
                self.sums.mrr_at_20 += 1.0 / (at as f64 + 1.0);
            }
            if self.rest.binary_search(&item).is_ok() {
                relevant += 1;
                gain += self.discounts[at];
            }
        }
        let different = self.rest.len();
        self.positions += 1;
        self.empty += u64::from(length == 0);
        self.sums.ndcg_at_20 += gain / self.ideal[different.min(CUTOFF) - 1];
        self.sums.precision_at_20 += f64::from(relevant) / CUTOFF as f64;
        self.sums.recall_at_20 += f64::from(relevant) / different as f64;
        self.sums.popularity_bias += popularity / f64::from(length.max(1));
    }

    /// Positions judged, and how many of them got no list.
    pub fn positions(&self) -> (u64, u64) {
        (self.positions, self.empty)
    }

    /// The figures so far; zeros before the first position.
    pub fn figures(&self) -> Figures {
        let positions = self.positions.max(1) as f64;
        let mut means = self.sums;
        for mean in [
            &mut means.hr_at_20,
            &mut means.mrr_at_20,
            &mut means.ndcg_at_20,
            &mut means.precision_at_20,
            &mut means.recall_at_20,
            &mut means.popularity_bias,
        ] {
            *mean /= positions;
        }
        let known = self
            .shown
            .iter()
            .filter(|&item| self.catalogue.events.contains_key(item));
        means.coverage_at_20 = known.count() as f64 / self.catalogue.len().max(1) as f64;
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(items: &[u64]) -> Vec<Id> {
        items.iter().map(|&item| Id(item)).collect()
    }

    fn catalogue(items: &[u64]) -> Catalogue {
        let mut catalogue = Catalogue::default();
        ids(items)
            .into_iter()
            .for_each(|item| catalogue.count(item));
        catalogue
    }

    #[test]
    fn positions_lie_between_a_sessions_events() {
        assert_eq!(Positions::Every.of(4), 1..4);
        assert_eq!(Positions::Last.of(4), 3..4);
        for events in [0, 1] {
            assert!(Positions::Every.of(events).is_empty());
            assert!(Positions::Last.of(events).is_empty());
        }
    }

    /// By hand: 3 stands second and is next; 3 and 4 of the three different items that follow are in
    /// the list, at ranks 2 and 4; items 1 to 4 came 4, 1, 2 and 0 times.
    #[test]
    fn figures_are_those_of_the_definitions() {
        let catalogue = catalogue(&[1, 1, 1, 1, 2, 3, 3, 9, 8, 7]);
        let mut judge = Judge::new(&catalogue);
        judge.add(ids(&[1, 3, 2, 4]), &ids(&[3, 55, 3, 4]));
        let figures = judge.figures();
        let log2 = f64::log2;
        let ndcg = (1.0 / log2(3.0) + 1.0 / log2(5.0)) / (1.0 + 1.0 / log2(3.0) + 0.5);
        for (found, expected) in [
            (figures.hr_at_20, 1.0),
            (figures.mrr_at_20, 0.5),
            (figures.ndcg_at_20, ndcg),
            (figures.precision_at_20, 0.1),
            (figures.recall_at_20, 2.0 / 3.0),
            (figures.popularity_bias, (1.0 + 0.5 + 0.25) / 4.0),
            (figures.coverage_at_20, 3.0 / 6.0),
        ] {
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        }
        // A position without a list halves the means.
        judge.add([], &ids(&[1]));
        assert_eq!(judge.positions(), (2, 1));
        assert_eq!(judge.figures().mrr_at_20, 0.25);
        assert_eq!(judge.figures().coverage_at_20, 0.5);
    }

    #[test]
    fn the_twenty_first_item_is_not_looked_at() {
        let catalogue = catalogue(&[1]);
        let mut judge = Judge::new(&catalogue);
        let list: Vec<u64> = (1..=30).collect();
        judge.add(ids(&list), &ids(&[21]));
        assert_eq!(judge.figures().hr_at_20, 0.0);
        judge.add(ids(&list), &ids(&[20]));
        assert_eq!(judge.figures().mrr_at_20, 0.025);
        // All that follows is in the list, and the best a list of twenty can do.
        judge.add(ids(&list), &ids(&(1..=20).collect::<Vec<_>>()));
        assert!((judge.figures().ndcg_at_20 - (1.0 + 1.0 / f64::log2(21.0)) / 3.0).abs() < 1e-12);
    }
}
