//! The processor's clocks: what a thread or this process has computed, whatever else the machine did.
//!
//! For those who measure. Nothing of it reaches a result. Cost: a system call, some 0.3 µs.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Processor time of this thread.
pub fn of_thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// Processor time of all threads of this process, those that have ended among them.
pub fn of_process() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    // Neither clock runs below 0.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn only_what_is_computed_counts() {
        let (thread, process) = (of_thread(), of_process());
        std::thread::sleep(Duration::from_millis(30));
        let slept = of_thread() - thread;
        assert!(slept < Duration::from_millis(25), "{slept:?}");
        while of_thread() - thread < Duration::from_millis(2) {
            black_box(0);
        }
        assert!(of_process() - process >= Duration::from_millis(2));
    }
}
