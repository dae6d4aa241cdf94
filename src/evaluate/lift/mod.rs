//! What Restage did to the shop: visitors with it against the visitors of the holdout.
//!
//! [`lift`] compares two groups' sums ([`Moments`]) by conversion, revenue and margin a session:
//! values, difference, relative lift, and intervals that hold however often one looks
//! ([`interval`]), over visitors ([`ratio`]), and adjusted for orders before the experiment where
//! these are known. Then a verdict and a sentence a metric ([`words`]). The verdict is drawn from
//! the adjusted figures wherever there are any: a rule fixed beforehand, so nobody picks the kinder
//! of two.
//!
//! Two things come before any verdict. The groups must have the sizes that were agreed
//! ([`sample_ratio`]): if not, something loses visitors of one group, and every figure is in
//! doubt. And there must be enough visitors and orders for the theory of large numbers to apply.
//!
//! A pure function of integers: the same sums give the same bytes. No figure is ever NaN or
//! infinite; what the data do not define is `None`, null in JSON. Cost: some microseconds.

#[cfg(test)]
mod coverage;
pub mod interval;
mod over_time;
pub mod ratio;
pub mod sample_ratio;
#[cfg(test)]
mod tests;
pub mod words;

pub use over_time::{LiftPoint, over_time};
pub use ratio::Metric;

use crate::visit::learn::moments::Moments;
use interval::{Pair, reach};
use ratio::Ratio;
use serde::Serialize;

/// How to judge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiftOptions {
    /// The probability with which an interval may ever be wrong.
    pub alpha: f64,
    /// Sessions of both groups at which intervals are tightest; fixed before the experiment.
    pub tightest_at_sessions: f64,
    /// Visitors that each group must have.
    pub visitors_min: i64,
    /// Converted sessions that each group must have; as many orders before the experiment must be
    /// known of each group for an adjustment.
    pub converted_min: i64,
    /// The probability below which the groups' sizes count as wrong.
    pub mismatch_p: f64,
    /// The metric that decides the overall verdict.
    pub primary: Metric,
}

impl Default for LiftOptions {
    fn default() -> LiftOptions {
        LiftOptions {
            alpha: 0.05,
            tightest_at_sessions: 10_000.0,
            visitors_min: 100,
            converted_min: 20,
            mismatch_p: 0.001,
            primary: Metric::Conversion,
        }
    }
}

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// Too few visitors or orders yet.
    #[serde(rename = "collecting")]
    Collecting,
    /// The groups do not have the sizes that were agreed.
    #[serde(rename = "unhealthy")]
    Unhealthy,
    /// The interval of the difference lies above 0.
    #[serde(rename = "ahead")]
    Ahead,
    /// It lies below 0.
    #[serde(rename = "behind")]
    Behind,
    /// It holds 0.
    #[serde(rename = "no difference so far")]
    NoDifferenceSoFar,
}

impl Verdict {
    /// The verdict in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Collecting => "collecting",
            Verdict::Unhealthy => "unhealthy",
            Verdict::Ahead => "ahead",
            Verdict::Behind => "behind",
            Verdict::NoDifferenceSoFar => "no difference so far",
        }
    }
}

/// The comparison of two groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lift {
    /// Visitors of each group.
    pub visitors: Visitors,
    /// Probability that groups of the agreed sizes would ever look as far off as these; nothing
    /// where the share is none.
    pub sample_ratio_p: Option<f64>,
    /// The metrics.
    pub metrics: Metrics,
    /// The verdict on the primary metric.
    pub verdict: Verdict,
    /// The same in a sentence, with what the other metrics have against it.
    pub words: String,
}

impl Lift {
    /// A slot's comparison, as it stands beside the whole page's: where that is unhealthy, visitors
    /// get lost of whom the slot's own groups say nothing, and it is no better.
    #[must_use]
    pub fn within(mut self, page: &Lift) -> Lift {
        if page.verdict != Verdict::Unhealthy || self.verdict == Verdict::Unhealthy {
            return self;
        }
        let metrics = &mut self.metrics;
        for metric in [
            &mut metrics.conversion,
            &mut metrics.revenue_per_session,
            &mut metrics.margin_per_session,
        ] {
            metric.verdict = Verdict::Unhealthy;
            metric.words.clone_from(&page.words);
        }
        self.sample_ratio_p = page.sample_ratio_p;
        self.verdict = Verdict::Unhealthy;
        self.words.clone_from(&page.words);
        self
    }
}

/// Visitors of the two groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Visitors {
    /// With Restage.
    pub treated: i64,
    /// In the holdout.
    pub held: i64,
}

/// The comparison by each metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Converted sessions over sessions, 0 to 1.
    pub conversion: MetricLift,
    /// Worth of orders over sessions, in the currency.
    pub revenue_per_session: MetricLift,
    /// Margin over sessions, in the currency.
    pub margin_per_session: MetricLift,
}

impl Metrics {
    /// The comparison by one metric.
    pub fn get(&self, metric: Metric) -> &MetricLift {
        match metric {
            Metric::Conversion => &self.conversion,
            Metric::RevenuePerSession => &self.revenue_per_session,
            Metric::MarginPerSession => &self.margin_per_session,
        }
    }
}

/// The comparison by a metric. Intervals hold at all looks together; there are none while
/// collecting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricLift {
    /// Value with Restage.
    pub treated: Option<f64>,
    /// Value in the holdout.
    pub held: Option<f64>,
    /// The first less the second.
    pub difference: Option<f64>,
    /// The difference over the holdout's value, where that is above 0.
    pub relative: Option<f64>,
    /// Interval of the difference: lower and upper end.
    pub interval: Option<[f64; 2]>,
    /// Interval of the relative lift.
    pub relative_interval: Option<[f64; 2]>,
    /// The same adjusted for orders before the experiment, where these are known.
    pub cuped: Option<Cuped>,
    /// The verdict, from the adjusted figures where there are any.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub words: String,
}

/// A comparison adjusted for orders before the experiment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cuped {
    /// What an order before the experiment adds to the metric.
    pub theta: f64,
    /// The adjusted difference.
    pub difference: f64,
    /// The adjusted relative lift.
    pub relative: Option<f64>,
    /// Interval of the adjusted difference.
    pub interval: Option<[f64; 2]>,
    /// Interval of the adjusted relative lift.
    pub relative_interval: Option<[f64; 2]>,
    /// Share of the difference's variance that the adjustment takes away, 0 to 1.
    pub variance_reduction: f64,
}

/// A difference with its intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Treated less held.
    pub difference: Option<f64>,
    /// The same over the holdout's value.
    pub relative: Option<f64>,
    /// Interval of the difference.
    pub interval: Option<[f64; 2]>,
    /// Interval of the relative lift.
    pub relative_interval: Option<[f64; 2]>,
}

impl MetricLift {
    /// The figures that the verdict is drawn from: adjusted where that was possible.
    pub fn best(&self) -> Estimate {
        let plain = Estimate {
            difference: self.difference,
            relative: self.relative,
            interval: self.interval,
            relative_interval: self.relative_interval,
        };
        self.cuped.map_or(plain, |cuped| Estimate {
            difference: Some(cuped.difference),
            relative: cuped.relative,
            interval: cuped.interval,
            relative_interval: cuped.relative_interval,
        })
    }
}

/// Compares visitors with Restage to the holdout, in which a share `held_share` (0 to 1) of all
/// visitors was to be. The sums may be of a whole shop or of one slot.
pub fn lift(treated: &Moments, held: &Moments, held_share: f64, options: &LiftOptions) -> Lift {
    let visitors = Visitors {
        treated: treated.visitors,
        held: held.visitors,
    };
    let sample_ratio_p = sample_ratio::p(visitors, held_share);
    let before = Before {
        wanting: words::wanting(treated, held, options),
        mismatch: sample_ratio_p
            .filter(|p| *p < options.mismatch_p)
            .map(|p| words::mismatch(visitors, held_share, p)),
    };
    let one = |metric| compare(treated, held, metric, &before, options);
    let metrics = Metrics {
        conversion: one(Metric::Conversion),
        revenue_per_session: one(Metric::RevenuePerSession),
        margin_per_session: one(Metric::MarginPerSession),
    };
    Lift {
        visitors,
        sample_ratio_p,
        verdict: metrics.get(options.primary).verdict,
        words: words::overall(&metrics, options.primary),
        metrics,
    }
}

/// What stands before any verdict, in words.
struct Before {
    /// What there is too little of.
    wanting: Option<String>,
    /// That the groups' sizes are wrong.
    mismatch: Option<String>,
}

fn compare(
    treated: &Moments,
    held: &Moments,
    metric: Metric,
    before: &Before,
    options: &LiftOptions,
) -> MetricLift {
    let ratios = Ratio::of(treated, metric).zip(Ratio::of(held, metric));
    let ratios = ratios.map(|(treated, held)| ratio::guarded(treated, held, metric));
    let pair = ratios.map(|(treated, held)| ratio::plain(&treated, &held));
    let sessions = (treated.sum(0) as f64) + (held.sum(0) as f64);
    let reach = reach(sessions, options.tightest_at_sessions, options.alpha);
    // Without any spread there is nothing to be sure about: no orders, or no margins known.
    let enough = before.wanting.is_none() && pair.is_some_and(|pair| pair.variance() > 0.0);
    let orders_before = treated.sum(4).min(held.sum(4));
    let cuped = ratios
        .filter(|_| enough && orders_before >= i128::from(options.converted_min))
        .and_then(|(treated, held)| ratio::adjusted(&treated, &held))
        .map(|adjusted| Cuped {
            theta: adjusted.theta,
            difference: adjusted.pair.difference(),
            relative: adjusted.pair.relative(),
            interval: adjusted.pair.interval(reach),
            relative_interval: adjusted.pair.relative_interval(reach),
            variance_reduction: adjusted.variance_reduction,
        });
    let sure = pair.filter(|_| enough);
    let mut found = MetricLift {
        treated: pair
            .map(|pair| pair.treated)
            .filter(|value| value.is_finite()),
        held: pair.map(|pair| pair.held).filter(|value| value.is_finite()),
        difference: pair
            .map(|pair| pair.difference())
            .filter(|value| value.is_finite()),
        relative: pair.and_then(|pair| pair.relative()),
        interval: sure.and_then(|pair: Pair| pair.interval(reach)),
        relative_interval: sure.and_then(|pair| pair.relative_interval(reach)),
        cuped,
        verdict: Verdict::Collecting,
        words: String::new(),
    };
    found.verdict = match (&before.mismatch, found.best().interval) {
        (Some(_), _) => Verdict::Unhealthy,
        (None, None) => Verdict::Collecting,
        (None, Some([lo, _])) if lo > 0.0 => Verdict::Ahead,
        (None, Some([_, hi])) if hi < 0.0 => Verdict::Behind,
        (None, Some(_)) => Verdict::NoDifferenceSoFar,
    };
    found.words = match (&before.mismatch, &before.wanting) {
        (Some(mismatch), _) => mismatch.clone(),
        (None, Some(wanting)) => wanting.clone(),
        (None, None) => words::metric(metric, &found),
    };
    found
}
