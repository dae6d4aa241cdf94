//! Whoever reads decisions takes the record of an erased visitor for what it is.

use crate::common::{report, run, simulated, text};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const EVEN: &str = r#"
version = 1
name = "even"
holdout = { share = 0.05 }
[[slot]]
name = "banner"
default = "plain"
learn = { method = "fixed" }
arm = [{ name = "plain" }, { name = "bold" }]
"#;

/// Shows one of the two to everybody who does not leave, and learns from nobody.
const BOLD: &str = r#"
version = 1
name = "bold"
holdout = { share = 0.0 }
[[slot]]
name = "banner"
default = "bold"
arm = [{ name = "plain" }, { name = "bold" }]
rule = [{ arm = "plain", gain = 0.1, when = { exit_intents = { min = 1 } } }]
"#;

struct Shop {
    dir: tempfile::TempDir,
    log: PathBuf,
    even: PathBuf,
    bold: PathBuf,
}

impl Shop {
    fn new() -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let (log, even, bold) = (path("shop.csv"), path("even.toml"), path("bold.toml"));
        simulated(&log, 21, 6_000);
        fs::write(&even, EVEN).unwrap();
        fs::write(&bold, BOLD).unwrap();
        Shop {
            dir,
            log,
            even,
            bold,
        }
    }

    fn decisions(&self, log: &Path, name: &str) -> PathBuf {
        let out = self.dir.path().join(name);
        let args = ["replay", text(log), "--policy", text(&self.even)];
        report(&[&args[..], &["--out", text(&out)]].concat());
        out
    }

    fn judged(&self, log: &Path, decisions: &Path) -> Value {
        report(&[
            "evaluate",
            "--policy",
            text(&self.bold),
            "--log",
            text(decisions),
            text(log),
        ])
    }

    fn against(&self, log: &Path, workers: &str) -> Value {
        let args = ["replay", text(log), "--policy", text(&self.even)];
        let more = ["--against", text(&self.bold), "-w", workers];
        report(&[&args[..], &more].concat())["against"].clone()
    }

    /// The log with an erasure at its end, and the log without the visitor.
    fn with_and_without(&self, visitor: &str) -> (PathBuf, PathBuf) {
        let copy = |name: &str| {
            let path = self.dir.path().join(name);
            fs::copy(&self.log, &path).unwrap();
            path
        };
        let (with, without) = (copy("with.csv"), copy("without.csv"));
        report(&["erase", "--visitor", visitor, text(&with)]);
        report(&["erase", "--visitor", visitor, "--scrub", text(&without)]);
        (with, without)
    }

    /// Somebody who bought.
    fn buyer(&self) -> String {
        let all = fs::read_to_string(&self.log).unwrap();
        let row = all.lines().find(|line| line.contains(",purchase,"));
        row.unwrap().split(',').nth(2).unwrap().to_owned()
    }
}

/// What is said of a policy, but for the counts of what was seen on the way.
fn estimates(judged: &Value) -> Vec<Value> {
    let parts = [
        "rows",
        "replay",
        "dm",
        "ipw",
        "snipw",
        "dr",
        "switch_dr",
        "ess",
        "interval",
    ];
    let at = judged.get("estimates").unwrap_or(judged);
    let found: Vec<Value> = parts.iter().map(|part| at[*part].clone()).collect();
    assert!(found.iter().any(|part| !part.is_null()), "{judged}");
    found
}

#[test]
fn records_of_an_erased_visitor_judge_nothing() {
    let shop = Shop::new();
    let visitor = shop.buyer();
    let (with, without) = shop.with_and_without(&visitor);
    let (held, never) = (
        shop.decisions(&with, "with.jsonl"),
        shop.decisions(&without, "without.jsonl"),
    );
    let named = format!("\"visitor\":\"{visitor}\"");
    assert!(fs::read_to_string(&held).unwrap().contains(&named));
    let wanted = estimates(&shop.judged(&without, &never));
    // Whether the records say it, or the events, or both.
    let silent = shop.decisions(&shop.log, "silent.jsonl");
    for (log, decisions) in [(&with, &held), (&without, &held), (&with, &silent)] {
        assert_eq!(estimates(&shop.judged(log, decisions)), wanted);
    }
    // The buyer matters.
    assert_ne!(estimates(&shop.judged(&shop.log, &silent)), wanted);
}

#[test]
fn two_policies_forget_alike() {
    let shop = Shop::new();
    let visitor = shop.buyer();
    let (with, without) = shop.with_and_without(&visitor);
    let wanted = estimates(&shop.against(&without, "1"));
    let found = shop.against(&with, "1");
    assert_eq!(estimates(&found), wanted);
    assert_eq!(shop.against(&with, "2"), found);
}

/// A line that is neither a record nor an erasure is still refused, for what is wrong with a record.
#[test]
fn a_record_cut_short_is_no_erasure() {
    let shop = Shop::new();
    let path = shop.dir.path().join("cut.jsonl");
    for line in [
        "{\"at_ms\":1,\"visitor\":\"a\",\"trigger\":\"start\"}\n",
        "{\"at_ms\":1,\"trigger\":\"forgotten\"}\n",
    ] {
        fs::write(&path, line).unwrap();
        let args = [
            "evaluate",
            "--policy",
            text(&shop.bold),
            "--log",
            text(&path),
        ];
        let output = run(&[&args[..], &[text(&shop.log)]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("line 1 is not a decision record"), "{said}");
    }
}
