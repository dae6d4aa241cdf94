//! `restage run`: the job over lanes that are still being written.

use super::monitor::{Watched, monitor};
use super::{Edges, Failure, check_addresses, listening, survive_hangups};
use crate::cli::args::{ClockArgs, EngineArgs, RuleArgs};
use crate::cli::progress::stop_at_signals;
use crate::cli::reload::{Watches, reload_rules};
use crate::cli::state::StateArgs;
use crate::cli::supervise::SuperviseArgs;
use crate::event::{Carry, LANES_MAX};
use crate::flow::failure::{Stop, say};
use crate::flow::job::{JobSpec, run};
use crate::flow::sessions::Lines;
use crate::flow::status::JobStatus;
use crate::format::{FormatName, LaneOptions, Source};
use crate::visit::plan::Plan;
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Run the job over lanes that are still being written
///
/// Reads lanes as `restage collect` writes them and writes decisions as they fall, each once its events
/// and itself are safe on the disk. It runs until it is told to end; the same command goes on from there,
/// and `restage replay` over the same lanes gives the same bytes. A catalogue that changes is taken up by
/// itself, a policy at SIGHUP.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage run lanes/0.jsonl --out decisions.jsonl --state state
  restage run lanes/0.jsonl lanes/1.jsonl --out decisions.jsonl --state state -w 2
  restage run lanes/0.jsonl --policy bold.toml --out decisions.jsonl --state state --supervise
  restage run lanes/0.jsonl --policy products.toml --catalogue items.csv --out decisions.jsonl --state state")]
// A live job keeps its state, so that it can be ended and go on.
#[command(mut_arg("state", |state| state.required(true)))]
pub struct Run {
    /// Lanes to follow, in the same order every time; one that is not there yet is waited for
    #[arg(required = true, value_name = "LANE")]
    lanes: Vec<PathBuf>,
    #[command(flatten)]
    clocks: ClockArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Write the decision records here
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    supervise: SuperviseArgs,
    /// Where to listen for those who watch: /livez, /readyz, /metrics, /v1/status
    #[arg(long, value_name = "HOST:PORT")]
    monitor: Option<String>,
}

impl Run {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        self.supervise.supervise()?;
        check_addresses(&self.monitor)?;
        let stop = stop_at_signals()?;
        survive_hangups(None)?;
        self.supervise.obey(&stop);
        let watches = Watches::of_catalogue(&self.rules);
        let plan = self.plan()?;
        let lanes: Vec<Source> = self.lanes.iter().map(Source::parse).collect();
        if lanes.len() > LANES_MAX || lanes.contains(&Source::Stdin) {
            return Err(Failure::usage(format!(
                "lanes are files, at most {LANES_MAX} of them"
            )));
        }
        let mut seen = BTreeSet::new();
        for path in &self.lanes {
            let own = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            if !seen.insert(own) {
                return Err(Failure::usage(format!(
                    "{} stands twice: each of its events would count twice",
                    path.display()
                )));
            }
        }
        let (cluster, pace) = self.engine.resolve(&lanes)?;
        let status = JobStatus::default();
        let mut spec = JobSpec {
            cluster,
            pace,
            patience: Duration::from_secs(self.engine.watchdog),
            ..live_job(plan, lanes, &status, &stop)
        };
        let rules = Arc::clone(&spec.rules);
        let own = spec.own_logs();
        let own = own.map(|(lane, _)| (lane as u16, self.lanes[lane].clone()));
        let own: Vec<_> = own.collect();
        self.clocks.apply(&mut spec.lane_options)?;
        say_of_ids(&spec);
        // The address first: whoever opens the state takes it away from a job that is at it.
        let mut edges = None;
        if let Some(address) = &self.monitor {
            let started = Edges::start()?;
            let listener = started.bind(address)?;
            edges = Some((started, listener));
        }
        let alive = self.state.open(&mut spec, Some(&self.out))?;
        reload_rules(&self.rules, spec.changes.clone().zip(alive), watches)?;
        let edges = match edges.zip(self.monitor) {
            Some(((mut edges, listener), address)) => {
                let watched = Watched {
                    job: Some((status, rules)),
                    lanes: own,
                    state: self.state.state,
                    traffic: Arc::clone(&edges.traffic),
                    ..Watched::default()
                };
                let served = (monitor(watched), 64, &BTreeSet::new());
                let at = edges.serve_here(listener, &address, served)?;
                listening("monitor", at);
                Some(edges)
            }
            None => None,
        };
        end_job(run(spec))?;
        if let Some(edges) = edges {
            edges.end();
        }
        Ok(())
    }

    /// What decides, by the files or, where these are wrong, by what the state has recorded.
    fn plan(&self) -> Result<Plan, Failure> {
        match &self.state.state {
            Some(dir) => self.rules.live_plan(dir),
            None => self.rules.plan(),
        }
    }
}

/// A job over lanes that are still being written.
pub fn live_job(plan: Plan, lanes: Vec<Source>, status: &JobStatus, stop: &Stop) -> JobSpec {
    let rules = Arc::clone(&plan.last().rules);
    let carry = Carry {
        session: rules.policy.session.from_log,
        details: false,
    };
    JobSpec {
        live: true,
        lane_options: LaneOptions {
            format: Some(FormatName::RestageJsonl),
            carry,
            ..LaneOptions::default()
        },
        lines: Lines::Json,
        status: Some(status.clone()),
        stop: stop.clone(),
        plan,
        ..JobSpec::of(rules, lanes)
    }
}

/// Says what an event costs that is sent again after its id was forgotten.
pub fn say_of_ids(spec: &JobSpec) {
    let (keep_ms, late_ms) = (
        spec.rules.policy.limits.event_ids_keep_ms,
        spec.lane_options.lateness_ms,
    );
    if keep_ms < late_ms {
        say(&format!(
            "restage: event ids are remembered for {} s, and events are taken {} s after they happened: one that is sent again in between counts twice (limits.event_ids_keep of the policy; 30 bytes an id)",
            keep_ms / 1_000,
            late_ms / 1_000
        ));
    }
}

/// What a job that never ends by itself came to.
pub fn end_job<T>(result: Result<T, crate::flow::job::JobError>) -> Result<(), Failure> {
    result
        .map(|_| ())
        .map_err(|error| Failure::new(error.exit_code(), error))
}

/// The outlet in a folder.
pub fn outlet_in(dir: &Path) -> PathBuf {
    dir.join("decisions.jsonl")
}
