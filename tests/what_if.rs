//! `restage replay --against` and `restage evaluate --policy --log`: what another policy would have
//! earned, on logs in which it is known.

mod common;

use common::{free_addresses, report, restage, run, simulated, text};
use restage::rng::Rng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Draws evenly between two banners.
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

/// Learns three slots' worth of choices on the simulated shop.
const LEARNS: &str = r#"
version = 1
name = "learns"
stability = { cooldown = "5s" }
holdout = { share = 0.05 }
tables = { quantum = "1m", lag = "1m" }
[[slot]]
name = "banner"
default = "brand"
context = ["phase", "returning"]
learn = { method = "thompson", warm_up = 10, holdout = 0.1 }
arm = [{ name = "brand" }, { name = "guide" }, { name = "reminder", when = { cart_size = { min = 1 } } }]
[[slot]]
name = "promo"
default = "none"
context = ["phase"]
learn = { method = "thompson", warm_up = 10 }
arm = [{ name = "none" }, { name = "shipping", cost = 4.9, budget = 50.0, when = { cart_size = { min = 1 } } }]
[[slot]]
name = "note"
default = "none"
arm = [{ name = "none" }, { name = "help", when = { phase = ["hesitating"] } }]
rule = [{ arm = "help", gain = 0.1, when = { phase = ["hesitating"] } }]
"#;

/// Shows one of the two banners to everyone who does not search, which nobody does here.
fn always(arm: &str) -> String {
    let other = if arm == "plain" { "bold" } else { "plain" };
    format!(
        r#"
version = 1
name = "always-{arm}"
holdout = {{ share = 0.0 }}
[[slot]]
name = "banner"
default = "{arm}"
arm = [{{ name = "plain" }}, {{ name = "bold" }}]
rule = [{{ arm = "{other}", gain = 0.1, when = {{ searches = {{ min = 1 }} }} }}]
"#
    )
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn number(report: &Value, pointer: &str) -> f64 {
    let value = report.pointer(pointer).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report}"))
}

fn says(list: &Value, words: &str) -> bool {
    let list = list.as_array().expect("a list");
    list.iter()
        .any(|said| said.as_str().unwrap().contains(words))
}

/// Replays a log for its decisions; the arm of `banner` at each visitor's start.
fn decided(log: &Path, policy: &Path, out: &Path) -> BTreeMap<String, String> {
    report(&[
        "replay",
        text(log),
        "--policy",
        text(policy),
        "--out",
        text(out),
    ]);
    let lines = std::fs::read_to_string(out).unwrap();
    let records = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let starts = records.filter(|record| record["trigger"] == "start");
    let name = |value: &Value| value.as_str().unwrap().to_owned();
    starts
        .map(|record| (name(&record["visitor"]), name(&record["layout"]["banner"])))
        .collect()
}

const VISITORS: u64 = 3_000;

fn views() -> Vec<(u64, String)> {
    let view = |n: u64| {
        (
            1_767_571_200_000 + n * 1_000,
            format!("{},v{n},page_view", 1_767_571_200_000 + n * 1_000),
        )
    };
    (0..VISITORS).map(view).collect()
}

fn csv(mut rows: Vec<(u64, String)>) -> String {
    rows.sort();
    let lines: Vec<String> = rows.into_iter().map(|(_, row)| row).collect();
    format!("event_ms,visitor,kind\n{}\n", lines.join("\n"))
}

/// A log in which one shopper in ten buys under the plain banner, and three under the bold one; and
/// what all of them would have come to under either.
fn bold_sells(folder: &Folder, policy: &Path) -> (PathBuf, PathBuf, [f64; 2]) {
    let before = folder.file("views.csv", &csv(views()));
    let shown = decided(&before, policy, &folder.path("before.jsonl"));
    let mut rng = Rng::new(11);
    let (mut rows, mut buy) = (views(), [0.0; 2]);
    for n in 0..VISITORS {
        let draw = rng.unit();
        let would = [draw < 0.1, draw < 0.3];
        for (sum, would) in buy.iter_mut().zip(would) {
            *sum += f64::from(u8::from(would)) / VISITORS as f64;
        }
        let visitor = format!("v{n}");
        let at = 1_767_571_200_000 + n * 1_000 + 60_000;
        if would[usize::from(shown[&visitor] == "bold")] {
            rows.push((at, format!("{at},{visitor},purchase")));
        }
    }
    let log = folder.file("bought.csv", &csv(rows));
    let decisions = folder.path("decisions.jsonl");
    assert_eq!(
        decided(&log, policy, &decisions),
        shown,
        "what comes later changes no start"
    );
    (log, decisions, buy)
}

#[test]
fn the_worth_of_a_policy_is_found_on_the_log_of_another() {
    let folder = Folder::new();
    let even = folder.file("even.toml", EVEN);
    let (log, decisions, buy) = bold_sells(&folder, &even);
    for (arm, truth) in [("plain", buy[0]), ("bold", buy[1])] {
        let new = folder.file(&format!("{arm}.toml"), &always(arm));
        let judged = report(&[
            "evaluate",
            "--policy",
            text(&new),
            "--log",
            text(&decisions),
            text(&log),
        ]);
        for estimator in ["ipw", "snipw", "dr"] {
            let (low, high) = (
                number(&judged, &format!("/interval/{estimator}/0")),
                number(&judged, &format!("/interval/{estimator}/1")),
            );
            assert!(
                low < truth && truth < high,
                "{arm} {estimator}: {truth} in {low} to {high}"
            );
            assert!((low - number(&judged, "/on_policy")).abs() > 0.01, "{arm}");
        }
        assert_eq!(judged["matching"]["unmatched"], 0);
        let verdict = if arm == "bold" { "more" } else { "less" };
        assert_eq!(judged["worth"][0]["verdict"], verdict);
        assert!((number(&judged, "/worth/0/otherwise") - 0.5).abs() < 0.03);
        assert!(number(&judged, "/matching/held") > 100.0);
        assert_eq!(judged["groups"][0]["group"], "banner");
        // The same by a second core in the same run.
        let beside = report(&[
            "replay",
            text(&log),
            "--policy",
            text(&even),
            "--against",
            text(&new),
        ]);
        let estimates = &beside["against"]["estimates"];
        for estimator in ["rows", "on_policy", "ipw", "snipw", "dr", "dm"] {
            assert_eq!(estimates[estimator], judged[estimator], "{arm} {estimator}");
        }
    }
}

#[test]
fn a_policy_against_itself_differs_nowhere_and_is_worth_what_it_earned() {
    let folder = Folder::new();
    let log = folder.path("log.csv");
    simulated(&log, 5, 12_000);
    let learns = folder.file("learns.toml", LEARNS);
    let (log, learns) = (text(&log), text(&learns));
    let alone = report(&["replay", log, "--policy", learns]);
    let beside = report(&["replay", log, "--policy", learns, "--against", learns]);
    assert_eq!(alone["digest"], beside["digest"], "a rival changes nothing");
    let against = &beside["against"];
    assert_eq!(against["sessions_differing"], 0);
    assert_eq!(against["sessions"], beside["sessions"]);
    assert_eq!(against["matching"]["matched"], beside["decisions"]);
    assert_eq!(against["slots"].as_array().unwrap().len(), 3);
    assert_eq!(against["notes"].as_array().unwrap().len(), 0);
    let estimates = &against["estimates"];
    let (own, ipw) = (number(estimates, "/on_policy"), number(estimates, "/ipw"));
    assert!(own > 0.0 && (own - ipw).abs() < 1e-12, "{own} {ipw}");
    assert!((number(estimates, "/weights/max") - 1.0).abs() < 1e-12);
    assert_eq!(number(estimates, "/weights/unsupported"), 0.0);
    for verdict in against["worth"].as_array().unwrap() {
        assert_eq!(verdict["verdict"], "the same", "{verdict}");
    }
}

/// Slots that learn whole layouts: what is asked of them is what they draw from, and what is known of
/// layouts reaches the rival's tables and those that learn from records.
#[test]
fn layouts_that_are_learned_as_a_whole_are_compared() {
    let folder = Folder::new();
    let log = folder.path("log.csv");
    simulated(&log, 8, 12_000);
    let layouts = LEARNS.replace("thompson", "multivariate");
    let layouts = layouts.replace("\"phase\", \"returning\"", "\"phase\"");
    let layouts = folder.file("layouts.toml", &layouts);
    let decisions = folder.path("decisions.jsonl");
    let (log, layouts) = (text(&log), text(&layouts));
    let beside = report(&[
        "replay",
        log,
        "--policy",
        layouts,
        "--against",
        layouts,
        "--out",
        text(&decisions),
    ]);
    let against = &beside["against"];
    assert_eq!(against["sessions_differing"], 0);
    assert_eq!(against["notes"].as_array().unwrap().len(), 0);
    let weights = &against["estimates"]["weights"];
    assert!((number(weights, "/max") - 1.0).abs() < 1e-12, "{weights}");
    assert!(number(weights, "/propensity/0") < 0.5, "{weights}");
    let judged = |workers: &str| {
        let flags = ["--replicates", "20", "-w", workers];
        let args = [
            "evaluate",
            "--policy",
            layouts,
            "--log",
            text(&decisions),
            log,
        ];
        report(&[&args[..], &flags[..]].concat())
    };
    let one = judged("1");
    assert_eq!(one["matching"]["unmatched"], 0);
    assert!(number(&one, "/rows") > 1_000.0);
    assert_eq!(one, judged("2"));
}

#[test]
fn two_processes_compare_alike() {
    let folder = Folder::new();
    let log = folder.path("log.csv");
    simulated(&log, 7, 6_000);
    let learns = folder.file("learns.toml", LEARNS);
    let other = LEARNS.replace("warm_up = 10", "warm_up = 40");
    let other = folder.file("other.toml", &other);
    let hosts = folder.file("hosts", &free_addresses(2).join("\n"));
    let args = [
        "replay",
        text(&log),
        "--policy",
        text(&learns),
        "--against",
        text(&other),
    ];
    let alone = report(&args[..4]);
    let one = report(&args);
    let start = |process: &str| {
        let mesh = [
            "--hostfile",
            text(&hosts),
            "-n",
            "2",
            "-w",
            "1",
            "-p",
            process,
        ];
        let mut command = restage();
        command.args(args).arg("--json").args(mesh);
        command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (first, second) = (start("0"), start("1"));
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success() && second.wait_with_output().unwrap().status.success());
    let two: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(one["against"], two["against"]);
    for beside in [&one, &two] {
        assert_eq!(alone["digest"], beside["digest"], "a rival changes nothing");
        assert_eq!(alone["slots"], beside["slots"], "nor what is learned");
    }
}

#[test]
fn the_comparison_is_the_same_on_any_number_of_workers() {
    let folder = Folder::new();
    let log = folder.path("log.csv");
    simulated(&log, 6, 10_000);
    let learns = folder.file("learns.toml", LEARNS);
    let other = LEARNS
        .replace("share = 0.05", "share = 0.0")
        .replace("5s", "30s");
    let other = folder.file("other.toml", &other.replace("warm_up = 10", "warm_up = 40"));
    let decisions = folder.path("decisions.jsonl");
    report(&[
        "replay",
        text(&log),
        "--policy",
        text(&learns),
        "--out",
        text(&decisions),
    ]);
    let both = |workers: &str| {
        let beside = report(&[
            "replay",
            text(&log),
            "--policy",
            text(&learns),
            "--against",
            text(&other),
            "-w",
            workers,
        ]);
        let judged = report(&[
            "evaluate",
            "--policy",
            text(&other),
            "--log",
            text(&decisions),
            text(&log),
            "-w",
            workers,
            "--replicates",
            "50",
        ]);
        (beside["against"].clone(), judged)
    };
    let one = both("1");
    assert!(number(&one.0, "/sessions_differing") > 10.0);
    assert!(!one.0["slots"][0]["instead"].as_array().unwrap().is_empty());
    assert!(says(&one.1["notes"], "would have learned"));
    for workers in ["2", "4"] {
        assert_eq!(both(workers), one, "{workers} workers");
    }
}

/// Shoppers of the plain simulation do not react to the page: no policy is worth more or less than
/// another. One that shows to full carts what the log never could must not be said to be.
#[test]
fn where_nothing_matters_nothing_is_said_to() {
    let folder = Folder::new();
    for seed in ["1", "3", "4"] {
        let log = folder.path(&format!("shop{seed}.csv"));
        let made = [
            "simulate",
            "--events",
            "100000",
            "--seed",
            seed,
            "--visits-per-hour",
            "3000",
        ];
        run(&[&made[..], &["-o", text(&log)]].concat());
        let beside = report(&[
            "replay",
            text(&log),
            "--policy",
            "data/learning.toml",
            "--against",
            "data/policy.toml",
        ]);
        let worth = beside["against"]["worth"].as_array().unwrap();
        assert_eq!(worth.len(), 4);
        for slot in worth {
            let word = slot["verdict"].as_str().unwrap();
            assert!(!["more", "less"].contains(&word), "seed {seed}: {slot}");
        }
    }
}

#[test]
fn what_the_log_cannot_support_is_said() {
    let folder = Folder::new();
    let plain = folder.file("plain.toml", &always("plain"));
    let bold = folder.file("bold.toml", &always("bold"));
    let log = folder.file("views.csv", &csv(views()));
    let beside = report(&[
        "replay",
        text(&log),
        "--policy",
        text(&plain),
        "--against",
        text(&bold),
    ]);
    let against = &beside["against"];
    assert_eq!(number(against, "/share"), 1.0);
    let instead = &against["slots"][0]["instead"][0];
    assert_eq!(
        (&instead["from"], &instead["to"]),
        (&"plain".into(), &"bold".into())
    );
    assert_eq!(number(against, "/estimates/weights/unsupported"), 1.0);
    assert_eq!(against["worth"][0]["verdict"], "not known");
    let warnings = &against["estimates"]["warnings"];
    assert!(
        says(
            warnings,
            "100 % of the target's choices are of arms that the log never showed there (bold at banner 100 %)"
        ),
        "{warnings}"
    );
    assert!(
        !says(warnings, "the mean weight"),
        "support explains it: {warnings}"
    );
    let page = run(&[
        "replay",
        text(&log),
        "--policy",
        text(&plain),
        "--against",
        text(&bold),
    ]);
    let page = String::from_utf8(page.stdout).unwrap();
    for words in [
        "bold instead of plain: 3,000 sessions",
        "not known: the log could not show 100.0 % of what it would choose",
    ] {
        assert!(page.contains(words), "{page}");
    }
    let table = page.split("estimator ").nth(1).unwrap();
    assert!(!table.contains("+0.0 %"), "no lead of a guess: {page}");
}

#[track_caller]
fn refused(args: &[&str], code: i32, words: &str) {
    let output = run(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn what_cannot_be_compared_is_refused_in_words() {
    let folder = Folder::new();
    let even = folder.file("even.toml", EVEN);
    let log = folder.file("views.csv", &csv(views()));
    let decisions = folder.path("decisions.jsonl");
    decided(&log, &even, &decisions);
    let (even, log) = (text(&even), text(&log));
    let mut longer = String::from(EVEN);
    write!(longer, "\n[session]\nidle = \"1h\"\n").unwrap();
    let longer = folder.file("longer.toml", &longer);
    refused(
        &["replay", log, "--policy", even, "--against", text(&longer)],
        2,
        "session.idle differs",
    );
    let other = folder.file("other.toml", &always("bold").replace("banner", "baner"));
    refused(
        &["replay", log, "--policy", even, "--against", text(&other)],
        2,
        "no slot of the log",
    );
    let judge = |decisions: &str, log: &str, code, words: &str| {
        refused(
            &["evaluate", "--policy", even, "--log", decisions, log],
            code,
            words,
        );
    };
    let records = std::fs::read_to_string(&decisions).unwrap();
    let second = records.lines().next().unwrap();
    let broken = folder.file("broken.jsonl", &format!("{second}\n{{\"at_ms\":1}}\n"));
    judge(
        text(&broken),
        log,
        2,
        "line 2 is not a decision record: missing field",
    );
    let empty = folder.file("empty.jsonl", "");
    judge(text(&empty), log, 2, "holds no decision records");
    let impossible = second.replace("\"banner\":0.5", "\"banner\":0");
    assert_ne!(impossible, second);
    let impossible = folder.file("impossible.jsonl", &impossible);
    judge(text(&impossible), log, 2, "the propensity of slot `banner`");
    let foreign = folder.file(
        "foreign.csv",
        "event_ms,visitor,kind\n1767571200000,w,page_view\n",
    );
    judge(
        text(&decisions),
        text(&foreign),
        2,
        "none of the 3000 decisions",
    );
    judge("missing.jsonl", log, 5, "missing.jsonl");
    // Arms that only the log has are weighed as never shown, and named.
    let renamed = folder.file(
        "renamed.toml",
        &always("bold").replace("\"plain\"", "\"plane\""),
    );
    let judged = report(&[
        "evaluate",
        "--policy",
        text(&renamed),
        "--log",
        text(&decisions),
        log,
    ]);
    assert!(
        says(&judged["notes"], "arm `plain` of slot `banner`"),
        "{judged}"
    );
    assert!(says(&judged["notes"], "did you mean `plane`?"), "{judged}");
}
