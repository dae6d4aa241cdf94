//! Running the job over logs for the rows of their sessions, to train on or to judge by.

use super::Failure;
use super::args::{LogArgs, PassArgs, policy_or_shipped};
use super::progress::Bar;
use crate::event::Carry;
use crate::flow::failure::{Stop, Waiting};
use crate::flow::job::{Cluster, JobSpec, run};
use crate::flow::sessions::{Lines, Sample};
use crate::flow::source::{Pace, Progress};
use crate::format::FormatName;
use crate::train::split::by_time;
use crate::visit::live::Rules;
use crate::visit::model::schedule::Schedule;
use crate::visit::model::{Model, Split};
use crate::visit::rows::SessionRows;
use clap::ValueEnum;
use std::sync::{Arc, Mutex};

/// Sessions that went through the job.
pub struct Sessions {
    /// Their rows, in the order in which they ended.
    pub rows: Vec<SessionRows>,
    /// Their digest.
    pub digest: String,
    /// Whether all logs have real times.
    pub has_times: bool,
    /// The logs in words.
    pub data: String,
    /// What a user should know.
    pub notes: Vec<String>,
    /// Nothing looks for signals while a model is fitted or judged: as long as this is kept, one
    /// ends the process at once.
    pub interruptible: Waiting,
}

/// How sessions are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitBy {
    /// By time where all logs have times, else by visitor
    Auto,
    /// The last fifth of the sessions is judged
    Time,
    /// A fifth of the visitors is judged
    Visitor,
}

impl SplitBy {
    /// The split of these sessions.
    pub fn of(self, sessions: &Sessions, seed: u64) -> Split {
        match self {
            SplitBy::Time => by_time(&sessions.rows),
            SplitBy::Auto if sessions.has_times => by_time(&sessions.rows),
            SplitBy::Auto | SplitBy::Visitor => Split::Visitors { seed },
        }
    }
}

/// Runs the job over the logs.
pub fn sessions(logs: &LogArgs, pass: &PassArgs) -> Result<Sessions, Failure> {
    if !(pass.sample > 0.0 && pass.sample <= 1.0) {
        return Err(Failure::usage(
            "--sample is not a share above 0 and up to 1",
        ));
    }
    if !(1..=256).contains(&pass.workers) {
        return Err(Failure::usage("--workers does not lie between 1 and 256"));
    }
    let policy = policy_or_shipped(pass.policy.as_deref())?;
    let carry = Carry {
        session: policy.session.from_log,
        details: false,
    };
    let (sources, mut lane_options) = logs.resolve(carry)?;
    pass.clocks.apply(&mut lane_options)?;
    let stop = Stop::default();
    stop.watch_signals()
        .map_err(|error| Failure::new(1, error))?;
    let progress = Progress::default();
    let bar = Arc::new(Mutex::new(None));
    let (show, shown) = (Arc::clone(&bar), Arc::clone(&progress));
    let result = run(JobSpec {
        rules: Arc::new(Rules {
            policy,
            models: Schedule::of(Model::blank()),
        }),
        logs: sources,
        sort: pass.sort,
        lane_options,
        cluster: Cluster {
            workers: pass.workers,
            process: 0,
            addresses: Vec::new(),
        },
        pace: Pace::default(),
        decisions: None,
        rejects: None,
        keep_rejects: false,
        lines: Lines::None,
        follow: None,
        timeline: false,
        rows: Some(Sample {
            share_ppm: (pass.sample * 1e6).round().max(1.0) as u32,
        }),
        what_if: None,
        progress,
        opened: Box::new(move |bytes| {
            if let Ok(mut bar) = show.lock() {
                *bar = Some(Bar::start(&shown, bytes));
            }
        }),
        stop: stop.clone(),
    });
    if let Ok(mut bar) = bar.lock() {
        *bar = None;
    }
    let result = result.map_err(|error| Failure::new(error.exit_code(), error))?;
    let Some(result) = result else {
        return Err(Failure::usage("one process trains"));
    };
    let interruptible = stop.exit_while_waiting();
    let rejected: u64 = result.rejected().iter().sum();
    let mut notes = Vec::new();
    if rejected > 0 {
        notes.push(format!(
            "{rejected} of {} rows were rejected; `restage validate` says why",
            result.rows()
        ));
    }
    let has_times = result.lanes.iter().all(|lane| {
        let format = lane.format.parse::<FormatName>();
        format.map_or(true, FormatName::has_times)
    });
    let names = result.lanes.iter().map(|lane| {
        let name = std::path::Path::new(&lane.log).file_name();
        let name = name.map_or(lane.log.clone(), |name| name.to_string_lossy().into_owned());
        format!("{name} ({}, {} events)", lane.format, lane.tally.accepted)
    });
    Ok(Sessions {
        data: names.collect::<Vec<_>>().join(", "),
        digest: format!("{:032x}", result.rows_digest),
        rows: result.rows,
        has_times,
        notes,
        interruptible,
    })
}
