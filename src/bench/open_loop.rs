//! Latencies of an open loop: from the moment an event was due to the moment its decision was known.
//!
//! An event is answered when the sink's frontier has passed its arrival: from then on its decision, or
//! that there is none, is known there; in a durable run when that is committed, too. Every event that
//! was due counts from when it was due, not from when it was handed over, so a job that falls behind is
//! charged for all whom it kept waiting (no coordinated omission). Only a warm-up at the beginning is
//! cut off, and the events of the log's last millisecond, which are answered when the log ends.
//!
//! A rate is sustained if the backlog does not grow: by the line that fits it best after the warm-up, by
//! less than a hundredth of what is offered, and if what was answered while events came is within a
//! fiftieth of what was offered.

use super::held::{HeldLog, Timetable};
use super::histogram::Histogram;
use crate::flow::milestones::Passed;
use std::time::{Duration, Instant};

/// Stretches of equal time that latency is told for.
pub const STRETCHES: usize = 60;

/// Latency of the events that were due within a stretch of time.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Its middle, in seconds from the start.
    pub at_s: f64,
    /// Median latency.
    pub p50_ns: u64,
    /// Latency that one event in a hundred exceeds.
    pub p99_ns: u64,
    /// The greatest latency.
    pub max_ns: u64,
}

/// What an open loop came to.
#[derive(Clone, Debug)]
pub struct OpenLoop {
    /// Events a second that were due.
    pub offered_per_s: f64,
    /// Events a second that were answered while events fell due, after the warm-up.
    pub achieved_per_s: f64,
    /// By how many events a second the backlog grew.
    pub backlog_slope_per_s: f64,
    /// Latencies in ns, warm-up cut off.
    pub latency: Histogram,
    /// Latency by stretch of time, warm-up included.
    pub over_time: Vec<Stretch>,
    /// Events that were due.
    pub offered: u64,
    /// Those among them of the log's last millisecond, which are not counted.
    pub closing: u64,
}

impl OpenLoop {
    /// Whether the job kept up.
    pub fn sustained(&self) -> bool {
        self.backlog_slope_per_s < 0.01 * self.offered_per_s
            && self.achieved_per_s >= 0.98 * self.offered_per_s
    }
}

/// Says of each of the first `events` events when it was answered, in their order.
pub fn answered(
    log: &HeldLog,
    events: usize,
    passed: &Passed,
    mut take: impl FnMut(usize, Instant),
) {
    let mut commits = passed.committed.iter().peekable();
    let mut next = 0;
    for closed in &passed.closed {
        // All output before this is committed when that handed over by then is.
        while commits
            .next_if(|(epoch_ms, _)| *epoch_ms < closed.handed_ms)
            .is_some()
        {}
        let committed = match (closed.handed_ms, commits.peek()) {
            (0, _) | (_, None) => closed.at,
            (_, Some((_, at))) => closed.at.max(*at),
        };
        while next < events && log.arrival(next).0 < closed.closed_ms {
            take(next, committed);
            next += 1;
        }
    }
}

/// Latencies of the first `events` events of a log that were due by a timetable.
pub fn measure(
    log: &HeldLog,
    events: usize,
    (timetable, warm_up): (&Timetable, f64),
    passed: &Passed,
) -> OpenLoop {
    let start = timetable.start.get().copied().unwrap_or_else(Instant::now);
    let span = timetable.due_after(events);
    let after = span.mul_f64(warm_up);
    let mut latency = Histogram::default();
    let (mut stretch, mut of_stretch, mut over_time) = (0, Histogram::default(), Vec::new());
    let stretch_s = span.as_secs_f64() / STRETCHES as f64;
    let told = |stretch: usize, latency: &Histogram| Stretch {
        at_s: (stretch as f64 + 0.5) * stretch_s,
        p50_ns: latency.quantile(0.5),
        p99_ns: latency.quantile(0.99),
        max_ns: latency.max(),
    };
    let counted = log.answerable(events);
    let mut done = Vec::with_capacity(counted);
    answered(log, counted, passed, |event, at| {
        let due = timetable.due_after(event);
        let at = at.saturating_duration_since(start);
        let late = at.saturating_sub(due).as_nanos() as u64;
        let falls_in = (due.as_secs_f64() / stretch_s) as usize;
        if falls_in != stretch {
            over_time.push(told(stretch, &of_stretch));
            (stretch, of_stretch) = (falls_in, Histogram::default());
        }
        of_stretch.add(late, 1);
        if due >= after {
            latency.add(late, 1);
        }
        done.push(at);
    });
    let within = done.iter().filter(|at| (after..span).contains(*at)).count();
    over_time.push(told(stretch, &of_stretch));
    OpenLoop {
        offered_per_s: timetable.per_s,
        achieved_per_s: within as f64 / (span - after).as_secs_f64(),
        backlog_slope_per_s: slope(&done, (timetable, events), (after, span)),
        latency,
        over_time,
        offered: events as u64,
        closing: (events - counted) as u64,
    }
}

/// Slope of the line through the backlog at a thousand moments after the warm-up, by least squares.
fn slope(
    done: &[Duration],
    (timetable, events): (&Timetable, usize),
    (after, span): (Duration, Duration),
) -> f64 {
    const MOMENTS: u32 = 1_000;
    let moments = (0..MOMENTS).map(|nth| after + (span - after) * nth / MOMENTS);
    let points: Vec<(f64, f64)> = moments
        .map(|at| {
            let due = ((at.as_secs_f64() * timetable.per_s) as usize + 1).min(events);
            let answered = done.partition_point(|done| *done <= at);
            (at.as_secs_f64(), due as f64 - answered as f64)
        })
        .collect();
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let variance: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if variance > 0.0 {
        covariance / variance
    } else {
        0.0
    }
}

/// Events a second of a closed loop, and for how long they were counted: those that were answered after
/// the moment of the first answer past the warm-up, up to the last answer. What is answered at one moment is
/// of no length, so the events of that first answer do not count. Nothing where all were answered at once.
pub fn throughput(
    log: &HeldLog,
    events: usize,
    warm_up: f64,
    passed: &Passed,
) -> Option<(f64, Duration)> {
    let first = (events as f64 * warm_up) as usize;
    let events = log.answerable(events);
    let (mut begun, mut ended, mut counted) = (None, None, 0_u64);
    answered(log, events, passed, |event, at| {
        if event >= first {
            counted += u64::from(at > *begun.get_or_insert(at));
            ended = Some(at);
        }
    });
    let span = ended?.saturating_duration_since(begun?);
    (counted > 0).then(|| (counted as f64 / span.as_secs_f64(), span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::milestones::Closed;
    use crate::format::{LaneOptions, Source};
    use std::fmt::Write;

    const FROM_MS: u64 = 1_600_000_000_000;

    /// Events of which two arrive at every millisecond.
    fn log(events: usize) -> HeldLog {
        let mut text = "event_ms,visitor,kind\n".to_owned();
        for at in 0..events {
            let _ = writeln!(text, "{},v{at},search", FROM_MS + at as u64 / 2);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.csv");
        std::fs::write(&path, text).unwrap();
        let log = HeldLog::read(&[Source::parse(&path)], &LaneOptions::default()).unwrap();
        assert_eq!(log.len(), events);
        log
    }

    /// A run whose sink came past each of these times of the log, in ms, after so many ms.
    fn passed(start: Instant, moves: impl IntoIterator<Item = (u64, u64)>) -> Passed {
        let closed = moves.into_iter().map(|(closed_ms, after_ms)| Closed {
            closed_ms: FROM_MS + closed_ms,
            handed_ms: 0,
            at: start + Duration::from_millis(after_ms),
        });
        Passed {
            closed: closed.collect(),
            committed: Vec::new(),
        }
    }

    fn timetable(per_s: f64) -> (Timetable, Instant) {
        let timetable = Timetable::new(per_s, Duration::from_millis(1));
        let start = *timetable.start.get_or_init(Instant::now);
        (timetable, start)
    }

    #[test]
    fn an_event_waits_from_when_it_was_due_until_the_frontier_has_passed_it() {
        // Due at 0, 1, 2 … ms; the log's clock is at 0, 0, 1, 1, 2 …
        let (log, (timetable, start)) = (log(8), timetable(1_000.0));
        let passed = passed(start, [(1, 5), (2, 6), (3, 7), (9, 20)]);
        let mut seen = Vec::new();
        answered(&log, 8, &passed, |event, at| {
            seen.push((event, (at - start).as_millis()))
        });
        assert_eq!(
            seen,
            [
                (0, 5),
                (1, 5),
                (2, 6),
                (3, 6),
                (4, 7),
                (5, 7),
                (6, 20),
                (7, 20)
            ]
        );
        let came = measure(&log, 8, (&timetable, 0.0), &passed);
        // 5, 4, 4, 3, 3, 2; the last two close the log.
        assert_eq!(
            (came.latency.total(), came.offered, came.closing),
            (6, 8, 2)
        );
        assert_eq!(came.latency.max(), 5_000_000);
        assert!((3_000_000..=3_100_000).contains(&came.latency.quantile(0.5)));
        let cut = measure(&log, 8, (&timetable, 0.5), &passed);
        assert_eq!((cut.latency.total(), cut.offered), (2, 8));
    }

    #[test]
    fn what_is_answered_at_one_moment_is_of_no_length() {
        // Eight events in two batches, of which the second takes 10 ms.
        let (log, (_, start)) = (log(9), timetable(1_000.0));
        let two = passed(start, [(2, 5), (4, 15), (9, 20)]);
        let (per_s, span) = throughput(&log, 9, 0.0, &two).unwrap();
        assert_eq!(((per_s * 0.01).round(), span.as_millis()), (4.0, 10));
        let one = passed(start, [(9, 5)]);
        assert_eq!(throughput(&log, 9, 0.0, &one), None);
    }

    #[test]
    fn in_a_durable_run_an_event_waits_for_the_commit_of_what_was_handed_over() {
        let (log, (_, start)) = (log(6), timetable(1_000.0));
        let mut passed = passed(start, [(1, 5), (2, 6), (3, 7)]);
        passed.closed[1].handed_ms = FROM_MS + 2;
        passed.closed[2].handed_ms = FROM_MS + 2;
        passed.committed = vec![(FROM_MS + 2, start + Duration::from_millis(40))];
        let mut seen = Vec::new();
        answered(&log, 6, &passed, |_, at| {
            seen.push((at - start).as_millis())
        });
        assert_eq!(seen, [5, 5, 40, 40, 40, 40]);
    }

    #[test]
    fn a_job_that_falls_behind_is_charged_and_told() {
        let (log, (timetable, start)) = (log(2_000), timetable(2_000.0));
        let keeps_up = passed(start, (1..=1_000).map(|ms| (ms, ms + 1)));
        let came = measure(&log, 2_000, (&timetable, 0.1), &keeps_up);
        assert!(came.sustained(), "{}", came.backlog_slope_per_s);
        assert!((came.achieved_per_s - 2_000.0).abs() < 40.0);
        // Half as fast: who is due at the end waits for half of the whole.
        let falls_behind = passed(start, (1..=1_000).map(|ms| (ms, 2 * ms)));
        let came = measure(&log, 2_000, (&timetable, 0.1), &falls_behind);
        assert!(!came.sustained());
        assert!(
            (came.backlog_slope_per_s - 1_000.0).abs() < 20.0,
            "{}",
            came.backlog_slope_per_s
        );
        assert!((came.achieved_per_s - 1_000.0).abs() < 20.0);
        assert!(came.latency.max() > 990_000_000);
        assert!(came.over_time.len() == STRETCHES);
        assert!(came.over_time.is_sorted_by_key(|stretch| stretch.p50_ns));
    }
}
