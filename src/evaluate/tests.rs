//! Tests of a judgement as a whole, and the simulated scores that the plots are tested with.

use super::*;
use crate::event::mix;

/// Names of baselines, and their scores for every session's rows.
type Named = Vec<(&'static str, Vec<Vec<f64>>)>;

/// Sessions of some eight rows, some of which buy, with scores that get better with the events;
/// with them the scores of a constant and of a rule that knows only whether there is a cart.
pub(crate) fn simulated(sessions: u64) -> (Vec<ScoredSession>, Named) {
    let mut all = Vec::new();
    let (mut constant, mut cart) = (Vec::new(), Vec::new());
    for n in 0..sessions {
        let unit = |salt: u64| (mix(n * 64 + salt) >> 11) as f64 / (1u64 << 53) as f64;
        let length = (1.0 - unit(0).ln() * 7.0).min(40.0) as u32;
        let buys = unit(1) < 0.02 * f64::from(length).sqrt();
        let put = (f64::from(length) * unit(2)) as u32 + 1;
        let carts = buys || unit(3) < 0.15;
        let mut rows = Vec::new();
        for events in 1..=length {
            let knows = (f64::from(events) / 12.0).min(1.0);
            let noise = (unit(4 + u64::from(events)) - 0.5) * 4.0;
            let pull = if buys { 3.5 * knows } else { -0.6 * knows };
            let log_odds = -2.9 + pull + noise * (1.0 - 0.4 * knows);
            rows.push(ScoredRow {
                events,
                at_ms: 1_767_571_200_000 + n * 10_000 + u64::from(events) * 25_000,
                label: buys && events < length,
                score: crate::visit::model::sigmoid(log_odds),
            });
        }
        constant.push(vec![0.05; rows.len()]);
        let rule = |row: &ScoredRow| {
            if carts && row.events >= put {
                0.3
            } else {
                0.03
            }
        };
        cart.push(rows.iter().map(rule).collect());
        let outcome = rows.last().filter(|_| buys).map(|row| Outcome {
            event: row.events,
            at_ms: row.at_ms,
        });
        all.push(ScoredSession { rows, outcome });
    }
    (all, vec![("base_rate", constant), ("cart_only", cart)])
}

pub(crate) fn judged(sessions: u64) -> Judgement {
    let (sessions, baselines) = simulated(sessions);
    let options = Options {
        replicates: 100,
        ..Options::default()
    };
    judge("logistic", "purchase", &sessions, &baselines, options)
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_names_of_the_report_are_fixed() {
    for report in [judged(0).report, judged(600).report] {
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!(
            keys(&json),
            [
                "auc",
                "average_precision",
                "average_precision_interval",
                "baselines",
                "brier",
                "by_prefix",
                "ece",
                "interval",
                "kind",
                "label",
                "lead_time",
                "log_loss",
                "positives",
                "replicates",
                "replicates_skipped",
                "rows",
                "sessions",
            ]
        );
        assert_eq!(json["by_prefix"].as_array().map(Vec::len), Some(7));
        assert_eq!(
            keys(&json["by_prefix"][0]),
            [
                "auc",
                "average_precision",
                "average_precision_interval",
                "brier",
                "ece",
                "events",
                "interval",
                "log_loss",
                "positives",
                "rows",
            ]
        );
        let cart = &json["baselines"]["cart_only"];
        let overall = ["auc", "auc_difference", "average_precision", "brier"];
        let more = ["by_prefix", "interval", "log_loss"];
        assert_eq!(keys(cart), [&overall[..], &more[..]].concat());
        assert_eq!(keys(&cart["by_prefix"][6]), ["auc", "events", "interval"]);
        let difference = &cart["auc_difference"];
        assert_eq!(
            keys(&difference["by_prefix"][6]),
            ["difference", "events", "interval", "share_above_zero"]
        );
        assert!(difference["overall"].get("difference").is_some());
        for name in ["precision", "events_median", "seconds_median", "recall"] {
            assert!(json["lead_time"].get(name).is_some(), "{name}");
        }
    }
}

#[test]
fn what_is_not_defined_is_null_and_a_dash() {
    let report = judged(0).report;
    let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
    for name in ["auc", "average_precision", "log_loss", "ece", "interval"] {
        assert!(json[name].is_null(), "{name}");
        assert!(json["by_prefix"][3][name].is_null(), "{name}");
    }
    assert!(json["lead_time"]["events_median"].is_null());
    assert!(json["baselines"]["base_rate"]["auc"].is_null());
    let page = report.text();
    assert!(page.contains("the rows are of one class"), "{page}");
    assert!(page.contains("too few sessions to flag"), "{page}");
}

#[test]
fn a_judgement_is_a_function_of_its_sessions() {
    let first = judged(800);
    let again = judged(800);
    assert_eq!(first.report.json(), again.report.json());
    assert_eq!(first.curves, again.curves);
    let report = &first.report;
    assert_eq!(report.by_prefix[0].figures.rows, 800);
    let constant = &report.baselines.0[0].1;
    assert_eq!(constant.auc, Some(0.5));
    let lead = constant.auc_difference.overall;
    let overall = report.overall.auc.expect("both classes");
    assert_eq!(lead.difference, Some(overall - 0.5));
    assert_eq!(lead.share_above_zero, Some(1.0));
}

#[test]
fn the_page_is_aligned_and_says_it_in_words() {
    let page = judged(3_000).report.text();
    let lines: Vec<&str> = page.lines().collect();
    assert!(lines[0].starts_with("model        logistic, for p_purchase"));
    let head = lines.iter().position(|line| line.contains("95 % interval"));
    let table = &lines[head.expect("a table")..][..8];
    let length = table[0].len();
    assert!(table.iter().all(|line| line.len() == length), "{page}");
    assert!(table[0].ends_with("AUC base_rate  AUC cart_only"), "{page}");
    assert!(page.contains("over cart_only ("), "{page}");
    assert!(page.contains("before the last purchase"), "{page}");
    assert!(lines.iter().all(|line| line.len() <= 108), "{page}");
}

#[test]
fn scores_that_are_no_numbers_are_judged_without_a_panic() {
    let (mut sessions, baselines) = simulated(50);
    for session in &mut sessions {
        for row in &mut session.rows {
            row.score = [f64::NAN, f64::INFINITY, -1.0][row.events as usize % 3];
        }
    }
    let judgement = judge("x", "abandon", &sessions, &baselines, Options::default());
    assert!(!judgement.report.json().contains("NaN"));
    assert!(judgement.report.text().contains("p_abandon"));
}
