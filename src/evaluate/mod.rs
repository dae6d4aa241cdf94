//! How good the scores of an intent model are, judged on sessions it was not fitted to; and, in
//! [`mod@lift`], what Restage did to a shop, judged against its holdout.
//!
//! [`judge`] takes scored sessions and the scores of simple rules ([`baselines`]) for the same rows
//! and gives a [`report`], with a [`page`] for people, and the curves for plots. [`metrics`],
//! [`calibration`] and [`mod@curves`] are the figures, [`by_prefix`] says on which rows,
//! [`bootstrap`] how sure they are, and [`mod@lead_time`] how early the outcome is known. [`ope`]
//! judges policies instead, on what others chose, and [`recommender`] product rankers. All are functions of plain values: no files, no
//! clock, and chance only from the seed, so the same sessions give the same bytes. Cost: some
//! seconds for 100,000 sessions of eight rows and 500 replicates.

pub mod baselines;
pub mod bootstrap;
pub mod by_prefix;
pub mod calibration;
pub mod curves;
pub mod lead_time;
pub mod lift;
pub mod metrics;
pub mod ope;
pub mod page;
pub mod recommender;
pub mod report;
#[cfg(test)]
pub(crate) mod tests;
pub mod what_if;

use by_prefix::{PREFIXES, Scorer, Stage, at_prefix, overall};
use calibration::{Bin, reliability};
use curves::{Curves, curves};
use report::{AtPrefix, Baseline, Baselines, Report};

/// A scored session prefix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredRow {
    /// Events so far, this one included.
    pub events: u32,
    /// Time of the event, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was the case: a purchase later in the session, or the cart abandoned.
    pub label: bool,
    /// The probability that the model gave for it.
    pub score: f64,
}

/// When the thing that is predicted happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Number of the event in its session, from 1.
    pub event: u32,
    /// Its time, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A session's rows in order, and its outcome if it came to that: for `purchase` the last
/// purchase, for `abandon` the session's last event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoredSession {
    /// The rows, `events` rising.
    pub rows: Vec<ScoredRow>,
    /// The outcome.
    pub outcome: Option<Outcome>,
}

/// How to judge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The precision for which the lead time is sought, from 0 to 1.
    pub precision: f64,
    /// Replicates for an interval; 0 for none.
    pub replicates: u32,
    /// The seed of the replicates.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            precision: 0.5,
            replicates: 500,
            seed: 0,
        }
    }
}

/// A report, and what the plots need beside it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The figures.
    pub report: Report,
    /// The curves over all rows, of the model and then of the baselines in the report's order.
    pub curves: Vec<Curves>,
    /// The positives' share of the weight over all rows; `None` without rows.
    pub share: Option<f64>,
    /// The bins of the calibration over all rows.
    pub reliability: Vec<Bin>,
    /// The bins at each of [`PREFIXES`].
    pub reliability_by_prefix: Vec<(u32, Vec<Bin>)>,
}

/// Judges the scores of a model of this kind for this label, beside those of baselines for the
/// same rows: a name, and for every session its rows' scores.
///
/// # Panics
/// If a baseline has not exactly one score a row.
pub fn judge(
    kind: &str,
    label: &str,
    sessions: &[ScoredSession],
    baselines: &[(&str, Vec<Vec<f64>>)],
    options: Options,
) -> Judgement {
    let Options {
        precision,
        replicates,
        seed,
    } = options;
    let mut scorers = vec![Scorer::own(sessions)];
    let beside = baselines.iter();
    scorers.extend(beside.map(|(_, scores)| Scorer::beside(sessions, scores)));
    let overall = overall(&scorers, replicates, seed);
    let stages: Vec<Stage> = PREFIXES
        .into_iter()
        .map(|events| at_prefix(&scorers, events, replicates, seed))
        .collect();
    let named = baselines.iter().enumerate().map(|(n, (name, _))| {
        let baseline = Baseline::new(&overall, &stages, n + 1);
        ((*name).to_owned(), baseline)
    });
    let bins = |stage: &Stage| stage.rankings.first().map(reliability).unwrap_or_default();
    Judgement {
        report: Report {
            kind: kind.to_owned(),
            label: label.to_owned(),
            sessions: sessions.iter().filter(|one| !one.rows.is_empty()).count() as u32,
            overall: overall.figures.first().copied().unwrap_or_default(),
            by_prefix: AtPrefix::all(&stages),
            baselines: Baselines(named.collect()),
            lead_time: lead_time::lead_time(sessions, precision),
            replicates,
            replicates_skipped: overall.resampled.skipped,
        },
        curves: overall.rankings.iter().map(curves).collect(),
        share: overall.rankings.first().and_then(|own| own.share()),
        reliability: bins(&overall),
        reliability_by_prefix: PREFIXES.into_iter().zip(stages.iter().map(bins)).collect(),
    }
}
