//! Logs, models and rows that several parts need, each made once.

use crate::common::{report, restage, simulated, text};
use restage::event::{Carry, VisitorId};
use restage::flow::job::{Cluster, JobSpec, run};
use restage::flow::sessions::Sample;
use restage::format::{LaneOptions, Source};
use restage::visit::live::Rules;
use restage::visit::model::Model;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::Policy;
use restage::visit::rows::{ROWS_MAX, Row, SessionRows};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

/// What is made once.
pub struct Shop {
    dir: TempDir,
    /// What `train --json` said of the logistic model, and of the trees.
    pub said: [Value; 2],
}

/// 12,000 events, and two models trained on them.
pub static SHOP: LazyLock<Shop> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.csv");
    simulated(&log, 5, 12_000);
    let text_of_log = std::fs::read_to_string(&log).unwrap();
    std::fs::write(dir.path().join("clean.csv"), clean(&text_of_log)).unwrap();
    let said = ["logistic", "trees"].map(|kind| {
        let out = dir.path().join(format!("{kind}.json"));
        report(&["train", text(&log), "--kind", kind, "--out", text(&out)])
    });
    Shop { dir, said }
});

impl Shop {
    /// A file of the shop: `log.csv`, `clean.csv`, `logistic.json` or `trees.json`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same as an argument.
    pub fn arg(&self, name: &str) -> String {
        text(&self.file(name)).into()
    }

    /// A model of the shop.
    pub fn model(&self, name: &str) -> Model {
        Model::read(&std::fs::read(self.file(name)).unwrap()).unwrap()
    }
}

/// The log without faults: no event twice, none late, no two at one time, and of nobody more than
/// are kept of a session. What happens at a time is one event then, and has a row.
fn clean(log: &str) -> String {
    let (header, rows) = log.split_once('\n').unwrap();
    let (mut seen, mut last, mut out) = (BTreeSet::new(), 0, format!("{header}\n"));
    let mut events_of: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.lines() {
        let cells: Vec<&str> = row.split(',').collect();
        let events = events_of.entry(cells[2]).or_default();
        if *events < ROWS_MAX && seen.insert(cells[11]) {
            *events += 1;
            last = cells[0].parse::<u64>().unwrap().max(last + 1);
            out.push_str(&format!("{last},{last},{}\n", cells[2..].join(",")));
        }
    }
    out
}

/// Collects the rows of a log through the job, under the shipped policy.
pub fn rows(log: &Path, workers: usize) -> Vec<SessionRows> {
    let rules = Rules {
        policy: Policy::shipped(),
        models: Schedule::of(Model::blank()),
        catalogue: None,
    };
    let result = run(JobSpec {
        lane_options: LaneOptions {
            carry: Carry::default(),
            ..LaneOptions::default()
        },
        cluster: Cluster::local(workers),
        rows: Some(Sample {
            share_ppm: 1_000_000,
        }),
        ..JobSpec::of(Arc::new(rules), vec![Source::parse(log)])
    });
    result.unwrap().unwrap().rows
}

/// The rows of `clean.csv` by visitor and time.
pub static CLEAN_ROWS: LazyLock<BTreeMap<(u64, u64), Row>> = LazyLock::new(|| {
    let sessions = rows(&SHOP.file("clean.csv"), 1);
    let rows = sessions.into_iter().flat_map(|session| {
        let visitor = session.visitor.0;
        session
            .rows
            .into_iter()
            .map(move |row| ((visitor, row.at.0), row))
    });
    let rows: BTreeMap<_, _> = rows.collect();
    let log = std::fs::read_to_string(SHOP.file("clean.csv")).unwrap();
    assert_eq!(rows.len(), log.lines().count() - 1, "each event has a row");
    assert!(rows.len() > 10_000);
    rows
});

/// Replays a log; the report, and the lines of the decision file.
pub fn replay(log: &str, flags: &[&str]) -> (Value, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("decisions.jsonl");
    let mut args = vec!["replay", log, "--out", text(&out)];
    args.extend(flags);
    let report = report(&args);
    let lines = std::fs::read_to_string(&out).unwrap();
    (report, lines.lines().map(String::from).collect())
}

/// Decision records of `clean.csv`, each with the row of the event that made it; those that a
/// timer made are left out.
pub fn decided(flags: &[&str]) -> Vec<(Value, &'static Row)> {
    let (_, lines) = replay(&SHOP.arg("clean.csv"), flags);
    let records = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    records
        .filter(|record: &Value| !record["trigger"].as_str().unwrap().starts_with("timer"))
        .map(|record| {
            let visitor = record["visitor"].as_str().unwrap();
            let visitor = VisitorId::of(visitor.as_bytes()).0;
            let row = &CLEAN_ROWS[&(visitor, record["at_ms"].as_u64().unwrap())];
            (record, row)
        })
        .collect()
}

/// The names in a folder.
pub fn names(dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
}

/// Runs the binary in a folder: it fails with this code, says all the words, does not panic, says
/// nothing twice, and leaves the folder as it was.
pub fn assert_refused(dir: &Path, args: &[&str], code: i32, words: &[&str]) {
    let before = names(dir);
    let output = restage().current_dir(dir).args(args).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for word in words {
        assert!(
            said.contains(word),
            "{args:?}: `{word}` was not said: {said}"
        );
    }
    assert!(!said.contains("panicked"), "{args:?}: {said}");
    assert!(!said.contains(".tmp"), "a temporary file is named: {said}");
    let parts: Vec<&str> = said.trim().split(": ").collect();
    assert!(
        parts.windows(2).all(|pair| pair[0] != pair[1]),
        "{args:?}: said twice: {said}"
    );
    assert!(output.stdout.is_empty(), "{args:?} printed a result");
    assert_eq!(names(dir), before, "{args:?} left something behind");
}
