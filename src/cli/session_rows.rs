//! Running the job over logs for the rows of their sessions, to train on or to judge by.

use super::Failure;
use super::args::{LogArgs, PassArgs, policy_or_shipped};
use super::progress::{run_with_bar, stop_at_signals};
use crate::event::Carry;
use crate::flow::failure::AtSignal;
use crate::flow::job::{Cluster, JobSpec};
use crate::flow::sessions::Sample;
use crate::format::FormatName;
use crate::train::split::by_time;
use crate::visit::live::Rules;
use crate::visit::model::schedule::Schedule;
use crate::visit::model::{Model, Split};
use crate::visit::rows::SessionRows;
use clap::ValueEnum;
use std::sync::Arc;

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
    pub interruptible: AtSignal,
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
    let stop = stop_at_signals()?;
    let rules = Rules {
        policy,
        models: Schedule::of(Model::blank()),
        catalogue: None,
    };
    let result = run_with_bar(JobSpec {
        sort: pass.sort,
        lane_options,
        cluster: Cluster::local(pass.workers),
        rows: Some(Sample {
            share_ppm: (pass.sample * 1e6).round().max(1.0) as u32,
        }),
        stop: stop.clone(),
        ..JobSpec::of(Arc::new(rules), sources)
    })?;
    let Some(result) = result else {
        return Err(Failure::usage("one process trains"));
    };
    let interruptible = stop.leave_at_signal();
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
