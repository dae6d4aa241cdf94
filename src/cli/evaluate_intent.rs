//! `restage evaluate --intent`: judge an intent model on recorded logs.

use super::args::{LogArgs, PassArgs, read_model, refused};
use super::judged::{JudgeArgs, Said};
use super::session_rows::{Sessions, SplitBy, sessions};
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
use std::path::PathBuf;

/// What is asked for.
pub struct IntentArgs {
    pub intent: PathBuf,
    pub logs: LogArgs,
    pub pass: PassArgs,
    pub label: String,
    pub split: Option<SplitBy>,
    pub judge: JudgeArgs,
}

impl IntentArgs {
    /// Judges the model.
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
