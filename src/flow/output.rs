//! Writing lines to a file, a pipe or stdout, on a thread of its own behind a short queue.
//!
//! A regular file is written as `NAME.partial` and renamed when it is whole, so a file with the
//! final name never ends in the middle of a line, whatever happens. Pipes and devices are written
//! directly, in whole lines. A reader that went away is no error: the run stops early.

use super::failure::{Stop, StopReason, add_unfinished, drop_unfinished};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file, a pipe or a device.
    Path(PathBuf),
    /// Standard output.
    Stdout,
}

impl Target {
    /// `-` is stdout.
    pub fn parse(text: &Path) -> Target {
        if text.as_os_str() == "-" {
            Target::Stdout
        } else {
            Target::Path(text.into())
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Path(path) => write!(f, "{}", path.display()),
            Target::Stdout => f.write_str("stdout"),
        }
    }
}

/// Output could not be created or written.
#[derive(Debug, thiserror::Error)]
#[error("{target} {action}")]
pub struct OutputError {
    /// Where lines were to go.
    pub target: Target,
    /// What was attempted.
    pub action: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// Bytes gathered before they are handed to the writing thread.
const BLOCK_BYTES: usize = 256 * 1024;
/// Blocks that may wait for the writing thread.
const BLOCKS_MAX: usize = 8;

/// Writes lines.
pub struct LineWriter {
    target: Target,
    partial: Option<PathBuf>,
    block: Vec<u8>,
    queue: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl LineWriter {
    /// Opens the target and starts the writing thread.
    ///
    /// # Errors
    /// [`OutputError`] when the target cannot be created.
    pub fn create(target: Target, stop: Stop) -> Result<LineWriter, OutputError> {
        let fail = |action, source| OutputError {
            target: target.clone(),
            action,
            source,
        };
        let mut partial = None;
        let mut writer: Box<dyn Write + Send> = match &target {
            Target::Stdout => Box::new(io::stdout()),
            Target::Path(path) => {
                let special = std::fs::metadata(path).is_ok_and(|meta| !meta.is_file());
                if path.is_dir() {
                    let source = io::Error::from(io::ErrorKind::IsADirectory);
                    return Err(fail("could not be created", source));
                }
                let written = if special {
                    path.clone()
                } else {
                    partial_name(path)
                };
                let file = File::options()
                    .write(true)
                    .create(true)
                    .truncate(!special)
                    .open(&written)
                    .map_err(|source| fail("could not be created", source))?;
                if !special {
                    add_unfinished(written.clone());
                    partial = Some(written);
                }
                Box::new(file)
            }
        };
        let (queue, blocks) = sync_channel::<Vec<u8>>(BLOCKS_MAX);
        let thread = std::thread::spawn(move || {
            let result = blocks
                .iter()
                .try_for_each(|block| writer.write_all(&block))
                .and_then(|()| writer.flush());
            if let Err(error) = &result {
                stop.ask(match error.kind() {
                    io::ErrorKind::BrokenPipe => StopReason::ReaderGone,
                    _ => StopReason::SinkFailed,
                });
            }
            result
        });
        Ok(LineWriter {
            target,
            partial,
            block: Vec::with_capacity(BLOCK_BYTES + 4096),
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Writes a line, newline included. A failure shows in [`LineWriter::finish`], and stops the
    /// run through the flag.
    pub fn write(&mut self, line: &[u8]) {
        self.block.extend_from_slice(line);
        if self.block.len() >= BLOCK_BYTES {
            self.send();
        }
    }

    fn send(&mut self) {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES + 4096));
        if let Some(queue) = &self.queue {
            // A closed queue means that writing failed, which the thread reports.
            let _ = queue.send(block);
        }
    }

    /// Writes what is left. With `keep`, the file takes its final name; without, it is removed.
    /// A reader that went away is no error.
    ///
    /// # Errors
    /// [`OutputError`] when something could not be written; the file is removed then.
    pub fn finish(mut self, keep: bool) -> Result<(), OutputError> {
        self.send();
        self.queue = None;
        let written = self
            .thread
            .take()
            .map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())));
        let failed = |action, source| OutputError {
            target: self.target.clone(),
            action,
            source,
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(failed("could not be written", error)),
            Ok(()) => {}
        }
        if let (true, Some(partial), Target::Path(path)) = (keep, &self.partial, &self.target) {
            std::fs::rename(partial, path)
                .map_err(|error| failed("could not take its final name", error))?;
            drop_unfinished(partial);
            self.partial = None;
        }
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The run has failed elsewhere already.
            let _ = thread.join();
        }
        if let Some(partial) = &self.partial {
            let _ = std::fs::remove_file(partial);
            drop_unfinished(partial);
        }
    }
}

fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    path.with_file_name(name)
}
