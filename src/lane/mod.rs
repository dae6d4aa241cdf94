//! Lanes that are still being written: a log that grows on one side and is read on the other.
//!
//! The layers of a live shop are joined by logs alone. A lane is a file of Restage's own JSON lines, so
//! `restage replay` reads it like any other; while it is being written a second small file stands beside
//! it, its [`head`], that says how far readers may go.
//!
//! # The protocol
//!
//! **One writer.** The lane is locked ([`lock`]) for as long as its writer lives. *Two would stamp arrivals
//! past each other.*
//!
//! **Append, sync, publish, answer.** What has gathered is appended as whole lines, all with one arrival,
//! and synced once; then the head says the new length and a clock after that arrival; then whoever waits
//! is told that it was taken. *A reader that went past what is synced could decide on an event that a
//! power cut takes back. A sender that is told earlier could lose what it no longer has.*
//!
//! **The clock is a promise.** No later line arrives before it. It goes on while nothing happens, so a
//! silent lane holds up no other. It never falls: a writer that is started again begins at the latest of
//! the head's clock and the last line's arrival. *Who reads closes the time before the clock for good.* For
//! a writer that is gone, a reader moves the clock on, under the lock ([`stand_in`]). *One collector that
//! died would otherwise stop all decisions.*
//!
//! **A reader** takes the head first and reads up to the length that it says, and only then believes its
//! clock. *The other way round, lines between the two looks would come after their time.*
//!
//! **A torn end** was never synced and nobody was told that it was taken: the next writer cuts it off.
//!
//! A head that is torn or missing is no harm: readers wait until the next one is whole. It is not synced,
//! since nothing rests on it after a power cut but the clock, and that is then held up by the arrival of
//! the last line and by the wall clock having gone on. (A wall clock that was set back during the outage
//! by longer than the outage is the one thing that this does not see.)
//!
//! Cost: one append and one sync a group, whatever its size; 24 bytes a head.

pub mod follow;
pub mod head;
mod known;
pub mod lock;
pub mod naps;
mod stand_in;
pub mod writer;

pub use follow::FollowedLane;
pub use lock::LaneLock;
pub use writer::LaneWriter;
