//! How long a reader sleeps that follows a file, and nothing is new.
//!
//! Shortly at first; longer once nothing has come for a while, when nobody waits who would notice. Cost of a
//! look: the caller's, two thousand times a second at most and five hundred in a lull.

use std::time::Duration;

/// How long a reader sleeps when nothing is new.
pub const NAP: Duration = Duration::from_micros(500);
/// How long it sleeps where nothing has come for a while: less than a writer's clock takes for a step, so
/// an event is there before the clock that decides it.
const LONG_NAP: Duration = Duration::from_millis(2);
/// Naps before they are long: a tenth of a second.
const NAPS: u32 = 200;

/// The naps of a reader since something new came.
#[derive(Debug, Default)]
pub struct Naps(u32);

impl Naps {
    /// Sleeps for one.
    pub fn nap(&mut self) {
        std::thread::sleep(if self.0 < NAPS { NAP } else { LONG_NAP });
        self.0 = self.0.saturating_add(1);
    }

    /// Something new has come.
    pub fn end(&mut self) {
        self.0 = 0;
    }
}
