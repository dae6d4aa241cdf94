//! Session tables that cannot be used.

use crate::common::report;
use crate::shop::assert_refused;
use std::fmt::Write;
use tempfile::TempDir;

/// Rows of a table of which the first column tells the label most of the time.
fn good_rows(count: u32) -> Vec<String> {
    let row = |n: u32| {
        let (tells, noise) = (n * 37 % 101, n * 53 % 89);
        let yes = tells + noise % 30 > 70;
        format!("{tells},{noise},{}", if yes { "TRUE" } else { "FALSE" })
    };
    (0..count).map(row).collect()
}

fn folder(rows: &[String]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "tells,noise,Revenue\n".to_string();
    for row in rows {
        writeln!(text, "{row}").unwrap();
    }
    std::fs::write(dir.path().join("t.csv"), text).unwrap();
    dir
}

const TRAIN: [&str; 5] = ["train", "--table", "t.csv", "--label", "Revenue"];

fn refused(rows: &[String], code: i32, words: &[&str]) {
    let words = [&["t.csv"][..], words].concat();
    assert_refused(folder(rows).path(), &TRAIN, code, &words);
}

#[test]
fn a_table_with_gaps_is_judged() {
    let mut rows = good_rows(200);
    let whole = folder(&rows);
    rows.extend(["NaN,1,TRUE", ",2,FALSE", "nan,,FALSE"].map(String::from));
    let gaps = folder(&rows);
    let said = |dir: &TempDir| {
        let path = dir.path().join("t.csv");
        let path = path.to_str().unwrap();
        report(&["train", "--table", path, "--label", "Revenue"])
    };
    let (whole, gaps) = (said(&whole), said(&gaps));
    assert_eq!([&whole["rows"], &gaps["rows"]], [200, 203]);
    assert!(whole["auc"].as_f64().unwrap() > 0.85, "{whole}");
    assert!(gaps["auc"].as_f64().unwrap() > 0.8, "{gaps}");
    for name in ["kind", "positives", "average_precision", "log_loss", "ece"] {
        assert!(!gaps[name].is_null(), "{name}");
    }
    assert!(gaps["baselines"]["logistic"]["auc"].is_f64());
}

#[test]
fn rows_that_cannot_be_used_are_named() {
    let with = |row: &str| {
        let mut rows = good_rows(60);
        rows.insert(7, row.into());
        rows
    };
    refused(&with("inf,1,TRUE"), 1, &["line 9, column `tells`", "inf"]);
    refused(&with("1,-1e301,TRUE"), 1, &["line 9, column `noise`"]);
    refused(&with("1,2"), 1, &["line 9 has 2 cells", "header has 3"]);
    refused(&with("1,2,3,4"), 1, &["line 9 has 4 cells"]);
    refused(&with("1,2,"), 1, &["line 9 has no value in the label"]);
    refused(&with("1,2,MAYBE"), 1, &["not a yes or no", "`MAYBE`"]);
}

#[test]
fn tables_with_nothing_to_learn_are_refused() {
    refused(&good_rows(10), 1, &["has 10 rows", "at least 50"]);
    refused(&[], 1, &["has 0 rows", "at least 50"]);
    let no = |row: &String| row.replace("TRUE", "FALSE");
    let one_class: Vec<String> = good_rows(100).iter().map(no).collect();
    refused(&one_class, 1, &["every row had the same label"]);
    let constant: Vec<String> = good_rows(100)
        .iter()
        .map(|row| format!("1,2,{}", row.rsplit(',').next().unwrap()))
        .collect();
    refused(&constant, 1, &["no column tells two rows apart"]);
}

#[test]
fn files_that_are_no_tables_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8], words: &[&str]| {
        std::fs::write(dir.path().join("t.csv"), bytes).unwrap();
        assert_refused(dir.path(), &TRAIN, 1, words);
    };
    refused(b"", &["t.csv: the table has no header line"]);
    let rubbish: Vec<u8> = (0..4096u32).map(|n| (n * n % 251) as u8).collect();
    refused(&rubbish, &["line 1 is not UTF-8 text"]);
    refused(b"a,a,Revenue\n1,2,1\n", &["column `a` twice"]);
    let missing = ["train", "--table", "none.csv", "--label", "Revenue"];
    let words = ["none.csv: could not read the table: No such file"];
    assert_refused(dir.path(), &missing, 5, &words);
}

#[test]
fn flags_that_do_not_fit_a_table_are_refused() {
    let dir = folder(&good_rows(100));
    let refused = |args: &[&str], code: i32, words: &[&str]| {
        assert_refused(dir.path(), args, code, words);
    };
    let label = ["train", "--table", "t.csv", "--label", "Revenu"];
    refused(
        &label,
        2,
        &["no column `Revenu`", "did you mean `Revenue`?"],
    );
    refused(&TRAIN[..3], 2, &["--table needs --label COLUMN"]);
    let with = |flags: &[&'static str]| [&TRAIN[..], flags].concat();
    refused(&with(&["--drop", "tels"]), 2, &["did you mean `tells`?"]);
    refused(&with(&["--drop", "Revenue"]), 2, &["it cannot be dropped"]);
    refused(&with(&["--folds", "1"]), 2, &["between 2 and 50"]);
    refused(&with(&["--folds", "30"]), 2, &["more than the 20"]);
    refused(&with(&["--precision", "2"]), 2, &["between 0 and 1"]);
    refused(&with(&["--out", "m.json"]), 2, &["cannot be used with"]);
    let all = with(&["--drop", "tells", "--drop", "noise"]);
    refused(&all, 1, &["no usable column is left"]);
}
