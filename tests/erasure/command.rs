//! `restage erase` on a log: the row that is appended, and what a job makes of it.

use crate::common::{report, run, simulated, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn refused(args: &[&str], code: i32, words: &str) {
    let output = run(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: {said}");
    assert!(output.stdout.is_empty());
}

/// What is appended to a log of this text.
fn appended(name: &str, before: &str, visitor: &str) -> (String, Value) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, before).unwrap();
    let said = report(&["erase", "--visitor", visitor, text(&path)]);
    let after = fs::read_to_string(&path).unwrap();
    let row = after.strip_prefix(before).expect("nothing before changes");
    (row.to_owned(), said)
}

#[test]
fn the_row_follows_the_header() {
    let (row, said) = appended(
        "log.csv",
        "kind,visitor,event_ms\nsearch,bob,1600000000005\nsearch,ann,1600000000001\n",
        "bob",
    );
    assert_eq!(row, "erase,bob,1600000000005\n");
    assert_eq!(said["arrival_ms"], 1_600_000_000_005u64);
    assert_eq!(said["events_before"], 1);
    assert_eq!(said["format"], "restage-csv");

    // The arrival is the log's clock where there is one, and a last line without an end gets one.
    let (row, said) = appended(
        "log.csv",
        "event_ms,arrival_ms,visitor,kind,item,device\n1600000000000,1600000000009,ann,search,,",
        "b,o\"b",
    );
    assert_eq!(row, "\n1600000000009,1600000000009,\"b,o\"\"b\",erase,,\n");
    assert_eq!(said["events_before"], 0);

    let (row, _) = appended(
        "log.jsonl",
        "{\"event_ms\":1600000000000,\"visitor\":17,\"kind\":\"search\"}\n",
        "b\"ö\nb",
    );
    assert_eq!(
        row,
        "{\"arrival_ms\":1600000000000,\"event_ms\":1600000000000,\"visitor\":\"b\\\"ö\\nb\",\"kind\":\"erase\"}\n"
    );
}

#[test]
fn the_time_may_be_stated_and_never_runs_backwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.csv");
    fs::write(&path, "event_ms,visitor,kind\n1600000000005,bob,search\n").unwrap();
    let at = |ms: &str| {
        let args = ["erase", "--visitor", "bob", "--at", ms, text(&path)];
        args.map(str::to_owned)
    };
    let refuse = |ms: &str, words: &str| {
        let args = at(ms);
        refused(&args.each_ref().map(|arg| &arg[..]), 2, words);
    };
    refuse("1600000000004", "runs backwards");
    refuse("9999999999999", "1990 to 2099");
    refuse("noon", "invalid value");
    let args = at("1600000000105");
    assert_eq!(
        report(&args.each_ref().map(|arg| &arg[..]))["arrival_ms"],
        1_600_000_000_105u64
    );
    let empty = dir.path().join("empty.csv");
    fs::write(&empty, "event_ms,visitor,kind\n").unwrap();
    refused(&["erase", "--visitor", "bob", text(&empty)], 2, "--at");
}

#[test]
fn what_cannot_be_appended_to_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let own = "event_ms,visitor,kind\n1600000000005,bob,search\n";
    let good = file("good.csv", own.as_bytes());
    let packed = file("log.csv.zst", &zstd::encode_all(own.as_bytes(), 1).unwrap());
    let taobao = file("taobao.csv", b"1,2,3,pv,1511848894\n");
    let records = file(
        "decisions.jsonl",
        b"{\"at_ms\":1,\"visitor\":\"bob\",\"trigger\":\"start\"}\n",
    );
    let rubbish = file("rubbish.txt", b"what is this\n");
    let erase = |path: &Path, code, words: &str| {
        refused(&["erase", "--visitor", "bob", text(path)], code, words);
    };
    erase(&packed, 2, "--scrub");
    erase(&taobao, 2, "restage import");
    erase(&records, 2, "decisions");
    erase(&rubbish, 2, "neither");
    erase(&dir.path().join("none.csv"), 5, "could not open");
    erase(dir.path(), 5, "directory");
    refused(&["erase", "--visitor", "", text(&good)], 2, "empty");
    refused(&["erase", "--visitor", "b\nb", text(&good)], 2, "one line");
    let long = "b".repeat(129);
    refused(&["erase", "--visitor", &long, text(&good)], 2, "128");
    refused(
        &["erase", "--visitor", "bob", text(&good), text(&good)],
        2,
        "--scrub",
    );
    refused(&["erase", text(&good)], 2, "--visitor");
    assert_eq!(fs::read_to_string(&good).unwrap(), own);
}

/// Append, replay, scrub, replay.
#[test]
fn a_job_forgets_from_there_on_and_a_scrubbed_log_never_knew() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("shop.csv");
    simulated(&log, 11, 5_000);
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/data/learning.toml");
    let out = dir.path().join("decisions.jsonl");
    let replay = || {
        let args = [
            "replay",
            text(&log),
            "--policy",
            policy,
            "--out",
            text(&out),
        ];
        (report(&args), fs::read_to_string(&out).unwrap())
    };
    let (before, decisions) = replay();
    let record: Value = serde_json::from_str(decisions.lines().nth(40).unwrap()).unwrap();
    let visitor = record["visitor"].as_str().unwrap().to_owned();
    let said = report(&["erase", "--visitor", &visitor, text(&log)]);
    assert!(said["events_before"].as_u64() > Some(0));

    let (forgets, decisions) = replay();
    assert_ne!(
        forgets["digest"], before["digest"],
        "the record is part of it"
    );
    assert_eq!(forgets["set_aside"]["erased"], 1);
    let records = decisions
        .lines()
        .filter(|line| line.contains("\"forgotten\""));
    assert_eq!(records.count(), 1);

    // The story ends with it.
    let story = run(&["explain", text(&log), "--visitor", &visitor]);
    let story = String::from_utf8(story.stdout).unwrap();
    let end = story.trim_end().rsplit("\n\n").next().unwrap();
    assert!(end.contains("erase: the visitor is forgotten"), "{end}");
    assert!(
        end.contains("no event of the visitor is taken before"),
        "{end}"
    );

    let args = [
        "erase",
        "--visitor",
        &visitor,
        "--scrub",
        text(&log),
        text(&out),
    ];
    let page = String::from_utf8(run(&args).stdout).unwrap();
    assert_eq!(page.lines().count(), 2, "{page}");
    assert!(!fs::read_to_string(&out).unwrap().contains(&visitor));
    let (never, scrubbed) = replay();
    assert!(!scrubbed.contains(&format!("\"visitor\":\"{visitor}\"")));
    assert_eq!(never["set_aside"].get("erased"), None);
    assert_eq!(
        never["visitors"].as_u64(),
        before["visitors"].as_u64().map(|all| all - 1)
    );
}
