//! The ROC and the precision-recall curve as points for a plot.
//!
//! A curve has a point for every score, which may be a million; of those too close to be told
//! apart only some are kept, the last before a long stretch always, so that no drawn line leaves
//! the curve by more than [`GRAIN`]. Cost: one pass, and at most some 500 points.

use super::metrics::Ranking;

/// Points closer than this (in x and y added, as shares of the plot) are drawn as one.
pub const GRAIN: f64 = 1.0 / 256.0;

/// The curves of a ranking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Share of the negatives (x) and of the positives (y) at or above a score, from (0, 0) to
    /// (1, 1).
    pub roc: Vec<(f64, f64)>,
    /// Share of the positives at or above a score (x), and the positives' share of what is there
    /// (y). It is to be drawn in steps: each precision holds from the recall before up to its own.
    pub precision_recall: Vec<(f64, f64)>,
}

/// The curves; without points unless both classes are there.
pub fn curves(ranking: &Ranking) -> Curves {
    let (mut all_hits, mut all_misses) = (0.0, 0.0);
    for row in ranking.rows() {
        *(if row.label {
            &mut all_hits
        } else {
            &mut all_misses
        }) += row.weight;
    }
    let mut curves = Curves::default();
    if !ranking.both() || all_hits <= 0.0 || all_misses <= 0.0 {
        return curves;
    }
    let mut roc = Thinned::default();
    let mut precision_recall = Thinned::default();
    roc.add((0.0, 0.0));
    let (mut hits, mut misses) = (0.0, 0.0);
    let mut rows = ranking.rows().iter().peekable();
    while let Some(row) = rows.next() {
        *(if row.label { &mut hits } else { &mut misses }) += row.weight;
        if rows.peek().is_some_and(|next| next.score == row.score) {
            continue;
        }
        roc.add((misses / all_misses, hits / all_hits));
        if hits > 0.0 {
            precision_recall.add((hits / all_hits, hits / (hits + misses)));
        }
    }
    curves.roc = roc.end();
    curves.precision_recall = precision_recall.end();
    curves
}

/// A line of points of which those too close to the last are left out.
#[derive(Default)]
struct Thinned {
    kept: Vec<(f64, f64)>,
    /// The last point, while it is left out.
    held: Option<(f64, f64)>,
}

impl Thinned {
    fn add(&mut self, point: (f64, f64)) {
        let far = |from: (f64, f64)| (point.0 - from.0).abs() + (point.1 - from.1).abs() >= GRAIN;
        if self.kept.last().is_some_and(|last| !far(*last)) {
            self.held = Some(point);
            return;
        }
        if let Some(held) = self.held.take()
            && far(held)
        {
            self.kept.push(held);
        }
        self.kept.push(point);
    }

    fn end(mut self) -> Vec<(f64, f64)> {
        self.kept.extend(self.held);
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::Row;
    use super::super::metrics::tests::{close, ranking};
    use super::*;
    use crate::event::mix;

    /// The expected points are those of scikit-learn 1.9.1 for the same rows and weights.
    #[test]
    fn curves_are_those_of_scikit_learn() {
        let expected = [
            (0.0, 0.0),
            (0.0, 0.2),
            (0.2, 0.4),
            (0.2, 0.6),
            (0.4, 0.8),
            (0.6, 0.8),
            (0.6, 1.0),
            (0.8, 1.0),
            (1.0, 1.0),
        ];
        let found = curves(&ranking(false));
        assert_eq!(found.roc.len(), expected.len());
        for (found, expected) in found.roc.iter().zip(expected) {
            close(found.0, expected.0);
            close(found.1, expected.1);
        }
        let expected = [
            (0.12, 1.0),
            (0.28, 0.875),
            (0.52, 0.928_571_428_571_428_6),
            (0.84, 0.807_692_307_692_307_7),
            (0.84, 0.75),
            (1.0, 0.781_25),
            (1.0, 0.694_444_444_444_444_4),
            (1.0, 0.520_833_333_333_333_4),
        ];
        let found = curves(&ranking(true));
        assert_eq!(found.precision_recall.len(), expected.len());
        for (found, expected) in found.precision_recall.iter().zip(expected) {
            close(found.0, expected.0);
            close(found.1, expected.1);
        }
    }

    #[test]
    fn many_rows_give_few_points_with_the_same_area() {
        let row = |n: u32| {
            let unit = |salt: u64| (mix(u64::from(n) * 2 + salt) >> 40) as f64 / (1 << 24) as f64;
            Row {
                score: unit(0),
                weight: 1.0,
                session: n,
                label: unit(1) < unit(0) * 0.3,
            }
        };
        let ranking = Ranking::new((0..50_000).map(row).collect());
        let found = curves(&ranking);
        assert!((100..800).contains(&found.roc.len()), "{}", found.roc.len());
        assert_eq!(found.roc.first(), Some(&(0.0, 0.0)));
        assert_eq!(found.roc.last(), Some(&(1.0, 1.0)));
        let slabs = found.roc.windows(2);
        let area: f64 = slabs
            .map(|two| (two[1].0 - two[0].0) * (two[1].1 + two[0].1) / 2.0)
            .sum();
        let exact = ranking.areas().expect("both classes").auc;
        assert!((area - exact).abs() < GRAIN, "{area} {exact}");
        assert!(found.precision_recall.len() < 2_000);
    }

    #[test]
    fn one_class_has_no_curves() {
        assert_eq!(curves(&Ranking::default()), Curves::default());
    }
}
