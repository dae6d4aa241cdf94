//! `restage bench` as a user runs it: what it counts, what it says, and that it decides like a replay.
//! No figure of time is asserted.

mod common;

use common::{report, run, simulated, text};
use restage::visit::plan::{Plan, RulesText};
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/demo.csv");
const LEARNING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/learning.toml");

fn log(events: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.csv");
    simulated(&path, 3, events);
    (dir, path)
}

fn number(of: &Value, name: &str) -> f64 {
    of[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} in {of}"))
}

/// The plain loop, with and without learning, decides what the job decides.
#[test]
fn the_plain_loop_does_the_same_work_as_the_job() {
    let (dir, path) = log(20_000);
    let packed = dir.path().join("packed.csv");
    report(&["import", text(&path), "-o", text(&packed), "--pack"]);
    for (log, inputs) in [(DEMO, 2), (text(&path), 2), (text(&packed), 3)] {
        let costs = report(&["bench", log, "--cost", "--runs", "1"]);
        let lines = costs["costs"].as_array().unwrap();
        assert_eq!(lines.len(), 2 * inputs);
        for (at, line) in lines.iter().enumerate() {
            let policy = (at >= inputs).then_some(LEARNING);
            let policy = policy.map_or(vec![], |policy| vec!["--policy", policy]);
            let replayed = report(&[&["replay", log][..], &policy].concat());
            assert_eq!(line["digest"], replayed["digest"], "{line}");
            assert!(number(line, "cost_ratio") > 0.0);
        }
        assert_eq!(costs["cost_ratio"], lines[0]["cost_ratio"]);
    }
}

#[test]
fn every_event_that_was_due_is_counted_and_decisions_are_those_of_a_replay() {
    let (dir, path) = log(5_000);
    let plots = dir.path().join("plots");
    let page = report(&[
        "bench",
        text(&path),
        "--rate",
        "20000,50000",
        "--warm-up",
        "0.2",
        "--plot",
        text(&plots),
    ]);
    assert_eq!(page["digest"], report(&["replay", text(&path)])["digest"]);
    let rates = page["rates"].as_array().unwrap();
    assert_eq!(rates.len(), 2);
    for rate in rates {
        let count = |name: &str| rate[name].as_u64().unwrap();
        assert_eq!(
            (count("offered"), count("counted") + count("closing")),
            (5_000, 4_000)
        );
        assert!(
            (1..20).contains(&count("closing")),
            "the last millisecond's"
        );
        for latency in [&rate["latency_ms"], &rate["cpu_latency_ms"]] {
            let quantiles = ["p50", "p90", "p99", "p999", "max"].map(|name| number(latency, name));
            assert!(quantiles[0] > 0.0 && quantiles.is_sorted(), "{latency}");
        }
    }
    for name in ["offered_per_s", "achieved_per_s", "sustained", "latency_ms"] {
        assert_eq!(page[name], rates[0][name], "{name}");
    }
    for name in [
        "events_per_s",
        "events_per_cpu_s",
        "peak_rss_mb",
        "live_sessions",
    ] {
        assert!(number(&page, name) > 0.0, "{name}");
    }
    assert_eq!(
        (&page["workers"], &page["processes"]),
        (&1.into(), &1.into())
    );
    for plot in ["latency.svg", "latency-over-time.svg", "throughput.svg"] {
        let svg = std::fs::read_to_string(plots.join(plot)).unwrap();
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{plot}");
    }
}

#[test]
fn a_rate_that_nobody_could_keep_up_with_is_said_not_to_be_sustained() {
    let (_dir, path) = log(5_000);
    let output = run(&["bench", text(&path), "--rate", "1e9"]);
    assert!(output.status.success(), "{output:?}");
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("NOT SUSTAINED"), "{page}");
}

#[test]
fn workers_processes_and_durability_are_parameters() {
    let (dir, path) = log(5_000);
    let state = dir.path().join("state");
    let replayed = report(&["replay", text(&path), "--policy", LEARNING]);
    let bench = |flags: &[&str]| {
        let all = ["bench", text(&path), "--learning", "--rate", "50000"];
        report(&[&all[..], flags].concat())
    };
    let both = bench(&["-w", "2", "--grain", "50", "--epoch", "5ms"]);
    let durable = bench(&["--state", text(&state)]);
    let processes = bench(&["-n", "2"]);
    for page in [&both, &durable, &processes] {
        assert_eq!(page["digest"], replayed["digest"]);
        assert_eq!(
            (&page["learns"], &page["rates"][0]["offered"]),
            (&true.into(), &5_000.into())
        );
    }
    assert_eq!(
        (&both["workers"], &processes["processes"]),
        (&2.into(), &2.into())
    );
    assert_eq!(durable["durable"], true);
    assert_eq!(
        std::fs::read_dir(&state).unwrap().count(),
        0,
        "nothing is left"
    );
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let learning = std::fs::read_to_string(LEARNING).unwrap();
    let by = |policy: String| RulesText {
        policy,
        ..RulesText::default()
    };
    let mut plan = Plan::read(by(learning.clone()), None).unwrap();
    let other = learning.replace("cooldown = \"10s\"", "cooldown = \"20s\"");
    plan.take_over(1_000, by(other)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    std::fs::write(&journal, plan.journal()).unwrap();
    let refused = [
        (&["--policy-schedule", text(&journal)][..], "rules change"),
        (&["--cost", "--rate", "5"], "cannot be used with"),
        (&["--warm-up", "1"], "--warm-up"),
        (&["--rate", "0"], "--rate"),
        (&["--cost", "-n", "2"], "one process"),
        (&["--rate", "10", "--seconds", "1"], "too few"),
    ];
    for (flags, what) in refused {
        let output = run(&[&["bench", DEMO][..], flags].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(what), "{flags:?}: {said}");
    }
}
