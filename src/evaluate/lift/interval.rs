//! Intervals of a difference and of a ratio of two groups that hold at all looks together.
//!
//! The difference of two groups is itself a mean: with n = nₜ + nₕ visitors and a share
//! π = nₜ/n of them treated, D moves with a treated visitor by yᵢ/π and with a held one by
//! −yᵢ/(1 − π). So D is a mean of n observations of variance σₜ²/π + σₕ²/(1 − π) = n·V, with
//! V = σₜ²/nₜ + σₕ²/nₕ, and the one-sample confidence sequence of
//! [`crate::visit::learn::confidence`] gives its half width √(n·V)·w(n) = √V · √n·w(n). The second
//! factor is [`reach`]: how many standard errors to go, some 3 to 4 where a single look would go
//! 1.96.
//!
//! **The clock.** A boundary at all times needs a count that grows as the sums' own variance does.
//! Visitors do not: the same visitors come again, and D goes on moving. Sessions do; so n in
//! `reach` is sessions, while V is over visitors. Sessions of one visitor that resemble each other
//! make the path of D smoother than that of independent ones of the same variance, hence cross a
//! boundary less often, not more (Slepian 1962).
//!
//! **The ratio** r = μₜ/μₕ: for the true r the difference Rₜ − r·Rₕ has mean 0, so the set of all r
//! for which it lies within reach of 0 holds r at all looks (Fieller 1954). It is an interval where
//! μₕ is surely above 0, and it leaves out 1 exactly when the difference's interval leaves out 0.
//!
//! Cost: two square roots and a logarithm.

use crate::visit::learn::confidence::{half_width, rho};

/// Estimates of two groups and their errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The treated visitors' value.
    pub treated: f64,
    /// The holdout's value.
    pub held: f64,
    /// Variance of the first estimate.
    pub treated_variance: f64,
    /// Variance of the second.
    pub held_variance: f64,
    /// Their covariance.
    pub covariance: f64,
}

impl Pair {
    /// Treated less held.
    pub fn difference(&self) -> f64 {
        self.treated - self.held
    }

    /// Variance of the difference.
    pub fn variance(&self) -> f64 {
        (self.treated_variance + self.held_variance - 2.0 * self.covariance).max(0.0)
    }

    /// The interval of the difference that reaches so many standard errors.
    pub fn interval(&self, reach: f64) -> Option<[f64; 2]> {
        let half = reach * self.variance().sqrt();
        finite([self.difference() - half, self.difference() + half])
    }

    /// Treated over held, less 1; nothing unless the holdout's value is above 0.
    pub fn relative(&self) -> Option<f64> {
        let relative = self.difference() / self.held;
        (self.held > 0.0 && relative.is_finite()).then_some(relative)
    }

    /// The interval of that; nothing unless the holdout's value is above 0 by more than the reach.
    pub fn relative_interval(&self, reach: f64) -> Option<[f64; 2]> {
        let square = reach * reach;
        // Roots of a·r² − 2·b·r + c, below which lies what cannot be told from the true r.
        let a = self.held * self.held - square * self.held_variance;
        let b = self.treated * self.held - square * self.covariance;
        let c = self.treated * self.treated - square * self.treated_variance;
        if self.held <= 0.0 || a.is_nan() || a <= 0.0 {
            return None;
        }
        let root = (b * b - a * c).max(0.0).sqrt();
        finite([(b - root) / a - 1.0, (b + root) / a - 1.0])
    }
}

/// How many standard errors an interval at level 1 − `alpha` reaches after so many sessions, if
/// it is to hold at all looks and to be tightest at `tightest_at` sessions.
pub fn reach(sessions: f64, tightest_at: f64, alpha: f64) -> f64 {
    sessions.sqrt() * half_width(sessions, rho(alpha, tightest_at), alpha)
}

/// An interval whose ends are numbers.
fn finite(interval: [f64; 2]) -> Option<[f64; 2]> {
    interval
        .iter()
        .all(|end| end.is_finite())
        .then_some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Pair {
        Pair {
            treated: 0.042,
            held: 0.039,
            treated_variance: 1e-6,
            held_variance: 4e-6,
            covariance: 0.0,
        }
    }

    #[test]
    fn the_reach_is_some_three_errors_and_grows_slowly() {
        assert!((reach(10_000.0, 10_000.0, 0.05) - 3.03).abs() < 0.03);
        let wide = [1e3, 1e5, 1e6, 1e8].map(|sessions| reach(sessions, 1e4, 0.05));
        assert!(
            wide.iter().all(|reach| (3.0..4.3).contains(reach)),
            "{wide:?}"
        );
        assert!(!reach(0.0, 1e4, 0.05).is_finite());
    }

    #[test]
    fn the_ratio_solves_its_own_equation() {
        for covariance in [0.0, 1e-6, -1e-6] {
            let pair = Pair {
                covariance,
                ..pair()
            };
            let [lo, hi] = pair.relative_interval(3.0).unwrap();
            assert!(lo < pair.relative().unwrap() && pair.relative().unwrap() < hi);
            for r in [lo + 1.0, hi + 1.0] {
                let gap = pair.treated - r * pair.held;
                let variance =
                    pair.treated_variance - 2.0 * r * covariance + r * r * pair.held_variance;
                assert!((gap.abs() - 3.0 * variance.sqrt()).abs() < 1e-9, "{r}");
            }
        }
    }

    #[test]
    fn both_intervals_leave_out_nothing_together() {
        for step in 0..200 {
            let treated = 0.025 + f64::from(step) * 2e-4;
            let pair = Pair { treated, ..pair() };
            let [lo, hi] = pair.interval(2.5).unwrap();
            let [below, above] = pair.relative_interval(2.5).unwrap();
            assert_eq!(
                (lo > 0.0, hi < 0.0),
                (below > 0.0, above < 0.0),
                "{treated}"
            );
        }
    }

    #[test]
    fn a_holdout_that_may_be_nothing_has_no_ratio() {
        let faint = Pair {
            held: 0.005,
            ..pair()
        };
        assert_eq!(faint.relative_interval(3.0), None);
        let owing = Pair {
            held: -0.5,
            ..pair()
        };
        assert_eq!(
            (owing.relative(), owing.relative_interval(3.0)),
            (None, None)
        );
        assert_eq!(pair().interval(f64::INFINITY), None);
        assert_eq!(pair().relative_interval(f64::INFINITY), None);
    }
}
