//! A slot from a policy's TOML: its arms, its rules, and the default that must always be possible.

use super::super::model::Label;
use super::super::phase::PhaseRules;
use super::parse::{PolicyError, Reader};
use super::tables::{ArmTable, RuleTable, SlotTable};
use super::{ARMS_MAX, Arm, CAPPED_ARMS_MAX, Condition, RULES_MAX, Rule, Slot, check};
use crate::suggest;
use toml::Spanned;

impl Reader<'_> {
    /// A `[[slot]]`; `capped` counts the arms so far that have a `uses_max`.
    pub(super) fn slot(
        &self,
        table: &Spanned<SlotTable>,
        min_gain: f64,
        phases: &PhaseRules,
        capped: &mut usize,
    ) -> Result<Slot, PolicyError> {
        let table = table.get_ref();
        self.name(&table.name)?;
        if table.arm.is_empty() || table.arm.len() > ARMS_MAX {
            let what = format!(
                "slot `{}` has {} arms; it needs 1 to {ARMS_MAX}",
                table.name.get_ref(),
                table.arm.len()
            );
            return Err(self.error(table.name.span(), what));
        }
        if table.rule.len() > RULES_MAX {
            let what = format!(
                "slot `{}` has {} rules; at most {RULES_MAX} are possible",
                table.name.get_ref(),
                table.rule.len()
            );
            return Err(self.error(table.rule[RULES_MAX].span(), what));
        }
        let mut arms: Vec<Arm> = Vec::new();
        for arm in &table.arm {
            let mut read = self.arm(arm.get_ref(), &arms, capped)?;
            read.ranker = self.ranker(arm.get_ref(), table.products.is_some())?;
            arms.push(read);
        }
        let index = |name: &Spanned<String>| {
            let names = arms.iter().map(|arm| arm.name.as_str());
            let found = names.clone().position(|arm| arm == name.get_ref());
            found.ok_or_else(|| {
                let what = format!(
                    "slot `{}` has no arm `{}`{}",
                    table.name.get_ref(),
                    name.get_ref(),
                    suggest::hint(name.get_ref(), names)
                );
                self.error(name.span(), what)
            })
        };
        let default = index(&table.default)?;
        let always = arms[default].when == Condition::always() && arms[default].cap.is_none();
        if !always || arms[default].cost.budget.is_some() {
            let what = format!(
                "the default arm `{}` must always be possible: it takes no `when`, no `uses_max` and no `budget`",
                arms[default].name
            );
            return Err(self.error(table.default.span(), what));
        }
        let mut rules = Vec::new();
        for rule in &table.rule {
            let rule = rule.get_ref();
            rules.push((
                rule.arm.span(),
                self.rule(rule, table, index(&rule.arm)?, &arms)?,
            ));
        }
        let unnamed: Vec<_> = table
            .arm
            .iter()
            .map(|arm| arm.get_ref().name.span())
            .collect();
        let learn = match &table.learn {
            None => None,
            Some(learn) if !rules.is_empty() => {
                let what = format!(
                    "slot `{}` learns, so it takes no rules: an arm's `when` says who may see it",
                    table.name.get_ref()
                );
                return Err(self.error(learn.span(), what));
            }
            Some(learn) => Some(self.learn(learn, &arms)?),
        };
        if learn.is_none() {
            self.no_budgets(table)?;
            check::slot(&arms, default, &rules, &unnamed, min_gain, phases)
                .map_err(|(span, what)| self.error(span, what))?;
        }
        let mut rules: Vec<Rule> = rules.into_iter().map(|(_, rule)| rule).collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        Ok(Slot {
            name: table.name.get_ref().clone(),
            default,
            arms,
            rules,
            context: self.context(&table.context)?,
            learn,
            products: match &table.products {
                None => None,
                Some(products) => Some(self.products(products.get_ref())?),
            },
        })
    }

    fn arm(&self, table: &ArmTable, arms: &[Arm], capped: &mut usize) -> Result<Arm, PolicyError> {
        self.name(&table.name)?;
        if arms.iter().any(|arm| arm.name == *table.name.get_ref()) {
            let what = format!("arm `{}` stands twice in its slot", table.name.get_ref());
            return Err(self.error(table.name.span(), what));
        }
        let cap = match &table.uses_max {
            None => None,
            Some(uses) if !(1..=255).contains(uses.get_ref()) => {
                let what = format!("uses_max {} does not lie between 1 and 255", uses.get_ref());
                return Err(self.error(uses.span(), what));
            }
            Some(uses) if *capped == CAPPED_ARMS_MAX => {
                let what = format!("more than {CAPPED_ARMS_MAX} arms with uses_max");
                return Err(self.error(uses.span(), what));
            }
            Some(uses) => {
                *capped += 1;
                Some((*uses.get_ref() as u8, *capped - 1))
            }
        };
        Ok(Arm {
            name: table.name.get_ref().clone(),
            when: self.condition(&table.when)?,
            cap,
            cost: self.cost(table)?,
            ranker: None,
            retired: false,
        })
    }

    fn rule(
        &self,
        table: &RuleTable,
        slot: &SlotTable,
        arm: usize,
        arms: &[Arm],
    ) -> Result<Rule, PolicyError> {
        let gain = *table.gain.get_ref();
        if !(gain > 0.0 && gain <= 1.0) {
            let what = format!("gain {gain} does not lie above 0 and up to 1");
            return Err(self.error(table.gain.span(), what));
        }
        let scaled_by = match &table.scaled_by {
            None => None,
            Some(score) => Some(match score.get_ref().as_str() {
                "p_purchase" => Label::Purchase,
                "p_abandon" => Label::Abandon,
                other => {
                    let what = format!(
                        "`{other}` is not a score; it is p_purchase or p_abandon{}",
                        suggest::hint(other, ["p_purchase", "p_abandon"])
                    );
                    return Err(self.error(score.span(), what));
                }
            }),
        };
        let slot = slot.name.get_ref();
        let name = match &table.name {
            Some(name) => {
                self.name(name)?;
                name.get_ref().clone()
            }
            None => format!("{slot}.{}", arms[arm].name),
        };
        Ok(Rule {
            reason: format!("{slot}={} by rule {name}", arms[arm].name),
            name,
            arm,
            when: self.condition(&table.when)?,
            priority: table.priority,
            gain,
            scaled_by,
        })
    }
}
