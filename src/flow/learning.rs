//! The learning path: facts in, changes of the tables out, by differential collections.
//!
//! ```text
//! exposures, outcomes ─► arrange ─► reduce: rewards ─► by slot ┐
//! trials, promises, visitors ───────────────────────► by slot ─┴─► Weights ─► every worker
//! ```
//!
//! Most visits end without an outcome, and an exposure that nothing can be credited to is only
//! counted: the visitor's facts are kept by the session operator, which sends an exposure here when
//! the first outcome comes that may be its due ([`crate::visit::learn::store`]). What the collections
//! hold is therefore what they join.
//!
//! Exposures and outcomes meet by visitor (by session, where only its own outcomes count); the
//! visitor's bin has brought both to this worker already, so neither is exchanged. What each
//! exposure earns ([`attribution::rewards`]) enters its cell's statistic, whose moments stand in the
//! *diff*. So a fact that is taken back takes back everything that followed from it, to the last
//! integer.
//!
//! One arrangement and one reduction do this where a join and two reductions would read better: the
//! frontier passes through every operator once a version, and that is what a version costs.
//!
//! A fact's time is the last millisecond before the version that first knows it, whenever in the
//! quantum it came about; a version is complete when the frontier has passed that millisecond.
//! Changes carry their version with them: the message's stamp may be earlier.
//!
//! Few versions have anything to be matched where traffic is thin, and what they all would pay for is the
//! frontier's way through the arrangement and the reduction. So, where one worker states all facts, it says
//! beside the counts of a version that there is something to be matched ([`Subject::Matching`]). Only such a
//! version waits for what exposures earned; for the others the frontier of the counts is enough, and the
//! matching hears nothing of them. Invariant: what earns anything at a time was sent at that time, so a
//! version without a word of it has nothing to wait for.
//!
//! Invariant: the statistics equal a recomputation from the facts that stand.
//! Cost: a few µs an outcome and its exposures, nothing for the others; memory: some 100 bytes an
//! exposure of a visitor with outcomes, for as long as it counts.

use super::container::{Emissions, Tag};
use super::durable::saving::decoded;
use super::durable::{Order, Orders, Part, PartKind, Parts};
use super::failure;
use super::sessions::announce;
use super::sessions::{Credited, Of, Whose};
use super::status::Teller;
use super::versions::Versions;
use crate::event::ArrivalMs;
use crate::visit::learn::attribution::{self, Credit, RewardSpec};
use crate::visit::learn::fact::{Fact, JOINT};
use crate::visit::learn::group::joint_slots;
use crate::visit::learn::learner::Learner;
use crate::visit::learn::stat::Stat;
use crate::visit::learn::subject::Subject;
use crate::visit::learn::tables::Change;
use crate::visit::plan::Plan;
use crate::visit::policy::Policy;
use differential_dataflow::difference::{IsZero, Monoid, Semigroup};
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{ValBatcher, ValBuilder, ValSpine};
use differential_dataflow::{AsCollection, VecCollection};
use std::collections::BTreeSet;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};
use timely::progress::Antichain;

impl Semigroup for Stat {
    fn plus_equals(&mut self, other: &Stat) {
        self.add(other);
    }
}

impl IsZero for Stat {
    fn is_zero(&self) -> bool {
        Stat::is_zero(self)
    }
}

impl Monoid for Stat {
    fn zero() -> Stat {
        Stat::default()
    }
}

/// Facts as the session operator sends them out.
pub struct Facts<'scope> {
    /// Outcomes, and the exposures that they may be credited to.
    pub credited: Stream<'scope, u64, Of<Fact>>,
    /// What is only counted, exposures among them.
    pub counts: Stream<'scope, u64, Vec<(Subject, u64, Stat)>>,
}

/// A change of tables with its version, and whose it is.
pub type Changed = (u64, Whose, Change);

/// Changes of tables, each with the worker that it is for.
pub type Changes<'scope> = Stream<'scope, u64, Vec<(u64, Changed)>>;

/// A change, for each of so many workers.
pub fn to_all(workers: usize, change: Changed) -> impl Iterator<Item = (u64, Changed)> {
    (0..).zip(std::iter::repeat_n(change, workers))
}

/// What is learned.
pub struct Learned<'scope> {
    /// Changes of the tables.
    pub changes: Changes<'scope>,
    /// What has been learned when the job ends.
    pub emissions: Stream<'scope, u64, Emissions>,
    /// What had been learned when a snapshot ended.
    pub parts: Parts<'scope>,
}

/// What is ordered in a durable run, and up to which version, in ms, all was learned before.
pub type Told<'scope> = (Orders<'scope>, u64, Teller);

/// Statistics of all subjects, as changes.
pub struct Statistics<'scope> {
    /// What is only counted.
    pub counts: VecCollection<'scope, u64, Subject, Stat>,
    /// What exposures earned.
    pub earned: VecCollection<'scope, u64, (Subject, i64)>,
}

/// Statistics, from facts.
pub fn statistics<'scope>(facts: Facts<'scope>, policy: &Policy) -> Statistics<'scope> {
    let learning = &policy.learning;
    let by = (learning.credit, learning.reward, learning.window_ms);
    Statistics {
        counts: facts.counts.as_collection(),
        earned: rewards(facts.credited, by),
    }
}

/// What so many exposures add that earned a reward each; they are counted elsewhere.
pub fn sum_of(reward: i64, times: isize) -> Stat {
    let (one, times) = (Stat::of(reward), times as i64);
    Stat {
        trials: 0,
        reward: one.reward.wrapping_mul(times),
        square: one.square.wrapping_mul(i128::from(times)),
    }
}

/// Matches exposures with outcomes where they are: what was earned, by cell.
fn rewards<'scope>(
    facts: Stream<'scope, u64, Of<Fact>>,
    (credit, spec, window_ms): (Credit, RewardSpec, Option<u64>),
) -> VecCollection<'scope, u64, (Subject, i64)> {
    arrange_core::<_, _, _, ValSpine<Credited, Fact, u64, isize>>(
        facts,
        Pipeline,
        "Facts",
        ValBatcher::new,
    )
    .reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<Credited, (Subject, i64), u64, isize>, _, _>(
        "Rewards",
        move |_, facts, out| {
            let (mut exposures, mut outcomes) = (Vec::new(), Vec::new());
            for (fact, _) in facts {
                match fact {
                    Fact::Exposure(exposure) => exposures.push(exposure),
                    Fact::Outcome(outcome) => outcomes.push(outcome),
                    Fact::Spend { .. } | Fact::Visitor { .. } => {}
                }
            }
            let by = (credit, spec, window_ms);
            attribution::rewards(by, &exposures, &outcomes, |cell, reward, settled| {
                let parts = Subject::of_reward(cell, reward, settled);
                out.extend(parts.map(|(subject, reward, times)| ((subject, reward), times)));
            });
        },
        |vec, key, updates| {
            vec.clear();
            vec.extend(
                updates
                    .drain(..)
                    .map(|(value, time, diff)| ((*key, value), time, diff)),
            );
        },
    )
    .as_collection(|_, earned| *earned)
}

/// The operator that keeps the statistics of its slots and says how the tables change, version by
/// version.
pub fn weights<'scope>(
    scope: Scope<'scope, u64>,
    Statistics { counts, earned }: Statistics<'scope>,
    plan: &Plan,
    whose: Whose,
    (orders, known_ms, teller): Told<'scope>,
    is_told_of_matching: bool,
) -> Learned<'scope> {
    let mut plan = plan.clone();
    let (worker, workers) = (scope.index(), scope.peers());
    let mut builder = OperatorBuilder::new("Weights".into(), scope);
    let joint = joint_slots(&plan.first().policy);
    let by_slot = Exchange::new(move |(subject, _, _): &(Subject, u64, Stat)| {
        u64::from(subject.place(joint))
    });
    let mut counts = builder.new_input(counts.inner, by_slot);
    let by_slot = Exchange::new(move |((subject, _), _, _): &((Subject, i64), u64, isize)| {
        u64::from(subject.place(joint))
    });
    let mut earned = builder.new_input(earned.inner, by_slot);
    // Where it is told what to wait for, what is earned holds nothing else up.
    let connected = if is_told_of_matching { 1 } else { 2 };
    let unchanged = || Antichain::from_elem(Default::default());
    let connections: Vec<_> = (0..connected).map(|input| (input, unchanged())).collect();
    let (output, changes) = builder.new_output_connection(connections);
    let mut to_tables = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(output);
    // No table waits for an order.
    let to_worker = Exchange::new(|(worker, _): &(u64, Order)| *worker);
    let mut orders = builder.new_input_connection(orders, to_worker, []);
    // Said once, at the end of all time: the sink waits for no table.
    let (output, emissions) = builder.new_output_connection(Vec::new());
    let mut to_sink = OutputBuilder::<_, CapacityContainerBuilder<Emissions>>::from(output);
    let (output, parts) = builder.new_output_connection(Vec::new());
    let mut to_parts = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(output);
    builder.build(move |mut capabilities| {
        let mut for_parts = capabilities.pop();
        // Kept for the report at the end.
        let mut at_end = capabilities.pop();
        if let Some(capability) = &mut at_end {
            capability.downgrade(&u64::MAX);
        }
        // A version goes by the rules that held before it.
        let mut stands = ArrivalMs(known_ms.saturating_sub(1));
        let mut rules = Arc::clone(plan.at(stands));
        let mut learner = Learner::new(&rules.policy);
        let mut teller = teller;
        let mut versions = Versions::default();
        let mut asked_ms: Option<u64> = None;
        // Times of which something is being matched.
        let mut matching = BTreeSet::new();
        capabilities.clear();
        move |frontiers| {
            counts.for_each_stamp(|capability, batches| {
                for (subject, time, stat) in batches.flat_map(|batch| batch.drain(..)) {
                    if subject == Subject::Matching {
                        matching.insert(time);
                    }
                    versions.take(&capability, time, (subject, stat));
                }
            });
            earned.for_each_stamp(|capability, batches| {
                for ((subject, reward), time, times) in batches.flat_map(|batch| batch.drain(..)) {
                    versions.take(&capability, time, (subject, sum_of(reward, times)));
                }
            });
            orders.for_each(|_capability, orders| {
                for (_, order) in orders.drain(..) {
                    match order {
                        Order::End(at) => asked_ms = Some(at),
                        Order::Learned(saved) => {
                            let saved = saved.iter().map(|one| decoded("what was learned", one));
                            learner.take_up(saved.collect(), worker, workers);
                        }
                        Order::Rules(from_ms, text) => announce(&mut plan, from_ms, text),
                        _ => {}
                    }
                }
            });
            // An order comes before the version that it is for.
            let mut promised = [0, 1, 2].map(|input| frontiers[input].frontier());
            matching.retain(|time| promised[1].less_equal(time));
            if is_told_of_matching && matching.is_empty() {
                promised[1] = promised[0];
            }
            let has_ended = promised[0].is_empty() && promised[1].is_empty();
            let mut tables = to_tables.activate();
            let mut put_by = to_parts.activate();
            let mut save = |learner: &Learner, at: &Option<Capability<u64>>| {
                if let Some(capability) = at {
                    let part = Part::of(PartKind::Learned, worker, learner);
                    put_by.session(capability).give(part);
                }
            };
            while let Some((version_ms, capability, changes)) = versions.next_complete(&promised) {
                failure::enter("weights", Some(version_ms));
                let says = |(subject, _): &(Subject, Stat)| *subject != Subject::Matching;
                if version_ms <= known_ms || !changes.iter().any(says) {
                    continue;
                }
                if asked_ms.take_if(|at| *at < version_ms).is_some() {
                    save(&learner, &for_parts);
                }
                let until = ArrivalMs(version_ms.saturating_sub(1));
                for term in plan.after(stands).filter(|term| term.from <= until) {
                    rules = Arc::clone(&term.rules);
                    learner.take_over(&rules.policy);
                }
                stands = until;
                for (subject, stat) in &changes {
                    learner.add(*subject, stat);
                }
                let changes = learner.close(version_ms);
                teller.learned(|| learner.report(&rules.policy));
                if let Some(capability) = capability
                    && !changes.is_empty()
                {
                    let changes = changes.into_iter();
                    let changes =
                        changes.flat_map(|change| to_all(workers, (version_ms, whose, change)));
                    tables.session(&capability).give_iterator(changes);
                }
            }
            let is_past = |at: &mut u64| promised.iter().all(|promise| !promise.less_than(at));
            if asked_ms.take_if(is_past).is_some() {
                save(&learner, &for_parts);
            }
            if has_ended {
                for_parts = None;
            }
            if has_ended
                && let Some(capability) = at_end.take()
                && whose == Whose::Own
            {
                let mut emissions = Emissions::default();
                let slots = &rules.policy.slots;
                for report in learner.report(&rules.policy) {
                    // In the policy's order, whichever worker a slot is learned by.
                    let place = slots.iter().position(|slot| slot.name == report.slot);
                    let key = [place.map_or(JOINT, |place| place as u8)];
                    emissions.write(u64::MAX, Tag::Learned, &[&key], |body| {
                        serde_json::to_writer(body, &report).expect("a report is plain data");
                    });
                }
                to_sink
                    .activate()
                    .session(&capability)
                    .give_container(&mut emissions);
            }
        }
    });
    Learned {
        changes,
        emissions,
        parts,
    }
}
