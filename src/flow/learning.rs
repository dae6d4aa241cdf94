//! The learning path: facts in, changes of the tables out, by differential collections.
//!
//! ```text
//! exposures, outcomes ─► arrange ─► reduce: rewards ┐
//! trials, promises, visitors ───────────────────────┴─► by slot ─► Weights ─► every worker
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
use crate::visit::learn::fact::{Cell, Fact, JOINT};
use crate::visit::learn::group::joint_slots;
use crate::visit::learn::learner::{Learner, Subject};
use crate::visit::learn::stat::Stat;
use crate::visit::learn::tables::Change;
use crate::visit::plan::Plan;
use crate::visit::policy::Policy;
use differential_dataflow::difference::{IsZero, Monoid, Multiply, Semigroup};
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{ValBatcher, ValBuilder, ValSpine};
use differential_dataflow::{AsCollection, VecCollection};
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

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

impl Multiply<isize> for Stat {
    type Output = Stat;

    fn multiply(self, times: &isize) -> Stat {
        let times = *times as i64;
        Stat {
            trials: self.trials.wrapping_mul(times),
            reward: self.reward.wrapping_mul(times),
            square: self.square.wrapping_mul(i128::from(times)),
        }
    }
}

/// Facts as the session operator sends them out.
pub struct Facts<'scope> {
    /// Outcomes, and the exposures that they may be credited to.
    pub credited: Stream<'scope, u64, Of<Fact>>,
    /// What is only counted, exposures among them.
    pub counts: Stream<'scope, u64, Vec<(Subject, u64, Stat)>>,
}

/// Changes of tables with their versions, and whose they are.
pub type Changes<'scope> = Stream<'scope, u64, Vec<(u64, Whose, Change)>>;

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
pub fn statistics<'scope>(
    facts: Facts<'scope>,
    policy: &Policy,
) -> VecCollection<'scope, u64, Subject, Stat> {
    let learning = &policy.learning;
    let by = (learning.credit, learning.reward, learning.window_ms);
    rewards(facts.credited, by).concat(facts.counts.as_collection())
}

/// Matches exposures with outcomes where they are, and puts what was earned into the cells'
/// statistics.
fn rewards<'scope>(
    facts: Stream<'scope, u64, Of<Fact>>,
    (credit, spec, window_ms): (Credit, RewardSpec, Option<u64>),
) -> VecCollection<'scope, u64, Subject, Stat> {
    arrange_core::<_, _, _, ValSpine<Credited, Fact, u64, isize>>(
        facts,
        Pipeline,
        "Facts",
        ValBatcher::new,
    )
    .reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<Credited, (Cell, i64), u64, isize>, _, _>(
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
            attribution::rewards(by, &exposures, &outcomes, |cell, reward| {
                out.push(((cell, reward), 1));
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
    .explode(|(cell, reward)| {
        let earned = Stat {
            trials: 0,
            ..Stat::of(reward)
        };
        Some((Subject::Cell(cell), earned))
    })
}

/// The operator that keeps the statistics of its slots and says how the tables change, version by
/// version.
pub fn weights<'scope>(
    scope: Scope<'scope, u64>,
    statistics: VecCollection<'scope, u64, Subject, Stat>,
    plan: &Plan,
    whose: Whose,
    (orders, known_ms, teller): Told<'scope>,
) -> Learned<'scope> {
    let mut plan = plan.clone();
    let (worker, workers) = (scope.index(), scope.peers());
    let mut builder = OperatorBuilder::new("Weights".into(), scope);
    let joint = joint_slots(&plan.first().policy);
    let by_slot = Exchange::new(move |(subject, _, _): &(Subject, u64, Stat)| {
        u64::from(subject.place(joint))
    });
    let mut input = builder.new_input(statistics.inner, by_slot);
    let (output, changes) = builder.new_output();
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
        capabilities.clear();
        move |frontiers| {
            input.for_each_stamp(|capability, batches| {
                for (subject, time, stat) in batches.flat_map(|batch| batch.drain(..)) {
                    versions.take(&capability, time, (subject, stat));
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
            let frontier = frontiers[0].frontier();
            // An order comes before the version that it is for.
            let told = frontiers[1].frontier();
            let mut tables = to_tables.activate();
            let mut put_by = to_parts.activate();
            let mut save = |learner: &Learner, at: &Option<Capability<u64>>| {
                if let Some(capability) = at {
                    let part = Part::of(PartKind::Learned, worker, learner);
                    put_by.session(capability).give(part);
                }
            };
            while let Some((version_ms, capability, changes)) =
                versions.next_complete(&[frontier, told])
            {
                failure::enter("weights", Some(version_ms));
                if version_ms <= known_ms {
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
                    let changes = changes.map(|change| (version_ms, whose, change));
                    tables.session(&capability).give_iterator(changes);
                }
            }
            let is_past = |at: &mut u64| !frontier.less_than(at) && !told.less_than(at);
            if asked_ms.take_if(is_past).is_some() {
                save(&learner, &for_parts);
            }
            if frontier.is_empty() {
                for_parts = None;
            }
            if frontier.is_empty()
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
