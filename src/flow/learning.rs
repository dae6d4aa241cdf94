//! The learning path: facts in, changes of the tables out, by differential collections.
//!
//! ```text
//! exposures ─┬──────────────────────────── trials ────────────┐
//!            └► arrange ─┐                                     ├─► by slot ─► Weights ─► every worker
//! outcomes ──► arrange ─ join ─ credits ─ rewards of exposures ┘
//! promises, visitors ──────────────────────────────────────────┘
//! ```
//!
//! Exposures and outcomes are joined by visitor; the visitor's bin has brought both to this worker
//! already, so neither is exchanged. An outcome is shared among the exposures before it
//! ([`credits`]), an exposure earns the sum of its shares ([`RewardSpec::reward`]), and what it
//! earns enters its cell's statistic, whose moments stand in the *diff*. So a fact that is taken
//! back takes back everything that followed from it, to the last integer.
//!
//! A fact's time is the last millisecond before the version that first knows it, whenever in the
//! quantum it came about; a version is complete when the frontier has passed that millisecond.
//! Changes carry their version with them: the message's stamp may be earlier.
//!
//! Invariant: the statistics equal a recomputation from the facts that stand.
//! Cost: 0.3 to 0.6 µs an exposure, of which the arrangement is most, and a few µs an outcome;
//! memory: some 100 bytes an exposure for as long as it counts.

use super::container::{Emissions, Tag};
use super::failure;
use super::sessions::{Of, Whose};
use crate::visit::learn::attribution::{Credit, RewardSpec, credits};
use crate::visit::learn::fact::{Exposure, JOINT, Outcome};
use crate::visit::learn::learner::{Learner, Subject};
use crate::visit::learn::stat::Stat;
use crate::visit::learn::tables::Change;
use crate::visit::policy::Policy;
use differential_dataflow::difference::{IsZero, Monoid, Multiply, Semigroup};
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{ValBatcher, ValBuilder, ValSpine};
use differential_dataflow::{AsCollection, VecCollection};
use std::collections::BTreeMap;
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
    /// Who was shown what.
    pub exposures: Stream<'scope, u64, Of<Exposure>>,
    /// What came of it.
    pub outcomes: Stream<'scope, u64, Of<Outcome>>,
    /// What is only counted.
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
}

/// Statistics of all subjects, as changes.
pub fn statistics<'scope>(
    facts: Facts<'scope>,
    policy: &Policy,
) -> VecCollection<'scope, u64, Subject, Stat> {
    let learning = &policy.learning;
    let (spec, window_ms) = (learning.reward, learning.window_ms);
    let exposures = facts.exposures.as_collection();
    let trials = exposures.clone().explode(|(_, exposure): (u64, Exposure)| {
        let one = Stat {
            trials: 1,
            ..Stat::default()
        };
        Some((Subject::Cell(exposure.cell), one))
    });
    let exposures = by_visitor(exposures, "Exposures");
    let outcomes = by_visitor(facts.outcomes.as_collection(), "Outcomes");
    let pairs = exposures.join_core(outcomes, move |visitor, exposure, outcome| {
        let credited = exposure.precedes(outcome, window_ms);
        credited.then_some(((*visitor, *exposure), *outcome))
    });
    rewards(shared(pairs, learning.credit), spec)
        .concat(trials)
        .concat(facts.counts.as_collection())
}

type Arranged<'scope, T> = differential_dataflow::operators::arrange::Arranged<
    'scope,
    differential_dataflow::operators::arrange::TraceAgent<ValSpine<u64, T, u64, isize>>,
>;

/// Arranges a visitor's facts where they are.
fn by_visitor<'scope, T: differential_dataflow::ExchangeData>(
    facts: VecCollection<'scope, u64, (u64, T), isize>,
    name: &str,
) -> Arranged<'scope, T> {
    arrange_core::<_, _, _, ValSpine<u64, T, u64, isize>>(
        facts.inner,
        Pipeline,
        name,
        ValBatcher::new,
    )
}

/// Outcomes with their credits in millionths, by the exposures that earned them.
type Credited<'scope> = VecCollection<'scope, u64, ((u64, Exposure), (Outcome, i64)), isize>;

/// An outcome as the exposures of one slot share it: visitor, slot, outcome.
type Shared = (u64, u8, Outcome);

/// Shares each outcome among the exposures of a slot.
fn shared<'scope>(
    pairs: VecCollection<'scope, u64, ((u64, Exposure), Outcome), isize>,
    credit: Credit,
) -> Credited<'scope> {
    if credit == Credit::All {
        return pairs.map(|(exposure, outcome)| (exposure, (outcome, 1_000_000)));
    }
    let by_outcome = pairs.map(|((visitor, exposure), outcome)| {
        let key: Shared = (visitor, exposure.cell.slot, outcome);
        (key, exposure)
    });
    // Where they are: an exposure's credits must meet again on one worker.
    arrange_core::<_, _, _, ValSpine<Shared, Exposure, u64, isize>>(
        by_outcome.inner,
        Pipeline,
        "Shared",
        ValBatcher::new,
    )
    .reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<Shared, (Exposure, i64), u64, isize>, _, _>(
        "Credits",
        move |(_, _, outcome), exposures, out| {
            let shown: Vec<&Exposure> = exposures.iter().map(|(exposure, _)| *exposure).collect();
            let mut shares = Vec::with_capacity(shown.len());
            credits(credit, &shown, outcome, &mut shares);
            let shares = shown.into_iter().zip(shares);
            out.extend(
                shares
                    .filter(|(_, share)| *share != 0)
                    .map(|(exposure, share)| ((*exposure, share), 1isize)),
            );
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
    .as_collection(|(visitor, _, outcome), (exposure, share)| {
        ((*visitor, *exposure), (*outcome, *share))
    })
}

/// What exposures earn, in their cells' statistics.
fn rewards<'scope>(
    credited: Credited<'scope>,
    spec: RewardSpec,
) -> VecCollection<'scope, u64, Subject, Stat> {
    arrange_core::<_, _, _, ValSpine<(u64, Exposure), (Outcome, i64), u64, isize>>(
        credited.inner,
        Pipeline,
        "Credited",
        ValBatcher::new,
    )
    .reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<(u64, Exposure), i64, u64, isize>, _, _>(
        "Rewards",
        move |_, credited, out| {
            let outcomes = credited
                .iter()
                .map(|((outcome, share), _)| (outcome, *share));
            match spec.reward(outcomes) {
                0 => {}
                reward => out.push((reward, 1isize)),
            }
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
    .as_collection(|(_, exposure), reward| (exposure.cell, *reward))
    .explode(|(cell, reward)| {
        let earned = Stat {
            trials: 0,
            ..Stat::of(reward)
        };
        Some((Subject::Cell(cell), earned))
    })
}

/// What has come for a version that is not complete, and the right to answer it.
type Open = (Option<Capability<u64>>, Vec<(Subject, Stat)>);

/// The operator that keeps the statistics of its slots and says how the tables change, version by
/// version.
pub fn weights<'scope>(
    scope: Scope<'scope, u64>,
    statistics: VecCollection<'scope, u64, Subject, Stat>,
    policy: &Arc<crate::visit::live::Rules>,
    whose: Whose,
) -> Learned<'scope> {
    let rules = Arc::clone(policy);
    let mut builder = OperatorBuilder::new("Weights".into(), scope);
    let by_slot = Exchange::new(|(subject, _, _): &(Subject, u64, Stat)| u64::from(subject.slot()));
    let mut input = builder.new_input(statistics.consolidate_stream().inner, by_slot);
    let (output, changes) = builder.new_output();
    let mut to_tables = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(output);
    // Said once, at the end of all time: the sink waits for no table.
    let (output, emissions) = builder.new_output_connection(Vec::new());
    let mut to_sink = OutputBuilder::<_, CapacityContainerBuilder<Emissions>>::from(output);
    builder.build(move |mut capabilities| {
        // Kept for the report at the end.
        let mut at_end = capabilities.pop();
        if let Some(capability) = &mut at_end {
            capability.downgrade(&u64::MAX);
        }
        let mut learner = Learner::new(&rules.policy);
        let mut open: BTreeMap<u64, Open> = BTreeMap::new();
        capabilities.clear();
        move |frontiers| {
            input.for_each_stamp(|capability, batches| {
                for (subject, time, stat) in batches.flat_map(|batch| batch.drain(..)) {
                    let (held, changes) = open.entry(time).or_default();
                    if held.is_none()
                        && let Some(mut capability) = capability.retain_least(0)
                    {
                        // The earlier stamp would hold up the loop.
                        capability.downgrade(&time);
                        *held = Some(capability);
                    }
                    changes.push((subject, stat));
                }
            });
            let frontier = frontiers[0].frontier();
            let mut tables = to_tables.activate();
            while let Some(entry) = open.first_entry() {
                if frontier.less_equal(entry.key()) {
                    break;
                }
                let version_ms = entry.key().saturating_add(1);
                failure::enter("weights", Some(version_ms));
                let (capability, changes) = entry.remove();
                for (subject, stat) in &changes {
                    learner.add(*subject, stat);
                }
                let changes = learner.close(version_ms);
                if let Some(capability) = capability
                    && !changes.is_empty()
                {
                    let changes = changes.into_iter();
                    let changes = changes.map(|change| (version_ms, whose, change));
                    tables.session(&capability).give_iterator(changes);
                }
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
    Learned { changes, emissions }
}
