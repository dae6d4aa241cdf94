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
use crate::format::{FormatName, InputError, LaneOptions, LaneRead, LaneReader, LaneTally, Source};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A log in memory.
pub struct HeldLog {
    /// All but the last hold as many events as a batch does.
    chunks: Vec<Batch>,
    len: usize,
    rejected: u64,
    format: FormatName,
}

impl HeldLog {
    /// Reads logs, each as a lane of its own, and brings their events into canonical order.
    ///
    /// # Errors
    /// [`InputError`] of the first log that cannot be read.
    pub fn read(logs: &[Source], options: &LaneOptions) -> Result<HeldLog, InputError> {
        let (mut batches, mut format) = (Vec::new(), FormatName::RestageCsv);
        let mut rejected = 0;
        for (index, source) in logs.iter().enumerate() {
            let mut reader = LaneReader::open(source, Lane(index as u16), options)?;
            format = reader.format();
            let (mut rejects, mut more) = (Vec::new(), true);
            while more {
                let mut batch = Batch::with_capacity(Batch::EVENTS_MAX);
                more = reader.fill(&mut batch, &mut rejects, Batch::EVENTS_MAX)?;
                rejected += rejects.len() as u64;
                rejects.clear();
                batches.push(batch);
            }
        }
        let all = batches.iter().flat_map(Batch::iter);
        let mut log = HeldLog {
            chunks: Vec::new(),
            len: 0,
            rejected,
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
        if self.len.is_multiple_of(Batch::EVENTS_MAX) {
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

    /// Rows that were no events.
    pub fn rejected(&self) -> u64 {
        self.rejected
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

    /// How many of the first `events` events are answered before the log ends: those of its last
    /// millisecond are only when every session has been ended, too.
    pub fn answerable(&self, events: usize) -> usize {
        let Some(last) = events.checked_sub(1) else {
            return 0;
        };
        let last = self.arrival(last);
        (0..events)
            .rev()
            .find(|at| self.arrival(*at) < last)
            .map_or(0, |at| at + 1)
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

/// Time between the last event and the end of the log.
const BEFORE_THE_END: Duration = Duration::from_millis(20);

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
        if self.next == self.end {
            // What was answered is told before all sessions end.
            std::thread::sleep(BEFORE_THE_END);
            return self.end;
        }
        let Some(timetable) = &self.timetable else {
            return self.end;
        };
        let start = *timetable.start.get_or_init(Instant::now);
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
        let is_over = self.next == self.end;
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
        Ok(!is_over)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    const FROM_MS: u64 = 1_600_000_000_000;

    fn logs(lanes: u64, events: u64) -> Arc<HeldLog> {
        let dir = tempfile::tempdir().unwrap();
        let write = |lane: u64| {
            let mut text = "event_ms,visitor,kind\n".to_owned();
            for at in (lane..events).step_by(lanes as usize) {
                let _ = writeln!(text, "{},v{at},search", FROM_MS + at);
            }
            let path = dir.path().join(format!("{lane}.csv"));
            std::fs::write(&path, text).unwrap();
            Source::parse(&path)
        };
        let sources: Vec<Source> = (0..lanes).map(write).collect();
        Arc::new(HeldLog::read(&sources, &LaneOptions::default()).unwrap())
    }

    /// Every event once, in order, and never below the clock as it last stood.
    fn read(lane: &mut HeldLane, events_max: usize) -> Vec<usize> {
        let (mut sizes, mut rejects, mut more) = (Vec::new(), Vec::new(), true);
        let (mut clock, mut next) = (ArrivalMs(0), 0);
        while more {
            let mut batch = Batch::default();
            more = lane.fill(&mut batch, &mut rejects, events_max).unwrap();
            for event in batch.events() {
                assert!(event.arrival >= clock);
                assert_eq!(event.arrival.0, FROM_MS + next);
                next += 1;
            }
            clock = lane.clock();
            sizes.push(batch.len());
        }
        sizes
    }

    #[test]
    fn several_logs_come_as_one_lane_in_order() {
        let log = logs(3, 10_000);
        assert_eq!(log.len(), 10_000);
        let sizes = read(&mut HeldLane::new(&log, usize::MAX, None), 4_096);
        assert_eq!(sizes, [4_096, 4_096, 1_808, 0]);
        assert_eq!((log.answerable(10_000), log.answerable(1)), (9_999, 0));
        assert_eq!(read(&mut HeldLane::new(&log, 5, None), 2), [2, 2, 1, 0]);
        assert_eq!(log.own_rate(10_000).map(f64::round), Some(1_000.0));
    }

    #[test]
    fn a_timetable_hands_over_what_fell_due_in_an_epoch_that_is_over() {
        let log = logs(1, 100);
        let timetable = Timetable::new(10_000.0, Duration::from_millis(1));
        assert_eq!(timetable.due_after(25), Duration::from_micros(2_500));
        assert_eq!(timetable.handed_after(25), Duration::from_millis(3));
        let begun = Instant::now();
        let mut lane = HeldLane::new(&log, 100, Some(timetable));
        let sizes = read(&mut lane, 4_096);
        assert_eq!(sizes.iter().sum::<usize>(), 100);
        assert!(
            begun.elapsed() >= Duration::from_millis(10),
            "no event before its time"
        );
    }

    #[test]
    fn a_lane_that_is_behind_hands_over_all_that_is_due() {
        let log = logs(1, 1_000);
        let mut lane = HeldLane::new(
            &log,
            1_000,
            Some(Timetable::new(1e6, Duration::from_millis(1))),
        );
        let (mut batch, mut rejects) = (Batch::default(), Vec::new());
        lane.fill(&mut batch, &mut rejects, 10).unwrap();
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(batch.len(), 10);
        assert!(lane.fill(&mut batch, &mut rejects, 4_096).unwrap());
        assert_eq!(batch.len(), 1_000);
        assert!(!lane.fill(&mut batch, &mut rejects, 4_096).unwrap());
    }
}
