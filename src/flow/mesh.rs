//! Connecting the processes of a job, before the engine takes the sockets over.
//!
//! Every process listens at its own address and calls those with lower numbers, as timely's own
//! mesh does; but within a time limit, quietly, and only after both sides have shown each other a
//! greeting ([`greeting`]). It prevents what a bare mesh cannot notice: two processes that run
//! different policies, models, logs or worker counts, which would mix their results; a number
//! given twice; and a stranger that happens to call the port. Who was given something else is told by which
//! flag, and what both were given.
//!
//! Each connection is greeted in a thread of its own. *A caller that says nothing would otherwise keep
//! everybody else waiting.* Connections that close meanwhile are forgotten and made anew, and who starts
//! again takes the place of the one that it was. *A process that is restarted while the others still wait
//! is no second one.*
//!
//! A greeting says, too, of which start of the first process its sender has been told. *One that is still
//! of an earlier start of the job is named.* When a process has all of its connections it tells the first
//! which starts of the others they lead to. *A process of an earlier start, still connected with one of
//! them, would otherwise be found out in the middle of the run.* If all say the same, they have met ([`Met`]).
//!
//! Only then does the first process of a durable run claim the state and read it ([`crate::log`]). *A start
//! whose other processes never come would otherwise take the state away from a run that is well, and come
//! to nothing itself.* So the claim is no part of a greeting, and nobody else needs it: one process writes,
//! and the claims keep it and its predecessors apart. Meanwhile the others wait; a claim that fails ends the
//! first process, and with its connections the start. At last it tells them what the run is
//! ([`Met::begin`]), and it begins. One that ends between the claim and the begin costs its
//! predecessor the state, and another start.
//!
//! The connections carry no encryption and no authentication: use a private network. Cost: a look at every
//! connection each 20 ms until all are there.

mod greeting;
#[cfg(test)]
mod tests;

use super::failure;
pub use greeting::{Given, Greeting, PROTOCOL};
use greeting::{call, exchange, read_until};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Why the processes could not be connected.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The own address cannot be listened on.
    #[error("process {process} could not listen at {address}")]
    Listen {
        /// This process.
        process: usize,
        /// Its address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The others did not come in time.
    #[error("process {process} waited {seconds} s, but process(es) {missing:?} did not come")]
    Missing {
        /// This process.
        process: usize,
        /// How long it waited.
        seconds: u64,
        /// The others.
        missing: Vec<usize>,
    },
    /// One was there, and went away before all had begun.
    #[error("process {other} ended before the run began")]
    Lost {
        /// The other process.
        other: usize,
        /// What the system said.
        source: io::Error,
    },
    /// Another process is of an earlier start of the job.
    #[error("process {other} is still of an earlier start of the job: end it")]
    Stale {
        /// The other process.
        other: usize,
    },
    /// Another process is connected with processes that have ended since.
    #[error(
        "process {other} is connected with an earlier start of another process: start all again"
    )]
    Mixed {
        /// The other process.
        other: usize,
    },
    /// Another process is not of this job.
    #[error("process {other} at the other end does not fit: {what}")]
    Mismatch {
        /// The other process, as it calls itself.
        other: u32,
        /// What differs: the flag, and what both were given.
        what: String,
    },
}

/// All processes of a job, which have greeted each other and wait for the first to begin.
#[derive(Debug)]
pub struct Met {
    process: usize,
    peers: Vec<Peer>,
    wishes: u32,
}

/// What a process has once the run begins.
#[derive(Debug)]
pub struct Connected {
    /// A socket for each process, none for this: the engine's.
    pub sockets: Vec<Option<TcpStream>>,
    /// Another one for each process: the watchdog's.
    pub heartbeats: Vec<Option<TcpStream>>,
    /// The wishes of the first process.
    pub wishes: u32,
    /// What the first process told the others.
    pub briefing: Vec<u8>,
}

/// How long a process waits for the others.
pub const WAIT: Duration = Duration::from_secs(60);
/// How long the first process may take to read its state.
const BEGIN_WAIT: Duration = Duration::from_secs(600);
/// How long it waits before it says for whom.
const SAY_AFTER: Duration = Duration::from_secs(3);
/// Longest briefing in bytes.
const BRIEFING_BYTES_MAX: u32 = 256 << 20;
/// Callers that are greeted at once; more are hung up on, and call again if they are of the job.
const GREETED_MAX: usize = 256;
const RETRY: Duration = Duration::from_millis(20);

/// A number for this start of the process, by chance.
pub fn instance() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Connects this process with all others.
///
/// # Errors
/// [`MeshError`], in particular when not everybody comes within `wait`.
pub fn meet(addresses: &[String], own: Greeting, wait: Duration) -> Result<Met, MeshError> {
    let me = own.process as usize;
    let listen = |source| MeshError::Listen {
        process: me,
        address: addresses[me].clone(),
        source,
    };
    let listener = TcpListener::bind(addresses[me].as_str()).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    tracing::info!(process = me, address = %addresses[me], "waiting for the other processes");
    let begun = Instant::now();
    let (until, mut say_at) = (begun + wait, Some(begun + SAY_AFTER));
    let mut meeting = Meeting::new(addresses, own);
    while !meeting.is_complete() {
        if Instant::now() >= until {
            return Err(meeting.incomplete(wait));
        }
        if say_at.take_if(|at| Instant::now() >= *at).is_some() {
            failure::say(&meeting.waits(wait));
        }
        meeting.forget_closed();
        meeting.call_missing();
        meeting.greet_callers(&listener);
        meeting.take_heard()?;
    }
    meeting.agree(until)?;
    Ok(Met {
        process: me,
        peers: meeting.peers,
        wishes: meeting.wishes,
    })
}

/// Another process, as far as it is connected.
#[derive(Debug, Default)]
struct Peer {
    /// Which start of it.
    instance: u64,
    /// By purpose.
    streams: [Option<TcpStream>; 2],
    /// Whether it is being called, by purpose.
    is_called: [bool; 2],
}

/// A greeting that was heard, or a call that came to nothing.
struct Heard {
    /// The number and purpose that were called, if this process called.
    called: Option<(usize, usize)>,
    greeted: Option<(TcpStream, Greeting)>,
}

/// The processes until all are there.
struct Meeting<'a> {
    addresses: &'a [String],
    own: Greeting,
    peers: Vec<Peer>,
    wishes: u32,
    /// One that is of an earlier start.
    stale: Option<usize>,
    /// Counts those who are being greeted, by its clones.
    greeted: Arc<()>,
    tell: Sender<Heard>,
    heard: Receiver<Heard>,
}

impl<'a> Meeting<'a> {
    fn new(addresses: &'a [String], own: Greeting) -> Meeting<'a> {
        let (tell, heard) = channel();
        Meeting {
            addresses,
            peers: addresses.iter().map(|_| Peer::default()).collect(),
            wishes: own.wishes,
            own,
            stale: None,
            greeted: Arc::default(),
            tell,
            heard,
        }
    }

    fn me(&self) -> usize {
        self.own.process as usize
    }

    /// The processes that have not come with both connections.
    fn missing(&self) -> Vec<usize> {
        let is_missing = |other: &usize| {
            *other != self.me() && self.peers[*other].streams.iter().any(Option::is_none)
        };
        (0..self.peers.len()).filter(is_missing).collect()
    }

    fn is_complete(&self) -> bool {
        self.missing().is_empty()
    }

    fn waits(&self, wait: Duration) -> String {
        let missing = self.missing();
        let missing = missing
            .iter()
            .map(|other| format!("process {other} ({})", self.addresses[*other]));
        let (me, missing) = (self.me(), missing.collect::<Vec<_>>().join(", "));
        let seconds = wait.as_secs();
        format!("restage: process {me} waits for {missing}, up to {seconds} s in all")
    }

    fn incomplete(&self, wait: Duration) -> MeshError {
        match self.stale {
            Some(other) => MeshError::Stale { other },
            None => MeshError::Missing {
                process: self.me(),
                seconds: wait.as_secs(),
                missing: self.missing(),
            },
        }
    }

    /// Who hung up is missing again.
    fn forget_closed(&mut self) {
        for peer in &mut self.peers {
            for stream in &mut peer.streams {
                stream.take_if(|stream| !is_open(stream));
            }
        }
        let is_told = self.me() == 0 || self.peers[0].streams.iter().any(Option::is_some);
        if !is_told {
            self.own.first = 0;
        }
    }

    /// Calls those with lower numbers that are missing, each in a thread.
    fn call_missing(&mut self) {
        let me = self.me();
        for (other, peer) in self.peers[..me].iter_mut().enumerate() {
            for purpose in 0..peer.streams.len() {
                if peer.streams[purpose].is_some() || peer.is_called[purpose] {
                    continue;
                }
                peer.is_called[purpose] = true;
                let address = self.addresses[other].clone();
                let greeting = Greeting {
                    purpose: purpose as u32,
                    ..self.own.clone()
                };
                let tell = self.tell.clone();
                std::thread::spawn(move || {
                    let greeted = call(&address, &greeting);
                    if greeted.is_none() {
                        std::thread::sleep(RETRY);
                    }
                    let called = Some((other, purpose));
                    // Nobody listens any more when all is over.
                    let _ = tell.send(Heard { called, greeted });
                });
            }
        }
    }

    /// Greets those who call, each in a thread.
    fn greet_callers(&self, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            if Arc::strong_count(&self.greeted) > GREETED_MAX {
                continue;
            }
            let (own, tell) = (self.own.clone(), self.tell.clone());
            let counted = Arc::clone(&self.greeted);
            std::thread::spawn(move || {
                let greeted = exchange(stream, &own);
                drop(counted);
                if greeted.is_some() {
                    let called = None;
                    let _ = tell.send(Heard { called, greeted });
                }
            });
        }
    }

    /// Takes what has been heard, after a short wait for it.
    fn take_heard(&mut self) -> Result<(), MeshError> {
        let mut next = self.heard.recv_timeout(RETRY).ok();
        while let Some(Heard { called, greeted }) = next {
            if let Some((other, purpose)) = called {
                self.peers[other].is_called[purpose] = false;
            }
            if let Some((stream, theirs)) = greeted {
                self.take(stream, &theirs, called)?;
            }
            next = self.heard.try_recv().ok();
        }
        Ok(())
    }

    fn take(
        &mut self,
        stream: TcpStream,
        theirs: &Greeting,
        called: Option<(usize, usize)>,
    ) -> Result<(), MeshError> {
        self.own.check(theirs)?;
        let other = theirs.process as usize;
        let refuse = |what: String| {
            Err(MeshError::Mismatch {
                other: theirs.process,
                what,
            })
        };
        match called {
            Some((number, _)) if number != other => {
                let address = &self.addresses[number];
                return refuse(format!(
                    "--hostfile: it answers at {address}, which is process {number}'s in that of process {}",
                    self.me()
                ));
            }
            None if other == self.me() => {
                return refuse(format!("-p: its number, {other}, is that of this process"));
            }
            None if other < self.me() || other >= self.peers.len() => {
                return refuse(format!("-p: its number, {other}, is out of range"));
            }
            _ => {}
        }
        let (own, told) = (self.own.first, theirs.first);
        if other != 0 && told != 0 && own != 0 && told != own {
            // It may be about to hear of its successor.
            self.stale = Some(other);
            return Ok(());
        }
        let peer = &mut self.peers[other];
        if peer.instance != theirs.instance {
            if peer.streams.iter().flatten().any(is_open) {
                return refuse(format!("-p: its number, {other}, is taken"));
            }
            (peer.instance, peer.streams) = (theirs.instance, [None, None]);
        }
        // The caller decides: who is called does not know what for while it answers.
        let purpose = called.map_or(theirs.purpose.min(1) as usize, |(_, purpose)| purpose);
        peer.streams[purpose] = Some(stream);
        if other == 0 {
            (self.wishes, self.own.first) = (theirs.wishes, theirs.instance);
        }
        tracing::info!(process = self.me(), other, "connected");
        Ok(())
    }

    /// With which starts of the processes this one is connected, its own among them.
    fn connections(&self) -> Vec<u8> {
        let instances = self.peers.iter().enumerate().map(|(other, peer)| {
            let is_own = other == self.me();
            if is_own {
                self.own.instance
            } else {
                peer.instance
            }
        });
        instances.flat_map(u64::to_le_bytes).collect()
    }

    /// The others say with whom they are connected; the first compares.
    fn agree(&mut self, until: Instant) -> Result<(), MeshError> {
        let own = self.connections();
        if self.me() > 0 {
            return heartbeat(&mut self.peers, 0)?
                .write_all(&own)
                .map_err(lost(0));
        }
        for other in 1..self.peers.len() {
            let mut theirs = vec![0; own.len()];
            let stream = heartbeat(&mut self.peers, other)?;
            read_until(stream, &mut theirs, until).map_err(lost(other))?;
            if theirs != own {
                return Err(MeshError::Mixed { other });
            }
        }
        Ok(())
    }
}

impl Met {
    /// The first process tells what the run is, the others are told.
    ///
    /// # Errors
    /// [`MeshError`] when one of the others is lost.
    pub fn begin(mut self, briefing: Vec<u8>) -> Result<Connected, MeshError> {
        let mut connected = Connected {
            sockets: Vec::new(),
            heartbeats: Vec::new(),
            wishes: self.wishes,
            briefing,
        };
        if self.process == 0 {
            let length = (connected.briefing.len() as u32).to_le_bytes();
            for other in 1..self.peers.len() {
                let stream = heartbeat(&mut self.peers, other)?;
                let told = stream.write_all(&length);
                told.and_then(|()| stream.write_all(&connected.briefing))
                    .map_err(lost(other))?;
            }
        } else {
            // The first may still wait for the others, and then it reads its state.
            let until = Instant::now() + WAIT + BEGIN_WAIT;
            let stream = heartbeat(&mut self.peers, 0)?;
            let mut length = [0; 4];
            read_until(stream, &mut length, until).map_err(lost(0))?;
            let length = u32::from_le_bytes(length);
            if length > BRIEFING_BYTES_MAX {
                return Err(lost(0)(ErrorKind::InvalidData.into()));
            }
            connected.briefing = vec![0; length as usize];
            read_until(stream, &mut connected.briefing, until).map_err(lost(0))?;
        }
        for peer in self.peers {
            let [socket, heartbeat] = peer.streams;
            connected.sockets.push(socket);
            connected.heartbeats.push(heartbeat);
        }
        Ok(connected)
    }
}

fn heartbeat(peers: &mut [Peer], other: usize) -> Result<&mut TcpStream, MeshError> {
    let stream = peers[other].streams[1].as_mut();
    stream.ok_or_else(|| lost(other)(ErrorKind::NotConnected.into()))
}

fn lost(other: usize) -> impl Fn(io::Error) -> MeshError {
    move |source| MeshError::Lost { other, source }
}

/// Whether the other end has not hung up. What it has said stays to be read.
fn is_open(stream: &TcpStream) -> bool {
    let look = || {
        stream.set_nonblocking(true)?;
        let said = stream.peek(&mut [0]);
        stream.set_nonblocking(false)?;
        said
    };
    match look() {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
