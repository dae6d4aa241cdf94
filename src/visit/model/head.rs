//! A head of a model, checked and ready to score: a constant, a regression, or trees and what
//! regression stands beside them.
//!
//! Invariant: [`Ready::log_odds_of_rows`] gives the same bits as [`Ready::log_odds`] row by row.

use super::calibration::Calibration;
use super::file::{Head, ModelError, Scorer};
use super::forest::Forest;
use super::linear::{Input, Linear};
use super::shapley::Explainer;
use super::tree::Tree;
use super::{LEAVES_MAX, WEIGHT_MAX, unusable, wrong};
use crate::visit::feature::{FEATURE_COUNT, Vector};

/// A head ready to score.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) scorer: ReadyScorer,
    pub(super) calibration: Calibration,
}

#[derive(Clone, Debug)]
pub(super) enum ReadyScorer {
    Constant(f64),
    Linear(Linear<1>),
    Trees(Box<Trees>),
}

/// A sum of trees and, where it has terms, of a regression.
#[derive(Clone, Debug)]
pub(super) struct Trees {
    forest: Forest,
    pub(super) explainer: Explainer,
    pub(super) linear: Linear<1>,
}

impl Ready {
    /// The log-odds of a row.
    #[inline]
    pub(super) fn log_odds(&self, features: &Vector) -> f64 {
        match &self.scorer {
            ReadyScorer::Constant(log_odds) => *log_odds,
            ReadyScorer::Linear(linear) => linear.log_odds(features)[0],
            ReadyScorer::Trees(trees) => {
                let [beside] = trees.linear.log_odds(features);
                beside + trees.forest.log_odds(features)
            }
        }
    }

    /// The log-odds of rows, one for each place in `out`.
    pub(super) fn log_odds_of_rows(&self, rows: &[Vector], out: &mut [f64]) {
        if let ReadyScorer::Trees(trees) = &self.scorer {
            let values = rows.as_flattened();
            trees.forest.log_odds_of_rows(values, FEATURE_COUNT, out);
            for (out, row) in out.iter_mut().zip(rows) {
                let [beside] = trees.linear.log_odds(row);
                *out += beside;
            }
        } else {
            for (out, row) in out.iter_mut().zip(rows) {
                *out = self.log_odds(row);
            }
        }
    }

    /// The features that the log-odds can depend on, some perhaps named more than once.
    pub(super) fn features(&self) -> Vec<usize> {
        let weighed = |linear: &Linear<1>| -> Vec<usize> {
            let terms = linear.terms.iter().filter(|(_, [weight])| *weight != 0.0);
            terms.map(|(input, _)| input.feature).collect()
        };
        match &self.scorer {
            ReadyScorer::Constant(_) => Vec::new(),
            ReadyScorer::Linear(linear) => weighed(linear),
            ReadyScorer::Trees(trees) => {
                let mut features = weighed(&trees.linear);
                features.extend(trees.forest.columns());
                features
            }
        }
    }
}

/// Checks a head and makes it ready.
pub(super) fn ready(head: &Head, part: &str, inputs: &[Input]) -> Result<Ready, ModelError> {
    if let Some(what) = head.calibration.wrong() {
        return Err(unusable(&format!("{part}, calibration"), what));
    }
    let scorer = match &head.scorer {
        Scorer::Constant { log_odds } => {
            if let Some(what) = wrong(&[*log_odds], WEIGHT_MAX) {
                return Err(unusable(part, what));
            }
            ReadyScorer::Constant(*log_odds)
        }
        Scorer::Logistic { bias, weights } => {
            ReadyScorer::Linear(regression(*bias, weights, inputs, part)?)
        }
        Scorer::Trees {
            base,
            trees,
            weights,
        } => {
            let linear = match weights.as_slice() {
                [] => Linear {
                    bias: [0.0],
                    terms: Vec::new(),
                },
                weights => regression(0.0, weights, inputs, part)?,
            };
            let places: Vec<usize> = inputs.iter().map(|input| input.feature).collect();
            let moved = moved(*base, trees, &places).map_err(|what| unusable(part, what))?;
            flattened(*base, &moved, linear)
        }
    };
    Ok(Ready {
        scorer,
        calibration: head.calibration.clone(),
    })
}

/// A regression over a model's inputs.
fn regression(
    bias: f64,
    weights: &[f64],
    inputs: &[Input],
    part: &str,
) -> Result<Linear<1>, ModelError> {
    if weights.len() != inputs.len() {
        return Err(unusable(part, "it does not have one weight per feature"));
    }
    if let Some(what) = wrong(weights, WEIGHT_MAX).or(wrong(&[bias], WEIGHT_MAX)) {
        return Err(unusable(part, what));
    }
    let terms = inputs.iter().zip(weights);
    Ok(Linear {
        bias: [bias],
        terms: terms.map(|(input, weight)| (*input, [*weight])).collect(),
    })
}

/// Checks trees over a model's features, and gives them the places of this build's.
pub(super) fn moved(base: f64, trees: &[Tree], places: &[usize]) -> Result<Vec<Tree>, String> {
    if let Some(what) = wrong(&[base], WEIGHT_MAX) {
        return Err(what.into());
    }
    let leaves: usize = trees.iter().map(|tree| tree.value.len()).sum();
    if leaves > LEAVES_MAX {
        return Err(format!("its trees have more than {LEAVES_MAX} leaves"));
    }
    let mut moved = Vec::with_capacity(trees.len());
    for (number, tree) in trees.iter().enumerate() {
        tree.check(places.len())
            .map_err(|what| format!("tree {number}: {what}"))?;
        if let Some(what) = wrong(&tree.value, WEIGHT_MAX) {
            return Err(format!("tree {number}: {what}"));
        }
        let mut tree = tree.clone();
        for feature in &mut tree.feature {
            *feature = places[*feature as usize] as u32;
        }
        moved.push(tree);
    }
    Ok(moved)
}

/// Trees over this build's features, ready to score.
pub(super) fn flattened(base: f64, trees: &[Tree], linear: Linear<1>) -> ReadyScorer {
    ReadyScorer::Trees(Box::new(Trees {
        forest: Forest::new(base, trees),
        explainer: Explainer::new(base, trees, FEATURE_COUNT),
        linear,
    }))
}
