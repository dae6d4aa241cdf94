//! The rules of time of one lane.
//!
//! The clock is the arrival where the log gives one, else the event time. What it has reached, its
//! running maximum, is the arrival of whatever comes next: a smaller fall is lifted to it, a fall
//! beyond the lateness means that the log is not in order. Where arrivals are given, the shopper's
//! clock is judged against them. An event that is refused for its own time still moves the clock,
//! for its arrival is the log's and not the shopper's.
//!
//! Invariant, but for a tolerant clock: arrivals never fall and no event is later than its arrival.

use crate::event::{ArrivalMs, EventMs, Reason};

use super::RawEvent;

/// A lane's clock.
pub(crate) struct Clock {
    pub(crate) lateness_ms: u64,
    pub(crate) future_ms: u64,
    pub(crate) tolerant: bool,
    /// The latest time so far, and the line that set it.
    max_ms: u64,
    line_of_max: u64,
}

/// When an event arrives and when it happened, by the rules.
pub(crate) type Times = (ArrivalMs, EventMs);

/// The clock fell too far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fallen {
    pub(crate) jump_ms: u64,
    pub(crate) line_of_max: u64,
}

/// Why an event is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The log is not in order.
    Fallen(Fallen),
    /// The event's own time is wrong.
    Row(Reason),
}

impl Clock {
    /// A clock that has seen nothing; a tolerant one checks nothing and changes no time.
    pub(crate) fn new(lateness_ms: u64, future_ms: u64, tolerant: bool) -> Clock {
        Clock {
            lateness_ms,
            future_ms,
            tolerant,
            max_ms: 0,
            line_of_max: 0,
        }
    }

    /// The latest time so far.
    #[inline]
    pub(crate) fn latest(&self) -> ArrivalMs {
        ArrivalMs(self.max_ms)
    }

    /// The latest time, in ms, and the line that set it.
    pub(crate) fn reached(&self) -> (u64, u64) {
        (self.max_ms, self.line_of_max)
    }

    /// Goes on from a time, in ms, and the line that set it.
    pub(crate) fn go_on(&mut self, (max_ms, line_of_max): (u64, u64)) {
        (self.max_ms, self.line_of_max) = (max_ms, line_of_max);
    }

    /// Applies the rules to one event's times and moves the clock on.
    #[inline]
    pub(crate) fn admit(&mut self, line: u64, event: &RawEvent<'_>) -> Result<Times, Refusal> {
        let now_ms = event.arrival_ms.unwrap_or(event.event_ms);
        let jump_ms = self.max_ms.saturating_sub(now_ms);
        if jump_ms > self.lateness_ms && !self.tolerant {
            return Err(Refusal::Fallen(Fallen {
                jump_ms,
                line_of_max: self.line_of_max,
            }));
        }
        if now_ms > self.max_ms {
            self.max_ms = now_ms;
            self.line_of_max = line;
        }
        if self.tolerant {
            return Ok((ArrivalMs(now_ms), EventMs(event.event_ms)));
        }
        let arrival_ms = self.max_ms;
        if event.arrival_ms.is_some() {
            if event.event_ms < arrival_ms.saturating_sub(self.lateness_ms) {
                return Err(Refusal::Row(Reason::Late));
            }
            if event.event_ms > arrival_ms.saturating_add(self.future_ms) {
                return Err(Refusal::Row(Reason::Future));
            }
        }
        Ok((
            ArrivalMs(arrival_ms),
            EventMs(event.event_ms.min(arrival_ms)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;

    /// What becomes of (arrival, event time), line by line: the two times, or why not.
    fn admit(clock: &mut Clock, rows: &[(Option<u64>, u64)]) -> Vec<Result<(u64, u64), Refusal>> {
        let mut line = 0;
        rows.iter()
            .map(|&(arrival_ms, event_ms)| {
                line += 1;
                let event = RawEvent {
                    arrival_ms,
                    ..RawEvent::new(event_ms, Kind::Search, b"v")
                };
                let (arrival, time) = clock.admit(line, &event)?;
                Ok((arrival.0, time.0))
            })
            .collect()
    }

    #[test]
    fn without_arrivals_the_latest_time_is_the_arrival() {
        let mut clock = Clock::new(100, 50, false);
        let rows = [0, 200, 100, 150, 300].map(|ms| (None, ms));
        let expected = [(0, 0), (200, 200), (200, 100), (200, 150), (300, 300)];
        assert_eq!(admit(&mut clock, &rows), expected.map(Ok));
        assert_eq!(clock.latest(), ArrivalMs(300));
    }

    #[test]
    fn given_arrivals_judge_the_shoppers_clock() {
        let rows = [
            ((Some(1000), 900), Ok((1000, 900))),
            ((Some(1000), 899), Err(Refusal::Row(Reason::Late))),
            ((Some(1000), 1050), Ok((1000, 1000))),
            ((Some(1000), 1051), Err(Refusal::Row(Reason::Future))),
            ((Some(900), 950), Ok((1000, 950))),
            ((Some(1100), 1100), Ok((1100, 1100))),
            ((Some(1200), 1000), Err(Refusal::Row(Reason::Late))),
            ((Some(1150), 1150), Ok((1200, 1150))),
        ];
        let (rows, expected): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        assert_eq!(admit(&mut Clock::new(100, 50, false), &rows), expected);
    }

    #[test]
    fn a_fall_beyond_the_lateness_is_told_with_its_size_and_origin() {
        for given in [false, true] {
            let rows = [0, 500, 400, 399].map(|ms| (given.then_some(ms), ms));
            let found = admit(&mut Clock::new(100, 50, false), &rows);
            let fallen = Fallen {
                jump_ms: 101,
                line_of_max: 2,
            };
            assert_eq!(found[2], Ok((500, 400)));
            assert_eq!(found[3], Err(Refusal::Fallen(fallen)));
        }
    }

    #[test]
    fn a_tolerant_clock_changes_nothing() {
        let rows = [(Some(9000), 5000), (None, 10), (Some(20), 4000)];
        let expected = [(9000, 5000), (10, 10), (20, 4000)];
        assert_eq!(
            admit(&mut Clock::new(100, 50, true), &rows),
            expected.map(Ok)
        );
    }

    #[test]
    fn limits_without_end_do_not_overflow() {
        let rows = [(Some(5000), 1), (Some(1), 9000)];
        let expected = [(5000, 1), (5000, 5000)];
        assert_eq!(
            admit(&mut Clock::new(u64::MAX, u64::MAX, false), &rows),
            expected.map(Ok)
        );
    }
}
