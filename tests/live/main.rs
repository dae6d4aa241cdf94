//! The live layers as a user runs them: processes of their own, joined by files.

mod control;
mod hostile;
mod loss;
mod people;
mod policies;
mod running;
mod stock;
mod wrong;

use restage::collect::client::{Client, Signer};
use restage::http::keyed::Secret;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SECRET: &str = "a-secret-for-the-tests-of-the-live-layers";

const CONFIG: &str = r#"
origins = ["https://shop.example"]
[keys]
write = ["wk_test"]
servers = { orders = "a-secret-for-the-tests-of-the-live-layers" }
[tokens]
secret = "another-secret-for-the-tests"
[limits]
browser_events_per_second = 40
burst_seconds = 2
"#;

/// A layer in a process of its own, ended with the test.
struct Layer {
    child: Child,
    /// Where it listens, in the order in which it says so.
    addresses: Vec<SocketAddr>,
    /// What it has said since.
    later: Arc<Mutex<String>>,
}

impl Layer {
    /// Starts a layer and waits until it has said so many addresses.
    fn start(dir: &Path, arguments: &[&str], addresses: usize) -> Layer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_restage"))
            .args(arguments)
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut found = Vec::new();
        let mut line = String::new();
        while found.len() < addresses && said.read_line(&mut line).expect("it speaks") > 0 {
            if let Some((_, address)) = line.trim().rsplit_once("http://") {
                found.push(address.parse().expect("an address"));
            }
            line.clear();
        }
        assert_eq!(found.len(), addresses, "{arguments:?} did not start");
        let later = Arc::<Mutex<String>>::default();
        let heard = Arc::clone(&later);
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                *heard.lock().expect("nobody panics with it") += &(line + "\n");
            }
        });
        Layer {
            child,
            addresses: found,
            later,
        }
    }

    /// What it has said since it listens.
    fn said(&self) -> String {
        self.later.lock().expect("nobody panics with it").clone()
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args([signal, &id]).status();
        assert!(told.expect("it runs").success());
    }

    fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM");
        let ended = self.child.wait().expect("it ends");
        ended.code()
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        // Most have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().to_owned();
    std::fs::write(path.join("collect.toml"), CONFIG).expect("a file");
    (dir, path)
}

fn collect(dir: &Path, lane: &str) -> Layer {
    let listen = ["--config", "collect.toml", "--listen", "127.0.0.1:0"];
    Layer::start(
        dir,
        &[&["collect", "--lane", lane], &listen[..]].concat(),
        1,
    )
}

fn run(dir: &Path, workers: &str) -> Layer {
    let lanes = [
        "run",
        "lanes/0.jsonl",
        "lanes/1.jsonl",
        "--out",
        "decisions.jsonl",
    ];
    let state = [
        "--state",
        "state",
        "--snapshot-every",
        "200ms",
        "-w",
        workers,
    ];
    let monitor = ["--monitor", "127.0.0.1:0"];
    Layer::start(dir, &[&lanes[..], &state, &monitor].concat(), 1)
}

fn signer() -> Signer {
    Signer {
        name: "orders".into(),
        secret: Secret::of(SECRET.as_bytes()).expect("long enough"),
    }
}

fn now_ms() -> u64 {
    restage::collect::committer::now_ms()
}

/// A batch of ten events of ten visitors; their ids begin with the batch's number.
fn batch(number: usize) -> String {
    let kinds = [
        "page_view",
        "item_view",
        "item_view",
        "add_to_cart",
        "search",
        "item_view",
        "scroll",
        "item_view",
        "view_cart",
        "purchase",
    ];
    let events: Vec<String> = kinds
        .iter()
        .enumerate()
        .map(|(place, kind)| {
            let (now, visitor) = (now_ms(), (number * 7 + place) % 40);
            let value = if *kind == "scroll" { 0.5 } else { 20.0 };
            format!(r#"{{"event_ms":{now},"visitor":"v{visitor}","kind":"{kind}","item":"i{place}","price":20,"value":{value},"event_id":"{number}-{place}"}}"#)
        })
        .collect();
    format!(
        r#"{{"sent_at":{},"events":[{}]}}"#,
        now_ms(),
        events.join(",")
    )
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Sends the batch of a number to a collector, which takes all of it.
fn sender(collector: SocketAddr) -> impl FnMut(usize) {
    let (runtime, signer) = (runtime(), signer());
    let mut client = Client::new(collector);
    move |number| {
        let body = batch(number).into_bytes();
        let answer = runtime.block_on(client.post("/v1/events", body, Some(&signer)));
        assert_eq!(answer.expect("it answers").0, 204);
    }
}

/// Waits until a file stops growing.
fn settled(path: &Path) -> Vec<u8> {
    let begin = Instant::now();
    let (mut last, mut since) = (0, Instant::now());
    while begin.elapsed() < Duration::from_secs(30) {
        let length = std::fs::metadata(path).map_or(0, |about| about.len());
        if length != last {
            (last, since) = (length, Instant::now());
        }
        if last > 0 && since.elapsed() > Duration::from_millis(1_500) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::read(path).expect("the file is there")
}

/// A replay with these arguments makes the decisions that were made live. A log that is over has time run on
/// to the end of every visit; one that is live has not got there.
fn check_replay(dir: &Path, arguments: &[&str], decisions: &[u8]) {
    let replayed = Command::new(env!("CARGO_BIN_EXE_restage"))
        .arg("replay")
        .args(arguments)
        .args(["--out", "again.jsonl"])
        .current_dir(dir)
        .output()
        .expect("the program starts");
    assert!(replayed.status.success(), "{replayed:?}");
    let again = std::fs::read(dir.join("again.jsonl")).expect("decisions");
    assert!(
        again.starts_with(decisions),
        "live and replayed decisions differ"
    );
}

/// The status of a raw request, and what came after it.
fn raw(address: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    stream.write_all(request).expect("it reads");
    let mut answer = Vec::new();
    // A stream that goes on is cut by the other side or by the time.
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.unwrap_or(0), text)
}

fn post(address: SocketAddr, headers: &str, body: &[u8]) -> (u16, String) {
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    raw(address, &[head.as_bytes(), body].concat())
}

fn token(address: SocketAddr) -> String {
    let body = br#"{"key":"wk_test"}"#;
    let head = format!(
        "POST /v1/session HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (status, text) = raw(address, &[head.as_bytes(), body].concat());
    assert_eq!(status, 200, "{text}");
    let begin = text.find("\"token\":\"").expect("a token") + 9;
    text[begin..].split('"').next().expect("its end").to_owned()
}

/// A GET that is answered and over.
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    raw(address, request.as_bytes())
}

/// A token for the visitor of an older one.
fn renewed(address: SocketAddr, token: &str) -> String {
    let body = format!(r#"{{"key":"wk_test","token":"{token}"}}"#);
    let request = format!(
        "POST /v1/session HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, text) = raw(address, request.as_bytes());
    assert_eq!(status, 200, "{text}");
    let begin = text.find("\"token\":\"").expect("a token") + 9;
    text[begin..].split('"').next().expect("its end").to_owned()
}

/// The visitors in a lane, line by line.
fn visitors(lane: &Path) -> Vec<String> {
    let lane = std::fs::read_to_string(lane).expect("a lane");
    let of = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        value["visitor"].as_str().expect("a visitor").to_owned()
    };
    lane.lines().map(of).collect()
}
