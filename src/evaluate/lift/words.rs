//! A comparison in the words of those who run the shop.
//!
//! One sentence a verdict, with the two values, the relative lift and its interval; an absolute
//! difference stands in where the holdout's value is too faint to divide by. Cost: some strings.

use super::ratio::Metric;
use super::{Lift, LiftOptions, MetricLift, Metrics, Verdict, Visitors};
use crate::grouped::grouped;
use crate::visit::learn::moments::Moments;

/// A relative lift whose interval lies within this is small.
const SMALL: f64 = 0.02;

impl Lift {
    /// The comparison for people: names of at most ten signs, with a line each.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let (treated, held) = (count(self.visitors.treated), count(self.visitors.held));
        let ratio = self.sample_ratio_p.map_or(String::new(), |p| {
            format!(" (sample ratio p = {})", probability(p))
        });
        let groups = format!("{treated} visitors with Restage, {held} in the holdout{ratio}");
        let verdict = match self.verdict {
            // The words say so themselves.
            Verdict::Collecting => self.words.clone(),
            verdict => format!("{}: {}", verdict.name(), self.words),
        };
        let mut rows = vec![("lift", verdict), ("groups", groups)];
        if matches!(self.verdict, Verdict::Collecting | Verdict::Unhealthy) {
            return rows;
        }
        for metric in Metric::ALL {
            let found = self.metrics.get(metric);
            rows.push((metric.name(), figures(metric, found)));
        }
        let cuped = self.metrics.conversion.cuped.map_or_else(
            || "not applied: too little is known of orders before the experiment".to_owned(),
            |cuped| {
                let gone = unsigned_percent(cuped.variance_reduction);
                format!("orders before the experiment explain {gone} of the variance")
            },
        );
        rows.push(("cuped", cuped));
        rows
    }
}

/// What there is too little of for a verdict, if anything.
pub(super) fn wanting(treated: &Moments, held: &Moments, options: &LiftOptions) -> Option<String> {
    let groups = [("with Restage", treated), ("in the holdout", held)];
    let mut wanting = Vec::new();
    for (place, group) in groups {
        if group.visitors < options.visitors_min {
            let (has, min) = (count(group.visitors), count(options.visitors_min));
            wanting.push(format!("{has} of {min} visitors {place}"));
        }
        if group.sum(1) < i128::from(options.converted_min) {
            let has = count(i64::try_from(group.sum(1)).unwrap_or(0));
            let min = count(options.converted_min);
            wanting.push(format!("{has} of {min} converted visits {place}"));
        }
    }
    (!wanting.is_empty()).then(|| format!("still collecting: {}", wanting.join(", ")))
}

/// That the groups do not have the sizes that were agreed.
pub(super) fn mismatch(visitors: Visitors, held_share: f64, p: f64) -> String {
    let all = visitors.treated as f64 + visitors.held as f64;
    let share = unsigned_percent(visitors.held as f64 / all);
    format!(
        "{share} of visitors are in the holdout where {} should be (p = {}): visitors of one group \
         get lost, and no figure can be trusted until it is known why",
        unsigned_percent(held_share),
        probability(p)
    )
}

/// The verdict on a metric.
pub(super) fn metric(metric: Metric, found: &MetricLift) -> String {
    if found.verdict == Verdict::Collecting {
        return format!("still collecting: there is no {} to compare", metric.name());
    }
    let small = |[lo, hi]: [f64; 2]| -SMALL < lo && hi < SMALL;
    let tail = match found.verdict {
        Verdict::Ahead => "Restage is ahead",
        Verdict::Behind => "Restage is behind",
        _ if found.best().relative_interval.is_some_and(small) => "any difference is small",
        _ => "too early to tell",
    };
    let (treated, held) = values(metric, found);
    let per = match metric {
        Metric::Conversion => "of visits",
        Metric::RevenuePerSession | Metric::MarginPerSession => "a visit",
    };
    format!(
        "{} is {treated} {per} with Restage and {held} in the holdout: {}; {tail}",
        metric.name(),
        change(metric, found)
    )
}

/// The verdict on the primary metric, and what speaks against it.
pub(super) fn overall(metrics: &Metrics, primary: Metric) -> String {
    let first = metrics.get(primary);
    let against = match first.verdict {
        Verdict::Ahead | Verdict::NoDifferenceSoFar => Verdict::Behind,
        Verdict::Behind => Verdict::Ahead,
        Verdict::Collecting | Verdict::Unhealthy => return first.words.clone(),
    };
    let names = Metric::ALL
        .into_iter()
        .filter(|metric| *metric != primary && metrics.get(*metric).verdict == against)
        .map(Metric::name);
    let (words, against) = (&first.words, against.name());
    match names.collect::<Vec<_>>()[..] {
        [] => words.clone(),
        [one] => format!("{words}, but {one} is {against}"),
        ref more => format!("{words}, but {} are {against}", more.join(" and ")),
    }
}

/// Both values, the lift and the verdict, without a sentence.
fn figures(metric: Metric, found: &MetricLift) -> String {
    if found.verdict == Verdict::Collecting {
        return found.verdict.name().to_owned();
    }
    let (treated, held) = values(metric, found);
    let change = change(metric, found);
    format!(
        "{treated} against {held}: {change}, {}",
        found.verdict.name()
    )
}

fn values(metric: Metric, found: &MetricLift) -> (String, String) {
    let value = |value: Option<f64>| match (metric, value) {
        (_, None) => "unknown".to_owned(),
        (Metric::Conversion, Some(value)) => {
            let places = if value < 0.0995 { 2 } else { 1 };
            format!("{:.places$} %", value * 100.0)
        }
        (_, Some(value)) => amount(value).trim_start_matches('+').to_owned(),
    };
    (value(found.treated), value(found.held))
}

/// The relative lift with its interval, or the difference with its own.
fn change(metric: Metric, found: &MetricLift) -> String {
    let best = found.best();
    let difference = |value: f64| match metric {
        Metric::Conversion => format!("{} points", amount(value * 100.0)),
        _ => amount(value),
    };
    let text = match (best.relative, best.relative_interval) {
        (Some(relative), Some([lo, hi])) => {
            let [relative, lo, hi] = [relative, lo, hi].map(signed_percent);
            format!("{relative} ({lo} to {hi})")
        }
        _ => match (best.difference, best.interval) {
            (Some(value), Some([lo, hi])) => {
                let [value, lo, hi] = [value, lo, hi].map(difference);
                format!("{value} ({lo} to {hi})")
            }
            _ => "unknown".to_owned(),
        },
    };
    match found.cuped {
        Some(_) => format!("{text} after allowing for earlier orders"),
        None => text,
    }
}

/// A share as a signed percentage: `+7.7 %`, `−12 %`.
pub fn signed_percent(share: f64) -> String {
    let percent = share * 100.0;
    let places = if percent.abs() < 9.95 { 1 } else { 0 };
    format!("{} %", sign(&format!("{percent:+.places$}")))
}

/// A share as a percentage to two digits or so: `9.8 %`, `12 %`.
fn unsigned_percent(share: f64) -> String {
    let percent = share * 100.0;
    format!("{:.1} %", percent)
}

/// A signed amount to the hundredth, or to three digits below that.
fn amount(value: f64) -> String {
    match value.abs() {
        small if small > 0.0 && small < 0.0995 => sign(&format!("{value:+.4}")),
        _ => sign(&format!("{value:+.2}")),
    }
}

/// A number with a proper minus, and no sign for what is rounded to nothing.
fn sign(number: &str) -> String {
    let nothing = !number.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    match number.strip_prefix('-') {
        _ if nothing => number.trim_start_matches(['+', '-']).to_owned(),
        Some(rest) => format!("−{rest}"),
        None => number.to_owned(),
    }
}

fn probability(p: f64) -> String {
    if p < 0.001 {
        format!("{p:.0e}")
    } else {
        format!("{p:.3}")
    }
}

fn count(number: i64) -> String {
    grouped(u64::try_from(number).unwrap_or(0))
}
