//! The layers as processes: one writer a lane, and what those who watch are told.

use super::*;

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
    let flags = ["--config", "collect.toml", "--listen", "127.0.0.1:0"];
    let (code, said) = program(&[&["collect", "--lane", "lane.jsonl"], &flags[..]].concat());
    assert!(
        code == Some(5) && said.contains("another process"),
        "{said}"
    );
    let (code, said) = program(&[
        "collect",
        "--lane",
        "other.jsonl",
        "--listen",
        "127.0.0.1:0",
    ]);
    assert!(code == Some(2) && said.contains("keys.write"), "{said}");
    let (code, said) = program(
        &[
            &["collect", "--lane", "o.jsonl"],
            &flags[..2],
            &["--listen", "foo"],
        ]
        .concat(),
    );
    assert!(code == Some(2) && said.contains("HOST:PORT"), "{said}");
    let twice = [
        "run",
        "lane.jsonl",
        "./lane.jsonl",
        "--state",
        "s",
        "--out",
        "d.jsonl",
    ];
    let (code, said) = program(&twice);
    assert!(code == Some(2) && said.contains("twice"), "{said}");
    for workers in ["0", "100000"] {
        let (code, said) = program(&["up", "--workers", workers]);
        assert!(
            code == Some(2) && said.contains("between 1 and 256"),
            "{said}"
        );
    }
    let (code, said) = program(&["run", "lane.jsonl", "--out", "d.jsonl"]);
    assert!(code == Some(2) && said.contains("--state"), "{said}");
    let (code, said) = program(&["serve", "d.jsonl", "--listen", "127.0.0.1:0"]);
    assert!(code == Some(2) && said.contains("tokens.secret"), "{said}");
    let (code, said) = program(&["erase", "--visitor", "ann", "lane.jsonl"]);
    assert!(code == Some(2) && said.contains("--url"), "{said}");
}

#[test]
fn those_who_watch_are_told_the_truth() {
    let (_guard, dir) = folder();
    let server = Layer::start(
        &dir,
        &[
            "serve",
            "decisions.jsonl",
            "--config",
            "collect.toml",
            "--listen",
            "127.0.0.1:0",
            "--monitor",
            "127.0.0.1:0",
        ],
        2,
    );
    let ready = |layer: &Layer, place: usize| get(layer.addresses[place], "/readyz").0;
    assert_eq!(get(server.addresses[1], "/livez").0, 200);
    assert_eq!(ready(&server, 1), 503, "there is no log of decisions");
    let job = run(&dir, "1");
    assert_eq!(get(job.addresses[0], "/livez").0, 200);
    assert_eq!(ready(&job, 0), 503, "there is no lane");
    let lanes = ["lanes/0.jsonl", "lanes/1.jsonl"].map(|lane| {
        let listen = ["--listen", "127.0.0.1:0", "--monitor", "127.0.0.1:0"];
        let named = ["collect", "--lane", lane, "--config", "collect.toml"];
        Layer::start(&dir, &[&named[..], &listen].concat(), 2)
    });
    let mut client = Client::new(lanes[0].addresses[0]);
    let answer =
        runtime().block_on(client.post("/v1/events", batch(1).into_bytes(), Some(&signer())));
    assert_eq!(answer.expect("it answers").0, 204);
    let begin = Instant::now();
    while ready(&job, 0) != 200 || ready(&server, 1) != 200 {
        assert!(begin.elapsed() < Duration::from_secs(30), "never ready");
        std::thread::sleep(Duration::from_millis(50));
    }
    settled(&dir.join("decisions.jsonl"));
    let metrics = |address: SocketAddr| get(address, "/metrics").1;
    let collected = metrics(lanes[0].addresses[1]);
    for line in [
        "# TYPE restage_collect_events_total counter",
        "restage_collect_events_total{result=\"accepted\"} 10",
        "restage_collect_requests_total{result=\"taken\"} 1",
        "restage_lane_syncs_total 1",
        "restage_lane_waiting_bytes 0",
    ] {
        assert!(collected.contains(line), "{line}: {collected}");
    }
    let ran = metrics(job.addresses[0]);
    assert!(ran.contains("restage_job_events_total 10"), "{ran}");
    for line in [
        "restage_lane_lag_seconds{lane=\"1\"} ",
        "restage_lane_collector{lane=\"1\"} 1",
    ] {
        assert!(ran.contains(line), "{line}: {ran}");
    }
    let (status, _) = get(server.addresses[0], "/v1/decide?token=v1.00.1.1.00");
    assert_eq!(status, 401);
    let served = metrics(server.addresses[1]);
    assert!(served.contains("restage_serve_visitors 10"), "{served}");
    assert!(
        !served.contains("v17") && !ran.contains("v17"),
        "an id is no label"
    );
    assert!(
        served.contains("restage_serve_requests_total{result=\"token\"} 1"),
        "{served}"
    );
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/live.md");
    let docs = std::fs::read_to_string(docs).expect("the docs");
    let table = docs.lines().filter(|line| line.starts_with("| `restage_"));
    let table: String = table.filter_map(|line| line.split('|').nth(1)).collect();
    let told: std::collections::BTreeSet<&str> = table
        .split('`')
        .filter(|name| name.starts_with("restage_"))
        .collect();
    let all = [collected, ran, served].concat();
    let names = all.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: std::collections::BTreeSet<&str> =
        names.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(told, names, "docs/live.md names each metric");
    // A lane whose writer is silent holds up the job, which says which it is.
    lanes[1].signal("-STOP");
    let begin = Instant::now();
    let mut said = get(job.addresses[0], "/readyz");
    while said.0 != 503 {
        assert!(begin.elapsed() < Duration::from_secs(30), "still ready");
        std::thread::sleep(Duration::from_millis(100));
        said = get(job.addresses[0], "/readyz");
    }
    assert!(said.1.contains("lane 1 (lanes/1.jsonl) stands"), "{said:?}");
    lanes[1].signal("-CONT");
}

/// A process to which no lane falls is asked like the others whether it is ready.
#[test]
fn a_process_without_a_lane_is_ready_while_the_job_comes_on() {
    let (_guard, dir) = folder();
    let free = [0, 1].map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let hosts = free.map(|free| free.local_addr().expect("an address").to_string());
    std::fs::write(dir.join("hosts"), hosts.join("\n")).expect("a file");
    let process = |number: &str| {
        let flags = "run lane.jsonl --out decisions.jsonl --state state -n 2 --hostfile hosts \
                     --monitor 127.0.0.1:0 -p";
        let flags: Vec<&str> = flags.split(' ').filter(|flag| !flag.is_empty()).collect();
        Layer::start(&dir, &[&flags[..], &[number]].concat(), 1)
    };
    let is = |layer: &Layer, status: u16| {
        let begin = Instant::now();
        loop {
            let (answered, why) = get(layer.addresses[0], "/readyz");
            if answered == status {
                return why;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "{why}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let collector = collect(&dir, "lane.jsonl");
    let second = process("1");
    // Nobody to be connected with yet.
    assert!(is(&second, 503).contains("has not begun to decide"));
    let first = process("0");
    is(&first, 200);
    is(&second, 200);
    let metrics = get(second.addresses[0], "/metrics").1;
    assert!(metrics.contains("\nrestage_job_lag_seconds "), "{metrics}");
    assert!(!metrics.contains("lane=\"0\""), "it reads none: {metrics}");
    // The lane that the other one reads stands still, and the job with it.
    collector.signal("-STOP");
    assert!(is(&second, 503).contains("behind the clock"));
    assert!(is(&first, 503).contains("lane 0 (lane.jsonl) stands"));
    collector.signal("-CONT");
    is(&second, 200);
    is(&first, 200);
}

#[test]
fn a_hang_up_ends_no_layer() {
    let (_guard, dir) = folder();
    let listen = ["--listen", "127.0.0.1:0", "--monitor", "127.0.0.1:0"];
    let own = ["--config", "collect.toml"];
    let serve = ["serve", "decisions.jsonl"];
    let layers = [
        Layer::start(
            &dir,
            &[&["collect", "--lane", "lanes/0.jsonl"], &own[..], &listen].concat(),
            2,
        ),
        run(&dir, "1"),
        Layer::start(&dir, &[&serve[..], &own, &listen].concat(), 2),
        Layer::start(&dir, &[&["up"], &listen[..]].concat(), 2),
    ];
    for _ in 0..3 {
        for layer in &layers {
            layer.signal("-HUP");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    for layer in layers {
        let last = *layer.addresses.last().expect("it listens");
        assert_eq!(get(last, "/livez").0, 200);
        assert_eq!(layer.terminate(), Some(0));
    }
}

#[test]
fn what_listens_here_answers_to_its_own_names_alone() {
    let (_guard, dir) = folder();
    std::fs::write(
        dir.join("up.toml"),
        "hosts = [\"shop.internal\"]\n[keys]\nwrite = [\"wk_other\"]\n",
    )
    .expect("a file");
    let flags = ["--config", "up.toml", "--listen", "127.0.0.1:0"];
    let monitor = ["--monitor", "127.0.0.1:0"];
    let up = Layer::start(&dir, &[&["up"], &flags[..], &monitor].concat(), 2);
    for (place, path) in [(0, "/"), (0, "/v1/events.schema.json"), (1, "/v1/status")] {
        for (host, status) in [
            ("localhost:8700", 200),
            ("127.0.0.1", 200),
            ("shop.internal", 200),
            ("evil.example", 421),
            ("127.0.0.1.evil.example:80", 421),
        ] {
            let ask = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            let (answered, text) = raw(up.addresses[place], ask.as_bytes());
            assert_eq!(answered, status, "{host}{path}: {text}");
        }
    }
    // The page carries the key that the configuration in force knows.
    let (_, page) = get(up.addresses[0], "/");
    assert!(page.contains("data-key=\"wk_other\""), "{page}");
}
