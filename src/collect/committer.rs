//! Group commit: batches from many requests, one append and one sync.
//!
//! A thread of its own takes what has gathered while the last sync went on; whoever sent it waits for
//! the answer without holding a thread. What waits is bounded where it comes in ([`super::room`]). In between
//! the lane's clock goes on, so that readers are never held up by a lane in which nothing happens.
//!
//! A lane that cannot be synced ends the process: what was answered is safe, and nothing else was
//! promised.

use super::room::{Room, Share};
use crate::event::ArrivalMs;
use crate::flow::failure;
use crate::lane::LaneWriter;
use crate::lane::writer::LaneError;
use crate::log::storage::Storage;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// How often the clock of a silent lane goes on.
const TICK: Duration = Duration::from_millis(5);
/// Bytes that one sync may wait for.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// What the lane answers.
pub type Answer = Result<ArrivalMs, String>;

struct Work {
    lines: Vec<u8>,
    share: Share,
    answer: oneshot::Sender<Answer>,
}

/// What was committed, for those who watch.
#[derive(Debug, Default)]
pub struct Committed {
    /// Groups.
    pub groups: AtomicU64,
    /// Bytes of events, before they were stamped.
    pub bytes: AtomicU64,
}

/// Takes batches to the lane.
#[derive(Clone)]
pub struct Committer {
    queue: Sender<Work>,
    room: Room,
    committed: Arc<Committed>,
}

impl Committer {
    /// Starts the thread. It ends when the last clone of the committer is gone.
    pub fn start<S>(lane: LaneWriter<S>, waiting_max: usize) -> Committer
    where
        S: Storage + Send + 'static,
        S::File: Send,
    {
        let (queue, work) = channel();
        let committed = Arc::<Committed>::default();
        let told = Arc::clone(&committed);
        std::thread::spawn(move || commit(lane, &work, &told));
        Committer {
            queue,
            room: Room::of(waiting_max),
            committed,
        }
    }

    /// Hands over lines, each ended by a line feed, with their share of the room.
    pub fn hand_over(&self, lines: Vec<u8>, mut share: Share) -> oneshot::Receiver<Answer> {
        share.settle(lines.len());
        let (answer, answered) = oneshot::channel();
        let work = Work {
            lines,
            share,
            answer,
        };
        // Without a thread to take it the answer never comes, which is told as such.
        let _ = self.queue.send(work);
        answered
    }

    /// The room for what is on its way to the lane.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// What was committed so far.
    pub fn committed(&self) -> &Committed {
        &self.committed
    }
}

/// The wall clock, in ms since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

fn commit<S: Storage>(mut lane: LaneWriter<S>, work: &Receiver<Work>, told: &Committed) {
    loop {
        let first = match work.recv_timeout(TICK) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                lane.tick(now_ms()).unwrap_or_else(|error| fail(&error));
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut bytes = first.lines.len();
        let mut group = vec![first];
        while bytes < GROUP_BYTES_MAX
            && let Ok(next) = work.try_recv()
        {
            bytes += next.lines.len();
            group.push(next);
        }
        let lines = group.iter().map(|work| &work.lines[..]);
        let answer = match lane.append(lines, now_ms()) {
            Ok(arrival) => Ok(arrival),
            Err(error @ LaneError::Refused(_)) => Err(failure::chain(&error)),
            Err(error) => fail(&error),
        };
        if answer.is_ok() {
            told.groups.fetch_add(1, Ordering::Relaxed);
            told.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        for work in group {
            drop(work.share);
            // Whoever asked may have gone away; what was taken stays taken.
            let _ = work.answer.send(answer.clone());
        }
    }
}

fn fail(error: &LaneError) -> ! {
    failure::leave(&failure::chain(error), 5)
}
