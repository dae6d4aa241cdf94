//! What a user sees of learning: the bundled policy that learns, its report, its plot, its refusals.

mod common;

use common::{report, run, text};
use serde_json::Value;
use std::fs;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/demo.csv");
const LEARNING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/learning.toml");

fn out(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_bundled_policy_is_printed_and_good() {
    assert_eq!(
        out(&["policy", "--learning"]),
        fs::read_to_string(LEARNING).unwrap()
    );
    let checked = out(&["policy", "check", LEARNING]);
    assert!(checked.contains("4 slots (4 of them learned)"), "{checked}");
}

/// What was learned is part of the report, and the same for any number of workers.
#[test]
fn the_report_says_what_was_learned() {
    let of = |workers: &str| report(&["replay", DEMO, "--policy", LEARNING, "-w", workers]);
    let one = of("1");
    let slots = one["slots"].as_array().unwrap();
    let names: Vec<_> = slots
        .iter()
        .map(|slot| slot["slot"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["banner", "grid", "promo", "cta"]);
    for slot in slots {
        assert_eq!(
            (&slot["method"], &slot["frozen"]),
            (&"thompson".into(), &false.into())
        );
        // Every exposure of a leaf is one of the slot.
        let exposures = |arms: &Value| -> Vec<i64> {
            let arms = arms.as_array().unwrap().iter();
            arms.map(|arm| arm["exposures"].as_i64().unwrap()).collect()
        };
        let mut sum = vec![0; slot["arms"].as_array().unwrap().len()];
        for leaf in slot["leaves"].as_array().unwrap() {
            for (sum, more) in sum.iter_mut().zip(exposures(&leaf["arms"])) {
                *sum += more;
            }
        }
        assert_eq!(sum, exposures(&slot["arms"]));
        assert!(sum.iter().sum::<i64>() > 500, "{slot}");
        assert!(slot["lift"]["visitors"]["held"].as_i64().unwrap() > 0);
    }
    let visitors = &one["lift"]["visitors"];
    let groups = ["treated", "held"].map(|group| visitors[group].as_u64().unwrap());
    assert!(groups[1] > 0 && groups.iter().sum::<u64>() <= one["visitors"].as_u64().unwrap());
    let two = of("2");
    for part in ["digest", "lift", "slots", "set_aside"] {
        assert_eq!(one[part], two[part], "{part}");
    }
}

#[test]
fn the_page_shows_lift_and_slots_and_a_plot_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let page = out(&[
        "replay",
        DEMO,
        "--policy",
        LEARNING,
        "--plot",
        text(dir.path()),
    ]);
    for start in [
        "lift ",
        "groups ",
        "slot         banner (thompson)",
        "slot         promo",
    ] {
        assert!(
            page.lines().any(|line| line.starts_with(start)),
            "{start}: {page}"
        );
    }
    assert!(page.contains("free_shipping promised "), "{page}");
    let plot = fs::read_to_string(dir.path().join("lift.svg")).unwrap();
    assert!(plot.contains("Lift against the holdout"));
}

/// Without a holdout there is nothing to compare, and without learned slots nothing learned.
#[test]
fn what_does_not_apply_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("all.toml");
    fs::write(&policy, "version = 1\n[holdout]\nshare = 0.0\n").unwrap();
    let args = ["replay", DEMO, "--policy", text(&policy)];
    let found = report(&args);
    assert_eq!(
        (&found["lift"], &found["slots"]),
        (&Value::Null, &Value::Array(Vec::new()))
    );
    let page = out(&[&args[..], &["--plot", text(dir.path())]].concat());
    assert!(
        !page
            .lines()
            .any(|line| line.starts_with("lift") || line.starts_with("slot"))
    );
    assert!(!dir.path().join("lift.svg").exists());
}

#[test]
fn a_policy_that_cannot_learn_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("bold.toml");
    let bold = fs::read_to_string(LEARNING).unwrap();
    fs::write(&policy, bold.replacen("\"thompson\"", "\"thomson\"", 1)).unwrap();
    let output = run(&["replay", DEMO, "--policy", text(&policy)]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let line = 1 + bold
        .lines()
        .position(|line| line.starts_with("learn ="))
        .unwrap();
    assert!(
        said.contains(&format!("bold.toml: line {line}, ")),
        "{said}"
    );
    assert!(said.contains("did you mean `thompson`?"), "{said}");
}

/// A policy that draws between two banners, with other lines, and what its report says on the demo.
fn page_of(lines: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy.toml");
    let rest = "version = 1\nname = \"two\"\n[[slot]]\nname = \"banner\"\ndefault = \"a\"\nlearn = {}\n\
                arm = [{ name = \"a\" }, { name = \"b\" }]\n";
    let (version, slots) = rest.split_once('\n').unwrap();
    fs::write(&policy, format!("{version}\n{lines}\n{slots}")).unwrap();
    out(&["replay", DEMO, "--policy", text(&policy)])
}

/// What has not begun, or nobody can be compared by, is said in words, not left out.
#[test]
fn the_report_says_why_nothing_is_known() {
    let page = page_of("learning = { from = 2030-01-01T00:00:00Z }");
    assert!(
        page.contains("lift         nothing yet: until learning.from, 2030-01-01"),
        "{page}"
    );
    assert!(
        page.contains("slot         banner (thompson): nothing is known"),
        "{page}"
    );
    let page = page_of("learning = { counts = \"seen\" }");
    assert!(
        page.contains(
            "banner (thompson): nothing is known; no exposure counts: with counts = \"seen\""
        ),
        "{page}"
    );
    let page = page_of("learning = { value_max = 1.0 }");
    assert!(page.contains("value_max "), "{page}");
}

/// Before the first order there is a comparison, which collects.
#[test]
fn without_an_order_the_lift_collects() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.csv");
    let demo = fs::read_to_string(DEMO).unwrap();
    let kept = demo.lines().filter(|line| !line.contains("purchase"));
    fs::write(
        &log,
        kept.map(|line| format!("{line}\n")).collect::<String>(),
    )
    .unwrap();
    let page = out(&["replay", text(&log), "--policy", LEARNING]);
    assert!(page.contains("lift         still collecting: "), "{page}");
    assert!(page.contains("groups "), "{page}");
}
