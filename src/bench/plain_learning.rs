//! Learning in the plain loop: the facts that stand, by whose they are, and the learner that the job has.
//!
//! Facts are laid to the version that will first know them. When the log's clock passes a version, the
//! rewards of everybody whose facts changed are worked out before and after, the learner is told the
//! difference and what was counted, and its tables go back to the core: what the job does with
//! differential collections and a feedback edge.
//!
//! Invariant: versions close in order, each after all its facts. Cost: a comparison an event; a version
//! costs the facts of those that it touches.

use super::plain_loop::Said;
use crate::event::{ArrivalMs, VisitorId};
use crate::flow::learning::sum_of;
use crate::flow::sessions::{Credited, credited_by};
use crate::visit::learn::attribution::rewards;
use crate::visit::learn::fact::{Exposure, Fact, Outcome, version_after};
use crate::visit::learn::learner::Learner;
use crate::visit::learn::stat::Stat;
use crate::visit::learn::subject::Subject;
use crate::visit::live::Rules;
use crate::visit::visitors::Visitors;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a version will know.
#[derive(Default)]
struct News {
    credited: Vec<(Credited, Fact, i8)>,
    counts: HashMap<Subject, Stat>,
}

/// The facts of one visitor or session, in their order.
type Facts = BTreeMap<Fact, i64>;

/// What is learned, and what waits to be.
pub(super) struct Learning {
    rules: Arc<Rules>,
    learner: Learner,
    standing: HashMap<Credited, Facts>,
    news: BTreeMap<u64, News>,
    /// Versions up to here are closed, in ms.
    closed_ms: u64,
    /// The last event's arrival.
    seen_ms: u64,
    /// Events before this close no version.
    next_ms: u64,
}

impl Learning {
    pub(super) fn new(rules: &Arc<Rules>) -> Learning {
        Learning {
            learner: Learner::new(&rules.policy),
            rules: Arc::clone(rules),
            standing: HashMap::new(),
            news: BTreeMap::new(),
            closed_ms: 0,
            seen_ms: 0,
            next_ms: 0,
        }
    }

    fn news_at(&mut self, at: ArrivalMs) -> &mut News {
        let version = version_after(at, self.rules.policy.quantum_ms);
        self.news.entry(version).or_default()
    }

    /// Takes a fact that rewards may rest on.
    pub(super) fn credited(&mut self, at: ArrivalMs, visitor: VisitorId, fact: Fact, sign: i8) {
        let session = match fact {
            Fact::Exposure(exposure) => exposure.session,
            Fact::Outcome(outcome) => outcome.session,
            Fact::Spend { .. } | Fact::Visitor { .. } => return,
        };
        let whose = credited_by(self.rules.policy.learning.window_ms, (visitor, session));
        self.news_at(at).credited.push((whose, fact, sign));
    }

    /// Takes a fact as the core states it.
    pub(super) fn fact(&mut self, at: ArrivalMs, visitor: VisitorId, fact: &Fact, sign: i8) {
        let trials = i64::from(sign);
        if let Fact::Exposure(exposure) = fact
            && let Some(lots) = Subject::lots(exposure, &self.rules.policy.learning)
        {
            self.count(at, lots, trials, 0);
        }
        let (subject, reward) = match *fact {
            Fact::Outcome(_) => return self.credited(at, visitor, *fact, sign),
            Fact::Exposure(exposure) => (Subject::Cell(exposure.cell), 0),
            Fact::Spend { slot, arm, amount } => (Subject::Spend { slot, arm }, amount * trials),
            Fact::Visitor { slot, side } => (Subject::Visitors { slot, side }, 0),
        };
        self.count(at, subject, trials, reward);
    }

    fn count(&mut self, at: ArrivalMs, subject: Subject, trials: i64, reward: i64) {
        let change = Stat {
            trials,
            reward,
            square: 0,
        };
        let counts = &mut self.news_at(at).counts;
        counts.entry(subject).or_default().add(&change);
    }

    /// Closes every version up to a time, each with the timers that fire before it.
    pub(super) fn close_up_to(to_ms: u64, visitors: &mut Visitors, said: &mut Said) {
        let Some(learning) = &mut said.learning else {
            return;
        };
        let seen_ms = std::mem::replace(&mut learning.seen_ms, to_ms);
        if to_ms < learning.next_ms {
            return;
        }
        let quantum_ms = learning.rules.policy.quantum_ms;
        learning.next_ms = (to_ms / quantum_ms + 1).saturating_mul(quantum_ms);
        // Judgements that wait have facts to state.
        visitors.advance(ArrivalMs(seen_ms), said);
        while let Some(learning) = &mut said.learning {
            let pending = learning.news.keys().next().copied().unwrap_or(u64::MAX);
            let quiet = version_after(ArrivalMs(visitors.quiet_until()), quantum_ms);
            let next = pending.min(quiet.max(learning.closed_ms + quantum_ms));
            if next > to_ms {
                return;
            }
            visitors.advance(ArrivalMs(next), said);
            visitors.expire(ArrivalMs(next), said);
            if let Some(learning) = &mut said.learning {
                learning.close(next, visitors);
            }
        }
    }

    fn close(&mut self, version_ms: u64, visitors: &mut Visitors) {
        self.closed_ms = version_ms;
        let Some(news) = self.news.remove(&version_ms) else {
            return;
        };
        let mut touched: BTreeMap<Credited, Vec<(Fact, i8)>> = BTreeMap::new();
        for (whose, fact, sign) in news.credited {
            touched.entry(whose).or_default().push((fact, sign));
        }
        for (whose, changes) in touched {
            let facts = self.standing.entry(whose).or_default();
            tell(&self.rules, facts, -1, &mut self.learner);
            for (fact, sign) in changes {
                let count = facts.entry(fact).or_default();
                *count += i64::from(sign);
                if *count == 0 {
                    facts.remove(&fact);
                }
            }
            tell(&self.rules, facts, 1, &mut self.learner);
            if facts.is_empty() {
                self.standing.remove(&whose);
            }
        }
        for (subject, change) in &news.counts {
            self.learner.add(*subject, change);
        }
        for change in self.learner.close(version_ms) {
            visitors.learn(version_ms, change);
        }
    }
}

/// Tells the learner what these facts have earned, or takes it back.
fn tell(rules: &Rules, facts: &Facts, sign: isize, learner: &mut Learner) {
    let (mut exposures, mut outcomes): (Vec<&Exposure>, Vec<&Outcome>) = (Vec::new(), Vec::new());
    for fact in facts.keys() {
        match fact {
            Fact::Exposure(exposure) => exposures.push(exposure),
            Fact::Outcome(outcome) => outcomes.push(outcome),
            Fact::Spend { .. } | Fact::Visitor { .. } => {}
        }
    }
    let learning = &rules.policy.learning;
    let by = (learning.credit, learning.reward, learning.window_ms);
    rewards(by, &exposures, &outcomes, |cell, reward, settled| {
        for (subject, reward, times) in Subject::of_reward(cell, reward, settled) {
            learner.add(subject, &sum_of(reward, times * sign));
        }
    });
}
