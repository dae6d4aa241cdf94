//! The one stateful operator: events of a worker's visitors in, emissions out.
//!
//! It keeps events until the input frontier has passed their arrival, brings them into canonical
//! order (arrival, lane, offset) and hands them to the pure core. A message's time is only a lower
//! bound for the arrivals in it, so how a log was cut into batches and epochs cannot be seen.
//! Timers fire as the frontier moves; when the input ends, time runs to its end.
//!
//! Cost: the core's step per event, and a sort only where batches overlap in time.

use super::container::{Emissions, Spares, Tag};
use super::failure;
use super::pending::Pending;
pub use super::sample::Sample;
use super::what_if::{Watch, WhatIf};
use crate::event::{ArrivalMs, Batch, Event, Reason, Reject, VisitorId, bin_of};
use crate::simulate::closed::Shown;
use crate::visit::decision::{Decision, Digest, Recorder};
use crate::visit::feature::Vector;
use crate::visit::learn::fact::{Exposure, Fact, version_after};
use crate::visit::learn::learner::Subject;
use crate::visit::learn::stat::Stat;
use crate::visit::learn::tables::Change;
use crate::visit::live::{Judgement, Rules, Visit};
use crate::visit::policy::Policy;
use crate::visit::rows::RowKeeper;
use crate::visit::tally::Tally;
use crate::visit::view::View;
use crate::visit::visitors::{Output, Step, Visitors};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{ExchangeCore, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

/// What the operator is asked for.
#[derive(Clone, Debug)]
pub struct SessionsSpec {
    /// Policy and models.
    pub rules: Arc<Rules>,
    /// How records are written.
    pub recorder: Arc<Recorder>,
    /// Whether the lines of records are wanted, or only their digest.
    pub lines: Lines,
    /// Whether rejected duplicates are to be written.
    pub rejects: bool,
    /// The visitor whose story is told, by text.
    pub follow: Option<VisitorId>,
    /// Whether counts over time are wanted.
    pub timeline: bool,
    /// Visitors whose sessions' rows are wanted, if any are.
    pub rows: Option<Sample>,
    /// The comparison with another policy that is wanted, if one is.
    pub what_if: Option<Arc<WhatIf>>,
    /// Whether this worker reports the memory of its process.
    pub reports_memory: bool,
}

/// Where decisions are seen as they are made, in the worker's own thread.
pub type Tap = Rc<RefCell<Vec<Shown>>>;

/// In which form decision records leave the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lines {
    /// Not at all: only their digest does.
    None,
    /// As JSON.
    Json,
    /// As CSV.
    Csv,
}

/// What a worker counted, and the digest of its records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WorkerTally {
    /// The counters.
    pub tally: Tally,
    /// The digest, in hexadecimal.
    pub digest: String,
    /// Peak resident memory of the worker's process, in bytes, from one worker of each process.
    pub peak_rss_bytes: u64,
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
    /// Changes of the learned tables with their versions and whose they are, for every worker alike,
    /// a lag late.
    pub tables: Stream<'scope, u64, Vec<(u64, Whose, Change)>>,
    /// The last arrival of each worker's lanes, for every worker alike, before the events end.
    pub ends: Stream<'scope, u64, Vec<u64>>,
}

/// Attaches the operator.
pub fn sessions<'scope>(
    scope: Scope<'scope, u64>,
    inputs: SessionsIn<'scope>,
    spec: &SessionsSpec,
    tap: Option<Tap>,
    (spare_batches, spare_emissions): (&Spares<Batch>, &Spares<Emissions>),
) -> SessionsOut<'scope> {
    let by_visitor = ExchangeCore::<CapacityContainerBuilder<Batch>, _>::new_core(
        |item: &crate::event::EventRef<'_>| bin_of(item.event.visitor) as u64,
    );
    let mut builder = OperatorBuilder::new("Sessions".into(), scope);
    let mut events = builder.new_input(inputs.events, by_visitor);
    let mut tables = builder.new_input(inputs.tables, Pipeline);
    let mut ends = builder.new_input(inputs.ends, Pipeline);
    // What is sent is sent by capabilities of the operator's own, never by those of its inputs: so
    // tables on their way back do not hold up a stretch in which nothing happens.
    let unconnected = Vec::new;
    let (output, emissions) = builder.new_output_connection(unconnected());
    let mut to_sink = OutputBuilder::<_, CapacityContainerBuilder<Emissions>>::from(output);
    let (output, credited) = builder.new_output_connection(unconnected());
    let mut to_credited = OutputBuilder::<_, CapacityContainerBuilder<Of<Fact>>>::from(output);
    let (output, counts) = builder.new_output_connection(unconnected());
    let mut to_counts = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(output);

    let spec = spec.clone();
    let (spare_batches, spare_emissions) = (spare_batches.clone(), spare_emissions.clone());
    builder.build(move |capabilities| {
        let rules = Arc::clone(&spec.rules);
        let mut held: Option<Vec<Capability<u64>>> = Some(capabilities);
        let mut watched = Visitors::new(Arc::clone(&rules), spec.follow, spec.timeline);
        if let Some(what_if) = &spec.what_if {
            watched = what_if.attend(watched);
        }
        let mut visitors = Some(watched);
        let mut clock = Clock::new(&rules.policy);
        let mut pending = Pending::default();
        let mut out = Emitter::new(spec.clone(), tap);
        move |frontiers| {
            events.for_each_stamp(|_capability, batches| {
                for batch in batches {
                    pending.add(std::mem::take(batch));
                }
            });
            ends.for_each(|_capability, times| {
                clock.last_ms = times.drain(..).fold(clock.last_ms, u64::max);
            });
            // Tables may come back when all is over: the job ends only once they have been taken.
            tables.for_each(|_capability, changes| {
                for (version_ms, whose, change) in changes.drain(..) {
                    match (whose, &mut visitors, &mut out.watch) {
                        (Whose::Own, Some(visits), _) => visits.learn(version_ms, change),
                        (Whose::Rival, _, Some(watch)) => watch.learn(version_ms, change),
                        _ => {}
                    }
                }
            });
            let (Some(capabilities), Some(visits)) = (&mut held, &mut visitors) else {
                return;
            };
            let least = |input: usize| frontiers[input].frontier().first().copied();
            if least(0).is_none() && least(2).is_some() {
                // The events have ended, but not all workers have said when.
                return;
            }
            let Some(closed_ms) = clock.move_to(least(0), least(1)) else {
                return;
            };
            failure::enter("sessions", Some(closed_ms));
            // Everything emitted now carries a time at or after the capabilities'.
            let mut sink = to_sink.activate();
            let (mut credit, mut counted) = (to_credited.activate(), to_counts.activate());
            let mut flush = |out: &mut Emitter, held: &[Capability<u64>]| {
                out.cut(&spare_emissions);
                for mut full in out.full.drain(..) {
                    sink.session(&held[0]).give_container(&mut full);
                }
                let facts = &mut out.facts;
                credit.session(&held[1]).give_container(&mut facts.credited);
                counted.session(&held[2]).give_container(&mut facts.counts);
                // What comes back in their place may hold what others have read.
                facts.clear();
            };
            if clock.ended {
                visits.log_ends(ArrivalMs(clock.last_ms));
            }
            pending.take_before(closed_ms, &spare_batches, |batch, index| {
                visits.observe(batch.get(index), &mut out);
                out.follow(|watch| watch.observe(batch.get(index)));
                if !out.full.is_empty() {
                    flush(&mut out, capabilities);
                }
            });
            visits.advance(ArrivalMs(closed_ms), &mut out);
            visits.expire(ArrivalMs(closed_ms), &mut out);
            out.follow(|watch| watch.advance(ArrivalMs(closed_ms)));
            flush(&mut out, capabilities);
            if clock.is_over(least(0), closed_ms, visits.live()) {
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
            let next_ms = clock.stand_at(closed_ms, quiet_ms, least(0));
            // A fact is known to no table before the quantum is over: those who learn need not hear
            // of every step until then.
            let facts_ms = clock.quantum_before(next_ms);
            for (output, capability) in capabilities.iter_mut().enumerate() {
                let stands_ms = if output == 0 { next_ms } else { facts_ms };
                if *capability.time() < stands_ms {
                    capability.downgrade(&stands_ms);
                }
            }
        }
    });
    SessionsOut {
        emissions,
        credited,
        counts,
    }
}

/// How far the operator may go, from what its inputs have promised.
///
/// Events before the events' frontier are all there. Decisions of an arrival rest on the tables
/// that hold at the last multiple of the quantum up to it, so events may be taken up to the first
/// multiple whose tables may still be on their way. A job that learns nothing waits for no tables.
struct Clock {
    quantum_ms: u64,
    learns: bool,
    /// Events before this have been taken.
    closed_ms: Option<u64>,
    /// The last arrival in any lane, once the lanes have ended.
    last_ms: u64,
    ended: bool,
}

impl Clock {
    fn new(policy: &Policy) -> Clock {
        Clock {
            quantum_ms: policy.quantum_ms,
            learns: policy.learns(),
            closed_ms: None,
            last_ms: 0,
            ended: false,
        }
    }

    /// Events before what time may be taken now; `None` if no more than before.
    fn move_to(&mut self, events: Option<u64>, tables: Option<u64>) -> Option<u64> {
        self.ended = events.is_none();
        let known = match tables {
            Some(tables) if self.learns => {
                (tables / self.quantum_ms + 1).saturating_mul(self.quantum_ms)
            }
            _ => u64::MAX,
        };
        let closed_ms = events.unwrap_or(u64::MAX).min(known);
        if self.closed_ms.is_some_and(|before| closed_ms <= before) {
            return None;
        }
        self.closed_ms = Some(closed_ms);
        Some(closed_ms)
    }

    /// The last multiple of the quantum up to this time.
    fn quantum_before(&self, ms: u64) -> u64 {
        ms / self.quantum_ms * self.quantum_ms
    }

    /// Whether nothing will happen any more.
    fn is_over(&self, events: Option<u64>, closed_ms: u64, live: u64) -> bool {
        events.is_none() && (closed_ms == u64::MAX || (live == 0 && closed_ms > self.last_ms))
    }

    /// Before what time nothing more will be said.
    fn stand_at(&self, closed_ms: u64, quiet_ms: u64, events: Option<u64>) -> u64 {
        if !self.learns {
            return closed_ms;
        }
        quiet_ms.min(events.unwrap_or(u64::MAX)).max(closed_ms)
    }
}

/// Bytes of emissions after which a container is sent on.
const EMISSION_BYTES: usize = 256 * 1024;

/// Turns what the core says into emissions.
struct Emitter {
    spec: SessionsSpec,
    tap: Option<Tap>,
    emissions: Emissions,
    /// Containers that have as much as one should hold.
    full: Vec<Emissions>,
    rows: RowKeeper,
    digest: Digest,
    line: Vec<u8>,
    steps: u64,
    /// What is said to those who learn; nothing where nobody does.
    facts: Facts,
    quantum_ms: Option<u64>,
    /// What another policy would do.
    watch: Option<Box<Watch>>,
}

/// Facts on their way out, each with the last time before the version that will first know it.
#[derive(Default)]
struct Facts {
    credited: Of<Fact>,
    counts: Vec<(Subject, u64, Stat)>,
}

/// Most counts that are looked through for one of the same subject.
const COUNTS_BACK_MAX: usize = 16;

impl Facts {
    /// Counts: many visitors are shown the same, and one sum says it.
    fn count(&mut self, subject: Subject, time: u64, change: &Stat) {
        let mut latest = self.counts.iter_mut().rev().take(COUNTS_BACK_MAX);
        match latest.find(|(other, at, _)| (*other, *at) == (subject, time)) {
            Some((_, _, sum)) => sum.add(change),
            None => self.counts.push((subject, time, *change)),
        }
    }

    fn clear(&mut self) {
        self.credited.clear();
        self.counts.clear();
    }
}

impl Emitter {
    fn new(spec: SessionsSpec, tap: Option<Tap>) -> Emitter {
        let policy = &spec.rules.policy;
        Emitter {
            quantum_ms: policy.learns().then_some(policy.quantum_ms),
            facts: Facts::default(),
            watch: spec
                .what_if
                .as_ref()
                .map(|what_if| Box::new(what_if.watch())),
            spec,
            tap,
            emissions: Emissions::default(),
            full: Vec::new(),
            rows: RowKeeper::default(),
            digest: Digest::default(),
            line: Vec::with_capacity(1024),
            steps: 0,
        }
    }

    /// Sets the container aside when it holds enough: one call of the core may end every session.
    fn cut_if_full(&mut self) {
        if self.emissions.heap_bytes() >= EMISSION_BYTES {
            self.full.push(std::mem::take(&mut self.emissions));
        }
    }

    /// Sets the container aside if it holds anything.
    fn cut(&mut self, spares: &Spares<Emissions>) {
        if !self.emissions.is_empty() {
            let room = spares.take().unwrap_or_default();
            self.full.push(std::mem::replace(&mut self.emissions, room));
        }
    }

    /// Sends a fact to where exposures and outcomes are matched.
    fn credited(&mut self, at: ArrivalMs, whose: (VisitorId, u64), fact: Fact, sign: i8) {
        let learning = &self.spec.rules.policy.learning;
        if let Some(quantum_ms) = self.quantum_ms {
            let time = version_after(at, quantum_ms) - 1;
            let of = credited_by(learning.window_ms, whose);
            let update = ((of, fact), time, isize::from(sign));
            self.facts.credited.push(update);
        }
    }

    /// Counts a fact that is only counted, from the version after it.
    fn count(&mut self, at: ArrivalMs, subject: Subject, trials: i64, reward: i64) {
        if let Some(quantum_ms) = self.quantum_ms {
            let change = Stat {
                trials,
                reward,
                square: 0,
            };
            let time = version_after(at, quantum_ms) - 1;
            self.facts.count(subject, time, &change);
        }
    }

    /// Lets those who watch go on, and states what was chosen where the log says so.
    #[inline]
    fn follow(&mut self, go_on: impl FnOnce(&mut Watch)) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        go_on(watch);
        for (at, visitor, exposure) in watch.take_exposures() {
            self.count(at, Subject::Cell(exposure.cell), 1, 0);
            let whose = (visitor, exposure.session);
            self.credited(at, whose, Fact::Exposure(exposure), 1);
        }
    }

    fn tally(&mut self, tally: Tally) {
        if let Some(watch) = self.watch.take() {
            let evidence = watch.finish();
            self.emissions.write(u64::MAX, Tag::Evidence, &[], |body| {
                serde_json::to_writer(body, &evidence).expect("evidence is plain data");
            });
        }
        let tally = WorkerTally {
            tally,
            digest: self.digest.to_string(),
            peak_rss_bytes: if self.spec.reports_memory {
                super::job::peak_rss_bytes()
            } else {
                0
            },
        };
        self.emissions.write(u64::MAX, Tag::Tally, &[], |body| {
            serde_json::to_writer(body, &tally).expect("counters are plain data");
        });
    }
}

impl Output for Emitter {
    fn decision(&mut self, decision: &Decision<'_>) {
        if let Some(tap) = &self.tap {
            tap.borrow_mut().push(Shown::of(decision));
        }
        if let Some(watch) = &mut self.watch {
            watch.decided(decision);
        }
        self.line.clear();
        self.spec.recorder.json(decision, &mut self.line);
        self.digest.add(&self.line);
        let line = &mut self.line;
        match self.spec.lines {
            Lines::None => return,
            Lines::Json => line.push(b'\n'),
            Lines::Csv => {
                line.clear();
                self.spec.recorder.csv(decision, line);
            }
        }
        // No id holds a NUL, so the order of the key is that of (visitor, session, seq).
        let seq = decision.seq.to_be_bytes();
        let key: [&[u8]; 5] = [decision.visitor, b"\0", decision.session, b"\0", &seq];
        self.emissions
            .write(decision.at.0, Tag::Decision, &key, |body| {
                body.extend_from_slice(line);
            });
        self.cut_if_full();
    }

    fn duplicate(&mut self, event: &Event) {
        if self.spec.rejects {
            let reject = Reject {
                arrival: event.arrival,
                lane: event.lane,
                line: event.line,
                offset: event.offset,
                reason: Reason::Duplicate,
                text: Vec::new(),
            };
            emit_reject(&reject, &mut self.emissions);
        }
    }

    fn step(&mut self, step: &Step<'_>) {
        self.steps += 1;
        let number = self.steps.to_be_bytes();
        let recorder = &self.spec.recorder;
        let rules = &self.spec.rules;
        let model = rules.models.get(step.visit.model);
        self.emissions
            .write(step.at.0, Tag::Story, &[&number], |body| {
                super::story::write(step, rules, recorder, model, body);
            });
    }

    fn fact(&mut self, at: ArrivalMs, visitor: VisitorId, fact: &Fact, sign: i8) {
        if let Some(watch) = &mut self.watch
            && !watch.lets_pass(at, visitor, fact, sign)
        {
            return;
        }
        let trials = i64::from(sign);
        let (subject, reward) = match *fact {
            Fact::Outcome(outcome) => {
                return self.credited(at, (visitor, outcome.session), *fact, sign);
            }
            Fact::Exposure(exposure) => (Subject::Cell(exposure.cell), 0),
            Fact::Spend { slot, arm, amount } => (Subject::Spend { slot, arm }, amount * trials),
            Fact::Visitor { slot, held } => (Subject::Visitors { slot, held }, 0),
        };
        self.count(at, subject, trials, reward);
    }

    fn creditable(&mut self, at: ArrivalMs, visitor: VisitorId, shown: &Exposure, sign: i8) {
        if self.watch.as_ref().is_some_and(|watch| !watch.is_shown()) {
            return;
        }
        self.credited(at, (visitor, shown.session), Fact::Exposure(*shown), sign);
    }

    fn observed(&mut self, visit: &Visit, features: &Vector) {
        if let Some(sample) = self.spec.rows
            && sample.holds(visit.visitor)
        {
            self.rows.observed(visit, features);
        }
    }

    fn considered(&mut self, visit: &Visit, judgement: &Judgement, view: &View) {
        if let Some(watch) = &mut self.watch {
            watch.considered(visit, judgement, view);
        }
    }

    fn ended(&mut self, visit: &Visit, at: ArrivalMs) {
        if let Some(watch) = &mut self.watch {
            watch.ended(visit, at);
        }
        if let Some(sample) = self.spec.rows
            && sample.holds(visit.visitor)
        {
            let key: [&[u8]; 3] = [&visit.visitor_text, b"\0", &visit.session_text];
            let rows = &mut self.rows;
            self.emissions.write(at.0, Tag::Rows, &key, |body| {
                rows.ended(visit, body);
            });
            self.cut_if_full();
        }
    }
}

/// Adds a rejected row as its line of JSON.
pub fn emit_reject(reject: &Reject, emissions: &mut Emissions) {
    let key: [&[u8]; 2] = [&reject.lane.0.to_be_bytes(), &reject.offset.0.to_be_bytes()];
    emissions.write(reject.arrival.0, Tag::Reject, &key, |body| {
        reject.write_json(body);
    });
}
