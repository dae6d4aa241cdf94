//! What two processes say to each other first, and how long a connection may take to say it.
//!
//! The first sixteen bytes (magic, version of the protocol, number of the process) stay where they are in
//! every version, so that another release is named as such. Whoever says something else, or nothing for
//! [`GREETING_WAIT`], is a stranger.

use super::MeshError;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the processes of a job must have been given alike: the flag, or whatever says it, and what it
/// comes to.
pub type Given = Vec<(String, String)>;

/// What the processes of a job must agree on, and who is who.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// The version of the greeting: [`PROTOCOL`].
    pub protocol: u32,
    /// The number of the process that greets.
    pub process: u32,
    /// Which start of the process it is: by chance, another one every time.
    pub instance: u64,
    /// The start of the first process that it has been told of; 0 as long as it has not.
    pub first: u64,
    /// What the run is asked for, as the first process was told: the others follow it.
    pub wishes: u32,
    /// Number of processes.
    pub processes: u32,
    /// Worker threads in each.
    pub workers: u32,
    /// What the connection is for: 0 for the engine, 1 for the watchdog.
    pub purpose: u32,
    /// What else all must have been given alike.
    pub given: Arc<Given>,
}

/// The version of the greeting, and of all that follows it.
pub const PROTOCOL: u32 = 4;
/// How long a connection may take to greet.
pub(super) const GREETING_WAIT: Duration = Duration::from_secs(5);
const MAGIC: [u8; 8] = *b"RESTAGE\0";
const HEAD_BYTES: usize = 16;
const REST_BYTES: usize = 36;
/// Longest list of what was given.
const GIVEN_BYTES_MAX: u32 = 64 << 10;

impl Greeting {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let given = serde_json::to_vec(&*self.given).expect("texts are plain data");
        let who = [self.protocol, self.process].map(u32::to_le_bytes);
        let starts = [self.instance, self.first].map(u64::to_le_bytes);
        let length = given.len() as u32;
        let words = [
            self.wishes,
            self.processes,
            self.workers,
            self.purpose,
            length,
        ];
        let words = words.map(u32::to_le_bytes);
        let parts = [
            who.as_flattened(),
            starts.as_flattened(),
            words.as_flattened(),
        ];
        [&MAGIC[..], parts.concat().as_slice(), &given].concat()
    }

    /// `None` when the bytes are no greeting.
    fn head(bytes: &[u8; HEAD_BYTES]) -> Option<Greeting> {
        (bytes[..8] == MAGIC).then(|| Greeting {
            protocol: word(bytes, 8),
            process: word(bytes, 12),
            ..Greeting::default()
        })
    }

    /// The same with what comes next, and how many bytes still follow.
    fn with(self, bytes: &[u8; REST_BYTES]) -> (Greeting, u32) {
        let greeting = Greeting {
            instance: long(bytes, 0),
            first: long(bytes, 8),
            wishes: word(bytes, 16),
            processes: word(bytes, 20),
            workers: word(bytes, 24),
            purpose: word(bytes, 28),
            ..self
        };
        (greeting, word(bytes, 32))
    }

    /// Whether another process is of the same job.
    pub(super) fn check(&self, other: &Greeting) -> Result<(), MeshError> {
        let numbers = [
            (
                "version of the protocol, as another release has",
                self.protocol,
                other.protocol,
            ),
            ("-n", self.processes, other.processes),
            ("-w", self.workers, other.workers),
        ];
        let numbers =
            numbers.map(|(flag, own, theirs)| (flag, own.to_string(), theirs.to_string()));
        let given = self.given.iter().zip(&*other.given);
        let given = given.map(|((flag, own), (_, theirs))| (&**flag, own.clone(), theirs.clone()));
        match numbers
            .into_iter()
            .chain(given)
            .find(|(_, own, theirs)| own != theirs)
        {
            None => Ok(()),
            Some((flag, own, theirs)) => Err(MeshError::Mismatch {
                other: other.process,
                what: format!(
                    "{flag}: it has {theirs}, and process {} {own}",
                    self.process
                ),
            }),
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
        let (greeting, length) = head.with(&bytes);
        if length > GIVEN_BYTES_MAX {
            return Ok(None);
        }
        let mut given = vec![0; length as usize];
        read_until(stream, &mut given, until)?;
        let given = serde_json::from_slice(&given);
        Ok(given.ok().map(|given| Greeting {
            given: Arc::new(given),
            ..greeting
        }))
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
        let given = |policy: &str| {
            let given = [("--policy", policy), ("--sort", "no")];
            let given = given.map(|(flag, value)| (flag.to_owned(), value.to_owned()));
            Arc::new(Vec::from(given))
        };
        let own = Greeting {
            protocol: PROTOCOL,
            process: 1,
            instance: 5,
            first: 4,
            wishes: 6,
            processes: 7,
            workers: 8,
            purpose: 1,
            given: given("one@1"),
        };
        let bytes = own.bytes();
        let (head, rest) = bytes.split_at(HEAD_BYTES);
        let (rest, list) = rest.split_at(REST_BYTES);
        let read = Greeting::head(head.try_into().unwrap()).unwrap();
        let (read, length) = read.with(rest.try_into().unwrap());
        assert_eq!(length as usize, list.len());
        let given_too = Arc::new(serde_json::from_slice(list).unwrap());
        let read = Greeting {
            given: given_too,
            ..read
        };
        assert_eq!(read, own);
        assert!(Greeting::head(b"GET / HTTP/1.1\r\n").is_none());
        assert!(own.check(&own).is_ok());
        let is = |of: &dyn Fn(&mut Greeting), words: &str| {
            let mut other = own.clone();
            of(&mut other);
            let error = own.check(&other).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        is(
            &|other| other.protocol = 1,
            "protocol, as another release has: it has 1",
        );
        is(
            &|other| other.processes = 2,
            "-n: it has 2, and process 1 7",
        );
        is(&|other| other.workers = 2, "-w: it has 2, and process 1 8");
        is(
            &|other| other.given = given("two@2"),
            "--policy: it has two@2, and process 1 one@1",
        );
    }
}
