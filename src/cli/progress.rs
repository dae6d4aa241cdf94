//! A progress bar over the bytes of the logs, and a spinner beside what is being done: on a terminal,
//! on stderr, and nowhere else.

use super::Failure;
use crate::flow::failure::Stop;
use crate::flow::job::{JobResult, JobSpec, run};
use crate::flow::source::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The bar, until it is dropped.
pub struct Bar {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// Starts a bar, if stderr is a terminal.
    pub fn start(progress: &Progress, bytes: Option<u64>) -> Bar {
        let over = Arc::new(AtomicBool::new(false));
        let thread = std::io::stderr().is_terminal().then(|| {
            let (progress, over) = (Arc::clone(progress), Arc::clone(&over));
            std::thread::spawn(move || {
                let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
                let form = "{bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
                if let Ok(style) = ProgressStyle::with_template(form) {
                    bar.set_style(style);
                }
                while !over.load(Ordering::Relaxed) {
                    bar.set_position(progress.load(Ordering::Relaxed));
                    std::thread::sleep(Duration::from_millis(100));
                }
                bar.finish_and_clear();
            })
        });
        Bar { over, thread }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs a job beside a bar over its logs.
///
/// # Errors
/// Whatever ended the job, with its exit code.
pub(super) fn run_with_bar(mut spec: JobSpec) -> Result<Option<JobResult>, Failure> {
    let bar = Arc::new(Mutex::new(None));
    let (show, progress) = (Arc::clone(&bar), Arc::clone(&spec.progress));
    spec.opened = Box::new(move |bytes| {
        if let Ok(mut bar) = show.lock() {
            *bar = Some(Bar::start(&progress, bytes));
        }
    });
    let result = run(spec);
    if let Ok(mut bar) = bar.lock() {
        *bar = None;
    }
    result.map_err(|error| Failure::new(error.exit_code(), error))
}

/// A stop that signals pull.
///
/// # Errors
/// The system does not let signals be watched.
pub(super) fn stop_at_signals() -> Result<Stop, Failure> {
    let stop = Stop::default();
    stop.watch_signals()
        .map_err(|error| Failure::new(1, error))?;
    Ok(stop)
}

/// Says what is being done, until it is dropped.
pub struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// Starts one, if stderr is a terminal.
    pub fn start() -> Spinner {
        let shown = std::io::stderr().is_terminal();
        Spinner(shown.then(|| {
            let spinner = ProgressBar::new_spinner();
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        }))
    }

    /// What is being done now.
    pub fn say(&self, what: &str) {
        if let Some(spinner) = &self.0 {
            spinner.set_message(what.to_string());
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(spinner) = &self.0 {
            spinner.finish_and_clear();
        }
    }
}
