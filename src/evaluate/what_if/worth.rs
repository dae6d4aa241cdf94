//! What logged choices earned, as rows for the off-policy estimators.
//!
//! Choices and outcomes are joined as the job joins exposures and outcomes: each outcome is shared
//! among the choices of a slot before it ([`credits`]), and a choice earns what [`RewardSpec`] makes
//! of its shares. Outcomes are those that stand at the log's end: refunds, bots and erased visitors
//! have been taken back.
//!
//! Invariant: rows stand in the order (visitor, time, session, number, slot), whatever the parts in
//! which the evidence came. Cost: a sort of the choices, and a visitor's choices × outcomes.

use super::differences::Differences;
use super::names::Mapping;
use super::pairing::exposure;
use crate::evaluate::ope::rows::{Logged, RowError, Rows, TargetId};
use crate::visit::learn::attribution::{RewardSpec, credits};
use crate::visit::learn::fact::{Exposure, Outcome};
use crate::visit::policy::learning::Learning;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A logged choice beside what the target would have chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Choice {
    /// The visitor.
    pub unit: u64,
    /// When it was made, on the arrival clock.
    pub at_ms: u64,
    /// The session's number.
    pub session: u64,
    /// Number of the decision.
    pub seq: u32,
    /// The target's slot.
    pub slot: u8,
    /// The target's context leaf.
    pub leaf: u8,
    /// The arm.
    pub arm: u16,
    /// Its logged probability, in millionths.
    pub propensity_ppm: u32,
    /// Number of the target's distribution.
    pub target: u32,
}

/// Everything that was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The choices.
    pub choices: Vec<Choice>,
    /// The target's distributions, in millionths, by number.
    pub targets: Vec<Vec<u32>>,
    /// Visitors and the outcomes that stand.
    pub outcomes: Vec<(u64, Outcome)>,
    /// Decisions of the policy in force.
    pub decisions: u64,
    /// Decisions that met a judgement of the target.
    pub matched: u64,
    /// Choices left out, for visitors who keep a default for comparison.
    pub held: u64,
    /// Where the pages part.
    pub differences: Differences,
}

impl Evidence {
    /// Adds what was found of other visitors.
    pub fn merge(&mut self, other: Evidence) {
        let first = self.targets.len() as u32;
        self.targets.extend(other.targets);
        let choices = other.choices.into_iter();
        self.choices.extend(choices.map(|choice| Choice {
            target: choice.target + first,
            ..choice
        }));
        self.outcomes.extend(other.outcomes);
        self.decisions += other.decisions;
        self.matched += other.matched;
        self.held += other.held;
        self.differences.merge(&other.differences);
    }

    /// The choices with their rewards, in units, and the target's distributions.
    ///
    /// # Errors
    /// [`RowError`] for a propensity of zero.
    pub fn rows(&self, mapping: &Mapping, learning: &Learning) -> Result<Rows, RowError> {
        let mut choices = self.choices.clone();
        choices.sort_unstable_by_key(|choice| (choice.unit, exposure(choice), choice.target));
        let rewards = self.rewards(&choices, learning);
        let mut rows = Rows::named(mapping.names.clone());
        // By content: the numbers depend on how the evidence was gathered.
        let mut ids: BTreeMap<&[u32], TargetId> = BTreeMap::new();
        for (choice, reward) in choices.iter().zip(rewards) {
            let chances = self.targets[choice.target as usize].as_slice();
            let target = match ids.get(chances) {
                Some(id) => *id,
                None => {
                    let shares: Vec<f64> =
                        chances.iter().map(|ppm| f64::from(*ppm) / 1e6).collect();
                    let id = rows.push_target(&shares)?;
                    ids.insert(chances, id);
                    id
                }
            };
            rows.push(Logged {
                unit: choice.unit,
                group: u32::from(choice.slot),
                context: u32::from(choice.leaf),
                arm: choice.arm,
                propensity: f64::from(choice.propensity_ppm) / 1e6,
                reward: reward as f64 / 1e6,
                target,
            })?;
        }
        Ok(rows)
    }

    /// What each of the sorted choices earned, in millionths.
    fn rewards(&self, choices: &[Choice], learning: &Learning) -> Vec<i64> {
        let mut outcomes = self.outcomes.clone();
        outcomes.sort_unstable();
        let mut rewards = Vec::with_capacity(choices.len());
        for of_visitor in choices.chunk_by(|one, other| one.unit == other.unit) {
            let unit = of_visitor[0].unit;
            let start = outcomes.partition_point(|(of, _)| *of < unit);
            let own = outcomes[start..].iter().take_while(|(of, _)| *of == unit);
            let own: Vec<Outcome> = own.map(|(_, outcome)| *outcome).collect();
            rewards.extend(earned(of_visitor, &own, learning));
        }
        rewards
    }
}

/// What a visitor's choices earned.
fn earned(choices: &[Choice], outcomes: &[Outcome], learning: &Learning) -> Vec<i64> {
    let mut credited: Vec<Vec<(Outcome, i64)>> = vec![Vec::new(); choices.len()];
    let mut slots: Vec<u8> = choices.iter().map(|choice| choice.slot).collect();
    slots.sort_unstable();
    slots.dedup();
    for outcome in outcomes {
        for slot in &slots {
            let before = |place: &usize| {
                choices[*place].slot == *slot
                    && exposure(&choices[*place]).precedes(outcome, learning.window_ms)
            };
            let places: Vec<usize> = (0..choices.len()).filter(before).collect();
            let shown: Vec<Exposure> = places.iter().map(|at| exposure(&choices[*at])).collect();
            let mut shares = Vec::with_capacity(places.len());
            let shown: Vec<&Exposure> = shown.iter().collect();
            credits(learning.credit, &shown, outcome, &mut shares);
            for (place, share) in places.into_iter().zip(shares) {
                credited[place].push((*outcome, share));
            }
        }
    }
    let spec: &RewardSpec = &learning.reward;
    let reward = |credited: &Vec<(Outcome, i64)>| {
        spec.reward(credited.iter().map(|(outcome, share)| (outcome, *share)))
    };
    credited.iter().map(reward).collect()
}
