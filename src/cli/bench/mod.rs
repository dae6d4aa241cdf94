//! `restage bench`: what the job gets through, how late its decisions are, and what the engine costs.
//!
//! The log is read into memory first, so that reading does not hide the job. A closed loop hands it over
//! as fast as it is taken; open loops hand it over by a timetable ([`crate::bench`]).

mod cost;
mod guard;
mod measured;
mod processes;
mod report;

use super::args::{ClockArgs, EngineArgs, FormArgs, LogArgs, RuleArgs};
use super::progress::stop_at_signals;
use super::{Failure, print};
use crate::bench::held::HeldLog;
use crate::event::Carry;
use crate::flow::failure::say;
use crate::flow::job::Cluster;
use crate::flow::source::Pace;
use crate::format::{LaneOptions, LogWriter, Source};
use crate::plot::latency::latency_plots;
use crate::simulate::{Scratch, Shop, ShopParams};
use crate::visit::duration::parse_duration_ms;
use crate::visit::live::Rules;
use crate::visit::plan::Plan;
use crate::visit::policy::LEARNING_POLICY;
use clap::Args;
use measured::{Closed, Measuring, Open};
use processes::{Others, wait_for_first};
use report::Report;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Measure throughput and latency of the job on this machine
///
/// First as fast as the job takes events (closed loop), then by timetables (open loop): every event
/// counts from the moment it was due until its decision, or that there is none, is known at the sink,
/// however far the job is behind. Without LOG a log of the simulated shop is made.
///
/// With -n and no --hostfile the command starts the other processes itself, on free ports of this
/// machine; with --hostfile start the same command there with -p 1, -p 2 and so on.
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  restage bench
  restage bench shop.csv -w 2 --load 0.25,0.5,0.75 --plot plots
  restage bench shop.csv --rate 50000,100000 --learning --epoch 1ms --json
  restage bench shop.csv -n 2 --state /var/tmp/bench
  restage bench --cost
  restage bench --guard"
)]
pub struct Bench {
    /// Logs to take events from; several are put in order of time and handed over as one lane
    #[arg(value_name = "LOG")]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    clocks: ClockArgs,
    #[command(flatten)]
    rules: RuleArgs,
    /// Decide by the policy that `restage policy --learning` prints
    #[arg(long, conflicts_with_all = ["policy", "policy_schedule"])]
    learning: bool,
    #[command(flatten)]
    engine: EngineArgs,
    /// Events of the simulated log
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    events: u64,
    /// Which simulated log
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// First visits an hour in the simulated log: how busy its own clock is
    #[arg(long, default_value_t = 180_000.0, value_name = "N")]
    visits_per_hour: f64,
    /// Open loops at so many events a second
    #[arg(long, value_delimiter = ',', value_name = "N,...")]
    rate: Vec<f64>,
    /// Open loops at these shares of what the closed loop got through; half of it if no rate is given
    #[arg(long, value_delimiter = ',', value_name = "SHARE,...")]
    load: Vec<f64>,
    /// Open loops from a tenth of what the closed loop got through to beyond it: a curve
    #[arg(long, conflicts_with_all = ["rate", "load"])]
    sweep: bool,
    /// Longest time of an open loop, in seconds; the log may end before
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    seconds: f64,
    /// What falls due in such a time is handed over together at its end; 0ms hands over at once
    #[arg(long, default_value = "1ms", value_name = "TIME")]
    epoch: String,
    /// Share of every run that is cut off as a warm-up
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    warm_up: f64,
    /// Measure with durability: state and decisions are written to a folder in this one, and removed
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// What the engine costs: the job beside a plain loop that does the same work with the same core on
    /// one thread, from memory, from the log's text, and from its pack if it has one, learning and not
    #[arg(long, conflicts_with_all = ["rate", "load", "sweep", "state", "plot", "guard"])]
    cost: bool,
    /// Whether ten times the events take less than twelve times the processor's time, at one worker and
    /// two; ends with code 1 if not
    #[arg(long, conflicts_with_all = ["rate", "load", "sweep", "state", "plot"])]
    guard: bool,
    /// Runs of each kind with --cost and --guard; the middle one counts
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: usize,
    /// Write plots (SVG) into this folder
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Shares of saturation of a sweep.
const SWEEP: [f64; 8] = [0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2];

/// Most open loops of a command.
const LOOPS_MAX: usize = 64;

/// A log, and the simulated file that it is in, if it is.
struct Input {
    logs: Vec<Source>,
    options: LaneOptions,
    _made: Option<TempDir>,
}

impl Bench {
    /// Runs the subcommand.
    pub fn run(mut self) -> Result<(), Failure> {
        self.check()?;
        let epoch_ms = parse_duration_ms(&self.epoch)
            .map_err(|what| Failure::usage(format!("--epoch: {what}")))?;
        let plan = self.plan()?;
        let rules = Arc::clone(plan.first());
        if self.cost {
            return self.measure_cost(rules);
        }
        if self.guard {
            return self.hold_guard(&rules);
        }
        let loops = self.open_loops();
        if self.engine.process > 0 {
            let (cluster, pace) = self.engine.resolve(&[])?;
            let patience = Duration::from_secs(self.engine.watchdog);
            return wait_for_first(&rules, (&cluster, pace, patience), 1 + loops.len());
        }
        let others = Others::start(&mut self.engine)?;
        let (cluster, pace) = self.engine.resolve(&[])?;
        let input = self.input(&rules)?;
        let log = self.hold(&input)?;
        let measuring = Measuring {
            stop: stop_at_signals()?,
            plan,
            log,
            cluster,
            pace,
            patience: Duration::from_secs(self.engine.watchdog),
            warm_up: self.warm_up,
            state: self.state.clone(),
        };
        let closed = measuring.closed()?;
        let mut open: Vec<Open> = Vec::with_capacity(loops.len());
        for offered in loops {
            let per_s = match offered {
                Offered::PerSecond(per_s) => (per_s, per_s),
                // A share of what a quiet machine would get through, on the processor's clock.
                Offered::Share(share) => (
                    share * closed.events_per_s,
                    share * closed.events_per_worker_cpu_s(),
                ),
            };
            open.push(measuring.open(per_s, (self.seconds, Duration::from_millis(epoch_ms)))?);
        }
        others.end()?;
        self.report(&measuring, &closed, &open)
    }

    fn check(&self) -> Result<(), Failure> {
        let refused = |what: &str| Err(Failure::usage(what));
        if !(0.0..=0.9).contains(&self.warm_up) {
            return refused("--warm-up does not lie between 0 and 0.9");
        }
        if !(self.seconds > 0.0 && self.seconds <= 3_600.0) {
            return refused("--seconds does not lie between 0 and 3600");
        }
        if self.rate.iter().any(|rate| !(1.0..=1e9).contains(rate)) {
            return refused("--rate does not lie between 1 and 1e9");
        }
        if self
            .load
            .iter()
            .any(|share| !(0.001..=10.0).contains(share))
        {
            return refused("--load does not lie between 0.001 and 10");
        }
        if self.rate.len() + self.load.len() > LOOPS_MAX {
            return refused("more than 64 open loops");
        }
        if !(1..=99).contains(&self.runs) {
            return refused("--runs does not lie between 1 and 99");
        }
        if (self.cost || self.guard) && self.engine.processes > 1 {
            return refused("--cost and --guard measure one process");
        }
        if self.cost && self.logs.len() > 1 {
            return refused("--cost takes one log: the plain loop reads one lane");
        }
        if self.logs.iter().any(|log| log.as_os_str() == "-") {
            return refused("`-`: a log is read more than once; name a file");
        }
        Ok(())
    }

    /// The rules of every run, with their texts: a durable one writes them down.
    fn plan(&self) -> Result<Plan, Failure> {
        let plan = match self.learning {
            true => self.learning_plan()?,
            false => self.rules.plan()?,
        };
        if plan.changes() > 0 {
            return Err(Failure::usage(
                "--policy-schedule: its rules change, and what is measured goes by the same ones throughout",
            ));
        }
        Ok(plan)
    }

    /// The same by the policy that learns.
    fn learning_plan(&self) -> Result<Plan, Failure> {
        let mut text = self.rules.text()?;
        text.policy = LEARNING_POLICY.into();
        Ok(Plan::of_text(Arc::new(self.rules.rules_of(&text)?), text))
    }

    fn open_loops(&self) -> Vec<Offered> {
        let shares = match (self.sweep, self.rate.is_empty(), self.load.is_empty()) {
            (true, ..) => &SWEEP[..],
            (_, true, true) => &[0.5],
            _ => &self.load,
        };
        let rates = self.rate.iter().map(|rate| Offered::PerSecond(*rate));
        rates
            .chain(shares.iter().map(|share| Offered::Share(*share)))
            .collect()
    }

    /// The logs, or a simulated one.
    fn input(&self, rules: &Rules) -> Result<Input, Failure> {
        let carry = Carry {
            session: rules.policy.session.from_log,
            details: false,
        };
        let (made, logs) = if self.logs.is_empty() {
            let folder = tempfile::tempdir().map_err(|error| Failure::new(5, error))?;
            let path = folder.path().join("simulated.csv");
            self.simulate(&path, self.events)?;
            (Some(folder), vec![path])
        } else {
            (None, self.logs.clone())
        };
        let args = LogArgs {
            logs,
            form: self.form.clone(),
        };
        let (logs, mut options) = args.resolve(carry)?;
        self.clocks.apply(&mut options)?;
        Ok(Input {
            logs,
            options,
            _made: made,
        })
    }

    fn simulate(&self, path: &Path, events: u64) -> Result<(), Failure> {
        let params = ShopParams {
            seed: self.seed,
            visits_per_hour: self.visits_per_hour,
            ..ShopParams::default()
        };
        params.check().map_err(|error| Failure::new(2, error))?;
        let write = || {
            let mut writer = LogWriter::create(path)?;
            let mut scratch = Scratch::default();
            for event in
                Shop::new(params.clone()).take(usize::try_from(events).unwrap_or(usize::MAX))
            {
                writer.write(&event.raw(&mut scratch))?;
            }
            writer.finish()
        };
        write().map_err(|error: std::io::Error| {
            let what = format!("{} could not be written", path.display());
            Failure::new(5, anyhow::Error::new(error).context(what))
        })
    }

    /// Reads the log into memory.
    fn hold(&self, input: &Input) -> Result<Arc<HeldLog>, Failure> {
        let log = HeldLog::read(&input.logs, &input.options)
            .map_err(|error| Failure::new(error.exit_code(), error))?;
        if log.len() < 100 {
            return Err(Failure::usage(format!(
                "{} events are too few to measure anything; 100 at least",
                log.len()
            )));
        }
        Ok(Arc::new(log))
    }

    fn report(&self, measuring: &Measuring, closed: &Closed, open: &[Open]) -> Result<(), Failure> {
        let report = Report::of(measuring, closed, open);
        let page = if self.json {
            report.json()
        } else {
            report.text()
        };
        print(page.as_bytes())?;
        if let Some(dir) = &self.plot {
            let points: Vec<_> = open.iter().map(|open| open.came.clone()).collect();
            let files = latency_plots(dir, &points).map_err(|error| Failure::new(5, error))?;
            for file in files {
                say(&format!("wrote {}", file.display()));
            }
        }
        Ok(())
    }
}

/// How much an open loop offers.
#[derive(Clone, Copy, Debug)]
enum Offered {
    PerSecond(f64),
    Share(f64),
}

/// A job in this process alone.
fn alone(workers: usize) -> Cluster {
    Cluster::local(workers)
}

/// How the input of a job in this process is cut.
fn pace_of(engine: &EngineArgs) -> Result<(usize, Pace), Failure> {
    let (cluster, pace) = engine.resolve(&[])?;
    Ok((cluster.workers, pace))
}
