//! What the operator is asked for: by which rules it decides, and what is wanted besides.
//!
//! Invariant: nothing in it changes a decision but the rules, the plan and what is on sale. Cost: a handful
//! of shared pointers, cloned once a worker.

use crate::event::VisitorId;
use crate::flow::durable::Durability;
use crate::flow::durable::changes::Shared;
use crate::flow::sample::Sample;
use crate::flow::status::JobStatus;
use crate::flow::what_if::WhatIf;
use crate::visit::decision::Recorder;
use crate::visit::live::Rules;
use crate::visit::plan::Plan;
use std::sync::Arc;
use std::time::Duration;

/// What the operator is asked for.
#[derive(Clone, Debug)]
pub struct SessionsSpec {
    /// Policy and models that hold when the run begins.
    pub rules: Arc<Rules>,
    /// From when on which hold.
    pub plan: Plan,
    /// What is on sale, where that may change.
    pub catalogue: Shared,
    /// How records are written.
    pub recorder: Arc<Recorder>,
    /// Whether the lines of records are wanted, or only their digest.
    pub lines: Lines,
    /// Whether rejected duplicates are to be written.
    pub rejects: bool,
    /// The visitor whose story is told, by text.
    pub follow: Option<VisitorId>,
    /// Whether counts over time are wanted.
    pub timeline: bool,
    /// Visitors whose sessions' rows are wanted, if any are.
    pub rows: Option<Sample>,
    /// The comparison with another policy that is wanted, if one is.
    pub what_if: Option<Arc<WhatIf>>,
    /// Whether this worker reports memory and processor time of its process.
    pub reports_memory: bool,
    /// Processor time that this process had taken before the run.
    pub cpu_before: Duration,
    /// How the run is durable, if it is.
    pub durability: Option<Durability>,
    /// Who is told how the job stands, if anyone is.
    pub status: Option<JobStatus>,
}

impl SessionsSpec {
    /// Decisions by these rules, of which nothing but the counters is wanted; a caller says what else is.
    pub fn of(rules: Arc<Rules>) -> SessionsSpec {
        SessionsSpec {
            recorder: Arc::new(Recorder::of(&rules)),
            plan: Plan::of(Arc::clone(&rules)),
            catalogue: Shared::of(&rules),
            rules,
            lines: Lines::None,
            rejects: false,
            follow: None,
            timeline: false,
            rows: None,
            what_if: None,
            reports_memory: false,
            cpu_before: Duration::ZERO,
            durability: None,
            status: None,
        }
    }

    /// Whether sessions enter an index that products are recommended from, of either policy.
    pub(super) fn has_index(&self) -> bool {
        let of_rival = self.what_if.as_ref().and_then(|what_if| what_if.index());
        self.rules.index().is_some() || of_rival.is_some()
    }

    /// Whether those who learn wait for what exposures earn only where they are told to
    /// ([`crate::flow::learning`]): where one worker states all facts, and nobody else looks at them.
    pub fn tells_of_matching(&self, workers: usize) -> bool {
        workers == 1 && self.what_if.is_none()
    }

    /// Whether any decision rests on tables that come back through the loop.
    pub(super) fn has_tables(&self) -> bool {
        let of_rival = self.what_if.as_ref().and_then(|what_if| what_if.index());
        self.rules.policy.has_tables() || of_rival.is_some()
    }
}

/// In which form decision records leave the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lines {
    /// Not at all: only their digest does.
    None,
    /// As JSON.
    Json,
    /// As CSV.
    Csv,
}
