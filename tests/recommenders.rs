//! `restage evaluate --recommender`: figures worked by hand, the figures published for Serenade's
//! example, rules against a plain recomputation on YooChoose, and what is refused. Where the public
//! logs are absent, each test on them says so and passes.

mod common;

use common::{report, run, shared_log, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const HEAD: &str = "event_ms,visitor,session,kind,item\n";
const BASE_MS: u64 = 1_700_000_000_000;

/// Writes a log with one session a list of items.
fn log(dir: &Path, name: &str, sessions: &[&[&str]]) -> PathBuf {
    let mut rows = HEAD.to_owned();
    for (n, items) in sessions.iter().enumerate() {
        for (at, item) in items.iter().enumerate() {
            let ms = BASE_MS + n as u64 * 60_000 + at as u64 * 1_000;
            rows += &format!("{ms},v{n},s{n},item_view,{item}\n");
        }
    }
    let path = dir.join(name);
    std::fs::write(&path, rows).unwrap();
    path
}

fn number(report: &Value, name: &str) -> f64 {
    let value = report.pointer(name).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// The lists that were written: session, position, items, scores.
fn lists(path: &Path) -> Vec<(String, u64, Vec<String>, Vec<f64>)> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let names = row["items"].as_array().unwrap().iter();
            let scores = row["scores"].as_array().unwrap().iter();
            (
                row["session"].as_str().unwrap().to_owned(),
                row["position"].as_u64().unwrap(),
                names.map(|one| one.as_str().unwrap().to_owned()).collect(),
                scores.map(|one| one.as_f64().unwrap()).collect(),
            )
        })
        .collect()
}

/// Train: a b c, a b, x y. Test: a b c. After a: b 1, c 1/4. After b: c.
#[test]
fn a_small_case_is_as_worked_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let train = log(
        dir.path(),
        "train.csv",
        &[&["a", "b", "c"], &["a", "b"], &["x", "y"]],
    );
    let test = log(dir.path(), "test.csv", &[&["a", "b", "c"], &["z"]]);
    let out = dir.path().join("lists.jsonl");
    let args = [
        "evaluate",
        "--recommender",
        "sequential_rules",
        text(&train),
        text(&test),
    ];
    let found = report(&[&args[..], &["--out", text(&out)]].concat());
    assert_eq!(found["predictions"], 2);
    assert_eq!(found["notes"], serde_json::json!([]));
    let itself = report(&[&args[..3], &[text(&train), text(&train)]].concat());
    let note = itself["notes"][0].as_str().unwrap();
    assert!(note.contains("are the same log"), "{note}");
    for (name, expected) in [
        ("/hr_at_20", 1.0),
        ("/mrr_at_20", 1.0),
        ("/ndcg_at_20", 1.0),
        ("/precision_at_20", (0.1 + 0.05) / 2.0),
        ("/recall_at_20", 1.0),
        ("/coverage_at_20", 2.0 / 5.0),
        ("/popularity_bias", (0.75 + 0.5) / 2.0),
    ] {
        let value = number(&found, name);
        assert!((value - expected).abs() < 1e-9, "{name} is {value}");
    }
    assert!(number(&found, "/latency_us/p99") >= number(&found, "/latency_us/p50"));
    assert!(
        found["protocol"]
            .as_str()
            .unwrap()
            .contains("every position")
    );
    let written = lists(&out);
    assert_eq!(written.len(), 2);
    let (session, position, items, scores) = &written[0];
    assert_eq!((session.as_str(), *position), ("s0", 1));
    assert_eq!(items, &["b", "c"]);
    assert_eq!(scores[0], 1.0);
    assert!((scores[1] - 0.125).abs() < 1e-9, "{scores:?}");
    let last = report(&[&args[..], &["--positions", "last"]].concat());
    assert_eq!(last["predictions"], 1);
    assert!(last["protocol"].as_str().unwrap().contains("last item"));
}

/// Every ranker answers, for people as well, and `--no-repeats` keeps the item on the page out.
#[test]
fn every_ranker_answers() {
    let dir = tempfile::tempdir().unwrap();
    let train = log(
        dir.path(),
        "train.csv",
        &[&["a", "a", "b"], &["a", "a", "c"], &["b", "a"]],
    );
    let test = log(dir.path(), "test.csv", &[&["a", "a", "b"]]);
    for name in [
        "session_knn",
        "association_rules",
        "sequential_rules",
        "trending",
    ] {
        let args = ["evaluate", "--recommender", name, text(&train), text(&test)];
        let said = String::from_utf8(run(&args).stdout).unwrap();
        for words in [
            name,
            "HR@20",
            "MRR@20",
            "NDCG@20",
            "protocol",
            "p90",
            "catalogue",
        ] {
            assert!(said.contains(words), "{name}: {said}");
        }
        let out = dir.path().join("lists.jsonl");
        for (flags, own) in [(&[][..], name != "session_knn"), (&["--no-repeats"], false)] {
            report(&[&args[..], flags, &["--out", text(&out)]].concat());
            let written = lists(&out);
            let first = &written[0].2;
            assert_eq!(
                first.contains(&"a".to_owned()),
                own,
                "{name} {flags:?}: {first:?}"
            );
            assert!(first.contains(&"b".to_owned()));
        }
    }
}

/// Whoever is erased in either log teaches nothing and is asked nothing.
#[test]
fn erased_visitors_are_in_neither_log() {
    let dir = tempfile::tempdir().unwrap();
    let erase = |log: &Path, visitor: &str| {
        let mut rows = std::fs::read_to_string(log).unwrap();
        rows += &format!("{},{visitor},,erase,\n", BASE_MS + 90_000);
        std::fs::write(log, rows).unwrap();
    };
    let train = log(
        dir.path(),
        "train.csv",
        &[&["a", "b"], &["a", "c"], &["a", "d"]],
    );
    let test = log(
        dir.path(),
        "test.csv",
        &[&["e", "a"], &["e", "a"], &["e", "a"], &["a", "c"]],
    );
    erase(&train, "v0");
    erase(&test, "v2");
    let out = dir.path().join("lists.jsonl");
    let args = [
        "evaluate",
        "--recommender",
        "association_rules",
        text(&train),
        text(&test),
    ];
    let found = report(&[&args[..], &["--out", text(&out)]].concat());
    let asked: Vec<_> = lists(&out).into_iter().map(|one| (one.0, one.2)).collect();
    let of = |session: &str, items: &[&str]| {
        (
            session.to_owned(),
            items
                .iter()
                .map(|item| (*item).to_owned())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(asked, [of("s1", &[]), of("s3", &["c"])]);
    let note = "erased visitors are left out: 2 of TRAIN, 2 of TEST";
    assert_eq!(found["notes"], serde_json::json!([note]));
}

/// What a policy has tuned is judged as the policy has it; a flag comes first, and the protocol says what held.
#[test]
fn a_policys_settings_are_those_that_are_judged() {
    let dir = tempfile::tempdir().unwrap();
    let train = log(dir.path(), "train.csv", &[&["a", "b"], &["c", "d"]]);
    let test = log(dir.path(), "test.csv", &[&["z", "y"]]);
    let policy = dir.path().join("policy.toml");
    let rankers = "version = 1\nname = \"tuned\"\n[rankers]\ntrending = { half_life = \"90m\" }\n\
                   session_knn = { sessions = 7, neighbours = 5 }\nblend = { trending = 0.5 }\n";
    std::fs::write(&policy, rankers).unwrap();
    let said = |name: &str, flags: &[&str]| {
        let args = ["evaluate", "--recommender", name, text(&train), text(&test)];
        report(&[&args[..], flags].concat())
    };
    let by_policy: &[&str] = &["--policy", text(&policy)];
    for (name, flags, words) in [
        (
            "session_knn",
            &[][..],
            "as published where no flag says otherwise (m = 1502, k = 288,",
        ),
        ("session_knn", by_policy, "as policy tuned@"),
        ("session_knn", by_policy, "(m = 7, k = 5, last 4"),
        (
            "session_knn",
            &["--policy", text(&policy), "--knn-sessions", "3"],
            "(m = 3, k = 3,",
        ),
        (
            "session_knn",
            &["--knn-sessions", "100"],
            "(m = 100, k = 100,",
        ),
        (
            "session_knn",
            &[],
            "the item on the page is never recommended",
        ),
        (
            "trending",
            &["--half-life", "1s", "--quantum", "10ms"],
            "(half-life 1s, by quanta of 10ms)",
        ),
        ("trending", by_policy, "half-life 90m"),
        ("trending", &[], "half-life 1d, by quanta of 1h"),
        ("trending", &[], "those of bots among them"),
        (
            "blend",
            by_policy,
            "(reciprocal ranks of trending 0.5 (half-life 90m",
        ),
    ] {
        let protocol = said(name, flags)["protocol"].as_str().unwrap().to_owned();
        assert!(protocol.contains(words), "{name} {flags:?}: {protocol}");
    }
    // No item of these logs is in both.
    let note = said("trending", &[])["notes"][0]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(note.starts_with("TEST has no item of TRAIN"), "{note}");
}

/// The README of Serenade gives MRR@20 0.3401 and 0.3197 for these settings. The published formula
/// (`--idf 1`) is held to what it gives here; docs/recommenders.md tells the two apart.
#[test]
fn serenades_figures_are_met() {
    let Some(train) = shared_log("serenade/train.tsv") else {
        return;
    };
    let folder = train.parent().unwrap();
    for (file, predictions, mrr, published_formula) in [
        ("test.tsv", 931, 0.3401, 0.3393),
        ("valid.tsv", 1_121, 0.3197, 0.3257),
    ] {
        let test = folder.join(file);
        let flags = [
            "--knn-sessions",
            "1502",
            "--knn-neighbours",
            "288",
            "--last-items",
            "4",
        ];
        let args = [
            "evaluate",
            "--recommender",
            "session_knn",
            text(&train),
            text(&test),
        ];
        let found = report(&[&args[..], &flags, &["--idf", "2"]].concat());
        assert_eq!(found["predictions"], predictions);
        assert!(number(&found, "/mrr_at_20") >= mrr, "{found}");
        assert!(number(&found, "/hr_at_20") >= 0.6402, "{found}");
        let found = report(&[&args[..], &flags, &["--idf", "1"]].concat());
        let mrr = number(&found, "/mrr_at_20");
        assert!((mrr - published_formula).abs() < 2e-4, "{mrr}");
    }
}

/// The rows of a tab-separated log by session, in the file's order.
fn sessions(path: &Path) -> BTreeMap<String, Vec<String>> {
    let mut sessions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines().skip(1) {
        let mut fields = line.split('\t').map(str::to_owned);
        let (session, item) = (fields.next().unwrap(), fields.next().unwrap());
        sessions.entry(session).or_default().push(item);
    }
    sessions
}

type Weights = BTreeMap<String, BTreeMap<String, f64>>;

/// All rules, by their definition.
fn plain(sessions: &BTreeMap<String, Vec<String>>, sequential: bool) -> Weights {
    let mut rules = Weights::new();
    let mut add = |from: &String, to: &String, weight: f64| {
        let row = rules.entry(from.clone()).or_default();
        *row.entry(to.clone()).or_default() += weight;
    };
    for items in sessions.values() {
        for (i, earlier) in items.iter().enumerate() {
            for (j, later) in items.iter().enumerate().skip(i + 1) {
                let distance = (j - i) as f64;
                if !sequential {
                    add(earlier, later, 1.0);
                    add(later, earlier, 1.0);
                } else if distance <= 20.0 {
                    add(earlier, later, 1.0 / (distance * distance));
                }
            }
        }
    }
    rules
}

#[test]
fn rules_on_yoochoose_are_those_of_a_plain_recomputation() {
    let (Some(train), Some(test)) = (
        shared_log("yoochoose/train.tsv"),
        shared_log("yoochoose/valid.tsv"),
    ) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let asked = sessions(&test);
    for (name, sequential) in [("association_rules", false), ("sequential_rules", true)] {
        let out = dir.path().join(name);
        let args = ["evaluate", "--recommender", name, text(&train), text(&test)];
        let found = report(&[&args[..], &["--out", text(&out)]].concat());
        let rules = plain(&sessions(&train), sequential);
        let (none, mut hits) = (BTreeMap::new(), 0);
        let written = lists(&out);
        for (session, position, items, scores) in &written {
            let on_page = &asked[session][*position as usize - 1];
            let weights = rules.get(on_page).unwrap_or(&none);
            let mut best: Vec<f64> = weights.values().copied().collect();
            best.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(
                items.len(),
                best.len().min(20),
                "{name}, {session} at {position}"
            );
            for ((item, score), expected) in items.iter().zip(scores).zip(&best) {
                // The item's own weight, and the one that this rank has to have.
                assert!((score - weights[item] / best[0]).abs() < 1e-9);
                assert!((score - expected / best[0]).abs() < 1e-9);
            }
            hits += u32::from(items.contains(&asked[session][*position as usize]));
        }
        let hit_rate = f64::from(hits) / written.len() as f64;
        assert!((number(&found, "/hr_at_20") - hit_rate).abs() < 1e-9);
        assert_eq!(found["predictions"], written.len());
    }
}

#[test]
fn what_cannot_be_judged_is_said_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let good = log(dir.path(), "good.csv", &[&["a", "b"]]);
    let short = log(dir.path(), "short.csv", &[&["a"], &["b"]]);
    let scrolls = dir.path().join("scrolls.csv");
    std::fs::write(&scrolls, format!("{HEAD}{BASE_MS},v,s,scroll,\n")).unwrap();
    let bad = dir.path().join("bad.csv");
    std::fs::write(&bad, format!("{HEAD}x,v,s,scroll,\nx,v,s,scroll,\n")).unwrap();
    let missing = dir.path().join("missing.csv");
    let [good, short, scrolls, bad, missing] =
        [&good, &short, &scrolls, &bad, &missing].map(|path| text(path));
    for (arguments, code, words) in [
        (
            vec!["sesion_knn", good, good],
            2,
            "did you mean `session_knn`?",
        ),
        (vec!["catalogue", good, good], 2, "goes by the catalogue"),
        (
            vec![
                "session_knn",
                good,
                good,
                "--knn-sessions",
                "9",
                "--knn-neighbours",
                "10",
            ],
            2,
            "only 9 sessions are compared",
        ),
        (vec!["trending", good], 2, "needs two logs, TRAIN and TEST"),
        (vec!["trending", good, good, good], 2, "got 3"),
        (
            vec!["trending", good, good, "--idf", "1"],
            2,
            "--idf is a setting of session_knn",
        ),
        (
            vec!["session_knn", good, good, "--idf", "-1"],
            2,
            "between 0 and 10",
        ),
        (
            vec!["session_knn", good, good, "--knn-sessions", "0"],
            2,
            "between 1 and",
        ),
        (
            vec!["trending", good, good, "--half-life", "soon"],
            2,
            "--half-life: `soon`",
        ),
        (
            vec!["trending", good, good, "--quantum", "0"],
            2,
            "more than 0",
        ),
        (
            vec!["trending", good, good, "--positions", "all"],
            2,
            "every, last",
        ),
        (
            vec!["trending", good, good, "--label", "abandon"],
            2,
            "--label",
        ),
        (
            vec!["trending", scrolls, good],
            2,
            "scrolls.csv: no event counts; item_view",
        ),
        (
            vec!["trending", good, short],
            2,
            "short.csv: no session has two events",
        ),
        (vec!["trending", bad, good], 3, "restage validate"),
        (vec!["trending", missing, good], 5, "missing.csv"),
        (
            vec!["trending", good, good, "--out", good],
            2,
            "overwritten",
        ),
        (
            vec!["trending", good, good, "--out", "/nowhere/at/all"],
            5,
            "/nowhere/at/all",
        ),
    ] {
        let output = run(&[&["evaluate", "--recommender"][..], &arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
    let output = run(&["evaluate", "--intent", "m.json", good, "--idf", "2"]);
    assert_eq!(output.status.code(), Some(2));
}
