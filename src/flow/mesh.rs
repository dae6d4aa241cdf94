//! Connecting the processes of a job, before the engine takes the sockets over.
//!
//! Every process listens at its own address and calls those with lower numbers, as timely's own
//! mesh does; but within a time limit, quietly, and only after both sides have shown each other a
//! greeting. The greeting prevents what a bare mesh cannot notice: two processes that run
//! different policies, models, logs or worker counts, which would mix their results; a number
//! given twice; and a stranger that happens to call the port.
//!
//! The connections carry no encryption and no authentication: use a private network.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// What the processes of a job must agree on, and who is who.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Digest of version, policy and model.
    pub rules: u64,
    /// Digest of the logs and of how they are read.
    pub logs: u64,
    /// What the run is asked for, as the first process was told: the others follow it.
    pub wishes: u32,
    /// Number of processes.
    pub processes: u32,
    /// Worker threads in each.
    pub workers: u32,
    /// The number of the process that greets.
    pub process: u32,
    /// What the connection is for: 0 for the engine, 1 for the watchdog.
    pub purpose: u32,
    /// The version of the greeting: [`PROTOCOL`].
    pub protocol: u32,
}

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
    #[error("process {process} waited {} s, but process(es) {missing:?} did not come", WAIT.as_secs())]
    Missing {
        /// This process.
        process: usize,
        /// The others.
        missing: Vec<usize>,
    },
    /// The first process went away before it had told what the run is.
    #[error("process 0 ended before the run began")]
    Briefing {
        /// What the system said.
        source: io::Error,
    },
    /// Another process is not of this job.
    #[error("process {other} at the other end does not fit: {what}")]
    Mismatch {
        /// The other process, as it calls itself.
        other: u32,
        /// What differs.
        what: &'static str,
    },
}

/// What a process has once all are there.
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

/// Longest briefing in bytes.
const BRIEFING_BYTES_MAX: u32 = 64 << 20;

/// How long a process waits for the others.
pub const WAIT: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(20);
const GREETING_WAIT: Duration = Duration::from_secs(5);
/// The version of the greeting, and of all that follows it.
pub const PROTOCOL: u32 = 2;
const MAGIC: [u8; 8] = *b"RESTAGE\0";
const GREETING_BYTES: usize = 48;

impl Greeting {
    fn bytes(&self) -> [u8; GREETING_BYTES] {
        let mut bytes = [0; GREETING_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.rules.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.logs.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.processes.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.workers.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.process.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.wishes.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.purpose.to_le_bytes());
        bytes[44..].copy_from_slice(&self.protocol.to_le_bytes());
        bytes
    }

    /// `None` when the bytes are no greeting.
    fn read(bytes: &[u8; GREETING_BYTES]) -> Option<Greeting> {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        (bytes[..8] == MAGIC).then(|| Greeting {
            rules: long(8),
            logs: long(16),
            processes: word(24),
            workers: word(28),
            process: word(32),
            wishes: word(36),
            purpose: word(40),
            protocol: word(44),
        })
    }

    /// Whether another process is of the same job.
    fn check(&self, other: &Greeting) -> Result<(), MeshError> {
        let refuse = |what| {
            Err(MeshError::Mismatch {
                other: other.process,
                what,
            })
        };
        if other.protocol != self.protocol {
            refuse("it speaks another version of the protocol: run the same release everywhere")
        } else if other.processes != self.processes {
            refuse("it was told another number of processes (-n)")
        } else if other.workers != self.workers {
            refuse("it runs another number of workers (-w)")
        } else if other.rules != self.rules {
            refuse("it runs another version, policy or model")
        } else if other.logs != self.logs {
            refuse("it reads other logs, or reads them with other flags")
        } else {
            Ok(())
        }
    }
}

/// Connects this process with all others, and tells them the first process's briefing.
///
/// # Errors
/// [`MeshError`], in particular when not everybody comes within [`WAIT`].
pub fn connect(
    addresses: &[String],
    own: Greeting,
    briefing: Vec<u8>,
) -> Result<Connected, MeshError> {
    let me = own.process as usize;
    let listen = |source| MeshError::Listen {
        process: me,
        address: addresses[me].clone(),
        source,
    };
    let listener = TcpListener::bind(addresses[me].as_str()).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    tracing::info!(process = me, address = %addresses[me], "waiting for the other processes");
    let none = || addresses.iter().map(|_| None).collect::<Vec<_>>();
    let mut connected = Connected {
        sockets: none(),
        heartbeats: none(),
        wishes: own.wishes,
        briefing,
    };
    let deadline = Instant::now() + WAIT;
    loop {
        for (other, address) in addresses[..me].iter().enumerate() {
            for purpose in [0, 1] {
                let greeting = Greeting { purpose, ..own };
                if connected.of(purpose)[other].is_none()
                    && let Some((stream, theirs)) = call(address, &greeting)
                {
                    own.check(&theirs)?;
                    if other == 0 {
                        connected.wishes = theirs.wishes;
                    }
                    connected.of(purpose)[other] = Some(stream);
                }
            }
        }
        while let Ok((stream, _)) = listener.accept() {
            if let Some((stream, theirs)) = exchange(stream, &own) {
                own.check(&theirs)?;
                let (other, purpose) = (theirs.process as usize, theirs.purpose.min(1));
                let of_purpose = connected.of(purpose);
                let is_free = of_purpose.get(other).is_some_and(Option::is_none);
                if other <= me || !is_free {
                    let what = "its number (-p) is taken or out of range";
                    return Err(MeshError::Mismatch {
                        other: theirs.process,
                        what,
                    });
                }
                tracing::info!(process = me, other, "connected");
                of_purpose[other] = Some(stream);
            }
        }
        let missing = connected.missing(me);
        if missing.is_empty() {
            connected.brief(me)?;
            return Ok(connected);
        }
        if Instant::now() >= deadline {
            return Err(MeshError::Missing {
                process: me,
                missing,
            });
        }
        std::thread::sleep(RETRY);
    }
}

impl Connected {
    fn of(&mut self, purpose: u32) -> &mut Vec<Option<TcpStream>> {
        match purpose {
            0 => &mut self.sockets,
            _ => &mut self.heartbeats,
        }
    }

    /// The processes that have not come with both connections.
    fn missing(&self, me: usize) -> Vec<usize> {
        let both = self.sockets.iter().zip(&self.heartbeats).enumerate();
        let missing = both.filter(|(at, (one, two))| *at != me && (one.is_none() || two.is_none()));
        missing.map(|(at, _)| at).collect()
    }

    /// The first process tells, the others are told.
    fn brief(&mut self, me: usize) -> Result<(), MeshError> {
        let lost = |source| MeshError::Briefing { source };
        if me == 0 {
            let length = (self.briefing.len() as u32).to_le_bytes();
            for stream in self.heartbeats.iter_mut().flatten() {
                stream.write_all(&length).map_err(lost)?;
                stream.write_all(&self.briefing).map_err(lost)?;
            }
            return Ok(());
        }
        let Some(stream) = &mut self.heartbeats[0] else {
            return Ok(());
        };
        let mut told = || -> io::Result<Vec<u8>> {
            stream.set_read_timeout(Some(WAIT))?;
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length);
            if length > BRIEFING_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut bytes = Vec::new();
            stream.take(u64::from(length)).read_to_end(&mut bytes)?;
            if bytes.len() < length as usize {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(bytes)
        };
        self.briefing = told().map_err(lost)?;
        Ok(())
    }
}

fn call(address: &str, own: &Greeting) -> Option<(TcpStream, Greeting)> {
    let address = address.to_socket_addrs().ok()?.next()?;
    exchange(
        TcpStream::connect_timeout(&address, GREETING_WAIT).ok()?,
        own,
    )
}

/// Both sides say who they are. `None` for a stranger, who is left alone.
fn exchange(mut stream: TcpStream, own: &Greeting) -> Option<(TcpStream, Greeting)> {
    let greet = |stream: &mut TcpStream| -> io::Result<[u8; GREETING_BYTES]> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(GREETING_WAIT))?;
        stream.write_all(&own.bytes())?;
        let mut bytes = [0; GREETING_BYTES];
        stream.read_exact(&mut bytes)?;
        stream.set_read_timeout(None)?;
        Ok(bytes)
    };
    let bytes = greet(&mut stream).ok()?;
    Greeting::read(&bytes).map(|greeting| (stream, greeting))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(process: u32, rules: u64) -> Greeting {
        Greeting {
            rules,
            logs: 1,
            wishes: 40 + process,
            processes: 3,
            workers: 1,
            process,
            purpose: 0,
            protocol: PROTOCOL,
        }
    }

    fn addresses(count: usize) -> Vec<String> {
        let held: Vec<_> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        held.iter()
            .map(|listener| listener.local_addr().unwrap().to_string())
            .collect()
    }

    fn meet(configs: [u64; 3]) -> Vec<Result<Connected, MeshError>> {
        let addresses = addresses(3);
        let start = |process: u32| {
            let addresses = addresses.clone();
            let own = greeting(process, configs[process as usize]);
            std::thread::spawn(move || connect(&addresses, own, vec![process as u8; 3]))
        };
        // The last comes first, and a stranger calls in between.
        let threads: Vec<_> = [2, 1, 0].map(start).into_iter().collect();
        if let Ok(mut stranger) = TcpStream::connect(addresses[0].as_str()) {
            let _ = stranger.write_all(b"GET / HTTP/1.1\r\nhost: nobody\r\n\r\n");
        }
        threads
            .into_iter()
            .rev()
            .map(|thread| thread.join().unwrap())
            .collect()
    }

    #[test]
    fn three_processes_find_each_other() {
        for (process, result) in meet([7, 7, 7]).into_iter().enumerate() {
            let connected = result.unwrap();
            assert_eq!(connected.wishes, 40, "the first process's");
            assert_eq!(connected.briefing, [0; 3], "the first process's");
            let expected: Vec<bool> = (0..3).map(|other| other != process).collect();
            for sockets in [&connected.sockets, &connected.heartbeats] {
                let present: Vec<bool> = sockets.iter().map(Option::is_some).collect();
                assert_eq!(present, expected);
            }
        }
    }

    #[test]
    fn a_process_with_another_configuration_is_refused() {
        let own = greeting(0, 7);
        let error = own.check(&greeting(1, 8)).unwrap_err();
        assert!(error.to_string().contains("policy"), "{error}");
        let newer = Greeting {
            protocol: PROTOCOL + 1,
            ..greeting(1, 7)
        };
        let error = own.check(&newer).unwrap_err();
        assert!(error.to_string().contains("protocol"), "{error}");
        assert!(Greeting::read(&greeting(2, 9).bytes()).is_some());
        assert!(Greeting::read(&[b'G'; GREETING_BYTES]).is_none());
    }
}
