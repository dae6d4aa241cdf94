//! `restage simulate --closed-loop`: put a policy to the test on shoppers who react.

use super::args::{read_file, read_policy};
use super::progress::Spinner;
use super::simulate::not_written;
use super::{Failure, print, reader_is_gone};
use crate::evaluate::lift::words::signed_percent;
use crate::flow::closed::JobKeeper;
use crate::format::{LogWriter, RawEvent};
use crate::grouped::grouped;
use crate::plot::closed_loop::closed_loop_plots;
use crate::simulate::Intent;
use crate::simulate::closed::experiment::{Experiment, ExperimentError, Findings, Lift, Rival};
use crate::simulate::closed::{ClosedParams, CoreKeeper, SLOTS, Shopkeeper, Summary, policies};
use crate::suggest;
use crate::visit::live::Rules;
use crate::visit::model::Model;
use crate::visit::model::schedule::Schedule;
use crate::visit::phase::Phase;
use crate::visit::policy::Policy;
use clap::Args;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The flags of the closed loop.
#[derive(Args, Debug)]
pub(super) struct ClosedLoop {
    /// Let shoppers react to the page, and judge a policy by what they buy
    #[arg(long)]
    pub(super) closed_loop: bool,
    /// How many sessions each rival gets [default: 200000]
    #[arg(long, value_name = "N", requires = "closed_loop")]
    sessions: Option<u64>,
    /// Days over which the sessions are spread [default: 7]
    #[arg(long, value_name = "N", requires = "closed_loop")]
    days: Option<f64>,
    /// How strongly shoppers respond to the page; 0 is a shop where nothing shown matters [default: 1]
    #[arg(long, value_name = "F", requires = "closed_loop")]
    effect_scale: Option<f64>,
    /// Plant an arm that drives shoppers away, like banner/category_guide, to see whether it is found
    #[arg(long, value_name = "SLOT/ARM", requires = "closed_loop", value_parser = arm_of)]
    bad_arm: Option<(usize, u8)>,
    /// The policy under test; one that learns every slot if absent (restage policy --closed-loop)
    #[arg(long, value_name = "FILE", requires = "closed_loop")]
    policy: Option<PathBuf>,
    /// A policy that runs in the same shop beside it, for comparison, by its name; may be given several times
    #[arg(long, value_name = "FILE", requires = "closed_loop")]
    compare: Vec<PathBuf>,
    /// Runs with seeds that follow one another [default: 1]
    #[arg(long, value_name = "N", requires = "closed_loop", value_parser = clap::value_parser!(u64).range(1..=1000))]
    runs: Option<u64>,
    /// Print one JSON object and nothing else
    #[arg(long, requires = "closed_loop")]
    json: bool,
    /// Draw regret and conversion of the first run into this folder
    #[arg(long, value_name = "DIR", requires = "closed_loop")]
    plot: Option<PathBuf>,
}

impl ClosedLoop {
    /// Runs the experiments and reports. `out` is where the log of the policy under test goes.
    pub(super) fn run(&self, seed: u64, out: Option<&Path>) -> Result<(), Failure> {
        if out.is_some_and(|out| out.as_os_str() == "-") {
            let what = "--out - and the report would both go to stdout; name a file for the log";
            return Err(Failure::usage(what));
        }
        let text = self.policy_text()?;
        let compared = self.compared()?;
        let bar = Spinner::start();
        let mut runs = Vec::new();
        for number in 0..self.runs.unwrap_or(1) {
            let usual = ClosedParams::default();
            let params = ClosedParams {
                seed: seed.wrapping_add(number),
                sessions: self.sessions.unwrap_or(usual.sessions),
                days: self.days.unwrap_or(usual.days),
                effect_scale: self.effect_scale.unwrap_or(usual.effect_scale),
                bad_arm: self.bad_arm,
                ..usual
            };
            let experiment = Experiment {
                params,
                policy: &text,
                compared: &compared,
                rules: &core,
                job: &job,
                told: &|rival| bar.say(&format!("seed {}: {rival}", seed.wrapping_add(number))),
            };
            tracing::info!("run of seed {}", experiment.params.seed);
            runs.push(self.one(&experiment, out.filter(|_| number == 0))?);
        }
        drop(bar);
        if let Some(dir) = &self.plot {
            closed_loop_plots(dir, &runs[0]).map_err(|error| Failure::new(5, error))?;
        }
        let summary = Summary::of(runs);
        if self.json {
            let mut line = serde_json::to_vec(&summary).map_err(|error| Failure::new(1, error))?;
            line.push(b'\n');
            return print(&line);
        }
        print(page(&summary).as_bytes())
    }

    fn policy_text(&self) -> Result<String, Failure> {
        let Some(path) = &self.policy else {
            return Ok(policies::learning("learned", "thompson"));
        };
        // Read once for what is wrong with it, with the file's name, and once for its text.
        read_policy(path)?;
        let text = read_file(path)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Names and texts of the policies that run beside it.
    fn compared(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut names = ["default", "fixed", "uniform", "oracle", "policy"]
            .map(String::from)
            .to_vec();
        let mut compared = Vec::new();
        for path in &self.compare {
            let label = read_policy(path)?.label;
            // Without the hash of its text.
            let name = label.split('@').next().unwrap_or_default().to_owned();
            if names.contains(&name) {
                let what = format!("{}: a rival is called `{name}` already", path.display());
                return Err(Failure::usage(what));
            }
            names.push(name.clone());
            let text = read_file(path)?;
            compared.push((name, String::from_utf8_lossy(&text).into_owned()));
        }
        Ok(compared)
    }

    /// One run, its log written if asked for.
    fn one(&self, experiment: &Experiment<'_>, out: Option<&Path>) -> Result<Findings, Failure> {
        let refused = |error: ExperimentError| match &self.policy {
            Some(path) => {
                let error = anyhow::Error::new(error);
                Failure::new(2, error.context(path.display().to_string()))
            }
            None => Failure::new(2, error),
        };
        // Before the log's file is made.
        experiment.check().map_err(refused)?;
        let Some(out) = out else {
            return experiment.run(&mut |_| {}).map_err(refused);
        };
        let mut writer = LogWriter::create(out)
            .map_err(|error| not_written(out, error))?
            .with_device(true);
        let mut failed = None;
        let mut write = |event: &RawEvent<'_>| {
            if failed.is_none() {
                failed = writer.write(event).err();
            }
        };
        let findings = experiment.run(&mut write).map_err(refused)?;
        match failed.map_or_else(|| writer.finish(), Err) {
            Err(error) if !reader_is_gone(&error) => Err(not_written(out, error)),
            _ => Ok(findings),
        }
    }
}

/// Slot and arm of `slot/arm`, by the shop's names.
fn arm_of(text: &str) -> Result<(usize, u8), String> {
    let all = SLOTS.iter().enumerate().flat_map(|(place, slot)| {
        let arms = slot.arms.iter().enumerate();
        arms.map(move |(arm, name)| (format!("{}/{name}", slot.name), (place, arm as u8)))
    });
    let all: Vec<(String, (usize, u8))> = all.collect();
    if let Some((_, found)) = all.iter().find(|(name, _)| name == text) {
        return Ok(*found);
    }
    let names = || all.iter().map(|(name, _)| name.as_str());
    Err(format!(
        "the shop has no arm `{text}`; it has {}{}",
        names().collect::<Vec<_>>().join(", "),
        suggest::hint(text, names())
    ))
}

/// The pure core, for a policy that learns nothing.
fn core(policy: &str) -> Box<dyn Shopkeeper> {
    Box::new(CoreKeeper::new(rules(policy)))
}

/// The job itself.
fn job(policy: &str) -> Box<dyn Shopkeeper> {
    Box::new(JobKeeper::new(rules(policy)))
}

/// The rules of a policy that has been read before.
fn rules(policy: &str) -> Rules {
    Rules {
        policy: Policy::read(policy).expect("the policy has been read before"),
        models: Schedule::of(Model::shipped()),
        catalogue: None,
    }
}

/// The report for people.
fn page(summary: &Summary) -> String {
    let mut page = String::new();
    for findings in &summary.runs {
        one_run(findings, &mut page);
        page.push('\n');
    }
    if let [run] = &summary.runs[..] {
        found_out(run, &mut page);
    } else {
        gains(
            &format!("mean of {} runs", summary.runs.len()),
            (summary.oracle_gain, summary.policy_gain, summary.gain_ratio),
            (summary.regret, summary.regret_uniform, summary.regret_fixed),
            &mut page,
        );
    }
    page
}

/// The arms that the kill switch has taken out; one that is hardly drawn may be spared it.
fn barred_line(findings: &Findings) -> String {
    let barred = findings.learned.iter().flat_map(|slot| {
        let arms = slot.arms.iter().filter(|arm| arm.barred_ms.is_some());
        arms.map(|arm| format!("{}/{}", slot.slot, arm.arm))
    });
    let barred: Vec<String> = barred.collect();
    if barred.is_empty() {
        return "no arm is surely worse than the holdout".into();
    }
    format!("{} taken out", barred.join(", "))
}

fn one_run(findings: &Findings, page: &mut String) {
    let sessions = grouped(findings.sessions);
    let _ = writeln!(
        page,
        "closed loop: {sessions} sessions for each rival, seed {}\n",
        findings.seed
    );
    let _ = writeln!(
        page,
        "                conversion  last quarter      orders       revenue  promotions  changes/session"
    );
    for rival in &findings.rivals {
        row(rival, page);
    }
    page.push('\n');
    let lift = findings.lift.as_ref().map_or_else(no_holdout, lift_line);
    let _ = writeln!(page, "{lift}");
    let _ = writeln!(page, "kill switch: {}", barred_line(findings));
    gains(
        "the policy",
        (
            findings.oracle_gain,
            findings.policy_gain,
            findings.gain_ratio,
        ),
        (
            findings.regret,
            findings.regret_uniform,
            findings.regret_fixed,
        ),
        page,
    );
    for one in &findings.compared {
        let share = one.gain_ratio.map_or(String::new(), |ratio| {
            format!(", {:.0}% of the oracle's", 100.0 * ratio)
        });
        let _ = writeln!(
            page,
            "{}: {:+.1}% in the last quarter{share}; regret {:.0}",
            one.name,
            100.0 * one.gain,
            one.regret
        );
    }
}

fn row(rival: &Rival, page: &mut String) {
    let whole = |value: f64| grouped(value.round().max(0.0) as u64);
    let _ = writeln!(
        page,
        "{:<14} {:>10.2}%  {:>11.2}%  {:>10}  {:>12}  {:>10}  {:>15.2}",
        rival.name,
        100.0 * rival.conversion,
        100.0 * rival.conversion_late,
        grouped(rival.orders),
        whole(rival.revenue),
        whole(rival.discount),
        rival.changes_per_session
    );
}

fn gains(
    who: &str,
    (oracle, policy, ratio): (f64, f64, Option<f64>),
    (regret, uniform, fixed): (f64, f64, f64),
    page: &mut String,
) {
    let share = ratio.map_or(String::new(), |ratio| {
        format!(
            ", {:.0}% of the oracle's {:+.1}%",
            100.0 * ratio,
            100.0 * oracle
        )
    });
    let _ = writeln!(
        page,
        "{who}: {:+.1}% over the default in the last quarter{share}\n\
         regret in expected orders: policy {regret:.0}, uniform draws {uniform:.0}, best fixed layout {fixed:.0}",
        100.0 * policy
    );
}

fn no_holdout() -> String {
    "lift: the policy has no [holdout] share, nothing to compare with".into()
}

/// What the job says of itself, beside the truth; a figure only once there is an interval.
fn lift_line(lift: &Lift) -> String {
    let found = lift.conversion.zip(lift.interval);
    let found = found.map_or(String::new(), |(found, [low, high])| {
        let [found, low, high] = [found, low, high].map(signed_percent);
        format!("{found} ({low} to {high}), ")
    });
    format!(
        "lift against the holdout, by the job's own count: {found}{}; in truth {}",
        lift.verdict,
        signed_percent(lift.truth)
    )
}

/// What the scouting run found: the intents behind the phases, and the oracle's page.
fn found_out(findings: &Findings, page: &mut String) {
    let _ = write!(page, "events by phase (rows) and true intent\n           ");
    for intent in Intent::ALL {
        let _ = write!(page, "  {:>10}", intent.name());
    }
    let _ = writeln!(page, "   the oracle shows");
    for (phase, counts) in Phase::ALL.iter().zip(&findings.confusion) {
        let _ = write!(page, "{:<11}", phase.name());
        for events in counts {
            let _ = write!(page, "  {:>10}", grouped(*events));
        }
        let _ = writeln!(
            page,
            "   {}",
            names(&findings.oracle_layouts[*phase as usize])
        );
    }
    let _ = writeln!(page, "best fixed layout: {}", names(&findings.fixed_layout));
}

fn names(layout: &[u8]) -> String {
    let arms = layout.iter().zip(&SLOTS);
    let arms: Vec<&str> = arms
        .map(|(arm, slot)| slot.arms[usize::from(*arm)])
        .collect();
    arms.join(", ")
}
