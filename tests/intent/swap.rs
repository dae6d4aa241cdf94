//! A model that takes over in the middle of a log does so at one time for everyone: the boundary
//! is in the records, and nothing of how the job was run can be seen in them.

use crate::common::{free_addresses, restage, text};
use crate::shop::{SHOP, assert_refused, replay};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// A time in the middle of the log, no multiple of anything.
fn middle() -> u64 {
    let log = std::fs::read_to_string(SHOP.file("log.csv")).unwrap();
    let row = log.lines().nth(6_000).unwrap();
    let at: u64 = row.split(',').next().unwrap().parse().unwrap();
    at - at % 1_000 + 137
}

/// The shipped policy with another quantum.
fn policy(dir: &Path, quantum: &str) -> String {
    let path = dir.join(format!("{quantum}.toml"));
    let shipped = restage::visit::policy::DEFAULT_POLICY;
    let text_of_policy = match shipped.contains("quantum = \"1s\"") {
        true => shipped
            .replace("quantum = \"1s\"", &format!("quantum = \"{quantum}\""))
            .replace("lag = \"1s\"", &format!("lag = \"{quantum}\"")),
        false => format!("{shipped}\n[tables]\nquantum = \"{quantum}\"\n"),
    };
    std::fs::write(&path, text_of_policy).unwrap();
    text(&path).into()
}

fn record(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn at(line: &str) -> u64 {
    record(line)["at_ms"].as_u64().unwrap()
}

#[test]
fn the_boundary_is_the_next_multiple_of_the_quantum() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (SHOP.arg("logistic.json"), SHOP.arg("trees.json"));
    let [one, two] = [0, 1].map(|at| SHOP.said[at]["model"].as_str().unwrap());
    for (quantum, ms) in [("1s", 1_000), ("1m", 60_000)] {
        let policy = policy(dir.path(), quantum);
        let boundary = middle().next_multiple_of(ms);
        assert_ne!(boundary, middle());
        let run = |time: &str| {
            let swap = format!("{time}={second}");
            let flags = ["--policy", &policy, "--model", &first];
            replay(
                &SHOP.arg("log.csv"),
                &[&flags[..], &["--swap-model", &swap]].concat(),
            )
        };
        let (report, lines) = run(&middle().to_string());
        let mut counts = [0, 0];
        for line in &lines {
            let after = at(line) >= boundary;
            counts[usize::from(after)] += 1;
            let expected = if after { two } else { one };
            assert_eq!(record(line)["model"], expected, "{line}");
        }
        assert!(counts[0] > 300 && counts[1] > 300, "{counts:?}");
        assert!(report["drift"].as_array().unwrap().len() == 2);
        // A boundary is its own next multiple, and a time may be written as people do.
        let written = jiff_time(boundary);
        for same in [boundary.to_string(), written] {
            assert!(run(&same).1 == lines, "{same}");
        }
    }
}

/// 2026-01-05T00:12:34Z of a time in whole seconds within the simulated Monday.
fn jiff_time(ms: u64) -> String {
    let seconds = (ms - 1_767_571_200_000) / 1_000;
    assert!(seconds < 86_400 && ms.is_multiple_of(1_000));
    let (h, m, s) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("2026-01-05T{h:02}:{m:02}:{s:02}Z")
}

#[test]
fn a_swap_is_the_same_for_any_number_of_workers_and_any_pace() {
    let (first, second) = (SHOP.arg("trees.json"), SHOP.arg("logistic.json"));
    let back = middle() + 100_000;
    let swaps = [
        format!("{}={second}", middle()),
        format!("{back}={}", SHOP.arg("trees.json")),
    ];
    let mut flags = vec!["--model", &first];
    for swap in &swaps {
        flags.extend(["--swap-model", swap]);
    }
    let run = |more: &[&str]| {
        let (report, lines) = replay(&SHOP.arg("log.csv"), &[&flags, more].concat());
        (report["digest"].to_string(), report["drift"].clone(), lines)
    };
    let one = run(&[]);
    let models: BTreeSet<String> = one
        .2
        .iter()
        .map(|line| record(line)["model"].to_string())
        .collect();
    assert_eq!(models.len(), 2);
    for more in [
        &["-w", "2"][..],
        &["-w", "3", "--grain", "60000"],
        &["--batch", "7", "--read-ahead", "1"],
        &["--grain", "3600000", "--batch", "65536"],
    ] {
        assert!(run(more) == one, "with {more:?}");
    }
    // In another order on the command line.
    flags.swap(3, 5);
    let (_, lines) = replay(&SHOP.arg("log.csv"), &flags);
    assert!(lines == one.2, "the order of the flags");
}

#[test]
fn a_swap_is_the_same_in_two_processes() {
    let dir = tempfile::tempdir().unwrap();
    let (model, log) = (SHOP.arg("logistic.json"), SHOP.arg("log.csv"));
    let swap = format!("{}={}", middle(), SHOP.arg("trees.json"));
    let flags = ["--model", &model, "--swap-model", &swap];
    let (_, one) = replay(&log, &flags);
    let hosts = dir.path().join("hosts");
    std::fs::write(&hosts, free_addresses(2).join("\n")).unwrap();
    let out = dir.path().join("out.jsonl");
    let start = |index: &str| {
        let mut command = restage();
        command.args(["replay", &log, "-n", "2", "-w", "2", "-p", index]);
        command.args(["--hostfile", text(&hosts)]).args(flags);
        if index == "0" {
            command.args(["--out", text(&out)]);
        }
        command.stdout(std::process::Stdio::null());
        command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    for child in ["0", "1"].map(start) {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    let two = std::fs::read_to_string(&out).unwrap();
    assert!(two.lines().eq(one.iter().map(String::as_str)));
}

/// A decision rests on the features, the session's phase and layout, and the model in force. None of
/// them knows a model to come; and a session that begins after the boundary knows none that was,
/// since what is remembered of a visitor is counted from events alone.
#[test]
fn before_the_boundary_one_model_rules_and_for_later_sessions_the_other() {
    let (first, second) = (SHOP.arg("logistic.json"), SHOP.arg("trees.json"));
    let log = SHOP.arg("log.csv");
    let boundary = middle().next_multiple_of(1_000);
    let swap = format!("{}={second}", middle());
    let (_, swapped) = replay(&log, &["--model", &first, "--swap-model", &swap]);
    let (_, of_first) = replay(&log, &["--model", &first]);
    let (_, of_second) = replay(&log, &["--model", &second]);
    let before = |lines: &[String]| -> Vec<String> {
        let lines = lines.iter().filter(|line| at(line) < boundary);
        lines.cloned().collect()
    };
    assert!(before(&swapped) == before(&of_first));
    assert!(before(&of_second) != before(&of_first), "models differ");

    let session = |line: &str| {
        let record = record(line);
        (record["visitor"].to_string(), record["session"].to_string())
    };
    let begun: BTreeSet<_> = of_second
        .iter()
        .filter(|line| record(line)["trigger"] == "start" && at(line) >= boundary)
        .map(|line| session(line))
        .collect();
    assert!(begun.len() > 300, "{} sessions", begun.len());
    let theirs = |lines: &[String]| -> Vec<String> {
        let lines = lines.iter().filter(|line| begun.contains(&session(line)));
        lines.cloned().collect()
    };
    assert!(theirs(&swapped) == theirs(&of_second));
    assert!(theirs(&swapped) != theirs(&of_first), "models differ");
}

#[test]
fn a_swap_beyond_the_log_changes_nothing() {
    let (first, log) = (SHOP.arg("logistic.json"), SHOP.arg("log.csv"));
    let swap = format!("2030-01-01T00:00:00Z={}", SHOP.arg("trees.json"));
    let (_, plain) = replay(&log, &["--model", &first]);
    let (_, late) = replay(&log, &["--model", &first, "--swap-model", &swap]);
    assert!(plain == late);
    let swap = format!("0={first}");
    let (_, early) = replay(
        &log,
        &["--model", &SHOP.arg("trees.json"), "--swap-model", &swap],
    );
    assert!(plain == early);
}

#[test]
fn swaps_that_cannot_be_made_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (log, model) = (SHOP.arg("log.csv"), SHOP.arg("trees.json"));
    let whole = std::fs::read(SHOP.file("trees.json")).unwrap();
    std::fs::write(dir.path().join("half.json"), &whole[..whole.len() / 2]).unwrap();
    let refused = |swaps: &[&str], words: &[&str]| {
        let mut args = vec!["replay", &log, "--out", "out.jsonl"];
        for swap in swaps {
            args.extend(["--swap-model", swap]);
        }
        assert_refused(dir.path(), &args, 2, words);
    };
    refused(&["soon"], &["--swap-model soon", "not TIME=FILE"]);
    refused(&["1000="], &["--swap-model 1000=", "not TIME=FILE"]);
    let time = |time: &str| format!("{time}={model}");
    for bad in ["soon", "2026-01-06", "1.5", "", "99999999999999999999"] {
        let words = [&format!("`{bad}` is neither a time")[..], "milliseconds"];
        refused(&[&time(bad)], &words);
    }
    refused(
        &[&time("1001"), &time("1999")],
        &["trees@", "would both take effect at 2000 ms"],
    );
    refused(&[&time("18446744073709551615")], &["beyond the end"]);
    refused(&["1000=none.json"], &["none.json could not be read"]);
    refused(&["1000=half.json"], &["half.json was refused", "cut short"]);
}
