//! All layers in one process under load: events over HTTP in, decisions on streams out.
//!
//!     cargo bench --bench live -- [--rate N] [--seconds N] [--overload SECONDS] [--rss-mb N]
//!         [--snapshot-every SECONDS] [--policy FILE]
//!
//! Starts `restage up`, offers events at a steady rate in batches of a hundred, signed as a server's, by
//! schedule and not by answer; beside it, every 50 ms a new browser opens a stream, sends one event and
//! waits for its first decision, timed from the moment it was to send. Then, if asked, 64 connections
//! send as fast as they are answered, which says how much is taken at most, and then three times as much is
//! offered on 2,000, by schedule again, whoever waits for an answer; what finds no connection free is counted apart.
//!
//! At the end what was answered as taken is compared with the rows of the lane, these with what the job
//! counted, and its decisions with the lines of the decision log: nothing may be missing. What was refused is
//! compared with what the collector counted as refused, and the memory with its limit. Prints one JSON object;
//! ends with code 1 if anything does not hold.

mod loads;

use loads::flood::{Flood, Offered};
use loads::{Answers, BATCH, Checks, get, number, read_until, rows, steadily};
use restage::collect::client::Client;
use restage::collect::committer::now_ms;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How long it is found out how much is taken at most.
const BURST: Duration = Duration::from_secs(2);

/// A new browser: its first event to its first decision, in ms.
async fn probe(address: SocketAddr, answers: &Answers) -> Option<f64> {
    let mut client = Client::new(address);
    let ask = br#"{"key":"wk_bench"}"#.to_vec();
    let (_, answer) = client.post("/v1/session", ask, None).await.ok()?;
    let answer: Value = serde_json::from_slice(&answer).ok()?;
    let token = answer["token"].as_str()?.to_owned();
    let mut stream = TcpStream::connect(address).await.ok()?;
    let ask = format!("GET /v1/stream?token={token} HTTP/1.1\r\nhost: localhost\r\n\r\n");
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
        answers
            .taken
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    told.map(|_| took)
}

fn main() -> ExitCode {
    let (rate, seconds) = (number("--rate", 20_000), number("--seconds", 10));
    let (overload, rss_max) = (number("--overload", 0), number("--rss-mb", 512));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a folder");
    let up = loads::up(dir.path());
    let (shop, monitor) = (up.addresses[0], up.addresses[1]);
    let answers = Arc::<Answers>::default();
    let (mut delays, mut missed) = (Vec::new(), 0);
    let begin = Instant::now();
    runtime.block_on(async {
        let until = begin + Duration::from_secs(seconds);
        let offering = steadily(shop, rate, until, &answers);
        while Instant::now() < until {
            let next = Instant::now() + Duration::from_millis(50);
            match probe(shop, &answers).await {
                Some(delay) => delays.push(delay),
                None => missed += 1,
            }
            tokio::time::sleep_until(next.into()).await;
        }
        for one in offering {
            one.await.expect("it ends");
        }
    });
    let steady = Answers::of(&answers.taken) as f64 / begin.elapsed().as_secs_f64();
    let rss_steady = up.rss_mb();
    let (mut most, mut poured) = (0.0, Offered::default());
    if overload > 0 {
        let flood = Arc::new(Flood::of(shop, &answers));
        most = runtime.block_on(flood.most(BURST));
        let time = Duration::from_secs(overload);
        poured = runtime.block_on(flood.pour(3.0 * most, time));
    }
    let data = dir.path().join("data");
    let (lane, log) = (data.join("lane.jsonl"), data.join("decisions.jsonl"));
    let counted = loads::settled(&runtime, monitor, || rows(&lane), || rows(&log));
    let status = runtime.block_on(get(monitor, "/v1/status"));
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let behind = status["collect"]["requests"]["behind"]
        .as_u64()
        .unwrap_or(0)
        * BATCH as u64;
    let (taken, refused) = (Answers::of(&answers.taken), Answers::of(&answers.refused));
    let (broken, in_lane) = (Answers::of(&answers.broken), rows(&lane));
    let (in_log, rss) = (rows(&log), up.rss_mb());
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied();
    println!(
        "{}",
        json!({
            "offered_per_s": rate, "taken_per_s": steady.round(), "seconds": seconds,
            "event_to_decision_ms": {"count": delays.len(), "missed": missed, "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": delays.last()},
            "taken": taken, "refused": refused, "broken": broken,
            "most_taken_per_s": most.round(), "overload_offered": poured.offered, "overload_unsent": poured.unsent,
            "rows_in_lane": in_lane, "counted_by_job": counted.0,
            "decisions_by_job": counted.1, "decisions_in_log": in_log,
            "rss_mb": rss_steady, "rss_mb_overload": rss,
        })
    );
    let mut all = Checks::default();
    all.check(
        "what was taken is in the lane",
        (taken..=taken + broken).contains(&in_lane),
    );
    all.check("the job counted every row", counted.0 == in_lane);
    all.check("every decision is in the log", counted.1 == in_log);
    all.check(
        "the collector counted what it refused",
        behind == refused || broken > 0,
    );
    all.check("memory stays under its limit", rss <= rss_max);
    all.code()
}
