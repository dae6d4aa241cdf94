//! How features and scores were distributed in training, and how far a running job is from that.
//!
//! Each feature is cut into at most [`BINS_MAX`] bins at quantiles of the training sessions, with
//! one more for missing values; so are the two probabilities. A session counts once, as it stood
//! after its last event. The distance is the population stability index, PSI = Σ (p − q) ln(p / q)
//! over the bins (Siddiqi 2006, Credit Risk Scorecards): below 0.1 little has changed, above 0.25
//! much. Counts are integers, so they add up over workers. Cost: a binary search per feature and
//! session.

use super::Scores;
use crate::visit::feature::{FEATURES, Vector, index_of};
use serde::{Deserialize, Serialize};

/// Most bins of a distribution, that for missing values not counted.
pub const BINS_MAX: usize = 10;

/// Distributions in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Sessions counted.
    pub sessions: u64,
    /// A distribution for each feature of the model, by name.
    pub features: Vec<Distribution>,
    /// Of `p_purchase`, then of `p_abandon`.
    pub scores: Vec<Distribution>,
}

/// One distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Of what.
    pub name: String,
    /// Where bins end and the next begins; rising. A value at an edge is in the upper bin.
    pub edges: Vec<f64>,
    /// Sessions in each bin, and last those without a value: two more than edges.
    pub counts: Vec<u64>,
}

/// The names of the two scores, in the order of [`Summary::scores`].
pub const SCORE_NAMES: [&str; 2] = ["p_purchase", "p_abandon"];

impl Distribution {
    /// Cuts values at their quantiles and counts them. Values may be missing (NaN).
    pub fn of(name: &str, values: &[f64]) -> Distribution {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|x| !x.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let mut edges: Vec<f64> = (1..BINS_MAX)
            .filter_map(|n| sorted.get(sorted.len() * n / BINS_MAX).copied())
            .collect();
        // A bin that holds nothing tells nothing: edges are distinct, and above the least value.
        edges.dedup();
        edges.retain(|edge| sorted.first().is_some_and(|least| edge > least));
        if edges.is_empty() {
            // Nine in ten have the least value: what can move is how many have more.
            edges.extend(sorted.iter().find(|value| **value > sorted[0]));
        }
        let mut distribution = Distribution {
            name: name.into(),
            counts: vec![0; edges.len() + 2],
            edges,
        };
        for &value in values {
            let bin = distribution.bin(value);
            distribution.counts[bin] += 1;
        }
        distribution
    }

    /// The bin of a value.
    pub fn bin(&self, value: f64) -> usize {
        if value.is_nan() {
            self.edges.len() + 1
        } else {
            self.edges.partition_point(|&edge| edge <= value)
        }
    }

    /// The population stability index of other counts over the same bins. Half a session is added
    /// to every bin of both, so that an empty bin is not infinitely far.
    pub fn psi(&self, counts: &[u64]) -> f64 {
        let total = |counts: &[u64]| counts.iter().sum::<u64>() as f64 + 0.5 * counts.len() as f64;
        let (before, now) = (total(&self.counts), total(counts));
        self.counts
            .iter()
            .zip(counts)
            .map(|(&q, &p)| {
                let (q, p) = ((q as f64 + 0.5) / before, (p as f64 + 0.5) / now);
                (p - q) * libm::log(p / q)
            })
            .sum()
    }

    fn wrong(&self) -> Option<&'static str> {
        let rises = self.edges.windows(2).all(|pair| pair[0] < pair[1]);
        if !rises || self.edges.iter().any(|edge| !edge.is_finite()) {
            Some("its edges do not rise")
        } else if self.edges.len() >= BINS_MAX || self.counts.len() != self.edges.len() + 2 {
            Some("its bins are too many, or do not fit its edges")
        } else if self.counts.iter().any(|&count| count > 1 << 48) {
            Some("a count is too large")
        } else {
            None
        }
    }
}

impl Summary {
    /// Why it cannot be used, if so: the distribution and what is wrong with it.
    pub fn wrong(&self) -> Option<(String, &'static str)> {
        let unknown = self
            .features
            .iter()
            .find(|distribution| index_of(&distribution.name).is_none());
        if let Some(distribution) = unknown {
            return Some((distribution.name.clone(), "it is no feature of this build"));
        }
        if self.scores.len() != SCORE_NAMES.len() {
            return Some(("scores".into(), "there are not two of them"));
        }
        self.features
            .iter()
            .chain(&self.scores)
            .find_map(|part| Some((part.name.clone(), part.wrong()?)))
    }
}

/// Counts of a running job over the bins of a summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Sessions counted.
    pub sessions: u64,
    /// Counts of every feature's bins, one after the other, then those of the scores.
    pub counts: Vec<u64>,
}

/// Finds bins quickly: a summary with its features' places.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Place of the feature, first bin among all counts, and the distribution.
    features: Vec<(usize, usize, Distribution)>,
    scores: Vec<(usize, Distribution)>,
    bins: usize,
}

impl Watch {
    /// For a summary that has been checked.
    pub fn new(summary: &Summary) -> Watch {
        let mut bins = 0;
        let mut first = |part: &Distribution| {
            bins += part.counts.len();
            bins - part.counts.len()
        };
        let features = summary
            .features
            .iter()
            .filter_map(|part| Some((index_of(&part.name)?, first(part), part.clone())))
            .collect();
        let scores = summary
            .scores
            .iter()
            .map(|part| (first(part), part.clone()))
            .collect();
        Watch {
            features,
            scores,
            bins,
        }
    }

    /// Counts a session.
    pub fn count(&self, features: &Vector, scores: Scores, into: &mut Observed) {
        into.counts.resize(self.bins, 0);
        into.sessions += 1;
        for (feature, first, part) in &self.features {
            into.counts[first + part.bin(features[*feature])] += 1;
        }
        for ((first, part), score) in self.scores.iter().zip([scores.purchase, scores.abandon]) {
            into.counts[first + part.bin(score)] += 1;
        }
    }

    /// The index of every feature and score: name, PSI. Features in the model's order, then scores.
    pub fn psi(&self, observed: &Observed) -> Vec<(&'static str, f64)> {
        let of = |first: usize, part: &Distribution| {
            let counts = observed.counts.get(first..first + part.counts.len());
            counts.map_or(0.0, |counts| part.psi(counts))
        };
        let features = self
            .features
            .iter()
            .map(|(feature, first, part)| (FEATURES[*feature].name, of(*first, part)));
        let scores = self
            .scores
            .iter()
            .zip(SCORE_NAMES)
            .map(|((first, part), name)| (name, of(*first, part)));
        features.chain(scores).collect()
    }
}

impl Observed {
    /// Adds the counts of another worker.
    pub fn merge(&mut self, other: &Observed) {
        self.sessions += other.sessions;
        let longest = self.counts.len().max(other.counts.len());
        self.counts.resize(longest, 0);
        for (sum, more) in self.counts.iter_mut().zip(&other.counts) {
            *sum += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::feature::FEATURE_COUNT;

    #[test]
    fn values_are_cut_at_their_quantiles() {
        let values: Vec<f64> = (0..100).map(f64::from).chain([f64::NAN]).collect();
        let part = Distribution::of("events", &values);
        assert_eq!(part.edges.len(), 9);
        assert_eq!(part.counts[..10], [10; 10]);
        assert_eq!(part.counts[10], 1, "the missing one");
        let rare: Vec<f64> = [0.0; 95].into_iter().chain([2.0; 5]).collect();
        let rare = Distribution::of("cart_size", &rare);
        assert_eq!(
            (&rare.edges[..], &rare.counts[..]),
            (&[2.0][..], &[95, 5, 0][..])
        );
        assert!(rare.psi(&[60, 40, 0]) > 0.25);
        let constant = Distribution::of("events", &[3.0; 7]);
        assert_eq!(
            (constant.edges.len(), &constant.counts[..]),
            (0, &[7, 0][..])
        );
    }

    #[test]
    fn the_same_distribution_has_no_distance_and_another_has() {
        let part = Distribution {
            name: "events".into(),
            edges: vec![1.0],
            counts: vec![500, 500, 0],
        };
        assert!(part.psi(&[5_000, 5_000, 0]).abs() < 0.01);
        // By hand, without the half sessions: 0.4 ln 9 + 0.4 ln 9 … = 2 · 0.4 · ln(0.9 / 0.5 …).
        let by_hand = 0.4 * (0.9f64 / 0.5).ln() + (-0.4) * (0.1f64 / 0.5).ln();
        assert!((part.psi(&[900_000, 100_000, 0]) - by_hand).abs() < 0.01);
        assert!(part.psi(&[0, 0, 1_000]) > 1.0);
    }

    #[test]
    fn sessions_are_counted_where_they_belong_and_add_up() {
        let summary = Summary {
            sessions: 4,
            features: vec![Distribution {
                name: "cart_size".into(),
                edges: vec![1.0],
                counts: vec![2, 2, 0],
            }],
            scores: SCORE_NAMES
                .iter()
                .map(|name| Distribution::of(name, &[0.1, 0.2]))
                .collect(),
        };
        assert_eq!(summary.wrong(), None);
        let watch = Watch::new(&summary);
        let mut features = [0.0; FEATURE_COUNT];
        let (mut one, mut two) = (Observed::default(), Observed::default());
        watch.count(&features, Scores::default(), &mut one);
        features[index_of("cart_size").unwrap()] = 1.0;
        watch.count(&features, Scores::default(), &mut two);
        one.merge(&two);
        assert_eq!((one.sessions, &one.counts[..3]), (2, &[1, 1, 0][..]));
        let psi = watch.psi(&one);
        assert_eq!(psi[0].0, "cart_size");
        assert!(psi[0].1 < 0.1, "{psi:?}");
        assert_eq!(psi[2].0, "p_abandon");
    }
}
