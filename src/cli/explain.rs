//! `restage explain`: the story of one visitor.

use super::args::{ClockArgs, EngineArgs, LogArgs, RuleArgs};
use super::progress::stop_at_signals;
use super::{Failure, print};
use crate::event::{Carry, VisitorId};
use crate::flow::job::{JobSpec, run};
use clap::Args;
use std::sync::Arc;

/// Tell the story of one visitor: events, features, scores, decisions and why
///
/// The whole job runs over the log, so what is told is what happened.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage explain data/demo.csv --visitor v0000000000
  restage explain 2019-Oct.csv --visitor 541312140 --policy bold.toml | less")]
pub struct Explain {
    #[command(flatten)]
    logs: LogArgs,
    #[command(flatten)]
    clocks: ClockArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// The visitor's id, as the log has it
    #[arg(long, value_name = "V")]
    visitor: String,
    /// Sort each log by time first, as `restage import` does; takes up to 256 MiB of memory in all
    /// (at least 16 MiB a log), and temporary files beyond that
    #[arg(long)]
    sort: bool,
}

impl Explain {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        let plan = self.rules.plan()?;
        let rules = Arc::clone(plan.first());
        let (logs, mut lane_options) = self.logs.resolve(Carry::ALL)?;
        self.clocks.apply(&mut lane_options)?;
        let (cluster, pace) = self.engine.resolve(&logs)?;
        let stop = stop_at_signals()?;
        let heading = format!(
            "visitor {}  (policy {}, model {})\n\n",
            self.visitor,
            plan.policies(),
            plan.last().rules.models.label()
        );
        let result = run(JobSpec {
            sort: self.sort,
            lane_options,
            cluster,
            pace,
            follow: Some(VisitorId::of(self.visitor.as_bytes())),
            stop,
            plan,
            ..JobSpec::of(rules, logs)
        })
        .map_err(|error| Failure::new(error.exit_code(), error))?;
        let Some(result) = result else { return Ok(()) };
        if result.story.is_empty() {
            return Err(Failure::new(
                1,
                anyhow::anyhow!(
                    "visitor `{}` did not occur among the {} events taken; the decision records of `restage replay --out FILE` name the visitors",
                    self.visitor,
                    result.tally.accepted()
                ),
            ));
        }
        print(&[heading.as_bytes(), &result.story].concat())
    }
}
