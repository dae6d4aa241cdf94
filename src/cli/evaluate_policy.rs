//! `restage evaluate --policy NEW --log DECISIONS`: what a policy would have earned on a log of
//! one's own, that was made while another was in force.

use super::args::{LogArgs, PassArgs, RuleArgs};
use super::judged::JudgeArgs;
use super::progress::{run_with_bar, stop_at_signals};
use super::train::check_plots;
use super::what_if::rows;
use super::{Failure, print};
use crate::evaluate::ope::report::Estimates;
use crate::evaluate::ope::{Options, estimate};
use crate::evaluate::what_if::report::Matching;
use crate::evaluate::what_if::verdict::{self, Verdict, verdicts};
use crate::evaluate::what_if::{Logger, Setup, records};
use crate::event::Carry;
use crate::flow::failure::say;
use crate::flow::job::{Cluster, JobResult, JobSpec};
use crate::flow::what_if::WhatIf;
use crate::format::Source;
use crate::format::open::open;
use crate::plot::off_policy::off_policy_plot;
use crate::visit::learn::attribution::Reward;
use crate::visit::policy::Policy;
use serde::Serialize;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

/// What is asked for.
pub struct PolicyArgs {
    pub decisions: PathBuf,
    pub logs: LogArgs,
    pub pass: PassArgs,
    pub model: Vec<String>,
    pub catalogue: Option<PathBuf>,
    pub judge: JudgeArgs,
}

/// What is said.
#[derive(Serialize)]
struct Said<'a> {
    policy: &'a str,
    logged_by: &'a str,
    #[serde(flatten)]
    estimates: &'a Estimates,
    worth: Vec<Verdict>,
    matching: Matching,
    notes: &'a [String],
    #[serde(skip)]
    reward: Reward,
}

impl PolicyArgs {
    /// Replays the events beside the decisions, and prints the estimates.
    pub fn run(self) -> Result<(), Failure> {
        let options = Options {
            replicates: self.judge.options(self.pass.seed)?.replicates,
            seed: self.pass.seed,
            ..Options::default()
        };
        check_plots(self.judge.plot.as_deref())?;
        if !(1..=256).contains(&self.pass.workers) {
            return Err(Failure::usage("--workers does not lie between 1 and 256"));
        }
        let what_if = Arc::new(self.what_if()?);
        let Logger::Records(records) = &what_if.setup.logger else {
            return Err(Failure::usage("--log names no decisions"));
        };
        let evidence = self.replayed(&what_if)?.evidence;
        if evidence.matched == 0 {
            return Err(Failure::usage(format!(
                "none of the {} decisions in {} was found in the events: are these the logs from which they were made, and is [session] the same?",
                records.count,
                self.decisions.display()
            )));
        }
        let target = &what_if.target.policy;
        let rows = rows(&what_if, &evidence, &target.learning)?;
        let estimates = estimate(&rows, &options);
        let said = Said {
            policy: &target.label,
            logged_by: &records.policy,
            estimates: &estimates,
            worth: verdicts(&evidence, &what_if.setup.mapping.names, &estimates),
            matching: Matching::of(&evidence, records.count),
            notes: &what_if.setup.mapping.notes,
            reward: target.learning.reward.reward,
        };
        print(said.page(self.judge.json, &self.decisions).as_bytes())?;
        let Some(dir) = &self.judge.plot else {
            return Ok(());
        };
        let drawn = off_policy_plot(dir, &target.label, &estimates);
        for file in drawn.map_err(|error| Failure::new(5, error))? {
            say(&format!("wrote {}", file.display()));
        }
        Ok(())
    }

    /// Reads policy, models and decisions.
    fn what_if(&self) -> Result<WhatIf, Failure> {
        let rules = RuleArgs {
            policy: self.pass.policy.clone(),
            model: self.model.clone(),
            catalogue: self.catalogue.clone(),
            ..RuleArgs::default()
        }
        .resolve()?;
        let input = open(&Source::parse(&self.decisions))
            .map_err(|error| Failure::new(error.exit_code(), error))?;
        let read = records::read(BufReader::new(input.text), &rules.policy);
        let (records, mut mapping) = read.map_err(|error| {
            let what = format!("--log {}", self.decisions.display());
            Failure::new(error.exit_code(), anyhow::Error::new(error).context(what))
        })?;
        mapping.notes.extend(learning_note(&rules.policy));
        Ok(WhatIf {
            target: rules,
            setup: Arc::new(Setup {
                logger: Logger::Records(records),
                mapping,
            }),
        })
    }

    fn replayed(&self, what_if: &Arc<WhatIf>) -> Result<JobResult, Failure> {
        let carry = Carry {
            session: what_if.target.policy.session.from_log,
            details: false,
        };
        let (logs, mut lane_options) = self.logs.resolve(carry)?;
        self.pass.clocks.apply(&mut lane_options)?;
        let result = run_with_bar(JobSpec {
            sort: self.pass.sort,
            lane_options,
            cluster: Cluster::local(self.pass.workers),
            what_if: Some(Arc::clone(what_if)),
            stop: stop_at_signals()?,
            ..JobSpec::of(Arc::clone(&what_if.target), logs)
        })?;
        result.ok_or_else(|| Failure::usage("one process judges"))
    }
}

/// Where the policy's own weights come from.
fn learning_note(policy: &Policy) -> Option<String> {
    policy.learns().then(|| {
        "the policy's weights are those that it would have learned, version by version, from the logged choices and what came of them; a choice counts to the log's end".into()
    })
}

impl Said<'_> {
    fn page(&self, json: bool, decisions: &std::path::Path) -> String {
        if json {
            let mut text = serde_json::to_string(self).expect("estimates are plain data");
            text.push('\n');
            return text;
        }
        let log = format!("{} by {}", decisions.display(), self.logged_by);
        let mut page = verdict::lines(&self.worth, self.reward).join("\n") + "\n\n";
        page += &self.estimates.text(self.policy, &log);
        page += &format!("{:<12} {}\n", "matched", self.matching.line());
        for note in self.notes {
            page += &format!("{:<12} {note}\n", "note");
        }
        page
    }
}
