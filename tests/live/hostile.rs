//! What is too much, too slow or not allowed is refused, told apart, and counted.

use super::*;

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
    // A text that is too long costs its own event alone.
    let long = format!(
        r#"{{"event_ms":{now},"kind":"search","page":"{}"}}"#,
        "x".repeat(2_000)
    );
    let mixed = format!(r#"{{"key":"wk_test","token":"{token}","events":[{long},{event}]}}"#);
    let (status, answer) = post(address, plain, mixed.as_bytes());
    assert_eq!(status, 422, "{answer}");
    assert!(
        answer.contains(r#"[{"index":0,"reason":"too_long"}]"#),
        "{answer}"
    );
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
    assert_eq!(lane.lines().count(), 3 + taken + 10);
    assert!(!lane.contains("dance"));
}

#[test]
fn a_server_may_send_a_mebibyte_and_the_slow_are_turned_away() {
    let (_guard, dir) = folder();
    let layer = collect(&dir, "lane.jsonl");
    let address = layer.addresses[0];
    let slow = std::thread::spawn(move || {
        let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
        let begin = Instant::now();
        (raw(address, head.as_bytes()), begin.elapsed())
    });
    let signed = |length: usize| {
        let mut body = batch(1).into_bytes();
        body.resize(length, b' ');
        let (mut client, signer) = (Client::new(address), signer());
        let sent = client.post("/v1/events", body, Some(&signer));
        runtime().block_on(async { tokio::time::timeout(Duration::from_secs(10), sent).await })
    };
    let whole = signed(1 << 20).expect("in time").expect("an answer");
    assert_eq!(whole.0, 204, "{whole:?}");
    // The rest of a body that is too long is not read: the answer may come before it was sent.
    if let Ok(Ok((status, _))) = signed((1 << 20) + 1) {
        assert_eq!(status, 413);
    }
    assert_eq!(visitors(&dir.join("lane.jsonl")).len(), 10);
    let ((status, answer), took) = slow.join().expect("it ends");
    assert_eq!(status, 408, "{answer}");
    assert!(
        took > Duration::from_secs(9) && took < Duration::from_secs(19),
        "{took:?}"
    );
}

/// What senders only announce, or send by and by, keeps nobody out; what they have sent does, and is given back.
#[test]
fn bodies_that_do_not_end_take_up_room_by_what_has_come_of_them() {
    let (_guard, dir) = folder();
    let narrow = format!(
        "{CONFIG}browser_body_bytes = 30000\nserver_body_bytes = 30000\nwaiting_bytes = 60000\n"
    );
    std::fs::write(dir.join("collect.toml"), narrow).expect("a file");
    let layer = collect(&dir, "lane.jsonl");
    let address = layer.addresses[0];
    let event = format!(
        r#"{{"key":"wk_test","token":"{}","events":[{{"event_ms":{},"kind":"search"}}]}}{}"#,
        token(address),
        now_ms(),
        " ".repeat(1_000)
    );
    let plain = "content-type: text/plain\r\n";
    let send = || post(address, plain, event.as_bytes());
    let open = |announced: usize, sent: usize| {
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: localhost\r\n{plain}content-length: {announced}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(address).expect("it listens");
        let bytes = [head.as_bytes(), &vec![b' '; sent]].concat();
        stream.write_all(&bytes).expect("it reads");
        stream
    };
    let until = |status: u16| {
        let begin = Instant::now();
        loop {
            let (answered, text) = send();
            if answered == status {
                return text;
            }
            assert!(begin.elapsed() < Duration::from_secs(8), "{text}");
            std::thread::sleep(Duration::from_millis(60));
        }
    };
    let announced: Vec<TcpStream> = (0..20).map(|_| open(29_000, 10)).collect();
    assert_eq!(until(204).matches("HTTP").count(), 1);
    let sent = [(); 3].map(|()| {
        std::thread::sleep(Duration::from_millis(100));
        open(29_900, 29_700)
    });
    let refused = until(503);
    assert!(refused.contains("\"accepted\":0"), "{refused}");
    assert!(
        refused.to_lowercase().contains("retry-after: 1"),
        "{refused}"
    );
    drop((sent, announced));
    until(204);
    assert!(layer.terminate() == Some(0));
}

#[test]
fn when_the_disk_is_behind_it_is_said_and_nothing_is_taken() {
    let (_guard, dir) = folder();
    let narrow = format!(
        "{CONFIG}browser_body_bytes = 1000\nserver_body_bytes = 30000\nwaiting_bytes = 60000\n"
    );
    std::fs::write(dir.join("collect.toml"), narrow).expect("a file");
    let layer = collect(&dir, "lane.jsonl");
    let address = layer.addresses[0];
    let events: String = (0..120)
        .map(|place| {
            format!(
                r#"{{"event_ms":{},"visitor":"v{place}","kind":"search","page":"{}"}},"#,
                now_ms(),
                "p".repeat(150)
            )
        })
        .collect();
    let body = format!(r#"{{"events":[{}]}}"#, events.trim_end_matches(','));
    assert!(body.len() < 30_000);
    let runtime = runtime();
    let (mut taken, mut behind) = (0, 0);
    let begin = Instant::now();
    while taken == 0 || behind == 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "{taken} and {behind}"
        );
        let round: Vec<_> = (0..32)
            .map(|_| {
                let body = body.clone().into_bytes();
                runtime.spawn(async move {
                    let mut client = Client::new(address);
                    client.post("/v1/events", body, Some(&signer())).await
                })
            })
            .collect();
        for one in round {
            let (status, answer) = runtime.block_on(one).expect("it ends").expect("an answer");
            let problem: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
            match status {
                204 => taken += 1,
                503 => {
                    assert_eq!(problem["accepted"], 0, "{problem}");
                    behind += 1;
                }
                _ => panic!("{status}: {problem}"),
            }
        }
    }
    assert_eq!(visitors(&dir.join("lane.jsonl")).len(), taken * 120);
}
