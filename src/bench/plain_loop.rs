//! The plain loop: the job's work on one thread, with the same core and without an engine.
//!
//! It reads a lane in the same batches, hands every event to [`Visitors`], writes and digests every
//! record as the job does, and where the policy learns, closes the versions of the tables itself
//! ([`super::plain_learning`]). What a job costs beside it is the price of running on many workers
//! (McSherry, Isard and Murray, "Scalability! But at what COST?", HotOS 2015).
//!
//! The naive form takes one event after the other. The other form looks ahead for the next few
//! ([`Visitors::look_ahead`]), which the job does not.
//!
//! Invariant: its digest is that of the job over the same log; otherwise it has not done the same work.

use super::plain_learning::Learning;
use crate::clocks;
use crate::event::{ArrivalMs, Batch, Event, VisitorId};
use crate::format::{InputError, LaneRead};
use crate::visit::decision::{Decision, Digest, Recorder};
use crate::visit::learn::fact::{Exposure, Fact};
use crate::visit::live::Rules;
use crate::visit::output::{Output, Step};
use crate::visit::tally::Tally;
use crate::visit::visitors::{AHEAD, Visitors};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a loop waits for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Event by event.
    Naive,
    /// For several events together.
    LookingAhead,
}

/// What a loop came to.
#[derive(Clone, Debug)]
pub struct LoopResult {
    /// Digest of the records.
    pub digest: Digest,
    /// The counters.
    pub tally: Tally,
    /// Processor time of this thread.
    pub cpu: Duration,
    /// Time by the clock.
    pub elapsed: Duration,
}

/// Takes what the core says: records are written and digested, facts laid to their versions.
pub(super) struct Said {
    recorder: Recorder,
    line: Vec<u8>,
    digest: Digest,
    pub(super) learning: Option<Learning>,
}

impl Output for Said {
    fn decision(&mut self, decision: &Decision<'_>) {
        self.line.clear();
        self.recorder.json(decision, &mut self.line);
        self.digest.add(&self.line);
    }

    fn duplicate(&mut self, _event: &Event) {}

    fn step(&mut self, _step: &Step<'_>) {}

    fn fact(&mut self, at: ArrivalMs, visitor: VisitorId, fact: &Fact, sign: i8) {
        if let Some(learning) = &mut self.learning {
            learning.fact(at, visitor, fact, sign);
        }
    }

    fn creditable(&mut self, at: ArrivalMs, visitor: VisitorId, shown: &Exposure, sign: i8) {
        if let Some(learning) = &mut self.learning {
            learning.credited(at, visitor, Fact::Exposure(*shown), sign);
        }
    }
}

/// Runs the loop over a lane.
///
/// # Errors
/// [`InputError`] when the lane cannot be read to its end.
///
/// # Panics
/// If the policy recommends products from an index: the loop keeps none.
pub fn plain_loop(
    rules: &Arc<Rules>,
    lane: &mut dyn LaneRead,
    form: Form,
) -> Result<LoopResult, InputError> {
    assert!(rules.index().is_none(), "the plain loop keeps no index");
    let (begun, cpu) = (Instant::now(), clocks::of_thread());
    let mut visitors = Visitors::new(Arc::clone(rules), None, false);
    let mut said = Said {
        recorder: Recorder::of(rules),
        line: Vec::with_capacity(1024),
        digest: Digest::default(),
        learning: rules.policy.learns().then(|| Learning::new(rules)),
    };
    let mut batch = Batch::with_capacity(Batch::EVENTS_MAX);
    let (mut rejects, mut last_ms, mut more) = (Vec::new(), 0, true);
    while more {
        more = lane.fill(&mut batch, &mut rejects, Batch::EVENTS_MAX)?;
        for (at, event) in batch.iter().enumerate() {
            if form == Form::LookingAhead && at % AHEAD == 0 {
                visitors.look_ahead(batch.events()[at..].iter());
            }
            last_ms = event.event.arrival.0;
            Learning::close_up_to(last_ms, &mut visitors, &mut said);
            visitors.observe(event, &mut said);
        }
        batch.clear();
        rejects.clear();
    }
    visitors.log_ends(ArrivalMs(last_ms));
    Learning::close_up_to(u64::MAX - 1, &mut visitors, &mut said);
    let tally = visitors.finish(&mut said);
    Ok(LoopResult {
        digest: said.digest,
        tally,
        cpu: clocks::of_thread() - cpu,
        elapsed: begun.elapsed(),
    })
}
