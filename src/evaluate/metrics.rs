//! How well scores tell positive rows from negative ones, every row with a weight.
//!
//! A [`Ranking`] holds rows by falling score. What depends on the order alone, the area under the
//! ROC curve and average precision, comes out of one pass over it, and can be had again at once
//! for other weights of the sessions ([`Ranking::areas_with`]); equal scores are taken in one
//! step, so the order of the input does not matter but for rounding. Sums run in the order of the
//! ranking: the same rows give the same bits. Cost: a sort, then one pass a figure.

/// Scores closer to 0 or 1 than this are moved to this distance before a logarithm is taken.
pub const LOG_LOSS_CLIP: f64 = 1e-15;

/// A row to be judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The probability that a model gave.
    pub score: f64,
    /// How much the row counts; above zero.
    pub weight: f64,
    /// The number of the row's session, from 0.
    pub session: u32,
    /// What was the case.
    pub label: bool,
}

/// The two figures that depend on the order of the rows alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Areas {
    /// Area under the ROC curve: the probability that a positive row scores above a negative one,
    /// ties counting half (Hanley, McNeil 1982).
    pub auc: f64,
    /// Area under the steps of the precision-recall curve: the sum over all scores of the recall
    /// gained there times the precision reached there, as scikit-learn defines it.
    pub average_precision: f64,
}

/// Area under the ROC curve of scores on any scale, every row weighing the same; `None` unless both
/// classes are there.
pub fn auc(scored: impl IntoIterator<Item = (f64, bool)>) -> Option<f64> {
    let rows = scored.into_iter().map(|(score, label)| Row {
        score,
        weight: 1.0,
        session: 0,
        label,
    });
    Some(Ranking::sorted(rows.collect()).areas()?.auc)
}

/// Rows by falling score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    rows: Vec<Row>,
}

impl Ranking {
    /// Sorts rows. Scores are brought to probabilities first, see [`probability`].
    pub fn new(mut rows: Vec<Row>) -> Ranking {
        for row in &mut rows {
            row.score = probability(row.score);
        }
        Ranking::sorted(rows)
    }

    fn sorted(mut rows: Vec<Row>) -> Ranking {
        rows.sort_by(|left, right| right.score.total_cmp(&left.score));
        Ranking { rows }
    }

    /// The rows, highest score first.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Number of rows with the label.
    pub fn positives(&self) -> usize {
        self.rows.iter().filter(|row| row.label).count()
    }

    /// The positive rows' share of the weight; `None` without rows.
    pub fn share(&self) -> Option<f64> {
        self.mean(|row| f64::from(u8::from(row.label)))
    }

    /// The areas; `None` unless both classes are there.
    pub fn areas(&self) -> Option<Areas> {
        self.areas_with(|_| 1.0)
    }

    /// The areas if every row's weight were multiplied by a number for its session, from 0 on;
    /// `None` unless both classes are there.
    pub fn areas_with(&self, times: impl Fn(u32) -> f64) -> Option<Areas> {
        let (mut above, mut below) = (0.0, 0.0);
        let (mut pairs, mut steps) = (0.0, 0.0);
        let (mut hits, mut misses) = (0.0, 0.0);
        let mut rows = self.rows.iter().peekable();
        while let Some(row) = rows.next() {
            let weight = row.weight * times(row.session);
            if row.label {
                hits += weight;
            } else {
                misses += weight;
            }
            if rows.peek().is_some_and(|next| next.score == row.score) {
                continue;
            }
            pairs += misses * (above + hits / 2.0);
            above += hits;
            below += misses;
            if hits > 0.0 {
                steps += hits * above / (above + below);
            }
            (hits, misses) = (0.0, 0.0);
        }
        (above > 0.0 && below > 0.0).then(|| Areas {
            auc: pairs / (above * below),
            average_precision: steps / above,
        })
    }

    /// Mean negative log-likelihood of the labels in nats, scores clipped by [`LOG_LOSS_CLIP`];
    /// `None` unless both classes are there: of one class the best guess is no model's merit.
    pub fn log_loss(&self) -> Option<f64> {
        self.both().then_some(())?;
        self.mean(|row| {
            let p = row.score.clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP);
            -libm::log(if row.label { p } else { 1.0 - p })
        })
    }

    /// Mean squared distance of score and label (Brier 1950); `None` unless both classes are there.
    pub fn brier(&self) -> Option<f64> {
        self.both().then_some(())?;
        self.mean(|row| {
            let error = row.score - f64::from(u8::from(row.label));
            error * error
        })
    }

    /// Whether rows of both classes are there.
    pub fn both(&self) -> bool {
        let positives = self.positives();
        positives > 0 && positives < self.rows.len()
    }

    fn mean(&self, value: impl Fn(&Row) -> f64) -> Option<f64> {
        let (mut sum, mut weight) = (0.0, 0.0);
        for row in &self.rows {
            sum += row.weight * value(row);
            weight += row.weight;
        }
        (weight > 0.0).then_some(sum / weight)
    }
}

/// A score as a probability: what lies outside 0 to 1 goes to the nearer end, and what is no
/// number counts as 0.
pub fn probability(score: f64) -> f64 {
    // What is no number is not above 0 either.
    if score > 0.0 { score.min(1.0) } else { 0.0 }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::evaluate) const SCORES: [f64; 10] =
        [0.1, 0.4, 0.35, 0.8, 0.4, 0.05, 0.8, 0.62, 0.2, 0.99];
    const LABELS: [u8; 10] = [0, 1, 0, 1, 0, 0, 0, 1, 1, 1];
    const WEIGHTS: [f64; 10] = [1.0, 2.0, 0.5, 1.0, 1.0, 3.0, 0.25, 1.5, 1.0, 0.75];

    pub(in crate::evaluate) fn ranking(weighted: bool) -> Ranking {
        let row = |n: usize| Row {
            score: SCORES[n],
            weight: if weighted { WEIGHTS[n] } else { 1.0 },
            session: n as u32,
            label: LABELS[n] == 1,
        };
        Ranking::new((0..SCORES.len()).map(row).collect())
    }

    pub(in crate::evaluate) fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }

    /// The expected numbers are those of scikit-learn 1.9.1 for the same rows and weights.
    #[test]
    fn auc_counts_pairs() {
        assert_eq!(auc([(-7.0, false), (9.0, true)]), Some(1.0));
        assert_eq!(auc([(0.5, false), (0.5, true)]), Some(0.5));
        let mixed = [
            (1.0, false),
            (4.0, true),
            (3.5, false),
            (8.0, true),
            (4.0, false),
        ];
        // Pairs: 4 beats 1 and 3.5, ties 4; 8 beats three.
        assert_eq!(auc(mixed), Some(5.5 / 6.0));
        assert_eq!(auc([(0.5, true)]), None);
    }

    #[test]
    fn figures_are_those_of_scikit_learn() {
        let plain = ranking(false);
        let areas = plain.areas().expect("both classes");
        close(areas.auc, 0.76);
        close(areas.average_precision, 0.741_666_666_666_666_7);
        close(plain.log_loss().expect("both"), 0.594_465_859_475_688_9);
        close(plain.brier().expect("both"), 0.211_95);
        let weighted = ranking(true);
        let areas = weighted.areas().expect("both classes");
        close(areas.auc, 0.895_652_173_913_043_4);
        close(areas.average_precision, 0.866_318_681_318_681_3);
        close(weighted.log_loss().expect("both"), 0.481_464_278_295_205_66);
        close(weighted.brier().expect("both"), 0.167_952_083_333_333_34);
    }

    #[test]
    fn a_session_taken_twice_counts_like_twice_the_weight() {
        let times = |session: u32| f64::from(session % 3);
        let rows = ranking(true).rows().to_vec();
        let repeated = rows.iter().map(|row| Row {
            weight: row.weight * times(row.session),
            ..*row
        });
        let expected = Ranking::new(repeated.collect()).areas();
        assert!(expected.is_some());
        assert_eq!(ranking(true).areas_with(times), expected);
    }

    #[test]
    fn figures_of_one_class_or_of_nothing_are_none() {
        let mut rows = ranking(false).rows().to_vec();
        rows.retain(|row| row.label);
        for ranking in [Ranking::default(), Ranking::new(rows)] {
            assert_eq!(ranking.areas(), None);
            assert_eq!(ranking.log_loss(), None);
            assert_eq!(ranking.brier(), None);
        }
        assert_eq!(Ranking::default().share(), None);
        // A resample that leaves out one class.
        assert_eq!(ranking(false).areas_with(|_| 0.0), None);
    }

    #[test]
    fn scores_that_are_no_probabilities_become_some() {
        for (score, expected) in [(f64::NAN, 0.0), (-1.0, 0.0), (f64::INFINITY, 1.0)] {
            assert_eq!(probability(score), expected);
        }
        let row = |score, label| Row {
            score,
            weight: 1.0,
            session: 0,
            label,
        };
        let sure = Ranking::new(vec![row(f64::NAN, true), row(7.0, false)]);
        assert_eq!(sure.areas().map(|areas| areas.auc), Some(0.0));
        close(sure.brier().expect("both"), 1.0);
        let loss = sure.log_loss().expect("both");
        assert!((loss + 1e-15f64.ln()).abs() < 0.1, "{loss}");
    }
}
