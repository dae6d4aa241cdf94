//! What a user sees of bots: the report's counts by rule, and the story of a verdict.

mod common;

use common::{report, run, text};
use restage::format::LogWriter;
use restage::simulate::{Scratch, Shop, ShopParams};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const POLICY: &str = r#"
version = 1
name = "even"
[holdout]
share = 0.0
[[slot]]
name = "banner"
default = "brand"
learn = { method = "fixed", holdout = 0.0 }
arm = [{ name = "brand" }, { name = "new" }]
"#;

/// When the log begins: 2026-01-05, 00:00 UTC.
const START_MS: u64 = 1_767_571_200_000;
const HOUR_MS: u64 = 3_600_000;

/// A person, a crawler that had bought before and comes again, a script, and a hammer.
fn log(dir: &Path) -> PathBuf {
    let mut rows: Vec<(u64, String)> = Vec::new();
    let mut row = |at_ms: u64, rest: String| rows.push((START_MS + at_ms, rest));
    for n in 0..20 {
        row(n * 9_000, format!("ada,item_view,i{n},"));
    }
    row(200_000, "ada,purchase,,25".into());
    row(0, "crawler,item_view,i1,".into());
    row(5_000, "crawler,purchase,,40".into());
    for n in 0..40 {
        row(HOUR_MS + n * 990, format!("crawler,item_view,i{n},"));
    }
    row(3 * HOUR_MS, "crawler,page_view,,".into());
    row(3 * HOUR_MS + 60_000, "crawler,purchase,,70".into());
    for n in 0..25 {
        row(HOUR_MS + 7 + n * 50, "script,click,,".into());
    }
    for n in 0..70 {
        row(2 * HOUR_MS + n * 300, "hammer,scroll,i7,0.5".into());
    }
    rows.sort_by_key(|(at_ms, _)| *at_ms);
    let mut log = String::from("event_ms,visitor,kind,item,value\n");
    for (at_ms, rest) in rows {
        writeln!(log, "{at_ms},{rest}").unwrap();
    }
    let path = dir.join("log.csv");
    fs::write(&path, log).unwrap();
    path
}

fn policy(dir: &Path, lines: &str) -> PathBuf {
    let path = dir.join("even.toml");
    fs::write(
        &path,
        POLICY.replace("[holdout]", &format!("{lines}\n[holdout]")),
    )
    .unwrap();
    path
}

#[test]
fn the_report_counts_bots_by_rule() {
    let dir = tempfile::tempdir().unwrap();
    let (log, policy) = (log(dir.path()), policy(dir.path(), ""));
    let of = |workers| {
        let args = ["replay", text(&log), "--policy", text(&policy)];
        report(&[&args[..], &["-w", workers]].concat())
    };
    let one = of("1");
    assert_eq!(one["set_aside"], json!({ "bots": 4, "bots_earlier": 1 }));
    let by_rule = json!({ "rate": 1, "no_dwell": 1, "gaps": 1, "known": 1 });
    assert_eq!(one["bots_by_rule"], by_rule);
    let events = json!({ "rate": 70, "no_dwell": 40, "gaps": 25, "known": 2 });
    assert_eq!(one["bot_events_by_rule"], events);
    // Only the person's visit is left to learn from.
    let arms = one["slots"][0]["arms"].as_array().unwrap();
    let exposures = arms.iter().map(|arm| arm["exposures"].as_i64().unwrap());
    assert_eq!(exposures.sum::<i64>(), 1);
    let three = of("3");
    for member in ["digest", "slots", "lift", "set_aside", "bots_by_rule"] {
        assert_eq!(one[member], three[member], "{member}");
    }
    let page = run(&["replay", text(&log), "--policy", text(&policy)]);
    let page = String::from_utf8(page.stdout).unwrap();
    let line = "bots         rate 1 (70 events), no_dwell 1 (40 events), gaps 1 (25 events), \
                known 1 (2 events)";
    assert!(page.lines().any(|shown| shown == line), "{page}");
}

#[test]
fn rules_can_be_switched_off_and_earlier_visits_kept() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let of = |lines| {
        let policy = policy(dir.path(), lines);
        let report = report(&["replay", text(&log), "--policy", text(&policy)]);
        (report["set_aside"].clone(), report["bots_by_rule"].clone())
    };
    let off = "[bots]\nevents_per_minute = 0\nviews_without_dwell = 0\ngaps = 0";
    assert_eq!(of(off), (json!({}), json!({})));
    let (set_aside, by_rule) = of("[bots]\nearlier = false");
    assert_eq!(set_aside, json!({ "bots": 3 }));
    assert_eq!(by_rule, json!({ "rate": 1, "no_dwell": 1, "gaps": 1 }));
}

#[test]
fn a_story_tells_the_verdict_at_its_event() {
    let dir = tempfile::tempdir().unwrap();
    let (log, policy) = (log(dir.path()), policy(dir.path(), ""));
    let of = |visitor| {
        let args = ["explain", text(&log), "--policy", text(&policy)];
        let output = run(&[&args[..], &["--visitor", visitor]].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let verdicts = |story: &str| -> Vec<String> {
        let lines = story.lines().filter(|line| line.starts_with("    bot  "));
        lines.map(|line| line.trim().to_string()).collect()
    };
    let crawler = of("crawler");
    assert_eq!(
        verdicts(&crawler),
        [
            "bot       at event 31 by the rule no_dwell: 30 item views in a row left within 1 s; \
             what the visitor taught is taken back"
        ]
    );
    // The 31st view, 30 times 990 ms after the first.
    let paragraph = crawler.split("\n\n").find(|text| text.contains("    bot"));
    let paragraph = paragraph.unwrap();
    assert!(
        paragraph.starts_with("2026-01-05T01:00:29.700Z  item_view"),
        "{paragraph}"
    );
    let known = "begins: returning visit, of a visitor known for a bot: it teaches nothing";
    assert!(crawler.contains(known), "{crawler}");
    assert_eq!(
        verdicts(&of("script")),
        [
            "bot       at event 21 by the rule gaps: 20 actions in a row within 100 ms of the one \
             before; what the visitor taught is taken back"
        ]
    );
    assert_eq!(
        verdicts(&of("hammer")),
        [
            "bot       at event 60 by the rule rate: 60 events in 17.7 s of active time, more than \
             60 a minute; what the visitor taught is taken back"
        ]
    );
    assert_eq!(verdicts(&of("ada")), [""; 0]);
}

/// In the simulated shop the usual rules find every bot that stays for more than a moment, and
/// nobody else.
#[test]
fn the_simulated_shops_bots_are_found_and_its_people_are_not() {
    let dir = tempfile::tempdir().unwrap();
    for seed in [3, 4] {
        let params = ShopParams {
            seed,
            ..ShopParams::default()
        };
        let (all, people) = (dir.path().join("all.csv"), dir.path().join("people.csv"));
        let mut logs = [&all, &people].map(|path| LogWriter::create(path).unwrap());
        let mut scratch = Scratch::default();
        let mut bots: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for event in Shop::new(params).take(60_000) {
            let raw = event.raw(&mut scratch);
            if event.truth.bot {
                *bots.entry(raw.visitor.to_vec()).or_default() += 1;
            } else {
                logs[1].write(&raw).unwrap();
            }
            logs[0].write(&raw).unwrap();
        }
        for log in logs {
            log.finish().unwrap();
        }
        let found = |path| {
            let report = report(&["replay", text(path)]);
            report["set_aside"]["bots"].as_u64().unwrap_or(0)
        };
        assert_eq!(found(&people), 0, "seed {seed}");
        let stayed = bots.values().filter(|events| **events > 60).count() as u64;
        assert!(stayed > 10, "seed {seed}: a dull shop");
        let all = found(&all);
        assert!(
            (stayed..=bots.len() as u64).contains(&all),
            "seed {seed}: {all} of {stayed}"
        );
    }
}
