//! A comparison of two policies, beside the job: the target sees what the policy in force sees.
//!
//! Two ways. With a rival, a second core with the target's rules takes the same events in the same
//! order and moves its clock with the first one's; what the first decides meets what the second
//! would have done. Its tables are weighed by the target's rules from the very statistics that the
//! first learns from, by the names of slots and arms ([`rival_weights`]), so it learns from what was
//! really shown. With records, the job's own core is the target, and what it decides itself counts
//! for nothing: the records say what was chosen, and their choices are the exposures that it learns
//! from.
//!
//! Invariant: the policy in force decides the same with and without a rival. Cost: that of a second
//! core, and of judgements that are not batched.

use super::learning::{Changes, Statistics, weights};
use super::sessions::Whose;
use super::status::Teller;
use crate::evaluate::what_if::pairing::Pairing;
use crate::evaluate::what_if::worth::Evidence;
use crate::evaluate::what_if::{Logger, Setup};
use crate::event::{ArrivalMs, Event, EventRef, VisitorId};
use crate::visit::decision::Decision;
use crate::visit::learn::fact::{Exposure, Fact};
use crate::visit::learn::tables::Change;
use crate::visit::live::{Judgement, Rules, Visit};
use crate::visit::output::{Forgotten, Output, Step};
use crate::visit::plan::Plan;
use crate::visit::rank::recommender::IndexSpec;
use crate::visit::rank::shift::Shift;
use crate::visit::view::View;
use crate::visit::visitors::Visitors;
use std::sync::Arc;
use timely::dataflow::Scope;
use timely::dataflow::operators::generic::operator;

/// What a run compares its policy with.
#[derive(Debug)]
pub struct WhatIf {
    /// The rules of the policy that is judged: the job's own where the log is records.
    pub target: Arc<Rules>,
    /// How the two belong together.
    pub setup: Arc<Setup>,
}

/// A worker's part of a comparison.
pub struct Watch {
    pairing: Paired,
    rival: Option<Visitors>,
}

/// Takes what the rival says.
struct Paired {
    pairing: Pairing,
    /// What became of sessions in the rival's index.
    indexed: Vec<(ArrivalMs, Shift)>,
}

impl WhatIf {
    fn has_rival(&self) -> bool {
        matches!(self.setup.logger, Logger::Policy(_))
    }

    /// The rival's index of sessions, if it has one.
    pub(super) fn index(&self) -> Option<&IndexSpec> {
        self.target.index().filter(|_| self.has_rival())
    }

    /// What the comparison is called among processes.
    pub(super) fn label(&self) -> &str {
        &self.target.policy.label
    }

    /// The core of the job, ready to be compared: no judgement waits for another.
    pub(super) fn attend(&self, visitors: Visitors) -> Visitors {
        if self.has_rival() {
            visitors.judging_in_turns_of(1)
        } else {
            visitors.considering()
        }
    }

    /// A worker's part.
    pub(super) fn watch(&self) -> Watch {
        let rival = || Visitors::new(Arc::clone(&self.target), None, false).considering();
        let learning = match &self.setup.logger {
            Logger::Policy(policy) => &policy.learning,
            Logger::Records(_) => &self.target.policy.learning,
        };
        Watch {
            pairing: Paired {
                pairing: Pairing::new(Arc::clone(&self.setup), learning.clone()),
                indexed: Vec::new(),
            },
            rival: self.has_rival().then(rival),
        }
    }
}

impl Watch {
    /// The rival takes an event that the job's own core has taken.
    pub(super) fn observe(&mut self, event: EventRef<'_>) {
        if let Some(rival) = &mut self.rival {
            rival.observe(event, &mut self.pairing);
        }
        self.pairing.pairing.settle();
    }

    /// The rival's clock moves to where the job's is.
    pub(super) fn advance(&mut self, to: ArrivalMs) {
        if let Some(rival) = &mut self.rival {
            rival.advance(to, &mut self.pairing);
            rival.expire(to, &mut self.pairing);
        }
        self.pairing.pairing.settle();
    }

    /// A change of the rival's tables.
    pub(super) fn learn(&mut self, version_ms: u64, change: Change) {
        if let Some(rival) = &mut self.rival {
            rival.learn(version_ms, change);
        }
    }

    /// The job's core has decided.
    pub(super) fn decided(&mut self, decision: &Decision<'_>) {
        self.pairing.pairing.decided(decision);
    }

    /// The job's core has considered.
    pub(super) fn considered(&mut self, visit: &Visit, judgement: &Judgement, view: &View) {
        self.pairing.pairing.considered(visit, judgement, view);
    }

    /// A session of the job's core has ended.
    pub(super) fn ended(&mut self, visit: &Visit, at: ArrivalMs) {
        if self.rival.is_none() {
            self.pairing.pairing.ended(visit, at);
        }
    }

    /// Whether what the job's core decides is what was shown: beside records it is not.
    pub(super) fn is_shown(&self) -> bool {
        self.rival.is_some()
    }

    /// Takes a fact of the job's core. Whether it may teach: beside records, what the core would
    /// have shown does not; what it would have promised counts against its budgets.
    pub(super) fn lets_pass(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        fact: &Fact,
        sign: i8,
    ) -> bool {
        self.pairing.pairing.fact(at, visitor, fact, sign);
        self.is_shown() || matches!(fact, Fact::Outcome(_) | Fact::Spend { .. })
    }

    /// A visitor of the job's core was erased. A rival is about to say the same.
    pub(super) fn forgotten(&mut self, gone: &Forgotten<'_>) {
        if self.rival.is_none() {
            self.pairing.pairing.forget(gone.at, gone.visitor);
        }
    }

    /// Choices that the records tell of, as facts with their signs; nothing beside a rival.
    pub(super) fn take_exposures(&mut self) -> Vec<(ArrivalMs, VisitorId, Exposure, i8)> {
        let exposures = self.pairing.pairing.take_exposures();
        if self.is_shown() {
            return Vec::new();
        }
        exposures
    }

    /// What became of sessions in the rival's index.
    pub(super) fn take_indexed(&mut self) -> Vec<(ArrivalMs, Shift)> {
        std::mem::take(&mut self.pairing.indexed)
    }

    /// The log is over.
    pub(super) fn finish(mut self) -> Evidence {
        if let Some(rival) = self.rival.take() {
            rival.finish(&mut self.pairing);
        }
        self.pairing.pairing.finish()
    }
}

impl Output for Paired {
    fn decision(&mut self, _decision: &Decision<'_>) {}

    fn duplicate(&mut self, _event: &Event) {}

    fn step(&mut self, _step: &Step<'_>) {}

    fn indexed(&mut self, at: ArrivalMs, shift: Shift) {
        self.indexed.push((at, shift));
    }

    fn considered(&mut self, visit: &Visit, judgement: &Judgement, view: &View) {
        self.pairing.considered(visit, judgement, view);
    }

    fn ended(&mut self, visit: &Visit, at: ArrivalMs) {
        self.pairing.ended(visit, at);
    }

    fn forgotten(&mut self, gone: &Forgotten<'_>) {
        self.pairing.forget(gone.at, gone.visitor);
    }
}

/// How the rival's tables change with what the job learns, if there is a rival that learns.
pub fn rival_weights<'scope>(
    scope: Scope<'scope, u64>,
    statistics: &Statistics<'scope>,
    what_if: Option<&Arc<WhatIf>>,
) -> Option<Changes<'scope>> {
    let what_if =
        what_if.filter(|what_if| what_if.has_rival() && what_if.target.policy.learns())?;
    let (setup, other) = (Arc::clone(&what_if.setup), Arc::clone(&what_if.setup));
    let counts = statistics.counts.clone();
    let earned = statistics.earned.clone();
    let of_rival = Statistics {
        counts: counts.flat_map(move |subject| setup.mapping.subject(subject)),
        earned: earned.flat_map(move |(subject, reward)| {
            let subjects = other.mapping.subject(subject).into_iter();
            subjects.map(move |subject| (subject, reward))
        }),
    };
    let told = (operator::empty(scope), 0, Teller::of(None, 0));
    let plan = Plan::of(Arc::clone(&what_if.target));
    Some(weights(scope, of_rival, &plan, Whose::Rival, told, false).changes)
}
