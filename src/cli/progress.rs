//! A progress bar over the bytes of the logs: on a terminal, on stderr, and nowhere else.

use crate::flow::source::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
