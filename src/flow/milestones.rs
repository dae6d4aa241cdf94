//! When the sink had come how far, for those who measure latency.
//!
//! The sink notes the clock each time its frontier has moved: from then on every decision before that
//! time is known there. In a durable run a decision counts once it is committed, so the thread that
//! commits notes that, too. Nobody in the job reads it. Cost: a lock and 32 bytes an epoch.

use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The sink's frontier has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Everything before this is known, in ms.
    pub closed_ms: u64,
    /// The epoch up to which output had been handed over for a commit, in ms; 0 without durability.
    pub handed_ms: u64,
    /// When.
    pub at: Instant,
}

/// How far a run had come when.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// Moves of the sink's frontier, in their order.
    pub closed: Vec<Closed>,
    /// Commits: up to which epoch, and when.
    pub committed: Vec<(u64, Instant)>,
}

/// Where it is noted. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Milestones(Arc<Mutex<Passed>>);

impl Milestones {
    /// The sink's frontier stands at `closed_ms`.
    pub fn closed(&self, closed_ms: u64, handed_ms: u64) {
        let at = Instant::now();
        self.note(|passed| {
            if passed
                .closed
                .last()
                .is_none_or(|last| last.closed_ms < closed_ms)
            {
                passed.closed.push(Closed {
                    closed_ms,
                    handed_ms,
                    at,
                });
            }
        });
    }

    /// Output up to this epoch is committed.
    pub fn committed(&self, epoch_ms: u64) {
        let at = Instant::now();
        self.note(|passed| passed.committed.push((epoch_ms, at)));
    }

    /// What was noted.
    pub fn take(&self) -> Passed {
        self.0
            .lock()
            .map(|mut passed| std::mem::take(&mut *passed))
            .unwrap_or_default()
    }

    fn note(&self, note: impl FnOnce(&mut Passed)) {
        if let Ok(mut passed) = self.0.lock() {
            note(&mut passed);
        }
    }
}
