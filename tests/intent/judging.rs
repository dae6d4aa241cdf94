//! What `train` and `evaluate` say of a model: the names that programs rely on, and the same
//! figures whoever is asked.

use crate::common::{report, restage, simulated, text};
use crate::shop::{SHOP, rows};
use restage::visit::model::{Label, Model};
use serde_json::Value;

fn assert_has_the_fixed_names(said: &Value) {
    for name in [
        "kind",
        "rows",
        "positives",
        "auc",
        "average_precision",
        "log_loss",
        "brier",
        "ece",
        "by_prefix",
        "baselines",
        "lead_time",
    ] {
        assert!(!said[name].is_null(), "{name} is missing in {said}");
    }
    let by_prefix = said["by_prefix"].as_array().unwrap();
    let events: Vec<u64> = by_prefix
        .iter()
        .map(|stage| stage["events"].as_u64().unwrap())
        .collect();
    assert_eq!(events, [1, 2, 3, 5, 8, 13, 21]);
    let mut rows_before = u64::MAX;
    for stage in by_prefix {
        let rows = stage["rows"].as_u64().unwrap();
        assert!(rows <= rows_before, "fewer sessions are longer");
        rows_before = rows;
        assert!(stage["positives"].as_u64().unwrap() <= rows);
        for name in ["auc", "average_precision", "interval"] {
            assert!(stage.get(name).is_some(), "{name}, if null");
        }
        if let Some(interval) = stage["interval"].as_array() {
            let [low, high] = [0, 1].map(|at| interval[at].as_f64().unwrap());
            assert!(0.0 <= low && low <= high && high <= 1.0);
        }
    }
    for (name, baseline) in said["baselines"].as_object().unwrap() {
        assert!(baseline["auc"].is_f64(), "{name}");
        assert!(baseline["average_precision"].is_f64(), "{name}");
    }
    for name in ["precision", "events_median", "seconds_median"] {
        assert!(said["lead_time"].get(name).is_some(), "{name}, if null");
    }
}

fn baselines(said: &Value) -> Vec<&str> {
    let baselines = said["baselines"].as_object().unwrap();
    baselines.keys().map(String::as_str).collect()
}

#[test]
fn reports_have_the_names_that_are_fixed() {
    for said in &SHOP.said {
        assert_has_the_fixed_names(said);
    }
    assert_eq!(baselines(&SHOP.said[0]), ["base_rate", "cart_only"]);
    assert_eq!(
        baselines(&SHOP.said[1]),
        ["base_rate", "cart_only", "logistic"]
    );
    let [logistic, trees] = &SHOP.said;
    assert_eq!([&logistic["kind"], &trees["kind"]], ["logistic", "trees"]);
    assert_eq!(logistic["baselines"]["base_rate"]["auc"], 0.5);
    // The regression beside the trees is the regression.
    assert_eq!(trees["baselines"]["logistic"]["auc"], logistic["auc"]);
}

/// The split stands in the model: on the log it was trained on, a model is judged on what it has
/// not seen, and the figures are those of the training to the last bit.
#[test]
fn evaluate_on_the_training_log_repeats_what_train_said() {
    for (name, trained) in ["logistic.json", "trees.json"].iter().zip(&SHOP.said) {
        let (model, log) = (SHOP.arg(name), SHOP.arg("log.csv"));
        let mut judged = report(&["evaluate", "--intent", &model, &log, "-w", "2"]);
        assert_has_the_fixed_names(&judged);
        let mut trained = trained.clone();
        for extra in ["other", "written", "notes"] {
            trained.as_object_mut().unwrap().remove(extra);
            judged.as_object_mut().unwrap().remove(extra);
        }
        assert_eq!(judged, trained);
        let abandon = ["evaluate", "--intent", &model, &log, "--label", "abandon"];
        assert_eq!(report(&abandon)["label"], "abandon");
    }
}

#[test]
fn another_log_is_judged_whole() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("other.csv");
    simulated(&log, 6, 12_000);
    let said = report(&["evaluate", "--intent", &SHOP.arg("trees.json"), text(&log)]);
    let replayed = report(&["replay", text(&log)]);
    assert_eq!(said["sessions"], replayed["sessions"]);
    assert_eq!(said["judged"], "all sessions");
    assert_eq!(
        baselines(&said),
        ["base_rate", "cart_only", "logistic"],
        "the regression comes with the trees"
    );
    let part = ["evaluate", "--intent", &SHOP.arg("trees.json"), text(&log)];
    let part = report(&[&part[..], &["--split", "time"]].concat());
    let [all, part] = [&said, &part].map(|said| said["sessions"].as_f64().unwrap());
    assert!((0.18..0.22).contains(&(part / all)), "{part} of {all}");
}

#[test]
fn a_model_fitted_on_all_of_a_log_is_not_judged_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("folds.json");
    let (model, log) = (text(&model), SHOP.arg("log.csv"));
    let said = report(&["train", &log, "--folds", "3", "--out", model]);
    let replayed = report(&["replay", &log]);
    assert_eq!(said["sessions"], replayed["sessions"], "each in its turn");
    crate::shop::assert_refused(
        dir.path(),
        &["evaluate", "--intent", model, &log],
        2,
        &["fitted on all of this log", "another log"],
    );
    // Asked for outright, it is done, and said to be what it is.
    let flags = ["--split", "time"];
    let anyway = report(&[&["evaluate", "--intent", model, &log][..], &flags].concat());
    let notes = anyway["notes"].to_string();
    assert!(notes.contains("partly on what it has seen"), "{notes}");
}

/// On a log of its own size, boosted trees find what is there to be found.
#[test]
fn trees_rank_and_are_calibrated() {
    let dir = tempfile::tempdir().unwrap();
    let [log, other] = ["log.csv", "other.csv"].map(|name| dir.path().join(name));
    simulated(&log, 31, 60_000);
    simulated(&other, 32, 20_000);
    let model = dir.path().join("trees.json");
    let train = ["train", text(&log), "--out", text(&model)];
    let said = report(&[&train[..], &["--kind", "trees", "--replicates", "100"]].concat());
    let figure = |name: &str| said[name].as_f64().unwrap();
    assert!(figure("auc") > 0.65, "AUC {}", figure("auc"));
    assert!(figure("ece") < 0.05, "ECE {}", figure("ece"));
    let base = &said["baselines"]["base_rate"];
    assert!(figure("log_loss") < base["log_loss"].as_f64().unwrap());
    assert!(figure("average_precision") > 2.0 * base["average_precision"].as_f64().unwrap());
    let lead = &base["auc_difference"]["overall"];
    assert!(lead["interval"][0].as_f64().unwrap() > 0.1, "{lead}");

    let model = Model::read(&std::fs::read(&model).unwrap()).unwrap();
    let sessions = rows(&other, 2);
    for label in Label::ALL {
        let (mut score, mut rate, mut all) = (0.0, 0.0, 0.0);
        for session in &sessions {
            for (row, weight) in session.weighted() {
                let scores = model.score(&row.features);
                score += weight
                    * match label {
                        Label::Purchase => scores.purchase,
                        Label::Abandon => scores.abandon,
                    };
                rate += weight * f64::from(session.label(label, row));
                all += weight;
            }
        }
        let [score, rate] = [score, rate].map(|sum| sum / all);
        assert!(rate > 0.005, "{label:?} happens: {rate}");
        assert!(
            (score / rate - 1.0).abs() < 0.35,
            "{label:?}: {score} {rate}"
        );
    }
}

/// A page for people has the same figures as the JSON.
#[test]
fn the_page_names_the_figures() {
    let (model, log) = (SHOP.arg("logistic.json"), SHOP.arg("log.csv"));
    let output = restage()
        .args(["evaluate", "--intent", &model, &log])
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    let auc = SHOP.said[0]["auc"].as_f64().unwrap();
    assert!(page.contains(&format!("AUC {auc:.3}")), "{page}");
    assert!(page.contains(SHOP.said[0]["judged"].as_str().unwrap()));
}
