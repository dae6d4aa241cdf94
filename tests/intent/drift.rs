//! Drift: a run says how far its features and scores are from those of the model's training, and
//! what moved.

use crate::common::{report, run, simulated, text};
use restage::format::LogWriter;
use restage::simulate::{Scratch, Shop as Simulated, ShopParams};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

/// A log, and a model trained on it.
static TRAINED: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.csv");
    simulated(&log, 41, 30_000);
    let model = dir.path().join("model.json");
    let args = ["train", text(&log), "--out", text(&model)];
    report(&[&args[..], &["--replicates", "0"]].concat());
    dir
});

fn file(name: &str) -> PathBuf {
    TRAINED.path().join(name)
}

/// The one entry in the report's list.
fn drift(log: &Path, flags: &[&str]) -> Value {
    let model = file("model.json");
    let args = ["replay", text(log), "--model", text(&model)];
    let report = report(&[&args[..], flags].concat());
    let drift = report["drift"].as_array().unwrap();
    assert_eq!(drift.len(), 1);
    drift[0].clone()
}

/// The line of the page for people.
fn line(log: &Path) -> String {
    let model = file("model.json");
    let output = run(&["replay", text(log), "--model", text(&model)]);
    let page = String::from_utf8(output.stdout).unwrap();
    let line = page.lines().find(|line| line.starts_with("drift"));
    line.unwrap().to_string()
}

fn psi(drift: &Value, name: &str) -> f64 {
    drift["psi"][name].as_f64().unwrap()
}

/// Writes the log with its rows changed.
fn rewritten(dir: &Path, change: impl Fn(&mut Vec<String>)) -> PathBuf {
    let log = std::fs::read_to_string(file("log.csv")).unwrap();
    let mut lines = log.lines();
    let mut out = format!("{}\n", lines.next().unwrap());
    for row in lines {
        let mut cells = row.split(',').map(String::from).collect();
        change(&mut cells);
        out.push_str(&cells.join(","));
        out.push('\n');
    }
    let path = dir.join("rewritten.csv");
    std::fs::write(&path, out).unwrap();
    path
}

#[test]
fn the_log_of_the_training_has_not_moved() {
    let log = file("log.csv");
    let found = drift(&log, &[]);
    assert_eq!(found["verdict"], "none", "{found}");
    let replayed = report(&["replay", text(&log)]);
    assert_eq!(found["sessions"], replayed["sessions"]);
    assert!(found["model"].as_str().unwrap().starts_with("model@"));
    assert!(psi(&found, "p_purchase") < 0.05 && psi(&found, "p_abandon") < 0.05);
    assert!(line(&log).contains("none since the training of model@"));
    let built_in = &replayed["drift"][0];
    assert!(built_in["model"].as_str().unwrap().starts_with("default@"));
    let dump = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/lightgbm/default.txt"
    );
    let by_dump = report(&["replay", text(&log), "--model", dump]);
    assert_eq!(by_dump["drift"], serde_json::json!([]), "nothing to go by");
}

#[test]
fn what_moved_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let dearer = rewritten(dir.path(), |cells| {
        if let Ok(price) = cells[7].parse::<f64>() {
            cells[7] = format!("{:.2}", price * 8.0);
        }
    });
    let found = drift(&dearer, &[]);
    assert_eq!(found["verdict"], "far");
    assert!(psi(&found, "price_seen") > 0.5 && psi(&found, "item_views") < 0.05);
    let line = line(&dearer);
    assert!(
        line.contains("far since the training of") && line.contains("scores: p_purchase"),
        "{line}"
    );
    assert!(line.contains("price_seen"), "{line}");
}

/// Most sessions have nothing in the cart, so that all quantiles are zero; that more of them have
/// must be seen all the same.
#[test]
fn a_feature_that_is_mostly_zero_can_move() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("other.csv");
    let params = ShopParams {
        seed: 41,
        cart_scale: 12.0,
        ..ShopParams::default()
    };
    let mut writer = LogWriter::create(&log).unwrap();
    let mut scratch = Scratch::default();
    for event in Simulated::new(params).take(30_000) {
        writer.write(&event.raw(&mut scratch)).unwrap();
    }
    writer.finish().unwrap();
    let found = drift(&log, &[]);
    assert_eq!(found["verdict"], "far");
    for name in ["cart_size", "cart_adds", "p_abandon"] {
        assert!(psi(&found, name) > 0.1, "{name}: {found}");
    }
    assert!(psi(&found, "list_views") < 0.1, "{found}");
}

#[test]
fn a_few_sessions_are_too_few() {
    let dir = tempfile::tempdir().unwrap();
    let log = std::fs::read_to_string(file("log.csv")).unwrap();
    let few: Vec<&str> = log.lines().take(300).collect();
    let path = dir.path().join("few.csv");
    std::fs::write(&path, few.join("\n")).unwrap();
    let found = drift(&path, &[]);
    let sessions = found["sessions"].as_u64().unwrap();
    assert!((50..200).contains(&sessions));
    assert_eq!(found["verdict"], "too few sessions");
    let words = format!("{sessions} sessions are too few to tell");
    assert!(line(&path).contains(&words));
}

#[test]
fn drift_is_the_same_for_any_number_of_workers() {
    let log = file("log.csv");
    let one = drift(&log, &[]);
    for flags in [&["-w", "3"][..], &["-w", "2", "--batch", "11"]] {
        assert_eq!(drift(&log, flags), one, "{flags:?}");
    }
}
