//! How the live sessions stand, for those who watch a live job.
//!
//! Counted when asked for, so that the hot path keeps no count. Cost: a look at every live session.

use super::Visitors;
use crate::event::Kind;

/// How the live sessions stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveCounts {
    /// By phase, in the order of [`crate::visit::phase::Phase::ALL`].
    pub phases: [u64; 5],
    /// Those that have bought something so far.
    pub bought: u64,
}

impl Visitors {
    /// Counts the live sessions.
    pub fn live_counts(&self) -> LiveCounts {
        let mut counts = LiveCounts::default();
        for key in self.bins.iter().flat_map(|bin| bin.live.keys()) {
            let visit = self.visits.get(key);
            counts.phases[visit.phase() as usize] += 1;
            counts.bought += u64::from(visit.session.count(Kind::Purchase) > 0);
        }
        counts
    }
}
