//! `--state DIR`: a run that goes on where another one ended, however it ended, by the same rules, or by
//! others from a stated time on. A catalogue that has changed meanwhile is taken up by itself, at the first
//! boundary of which nothing is committed: it says what the shop sells, whoever decides what to show of it.

use super::Failure;
use super::alive::Alive;
use super::args::time_ms;
use super::recorded::Recorded;
use crate::event::ArrivalMs;
use crate::flow::durable::Durability;
use crate::flow::durable::changes::Changes;
use crate::flow::durable::keeper::Files;
use crate::flow::durable::restore::Restored;
use crate::flow::failure::say;
use crate::flow::job::{JobSpec, State, end};
use crate::format::Source;
use crate::format::open::open as open_log;
use crate::format::restock::{News, Stock};
use crate::log::disk::Disk;
use crate::log::error::LogError;
use crate::log::{Epoch, Options, Resume, Totals, open, read_rules};
use crate::visit::duration::parse_duration_ms;
use crate::visit::plan::{Plan, RulesText, Term};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the state of a run is kept.
#[derive(Args, Debug)]
pub struct StateArgs {
    /// Keep the state of the run in this folder, so that it can be killed at any moment: the same
    /// command, with any number of workers and processes, goes on from there. In a job of several
    /// processes only the first one needs the folder
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Time between two snapshots of the state, as 5s or 500ms; without it the policy's
    /// `durability.snapshot_every`
    #[arg(long, value_name = "TIME", requires = "state")]
    pub snapshot_every: Option<String>,
    /// Where the state is of another policy or model: let this one take over from a time on, at the next
    /// multiple of `tables.quantum`. `now` is the first time of which nothing has been committed; else
    /// 2026-01-06T12:00:00Z or milliseconds since 1970
    #[arg(long, value_name = "now|TIME", requires = "state")]
    pub policy_from: Option<String>,
}

/// Bytes of a segment after which the next one begins.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

impl StateArgs {
    /// Opens the folder and puts what is in it into the run, whose plan is what was given. `outlet` is
    /// the file that gets the decisions. What it returns is kept until the process ends.
    pub fn open(
        &self,
        spec: &mut JobSpec,
        outlet: Option<&Path>,
    ) -> Result<Option<Alive>, Failure> {
        let Some(dir) = &self.state else {
            return Ok(None);
        };
        let mut alive = None;
        let every = match &self.snapshot_every {
            Some(text) => parse_duration_ms(text)
                .map_err(|error| Failure::usage(format!("--snapshot-every: {error}")))?,
            None => spec.rules.policy.snapshot_every_ms,
        };
        // A large snapshot takes a while to be read.
        let _ends = spec.stop.at_signal(|ending| end(ending, None));
        let mut durability = Durability {
            every: Duration::from_millis(every),
            resume: None,
            journal: String::new(),
        };
        if spec.cluster.process == 0 {
            outlet.map_or(Ok(()), check_outlet)?;
            let options = Options {
                segment_bytes_max: SEGMENT_BYTES_MAX,
                outlet: outlet.map(Path::to_owned),
            };
            let files = Files::from_env(Disk);
            // What cannot go on is refused before whoever may be at it is disturbed.
            readable(spec)?;
            let known = || read_rules(&files, dir).map_err(failed);
            self.compare(dir, known()?, &spec.plan)?;
            // So is a start whose other processes never come.
            spec.durability = Some(durability.clone());
            let met = spec.meet();
            met.map_err(|error| Failure::new(error.exit_code(), error))?;
            let is_alone = self.compare(dir, known()?, &spec.plan)?.changes();
            let lock = Alive::at(dir, is_alone)?;
            let opened = open(files, dir, spec.config_digest(), options).map_err(failed)?;
            for note in &opened.notes {
                say(&format!("restage: warning: {note}; going on without it"));
            }
            let mut state = State {
                writer: opened.writer,
                restored: None,
                totals: Totals::default(),
                committed: Vec::new(),
            };
            let is_new = opened.rules.is_none();
            if is_new && opened.resume.is_some() {
                let what = "its rules were missing, and decisions had been committed";
                return Err(Failure::new(
                    4,
                    anyhow::anyhow!("{}: {what}", dir.display()),
                ));
            }
            let compared = self.compare(dir, opened.rules, &spec.plan)?;
            let changes = compared.changes();
            if changes && !is_alone {
                let what = format!("{}: its rules changed while it was opened", dir.display());
                return Err(Failure::new(5, anyhow::anyhow!(what)));
            }
            let (plan, stock) = match opened.resume.as_ref().map(committed) {
                // Nothing was decided yet.
                None if changes => (spec.plan.clone(), stock_of(&spec.plan)?),
                None => (compared.plan, compared.stock),
                Some(until) => self.take_over(compared, until)?,
            };
            let mut journal = plan.journal();
            journal.extend(stock.as_ref().map(Stock::write));
            if is_new || changes {
                let put = state.writer.put_rules(journal.as_bytes());
                put.map_err(failed)?;
            }
            lock.share()?;
            alive = Some(lock);
            durability.journal = journal;
            if let Some(Resume { snapshot, rows }) = opened.resume {
                state.committed = rows;
                if let Some(snapshot) = snapshot {
                    state.totals = snapshot.totals;
                    let neighbours = spec.rules.index().is_some_and(|i| i.session_knn.is_some());
                    let restored = Restored::of(snapshot.parts, neighbours).map_err(|what| {
                        Failure::new(4, anyhow::anyhow!("{}: {what}", dir.display()))
                    })?;
                    if spec.timeline && !restored.has_timeline() {
                        return Err(Failure::usage(
                            "--plot: the run was begun without it, and what its plots would show of the time until now was not kept; leave it out, or begin a new folder",
                        ));
                    }
                    durability.resume = Some(restored.resume());
                    state.restored = Some(restored);
                }
                say(&went_on(dir, &state, &durability));
            }
            spec.state = Some(state);
            spec.changes = Some(Changes::of(plan.clone(), stock));
            spec.plan = plan;
        }
        spec.durability = Some(durability);
        Ok(alive)
    }

    /// What a folder goes by, and what is to take over in it.
    fn compare(
        &self,
        dir: &Path,
        known: Option<Vec<u8>>,
        given: &Plan,
    ) -> Result<Compared, Failure> {
        let Some(journal) = known else {
            return Ok(Compared {
                plan: given.clone(),
                stock: stock_of(given)?,
                rules: None,
                news: None,
            });
        };
        let catalogue = given.first().catalogue.clone();
        let Recorded { rules, plan, stock } = Recorded::read(dir, journal, catalogue.clone())?;
        let mut compared = Compared {
            plan,
            stock,
            rules: None,
            news: None,
        };
        let (last, wanted) = (compared.plan.last(), given.last());
        let same = match given.changes() {
            0 => last.text() == wanted.text(),
            _ => rules == given.journal(),
        };
        if let Some(text) = wanted.text().filter(|_| !same) {
            self.check(dir, last, (text, given))?;
            compared.rules = Some(text.clone());
        }
        compared.news = match (&compared.stock, catalogue) {
            (None, None) => None,
            (Some(stock), Some(now)) => {
                let news = stock.news(now.name(), &now.source);
                news.map_err(|error| Failure::usage(format!("{}, {error}", now.name())))?
            }
            _ => return Err(Recorded::damaged(dir, &"it does not say what is on sale")),
        };
        Ok(compared)
    }

    /// Whether rules may take over from a folder's last ones.
    fn check(
        &self,
        dir: &Path,
        last: &Term,
        (text, given): (&RulesText, &Plan),
    ) -> Result<(), Failure> {
        let (policy, model) = (&last.rules.policy.label, last.rules.models.label());
        let other = format!(
            "the state in {} is of policy {policy} and model {model}, and this run was given {}",
            dir.display(),
            given.label()
        );
        let refused = |what: &str| Err(Failure::usage(format!("{other}; {what}")));
        if given.changes() > 0 {
            return refused(
                "rules that change at stated times take over from no others: give one policy and model, or begin a new folder",
            );
        }
        match last.followed_by(text, ArrivalMs(u64::MAX)) {
            Ok(_) if self.policy_from.is_some() => Ok(()),
            Ok(_) => refused(
                "`--policy-from now` lets that take over from now on, else begin a new folder",
            ),
            Err(error) => refused(&error.to_string()),
        }
    }

    /// What was given takes over after what was committed: rules from when was asked for, a catalogue at once.
    fn take_over(
        &self,
        compared: Compared,
        until: Epoch,
    ) -> Result<(Plan, Option<Stock>), Failure> {
        let (flag, over) = ("--policy-from", until.0 == u64::MAX);
        let Compared {
            mut plan,
            mut stock,
            rules,
            news,
        } = compared;
        if over && (rules.is_some() || news.is_some()) {
            let flag = rules.map_or("--catalogue", |_| flag);
            let what = "the run is over, and all its decisions are committed";
            return Err(Failure::usage(format!("{flag}: {what}")));
        }
        if let (Some(stock), Some(news)) = (&mut stock, news) {
            let quantum_ms = plan.last().rules.policy.quantum_ms;
            if let Some(rows) = stock.take(news, until.0, quantum_ms) {
                say(&format!("restage: {}", stock.told(&rows)));
            }
        }
        let Some(text) = rules else {
            return Ok((plan, stock));
        };
        let after = until.0.max(plan.last().from.0 + 1);
        let at_ms = match self.policy_from.as_deref() {
            Some("now") | None => after,
            Some(time) => time_ms(flag, time)?,
        };
        if at_ms < after {
            return Err(Failure::usage(format!(
                "{flag}: what was decided before {after} ms is committed; from then on others can take over"
            )));
        }
        let from = plan
            .take_over(at_ms, text)
            .map_err(|error| Failure::usage(format!("{flag}: {error}")))?;
        say(&format!(
            "restage: policy {} and model {} take over at {} ms",
            plan.last().rules.policy.label,
            plan.last().rules.models.label(),
            from.0
        ));
        Ok((plan, stock))
    }
}

/// What a folder goes by, and what was given that it does not go by yet.
struct Compared {
    plan: Plan,
    stock: Option<Stock>,
    rules: Option<RulesText>,
    news: Option<News>,
}

impl Compared {
    fn changes(&self) -> bool {
        self.rules.is_some() || self.news.is_some()
    }
}

/// What is on sale by what was given.
fn stock_of(given: &Plan) -> Result<Option<Stock>, Failure> {
    let catalogue = given.first().catalogue.as_ref();
    let stock = catalogue.map(|all| Stock::of(all.name(), &all.source));
    stock.transpose().map_err(|error| Failure::new(2, error))
}

/// Whether the logs that this process reads are there; lanes are waited for.
fn readable(spec: &JobSpec) -> Result<(), Failure> {
    for (_, source) in spec.own_logs().filter(|_| !spec.live) {
        // A pipe would notice that somebody has opened it.
        let is_pipe = matches!(source, Source::Path(path) if path.exists() && !path.is_file());
        if !is_pipe {
            open_log(source).map_err(|error| Failure::new(error.exit_code(), error))?;
        }
    }
    Ok(())
}

/// A file of decisions is measured, cut to what was committed and gone on with.
fn check_outlet(path: &Path) -> Result<(), Failure> {
    match std::fs::metadata(path) {
        Ok(about) if !about.is_file() => Err(Failure::usage(format!(
            "--out {}: it is no regular file, and with --state its length is what a run goes on from",
            path.display()
        ))),
        // One that is not there yet is made, and what else is wrong is said when it is opened.
        _ => Ok(()),
    }
}

/// Up to when decisions are committed.
fn committed(resume: &Resume) -> Epoch {
    let snapshot = resume.snapshot.as_ref().map(|snapshot| snapshot.epoch);
    let row = resume.rows.last().map(|row| row.epoch);
    row.max(snapshot).unwrap_or_default()
}

/// What is said when a run goes on.
fn went_on(dir: &Path, state: &State, durability: &Durability) -> String {
    let committed = state
        .committed
        .last()
        .map_or(state.totals, |row| row.totals);
    let from = match &durability.resume {
        Some(resume) => format!("the snapshot of {} ms", resume.end_ms),
        None => "the log's start, as there is no snapshot yet".into(),
    };
    format!(
        "restage: {}: going on from {from}; {} bytes of decisions had been committed",
        dir.display(),
        committed.bytes
    )
}

/// A state folder that could not be opened.
fn failed(error: LogError) -> Failure {
    Failure::new(error.exit_code(), error)
}
