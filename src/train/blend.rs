//! Trees and a regression in one sum, each with the share that serves unseen sessions best.
//!
//! With many sessions trees find what a regression cannot express; with few they find noise, and
//! the regression's few numbers hold. Which is the case is read off sessions that neither was
//! fitted on: a regression on the two log-odds (stacking; Wolpert 1992, with shares not below zero,
//! Breiman 1996). Trees stay alone where the sum is no better than they are. Cost: two small fits.

use super::calibrate::{Scored, rounded};
use super::logistic::{self, Rows};
use crate::visit::model::{Head, Scorer, sigmoid};

/// The shares of trees and of the regression.
pub type Shares = [f64; 2];

/// Least relative gain in log loss for which a regression is taken in: its terms cost time.
const GAIN_MIN: f64 = 0.001;

/// Pull of the shares towards nothing, in sessions: with few sessions they stay small.
const L2: f64 = 1.0;

/// The shares of two scorers of the same rows, or nothing where the first should stay alone.
pub fn shares(trees: &[Scored], beside: &[Scored]) -> Option<Shares> {
    let both = fit(trees, |row| [trees[row].0, beside[row].0])?;
    let first = fit(trees, |row| [trees[row].0, 0.0])?;
    let second = fit(trees, |row| [0.0, beside[row].0])?;
    let both = match both.0 {
        [of_trees, of_beside] if of_trees > 0.0 && of_beside > 0.0 => both,
        _ => second,
    };
    let gains = first.0[0] <= 0.0 || both.1 < first.1 * (1.0 - GAIN_MIN);
    (gains && both.0[1] > 0.0).then(|| both.0.map(rounded))
}

/// The shares that fit the labels best, and the log loss.
fn fit(rows: &[Scored], of: impl Fn(usize) -> [f64; 2]) -> Option<(Shares, f64)> {
    let table = Rows {
        columns: 2,
        values: (0..rows.len()).flat_map(&of).collect(),
        labels: rows.iter().map(|row| row.1).collect(),
        weights: rows.iter().map(|row| row.2).collect(),
        groups: Vec::new(),
    };
    let fit = logistic::fit(&table, L2).ok()?;
    let loss = rows.iter().enumerate().map(|(row, (_, label, weight))| {
        let log_odds = fit.log_odds(&of(row));
        let p = sigmoid(if *label { log_odds } else { -log_odds });
        -weight * libm::log(p.max(1e-15))
    });
    Some(([fit.weights[0], fit.weights[1]], loss.sum()))
}

/// Puts the regression of a head into the trees of another.
pub fn mix(into: &mut Head, beside: &Head, [of_trees, of_beside]: Shares) {
    let Scorer::Logistic { bias, weights: own } = &beside.scorer else {
        return;
    };
    if let Scorer::Trees {
        base,
        trees,
        weights,
    } = &mut into.scorer
    {
        *base = *base * of_trees + bias * of_beside;
        *weights = own
            .iter()
            .map(|weight| rounded(weight * of_beside))
            .collect();
        let values = trees.iter_mut().flat_map(|tree| &mut tree.value);
        values.for_each(|value| *value *= of_trees);
        if of_trees == 0.0 {
            trees.clear();
        }
    }
}

/// The rows as the mixed head scores them.
pub fn mix_rows(trees: &mut [Scored], beside: &[Scored], [of_trees, of_beside]: Shares) {
    for (row, other) in trees.iter_mut().zip(beside) {
        row.0 = row.0 * of_trees + other.0 * of_beside;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::mix;

    /// Rows of two scorers that see a truth with noise of these sizes.
    fn scored(noise: [f64; 2]) -> [Vec<Scored>; 2] {
        let uniform = |n: u64| (mix(n) >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        let rows = (0..4_000).map(|n| {
            let truth = 6.0 * uniform(4 * n);
            let label = uniform(4 * n + 1) + 0.5 < sigmoid(truth);
            let of = |at: usize| truth + noise[at] * uniform(4 * n + 2 + at as u64);
            ((of(0), label, 1.0), (of(1), label, 1.0))
        });
        let (one, other) = rows.unzip();
        [one, other]
    }

    #[test]
    fn who_sees_more_clearly_gets_the_greater_share() {
        let [one, other] = scored([6.0, 3.0]);
        let [of_one, of_other] = shares(&one, &other).unwrap();
        assert!(of_one > 0.05 && of_other > of_one, "{of_one} {of_other}");
    }

    #[test]
    fn trees_that_see_all_stay_alone() {
        let [one, other] = scored([0.0, 9.0]);
        assert_eq!(shares(&one, &other), None);
    }

    #[test]
    fn trees_that_see_nothing_have_no_share() {
        let [mut one, other] = scored([0.0, 1.0]);
        one.iter_mut().for_each(|row| row.0 = -row.0);
        let [of_one, of_other] = shares(&one, &other).unwrap();
        assert!(of_one <= 0.0 && of_other > 0.5, "{of_one} {of_other}");
    }
}
