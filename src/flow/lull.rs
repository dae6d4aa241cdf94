//! Whether anything happens on the lanes: in a lull their clocks go on in longer steps.
//!
//! A lane that is being written has a clock that goes on every few milliseconds, and every step of it
//! moves the frontier through the whole graph. Events need that: they are decided once all clocks have
//! passed them. When nothing has come on any lane for [`AFTER`], no event waits, and nobody but timers
//! needs to know the time: steps are [`STEP`] long then, and a page that is due for a change because its
//! visitor hesitates gets it so much later on the machine's clock; no result changes. The first event
//! ends the lull.
//!
//! Lanes of other processes are not known of here: with several processes there is no lull.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// For how long nothing has come when a lull begins.
const AFTER: Duration = Duration::from_millis(100);
/// Steps of clocks in a lull.
const STEP: Duration = Duration::from_millis(25);

/// Whether anything happens on the lanes of this process. Clones are the same.
#[derive(Clone, Debug)]
pub struct Lull {
    is_possible: bool,
    from: Instant,
    /// When something came last, in microseconds after `from`.
    last_us: Arc<AtomicU64>,
}

impl Lull {
    /// Nothing has come yet. A lull is possible where all lanes are this process's.
    pub fn new(is_possible: bool) -> Lull {
        Lull {
            is_possible,
            from: Instant::now(),
            last_us: Arc::default(),
        }
    }

    /// Something has come.
    pub fn end(&self) {
        if self.is_possible {
            self.last_us.fetch_max(self.now_us(), Ordering::Relaxed);
        }
    }

    /// Whether a clock that was last told at such a time may wait.
    pub fn lets_wait(&self, told: Instant) -> bool {
        let silence_us = self
            .now_us()
            .saturating_sub(self.last_us.load(Ordering::Relaxed));
        self.is_possible && silence_us > AFTER.as_micros() as u64 && told.elapsed() < STEP
    }

    fn now_us(&self) -> u64 {
        self.from.elapsed().as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_wait_in_a_lull_only_and_never_for_longer_than_a_step() {
        let now = Instant::now();
        let long_ago = now.checked_sub(AFTER + STEP).unwrap();
        let silent = Lull {
            from: long_ago,
            ..Lull::new(true)
        };
        assert!(silent.lets_wait(Instant::now()));
        assert!(!silent.lets_wait(long_ago), "a step has passed");
        silent.clone().end();
        assert!(!silent.lets_wait(Instant::now()), "something has come");
        let among_others = Lull {
            from: long_ago,
            ..Lull::new(false)
        };
        assert!(!among_others.lets_wait(Instant::now()));
    }
}
