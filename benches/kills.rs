//! The three layers as processes of their own, each killed in turn under load.
//!
//!     cargo bench --bench kills -- [--rate N] [--seconds N]
//!
//! `restage collect`, `run` and `serve` are started; events are offered by schedule on several connections, and
//! one browser listens to its stream all the while, which it opens again, from where it was, whenever it breaks.
//! After each quarter of the time one of the layers is killed and started again. At the end what was answered as
//! taken is compared with the rows of the lane, these with what the job counted, its decisions with the lines of
//! the decision log, and these with what the browser was told. Prints one JSON object; ends with code 1 if
//! anything is missing, or came twice.

mod loads;

use loads::{Answers, BATCH, CONFIG, Checks, Layer, number, offer, rows};
use restage::collect::client::Client;
use restage::collect::committer::now_ms;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: u32 = 8;

/// The arguments of a layer that listens at an address.
fn arguments(layer: &str, at: &str) -> Vec<String> {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/data/shop");
    let text = match layer {
        "collect" => format!("collect --lane lane.jsonl --config collect.toml --listen {at}"),
        "run" => format!(
            "run lane.jsonl --out decisions.jsonl --state state --snapshot-every 1s --policy {shop}.toml --catalogue {shop}.csv --monitor {at}"
        ),
        _ => format!("serve decisions.jsonl --config collect.toml --listen {at}"),
    };
    text.split(' ').map(str::to_owned).collect()
}

/// A browser: what it says, and what it is told.
async fn browse(
    collector: SocketAddr,
    server: SocketAddr,
    until: Instant,
) -> (String, u64, Vec<String>) {
    let mut client = Client::new(collector);
    let ask = br#"{"key":"wk_bench"}"#.to_vec();
    let (_, answer) = client
        .post("/v1/session", ask, None)
        .await
        .expect("an answer");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    let token = answer["token"].as_str().expect("a token").to_owned();
    let saying = tokio::spawn(say(collector, token.clone(), until));
    let (mut told, mut last) = (Vec::new(), String::new());
    // What is decided at the end may still be on its way.
    let until = until + Duration::from_secs(5);
    while Instant::now() < until {
        let seen = match last.is_empty() {
            true => String::new(),
            false => format!("last-event-id: {last}\r\n"),
        };
        let ask = format!("GET /v1/stream?token={token} HTTP/1.1\r\nhost: localhost\r\n{seen}\r\n");
        let (mut said, mut piece) = (Vec::new(), [0; 4_096]);
        if let Ok(mut stream) = TcpStream::connect(server).await
            && stream.write_all(ask.as_bytes()).await.is_ok()
        {
            let left = tokio::time::timeout_at(until.into(), async {
                while let Ok(got @ 1..) = stream.read(&mut piece).await {
                    said.extend_from_slice(&piece[..got]);
                }
            });
            // It broke, or the time is over.
            let _ = left.await;
        }
        let said = String::from_utf8_lossy(&said);
        // A decision counts once it is whole.
        let whole = said.rfind("\n\n").map_or("", |end| &said[..end]);
        for id in whole.lines().filter_map(|line| line.strip_prefix("id: ")) {
            told.push(id.to_owned());
            last = id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sent = saying.await.expect("it ends");
    (token, sent, told)
}

/// Sends an event every 300 ms, each until it is taken; how many there were.
async fn say(collector: SocketAddr, token: String, until: Instant) -> u64 {
    let (mut client, mut number) = (Client::new(collector), 0_u64);
    while Instant::now() < until {
        let kind =
            ["item_view", "add_to_cart", "view_cart", "remove_from_cart"][number as usize % 4];
        let body = format!(
            r#"{{"key":"wk_bench","token":"{token}","events":[{{"event_ms":{},"kind":"{kind}","item":"i{}","price":60,"quantity":1,"event_id":"e{number}"}}]}}"#,
            now_ms(),
            number / 4 % 60
        );
        let answer = client.post("/v1/events", body.into_bytes(), None).await;
        if matches!(answer, Ok((204, _))) {
            number += 1;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    number
}

/// The ids of a visitor's decisions, in order.
fn decided(log: &Path, visitor: &str) -> Vec<String> {
    let text = std::fs::read_to_string(log).expect("a log");
    let name = format!("\"visitor\":\"{visitor}\"");
    let own = text.lines().filter(|line| line.contains(&name));
    let id = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("JSON");
        format!(
            "{}/{}",
            record["session"].as_str().expect("text"),
            record["seq"]
        )
    };
    own.map(id).collect()
}

fn main() -> ExitCode {
    let (rate, seconds) = (number("--rate", 5_000), number("--seconds", 20));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    std::fs::write(dir.join("collect.toml"), CONFIG).expect("a file");
    let names = ["collect", "run", "serve"];
    let mut layers = names.map(|name| Layer::start(dir, &arguments(name, "127.0.0.1:0"), 1));
    let at = [0, 1, 2].map(|place: usize| layers[place].addresses[0]);
    let answers = Arc::<Answers>::default();
    let (begin, quarter) = (Instant::now(), Duration::from_secs(seconds) / 4);
    let until = begin + quarter * 4;
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) * BATCH as f64 / rate as f64);
    let offering: Vec<_> = (0..CONNECTIONS)
        .map(|one| {
            let when = (every * one / CONNECTIONS, every);
            runtime.spawn(offer(at[0], when, until, Arc::clone(&answers)))
        })
        .collect();
    let browsing = runtime.spawn(browse(at[0], at[2], until));
    for (place, name) in names.iter().enumerate() {
        let due = begin + quarter * (place as u32 + 1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        layers[place].kill();
        layers[place] = Layer::start(dir, &arguments(name, &at[place].to_string()), 1);
    }
    for one in offering {
        runtime.block_on(one).expect("it ends");
    }
    let (token, sent, told) = runtime.block_on(browsing).expect("it ends");
    let (lane, log) = (dir.join("lane.jsonl"), dir.join("decisions.jsonl"));
    let visitor = restage::http::keyed::unhex(token.split('.').nth(1).expect("a visitor"));
    let visitor = String::from_utf8(visitor.expect("hexadecimal")).expect("text");
    // As it stands now: a timer may still fire when nobody listens any more.
    let decided = decided(&log, &visitor);
    let (taken, broken) = (Answers::of(&answers.taken), Answers::of(&answers.broken));
    // An event of the browser's that was sent again stands in the lane twice and counts once.
    let text = std::fs::read_to_string(&lane).expect("a lane");
    let own = text
        .lines()
        .filter(|line| line.contains("\"event_id\":\"e"));
    let own = own.count() as u64;
    let in_lane = rows(&lane);
    let wanted = in_lane - own + sent;
    let counted = loads::settled(&runtime, at[1], || wanted, || rows(&log));
    println!(
        "{}",
        json!({
            "offered_per_s": rate, "seconds": seconds, "killed": names,
            "taken": taken, "refused": Answers::of(&answers.refused), "broken": broken,
            "rows_in_lane": in_lane, "counted_by_job": counted.0,
            "decisions_by_job": counted.1, "decisions_in_log": rows(&log),
            "browser": {"events": sent, "told": told.len(), "decisions": decided.len()},
        })
    );
    let from_batches = in_lane - own;
    let mut all = Checks::default();
    all.check(
        "what was taken is in the lane",
        (taken..=taken + broken).contains(&from_batches),
    );
    all.check("the job counted every row once", counted.0 == wanted);
    all.check("every decision is in the log", counted.1 == rows(&log));
    all.check(
        "the browser was told each decision once",
        !told.is_empty() && told == decided,
    );
    all.code()
}
