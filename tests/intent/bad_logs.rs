//! Training and judging on what cannot be learned from, or with flags that make no sense: a clear
//! word, the right code, and nothing left behind.

use crate::common::{report, run, simulated, text};
use crate::shop::{SHOP, assert_refused, names};
use tempfile::TempDir;

/// A folder with the shop's log in it, and logs that are made of it.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let log = std::fs::read_to_string(SHOP.file("log.csv")).unwrap();
    let header = log.lines().next().unwrap();
    let write = |name: &str, keep: &dyn Fn(&str) -> bool| {
        let rows: Vec<&str> = log.lines().skip(1).filter(|row| keep(row)).collect();
        let text = format!("{header}\n{}\n", rows.join("\n"));
        std::fs::write(dir.path().join(name), text).unwrap();
    };
    write("log.csv", &|_| true);
    write("no_purchase.csv", &|row| !row.contains(",purchase,"));
    write("all_buy.csv", &|row| row.contains(",purchase,"));
    let few: Vec<&str> = log.lines().take(30).collect();
    std::fs::write(dir.path().join("few.csv"), few.join("\n")).unwrap();
    std::fs::write(dir.path().join("header.csv"), format!("{header}\n")).unwrap();
    std::fs::write(dir.path().join("empty.csv"), "").unwrap();
    dir
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let dir = folder();
    let refused = |log: &str, code: i32, words: &[&str]| {
        for kind in ["logistic", "trees"] {
            let args = ["train", log, "--out", "m.json", "--kind", kind];
            assert_refused(dir.path(), &args, code, words);
        }
    };
    let least = "a model needs 10 of each";
    refused("no_purchase.csv", 1, &["0 of the", "`purchase`", least]);
    refused("all_buy.csv", 1, &["0 do not", least]);
    refused("few.csv", 1, &["`purchase`", least]);
    refused("header.csv", 1, &["0 of the 0 sessions", least]);
    refused("empty.csv", 2, &["empty.csv was empty"]);
    refused("none.csv", 5, &["could not open none.csv"]);
    let folds = ["train", "few.csv", "--out", "m.json", "--folds", "5"];
    assert_refused(dir.path(), &folds, 1, &[least]);
}

/// Purchases and other sessions, but of the features asked for none varies.
#[test]
fn features_that_never_vary_teach_nothing() {
    let dir = folder();
    for flags in [
        &["--keep", "prior_sessions"][..],
        &["--keep", "day_of_week"],
        &["--keep", "cart_size", "--drop", "cart_size"],
    ] {
        let args = [&["train", "log.csv", "--out", "m.json"][..], flags].concat();
        let words = ["no feature tells two sessions apart"];
        assert_refused(dir.path(), &args, 1, &words);
    }
}

/// The other score is a constant where it cannot be learned, and that is said.
#[test]
fn a_log_without_purchases_can_still_teach_abandonment() {
    let dir = folder();
    let log = dir.path().join("no_purchase.csv");
    let out = dir.path().join("m.json");
    let args = ["train", text(&log), "--out", text(&out)];
    let said = report(&[&args[..], &["--label", "abandon", "--kind", "trees"]].concat());
    assert_eq!(said["label"], "abandon");
    let notes = said["notes"].to_string();
    assert!(
        notes.contains("too few sessions for `purchase` (0 with it"),
        "{notes}"
    );
    assert!(said["other"]["auc"].is_null());
    let replayed = report(&["replay", text(&log), "--model", text(&out)]);
    assert!(replayed["decisions"].as_u64().unwrap() > 0);
}

#[test]
fn a_place_that_cannot_be_written_is_known_before_the_work() {
    let dir = folder();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    let refused = |out: &str, code: i32, words: &[&str]| {
        let args = ["train", "log.csv", "--out", out];
        assert_refused(dir.path(), &args, code, words);
    };
    refused("none/m.json", 5, &["none/m.json could not be written"]);
    refused("log.csv/m.json", 5, &["could not be written"]);
    refused("folder", 2, &["--out folder is a folder"]);
    refused("log.csv", 2, &["log.csv is one of the logs"]);
    refused("./folder/../log.csv", 2, &["is one of the logs"]);
    refused("-", 2, &["--out needs a file"]);
    let plot = [
        "train",
        "log.csv",
        "--out",
        "m.json",
        "--plot",
        "header.csv",
    ];
    let words = ["--plot header.csv is not a folder"];
    assert_refused(dir.path(), &plot, 2, &words);
    assert_eq!(names(&dir.path().join("folder")).len(), 0);
    let log = std::fs::read(dir.path().join("log.csv")).unwrap();
    assert!(log == std::fs::read(SHOP.file("log.csv")).unwrap());
}

/// A model that is there is replaced as a whole, and stays as it was when the training fails.
#[test]
fn a_failed_training_leaves_the_old_model() {
    let dir = folder();
    let out = dir.path().join("m.json");
    std::fs::write(&out, "the old one").unwrap();
    let args = ["train", "no_purchase.csv", "--out", "m.json"];
    assert_refused(dir.path(), &args, 1, &["purchase"]);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "the old one");
    let log = dir.path().join("log.csv");
    let before = names(dir.path());
    report(&["train", text(&log), "--out", text(&out)]);
    assert_eq!(names(dir.path()), before);
    assert!(
        std::fs::read_to_string(&out)
            .unwrap()
            .contains("\"checksum\"")
    );
}

#[test]
fn flags_that_make_no_sense_are_refused_with_a_hint() {
    let dir = folder();
    let refused = |flags: &[&str], words: &[&str]| {
        let args = [&["train", "log.csv", "--out", "m.json"][..], flags].concat();
        assert_refused(dir.path(), &args, 2, words);
    };
    refused(&["--kind", "tree"], &["`tree`", "did you mean `trees`?"]);
    refused(&["--kind", "svm"], &["it is logistic or trees"]);
    refused(&["--label", "purchas"], &["did you mean `purchase`?"]);
    for flag in ["--drop", "--keep"] {
        let words = ["`cart_sise` is not a feature", "did you mean `cart_size`?"];
        refused(&[flag, "cart_sise"], &words);
    }
    for folds in ["0", "1", "51"] {
        refused(&["--folds", folds], &["does not lie between 2 and 50"]);
    }
    for sample in ["0", "2", "nan", "1.01"] {
        refused(&["--sample", sample], &["--sample", "above 0 and up to 1"]);
    }
    for precision in ["2", "nan"] {
        refused(&["--precision", precision], &["between 0 and 1"]);
    }
    refused(&["--replicates", "10001"], &["--replicates"]);
    refused(&["--name", "a b"], &["`a b`", "letters, digits"]);
    refused(&["--workers", "0"], &["--workers"]);
    refused(&["--split", "never"], &["'never'", "visitor"]);
    refused(&["--policy", "none.toml"], &["none.toml could not be read"]);
    let judge = ["evaluate", "--intent", &SHOP.arg("trees.json"), "log.csv"];
    let refused = |flags: &[&str], words: &[&str]| {
        assert_refused(dir.path(), &[&judge[..], flags].concat(), 2, words);
    };
    refused(&["--label", "abandom"], &["did you mean `abandon`?"]);
    refused(&["--precision", "2"], &["between 0 and 1"]);
    refused(&["--sample", "0"], &["above 0 and up to 1"]);
    refused(&["--plot", "log.csv"], &["is not a folder"]);
}

/// A log without sessions has nothing to judge by; every figure is null, and none is made up.
#[test]
fn a_log_without_events_gives_no_figures() {
    let dir = folder();
    let header = dir.path().join("header.csv");
    let model = SHOP.arg("trees.json");
    let said = report(&["evaluate", "--intent", &model, text(&header)]);
    assert_eq!(said["rows"], 0);
    for name in ["auc", "log_loss", "ece"] {
        assert!(said[name].is_null(), "{said}");
    }
}

/// Bad rows are counted and do not stop a training; too many of them are said so.
#[test]
fn bad_rows_are_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.csv");
    simulated(&log, 5, 12_000);
    let mut text_of_log = std::fs::read_to_string(&log).unwrap();
    text_of_log.push_str("no,row,at,all\n1,2,3\n");
    std::fs::write(&log, text_of_log).unwrap();
    let out = dir.path().join("m.json");
    let output = run(&["train", text(&log), "--out", text(&out)]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(page.contains("of 12002 rows were rejected"), "{page}");
}
