//! Weighted logistic regression with an L2 penalty, fitted by Newton's method (iteratively
//! reweighted least squares; Hastie, Tibshirani, Friedman 2009, section 4.4).
//!
//! Columns are expected to be standardised; a missing value is zero, the mean. The bias carries no
//! penalty. Sums run in row order, so a fit is a pure function of its rows. Cost: rows × columns²
//! a step, and fewer than twenty steps.

use crate::visit::model::sigmoid;

/// Training rows: `values` holds `columns` numbers a row, one row after the other.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Numbers a row.
    pub columns: usize,
    /// All rows' numbers.
    pub values: Vec<f64>,
    /// Each row's label.
    pub labels: Vec<bool>,
    /// Each row's weight; above zero.
    pub weights: Vec<f64>,
    /// How many rows in turn belong together, as those of a session do; empty if none do.
    pub groups: Vec<u32>,
}

impl Rows {
    /// For every row, the weight of its group; its own where there are no groups.
    pub fn group_weights(&self) -> Vec<f64> {
        if self.groups.is_empty() {
            return self.weights.clone();
        }
        let (mut first, mut weights) = (0, Vec::with_capacity(self.weights.len()));
        for &length in &self.groups {
            let group = &self.weights[first..first + length as usize];
            let whole: f64 = group.iter().sum();
            weights.extend(std::iter::repeat_n(whole, group.len()));
            first += length as usize;
        }
        weights
    }
}

/// A fitted regression: log-odds = bias + weights · row.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The bias.
    pub bias: f64,
    /// A weight per column.
    pub weights: Vec<f64>,
}

/// Why a fit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// All rows have the same label.
    #[error("every row had the same label: there is nothing to tell apart")]
    OneClass,
    /// The equations could not be solved, or the steps did not settle.
    #[error("the fit did not converge")]
    Diverged,
    /// There are no rows.
    #[error("there were no rows to fit")]
    NoRows,
    /// There are no columns.
    #[error("there were no columns to fit")]
    NoColumns,
    /// The values, labels and weights do not make a table.
    #[error("the rows, labels and weights did not have the same length")]
    Shape,
    /// All rows are alike.
    #[error("no column tells two rows apart")]
    Constant,
    /// A value is infinite, or as good as.
    #[error("column {column} had a value that is not a finite number below 1e300")]
    Infinite {
        /// The column, from 0.
        column: usize,
    },
    /// A weight is not a number above zero.
    #[error("row {row} had a weight that is not a finite number above zero")]
    Weight {
        /// The row, from 0.
        row: usize,
    },
}

const STEPS_MAX: usize = 50;
const TOLERANCE: f64 = 1e-8;

impl Fit {
    /// The log-odds of a row.
    pub fn log_odds(&self, row: &[f64]) -> f64 {
        self.weights
            .iter()
            .zip(row)
            .fold(self.bias, |sum, (weight, x)| sum + weight * x)
    }
}

/// Fits the rows with penalty `l2` (a weight's square times `l2 / 2`, against summed weighted
/// log-loss).
///
/// # Errors
/// [`FitError`] when there is one class only, or no solution.
pub fn fit(rows: &Rows, l2: f64) -> Result<Fit, FitError> {
    fit_towards(rows, l2, &vec![0.0; rows.columns])
}

/// The same with weights that are pulled towards `prior`, one a column, instead of zero.
///
/// # Errors
/// As [`fit`].
pub fn fit_towards(rows: &Rows, l2: f64, prior: &[f64]) -> Result<Fit, FitError> {
    let positives = rows.labels.iter().filter(|&&label| label).count();
    if positives == 0 || positives == rows.labels.len() {
        return Err(FitError::OneClass);
    }
    let size = rows.columns + 1;
    let mut solution = vec![0.0; size];
    for _ in 0..STEPS_MAX {
        let (mut gradient, mut hessian) = (vec![0.0; size], vec![0.0; size * size]);
        for at in 1..size {
            gradient[at] = l2 * (solution[at] - prior[at - 1]);
            hessian[at * size + at] = l2;
        }
        accumulate(rows, &solution, &mut gradient, &mut hessian);
        let step = solve(&mut hessian, &gradient, size).ok_or(FitError::Diverged)?;
        let mut largest = 0.0f64;
        for (value, step) in solution.iter_mut().zip(&step) {
            *value -= step;
            largest = largest.max(step.abs());
        }
        if !largest.is_finite() {
            return Err(FitError::Diverged);
        }
        if largest < TOLERANCE {
            return Ok(Fit {
                bias: solution[0],
                weights: solution[1..].to_vec(),
            });
        }
    }
    Err(FitError::Diverged)
}

fn accumulate(rows: &Rows, solution: &[f64], gradient: &mut [f64], hessian: &mut [f64]) {
    let size = rows.columns + 1;
    let mut extended = vec![1.0; size];
    for (index, row) in rows.values.chunks_exact(rows.columns).enumerate() {
        extended[1..].copy_from_slice(row);
        let log_odds: f64 = solution.iter().zip(&extended).map(|(w, x)| w * x).sum();
        let p = sigmoid(log_odds);
        let weight = rows.weights[index];
        let error = weight * (p - f64::from(u8::from(rows.labels[index])));
        let curvature = weight * p * (1.0 - p);
        for (i, &x) in extended.iter().enumerate() {
            gradient[i] += error * x;
            let scaled = curvature * x;
            for (j, &y) in extended[..=i].iter().enumerate() {
                hessian[i * size + j] += scaled * y;
            }
        }
    }
}

/// Solves `matrix · x = right` for a symmetric positive matrix given by its lower half, by
/// Cholesky's factorisation in place.
fn solve(matrix: &mut [f64], right: &[f64], size: usize) -> Option<Vec<f64>> {
    for i in 0..size {
        for j in 0..=i {
            let dot: f64 = (0..j)
                .map(|k| matrix[i * size + k] * matrix[j * size + k])
                .sum();
            let rest = matrix[i * size + j] - dot;
            if i == j {
                if rest <= 0.0 {
                    return None;
                }
                matrix[i * size + i] = rest.sqrt();
            } else {
                matrix[i * size + j] = rest / matrix[j * size + j];
            }
        }
    }
    let mut x = right.to_vec();
    for i in 0..size {
        let dot: f64 = (0..i).map(|k| matrix[i * size + k] * x[k]).sum();
        x[i] = (x[i] - dot) / matrix[i * size + i];
    }
    for i in (0..size).rev() {
        let dot: f64 = (i + 1..size).map(|k| matrix[k * size + i] * x[k]).sum();
        x[i] = (x[i] - dot) / matrix[i * size + i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_finds_the_odds_of_a_table() {
        // One column, two cells: odds 1:3 at x = 0 and 3:1 at x = 1.
        let mut rows = Rows {
            columns: 1,
            ..Rows::default()
        };
        for (x, hits) in [(0.0, 25), (1.0, 75)] {
            for n in 0..100 {
                rows.values.push(x);
                rows.labels.push(n < hits);
                rows.weights.push(1.0);
            }
        }
        let fit = fit(&rows, 1e-9).unwrap();
        assert!((fit.bias - (1.0f64 / 3.0).ln()).abs() < 1e-6, "{fit:?}");
        assert!((fit.weights[0] - 9.0f64.ln()).abs() < 1e-6, "{fit:?}");
    }

    #[test]
    fn a_weight_counts_like_so_many_rows() {
        let rows = |weights: Vec<f64>, labels: Vec<bool>| Rows {
            columns: 1,
            values: vec![0.5; labels.len()],
            labels,
            weights,
            ..Rows::default()
        };
        let weighted = fit(&rows(vec![3.0, 1.0], vec![true, false]), 0.1).unwrap();
        let repeated = fit(&rows(vec![1.0; 4], vec![true, true, true, false]), 0.1).unwrap();
        assert!((weighted.log_odds(&[0.5]) - repeated.log_odds(&[0.5])).abs() < 1e-9);
    }

    #[test]
    fn one_class_is_an_error() {
        let rows = Rows {
            columns: 1,
            values: vec![1.0, 2.0],
            labels: vec![true, true],
            weights: vec![1.0, 1.0],
            ..Rows::default()
        };
        assert_eq!(fit(&rows, 1.0), Err(FitError::OneClass));
    }
}
