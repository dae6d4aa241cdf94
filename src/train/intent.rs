//! From sessions to a model file: fit, calibrate, judge.
//!
//! Both heads are fitted on the same sessions and the same inputs. With trees the regressions are
//! fitted, too, and stay in the file beside them. What a model is judged on, it has seen nothing
//! of: sessions later in time, other visitors, or, in folds, each visitor in its turn. Everything
//! is a function of the sessions and the specification. Cost: the learners'; see [`super::boost`]
//! and [`super::logistic`].

use super::boost::{self, BoostSpec};
use super::calibrate::{self, Scored, rounded};
use super::inputs::{Choice, Inputs};
use super::logistic::{self, FitError};
use super::split::{Part, deal, part};
use super::{Kind, blend};
use crate::evaluate::baselines::{base_rate, cart_only};
use crate::evaluate::{Outcome, ScoredRow, ScoredSession};
use crate::visit::feature::index_of;
use crate::visit::model::file::{Fallback, Quality};
use crate::visit::model::summary::{Distribution, SCORE_NAMES, Summary};
use crate::visit::model::{
    Calibration, Head, Label, Model, ModelFile, Scorer, Split, Trained, empty_file,
};
use crate::visit::rows::SessionRows;

/// What to train.
#[derive(Clone, Debug)]
pub struct TrainSpec {
    /// The kind.
    pub kind: Kind,
    /// The label that must be learnable; the other head is a constant if it is not.
    pub label: Label,
    /// What the model is called.
    pub name: String,
    /// How the sessions are divided.
    pub split: Split,
    /// Which features.
    pub choice: Choice,
    /// Penalty on the weights of a regression.
    pub l2: f64,
    /// How to boost.
    pub boost: BoostSpec,
}

/// A penalty that suits standardised inputs and sessions that weigh one each.
pub const L2: f64 = 5.0;

/// Least sessions with the label, and without, that a head is fitted on.
pub const SESSIONS_MIN: usize = 10;

/// Why nothing was trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// The sessions do not tell.
    #[error(
        "{with} of the {sessions} sessions to fit on have the label `{label}`, {without} do not; a model needs {SESSIONS_MIN} of each (others were set apart to calibrate and to judge; --folds fits on all)"
    )]
    TooFew {
        /// The label.
        label: &'static str,
        /// Sessions to fit on.
        sessions: usize,
        /// Those with the label.
        with: usize,
        /// Those without.
        without: usize,
    },
    /// Nothing to learn from.
    #[error("no feature tells two sessions apart")]
    NoFeatures,
    /// The learner failed.
    #[error("{label}: {error}")]
    Fit {
        /// The label.
        label: &'static str,
        /// Why.
        error: FitError,
    },
}

/// A trained model, and the sessions to judge it by, scored.
#[derive(Clone, Debug)]
pub struct TrainedModel {
    /// The model file; the quality of its heads is not in it yet.
    pub file: ModelFile,
    /// The sessions judged, by label, with the scores of the baselines.
    pub judged: [Judged; 2],
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Sessions scored by a model, and by the baselines for the same rows.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// The sessions with the model's scores.
    pub sessions: Vec<ScoredSession>,
    /// Name, and for every session its rows' scores.
    pub baselines: Vec<(&'static str, Vec<Vec<f64>>)>,
}

/// Trains a model.
///
/// # Errors
/// [`TrainError`] when the label asked for cannot be learned from the sessions.
pub fn train(sessions: &[SessionRows], spec: &TrainSpec) -> Result<TrainedModel, TrainError> {
    match spec.split {
        Split::Folds { folds, seed } => in_turn(sessions, folds, seed, spec),
        split => {
            let of = |wanted| -> Vec<&SessionRows> {
                let sessions = sessions.iter();
                sessions
                    .filter(|session| part(split, session) == Some(wanted))
                    .collect()
            };
            let fitted = of(Part::Fit);
            let (mut file, notes) = fit(&fitted, spec)?;
            let margins = Margins::of(&file, &of(Part::Calibrate));
            calibrated(&mut file, &margins);
            file.summary = Some(summary(&file, &fitted));
            let judged = judge(&file, &fitted, &of(Part::Judge));
            Ok(TrainedModel {
                file,
                judged,
                notes,
            })
        }
    }
}

/// Every visitor is judged by a model that did not see it, and that was calibrated on what the
/// models of the other turns said of sessions that they did not see. The model that is kept is
/// fitted on all sessions and calibrated on all that was said out of turn.
fn in_turn(
    sessions: &[SessionRows],
    folds: u32,
    seed: u64,
    spec: &TrainSpec,
) -> Result<TrainedModel, TrainError> {
    let fold_of = deal(sessions, |session| has(session, spec.label), folds, seed);
    let all: Vec<&SessionRows> = sessions.iter().collect();
    let of = |number: u32, inside: bool| -> Vec<&SessionRows> {
        let sessions = sessions.iter();
        sessions
            .filter(|session| (fold_of[&session.visitor.0] == number) == inside)
            .collect()
    };
    let mut turns = Vec::new();
    for number in 0..folds {
        let (file, _) = fit(&of(number, false), spec)?;
        let margins = Margins::of(&file, &of(number, true));
        turns.push((file, margins));
    }
    let mut judged: [Judged; 2] = Default::default();
    for number in 0..folds {
        let others = turns.iter().zip(0..).filter(|(_, other)| *other != number);
        let others = Margins::sum(others.map(|((_, margins), _)| margins));
        let mut file = turns[number as usize].0.clone();
        calibrated(&mut file, &others);
        for (sum, part) in judged.iter_mut().zip(judge(&file, &all, &of(number, true))) {
            sum.add(part);
        }
    }
    let (mut file, notes) = fit(&all, spec)?;
    calibrated(
        &mut file,
        &Margins::sum(turns.iter().map(|(_, margins)| margins)),
    );
    file.summary = Some(summary(&file, &all));
    Ok(TrainedModel {
        file,
        judged,
        notes,
    })
}

impl Judged {
    fn add(&mut self, other: Judged) {
        self.sessions.extend(other.sessions);
        if self.baselines.is_empty() {
            self.baselines = other.baselines;
            return;
        }
        for (mine, theirs) in self.baselines.iter_mut().zip(other.baselines) {
            mine.1.extend(theirs.1);
        }
    }
}

/// Scores sessions by a model file and by the baselines, which learn their one or two numbers from
/// the sessions `seen`.
fn judge(file: &ModelFile, seen: &[&SessionRows], unseen: &[&SessionRows]) -> [Judged; 2] {
    let (model, beside) = ready(file);
    Label::ALL.map(|label| scored(&model, beside.as_ref(), label, seen.iter().copied(), unseen))
}

/// The model of a file that was made here, and the regressions beside it.
fn ready(file: &ModelFile) -> (Model, Option<Model>) {
    let usable = "what was fitted can be used";
    let beside = Model::of_fallback(file).map(|beside| beside.expect(usable));
    (Model::of_file(file, "new").expect(usable), beside)
}

/// Scores sessions by a model and by the baselines: the base rate, the cart-only rule and, where
/// there is one, the regression beside the model.
pub fn scored<'a>(
    model: &Model,
    beside: Option<&Model>,
    label: Label,
    seen: impl Iterator<Item = &'a SessionRows> + Clone,
    unseen: &[&SessionRows],
) -> Judged {
    let cart = index_of("cart_size").expect("a feature");
    let score = |model: &Model, row: &crate::visit::rows::Row| {
        let scores = model.score(&row.features);
        match label {
            Label::Purchase => scores.purchase,
            Label::Abandon => scores.abandon,
        }
    };
    let rows = seen.flat_map(|session| {
        let rows = session.weighted();
        rows.map(move |(row, weight)| (row.features[cart] > 0.0, session.label(label, row), weight))
    });
    let base = base_rate(rows.clone().map(|(_, label, weight)| (label, weight)));
    let by_cart = cart_only(rows);
    let table = |score: &dyn Fn(&crate::visit::rows::Row) -> f64| -> Vec<Vec<f64>> {
        let each = unseen.iter();
        each.map(|session| session.rows.iter().map(score).collect())
            .collect()
    };
    let mut baselines = vec![
        ("base_rate", table(&|_| base)),
        (
            "cart_only",
            table(&|row| by_cart[usize::from(row.features[cart] > 0.0)]),
        ),
    ];
    if let Some(beside) = beside {
        baselines.push(("logistic", table(&|row| score(beside, row))));
    }
    let session = |session: &&SessionRows| ScoredSession {
        rows: session
            .rows
            .iter()
            .zip(1..)
            .map(|(row, events)| ScoredRow {
                events,
                at_ms: row.at.0,
                label: session.label(label, row),
                score: score(model, row),
            })
            .collect(),
        outcome: outcome(session, label),
    };
    Judged {
        sessions: unseen.iter().map(session).collect(),
        baselines,
    }
}

/// When the label came true: at the last purchase, or at the end of a session that leaves its cart.
fn outcome(session: &SessionRows, label: Label) -> Option<Outcome> {
    let end = Outcome {
        event: session.events,
        at_ms: session.end.0,
    };
    match label {
        Label::Abandon => session.abandons.then_some(end),
        Label::Purchase if session.purchases == 0 => None,
        Label::Purchase => {
            let rows = session.rows.iter().zip(1..);
            let mut last = rows.filter(|(row, _)| row.purchases == session.purchases);
            // Beyond the rows kept: the end is as near as is known.
            Some(last.next().map_or(end, |(row, event)| Outcome {
                event,
                at_ms: row.at.0,
            }))
        }
    }
}

/// Fits both heads on sessions.
fn fit(fitted: &[&SessionRows], spec: &TrainSpec) -> Result<(ModelFile, Vec<String>), TrainError> {
    let inputs = spec.choice.inputs(fitted);
    let mut notes = inputs.notes.clone();
    let mut file = empty_file(&spec.name);
    file.features = inputs.features.clone();
    file.trained = Trained {
        sessions: fitted.len() as u64,
        rows: fitted.iter().map(|s| s.rows.len() as u64).sum(),
        split: spec.split,
        ..Trained::default()
    };
    let mut regressions = Vec::new();
    for label in Label::ALL {
        let with = fitted.iter().filter(|s| has(s, label)).count();
        let without = fitted.len() - with;
        if with.min(without) < SESSIONS_MIN {
            if label == spec.label {
                return Err(TrainError::TooFew {
                    label: label.name(),
                    sessions: fitted.len(),
                    with,
                    without,
                });
            }
            notes.push(format!(
                "too few sessions for `{}` ({with} with it, {without} without): its score is a constant",
                label.name()
            ));
            let constant = head(Scorer::Constant {
                log_odds: rounded(libm::log((with as f64 + 0.5) / (without as f64 + 0.5))),
            });
            *head_of(&mut file, label) = constant.clone();
            regressions.push(constant);
            continue;
        }
        if inputs.features.is_empty() {
            return Err(TrainError::NoFeatures);
        }
        let failed = |error| TrainError::Fit {
            label: label.name(),
            error,
        };
        let regression = head(logistic_scorer(&inputs, fitted, label, spec.l2).map_err(failed)?);
        *head_of(&mut file, label) = match spec.kind {
            Kind::Logistic => regression.clone(),
            Kind::Trees => {
                let table = inputs.table(fitted, label, false);
                let fit = boost::fit(&table, &spec.boost).map_err(failed)?;
                head(Scorer::Trees {
                    base: fit.base,
                    trees: fit.trees,
                    weights: Vec::new(),
                })
            }
        };
        regressions.push(regression);
    }
    if let (Kind::Trees, [purchase, abandon]) = (spec.kind, &regressions[..]) {
        file.fallback = Some(Fallback {
            purchase: purchase.clone(),
            abandon: abandon.clone(),
        });
    }
    Ok((file, notes))
}

fn has(session: &SessionRows, label: Label) -> bool {
    match label {
        Label::Purchase => session.purchases > 0,
        Label::Abandon => session.abandons,
    }
}

fn head(scorer: Scorer) -> Head {
    Head {
        scorer,
        calibration: Calibration::None,
        quality: Quality::default(),
    }
}

/// A head of a model file.
pub fn head_of(file: &mut ModelFile, label: Label) -> &mut Head {
    match label {
        Label::Purchase => &mut file.purchase,
        Label::Abandon => &mut file.abandon,
    }
}

fn logistic_scorer(
    inputs: &Inputs,
    sessions: &[&SessionRows],
    label: Label,
    l2: f64,
) -> Result<Scorer, FitError> {
    let fit = logistic::fit(&inputs.table(sessions, label, true), l2)?;
    Ok(Scorer::Logistic {
        bias: rounded(fit.bias),
        weights: fit.weights.into_iter().map(rounded).collect(),
    })
}

/// What a model that was not calibrated yet said of sessions it had not seen, by label; of the
/// model's own heads, and of the regressions beside them.
#[derive(Clone, Debug, Default)]
struct Margins {
    own: [Vec<Scored>; 2],
    beside: [Vec<Scored>; 2],
}

impl Margins {
    fn of(file: &ModelFile, unseen: &[&SessionRows]) -> Margins {
        let (model, beside) = ready(file);
        let rows = |model: &Model, label| -> Vec<Scored> {
            let of_session = |session: &&SessionRows| {
                let scored = session.weighted().map(|(row, weight)| {
                    let log_odds = model.log_odds(label, &row.features);
                    (log_odds, session.label(label, row), weight)
                });
                scored.collect::<Vec<_>>()
            };
            unseen.iter().flat_map(of_session).collect()
        };
        Margins {
            own: Label::ALL.map(|label| rows(&model, label)),
            beside: beside.map_or(Default::default(), |beside| {
                Label::ALL.map(|label| rows(&beside, label))
            }),
        }
    }

    fn sum<'a>(parts: impl Iterator<Item = &'a Margins>) -> Margins {
        let mut sum = Margins::default();
        for part in parts {
            let rows = sum.own.iter_mut().chain(&mut sum.beside);
            for (rows, more) in rows.zip(part.own.iter().chain(&part.beside)) {
                rows.extend_from_slice(more);
            }
        }
        sum
    }
}

/// Calibrates every head that was fitted. Trees take in the regression beside them first, with the
/// shares of both that serve sessions not fitted on best.
fn calibrated(file: &mut ModelFile, margins: &Margins) {
    let curve = |head: &mut Head, rows: &[Scored]| {
        if !matches!(head.scorer, Scorer::Constant { .. }) {
            head.calibration = calibrate::fit(rows);
        }
    };
    let mut own = margins.own.clone();
    if let Some(mut fallback) = file.fallback.take() {
        let beside = [&mut fallback.purchase, &mut fallback.abandon];
        for ((label, beside), rows) in Label::ALL.into_iter().zip(beside).zip(&margins.beside) {
            let own = &mut own[label as usize];
            if let Some(shares) = blend::shares(own, rows) {
                blend::mix(head_of(file, label), beside, shares);
                blend::mix_rows(own, rows, shares);
            }
            curve(beside, rows);
        }
        file.fallback = Some(fallback);
    }
    for (label, own) in Label::ALL.into_iter().zip(&own) {
        curve(head_of(file, label), own);
    }
}

/// How features and scores were distributed over the sessions fitted on, as they ended.
fn summary(file: &ModelFile, sessions: &[&SessionRows]) -> Summary {
    let (model, _) = ready(file);
    let last = || sessions.iter().filter_map(|session| session.rows.last());
    let features = file.features.iter().filter_map(|feature| {
        let place = index_of(&feature.name)?;
        let values: Vec<f64> = last().map(|row| row.features[place]).collect();
        Some(Distribution::of(&feature.name, &values))
    });
    let scores: Vec<_> = last().map(|row| model.score(&row.features)).collect();
    let [purchase, abandon]: [Vec<f64>; 2] = [
        scores.iter().map(|scores| scores.purchase).collect(),
        scores.iter().map(|scores| scores.abandon).collect(),
    ];
    Summary {
        sessions: sessions.len() as u64,
        features: features.collect(),
        scores: vec![
            Distribution::of(SCORE_NAMES[0], &purchase),
            Distribution::of(SCORE_NAMES[1], &abandon),
        ],
    }
}
