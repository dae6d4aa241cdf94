//! The estimators, as quotients of sums over rows.
//!
//! With `w = target / propensity` the weight of a row, `r` its reward, `q` the model's guess for its
//! arm, and `v = Σ target(a) · q(a)` the model's guess for the target policy in its situation:
//!
//! | estimator | formula | source |
//! |---|---|---|
//! | `on_policy` | mean of `r`: what the log's own policy earned | |
//! | `replay` | `Σ target · r / Σ target`; if the target is deterministic, the mean over the rows that it would have chosen, too | Li et al. 2011 |
//! | `dm` | mean of `v` | Dudík, Langford, Li 2011 |
//! | `ipw` | mean of `w · r` | Horvitz, Thompson 1952 |
//! | `snipw` | `Σ w · r / Σ w` | Swaminathan, Joachims 2015 |
//! | `dr` | mean of `v + w · (r − q)` | Dudík, Langford, Li 2011 |
//! | `switch_dr` | the same, without the second term where `w > τ` | Wang, Agarwal, Dudík 2017 |
//!
//! `replay` takes a log to be uniformly random. `ipw` and `dr` have no bias where propensities are
//! true (and every arm of the target has one); `dr` has none either where the guesses are true.
//! As all are made of the same sums, those of several groups add up to those of all. Cost: none.

use serde::Serialize;

/// A value for each estimator, in the order of their trust in the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PerEstimator<T> {
    /// What the log's own policy earned: no estimate, a mean.
    pub on_policy: T,
    /// Rows that the target would have chosen, too.
    pub replay: T,
    /// The direct method: the model's guesses alone.
    pub dm: T,
    /// Inverse propensity weighting.
    pub ipw: T,
    /// The same, divided by the weights' sum: never outside of the rewards' range.
    pub snipw: T,
    /// Doubly robust: the model's guesses, corrected by weighted residuals.
    pub dr: T,
    /// The same, with the guesses alone where a weight is above τ.
    pub switch_dr: T,
}

/// How many estimators there are.
pub const ESTIMATORS: usize = 7;

impl<T> PerEstimator<T> {
    /// The estimators' names.
    pub const NAMES: [&'static str; ESTIMATORS] = [
        "on_policy",
        "replay",
        "dm",
        "ipw",
        "snipw",
        "dr",
        "switch_dr",
    ];

    /// The values, in the order of the names.
    pub fn values(self) -> [T; ESTIMATORS] {
        [
            self.on_policy,
            self.replay,
            self.dm,
            self.ipw,
            self.snipw,
            self.dr,
            self.switch_dr,
        ]
    }

    /// From values in the order of the names.
    pub fn from_values(values: [T; ESTIMATORS]) -> PerEstimator<T> {
        let [on_policy, replay, dm, ipw, snipw, dr, switch_dr] = values;
        PerEstimator {
            on_policy,
            replay,
            dm,
            ipw,
            snipw,
            dr,
            switch_dr,
        }
    }
}

/// What the estimators know of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Term {
    /// The target's probability of the logged arm.
    pub target: f64,
    /// That over the log's.
    pub weight: f64,
    /// What was earned.
    pub reward: f64,
    /// The model's guess for the logged arm.
    pub guess: f64,
    /// The model's guess for the target policy.
    pub value: f64,
    /// The part of it that stands for arms that the log could not show there.
    pub missing: f64,
}

impl Term {
    /// What the doubly robust estimators add to the model's guess.
    pub fn correction(&self) -> f64 {
        self.weight * (self.reward - self.guess)
    }
}

/// Sums over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub rows: f64,
    pub weight: f64,
    pub weight_squared: f64,
    reward: f64,
    target: f64,
    target_reward: f64,
    weight_reward: f64,
    value: f64,
    correction: f64,
    correction_below: f64,
}

impl Sums {
    /// Adds a row so many times; weights above `switch_at` leave the correction out of `switch_dr`.
    pub fn count(&mut self, term: &Term, times: f64, switch_at: f64) {
        let correction = times * term.correction();
        self.rows += times;
        self.weight += times * term.weight;
        self.weight_squared += times * term.weight * term.weight;
        self.reward += times * term.reward;
        self.target += times * term.target;
        self.target_reward += times * term.target * term.reward;
        self.weight_reward += times * term.weight * term.reward;
        self.value += times * term.value;
        self.correction += correction;
        if term.weight <= switch_at {
            self.correction_below += correction;
        }
    }

    /// Adds the sums of other rows.
    pub fn add(&mut self, other: &Sums) {
        self.rows += other.rows;
        self.weight += other.weight;
        self.weight_squared += other.weight_squared;
        self.reward += other.reward;
        self.target += other.target;
        self.target_reward += other.target_reward;
        self.weight_reward += other.weight_reward;
        self.value += other.value;
        self.correction += other.correction;
        self.correction_below += other.correction_below;
    }

    /// The estimates; `None` where a divisor is 0.
    pub fn estimates(&self) -> PerEstimator<Option<f64>> {
        let over = |sum: f64, divisor: f64| (divisor > 0.0).then(|| sum / divisor);
        PerEstimator {
            on_policy: over(self.reward, self.rows),
            replay: over(self.target_reward, self.target),
            dm: over(self.value, self.rows),
            ipw: over(self.weight_reward, self.rows),
            snipw: over(self.weight_reward, self.weight),
            dr: over(self.value + self.correction, self.rows),
            switch_dr: over(self.value + self.correction_below, self.rows),
        }
    }

    /// The effective sample size: how many rows of equal weight say as much (Kish 1965).
    pub fn ess(&self) -> f64 {
        if self.weight_squared > 0.0 {
            self.weight * self.weight / self.weight_squared
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(target: f64, propensity: f64, reward: f64, guess: f64, value: f64) -> Term {
        Term {
            target,
            weight: target / propensity,
            reward,
            guess,
            value,
            missing: 0.0,
        }
    }

    /// Three rows, by hand.
    #[test]
    fn the_formulas_are_those_of_the_table() {
        let rows = [
            term(0.5, 0.25, 1.0, 0.4, 0.3),
            term(0.0, 0.5, 1.0, 0.6, 0.3),
            term(1.0, 0.2, 0.0, 0.1, 0.2),
        ];
        let mut sums = Sums::default();
        rows.iter().for_each(|row| sums.count(row, 1.0, 2.0));
        let estimates = sums.estimates().values().map(Option::unwrap);
        let expected = [
            2.0 / 3.0,
            0.5 / 1.5,
            0.8 / 3.0,
            2.0 / 3.0,
            2.0 / 7.0,
            (0.8 + 2.0 * 0.6 - 5.0 * 0.1) / 3.0,
            (0.8 + 2.0 * 0.6) / 3.0,
        ];
        for ((name, found), expected) in PerEstimator::<f64>::NAMES
            .iter()
            .zip(estimates)
            .zip(expected)
        {
            assert!(
                (found - expected).abs() < 1e-12,
                "{name}: {found} {expected}"
            );
        }
        assert!((sums.ess() - 49.0 / 29.0).abs() < 1e-12);
    }

    #[test]
    fn sums_of_groups_add_up_and_a_row_counts_as_often_as_it_came_up() {
        let one = term(0.5, 0.25, 1.0, 0.4, 0.3);
        let other = term(0.1, 0.5, 0.5, 0.6, 0.3);
        let (mut all, mut first, mut second) = (Sums::default(), Sums::default(), Sums::default());
        first.count(&one, 3.0, 1.0);
        second.count(&other, 1.0, 1.0);
        (0..3).for_each(|_| all.count(&one, 1.0, 1.0));
        all.count(&other, 1.0, 1.0);
        first.add(&second);
        assert!((first.ess() - all.ess()).abs() < 1e-12);
        for (left, right) in first
            .estimates()
            .values()
            .into_iter()
            .zip(all.estimates().values())
        {
            assert!((left.unwrap() - right.unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn without_rows_or_weight_an_estimate_is_undefined() {
        let mut sums = Sums::default();
        assert_eq!(sums.estimates(), PerEstimator::default());
        sums.count(&term(0.0, 0.5, 1.0, 0.0, 0.0), 1.0, 1.0);
        let estimates = sums.estimates();
        assert_eq!((estimates.replay, estimates.snipw), (None, None));
        assert_eq!((estimates.ipw, sums.ess()), (Some(0.0), 0.0));
    }
}
