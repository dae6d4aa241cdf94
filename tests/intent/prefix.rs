//! No feature and no score knows anything of what comes after its event, and training sees the very
//! numbers that a replay scores.

use crate::common::{simulated, text};
use crate::shop::{SHOP, decided, replay, rows};
use restage::visit::decision::ppm;
use restage::visit::rows::SessionRows;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tempfile::TempDir;

/// A log up to a cut, and the same beginning with other ends.
struct Ends {
    dir: TempDir,
    /// Arrival of the last event that all have.
    cut_ms: u64,
}

const ENDS: [&str; 3] = ["as_it_was", "another", "all_buy"];

fn arrival(row: &str) -> u64 {
    row.split(',').next().unwrap().parse().unwrap()
}

impl Ends {
    fn new() -> Ends {
        let dir = tempfile::tempdir().unwrap();
        let log = std::fs::read_to_string(SHOP.file("log.csv")).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        // The cut lies between two times, in the middle of many sessions.
        let at = (7_000..)
            .find(|at| arrival(lines[*at]) > arrival(lines[at - 1]))
            .unwrap();
        let cut_ms = arrival(lines[at - 1]);
        let before = &lines[..at];
        let write = |name: &str, after: &[String]| {
            let mut text = before.join("\n") + "\n";
            text.push_str(&after.concat());
            std::fs::write(dir.path().join(name), text).unwrap();
        };
        write("cut", &[]);
        let line = |row: &&str| format!("{row}\n");
        let as_it_was: Vec<String> = lines[at..].iter().map(line).collect();
        write("as_it_was", &as_it_was);
        let other = dir.path().join("other.csv");
        simulated(&other, 99, 12_000);
        let other = std::fs::read_to_string(&other).unwrap();
        let other = other.lines().skip(1);
        let another: Vec<String> = other
            .filter(|row| arrival(row) > cut_ms)
            .map(|row| line(&row))
            .collect();
        assert!(another.len() > 2_000);
        write("another", &another);
        let visitors: BTreeSet<&str> = before[1..]
            .iter()
            .map(|row| row.split(',').nth(2).unwrap())
            .collect();
        let buy = |visitor: &&str| {
            let at = cut_ms + 1;
            format!("{at},{at},{visitor},,purchase,i1,c1,9.00,1,9.00,,\n")
        };
        let all_buy: Vec<String> = visitors.iter().map(buy).collect();
        write("all_buy", &all_buy);
        Ends { dir, cut_ms }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Bits of every row of every session, by visitor and start.
fn bits(sessions: &[SessionRows]) -> BTreeMap<(u64, u64), Vec<Vec<u64>>> {
    let row = |row: &restage::visit::rows::Row| {
        let mut bits = vec![row.at.0, u64::from(row.purchases)];
        bits.extend(row.features.iter().map(|x| x.to_bits()));
        bits
    };
    let keyed = sessions.iter().map(|session| {
        let rows = session.rows.iter().map(row).collect();
        ((session.visitor.0, session.start.0), rows)
    });
    let keyed: BTreeMap<_, _> = keyed.collect();
    assert_eq!(keyed.len(), sessions.len(), "no two sessions share a start");
    keyed
}

#[test]
fn no_feature_comes_from_the_future() {
    let ends = Ends::new();
    let cut = rows(&ends.path("cut"), 1);
    let known = bits(&cut);
    for name in ENDS {
        let longer = rows(&ends.path(name), 2);
        let by_start = bits(&longer);
        let (mut same, mut went_on) = (0, 0);
        for (key, before) in &known {
            let now = &by_start[key];
            assert!(now.starts_with(before), "rows of session {key:?} of {name}");
            same += before.len();
            went_on += usize::from(now.len() > before.len());
        }
        assert!(same > 6_500, "{same} rows compared");
        if name != "another" {
            assert!(went_on > 50, "only {went_on} sessions went on in {name}");
        }
    }
    // The labels, of course, do come from there.
    let bought = |sessions: &[SessionRows]| sessions.iter().filter(|s| s.purchases > 0).count();
    assert!(bought(&rows(&ends.path("all_buy"), 1)) > bought(&cut) + 50);
}

#[test]
fn no_decision_comes_from_the_future() {
    let ends = Ends::new();
    for model in ["logistic.json", "trees.json"] {
        let flags = ["--model", &SHOP.arg(model)];
        let until_cut = |name: &str| -> Vec<String> {
            let (_, lines) = replay(text(&ends.path(name)), &flags);
            let at = |line: &String| {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                record["at_ms"].as_u64().unwrap()
            };
            lines
                .into_iter()
                .filter(|line| at(line) <= ends.cut_ms)
                .collect()
        };
        let expected = until_cut("cut");
        assert!(expected.len() > 800, "{} decisions", expected.len());
        for name in ENDS {
            assert!(until_cut(name) == expected, "{model}, end {name}");
        }
    }
}

/// What a replay writes is what the model says of the rows that training would see.
#[test]
fn training_and_replay_see_the_same_rows() {
    for name in ["logistic.json", "trees.json"] {
        let model = SHOP.model(name);
        let decided = decided(&["--model", &SHOP.arg(name)]);
        assert!(decided.len() > 1_500, "{} decisions", decided.len());
        let mut different = BTreeSet::new();
        for (record, row) in &decided {
            let scores = model.score(&row.features);
            let written = |name: &str| (record[name].as_f64().unwrap() * 1e6).round() as u32;
            assert_eq!(written("p_purchase"), ppm(scores.purchase), "{record}");
            assert_eq!(written("p_abandon"), ppm(scores.abandon), "{record}");
            different.insert(ppm(scores.purchase));
        }
        assert!(different.len() > 50, "the scores of {name} vary");
    }
}
