//! More than is taken, offered whoever waits for an answer.
//!
//! The offer goes by schedule alone: a batch that is due goes out on a connection that is free, and if none is, it
//! stays with the generator and is counted as unsent, apart from what the collector refused. Batches are written and
//! signed before it begins, and of an answer only what counts is read, so that the generator leaves the
//! machine to those whom it measures.

use super::{Answers, BATCH, batch, signer};
use restage::collect::committer::now_ms;
use restage::http::keyed::hex;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Connections of a flood: batches that may be without an answer.
const OPEN: usize = 2_000;
/// Connections on which it is found out how much is taken at most.
const BUSY: usize = 64;
/// Different batches.
const BATCHES: u64 = 64;
/// Between two looks at the schedule.
const LOOK: Duration = Duration::from_millis(1);

/// What was offered, and what of it was not sent, in events.
#[derive(Default)]
pub struct Offered {
    pub offered: u64,
    pub unsent: u64,
}

/// Requests that are ready to be written.
pub struct Flood {
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    answers: Arc<Answers>,
}

impl Flood {
    /// Of a collector. What is ready is signed for five minutes.
    pub fn of(address: SocketAddr, answers: &Arc<Answers>) -> Flood {
        let requests = (0..BATCHES).map(|number| request(address, batch(number)));
        Flood {
            address,
            requests: requests.collect(),
            answers: Arc::clone(answers),
        }
    }

    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream
    }

    /// Each connection sends again once it is answered; how many events a second were taken.
    pub async fn most(self: &Arc<Flood>, time: Duration) -> f64 {
        let before = Answers::of(&self.answers.taken);
        let begin = Instant::now();
        let senders: Vec<_> = (0..BUSY)
            .map(|sender| {
                let flood = Arc::clone(self);
                tokio::spawn(async move {
                    let mut stream = flood.connect().await;
                    let requests = flood.requests.iter().cycle().skip(sender);
                    for request in requests.take_while(|_| begin.elapsed() < time) {
                        flood.send(&mut stream, request).await;
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.await.expect("it ends");
        }
        let taken = Answers::of(&self.answers.taken) - before;
        taken as f64 / begin.elapsed().as_secs_f64()
    }

    /// Offers so many events a second for a time.
    pub async fn pour(self: &Arc<Flood>, rate: f64, time: Duration) -> Offered {
        let free = Arc::<Mutex<Vec<TcpStream>>>::default();
        for _ in 0..OPEN {
            let stream = self.connect().await;
            free.lock().expect("no one panicked").push(stream);
        }
        let (begin, mut batches, mut unsent) = (Instant::now(), 0, 0);
        while begin.elapsed() < time {
            let due = (begin.elapsed().as_secs_f64() * rate / BATCH as f64) as usize;
            for number in batches..due {
                let Some(mut stream) = free.lock().expect("no one panicked").pop() else {
                    unsent += due - number;
                    break;
                };
                let (flood, free) = (Arc::clone(self), Arc::clone(&free));
                tokio::spawn(async move {
                    let request = &flood.requests[number % flood.requests.len()];
                    flood.send(&mut stream, request).await;
                    free.lock().expect("no one panicked").push(stream);
                });
            }
            batches = due;
            tokio::time::sleep(LOOK).await;
        }
        while free.lock().expect("no one panicked").len() < OPEN {
            tokio::time::sleep(LOOK).await;
        }
        let events = |batches: usize| (batches * BATCH) as u64;
        Offered {
            offered: events(batches),
            unsent: events(unsent),
        }
    }

    /// Sends a batch and counts the answer; a connection that broke is made anew.
    async fn send(&self, stream: &mut TcpStream, request: &[u8]) {
        let answer = ask(stream, request).await;
        if answer.is_none() {
            *stream = self.connect().await;
        }
        let count = match answer {
            Some((204, _)) => &self.answers.taken,
            // Nothing of it was taken, and that is said.
            Some((503, said)) if said.contains("\"accepted\":0") => &self.answers.refused,
            Some((status, said)) => panic!("{status}: {said}"),
            None => &self.answers.broken,
        };
        count.fetch_add(BATCH as u64, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A signed batch as it is written.
fn request(address: SocketAddr, body: Vec<u8>) -> Vec<u8> {
    let (signer, seconds) = (signer(), (now_ms() / 1_000).to_string());
    let signature = hex(&signer.secret.sign(&[seconds.as_bytes(), b".", &body]));
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nrestage-key: {}\r\nrestage-signature: t={seconds},v1={signature}\r\n\r\n",
        body.len(),
        signer.name
    );
    [head.into_bytes(), body].concat()
}

/// The status of an answer and its text; none if the connection broke before its end.
async fn ask(stream: &mut TcpStream, request: &[u8]) -> Option<(u16, String)> {
    stream.write_all(request).await.ok()?;
    let (mut answer, mut piece) = (String::new(), [0; 1_024]);
    loop {
        let read = stream
            .read(&mut piece)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        answer.push_str(std::str::from_utf8(&piece[..read]).ok()?);
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        if body.len() >= length {
            return Some((head.get(9..12)?.parse().ok()?, answer));
        }
    }
}
