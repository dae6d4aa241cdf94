//! The watchdog: whether the other processes of a job still do anything.
//!
//! The engine does not notice a cable that was cut, a machine that froze, or a worker that hangs: its
//! sockets stay open and the frontier stands still, as it does when a log has nothing new. So every two
//! processes have a second connection, on which each says twice a second that it is there, and how far
//! its slowest worker has come round its loop. A process of which nothing is heard for the watchdog's
//! time, or whose slowest worker has not moved in that time, is taken for dead, and who notices ends with
//! code 1: a job goes on as a whole or not at all, and another run takes it up. A connection that is
//! closed is noticed at once.
//!
//! Nothing of this reaches a result. Cost: 18 bytes a second and pair of processes, and a counter a
//! worker.

use super::failure;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a process says that it is there.
const BEAT: Duration = Duration::from_millis(500);
/// A heartbeat that goes on.
const ALIVE: u8 = 1;
/// The last one: the job is over.
const OVER: u8 = 2;

/// How often each worker of this process has come round its loop.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    workers: Arc<Vec<AtomicU64>>,
    over: Arc<AtomicBool>,
}

impl Turns {
    /// So many workers.
    pub fn of(workers: usize) -> Turns {
        Turns {
            workers: Arc::new((0..workers).map(|_| AtomicU64::new(0)).collect()),
            over: Arc::default(),
        }
    }

    /// A worker has come round.
    #[inline]
    pub fn count(&self, worker: usize) {
        if let Some(turns) = self.workers.get(worker) {
            turns.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The job is over: whoever ends from now on does so in order.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        // A beat to say so.
        std::thread::sleep(BEAT / 5);
    }

    /// Turns of the slowest worker.
    fn slowest(&self) -> u64 {
        let turns = self
            .workers
            .iter()
            .map(|turns| turns.load(Ordering::Relaxed));
        turns.min().unwrap_or(0)
    }
}

/// Watches every other process from now on, by its number and connection.
///
/// # Errors
/// What the system says of a connection.
pub fn watch(
    others: Vec<Option<TcpStream>>,
    turns: &Turns,
    patience: Duration,
) -> std::io::Result<()> {
    for (other, stream) in others.into_iter().enumerate() {
        let Some(stream) = stream else { continue };
        let speaks = stream.try_clone()?;
        stream.set_read_timeout(Some(patience))?;
        let told = turns.clone();
        std::thread::spawn(move || speak(speaks, &told));
        let heard = turns.clone();
        std::thread::spawn(move || listen(stream, other, &heard, patience));
    }
    Ok(())
}

/// Says how this process is, until it is over or nobody listens.
fn speak(mut stream: TcpStream, turns: &Turns) {
    let mut last = Instant::now() - BEAT;
    loop {
        let over = turns.over.load(Ordering::SeqCst);
        if over || last.elapsed() >= BEAT {
            last = Instant::now();
            let mut beat = [ALIVE; 9];
            beat[0] = if over { OVER } else { ALIVE };
            beat[1..].copy_from_slice(&turns.slowest().to_le_bytes());
            // Who listens notices on its side; this thread has nothing to decide.
            if stream.write_all(&beat).is_err() || over {
                return;
            }
        }
        std::thread::sleep(BEAT / 20);
    }
}

/// Hears how another process is, and ends this one if it is not.
fn listen(mut stream: TcpStream, other: usize, turns: &Turns, patience: Duration) {
    let (mut slowest, mut moved) = (0, Instant::now());
    let seconds = patience.as_secs();
    loop {
        let mut beat = [0; 9];
        let heard = stream.read_exact(&mut beat);
        if turns.over.load(Ordering::SeqCst) {
            return;
        }
        let lost = match heard {
            Ok(()) if beat[0] == OVER => return,
            Ok(()) => {
                let told = u64::from_le_bytes(beat[1..].try_into().expect("8 bytes"));
                if told != slowest {
                    (slowest, moved) = (told, Instant::now());
                }
                let hangs = moved.elapsed() > patience;
                hangs.then(|| format!("a worker of process {other} has hung for {seconds} s"))
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

fn is_silence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}
