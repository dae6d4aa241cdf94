//! How a slot learns, from a policy's TOML: its method, floor and holdout, and which slots learn together.

use super::super::learn::layout::{WEIGHTS_MAX, weight_count};
use super::super::learn::spec::{LearnSpec, Method};
use super::parse::{PolicyError, Reader};
use super::tables::{LearnTable, SlotTable};
use super::{ARMS_MAX, Arm, Slot};
use crate::suggest;
use toml::Spanned;

/// Names of the methods.
const METHODS: [&str; 5] = [
    "thompson",
    "epsilon_greedy",
    "softmax",
    "fixed",
    "multivariate",
];

impl Reader<'_> {
    /// A slot's `learn`.
    pub(super) fn learn(
        &self,
        table: &Spanned<LearnTable>,
        arms: &[Arm],
    ) -> Result<LearnSpec, PolicyError> {
        let given = table.get_ref();
        if arms.len() < 2 {
            let what = "a slot that learns needs two arms to choose from".into();
            return Err(self.error(table.span(), what));
        }
        let method = self.method(given, arms)?;
        let only = |key: &Option<Spanned<f64>>, name: &str, holds: bool| match key {
            Some(value) if !holds => {
                let what = format!("`{name}` is not for method = \"{}\"", method_name(&method));
                Err(self.error(value.span(), what))
            }
            _ => Ok(()),
        };
        only(
            &given.epsilon,
            "epsilon",
            matches!(method, Method::EpsilonGreedy { .. }),
        )?;
        only(
            &given.temperature,
            "temperature",
            matches!(method, Method::Softmax { .. }),
        )?;
        only(&given.settle, "settle", matches!(method, Method::Thompson))?;
        let floor_ppm = self.share_ppm(&given.floor, 0.02)?;
        if let Some(floor) = &given.floor
            && u64::from(floor_ppm) * arms.len() as u64 > 1_000_000
        {
            let what = format!(
                "impossible: {} arms cannot each have a share of {}",
                arms.len(),
                floor.get_ref()
            );
            return Err(self.error(floor.span(), what));
        }
        Ok(LearnSpec {
            method,
            floor_ppm: floor_ppm.min(1_000_000 / arms.len() as u32),
            warm_up: self.whole(&given.warm_up, 100, 0..1 << 40)? as i64,
            heterogeneity: self.number(&given.heterogeneity, 0.15, 0.0..=1e3)?,
            settle: self.number(&given.settle, 0.003, 0.0..=1.0)?,
            kill: match &given.kill {
                None => Some(0.1),
                Some(kill) if *kill.get_ref() == 0.0 => None,
                Some(_) => Some(self.number(&given.kill, 0.1, 0.0..=1.0)?),
            },
            holdout_ppm: self.share_ppm(&given.holdout, 0.05)?,
        })
    }

    fn method(&self, table: &LearnTable, arms: &[Arm]) -> Result<Method, PolicyError> {
        let which = self.one_of(&table.method, METHODS, 0)?;
        if let (Some(weights), true) = (&table.weights, METHODS[which] != "fixed") {
            let what = format!("`weights` are not for method = \"{}\"", METHODS[which]);
            return Err(self.error(weights.span(), what));
        }
        Ok(match METHODS[which] {
            "epsilon_greedy" => Method::EpsilonGreedy {
                epsilon: self.share(&table.epsilon, 0.1)?,
            },
            "softmax" => Method::Softmax {
                temperature: self.number(&table.temperature, 0.1, 1e-6..=1e6)?,
            },
            "fixed" => Method::Fixed {
                weights: self.fixed(table, arms)?,
            },
            "multivariate" => Method::Multivariate,
            _ => Method::Thompson,
        })
    }

    /// Fixed weights: even where none are given.
    fn fixed(&self, table: &LearnTable, arms: &[Arm]) -> Result<[u32; ARMS_MAX], PolicyError> {
        let mut weights = [0; ARMS_MAX];
        let Some(given) = &table.weights else {
            weights[..arms.len()].fill(1);
            return Ok(weights);
        };
        for (name, weight) in given.get_ref() {
            let names = arms.iter().map(|arm| arm.name.as_str());
            let Some(arm) = names.clone().position(|arm| arm == name.get_ref()) else {
                let hint = suggest::hint(name.get_ref(), names);
                let what = format!("the slot has no arm `{}`{hint}", name.get_ref());
                return Err(self.error(name.span(), what));
            };
            if !(0.0..=1e6).contains(weight) {
                let what = format!("a weight of {weight} does not lie between 0 and a million");
                return Err(self.error(name.span(), what));
            }
            weights[arm] = (weight * 1e3).round() as u32;
        }
        if weights.iter().all(|weight| *weight == 0) {
            return Err(self.error(given.span(), "one weight has to be above 0".into()));
        }
        Ok(weights)
    }

    /// Refuses budgets in a slot that goes by rules: only a learned slot takes an arm down when its
    /// budget is promised.
    pub(super) fn no_budgets(&self, table: &SlotTable) -> Result<(), PolicyError> {
        let budget = table
            .arm
            .iter()
            .find_map(|arm| arm.get_ref().budget.as_ref());
        budget.map_or(Ok(()), |budget| {
            let what = format!(
                "a budget is kept in a slot that learns; slot `{}` has no `learn`",
                table.name.get_ref()
            );
            Err(self.error(budget.span(), what))
        })
    }

    /// Slots that learn together draw whole layouts: they stand in one context, and their arms and
    /// pairs of arms fit one model.
    pub(super) fn together(
        &self,
        tables: &[Spanned<SlotTable>],
        slots: &[Slot],
    ) -> Result<(), PolicyError> {
        let is_joint = |slot: &Slot| {
            let method = slot.learn.map(|learn| learn.method);
            matches!(method, Some(Method::Multivariate))
        };
        let joint: Vec<_> = tables
            .iter()
            .zip(slots)
            .filter(|(_, slot)| is_joint(slot))
            .collect();
        let refuse = |table: &Spanned<SlotTable>, what: String| {
            let learn = table.get_ref().learn.as_ref();
            Err(self.error(learn.map_or(0..0, Spanned::span), what))
        };
        let Some(((_, first), (last, _))) = joint.first().zip(joint.last()) else {
            return Ok(());
        };
        if let Some((table, slot)) = joint.iter().find(|(_, s)| s.context != first.context) {
            let what = format!(
                "impossible: multivariate slots are drawn together, so `{}` needs the context of `{}`, in the same order",
                slot.name, first.name
            );
            return refuse(table, what);
        }
        let arms: Vec<usize> = joint.iter().map(|(_, slot)| slot.arms.len()).collect();
        let weights = weight_count(&arms);
        if weights > WEIGHTS_MAX {
            let what = format!(
                "impossible: {} multivariate slots with {arms:?} arms need {weights} weights, one for every arm and pair of arms, and {WEIGHTS_MAX} can be learned: let a slot learn by itself, or give up arms",
                joint.len()
            );
            return refuse(last, what);
        }
        Ok(())
    }
}

/// The name of a method in policies and reports.
pub fn method_name(method: &Method) -> &'static str {
    match method {
        Method::Thompson => METHODS[0],
        Method::EpsilonGreedy { .. } => METHODS[1],
        Method::Softmax { .. } => METHODS[2],
        Method::Fixed { .. } => METHODS[3],
        Method::Multivariate => METHODS[4],
    }
}
