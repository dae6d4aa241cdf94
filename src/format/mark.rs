//! Marks: places in a lane from which it can be read on, by another run, too.
//!
//! A mark holds everything that the reading of a lane depends on: where the next line begins, the lane's
//! clock, and what was counted so far. Reading on from one gives the very events that reading through
//! would have given. A plain file is read on from there at once; a compressed one has to be read up to
//! there, without looking at its lines.

use super::lane::LaneTally;
use serde::{Deserialize, Serialize};

/// A place in a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneMark {
    /// Byte of the text at which the next line begins.
    pub offset: u64,
    /// Lines before it.
    pub lines: u64,
    /// The latest time so far, in ms: no later event arrives before it.
    pub clock_ms: u64,
    /// The line that set it.
    pub line_of_clock: u64,
    /// What was counted so far.
    pub tally: LaneTally,
}
