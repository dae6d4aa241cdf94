//! Sinks that cannot be reached, are full, or whose reader goes away.

use super::run::{GOOD, assert_calm, file, partial_files, restage};
use std::fmt::Write;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A log of so many visitors that its decisions do not fit into a pipe.
fn long_log() -> String {
    let mut log = "event_ms,visitor,kind\n".to_owned();
    for n in 0..20_000u64 {
        writeln!(log, "{},visitor-{n},search", 1_600_000_000_000 + n).unwrap();
    }
    log
}

fn assert_sink_failed(run: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(5), "{stderr}");
    assert_calm(&stderr);
    for word in words {
        assert!(stderr.contains(word), "`{word}` was not said: {stderr}");
    }
}

#[test]
fn a_full_disk_under_the_sink_fails_the_run() {
    for log in [GOOD.to_owned(), long_log()] {
        let (dir, path) = file("log", &log);
        let replay = |flag: &str| {
            restage()
                .arg("replay")
                .arg(&path)
                .args([flag, "/dev/full"])
                .output()
        };
        let full = &["/dev/full could not be written: No space left on device"];
        assert_sink_failed(&replay("--out").unwrap(), full);
        // Rejects alone: one bad row is enough.
        std::fs::write(&path, format!("{log}x\n")).unwrap();
        assert_sink_failed(&replay("--rejects").unwrap(), full);
        assert_eq!(partial_files(dir.path()).len(), 0);
        assert!(!Path::new("/dev/full.partial").exists());
    }
}

#[test]
fn a_full_disk_under_stdout_fails_the_run() {
    let (_dir, path) = file("log", long_log());
    for (arguments, words) in [
        (
            &["--out", "-"][..],
            &["stdout could not be written", "No space left"],
        ),
        (
            &["--json"],
            &["stdout could not be written", "No space left"],
        ),
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let run = Command::new(assert_cmd::cargo::cargo_bin!("restage"))
            .arg("replay")
            .arg(&path)
            .args(arguments)
            .stdout(full)
            .output()
            .unwrap();
        assert_sink_failed(&run, words);
    }
}

#[test]
fn a_sink_that_cannot_be_created_fails_before_the_run() {
    let (dir, path) = file("log", GOOD);
    let sink = dir.path().join("no/such/folder/out");
    let run = restage()
        .arg("replay")
        .arg(&path)
        .arg("--out")
        .arg(&sink)
        .output()
        .unwrap();
    assert_sink_failed(
        &run,
        &["no/such/folder/out could not be created", "No such file"],
    );
    let run = restage()
        .arg("replay")
        .arg(&path)
        .arg("--out")
        .arg(dir.path())
        .output()
        .unwrap();
    assert_sink_failed(&run, &["could not be created", "is a directory"]);
    assert_eq!(partial_files(dir.path()).len(), 0);
}

/// Runs with a reader of stdout that takes `lines` lines and goes away.
fn with_short_reader(log: &Path, flags: &[&str], lines: usize) -> (i32, String) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("restage"))
        .arg("replay")
        .arg(log)
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::with_capacity(1, child.stdout.take().unwrap());
    for _ in 0..lines {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0);
    }
    drop(reader);
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    (child.wait().unwrap().code().unwrap(), stderr)
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (_dir, path) = file("log", long_log());
    for (flags, lines) in [
        (&["--out", "-"][..], 1),
        (&["--out", "-"], 0),
        (&["--out", "-", "--out-format", "csv", "-w", "2"], 1),
        (&[], 0),
        (&["--json"], 0),
    ] {
        let (code, stderr) = with_short_reader(&path, flags, lines);
        assert_eq!(code, 0, "{flags:?}: {stderr}");
        assert_calm(&stderr);
    }
}

#[test]
fn an_old_result_stays_when_the_run_fails() {
    let (dir, path) = file(
        "log",
        "event_ms,visitor,kind\n1600010000000,a,search\n1600000000000,a,search\n",
    );
    let out = dir.path().join("out.jsonl");
    std::fs::write(&out, "before\n").unwrap();
    let run = restage()
        .arg("replay")
        .arg(&path)
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "before\n");
    assert_eq!(partial_files(dir.path()).len(), 0);
}

/// Half of the decisions under their final name would look like all of them.
#[test]
fn decisions_are_not_kept_when_the_reader_of_rejects_goes_away() {
    // Good rows move the clock; with the bad ones there is more than queue and pipe hold.
    let bad = format!(",search\n{}\n", "x".repeat(300));
    let (dir, path) = file("log", long_log().replace(",search\n", &bad));
    let out = dir.path().join("out.jsonl");
    let flags = [
        "--rejects",
        "-",
        "--max-reject-ratio",
        "1",
        "--batch",
        "64",
        "--out",
    ];
    let flags = [&flags[..], &[out.to_str().unwrap()]].concat();
    let (code, stderr) = with_short_reader(&path, &flags, 1);
    assert_eq!(code, 0, "{stderr}");
    assert!(!out.exists());
    assert_eq!(partial_files(dir.path()).len(), 0);
}

/// What is said to a stderr that nobody reads is lost, and nothing else.
#[test]
fn a_stderr_that_takes_nothing_changes_no_exit_code() {
    let (_dir, path) = file("log", GOOD);
    let path = path.to_str().unwrap();
    for (arguments, code) in [
        (&["replay", path, "--out", "-"][..], 0),
        (&["replay", path, "-w", "0"], 2),
        (&["replay", "/no/such/log"], 5),
        (&["replay"], 2),
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let run = Command::new(assert_cmd::cargo::cargo_bin!("restage"))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(full)
            .status()
            .unwrap();
        assert_eq!(run.code(), Some(code), "{arguments:?}");
    }
}

/// Commands that write a log to stdout end well, too, when its reader has seen enough.
#[test]
fn a_reader_of_a_log_that_goes_away_is_no_error() {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/data/demo.csv");
    for args in [
        vec!["simulate", "--events", "300000", "-o", "-"],
        vec!["import", demo, "-o", "-"],
    ] {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("restage"))
            .args(&args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    }
}
