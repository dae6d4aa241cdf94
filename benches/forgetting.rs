//! How long it takes to forget a visitor while events pour in.
//!
//!     cargo bench --bench forgetting -- [--rate N] [--seconds N] [--policy FILE]
//!
//! Starts `restage up` and offers events at a steady rate, as the bench `live` does. Beside it, one visitor after
//! another, of those of whom events come, is erased by a signed `erase` event, and the log of decisions is
//! read as it grows. Two times are taken of each: until the visitor's `forgotten` record stands in the log, and
//! until a record stands there that rests on tables without the visitor: the first one that arrived no earlier
//! than the version after the erasure and a lag. The first is timed from when the event was sent, the second
//! from its arrival, by the machine's clock, which is the arrivals' clock here.
//!
//! Prints one JSON object; ends with code 1 if an erasure is not in the log, or if what was offered was not taken.

mod loads;

use loads::{Answers, Checks, VISITORS, number, rows, signer, steadily};
use restage::collect::client::Client;
use restage::collect::committer::now_ms;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Milliseconds of a quantum and of a lag, of a policy that says nothing else.
const QUANTUM_MS: u64 = 1_000;
const LAG_MS: u64 = 1_000;
/// A record of an erasure.
const FORGOTTEN: &[u8] = br#""trigger":"forgotten""#;
/// Between two erasures; together a few hundred of all visitors.
const PAUSE: Duration = Duration::from_millis(50);

/// The log of decisions as it grows.
struct Follower {
    file: File,
    /// The last line, as long as it has no end.
    rest: Vec<u8>,
}

/// What new lines of the log say.
#[derive(Default)]
struct News {
    /// Arrivals of erasures, in ms.
    forgotten: Vec<u64>,
    /// The latest arrival, in ms.
    latest_ms: u64,
}

impl Follower {
    fn read(&mut self) -> News {
        self.file.read_to_end(&mut self.rest).expect("the log");
        let whole = memchr::memrchr(b'\n', &self.rest).map_or(0, |end| end + 1);
        let mut news = News::default();
        for line in self.rest[..whole].split(|byte| *byte == b'\n') {
            let is_erasure = memchr::memmem::find(line, FORGOTTEN).is_some();
            let Some(digits) = line.strip_prefix(br#"{"at_ms":"#) else {
                continue;
            };
            let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
            let at_ms = digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            news.latest_ms = news.latest_ms.max(at_ms);
            news.forgotten.extend(is_erasure.then_some(at_ms));
        }
        self.rest.drain(..whole);
        news
    }
}

/// What was measured, in ms.
#[derive(Default)]
struct Took {
    erased: u64,
    to_record: Vec<f64>,
    to_tables: Vec<f64>,
}

/// Erases one visitor after the other until the time is over.
async fn erase(address: SocketAddr, log: &Path, until: Instant) -> Took {
    let (mut client, mut took) = (Client::new(address), Took::default());
    let mut follower = Follower {
        file: File::open(log).expect("the log"),
        rest: Vec::new(),
    };
    // Erasures of which the tables may still hold something: arrival, and from when on they do not.
    let mut open: Vec<(u64, u64)> = Vec::new();
    let mut look = |took: &mut Took| {
        let news = follower.read();
        let now = now_ms();
        open.extend(news.forgotten.iter().map(|at_ms| {
            let version_ms = (at_ms / QUANTUM_MS + 1) * QUANTUM_MS;
            (*at_ms, version_ms + LAG_MS)
        }));
        for (at_ms, _) in open.extract_if(.., |(_, from_ms)| *from_ms <= news.latest_ms) {
            took.to_tables.push(now.saturating_sub(at_ms) as f64);
        }
        news.forgotten.len()
    };
    while Instant::now() < until {
        let visitor = took.erased * 61 % VISITORS;
        let (begin, now) = (Instant::now(), now_ms());
        let body = format!(
            r#"{{"sent_at":{now},"events":[{{"event_ms":{now},"visitor":"v{visitor}","kind":"erase"}}]}}"#
        );
        let signer = signer();
        let sent = client.post("/v1/events", body.into_bytes(), Some(&signer));
        let answer = sent.await;
        assert!(matches!(answer, Ok((204, _))), "an erasure was refused");
        took.erased += 1;
        let stands = timeout(Duration::from_secs(5), async {
            while look(&mut took) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        if stands.await.is_ok() {
            took.to_record.push(begin.elapsed().as_secs_f64() * 1_000.0);
        }
        let next = begin + PAUSE;
        while Instant::now() < next {
            tokio::time::sleep(Duration::from_millis(2)).await;
            look(&mut took);
        }
    }
    took
}

/// Percentiles, by nearest rank.
fn summary(times: &mut [f64]) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied();
    json!({"count": times.len(), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": times.last()})
}

fn main() -> ExitCode {
    let (rate, seconds) = (number("--rate", 20_000), number("--seconds", 30));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a folder");
    let up = loads::up(dir.path());
    let shop = up.addresses[0];
    let data = dir.path().join("data");
    let (lane, log) = (data.join("lane.jsonl"), data.join("decisions.jsonl"));
    let answers = Arc::<Answers>::default();
    let mut took = runtime.block_on(async {
        let until = Instant::now() + Duration::from_secs(seconds);
        let offering = steadily(shop, rate, until, &answers);
        // Visitors are known before they are erased.
        tokio::time::sleep(Duration::from_secs(seconds / 6)).await;
        let took = erase(shop, &log, until).await;
        for one in offering {
            one.await.expect("it ends");
        }
        took
    });
    let taken = Answers::of(&answers.taken);
    let records = took.to_record.len() as u64;
    println!(
        "{}",
        json!({
            "offered_per_s": rate, "seconds": seconds, "taken": taken, "erased": took.erased,
            "sent_to_record_ms": summary(&mut took.to_record),
            "arrival_to_tables_without_ms": summary(&mut took.to_tables),
        })
    );
    let mut all = Checks::default();
    all.check("every erasure is in the log", records == took.erased);
    all.check(
        "what was taken is in the lane",
        rows(&lane) == taken + took.erased && Answers::of(&answers.broken) == 0,
    );
    all.code()
}
