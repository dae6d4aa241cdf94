//! `restage bench --cost`: the job beside the plain loop, on the processor's clock.
//!
//! Both read the same log in the same way (from memory, from its text, and from its pack where there is
//! one) and must come to the same digest. They run in turns, and the
//! middle of several runs counts: on a shared machine only such ratios mean anything. The job is charged
//! for all its threads, the loop for its one.

use super::super::{Failure, print};
use super::{Bench, Input, alone, pace_of};
use crate::bench::held::{HeldLane, HeldLog};
use crate::bench::plain_loop::{Form, LoopResult, plain_loop};
use crate::event::Lane;
use crate::flow::failure::say;
use crate::flow::job::{JobResult, JobSpec, run};
use crate::flow::source::Pace;
use crate::format::{LaneReader, Source};
use crate::grouped::grouped;
use crate::pack::{PackedLane, Unfit};
use crate::visit::live::Rules;
use serde::Serialize;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Where events are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum From {
    Memory,
    Log,
    /// The log's pack, where `restage import --pack` has put one.
    Packed,
}

/// One line of the comparison.
#[derive(Debug, Serialize)]
struct Cost {
    from: From,
    learns: bool,
    policy: String,
    /// The job's events per CPU-second by the loop's: 1 is as good as the loop.
    cost_ratio: f64,
    /// The same with the job charged for its workers alone.
    cost_ratio_of_workers: f64,
    /// The job by a loop that looks ahead for several events, which the job does not.
    cost_ratio_to_ahead: f64,
    job_events_per_cpu_s: f64,
    loop_events_per_cpu_s: f64,
    ahead_events_per_cpu_s: f64,
    digest: String,
}

/// The comparison; the first line's ratio stands at the top level, too.
#[derive(Debug, Serialize)]
struct Costs {
    workers: usize,
    processes: usize,
    events: u64,
    runs: usize,
    cost_ratio: f64,
    costs: Vec<Cost>,
}

impl Bench {
    /// Measures and reports.
    pub(super) fn measure_cost(&self, rules: Arc<Rules>) -> Result<(), Failure> {
        let (workers, pace) = pace_of(&self.engine)?;
        let input = self.input(&rules)?;
        let log = self.hold(&input)?;
        let compared = Compared {
            input: &input,
            log: &log,
            workers,
            pace,
            runs: self.runs,
        };
        let mut costs = Vec::new();
        for rules in self.compared_rules(rules)? {
            if rules.index().is_some() {
                return Err(Failure::usage(format!(
                    "--cost: policy {} recommends from an index, and the plain loop keeps none",
                    rules.policy.label
                )));
            }
            costs.push(compared.cost(&rules, From::Memory)?);
            costs.push(compared.cost(&rules, From::Log)?);
            if compared.is_packed() {
                costs.push(compared.cost(&rules, From::Packed)?);
            }
        }
        let report = Costs {
            workers,
            processes: 1,
            events: log.len() as u64,
            runs: self.runs,
            cost_ratio: costs[0].cost_ratio,
            costs,
        };
        let page = if self.json {
            serde_json::to_string(&report).expect("a report is plain data") + "\n"
        } else {
            report.text()
        };
        print(page.as_bytes())
    }

    /// The policy that was named, or the default and the one that learns.
    fn compared_rules(&self, rules: Arc<Rules>) -> Result<Vec<Arc<Rules>>, Failure> {
        let is_named = self.rules.policy.is_some() || self.rules.policy_schedule.is_some();
        if self.learning || is_named {
            return Ok(vec![rules]);
        }
        let learning = self.learning_plan()?;
        Ok(vec![rules, Arc::clone(learning.first())])
    }
}

struct Compared<'a> {
    input: &'a Input,
    log: &'a Arc<HeldLog>,
    workers: usize,
    pace: Pace,
    runs: usize,
}

impl Compared<'_> {
    fn cost(&self, rules: &Arc<Rules>, from: From) -> Result<Cost, Failure> {
        let (mut loops, mut ahead, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.runs {
            loops.push(self.plain(rules, from, Form::Naive)?);
            ahead.push(self.plain(rules, from, Form::LookingAhead)?);
            jobs.push(self.job(rules, from)?);
        }
        let digest = loops[0].digest;
        let others = loops.iter().chain(&ahead).map(|came| came.digest);
        let mut others = others.chain(jobs.iter().map(|came| came.digest));
        if let Some(other) = others.find(|other| *other != digest) {
            let what = format!(
                "one run came to digest {other}, the plain loop to {digest}: they did not do the same work"
            );
            return Err(Failure::new(1, anyhow::anyhow!(what)));
        }
        let per_s = |mut times: Vec<Duration>| {
            times.sort_unstable();
            self.log.len() as f64 / times[times.len() / 2].as_secs_f64()
        };
        let plain = per_s(loops.iter().map(|came| came.cpu).collect());
        let ahead = per_s(ahead.iter().map(|came| came.cpu).collect());
        let job = per_s(jobs.iter().map(|came| came.cpu).collect());
        let workers = per_s(jobs.iter().map(|came| came.workers_cpu).collect());
        Ok(Cost {
            from,
            learns: rules.policy.learns(),
            policy: rules.policy.label.clone(),
            cost_ratio: job / plain,
            cost_ratio_of_workers: workers / plain,
            cost_ratio_to_ahead: job / ahead,
            job_events_per_cpu_s: job,
            loop_events_per_cpu_s: plain,
            ahead_events_per_cpu_s: ahead,
            digest: digest.to_string(),
        })
    }

    /// The one log: of several nothing is compared ([`Bench::run`] checks that first).
    fn source(&self) -> &Source {
        &self.input.logs[0]
    }

    /// The log's pack, if there is one.
    fn packed(&self) -> Result<Option<PackedLane>, Unfit> {
        PackedLane::find(self.source(), Lane(0), &self.input.options)
    }

    /// Whether the log has a pack that fits it; one that does not is passed over, as in a replay.
    fn is_packed(&self) -> bool {
        self.packed().map_or_else(
            |unfit| {
                let source = self.source();
                say(&format!(
                    "restage: warning: {source}.pack is not measured: {unfit}"
                ));
                false
            },
            |found| found.is_some(),
        )
    }

    fn plain(&self, rules: &Arc<Rules>, from: From, form: Form) -> Result<LoopResult, Failure> {
        let input = |error: crate::format::InputError| Failure::new(error.exit_code(), error);
        match from {
            From::Memory => plain_loop(
                rules,
                &mut HeldLane::new(self.log, self.log.len(), None),
                form,
            ),
            From::Log => {
                let options = &self.input.options;
                let mut lane = LaneReader::open(self.source(), Lane(0), options).map_err(input)?;
                plain_loop(rules, &mut lane, form)
            }
            From::Packed => {
                let found = self.packed().map_err(|error| Failure::new(5, error))?;
                let mut lane =
                    found.ok_or_else(|| Failure::new(5, anyhow::anyhow!("the pack is gone")))?;
                plain_loop(rules, &mut lane, form)
            }
        }
        .map_err(input)
    }

    fn job(&self, rules: &Arc<Rules>, from: From) -> Result<JobResult, Failure> {
        let mut spec = JobSpec {
            cluster: alone(self.workers),
            pace: self.pace,
            lane_options: self.input.options.clone(),
            ..JobSpec::of(Arc::clone(rules), Vec::new())
        };
        match from {
            From::Memory => {
                spec.held = Some(Box::new(HeldLane::new(self.log, self.log.len(), None)))
            }
            From::Log | From::Packed => {
                spec.logs = vec![self.source().clone()];
                spec.packs = from == From::Packed;
            }
        }
        let result = run(spec).map_err(|error| Failure::new(error.exit_code(), error))?;
        Ok(result.expect("a job of one process has a result"))
    }
}

impl Costs {
    fn text(&self) -> String {
        let whole = |number: f64| grouped(number.round().max(0.0) as u64);
        let mut page = format!(
            "{} events, {} worker(s), the middle of {} runs; events per CPU-second\n\
             {:<7} {:<15} {:>11} {:>14} {:>11} {:>11} {:>9} {:>13}\n",
            grouped(self.events),
            self.workers,
            self.runs,
            "from",
            "",
            "plain loop",
            "looking ahead",
            "job",
            "job ÷ loop",
            "÷ ahead",
            "workers alone"
        );
        for cost in &self.costs {
            let _ = writeln!(
                page,
                "{:<7} {:<15} {:>11} {:>14} {:>11} {:>11.2} {:>9.2} {:>13.2}",
                match cost.from {
                    From::Memory => "memory",
                    From::Log => "log",
                    From::Packed => "packed",
                },
                if cost.learns {
                    "learning"
                } else {
                    "learns nothing"
                },
                whole(cost.loop_events_per_cpu_s),
                whole(cost.ahead_events_per_cpu_s),
                whole(cost.job_events_per_cpu_s),
                cost.cost_ratio,
                cost.cost_ratio_to_ahead,
                cost.cost_ratio_of_workers
            );
        }
        page.push_str("Every run of a line came to the same digest.\n");
        page
    }
}
