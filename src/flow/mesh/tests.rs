//! Processes that find each other, and those that must not.

use super::*;

fn greeting(process: u32) -> Greeting {
    Greeting {
        given: given("one@1"),
        first: if process == 0 { 12 } else { 0 },
        instance: if process == 0 { 12 } else { instance() },
        wishes: 40 + process,
        processes: 3,
        workers: 1,
        process,
        purpose: 0,
        protocol: PROTOCOL,
    }
}

fn given(policy: &str) -> Arc<Given> {
    Arc::new(vec![("--policy".into(), policy.into())])
}

fn addresses(count: usize) -> Vec<String> {
    let held: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    held.iter()
        .map(|listener| listener.local_addr().unwrap().to_string())
        .collect()
}

type Waiting = std::thread::JoinHandle<Result<Connected, MeshError>>;

fn start(addresses: &[String], own: Greeting, wait: Duration) -> Waiting {
    let addresses = addresses.to_vec();
    let briefing = vec![own.process as u8; 3];
    std::thread::spawn(move || meet(&addresses, own, wait)?.begin(briefing))
}

/// Connects to an address as soon as somebody listens there.
fn visit(address: &str) -> TcpStream {
    loop {
        if let Ok(stream) = TcpStream::connect(address) {
            return stream;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn check_all(waiting: Vec<Waiting>) {
    for (process, waiting) in waiting.into_iter().enumerate() {
        let connected = waiting.join().unwrap().unwrap();
        assert_eq!(connected.wishes, 40, "the first process's");
        assert_eq!(connected.briefing, [0; 3], "the first process's");
        let expected: Vec<bool> = (0..3).map(|other| other != process).collect();
        for sockets in [&connected.sockets, &connected.heartbeats] {
            let present: Vec<bool> = sockets.iter().map(Option::is_some).collect();
            assert_eq!(present, expected);
        }
    }
}

#[test]
fn three_processes_find_each_other() {
    let addresses = addresses(3);
    // The last comes first, and a stranger calls in between.
    let mut waiting: Vec<_> = [2, 1, 0]
        .map(|p| start(&addresses, greeting(p), WAIT))
        .into();
    let mut stranger = visit(&addresses[0]);
    let _ = stranger.write_all(b"GET / HTTP/1.1\r\nhost: nobody\r\n\r\n");
    waiting.reverse();
    check_all(waiting);
}

/// Strangers that say nothing kept everybody else waiting, and in the end from coming together.
#[test]
fn silent_callers_hold_nobody_up() {
    let addresses = addresses(3);
    let begun = Instant::now();
    let first = start(&addresses, greeting(0), WAIT);
    let silent: Vec<_> = (0..20).map(|_| visit(&addresses[0])).collect();
    let others = [1, 2].map(|process| start(&addresses, greeting(process), WAIT));
    check_all([first].into_iter().chain(others).collect());
    assert!(begun.elapsed() < greeting::GREETING_WAIT);
    drop(silent);
}

/// One that greeted and was killed is replaced by its next start.
#[test]
fn who_starts_again_takes_its_place() {
    let addresses = addresses(3);
    let first = start(&addresses, greeting(0), WAIT);
    for purpose in [0, 1] {
        let killed = Greeting {
            purpose,
            ..greeting(1)
        };
        let (stream, theirs) = exchange(visit(&addresses[0]), &killed).unwrap();
        assert_eq!((theirs.process, theirs.first), (0, 12));
        drop(stream);
    }
    let others = [1, 2].map(|process| start(&addresses, greeting(process), WAIT));
    check_all([first].into_iter().chain(others).collect());
}

#[test]
fn a_number_given_twice_is_refused() {
    let addresses = addresses(3);
    let first = start(&addresses, greeting(0), WAIT);
    let (_one, _) = exchange(visit(&addresses[0]), &greeting(1)).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let (_two, _) = exchange(visit(&addresses[0]), &greeting(1)).unwrap();
    let error = first.join().unwrap().unwrap_err().to_string();
    assert!(
        error.contains("process 1") && error.contains("is taken"),
        "{error}"
    );
}

#[test]
fn a_number_out_of_range_is_refused() {
    for (number, words) in [(0, "that of this process"), (3, "out of range")] {
        let addresses = addresses(3);
        let first = start(&addresses, greeting(0), WAIT);
        let (_other, _) = exchange(visit(&addresses[0]), &greeting(number)).unwrap();
        let error = first.join().unwrap().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_process_of_another_job_ends_the_meeting() {
    let addresses = addresses(3);
    let first = start(&addresses, greeting(0), WAIT);
    let other = Greeting {
        given: given("two@2"),
        ..greeting(1)
    };
    let other = start(&addresses, other, WAIT);
    for (waiting, words) in [
        (first, "--policy: it has two@2, and process 0 one@1"),
        (other, "--policy: it has one@1, and process 1 two@2"),
    ] {
        let error = waiting.join().unwrap().unwrap_err();
        assert!(matches!(error, MeshError::Mismatch { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// One that has been told of another start of the first process is of an earlier one itself.
#[test]
fn an_earlier_start_is_named() {
    let addresses = addresses(3);
    let wait = Duration::from_millis(600);
    let first = start(&addresses, greeting(0), wait);
    let earlier = Greeting {
        first: 11,
        ..greeting(1)
    };
    let (_stream, _) = exchange(visit(&addresses[0]), &earlier).unwrap();
    let error = first.join().unwrap().unwrap_err().to_string();
    assert!(
        error.contains("process 1 is still of an earlier start"),
        "{error}"
    );
}

/// Two of three hold connections to different starts of the third: the run does not begin.
#[test]
fn who_is_connected_with_an_earlier_start_is_found_out() {
    let addresses = addresses(3);
    let first = start(&addresses, greeting(0), WAIT);
    let others = [1, 2].map(greeting);
    let mut streams = Vec::new();
    for greeting in &others {
        for purpose in [0, 1] {
            let greeting = Greeting {
                purpose,
                ..greeting.clone()
            };
            streams.push(exchange(visit(&addresses[0]), &greeting).unwrap());
        }
    }
    // What process 1 says of process 2 is another instance.
    let said = [streams[0].1.instance, others[0].instance, 99];
    let bytes: Vec<u8> = said.into_iter().flat_map(u64::to_le_bytes).collect();
    streams[1].0.write_all(&bytes).unwrap();
    let error = first.join().unwrap().unwrap_err().to_string();
    assert!(
        error.contains("process 1") && error.contains("earlier start"),
        "{error}"
    );
}

#[test]
fn who_does_not_come_in_time_is_named() {
    let addresses = addresses(3);
    let wait = Duration::from_millis(300);
    let first = start(&addresses, greeting(0), wait);
    let (_stream, _) = exchange(visit(&addresses[0]), &greeting(1)).unwrap();
    let error = first.join().unwrap().unwrap_err();
    let MeshError::Missing { missing, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(missing, &[1, 2], "one connection of two is not enough");
}

/// The first process begins nothing before all have come, and the others wait for it however long it reads
/// its state. One that does not begin leaves nobody behind.
#[test]
fn the_first_begins_after_all_have_met() {
    let addresses = addresses(3);
    let others = [1, 2].map(|process| start(&addresses, greeting(process), WAIT));
    let met = meet(&addresses, greeting(0), WAIT).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(others.iter().all(|other| !other.is_finished()));
    drop(met);
    for other in others {
        let error = other.join().unwrap().unwrap_err();
        assert!(matches!(error, MeshError::Lost { other: 0, .. }), "{error}");
    }
}
