//! What a reader must know before believing an estimate, in plain words.
//!
//! Off-policy estimates always come out as numbers; what is missing in the log does not show in
//! them. Every warning here names a way in which a number would be proud of nothing, with its
//! figure. The limits are constants, on purpose not options. Cost: none.

use super::rows::Names;
use super::weights::Weights;
use crate::grouped::grouped;
use serde::{Serialize, Serializer};
use std::fmt;

/// Fewer effective rows than this say little.
pub const ESS_MIN: f64 = 100.0;
/// Nor does a smaller share of the rows.
pub const ESS_SHARE_MIN: f64 = 0.01;
/// One row should not make up more of `ipw`.
pub const CONTRIBUTION_MAX: f64 = 0.2;
/// More of the target's probability than this must not lie where the log never went.
pub const UNSUPPORTED_MAX: f64 = 0.001;
/// Beyond this share, of its choices or of what was earned in their place, nothing is held against
/// what the log earned.
pub const UNSUPPORTED_LEAD_MAX: f64 = 0.05;
/// How many standard errors the mean weight may be from what is expected, and how much at least.
pub const MEAN_ERRORS_MAX: f64 = 4.0;
/// A smaller deviation of the mean weight changes no decision.
pub const MEAN_OFF_MIN: f64 = 0.02;
/// A greater one is too much, whatever its standard error: one monstrous weight makes both.
pub const MEAN_OFF_MAX: f64 = 0.25;
/// Fewer rewarded rows make for a rough interval.
pub const REWARDED_MIN: u64 = 50;
/// Arms named in a warning.
const ARMS_NAMED: usize = 5;

/// A reason to doubt.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// The weights leave few rows that count.
    EffectiveSample {
        /// Effective sample size.
        ess: f64,
        /// Rows.
        rows: u64,
    },
    /// One row counts for too much.
    OneRow {
        /// Its share of `ipw`.
        share: f64,
    },
    /// Tiny propensities.
    Propensity {
        /// The smallest.
        smallest: f64,
        /// Rows below the bound.
        rows: u64,
        /// A thousandth, or a ten-thousandth.
        bound: f64,
    },
    /// The target would show what the log never did.
    Unsupported {
        /// The target's probability of it.
        share: f64,
        /// The share of the log's rewards that came where it would.
        reward: f64,
        /// The arms' names with their shares, the largest first.
        arms: Vec<(String, f64)>,
    },
    /// The propensities cannot be those that the log was drawn with.
    MeanWeight {
        /// The mean weight.
        mean: f64,
        /// What it should be.
        expected: f64,
        /// Its standard error.
        error: f64,
    },
    /// Too few rewards.
    Rewarded {
        /// Rows with a reward.
        rows: u64,
    },
    /// The log is not uniformly random.
    Uneven {
        /// The smallest and the largest propensity.
        propensity: [f64; 2],
    },
    /// Not one row.
    NoRows,
}

/// All that is to be said about rows, the gravest first.
pub(super) fn warnings(
    rows: u64,
    rewarded: u64,
    ess: f64,
    weights: &Weights,
    names: &Names,
) -> Vec<Warning> {
    if rows == 0 {
        return vec![Warning::NoRows];
    }
    let mut said = Vec::new();
    if weights.unsupported.max(weights.unsupported_reward) > UNSUPPORTED_MAX {
        let name = |(group, arm, share): &(u32, u16, f64)| {
            let (arm, group) = (names.arm(*group, *arm), names.group(*group));
            (format!("{arm} at {group}"), *share)
        };
        let share = weights.unsupported;
        let arms = weights.unsupported_arms.iter().map(name).collect();
        let reward = weights.unsupported_reward;
        said.push(Warning::Unsupported {
            share,
            reward,
            arms,
        });
    }
    if let (true, expected) = mean_off(weights) {
        said.push(Warning::MeanWeight {
            mean: weights.mean,
            expected,
            error: weights.mean_error,
        });
    }
    if ess < ESS_MIN || ess < ESS_SHARE_MIN * rows as f64 {
        said.push(Warning::EffectiveSample { ess, rows });
    }
    let share = weights.largest_contribution;
    if share > CONTRIBUTION_MAX {
        said.push(Warning::OneRow { share });
    }
    let tiny = [
        (weights.below_ten_thousandth, 1e-4),
        (weights.below_thousandth, 1e-3),
    ];
    if let Some((rows, bound)) = tiny.into_iter().find(|(rows, _)| *rows > 0) {
        let smallest = weights.propensity[0];
        said.push(Warning::Propensity {
            smallest,
            rows,
            bound,
        });
    }
    if rewarded < REWARDED_MIN {
        said.push(Warning::Rewarded { rows: rewarded });
    }
    if !weights.uniform {
        let propensity = weights.propensity;
        said.push(Warning::Uneven { propensity });
    }
    said
}

/// Whether the mean weight is not what it must be, and what it must be.
pub(super) fn mean_off(weights: &Weights) -> (bool, f64) {
    let expected = 1.0 - weights.unsupported;
    let off = (weights.mean - expected).abs();
    let surely = off > MEAN_OFF_MIN && off > MEAN_ERRORS_MAX * weights.mean_error;
    (surely || off > MEAN_OFF_MAX, expected)
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::EffectiveSample { ess, rows } => write!(
                f,
                "the weights leave {ess:.0} effective rows of {}: the estimates rest on few, and their intervals are too narrow",
                grouped(*rows)
            ),
            Warning::OneRow { share } => write!(
                f,
                "one row makes up {} of ipw: without it, the estimate would be another",
                percent(*share)
            ),
            Warning::Propensity {
                smallest,
                rows,
                bound,
            } => write!(
                f,
                "propensities go down to {smallest:.1e}, in {} row(s) below {bound:e}: a single such row can weigh as much as {:.0} others; rewards of rare arms that the log happened not to show are missing from ipw and dr, and no interval shows it",
                grouped(*rows),
                1.0 / smallest
            ),
            Warning::Unsupported {
                share,
                reward,
                arms,
            } => {
                write!(
                    f,
                    "{} of the target's choices are of arms that the log never showed there ({}), where {} of what it earned came from: ipw counts them as worth nothing, dm and dr guess",
                    percent(*share),
                    listed(arms),
                    percent(*reward)
                )
            }
            Warning::MeanWeight {
                mean,
                expected,
                error,
            } => write!(
                f,
                "the mean weight is {mean:.3} where {expected:.3} is expected (standard error {error:.3}): the logged propensities are not those that the log was drawn with, or are those of another policy, or a few rows carry all"
            ),
            Warning::Rewarded { rows } => write!(
                f,
                "only {} row(s) earned anything: with so few, percentile intervals are rough",
                grouped(*rows)
            ),
            Warning::Uneven {
                propensity: [low, high],
            } => write!(
                f,
                "the log is not uniformly random (propensities {} to {}), which replay takes for granted: it leans towards what the log preferred",
                short(*low),
                short(*high)
            ),
            Warning::NoRows => write!(f, "there are no rows"),
        }
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 1.0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.2} %")
    }
}

fn short(p: f64) -> String {
    if p < 1e-3 {
        format!("{p:.1e}")
    } else {
        format!("{p:.4}")
    }
}

fn listed(arms: &[(String, f64)]) -> String {
    let named = arms.iter().take(ARMS_NAMED);
    let named: Vec<String> = named
        .map(|(name, share)| format!("{name} {}", percent(*share)))
        .collect();
    let rest = arms.len().saturating_sub(ARMS_NAMED);
    let rest = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    named.join(", ") + &rest
}
