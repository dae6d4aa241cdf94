//! The whole job, assembled: lanes → events → sessions → sink, on any number of workers.
//!
//! ```text
//! lane 0 ─ thread ─┐                     exchange                         exchange
//! lane 1 ─ thread ─┼─► input ─ events ─► by bin ─► Sessions ─ emissions ─► to worker 0 ─► Sink
//! lane 2 ─ thread ─┘     └──── rejected rows, reports of lanes ─────────────┘
//! ```
//!
//! Every worker builds the same graph. Worker 0 of process 0 holds the sink, so the result is
//! whole there and nowhere else.

mod outcome;

use super::assembly::{Assembly, assemble};
use super::cluster::Allocators;
pub use super::cluster::Cluster;
use super::durable::Durability;
use super::durable::changes::Changes;
use super::durable::keeper::{Begin, Closer, Files, Keeper};
use super::durable::restore::Restored;
use super::durable::rounds::Rounds;
use super::failure::{self, AtSignal, Ending, Stop};
use super::lull::Lull;
use super::mesh::Met;
use super::milestones::Milestones;
use super::output::LineWriter;
use super::sessions::{Lines, Sample, SessionsSpec};
use super::sink::Collected;
use super::source::{Durable, Feed, OpenLane, Pace, Progress};
use super::status::JobStatus;
use super::watchdog::{self, Turns, watch};
use super::what_if::WhatIf;
use crate::clocks;
use crate::event::{Lane, VisitorId, hash_text};
use crate::format::{LaneOptions, LaneRead, LaneReader, Source};
use crate::lane::FollowedLane;
use crate::log::{Row, Totals, Writer};
use crate::pack::PackedLane;
use crate::sort::{SortOptions, SortedLane};
use crate::visit::decision::Recorder;
use crate::visit::live::Rules;
use crate::visit::plan::Plan;
use outcome::result;
pub use outcome::{JobError, JobResult, peak_rss_bytes};
use signal_hook::consts::SIGTERM;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use timely::execute::execute_from;
use xxhash_rust::xxh3::xxh3_128;

/// What a run is to do.
pub struct JobSpec {
    /// Policy and models, as they were given: the last ones of the plan.
    pub rules: Arc<Rules>,
    /// From when on which hold. In a durable run the first process's folder says, and tells all others.
    pub plan: Plan,
    /// Where other rules are asked for while the run goes on, if they can be.
    pub changes: Option<Changes>,
    /// The logs, each a lane.
    pub logs: Vec<Source>,
    /// What is read in place of logs, by the first worker, if it is at hand already.
    pub held: Option<Box<dyn LaneRead>>,
    /// Whether each is sorted by time first.
    pub sort: bool,
    /// Whether they are lanes that are still being written.
    pub live: bool,
    /// Whether a log is read from its pack where there is one; not where rejected rows are kept, whose
    /// texts a pack does not hold.
    pub packs: bool,
    /// How they are read.
    pub lane_options: LaneOptions,
    /// Workers and processes.
    pub cluster: Cluster,
    /// How the input is cut.
    pub pace: Pace,
    /// Where decision records go.
    pub decisions: Option<LineWriter>,
    /// Where rejected rows go.
    pub rejects: Option<LineWriter>,
    /// Whether this run keeps rejected rows at all; the same in every process.
    pub keep_rejects: bool,
    /// In which form records are wanted; the same in every process.
    pub lines: Lines,
    /// The visitor whose story is told.
    pub follow: Option<VisitorId>,
    /// Whether counts over time are wanted.
    pub timeline: bool,
    /// Visitors whose sessions' rows are wanted, if any are.
    pub rows: Option<Sample>,
    /// The comparison with another policy that is wanted, if one is; the same in every process.
    pub what_if: Option<Arc<WhatIf>>,
    /// Bytes read so far.
    pub progress: Progress,
    /// Called with the size of the logs in bytes, where it is known, once they are open.
    pub opened: Box<dyn FnOnce(Option<u64>)>,
    /// Asks the run to stop.
    pub stop: Stop,
    /// How long nothing may be heard of another process.
    pub patience: Duration,
    /// Who is told how the job stands, if anyone is.
    pub status: Option<JobStatus>,
    /// Where it is noted how far the sink has come when, if anyone measures.
    pub milestones: Option<Milestones>,
    /// The other processes, once they have been met.
    pub met: Option<Met>,
    /// How the run is durable, if it is; the first process tells the others.
    pub durability: Option<Durability>,
    /// The state folder, in the first process of a durable run.
    pub state: Option<State>,
}

/// A state folder that was opened.
pub struct State {
    /// What writes to it.
    pub writer: Writer<Files>,
    /// What was in it.
    pub restored: Option<Restored>,
    /// All output before that.
    pub totals: Totals,
    /// What was committed after it.
    pub committed: Vec<Row>,
}

impl JobSpec {
    /// A run by one worker that keeps and shows nothing but its counters; a caller says what else is
    /// wanted.
    pub fn of(rules: Arc<Rules>, logs: Vec<Source>) -> JobSpec {
        JobSpec {
            plan: Plan::of(Arc::clone(&rules)),
            rules,
            changes: None,
            logs,
            held: None,
            sort: false,
            live: false,
            packs: false,
            lane_options: LaneOptions::default(),
            cluster: Cluster::local(1),
            pace: Pace::default(),
            decisions: None,
            rejects: None,
            keep_rejects: false,
            lines: Lines::None,
            follow: None,
            timeline: false,
            rows: None,
            what_if: None,
            progress: Progress::default(),
            opened: Box::new(|_| ()),
            stop: Stop::default(),
            patience: Duration::from_secs(10),
            status: None,
            milestones: None,
            met: None,
            durability: None,
            state: None,
        }
    }

    /// Meets the other processes, if there are any and it has not been done.
    ///
    /// # Errors
    /// [`JobError`] when they do not come, or do not fit.
    pub fn meet(&mut self) -> Result<(), JobError> {
        if self.met.is_none() {
            self.met = self.cluster.meet(self)?;
        }
        Ok(())
    }

    /// The label of the catalogue that was given.
    pub(super) fn catalogue(&self) -> String {
        let catalogue = self.rules.catalogue.as_ref();
        catalogue.map_or(String::new(), |all| all.label.clone())
    }

    /// Digest of all that the output depends on but the plan and the catalogue, which the folder keeps in
    /// full, and the release, which says in every file which versions of the format it reads: a state
    /// folder belongs to one.
    pub fn config_digest(&self) -> u128 {
        let logs: Vec<String> = self.logs.iter().map(Source::place).collect();
        let options = &self.lane_options;
        let logs = format!(
            "{logs:?} {} {:?} {} {} {:?} {:?}",
            self.sort,
            options.format,
            options.lateness_ms,
            options.future_ms,
            options.carry,
            self.follow,
        );
        let parts = ("", hash_text(logs.as_bytes()), self.lines as u32);
        xxh3_128(format!("{parts:?}").as_bytes())
    }

    /// The logs that this process reads, by their numbers: log `j` is worker `j mod workers`'s.
    pub fn own_logs(&self) -> impl Iterator<Item = (usize, &Source)> {
        let (process, threads) = (self.cluster.process, self.cluster.workers);
        let peers = threads * self.cluster.processes();
        let logs = self.logs.iter().enumerate();
        logs.filter(move |(index, _)| index % peers / threads == process)
    }

    /// What the run is asked for, in bits: what the first process is told holds for all.
    pub(super) fn wishes(&self) -> u32 {
        self.lines as u32 | u32::from(self.keep_rejects) << 2 | u32::from(self.timeline) << 3
    }

    fn grant(&mut self, wishes: u32) {
        self.lines = [Lines::None, Lines::Json, Lines::Csv, Lines::None][wishes as usize & 3];
        self.keep_rejects = wishes & 4 != 0;
        self.timeline = wishes & 8 != 0;
    }
}

/// What a process's threads hand to its workers when they start.
struct Handover {
    lanes: Vec<Vec<OpenLane>>,
    restored: Option<Restored>,
    collected: Option<Collected>,
    /// Until the first worker starts: logs are opened, other processes waited for.
    waiting: Option<AtSignal>,
}

/// Runs the job to its end. `Ok(None)` in every process but the first.
///
/// # Errors
/// [`JobError`]; unfinished output is removed.
pub fn run(mut spec: JobSpec) -> Result<Option<JobResult>, JobError> {
    let started = std::time::Instant::now();
    let cpu_before = clocks::of_process();
    let mut waiting = Some(match &spec.durability {
        Some(_) => spec.stop.at_signal(|ending| end(ending, None)),
        None => spec.stop.leave_at_signal(),
    });
    let mut lanes = open_lanes(&spec)?;
    if let Some(reader) = spec.held.take() {
        lanes[0].push(OpenLane {
            index: 0,
            name: "memory".into(),
            reader,
            over: None,
        });
    }
    let bytes: Option<u64> = lanes
        .iter()
        .flatten()
        .map(|lane| lane.reader.bytes_total())
        .sum();
    let Allocators {
        builders,
        guard,
        wishes,
        durability,
        heartbeats,
    } = {
        spec.meet()?;
        let met = spec.met.take();
        spec.cluster.allocators(&spec, met)?
    };
    spec.grant(wishes);
    spec.durability = durability;
    spec.take_plan()?;
    if spec.packs && spec.keep_rejects {
        // Another process said so.
        spec.packs = false;
        lanes = open_lanes(&spec)?;
    }
    go_on(&mut lanes, &spec)?;
    (spec.opened)(bytes);
    let mut collected = Collected {
        decisions: spec.decisions.take(),
        rejects: spec.rejects.take(),
        status: spec.status.clone(),
        milestones: spec.milestones.clone(),
        ..Collected::default()
    };
    let mut restored = None;
    if let (Some(durability), Some(state)) = (&spec.durability, spec.state.take()) {
        let workers = spec.cluster.workers * spec.cluster.processes();
        let begin = begin_of((&spec.plan, workers), durability, &state);
        restored = state.restored;
        let begin = Begin {
            milestones: spec.milestones.clone(),
            ..begin
        };
        let mut keeper = Keeper::new(state.writer, begin);
        if spec.lines == Lines::Csv {
            let mut header = Vec::new();
            Recorder::of(&spec.rules).csv_header(&mut header);
            keeper.line(0, &header);
        }
        collected.keeper = Some(keeper);
    }
    let _ends = spec.durability.is_some().then(|| {
        // From now on there may be something to commit.
        waiting = None;
        let closer = collected.keeper.as_ref().map(Keeper::closer);
        spec.stop.at_signal(move |ending| end(ending, closer))
    });
    let handover = Mutex::new(Handover {
        lanes,
        restored,
        collected: Some(collected),
        waiting,
    });
    let sessions_spec = SessionsSpec {
        lines: spec.lines,
        rejects: spec.keep_rejects,
        follow: spec.follow,
        timeline: spec.timeline,
        rows: spec.rows,
        what_if: spec.what_if,
        durability: spec.durability,
        status: spec.status.clone(),
        plan: spec.plan,
        cpu_before,
        ..SessionsSpec::of(spec.rules)
    };
    let feed = Feed {
        pace: spec.pace,
        keep_rejects: spec.keep_rejects,
        durable: sessions_spec.durability.is_some(),
        progress: spec.progress,
        stop: spec.stop.clone(),
        status: spec.status,
        lull: Lull::new(spec.cluster.processes() == 1),
    };
    let (cluster, changes) = (spec.cluster, spec.changes);
    // With several processes a signal cannot wait for the others: this one leaves at once, and they follow
    // when they notice.
    let _leaves = (cluster.processes() > 1 && !feed.durable).then(|| spec.stop.leave_at_signal());
    let (process, threads) = (cluster.process, cluster.workers);
    let cluster_size = cluster.processes();
    let worker_config = timely::WorkerConfig::default();
    let turns = Turns::of(threads, cluster_size);
    let is_watched = cluster_size > 1 || feed.durable;
    let patience = is_watched.then_some(spec.patience);
    watch(heartbeats, &turns, (patience, &spec.stop))
        .map_err(|error| JobError::Start(format!("the watchdog could not start: {error}")))?;
    if let Some(status) = &sessions_spec.status {
        status.runs(&turns);
    }
    let counted = turns.clone();
    let guards = execute_from(builders, guard, worker_config, move |worker| {
        let index = worker.index();
        failure::name_worker(index);
        let local = index - process * threads;
        watchdog::name_worker(&counted, local);
        let (lanes, mine, restored) = {
            let mut handover = handover
                .lock()
                .expect("no worker panics while it holds this");
            handover.waiting = None;
            let mine = if index == 0 {
                handover.collected.take()
            } else {
                None
            };
            let restored = handover.restored.take_if(|_| index == 0);
            (std::mem::take(&mut handover.lanes[local]), mine, restored)
        };
        let collected = Rc::new(RefCell::new(mine.unwrap_or_default()));
        let sessions_spec = SessionsSpec {
            reports_memory: local == 0,
            ..sessions_spec.clone()
        };
        let Assembly {
            mut inputs,
            probe,
            spare_batches,
            shared,
        } = assemble(worker, &sessions_spec, &collected, None);
        if index != 0 {
            (inputs.orders, inputs.bins) = (None, None);
        }
        inputs.hand_out(restored, worker.peers());
        let durable = feed.durable.then(|| Durable {
            shared,
            collected: Rc::clone(&collected),
            changes: changes.clone().filter(|_| index == 0),
        });
        let room = (&spare_batches, durable.as_ref());
        feed.run(worker, inputs, &probe, lanes, room);
        while !probe.done() {
            watchdog::came_round(u64::MAX, &probe);
            worker.step_or_park(Some(Duration::from_millis(10)));
        }
        (index == 0).then(|| collected.take())
    })
    .map_err(JobError::Start)?;
    let mut collected = None;
    for result in guards.join() {
        // A panic has ended the process in the hook already.
        collected = collected.or(result.map_err(JobError::Start)?);
    }
    if is_watched {
        turns.end();
    }
    if let Some(ending) = spec.stop.ending() {
        return Err(JobError::Ended(ending));
    }
    let Some(mut collected) = collected else {
        return Ok(None);
    };
    if let Some(keeper) = collected.keeper.take() {
        keeper.finish();
    }
    result(collected, &spec.stop, started.elapsed()).map(Some)
}

/// What a keeper begins with.
fn begin_of((plan, workers): (&Plan, usize), durability: &Durability, state: &State) -> Begin {
    // Neither the quantum nor whether anything is learned can change.
    let policy = &plan.first().policy;
    let jobs = (workers, policy.learns());
    let known_ms = durability.known_ms();
    Begin {
        from_ms: known_ms,
        totals: state.totals,
        committed: state.committed.clone(),
        rounds: Rounds::new(durability.every, policy.quantum_ms, jobs, known_ms),
        policies: plan.labels().collect(),
        milestones: None,
    }
}

/// A durable run ends where it is: what was handed over is committed, and another run goes on. The other
/// processes are told first, for none can go on alone.
pub fn end(ending: Ending, closer: Option<Closer>) -> ! {
    watchdog::say_leaving();
    let committed = closer.is_some();
    let closed = closer.is_none_or(|closer| closer.close(false));
    if !closed {
        let late = format!("{ending}, and the last commit did not end in time");
        failure::leave(&late, 1);
    }
    let what = match committed {
        true => "what was decided so far is committed, and the same command goes on from there",
        false => "the same command goes on from what is committed",
    };
    failure::say(&format!("restage: {ending}; {what}"));
    // Asked to end by whoever runs it, it has done what it should; a user's ^C is told as such.
    let is_asked = ending == Ending::Signal(SIGTERM);
    std::process::exit(if is_asked { 0 } else { ending.exit_code() })
}

/// Memory that sorting takes in each process, shared by all lanes of the run.
const SORT_MEMORY_BYTES: usize = 256 << 20;

/// Opens the lanes of this process's workers.
fn open_lanes(spec: &JobSpec) -> Result<Vec<Vec<OpenLane>>, JobError> {
    let threads = spec.cluster.workers;
    let mut lanes: Vec<Vec<OpenLane>> = (0..threads).map(|_| Vec::new()).collect();
    // Each lane sorts on its own reading thread, so all of them sort at once.
    let sort = SortOptions::sharing(SORT_MEMORY_BYTES, spec.logs.len());
    for (index, source) in spec.own_logs() {
        let (lane, options) = (Lane(index as u16), &spec.lane_options);
        let reader: Box<dyn LaneRead> = if let (true, Source::Path(path)) = (spec.live, source) {
            Box::new(FollowedLane::open(path, lane, options)?)
        } else if spec.sort {
            Box::new(SortedLane::open(source, lane, options, sort.clone())?)
        } else if let Some(packed) = packed(spec, source, lane) {
            Box::new(packed)
        } else {
            Box::new(LaneReader::open(source, lane, options)?)
        };
        lanes[index % threads].push(OpenLane {
            index: lane.0,
            name: source.to_string(),
            reader,
            over: None,
        });
    }
    Ok(lanes)
}

/// The lane as its pack holds it, where that may be used.
fn packed(spec: &JobSpec, source: &Source, lane: Lane) -> Option<PackedLane> {
    if !spec.packs || spec.keep_rejects {
        return None;
    }
    PackedLane::find(source, lane, &spec.lane_options).unwrap_or_else(|unfit| {
        failure::say(&format!(
            "restage: warning: {source}.pack is not used: {unfit}; the log itself is read"
        ));
        None
    })
}

/// In a run that was taken up, lanes are read from their marks, and end where they ended.
fn go_on(lanes: &mut [Vec<OpenLane>], spec: &JobSpec) -> Result<(), JobError> {
    let Some(resume) = spec.durability.as_ref().and_then(|d| d.resume.as_ref()) else {
        return Ok(());
    };
    for lane in lanes.iter_mut().flatten() {
        let mut marks = resume.lanes.iter().filter(|(_, mark)| mark.lines > 0);
        if let Some((_, mark)) = marks.find(|(of, _)| *of == lane.index) {
            lane.reader
                .go_on(&spec.logs[usize::from(lane.index)], mark)?;
        }
        let mut over = resume.over.iter().filter(|(of, _)| *of == lane.index);
        lane.over = over.next().map(|(_, bytes)| *bytes);
    }
    Ok(())
}
