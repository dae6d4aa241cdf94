//! Feeding the dataflow: a reading thread a lane, and the loop that sends what they read.
//!
//! Lane `j` belongs to worker `j mod workers`. Its thread reads, decodes and fills batches ahead of
//! time, into a short queue; a worker never waits on a file. The worker always sends the batch of
//! the lane that is furthest behind, then moves its inputs up to the earliest clock among its
//! lanes, rounded down to the grain. How far a worker may run ahead of the whole job is bounded by
//! the read-ahead: so many sends whose epoch is still open anywhere (timely itself has no limit).

use super::container::{Emissions, Spares, Tag};
use super::failure::{Stop, StopReason};
use super::sessions::emit_reject;
use crate::event::{ArrivalMs, Batch, Reject};
use crate::format::{InputError, LaneReader, LaneTally};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

/// What a lane came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneReport {
    /// The log, as the command line names it.
    pub log: String,
    /// Its format.
    pub format: String,
    /// What was counted.
    pub tally: LaneTally,
    /// The clock where the lane ended.
    pub last_arrival_ms: u64,
    /// What ended it early: the error's text and exit code.
    pub error: Option<(String, i32)>,
}

/// A lane that has been opened, and the name it goes by.
pub struct OpenLane {
    /// The log, as the command line names it.
    pub name: String,
    /// The reader.
    pub reader: LaneReader,
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
    /// Most sends whose epoch is still open; at least 1.
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
/// Longest time a worker sleeps before it looks again.
const PARK: Duration = Duration::from_millis(1);

struct Chunk {
    batch: Batch,
    rejects: Vec<Reject>,
    clock: ArrivalMs,
    ended: Option<LaneReport>,
}

/// A lane as its worker sees it.
struct Lane {
    clock: ArrivalMs,
    chunks: Receiver<Chunk>,
    /// Emptied batches, on their way back to the reading thread.
    empties: SyncSender<Batch>,
}

fn read(lane: OpenLane, batch_events_max: usize, progress: Progress, stop: Stop) -> Lane {
    let (queue, chunks) = sync_channel(QUEUE_MAX);
    let (empties, returned) = sync_channel(QUEUE_MAX);
    let worker = std::thread::current();
    std::thread::spawn(move || {
        let OpenLane { name, mut reader } = lane;
        let mut before = 0;
        loop {
            let mut batch = returned
                .try_recv()
                .unwrap_or_else(|_| Batch::with_capacity(batch_events_max));
            let mut rejects = Vec::new();
            let more = reader.fill(&mut batch, &mut rejects, batch_events_max);
            let read = reader.bytes_read();
            progress.fetch_add(read - before, Ordering::Relaxed);
            before = read;
            let error = more
                .as_ref()
                .err()
                .map(|e: &InputError| (e.to_string(), e.exit_code()));
            let ended = !matches!(more, Ok(true));
            let chunk = Chunk {
                batch,
                rejects,
                clock: reader.clock(),
                ended: ended.then(|| LaneReport {
                    log: name.clone(),
                    format: reader.format().name().into(),
                    tally: reader.tally().clone(),
                    last_arrival_ms: reader.clock().0,
                    error,
                }),
            };
            // The worker is gone when the run was stopped.
            let gone = queue.send(chunk).is_err();
            worker.unpark();
            if ended || gone || stop.reason().is_some() {
                return;
            }
        }
    });
    Lane {
        clock: ArrivalMs(0),
        chunks,
        empties,
    }
}

/// The two inputs of a worker; they always stand at the same time.
pub struct Inputs {
    /// Events.
    pub events: InputHandle<u64, CapacityContainerBuilder<Batch>>,
    /// Rejected rows and reports of lanes.
    pub emissions: InputHandle<u64, CapacityContainerBuilder<Emissions>>,
}

impl Inputs {
    fn advance_to(&mut self, time: u64) {
        self.events.advance_to(time);
        self.emissions.advance_to(time);
    }
}

/// Sends a worker's lanes into the dataflow, to the end or until the run is stopped.
pub fn feed(
    worker: &mut Worker,
    mut inputs: Inputs,
    probe: &ProbeHandle<u64>,
    lanes: Vec<OpenLane>,
    pace: Pace,
    keep_rejects: bool,
    spares: &Spares<Batch>,
    progress: &Progress,
    stop: &Stop,
) {
    let start = |lane| {
        read(
            lane,
            pace.batch_events_max,
            Arc::clone(progress),
            stop.clone(),
        )
    };
    let mut lanes: Vec<Lane> = lanes.into_iter().map(start).collect();
    // Times at which the inputs stood after the latest sends, oldest first.
    let mut open: VecDeque<u64> = VecDeque::new();
    while let Some(behind) = (0..lanes.len()).min_by_key(|&at| lanes[at].clock) {
        if stop.reason().is_some() {
            break;
        }
        while open.front().is_some_and(|time| !probe.less_than(time)) {
            open.pop_front();
        }
        if open.len() >= pace.read_ahead {
            worker.step_or_park(Some(PARK));
            continue;
        }
        let mut chunk = match lanes[behind].chunks.try_recv() {
            Ok(chunk) => chunk,
            Err(TryRecvError::Empty) => {
                worker.step_or_park(Some(PARK));
                continue;
            }
            Err(TryRecvError::Disconnected) => {
                lanes.swap_remove(behind);
                continue;
            }
        };
        inputs.events.send_batch(&mut chunk.batch);
        if let Some(empty) = spares.take() {
            // A full queue means that the reading thread has enough of them.
            let _ = lanes[behind].empties.try_send(empty);
        }
        let mut emissions = Emissions::default();
        if keep_rejects {
            for reject in &chunk.rejects {
                emit_reject(reject, &mut emissions);
            }
        }
        let ended = chunk.ended.is_some();
        if let Some(report) = chunk.ended {
            if report.error.is_some() {
                stop.ask(StopReason::LaneFailed);
            }
            emissions.write(u64::MAX, Tag::Lane, &[report.log.as_bytes()], |body| {
                serde_json::to_writer(body, &report).expect("a report is plain data");
            });
        }
        inputs.emissions.send_batch(&mut emissions);
        lanes[behind].clock = chunk.clock;
        if ended {
            lanes.swap_remove(behind);
        }
        if let Some(earliest) = lanes.iter().map(|lane| lane.clock.0).min() {
            let time = earliest / pace.grain_ms * pace.grain_ms;
            inputs.advance_to(time);
            open.push_back(time);
        }
        worker.step();
    }
}
