//! The property that makes forgetting worth its name: from an erasure on, the job is what it would
//! be had its log never held the visitor.

use crate::common::{report, simulated, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Draws evenly in one slot and by Thompson sampling in another, whose tables come so late that
/// nobody is drawn by what the visitor taught.
fn policy(lag: &str) -> String {
    format!(
        r#"
version = 1
name = "even"
holdout = {{ share = 0.1 }}
tables = {{ quantum = "1m", lag = "{lag}" }}
learning = {{ provisional = 0.2 }}
[[slot]]
name = "banner"
default = "plain"
context = ["phase"]
learn = {{ method = "fixed", holdout = 0.1 }}
arm = [{{ name = "plain" }}, {{ name = "bold" }}]
[[slot]]
name = "promo"
default = "none"
context = ["returning"]
learn = {{ method = "thompson", warm_up = 5 }}
arm = [{{ name = "none" }}, {{ name = "guide" }}, {{ name = "reminder" }}]
"#
    )
}

/// Rows of a log: arrival, visitor, text.
struct Log {
    header: String,
    rows: Vec<(u64, String, String)>,
}

impl Log {
    fn read(path: &Path) -> Log {
        let all = fs::read_to_string(path).unwrap();
        let (header, rows) = all.split_once('\n').unwrap();
        let row = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[0].parse().unwrap(), fields[2].into(), line.into())
        };
        Log {
            header: header.into(),
            rows: rows.lines().map(row).collect(),
        }
    }

    fn write(&self, path: &Path, keep: impl Fn(&str) -> bool) {
        let mut out = self.header.clone() + "\n";
        for (_, _, line) in self.rows.iter().filter(|(_, visitor, _)| keep(visitor)) {
            out += line;
            out.push('\n');
        }
        fs::write(path, out).unwrap();
    }

    fn insert(&mut self, at_ms: u64, visitor: &str, kind: &str) {
        let value = if kind == "purchase" { "49.5" } else { "" };
        let row = format!("{at_ms},{at_ms},{visitor},,{kind},,,,,{value},,");
        let place = self.rows.partition_point(|row| row.0 <= at_ms);
        self.rows.insert(place, (at_ms, visitor.into(), row));
    }

    /// The visitor who did most in the first half of the log.
    fn busiest(&self) -> String {
        let mut counts = BTreeMap::new();
        for (_, visitor, _) in &self.rows[..self.rows.len() / 2] {
            *counts.entry(visitor.clone()).or_insert(0) += 1;
        }
        // The shop's bots do far more than people, and teach nothing.
        let people = counts.into_iter().filter(|(_, count)| *count < 60);
        people.max_by_key(|(_, count)| *count).unwrap().0
    }
}

struct Run {
    report: Value,
    decisions: String,
}

fn replay(log: &Path, policy: &Path, workers: &str, form: &str) -> Run {
    let out: PathBuf = log.with_extension(format!("{workers}.{form}"));
    let args = [
        "replay",
        text(log),
        "--policy",
        text(policy),
        "--out",
        text(&out),
        "--out-format",
        form,
        "-w",
        workers,
    ];
    Run {
        report: report(&args),
        decisions: fs::read_to_string(out).unwrap(),
    }
}

fn of_others(decisions: &str, visitor: &str) -> Vec<String> {
    let named = format!("\"visitor\":\"{visitor}\"");
    let lines = decisions.lines().filter(|line| !line.contains(&named));
    lines.map(str::to_owned).collect()
}

/// A log with a visitor who buys twice and is erased in its middle, and comes back; the same log
/// without that visitor.
fn two_logs(folder: &Path, seed: u64) -> (PathBuf, PathBuf, String, u64) {
    let source = folder.join("shop.csv");
    simulated(&source, seed, 12_000);
    let mut log = Log::read(&source);
    let visitor = log.busiest();
    let own: Vec<u64> = log
        .rows
        .iter()
        .filter(|row| row.1 == visitor)
        .map(|row| row.0)
        .collect();
    let middle = own[own.len() / 2];
    log.insert(middle, &visitor, "purchase");
    log.insert(middle + 1, &visitor, "purchase");
    // Past the table version after the middle, in live and in ended sessions alike.
    let erased_ms = middle + 20 * 60_000 * (1 + seed % 3);
    log.insert(erased_ms, &visitor, "erase");
    log.insert(erased_ms + 5_000, &visitor, "page_view");
    log.insert(erased_ms + 6_000, &visitor, "purchase");
    let (with, without) = (folder.join("with.csv"), folder.join("without.csv"));
    log.write(&with, |_| true);
    log.write(&without, |who| who != visitor);
    (with, without, visitor, erased_ms)
}

#[test]
fn an_erased_visitor_leaves_the_job_as_if_never_there() {
    for seed in [3, 4, 5] {
        let dir = tempfile::tempdir().unwrap();
        let (with, without, visitor, erased_ms) = two_logs(dir.path(), seed);
        let rules = dir.path().join("even.toml");
        fs::write(&rules, policy("30d")).unwrap();
        let held = replay(&with, &rules, "1", "jsonl");
        let never = replay(&without, &rules, "1", "jsonl");
        assert_eq!(held.report["set_aside"]["erased"], 1, "seed {seed}");
        let kept = dir.path().join("kept.csv");
        let all = fs::read_to_string(&with).unwrap();
        let rows = all.split_inclusive('\n');
        let kept_rows: String = rows.filter(|row| !row.contains(",erase,")).collect();
        fs::write(&kept, kept_rows).unwrap();
        let kept = replay(&kept, &rules, "1", "jsonl");
        for part in ["slots", "lift"] {
            assert_ne!(kept.report[part], never.report[part], "the visitor matters");
        }
        assert!(held.report["set_aside"]["erased_events"].as_u64() >= Some(2));

        // Nobody else is shown anything else, at any time.
        let others = of_others(&held.decisions, &visitor);
        assert!(others.len() > 1_000);
        assert!(others == of_others(&never.decisions, &visitor));
        // What is learned, and what came of it, is the same to the last integer.
        for part in ["slots", "lift", "layouts"] {
            assert_eq!(
                held.report[part], never.report[part],
                "{part}, seed {seed}, visitor {visitor}"
            );
        }
        // Nothing is said of the visitor afterwards, but that the visitor is forgotten.
        let named = format!("\"visitor\":\"{visitor}\"");
        let own: Vec<Value> = held
            .decisions
            .lines()
            .filter(|line| line.contains(&named))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let last = own.last().unwrap();
        assert_eq!(
            last,
            &serde_json::json!({"at_ms": erased_ms, "visitor": visitor, "trigger": "forgotten"})
        );
        assert!(
            own.len() > 1
                && own
                    .iter()
                    .all(|one| one["at_ms"].as_u64() <= Some(erased_ms))
        );
        let forgotten = own.iter().filter(|one| one["trigger"] == "forgotten");
        assert_eq!(forgotten.count(), 1);
    }
}

/// With tables that are in force a lag later, decisions by rules that do not learn from anybody stay
/// what they are.
#[test]
fn even_draws_do_not_know_who_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let (with, without, visitor, _) = two_logs(dir.path(), 8);
    let rules = dir.path().join("even.toml");
    let fixed = policy("1m").replace("thompson", "fixed");
    fs::write(&rules, fixed).unwrap();
    let held = replay(&with, &rules, "1", "jsonl");
    let never = replay(&without, &rules, "1", "jsonl");
    let others = of_others(&held.decisions, &visitor);
    assert!(others == of_others(&never.decisions, &visitor));
    assert_eq!(held.report["slots"], never.report["slots"]);
    assert_eq!(held.report["lift"], never.report["lift"]);
}

#[test]
fn the_record_is_the_same_on_any_number_of_workers() {
    let dir = tempfile::tempdir().unwrap();
    let (with, _, visitor, erased_ms) = two_logs(dir.path(), 6);
    let rules = dir.path().join("even.toml");
    fs::write(&rules, policy("1m")).unwrap();
    for form in ["jsonl", "csv"] {
        let one = replay(&with, &rules, "1", form);
        let three = replay(&with, &rules, "3", form);
        assert_eq!(one.report["digest"], three.report["digest"]);
        assert!(one.decisions == three.decisions, "{form}");
        for part in ["slots", "lift", "set_aside"] {
            assert_eq!(one.report[part], three.report[part]);
        }
        if form == "csv" {
            let row = format!("{erased_ms},{visitor},,,forgotten,");
            let found = one.decisions.lines().find(|line| line.starts_with(&row));
            let rest = &found.expect("a row")[row.len()..];
            assert!(rest.bytes().all(|byte| byte == b','), "{rest}");
        }
    }
}

/// Rows of sessions whose visitor was erased train no model: a visitor who was erased at the end of
/// the log changes nothing about it.
#[test]
fn an_erased_visitor_trains_no_model() {
    let dir = tempfile::tempdir().unwrap();
    let (with, without, ..) = two_logs(dir.path(), 7);
    let fit = |log: &Path| {
        let model = log.with_extension("model.json");
        report(&["train", text(log), "--out", text(&model)])
    };
    let (held, never) = (fit(&with), fit(&without));
    for figure in ["rows", "positives", "auc", "log_loss", "brier"] {
        assert_eq!(held[figure], never[figure], "{figure}");
    }
}
