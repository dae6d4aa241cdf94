//! The watchdog: whether the job still comes on.
//!
//! The engine does not notice a cable that was cut, a machine that froze, or a worker that hangs: its
//! sockets stay open and the frontier stands still, as it does when a log has nothing new. So every two
//! processes have a second connection, on which each says twice a second that it is there, how far its
//! slowest worker has come round its loop, and up to when its inputs have been given. What ends a process,
//! with code 1, is one of these for longer than the watchdog's time: nothing is heard of another process;
//! a worker, here or there, does not come round; or **the inputs of all processes have gone past an epoch, and
//! the job's frontier stays in it**: then something has lost what it should pass on, and no decision would ever
//! leave. (Long work within an epoch is told apart by what it puts out.) A job goes on as a whole or not at all, and another run takes it up. A connection that is closed is
//! noticed at once.
//!
//! Time in which this process was stopped itself is not counted against anybody: a process that was frozen
//! and goes on is given the watchdog's time anew. A single process watches itself if it is durable; others
//! may wait for the reader of a pipe for as long as they like.
//!
//! Nothing of this reaches a result. Cost: 50 bytes a second and pair of processes, and three counters a
//! worker and turn.

use super::failure::{self, Ending, Stop, StopReason};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use timely::dataflow::ProbeHandle;

/// How often a process says that it is there.
const BEAT: Duration = Duration::from_millis(500);
/// A heartbeat that goes on.
const ALIVE: u8 = 1;
/// The last one: the job is over.
const OVER: u8 = 2;
/// The last one: this process was told to end.
const LEAVES: u8 = 3;
const BEAT_BYTES: usize = 25;

/// Whether this process was told to end, and how many others are to hear of it.
static LEAVING: AtomicBool = AtomicBool::new(false);
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

/// This process is about to end, in order: the others are told, so that they do so, too.
pub fn say_leaving() {
    LEAVING.store(true, Ordering::SeqCst);
    if LISTENERS.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(BEAT / 5);
    }
}

thread_local! {
    static OWN: RefCell<Option<(Turns, usize)>> = const { RefCell::new(None) };
}

/// How far each worker of this process has come.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    workers: Arc<Vec<Stand>>,
    others: Arc<Vec<Other>>,
    over: Arc<AtomicBool>,
}

/// What another process has said of itself.
#[derive(Debug, Default)]
struct Other {
    /// Up to when its inputs have been given, in ms.
    inputs_ms: AtomicU64,
    /// What its workers have done in the midst of their turns.
    work: AtomicU64,
}

/// How far a worker has come.
#[derive(Debug, Default)]
struct Stand {
    /// How often it has come round its loop, or done something on the way.
    turns: AtomicU64,
    /// How often it has done something on the way.
    work: AtomicU64,
    /// Up to when its inputs have been given, in ms.
    inputs_ms: AtomicU64,
    /// The job's frontier, as it sees it, in ms.
    frontier_ms: AtomicU64,
}

/// Notes which of the workers this thread is.
pub fn name_worker(turns: &Turns, worker: usize) {
    OWN.set(Some((turns.clone(), worker)));
}

/// This worker has done a piece of a turn that may take long.
#[inline]
pub fn is_busy() {
    with_own(|stand| {
        stand.turns.fetch_add(1, Ordering::Relaxed);
        stand.work.fetch_add(1, Ordering::Relaxed);
    });
}

/// This worker has come round its loop, and its inputs have been given up to a time, in ms.
pub fn came_round(inputs_ms: u64, probe: &ProbeHandle<u64>) {
    with_own(|stand| {
        stand.turns.fetch_add(1, Ordering::Relaxed);
        stand.inputs_ms.store(inputs_ms, Ordering::Relaxed);
        let frontier_ms = probe.with_frontier(|frontier| frontier.first().copied());
        let frontier_ms = frontier_ms.unwrap_or(u64::MAX);
        stand.frontier_ms.store(frontier_ms, Ordering::Relaxed);
    });
}

fn with_own(act: impl FnOnce(&Stand)) {
    OWN.with_borrow(|own| {
        if let Some((turns, worker)) = own {
            act(&turns.workers[*worker]);
        }
    });
}

impl Turns {
    /// So many workers, in a job of so many processes.
    pub fn of(workers: usize, processes: usize) -> Turns {
        Turns {
            workers: Arc::new((0..workers).map(|_| Stand::default()).collect()),
            others: Arc::new((0..processes).map(|_| Other::default()).collect()),
            over: Arc::default(),
        }
    }

    /// The job is over: whoever ends from now on does so in order.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        if self.others.len() > 1 {
            // A beat to say so.
            std::thread::sleep(BEAT / 5);
        }
    }

    fn least(&self, of: impl Fn(&Stand) -> &AtomicU64) -> u64 {
        let workers = self.workers.iter();
        let numbers = workers.map(|stand| of(stand).load(Ordering::Relaxed));
        numbers.min().unwrap_or(0)
    }

    /// Turns of the slowest worker.
    fn slowest(&self) -> u64 {
        self.least(|stand| &stand.turns)
    }

    /// Up to when the inputs of this process have been given, in ms.
    fn inputs_ms(&self) -> u64 {
        self.least(|stand| &stand.inputs_ms)
    }

    /// Up to when the inputs of all have been given, in ms. `own` is the number of this process.
    fn all_inputs_ms(&self, own: usize) -> u64 {
        let others = self.others.iter().enumerate();
        let others = others.filter(|(other, _)| *other != own);
        let least = others
            .map(|(_, other)| other.inputs_ms.load(Ordering::Relaxed))
            .min();
        least.unwrap_or(u64::MAX).min(self.inputs_ms())
    }

    /// What the workers of this process have done in the midst of their turns.
    fn work(&self) -> u64 {
        let workers = self.workers.iter();
        workers
            .map(|stand| stand.work.load(Ordering::Relaxed))
            .sum()
    }

    /// The same, of all processes.
    fn all_work(&self) -> u64 {
        let others = self.others.iter();
        let others = others.map(|other| other.work.load(Ordering::Relaxed));
        others.sum::<u64>() + self.work()
    }

    /// The job's frontier, in ms; 0 before all workers have begun.
    pub fn frontier_ms(&self) -> u64 {
        self.least(|stand| &stand.frontier_ms)
    }
}

/// Watches every other process from now on, by its number and connection, and this one, if anything is to
/// be watched. `patience` is the watchdog's time; `stop` hears of a process that was told to end.
///
/// # Errors
/// What the system says of a connection.
pub fn watch(
    others: Vec<Option<TcpStream>>,
    turns: &Turns,
    (patience, stop): (Option<Duration>, &Stop),
) -> std::io::Result<()> {
    let Some(patience) = patience else {
        return Ok(());
    };
    let own = others.iter().position(Option::is_none).unwrap_or(0);
    for (other, stream) in others.into_iter().enumerate() {
        let Some(stream) = stream else { continue };
        let speaks = stream.try_clone()?;
        stream.set_read_timeout(Some(patience))?;
        let told = turns.clone();
        LISTENERS.fetch_add(1, Ordering::SeqCst);
        std::thread::spawn(move || speak(speaks, &told));
        let (heard, stop) = (turns.clone(), stop.clone());
        std::thread::spawn(move || listen(stream, other, (&heard, &stop), patience));
    }
    let turns = turns.clone();
    std::thread::spawn(move || watch_own(own, &turns, patience));
    Ok(())
}

/// Says how this process is, until it is over or nobody listens.
fn speak(mut stream: TcpStream, turns: &Turns) {
    let mut last = Instant::now() - BEAT;
    loop {
        let is_over = turns.over.load(Ordering::SeqCst);
        let leaves = LEAVING.load(Ordering::SeqCst);
        let is_last = is_over || leaves;
        if is_last || last.elapsed() >= BEAT {
            last = Instant::now();
            let mut beat = [0; BEAT_BYTES];
            beat[0] = match () {
                () if is_over => OVER,
                () if leaves => LEAVES,
                () => ALIVE,
            };
            beat[1..9].copy_from_slice(&turns.slowest().to_le_bytes());
            beat[9..17].copy_from_slice(&turns.inputs_ms().to_le_bytes());
            beat[17..].copy_from_slice(&turns.work().to_le_bytes());
            // Who listens notices on its side; this thread has nothing to decide.
            if stream.write_all(&beat).is_err() || is_last {
                return;
            }
        }
        std::thread::sleep(BEAT / 20);
    }
}

/// Hears how another process is, and ends this one if it is not.
fn listen(mut stream: TcpStream, other: usize, (turns, stop): (&Turns, &Stop), patience: Duration) {
    let mut hangs = Still::new(patience);
    let seconds = patience.as_secs();
    loop {
        let mut beat = [0; BEAT_BYTES];
        let heard = stream.read_exact(&mut beat);
        if matches!(heard, Ok(())) && beat[0] == LEAVES {
            stop.ask(StopReason::Told(Ending::Left(other)));
        }
        if stop.ending().is_some() || turns.over.load(Ordering::SeqCst) {
            return;
        }
        let lost = match heard {
            Ok(()) if beat[0] == OVER => {
                let told = &turns.others[other];
                told.inputs_ms.store(u64::MAX, Ordering::Relaxed);
                return;
            }
            Ok(()) => {
                let long =
                    |at: usize| u64::from_le_bytes(beat[at..at + 8].try_into().expect("8 bytes"));
                let told = &turns.others[other];
                told.inputs_ms.store(long(9), Ordering::Relaxed);
                told.work.store(long(17), Ordering::Relaxed);
                hangs
                    .is_for_long(Some(long(1)), Instant::now())
                    .then(|| format!("a worker of process {other} has hung for {seconds} s"))
            }
            Err(error) if is_silence(&error) => Some(format!(
                "nothing was heard of process {other} for {seconds} s"
            )),
            Err(_) => Some(format!("process {other} went away")),
        };
        if let Some(what) = lost {
            failure::leave(&format!("{what}; the run has failed"), 1);
        }
    }
}

/// Looks at the own workers and at the job's frontier.
fn watch_own(own: usize, turns: &Turns, patience: Duration) {
    let (mut hangs, mut stuck) = (Still::new(patience), Still::new(patience));
    let seconds = patience.as_secs();
    loop {
        std::thread::sleep(BEAT);
        if turns.over.load(Ordering::SeqCst) {
            return;
        }
        let now = Instant::now();
        if hangs.is_for_long(Some(turns.slowest()), now) {
            let what = format!("a worker of this process has hung for {seconds} s");
            failure::leave(&format!("{what}; the run has failed"), 1);
        }
        let frontier_ms = turns.frontier_ms();
        let is_behind = turns.all_inputs_ms(own) > frontier_ms;
        let stands = (frontier_ms, turns.all_work());
        if stuck.is_for_long(is_behind.then_some(stands), now) {
            let what = format!(
                "epoch {frontier_ms} has been open for {seconds} s, although all inputs have gone past it"
            );
            failure::leave(&format!("{what}; the run has failed"), 1);
        }
    }
}

/// How long something has stood still.
struct Still<T> {
    patience: Duration,
    last: Option<T>,
    looked: Option<Instant>,
    still: Duration,
}

impl<T: PartialEq> Still<T> {
    fn new(patience: Duration) -> Still<T> {
        Still {
            patience,
            last: None,
            looked: None,
            still: Duration::ZERO,
        }
    }

    /// Whether it has been this for longer than the patience; nothing never stands still. Between
    /// two looks at most two beats count: what is beyond them this process slept itself.
    fn is_for_long(&mut self, now_is: Option<T>, now: Instant) -> bool {
        let passed = self.looked.map_or(Duration::ZERO, |looked| now - looked);
        self.looked = Some(now);
        if now_is.is_none() || now_is != self.last {
            (self.last, self.still) = (now_is, Duration::ZERO);
            return false;
        }
        self.still += passed.min(BEAT * 2);
        self.still > self.patience
    }
}

fn is_silence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_still_is_noticed_and_own_sleep_is_not_counted() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let mut still = Still::new(Duration::from_secs(2));
        assert!(!still.is_for_long(Some(7), at(0)));
        for ms in [500, 1_000, 1_500, 2_000] {
            assert!(!still.is_for_long(Some(7), at(ms)), "{ms}");
        }
        assert!(still.is_for_long(Some(7), at(2_500)));
        assert!(!still.is_for_long(Some(8), at(3_000)), "it moved");
        assert!(!still.is_for_long(Some(8), at(90_000)), "slept");
        assert!(!still.is_for_long(None, at(95_000)), "nothing to wait for");
        assert!(!still.is_for_long(Some(8), at(99_000)));
    }

    #[test]
    fn inputs_are_those_of_the_process_that_is_furthest_behind() {
        let turns = Turns::of(2, 3);
        for (stand, ms) in turns.workers.iter().zip([70, 50]) {
            stand.inputs_ms.store(ms, Ordering::Relaxed);
        }
        assert_eq!(turns.all_inputs_ms(1), 0, "nothing was heard yet");
        for (other, ms) in [(0, 60), (2, 90)] {
            turns.others[other].inputs_ms.store(ms, Ordering::Relaxed);
        }
        assert_eq!(turns.all_inputs_ms(1), 50);
        turns.others[0].inputs_ms.store(40, Ordering::Relaxed);
        assert_eq!(turns.all_inputs_ms(1), 40);
        assert_eq!(Turns::of(1, 1).all_inputs_ms(0), 0);
    }
}
