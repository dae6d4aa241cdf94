//! What is found out about a model, as one JSON object.
//!
//! The names are fixed, and every name is always there: a figure that the data do not define is
//! null. Lists run over the lengths in [`super::by_prefix::PREFIXES`], baselines in the order
//! given. [`super::page`] has the same for people. Cost: none to speak of.

use super::bootstrap::{Difference, Interval};
use super::by_prefix::{Figures, PREFIXES, Stage};
use super::lead_time::LeadTime;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The judgement of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Kind of the model, e.g. `logistic`.
    pub kind: String,
    /// What it predicts: `purchase` or `abandon`.
    pub label: String,
    /// Number of sessions with rows.
    pub sessions: u32,
    /// The figures over all rows, the k-th of a session weighing 1/k.
    #[serde(flatten)]
    pub overall: Figures,
    /// The figures at fixed numbers of events, one row a session.
    pub by_prefix: Vec<AtPrefix>,
    /// The rules to beat, by name.
    pub baselines: Baselines,
    /// How long before the outcome it is known.
    pub lead_time: LeadTime,
    /// Replicates drawn for every interval.
    pub replicates: u32,
    /// Of those over all rows, how many lacked a class and were left out.
    pub replicates_skipped: u32,
}

/// A model's figures at a number of events.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AtPrefix {
    /// The number of events.
    pub events: u32,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Baselines with their names, in the order given; as JSON, an object.
#[derive(Clone, Debug, Default)]
pub struct Baselines(pub Vec<(String, Baseline)>);

/// A baseline's figures, and the model's lead over it.
#[derive(Clone, Debug, Serialize)]
pub struct Baseline {
    /// Area under the ROC curve over all rows.
    pub auc: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
    /// Average precision over all rows.
    pub average_precision: Option<f64>,
    /// Log loss over all rows, in nats.
    pub log_loss: Option<f64>,
    /// Mean squared error of the probability over all rows.
    pub brier: Option<f64>,
    /// The area under the ROC curve at fixed numbers of events.
    pub by_prefix: Vec<BaselineAtPrefix>,
    /// The model's area under the ROC curve less the baseline's.
    pub auc_difference: Differences,
}

/// A baseline at a number of events.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BaselineAtPrefix {
    /// The number of events.
    pub events: u32,
    /// Area under the ROC curve.
    pub auc: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
}

/// The model's lead over a baseline.
#[derive(Clone, Debug, Serialize)]
pub struct Differences {
    /// Over all rows.
    pub overall: Lead,
    /// At fixed numbers of events.
    pub by_prefix: Vec<LeadAtPrefix>,
}

/// A difference of two areas under the ROC curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Lead {
    /// The difference; above zero if the model is better.
    pub difference: Option<f64>,
    /// Its 95 % interval, from replicates of both on the same sessions.
    pub interval: Option<Interval>,
    /// Share of the replicates in which it was above zero.
    pub share_above_zero: Option<f64>,
}

/// A lead at a number of events.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LeadAtPrefix {
    /// The number of events.
    pub events: u32,
    /// The lead.
    #[serde(flatten)]
    pub lead: Lead,
}

impl Serialize for Baselines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, baseline) in &self.0 {
            map.serialize_entry(name, baseline)?;
        }
        map.end()
    }
}

impl Lead {
    fn of((difference, resampled): (Option<f64>, Option<Difference>)) -> Lead {
        Lead {
            difference,
            interval: resampled.map(|resampled| resampled.interval),
            share_above_zero: resampled.map(|resampled| resampled.share_above_zero),
        }
    }
}

impl Baseline {
    /// Sums up scorer number `scorer` of the stages.
    pub(super) fn new(overall: &Stage, stages: &[Stage], scorer: usize) -> Baseline {
        let figures = overall.figures.get(scorer).copied().unwrap_or_default();
        Baseline {
            auc: figures.auc,
            interval: figures.interval,
            average_precision: figures.average_precision,
            log_loss: figures.log_loss,
            brier: figures.brier,
            by_prefix: at_prefixes(stages)
                .map(|(events, stage)| (events, stage.figures.get(scorer).copied()))
                .map(|(events, figures)| BaselineAtPrefix {
                    events,
                    auc: figures.and_then(|figures| figures.auc),
                    interval: figures.and_then(|figures| figures.interval),
                })
                .collect(),
            auc_difference: Differences {
                overall: Lead::of(overall.difference(scorer)),
                by_prefix: at_prefixes(stages)
                    .map(|(events, stage)| LeadAtPrefix {
                        events,
                        lead: Lead::of(stage.difference(scorer)),
                    })
                    .collect(),
            },
        }
    }
}

impl AtPrefix {
    /// The model's figures at every length.
    pub(super) fn all(stages: &[Stage]) -> Vec<AtPrefix> {
        let figures = |stage: &Stage| stage.figures.first().copied().unwrap_or_default();
        at_prefixes(stages)
            .map(|(events, stage)| AtPrefix {
                events,
                figures: figures(stage),
            })
            .collect()
    }
}

fn at_prefixes(stages: &[Stage]) -> impl Iterator<Item = (u32, &Stage)> {
    PREFIXES.into_iter().zip(stages)
}

impl Report {
    /// One JSON object on one line.
    pub fn json(&self) -> String {
        // Plain data with text keys: this cannot fail.
        let mut text = serde_json::to_string(self).expect("a report is plain data");
        text.push('\n');
        text
    }
}
