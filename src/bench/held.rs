//! A log in memory, and the lane that hands it to the job: at once, or by a timetable.
//!
//! By a timetable the event number *n* is due *n*/rate seconds after the start, whether or not the job
//! has kept up (an open loop), and is handed over at the end of the epoch it falls due in: epochs are
//! stretches of the machine's clock, and what falls due in one is a batch. A lane that is behind hands
//! over what is due in batches as large as they may be. Events keep the arrival that their log gives
//! them, so decisions and digest are those of a replay; the log's clock moves on to the next event's
//! arrival with each batch.
//!
//! Invariant: events come in canonical order, each once. Cost: a copy of each event.

use crate::event::{ArrivalMs, Batch, Event, EventRef, Lane, Reject};
use crate::format::{
    FormatName, InputError, LaneOptions, LaneRead, LaneReader, LaneTally, Source,
};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A log in memory.
pub struct HeldLog {
    /// All but the last hold as many events as a batch does.
    chunks: Vec<Batch>,
    len: usize,
    format: FormatName,
}

impl HeldLog {
    /// Reads logs, each as a lane of its own, and brings their events into canonical order.
    ///
    /// # Errors
    /// [`InputError`] of the first log that cannot be read.
    pub fn read(logs: &[Source], options: &LaneOptions) -> Result<HeldLog, InputError> {
        let (mut batches, mut format) = (Vec::new(), FormatName::RestageCsv);
        for (index, source) in logs.iter().enumerate() {
            let mut reader = LaneReader::open(source, Lane(index as u16), options)?;
            format = reader.format();
            let (mut rejects, mut more) = (Vec::new(), true);
            while more {
                let mut batch = Batch::with_capacity(Batch::EVENTS_MAX);
                more = reader.fill(&mut batch, &mut rejects, Batch::EVENTS_MAX)?;
                rejects.clear();
                batches.push(batch);
            }
        }
        let all = batches.iter().flat_map(Batch::iter);
        let mut log = HeldLog {
            chunks: Vec::new(),
            len: 0,
            format,
        };
        if logs.len() == 1 {
            // One lane is in order.
            all.for_each(|event| log.push(event));
        } else {
            let mut sorted: Vec<EventRef<'_>> = all.collect();
            sorted.sort_by_key(|event| Event::order(event.event));
            sorted.into_iter().for_each(|event| log.push(event));
        }
        Ok(log)
    }

    fn push(&mut self, EventRef { event, texts }: EventRef<'_>) {
        if self.len % Batch::EVENTS_MAX == 0 {
            self.chunks.push(Batch::with_capacity(Batch::EVENTS_MAX));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(*event, texts);
            self.len += 1;
        }
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The event at a place.
    pub fn get(&self, at: usize) -> EventRef<'_> {
        self.chunks[at / Batch::EVENTS_MAX].get(at % Batch::EVENTS_MAX)
    }

    /// Arrival of the event at a place.
    pub fn arrival(&self, at: usize) -> ArrivalMs {
        self.chunks[at / Batch::EVENTS_MAX].events()[at % Batch::EVENTS_MAX].arrival
    }

    /// How many events a second of the log's own clock there are, over the first `events`.
    pub fn own_rate(&self, events: usize) -> Option<f64> {
        let last = self.arrival(events.checked_sub(1)?);
        let span_ms = last.0.saturating_sub(self.arrival(0).0);
        (span_ms > 0).then(|| events as f64 * 1e3 / span_ms as f64)
    }
}

/// When events fall due.
#[derive(Clone, Debug)]
pub struct Timetable {
    /// Events a second.
    pub per_s: f64,
    /// What falls due in such a stretch is handed over at its end; 0 for at once.
    pub epoch: Duration,
    /// When the first event is due: when the lane is first read.
    pub start: Arc<OnceLock<Instant>>,
}

impl Timetable {
    /// Events at so many a second, in epochs of so long.
    pub fn new(per_s: f64, epoch: Duration) -> Timetable {
        Timetable {
            per_s,
            epoch,
            start: Arc::default(),
        }
    }

    /// After how long an event is due, counted from the start.
    pub fn due_after(&self, event: usize) -> Duration {
        Duration::from_secs_f64(event as f64 / self.per_s)
    }

    /// After how long an event is handed over at the earliest: at the end of its epoch.
    pub fn handed_after(&self, event: usize) -> Duration {
        let due = self.due_after(event);
        match self.epoch.as_nanos() {
            0 => due,
            epoch => {
                let epochs = due.as_nanos() / epoch + 1;
                Duration::from_nanos(u64::try_from(epochs * epoch).unwrap_or(u64::MAX))
            }
        }
    }
}

/// The lane that hands out the first events of a log in memory.
pub struct HeldLane {
    log: Arc<HeldLog>,
    next: usize,
    end: usize,
    timetable: Option<Timetable>,
    tally: LaneTally,
}

impl HeldLane {
    /// The first `events` events, as fast as they are taken or by a timetable.
    pub fn new(log: &Arc<HeldLog>, events: usize, timetable: Option<Timetable>) -> HeldLane {
        HeldLane {
            log: Arc::clone(log),
            next: 0,
            end: events.min(log.len()),
            timetable,
            tally: LaneTally::default(),
        }
    }

    /// Waits until an event may be handed over, and says how many may.
    fn wait(&self) -> usize {
        let Some(timetable) = &self.timetable else {
            return self.end;
        };
        let start = *timetable.start.get_or_init(Instant::now);
        if self.next == self.end {
            return self.end;
        }
        let next = timetable.handed_after(self.next);
        let mut passed = start.elapsed();
        while passed < next {
            std::thread::sleep(next - passed);
            passed = start.elapsed();
        }
        // The last end of an epoch that has passed.
        let cut = match timetable.epoch.as_nanos() {
            0 => passed.as_secs_f64(),
            epoch => (passed.as_nanos() / epoch * epoch) as f64 / 1e9,
        };
        // Due before the cut; by rounding it may be one more or less, but for the next one.
        let due = (cut * timetable.per_s).ceil() as usize;
        due.clamp(self.next + 1, self.end)
    }
}

impl LaneRead for HeldLane {
    fn fill(
        &mut self,
        batch: &mut Batch,
        _rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError> {
        let due = self.wait();
        let room = events_max.saturating_sub(batch.len());
        let to = due.min(self.next + room);
        for at in self.next..to {
            let EventRef { event, texts } = self.log.get(at);
            batch.push(*event, texts);
        }
        self.next = to;
        self.tally.rows = to as u64;
        self.tally.accepted = to as u64;
        Ok(self.next < self.end)
    }

    fn clock(&self) -> ArrivalMs {
        let at = self.next.min(self.end.saturating_sub(1));
        if self.end == 0 {
            return ArrivalMs(0);
        }
        self.log.arrival(at)
    }

    fn format(&self) -> FormatName {
        self.log.format
    }

    fn tally(&self) -> &LaneTally {
        &self.tally
    }

    fn bytes_total(&self) -> Option<u64> {
        None
    }

    fn bytes_read(&self) -> u64 {
        0
    }
}
