//! The one stateful operator: events of a worker's visitors in, emissions out.
//!
//! It keeps events until the input frontier has passed their arrival, brings them into canonical
//! order (arrival, lane, offset) and hands them to the pure core. A message's time is only a lower
//! bound for the arrivals in it, so how a log was cut into batches and epochs cannot be seen.
//! Timers fire as the frontier moves; when the input ends, time runs to its end.
//!
//! Cost: the core's step per event, and a sort only where batches overlap in time.

mod clock;
mod emitter;
mod forgotten;
mod spec;

use super::container::{Emissions, Spares};
use super::durable::saving::Saving;
use super::durable::{Bin, Bins, Durability, Order, Orders, Parts};
use super::failure;
use super::index::Indexed;
use super::learning::{Changed, Changes};
use super::pending::Pending;
pub use super::sample::Sample;
use super::status::Teller;
use super::watchdog;
use crate::event::{ArrivalMs, Batch, VisitorId, bin_of};
use crate::simulate::closed::Shown;
use crate::visit::learn::fact::Fact;
use crate::visit::learn::stat::Stat;
use crate::visit::learn::subject::Subject;
use crate::visit::plan::{Plan, RulesText};
use crate::visit::tally::Tally;
use crate::visit::visitors::Visitors;
use clock::Clock;
use emitter::Emitter;
pub use emitter::emit_reject;
use serde::{Deserialize, Serialize};
pub use spec::{Lines, SessionsSpec};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use timely::Container;
use timely::container::{CapacityContainerBuilder, ContainerBuilder};
use timely::dataflow::channels::pact::{Exchange, ExchangeCore, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::{OutputBuilder, OutputBuilderSession};
use timely::dataflow::{Scope, Stream};

/// Where decisions are seen as they are made, in the worker's own thread.
pub type Tap = Rc<RefCell<Vec<Shown>>>;

/// What a worker counted, and the digest of its records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WorkerTally {
    /// The counters.
    pub tally: Tally,
    /// The digest, in hexadecimal.
    pub digest: String,
    /// Peak resident memory of the worker's process, in bytes, from one worker of each process.
    pub peak_rss_bytes: u64,
    /// Processor time of the worker's thread.
    pub thread_cpu: Duration,
    /// Processor time that the worker's process has taken for the run, from one worker of each process.
    pub process_cpu: Duration,
}

/// Whose facts are matched with each other: those of a visitor, and of one session (else 0) where
/// outcomes count for their own session only.
pub type Credited = (u64, u64);

/// Whose a fact is, of a visitor and a session.
pub fn credited_by(window_ms: Option<u64>, (visitor, session): (VisitorId, u64)) -> Credited {
    (visitor.0, if window_ms.is_none() { session } else { 0 })
}

/// What facts are called on the way to differential collections.
pub type Of<T> = Vec<((Credited, T), u64, isize)>;

/// What the operator sends out.
pub struct SessionsOut<'scope> {
    /// Records, rows, stories, counters.
    pub emissions: Stream<'scope, u64, Emissions>,
    /// Outcomes, and the exposures that they may be credited to.
    pub credited: Stream<'scope, u64, Of<Fact>>,
    /// Exposures by cell, promises and visitors, which are only counted.
    pub counts: Stream<'scope, u64, Vec<(Subject, u64, Stat)>>,
    /// Sessions that enter and leave the index that products are recommended from.
    pub indexed: Indexed<'scope>,
    /// Parts of snapshots.
    pub parts: Parts<'scope>,
}

/// Whose tables: the policy's in force, or those of the one that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whose {
    /// In force.
    Own,
    /// Compared.
    Rival,
}

/// What comes in.
pub struct SessionsIn<'scope> {
    /// The events.
    pub events: Stream<'scope, u64, Batch>,
    /// Changes of the learned tables, each for one worker, for every worker alike, a lag late.
    pub tables: Changes<'scope>,
    /// The last arrival of each worker's lanes, for every worker alike, before the events end.
    pub ends: Stream<'scope, u64, Vec<u64>>,
    /// What the first worker orders and hands out in a durable run; nothing in others.
    pub orders: Orders<'scope>,
    /// Bins to be taken up.
    pub bins: Bins<'scope>,
}

/// Notes in a worker's plan that other rules will take over: the first worker has found that they can.
///
/// # Panics
/// If they cannot.
pub fn announce(plan: &mut Plan, from_ms: u64, text: RulesText) {
    if let Err(error) = plan.take_over(from_ms, text) {
        panic!("rules were told that cannot take over from {from_ms} ms: {error}");
    }
}

/// Attaches the operator.
pub fn sessions<'scope>(
    scope: Scope<'scope, u64>,
    inputs: SessionsIn<'scope>,
    spec: &SessionsSpec,
    tap: Option<Tap>,
    saving: Option<Saving>,
    (spare_batches, spare_emissions): (&Spares<Batch>, &Spares<Emissions>),
) -> SessionsOut<'scope> {
    let by_visitor = ExchangeCore::<CapacityContainerBuilder<Batch>, _>::new_core(
        |item: &crate::event::EventRef<'_>| bin_of(item.event.visitor) as u64,
    );
    let mut builder = OperatorBuilder::new("Sessions".into(), scope);
    let mut events = builder.new_input(inputs.events, by_visitor);
    let to_worker = Exchange::new(|(worker, _): &(u64, Changed)| *worker);
    let mut tables = builder.new_input(inputs.tables, to_worker);
    let mut ends = builder.new_input(inputs.ends, Pipeline);
    let to_worker = Exchange::new(|(worker, _): &(u64, Order)| *worker);
    let mut orders = builder.new_input(inputs.orders, to_worker);
    let by_bin = Exchange::new(|bin: &Bin| bin.0);
    let mut bins = builder.new_input(inputs.bins, by_bin);
    // What is sent is sent by capabilities of the operator's own, never by those of its inputs: so
    // tables on their way back do not hold up a stretch in which nothing happens.
    let unconnected = Vec::new;
    let (output, emissions) = builder.new_output_connection(unconnected());
    let mut to_sink = OutputBuilder::<_, CapacityContainerBuilder<Emissions>>::from(output);
    let (output, credited) = builder.new_output_connection(unconnected());
    let mut to_credited = OutputBuilder::<_, CapacityContainerBuilder<Of<Fact>>>::from(output);
    let (output, counts) = builder.new_output_connection(unconnected());
    let mut to_counts = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(output);
    let (output, indexed) = builder.new_output_connection(unconnected());
    let mut to_index = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(output);
    let (output, parts) = builder.new_output_connection(unconnected());
    let mut to_parts = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(output);

    let (spec, worker, peers) = (spec.clone(), scope.index(), scope.peers());
    let rules_learn = spec.rules.policy.learns();
    let (spare_batches, spare_emissions) = (spare_batches.clone(), spare_emissions.clone());
    let wanted = [
        true,
        rules_learn,
        rules_learn,
        spec.has_index(),
        spec.durability.is_some(),
    ];
    builder.build(move |capabilities| {
        let rules = Arc::clone(&spec.rules);
        // What nothing is sent by would only be kept account of.
        let outputs = capabilities.into_iter().zip(wanted);
        let outputs: Outputs = outputs
            .map(|(capability, wanted)| wanted.then_some(capability))
            .collect();
        let mut held = Some(outputs);
        let mut watched = Visitors::new(Arc::clone(&rules), spec.follow, spec.timeline);
        if let Some(what_if) = &spec.what_if {
            watched = what_if.attend(watched);
        }
        let mut plan = spec.plan.clone();
        // A bin that was put by at a boundary has not seen what happens there.
        let begin_ms = spec.durability.as_ref().map_or(0, Durability::begin_ms);
        for term in plan.after(ArrivalMs(begin_ms.saturating_sub(1))) {
            watched.will_take_over(term.from, Arc::clone(&term.rules));
        }
        let mut visitors = Some(watched);
        let mut clock = Clock::new(&rules.policy, spec.has_tables(), peers == 1);
        let mut pending = Pending::default();
        let mut out = Emitter::new(spec.clone(), tap);
        out.tells_of_matching = spec.tells_of_matching(peers);
        // The last time of facts on their way to be matched, until it is said that there are no others.
        let mut matching_ms: Option<u64> = None;
        let mut saving = saving;
        let mut teller = Teller::of(spec.status.as_ref(), worker);
        move |frontiers| {
            events.for_each_stamp(|_capability, batches| {
                for batch in batches {
                    pending.add(std::mem::take(batch));
                }
            });
            ends.for_each(|_capability, times| {
                clock.last_ms = times.drain(..).fold(clock.last_ms, u64::max);
            });
            if let (Some(saving), Some(visits)) = (&mut saving, &mut visitors) {
                orders.for_each(|_capability, orders| {
                    for (_, order) in orders.drain(..) {
                        match order {
                            Order::Rules(from_ms, text) => {
                                announce(&mut plan, from_ms, text);
                                let term = plan.last();
                                visits.will_take_over(term.from, Arc::clone(&term.rules));
                            }
                            Order::Restock { known, rows } => {
                                if let Some(grown) = spec.catalogue.grow(known, &rows) {
                                    out.sells(&grown);
                                    visits.will_sell(grown);
                                }
                            }
                            order => saving.order(order, visits),
                        }
                    }
                });
                bins.for_each(|_capability, bins| {
                    for bin in bins.drain(..) {
                        saving.take_up(bin, visits, &mut out);
                    }
                });
            }
            // Tables may come back when all is over: the job ends only once they have been taken.
            tables.for_each(|_capability, changes| {
                for (_, (version_ms, whose, change)) in changes.drain(..) {
                    match (whose, &mut visitors, &mut out.watch) {
                        (Whose::Own, Some(visits), _) => visits.learn(version_ms, change),
                        (Whose::Rival, _, Some(watch)) => watch.learn(version_ms, change),
                        _ => {}
                    }
                }
            });
            if let Some(saving) = &saving {
                saving.hears(frontiers[0].frontier().first().copied());
            }
            let (Some(capabilities), Some(visits)) = (&mut held, &mut visitors) else {
                return;
            };
            let least = |input: usize| frontiers[input].frontier().first().copied();
            // What is ordered or taken up comes before the time that it is for.
            let told = [3, 4].into_iter().filter_map(least).min();
            let events_end = least(0).is_none() && told.is_none();
            let events = [least(0), told].into_iter().flatten().min();
            if events_end && least(2).is_some() {
                // The events have ended, but not all workers have said when.
                return;
            }
            // Everything emitted now carries a time at or after the capabilities'.
            let mut sink = to_sink.activate();
            let (mut credit, mut counted) = (to_credited.activate(), to_counts.activate());
            let (mut index, mut put_by) = (to_index.activate(), to_parts.activate());
            let mut flush = |out: &mut Emitter, held: &Outputs| -> Option<(u64, u64)> {
                watchdog::is_busy();
                out.cut(&spare_emissions);
                for mut full in out.full.drain(..) {
                    give(&mut sink, &held[0], &mut full);
                }
                let facts = &mut out.facts;
                let credited = facts.credited.iter().map(|(_, time, _)| *time);
                matching_ms = matching_ms.max(credited.max());
                give(&mut credit, &held[1], &mut facts.credited);
                give(&mut counted, &held[2], &mut facts.counts);
                give(&mut index, &held[3], &mut facts.indexed);
                // What comes back in their place may hold what others have read.
                facts.clear()
            };
            let mut reached_ms = None;
            while let Some(closed_ms) = {
                let quiet_ms = visits.quiet_until().min(pending.first_ms());
                clock.move_to(events, least(1), quiet_ms)
            } {
                failure::enter("sessions", Some(closed_ms));
                reached_ms = Some(closed_ms);
                if clock.ended {
                    visits.log_ends(ArrivalMs(clock.last_ms));
                }
                let mut go_to = |to_ms: u64, visits: &mut Visitors, out: &mut Emitter| {
                    pending.take_before(to_ms, &spare_batches, |batch, index| {
                        visits.observe(batch.get(index), out);
                        out.follow(|watch| watch.observe(batch.get(index)));
                        if !out.full.is_empty() {
                            clock.state(flush(out, capabilities));
                        }
                    });
                    visits.advance(ArrivalMs(to_ms), out);
                    visits.expire(ArrivalMs(to_ms), out);
                    out.follow(|watch| watch.advance(ArrivalMs(to_ms)));
                    clock.state(flush(out, capabilities));
                };
                if let Some(saving) = &mut saving {
                    while let Some(stop_ms) = saving.next_stop(closed_ms) {
                        go_to(stop_ms, visits, &mut out);
                        saving.stopped(stop_ms, visits, &mut out.digest);
                    }
                }
                go_to(closed_ms, visits, &mut out);
                if let Some(saving) = &mut saving {
                    saving.between(closed_ms, visits);
                    saving.stands(closed_ms);
                    give(&mut put_by, &capabilities[4], &mut saving.parts);
                    saving.parts.clear();
                }
                if clock.is_over(events, closed_ms, visits.live()) {
                    break;
                }
            }
            let Some(closed_ms) = reached_ms else {
                return;
            };
            teller.counted(visits);
            if clock.is_over(events, closed_ms, visits.live()) {
                if let Some(visits) = visitors.take() {
                    let tally = visits.finish(&mut out);
                    out.tally(tally);
                    flush(&mut out, capabilities);
                }
                held = None;
                return;
            }
            // Nothing is said before the next thing happens: those who wait for it need not ask.
            let quiet_ms = visits.quiet_until().min(pending.first_ms());
            let next_ms = clock.stand_at(closed_ms, quiet_ms, events);
            // A fact is known to no table before the quantum is over: those who learn need not hear
            // of every step until then.
            let facts_ms = clock.quantum_before(next_ms);
            // Nor need those who write, of every round of the loop behind the events.
            let says = clock.says(closed_ms, events);
            for (output, capability) in capabilities.iter_mut().enumerate() {
                // Those who match are told when there is something to be matched.
                if output == CREDITED && out.tells_of_matching && matching_ms.is_none() {
                    continue;
                }
                let stands_ms = if output == 0 { next_ms } else { facts_ms };
                if let Some(capability) = capability
                    && *capability.time() < stands_ms
                    && (output > 0 || says)
                {
                    capability.downgrade(&stands_ms);
                }
            }
            matching_ms.take_if(|last| *last < facts_ms);
        }
    });
    SessionsOut {
        emissions,
        credited,
        counts,
        indexed,
        parts,
    }
}

/// The place among the outputs of what is matched.
const CREDITED: usize = 1;

/// The operator's outputs in their order, as long as they may be sent by.
type Outputs = Vec<Option<Capability<u64>>>;

/// Sends what there is, if anything is, by the output's own capability, if it has one.
fn give<C: Container>(
    output: &mut OutputBuilderSession<'_, u64, CapacityContainerBuilder<C>>,
    held: &Option<Capability<u64>>,
    what: &mut C,
) where
    CapacityContainerBuilder<C>: ContainerBuilder<Container = C>,
{
    // In most quanta of a thin log there is nothing: not even a session is opened for it.
    if let Some(capability) = held
        && !what.is_empty()
    {
        output.session(capability).give_container(what);
    }
}
