//! Trees and a regression in one sum, each with the share that serves unseen sessions best.
//!
//! With many sessions trees find what a regression cannot express; with few they find noise, and
//! the regression's few numbers hold. Which is the case is read off sessions that neither was
//! fitted on: a regression on the two log-odds (stacking; Wolpert 1992, with shares not below zero,
//! Breiman 1996), which begins at a guess and needs sessions to leave it. Trees stay alone where
//! many sessions show that the sum is no better than they are. Cost: two small fits.

use super::calibrate::{Scored, rounded, softened};
use super::logistic;
use crate::visit::model::{Head, Scorer, sigmoid};

/// The shares of trees and of the regression.
pub type Shares = [f64; 2];

/// Least relative gain in log loss for which a regression is taken in: its terms cost time.
const GAIN_MIN: f64 = 0.001;

/// Least sessions of either class, by weight, that can show that trees do better alone.
const SESSIONS_MIN: f64 = 200.0;

/// Where the shares begin, before any session has spoken: the regression is the safer guess.
const PRIOR: Shares = [0.3, 0.7];

/// Sessions that the pull towards the beginning is worth.
const PRIOR_SESSIONS: f64 = 10.0;

/// The shares of two scorers of the same rows, or nothing where the first should stay alone.
pub fn shares(trees: &[Scored], beside: &[Scored]) -> Option<Shares> {
    if trees.is_empty() {
        return Some(PRIOR);
    }
    let weight = |wanted| -> f64 {
        let rows = trees.iter().filter(|row| row.1 == wanted);
        rows.map(|row| row.2).sum()
    };
    let mut both = fit(trees, PRIOR, |row| vec![trees[row].0, beside[row].0])?;
    if both.0[0] <= 0.0 {
        both = fit(trees, [0.0, 1.0], |row| vec![0.0, beside[row].0])?;
    }
    let (of_trees, of_beside) = (both.0[0].max(0.0), both.0[1].max(0.0));
    if weight(true).min(weight(false)) >= SESSIONS_MIN {
        let alone = fit(trees, [1.0, 0.0], |row| vec![trees[row].0, 0.0])?;
        let gains = alone.0[0] <= 0.0 || both.1 < alone.1 * (1.0 - GAIN_MIN);
        if !gains || of_beside == 0.0 {
            return None;
        }
    }
    Some([of_trees, of_beside].map(rounded))
}

/// The shares that fit the labels best, and the log loss.
fn fit(rows: &[Scored], prior: Shares, of: impl Fn(usize) -> Vec<f64>) -> Option<(Shares, f64)> {
    let table = softened(rows, 2, &of);
    let fit = logistic::fit_towards(&table, PRIOR_SESSIONS, &prior).ok()?;
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
    fn without_sessions_the_guess_stands() {
        assert_eq!(shares(&[], &[]), Some(PRIOR));
        let rows = [(-2.0, false, 1.0); 3];
        let [of_one, of_other] = shares(&rows, &rows).unwrap();
        assert!((of_one - PRIOR[0]).abs() < 0.2 && (of_other - PRIOR[1]).abs() < 0.2);
    }

    #[test]
    fn trees_that_see_nothing_have_no_share() {
        let [mut one, other] = scored([0.0, 1.0]);
        one.iter_mut().for_each(|row| row.0 = -row.0);
        let [of_one, of_other] = shares(&one, &other).unwrap();
        assert!(of_one <= 0.0 && of_other > 0.5, "{of_one} {of_other}");
    }
}
