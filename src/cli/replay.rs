//! `restage replay`: run the job over recorded logs, write decisions, print a report.

use super::args::{ClockArgs, EngineArgs, LogArgs, RuleArgs, check_reject_ratio};
use super::learned::lift_over_time;
use super::progress::{run_with_bar, stop_at_signals};
use super::reload::{Watches, reload_rules};
use super::report::Report;
use super::state::StateArgs;
use super::supervise::SuperviseArgs;
use super::what_if::{against, compared};
use super::{Failure, print};
use crate::event::{ArrivalMs, Carry};
use crate::flow::failure::{StopReason, say};
use crate::flow::job::JobSpec;
use crate::flow::output::{LineWriter, Target};
use crate::flow::sessions::Lines;
use crate::format::Source;
use crate::plot::lift::lift_plots;
use crate::plot::off_policy::off_policy_plot;
use crate::plot::replay_plots;
use crate::visit::decision::Recorder;
use crate::visit::live::Rules;
use crate::visit::tally::ProductCounts;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Run the job over recorded logs, write decisions, print a report
///
/// Every log is a lane of its own. The decisions, their file and the digest in the report are the
/// same for any number of workers and processes and any way of cutting the input.
///
/// A log that `restage import --pack` has packed is read from its pack, which takes less of the processor, as long
/// as the log is the one that was packed; with --sort, --mapping or --rejects the log itself is read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage replay data/demo.csv
  restage replay data/demo.csv --out decisions.jsonl -w 2
  restage replay monday.csv.gz tuesday.csv.gz --policy bold.toml --json
  restage replay UserBehavior.csv --sort --plot plots
  restage replay monday.csv.gz --policy calm.toml --against bold.toml
  zcat events.jsonl.gz | restage replay - --out - | head

Two processes on this machine, one command in each of two terminals:
  restage replay data/demo.csv -n 2 -p 0 --out decisions.jsonl
  restage replay data/demo.csv -n 2 -p 1")]
pub struct Replay {
    #[command(flatten)]
    logs: LogArgs,
    #[command(flatten)]
    clocks: ClockArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Write the decision records here; `-` is stdout, and the report then goes to stderr
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The form of the decision records
    #[arg(long, value_enum, default_value_t = OutFormat::Jsonl)]
    out_format: OutFormat,
    /// Write rejected rows here, as JSON lines
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// End with code 3 when more than this share of the rows is rejected
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    max_reject_ratio: f64,
    /// Sort each log by time first, as `restage import` does; takes up to 256 MiB of memory in all
    /// (at least 16 MiB a log), and temporary files beyond that
    #[arg(long)]
    sort: bool,
    /// Read the logs themselves, even where `restage import --pack` has put packs beside them
    #[arg(long)]
    no_pack: bool,
    /// Compare with another policy on the same sessions: where the page differs, for whom, and what
    /// the other is worth by the off-policy estimators
    #[arg(long, value_name = "FILE", conflicts_with = "policy_schedule")]
    against: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    supervise: SuperviseArgs,
    /// Write plots (SVG) into this folder
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutFormat {
    Jsonl,
    Csv,
}

impl Replay {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        self.supervise.supervise()?;
        check_reject_ratio(self.max_reject_ratio)?;
        let to_stdout = self.logs.check_sinks(
            [
                ("--out", self.out.as_deref()),
                ("--rejects", self.rejects.as_deref()),
            ],
            self.json,
        )?;
        let plan = self.rules.plan()?;
        let rules = Arc::clone(&plan.last().rules);
        let what_if = match &self.against {
            Some(path) => Some(Arc::new(against(&self.rules, &rules, path)?)),
            None => None,
        };
        let carry = Carry {
            session: rules.policy.session.from_log,
            details: false,
        };
        let (logs, mut lane_options) = self.logs.resolve(carry)?;
        self.clocks.apply(&mut lane_options)?;
        let (cluster, pace) = self.engine.resolve(&logs)?;
        if let Some(dir) = &self.plot {
            std::fs::create_dir_all(dir).map_err(|error| {
                let what = format!("the folder {} could not be created", dir.display());
                Failure::new(5, anyhow::Error::new(error).context(what))
            })?;
        }
        self.check_state(&logs)?;
        let stop = stop_at_signals()?;
        self.supervise.obey(&stop);

        let lines = match (&self.out, self.out_format) {
            (None, _) if self.state.state.is_none() => Lines::None,
            (_, OutFormat::Jsonl) => Lines::Json,
            (_, OutFormat::Csv) => Lines::Csv,
        };
        let first = cluster.process == 0;
        let open = |path: &PathBuf| {
            LineWriter::create(Target::parse(path), stop.clone())
                .map_err(|error| Failure::new(5, error))
        };
        let to_file = first && self.state.state.is_none();
        let mut decisions = self
            .out
            .as_ref()
            .filter(|_| to_file)
            .map(open)
            .transpose()?;
        let rejects = self
            .rejects
            .as_ref()
            .filter(|_| first)
            .map(open)
            .transpose()?;
        if let (Some(writer), Lines::Csv) = (&mut decisions, lines) {
            let mut header = Vec::new();
            Recorder::of(&rules).csv_header(&mut header);
            writer.write(&header);
        }
        let mut spec = JobSpec {
            sort: self.sort,
            packs: !self.no_pack,
            lane_options,
            cluster: cluster.clone(),
            pace,
            decisions,
            rejects,
            keep_rejects: self.rejects.is_some(),
            lines,
            timeline: self.plot.is_some(),
            what_if: what_if.clone(),
            patience: Duration::from_secs(self.engine.watchdog),
            stop: stop.clone(),
            plan,
            ..JobSpec::of(rules, logs)
        };
        let alive = self.state.open(&mut spec, self.out.as_deref())?;
        let (mut plan, changes) = (spec.plan.clone(), spec.changes.clone());
        if self.state.state.is_some() {
            reload_rules(&self.rules, changes.clone().zip(alive), Watches::default())?;
        }
        let result = run_with_bar(spec)?;
        // Only the first process has a result to report.
        let Some(mut result) = result else {
            return Ok(());
        };

        let rejected: u64 = result.rejected().iter().sum();
        let rows = result.rows();
        let too_many = rejected as f64 > self.max_reject_ratio * rows as f64;
        // Then the run has stopped early: decisions in a file would not be all of them.
        let gone = stop.reason() == Some(StopReason::ReaderGone);
        result
            .finish(!too_many && !gone)
            .map_err(|error| Failure::new(5, error))?;
        if gone || stop.reason() == Some(StopReason::ReaderGone) {
            return Ok(());
        }
        if let Some(changes) = changes {
            plan = changes.plan();
        }
        let run_rules = &plan.last().rules;
        let mut report = Report::new(&result, &cluster, &plan);
        if let Some(what_if) = &what_if {
            report.against = Some(compared(what_if, &result.evidence)?);
        }
        let page = if self.json {
            report.json()
        } else {
            report.text(&self.where_decisions_went(too_many))
        };
        if to_stdout {
            say(page.trim_end());
        } else {
            print(page.as_bytes())?;
        }
        if too_many {
            return Err(Failure::new(
                3,
                anyhow::anyhow!(
                    "{rejected} of {rows} rows were rejected, more than --max-reject-ratio {} allows; {}",
                    self.max_reject_ratio,
                    match &self.rejects {
                        Some(path) => format!("{} says why", path.display()),
                        None if self.state.state.is_some() => {
                            "`restage validate` shows them with their reasons".into()
                        }
                        None => "--rejects FILE shows them with their reasons".into(),
                    }
                ),
            ));
        }
        if let Some(dir) = &self.plot {
            let failed = |error| Failure::new(5, error);
            let mut files = replay_plots(dir, &result.tally).map_err(failed)?;
            if let Some(points) = lift_over_time(&result.tally, &run_rules.policy) {
                files.extend(lift_plots(dir, &points).map_err(failed)?);
            }
            if let Some(against) = &report.against {
                let (policy, estimates) = (&against.policy, &against.estimates);
                files.extend(off_policy_plot(dir, policy, estimates).map_err(failed)?);
            }
            for file in files {
                say(&format!("wrote {}", file.display()));
            }
        }
        for (boundary, model) in run_rules.models.iter() {
            if rows > 0 && boundary.0 > result.tally.last_ms {
                say(&format!(
                    "restage: warning: {} was to take effect at {} ms, after the log's end: it never did",
                    model.label, boundary.0
                ));
            }
        }
        for term in plan.after(ArrivalMs(result.tally.last_ms)) {
            say(&format!(
                "restage: warning: policy {} was to take effect at {} ms, after the log's end",
                term.rules.policy.label, term.from.0
            ));
        }
        for warning in of_products(run_rules, &result.tally.products) {
            say(&format!("restage: warning: {warning}"));
        }
        if rows == 0 {
            say("restage: warning: the log held no events");
        }
        Ok(())
    }

    /// What a durable run cannot do.
    fn check_state(&self, logs: &[Source]) -> Result<(), Failure> {
        if self.state.state.is_none() {
            return Ok(());
        }
        let is_stdout = |path: &PathBuf| path.as_os_str() == "-";
        let refused = [
            (self.sort, "--sort: sort the log once with `restage import`"),
            (
                self.against.is_some(),
                "--against: compare in a run without it",
            ),
            (
                self.rejects.is_some(),
                "--rejects: `restage validate` lists them",
            ),
            (
                self.out.as_ref().is_some_and(is_stdout),
                "--out -: what a reader has taken cannot be taken back; name a file",
            ),
            (
                logs.contains(&Source::Stdin),
                "a log from stdin: what was read cannot be read again",
            ),
        ];
        match refused.iter().find(|(given, _)| *given) {
            Some((_, what)) => Err(Failure::usage(format!("--state does not go with {what}"))),
            None => Ok(()),
        }
    }

    fn where_decisions_went(&self, too_many: bool) -> String {
        match &self.out {
            Some(_) if too_many => "not kept".into(),
            None => "--out FILE writes them".into(),
            Some(path) if path.as_os_str() == "-" => "written to stdout".into(),
            Some(path) => format!("written to {}", path.display()),
        }
    }
}

/// What looks wrong with the products of a run.
fn of_products(rules: &Rules, counts: &ProductCounts) -> Vec<String> {
    let (Some(catalogue), Some((_, slot, spec))) = (&rules.catalogue, rules.policy.products())
    else {
        return Vec::new();
    };
    let mut warnings = Vec::new();
    for (place, item) in (1..).zip(&spec.pin) {
        if catalogue.number(*item).is_none() {
            let (slot, label) = (&slot.name, &catalogue.label);
            warnings.push(format!(
                "pinned item {place} of slot `{slot}` is not in {label}"
            ));
        }
    }
    if counts.in_view > 0 && counts.known == 0 {
        warnings.push(format!(
            "no item in view was one of {}: are the ids of catalogue and log written alike?",
            catalogue.label
        ));
    }
    warnings
}
