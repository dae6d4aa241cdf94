//! Feeding the dataflow: a reading thread a lane, and the loop that sends what they read.
//!
//! Lane `j` belongs to worker `j mod workers`. Its thread reads, decodes and fills batches ahead of
//! time, into a short queue; a worker never waits on a file. The worker always sends the batch of
//! the lane that is furthest behind, and more of them while they wait and an epoch has room, then moves
//! its inputs up to the earliest clock among its lanes, rounded down to the grain: an event that comes
//! alone is an epoch, and epochs grow with what has gathered. How far a worker may run ahead of the whole
//! job is bounded by the read-ahead: so many epochs still open anywhere (timely itself has no limit).
//!
//! Where nothing happens, nothing is done: a worker sleeps until its reading threads or the other
//! workers wake it, and in a lull ([`Lull`]) the clocks of lanes go on in longer steps.

use super::container::{Emissions, Spares, Tag};
use super::durable::changes::Changes;
use super::durable::restore::Restored;
use super::durable::{Bin, Order, Shared};
use super::failure::{self, Stop, StopReason};
use super::lull::Lull;
use super::sessions::emit_reject;
use super::sink::Collected;
use super::status::JobStatus;
use super::watchdog;
use crate::event::{ArrivalMs, Batch, Reject};
use crate::format::mark::LaneMark;
use crate::format::{LaneRead, LaneTally};
use crate::log::error::LogError;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

/// What a lane came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneReport {
    /// Its place among the logs of the run.
    pub lane: u16,
    /// The log, as the command line names it.
    pub log: String,
    /// Its format.
    pub format: String,
    /// What was counted.
    pub tally: LaneTally,
    /// What ended it early: the error's text and exit code.
    pub error: Option<(String, i32)>,
}

/// A lane that has been opened, and the name it goes by.
pub struct OpenLane {
    /// Its place among the logs of the run.
    pub index: u16,
    /// The log, as the command line names it.
    pub name: String,
    /// The lane itself.
    pub reader: Box<dyn LaneRead>,
    /// Its bytes, if the state that is gone on from has seen its end.
    pub over: Option<u64>,
}

/// Bytes read so far over all lanes of this process, for a progress bar.
pub type Progress = Arc<AtomicU64>;

/// How the input is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Epochs begin at multiples of this, in ms; at least 1.
    pub grain_ms: u64,
    /// Most events in a batch; at least 1.
    pub batch_events_max: usize,
    /// Most epochs still open; at least 1.
    pub read_ahead: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            grain_ms: 1,
            batch_events_max: Batch::EVENTS_MAX,
            read_ahead: 4,
        }
    }
}

/// Batches that may wait between a reading thread and its worker.
const QUEUE_MAX: usize = 4;
/// Longest time a worker sleeps before it looks again, at a signal for one. Whoever has something for it
/// wakes it.
const PARK: Duration = Duration::from_millis(10);

struct Chunk {
    /// Where the lane stood before it.
    mark: Option<LaneMark>,
    batch: Batch,
    rejects: Vec<Reject>,
    clock: ArrivalMs,
    /// Bytes of text read with it and before.
    offset: u64,
    ended: Option<LaneReport>,
}

/// A lane as its worker sees it.
struct Lane {
    index: u16,
    clock: ArrivalMs,
    chunks: Receiver<Chunk>,
    /// Emptied batches, on their way back to the reading thread.
    empties: SyncSender<Batch>,
}

/// The inputs of a worker. Events and emissions always stand at the same time.
pub struct Inputs {
    /// Events.
    pub events: InputHandle<u64, CapacityContainerBuilder<Batch>>,
    /// Rejected rows and reports of lanes.
    pub emissions: InputHandle<u64, CapacityContainerBuilder<Emissions>>,
    /// The last arrival of the worker's lanes, said once when they have ended.
    pub ends: InputHandle<u64, CapacityContainerBuilder<Vec<u64>>>,
    /// Orders to all workers, from the first worker of a durable run.
    pub orders: Option<InputOf<(u64, Order)>>,
    /// Bins to be taken up, likewise.
    pub bins: Option<InputOf<Bin>>,
}

/// An input of plain things.
pub type InputOf<T> = InputHandle<u64, CapacityContainerBuilder<Vec<T>>>;

impl Inputs {
    /// Nothing more will come before this time. Nobody waits for the ends' own time.
    fn advance_to(&mut self, time: u64) {
        self.events.advance_to(time);
        self.emissions.advance_to(time);
        if let Some(orders) = &mut self.orders {
            orders.advance_to(time);
        }
    }

    /// Hands out what is taken up, before anything else.
    pub fn hand_out(&mut self, restored: Option<Restored>, workers: usize) {
        if let (Some(orders), Some(restored)) = (&mut self.orders, &restored) {
            for order in restored.orders(workers) {
                orders.send(order);
            }
            orders.flush();
        }
        if let (Some(mut bins), Some(restored)) = (self.bins.take(), restored) {
            for bin in restored.bins {
                bins.send(bin);
            }
        }
    }
}

/// Batches to be filled again, and what a durable run needs.
pub type Room<'a> = (&'a Spares<Batch>, Option<&'a Durable>);

/// What a worker's feed needs for a durable run.
pub struct Durable {
    /// What its operators tell it.
    pub shared: Rc<Shared>,
    /// What leaves the job, on the first worker.
    pub collected: Rc<RefCell<Collected>>,
    /// Where other rules are asked for, if they can be.
    pub changes: Option<Changes>,
}

impl Durable {
    /// On the first worker: orders what is to be ordered now.
    fn order(&self, inputs: &mut Inputs, stands_ms: u64, workers: usize) {
        let (Some(orders), Some(keeper)) =
            (&mut inputs.orders, &mut self.collected.borrow_mut().keeper)
        else {
            return;
        };
        let mut ordered = Vec::new();
        for change in self.changes.iter().flat_map(|all| all.take(stands_ms)) {
            match change {
                Ok(mut change) => {
                    keeper.take_over(&mut change);
                    failure::say(&format!("restage: {}", change.told));
                    ordered.push(change.order);
                }
                Err(error) => {
                    failure::say(&format!("restage: warning: the rules stay: {error}"));
                }
            }
        }
        ordered.extend(keeper.next_order(stands_ms));
        if ordered.is_empty() {
            return;
        }
        for order in ordered {
            for worker in 0..workers as u64 {
                orders.send((worker, order.clone()));
            }
        }
        orders.flush();
    }
}

/// How a worker's lanes are fed.
#[derive(Clone)]
pub struct Feed {
    /// How the input is cut.
    pub pace: Pace,
    /// Whether rejected rows are sent on.
    pub keep_rejects: bool,
    /// Whether the run is durable.
    pub durable: bool,
    /// Bytes read so far.
    pub progress: Progress,
    /// Asks the run to stop.
    pub stop: Stop,
    /// Who is told how far lanes are read, if anyone is.
    pub status: Option<JobStatus>,
    /// Whether anything happens on the lanes.
    pub lull: Lull,
}

impl Feed {
    /// Sends a worker's lanes into the dataflow, to the end or until the run is stopped.
    pub fn run(
        &self,
        worker: &mut Worker,
        mut inputs: Inputs,
        probe: &ProbeHandle<u64>,
        lanes: Vec<OpenLane>,
        (spares, durable): Room<'_>,
    ) {
        let mut lanes: Vec<Lane> = lanes.into_iter().map(|lane| self.read(lane)).collect();
        // Times at which the inputs stood after the latest epochs, oldest first.
        let mut open: VecDeque<u64> = VecDeque::new();
        let (mut last_ms, mut stands_ms) = (0, 0);
        while !lanes.is_empty() {
            if self.stop.reason().is_some() {
                if durable.is_none() {
                    break;
                }
                watchdog::came_round(0, probe);
                // The inputs must not end before the log: the process does.
                std::thread::park_timeout(PARK);
                continue;
            }
            watchdog::came_round(stands_ms, probe);
            while open.front().is_some_and(|time| !probe.less_than(time)) {
                open.pop_front();
            }
            if open.len() >= self.pace.read_ahead {
                worker.step_or_park(Some(PARK));
                continue;
            }
            let (mut sent, mut room) = (false, self.pace.batch_events_max);
            while room > 0
                && let Some(behind) = (0..lanes.len()).min_by_key(|&at| lanes[at].clock)
            {
                let mut chunk = match lanes[behind].chunks.try_recv() {
                    Ok(chunk) => chunk,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        lanes.swap_remove(behind);
                        continue;
                    }
                };
                (sent, room) = (true, room.saturating_sub(chunk.batch.len().max(1)));
                if let (Some(durable), Some(mark)) = (durable, chunk.mark.take()) {
                    durable.shared.note(lanes[behind].index, mark);
                }
                inputs.events.send_batch(&mut chunk.batch);
                if let Some(empty) = spares.take() {
                    // A full queue means that the reading thread has enough of them.
                    let _ = lanes[behind].empties.try_send(empty);
                }
                inputs
                    .emissions
                    .send_batch(&mut self.emissions(&chunk, lanes[behind].index));
                lanes[behind].clock = chunk.clock;
                if let Some(status) = &self.status {
                    status.read(lanes[behind].index, chunk.clock.0, chunk.offset);
                }
                last_ms = last_ms.max(chunk.clock.0);
                if chunk.ended.is_some() {
                    if let Some(durable) = durable {
                        let (lane, last_ms) = (lanes[behind].index, chunk.clock.0);
                        durable.shared.ended(lane, last_ms, chunk.offset);
                    }
                    lanes.swap_remove(behind);
                }
            }
            if !sent {
                worker.step_or_park(Some(PARK));
                continue;
            }
            if let Some(earliest) = lanes.iter().map(|lane| lane.clock.0).min() {
                let time = earliest / self.pace.grain_ms * self.pace.grain_ms;
                inputs.advance_to(time);
                stands_ms = time;
                open.push_back(time);
                if let Some(durable) = durable {
                    durable.order(&mut inputs, time, worker.peers());
                }
            }
            worker.step();
        }
        inputs.ends.send(last_ms);
        if let Some(durable) = durable {
            self.see_off(worker, inputs, durable, probe);
        }
    }

    /// This worker's lanes have ended; the first one goes on giving orders until all others' have.
    fn see_off(
        &self,
        worker: &mut Worker,
        mut inputs: Inputs,
        durable: &Durable,
        probe: &ProbeHandle<u64>,
    ) {
        std::mem::take(&mut inputs.events).close();
        std::mem::take(&mut inputs.emissions).close();
        std::mem::take(&mut inputs.ends).close();
        while inputs.orders.is_some() && durable.shared.events_ms.get() < u64::MAX {
            let stands_ms = durable.shared.events_ms.get();
            if let Some(orders) = &mut inputs.orders
                && *orders.time() < stands_ms
            {
                orders.advance_to(stands_ms);
                durable.order(&mut inputs, stands_ms, worker.peers());
            }
            let orders = inputs.orders.as_ref();
            watchdog::came_round(orders.map_or(u64::MAX, |orders| *orders.time()), probe);
            worker.step_or_park(Some(PARK));
        }
    }

    /// Rejected rows, how far a lane has been read, and the report of one that has ended.
    fn emissions(&self, chunk: &Chunk, lane: u16) -> Emissions {
        let mut emissions = Emissions::default();
        if self.keep_rejects {
            for reject in &chunk.rejects {
                emit_reject(reject, &mut emissions);
            }
        }
        if self.durable {
            let key = [&lane.to_be_bytes()[..]];
            emissions.write(chunk.clock.0, Tag::Offset, &key, |body| {
                body.extend_from_slice(&chunk.offset.to_le_bytes());
            });
        }
        if let Some(report) = &chunk.ended {
            match &report.error {
                Some((message, code)) if self.durable => failure::leave(message, *code),
                Some(_) => self.stop.ask(StopReason::LaneFailed),
                None => {}
            }
            let key = [&report.lane.to_be_bytes()[..]];
            emissions.write(u64::MAX, Tag::Lane, &key, |body| {
                serde_json::to_writer(body, report).expect("a report is plain data");
            });
        }
        emissions
    }

    /// Starts a lane's reading thread.
    fn read(&self, lane: OpenLane) -> Lane {
        let (queue, chunks) = sync_channel(QUEUE_MAX);
        let (empties, returned) = sync_channel(QUEUE_MAX);
        let index = lane.index;
        let worker = std::thread::current();
        let feed = self.clone();
        tracing::info!(lane = lane.index, log = %lane.name, format = lane.reader.format().name(), "reading");
        let thread = std::thread::Builder::new().name(format!("lane-{index}"));
        let started = thread.spawn(move || {
            let mut lane = lane;
            let (mut before, mut spare, mut clock) = (0, None, ArrivalMs(0));
            let mut said = Instant::now();
            loop {
                let room = spare.take().or_else(|| returned.try_recv().ok());
                let chunk = lane.next(room, feed.pace.batch_events_max);
                let read = lane.reader.bytes_read();
                feed.progress.fetch_add(read - before, Ordering::Relaxed);
                before = read;
                let ended = chunk.ended.is_some();
                let empty = chunk.batch.is_empty() && chunk.rejects.is_empty();
                if !empty {
                    feed.lull.end();
                }
                // A lane that is still being sorted has nothing to send yet, and a clock may wait a
                // little where nobody waits for it.
                let is_no_news = clock == chunk.clock || feed.lull.lets_wait(said);
                if empty && is_no_news && !ended && feed.stop.reason().is_none() {
                    spare = Some(chunk.batch);
                    continue;
                }
                (clock, said) = (chunk.clock, Instant::now());
                let events = chunk.batch.len();
                tracing::debug!(
                    lane = lane.index,
                    events,
                    clock_ms = chunk.clock.0,
                    "read a batch"
                );
                // The worker is gone when the run was stopped.
                let gone = queue.send(chunk).is_err();
                worker.unpark();
                if ended || gone || feed.stop.reason().is_some() {
                    return;
                }
            }
        });
        started.expect("the system starts a thread");
        Lane {
            index,
            clock: ArrivalMs(0),
            chunks,
            empties,
        }
    }
}

impl OpenLane {
    /// Reads the next batch.
    fn next(&mut self, room: Option<Batch>, events_max: usize) -> Chunk {
        let mut batch = room.unwrap_or_else(|| Batch::with_capacity(events_max));
        let mut rejects = Vec::new();
        let mark = self.reader.mark();
        let more = self.reader.fill(&mut batch, &mut rejects, events_max);
        let (clock, offset) = (self.reader.clock(), self.reader.tally().bytes);
        if self.over.is_some_and(|bytes| offset > bytes) {
            let (name, grown) = (&self.name, LogError::Grown);
            failure::leave(&format!("{name}: {grown}"), grown.exit_code());
        }
        let ended = !matches!(more, Ok(true));
        Chunk {
            mark,
            offset,
            batch,
            rejects,
            clock,
            ended: ended.then(|| LaneReport {
                lane: self.index,
                log: self.name.clone(),
                format: self.reader.format().name().into(),
                tally: self.reader.tally().clone(),
                error: more
                    .err()
                    .map(|error| (failure::chain(&error), error.exit_code())),
            }),
        }
    }
}
