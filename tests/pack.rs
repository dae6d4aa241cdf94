//! The packed replay cache: the same run as from the log, whatever happens to either.

mod common;

use common::{report, run, simulated, text};
use restage::event::{Batch, Lane, Reject};
use restage::format::mark::LaneMark;
use restage::format::{LaneOptions, LaneRead, LaneReader, Source};
use restage::pack::{PackedLane, pack, path_of};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a log, sorted and packed by the program.
struct Desk {
    _dir: TempDir,
    log: PathBuf,
}

impl Desk {
    fn new(events: usize, name: &str) -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let (raw, log) = (dir.path().join("raw.csv"), dir.path().join(name));
        simulated(&raw, 3, events);
        // A row that is late, one whose clock is ahead, and visitors and pages that need quotes.
        let mut rows = fs::read_to_string(&raw).unwrap();
        let last = rows.lines().last().unwrap().to_owned();
        let arrival: u64 = last.split(',').next().unwrap().parse().unwrap();
        for (time, visitor) in [
            (arrival - 9_000_000, "late"),
            (arrival + 9_000_000, "early"),
            (arrival, "\"quoted, and with \"\"quotes\"\"\""),
            (arrival, "günter"),
        ] {
            rows += &format!("{arrival},{time},{visitor},s,search,,,,,,\"a,b\",\n");
        }
        fs::write(&raw, rows).unwrap();
        let said = report(&["import", text(&raw), "-o", text(&log), "--pack"]);
        let size = fs::metadata(path_of(&log)).unwrap().len();
        assert_eq!(said["packed_bytes"], size);
        Desk { _dir: dir, log }
    }
}

/// A report without what differs from run to run.
fn lasting(mut report: Value) -> Value {
    let fields = report.as_object_mut().unwrap();
    for name in ["elapsed_s", "events_per_s", "peak_rss_mb", "workers"] {
        fields.remove(name);
    }
    report
}

/// Everything that a lane gives, with the mark before each batch.
fn read(lane: &mut dyn LaneRead, most: usize) -> (Batch, Vec<Reject>, Vec<(LaneMark, usize)>) {
    let (mut all, mut rejects, mut marks) = (Batch::default(), Vec::new(), Vec::new());
    loop {
        marks.push((lane.mark().unwrap(), all.len()));
        let next = all.len() + most;
        if !lane.fill(&mut all, &mut rejects, next).unwrap() {
            return (all, rejects, marks);
        }
    }
}

fn open(log: &Path) -> (PackedLane, LaneReader) {
    let (source, options) = (Source::parse(log), LaneOptions::default());
    let packed = PackedLane::find(&source, Lane(0), &options).unwrap();
    let plain = LaneReader::open(&source, Lane(0), &options).unwrap();
    (packed.expect("there is a pack"), plain)
}

#[test]
fn a_run_over_the_pack_is_the_run_over_the_log() {
    for name in ["log.csv", "log.jsonl.zst"] {
        let desk = Desk::new(20_000, name);
        let log = text(&desk.log);
        let out = |name: &str| desk.log.with_file_name(name);
        let (packed, plain) = (out("packed.jsonl"), out("plain.jsonl"));
        let by_pack = report(&["replay", log, "--out", text(&packed)]);
        let by_log = report(&["replay", log, "--out", text(&plain), "--no-pack"]);
        assert_eq!(lasting(by_pack.clone()), lasting(by_log));
        assert_eq!(by_pack["rejected"]["late"], 1);
        assert_eq!(by_pack["rejected"]["future"], 1);
        assert!(fs::read(&packed).unwrap() == fs::read(&plain).unwrap());
        // Other rules of time are those of the run, not of the pack.
        let strict = ["replay", log, "--lateness", "100ms", "--future", "50ms"];
        let by_log = report(&[&strict[..], &["--no-pack"]].concat());
        assert_eq!(lasting(report(&strict)), lasting(by_log));
    }
}

#[test]
fn rejected_rows_are_read_from_the_log_with_their_text() {
    let desk = Desk::new(2_000, "log.csv");
    let rejects = desk.log.with_file_name("rejects.jsonl");
    report(&["replay", text(&desk.log), "--rejects", text(&rejects)]);
    let rows = fs::read_to_string(rejects).unwrap();
    assert!(
        rows.contains(",late,") && rows.contains(",early,"),
        "{rows}"
    );
}

#[test]
fn a_lane_and_its_pack_give_the_same_and_go_on_from_each_others_marks() {
    let desk = Desk::new(10_000, "log.csv");
    // Blank lines are counted, too.
    let blank = fs::read_to_string(&desk.log)
        .unwrap()
        .replacen(",e77\n", ",e77\n\n\r\n", 1);
    fs::write(&desk.log, blank.replacen(",e0\n", ",e0\nnot a row\n", 1)).unwrap();
    pack(&desk.log).unwrap();
    let (mut packed, mut plain) = open(&desk.log);
    let (events, rejects, marks) = read(&mut packed, 777);
    let (expected, expected_rejects, expected_marks) = read(&mut plain, 777);
    assert!(events == expected);
    assert_eq!(packed.tally(), plain.tally());
    assert_eq!(packed.tally().blank_lines, 2);
    let places = |rejects: &[Reject]| -> Vec<_> {
        rejects
            .iter()
            .map(|r| (r.arrival, r.line, r.offset, r.reason))
            .collect()
    };
    assert_eq!(places(&rejects), places(&expected_rejects));
    assert!(rejects.len() >= 3 && marks.len() > 10);
    for (mark, before) in marks
        .iter()
        .chain(&expected_marks)
        .filter(|(mark, _)| mark.lines > 0)
    {
        let (mut packed, mut plain) = open(&desk.log);
        let source = Source::parse(&desk.log);
        packed.go_on(&source, mark).unwrap();
        plain.go_on(&source, mark).unwrap();
        let (by_pack, by_log) = (read(&mut packed, 5_000), read(&mut plain, 5_000));
        assert!(by_pack.0.events() == &events.events()[*before..]);
        assert!(by_pack.0 == by_log.0);
        assert_eq!(packed.tally(), plain.tally());
    }
}

#[test]
fn a_pack_of_another_log_is_not_used() {
    let desk = Desk::new(2_000, "log.csv");
    let log = text(&desk.log);
    let before = report(&["replay", log]);
    // A copy at another time is the same log.
    let bytes = fs::read(&desk.log).unwrap();
    fs::write(&desk.log, &bytes).unwrap();
    let output = run(&["replay", log, "--json"]);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    // One row less is not.
    let cut = bytes.len()
        - 1
        - bytes[..bytes.len() - 1]
            .iter()
            .rev()
            .position(|b| *b == b'\n')
            .unwrap();
    fs::write(&desk.log, &bytes[..cut]).unwrap();
    let output = run(&["replay", log, "--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("log.csv.pack is not used: the log is another one"),
        "{said}"
    );
    let after: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        after["events"].as_u64(),
        before["events"].as_u64().map(|events| events - 1)
    );
}

#[test]
fn a_block_that_is_damaged_is_read_from_the_log() {
    let desk = Desk::new(20_000, "log.csv");
    let log = text(&desk.log);
    let before = report(&["replay", log]);
    let path = path_of(&desk.log);
    let whole = fs::read(&path).unwrap();
    for at in [200, whole.len() / 2, whole.len() - 2_000] {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        fs::write(&path, damaged).unwrap();
        let output = run(&["replay", log, "--json"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("its block is damaged; the log itself is read from there"),
            "{said}"
        );
        let after: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(lasting(after), lasting(before.clone()));
    }
}

#[test]
fn only_a_file_in_our_own_form_is_packed() {
    let desk = Desk::new(100, "log.csv");
    let output = run(&["import", text(&desk.log), "-o", "-", "--pack"]);
    assert_eq!(output.status.code(), Some(2));
    let foreign = desk.log.with_file_name("foreign.csv");
    fs::write(&foreign, "1,2,3,pv,1511848894\n1,2,3,buy,1511848895\n").unwrap();
    let error = pack(&foreign).unwrap_err().to_string();
    assert!(
        error.contains("taobao: only Restage's own logs are packed"),
        "{error}"
    );
    assert!(!path_of(&foreign).exists());
}
