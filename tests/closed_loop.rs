//! `restage simulate --closed-loop` as a user runs it.

mod common;

use common::{report, run};
use std::path::Path;

const EXPERT: &str = r#"
version = 1
name = "expert"
stability = { cooldown = "0s", min_gain = 0.0, changes_max = 1000 }
holdout = { share = 0.0 }
[[slot]]
name = "banner"
default = "brand"
arm = [
  { name = "brand" },
  { name = "category_guide", when = { phase = ["exploring"] } },
  { name = "basket_reminder", when = { phase = ["deciding", "buying"] } },
]
rule = [{ arm = "category_guide", gain = 1.0 }, { arm = "basket_reminder", gain = 1.0 }]
"#;

fn closed(policy: &Path, more: &[&str]) -> std::process::Output {
    let policy = policy.to_str().unwrap();
    let mut flags = vec!["simulate", "--closed-loop", "--policy", policy];
    if !more.contains(&"--sessions") {
        flags.extend(["--sessions", "3000"]);
    }
    flags.extend(more);
    run(&flags)
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_experiment_is_reported_drawn_and_logged_and_the_log_replays() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("expert.toml"), EXPERT).unwrap();
    let (log, plots) = (at("log.csv"), at("plots"));
    let output = closed(
        Path::new(&at("expert.toml")),
        &["--json", "--out", &log, "--plot", &plots],
    );
    assert!(output.status.success(), "{}", said(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["sessions"], &json["seed"]),
        (&3000.into(), &1.into())
    );
    assert!(json["oracle_gain"].as_f64().unwrap() > 0.0);
    assert!(json["gain_ratio"].is_number() && json["regret"].is_number());
    assert!(dir.path().join("plots/regret.svg").is_file());
    let replayed = report(&["replay", &log]);
    assert_eq!(replayed["sessions"], 3000);
    assert_eq!(replayed["rejected"], serde_json::json!({}));
    let policy = &json["runs"][0]["rivals"][4];
    assert_eq!(policy["name"], "policy");
    assert_eq!(policy["orders"], replayed["kinds"]["purchase"]);
}

/// Two slots that learn from what came of their draws, a quantum of an hour.
const LEARNER: &str = r#"
version = 1
name = "learner"
stability = { cooldown = "5s", min_gain = 0.0 }
holdout = { share = 0.2 }
tables = { quantum = "1h", lag = "2h" }
[[slot]]
name = "banner"
default = "brand"
context = ["phase", "device"]
learn = { method = "thompson", warm_up = 20 }
arm = [{ name = "brand" }, { name = "category_guide" }, { name = "basket_reminder" }]
[[slot]]
name = "promo"
default = "none"
context = ["phase"]
learn = { method = "epsilon_greedy", warm_up = 20 }
arm = [{ name = "none" }, { name = "cart_discount", discount = 0.12 }]
"#;

/// The loop is the job: its log, replayed by two workers under the same policy, brings the same
/// decisions as the shoppers were shown, tables and all.
#[test]
fn a_learned_loop_replays_to_the_same_decisions() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (policy, log) = (at("learner.toml"), at("log.csv"));
    std::fs::write(&policy, LEARNER).unwrap();
    let output = closed(Path::new(&policy), &["--json", "--out", &log]);
    assert!(output.status.success(), "{}", said(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &json["runs"][0];
    assert_eq!(run["learned"].as_array().unwrap().len(), 2);
    assert!(json["lift"]["verdict"].is_string() && json["lift"]["truth"].is_number());
    for workers in ["1", "2"] {
        let replayed = report(&["replay", &log, "--policy", &policy, "-w", workers]);
        assert_eq!(replayed["digest"], run["digest"]);
    }
    let drawn = run["learned"][0]["leaves"][0]["arms"][0]["share"].as_f64();
    assert!(
        drawn.is_some_and(|share| share != 0.333_333),
        "nothing was learned"
    );
}

#[test]
fn wrong_use_is_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy.toml");
    std::fs::write(&policy, EXPERT.replace("category_guide", "category_gide")).unwrap();
    let output = closed(&policy, &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    assert!(said.contains("did you mean `category_guide`?"), "{said}");
    std::fs::write(&policy, EXPERT).unwrap();
    let output = closed(&policy, &["--out", "-"]);
    assert_eq!(output.status.code(), Some(2));
    let output = closed(&policy, &["--out", "/nowhere/at/all.csv"]);
    assert_eq!(output.status.code(), Some(5));
    let output = closed(&policy, &["--sessions", "0"]);
    assert_eq!(output.status.code(), Some(2));
    for flags in [
        &["simulate", "--sessions", "5", "--out", "x.csv"][..],
        &["simulate", "--closed-loop", "--events", "5"],
        &["simulate"],
    ] {
        assert_eq!(run(flags).status.code(), Some(2), "{flags:?}");
    }
}
