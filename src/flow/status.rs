//! What a running job says of itself, for those who watch it: counters, lanes, what was learned.
//!
//! Workers put it here now and then; nobody in the job reads it, so it can reach no result. A process
//! tells of its own workers only. Cost: a copy of the counters a worker and [`EVERY`].

use crate::visit::learn::learner::SlotReport;
use crate::visit::tally::Tally;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often a worker says how it stands.
const EVERY: Duration = Duration::from_millis(500);

/// A job's word of itself. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct JobStatus(Arc<Mutex<Standing>>);

/// How a job stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The counters of all workers of this process.
    pub tally: Tally,
    /// Live sessions.
    pub live: u64,
    /// Lanes by number: their clock in ms, and bytes read.
    pub lanes: BTreeMap<u16, (u64, u64)>,
    /// Up to when output is committed, in ms; 0 before the first commit.
    pub committed_ms: u64,
    /// Up to when output was handed over, in ms.
    pub handed_ms: u64,
    /// What the slots have learned.
    pub learned: Vec<SlotReport>,
    workers: BTreeMap<usize, (Tally, u64)>,
    learners: BTreeMap<usize, Vec<SlotReport>>,
}

impl JobStatus {
    /// How the job stands.
    pub fn standing(&self) -> Standing {
        let Ok(standing) = self.0.lock() else {
            return Standing::default();
        };
        let mut standing = standing.clone();
        for (tally, live) in std::mem::take(&mut standing.workers).into_values() {
            standing.tally.merge(&tally);
            standing.live += live;
        }
        let learners = std::mem::take(&mut standing.learners);
        standing.learned = learners.into_values().flatten().collect();
        standing
    }

    /// How far a lane has been read.
    pub fn read(&self, lane: u16, clock_ms: u64, bytes: u64) {
        self.put(|standing| {
            standing.lanes.insert(lane, (clock_ms, bytes));
        });
    }

    /// Up to when output was handed over and committed, in ms.
    pub fn stands(&self, (handed_ms, committed_ms): (u64, u64)) {
        self.put(|standing| {
            (standing.handed_ms, standing.committed_ms) = (handed_ms, committed_ms);
        });
    }

    fn put(&self, put: impl FnOnce(&mut Standing)) {
        if let Ok(mut standing) = self.0.lock() {
            put(&mut standing);
        }
    }
}

/// One worker's way of saying how it stands, now and then.
pub struct Teller {
    status: Option<JobStatus>,
    worker: usize,
    last: Option<Instant>,
}

impl Teller {
    /// Of a worker; silent if nobody listens.
    pub fn of(status: Option<&JobStatus>, worker: usize) -> Teller {
        Teller {
            status: status.cloned(),
            worker,
            last: None,
        }
    }

    /// Whether it is time to say something again.
    #[inline]
    fn is_time(&mut self) -> Option<&JobStatus> {
        let status = self.status.as_ref()?;
        let now = Instant::now();
        if self.last.is_some_and(|last| now - last < EVERY) {
            return None;
        }
        self.last = Some(now);
        Some(status)
    }

    /// The worker's counters and live sessions.
    #[inline]
    pub fn counted(&mut self, tally: &Tally, live: u64) {
        let worker = self.worker;
        if let Some(status) = self.is_time() {
            status.put(|standing| {
                standing.workers.insert(worker, (tally.clone(), live));
            });
        }
    }

    /// What the worker has learned.
    pub fn learned(&mut self, report: impl FnOnce() -> Vec<SlotReport>) {
        let worker = self.worker;
        if let Some(status) = self.is_time() {
            let report = report();
            status.put(|standing| {
                standing.learners.insert(worker, report);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up_and_the_latest_word_counts() {
        let status = JobStatus::default();
        for worker in 0..2 {
            let mut tally = Tally::default();
            tally.sessions = 5;
            Teller::of(Some(&status), worker).counted(&tally, 3);
            tally.sessions = 7;
            Teller::of(Some(&status), worker).counted(&tally, 2);
        }
        status.read(0, 17, 100);
        status.read(0, 18, 120);
        let standing = status.standing();
        assert_eq!((standing.tally.sessions, standing.live), (14, 4));
        assert_eq!(standing.lanes[&0], (18, 120));
    }

    #[test]
    fn who_has_just_spoken_is_silent_for_a_while() {
        let status = JobStatus::default();
        let mut teller = Teller::of(Some(&status), 0);
        teller.counted(&Tally::default(), 1);
        teller.counted(&Tally::default(), 9);
        assert_eq!(status.standing().live, 1);
    }
}
