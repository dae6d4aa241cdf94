//! What the weights say about an estimate's worth.
//!
//! Weighting moves the variance of an estimate into a few rows; these figures say how few. The mean
//! weight is 1 on average where propensities are true and the log could show all that the target
//! shows; how far it may stray by chance comes from the units, as rows of one hang together. What the
//! log could not show ([`super::support`]) is counted by choices and by what was earned there: few
//! choices may be those of the visitors who earn most. Cost: a sort of the weights.

use super::rows::{Logged, Rows, TargetId};
use super::sums::Term;
use super::support::{Support, only};
use serde::Serialize;
use std::collections::BTreeMap;

/// Figures on the weights of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Weights {
    /// Their mean; 1 is expected.
    pub mean: f64,
    /// The standard error of their mean, over units.
    pub mean_error: f64,
    /// The largest.
    pub max: f64,
    /// The share that the largest hundredth has of their sum.
    pub top_hundredth_share: f64,
    /// The share that the one row that counts for most has of `ipw`.
    pub largest_contribution: f64,
    /// The smallest propensity in the log, and the largest.
    pub propensity: [f64; 2],
    /// Rows with a propensity below a thousandth.
    pub below_thousandth: u64,
    /// Rows with a propensity below a ten-thousandth.
    pub below_ten_thousandth: u64,
    /// Whether the log chose evenly within each group and context.
    pub uniform: bool,
    /// The target's probability of arms that the log never chose, over all rows.
    pub unsupported: f64,
    /// The share of all rewards that were earned where it would have chosen such an arm, each by
    /// the arm's probability.
    pub unsupported_reward: f64,
    /// What the model guesses for such arms, as a part of `dm` and `dr`.
    pub unsupported_guess: f64,
    /// Those arms with their shares, the largest first: group, arm, share.
    #[serde(skip)]
    pub unsupported_arms: Vec<(u32, u16, f64)>,
}

/// Two propensities that differ by a smaller part than this are one.
const EVEN: f64 = 0.01;

/// Looks at the weights of the rows: unit, row and terms.
pub(super) fn weights<'a>(
    rows: &Rows,
    support: &Support,
    terms: impl Iterator<Item = (u32, &'a Logged, Term)> + Clone,
) -> Weights {
    let mut each: Vec<f64> = terms.clone().map(|(_, _, term)| term.weight).collect();
    each.sort_by(f64::total_cmp);
    let (count, sum) = (each.len() as f64, each.iter().sum::<f64>());
    if each.is_empty() {
        return Weights::default();
    }
    let mean = sum / count;
    let top = each.len().div_ceil(100);
    let top: f64 = each[each.len() - top..].iter().sum();
    let propensities = terms.clone().map(|(_, row, _)| row.propensity);
    let below = |bound: f64| propensities.clone().filter(|p| *p < bound).count() as u64;
    let missing = missing(rows, support, terms.clone().map(|(_, row, _)| row));
    Weights {
        mean,
        mean_error: mean_error(terms.clone(), mean, count),
        max: each[each.len() - 1],
        top_hundredth_share: if sum > 0.0 { top / sum } else { 0.0 },
        largest_contribution: largest_contribution(terms.clone()),
        propensity: [
            propensities.clone().fold(1.0, f64::min),
            propensities.clone().fold(0.0, f64::max),
        ],
        below_thousandth: below(1e-3),
        below_ten_thousandth: below(1e-4),
        uniform: uniform(terms.clone().map(|(_, row, _)| row)),
        unsupported: missing.choices,
        unsupported_reward: missing.reward,
        unsupported_guess: terms.map(|(.., term)| term.missing).sum::<f64>() / count,
        unsupported_arms: missing.arms,
    }
}

/// The standard error of a mean over rows of which those of a unit hang together.
fn mean_error<'a>(
    terms: impl Iterator<Item = (u32, &'a Logged, Term)>,
    mean: f64,
    count: f64,
) -> f64 {
    let mut of_units: BTreeMap<u32, f64> = BTreeMap::new();
    for (unit, _, term) in terms {
        *of_units.entry(unit).or_default() += term.weight - mean;
    }
    let squares: f64 = of_units.values().map(|off| off * off).sum();
    squares.sqrt() / count
}

fn largest_contribution<'a>(terms: impl Iterator<Item = (u32, &'a Logged, Term)>) -> f64 {
    let (mut largest, mut sum) = (0.0f64, 0.0);
    for (_, _, term) in terms {
        let part = (term.weight * term.reward).abs();
        largest = largest.max(part);
        sum += part;
    }
    if sum > 0.0 { largest / sum } else { 0.0 }
}

fn uniform<'a>(rows: impl Iterator<Item = &'a Logged>) -> bool {
    let mut spans: BTreeMap<(u32, u32), [f64; 2]> = BTreeMap::new();
    for row in rows {
        let p = row.propensity;
        let [low, high] = spans.entry((row.group, row.context)).or_insert([p, p]);
        (*low, *high) = (low.min(p), high.max(p));
    }
    spans.values().all(|[low, high]| high - low <= EVEN * high)
}

/// What the target would have chosen and the log could not show.
struct Missing {
    /// Its share of the choices.
    choices: f64,
    /// Its share of what was earned.
    reward: f64,
    /// Group, arm and share of the choices, the largest first.
    arms: Vec<(u32, u16, f64)>,
}

fn missing<'a>(
    rows: &Rows,
    support: &Support,
    logged: impl Iterator<Item = &'a Logged>,
) -> Missing {
    // Rows that are alike in all that matters here: one of them, how many, and what they earned.
    type Alike = (u32, u32, TargetId, Option<u16>);
    let mut situations: BTreeMap<Alike, (&Logged, f64, f64)> = BTreeMap::new();
    let (mut count, mut earned) = (0.0, 0.0);
    for row in logged {
        let alike = (row.group, row.context, row.target, only(row));
        let (_, times, reward) = situations.entry(alike).or_insert((row, 0.0, 0.0));
        *times += 1.0;
        *reward += row.reward.abs();
        count += 1.0;
        earned += row.reward;
    }
    let mut of_arms: BTreeMap<(u32, u16), f64> = BTreeMap::new();
    let mut lost = 0.0;
    for (row, times, reward) in situations.values() {
        for arm in support.missing(rows, row) {
            let p = rows.target(row.target)[usize::from(arm)];
            *of_arms.entry((row.group, arm)).or_default() += times * p / count;
            lost += reward * p;
        }
    }
    let mut arms: Vec<(u32, u16, f64)> = of_arms
        .into_iter()
        .map(|((group, arm), share)| (group, arm, share))
        .collect();
    // Stable: arms of one share stay in their order.
    arms.sort_by(|left, right| right.2.total_cmp(&left.2));
    Missing {
        choices: arms.iter().map(|arm| arm.2).sum(),
        reward: if lost > 0.0 && earned != 0.0 {
            lost / f64::abs(earned)
        } else {
            f64::from(u8::from(lost > 0.0))
        },
        arms,
    }
}
