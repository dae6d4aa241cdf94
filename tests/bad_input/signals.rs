//! Signals during a run that would never end: a clean end, with nothing half-done left behind.

use super::run::{GOOD, assert_calm, partial_files};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Replays an endless stdin that has said `text` so far, sends `signal`, and gives the exit code
/// and stderr.
fn interrupt(log: &str, text: &str, signal: &str, flags: &[&str]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.jsonl");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("restage"))
        .args(["replay", log, "--out"])
        .arg(&out)
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    let began = Instant::now();
    while partial_files(dir.path()).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "no output yet");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Past the opening of the sink, and some way into what follows.
    std::thread::sleep(Duration::from_millis(150));
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code().expect("the signal was handled");
        }
        if began.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("{signal} was not heeded");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    drop(stdin);
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_calm(&stderr);
    assert_eq!(partial_files(dir.path()).len(), 0);
    assert!(!out.exists(), "half a result under its final name");
    (code, stderr)
}

#[test]
fn a_run_that_waits_for_more_rows_ends_cleanly() {
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        for workers in ["1", "2"] {
            let (found, stderr) = interrupt("-", GOOD, signal, &["-w", workers]);
            assert_eq!(found, code, "{stderr}");
            assert!(stderr.contains("stopped by signal"), "{stderr}");
        }
    }
}

#[test]
fn a_run_that_waits_for_its_first_byte_ends_cleanly() {
    for (text, signal, code) in [("", "-TERM", 143), ("{\"event_ms\"", "-INT", 130)] {
        let (found, stderr) = interrupt("-", text, signal, &[]);
        assert_eq!(found, code, "{stderr}");
    }
}

/// Waiting for the other processes of the job is waiting, too.
#[test]
fn a_run_that_waits_for_its_peers_ends_cleanly() {
    let hosts = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(hosts.path(), "127.0.0.1:0\n127.0.0.1:1\n").unwrap();
    let hostfile = hosts.path().to_str().unwrap();
    let flags = ["-n", "2", "-p", "0", "--hostfile", hostfile];
    let log = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(log.path(), GOOD).unwrap();
    let (code, stderr) = interrupt(log.path().to_str().unwrap(), "", "-TERM", &flags);
    assert_eq!(code, 143, "{stderr}");
}
