//! `--state DIR`: a run that goes on where another one ended, however it ended.

use super::Failure;
use crate::flow::durable::Durability;
use crate::flow::durable::keeper::Files;
use crate::flow::durable::restore::Restored;
use crate::flow::failure::say;
use crate::flow::job::{JobSpec, State, end};
use crate::log::disk::Disk;
use crate::log::error::LogError;
use crate::log::{Options, Resume, Totals, open};
use crate::visit::duration::parse_duration_ms;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the state of a run is kept.
#[derive(Args, Debug)]
pub struct StateArgs {
    /// Keep the state of the run in this folder, so that it can be killed at any moment: the same
    /// command, with any number of workers and processes, goes on from there. In a job of several
    /// processes only the first one needs the folder
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Time between two snapshots of the state, as 5s or 500ms; without it the policy's
    /// `durability.snapshot_every`
    #[arg(long, value_name = "TIME", requires = "state")]
    pub snapshot_every: Option<String>,
}

/// Bytes of a segment after which the next one begins.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

impl StateArgs {
    /// Opens the folder and puts what is in it into the run. `outlet` is the file that gets the
    /// decisions.
    pub fn open(&self, spec: &mut JobSpec, outlet: Option<&Path>) -> Result<(), Failure> {
        let Some(dir) = &self.state else {
            return Ok(());
        };
        let every = match &self.snapshot_every {
            Some(text) => parse_duration_ms(text)
                .map_err(|error| Failure::usage(format!("--snapshot-every: {error}")))?,
            None => spec.rules.policy.snapshot_every_ms,
        };
        // A large snapshot takes a while to be read.
        let _ends = spec.stop.at_signal(|signal| end(signal, None));
        let mut durability = Durability {
            every: Duration::from_millis(every),
            resume: None,
        };
        if spec.cluster.process == 0 {
            let options = Options {
                segment_bytes_max: SEGMENT_BYTES_MAX,
                outlet: outlet.map(Path::to_owned),
            };
            let files = Files::from_env(Disk);
            let opened = open(files, dir, spec.config_digest(), options).map_err(failed)?;
            for note in &opened.notes {
                say(&format!("restage: warning: {note}; going on without it"));
            }
            let mut state = State {
                writer: opened.writer,
                restored: None,
                totals: Totals::default(),
                committed: Vec::new(),
            };
            if let Some(Resume { snapshot, rows }) = opened.resume {
                state.committed = rows;
                if let Some(snapshot) = snapshot {
                    state.totals = snapshot.totals;
                    let neighbours = spec.rules.index().is_some_and(|i| i.session_knn.is_some());
                    let restored = Restored::of(snapshot.parts, neighbours).map_err(|what| {
                        Failure::new(4, anyhow::anyhow!("{}: {what}", dir.display()))
                    })?;
                    if spec.timeline && !restored.has_timeline() {
                        return Err(Failure::usage(
                            "--plot: the run was begun without it, and what its plots would show of the time until now was not kept; leave it out, or begin a new folder",
                        ));
                    }
                    durability.resume = Some(restored.resume());
                    state.restored = Some(restored);
                }
                say(&went_on(dir, &state, &durability));
            }
            spec.state = Some(state);
        }
        spec.durability = Some(durability);
        Ok(())
    }
}

/// What is said when a run goes on.
fn went_on(dir: &Path, state: &State, durability: &Durability) -> String {
    let committed = state
        .committed
        .last()
        .map_or(state.totals, |row| row.totals);
    let from = match &durability.resume {
        Some(resume) => format!("the snapshot of {} ms", resume.end_ms),
        None => "the log's start, as there is no snapshot yet".into(),
    };
    format!(
        "restage: {}: going on from {from}; {} bytes of decisions had been committed",
        dir.display(),
        committed.bytes
    )
}

/// A state folder that could not be opened.
fn failed(error: LogError) -> Failure {
    Failure::new(error.exit_code(), error)
}
