//! Tests of a model's plots: text inside and apart, the same bytes, and nothing drawn of nothing.

use super::intent::{PLOTS, intent_plots};
use super::tests::assert_texts_apart;
use crate::evaluate::tests::{judged, simulated};
use crate::evaluate::{Judgement, Options, judge};
use std::fs;

fn drawn(judgement: &Judgement) -> Vec<(&'static str, String)> {
    let draw = |(name, draw): super::Plot<Judgement>| {
        let mut svg = String::new();
        draw(judgement, &mut svg).expect("a string takes all");
        (name, svg)
    };
    PLOTS.into_iter().map(draw).collect()
}

/// One class only, or, with `long`, long names and many baselines.
fn odd(label: Option<bool>, long: bool) -> Judgement {
    let (mut sessions, mut baselines) = simulated(300);
    for row in sessions.iter_mut().flat_map(|session| &mut session.rows) {
        row.label = label.unwrap_or(row.label);
    }
    if long {
        let scores = baselines[1].1.clone();
        let more = std::iter::repeat_n(("a rule with a very long name", scores), 7);
        baselines.extend(more);
    }
    let options = Options {
        replicates: 20,
        ..Options::default()
    };
    let kind = if long {
        "boosted trees of depth four"
    } else {
        "x"
    };
    judge(kind, "abandon", &sessions, &baselines, options)
}

fn cases() -> Vec<(&'static str, Judgement)> {
    vec![
        ("none", judged(0)),
        ("few", judged(12)),
        ("some", judged(3_000)),
        ("no positive", odd(Some(false), false)),
        ("all positive", odd(Some(true), false)),
        ("long", odd(None, true)),
    ]
}

#[test]
fn every_picture_is_whole_and_its_text_inside_and_apart() {
    for (case, judgement) in cases() {
        for (name, svg) in drawn(&judgement) {
            assert_texts_apart(&format!("{case} {name}"), &svg);
            assert!(svg.ends_with("</svg>\n"), "{case} {name}");
            assert!(
                !svg.contains("NaN") && !svg.contains("inf"),
                "{case} {name}"
            );
            assert!(svg.len() < 150_000, "{case} {name}: {} bytes", svg.len());
        }
    }
}

#[test]
fn rows_of_one_class_are_said_to_be() {
    for (judgement, why) in [
        (judged(0), "no rows\n"),
        (odd(Some(false), false), "no row is positive\n"),
        (odd(Some(true), false), "every row is positive\n"),
    ] {
        for (name, svg) in drawn(&judgement) {
            assert!(svg.contains(why), "{name}: {svg}");
            assert!(!svg.contains("<polyline"), "{name}: {svg}");
        }
    }
}

#[test]
fn the_curves_and_their_figures_are_there() {
    let plots = drawn(&judged(3_000));
    let has = |n: usize, text: &str| assert!(plots[n].1.contains(text), "{text}");
    has(0, "ROC curve (logistic, p_purchase)");
    has(0, "cart_only: AUC 0.");
    has(0, "base_rate: AUC 0.500 (0.500 to 0.500)");
    has(1, "share of positives: 0.0");
    has(2, "after 13 events: ");
    has(3, "events so far");
    // The band of the model is the only area; the lines are three and that of chance.
    assert_eq!(plots[3].1.matches("<polygon").count(), 1);
}

#[test]
fn files_are_the_same_for_the_same_judgement() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("plots");
    let paths = intent_plots(&dir, &judged(400)).expect("plots");
    let names: Vec<_> = paths.iter().filter_map(|path| path.file_name()).collect();
    let expected = [
        "roc.svg",
        "precision_recall.svg",
        "reliability.svg",
        "auc_by_prefix.svg",
    ];
    assert_eq!(names, expected);
    let read = || paths.iter().map(fs::read).collect::<Result<Vec<_>, _>>();
    let first = read().expect("files");
    intent_plots(&dir, &judged(400)).expect("plots");
    assert_eq!(first, read().expect("files"));
}
