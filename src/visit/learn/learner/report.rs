//! What a slot has learned, as reports say it.

use super::slot::Slot;
use crate::visit::learn::spec::Family;
use crate::visit::learn::stat::Stat;
use crate::visit::learn::strata::side_by_side;
use crate::visit::learn::tables::leaf_name;
use crate::visit::learn::weights::{Weights, credible};
use crate::visit::policy;
use serde::{Deserialize, Serialize};

/// What a slot has learned, for reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotReport {
    /// Its name.
    pub slot: String,
    /// How it learns.
    pub method: String,
    /// Whether its weights are frozen: visitors do not fall into the groups as drawn, or arms do not
    /// come as often as they are drawn.
    pub frozen: bool,
    /// The context leaves, by number.
    pub leaves: Vec<LeafReport>,
    /// The arms over all leaves.
    pub arms: Vec<ArmReport>,
}

/// What is known in a context leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeafReport {
    /// Its name.
    pub leaf: String,
    /// Exposures of visitors who keep the default.
    pub held: i64,
    /// Their mean reward, in units.
    pub held_mean: f64,
    /// The arms.
    pub arms: Vec<ArmReport>,
}

/// What is known of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmReport {
    /// Its name.
    pub arm: String,
    /// Exposures that count.
    pub exposures: i64,
    /// Their mean reward, in units.
    pub mean: f64,
    /// The same as if all arms had been shown side by side ([`super::strata`]): what shares rest on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub side_by_side: Option<f64>,
    /// Where that mean lies with a probability of 95 %; none for layouts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interval: Option<[f64; 2]>,
    /// Its share, before the floor, among the arms that could be shown to most visitors of the leaf;
    /// none where it was not among them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share: Option<f64>,
    /// Since which version it is barred, in ms.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub barred_ms: Option<u64>,
    /// What it has promised, in units of the currency.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub promised: Option<f64>,
    /// By how much that is over its budget.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub over_budget: Option<f64>,
}

/// The share of an arm among a set; that of an arm alone is one.
fn share_of(arm: usize, set: u16, weights: &Weights) -> Option<f64> {
    let is_alone = set.count_ones() == 1;
    let share = f64::from(weights.share_ppm[arm]) / 1e6;
    (set >> arm & 1 == 1).then_some(if is_alone { 1.0 } else { share })
}

impl Slot {
    pub(super) fn report(&self, names: &policy::Slot, family: Family) -> SlotReport {
        let arms =
            |stats: &[Stat], compared: &[Stat], weights: Option<(u16, &Weights)>, whole: bool| {
                let intervals = credible(compared, family);
                let arms = names.arms.iter().enumerate().map(|(index, arm)| {
                    let promised = self.spent[index].reward as f64 / 1e6;
                    let over = arm.cost.budget.map(|budget| promised - budget as f64 / 1e6);
                    ArmReport {
                        arm: arm.name.clone(),
                        exposures: stats[index].trials,
                        mean: stats[index].mean(),
                        side_by_side: compared.get(index).map(Stat::mean),
                        interval: intervals.get(index).copied(),
                        share: weights.and_then(|(set, weights)| share_of(index, set, weights)),
                        barred_ms: self.barred_at.get(&index).copied().filter(|_| whole),
                        promised: (whole && !arm.cost.is_none()).then_some(promised),
                        over_budget: over.filter(|over| whole && *over > 0.0),
                    }
                });
                arms.collect::<Vec<_>>()
            };
        let leaves = self
            .leaves
            .iter()
            .enumerate()
            .map(|(number, leaf)| LeafReport {
                leaf: leaf_name(&names.context, number),
                held: leaf.held().trials,
                held_mean: leaf.held().mean(),
                arms: arms(
                    leaf.strata.totals(),
                    &leaf.strata.arms(),
                    leaf.usual_weights(),
                    false,
                ),
            });
        let rows = self.leaves.iter().flat_map(|leaf| leaf.strata.rows());
        let rows: Vec<&[Stat]> = rows.collect();
        let seen = |leaf: &LeafReport| leaf.held > 0 || leaf.arms.iter().any(|a| a.exposures > 0);
        SlotReport {
            slot: names.name.clone(),
            method: policy::method_name(&self.spec.method).into(),
            frozen: self.is_frozen(),
            leaves: leaves.filter(seen).collect(),
            arms: arms(&self.overall, &side_by_side(&rows), None, true),
        }
    }
}
