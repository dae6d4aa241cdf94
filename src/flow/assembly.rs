//! The graph of the job, put together on one worker: every way of running the job runs this one.
//!
//! ```text
//!            ┌──────────────────────── tables, a lag later ────────────────────────┐
//! events ─► Sessions ─ facts ─► statistics ─► Weights ─ changes ─► every worker ────┤
//!              ├─ sessions ─► index: pairs, trends ─ lists ─► every worker ──────────┘
//!              └─ emissions ──────────────────┴─► Sink
//! ```
//!
//! [`super::job::run`] feeds it from logs, [`super::closed`] from shoppers who react. Invariant: what
//! comes out depends on what is fed, not on who feeds it. Cost: that of its operators.

use super::container::{Emissions, Spares};
use super::durable::saving::Saving;
use super::durable::{Durability, Shared, keep_parts};
use super::index::{Of, index};
use super::learning::{Facts, statistics, weights};
use super::sessions::{SessionsIn, SessionsSpec, Tap, Whose, sessions};
use super::sink::{Collected, sink};
use super::source::Inputs;
use super::status::Teller;
use super::what_if::rival_weights;
use crate::event::Batch;
use std::cell::RefCell;
use std::rc::Rc;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Concatenate, ConnectLoop, Feedback, Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

/// A worker's end of the graph.
pub struct Assembly {
    /// What it is fed by.
    pub inputs: Inputs,
    /// How far everything has come.
    pub probe: ProbeHandle<u64>,
    /// Batches to be filled again.
    pub spare_batches: Spares<Batch>,
    /// What operators and feed of a durable run tell each other.
    pub shared: Rc<Shared>,
}

/// Puts the graph together. On worker 0 everything that leaves it comes to `collected`; a `tap` sees
/// the decisions of this worker's visitors as they are made.
pub fn assemble(
    worker: &mut Worker,
    spec: &SessionsSpec,
    collected: &Rc<RefCell<Collected>>,
    tap: Option<Tap>,
) -> Assembly {
    let durability = spec.durability.as_ref();
    let mut inputs = Inputs {
        events: InputHandle::new(),
        emissions: InputHandle::new(),
        ends: InputHandle::new(),
        orders: durability.map(|_| InputHandle::new()),
        bins: durability.map(|_| InputHandle::new()),
    };
    let shared = Rc::<Shared>::default();
    let saving = durability.map(|durability| {
        let policy = &spec.rules.policy;
        let span = durability
            .resume
            .as_ref()
            .map_or((0, 0), |r| (r.begin_ms, r.end_ms));
        let settling_ms = policy.lag_ms + policy.quantum_ms;
        let whose = (worker.index(), worker.peers());
        Saving::new(whose, span, settling_ms, Rc::clone(&shared))
    });
    let known_ms = durability.map_or(0, Durability::known_ms);
    let probe = ProbeHandle::new();
    let (spare_batches, spare_emissions) = (Spares::default(), Spares::<Emissions>::default());
    worker.dataflow::<u64, _, _>(|scope| {
        let events = scope.input_from(&mut inputs.events);
        let edge = scope.input_from(&mut inputs.emissions);
        let ends = scope.input_from(&mut inputs.ends).broadcast();
        let rules = &spec.rules;
        let (learned, tables) = scope.feedback(rules.policy.lag_ms);
        let orders = match &mut inputs.orders {
            Some(orders) => scope.input_from(orders),
            None => empty(scope),
        };
        let bins = match &mut inputs.bins {
            Some(bins) => scope.input_from(bins),
            None => empty(scope),
        };
        let inputs = SessionsIn {
            events,
            tables,
            ends,
            orders: orders.clone(),
            bins,
        };
        let spares = (&spare_batches, &spare_emissions);
        let out = sessions(scope, inputs, spec, tap, saving, spares);
        let mut parts = vec![out.parts];
        let mut to_sink = vec![out.emissions, edge];
        let mut changes = Vec::new();
        if rules.policy.learns() {
            let facts = Facts {
                credited: out.credited,
                counts: out.counts,
            };
            let statistics = statistics(facts, &rules.policy);
            let of_rival = rival_weights(scope, &statistics, spec.what_if.as_ref());
            let teller = Teller::of(spec.status.as_ref(), scope.index());
            let weights = weights(
                scope,
                statistics,
                &spec.plan,
                Whose::Own,
                (orders, known_ms, teller),
                spec.tells_of_matching(scope.peers()),
            );
            changes.extend(of_rival);
            changes.push(weights.changes);
            parts.push(weights.parts);
            to_sink.push(weights.emissions);
        }
        let of_rival = spec.what_if.as_ref().and_then(|what_if| what_if.index());
        let status = spec.status.as_ref();
        for (whose, spec) in [(Whose::Own, rules.index()), (Whose::Rival, of_rival)] {
            if let Some(spec) = spec {
                let of = Of {
                    whose,
                    quantum_ms: rules.policy.quantum_ms,
                    known_ms,
                };
                let status = status.filter(|_| whose == Whose::Own);
                changes.push(index(scope, out.indexed.clone(), spec, of, status));
            }
        }
        // A hop costs as much as a version: one alone is what it is.
        let changes = match changes.len() {
            1 => changes.remove(0),
            _ => scope.concatenate(changes),
        };
        changes.connect_loop(learned);
        if durability.is_some() {
            keep_parts(scope.concatenate(parts), collected);
        }
        sink(scope.concatenate(to_sink), collected, &spare_emissions).probe_with(&probe);
    });
    Assembly {
        inputs,
        probe,
        spare_batches,
        shared,
    }
}
