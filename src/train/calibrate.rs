//! Fitting a calibration: Platt's sigmoid, or an isotonic curve by pooling adjacent violators.
//!
//! Rows are (log-odds, label, weight) of sessions that the model was not fitted on. With fewer than
//! [`ISOTONIC_MIN`] sessions of either class a curve of many steps would be fitted to noise, so the
//! sigmoid's two numbers have to do. A curve never reaches 0 or 1: one session more at the base
//! rate is taken to be in its first and its last step. Cost: a sort.

use super::logistic::{self, Rows};
use crate::visit::model::Calibration;
use crate::visit::model::calibration::CORNERS_MAX;

/// Least weight of each class, in sessions, for an isotonic curve.
pub const ISOTONIC_MIN: f64 = 200.0;

/// One session prefix to calibrate on: log-odds, label, weight in sessions.
pub type Scored = (f64, bool, f64);

/// Fits the calibration that the number of sessions allows.
pub fn fit(rows: &[Scored]) -> Calibration {
    let weight = |wanted| -> f64 {
        let rows = rows.iter().filter(|row| row.1 == wanted);
        rows.map(|row| row.2).sum()
    };
    let (positives, negatives) = (weight(true), weight(false));
    if positives.min(negatives) >= ISOTONIC_MIN {
        isotonic(rows)
    } else {
        platt(rows)
    }
}

/// Platt's sigmoid. Its slope is pulled towards 1, as strongly as [`SLOPE_SESSIONS`] sessions would,
/// and half a session of each class is added: with few sessions, or none of a class, what remains
/// is to put the mean right.
pub fn platt(rows: &[Scored]) -> Calibration {
    if rows.is_empty() {
        return Calibration::None;
    }
    let table = softened(rows, 1, |row| vec![rows[row].0]);
    match logistic::fit_towards(&table, SLOPE_SESSIONS, &[1.0]) {
        Err(_) => Calibration::None,
        Ok(fit) if fit.weights[0] > 0.0 => Calibration::Platt {
            slope: rounded(fit.weights[0]),
            offset: rounded(fit.bias),
        },
        // The scores were of no use here: everyone gets the base rate.
        Ok(_) => {
            let all: f64 = rows.iter().map(|row| row.2).sum();
            let hits: f64 = rows.iter().filter(|row| row.1).map(|row| row.2).sum();
            Calibration::Platt {
                slope: 0.0,
                offset: rounded(libm::log(hits / (all - hits))),
            }
        }
    }
}

/// Sessions that the pull of a slope towards 1 is worth.
const SLOPE_SESSIONS: f64 = 2.0;

/// A table of rows, and half a session of each class in the middle of them: no fit to it can run
/// away, whatever the labels.
pub(super) fn softened(rows: &[Scored], columns: usize, of: impl Fn(usize) -> Vec<f64>) -> Rows {
    let all: f64 = rows.iter().map(|row| row.2).sum();
    let mut middle = vec![0.0; columns];
    let mut table = Rows {
        columns,
        ..Rows::default()
    };
    for (number, &(_, label, weight)) in rows.iter().enumerate() {
        let values = of(number);
        for (sum, x) in middle.iter_mut().zip(&values) {
            *sum += weight / all * x;
        }
        table.values.extend(values);
        table.labels.push(label);
        table.weights.push(weight);
    }
    for label in [false, true] {
        table.values.extend_from_slice(&middle);
        table.labels.push(label);
        table.weights.push(0.5);
    }
    table
}

/// A stretch of rows that share a probability.
#[derive(Clone, Copy)]
struct Step {
    log_odds: f64,
    hits: f64,
    weight: f64,
}

impl Step {
    fn probability(&self) -> f64 {
        self.hits / self.weight
    }

    fn join(&mut self, other: Step) {
        let weight = self.weight + other.weight;
        self.log_odds = (self.log_odds * self.weight + other.log_odds * other.weight) / weight;
        self.hits += other.hits;
        self.weight = weight;
    }
}

/// An isotonic curve through the steps' middles.
pub fn isotonic(rows: &[Scored]) -> Calibration {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    let all: f64 = sorted.iter().map(|row| row.2).sum();
    let base = sorted
        .iter()
        .filter(|row| row.1)
        .map(|row| row.2)
        .sum::<f64>()
        / all;
    // Equal scores share a step, and no step is smaller than a corner's share.
    let least = all / (CORNERS_MAX / 2) as f64;
    let mut steps: Vec<Step> = Vec::new();
    let mut small: Option<Step> = None;
    for (at, &(log_odds, label, weight)) in sorted.iter().enumerate() {
        let row = Step {
            log_odds,
            hits: if label { weight } else { 0.0 },
            weight,
        };
        let step = match small.take() {
            None => row,
            Some(mut step) => {
                step.join(row);
                step
            }
        };
        let tied = sorted.get(at + 1).is_some_and(|next| next.0 == log_odds);
        if step.weight < least || tied {
            small = Some(step);
        } else {
            pool(&mut steps, step);
        }
    }
    if let Some(step) = small {
        pool(&mut steps, step);
    }
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
        return Calibration::None;
    };
    let softened = |step: &Step| (step.hits + base) / (step.weight + 1.0);
    let (low, high) = (softened(first), softened(last));
    let (low, high) = (low.min(high), high.max(low));
    let mut corners: (Vec<f64>, Vec<f64>) = Default::default();
    for step in &steps {
        let log_odds = rounded(step.log_odds);
        if corners.0.last().is_none_or(|before| *before < log_odds) {
            corners.0.push(log_odds);
            corners.1.push(rounded(step.probability().clamp(low, high)));
        }
    }
    Calibration::Isotonic {
        log_odds: corners.0,
        probability: corners.1,
    }
}

/// Adds a step, and joins it with those before it while they are higher.
fn pool(steps: &mut Vec<Step>, mut step: Step) {
    while let Some(before) = steps.last() {
        if before.probability() < step.probability() {
            break;
        }
        let mut joined = *before;
        steps.pop();
        joined.join(step);
        step = joined;
    }
    steps.push(step);
}

/// Six decimals: what a model file needs, and the same on every platform.
pub fn rounded(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::mix;
    use crate::visit::model::sigmoid;

    /// Rows whose true log-odds are `bend(score)`.
    fn rows(count: u64, bend: impl Fn(f64) -> f64) -> Vec<Scored> {
        (0..count)
            .map(|n| {
                let uniform = |n: u64| (mix(n) >> 11) as f64 / (1u64 << 53) as f64;
                let score = uniform(2 * n) * 8.0 - 4.0;
                (score, uniform(2 * n + 1) < sigmoid(bend(score)), 1.0)
            })
            .collect()
    }

    #[test]
    fn the_sigmoid_finds_slope_and_offset() {
        let Calibration::Platt { slope, offset } = platt(&rows(50_000, |x| 0.5 * x - 1.0)) else {
            panic!("not a sigmoid");
        };
        assert!(
            (slope - 0.5).abs() < 0.03 && (offset + 1.0).abs() < 0.05,
            "{slope} {offset}"
        );
    }

    #[test]
    fn a_curve_finds_a_bend_that_no_sigmoid_has() {
        let bend = |x: f64| if x < 0.0 { -2.0 } else { 1.0 };
        let curve = fit(&rows(50_000, bend));
        assert_eq!((curve.name(), curve.wrong()), ("isotonic", None));
        for x in [-3.0, -1.0, 1.0, 3.0] {
            let off = curve.probability(x) - sigmoid(bend(x));
            assert!(off.abs() < 0.03, "{x}: {off}");
        }
        assert!(curve.probability(-100.0) > 0.0 && curve.probability(100.0) < 1.0);
    }

    #[test]
    fn few_sessions_get_a_sigmoid_and_none_stay_as_they_are() {
        assert_eq!(fit(&rows(300, |x| x)).name(), "platt");
        assert_eq!(fit(&[]).name(), "none");
        // One class only: the mean is put right, half a session of the other class added.
        let p = fit(&[(1.0, false, 1.0); 9]).probability(1.0);
        assert!((p - 0.05).abs() < 0.01, "{p}");
    }

    #[test]
    fn scores_of_no_use_give_the_base_rate() {
        let mut wrong = rows(2_000, |x| -x);
        wrong.extend(
            rows(500, |_| 9.0)
                .iter()
                .map(|row| (-row.0.abs(), true, 1.0)),
        );
        let curve = platt(&wrong);
        let share = wrong.iter().filter(|row| row.1).count() as f64 / wrong.len() as f64;
        assert!((curve.probability(-2.0) - share).abs() < 1e-3);
        assert_eq!(curve.probability(-2.0), curve.probability(2.0));
    }

    #[test]
    fn equal_scores_share_a_step() {
        let rows: Vec<Scored> = (0..1_000)
            .map(|n| (f64::from(n % 2), n % 10 == 1, 1.0))
            .collect();
        let Calibration::Isotonic { log_odds, .. } = isotonic(&rows) else {
            panic!("not a curve");
        };
        assert_eq!(log_odds, [0.0, 1.0]);
    }
}
