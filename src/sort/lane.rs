//! A lane that sorts its log first.
//!
//! The log is read tolerantly to its end, then sorted, and only then do the rules of time judge
//! its events, by the very clock that judges a lane as it stands. So a sorted lane gives what the
//! log that `restage import` makes of it would give.
//!
//! All of it happens on the thread that calls [`LaneRead::fill`]. While the log is still being read
//! a call appends no events and returns soon, so that the caller can see whether to go on.

use super::{SortError, SortOptions, Sorted, Sorter};
use crate::event::{ArrivalMs, Batch, Event, Lane, Reject};
use crate::format::clock::{Clock, Refusal};
use crate::format::lane::REJECTS_MAX;
use crate::format::{
    FormatName, InputError, LaneOptions, LaneRead, LaneReader, LaneTally, RawEvent, Source,
};
use std::io;

/// A lane, sorted.
pub struct SortedLane {
    path: String,
    reader: LaneReader,
    phase: Phase,
    clock: Clock,
    tally: LaneTally,
    lane: Lane,
}

enum Phase {
    Gathering(Sorter),
    Sorted(Sorted),
    Ended,
}

impl SortedLane {
    /// Opens a log as a lane; nothing is read yet but what tells its format.
    ///
    /// # Errors
    /// [`InputError`] when the log cannot be read or is not what it is said to be.
    pub fn open(
        source: &Source,
        lane: Lane,
        options: &LaneOptions,
        sort: SortOptions,
    ) -> Result<SortedLane, InputError> {
        let tolerant = LaneOptions {
            tolerate_disorder: true,
            ..options.clone()
        };
        Ok(SortedLane {
            path: source.to_string(),
            reader: LaneReader::open(source, lane, &tolerant)?,
            phase: Phase::Gathering(Sorter::new(&sort)),
            clock: Clock::new(options.lateness_ms, options.future_ms, false),
            tally: LaneTally::default(),
            lane,
        })
    }

    fn step(
        &mut self,
        batch: &mut Batch,
        rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError> {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Gathering(mut sorter) => {
                let more = self
                    .reader
                    .fill(sorter.open_batch(), rejects, Sorter::BATCH_EVENTS)?;
                self.tally.clone_from(self.reader.tally());
                self.phase = if more {
                    sorter.settle().map_err(|error| self.failed(error))?;
                    Phase::Gathering(sorter)
                } else {
                    Phase::Sorted(sorter.finish().map_err(|error| self.failed(error))?)
                };
                Ok(true)
            }
            Phase::Sorted(mut sorted) => {
                while batch.len() < events_max && rejects.len() < REJECTS_MAX {
                    let next = sorted.next_event().map_err(|error| self.failed(error))?;
                    let Some(event) = next else {
                        return Ok(false);
                    };
                    match self.judge(event.event) {
                        Ok(judged) => batch.push(judged, event.texts),
                        Err(reject) => rejects.push(reject),
                    }
                }
                self.phase = Phase::Sorted(sorted);
                Ok(true)
            }
            Phase::Ended => Ok(false),
        }
    }

    /// Applies the rules of time. A tolerant lane has put the time it sorts by into the arrival;
    /// where that is the event's own time, the rules judge it the same, given or not.
    fn judge(&mut self, event: &Event) -> Result<Event, Reject> {
        let given = RawEvent {
            arrival_ms: Some(event.arrival.0),
            ..RawEvent::new(event.time.0, event.kind, b"")
        };
        match self.clock.admit(event.line, &given) {
            Ok((arrival, time)) => Ok(Event {
                arrival,
                time,
                ..*event
            }),
            Err(Refusal::Row(reason)) => {
                self.tally.accepted -= 1;
                self.tally.rejected[reason as usize] += 1;
                Err(Reject {
                    arrival: self.clock.latest(),
                    lane: self.lane,
                    line: event.line,
                    offset: event.offset,
                    reason,
                    text: Vec::new(),
                })
            }
            Err(Refusal::Fallen(fallen)) => unreachable!(
                "sorted events ran backwards by {} ms at line {}",
                fallen.jump_ms, event.line
            ),
        }
    }

    fn failed(&self, error: SortError) -> InputError {
        InputError::Sort {
            path: self.path.clone(),
            source: io::Error::other(error),
        }
    }
}

impl LaneRead for SortedLane {
    fn fill(
        &mut self,
        batch: &mut Batch,
        rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError> {
        // After an error the phase is `Ended`.
        self.step(batch, rejects, events_max)
    }

    fn clock(&self) -> ArrivalMs {
        self.clock.latest()
    }

    fn format(&self) -> FormatName {
        self.reader.format()
    }

    fn tally(&self) -> &LaneTally {
        &self.tally
    }

    fn bytes_total(&self) -> Option<u64> {
        self.reader.bytes_total()
    }

    fn bytes_read(&self) -> u64 {
        self.reader.bytes_read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Reason;

    const T: u64 = 1_600_000_000_000;

    fn read(text: &str) -> (Vec<(u64, u64, u64)>, Vec<Reject>, LaneTally) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, text).unwrap();
        let options = LaneOptions {
            lateness_ms: 100,
            future_ms: 50,
            ..LaneOptions::default()
        };
        let sort = SortOptions::sharing(0, 1);
        let mut lane = SortedLane::open(&Source::parse(&path), Lane(0), &options, sort).unwrap();
        let (mut batch, mut rejects) = (Batch::default(), Vec::new());
        while lane.fill(&mut batch, &mut rejects, usize::MAX).unwrap() {}
        assert!(!lane.fill(&mut batch, &mut rejects, usize::MAX).unwrap());
        let event = |event: &Event| (event.arrival.0 - T, event.time.0 - T, event.line);
        let events = batch.events().iter().map(event).collect();
        (events, rejects, lane.tally().clone())
    }

    #[test]
    fn a_log_in_any_order_comes_out_sorted_and_keeps_its_places() {
        let row = |ms: u64| format!("{},v,search\n", T + ms);
        let text = format!(
            "event_ms,visitor,kind\n{}{}bad\n{}",
            row(900_000),
            row(5),
            row(900_000)
        );
        let (events, rejects, tally) = read(&text);
        assert_eq!(
            events,
            [(5, 5, 3), (900_000, 900_000, 2), (900_000, 900_000, 5)]
        );
        assert_eq!((rejects.len(), rejects[0].line), (1, 4));
        assert_eq!((tally.rows, tally.accepted), (4, 3));
    }

    #[test]
    fn the_rules_of_time_judge_after_the_sorting() {
        let row = |arrival: u64, time: u64| format!("{},{},v,search\n", T + arrival, T + time);
        let text = format!(
            "arrival_ms,event_ms,visitor,kind\n{}{}{}{}",
            row(9000, 9020),
            row(1000, 900),
            row(1000, 899),
            row(5000, 5051)
        );
        let (events, rejects, tally) = read(&text);
        assert_eq!(events, [(1000, 900, 3), (9000, 9000, 2)]);
        let reasons: Vec<_> = rejects.iter().map(|r| (r.reason, r.line)).collect();
        assert_eq!(reasons, [(Reason::Late, 4), (Reason::Future, 5)]);
        assert_eq!((tally.rows, tally.accepted), (4, 2));
        assert_eq!(tally.rejected.iter().sum::<u64>(), 2);
    }
}
