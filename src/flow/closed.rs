//! The job as the keeper of a simulated shop: the real graph, in the shopper's own thread.
//!
//! # Protocol
//! A call of `serve` sends the events of a span, moves the inputs to the span's end, and lets the one
//! worker step until nothing before that end is still open anywhere. What was decided meanwhile has
//! come through a tap at the session operator, and goes back to the shoppers. So the loop holds no
//! copy of the job: a log that the shop has written, replayed under the same policy, has the same
//! digest of decisions (`tests/closed_loop.rs`).
//!
//! Invariant: events are sent once, in canonical order, on lane 0; the end of the log is its last
//! arrival, as it is for a log that is read. Cost: some 4 µs a span beside the events' own at a
//! quantum of many spans, most of it the engine's bookkeeping of times; ten times that where every
//! span is a version of the tables.

use super::assembly::{Assembly, assemble};
use super::container::Spares;
use super::sessions::{SessionsSpec, Tap};
use super::sink::Collected;
use super::source::Inputs;
use crate::event::{Batch, EventRef};
use crate::simulate::closed::{JobEnd, Shopkeeper, Shown};
use crate::visit::live::Rules;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

/// The job on one worker, fed by whoever calls.
pub struct JobKeeper {
    worker: Worker,
    /// Until the shop closes.
    inputs: Option<Inputs>,
    probe: ProbeHandle<u64>,
    spare_batches: Spares<Batch>,
    tap: Option<Tap>,
    collected: Rc<RefCell<Collected>>,
    last_ms: u64,
}

impl JobKeeper {
    /// A job by these rules that has seen nothing.
    pub fn new(rules: Rules) -> JobKeeper {
        JobKeeper::with_tap(Arc::new(rules), Some(Tap::default()))
    }

    /// The same, of which nobody is shown the decisions; for measuring.
    pub fn untapped(rules: Arc<Rules>) -> JobKeeper {
        JobKeeper::with_tap(rules, None)
    }

    fn with_tap(rules: Arc<Rules>, tap: Option<Tap>) -> JobKeeper {
        let spec = SessionsSpec::of(rules);
        let allocator = Allocator::Thread(Thread::default());
        // The engine's clock is for its own logs only.
        let mut worker = Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()));
        let collected = Rc::default();
        let Assembly {
            mut inputs,
            probe,
            spare_batches,
            shared: _,
        } = assemble(&mut worker, &spec, &collected, tap.clone());
        // No log is read, so no row is rejected: one time less to keep account of.
        std::mem::take(&mut inputs.emissions).close();
        JobKeeper {
            worker,
            inputs: Some(inputs),
            probe,
            spare_batches,
            tap,
            collected,
            last_ms: 0,
        }
    }
}

impl Shopkeeper for JobKeeper {
    fn serve(&mut self, events: &Batch, until_ms: u64, shown: &mut Vec<Shown>) {
        let Some(inputs) = &mut self.inputs else {
            return;
        };
        if let Some(last) = events.events().last() {
            self.last_ms = last.arrival.0;
            let mut batch = self.spare_batches.take().unwrap_or_default();
            for EventRef { event, texts } in events.iter() {
                batch.push(*event, texts);
            }
            inputs.events.send_batch(&mut batch);
        }
        inputs.events.advance_to(until_ms);
        while self.probe.less_than(&until_ms) {
            self.worker.step();
        }
        if let Some(tap) = &self.tap {
            shown.append(&mut tap.borrow_mut());
        }
    }

    fn close(&mut self) -> Option<JobEnd> {
        let mut inputs = self.inputs.take()?;
        inputs.ends.send(self.last_ms);
        drop(inputs);
        while self.worker.has_dataflows() {
            self.worker.step();
        }
        let collected = self.collected.take();
        let (tally, digest) = collected.total();
        Some(JobEnd {
            tally,
            digest,
            learned: collected.learned,
        })
    }
}
