//! What a running job says of itself, for those who watch it: counters, lanes, what was learned.
//!
//! Workers put it here now and then; nobody in the job reads it, so it can reach no result. A process
//! tells of its own workers only. Cost: a copy of the counters a worker and [`EVERY`].

use super::watchdog::Turns;
use crate::visit::learn::learner::SlotReport;
use crate::visit::live::Rules;
use crate::visit::tally::Tally;
use crate::visit::visitors::Visitors;
use crate::visit::visitors::phases::LiveCounts;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often a worker says how it stands.
const EVERY: Duration = Duration::from_millis(500);

/// Most live sessions of a worker that are counted one by one.
pub const COUNTED_MAX: u64 = 50_000;

/// What a worker has counted.
#[derive(Clone, Debug)]
struct Count {
    tally: Tally,
    live: u64,
    counts: Option<LiveCounts>,
}

/// What an index of sessions holds, by ranker where each has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Sessions that stand in it.
    Sessions,
    /// Items with pairs, or with counts.
    Items(&'static str),
    /// Pairs of items.
    Pairs(&'static str),
}

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
    /// How they stand; none where there are more than [`COUNTED_MAX`] on a worker.
    pub live_counts: Option<LiveCounts>,
    /// Lanes by number: their clock in ms, and bytes read.
    pub lanes: BTreeMap<u16, (u64, u64)>,
    /// Up to when all has been decided, in ms, as the workers of this process see it, whether or not they read a
    /// lane; 0 before the job runs.
    pub frontier_ms: u64,
    /// Up to when output is committed, in ms; 0 before the first commit.
    pub committed_ms: u64,
    /// Up to when output was handed over, in ms.
    pub handed_ms: u64,
    /// What the slots have learned.
    pub learned: Vec<SlotReport>,
    /// The rules that hold, once others have taken over.
    pub rules: Option<Arc<Rules>>,
    /// What the index holds that products are recommended from; nothing where there is none.
    pub index: BTreeMap<Held, u64>,
    indexes: BTreeMap<(usize, Held), u64>,
    workers: BTreeMap<usize, Count>,
    learners: BTreeMap<usize, Vec<SlotReport>>,
    turns: Option<Turns>,
}

impl JobStatus {
    /// How the job stands.
    pub fn standing(&self) -> Standing {
        let Ok(standing) = self.0.lock() else {
            return Standing::default();
        };
        let mut standing = standing.clone();
        standing.live_counts = Some(LiveCounts::default());
        for count in std::mem::take(&mut standing.workers).into_values() {
            standing.tally.merge(&count.tally);
            standing.live += count.live;
            let both = standing.live_counts.zip(count.counts);
            standing.live_counts = both.map(|(sum, more)| LiveCounts {
                phases: std::array::from_fn(|phase| sum.phases[phase] + more.phases[phase]),
                bought: sum.bought + more.bought,
            });
        }
        for ((_, held), count) in std::mem::take(&mut standing.indexes) {
            *standing.index.entry(held).or_default() += count;
        }
        standing.frontier_ms = standing.turns.take().map_or(0, |turns| turns.frontier_ms());
        let learners = std::mem::take(&mut standing.learners);
        standing.learned = learners.into_values().flatten().collect();
        standing
    }

    /// Other rules hold from now on.
    pub fn goes_by(&self, rules: &Arc<Rules>) {
        self.put(|standing| standing.rules = Some(Arc::clone(rules)));
    }

    /// The job runs, and its workers come round.
    pub fn runs(&self, turns: &Turns) {
        self.put(|standing| standing.turns = Some(turns.clone()));
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
    pub fn counted(&mut self, visits: &Visitors) {
        let worker = self.worker;
        if let Some(status) = self.is_time() {
            let is_few = visits.live() <= COUNTED_MAX;
            let count = Count {
                tally: visits.tally().clone(),
                live: visits.live(),
                counts: is_few.then(|| visits.live_counts()),
            };
            status.put(|standing| {
                standing.workers.insert(worker, count);
            });
        }
    }

    /// What the worker's part of an index holds.
    #[inline]
    pub fn holds(&mut self, held: impl FnOnce() -> Vec<(Held, u64)>) {
        let worker = self.worker;
        if let Some(status) = self.is_time() {
            status.put(|standing| {
                let held = held().into_iter();
                let held = held.map(|(what, count)| ((worker, what), count));
                standing.indexes.extend(held);
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
    use crate::event::Event;
    use crate::event::{ArrivalMs, Batch, Lane};
    use crate::format::{LaneOptions, LaneRead, LaneReader};
    use crate::visit::decision::Decision;
    use crate::visit::live::Rules;
    use crate::visit::model::Model;
    use crate::visit::model::schedule::Schedule;
    use crate::visit::output::{Output, Step};
    use crate::visit::policy::{DEFAULT_POLICY, Policy};
    use std::sync::Arc;

    struct Silent;

    impl Output for Silent {
        fn decision(&mut self, _: &Decision<'_>) {}
        fn duplicate(&mut self, _: &Event) {}
        fn step(&mut self, _: &Step<'_>) {}
    }

    fn visits(worker: u64) -> Visitors {
        let rules = Rules {
            policy: Policy::read(DEFAULT_POLICY).unwrap(),
            models: Schedule::of(Model::shipped()),
            catalogue: None,
        };
        let mut visits = Visitors::new(Arc::new(rules), None, false);
        let log = format!(
            "event_ms,visitor,kind\n1600000000000,a{worker},search\n1600000000000,b{worker},purchase\n"
        );
        let bytes = Box::new(std::io::Cursor::new(log.into_bytes()));
        let mut lane = LaneReader::over("log", bytes, Lane(0), &LaneOptions::default()).unwrap();
        let mut batch = Batch::default();
        while lane.fill(&mut batch, &mut Vec::new(), 10).unwrap() {}
        for event in batch.iter() {
            visits.observe(event, &mut Silent);
        }
        visits
    }

    #[test]
    fn workers_add_up() {
        let status = JobStatus::default();
        for worker in 0..2 {
            Teller::of(Some(&status), worker).counted(&visits(worker as u64));
        }
        status.read(0, 17, 100);
        status.read(0, 18, 120);
        let standing = status.standing();
        assert_eq!((standing.tally.sessions, standing.live), (4, 4));
        let counts = standing.live_counts.unwrap();
        assert_eq!((counts.phases.iter().sum::<u64>(), counts.bought), (4, 2));
        assert_eq!(standing.lanes[&0], (18, 120));
        for worker in 0..2 {
            Teller::of(Some(&status), worker).holds(|| vec![(Held::Sessions, 7)]);
        }
        assert_eq!(status.standing().index[&Held::Sessions], 14);
    }

    #[test]
    fn who_has_just_spoken_is_silent_for_a_while() {
        let status = JobStatus::default();
        let mut teller = Teller::of(Some(&status), 0);
        teller.counted(&visits(0));
        let mut visits = visits(0);
        visits.advance(ArrivalMs(u64::MAX), &mut Silent);
        teller.counted(&visits);
        assert_eq!(status.standing().live, 2);
    }
}
