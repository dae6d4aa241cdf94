//! `--supervise`: a process that starts the run as a child of its own, and again when it breaks.
//!
//! A run is fail-stop: it ends at the first thing that goes wrong, with its state in order. What goes on is
//! the next run. A child that was killed, or ended with code 1 (the run failed) or 5 (a log or disk could
//! not be reached) is started again after a pause of half a second, which doubles up to half a minute
//! and begins anew after a minute of good running. Wrong usage, bad rows, damaged state and a good end
//! are not made better by another try; nor is a state that another process has taken over. *Two supervised
//! runs on one folder would otherwise oust each other for ever.*
//!
//! The child's standard input is a pipe: a signal is handed on as a byte, and the pipe's end, however the
//! supervisor came to its own, asks the child to end as SIGTERM does. *A run that nobody watches any more
//! would be in the way of the next.* The child has a process group of its own, so that a ^C reaches it once
//! and is no second signal. Its code is then the own.

use super::Failure;
use super::progress::stop_at_signals;
use crate::flow::failure::{Ending, Stop, StopReason, say};
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::{flag, low_level};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Starting a run again when it breaks.
#[derive(Args, Debug)]
pub struct SuperviseArgs {
    /// Start the run as a child process, and again when it breaks: when it is killed, or ends with code
    /// 1 or 5. The pause before doubles from half a second to half a minute
    #[arg(long, requires = "state")]
    pub supervise: bool,
    /// Give up after this many restarts
    #[arg(long, value_name = "N", requires = "supervise")]
    pub supervise_limit: Option<u32>,
    /// This run is the child of a supervisor
    #[arg(long, hide = true, requires = "state")]
    pub supervised: bool,
}

impl SuperviseArgs {
    /// Supervises, if that is asked for, and then never returns.
    ///
    /// # Errors
    /// When no child can be started.
    pub fn supervise(&self) -> Result<(), Failure> {
        if self.supervise {
            let code = supervise(self.supervise_limit, &stop_at_signals()?)?;
            std::process::exit(code);
        }
        Ok(())
    }

    /// A supervised run stops when its supervisor says so, or is gone.
    pub fn obey(&self, stop: &Stop) {
        if self.supervised {
            let stop = stop.clone();
            std::thread::spawn(move || listen(&stop));
        }
    }
}

const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Running this long, a run has come good.
const GOOD: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// Runs the same command without `--supervise` until it ends for good; its exit code.
///
/// # Errors
/// When no child can be started.
fn supervise(limit: Option<u32>, stop: &Stop) -> Result<i32, Failure> {
    let own = std::env::args_os().skip(1);
    let mut arguments: Vec<_> = own.collect();
    for argument in &mut arguments {
        if argument == "--supervise" {
            *argument = "--supervised".into();
        }
    }
    // The limit is the supervisor's.
    while let Some(at) = arguments.iter().position(|argument| {
        argument
            .to_str()
            .is_some_and(|text| text.starts_with("--supervise-limit"))
    }) {
        let is_two = arguments[at] == "--supervise-limit";
        arguments.drain(at..at + 1 + usize::from(is_two));
    }
    let program = std::env::current_exe().map_err(|error| Failure::new(1, error))?;
    let hangup = Arc::new(AtomicBool::new(false));
    flag::register(SIGHUP, Arc::clone(&hangup)).map_err(|error| Failure::new(1, error))?;
    let (mut pause, mut restarts) = (PAUSE, 0);
    loop {
        let started = Instant::now();
        let mut child = Command::new(&program)
            .args(&arguments)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::new(1, error))?;
        let status = wait(&mut child, stop, &hangup).map_err(|error| Failure::new(1, error))?;
        let code = code_of(status);
        if stop.reason().is_some() || !is_broken(status) {
            return Ok(code);
        }
        if limit.is_some_and(|limit| restarts >= limit) {
            say(&format!(
                "restage: the run broke ({status}) and was restarted {restarts} times; giving up"
            ));
            return Ok(code);
        }
        if started.elapsed() >= GOOD {
            pause = PAUSE;
        }
        restarts += 1;
        say(&format!(
            "restage: the run broke ({status}); restart {restarts} in {} ms",
            pause.as_millis()
        ));
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if let Some(Ending::Signal(signal)) = stop.ending() {
                return Ok(128 + signal);
            }
            std::thread::sleep(LOOK);
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Waits for the child, handing a signal on to it.
fn wait(child: &mut Child, stop: &Stop, hangup: &AtomicBool) -> std::io::Result<ExitStatus> {
    let mut told = false;
    let tell = |child: &mut Child, signal: i32| {
        if let Some(pipe) = &mut child.stdin {
            // A child that does not read any more has ended.
            let _ = pipe.write_all(&[signal as u8]);
        }
    };
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if let (false, Some(Ending::Signal(signal))) = (told, stop.ending()) {
            told = true;
            tell(child, signal);
        }
        if hangup.swap(false, Ordering::AcqRel) {
            tell(child, SIGHUP);
        }
        std::thread::sleep(LOOK);
    }
}

/// In the child: what the supervisor hands on is a signal, and its end is SIGTERM.
fn listen(stop: &Stop) {
    let mut byte = [0];
    loop {
        match std::io::stdin().read(&mut byte) {
            Ok(1) if i32::from(byte[0]) == SIGHUP => {
                // Whoever reads the rules again waits for the signal itself.
                let _ = low_level::raise(SIGHUP);
            }
            Ok(1) => stop.ask(StopReason::Told(Ending::Signal(i32::from(byte[0])))),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return stop.ask(StopReason::Told(Ending::Signal(SIGTERM))),
        }
    }
}

fn code_of(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Whether another try may go better.
fn is_broken(status: ExitStatus) -> bool {
    matches!(status.code(), None | Some(1 | 5))
}
