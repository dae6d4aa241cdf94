//! From a score's log-odds to a probability that means what it says.
//!
//! Platt's sigmoid (Platt 1999) or an isotonic curve (Zadrozny, Elkan 2002), fitted on sessions
//! that the model did not see. An isotonic curve is stored by its corners and linear between them,
//! so that it keeps the order of sessions wherever it rises. Both never fall: calibration cannot
//! put a session below another that scored less. Cost: an exponential, or a binary search over at
//! most [`CORNERS_MAX`] corners.

use serde::{Deserialize, Serialize};

/// How log-odds become a probability.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibration {
    /// 1 / (1 + e⁻ˣ).
    #[default]
    None,
    /// 1 / (1 + e^−(slope · x + offset)).
    Platt {
        /// Not below zero.
        slope: f64,
        /// Added.
        offset: f64,
    },
    /// Linear between corners, level beyond the first and the last.
    Isotonic {
        /// Where the corners are; rising.
        log_odds: Vec<f64>,
        /// How high they are; never falling, between 0 and 1.
        probability: Vec<f64>,
    },
}

/// Most corners of an isotonic curve.
pub const CORNERS_MAX: usize = 256;

impl Calibration {
    /// The probability that belongs to log-odds.
    #[inline]
    pub fn probability(&self, log_odds: f64) -> f64 {
        match self {
            Calibration::None => sigmoid(log_odds),
            Calibration::Platt { slope, offset } => sigmoid(slope * log_odds + offset),
            Calibration::Isotonic {
                log_odds: at,
                probability,
            } => {
                let next = at.partition_point(|&corner| corner <= log_odds);
                if next == 0 {
                    probability[0]
                } else if next == at.len() {
                    probability[next - 1]
                } else {
                    let (left, right) = (next - 1, next);
                    let share = (log_odds - at[left]) / (at[right] - at[left]);
                    probability[left] + share * (probability[right] - probability[left])
                }
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Calibration::None => "none",
            Calibration::Platt { .. } => "platt",
            Calibration::Isotonic { .. } => "isotonic",
        }
    }

    /// Why it cannot be used, if so.
    pub fn wrong(&self) -> Option<&'static str> {
        match self {
            Calibration::None => None,
            Calibration::Platt { slope, offset } => {
                let usable = (0.0..=1e6).contains(slope) && offset.abs() <= 1e6;
                (!usable).then_some("its slope is below zero, or a number is too large or not one")
            }
            Calibration::Isotonic {
                log_odds,
                probability,
            } => {
                let rises = log_odds.windows(2).all(|pair| pair[0] < pair[1])
                    && probability.windows(2).all(|pair| pair[0] <= pair[1]);
                let numbers = log_odds.iter().all(|x| x.is_finite())
                    && probability.iter().all(|p| (0.0..=1.0).contains(p));
                if log_odds.is_empty() || log_odds.len() != probability.len() {
                    Some("its two lists differ in length, or are empty")
                } else if log_odds.len() > CORNERS_MAX {
                    Some("it has too many corners")
                } else if !rises || !numbers {
                    Some("it does not rise from corner to corner, or leaves 0 to 1")
                } else {
                    None
                }
            }
        }
    }
}

/// 1 / (1 + e⁻ˣ).
#[inline]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isotonic_curve_is_linear_between_its_corners_and_level_beyond() {
        let curve = Calibration::Isotonic {
            log_odds: vec![-2.0, 0.0, 1.0],
            probability: vec![0.1, 0.3, 0.3],
        };
        assert_eq!(curve.wrong(), None);
        for (x, p) in [
            (-9.0, 0.1),
            (-2.0, 0.1),
            (-1.0, 0.2),
            (0.5, 0.3),
            (7.0, 0.3),
        ] {
            assert!((curve.probability(x) - p).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn curves_that_fall_or_are_no_probabilities_are_refused() {
        let curve = |log_odds: &[f64], probability: &[f64]| {
            Calibration::Isotonic {
                log_odds: log_odds.into(),
                probability: probability.into(),
            }
            .wrong()
            .is_some()
        };
        assert!(curve(&[], &[]));
        assert!(curve(&[0.0, 1.0], &[0.2]));
        assert!(curve(&[0.0, 1.0], &[0.2, 0.1]));
        assert!(curve(&[1.0, 1.0], &[0.1, 0.2]));
        assert!(curve(&[0.0, f64::NAN], &[0.1, 0.2]));
        assert!(curve(&[0.0, 1.0], &[0.1, 1.2]));
        assert!(!curve(&[0.0, 1.0], &[0.1, 0.2]));
        let platt = |slope| Calibration::Platt { slope, offset: 0.0 }.wrong().is_some();
        assert!(platt(-1.0) && platt(f64::NAN) && !platt(0.0));
    }
}
