//! All layers in one process under load: events over HTTP in, decisions on streams out.
//!
//!     cargo bench --bench live -- [--rate N] [--seconds N] [--overload SECONDS] [--snapshot-every SECONDS]
//!         [--policy FILE]
//!
//! Starts `restage up`, offers events at a steady rate in batches of a hundred, signed as a server's, by
//! schedule and not by answer; beside it, every 50 ms a new browser opens a stream, sends one event and
//! waits for its first decision, timed from the moment it was to send. Then, if asked, all connections
//! send as fast as they can. At the end what was answered as taken is compared with the rows of the lane
//! and with what the job counted: nothing may be missing. Prints one JSON object; ends with code 1 if
//! anything was lost.

use restage::collect::client::{Client, Signer};
use restage::collect::committer::now_ms;
use restage::http::keyed::Secret;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &str = "a-secret-for-the-bench-of-the-live-layers";
const CONFIG: &str = r#"
[keys]
write = ["wk_bench"]
servers = { bench = "a-secret-for-the-bench-of-the-live-layers" }
[tokens]
secret = "another-secret-for-the-bench"
[limits]
server_events_per_second = 4000000
browser_events_per_second = 100000
"#;
const BATCH: usize = 100;
const CONNECTIONS: usize = 16;
const VISITORS: u64 = 20_000;

/// What was answered.
#[derive(Default)]
struct Answers {
    taken: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
}

struct Up {
    child: Child,
    shop: SocketAddr,
    monitor: SocketAddr,
}

impl Drop for Up {
    fn drop(&mut self) {
        // It has ended, or it is to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn up(dir: &Path) -> Up {
    std::fs::write(dir.join("collect.toml"), CONFIG).expect("a file");
    let ports = ["--listen", "127.0.0.1:0", "--monitor", "127.0.0.1:0"];
    // The program is started in a folder of its own.
    let policy = text("--policy").map(|path| {
        let whole = std::path::absolute(path).expect("a path");
        ["--policy".into(), whole]
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_restage"))
        .args(["up", "--dir", "data", "--config", "collect.toml"])
        .args([
            "--snapshot-every",
            &format!("{}s", number("--snapshot-every", 5)),
        ])
        .args(ports)
        .args(policy.into_iter().flatten())
        .current_dir(dir)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let said = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut lines = said.lines().map(|line| line.expect("text"));
    let mut next = || {
        let line = lines.next().expect("it says where it listens");
        let (_, address) = line.rsplit_once("http://").expect("an address");
        address.parse().expect("an address")
    };
    let (shop, monitor) = (next(), next());
    std::thread::spawn(move || lines.for_each(drop));
    Up {
        child,
        shop,
        monitor,
    }
}

/// A batch: some views, a cart now and then.
fn batch(number: u64) -> Vec<u8> {
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

fn signer() -> Signer {
    Signer {
        name: "bench".into(),
        secret: Secret::of(SECRET.as_bytes()).expect("long enough"),
    }
}

/// Offers batches on one connection, each at its time, until the time is over; without times, at once.
async fn offer(
    address: SocketAddr,
    (first, every): (Duration, Option<Duration>),
    until: Instant,
    answers: Arc<Answers>,
) {
    let (signer, begin) = (signer(), Instant::now());
    let (mut client, mut number) = (Client::new(address), 0);
    loop {
        let due = begin + first + every.unwrap_or_default() * number;
        if due >= until || Instant::now() >= until {
            return;
        }
        tokio::time::sleep_until(due.into()).await;
        let body = batch(u64::from(number) * 1_000 + first.as_micros() as u64);
        number += 1;
        let count = match client.post("/v1/events", body, Some(&signer)).await {
            Ok((204, _)) => &answers.taken,
            Ok(_) => &answers.refused,
            Err(_) => &answers.broken,
        };
        count.fetch_add(BATCH as u64, Ordering::Relaxed);
    }
}

async fn read_until(stream: &mut TcpStream, text: &str) -> Option<String> {
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

/// A new browser: its first event to its first decision, in ms.
async fn probe(address: SocketAddr, answers: &Answers) -> Option<f64> {
    let mut client = Client::new(address);
    let ask = br#"{"key":"wk_bench"}"#.to_vec();
    let (_, answer) = client.post("/v1/session", ask, None).await.ok()?;
    let answer: Value = serde_json::from_slice(&answer).ok()?;
    let token = answer["token"].as_str()?.to_owned();
    let mut stream = TcpStream::connect(address).await.ok()?;
    let ask = format!("GET /v1/stream?token={token} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.ok()?;
    read_until(&mut stream, "beat").await?;
    let (begin, now) = (Instant::now(), now_ms());
    let body = format!(
        r#"{{"key":"wk_bench","token":"{token}","sent_at":{now},"events":[{{"event_ms":{now},"kind":"item_view","item":"i3"}}]}}"#
    );
    let sent = tokio::spawn(async move {
        let answer = client.post("/v1/events", body.into_bytes(), None).await;
        matches!(answer, Ok((204, _)))
    });
    let told = read_until(&mut stream, "event: decision").await;
    let took = begin.elapsed().as_secs_f64() * 1_000.0;
    if sent.await.unwrap_or(false) {
        answers.taken.fetch_add(1, Ordering::Relaxed);
    }
    told.map(|_| took)
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let ask = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    body.to_owned()
}

fn rss_mb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn text(flag: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != flag);
    arguments.nth(1)
}

fn number(flag: &str, default: u64) -> u64 {
    text(flag)
        .and_then(|given| given.parse().ok())
        .unwrap_or(default)
}

fn main() {
    let (rate, seconds, overload) = (
        number("--rate", 20_000),
        number("--seconds", 10),
        number("--overload", 0),
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a folder");
    let up = up(dir.path());
    let answers = Arc::<Answers>::default();
    let (mut delays, mut missed) = (Vec::new(), 0);
    let begin = Instant::now();
    runtime.block_on(async {
        let until = begin + Duration::from_secs(seconds);
        let every = Duration::from_secs_f64((CONNECTIONS * BATCH) as f64 / rate as f64);
        let offering: Vec<_> = (0..CONNECTIONS as u32)
            .map(|one| {
                let first = every * one / CONNECTIONS as u32;
                tokio::spawn(offer(
                    up.shop,
                    (first, Some(every)),
                    until,
                    Arc::clone(&answers),
                ))
            })
            .collect();
        while Instant::now() < until {
            let next = Instant::now() + Duration::from_millis(50);
            match probe(up.shop, &answers).await {
                Some(delay) => delays.push(delay),
                None => missed += 1,
            }
            tokio::time::sleep_until(next.into()).await;
        }
        for one in offering {
            one.await.expect("it ends");
        }
    });
    let steady = (
        answers.taken.load(Ordering::Relaxed),
        begin.elapsed().as_secs_f64(),
    );
    let rss_steady = rss_mb(up.child.id());
    runtime.block_on(async {
        let until = Instant::now() + Duration::from_secs(overload);
        let offering: Vec<_> = (0..4 * CONNECTIONS as u32 * u32::from(overload > 0))
            .map(|one| {
                let first = Duration::from_micros(u64::from(one));
                tokio::spawn(offer(up.shop, (first, None), until, Arc::clone(&answers)))
            })
            .collect();
        for one in offering {
            one.await.expect("it ends");
        }
    });
    let taken = answers.taken.load(Ordering::Relaxed);
    // The job says how it stands now and then: wait until it has nothing new to say.
    let (mut counted, mut waits) = (0, 0);
    while counted < taken && waits < 120 {
        std::thread::sleep(Duration::from_millis(500));
        let status = runtime.block_on(get(up.monitor, "/v1/status"));
        let status: Value = serde_json::from_str(&status).expect("JSON");
        counted = status["events"].as_u64().unwrap_or(0);
        waits += 1;
    }
    let lane = std::fs::read(dir.path().join("data/lane.jsonl")).expect("a lane");
    let rows = memchr::memchr_iter(b'\n', &lane).count() as u64;
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied();
    println!(
        "{}",
        json!({
            "offered_per_s": rate, "taken_per_s": (steady.0 as f64 / steady.1).round(), "seconds": seconds,
            "event_to_decision_ms": {"count": delays.len(), "missed": missed, "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": delays.last()},
            "taken": taken, "refused": answers.refused.load(Ordering::Relaxed), "broken": answers.broken.load(Ordering::Relaxed),
            "rows_in_lane": rows, "counted_by_job": counted, "rss_mb": rss_steady, "rss_mb_overload": rss_mb(up.child.id()),
        })
    );
    let broken = answers.broken.load(Ordering::Relaxed);
    if rows < taken || rows > taken + broken || counted != rows {
        eprintln!("events were lost: {taken} taken, {rows} in the lane, {counted} counted");
        std::process::exit(1);
    }
}
