//! What two processes say to each other first, and how long a connection may take to say it.
//!
//! The first sixteen bytes (magic, version of the protocol, number of the process) stay where they are in
//! every version, so that another release is named as such. Whoever says something else, or nothing for
//! [`GREETING_WAIT`], is a stranger.

use super::MeshError;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// What the processes of a job must agree on, and who is who.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// The version of the greeting: [`PROTOCOL`].
    pub protocol: u32,
    /// The number of the process that greets.
    pub process: u32,
    /// Digest of version, policy and model.
    pub rules: u64,
    /// Digest of the logs and of how they are read.
    pub logs: u64,
    /// The generation of the state that the run writes, as the first process claimed it; 0 without state,
    /// and in others as long as the first has not told them.
    pub generation: u64,
    /// Which start of the process it is: by chance, another one every time.
    pub instance: u64,
    /// What the run is asked for, as the first process was told: the others follow it.
    pub wishes: u32,
    /// Number of processes.
    pub processes: u32,
    /// Worker threads in each.
    pub workers: u32,
    /// What the connection is for: 0 for the engine, 1 for the watchdog.
    pub purpose: u32,
}

/// The version of the greeting, and of all that follows it.
pub const PROTOCOL: u32 = 3;
/// How long a connection may take to greet.
pub(super) const GREETING_WAIT: Duration = Duration::from_secs(5);
const MAGIC: [u8; 8] = *b"RESTAGE\0";
const HEAD_BYTES: usize = 16;
const REST_BYTES: usize = 48;

impl Greeting {
    pub(super) fn bytes(&self) -> [u8; HEAD_BYTES + REST_BYTES] {
        let mut bytes = [0; HEAD_BYTES + REST_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.protocol.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.process.to_le_bytes());
        let longs = [self.rules, self.logs, self.generation, self.instance];
        for (place, long) in bytes[16..48].chunks_exact_mut(8).zip(longs) {
            place.copy_from_slice(&long.to_le_bytes());
        }
        let words = [self.wishes, self.processes, self.workers, self.purpose];
        for (place, word) in bytes[48..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// `None` when the bytes are no greeting.
    fn head(bytes: &[u8; HEAD_BYTES]) -> Option<Greeting> {
        (bytes[..8] == MAGIC).then(|| Greeting {
            protocol: word(bytes, 8),
            process: word(bytes, 12),
            ..Greeting::default()
        })
    }

    fn with(self, bytes: &[u8; REST_BYTES]) -> Greeting {
        Greeting {
            rules: long(bytes, 0),
            logs: long(bytes, 8),
            generation: long(bytes, 16),
            instance: long(bytes, 24),
            wishes: word(bytes, 32),
            processes: word(bytes, 36),
            workers: word(bytes, 40),
            purpose: word(bytes, 44),
            ..self
        }
    }

    /// Whether another process is of the same job.
    pub(super) fn check(&self, other: &Greeting) -> Result<(), MeshError> {
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

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

/// Calls another process and greets it.
pub(super) fn call(address: &str, own: &Greeting) -> Option<(TcpStream, Greeting)> {
    let address = address.to_socket_addrs().ok()?.next()?;
    exchange(
        TcpStream::connect_timeout(&address, GREETING_WAIT).ok()?,
        own,
    )
}

/// Both sides say who they are. `None` for a stranger, who is left alone.
pub(super) fn exchange(mut stream: TcpStream, own: &Greeting) -> Option<(TcpStream, Greeting)> {
    let until = Instant::now() + GREETING_WAIT;
    let greet = |stream: &mut TcpStream| -> io::Result<Option<Greeting>> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.write_all(&own.bytes())?;
        let mut bytes = [0; HEAD_BYTES];
        read_until(stream, &mut bytes, until)?;
        let Some(head) = Greeting::head(&bytes) else {
            return Ok(None);
        };
        if head.protocol != PROTOCOL {
            return Ok(Some(head));
        }
        let mut bytes = [0; REST_BYTES];
        read_until(stream, &mut bytes, until)?;
        Ok(Some(head.with(&bytes)))
    };
    let greeting = greet(&mut stream).ok()??;
    Some((stream, greeting))
}

/// Fills the bytes, by then or not at all, however few of them come at a time.
pub(super) fn read_until(
    stream: &mut TcpStream,
    mut bytes: &mut [u8],
    until: Instant,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => bytes = &mut bytes[got..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.set_read_timeout(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_read_back_and_another_job_is_refused() {
        let own = Greeting {
            protocol: PROTOCOL,
            process: 1,
            rules: 2,
            logs: 3,
            generation: 4,
            instance: 5,
            wishes: 6,
            processes: 7,
            workers: 8,
            purpose: 1,
        };
        let bytes = own.bytes();
        let (head, rest) = bytes.split_at(HEAD_BYTES);
        let read = Greeting::head(head.try_into().unwrap()).unwrap();
        assert_eq!(read.with(rest.try_into().unwrap()), own);
        assert!(Greeting::head(b"GET / HTTP/1.1\r\n").is_none());
        assert!(own.check(&own).is_ok());
        let others = [
            (Greeting { protocol: 1, ..own }, "protocol"),
            (
                Greeting {
                    processes: 2,
                    ..own
                },
                "-n",
            ),
            (Greeting { workers: 2, ..own }, "-w"),
            (Greeting { rules: 9, ..own }, "policy"),
            (Greeting { logs: 9, ..own }, "other logs"),
        ];
        for (other, word) in others {
            let error = own.check(&other).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
