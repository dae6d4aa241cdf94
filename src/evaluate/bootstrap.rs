//! How far a figure would move with other visitors: intervals by resampling sessions.
//!
//! The rows of a session hang together, so it is sessions that are drawn with replacement (Efron,
//! Tibshirani 1993, chapters 8 and 13), as many as there are. Every replicate only counts how
//! often each session came up; all scorers' rankings, sorted once, are then read with these counts
//! as weights. Two scorers are compared draw by draw on the same sessions, which is what makes
//! small differences visible. A replicate without both classes has no areas: it is skipped, and
//! counted.
//!
//! Chance is SplitMix64 (Steele, Lea, Flood 2014) of the seed and the replicate's number. The
//! replicates are shared out over the machine's cores; each depends on its number alone, so the
//! outcome is the same for any number of them. Cost: sessions + scorers × rows a replicate, some
//! 3 ns each.

use super::metrics::{Areas, Ranking};
use crate::event::mix;
use serde::Serialize;
use std::num::NonZero;
use std::thread;

/// The increment of SplitMix64: 2⁶⁴ over the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// The tail left out at either end of an interval.
const TAIL: f64 = 0.025;

/// A 95 % interval: the 2.5th and the 97.5th percentile of the replicates. As JSON
/// it is a list of both ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(into = "[f64; 2]")]
pub struct Interval {
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> [f64; 2] {
        [interval.lo, interval.hi]
    }
}

/// How two scorers' areas under the ROC curve differ over the replicates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The interval of the difference.
    pub interval: Interval,
    /// Share of the replicates in which the first scorer was above the second.
    pub share_above_zero: f64,
}

/// What resampling gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resampled {
    /// For every scorer the areas of the replicates, in the order of these.
    pub areas: Vec<Vec<Areas>>,
    /// Replicates that lacked a class, and are not among the areas.
    pub skipped: u32,
}

impl Resampled {
    /// The interval of a scorer's area under the ROC curve; `None` unless at least half of the
    /// replicates had both classes.
    pub fn auc(&self, scorer: usize) -> Option<Interval> {
        self.interval(self.areas.get(scorer)?.iter().map(|areas| areas.auc))
    }

    /// The interval of a scorer's average precision, `None` as for [`Resampled::auc`].
    pub fn average_precision(&self, scorer: usize) -> Option<Interval> {
        let areas = self.areas.get(scorer)?.iter();
        self.interval(areas.map(|areas| areas.average_precision))
    }

    /// By how much one scorer's area under the ROC curve is above another's, on the same sessions;
    /// `None` as for [`Resampled::auc`].
    pub fn difference(&self, first: usize, second: usize) -> Option<Difference> {
        let pairs = self.areas.get(first)?.iter().zip(self.areas.get(second)?);
        let differences = pairs.map(|(first, second)| first.auc - second.auc);
        let interval = self.interval(differences.clone())?;
        let count = differences.clone().count() as f64;
        let above = differences.filter(|difference| *difference > 0.0).count();
        Some(Difference {
            interval,
            share_above_zero: above as f64 / count,
        })
    }

    fn interval(&self, values: impl Iterator<Item = f64>) -> Option<Interval> {
        percentiles(values.collect(), self.skipped as usize)
    }
}

/// The interval of the replicates' values; `None` where there are none, or where more replicates
/// than have a value were skipped because they lacked one.
pub(super) fn percentiles(mut values: Vec<f64>, skipped: usize) -> Option<Interval> {
    values.sort_by(f64::total_cmp);
    (values.len() >= skipped).then_some(())?;
    Some(Interval {
        lo: quantile(&values, TAIL)?,
        hi: quantile(&values, 1.0 - TAIL)?,
    })
}

/// Draws `sessions` sessions with replacement `replicates` times, and takes the areas of every
/// ranking. The rankings' rows name sessions below `sessions`; others count nothing.
pub fn resample(rankings: &[Ranking], sessions: u32, replicates: u32, seed: u64) -> Resampled {
    let areas = each_replicate(sessions, replicates, seed, |counts| {
        let times = |session: u32| {
            let count = counts.get(session as usize).copied();
            f64::from(count.unwrap_or(0))
        };
        let each = rankings.iter().map(|ranking| ranking.areas_with(times));
        each.collect::<Option<Vec<Areas>>>()
    });
    let mut resampled = Resampled {
        areas: vec![Vec::new(); rankings.len()],
        skipped: 0,
    };
    for replicate in areas {
        let Some(replicate) = replicate else {
            resampled.skipped += 1;
            continue;
        };
        for (all, areas) in resampled.areas.iter_mut().zip(replicate) {
            all.push(areas);
        }
    }
    resampled
}

/// Draws `units` units with replacement `replicates` times, and takes a statistic of how often each
/// came up; the statistics in the order of the replicates.
pub(super) fn each_replicate<T: Send>(
    units: u32,
    replicates: u32,
    seed: u64,
    statistic: impl Fn(&[u32]) -> T + Sync,
) -> Vec<T> {
    let mut all: Vec<Option<T>> = (0..replicates).map(|_| None).collect();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = all.len().div_ceil(cores).max(1);
    let statistic = &statistic;
    thread::scope(|scope| {
        for (n, part) in all.chunks_mut(share).enumerate() {
            scope.spawn(move || {
                let mut counts = Vec::new();
                for (at, one) in part.iter_mut().enumerate() {
                    let stream = mix(seed ^ mix((n * share + at) as u64 + 1));
                    draw(&mut counts, units, stream);
                    *one = Some(statistic(&counts));
                }
            });
        }
    });
    all.into_iter().flatten().collect()
}

/// Counts how often each of the sessions came up in as many draws.
fn draw(counts: &mut Vec<u32>, sessions: u32, stream: u64) {
    counts.clear();
    counts.resize(sessions as usize, 0);
    let mut state = stream;
    for _ in 0..sessions {
        state = state.wrapping_add(GOLDEN);
        // Evenly up to a bias of sessions/2⁶⁴ (Lemire's multiplication).
        let index = (u128::from(mix(state)) * u128::from(sessions)) >> 64;
        counts[index as usize] += 1;
    }
}

/// The quantile of sorted values, linear between neighbours (type 7 of Hyndman and Fan 1996);
/// `None` without values.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let low = sorted.get(at as usize)?;
    let high = sorted.get((at as usize + 1).min(last))?;
    Some(low + (high - low) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::super::metrics::Row;
    use super::*;

    /// Sessions of two rows each; `skill` moves the scores of positives upwards.
    fn ranking(sessions: u32, skill: f64) -> Ranking {
        let row = |n: u32| {
            let unit = |salt: u64| (mix(u64::from(n) * 4 + salt) >> 40) as f64 / (1 << 24) as f64;
            let session = n / 2;
            let label = session.is_multiple_of(4);
            Row {
                score: unit(1) * (1.0 - skill) + if label { skill } else { 0.0 },
                weight: 0.5,
                session,
                label,
            }
        };
        Ranking::new((0..sessions * 2).map(row).collect())
    }

    #[test]
    fn draws_are_pinned_and_as_many_as_there_are_sessions() {
        let mut counts = Vec::new();
        draw(&mut counts, 8, 7);
        assert_eq!(counts.iter().sum::<u32>(), 8);
        // SplitMix64 started at 1,234,567: the first outputs that the authors' C code gives,
        // over 2⁶⁴, are 0.35, 0.17, 0.53, 0.25.
        let mut first = vec![0; 4];
        draw(&mut first, 4, 1_234_567);
        assert_eq!(first, [2, 1, 1, 0].map(|n: u32| n).to_vec());
    }

    #[test]
    fn an_interval_holds_the_figure_and_narrows_with_the_sessions() {
        let width = |sessions| {
            let ranking = ranking(sessions, 0.2);
            let auc = ranking.areas().expect("both classes").auc;
            let resampled = resample(&[ranking], sessions, 400, 1);
            let interval = resampled.auc(0).expect("an interval");
            assert!(interval.lo < auc && auc < interval.hi, "{interval:?} {auc}");
            interval.hi - interval.lo
        };
        let (few, many) = (width(200), width(3_200));
        // Sixteen times the sessions: a quarter of the width, about.
        assert!((2.5..6.5).contains(&(few / many)), "{few} {many}");
    }

    /// Hanley and McNeil's own formula for the standard error is near, one row a session.
    #[test]
    fn the_width_is_that_of_theory() {
        let mut rows = ranking(2_000, 0.2).rows().to_vec();
        rows.sort_by_key(|row| row.session);
        rows.dedup_by_key(|row| row.session);
        let ranking = Ranking::new(rows);
        let a = ranking.areas().expect("both classes").auc;
        let (positives, negatives) = (500.0, 1_500.0);
        let (q1, q2) = (a / (2.0 - a), 2.0 * a * a / (1.0 + a));
        let variance =
            (a * (1.0 - a) + (positives - 1.0) * (q1 - a * a) + (negatives - 1.0) * (q2 - a * a))
                / (positives * negatives);
        let interval = resample(&[ranking], 2_000, 1_000, 3).auc(0).expect("one");
        let ratio = (interval.hi - interval.lo) / (2.0 * 1.96 * variance.sqrt());
        assert!((0.8..1.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn better_scores_are_better_in_every_replicate() {
        let rankings = [ranking(400, 0.6), ranking(400, 0.1), ranking(400, 0.6)];
        let resampled = resample(&rankings, 400, 200, 5);
        let better = resampled.difference(0, 1).expect("a difference");
        assert!(better.interval.lo > 0.0 && better.share_above_zero == 1.0);
        let same = resampled.difference(0, 2).expect("a difference");
        assert_eq!((same.interval.lo, same.interval.hi), (0.0, 0.0));
        assert_eq!(same.share_above_zero, 0.0);
        assert_eq!(resampled.difference(0, 9), None);
    }

    #[test]
    fn replicates_are_the_same_for_the_same_seed_and_whatever_their_number() {
        let rankings = [ranking(50, 0.2)];
        let long = resample(&rankings, 50, 60, 9);
        let short = resample(&rankings, 50, 20, 9);
        assert_eq!(long.areas[0][..short.areas[0].len()], short.areas[0]);
        assert_ne!(long, resample(&rankings, 50, 60, 10));
    }

    #[test]
    fn replicates_without_a_class_are_skipped_and_counted() {
        // One positive session among four: absent from (3/4)⁴ = 32 % of the replicates.
        let resampled = resample(&[ranking(4, 0.2)], 4, 1_000, 2);
        assert!(
            (260..380).contains(&resampled.skipped),
            "{}",
            resampled.skipped
        );
        assert_eq!(resampled.areas[0].len() as u32 + resampled.skipped, 1_000);
        assert!(resampled.auc(0).is_some());
        let none = resample(&[Ranking::default()], 0, 10, 2);
        assert_eq!((none.skipped, none.auc(0)), (10, None));
        assert_eq!(resample(&[ranking(4, 0.2)], 4, 0, 2).auc(0), None);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0], 0.9), Some(3.0));
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile(&[1.0, 2.0], 1.0), Some(2.0));
    }
}
