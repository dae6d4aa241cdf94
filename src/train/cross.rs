//! Cross-validation of a session table: every row scored by a model that never saw it.
//!
//! Rows are dealt to the folds by a pinned hash of the seed and their place, each outcome
//! separately, so all folds have the same share of it. For each fold a learner is fitted on the
//! others; whatever it measures (means, scales, calibration) it measures there. Trees are
//! calibrated by a line through the log-odds (Platt 1999), fitted on the rows that a bag left out.
//! Folds run side by side; the result does not depend on how many. Cost: one fit a fold.

use super::Kind;
use super::boost::{self, BoostSpec};
use super::encode::{Encoded, Standard};
use super::logistic::{self, FitError, Rows};
use super::table::{Cells, Table, TableError};
use crate::evaluate::metrics::auc;
use crate::event::mix;
use crate::visit::model::sigmoid;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How to cross-validate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossSpec {
    /// The learner.
    pub kind: Kind,
    /// Folds, from 2 to [`FOLDS_MAX`].
    pub folds: usize,
    /// Deals the rows to the folds, and seeds the learner.
    pub seed: u64,
}

impl Default for CrossSpec {
    fn default() -> CrossSpec {
        CrossSpec {
            kind: Kind::Trees,
            folds: 5,
            seed: 1,
        }
    }
}

/// Most folds.
pub const FOLDS_MAX: usize = 20;
/// Fewest rows.
pub const ROWS_MIN: usize = 50;
/// Area under the curve from which a single column is suspected to come from the outcome.
pub const SUSPECT_AUC: f64 = 0.80;

/// Penalty of the regression, for columns of deviation 1.
const L2: f64 = 1.0;

/// Scores out of sample.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfFold {
    /// Each row's probability of the outcome, from a model fitted without its fold.
    pub scores: Vec<f64>,
    /// Each row's outcome.
    pub labels: Vec<bool>,
    /// Each row's fold, from 0.
    pub fold: Vec<u8>,
    /// The columns used, as the table has them.
    pub columns: Vec<String>,
    /// What makes the result doubtful.
    pub warnings: Vec<String>,
    /// What was left out of the table.
    pub notes: Vec<String>,
}

impl OutOfFold {
    /// Area under the ROC curve of all rows together.
    pub fn pooled_auc(&self) -> f64 {
        let rows = self.scores.iter().copied().zip(self.labels.iter().copied());
        auc(rows).unwrap_or(f64::NAN)
    }

    /// Area under the ROC curve of each fold.
    pub fn fold_aucs(&self) -> Vec<f64> {
        let folds = self.fold.iter().max().map_or(0, |&fold| fold + 1);
        let of_fold = |fold: u8| {
            let rows = (0..self.fold.len()).filter(|&row| self.fold[row] == fold);
            auc(rows.map(|row| (self.scores[row], self.labels[row]))).unwrap_or(f64::NAN)
        };
        (0..folds).map(of_fold).collect()
    }
}

/// Scores every row of a table by a model fitted on the other folds.
///
/// # Errors
/// [`TableError`] when the table is too small for the folds, has one outcome only, or nothing to
/// learn from.
pub fn cross_validate(table: &Table, spec: &CrossSpec) -> Result<OutOfFold, TableError> {
    check(table, spec)?;
    let fold = deal(&table.labels, spec.folds, spec.seed);
    let encoded = Encoded::new(table);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= spec.folds {
                return done;
            }
            done.push((at, score_fold(table, &encoded, &fold, at as u8, spec)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parts = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads.min(spec.folds))
            .map(|_| scope.spawn(work))
            .collect();
        let join = |handle: std::thread::ScopedJoinHandle<_>| match handle.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        started.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    parts.sort_by_key(|&(at, _)| at);
    let mut scores = vec![0.0; table.labels.len()];
    for (at, scored) in parts {
        let rows = (0..fold.len()).filter(|&row| usize::from(fold[row]) == at);
        for (row, score) in rows.zip(scored?) {
            scores[row] = score;
        }
    }
    Ok(OutOfFold {
        scores,
        labels: table.labels.clone(),
        fold,
        columns: table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect(),
        warnings: warnings(table),
        notes: table.notes.clone(),
    })
}

fn check(table: &Table, spec: &CrossSpec) -> Result<(), TableError> {
    let positives = table.labels.iter().filter(|&&label| label).count();
    let negatives = table.labels.len() - positives;
    let at_least = |what, found, least| {
        let few = TableError::TooFew { what, found, least };
        if found < least { Err(few) } else { Ok(()) }
    };
    at_least("folds", spec.folds, 2)?;
    if spec.folds > FOLDS_MAX {
        return Err(TableError::Folds {
            found: spec.folds,
            most: FOLDS_MAX,
        });
    }
    at_least("rows", table.labels.len(), ROWS_MIN)?;
    if positives == 0 || negatives == 0 {
        return Err(FitError::OneClass.into());
    }
    at_least("rows with the outcome", positives, spec.folds)?;
    at_least("rows without the outcome", negatives, spec.folds)?;
    if table.columns.is_empty() {
        return Err(TableError::NoColumns);
    }
    Ok(())
}

/// Each row's fold: each outcome's rows in the order of a hash, dealt in turn.
fn deal(labels: &[bool], folds: usize, seed: u64) -> Vec<u8> {
    let key = mix(seed.wrapping_add(1));
    let mut fold = vec![0; labels.len()];
    for class in [false, true] {
        let of_class = (0..labels.len()).filter(|&row| labels[row] == class);
        let mut keyed: Vec<_> = of_class.map(|row| (mix(key ^ row as u64), row)).collect();
        keyed.sort_unstable();
        for (at, (_, row)) in keyed.into_iter().enumerate() {
            fold[row] = (at % folds) as u8;
        }
    }
    fold
}

/// The probabilities of a fold's rows, in the table's order, by a model of the others.
fn score_fold(
    table: &Table,
    encoded: &Encoded,
    fold: &[u8],
    at: u8,
    spec: &CrossSpec,
) -> Result<Vec<f64>, FitError> {
    let (inside, outside): (Vec<usize>, Vec<usize>) =
        (0..fold.len()).partition(|&row| fold[row] == at);
    let mut rows = Rows {
        labels: outside.iter().map(|&row| table.labels[row]).collect(),
        weights: vec![1.0; outside.len()],
        ..Rows::default()
    };
    match spec.kind {
        Kind::Logistic => {
            let standard = Standard::fit(encoded, &outside);
            rows.columns = standard.columns();
            for &row in &outside {
                standard.apply(encoded.row(row), &mut rows.values);
            }
            let fit = logistic::fit(&rows, L2)?;
            let score = |&row: &usize| {
                let mut values = Vec::with_capacity(rows.columns);
                standard.apply(encoded.row(row), &mut values);
                sigmoid(fit.log_odds(&values))
            };
            Ok(inside.iter().map(score).collect())
        }
        Kind::Trees => {
            rows.columns = encoded.names.len();
            for &row in &outside {
                rows.values.extend_from_slice(encoded.row(row));
            }
            let boost = BoostSpec {
                seed: spec.seed,
                ..BoostSpec::table()
            };
            let (fit, out_of_bag) = boost::fit_out_of_bag(&rows, &boost)?;
            let (bias, slope) = platt(&out_of_bag, &rows.labels);
            let score = |&row: &usize| sigmoid(bias + slope * fit.log_odds(encoded.row(row)));
            Ok(inside.iter().map(score).collect())
        }
    }
}

/// The line that makes log-odds into calibrated ones: its bias and slope. Log-odds stay as they
/// are where there is too little to fit, or the line falls.
fn platt(log_odds: &[Option<f64>], labels: &[bool]) -> (f64, f64) {
    let mut rows = Rows {
        columns: 1,
        ..Rows::default()
    };
    for (log_odds, &label) in log_odds.iter().zip(labels) {
        if let Some(log_odds) = *log_odds {
            rows.values.push(log_odds);
            rows.labels.push(label);
            rows.weights.push(1.0);
        }
    }
    match logistic::fit(&rows, 1e-3) {
        Ok(fit) if fit.weights[0] > 0.0 => (fit.bias, fit.weights[0]),
        _ => (0.0, 1.0),
    }
}

/// What makes a result on this table doubtful.
fn warnings(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for column in &table.columns {
        let name = &column.name;
        let folded: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
        if folded.eq_ignore_ascii_case("pagevalues") {
            found.push(format!(
                "{name} is computed from the outcome and leaks it: a result that needs it is not \
                 an in-session result"
            ));
            continue;
        }
        let area = telling(&column.cells, &table.labels);
        if area >= SUSPECT_AUC {
            found.push(format!(
                "{name} alone tells the outcome with AUC {area:.3}: check that it is not computed \
                 from the outcome, or known only after it"
            ));
        }
    }
    found
}

/// The area under the curve of a column alone, up or down, whichever is greater; of a category,
/// that of the one that tells most.
fn telling(cells: &Cells, labels: &[bool]) -> f64 {
    let area = |values: &mut dyn Iterator<Item = f64>| {
        let present = values.zip(labels).filter(|(x, _)| !x.is_nan());
        auc(present.map(|(x, &label)| (x, label))).map_or(0.5, |area| area.max(1.0 - area))
    };
    match cells {
        Cells::Number(values) | Cells::Boolean(values) => area(&mut values.iter().copied()),
        Cells::Category { names, codes } => {
            let one = |at: usize| {
                let has = |code: &Option<u8>| code.map(usize::from) == Some(at);
                area(&mut codes.iter().map(|code| f64::from(u8::from(has(code)))))
            };
            (0..names.len()).map(one).fold(0.5, f64::max)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::table::Column;

    /// A number that the outcome leans on, and a category of three that says nothing.
    fn table(count: usize) -> Table {
        let unit = |key: usize| (mix(key as u64 + 1) >> 11) as f64 / (1u64 << 53) as f64;
        let leaning: Vec<f64> = (0..count).map(|row| unit(row * 2)).collect();
        let labels = (0..count).map(|row| leaning[row] > 0.2 + unit(row * 2 + 1));
        Table {
            labels: labels.collect(),
            columns: vec![
                Column {
                    name: "leaning".into(),
                    cells: Cells::Number(leaning),
                },
                Column {
                    name: "silent".into(),
                    cells: Cells::Category {
                        names: vec!["x".into(), "y".into(), "z".into()],
                        codes: (0..count).map(|row| Some((row % 3) as u8)).collect(),
                    },
                },
            ],
            notes: Vec::new(),
        }
    }

    fn spec(kind: Kind) -> CrossSpec {
        CrossSpec {
            kind,
            ..CrossSpec::default()
        }
    }

    #[test]
    fn both_learners_find_what_there_is_and_calibrate_it() {
        let table = table(600);
        let share = table.labels.iter().filter(|&&label| label).count() as f64 / 600.0;
        for kind in [Kind::Logistic, Kind::Trees] {
            let found = cross_validate(&table, &spec(kind)).unwrap();
            let auc = found.pooled_auc();
            assert!((0.7..0.9).contains(&auc), "{kind:?}: {auc}");
            assert_eq!(found.fold_aucs().len(), 5);
            let mean = found.scores.iter().sum::<f64>() / 600.0;
            assert!(
                (mean - share).abs() < 0.03,
                "{kind:?}: {mean} against {share}"
            );
            assert_eq!(found, cross_validate(&table, &spec(kind)).unwrap());
        }
    }

    #[test]
    fn an_outcome_of_chance_is_not_learnt() {
        let mut table = table(600);
        table.labels = (0..600)
            .map(|row| mix(row + 9_999).is_multiple_of(3))
            .collect();
        for kind in [Kind::Logistic, Kind::Trees] {
            let auc = cross_validate(&table, &spec(kind)).unwrap().pooled_auc();
            assert!((0.4..0.6).contains(&auc), "{kind:?}: {auc}");
        }
    }

    #[test]
    fn folds_have_equal_shares_of_the_outcome() {
        let labels: Vec<bool> = (0..1003).map(|row| row % 7 == 0).collect();
        let fold = deal(&labels, 5, 3);
        for class in [false, true] {
            let mut counts = [0; 5];
            for row in (0..1003).filter(|&row| labels[row] == class) {
                counts[usize::from(fold[row])] += 1;
            }
            assert!(counts[0] - counts[4] <= 1, "{counts:?}");
        }
        assert_ne!(fold, deal(&labels, 5, 4));
    }

    #[test]
    fn columns_that_tell_too_much_are_warned_of() {
        let mut table = table(200);
        table.columns[0].name = "page_values".into();
        let told = table
            .labels
            .iter()
            .map(|&label| if label { 2.0 } else { 5.0 });
        table.columns.push(Column {
            name: "basket".into(),
            cells: Cells::Number(told.collect()),
        });
        let found = warnings(&table);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("page_values is computed from the outcome"));
        assert!(found[1].starts_with("basket alone tells the outcome with AUC 1.000"));
    }

    #[test]
    fn tables_too_small_are_refused() {
        let fails = |table: &Table, folds: usize| {
            let spec = CrossSpec {
                folds,
                ..CrossSpec::default()
            };
            cross_validate(table, &spec).unwrap_err().to_string()
        };
        assert!(fails(&table(49), 5).contains("49 rows"));
        assert!(fails(&table(100), 1).contains("1 folds"));
        assert!(fails(&table(100), 21).contains("21 folds"));
        let mut few = table(100);
        few.labels = (0..100).map(|row| row < 4).collect();
        assert!(fails(&few, 5).contains("4 rows with the outcome"));
        few.labels.fill(false);
        assert!(fails(&few, 5).contains("the same label"));
        let mut bare = table(100);
        bare.columns.clear();
        assert!(fails(&bare, 5).contains("no usable column"));
    }
}
