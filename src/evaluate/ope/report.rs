//! What an off-policy evaluation found out, as one JSON object.
//!
//! The names are fixed, and every name is always there: what the rows do not define is null. All
//! estimates are in the rewards' unit, per row. [`super::page`] has the same for people. Cost:
//! none to speak of.

use super::sums::PerEstimator;
use super::verdict::Verdict;
use super::warning::Warning;
use super::weights::Weights;
use crate::evaluate::bootstrap::Interval;
use serde::Serialize;

/// The estimates over some rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Rows.
    pub rows: u64,
    /// Rows with a reward above 0.
    pub clicks: u64,
    /// The estimates, by estimator.
    #[serde(flatten)]
    pub estimates: PerEstimator<Option<f64>>,
    /// The effective sample size, `(Σw)² / Σw²`.
    pub ess: f64,
    /// 95 % percentile intervals, by estimator.
    pub interval: PerEstimator<Option<Interval>>,
    /// Figures on the weights.
    pub weights: Weights,
    /// Reasons to doubt, the gravest first.
    pub warnings: Vec<Warning>,
    /// What it all says of the target.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The estimates over a group's rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupEstimate {
    /// The group's name.
    pub group: String,
    /// Its estimates.
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// The estimates over all rows and by group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimates {
    /// Over all rows.
    #[serde(flatten)]
    pub overall: Estimate,
    /// By group, in the groups' order.
    pub groups: Vec<GroupEstimate>,
    /// Units that were resampled.
    pub units: u32,
    /// The weight above which `switch_dr` leaves the correction out.
    pub switch_at: f64,
    /// Folds of the cross-fitting.
    pub folds: u16,
    /// Replicates drawn for every interval.
    pub replicates: u32,
}

impl Estimates {
    /// One JSON object on one line.
    pub fn json(&self) -> String {
        // Plain data with text keys: this cannot fail.
        let mut text = serde_json::to_string(self).expect("estimates are plain data");
        text.push('\n');
        text
    }
}
