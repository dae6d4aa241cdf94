//! Off-policy evaluation: what a policy would have earned, from the log of another.
//!
//! A log says what one policy chose, with which probability, and what that earned. The rewards of
//! choices that were not made are missing; each estimator fills the gap in another way (the table
//! in [`sums`]; Saito et al. 2021 compare them on the Open Bandit Dataset). [`estimate`] gives all
//! of them side by side, for all rows and for each group, with intervals by a bootstrap over units,
//! with [`warning`]s and a [`verdict`]: where the log cannot answer the question, it says so rather
//! than giving a proud number. [`rows`] is what goes in, [`report`] what comes out, with a [`page`] for people;
//! [`mod@model`], [`plan`], [`switch`] and [`mod@weights`] are the steps between. [`obd`], [`prior`] and
//! [`thompson`] bring the Open Bandit Dataset in.
//!
//! Pure: chance comes from the seed alone, and the same rows give the same bytes. Cost: two passes
//! over the rows a replicate, some 20 ns a row.

pub mod beta;
mod model;
pub mod obd;
pub mod page;
mod plan;
pub mod prior;
pub mod report;
pub mod rows;
pub mod sums;
mod support;
pub mod switch;
pub mod thompson;
pub mod verdict;
pub mod warning;
pub mod weights;

#[cfg(test)]
mod tests;

use super::bootstrap::{Interval, each_replicate, percentiles};
use plan::Plan;
use report::{Estimate, Estimates, GroupEstimate};
use rows::Rows;
use sums::{ESTIMATORS, PerEstimator, Sums};
use switch::{Switch, switch_at};
use verdict::Verdict;
use warning::warnings;
use weights::weights;

/// How to estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Parts that the units are cut into: guesses for one come from the others. At least 2, or the
    /// doubly robust estimates are biased.
    pub folds: u16,
    /// Replicates for the intervals; 0 for none.
    pub replicates: u32,
    /// Feeds folds and replicates.
    pub seed: u64,
    /// The weight above which `switch_dr` leaves the correction out.
    pub switch: Switch,
    /// Whether arm 3 of one group is the same thing as arm 3 of another, as an item is at several
    /// positions of a page; slots with arms of their own have nothing to learn from each other.
    pub share_arms: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            folds: 5,
            replicates: 500,
            seed: 1,
            switch: Switch::Chosen,
            share_arms: false,
        }
    }
}

/// Estimates what the target policy would have earned a row, over all rows and by group.
///
/// Estimates over all rows are sums over the groups, so a group counts by its rows.
pub fn estimate(rows: &Rows, options: &Options) -> Estimates {
    let plan = Plan::new(rows, options.folds, options.share_arms, options.seed);
    let guesses = plan.guesses(None);
    let terms = plan.terms(&guesses);
    let switch_at = match options.switch {
        Switch::Chosen => switch_at(terms.clone().map(|(.., term)| term)),
        Switch::At(weight) => weight,
    };
    let sums = plan.sums(None, switch_at);
    let replicates = each_replicate(plan.units, options.replicates, options.seed, |counts| {
        let sums = plan.sums(Some(counts), switch_at);
        let mut each = vec![together(&sums).estimates()];
        each.extend(sums.iter().map(Sums::estimates));
        each
    });
    // The first place of a replicate is for all rows, the others are for the groups.
    let one = |group: Option<usize>, sums: &Sums| {
        let place = group.map_or(0, |group| group + 1);
        let among = terms
            .clone()
            .filter(move |(_, of, ..)| group.is_none_or(|group| *of as usize == group));
        let weights = weights(
            rows,
            &plan.support,
            among.clone().map(|(unit, _, row, term)| (unit, row, term)),
        );
        let clicks = among.filter(|(.., term)| term.reward > 0.0).count() as u64;
        let (count, ess) = (sums.rows as u64, sums.ess());
        let mut estimate = Estimate {
            rows: count,
            clicks,
            estimates: sums.estimates(),
            ess,
            interval: intervals(replicates.iter().map(|replicate| &replicate[place])),
            warnings: warnings(count, clicks, ess, &weights, &rows.names),
            weights,
            verdict: Verdict::default(),
        };
        estimate.verdict = Verdict::of(&estimate);
        estimate
    };
    let groups = plan.groups.iter().zip(&sums).enumerate();
    Estimates {
        overall: one(None, &together(&sums)),
        groups: groups
            .map(|(n, (group, sums))| GroupEstimate {
                group: rows.names.group(*group),
                estimate: one(Some(n), sums),
            })
            .collect(),
        units: plan.units,
        switch_at,
        folds: options.folds.max(1),
        replicates: options.replicates,
    }
}

fn together(groups: &[Sums]) -> Sums {
    let mut all = Sums::default();
    groups.iter().for_each(|group| all.add(group));
    all
}

/// The intervals of the estimators over the replicates.
fn intervals<'a>(
    replicates: impl Iterator<Item = &'a PerEstimator<Option<f64>>> + Clone,
) -> PerEstimator<Option<Interval>> {
    let all: Vec<[Option<f64>; ESTIMATORS]> = replicates.map(|each| each.values()).collect();
    PerEstimator::from_values(std::array::from_fn(|estimator| {
        let values: Vec<f64> = all.iter().filter_map(|each| each[estimator]).collect();
        let skipped = all.len() - values.len();
        percentiles(values, skipped)
    }))
}
