//! Models saved by LightGBM score here as they do there, and no damaged file ends in a panic.
//!
//! The models and the predictions are made by `scripts/lightgbm-fixtures.py`.

use restage::visit::model::forest::Forest;
use restage::visit::model::lightgbm::{Dump, LightGbmError, read};
use restage::visit::model::shapley::Explainer;
use std::path::Path;

const CASES: [&str; 8] = [
    "default",
    "no_missing",
    "zero_missing",
    "forest",
    "dart",
    "cross_entropy",
    "sigmoid",
    "constant",
];

fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lightgbm");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn model(case: &str) -> Dump {
    read(&file(&format!("{case}.txt"))).unwrap()
}

/// The lines of a CSV file as numbers, an empty cell being NaN.
fn table(name: &str) -> Vec<Vec<f64>> {
    let number = |cell: &str| match cell {
        "" => f64::NAN,
        cell => cell.parse().unwrap(),
    };
    let row = |line: &str| line.split(',').map(number).collect();
    file(name).lines().skip(1).map(row).collect()
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
}

#[test]
fn scores_are_those_of_lightgbm() {
    for case in CASES {
        let model = model(case);
        let forest = Forest::new(model.base, &model.trees);
        let columns = model.feature_names.len();
        let rows = table(&format!("{case}.csv"));
        assert_eq!(rows.len(), 200);
        for (line, row) in rows.iter().enumerate() {
            let (row, expected) = row.split_at(columns);
            let raw = forest.log_odds(row);
            assert!(near(raw, expected[0]), "{case} {line}: {raw} {expected:?}");
            let probability = 1.0 / (1.0 + (-model.sigmoid * raw).exp());
            assert!(near(probability, expected[1]), "{case} {line}");
        }
    }
}

#[test]
fn contributions_are_those_of_lightgbm() {
    for case in ["default", "zero_missing"] {
        let model = model(case);
        let columns = model.feature_names.len();
        let explainer = Explainer::new(model.base, &model.trees, columns);
        let rows = table(&format!("{case}.csv"));
        let expected = table(&format!("{case}.contributions.csv"));
        assert_eq!(expected.len(), 40);
        for (row, expected) in rows.iter().zip(expected) {
            let mut found = vec![0.0; columns];
            explainer.contributions(&row[..columns], &mut found);
            found.push(explainer.expected());
            for (found, expected) in found.iter().zip(&expected) {
                assert!(near(*found, *expected), "{case}: {found} {expected}");
            }
        }
    }
}

#[test]
fn every_cut_is_refused() {
    for case in CASES {
        let text = file(&format!("{case}.txt"));
        let end = text.find("end of trees").unwrap();
        let starts = text.match_indices('\n').map(|(at, _)| at);
        for at in starts.take_while(|&at| at < end) {
            let error = read(&text[..at]).unwrap_err();
            let located = matches!(
                error,
                LightGbmError::Cut { .. } | LightGbmError::Malformed { .. }
            );
            assert!(located, "{case} cut at {at}: {error}");
        }
    }
}

#[test]
fn one_changed_byte_never_panics() {
    for case in CASES {
        let text = file(&format!("{case}.txt"));
        let end = text.find("end of trees").unwrap();
        let (mut refused, mut accepted) = (0, 0);
        for at in (0..end).step_by(37) {
            for byte in [b'0', b'9', b'-', b'=', b' ', b'\n', b'x', b'e'] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = byte;
                match read(std::str::from_utf8(&bytes).unwrap()) {
                    Err(_) => refused += 1,
                    Ok(model) => {
                        accepted += 1;
                        let columns = model.feature_names.len();
                        assert!(model.trees.iter().all(|tree| tree.check(columns).is_ok()));
                    }
                }
            }
        }
        assert!(refused > 0 && accepted > 0, "{case} was changed");
    }
}
