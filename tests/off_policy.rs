//! `restage evaluate --obd`: the published figures of the Open Bandit Dataset, and what is refused.
//! The dataset is not part of the project: where it is absent, each test on it says so and passes.

mod common;

use common::{report, run, shared_log, text};
use serde_json::Value;
use std::path::Path;

fn judged(log: &str, campaign: &str) -> Option<Value> {
    let log = shared_log(log)?;
    let prior = shared_log("obd/prior_bts.yaml")?;
    let (log, prior) = (text(&log), text(&prior));
    Some(report(&[
        "evaluate",
        "--obd",
        log,
        "--prior",
        prior,
        "--campaign",
        campaign,
    ]))
}

fn number(report: &Value, pointer: &str) -> f64 {
    let value = report.pointer(pointer).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report}"))
}

fn says(report: &Value, words: &str) -> bool {
    let warnings = report["warnings"].as_array().expect("a list");
    warnings
        .iter()
        .any(|warning| warning.as_str().is_some_and(|text| text.contains(words)))
}

/// The Open Bandit Pipeline gives ipw 0.004553 (0.00153 to 0.00925), dr 0.004727 and dm 0.003545,
/// the latter two with another model, the first with a target policy that it drew 100,000 times.
#[test]
fn the_published_figures_are_met() {
    let Some(report) = judged("obd/random/all.csv.gz", "all") else {
        return;
    };
    assert_eq!(
        (&report["rows"], &report["clicks"]),
        (&10_000.into(), &38.into())
    );
    assert!(
        (number(&report, "/ipw") - 0.004_553).abs() < 3e-5,
        "{report}"
    );
    assert!((number(&report, "/interval/ipw/0") - 0.001_53).abs() < 3e-4);
    assert!((number(&report, "/interval/ipw/1") - 0.009_25).abs() < 8e-4);
    assert!((number(&report, "/dr") - 0.004_727).abs() < 2e-4);
    assert!((number(&report, "/dm") - 0.003_545).abs() < 8e-4);
    assert!(number(&report, "/interval/dm/0") < 0.003_545);
    assert_eq!(report["groups"].as_array().unwrap().len(), 3);
    assert!(says(&report, "one row makes up") && says(&report, "only 38 row(s)"));
    assert!(!says(&report, "not uniformly random"));
}

#[test]
fn the_men_are_read_with_their_own_prior() {
    let Some(report) = judged("obd/random/men.csv.gz", "men") else {
        return;
    };
    assert_eq!(report["clicks"], 46);
    // The policy itself, which ran beside it: its mean lies in the interval.
    let own = number(&judged("obd/bts/men.csv.gz", "men").unwrap(), "/on_policy");
    assert!((own - 0.0069).abs() < 1e-12);
    let (low, high) = (
        number(&report, "/interval/ipw/0"),
        number(&report, "/interval/ipw/1"),
    );
    assert!(low < number(&report, "/ipw") && number(&report, "/ipw") < high);
}

#[test]
fn tiny_propensities_bring_the_warning() {
    let Some(report) = judged("obd/bts/all.csv.gz", "all") else {
        return;
    };
    assert!(number(&report, "/weights/propensity/0") < 1e-4);
    assert!(says(&report, "propensities go down to") && says(&report, "not uniformly random"));
    assert!(number(&report, "/ess") < 1_000.0);
}

const HEAD: &str = ",timestamp,item_id,position,click,propensity_score\n";
const PRIOR: &str = "all:\n  alpha: [2, 3, 4]\n  beta: [90, 80, 70]\n";

/// Runs on a log and a prior of these texts; exit code and what was said on stderr.
fn refused(dir: &Path, log: &str, prior: &str, campaign: &str) -> (Option<i32>, String) {
    let paths = [dir.join("log.csv"), dir.join("prior.yaml")];
    std::fs::write(&paths[0], log).unwrap();
    std::fs::write(&paths[1], prior).unwrap();
    let [log, prior] = [text(&paths[0]), text(&paths[1])];
    let output = run(&[
        "evaluate",
        "--obd",
        log,
        "--prior",
        prior,
        "--campaign",
        campaign,
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn bad_files_are_named_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let good = format!("{HEAD}0,t,2,1,1,0.25\n1,t,0,3,0,0.5\n");
    let bad_row = format!("{good}2,t,3,1,0,0.5\n");
    for (log, prior, campaign, code, words) in [
        (
            bad_row.as_str(),
            PRIOR,
            "all",
            3,
            &["log.csv: line 4", "3 items"][..],
        ),
        (HEAD, PRIOR, "all", 3, &["log.csv", "no rows"]),
        ("a,b\n", PRIOR, "all", 2, &["no column `item_id`"]),
        (
            &good,
            PRIOR,
            "al",
            2,
            &["prior.yaml", "did you mean `all`?"],
        ),
        (
            &good,
            "all:\n  alfa:\n",
            "all",
            2,
            &["prior.yaml: line 2", "did you mean `alpha`?"],
        ),
        (
            &good,
            "all:\n  alpha: [1]\n  beta: [1]\n",
            "all",
            2,
            &["3 positions", "1 items"],
        ),
    ] {
        let (found, said) = refused(dir.path(), log, prior, campaign);
        assert_eq!(found, Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    let (code, said) = refused(dir.path(), &good, PRIOR, "all");
    assert_eq!(code, Some(0), "{said}");
    let prior = dir.path().join("prior.yaml");
    let output = run(&[
        "evaluate",
        "--obd",
        "nowhere.csv",
        "--prior",
        text(&prior),
        "--campaign",
        "all",
    ]);
    assert_eq!(output.status.code(), Some(5));
}

/// A propensity of a millionth is no support: the report says so before anybody is proud of a number.
#[test]
fn propensities_down_to_a_millionth_bring_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let (log, prior) = (dir.path().join("log.csv"), dir.path().join("prior.yaml"));
    std::fs::write(&prior, PRIOR).unwrap();
    let sound: String = (0..3_000)
        .map(|n| {
            format!(
                "{n},t,{},{},{},0.333333\n",
                n % 3,
                1 + n / 3 % 3,
                u8::from(n % 7 == 0)
            )
        })
        .collect();
    let flags = [
        "evaluate",
        "--obd",
        text(&log),
        "--prior",
        text(&prior),
        "--campaign",
        "all",
    ];
    for (rare, warned) in [("", false), ("3000,t,1,1,1,0.000001\n", true)] {
        std::fs::write(&log, format!("{HEAD}{sound}{rare}")).unwrap();
        let output = run(&flags);
        let page = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(0), "{page}");
        let has = said.contains("propensities go down to 1.0e-6");
        assert_eq!(has, warned, "{page}");
        assert_eq!(
            said.contains("verdict not known: the mean weight is"),
            warned,
            "{page}"
        );
        let led = page
            .lines()
            .filter(|line| line.starts_with("ipw") && line.contains(" %"));
        assert_eq!(led.count() == 0, warned, "{page}");
    }
}

/// Exactly one thing is judged, with the flags that belong to it.
#[test]
fn flags_that_do_not_belong_together_are_refused() {
    for args in [
        &["evaluate"][..],
        &["evaluate", "log.csv"],
        &["evaluate", "--intent", "model.json"],
        &["evaluate", "--obd", "log.csv"],
        &[
            "evaluate",
            "--obd",
            "log.csv",
            "--prior",
            "p",
            "--campaign",
            "all",
            "--split",
            "time",
        ],
        &[
            "evaluate",
            "--obd",
            "log.csv",
            "--prior",
            "p",
            "--campaign",
            "all",
            "other.csv",
        ],
        &[
            "evaluate",
            "--obd",
            "a",
            "--prior",
            "p",
            "--campaign",
            "all",
            "--intent",
            "m",
            "log.csv",
        ],
        &["evaluate", "--intent", "m", "log.csv", "--prior", "p"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

/// The plot stands in the folder, the same bytes for the same seed; `--bootstrap` is `--replicates`.
#[test]
fn the_plot_and_the_report_follow_from_the_flags() {
    let dir = tempfile::tempdir().unwrap();
    let (log, prior) = (dir.path().join("log.csv"), dir.path().join("prior.yaml"));
    let rows: String = (0..300)
        .map(|n| {
            format!(
                "{n},t,{},{},{},0.3333\n",
                n % 3,
                n / 3 % 3 + 1,
                u8::from(n % 7 == 0)
            )
        })
        .collect();
    std::fs::write(&log, format!("{HEAD}{rows}")).unwrap();
    std::fs::write(&prior, PRIOR).unwrap();
    let args = |seed, replicates| {
        [
            "evaluate",
            "--obd",
            text(&log),
            "--prior",
            text(&prior),
            "--campaign",
            "all",
            "--seed",
            seed,
            replicates,
            "50",
        ]
    };
    let once = report(&args("3", "--bootstrap"));
    assert_eq!(once, report(&args("3", "--replicates")));
    assert_ne!(
        once["interval"],
        report(&args("4", "--replicates"))["interval"]
    );
    assert_eq!(once["replicates"], 50);
    let plots = dir.path().join("plots");
    let mut args = args("3", "--bootstrap").to_vec();
    args.extend(["--plot", text(&plots)]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0));
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(
        page.contains("switch_dr") && page.contains("position 3"),
        "{page}"
    );
    let svg = std::fs::read_to_string(plots.join("off_policy.svg")).unwrap();
    assert!(svg.contains("snipw"));
}
