//! Models saved by LightGBM, on the command line.

use crate::common::{report, text};
use crate::shop::{SHOP, assert_refused, decided};
use restage::visit::decision::ppm;
use restage::visit::model::Model;
use std::path::{Path, PathBuf};

fn dump(case: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("tests/fixtures/lightgbm/{case}.txt"))
}

fn read(case: &str) -> Model {
    Model::of_dump(&std::fs::read(dump(case)).unwrap()).unwrap()
}

/// Asserts which model gives each score of the records of a replay.
fn assert_scores(flags: &[&str], label: &str, purchase: &Model, abandon: &Model) {
    let decided = decided(flags);
    assert!(decided.len() > 1_000);
    for (record, row) in decided {
        assert_eq!(record["model"], label);
        let written = |name: &str| (record[name].as_f64().unwrap() * 1e6).round() as u32;
        let (one, two) = (purchase.score(&row.features), abandon.score(&row.features));
        assert_eq!(written("p_purchase"), ppm(one.purchase), "{record}");
        assert_eq!(written("p_abandon"), ppm(two.abandon), "{record}");
    }
}

#[test]
fn a_dump_gives_the_score_it_is_given_for() {
    let (one, other) = (read("default"), read("no_missing"));
    let shipped = Model::shipped();
    assert!(one.label.starts_with("lightgbm@") && one.label != other.label);
    let [default, no_missing] = ["default", "no_missing"].map(dump);
    let (default, no_missing) = (text(&default), text(&no_missing));

    let label = format!("{}+{}", one.label, shipped.label);
    assert_scores(&["--model", default], &label, &one, &shipped);
    let purchase = format!("purchase={default}");
    assert_scores(&["--model", &purchase], &label, &one, &shipped);
    let abandon = format!("abandon={no_missing}");
    let label = format!("{}+{}", shipped.label, other.label);
    assert_scores(&["--model", &abandon], &label, &shipped, &other);
    let both = ["--model", &purchase, "--model", &abandon];
    let label = format!("{}+{}+{}", one.label, shipped.label, other.label);
    let decided = decided(&both);
    for (record, row) in &decided {
        let written = |name: &str| (record[name].as_f64().unwrap() * 1e6).round() as u32;
        assert_eq!(
            written("p_purchase"),
            ppm(one.score(&row.features).purchase)
        );
        assert_eq!(
            written("p_abandon"),
            ppm(other.score(&row.features).abandon)
        );
    }
    assert!(
        decided[0].0["model"]
            .as_str()
            .unwrap()
            .contains(&other.label),
        "{label}"
    );
    // A head of our own file, too.
    let (trees, logistic) = (SHOP.arg("trees.json"), SHOP.arg("logistic.json"));
    let head = format!("abandon={trees}");
    let (whole, of_head) = (SHOP.model("logistic.json"), SHOP.model("trees.json"));
    let label = format!("{}+{}", whole.label, of_head.label);
    assert_scores(
        &["--model", &logistic, "--model", &head],
        &label,
        &whole,
        &of_head,
    );
}

#[test]
fn dumps_that_cannot_be_used_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read_to_string(dump("default")).unwrap();
    std::fs::write(dir.path().join("cut.txt"), &whole[..whole.len() / 2]).unwrap();
    let strange = whole.replace("cart_size", "cart_sise");
    std::fs::write(dir.path().join("strange.txt"), strange).unwrap();
    let log = SHOP.arg("log.csv");
    let refused = |models: &[&str], words: &[&str]| {
        let mut args = vec!["replay", &log, "--out", "out.jsonl"];
        for model in models {
            args.extend(["--model", model]);
        }
        assert_refused(dir.path(), &args, 2, words);
    };
    refused(&["cut.txt"], &["model cut.txt was refused", "cut short"]);
    refused(&["abandon=cut.txt"], &["model cut.txt was refused"]);
    refused(
        &["strange.txt"],
        &["features do not match", "cart_sise is unknown"],
    );
    let default = text(&dump("default")).to_string();
    let head = format!("purchase={default}");
    refused(&[&head, &head], &["--model purchase= stands twice"]);
    refused(&[&default, &default], &["names two models", "abandon=FILE"]);
    refused(&["purchase="], &["--model purchase= names no file"]);
    refused(&["abandon=none.txt"], &["none.txt could not be read"]);
    let judge = ["evaluate", "--intent", "cut.txt", &log];
    assert_refused(dir.path(), &judge, 2, &["cut.txt was refused", "cut short"]);
    let swap = ["replay", &log, "--swap-model", "1000=cut.txt"];
    assert_refused(dir.path(), &swap, 2, &["cut.txt was refused"]);
}

/// A dump says nothing of its training: the log is split, and a regression fitted on the part that
/// is not judged.
#[test]
fn a_dump_is_judged_beside_a_regression() {
    let said = report(&[
        "evaluate",
        "--intent",
        text(&dump("default")),
        &SHOP.arg("log.csv"),
    ]);
    assert_eq!(said["kind"], "trees");
    assert_eq!(said["model"], read("default").label);
    let [trained, _] = &SHOP.said;
    assert_eq!(said["sessions"], trained["sessions"], "the same last fifth");
    assert_eq!(said["judged"], trained["judged"]);
    let beside = &said["baselines"]["logistic"];
    assert_eq!(beside["auc"], trained["auc"], "the regression of `train`");
    assert!(said["auc"].as_f64().unwrap() > 0.5);
}
