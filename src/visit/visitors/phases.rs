//! How many of the live sessions are in each phase, for those who watch a live job.
//!
//! Counted when asked for, so that the hot path keeps no count. Cost: a look at every live session.

use super::Visitors;

impl Visitors {
    /// Live sessions by phase, in the order of [`crate::visit::phase::Phase::ALL`].
    pub fn live_phases(&self) -> [u64; 5] {
        let mut phases = [0; 5];
        for key in self.bins.iter().flat_map(|bin| bin.live.keys()) {
            phases[self.visits.get(key).phase() as usize] += 1;
        }
        phases
    }
}
