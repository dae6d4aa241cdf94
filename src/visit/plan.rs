//! The rules of a run by arrival: which policy and models hold from when on.
//!
//! Rules take over at a boundary, a multiple of the quantum: what happens at an arrival `a` goes by the
//! newest rules whose boundary is not after `a`, the tables of a version by the newest whose boundary
//! lies before it. So decisions are a function of the log and the plan, and nothing else. A successor is
//! brought into line with the rules before it ([`super::policy`]); models before a boundary keep their
//! numbers.
//!
//! The **journal** is the plan in writing, a JSON object a line: from when on, by what names, and the
//! texts of policy and model files, whole. Whoever has the log and the journal can make every decision
//! again; where products are shown it says behind this what was on sale (`format::restock`). Cost: the
//! texts; a policy and, if it is another one, a model are read once a line.

use super::live::Rules;
use super::model::schedule::{Schedule, ScheduleError};
use super::model::{Label, Model, ModelError};
use super::policy::{Policy, PolicyError};
use super::products::catalogue::Catalogue;
use crate::event::ArrivalMs;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most changes of a plan.
pub const CHANGES_MAX: usize = 1_000;

/// What rules are read from, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesText {
    /// The policy.
    pub policy: String,
    /// The models: which score each gives, if not all that it can, and the file's text. What none of
    /// them gives comes from the built-in model.
    pub models: Vec<ModelText>,
    /// Models that follow: from when on, in ms, and the file's text.
    pub swaps: Vec<(u64, String)>,
}

/// A model file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelText {
    /// The score that is taken from it, by name.
    pub score: Option<String>,
    /// Its text.
    pub text: String,
}

/// Rules, and from when on they hold.
#[derive(Clone, Debug)]
pub struct Term {
    /// Their boundary.
    pub from: ArrivalMs,
    /// The rules.
    pub rules: Arc<Rules>,
    /// What they were read from; none in a run that is not to be taken up.
    text: Option<Arc<RulesText>>,
}

/// The rules of a run, in the order of their boundaries.
#[derive(Clone, Debug)]
pub struct Plan {
    terms: Vec<Term>,
}

/// Why rules cannot hold, or not from then on.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The policy is wrong, or cannot follow.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A model is wrong.
    #[error("a model was refused: {0}")]
    Model(#[from] ModelError),
    /// Models cannot follow each other like this.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Rules hold from then on already, or from later on.
    #[error("rules that hold from {last} ms were there before; the next can hold from {next} ms at the earliest", next = .last + .quantum)]
    NotLater {
        /// The last boundary, in ms.
        last: u64,
        /// The quantum, in ms.
        quantum: u64,
    },
    /// There are too many.
    #[error("the rules have changed {CHANGES_MAX} times, and can no more: begin a new state")]
    TooMany,
    /// A line of a journal says nonsense.
    #[error("line {line} of the journal: {what}")]
    Journal {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// Models, and those that follow them: when, and which.
type Models = (Vec<ModelText>, Vec<(u64, String)>);

/// A line of the journal.
#[derive(Serialize, Deserialize)]
struct Line {
    from_ms: u64,
    policy: String,
    model: String,
    policy_text: String,
    /// Models and those that follow them; none where they are those of the line before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    models: Option<Models>,
}

impl RulesText {
    fn has_models_of(&self, other: &RulesText) -> bool {
        (&self.models, &self.swaps) == (&other.models, &other.swaps)
    }

    /// The models, in the order in which they hold.
    ///
    /// # Errors
    /// [`PlanError`] for a model that is wrong, or two at one boundary.
    pub fn models(&self, quantum_ms: u64) -> Result<Schedule, PlanError> {
        let whole = |text: &str| Model::whole(text.as_bytes());
        let base = self.models.iter().find(|model| model.score.is_none());
        let mut first = base.map_or_else(|| Ok(Model::shipped()), |model| whole(&model.text))?;
        for ModelText { score, text } in &self.models {
            let of_name = |label: &Label| score.as_deref() == Some(label.name());
            if let Some(label) = Label::ALL.into_iter().find(of_name) {
                first = first.with_head(label, &Model::any(text.as_bytes())?);
            }
        }
        let swaps = self.swaps.iter();
        let swaps: Result<Vec<_>, ModelError> =
            swaps.map(|(at, text)| Ok((*at, whole(text)?))).collect();
        Ok(Schedule::with_swaps(first, swaps?, quantum_ms)?)
    }
}

impl Plan {
    /// The same rules throughout.
    pub fn of(rules: Arc<Rules>) -> Plan {
        let from = ArrivalMs(0);
        Plan {
            terms: vec![Term {
                from,
                rules,
                text: None,
            }],
        }
    }

    /// The same, with the texts that they were read from.
    pub fn of_text(rules: Arc<Rules>, text: RulesText) -> Plan {
        let mut plan = Plan::of(rules);
        plan.terms[0].text = Some(Arc::new(text));
        plan
    }

    /// The rules of some texts, throughout.
    ///
    /// # Errors
    /// [`PlanError`] for what is wrong with them.
    pub fn read(text: RulesText, catalogue: Option<Arc<Catalogue>>) -> Result<Plan, PlanError> {
        let policy = Policy::read(&text.policy)?;
        let rules = Rules {
            models: text.models(policy.quantum_ms)?,
            policy,
            catalogue,
        };
        Ok(Plan::of_text(Arc::new(rules), text))
    }

    /// The rules of some texts take over, at the first boundary from a time in ms on; which that is.
    ///
    /// # Errors
    /// [`PlanError`] for what is wrong with them, or if they cannot follow those before.
    pub fn take_over(&mut self, at_ms: u64, text: RulesText) -> Result<ArrivalMs, PlanError> {
        let last = self.last();
        let quantum = last.rules.policy.quantum_ms;
        let from = at_ms.checked_next_multiple_of(quantum);
        let from = ArrivalMs(from.ok_or(ScheduleError::Beyond(at_ms))?);
        if from <= last.from {
            let last = last.from.0;
            return Err(PlanError::NotLater { last, quantum });
        }
        if self.changes() == CHANGES_MAX {
            return Err(PlanError::TooMany);
        }
        let rules = last.followed_by(&text, from)?;
        self.terms.push(Term {
            from,
            rules: Arc::new(rules),
            text: Some(Arc::new(text)),
        });
        Ok(from)
    }

    /// The rules that hold at an arrival.
    pub fn at(&self, arrival: ArrivalMs) -> &Arc<Rules> {
        let after = self.terms.partition_point(|term| term.from <= arrival);
        &self.terms[after.saturating_sub(1)].rules
    }

    /// Those that take over after an arrival, in order.
    pub fn after(&self, arrival: ArrivalMs) -> impl Iterator<Item = &Term> {
        self.terms.iter().filter(move |term| term.from > arrival)
    }

    /// The rules that hold from the beginning.
    pub fn first(&self) -> &Arc<Rules> {
        &self.terms[0].rules
    }

    /// The last ones.
    pub fn last(&self) -> &Term {
        self.terms
            .last()
            .expect("there are rules from the beginning")
    }

    /// How often rules take over.
    pub fn changes(&self) -> usize {
        self.terms.len() - 1
    }

    /// What policies and models are called, in order; the boundary stands before each that takes over.
    pub fn label(&self) -> String {
        let first = self.first();
        let mut label = format!("{} {}", first.policy.label, first.models.label());
        for Term { from, rules, .. } in &self.terms[1..] {
            let (policy, models) = (&rules.policy.label, rules.models.label());
            label.push_str(&format!(", from {} ms {policy} {models}", from.0));
        }
        label
    }

    /// From when on each policy holds, in ms, and what it is called.
    pub fn labels(&self) -> impl Iterator<Item = (u64, String)> {
        let terms = self.terms.iter();
        terms.map(|term| (term.from.0, term.rules.policy.label.clone()))
    }

    /// What policies are called, in order, likewise.
    pub fn policies(&self) -> String {
        let mut label = self.first().policy.label.clone();
        for pair in self.terms.windows(2) {
            let (before, now) = (&pair[0].rules.policy.label, &pair[1].rules.policy.label);
            if now != before {
                label.push_str(&format!(", from {} ms {now}", pair[1].from.0));
            }
        }
        label
    }

    /// The plan in writing.
    ///
    /// # Panics
    /// If it was not read from texts.
    pub fn journal(&self) -> String {
        let (mut journal, mut before) = (String::new(), None);
        for Term { from, rules, text } in &self.terms {
            let text = text.as_ref().expect("the plan was read from texts");
            let same = before
                .replace(text)
                .is_some_and(|other| other.has_models_of(text));
            let models = (!same).then(|| (text.models.clone(), text.swaps.clone()));
            let line = Line {
                from_ms: from.0,
                policy: rules.policy.label.clone(),
                model: rules.models.label(),
                policy_text: text.policy.clone(),
                models,
            };
            journal += &serde_json::to_string(&line).expect("texts are plain data");
            journal.push('\n');
        }
        journal
    }

    /// Reads a plan that was written down.
    ///
    /// # Errors
    /// [`PlanError`] with the line.
    pub fn of_journal(journal: &str, catalogue: Option<Arc<Catalogue>>) -> Result<Plan, PlanError> {
        let mut plan: Option<Plan> = None;
        for (at, line) in journal.lines().enumerate() {
            let wrong = |what: String| PlanError::Journal { line: at + 1, what };
            let line: Line =
                serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            let before = plan.as_ref().and_then(|plan| plan.last().text());
            let as_before = || before.map(|text| (text.models.clone(), text.swaps.clone()));
            let (models, swaps) = line.models.or_else(as_before).unwrap_or_default();
            let text = RulesText {
                policy: line.policy_text,
                models,
                swaps,
            };
            let read = match &mut plan {
                None if line.from_ms > 0 => Err(wrong("the first rules hold from 0 ms on".into())),
                None => Plan::read(text, catalogue.clone()).map(|read| plan = Some(read)),
                Some(plan) => plan.take_over(line.from_ms, text).map(|_| ()),
            };
            read.map_err(|error| match error {
                PlanError::Journal { .. } => error,
                other => wrong(other.to_string()),
            })?;
            let term = plan.as_ref().expect("it has just been read").last();
            let label = term.rules.models.label();
            if term.from.0 != line.from_ms {
                let what = format!("{} ms is no multiple of the quantum", line.from_ms);
                return Err(wrong(what));
            }
            if (&line.policy, &line.model) != (&term.rules.policy.label, &label) {
                let what = format!(
                    "its texts are {} and {label}, and not {} and {}; this release has another built-in model",
                    term.rules.policy.label, line.policy, line.model
                );
                return Err(wrong(what));
            }
        }
        plan.ok_or_else(|| PlanError::Journal {
            line: 1,
            what: "it is empty".into(),
        })
    }
}

impl Term {
    /// What the rules were read from.
    pub fn text(&self) -> Option<&RulesText> {
        self.text.as_deref()
    }

    /// The rules of some texts, in line with these, from a boundary on.
    ///
    /// # Errors
    /// [`PlanError`] for what is wrong with them, or if they cannot follow these.
    pub fn followed_by(&self, text: &RulesText, from: ArrivalMs) -> Result<Rules, PlanError> {
        let before = &self.rules;
        let policy = Policy::read_after(&text.policy, &before.policy)?;
        let same = self.text().is_some_and(|own| own.has_models_of(text));
        let models = match same {
            true => before.models.clone(),
            false => before
                .models
                .followed_by(from, &text.models(policy.quantum_ms)?)?,
        };
        Ok(Rules {
            policy,
            models,
            catalogue: before.catalogue.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::policy::DEFAULT_POLICY;

    fn text(cooldown: &str) -> RulesText {
        RulesText {
            policy: DEFAULT_POLICY
                .replace("cooldown = \"10s\"", &format!("cooldown = \"{cooldown}\"")),
            ..RulesText::default()
        }
    }

    fn cooldown_s(plan: &Plan, ms: u64) -> u64 {
        plan.at(ArrivalMs(ms)).policy.stability.cooldown_ms / 1_000
    }

    #[test]
    fn rules_hold_from_the_boundary_after_their_time_and_come_back_from_the_journal() {
        let mut plan = Plan::read(text("10s"), None).unwrap();
        assert_eq!(
            plan.take_over(1_001, text("20s")).unwrap(),
            ArrivalMs(2_000)
        );
        let model = include_str!("../../data/trees.json");
        let with_model = RulesText {
            models: vec![ModelText {
                score: None,
                text: model.into(),
            }],
            ..text("30s")
        };
        plan.take_over(5_000, with_model).unwrap();
        plan.take_over(7_000, text("40s")).unwrap();
        let times = [0, 1_999, 2_000, 4_999, 5_000, 7_000];
        let journal = plan.journal();
        let again = Plan::of_journal(&journal, None).unwrap();
        for plan in [&plan, &again] {
            assert_eq!(
                times.map(|ms| cooldown_s(plan, ms)),
                [10, 10, 20, 20, 30, 40]
            );
            let models = &plan.last().rules.models;
            let of = |ms| models.at(ArrivalMs(ms));
            assert_eq!([of(0), of(2_000), of(5_000), of(7_000)], [0, 0, 1, 2]);
            assert_eq!(models.get(0).label, models.get(2).label);
        }
        assert_eq!(again.journal(), journal);
        assert_eq!(again.label(), plan.label());
        assert_eq!(
            journal.matches("\"models\"").count(),
            3,
            "said where they change"
        );
    }

    #[test]
    fn what_cannot_follow_is_refused() {
        let mut plan = Plan::read(text("10s"), None).unwrap();
        plan.take_over(3_000, text("20s")).unwrap();
        for at_ms in [0, 2_500, 3_000] {
            let error = plan.take_over(at_ms, text("30s")).unwrap_err();
            assert!(
                error.to_string().contains("from 4000 ms at the earliest"),
                "{error}"
            );
        }
        let longer = RulesText {
            policy: text("30s")
                .policy
                .replace("idle = \"30m\"", "idle = \"20m\""),
            ..RulesText::default()
        };
        let error = plan.take_over(4_000, longer).unwrap_err();
        assert!(
            matches!(&error, PlanError::Policy(error) if error.line > 1),
            "{error}"
        );
        assert_eq!(plan.changes(), 1, "nothing was taken");
    }

    #[test]
    fn a_journal_that_was_changed_is_refused_with_its_line() {
        let mut plan = Plan::read(text("10s"), None).unwrap();
        plan.take_over(3_000, text("20s")).unwrap();
        let journal = plan.journal();
        for (from, to) in [
            ("from_ms\":3000", "from_ms\":3001"),
            ("cooldown = \\\"20s", "cooldown = \\\"21s"),
            ("from_ms\":3000", "from_ms\":0"),
        ] {
            let changed = journal.replacen(from, to, 1);
            assert_ne!(changed, journal);
            let error = Plan::of_journal(&changed, None).unwrap_err();
            assert!(
                error.to_string().starts_with("line 2 of the journal"),
                "{error}"
            );
        }
        assert!(Plan::of_journal("", None).is_err());
    }
}
