//! Sorting logs by time, in bounded memory: an external merge sort.
//!
//! [`Sorter`] gathers events up to its memory limit, sorts them by (time, lane, offset), and spills
//! them to a temporary file as a run (`run`); [`Sorted`] then merges the runs (`merge`). A log that
//! fits the memory is never spilled. The time is the arrival that a tolerant lane gives an event:
//! its own arrival, else its event time. [`SortedLane`] is a lane of the job that sorts first.
//!
//! Invariant: what comes out is what went in, texts and places included, in an order that does not
//! depend on the memory given: no two events share lane and offset, so there are no ties.
//!
//! Cost: n log n comparisons of 32-byte keys; each event is written and read once for every factor
//! of [`FAN_IN`] in the number of runs. Temporary files have no name where the system allows that
//! (elsewhere they are removed when closed), so nothing is left behind, whatever ends the process.

mod lane;
mod merge;
mod run;
mod sorter;

pub use lane::SortedLane;
pub use sorter::{Sorted, Sorter};

use crate::event::{ArrivalMs, Event, Lane, Offset};
use std::io;
use std::path::PathBuf;

/// Most runs that are merged at once; with more, runs are first merged into longer ones.
pub const FAN_IN: usize = 64;

/// Least memory of a sorter, in bytes. Below it the buffers of a merge would outweigh the events.
pub const MEMORY_BYTES_MIN: usize = 16 << 20;

/// How a sorter works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortOptions {
    /// Memory for events, in bytes; raised to [`MEMORY_BYTES_MIN`].
    pub memory_bytes: usize,
    /// Where runs are spilled to; the system's folder for temporary files when absent.
    pub temp_dir: Option<PathBuf>,
}

impl SortOptions {
    /// The options of each of `sorters` that share some memory.
    pub fn sharing(memory_bytes: usize, sorters: usize) -> SortOptions {
        SortOptions {
            memory_bytes: (memory_bytes / sorters.max(1)).max(MEMORY_BYTES_MIN),
            temp_dir: None,
        }
    }

    /// The folder that runs are spilled to.
    pub fn dir(&self) -> PathBuf {
        self.temp_dir.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// Why sorting failed.
#[derive(Debug, thiserror::Error)]
pub enum SortError {
    /// A temporary file could not be used.
    #[error("could not {action} a temporary file in {}", dir.display())]
    Temp {
        /// What was attempted.
        action: &'static str,
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A temporary file did not hold what was written to it.
    #[error("a temporary file in {} was damaged while it was in use", dir.display())]
    Damaged {
        /// The folder.
        dir: PathBuf,
    },
}

/// By what events are sorted.
type Key = (ArrivalMs, Lane, Offset);

fn key(event: &Event) -> Key {
    event.order()
}
