//! The promise of the job: decisions are a pure function of the log. Whatever the number of
//! workers and processes, the grain, the batch and the read-ahead, the bytes are the same.

mod common;
mod script;

use common::{free_addresses, report, restage, simulated, text};
use restage::visit::model::{ModelFile, file};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Three overlapping logs of one shop with late events, duplicates and bots.
struct Logs {
    dir: TempDir,
    paths: Vec<PathBuf>,
}

impl Logs {
    fn new() -> Logs {
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("whole.csv");
        simulated(&whole, 11, 24_000);
        // Dealt out row by row: every visitor's events are spread over all three lanes.
        let log = std::fs::read_to_string(&whole).unwrap();
        let (header, rows) = log.split_once('\n').unwrap();
        let mut lanes = vec![format!("{header}\n"); 3];
        for (at, row) in rows.lines().enumerate() {
            lanes[at % 3].push_str(row);
            lanes[at % 3].push('\n');
        }
        let paths = lanes.iter().enumerate().map(|(at, lane)| {
            let path = dir.path().join(format!("lane{at}.csv"));
            std::fs::write(&path, lane).unwrap();
            path
        });
        let paths = paths.collect();
        Logs { dir, paths }
    }

    /// Replays the lanes and returns the digest and the decision file.
    fn replay(&self, name: &str, flags: &[&str]) -> (String, Vec<u8>) {
        let out = self.dir.path().join(name);
        let mut args = vec!["replay"];
        args.extend(self.paths.iter().map(|path| text(path)));
        args.extend(["--out", text(&out)]);
        args.extend(flags);
        let report = report(&args);
        let digest = report["digest"].as_str().unwrap().to_string();
        (digest, std::fs::read(&out).unwrap())
    }

    fn assert_same(&self, runs: &[&[&str]]) {
        let one = self.replay("one", &[]);
        assert!(
            one.1.iter().filter(|&&byte| byte == b'\n').count() > 3_000,
            "too few decisions"
        );
        for (at, flags) in runs.iter().enumerate() {
            let other = self.replay(&format!("run{at}"), flags);
            assert_eq!(one.0, other.0, "digest with {flags:?}");
            assert!(one.1 == other.1, "decision file with {flags:?}");
        }
    }
}

#[test]
fn any_number_of_workers_decides_alike() {
    Logs::new().assert_same(&[&["-w", "2"], &["-w", "3"], &["-w", "4"]]);
}

#[test]
fn any_grain_decides_alike() {
    Logs::new().assert_same(&[
        &["--grain", "7"],
        &["--grain", "1000", "-w", "2"],
        &["--grain", "3600000"],
        &["--grain", "86400000", "-w", "3"],
    ]);
}

#[test]
fn any_batch_and_read_ahead_decide_alike() {
    Logs::new().assert_same(&[
        &["--batch", "1", "--read-ahead", "1"],
        &["--batch", "17", "-w", "2"],
        &["--batch", "65536", "--read-ahead", "1"],
    ]);
}

#[test]
fn a_deep_backlog_decides_alike() {
    Logs::new().assert_same(&[
        &["--batch", "5", "--read-ahead", "1024"],
        &["--batch", "5", "--read-ahead", "1024", "-w", "3"],
    ]);
}

/// Limits are kept per bin of visitors, so even what they cut off is the same everywhere.
#[test]
fn limits_that_bite_decide_alike() {
    let logs = Logs::new();
    let policy = logs.dir.path().join("tight.toml");
    std::fs::write(
        &policy,
        "version = 1\n[session]\nsource = \"log\"\n[limits]\nitems_per_session = 3\n\
         categories_per_session = 1\nlive_sessions = 512\nhistories = 256\nevent_ids = 256\n",
    )
    .unwrap();
    let policy = ["--policy", text(&policy)];
    let one = logs.replay("one", &policy);
    let mut args = vec!["replay", text(&logs.paths[0])];
    args.extend(policy);
    let limits = report(&args)["limits"].clone();
    for name in [
        "items_per_session",
        "categories_per_session",
        "live_sessions",
        "event_ids",
    ] {
        assert!(
            limits[name].as_u64().unwrap_or(0) > 0,
            "{name} was not reached: {limits}"
        );
    }
    for flags in [["-w", "3"], ["--grain", "5000"], ["--batch", "9"]] {
        let other = logs.replay("other", &[&policy[..], &flags].concat());
        assert_eq!(one, other, "with {flags:?}");
    }
}

/// Trees are asked in batches, which end where epochs do, and only when their features have moved.
#[test]
fn trees_are_asked_as_often_and_decide_alike() {
    let logs = Logs::new();
    let model = logs.dir.path().join("trees.json");
    let scorings = |flags: &[&str]| {
        let mut args = vec!["replay", text(&logs.paths[0]), "--model", text(&model)];
        args.extend(flags);
        report(&args)["scorings"].as_u64().unwrap()
    };
    let kinds: [fn() -> ModelFile; 2] = [script::stumps::quiet, script::stumps::restless];
    let often = kinds.map(|kind| {
        std::fs::write(&model, file::write(&kind())).unwrap();
        let model = ["--model", text(&model)];
        let (one, asked) = (logs.replay("one", &model), scorings(&[]));
        for flags in [
            &["-w", "3"][..],
            &["--grain", "50"],
            &["--batch", "9", "-w", "2"],
        ] {
            let other = logs.replay("other", &[&model, flags].concat());
            assert!(one == other, "with {flags:?}");
            assert_eq!(asked, scorings(flags), "scorings with {flags:?}");
        }
        asked
    });
    assert!(often[0] * 3 < often[1] * 2, "scorings: {often:?}");
}

#[test]
fn csv_output_has_the_same_digest_and_the_same_bytes() {
    let logs = Logs::new();
    let json = logs.replay("json", &[]);
    let csv = logs.replay("csv", &["--out-format", "csv"]);
    let csv_of_two = logs.replay("csv2", &["--out-format", "csv", "-w", "2"]);
    assert_eq!(json.0, csv.0);
    assert_eq!(csv, csv_of_two);
    let mut reader = csv::Reader::from_reader(&csv.1[..]);
    assert!(
        reader
            .headers()
            .unwrap()
            .iter()
            .any(|name| name == "layout.banner")
    );
    let lines = json.1.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(reader.records().map(Result::unwrap).count(), lines);
}

#[test]
fn two_processes_over_loopback_decide_alike() {
    let logs = Logs::new();
    let one = logs.replay("one", &[]);
    for workers in ["1", "2"] {
        let two = in_processes(&logs, 2, workers);
        assert_eq!(one.0, two.0, "digest with {workers} workers in each");
        assert!(
            one.1 == two.1,
            "decision file with {workers} workers in each"
        );
    }
}

/// Runs the job in several processes; the first writes the file and the report.
fn in_processes(logs: &Logs, processes: usize, workers: &str) -> (String, Vec<u8>) {
    let dir = logs.dir.path();
    let hostfile = dir.join(format!("hosts{workers}"));
    std::fs::write(&hostfile, free_addresses(processes).join("\n")).unwrap();
    let out = dir.join(format!("processes{workers}"));
    let start = |index: usize| {
        let mut command = restage();
        command.arg("replay").args(&logs.paths);
        command.args([
            "-w",
            workers,
            "-n",
            &processes.to_string(),
            "-p",
            &index.to_string(),
        ]);
        command.args(["--hostfile", text(&hostfile)]);
        if index == 0 {
            // As the help shows it: what the first process is told holds for all.
            command.args(["--out", text(&out), "--json"]);
        }
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..processes).map(start).collect();
    let outputs: Vec<_> = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .collect();
    for output in &outputs {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", output.status);
    }
    assert!(
        outputs[1].stdout.is_empty(),
        "only the first process reports"
    );
    let report: serde_json::Value = serde_json::from_slice(&outputs[0].stdout).unwrap();
    assert_eq!(report["processes"], processes);
    (
        report["digest"].as_str().unwrap().into(),
        std::fs::read(Path::new(&out)).unwrap(),
    )
}

/// The file is in canonical order, every line is a record, and ids are unique.
#[test]
fn the_decision_file_is_in_canonical_order() {
    let logs = Logs::new();
    let (_, file) = logs.replay("ordered", &["-w", "2"]);
    let records: Vec<serde_json::Value> = file
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let key = |record: &serde_json::Value| {
        let text = |name: &str| record[name].as_str().unwrap().to_string();
        (
            record["at_ms"].as_u64().unwrap(),
            text("visitor"),
            text("session"),
            record["seq"].as_u64().unwrap(),
        )
    };
    let keys: Vec<_> = records.iter().map(key).collect();
    assert!(
        keys.windows(2).all(|pair| pair[0] < pair[1]),
        "sorted, without ties"
    );
    let ids: std::collections::BTreeSet<_> = keys
        .iter()
        .map(|(_, visitor, session, seq)| (visitor, session, seq))
        .collect();
    assert_eq!(ids.len(), keys.len(), "a decision's id is its own");
}
