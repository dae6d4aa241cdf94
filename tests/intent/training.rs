//! Training is a pure function of the logs and the specification: the same bytes every time.

use crate::common::{report, restage, simulated, text};
use crate::shop::SHOP;
use std::path::Path;
use std::time::{Duration, Instant};

/// Trains into a folder, named the same each time, and returns the file.
fn trained(dir: &Path, flags: &[&str]) -> String {
    let log = SHOP.arg("log.csv");
    let output = restage()
        .current_dir(dir)
        .args(["train", &log, "--out", "m.json"])
        .args(flags)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{flags:?}: {said}");
    std::fs::read_to_string(dir.join("m.json")).unwrap()
}

/// Without the command, which quotes the arguments, and the checksum over it.
fn without_command(model: &str) -> String {
    let told = |line: &&str| {
        let line = line.trim_start();
        !line.starts_with("\"command\"") && !line.starts_with("\"checksum\"")
    };
    let kept: Vec<&str> = model.lines().filter(told).collect();
    assert_eq!(kept.len() + 2, model.lines().count());
    kept.join("\n")
}

#[test]
fn the_same_command_writes_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for flags in [&["--kind", "logistic"][..], &["--kind", "trees", "-w", "2"]] {
        let one = trained(dir.path(), flags);
        assert!(trained(dir.path(), flags) == one, "{flags:?}");
        assert!(one.contains(flags[1]));
    }
}

#[test]
fn nothing_but_the_log_and_what_is_asked_reaches_a_model() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["logistic", "trees"] {
        let of = |flags: &[&str]| {
            let flags = [&["--kind", kind], flags].concat();
            without_command(&trained(dir.path(), &flags))
        };
        let one = of(&[]);
        for flags in [
            &["-w", "3"][..],
            &["-w", "2", "--replicates", "0", "--json"],
            &["--precision", "0.9", "--label", "abandon"],
        ] {
            assert!(of(flags) == one, "{kind} with {flags:?}");
        }
        assert!(of(&["--drop", "item_views"]) != one, "what is asked does");
        assert!(of(&["--sample", "0.7"]) != one, "what is asked does");
    }
    let folds = |workers: &str| {
        let flags = ["--folds", "3", "--kind", "trees", "-w", workers];
        without_command(&trained(dir.path(), &flags))
    };
    assert!(folds("1") == folds("3"), "in turns");
}

#[test]
fn dropped_and_kept_features_are_those_of_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let features = |flags: &[&str]| -> Vec<String> {
        let model: serde_json::Value = serde_json::from_str(&trained(dir.path(), flags)).unwrap();
        let names = model["features"].as_array().unwrap().iter();
        names
            .map(|feature| feature["name"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(
        features(&["--keep", "cart_size", "--keep", "item_views"]),
        ["item_views", "cart_size"]
    );
    let all = features(&[]);
    let fewer = features(&["--drop", "cart_size"]);
    assert!(all.contains(&"cart_size".to_string()));
    let without: Vec<_> = all.into_iter().filter(|name| name != "cart_size").collect();
    assert_eq!(fewer, without);
}

/// The name in decision records is the file's, and what stands in the file is what was printed.
#[test]
fn the_file_holds_the_figures_that_were_printed() {
    for (name, said) in ["logistic", "trees"].into_iter().zip(&SHOP.said) {
        let text_of_model = std::fs::read_to_string(SHOP.file(&format!("{name}.json"))).unwrap();
        let model: serde_json::Value = serde_json::from_str(&text_of_model).unwrap();
        let sum = model["checksum"].as_str().unwrap();
        let sum = sum.strip_prefix("crc32:").unwrap();
        assert_eq!(said["model"], format!("{name}@{sum}"));
        assert_eq!(said["written"], text(&SHOP.file(&format!("{name}.json"))));
        for (head, said) in [("purchase", said), ("abandon", &said["other"])] {
            let quality = &model[head]["quality"];
            assert_eq!(quality["rows"], said["rows"]);
            assert_eq!(quality["positives"], said["positives"]);
            for figure in ["auc", "average_precision", "log_loss", "brier", "ece"] {
                let (file, printed) = (&quality[figure], &said[figure]);
                let (file, printed) = (file.as_f64().unwrap(), printed.as_f64().unwrap());
                assert!((file - printed).abs() < 1e-6, "{figure}: {file} {printed}");
            }
        }
    }
}

#[test]
fn a_label_is_a_score_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("m.json");
    let log = SHOP.arg("log.csv");
    let abandon = report(&["train", &log, "--label", "abandon", "--out", text(&out)]);
    assert_eq!(abandon["label"], "abandon");
    assert_eq!(abandon["other"]["label"], "purchase");
    assert_eq!(abandon["auc"], SHOP.said[0]["other"]["auc"]);
    assert_eq!(abandon["other"]["auc"], SHOP.said[0]["auc"]);
}

/// Fitting in twenty turns takes a while; whoever has seen enough need not wait for it.
#[test]
fn a_signal_ends_a_training_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    simulated(&dir.path().join("log.csv"), 8, 40_000);
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut child = restage()
            .current_dir(dir.path())
            .args(["train", "log.csv", "--out", "m.json"])
            .args(["--kind", "trees", "--folds", "20"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(900));
        let sent = std::process::Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let sent = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if sent.elapsed() > Duration::from_secs(5) {
                child.kill().unwrap();
                panic!("{signal} was not heeded");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(code), "{signal}");
        let left = crate::shop::names(dir.path());
        assert_eq!(left, ["log.csv".to_string()].into());
    }
}
