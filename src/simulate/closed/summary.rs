//! Several runs of an experiment, each of its own seed, as one: means, and what each found.
//!
//! Cost: nothing to speak of.

use super::experiment::{Findings, Lift};
use serde::Serialize;

/// The means over runs, and the runs.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Visits of each rival in each run.
    pub sessions: u64,
    /// Seed of the first run; each further run has the next.
    pub seed: u64,
    /// Mean of [`Findings::oracle_gain`].
    pub oracle_gain: f64,
    /// Mean of [`Findings::policy_gain`].
    pub policy_gain: f64,
    /// The mean policy gain over the mean oracle gain: a ratio of means, not a mean of ratios, so
    /// that a run in which the oracle gained little does not count for more. None where the oracle
    /// gains nothing.
    pub gain_ratio: Option<f64>,
    /// Mean of [`Findings::regret`].
    pub regret: f64,
    /// Mean of [`Findings::regret_uniform`].
    pub regret_uniform: f64,
    /// Mean of [`Findings::regret_fixed`].
    pub regret_fixed: f64,
    /// The first run's.
    pub lift: Option<Lift>,
    /// The runs.
    pub runs: Vec<Findings>,
}

impl Summary {
    /// Sums runs up.
    ///
    /// # Panics
    /// If there are none.
    pub fn of(runs: Vec<Findings>) -> Summary {
        let mean = |of: fn(&Findings) -> f64| {
            let sum: f64 = runs.iter().map(of).sum();
            sum / runs.len() as f64
        };
        let (oracle_gain, policy_gain) = (mean(|run| run.oracle_gain), mean(|run| run.policy_gain));
        Summary {
            sessions: runs[0].sessions,
            seed: runs[0].seed,
            oracle_gain,
            policy_gain,
            gain_ratio: (oracle_gain > 0.0).then(|| policy_gain / oracle_gain),
            regret: mean(|run| run.regret),
            regret_uniform: mean(|run| run.regret_uniform),
            regret_fixed: mean(|run| run.regret_fixed),
            lift: runs[0].lift.clone(),
            runs,
        }
    }
}
