//! The packed replay cache: a log's rows as fixed-width records, beside the log.
//!
//! `LOG.pack` holds what the decoder found in each row of `LOG`: times as they were given, ids hashed,
//! amounts in fixed point, and the texts of visitors and sessions, each once a block. The rules of time
//! are applied when it is read, by the same clock as ever, so a run over the pack is the run over the log:
//! the same events at the same places, the same counts of rejects, the same marks to go on from.
//!
//! A pack is only ever a copy that can be made again. It is used when it was made by this very release on
//! a machine of this kind, and of this very log (see [`Origin`]); otherwise the log is read. All of it
//! lies under checksums that are compared before anything in them is decoded: header and directory when
//! it is opened, each block when its turn comes. Where a block is damaged, the reading goes on in the log
//! itself, at the row at which the block begins. No decision, no state and nothing from the network ever
//! takes this way. Whoever may write beside the log may change what is replayed, with a pack as with the
//! log.
//!
//! ```text
//! header 128 | block: records of 104 bytes, texts, zeros up to a multiple of 8 | … | directory, 40 bytes a block
//! ```
//!
//! Invariant: every byte of the file is covered by the header's checksum, the directory's or a block's.
//! Cost: a block is mapped, summed up and let go of; a copy, a checksum and a few comparisons an event, and nothing of its text.

mod file;
mod lane;
mod origin;
mod raw;
mod writer;

pub use file::Unfit;
pub use lane::PackedLane;
pub use origin::Origin;
pub use writer::{PackError, pack};

use std::path::{Path, PathBuf};

/// Rows of a block, but for the last.
pub const BLOCK_ROWS: usize = 4096;

/// Where the pack of a log lies.
pub fn path_of(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".pack");
    name.into()
}
