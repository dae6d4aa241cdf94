//! Real logs that others published, replayed. They are not part of the project: where they are
//! absent, each test says so and passes.

mod common;

use common::{report, shared_log, text};
use serde_json::Value;

fn replayed(name: &str, flags: &[&str]) -> Option<Value> {
    let path = shared_log(name)?;
    let mut args = vec!["replay", text(&path)];
    args.extend(flags);
    let one = report(&args);
    args.extend(["-w", "3"]);
    let three = report(&args);
    assert_eq!(one["digest"], three["digest"], "{name}");
    Some(one)
}

/// Names and numbers of a report that must be so.
fn assert_report(report: &Value, expected: &[(&str, u64)]) {
    for (pointer, value) in expected {
        assert_eq!(
            report.pointer(pointer).and_then(Value::as_u64),
            Some(*value),
            "{pointer}"
        );
    }
}

#[test]
fn rees46_is_taken_whole() {
    let Some(report) = replayed("rees46/2019-oct-first-hours.csv", &[]) else {
        return;
    };
    assert_report(
        &report,
        &[
            ("/events", 5_931),
            ("/accepted", 5_931),
            ("/kinds/item_view", 5_812),
            ("/kinds/add_to_cart", 55),
            ("/kinds/purchase", 64),
            ("/purchases", 64),
        ],
    );
    assert_eq!(report["rejected"], serde_json::json!({}));
}

/// Ids come out exactly as they went in, whatever the line endings.
#[test]
fn rees46_keeps_its_visitors() {
    let Some(path) = shared_log("rees46/2019-oct-first-hours.csv") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("decisions.csv");
    report(&[
        "replay",
        text(&path),
        "--out",
        text(&out),
        "--out-format",
        "csv",
    ]);
    let column = |path: &std::path::Path, name: &str| -> std::collections::BTreeSet<String> {
        let mut reader = csv::Reader::from_path(path).unwrap();
        let at = reader
            .headers()
            .unwrap()
            .iter()
            .position(|header| header == name)
            .unwrap();
        reader
            .records()
            .map(|record| record.unwrap()[at].to_string())
            .collect()
    };
    assert_eq!(column(&path, "user_id"), column(&out, "visitor"));
}

/// A session of the engine never spans two sessions of the log when the log's are asked for.
#[test]
fn rees46_in_its_own_sessions() {
    let Some(path) = shared_log("rees46/2019-oct-first-hours.csv") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("log-sessions.toml");
    std::fs::write(&policy, "version = 1\n[session]\nsource = \"log\"\n").unwrap();
    let flags = ["--policy", text(&policy)];
    let report = replayed("rees46/2019-oct-first-hours.csv", &flags).unwrap();
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let sessions: std::collections::BTreeSet<String> = reader
        .records()
        .map(|record| record.unwrap()[8].trim().to_string())
        .collect();
    let counted = report["sessions"].as_u64().unwrap();
    assert!(
        counted >= sessions.len() as u64,
        "{counted} of {}",
        sessions.len()
    );
}

#[test]
fn taobao_sorted_has_its_sessions() {
    let Some(report) = replayed("taobao/users.csv", &["--sort"]) else {
        return;
    };
    assert_report(
        &report,
        &[
            ("/accepted", 10_000),
            ("/visitors", 114),
            ("/sessions", 1_700),
            ("/kinds/item_view", 9_046),
            ("/kinds/add_to_cart", 536),
            ("/kinds/click", 212),
            ("/kinds/purchase", 206),
        ],
    );
}

#[test]
fn jd_lines_are_visitors() {
    let Some(report) = replayed("jd/appliances.txt", &[]) else {
        return;
    };
    assert_report(&report, &[("/accepted", 28_108), ("/visitors", 1_000)]);
}

#[test]
fn every_other_log_replays() {
    for (name, events) in [
        ("yoochoose/train.tsv", 53_254),
        ("yoochoose/valid.tsv", 16_539),
        ("serenade/train.tsv", 113_601),
        ("serenade/test.tsv", 1_233),
        ("serenade/valid.tsv", 1_451),
        ("otto/sessions.jsonl", 862),
    ] {
        let Some(report) = replayed(name, &["--sort"]) else {
            return;
        };
        assert_report(&report, &[("/accepted", events)]);
        assert_eq!(report["rejected"], serde_json::json!({}), "{name}");
    }
}

/// Without sorting, a log that is grouped by visitor is refused with the place and the advice.
#[test]
fn an_unsorted_log_is_refused_with_advice() {
    let Some(path) = shared_log("taobao/users.csv") else {
        return;
    };
    let output = common::run(&["replay", text(&path)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("line 63") && said.contains("--sort"),
        "{said}"
    );
}
