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
use crate::event::{ArrivalMs, Batch, Event, Lane, Offset, Reason, Reject, VisitorId, bin_of, mix};
use crate::visit::decision::{Decision, Digest, Recorder};
use crate::visit::feature::Vector;
use crate::visit::live::Rules;
use crate::visit::live::Visit;
use crate::visit::rows::RowKeeper;
use crate::visit::tally::Tally;
use crate::visit::visitors::{Output, Step, Visitors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::ExchangeCore;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

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
    /// Whether this worker reports the memory of its process.
    pub reports_memory: bool,
}

/// A share of the visitors, chosen by a pinned hash: the same for any number of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The share, in millionths.
    pub share_ppm: u32,
}

impl Sample {
    /// Whether a visitor is among them.
    pub fn holds(self, visitor: VisitorId) -> bool {
        let draw = mix(visitor.0 ^ SAMPLE_SALT) >> 32;
        (draw * 1_000_000) >> 32 < u64::from(self.share_ppm)
    }
}

/// Sets the draw apart from those of holdout and split.
const SAMPLE_SALT: u64 = 0x726f_7773;

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

/// Attaches the operator to a stream of events.
pub fn sessions<'scope>(
    events: Stream<'scope, u64, Batch>,
    spec: &SessionsSpec,
    spare_batches: &Spares<Batch>,
    spare_emissions: &Spares<Emissions>,
) -> Stream<'scope, u64, Emissions> {
    let pact = ExchangeCore::<CapacityContainerBuilder<Batch>, _>::new_core(
        |item: &crate::event::EventRef<'_>| bin_of(item.event.visitor) as u64,
    );
    let spec = spec.clone();
    let (spare_batches, spare_emissions) = (spare_batches.clone(), spare_emissions.clone());
    events.unary_frontier::<CapacityContainerBuilder<Emissions>, _, _, _>(
        pact,
        "Sessions",
        move |capability, _info| {
            let mut capability: Option<Capability<u64>> = Some(capability);
            let mut visitors = Some(Visitors::new(
                Arc::clone(&spec.rules),
                spec.follow,
                spec.timeline,
            ));
            let mut pending = Pending::default();
            let mut out = Emitter::new(spec.clone());
            let mut closed_before = None;
            move |(input, frontier), output| {
                input.for_each_stamp(|_capability, batches| {
                    for batch in batches {
                        pending.add(std::mem::take(batch));
                    }
                });
                let (Some(held), Some(visits)) = (&mut capability, &mut visitors) else {
                    return;
                };
                let closed_ms = frontier.frontier().first().copied();
                if closed_ms.is_some() && closed_ms == closed_before {
                    return;
                }
                closed_before = closed_ms;
                failure::enter("sessions", closed_ms);
                // Everything emitted now carries a time at or after the capability's.
                let mut flush = |out: &mut Emitter| {
                    out.cut(&spare_emissions);
                    for mut full in out.full.drain(..) {
                        output.session(&*held).give_container(&mut full);
                    }
                };
                pending.drain_before(closed_ms.unwrap_or(u64::MAX), |batch, index| {
                    visits.observe(batch.get(index), &mut out);
                    if !out.full.is_empty() {
                        flush(&mut out);
                    }
                });
                pending.retire(closed_ms.unwrap_or(u64::MAX), &spare_batches);
                if let Some(closed_ms) = closed_ms {
                    visits.advance(ArrivalMs(closed_ms), &mut out);
                    flush(&mut out);
                    if *held.time() < closed_ms {
                        held.downgrade(&closed_ms);
                    }
                } else if let Some(visits) = visitors.take() {
                    let tally = visits.finish(&mut out);
                    out.tally(tally);
                    flush(&mut out);
                    capability = None;
                }
            }
        },
    )
}

/// Bytes of emissions after which a container is sent on.
const EMISSION_BYTES: usize = 256 * 1024;

/// Batches that wait for the frontier. Each is sorted by (arrival, lane, offset) within a lane.
#[derive(Default)]
struct Pending {
    batches: Vec<Waiting>,
    order: Vec<(ArrivalMs, Lane, Offset, u32, u32)>,
}

struct Waiting {
    batch: Batch,
    sorted: bool,
    /// Events that arrived before this have been taken.
    taken_before: u64,
}

impl Pending {
    fn add(&mut self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let events = batch.events();
        let sorted = events
            .windows(2)
            .all(|pair| pair[0].order() <= pair[1].order());
        self.batches.push(Waiting {
            batch,
            sorted,
            taken_before: 0,
        });
    }

    /// Hands out every event that arrived before `end_ms`, in canonical order.
    fn drain_before(&mut self, end_ms: u64, mut take: impl FnMut(&Batch, usize)) {
        // Batches of one lane usually come one after the other: nothing to sort.
        self.batches
            .sort_by_key(|waiting| waiting.batch.events()[0].order());
        let last = |waiting: &Waiting| waiting.batch.events()[waiting.batch.len() - 1].order();
        let disjoint = self.batches.iter().all(|waiting| waiting.sorted)
            && self
                .batches
                .windows(2)
                .all(|pair| last(&pair[0]) <= pair[1].batch.events()[0].order());
        let due = |event: &Event, waiting: &Waiting| {
            event.arrival.0 < end_ms && event.arrival.0 >= waiting.taken_before
        };
        if disjoint {
            for waiting in &self.batches {
                for (index, event) in waiting.batch.events().iter().enumerate() {
                    if due(event, waiting) {
                        take(&waiting.batch, index);
                    }
                }
            }
        } else {
            self.order.clear();
            for (at, waiting) in self.batches.iter().enumerate() {
                for (index, event) in waiting.batch.events().iter().enumerate() {
                    if due(event, waiting) {
                        let (arrival, lane, offset) = event.order();
                        self.order
                            .push((arrival, lane, offset, at as u32, index as u32));
                    }
                }
            }
            self.order.sort_unstable();
            for &(_, _, _, at, index) in &self.order {
                take(&self.batches[at as usize].batch, index as usize);
            }
        }
    }

    /// Lets go of the batches of which every event has been handed out.
    fn retire(&mut self, end_ms: u64, spares: &Spares<Batch>) {
        let waits = |waiting: &mut Waiting| {
            waiting.taken_before = end_ms;
            let mut events = waiting.batch.events().iter();
            events.any(|event| event.arrival.0 >= end_ms)
        };
        for done in self.batches.extract_if(.., |waiting| !waits(waiting)) {
            spares.keep_cleared(done.batch);
        }
    }
}

/// Turns what the core says into emissions.
struct Emitter {
    spec: SessionsSpec,
    emissions: Emissions,
    /// Containers that have as much as one should hold.
    full: Vec<Emissions>,
    rows: RowKeeper,
    digest: Digest,
    line: Vec<u8>,
    steps: u64,
}

impl Emitter {
    fn new(spec: SessionsSpec) -> Emitter {
        Emitter {
            spec,
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

    fn tally(&mut self, tally: Tally) {
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
        let model = self.spec.rules.models.get(step.visit.model);
        self.emissions
            .write(step.at.0, Tag::Story, &[&number], |body| {
                super::story::write(step, recorder, model, body);
            });
    }

    fn observed(&mut self, visit: &Visit, features: &Vector) {
        if let Some(sample) = self.spec.rows
            && sample.holds(visit.visitor)
        {
            self.rows.observed(visit, features);
        }
    }

    fn ended(&mut self, visit: &Visit, at: ArrivalMs) {
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
