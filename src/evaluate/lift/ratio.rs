//! A group's value a session and its error, from sums over visitors: the delta method.
//!
//! A metric is a ratio of sums, R = Σc/Σs over a group's visitors: orders, revenue or margin over
//! sessions. Visitors are drawn into groups, so they are the independent observations; their
//! sessions are not. To first order R moves with visitor i by yᵢ = (cᵢ − R·sᵢ)/s̄, whose mean is 0,
//! so that R has the variance Var(y)/n (the delta method; for online metrics Deng, Knoblich and Lu
//! 2018, "Applying the Delta Method in Metric Analytics", KDD). [`Moments`] holds every sum that
//! this needs.
//!
//! Orders before the experiment, x, are known of both groups and cannot have been changed by it:
//! what they explain is taken out of the difference (CUPED: Deng, Xu, Kohavi and Walker 2013,
//! "Improving the Sensitivity of Online Controlled Experiments by Utilizing Pre-Experiment Data",
//! WSDM). D − θ·(x̄ₜ − x̄ₕ) has the least variance for θ = C/X with C = Σ cov(y, x)/n and
//! X = Σ var(x)/n over the two groups, and that is V − C²/X: never more than without. Where the
//! groups are of one size and one law this θ is the paper's pooled one; a small holdout weighs as
//! much here as it does in the variance.
//!
//! **Money has a long tail.** A small holdout has mostly not met the few great orders yet: its mean
//! is too low and its variance much too low, both at once. So for money neither group is taken to
//! vary less than both together do ([`guarded`]); in the larger group the tail has shown itself.
//!
//! Cost: some twenty multiplications.

use super::interval::Pair;
use crate::visit::learn::moments::Moments;
use serde::{Deserialize, Serialize};

/// Place of the sessions among an account's measures.
const SESSIONS: usize = 0;
/// Place of the orders before the experiment.
const BEFORE: usize = 4;
/// Share of the sum of squares below which a sum of squared residues is rounding.
const ROUNDING: f64 = 1e-13;

/// What is compared: a sum over sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Sessions with an order that stands, over sessions.
    Conversion,
    /// Worth of the orders that stand, in the currency, over sessions.
    RevenuePerSession,
    /// What remains of it, in the currency, over sessions.
    MarginPerSession,
}

impl Metric {
    /// All metrics, in the order of reports.
    pub const ALL: [Metric; 3] = [
        Metric::Conversion,
        Metric::RevenuePerSession,
        Metric::MarginPerSession,
    ];

    /// The name in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::Conversion => "conversion",
            Metric::RevenuePerSession => "revenue",
            Metric::MarginPerSession => "margin",
        }
    }

    /// Place of the numerator among an account's measures, and what one of it is worth.
    const fn measure(self) -> (usize, f64) {
        match self {
            Metric::Conversion => (1, 1.0),
            Metric::RevenuePerSession => (2, 1e-6),
            Metric::MarginPerSession => (3, 1e-6),
        }
    }
}

/// A group's value a session, and how visitors move it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The value: a share, or an amount in the currency.
    pub value: f64,
    /// Visitors.
    pub visitors: f64,
    /// Variance of y over visitors.
    pub variance: f64,
    /// Mean of the orders before the experiment.
    pub before_mean: f64,
    /// Their variance.
    pub before_variance: f64,
    /// Their covariance with y.
    pub covariance: f64,
}

impl Ratio {
    /// The ratio of a group; nothing for fewer than two visitors or without sessions.
    pub fn of(moments: &Moments, metric: Metric) -> Option<Ratio> {
        let (top, unit) = metric.measure();
        let sum = |measure| moments.sum(measure) as f64;
        let product = |i, j| moments.product(i, j) as f64;
        let visitors = moments.visitors as f64;
        if moments.visitors < 2 || moments.sum(SESSIONS) <= 0 {
            return None;
        }
        let (value, sessions_mean) = (sum(top) / sum(SESSIONS), sum(SESSIONS) / visitors);
        let least = product(top, top) * ROUNDING;
        let squares = product(top, top) - 2.0 * value * product(top, SESSIONS)
            + value * value * product(SESSIONS, SESSIONS);
        let crossed = product(top, BEFORE) - value * product(SESSIONS, BEFORE);
        let before_mean = sum(BEFORE) / visitors;
        let before_squares = product(BEFORE, BEFORE) - before_mean * sum(BEFORE);
        let before_least = product(BEFORE, BEFORE) * ROUNDING;
        // Not a number counts as nothing, too.
        let above = |value: f64, least: f64| if value > least { value } else { 0.0 };
        let degrees = visitors - 1.0;
        Some(Ratio {
            value: value * unit,
            visitors,
            variance: above(squares, least) / degrees * (unit / sessions_mean).powi(2),
            before_mean,
            before_variance: above(before_squares, before_least) / degrees,
            covariance: crossed / degrees * unit / sessions_mean,
        })
    }
}

/// Two groups, neither of which varies less than the two together where it is money that varies.
pub fn guarded(mut treated: Ratio, mut held: Ratio, metric: Metric) -> (Ratio, Ratio) {
    if metric != Metric::Conversion {
        let squares = |group: &Ratio| (group.visitors - 1.0) * group.variance;
        let degrees = treated.visitors + held.visitors - 2.0;
        let pooled = (squares(&treated) + squares(&held)) / degrees;
        treated.variance = treated.variance.max(pooled);
        held.variance = held.variance.max(pooled);
    }
    (treated, held)
}

/// Two groups as they are.
pub fn plain(treated: &Ratio, held: &Ratio) -> Pair {
    Pair {
        treated: treated.value,
        held: held.value,
        treated_variance: treated.variance / treated.visitors,
        held_variance: held.variance / held.visitors,
        covariance: 0.0,
    }
}

/// Two groups as they would be had their visitors ordered alike before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjusted {
    /// What an order before the experiment adds to y.
    pub theta: f64,
    /// The groups, both moved to the mean of all visitors.
    pub pair: Pair,
    /// Share of the difference's variance that is gone, 0 to 1.
    pub variance_reduction: f64,
}

/// Adjusts for the orders before the experiment; nothing unless they vary in both groups.
pub fn adjusted(treated: &Ratio, held: &Ratio) -> Option<Adjusted> {
    if treated.before_variance <= 0.0 || held.before_variance <= 0.0 {
        return None;
    }
    let plain = plain(treated, held);
    let crossed = |group: &Ratio| group.covariance / group.visitors;
    let spread = treated.before_variance / treated.visitors + held.before_variance / held.visitors;
    let explained = crossed(treated) + crossed(held);
    let theta = explained / spread;
    // The mean of all visitors is made of both groups' means, so the two estimates hang together.
    let all = treated.visitors + held.visitors;
    let (of_treated, of_held) = (treated.visitors / all, held.visitors / all);
    let gap = theta * (treated.before_mean - held.before_mean);
    let squared = theta * theta * spread;
    let pair = Pair {
        treated: plain.treated - of_held * gap,
        held: plain.held + of_treated * gap,
        treated_variance: plain.treated_variance - 2.0 * theta * of_held * crossed(treated)
            + of_held * of_held * squared,
        held_variance: plain.held_variance - 2.0 * theta * of_treated * crossed(held)
            + of_treated * of_treated * squared,
        covariance: theta * (of_treated * crossed(treated) + of_held * crossed(held))
            - of_treated * of_held * squared,
    };
    let reduction = explained * theta / plain.variance();
    (reduction.is_finite() && theta.is_finite()).then(|| Adjusted {
        theta,
        pair,
        variance_reduction: reduction.clamp(0.0, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::visit::learn::moments::Account;

    /// Accounts of visitors who come and buy more often the more they did before.
    fn accounts(seed: u64, count: u64) -> Vec<Account> {
        let one = |n| {
            let mut rng = Rng::of(seed, n);
            let before = i64::from(rng.below(4));
            let sessions = 1 + i64::from(rng.below(5));
            let p = 0.05 + 0.1 * before as f64;
            let converted = (0..sessions).filter(|_| rng.chance(p)).count() as i64;
            Account {
                sessions,
                converted,
                revenue: converted * 1_000 * i64::from(rng.below(90_000)),
                margin: converted * 7_000_000 - 1_000_000,
                before,
            }
        };
        (0..count).map(one).collect()
    }

    fn moments(accounts: &[Account]) -> Moments {
        let mut moments = Moments::default();
        accounts.iter().for_each(|account| moments.add(account));
        moments
    }

    /// y of every visitor, one after the other.
    fn linear(accounts: &[Account], metric: Metric) -> (f64, Vec<f64>) {
        let (top, unit) = metric.measure();
        let top = |account: &Account| account.measures()[top] as f64 * unit;
        let sessions: f64 = accounts.iter().map(|one| one.sessions as f64).sum();
        let value = accounts.iter().map(top).sum::<f64>() / sessions;
        let mean = sessions / accounts.len() as f64;
        let y = |one: &Account| (top(one) - value * one.sessions as f64) / mean;
        (value, accounts.iter().map(y).collect())
    }

    fn cov(x: &[f64], y: &[f64]) -> f64 {
        let n = x.len() as f64;
        let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
        let products = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my));
        products.sum::<f64>() / (n - 1.0)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-12)
    }

    #[test]
    fn sums_give_what_visitors_one_by_one_give() {
        let accounts = accounts(1, 500);
        let before: Vec<f64> = accounts.iter().map(|one| one.before as f64).collect();
        for metric in Metric::ALL {
            let ratio = Ratio::of(&moments(&accounts), metric).unwrap();
            let (value, y) = linear(&accounts, metric);
            assert!(close(ratio.value, value), "{metric:?}");
            assert!(close(ratio.variance, cov(&y, &y)), "{metric:?}");
            assert!(close(ratio.covariance, cov(&y, &before)), "{metric:?}");
            assert!(close(ratio.before_variance, cov(&before, &before)));
        }
    }

    #[test]
    fn one_session_each_is_the_binomial_variance() {
        let account = |converted| Account {
            sessions: 1,
            converted,
            ..Account::default()
        };
        let all: Vec<Account> = (0..1_000).map(|n| account(i64::from(n % 4 == 0))).collect();
        let ratio = Ratio::of(&moments(&all), Metric::Conversion).unwrap();
        assert!(close(ratio.value, 0.25));
        assert!(close(ratio.variance, 0.25 * 0.75 * 1_000.0 / 999.0));
    }

    #[test]
    fn adjusting_is_the_same_as_adjusting_every_visitor() {
        let (treated, held) = (accounts(2, 900), accounts(3, 100));
        for metric in Metric::ALL {
            let of = |accounts: &[Account]| Ratio::of(&moments(accounts), metric).unwrap();
            let (t, h) = (of(&treated), of(&held));
            let adjusted = adjusted(&t, &h).unwrap();
            let residues = |accounts: &[Account]| -> Vec<f64> {
                let (value, y) = linear(accounts, metric);
                let one =
                    |(y, one): (&f64, &Account)| value + y - adjusted.theta * one.before as f64;
                y.iter().zip(accounts).map(one).collect()
            };
            let (rt, rh) = (residues(&treated), residues(&held));
            let mean = |y: &[f64]| y.iter().sum::<f64>() / y.len() as f64;
            assert!(close(adjusted.pair.difference(), mean(&rt) - mean(&rh)));
            let variance = cov(&rt, &rt) / 900.0 + cov(&rh, &rh) / 100.0;
            assert!(close(adjusted.pair.variance(), variance), "{metric:?}");
            let plain = plain(&t, &h);
            let gone = 1.0 - variance / plain.variance();
            assert!(close(adjusted.variance_reduction, gone), "{metric:?}");
            assert!(gone > 0.02, "{metric:?}: {gone}");
        }
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        assert_eq!(Ratio::of(&Moments::default(), Metric::Conversion), None);
        let alike = [Account {
            sessions: 3,
            converted: 1,
            revenue: 10_000_000,
            margin: 3_333_333,
            before: 7,
        }; 300];
        for metric in Metric::ALL {
            let ratio = Ratio::of(&moments(&alike), metric).unwrap();
            assert_eq!((ratio.variance, ratio.before_variance), (0.0, 0.0));
            assert_eq!(adjusted(&ratio, &ratio), None);
        }
    }
}
