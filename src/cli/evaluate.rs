//! `restage evaluate`: judge an intent model on recorded logs.

use super::args::{LogArgs, PassArgs, read_model, refused};
use super::collect::{Sessions, SplitBy, sessions};
use super::judged::{JudgeArgs, Said};
use super::train::{check_plots, heads_words, label, plots, split_words};
use super::{Failure, print};
use crate::evaluate::judge;
use crate::train::Kind;
use crate::train::boost::BoostSpec;
use crate::train::inputs::Choice;
use crate::train::intent::{L2, TrainSpec, scored, train};
use crate::train::split::{Part, part};
use crate::visit::model::{Label, Model, ModelFile, Split};
use crate::visit::rows::SessionRows;
use clap::Args;
use std::path::PathBuf;

/// Judge an intent model on recorded logs
///
/// A model is judged on what it has not seen: of the log it was trained on, the part that was set
/// apart then; of another log, all of it. Every figure is given after 1, 2, 3, 5, 8, 13 and 21
/// events, with 95 % intervals by a bootstrap over sessions, beside the base rate, the rule
/// "something is in the cart" and a logistic regression.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage evaluate --intent model.json december.csv.gz
  restage evaluate --intent trees.json december.csv.gz --label abandon --precision 0.8 --plot plots
  restage evaluate --intent lightgbm.txt december.csv.gz --json")]
pub struct Evaluate {
    /// The model: a model file, or a text dump of LightGBM
    #[arg(long, value_name = "MODEL")]
    intent: PathBuf,
    #[command(flatten)]
    logs: LogArgs,
    #[command(flatten)]
    pass: PassArgs,
    /// Which score: purchase or abandon
    #[arg(long, default_value = "purchase", value_name = "LABEL")]
    label: String,
    /// Judge only a part of the logs, and let the baselines learn from the rest
    #[arg(long, value_enum)]
    split: Option<SplitBy>,
    #[command(flatten)]
    judge: JudgeArgs,
}

impl Evaluate {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        let label = label(&self.label)?;
        let options = self.judge.options(self.pass.seed)?;
        check_plots(self.judge.plot.as_deref())?;
        let (model, file) = read_model(&self.name())?;
        let sessions = sessions(&self.logs, &self.pass)?;
        let mut notes = sessions.notes.clone();
        let split = self.split(file.as_ref(), &sessions, &mut notes)?;
        let of = |wanted: Part| -> Vec<&SessionRows> {
            let rows = sessions.rows.iter();
            rows.filter(|session| part(split, session) == Some(wanted))
                .collect()
        };
        let (unseen, seen) = (of(Part::Judge), of(Part::Fit));
        let beside = match file.as_ref().and_then(Model::of_fallback) {
            Some(beside) => Some(beside.map_err(|error| refused(&self.name(), error))?),
            None if model.kind(label) == "logistic" => None,
            None => regression(&sessions, split, label, &mut notes),
        };
        // Where nothing was set apart, the one and the two numbers come from what is judged.
        let learned_from = if seen.is_empty() { &unseen } else { &seen };
        if let Some(file) = &file {
            notes.push(heads_words(file));
        }
        let judged = scored(
            &model,
            beside.as_ref(),
            label,
            learned_from.iter().copied(),
            &unseen,
        );
        let judgement = judge(
            model.kind(label),
            label.name(),
            &judged.sessions,
            &judged.baselines,
            options,
        );
        let said = Said {
            report: &judgement.report,
            other: None,
            model: Some(model.label.clone()),
            written: None,
            judged: split_words(split),
            notes,
        };
        print(said.page(self.judge.json).as_bytes())?;
        plots(self.judge.plot.as_deref(), &judgement)
    }

    fn name(&self) -> String {
        self.intent.display().to_string()
    }

    /// Which sessions to judge on.
    fn split(
        &self,
        file: Option<&ModelFile>,
        sessions: &Sessions,
        notes: &mut Vec<String>,
    ) -> Result<Split, Failure> {
        let trained = file.map(|file| &file.trained);
        let same = trained.is_some_and(|trained| trained.digest == sessions.digest);
        if let Some(by) = self.split {
            if same {
                notes.push(
                    "the model was trained on this log: another split than its own judges it partly on what it has seen".into(),
                );
            }
            return Ok(by.of(sessions, self.pass.seed));
        }
        match trained {
            Some(trained) if same => match trained.split {
                Split::Folds { .. } => Err(Failure::usage(
                    "the model was fitted on all of this log; its figures, out of fold, are those that `restage train` printed and that stand in the model. Judge it on another log",
                )),
                split => Ok(split),
            },
            Some(trained) => {
                if trained.data == sessions.data {
                    notes.push(
                        "the model was trained on logs of these names and sizes, but with another --policy or --sample: it may have seen some of the sessions it is judged on".into(),
                    );
                }
                if let Split::Time { judge_from_ms, .. } = trained.split
                    && sessions
                        .rows
                        .iter()
                        .any(|session| session.start.0 < judge_from_ms)
                {
                    notes.push(format!(
                        "some sessions are as old as those that the model was trained on (its own were judged from {judge_from_ms} ms on): if they are the same, the figures flatter"
                    ));
                }
                Ok(Split::Unknown)
            }
            // A baseline has to be fitted, for which a part of the log is needed.
            None => {
                notes.push("the dump brings no regression to compare with: a part of the log was set apart to fit one".into());
                Ok(SplitBy::Auto.of(sessions, self.pass.seed))
            }
        }
    }
}

/// A regression fitted on what is not judged, for a model that brings none.
fn regression(
    sessions: &Sessions,
    split: Split,
    label: Label,
    notes: &mut Vec<String>,
) -> Option<Model> {
    let spec = TrainSpec {
        kind: Kind::Logistic,
        label,
        name: "beside".into(),
        split,
        choice: Choice {
            has_times: sessions.has_times,
            ..Choice::default()
        },
        l2: L2,
        boost: BoostSpec::serving(),
    };
    match train(&sessions.rows, &spec) {
        Ok(trained) => Model::of_file(&trained.file, "beside").ok(),
        Err(error) => {
            notes.push(format!("no logistic regression beside the model: {error}"));
            None
        }
    }
}
