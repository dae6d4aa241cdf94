//! Latency on the processor's clock: what a quiet machine would show.
//!
//! The job runs in this thread and is handed one epoch of the timetable after the other, as fast as it
//! takes them. What an epoch costs is the processor time of this thread until every decision in it is
//! known at the sink. From these costs a queue is played: an epoch is ready when its time is over on
//! the timetable, is served when the one before it is done, and is done its own cost later. An event's
//! latency is from when it was due until the epoch is done with which the log's clock has passed its
//! arrival: its own mostly, a later one where the log's times are coarse. So nothing enters that other programs on the
//! machine did to this thread, but for what they did to its caches; neither does the hand-over between
//! threads. One worker, no durability.

use super::held::{HeldLog, Timetable};
use super::histogram::Histogram;
use crate::clocks;
use crate::event::{Batch, EventRef};
use crate::flow::closed::JobKeeper;
use crate::simulate::closed::Shopkeeper;
use crate::visit::live::Rules;
use std::sync::Arc;
use std::time::Duration;

/// Latencies in ns of the first `events` events by a timetable, a warm-up cut off.
pub fn latencies(
    rules: &Arc<Rules>,
    (log, events): (&HeldLog, usize),
    (timetable, warm_up): (&Timetable, f64),
) -> Histogram {
    let mut job = JobKeeper::untapped(Arc::clone(rules));
    let after = timetable.due_after(events).mul_f64(warm_up);
    let counted = log.answerable(events);
    let mut latency = Histogram::default();
    let (mut batch, mut nobody) = (Batch::default(), Vec::new());
    let (mut next, mut done, mut answered) = (0, Duration::ZERO, 0);
    while next < events {
        let ready = timetable.handed_after(next);
        batch.clear();
        while next < events && timetable.handed_after(next) <= ready {
            let EventRef { event, texts } = log.get(next);
            batch.push(*event, texts);
            next += 1;
        }
        // As a lane's clock: that of the next event.
        let until_ms = match next < events {
            true => log.arrival(next).0,
            false => log.arrival(events - 1).0 + 1,
        };
        let before = clocks::of_thread();
        job.serve(&batch, until_ms, &mut nobody);
        done = done.max(ready) + (clocks::of_thread() - before);
        while answered < next && log.arrival(answered).0 < until_ms {
            let due = timetable.due_after(answered);
            if due >= after && answered < counted {
                latency.add((done - due).as_nanos() as u64, 1);
            }
            answered += 1;
        }
    }
    job.close();
    latency
}
