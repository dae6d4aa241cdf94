//! `restage train --table`: judge a learner on a table with one row a session, out of fold.

use super::judged::Said;
use super::train::plots;
use super::{Failure, print};
use crate::evaluate::baselines::base_rate;
use crate::evaluate::{Options, ScoredRow, ScoredSession, judge};
use crate::train::Kind;
use crate::train::cross::{CrossSpec, FOLDS_MAX, OutOfFold, cross_validate};
use crate::train::table::{Table, TableError, TableSpec};
use std::path::PathBuf;

/// What is asked for.
pub struct TableArgs {
    pub table: PathBuf,
    pub label: String,
    pub drop: Vec<String>,
    pub keep: Vec<String>,
    pub kind: Kind,
    pub folds: u32,
    pub options: Options,
    pub plot: Option<PathBuf>,
    pub json: bool,
}

impl TableArgs {
    /// Judges the learner, and with trees the regression beside them.
    pub fn run(self) -> Result<(), Failure> {
        if self.folds as usize > FOLDS_MAX {
            return Err(Failure::usage(format!(
                "--folds {} is more than the {FOLDS_MAX} that a table may have",
                self.folds
            )));
        }
        let failed = |error: TableError| {
            let code = error.exit_code();
            let what = format!("{}", self.table.display());
            Failure::new(code, anyhow::Error::new(error).context(what))
        };
        let spec = TableSpec {
            label: self.label.clone(),
            keep: self.keep.clone(),
            drop: self.drop.clone(),
        };
        let table = Table::open(&self.table, &spec).map_err(failed)?;
        let cross = |kind| {
            let spec = CrossSpec {
                kind,
                folds: self.folds as usize,
                seed: self.options.seed,
            };
            cross_validate(&table, &spec).map_err(failed)
        };
        let found = cross(self.kind)?;
        let base = base_rate(found.labels.iter().map(|label| (*label, 1.0)));
        let each = |scores: &[f64]| scores.iter().map(|score| vec![*score]).collect();
        let mut baselines = vec![("base_rate", each(&vec![base; found.labels.len()]))];
        if self.kind == Kind::Trees {
            baselines.push(("logistic", each(&cross(Kind::Logistic)?.scores)));
        }
        let mut judgement = judge(
            self.kind.name(),
            &self.label,
            &rows(&found),
            &baselines,
            self.options,
        );
        // A row is a whole session: there are no prefixes of it.
        judgement.report.by_prefix.clear();
        let folds = found.fold_aucs();
        let folds: Vec<String> = folds.iter().map(|auc| format!("{auc:.4}")).collect();
        let mut notes: Vec<String> = found
            .warnings
            .iter()
            .map(|w| format!("warning: {w}"))
            .collect();
        notes.extend(found.notes.iter().cloned());
        notes.push(format!(
            "AUC {:.4} over all rows; by fold {}; columns used: {}",
            found.pooled_auc(),
            folds.join(", "),
            found.columns.join(", ")
        ));
        let said = Said {
            report: &judgement.report,
            other: None,
            model: None,
            written: None,
            judged: format!(
                "every row, in {} turns, by a model that did not see it",
                self.folds
            ),
            notes,
        };
        print(said.page(self.json).as_bytes())?;
        plots(self.plot.as_deref(), &judgement)
    }
}

/// Rows as sessions of one row without a number of events.
fn rows(found: &OutOfFold) -> Vec<ScoredSession> {
    let pairs = found.scores.iter().zip(&found.labels);
    let session = |(score, label): (&f64, &bool)| ScoredSession {
        rows: vec![ScoredRow {
            events: 0,
            at_ms: 0,
            label: *label,
            score: *score,
        }],
        outcome: None,
    };
    pairs.map(session).collect()
}
