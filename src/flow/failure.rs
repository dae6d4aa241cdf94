//! Fail-stop: what is said and cleaned up when an invariant breaks, and what stops a run early.
//!
//! A panic in one of several worker threads would leave the others waiting for ever, so a hook
//! prints worker, epoch and phase, removes unfinished output and ends the process with code 1.
//! It also ends a process whose peer process went away, which the engine reports by a panic.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Whether this process is about to end in order, and has only to be left the time for it.
static ENDING: AtomicBool = AtomicBool::new(false);
/// How long that may take at most.
const ENDS_IN: Duration = Duration::from_secs(6);

thread_local! {
    static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
    static PHASE: Cell<(&'static str, Option<u64>)> = const { Cell::new(("start", None)) };
}

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Notes which worker this thread is.
pub fn name_worker(index: usize) {
    WORKER.set(Some(index));
}

/// Notes what this thread is doing, and up to which epoch.
#[inline]
pub fn enter(phase: &'static str, epoch_ms: Option<u64>) {
    PHASE.set((phase, epoch_ms));
}

/// Installs the hook. Call it once, first thing.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let message = info
            .payload()
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| info.payload().downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        if message.starts_with("timely communication error") {
            if ENDING.load(Ordering::SeqCst) {
                // The others end, too: the thread that commits what there is ends this process.
                std::thread::sleep(ENDS_IN);
            }
            say(&format!(
                "restage: error: the connection to another process of the job was lost; the run has failed ({message})"
            ));
        } else {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let (phase, epoch) = PHASE.get();
            let worker = WORKER
                .get()
                .map_or("no worker".into(), |index| format!("worker {index}"));
            let epoch = epoch.map_or("no epoch".into(), |epoch| format!("epoch {epoch}"));
            say(&format!(
                "restage: error: a broken invariant ended the run: {message} ({worker}, {epoch}, {phase}, at {place})"
            ));
        }
        remove_unfinished();
        std::process::exit(1);
    }));
}

/// Notes a file that must not stay behind when the process fails.
pub fn add_unfinished(path: PathBuf) {
    if let Ok(mut paths) = UNFINISHED.lock() {
        paths.push(path);
    }
}

/// Forgets a file that is finished or removed.
pub fn drop_unfinished(path: &std::path::Path) {
    if let Ok(mut paths) = UNFINISHED.lock() {
        paths.retain(|known| known != path);
    }
}

/// Removes every file that was not finished.
pub fn remove_unfinished() {
    if let Ok(mut paths) = UNFINISHED.lock() {
        for path in paths.drain(..) {
            // Nothing more can be done about a file that cannot be removed.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Why a run is to stop before its logs end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The reader of the output went away.
    ReaderGone,
    /// Output could not be written.
    SinkFailed,
    /// A log could not be read on.
    LaneFailed,
    /// The whole job was told to end.
    Told(Ending),
}

/// How a job was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// This process by a signal, by number.
    Signal(i32),
    /// Another process of the job, by its number.
    Left(usize),
}

impl Ending {
    /// The exit code of a process that ends in the midst of its work for it.
    pub fn exit_code(self) -> i32 {
        match self {
            Ending::Signal(signal) => 128 + signal,
            Ending::Left(_) => 5,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Signal(signal) => write!(f, "stopped by signal {signal}"),
            Ending::Left(process) => write!(f, "process {process} was told to end"),
        }
    }
}

/// How soon a signal is seen.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Something is done at a signal, until this is dropped; see [`Stop::at_signal`].
pub struct AtSignal(Arc<AtomicBool>);

impl Drop for AtSignal {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Ends the process with an error: for a run that another one goes on with, nothing is to be tidied up.
pub fn leave(error: &str, code: i32) -> ! {
    say(&format!("restage: error: {error}"));
    remove_unfinished();
    std::process::exit(code)
}

/// An error's text with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// A line to stderr, if anyone still listens there: saying so must not fail anything itself.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A flag that every worker of the process looks at.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicUsize>);

// Signals have small numbers of their own.
const READER_GONE: usize = 1001;
const SINK_FAILED: usize = 1002;
const LANE_FAILED: usize = 1003;
const LEFT: usize = 2000;

impl Stop {
    /// Asks the run to stop. The first reason stays.
    pub fn ask(&self, reason: StopReason) {
        let code = match reason {
            StopReason::ReaderGone => READER_GONE,
            StopReason::SinkFailed => SINK_FAILED,
            StopReason::LaneFailed => LANE_FAILED,
            StopReason::Told(Ending::Signal(signal)) => signal as usize,
            StopReason::Told(Ending::Left(process)) => LEFT + process,
        };
        // Losing the race means that there is a reason already.
        let _ = self
            .0
            .compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Why the run is to stop, if it is.
    #[inline]
    pub fn reason(&self) -> Option<StopReason> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            READER_GONE => Some(StopReason::ReaderGone),
            SINK_FAILED => Some(StopReason::SinkFailed),
            LANE_FAILED => Some(StopReason::LaneFailed),
            left if left >= LEFT => Some(StopReason::Told(Ending::Left(left - LEFT))),
            signal => Some(StopReason::Told(Ending::Signal(signal as i32))),
        }
    }

    /// How the job was told to end, if it was.
    pub fn ending(&self) -> Option<Ending> {
        match self.reason() {
            Some(StopReason::Told(ending)) => Some(ending),
            _ => None,
        }
    }

    /// Until the returned guard is dropped, a signal ends the process at once: for waits that
    /// nothing else can end, as that for the first byte of a pipe, or for another process.
    pub fn leave_at_signal(&self) -> AtSignal {
        self.at_signal(|ending| {
            let what = format!("{ending}; unfinished output was removed");
            leave(&what, ending.exit_code())
        })
    }

    /// Until the returned guard is dropped, the first signal, here or to another process of the job, is
    /// answered by this, in a thread of its own.
    pub fn at_signal(&self, act: impl FnOnce(Ending) + Send + 'static) -> AtSignal {
        let over = Arc::new(AtomicBool::new(false));
        let (stop, ended) = (self.clone(), Arc::clone(&over));
        std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                if let Some(ending) = stop.ending() {
                    ENDING.store(true, Ordering::SeqCst);
                    return act(ending);
                }
                std::thread::sleep(LOOK_EVERY);
            }
        });
        AtSignal(over)
    }

    /// From now on SIGINT and SIGTERM ask the run to stop; a second one ends the process at once.
    ///
    /// # Errors
    /// What the system says when a handler cannot be set.
    pub fn watch_signals(&self) -> std::io::Result<()> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
            flag::register_usize(signal, Arc::clone(&self.0), signal as usize)?;
        }
        Ok(())
    }
}
