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
use super::split::{Part, calibrated_or_fitted, fold, part};
use crate::evaluate::baselines::{base_rate, cart_only};
use crate::evaluate::{Outcome, ScoredRow, ScoredSession};
use crate::visit::feature::index_of;
use crate::visit::model::file::{Fallback, Quality};
use crate::visit::model::summary::{Distribution, SCORE_NAMES, Summary};
use crate::visit::model::{
    Calibration, Head, Label, Model, ModelFile, Scorer, Split, Trained, empty_file,
};
use crate::visit::rows::SessionRows;

/// What kind of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Logistic regression.
    Logistic,
    /// Gradient-boosted trees.
    Trees,
}

impl Kind {
    /// The name in commands and reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Logistic => "logistic",
            Kind::Trees => "trees",
        }
    }
}

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
        "{with} of the {sessions} sessions to fit on have the label `{label}`, {without} do not; a model needs {SESSIONS_MIN} of each"
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
    let mut judged: [Judged; 2] = Default::default();
    if let Split::Folds { folds, seed } = spec.split {
        for number in 0..folds {
            let mine = |session: &SessionRows| fold(session.visitor, folds, seed) == number;
            let inner = |session: &SessionRows| match mine(session) {
                true => None,
                false => Some(calibrated_or_fitted(session.visitor, seed)),
            };
            let (file, _) = fit(sessions, inner, spec)?;
            let seen = sessions.iter().filter(|session| !mine(session));
            let unseen: Vec<&SessionRows> = sessions.iter().filter(|s| mine(s)).collect();
            for (all, part) in judged.iter_mut().zip(judge(&file, seen, &unseen)) {
                all.add(part);
            }
        }
    }
    let in_part = |session: &SessionRows| part(spec.split, session);
    let (file, notes) = fit(sessions, in_part, spec)?;
    if !matches!(spec.split, Split::Folds { .. }) {
        let is = |session: &&SessionRows, wanted| in_part(session) == Some(wanted);
        let seen = sessions.iter().filter(|session| is(session, Part::Fit));
        let unseen: Vec<&SessionRows> = sessions.iter().filter(|s| is(s, Part::Judge)).collect();
        judged = judge(&file, seen, &unseen);
    }
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
fn judge<'a>(
    file: &ModelFile,
    seen: impl Iterator<Item = &'a SessionRows> + Clone,
    unseen: &[&SessionRows],
) -> [Judged; 2] {
    let model = Model::of_file(file, "new").expect("what was fitted can be used");
    let beside = match Model::of_fallback(file) {
        Some(beside) => Some(beside.expect("what was fitted can be used")),
        None => None,
    };
    Label::ALL.map(|label| scored(&model, beside.as_ref(), label, seen.clone(), unseen))
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
        let share = 1.0 / session.rows.len() as f64;
        let rows = session.rows.iter();
        rows.map(move |row| (row.features[cart] > 0.0, session.label(label, row), share))
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

/// Fits and calibrates both heads on the sessions that have a part.
fn fit(
    sessions: &[SessionRows],
    part: impl Fn(&SessionRows) -> Option<Part>,
    spec: &TrainSpec,
) -> Result<(ModelFile, Vec<String>), TrainError> {
    let of = |wanted| -> Vec<&SessionRows> {
        let sessions = sessions.iter();
        sessions
            .filter(|session| part(session) == Some(wanted))
            .collect()
    };
    let (fitted, held) = (of(Part::Fit), of(Part::Calibrate));
    let inputs = spec.choice.inputs(&fitted);
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
        let regression = head(logistic_scorer(&inputs, &fitted, label, spec.l2).map_err(failed)?);
        *head_of(&mut file, label) = match spec.kind {
            Kind::Logistic => regression.clone(),
            Kind::Trees => {
                let table = inputs.table(&fitted, label, false);
                let fit = boost::fit(&table, &spec.boost).map_err(failed)?;
                head(Scorer::Trees {
                    base: fit.base,
                    trees: fit.trees,
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
    calibrated(&mut file, &held);
    file.summary = Some(summary(&file, &fitted));
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

/// Calibrates every head that was fitted, on sessions that were not.
fn calibrated(file: &mut ModelFile, held: &[&SessionRows]) {
    let curve = |model: &Model, label| {
        let rows: Vec<Scored> = held
            .iter()
            .flat_map(|session| {
                let share = 1.0 / session.rows.len() as f64;
                session.rows.iter().map(move |row| {
                    let log_odds = model.log_odds(label, &row.features);
                    (log_odds, session.label(label, row), share)
                })
            })
            .collect();
        match model.kind(label) {
            "constant" => Calibration::None,
            _ => calibrate::fit(&rows),
        }
    };
    let model = Model::of_file(file, "new").expect("what was fitted can be used");
    let beside =
        Model::of_fallback(file).map(|beside| beside.expect("what was fitted can be used"));
    for label in Label::ALL {
        head_of(file, label).calibration = curve(&model, label);
    }
    if let (Some(fallback), Some(beside)) = (&mut file.fallback, beside) {
        fallback.purchase.calibration = curve(&beside, Label::Purchase);
        fallback.abandon.calibration = curve(&beside, Label::Abandon);
    }
}

/// How features and scores were distributed over the sessions fitted on, as they ended.
fn summary(file: &ModelFile, sessions: &[&SessionRows]) -> Summary {
    let model = Model::of_file(file, "new").expect("what was fitted can be used");
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
