//! How the lanes of a live job stand: what their heads promise, and whether anyone writes to them.
//!
//! Looked up where the lanes are, when somebody asks: what the job has read of a lane stands still with the
//! one that is furthest behind, and would not tell which that is.

use crate::lane::LaneLock;
use crate::lane::head::Head;
use crate::log::disk::Disk;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at a lock: whoever stands in for a collector has it for less than that.
const BETWEEN: Duration = Duration::from_millis(2);

/// A lane at this moment.
pub struct LaneNow {
    /// Its place among the lanes of the job.
    pub lane: u16,
    /// The file.
    pub path: PathBuf,
    /// Up to when it is complete, in ms since 1970; none while it has no head.
    pub clock_ms: Option<u64>,
    /// Whether a collector has it.
    pub is_written: bool,
}

/// These lanes, by their numbers, now.
pub async fn lanes_at(lanes: &[(u16, PathBuf)]) -> Vec<LaneNow> {
    let look = |path: &PathBuf| LaneLock::is_taken(path);
    let first: Vec<bool> = lanes.iter().map(|(_, path)| look(path)).collect();
    if first.contains(&true) {
        tokio::time::sleep(BETWEEN).await;
    }
    let lanes = lanes.iter().zip(first);
    let now = lanes.map(|((lane, path), is_taken)| LaneNow {
        lane: *lane,
        path: path.clone(),
        // One that is just being written is whole at the next look.
        clock_ms: clock_of(path).or_else(|| clock_of(path)),
        is_written: is_taken && look(path),
    });
    now.collect()
}

fn clock_of(lane: &Path) -> Option<u64> {
    let head = Head::read(&Disk, lane).ok().flatten();
    head.map(|head| head.clock_ms)
}

impl LaneNow {
    /// How far its clock is behind, in ms.
    pub fn lag_ms(&self, now_ms: u64) -> Option<u64> {
        self.clock_ms
            .map(|clock_ms| now_ms.saturating_sub(clock_ms))
    }
}
