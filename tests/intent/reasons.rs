//! Reasons: what moved the score that a decision rests on, in the record and in the story.

use crate::common::{run, text};
use crate::shop::{CLEAN_ROWS, SHOP, decided};
use restage::event::VisitorId;
use restage::visit::feature::{FEATURE_COUNT, FEATURES};
use restage::visit::model::{Label, Model};
use restage::visit::policy::DEFAULT_POLICY;
use restage::visit::rows::Row;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The shipped policy with another number of factors.
fn policy(dir: &Path, factors: &str) -> String {
    let path = dir.join(format!("factors{factors}.toml"));
    let wanted = format!("factors = {factors}");
    let policy = match DEFAULT_POLICY.contains("factors = 3") {
        true => DEFAULT_POLICY.replace("factors = 3", &wanted),
        false => format!("{DEFAULT_POLICY}\n[reason]\n{wanted}\n"),
    };
    std::fs::write(&path, policy).unwrap();
    text(&path).into()
}

/// What each feature added to a score, greatest first.
fn contributions(model: &Model, label: Label, row: &Row) -> Vec<(&'static str, f64)> {
    let mut parts = [0.0; FEATURE_COUNT];
    model.contributions(label, &row.features, &mut parts);
    let named = FEATURES.iter().zip(parts);
    let mut named: Vec<_> = named.map(|(feature, part)| (feature.name, part)).collect();
    named.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()));
    named
}

/// The sentence about the score, if the record has one.
fn sentence(record: &Value) -> Option<&str> {
    let reasons = record["reason"].as_array().unwrap();
    let mut about = reasons
        .iter()
        .map(|reason| reason.as_str().unwrap())
        .filter(|reason| reason.starts_with("p_"));
    let found = about.next();
    assert_eq!(about.next(), None, "one sentence at most");
    found
}

fn expected(model: &Model, label: Label, row: &Row, most: usize) -> String {
    let parts = contributions(model, label, row);
    let told = parts
        .iter()
        .map(|(name, part)| (name, (part * 100.0).round() / 100.0))
        .filter(|(_, part)| *part != 0.0)
        .take(most)
        .map(|(name, part)| format!("{name} {part:+.2}"));
    let told: Vec<String> = told.collect();
    format!("p_{} by {}", label.name(), told.join(", "))
}

#[test]
fn records_say_what_moved_the_score() {
    for name in ["logistic.json", "trees.json"] {
        let model = SHOP.model(name);
        let (mut told, mut silent, mut of_abandon) = (0, 0, 0);
        for (record, row) in decided(&["--model", &SHOP.arg(name)]) {
            let changed = !record["changed"].as_array().unwrap().is_empty();
            let Some(sentence) = sentence(&record) else {
                assert!(!changed, "a change without a reason: {record}");
                silent += 1;
                continue;
            };
            assert!(changed, "a reason without a change: {record}");
            let label = match record["phase"].as_str().unwrap() {
                "hesitating" => Label::Abandon,
                _ => Label::Purchase,
            };
            of_abandon += usize::from(label == Label::Abandon);
            assert_eq!(sentence, expected(&model, label, row, 3), "{record}");
            told += 1;
        }
        assert!(told > 300 && silent > 300, "{told} told, {silent} not");
        assert!(of_abandon > 0, "no visitor hesitated");
    }
}

#[test]
fn the_policy_says_how_many_factors() {
    let dir = tempfile::tempdir().unwrap();
    let model = SHOP.model("logistic.json");
    for factors in [0, 1, 5] {
        let policy = policy(dir.path(), &factors.to_string());
        let flags = ["--model", &SHOP.arg("logistic.json"), "--policy", &policy];
        let mut told = 0;
        for (record, row) in decided(&flags) {
            let Some(sentence) = sentence(&record) else {
                continue;
            };
            told += 1;
            let label = match sentence.starts_with("p_abandon") {
                true => Label::Abandon,
                false => Label::Purchase,
            };
            assert_eq!(sentence, expected(&model, label, row, factors));
        }
        assert_eq!(told > 300, factors > 0, "{told} with {factors} factors");
        assert_eq!(told == 0, factors == 0);
    }
}

#[test]
fn too_many_factors_are_refused_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let log = SHOP.arg("log.csv");
    for (text, words) in [
        ("factors = 6", ["line 3", "reason.factors 6 is more than 5"]),
        ("factors = -1", ["line 3", "integer `-1`"]),
        ("factors = \"many\"", ["line 3", "string \"many\""]),
        ("factor = 3", ["line 3", "did you mean `factors`?"]),
    ] {
        let policy = format!("version = 1\n[reason]\n{text}\n");
        std::fs::write(dir.path().join("p.toml"), policy).unwrap();
        let args = ["replay", &log, "--policy", "p.toml", "--out", "o.jsonl"];
        crate::shop::assert_refused(dir.path(), &args, 2, &["p.toml", words[0], words[1]]);
    }
}

/// The story shows the three greatest contributions to both scores after every event.
#[test]
fn a_story_shows_the_contributions() {
    let mut by_visitor: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
    for ((visitor, _), row) in CLEAN_ROWS.iter() {
        by_visitor.entry(*visitor).or_default().push(row);
    }
    let log = std::fs::read_to_string(SHOP.file("clean.csv")).unwrap();
    let visitors = log.lines().skip(1).map(|row| row.split(',').nth(2));
    let visitor = visitors.flatten().find(|visitor| {
        let number = VisitorId::of(visitor.as_bytes()).0;
        (6..40).contains(&by_visitor[&number].len())
    });
    let visitor = visitor.expect("a visitor with a few events");
    for name in ["logistic.json", "trees.json"] {
        let (model, clean) = (SHOP.model(name), SHOP.arg("clean.csv"));
        let file = SHOP.arg(name);
        let output = run(&["explain", &clean, "--visitor", visitor, "--model", &file]);
        assert!(output.status.success());
        let story = String::from_utf8(output.stdout).unwrap();
        assert!(story.contains(&model.label));
        for row in &by_visitor[&VisitorId::of(visitor.as_bytes()).0] {
            let scores = model.score(&row.features);
            let pairs = [
                ("p_purchase", Label::Purchase, scores.purchase),
                ("p_abandon ", Label::Abandon, scores.abandon),
            ];
            for (score, label, value) in pairs {
                let parts = contributions(&model, label, row);
                let sum = model.log_odds(label, &row.features);
                let others: f64 = parts[3..].iter().map(|(_, p)| p).sum();
                let parts = parts[..3].iter().map(|(n, p)| format!("{n} {p:+.2}"));
                let parts = parts.collect::<Vec<_>>().join(", ");
                let found = story.lines().any(|line| {
                    line.contains(score)
                        && line.contains(&format!("{value:.4} (log-odds {sum:+.2} = average "))
                        && line.ends_with(&format!(", {parts}, others {others:+.2})"))
                });
                assert!(found, "{score} {value:.4} {parts} is not in\n{story}");
            }
        }
    }
}
