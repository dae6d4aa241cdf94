//! Whose decisions are whose, under which name, and who is forgotten.

use super::*;

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
            "GET {path}?token={token} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"
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
fn consent_decides_under_which_name_a_visitor_is_written_down() {
    let (_guard, dir) = folder();
    let layer = collect(&dir, "lane.jsonl");
    let address = layer.addresses[0];
    let send = |token: &str, headers: &str, consent: &str| {
        let now = now_ms();
        let body = format!(
            r#"{{"key":"wk_test","token":"{token}","events":[{{"event_ms":{now},"kind":"search"{consent}}}]}}"#
        );
        let headers = format!("content-type: text/plain\r\n{headers}");
        let (status, answer) = post(address, &headers, body.as_bytes());
        assert_eq!(status, 204, "{answer}");
    };
    let (for_visit, gpc) = (r#","consent":"session""#, "sec-gpc: 1\r\n");
    let ann = token(address);
    send(&ann, "", "");
    send(&ann, "", for_visit);
    send(&ann, "", r#","consent":"none""#);
    send(&ann, gpc, "");
    // A page that is loaded anew renews its token: the visit is the same, and so is the name.
    std::thread::sleep(Duration::from_millis(1_100));
    let again = renewed(address, &ann);
    assert_ne!(again, ann);
    send(&again, "", for_visit);
    send(&again, gpc, "");
    send(&again, "dnt: 1\r\n", "");
    send(&token(address), "", for_visit);
    let names = visitors(&dir.join("lane.jsonl"));
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(!names[0].starts_with("s-") && names[1].starts_with("s-"));
    for later in &names[2..6] {
        assert_eq!(*later, names[1]);
    }
    assert!(names[6].starts_with("s-") && names[6] != names[1]);
}

#[test]
fn a_collector_is_asked_to_forget() {
    let (_guard, dir) = folder();
    let layer = collect(&dir, "lane.jsonl");
    let url = format!("http://{}", layer.addresses[0]);
    let erase = |arguments: &[&str]| {
        let ended = Command::new(env!("CARGO_BIN_EXE_restage"))
            .args(["erase", "--visitor"])
            .args(arguments)
            .current_dir(&dir)
            .output()
            .expect("the program starts");
        let said = [ended.stdout, ended.stderr].concat();
        (
            ended.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let config = ["--config", "collect.toml"];
    let (code, said) = erase(&[&["ann", "--url", &url, "--key", "orders"], &config[..]].concat());
    assert!(code == Some(0) && said.contains("erased"), "{said}");
    let hashed = "s-0123456789abcdef01234567";
    let (code, said) = erase(
        &[
            &[hashed, "--json", "--url", &url, "--key", "orders"],
            &config[..],
        ]
        .concat(),
    );
    assert!(code == Some(0) && said.contains("\"collector\""), "{said}");
    let lane = std::fs::read_to_string(dir.join("lane.jsonl")).expect("a lane");
    assert_eq!(lane.matches("\"kind\":\"erase\"").count(), 2, "{lane}");
    assert_eq!(visitors(&dir.join("lane.jsonl")), ["ann", hashed]);

    let (code, said) = erase(&[&["ann", "--url", &url, "--key", "other"], &config[..]].concat());
    assert!(code == Some(2) && said.contains("keys.servers"), "{said}");
    std::fs::write(
        dir.join("wrong.toml"),
        CONFIG.replace("a-secret-for", "no-secret-for"),
    )
    .expect("a file");
    let (code, said) = erase(&[
        "ann",
        "--url",
        &url,
        "--key",
        "orders",
        "--config",
        "wrong.toml",
    ]);
    assert!(code == Some(1) && said.contains("401"), "{said}");
    let (code, said) = erase(&[
        "ann",
        "--url",
        "http://127.0.0.1:1",
        "--key",
        "orders",
        "--config",
        "collect.toml",
    ]);
    assert!(
        code == Some(5) && said.contains("could not be asked"),
        "{said}"
    );
    let (code, _) = erase(&["ann", "--url", &url]);
    assert_eq!(code, Some(2));
}
