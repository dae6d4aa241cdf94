//! Whether a log can tell what the target is worth, and what it tells, in words.
//!
//! The doubly robust estimate and its interval stand for all estimators. `not known` where the log
//! cannot tell: where the target would choose too much that the log could not show, by choices or
//! by what was earned there; where the mean weight is not what it must be; where few choices carry
//! the estimate, or earned anything. Else the log's own mean lies below the interval (`more`), above
//! it (`less`), or in it (`no difference so far`).
//!
//! What the log could not show is a guess in the estimate. So a word stands only if it is the same
//! were that worth nothing, or twice what was earned in its place; else it is not known, either.
//! The figures behind a `not known` stay what the formulas give, for those who look for the reason;
//! they are no answer. Cost: none.

use super::report::Estimate;
use super::warning::{CONTRIBUTION_MAX, ESS_MIN, REWARDED_MIN, UNSUPPORTED_LEAD_MAX, mean_off};
use crate::evaluate::bootstrap::Interval;
use crate::grouped::grouped;
use serde::Serialize;

/// What the log says of the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// `more`, `less`, `no difference so far` or `not known`.
    pub verdict: &'static str,
    /// Why it is not known.
    pub why: Option<String>,
}

/// What is said without an answer.
pub const NOT_KNOWN: &str = "not known";

impl Verdict {
    /// What an estimate comes to.
    pub fn of(estimate: &Estimate) -> Verdict {
        let not_known = |why: String| Verdict {
            verdict: NOT_KNOWN,
            why: Some(why),
        };
        let (earned, interval) = (estimate.estimates.on_policy, estimate.interval.dr);
        if let Some(why) = doubt(estimate) {
            return not_known(why);
        }
        let (Some(earned), Some(interval)) = (earned, interval) else {
            return not_known("no interval was drawn".into());
        };
        let weights = &estimate.weights;
        let (guess, twice) = (
            weights.unsupported_guess,
            2.0 * weights.unsupported_reward * earned.abs(),
        );
        let [low, verdict, high] =
            [-guess, 0.0, twice - guess].map(|shift| word(earned, interval, shift));
        if low != verdict || high != verdict {
            return not_known(format!(
                "{:.1} % of what was earned came where the log could not show what it would choose, and that decides",
                weights.unsupported_reward * 100.0
            ));
        }
        Verdict { verdict, why: None }
    }

    /// Whether there is an answer.
    pub fn is_known(&self) -> bool {
        self.why.is_none()
    }

    /// For people.
    pub fn line(&self) -> String {
        match &self.why {
            Some(why) => format!("{NOT_KNOWN}: {why}"),
            None => self.verdict.to_owned(),
        }
    }
}

fn word(earned: f64, interval: Interval, shift: f64) -> &'static str {
    if earned < interval.lo + shift {
        "more"
    } else if earned > interval.hi + shift {
        "less"
    } else {
        "no difference so far"
    }
}

/// Why the log cannot tell, if it cannot.
fn doubt(estimate: &Estimate) -> Option<String> {
    let weights = &estimate.weights;
    let rows = || grouped(estimate.rows);
    if estimate.rows == 0 {
        return Some("there are no rows".into());
    }
    if weights.unsupported.max(weights.unsupported_reward) > UNSUPPORTED_LEAD_MAX {
        return Some(format!(
            "the log could not show {:.1} % of what it would choose, where {:.0} % was earned",
            weights.unsupported * 100.0,
            weights.unsupported_reward * 100.0
        ));
    }
    let (off, expected) = mean_off(weights);
    if off {
        return Some(format!(
            "the mean weight is {:.3} where {expected:.3} is expected: the propensities are wrong, or few choices carry all",
            weights.mean
        ));
    }
    if estimate.ess < ESS_MIN {
        return Some(format!(
            "the weights leave {:.0} effective choices of {}",
            estimate.ess,
            rows()
        ));
    }
    if estimate.clicks < REWARDED_MIN {
        return Some(format!(
            "only {} of {} choices earned anything",
            grouped(estimate.clicks),
            rows()
        ));
    }
    (weights.largest_contribution > CONTRIBUTION_MAX).then(|| {
        format!(
            "one choice of {} makes up {:.0} % of the estimate",
            rows(),
            weights.largest_contribution * 100.0
        )
    })
}
