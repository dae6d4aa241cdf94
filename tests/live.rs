//! The live layers as a user runs them: processes of their own, joined by files.

use restage::collect::client::{Client, Signer};
use restage::http::keyed::Secret;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
        // What it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Layer {
            child,
            addresses: found,
        }
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("it runs");
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

#[test]
fn nothing_that_was_taken_is_lost_and_a_replay_of_the_lanes_decides_the_same() {
    let (_guard, dir) = folder();
    let runtime = runtime();
    let mut job = run(&dir, "1");
    let mut collectors: Vec<Layer> = ["lanes/0.jsonl", "lanes/1.jsonl"]
        .map(|lane| collect(&dir, lane))
        .into();
    let mut clients: Vec<Client> = collectors
        .iter()
        .map(|c| Client::new(c.addresses[0]))
        .collect();
    let (signer, mut taken, mut doubtful) = (signer(), Vec::new(), 0);
    for number in 0..240 {
        let lane = number % 2;
        if number == 80 {
            job.kill();
            job = run(&dir, "2");
        }
        if number == 120 {
            // Killed while requests are on their way.
            let mut client = Client::new(collectors[0].addresses[0]);
            let pending = runtime.spawn({
                let (signer, body) = (signer.clone(), batch(9_999).into_bytes());
                async move { client.post("/v1/events", body, Some(&signer)).await }
            });
            collectors.remove(0).kill();
            doubtful += usize::from(!matches!(runtime.block_on(pending), Ok(Ok((204, _)))));
            collectors.insert(0, collect(&dir, "lanes/0.jsonl"));
            clients[0] = Client::new(collectors[0].addresses[0]);
        }
        let body = batch(number).into_bytes();
        let (status, answer) = runtime
            .block_on(clients[lane].post("/v1/events", body, Some(&signer)))
            .expect("the collector answers");
        assert_eq!(status, 204, "{answer:?}");
        taken.push(number);
    }
    let decisions = settled(&dir.join("decisions.jsonl"));
    assert_eq!(job.terminate(), Some(0));
    for collector in collectors {
        assert_eq!(collector.terminate(), Some(0));
    }

    let lanes: String = ["lanes/0.jsonl", "lanes/1.jsonl"]
        .map(|lane| std::fs::read_to_string(dir.join(lane)).expect("a lane"))
        .concat();
    for number in &taken {
        for place in 0..10 {
            let id = format!("\"event_id\":\"{number}-{place}\"");
            assert_eq!(lanes.matches(&id).count(), 1, "{id}");
        }
    }
    let rows = lanes.lines().count();
    assert!(rows == taken.len() * 10 || (doubtful == 1 && rows == taken.len() * 10 + 10));

    let replayed = Command::new(env!("CARGO_BIN_EXE_restage"))
        .args([
            "replay",
            "lanes/0.jsonl",
            "lanes/1.jsonl",
            "--out",
            "again.jsonl",
        ])
        .current_dir(&dir)
        .output()
        .expect("the program starts");
    assert!(replayed.status.success(), "{replayed:?}");
    let again = std::fs::read(dir.join("again.jsonl")).expect("decisions");
    assert!(decisions.len() > 10_000, "{} bytes", decisions.len());
    // A log that is over has time run on to the end of every visit; one that is live has not got there.
    assert!(
        again.starts_with(&decisions),
        "live and replayed decisions differ"
    );
}

/// The journal beside the decisions, once it has so many lines.
fn journal(dir: &Path, lines: usize) -> String {
    let (begin, path) = (Instant::now(), dir.join("decisions.jsonl.rules"));
    loop {
        let journal = std::fs::read_to_string(&path).unwrap_or_default();
        if journal.lines().count() >= lines || begin.elapsed() > Duration::from_secs(20) {
            assert_eq!(journal.lines().count(), lines, "{journal}");
            return journal;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_policy_changes_under_a_live_job_and_a_bad_one_leaves_the_old_in_force() {
    let (_guard, dir) = folder();
    let runtime = runtime();
    let policy = |name: &str, cooldown: &str| {
        let shipped = restage::visit::policy::LEARNING_POLICY;
        let policy = shipped
            .replace("name = \"learning\"", &format!("name = \"{name}\""))
            .replace("cooldown = \"10s\"", &format!("cooldown = \"{cooldown}\""));
        std::fs::write(dir.join("shop.toml"), policy).expect("a file");
    };
    let start = |workers: &str| {
        let flags = "run lane.jsonl --policy shop.toml --out decisions.jsonl --state state \
                     --snapshot-every 200ms --policy-from now --monitor 127.0.0.1:0 -w";
        let flags: Vec<&str> = flags.split(' ').filter(|flag| !flag.is_empty()).collect();
        Layer::start(&dir, &[&flags[..], &[workers]].concat(), 1)
    };
    let hang_up = |job: &Layer| {
        let id = job.child.id().to_string();
        let told = Command::new("kill").args(["-HUP", &id]).status();
        assert!(told.expect("it runs").success());
    };
    policy("one", "10s");
    let collector = collect(&dir, "lane.jsonl");
    let mut client = Client::new(collector.addresses[0]);
    let signer = signer();
    let mut numbers = 0..;
    let mut send = |many: usize| {
        for number in numbers.by_ref().take(many) {
            let body = batch(number).into_bytes();
            let answer = runtime.block_on(client.post("/v1/events", body, Some(&signer)));
            assert_eq!(answer.expect("it answers").0, 204);
        }
    };
    let job = start("2");
    send(15);
    policy("two", "0s");
    hang_up(&job);
    journal(&dir, 2);
    std::thread::sleep(Duration::from_millis(1_100));
    send(15);
    // Cannot be taken over; cannot be read at all.
    let good = std::fs::read_to_string(dir.join("shop.toml")).expect("a file");
    for bad in [
        good.replace("retention = \"30d\"", "retention = \"20d\""),
        good + "oops = 1",
    ] {
        std::fs::write(dir.join("shop.toml"), bad).expect("a file");
        hang_up(&job);
        std::thread::sleep(Duration::from_millis(400));
    }
    send(10);
    job.kill();
    policy("three", "5s");
    let job = start("1");
    journal(&dir, 3);
    std::thread::sleep(Duration::from_millis(1_100));
    send(10);
    let decisions = settled(&dir.join("decisions.jsonl"));
    assert_eq!(job.terminate(), Some(0));
    assert_eq!(collector.terminate(), Some(0));

    let text = String::from_utf8(decisions).expect("text");
    let names = text.split("\"policy\":\"").skip(1);
    let mut names: Vec<&str> = names.filter_map(|rest| rest.split('@').next()).collect();
    names.dedup();
    assert_eq!(names, ["one", "two", "three"]);
    let rules = [
        "--policy-schedule",
        "decisions.jsonl.rules",
        "--out",
        "again.jsonl",
    ];
    let replayed = Command::new(env!("CARGO_BIN_EXE_restage"))
        .args(["replay", "lane.jsonl", "-w", "2"])
        .args(rules)
        .current_dir(&dir)
        .output()
        .expect("the program starts");
    assert!(replayed.status.success(), "{replayed:?}");
    let again = std::fs::read_to_string(dir.join("again.jsonl")).expect("decisions");
    assert!(
        again.starts_with(&text),
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
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    raw(address, &[head.as_bytes(), body].concat())
}

fn token(address: SocketAddr) -> String {
    let body = br#"{"key":"wk_test"}"#;
    let head = format!(
        "POST /v1/session HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (status, text) = raw(address, &[head.as_bytes(), body].concat());
    assert_eq!(status, 200, "{text}");
    let begin = text.find("\"token\":\"").expect("a token") + 9;
    text[begin..].split('"').next().expect("its end").to_owned()
}

#[test]
fn what_is_hostile_is_refused_and_told_apart() {
    let (_guard, dir) = folder();
    let layer = collect(&dir, "lane.jsonl");
    let address = layer.addresses[0];
    let token = token(address);
    let plain = "content-type: text/plain\r\n";
    let now = now_ms();
    let good = format!(
        r#"{{"key":"wk_test","token":"{token}","events":[{{"event_ms":{now},"kind":"search","page":"<script>alert(1)</script>"}}]}}"#
    );
    let event = format!(r#"{{"event_ms":{now},"kind":"search"}}"#);
    let many = format!(
        r#"{{"key":"wk_test","token":"{token}","events":[{}]}}"#,
        vec![event.as_str(); 501].join(",")
    );
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 50 << 20]).expect("memory");
    let bomb = bomb.finish().expect("memory");
    assert!(bomb.len() < 60_000);
    let gzip = "content-type: text/plain\r\ncontent-encoding: gzip\r\n";
    let at = "restage-key: orders\r\nrestage-signature: t=1700000000,v1=00\r\n";
    let old = {
        let signature = signer().secret.sign(&[b"1700000000.", good.as_bytes()]);
        let hex = restage::http::keyed::hex(&signature);
        format!("{plain}restage-key: orders\r\nrestage-signature: t=1700000000,v1={hex}\r\n")
    };
    let cases: Vec<(&str, String, Vec<u8>, u16)> = vec![
        ("good", plain.into(), good.clone().into_bytes(), 204),
        ("no batch", plain.into(), b"[1,2".to_vec(), 400),
        (
            "deep",
            plain.into(),
            [vec![b'['; 64], vec![b']'; 64]].concat(),
            400,
        ),
        (
            "a long text",
            plain.into(),
            format!("{{\"a\":\"{}\"}}", "x".repeat(2_000)).into_bytes(),
            400,
        ),
        (
            "no key",
            plain.into(),
            good.replace("wk_test", "wk_other").into_bytes(),
            401,
        ),
        (
            "a forged token",
            plain.into(),
            good.replace("v1.", "v1.00").into_bytes(),
            401,
        ),
        (
            "no token",
            plain.into(),
            format!(r#"{{"key":"wk_test","events":[{event}]}}"#).into_bytes(),
            401,
        ),
        (
            "a wrong signature",
            format!("{plain}{at}"),
            good.clone().into_bytes(),
            401,
        ),
        (
            "a signature replayed later",
            old,
            good.clone().into_bytes(),
            401,
        ),
        (
            "another origin",
            format!("{plain}origin: https://evil.example\r\n"),
            good.clone().into_bytes(),
            403,
        ),
        ("a large body", plain.into(), vec![b' '; 70_000], 413),
        ("too many events", plain.into(), many.into_bytes(), 413),
        ("a bomb", gzip.into(), bomb, 413),
        ("no gzip", gzip.into(), b"plain".to_vec(), 400),
        (
            "a form",
            "content-type: application/x-www-form-urlencoded\r\n".into(),
            b"a=b".to_vec(),
            415,
        ),
        (
            "another coding",
            format!("{plain}content-encoding: br\r\n"),
            good.clone().into_bytes(),
            415,
        ),
        (
            "an unknown kind",
            plain.into(),
            good.replace("search", "dance").into_bytes(),
            422,
        ),
    ];
    for (what, headers, body, expected) in &cases {
        let (status, answer) = post(address, headers, body);
        assert_eq!(status, *expected, "{what}: {answer}");
        if *expected >= 400 {
            assert!(
                answer.contains("application/problem+json"),
                "{what}: {answer}"
            );
            assert!(!answer.contains("<script>"), "{what}: {answer}");
        }
    }
    let allowed = format!("{plain}origin: https://shop.example\r\n");
    let (status, answer) = post(address, &allowed, good.as_bytes());
    assert_eq!(status, 204, "{answer}");
    assert!(
        answer
            .to_lowercase()
            .contains("access-control-allow-origin: https://shop.example")
    );
    assert!(!answer.to_lowercase().contains("credentials"));

    // One browser's rate is used up; a server's is not.
    let statuses: Vec<u16> = (0..100)
        .map(|_| post(address, plain, good.as_bytes()).0)
        .collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    let answered = runtime().block_on(Client::new(address).post(
        "/v1/events",
        batch(1).into_bytes(),
        Some(&signer()),
    ));
    assert_eq!(answered.expect("it answers").0, 204);

    let lane = std::fs::read_to_string(dir.join("lane.jsonl")).expect("a lane");
    let taken = statuses.iter().filter(|status| **status == 204).count();
    assert_eq!(lane.lines().count(), 2 + taken + 10);
    assert!(!lane.contains("dance"));
}

#[test]
fn nobody_reads_anothers_decisions_and_a_stream_goes_on_where_it_was() {
    let (_guard, dir) = folder();
    let collector = collect(&dir, "lanes/0.jsonl");
    let _other = collect(&dir, "lanes/1.jsonl");
    let _job = run(&dir, "1");
    let serve = [
        "serve",
        "decisions.jsonl",
        "--config",
        "collect.toml",
        "--listen",
        "127.0.0.1:0",
    ];
    let server = Layer::start(&dir, &serve, 1);
    let (ann, bob) = (token(collector.addresses[0]), token(collector.addresses[0]));
    let get = |path: &str, token: &str, headers: &str| {
        let request = format!(
            "GET {path}?token={token} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"
        );
        let mut stream = TcpStream::connect(server.addresses[0]).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_millis(700)))
            .expect("a socket");
        stream.write_all(request.as_bytes()).expect("it reads");
        let (mut answer, mut piece) = (Vec::new(), [0; 4_096]);
        while let Ok(got @ 1..) = stream.read(&mut piece) {
            answer.extend_from_slice(&piece[..got]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    let send = |token: &str, kind: &str, item: usize| {
        let now = now_ms();
        let body = format!(
            r#"{{"key":"wk_test","token":"{token}","events":[{{"event_ms":{now},"kind":"{kind}","item":"i{item}","price":60}}]}}"#
        );
        let (status, answer) = post(
            collector.addresses[0],
            "content-type: text/plain\r\n",
            body.as_bytes(),
        );
        assert_eq!(status, 204, "{answer}");
    };
    send(&ann, "item_view", 1);
    let begin = Instant::now();
    while !get("/v1/decide", &ann, "").starts_with("HTTP/1.1 200") {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "no decision came"
        );
    }
    let first = get("/v1/stream", &ann, "");
    let id = first
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .expect("an id");
    assert!(
        first.contains("event: decision") && !first.contains("p_purchase"),
        "{first}"
    );
    assert!(get("/v1/decide", &bob, "").starts_with("HTTP/1.1 204"));
    assert!(!get("/v1/stream", &bob, "").contains("layout"));
    let forged = ann.replace("v1.", "v1.61");
    assert!(get("/v1/stream", &forged, "").starts_with("HTTP/1.1 401"));
    assert!(get("/v1/decide", "", "").starts_with("HTTP/1.1 401"));

    // Nothing that was seen comes again, and what was missed does.
    let seen = format!("last-event-id: {id}\r\n");
    assert!(!get("/v1/stream", &ann, &seen).contains("event: decision"));
    let begin = Instant::now();
    loop {
        send(&ann, "add_to_cart", 2);
        let missed = get("/v1/stream", &ann, &seen);
        if missed.contains("event: decision") {
            assert!(!missed.contains(&format!("id: {id}\n")), "{missed}");
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "no change came");
        std::thread::sleep(Duration::from_secs(2));
    }
    let unknown = get("/v1/stream", &ann, "last-event-id: 1/99\r\n");
    assert!(unknown.contains("event: resync"), "{unknown}");
}

#[test]
fn a_lane_has_one_writer_and_a_live_job_keeps_its_state() {
    let (_guard, dir) = folder();
    let _one = collect(&dir, "lane.jsonl");
    let program = |arguments: &[&str]| {
        let ended = Command::new(env!("CARGO_BIN_EXE_restage"))
            .args(arguments)
            .current_dir(&dir)
            .output()
            .expect("the program starts");
        (
            ended.status.code(),
            String::from_utf8_lossy(&ended.stderr).into_owned(),
        )
    };
    let (code, said) = program(&["collect", "--lane", "lane.jsonl", "--listen", "127.0.0.1:0"]);
    assert!(
        code == Some(5) && said.contains("another process"),
        "{said}"
    );
    let (code, said) = program(&["run", "lane.jsonl", "--out", "d.jsonl"]);
    assert!(code == Some(2) && said.contains("--state"), "{said}");
    let (code, said) = program(&["serve", "d.jsonl", "--listen", "127.0.0.1:0"]);
    assert!(code == Some(2) && said.contains("tokens.secret"), "{said}");
    let (code, said) = program(&["erase", "--visitor", "ann", "lane.jsonl"]);
    assert!(code == Some(2) && said.contains("collector"), "{said}");
}
