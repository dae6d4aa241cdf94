//! `restage evaluate --recommender`: how well a product ranker that learned from one log foresees
//! another.

use super::args::{LogArgs, PassArgs, read_policy};
use super::judged::JudgeArgs;
use super::progress::{Spinner, stop_at_signals};
use super::rankers::{Judged, RankerArgs, judged};
use super::{Failure, print};
use crate::evaluate::recommender::report::{Counted, Latency, Report};
use crate::evaluate::recommender::sequences::{Gatherer, Sequence};
use crate::evaluate::recommender::{CUTOFF, Catalogue, Judge, Positions};
use crate::event::{Batch, Carry, Id, Lane};
use crate::flow::failure::say;
use crate::flow::output::{LineWriter, Target};
use crate::format::{LaneOptions, LaneRead, LaneReader, Source};
use crate::visit::duration::duration_text;
use crate::visit::keys::KeyMap;
use crate::visit::policy::Policy;
use crate::visit::rank::{Index, Scored, Scratch};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a recommender is asked, and where its lists go.
#[derive(Args, Debug)]
pub struct AskArgs {
    /// Which positions of the test sessions are judged
    #[arg(long, value_enum, default_value_t = AtArg::Every, requires = "recommender")]
    pub positions: AtArg,
    /// Write every list here, as JSON lines: session, position (events known), items, and scores over
    /// the line's largest. `-` is stdout, and the report then goes to stderr
    #[arg(long, value_name = "LISTS", requires = "recommender")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub ranker: RankerArgs,
}

/// Which positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AtArg {
    /// After each event but the last
    Every,
    /// Before the last event
    Last,
}

/// Whether two paths name one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let names = [one, other].map(|path| path.canonicalize().ok());
    one == other || (names[0].is_some() && names[0] == names[1])
}

/// What is asked for.
pub struct RecommenderArgs {
    pub name: String,
    pub logs: LogArgs,
    pub pass: PassArgs,
    pub ask: AskArgs,
    pub judge: JudgeArgs,
}

/// A log as its events that count.
struct Gathered {
    log: String,
    gatherer: Gatherer,
    notes: Vec<String>,
}

/// A log as sessions.
struct Read {
    log: String,
    sequences: Vec<Sequence>,
    names: KeyMap<String>,
    notes: Vec<String>,
}

/// A line of the lists.
#[derive(Serialize)]
struct ListRow<'a> {
    session: &'a str,
    position: usize,
    items: Vec<&'a str>,
    scores: Vec<f64>,
}

impl RecommenderArgs {
    /// Trains, asks at every position, and says how good the answers were.
    pub fn run(self) -> Result<(), Failure> {
        let name = judged(&self.name)?;
        let [train, test] = self.two_logs()?;
        let same = is_same(&train, &test).then(|| {
            let what = "TRAIN and TEST are the same log: what is foreseen was learned before";
            what.to_owned()
        });
        let policy = self.pass.policy.as_deref().map(read_policy).transpose()?;
        let settings = policy.as_ref().map(|policy| policy.rankers.clone());
        let judged = self
            .ask
            .ranker
            .settings(name, settings.unwrap_or_default())?;
        let mut ranker = judged.ranker();
        let out = [("--out", self.ask.out.as_deref()), ("", None)];
        let to_stdout = self.logs.check_sinks(out, self.judge.json)?;
        // Made before the logs are read, so that a folder that is not there costs nothing.
        let stop = stop_at_signals()?;
        let create = |path| LineWriter::create(Target::parse(path), stop.clone());
        let lists = self.ask.out.as_deref().map(create).transpose();
        let mut lists = lists.map_err(|error| Failure::new(5, error))?;
        // Nothing looks for signals from here on: one ends the process, and leaves no half a file.
        let _interruptible = stop.leave_at_signal();

        let spinner = Spinner::start();
        let (mut train, mut test) = (
            self.gather(&train, &spinner)?,
            self.gather(&test, &spinner)?,
        );
        let erased = forget_in_both(&mut train.gatherer, &mut test.gatherer);
        let idle_ms = match &policy {
            Some(policy) => policy.session.idle_ms,
            None => Policy::shipped().session.idle_ms,
        };
        let (train, test) = (train.sequences(idle_ms)?, test.sequences(idle_ms)?);
        let mut catalogue = Catalogue::default();
        for sequence in &train.sequences {
            ranker.insert(sequence.key, sequence.at_ms, &sequence.items);
            sequence
                .items
                .iter()
                .for_each(|&item| catalogue.count(item));
        }
        let end_ms = train.sequences.last().map_or(0, |last| last.at_ms);
        let window_ms = policy.as_ref().and_then(|policy| policy.index.as_ref());
        let window_ms = window_ms.map(|index| index.window_ms);
        ranker.expire(end_ms.saturating_sub(window_ms.unwrap_or(end_ms)));
        ranker.close(judged.version_ms(end_ms));

        spinner.say("asking");
        let mut judge = Judge::new(&catalogue);
        let measured = self.ask_all(&*ranker, &train, &test, &mut judge, &mut lists);
        drop(spinner);
        let (predictions, predictions_empty) = judge.positions();
        if predictions == 0 {
            return Err(Failure::usage(format!(
                "{}: no session has two events that count, so there is nothing to foresee; {}",
                test.log,
                what_counts()
            )));
        }
        if let Some(lists) = lists {
            lists.finish(true).map_err(|error| Failure::new(5, error))?;
        }
        let known = |item: &Id| catalogue.has(*item);
        let strange = !test.sequences.iter().any(|one| one.items.iter().any(known));
        let strange = strange.then(|| {
            let what =
                "TEST has no item of TRAIN, so nothing can be foreseen; are the ids written alike?";
            what.to_owned()
        });
        let by = policy.as_ref().map(|policy| policy.label.as_str());
        let report = Report {
            recommender: name.name().to_owned(),
            settings: judged.words(),
            protocol: self.protocol(&judged, by, window_ms),
            predictions,
            predictions_empty,
            figures: judge.figures(),
            latency_us: Latency::of(measured),
            train: counted(&train),
            test: counted(&test),
            notes: same
                .into_iter()
                .chain(erased)
                .chain(strange)
                .chain(train.notes.iter().chain(&test.notes).cloned())
                .collect(),
        };
        let page = if self.judge.json {
            report.json()
        } else {
            report.text()
        };
        if to_stdout {
            say(page.trim_end());
            return Ok(());
        }
        print(page.as_bytes())
    }

    /// The training log and the test log.
    fn two_logs(&self) -> Result<[PathBuf; 2], Failure> {
        let logs = self.logs.logs.as_slice();
        let [train, test] = logs else {
            return Err(Failure::usage(format!(
                "--recommender needs two logs, TRAIN and TEST, and got {}; `restage import` makes one log of several",
                logs.len()
            )));
        };
        Ok([train.clone(), test.clone()])
    }

    /// Reads a log, whatever its order.
    fn gather(&self, log: &Path, spinner: &Spinner) -> Result<Gathered, Failure> {
        let (_, mut options) = self.logs.resolve(Carry::ALL)?;
        options.tolerate_disorder = true;
        let source = Source::parse(log);
        spinner.say(&format!("reading {source}"));
        let mut notes = Vec::new();
        let gatherer = gather(&source, &options, &mut notes)?;
        Ok(Gathered {
            log: source.to_string(),
            gatherer,
            notes,
        })
    }

    /// Asks at every position, and returns how long each answer took.
    fn ask_all(
        &self,
        ranker: &dyn Index,
        train: &Read,
        test: &Read,
        judge: &mut Judge<'_>,
        lists: &mut Option<LineWriter>,
    ) -> Vec<Duration> {
        let (mut scratch, mut list) = (Scratch::default(), Vec::new());
        let mut measured = Vec::new();
        for sequence in &test.sequences {
            for known in self.positions().of(sequence.items.len()) {
                let (visit, followed) = sequence.items.split_at(known);
                let started = Instant::now();
                ranker.recommend(visit, CUTOFF, &mut scratch, &mut list);
                measured.push(started.elapsed());
                judge.add(list.iter().map(|one| one.item), followed);
                if let Some(lists) = lists {
                    let row = row(sequence, known, &list, &train.names);
                    let mut line = serde_json::to_vec(&row).expect("a list is plain data");
                    line.push(b'\n');
                    lists.write(&line);
                }
            }
        }
        measured
    }

    fn positions(&self) -> Positions {
        match self.ask.positions {
            AtArg::Every => Positions::Every,
            AtArg::Last => Positions::Last,
        }
    }

    /// What was asked, in words.
    fn protocol(&self, judged: &Judged, policy: Option<&str>, window_ms: Option<u64>) -> String {
        let positions = match self.positions() {
            Positions::Every => "every position: after each event of a test session but its last",
            Positions::Last => "last item: before the last event of each test session",
        };
        let own = if judged.repeats() {
            "repeats count"
        } else {
            "the item on the page is never recommended"
        };
        let by = match policy {
            Some(label) => {
                format!("settings as policy {label} has them where no flag says otherwise")
            }
            None => "settings as published where no flag says otherwise".to_owned(),
        };
        let window = window_ms.map_or(String::new(), |ms| {
            format!(" of the last {}", duration_text(ms))
        });
        format!(
            "{positions}, the visit so far is given and a list of {CUTOFF} asked for; right is the next \
             event's item for HR and MRR, any later event's item for NDCG, precision and recall; {own}; \
             {by} ({}); the index holds the training sessions{window}, those of bots among them, and does \
             not change",
            judged.words()
        )
    }
}

impl Gathered {
    fn sequences(self, idle_ms: u64) -> Result<Read, Failure> {
        let (sequences, names) = self.gatherer.finish(idle_ms);
        if sequences.is_empty() {
            let message = format!("{}: no event counts; {}", self.log, what_counts());
            return Err(Failure::usage(message));
        }
        Ok(Read {
            log: self.log,
            sequences,
            names,
            notes: self.notes,
        })
    }
}

/// Leaves whoever is erased in either log out of both; says how many had events that count.
fn forget_in_both(train: &mut Gatherer, test: &mut Gatherer) -> Option<String> {
    let mut erased = train.erased().clone();
    erased.extend(test.erased());
    let [of_train, of_test] = [train, test].map(|log| log.forget(&erased));
    (of_train + of_test > 0)
        .then(|| format!("erased visitors are left out: {of_train} of TRAIN, {of_test} of TEST"))
}

/// Which events make a sequence, for errors.
fn what_counts() -> &'static str {
    "item_view, click and add_to_cart count, where they name an item"
}

/// The events that count of one log.
fn gather(
    source: &Source,
    options: &LaneOptions,
    notes: &mut Vec<String>,
) -> Result<Gatherer, Failure> {
    let unread = |error: crate::format::InputError| Failure::new(error.exit_code(), error);
    let mut reader = LaneReader::open(source, Lane(0), options).map_err(unread)?;
    let (mut batch, mut rejects) = (Batch::default(), Vec::new());
    let mut gatherer = Gatherer::default();
    loop {
        let more = reader
            .fill(&mut batch, &mut rejects, Batch::EVENTS_MAX)
            .map_err(unread)?;
        batch.iter().for_each(|event| gatherer.take(event));
        batch.clear();
        rejects.clear();
        if !more {
            break;
        }
    }
    let tally = reader.tally();
    let rejected: u64 = tally.rejected.iter().sum();
    if rejected > tally.accepted {
        let error = anyhow::anyhow!(
            "{source}: {rejected} of {} rows were rejected; `restage validate {source}` says why",
            tally.rows
        );
        return Err(Failure::new(3, error));
    }
    if rejected > 0 {
        notes.push(format!(
            "{source}: {rejected} of {} rows were rejected; `restage validate` says why",
            tally.rows
        ));
    }
    Ok(gatherer)
}

fn counted(read: &Read) -> Counted {
    let events = read.sequences.iter().map(|one| one.items.len() as u64);
    let items = read.sequences.iter().flat_map(|one| &one.items);
    Counted {
        log: read.log.clone(),
        sessions: read.sequences.len() as u64,
        events: events.sum(),
        items: items.collect::<BTreeSet<&Id>>().len() as u64,
    }
}

/// A list as it is written.
fn row<'a>(
    sequence: &'a Sequence,
    position: usize,
    list: &[Scored],
    names: &'a KeyMap<String>,
) -> ListRow<'a> {
    let largest = list.first().map_or(1.0, |first| first.score);
    let name = |one: &Scored| names.get(&one.item.0).map_or("", String::as_str);
    ListRow {
        session: &sequence.name,
        position,
        items: list.iter().map(name).collect(),
        scores: list.iter().map(|one| one.score / largest).collect(),
    }
}
