//! The first worker's side: output on its way to the disk, and snapshots put together.
//!
//! The sink hands over lines in their order and says what is closed; from that come rows, each with the
//! bytes and the digest of everything before it. A thread of its own takes what has gathered, appends it
//! in one go and syncs once (group commit), while the workers go on. In a run that was taken up, output
//! before the snapshot's end is none, and output up to the last committed row is compared, not
//! written: after each row bytes and digest must be what they were.
//!
//! Fail-stop: what cannot be written, or comes out other than before, ends the process at once, with what
//! was committed in place. Cost: a copy and a hash of each line; what waits for the disk
//! is bounded by [`QUEUE_MAX`] and [`WAITING_BYTES_MAX`], and the first worker waits for it then.

use super::changes::Change;
use super::restore::About;
use super::rounds::Rounds;
use super::{Order, Part, PartKind};
use crate::event::{Lane, Offset};
use crate::flow::failure;
use crate::flow::milestones::Milestones;
use crate::log::disk::Disk;
use crate::log::error::LogError;
use crate::log::failpoint::Failing;
use crate::log::{self, Epoch, Row, Totals, Writer};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_128;

/// The disk that state is kept on.
pub type Files = Failing<Disk>;

/// Rows and parts that may wait for the disk.
const QUEUE_MAX: usize = 1_024;
/// Bytes of rows and parts that may wait for the disk: a replay at full speed makes more than a disk takes.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// Bytes of output that one sync may wait for.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Rows that wait at once where more come than a disk can sync one by one: from so many on, more are
/// waited for.
const MANY: usize = 4;
/// How long they are waited for: a replay at full speed syncs some hundred times a second, and an epoch that
/// comes alone is committed at once.
const GATHER: Duration = Duration::from_millis(5);
/// How long a run that is asked to end waits for its last commit.
const CLOSE_WAIT: Duration = Duration::from_secs(4);

/// What the writing thread is asked for.
enum Work {
    Row(Row, Vec<u8>),
    Begin,
    Part(log::Part),
    Finish(Epoch, Totals),
    Rules(String),
    Close(bool, SyncSender<()>),
}

/// Asks the writing thread to come to an end, from wherever.
#[derive(Clone)]
pub struct Closer(SyncSender<Work>);

impl Closer {
    /// Commits what was handed over and closes the files, `finished` if the log is over. Whether that
    /// was done in time.
    pub fn close(&self, finished: bool) -> bool {
        let (done, closed) = sync_channel(1);
        let asked = self.0.send(Work::Close(finished, done));
        asked.is_ok() && closed.recv_timeout(CLOSE_WAIT).is_ok()
    }
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Work::Row(_, output) => output.len(),
            Work::Part(part) => part.bytes.len(),
            Work::Rules(journal) => journal.len(),
            _ => 0,
        }
    }
}

/// Bytes that wait for the disk.
#[derive(Default)]
struct Waiting {
    bytes: Mutex<usize>,
    fewer: Condvar,
}

impl Waiting {
    /// Waits until there is room for more. What is larger than all the room comes alone.
    fn add(&self, more: usize) {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |bytes: &mut usize| *bytes > 0 && *bytes + more > WAITING_BYTES_MAX;
        let bytes = self.fewer.wait_while(bytes, is_full);
        *bytes.unwrap_or_else(PoisonError::into_inner) += more;
    }

    fn take(&self, bytes: usize) {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) -= bytes;
        self.fewer.notify_one();
    }
}

/// Output and snapshots of a run.
pub struct Keeper {
    work: SyncSender<Work>,
    waiting: Arc<Waiting>,
    thread: Option<JoinHandle<()>>,
    /// Output before this is none, in ms.
    from_ms: u64,
    totals: Totals,
    /// Rows that are still to be compared.
    committed: VecDeque<Row>,
    lanes: BTreeMap<Lane, Offset>,
    output: Vec<u8>,
    rounds: Rounds,
    policies: Vec<(u64, String)>,
    /// The totals at the end of the round.
    at_end: Option<Totals>,
    /// The epochs of the last row handed over and of the last one committed, in ms.
    handed_ms: u64,
    committed_ms: Arc<AtomicU64>,
}

/// What a keeper begins with.
pub struct Begin {
    /// Output before this is none, in ms; 0 for a run from the log's start.
    pub from_ms: u64,
    /// All output before it.
    pub totals: Totals,
    /// Rows committed after it.
    pub committed: Vec<Row>,
    /// When snapshots are taken.
    pub rounds: Rounds,
    /// From when on which policy holds, in ms and by its label.
    pub policies: Vec<(u64, String)>,
    /// Where commits are noted, if anyone measures.
    pub milestones: Option<Milestones>,
}

impl Keeper {
    /// Starts the writing thread.
    pub fn new(writer: Writer<Files>, begin: Begin) -> Keeper {
        let (work, queue) = sync_channel(QUEUE_MAX);
        let committed_ms = Arc::<AtomicU64>::default();
        let tell = Arc::clone(&committed_ms);
        let waiting = Arc::<Waiting>::default();
        let written = Arc::clone(&waiting);
        let noted = begin.milestones;
        let thread = std::thread::spawn(move || {
            write(writer, &queue, (&tell, &written), noted.as_ref());
        });
        Keeper {
            work,
            waiting,
            thread: Some(thread),
            from_ms: begin.from_ms,
            totals: begin.totals,
            committed: begin.committed.into(),
            lanes: BTreeMap::new(),
            output: Vec::new(),
            rounds: begin.rounds,
            policies: begin.policies,
            at_end: None,
            handed_ms: 0,
            committed_ms,
        }
    }

    /// The epoch of the last row that was handed over, and that of the last that is committed, in ms.
    pub fn stands(&self) -> (u64, u64) {
        (self.handed_ms, self.committed_ms.load(Ordering::Acquire))
    }

    /// To close it from elsewhere.
    pub fn closer(&self) -> Closer {
        Closer(self.work.clone())
    }

    /// What is to be ordered now, while the inputs stand at `stands_ms`.
    pub fn next_order(&mut self, stands_ms: u64) -> Option<Order> {
        let order = self.rounds.next(Instant::now(), stands_ms);
        if let Some(Order::Begin(_)) = order {
            self.at_end = None;
            self.ask(Work::Begin);
        }
        order
    }

    /// Something else holds from now on: it is written down before any row that is handed over after this.
    pub fn take_over(&mut self, change: &mut Change) {
        self.policies.extend(change.policy.take());
        self.ask(Work::Rules(std::mem::take(&mut change.journal)));
    }

    /// Takes a line, in the order of the output.
    pub fn line(&mut self, at_ms: u64, line: &[u8]) {
        if at_ms < self.from_ms {
            return;
        }
        self.pass(at_ms);
        self.totals.bytes += line.len() as u64;
        self.totals.digest = self.totals.digest.wrapping_add(xxh3_128(line));
        if self.committed.is_empty() {
            self.output.extend_from_slice(line);
        }
    }

    /// How far a lane has been read.
    pub fn read(&mut self, lane: Lane, offset: Offset) {
        self.lanes.insert(lane, offset);
    }

    /// Everything before `closed_ms` has been handed over; all there is if there is no end.
    pub fn closed(&mut self, closed_ms: Option<u64>) {
        let closed_ms = closed_ms.unwrap_or(u64::MAX);
        if closed_ms < self.from_ms {
            return;
        }
        self.pass(closed_ms);
        if !self.output.is_empty() {
            let lanes = self.lanes.iter().map(|(lane, offset)| (*lane, *offset));
            let row = Row {
                epoch: Epoch(closed_ms),
                totals: self.totals,
                lanes: lanes.collect(),
            };
            self.handed_ms = closed_ms;
            let output = std::mem::take(&mut self.output);
            self.ask(Work::Row(row, output));
        }
        self.finish_round();
    }

    /// Nothing before `at_ms` will come any more: what was committed up to there is compared.
    fn pass(&mut self, at_ms: u64) {
        while let Some(row) = self.committed.front().filter(|row| row.epoch.0 <= at_ms) {
            if row.totals != self.totals && row.epoch.0 == u64::MAX {
                fail(&LogError::Grown);
            }
            if row.totals != self.totals {
                fail(&LogError::Mismatch {
                    epoch: row.epoch,
                    committed: row.totals.digest,
                    found: self.totals.digest,
                });
            }
            self.committed.pop_front();
        }
        if let Some((_, end_ms)) = self.rounds.span_ms()
            && at_ms >= end_ms
            && self.at_end.is_none()
        {
            self.at_end = Some(self.totals);
        }
    }

    /// Takes a part of a snapshot.
    pub fn part(&mut self, part: Part) {
        self.rounds.came(&part);
        self.ask(Work::Part(part.into()));
        self.finish_round();
    }

    /// The snapshot is whole, and the output before its end is committed by now or before it.
    fn finish_round(&mut self) {
        let (Some((begin_ms, end_ms)), Some(totals)) = (self.rounds.span_ms(), self.at_end) else {
            return;
        };
        if !self.rounds.is_whole() || !self.output.is_empty() || !self.committed.is_empty() {
            return;
        }
        let mut in_force = self.policies.iter().rev();
        let policy = in_force.find(|(from_ms, _)| *from_ms < end_ms);
        let about = About {
            begin_ms,
            end_ms,
            release: env!("CARGO_PKG_VERSION").into(),
            policy: policy.map_or(String::new(), |(_, label)| label.clone()),
        };
        self.ask(Work::Part(Part::of(PartKind::About, 0, &about).into()));
        self.ask(Work::Finish(Epoch(end_ms), totals));
        self.rounds.close(Instant::now());
        self.at_end = None;
    }

    fn ask(&self, work: Work) {
        self.waiting.add(work.bytes());
        // The thread ends the process when it fails.
        let _ = self.work.send(work);
    }

    /// The log is over: everything is committed and closed.
    pub fn finish(mut self) {
        let closed = self.closer().close(true);
        if let Some(thread) = self.thread.take().filter(|_| closed) {
            let _ = thread.join();
        }
    }
}

/// Ends the process: the state on disk is whole up to the last commit.
fn fail(error: &LogError) -> ! {
    failure::leave(&failure::chain(error), error.exit_code())
}

/// The writing thread: takes what has gathered, appends it in one go, syncs once.
fn write(
    mut writer: Writer<Files>,
    queue: &Receiver<Work>,
    (committed_ms, waiting): (&AtomicU64, &Waiting),
    milestones: Option<&Milestones>,
) {
    let mut group: Vec<(Row, Vec<u8>)> = Vec::new();
    let mut held = None;
    while let Some(work) = held.take().or_else(|| queue.recv().ok()) {
        let mut written = work.bytes();
        let done = match work {
            Work::Row(row, output) => {
                let begun = Instant::now();
                group.push((row, output));
                while written < GROUP_BYTES_MAX {
                    let wait = GATHER.saturating_sub(begun.elapsed());
                    let next = match group.len() {
                        MANY.. => queue.recv_timeout(wait).ok(),
                        _ => queue.try_recv().ok(),
                    };
                    match next {
                        Some(Work::Row(row, output)) => {
                            written += output.len();
                            group.push((row, output));
                        }
                        other => {
                            held = other;
                            break;
                        }
                    }
                }
                let done = writer.commit(&group);
                if let (Ok(()), Some((row, _))) = (&done, group.last()) {
                    committed_ms.store(row.epoch.0, Ordering::Release);
                    if let Some(milestones) = milestones {
                        milestones.committed(row.epoch.0);
                    }
                }
                group.clear();
                done
            }
            Work::Begin => writer.begin_snapshot(),
            Work::Part(part) => writer.put_part(&part),
            Work::Finish(epoch, totals) => writer.finish_snapshot(epoch, totals),
            Work::Rules(journal) => writer.put_rules(journal.as_bytes()),
            Work::Close(finished, asked) => {
                if let Err(error) = writer.close(finished) {
                    fail(&error);
                }
                // Whoever asked may have given up waiting.
                let _ = asked.send(());
                return;
            }
        };
        if let Err(error) = done {
            fail(&error);
        }
        waiting.take(written);
    }
}
