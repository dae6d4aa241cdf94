//! Load on the live layers: processes, batches, schedules, what was answered.

#![allow(dead_code, reason = "each bench uses a part")]

pub mod flood;

use restage::collect::client::{Client, Signer};
use restage::collect::committer::now_ms;
use restage::http::keyed::Secret;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Keys and limits; little may wait for the disk, so that too much is refused and not kept.
pub const CONFIG: &str = r#"
[keys]
write = ["wk_bench"]
servers = { bench = "a-secret-for-the-bench-of-the-live-layers" }
[tokens]
secret = "another-secret-for-the-bench"
[limits]
server_events_per_second = 4000000
browser_events_per_second = 100000
waiting_bytes = 4194304
"#;
const SECRET: &str = "a-secret-for-the-bench-of-the-live-layers";
/// Events of a batch.
pub const BATCH: usize = 100;
/// Visitors of whom events are offered.
pub const VISITORS: u64 = 20_000;
/// Connections on which events are offered at a steady rate.
pub const CONNECTIONS: usize = 16;

/// Events by what was answered.
#[derive(Default)]
pub struct Answers {
    pub taken: AtomicU64,
    /// Refused with a reason.
    pub refused: AtomicU64,
    /// Without an answer: they may have been taken.
    pub broken: AtomicU64,
}

impl Answers {
    pub fn of(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }

    /// Counts the answer to a batch.
    pub fn count(&self, answer: &std::io::Result<(u16, axum::body::Bytes)>) {
        let count = match answer {
            Ok((204, _)) => &self.taken,
            Ok(_) => &self.refused,
            Err(_) => &self.broken,
        };
        count.fetch_add(BATCH as u64, Ordering::Relaxed);
    }
}

/// A process of the program, ended with it.
pub struct Layer {
    pub child: Child,
    /// Where it listens, in the order in which it says so.
    pub addresses: Vec<SocketAddr>,
}

impl Layer {
    /// Starts the program in a folder and waits until it has said so many addresses.
    pub fn start(dir: &Path, arguments: &[String], addresses: usize) -> Layer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_restage"))
            .args(arguments)
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut lines = said.lines().map(|line| line.expect("text"));
        let listens = lines.by_ref().filter_map(|line| {
            let (_, address) = line.rsplit_once("http://")?;
            address.parse().ok()
        });
        let found: Vec<SocketAddr> = listens.take(addresses).collect();
        assert_eq!(found.len(), addresses, "{arguments:?} did not start");
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Layer {
            child,
            addresses: found,
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Most memory that it has had, in MB.
    pub fn rss_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or(0) / 1024
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        // It has ended, or it is to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts all layers in one process, in a folder, with `--policy FILE` and `--snapshot-every SECONDS` as given: the
/// shop and its monitor listen.
pub fn up(dir: &Path) -> Layer {
    std::fs::write(dir.join("collect.toml"), CONFIG).expect("a file");
    let every = format!("{}s", number("--snapshot-every", 5));
    let mut arguments = vec!["up", "--dir", "data", "--config", "collect.toml"];
    arguments.extend(["--snapshot-every", &every]);
    arguments.extend(["--listen", "127.0.0.1:0", "--monitor", "127.0.0.1:0"]);
    let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    // The program is started in a folder of its own.
    if let Some(path) = text("--policy") {
        let whole = std::path::absolute(path).expect("a path");
        arguments.extend(["--policy".into(), whole.display().to_string()]);
    }
    Layer::start(dir, &arguments, 2)
}

/// A batch: some views, a cart now and then.
pub fn batch(number: u64) -> Vec<u8> {
    let now = now_ms();
    let mut body = format!("{{\"sent_at\":{now},\"events\":[");
    for place in 0..BATCH as u64 {
        let n = (number * BATCH as u64 + place).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let (visitor, item) = (n % VISITORS, n / VISITORS % 60);
        let kind = match n % 23 {
            0 => "add_to_cart",
            1..4 => "page_view",
            4..7 => "scroll",
            _ => "item_view",
        };
        let comma = if place > 0 { "," } else { "" };
        body.push_str(&format!("{comma}{{\"event_ms\":{now},\"visitor\":\"v{visitor}\",\"kind\":\"{kind}\",\"item\":\"i{item}\",\"price\":30,\"value\":0.5}}"));
    }
    body.push_str("]}");
    body.into_bytes()
}

pub fn signer() -> Signer {
    Signer {
        name: "bench".into(),
        secret: Secret::of(SECRET.as_bytes()).expect("long enough"),
    }
}

/// Offers batches on one connection, each at its time, until the time is over.
pub async fn offer(
    address: SocketAddr,
    (first, every): (Duration, Duration),
    until: Instant,
    answers: Arc<Answers>,
) {
    let (signer, begin) = (signer(), Instant::now());
    let (mut client, mut number) = (Client::new(address), 0);
    loop {
        let due = begin + first + every * number;
        if due >= until || Instant::now() >= until {
            return;
        }
        tokio::time::sleep_until(due.into()).await;
        let body = batch(u64::from(number) * 1_000 + first.as_micros() as u64);
        number += 1;
        answers.count(&client.post("/v1/events", body, Some(&signer)).await);
    }
}

/// Offers so many events a second on all connections in turn, until the time is over.
pub fn steadily(
    address: SocketAddr,
    rate: u64,
    until: Instant,
    answers: &Arc<Answers>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let every = Duration::from_secs_f64((CONNECTIONS * BATCH) as f64 / rate as f64);
    let connections = 0..CONNECTIONS as u32;
    let offering = connections.map(|one| {
        let first = every * one / CONNECTIONS as u32;
        let answers = Arc::clone(answers);
        tokio::spawn(offer(address, (first, every), until, answers))
    });
    offering.collect()
}

/// Reads a stream until it has said a text.
pub async fn read_until(stream: &mut TcpStream, text: &str) -> Option<String> {
    let (mut got, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut piece)).await;
        let Ok(Ok(bytes @ 1..)) = read else {
            return None;
        };
        got.extend_from_slice(&piece[..bytes]);
        let so_far = String::from_utf8_lossy(&got);
        if so_far.contains(text) {
            return Some(so_far.into_owned());
        }
    }
}

/// The body of an answer.
pub async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    body.to_owned()
}

/// What the job has counted, events and decisions, once all of it is there and nothing changes any more: timers
/// still fire for a while after the last event.
pub fn settled(
    runtime: &tokio::runtime::Runtime,
    monitor: SocketAddr,
    rows: impl Fn() -> u64,
    decisions: impl Fn() -> u64,
) -> (u64, u64) {
    let (mut counted, mut before) = ((0, 0), (0, 0));
    // The job says how it stands twice a second.
    for _ in 0..60 {
        std::thread::sleep(Duration::from_millis(1_500));
        let status = runtime.block_on(get(monitor, "/v1/status"));
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        let of = |name: &str| status[name].as_u64().unwrap_or(0);
        counted = (of("events"), of("decisions"));
        if counted == (rows(), decisions()) && counted == before {
            break;
        }
        before = counted;
    }
    counted
}

/// Whole lines of a file.
pub fn rows(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap_or_default();
    memchr::memchr_iter(b'\n', &bytes).count() as u64
}

pub fn text(flag: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != flag);
    arguments.nth(1)
}

pub fn number(flag: &str, default: u64) -> u64 {
    text(flag)
        .and_then(|given| given.parse().ok())
        .unwrap_or(default)
}

/// What a bench promises, and whether it held.
#[derive(Default)]
pub struct Checks {
    broken: bool,
}

impl Checks {
    /// Says what does not hold.
    pub fn check(&mut self, what: &str, is_so: bool) {
        if !is_so {
            eprintln!("does not hold: {what}");
            self.broken = true;
        }
    }

    /// The bench's exit code. Returned from `main`, so that the layers end with it.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(u8::from(self.broken))
    }
}
