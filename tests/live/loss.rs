//! What was taken is kept and decided on, whatever is killed, and a replay decides the same.

use super::*;

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

    assert!(decisions.len() > 10_000, "{} bytes", decisions.len());
    check_replay(&dir, &["lanes/0.jsonl", "lanes/1.jsonl"], &decisions);
}

#[test]
fn a_collector_that_is_gone_holds_up_no_other_lane_and_comes_back_behind_what_was_promised() {
    let (_guard, dir) = folder();
    let runtime = runtime();
    let job = run(&dir, "2");
    let lanes = ["lanes/0.jsonl", "lanes/1.jsonl"];
    let mut collectors: Vec<Layer> = lanes.map(|lane| collect(&dir, lane)).into();
    let (mut numbers, signer) = (0.., signer());
    let mut send = |collector: &Layer, of: &str| {
        let mut client = Client::new(collector.addresses[0]);
        for number in numbers.by_ref().take(10) {
            let names = format!("\"visitor\":\"{of}");
            let body = batch(number).replace("\"visitor\":\"v", &names);
            let sent = client.post("/v1/events", body.into_bytes(), Some(&signer));
            let (status, answer) = runtime.block_on(sent).expect("the collector answers");
            assert_eq!(status, 204, "{answer:?}");
        }
    };
    let decided = |of: &str| {
        let (begin, visitor) = (Instant::now(), format!("\"visitor\":\"{of}"));
        let has = || std::fs::read_to_string(dir.join("decisions.jsonl")).unwrap_or_default();
        while !has().contains(&visitor) {
            assert!(begin.elapsed() < Duration::from_secs(20), "{of}: nothing");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    send(&collectors[0], "a");
    send(&collectors[1], "b");
    decided("b");
    collectors.remove(1).kill();
    send(&collectors[0], "c");
    decided("c");
    let lag = get(job.addresses[0], "/metrics").1;
    assert!(
        lag.contains("restage_lane_collector{lane=\"0\"} 1"),
        "{lag}"
    );
    assert!(
        lag.contains("restage_lane_collector{lane=\"1\"} 0"),
        "{lag}"
    );
    collectors.push(collect(&dir, lanes[1]));
    send(&collectors[1], "d");
    decided("d");
    let decisions = settled(&dir.join("decisions.jsonl"));
    assert_eq!(job.terminate(), Some(0));
    drop(collectors);
    check_replay(&dir, &lanes, &decisions);
}

#[test]
fn a_lane_that_was_put_back_from_an_older_copy_is_refused() {
    let (_guard, dir) = folder();
    let runtime = runtime();
    let (lane, head) = (dir.join("lanes/0.jsonl"), dir.join("lanes/0.jsonl.head"));
    let (signer, mut older) = (signer(), Vec::new());
    let job = run(&dir, "1");
    let collectors = ["lanes/0.jsonl", "lanes/1.jsonl"].map(|lane| collect(&dir, lane));
    let mut client = Client::new(collectors[0].addresses[0]);
    for number in 0..40 {
        if number == 20 {
            older = std::fs::read(&lane).expect("a lane");
        }
        let body = batch(number).into_bytes();
        let sent = client.post("/v1/events", body, Some(&signer));
        assert_eq!(runtime.block_on(sent).expect("an answer").0, 204);
    }
    settled(&dir.join("decisions.jsonl"));
    assert_eq!(job.terminate(), Some(0));
    drop(collectors);
    let whole = std::fs::read(&lane).expect("a lane");
    std::fs::write(&lane, older).expect("a lane");
    std::fs::remove_file(&head).expect("a head");
    let again = || {
        let flags = ["run", "lanes/0.jsonl", "lanes/1.jsonl", "--state", "state"];
        let output = Command::new(env!("CARGO_BIN_EXE_restage"))
            .args(flags)
            .args(["--out", "decisions.jsonl"])
            .current_dir(&dir)
            .output()
            .expect("the program starts");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    // By the place that it was read to, or by the decisions that were committed after the last snapshot.
    let check = |words: &str| {
        let (code, said) = again();
        let by_place = code == Some(5) && said.contains(words);
        let by_output = code == Some(1) && said.contains("not the ones of the first run");
        assert!(by_place || by_output, "{code:?}: {said}");
    };
    check("has a hole");
    // As long, and begun later.
    let whole = String::from_utf8(whole).expect("text");
    let other = whole.replace("\"arrival_ms\":1", "\"arrival_ms\":2");
    std::fs::write(&lane, other).expect("a lane");
    check("is not the log");
}

#[test]
fn a_second_start_that_cannot_listen_leaves_the_first_alone() {
    let (_guard, dir) = folder();
    let mut job = run(&dir, "1");
    let at = job.addresses[0].to_string();
    let second = Command::new(env!("CARGO_BIN_EXE_restage"))
        .args(["run", "lanes/0.jsonl", "lanes/1.jsonl", "--state", "state"])
        .args(["--out", "decisions.jsonl", "--monitor", &at])
        .current_dir(&dir)
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        second.status.code() == Some(5) && said.contains(&at),
        "{said}"
    );
    std::thread::sleep(Duration::from_millis(300));
    assert!(job.child.try_wait().expect("it can be asked").is_none());
    assert_eq!(job.terminate(), Some(0));
}

#[test]
fn a_serving_layer_that_is_killed_under_load_leaves_no_gap() {
    let (_guard, dir) = folder();
    let config = CONFIG.replace(
        "browser_events_per_second = 40",
        "browser_events_per_second = 4000",
    );
    std::fs::write(dir.join("collect.toml"), config).expect("a file");
    let collectors = ["lanes/0.jsonl", "lanes/1.jsonl"].map(|lane| collect(&dir, lane));
    let shop = |file: &str| format!("{}/data/shop.{file}", env!("CARGO_MANIFEST_DIR"));
    let lanes = [
        "run",
        "lanes/0.jsonl",
        "lanes/1.jsonl",
        "--out",
        "decisions.jsonl",
    ];
    let (policy, catalogue) = (shop("toml"), shop("csv"));
    let rules = ["--policy", &policy, "--catalogue", &catalogue];
    let state = ["--state", "state", "--monitor", "127.0.0.1:0"];
    let job = Layer::start(&dir, &[&lanes[..], &rules, &state].concat(), 1);
    let address = collectors[0].addresses[0];
    let serve = || {
        let named = ["serve", "decisions.jsonl", "--config", "collect.toml"];
        Layer::start(
            &dir,
            &[&named[..], &["--listen", "127.0.0.1:0"]].concat(),
            1,
        )
    };
    let ann = token(address);
    let send = |number: usize| {
        let kind = ["item_view", "add_to_cart", "view_cart", "remove_from_cart"][number % 4];
        let body = format!(
            r#"{{"key":"wk_test","token":"{ann}","events":[{{"event_ms":{},"kind":"{kind}","item":"i{}","price":60,"quantity":1}}]}}"#,
            now_ms(),
            number / 4
        );
        let (status, answer) = post(address, "content-type: text/plain\r\n", body.as_bytes());
        assert_eq!(status, 204, "{answer}");
    };
    let load = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let loading = std::thread::spawn({
        let (load, other) = (std::sync::Arc::clone(&load), collectors[1].addresses[0]);
        move || {
            let mut send = sender(other);
            let mut number = 0;
            while load.load(std::sync::atomic::Ordering::Relaxed) {
                send(number);
                number += 1;
            }
        }
    });
    // What one page sees, over three serving layers of which two are killed.
    let (mut seen, mut last) = (Vec::new(), String::new());
    for round in 0..3 {
        let server = serve();
        let mut stream = TcpStream::connect(server.addresses[0]).expect("it listens");
        let ask = format!(
            "GET /v1/stream?token={ann} HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {last}\r\n\r\n"
        );
        let ask = if round == 0 {
            ask.replace("last-event-id: \r\n", "")
        } else {
            ask
        };
        stream.write_all(ask.as_bytes()).expect("it reads");
        stream
            .set_read_timeout(Some(Duration::from_secs(2)))
            .expect("a socket");
        for number in 0..24 {
            send(round * 24 + number);
            std::thread::sleep(Duration::from_millis(100));
        }
        if round < 2 {
            server.kill();
        }
        let (mut said, mut piece) = (Vec::new(), [0; 4_096]);
        while let Ok(got @ 1..) = stream.read(&mut piece) {
            said.extend_from_slice(&piece[..got]);
        }
        let said = String::from_utf8_lossy(&said);
        let whole = said.rfind("\n\n").map_or(0, |end| end + 2);
        for id in said[..whole]
            .lines()
            .filter_map(|line| line.strip_prefix("id: "))
        {
            seen.push(id.to_owned());
            last = id.to_owned();
        }
    }
    load.store(false, std::sync::atomic::Ordering::Relaxed);
    loading.join().expect("it ends");
    drop(job);
    let visitor = visitors(&dir.join("lanes/0.jsonl")).remove(0);
    let decisions = std::fs::read_to_string(dir.join("decisions.jsonl")).expect("decisions");
    let records = decisions
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let records = records.filter(|record: &serde_json::Value| record["visitor"] == visitor);
    let ids: Vec<String> = records
        .map(|record| {
            format!(
                "{}/{}",
                record["session"].as_str().expect("text"),
                record["seq"]
            )
        })
        .collect();
    assert!(seen.len() >= 6, "{seen:?}");
    assert!(
        ids.starts_with(&seen) && ids.len() <= seen.len() + 1,
        "{seen:?} of {ids:?}"
    );
}
