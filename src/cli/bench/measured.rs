//! The runs that are measured: closed loops and open loops over a log in memory.

use super::super::Failure;
use super::super::state::StateArgs;
use crate::bench::held::{HeldLane, HeldLog, Timetable};
use crate::bench::histogram::Histogram;
use crate::bench::open_loop::{OpenLoop, measure, throughput};
use crate::bench::queue::latencies;
use crate::flow::failure::Stop;
use crate::flow::job::{Cluster, JobResult, JobSpec, run};
use crate::flow::milestones::{Milestones, Passed};
use crate::flow::sessions::Lines;
use crate::flow::source::Pace;
use crate::visit::plan::Plan;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is measured.
pub(super) struct Measuring {
    pub(super) stop: Stop,
    pub(super) plan: Plan,
    pub(super) log: Arc<HeldLog>,
    pub(super) cluster: Cluster,
    pub(super) pace: Pace,
    pub(super) patience: Duration,
    pub(super) warm_up: f64,
    pub(super) state: Option<PathBuf>,
}

/// What a closed loop came to.
pub(super) struct Closed {
    pub(super) events: usize,
    pub(super) events_per_s: f64,
    /// For how long these were counted.
    pub(super) span: Duration,
    pub(super) result: JobResult,
}

impl Closed {
    /// Events that a second of the workers' processor time gets through.
    pub(super) fn events_per_worker_cpu_s(&self) -> f64 {
        self.events as f64 / self.result.workers_cpu.as_secs_f64()
    }
}

/// What an open loop came to.
pub(super) struct Open {
    pub(super) came: OpenLoop,
    /// Latencies on the processor's clock, and how much was offered there; one worker only.
    pub(super) on_cpu_clock: Option<(Histogram, f64)>,
    pub(super) result: JobResult,
    pub(super) own_rate: Option<f64>,
}

impl Measuring {
    /// All events, as fast as they are taken.
    pub(super) fn closed(&self) -> Result<Closed, Failure> {
        let events = self.log.len();
        let (result, passed) = self.run(HeldLane::new(&self.log, events, None))?;
        let through = throughput(&self.log, events, self.warm_up, &passed);
        let (events_per_s, span) = through.ok_or_else(|| {
            Failure::usage(
                "the log was answered in one go, so nothing can be said of its pace: take more events, a smaller --batch, or a log whose times differ",
            )
        })?;
        Ok(Closed {
            events,
            events_per_s,
            span,
            result,
        })
    }

    /// Events by a timetable, at `per_s` by the clock and at `cpu_per_s` on the processor's.
    pub(super) fn open(
        &self,
        (per_s, cpu_per_s): (f64, f64),
        (seconds, epoch): (f64, Duration),
    ) -> Result<Open, Failure> {
        let events = self.log.len().min((per_s * seconds) as usize);
        if events < 100 {
            return Err(Failure::usage(format!(
                "{events} events are too few for latencies; 100 at least: offer more, or for longer"
            )));
        }
        let timetable = Timetable::new(per_s, epoch);
        let lane = HeldLane::new(&self.log, events, Some(timetable.clone()));
        let (result, passed) = self.run(lane)?;
        let how = (&timetable, self.warm_up);
        let is_one = self.cluster.workers * self.cluster.processes() == 1 && self.state.is_none();
        let queue = || {
            let timetable = Timetable::new(cpu_per_s, epoch);
            let how = (&timetable, self.warm_up);
            (
                latencies(self.plan.first(), (&self.log, events), how),
                cpu_per_s,
            )
        };
        let came = measure(&self.log, events, how, &passed);
        if came.latency.total() == 0 {
            return Err(Failure::usage(format!(
                "none of {events} events could be counted: all that is past the warm-up has the arrival of the last one, whose decisions are known only when the log ends"
            )));
        }
        Ok(Open {
            came,
            on_cpu_clock: is_one.then(queue),
            result,
            own_rate: self.log.own_rate(events),
        })
    }

    fn run(&self, lane: HeldLane) -> Result<(JobResult, Passed), Failure> {
        let milestones = Milestones::default();
        let mut spec = JobSpec {
            held: Some(Box::new(lane)),
            cluster: self.cluster.clone(),
            pace: self.pace,
            patience: self.patience,
            stop: self.stop.clone(),
            milestones: Some(milestones.clone()),
            plan: self.plan.clone(),
            ..JobSpec::of(Arc::clone(self.plan.first()), Vec::new())
        };
        // Removed with everything in it when the run is over.
        let _folder = match &self.state {
            Some(dir) => Some(self.keep_state(dir, &mut spec)?),
            None => None,
        };
        let result = run(spec).map_err(|error| Failure::new(error.exit_code(), error))?;
        let result = result.ok_or_else(|| {
            Failure::new(1, anyhow::anyhow!("the first process came to no result"))
        })?;
        Ok((result, milestones.take()))
    }

    fn keep_state(&self, dir: &PathBuf, spec: &mut JobSpec) -> Result<tempfile::TempDir, Failure> {
        let made = std::fs::create_dir_all(dir).and_then(|()| tempfile::tempdir_in(dir));
        let folder = made.map_err(|error| {
            let what = format!("no folder could be made in {}", dir.display());
            Failure::new(5, anyhow::Error::new(error).context(what))
        })?;
        spec.lines = Lines::Json;
        let state = StateArgs {
            state: Some(folder.path().join("state")),
            snapshot_every: None,
            policy_from: None,
        };
        state.open(spec, Some(&folder.path().join("decisions.jsonl")))?;
        Ok(folder)
    }
}
