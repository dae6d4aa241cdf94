//! Policies that change while a job runs: the switch is at one time for everyone, and nothing of how the
//! job was run, killed or told of it can be seen in the decisions.

mod common;

use common::{free_addresses, killed_within, report, restage, simulated, text};
use restage::visit::plan::{Plan, RulesText};
use restage::visit::policy::LEARNING_POLICY;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The learning policy, and what becomes of it: an arm is gone and another one new, thresholds,
/// floors and caps are others; then the arm is back, and the slot learns in another way.
fn policies() -> [String; 3] {
    let first = LEARNING_POLICY.replace("name = \"learning\"", "name = \"one\"");
    let second = first
        .replace("name = \"one\"", "name = \"two\"")
        .replace("\"category_guide\"", "\"season\"")
        .replace(
            "learn = { method = \"thompson\" }",
            "learn = { method = \"thompson\", floor = 0.05, warm_up = 5 }",
        )
        .replace("uses_max = 1", "uses_max = 3")
        .replace("cooldown = \"10s\"", "cooldown = \"2s\"")
        + "\n[phase]\nexploring = { enter = 0.02, leave = 0.01 }\n[hesitation]\nafter = \"20s\"\n";
    let third = first.replace("name = \"one\"", "name = \"three\"").replace(
        "method = \"thompson\" }",
        "method = \"epsilon_greedy\", epsilon = 0.2 }",
    );
    [first, second, third]
}

struct Shop {
    dir: TempDir,
    /// Two times in the log, no multiples of anything.
    times: [u64; 2],
}

impl Shop {
    fn new(events: usize) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.csv");
        simulated(&log, 7, events);
        let rows = std::fs::read_to_string(&log).unwrap();
        let rows: Vec<&str> = rows.lines().collect();
        let at = |part: usize| -> u64 {
            let row = rows[rows.len() * part / 3];
            let ms: u64 = row.split(',').next().unwrap().parse().unwrap();
            ms - ms % 1_000 + 137
        };
        let times = [at(1), at(2)];
        let shop = Shop { dir, times };
        let [first, second, third] = policies();
        for (name, text) in [("one", &first), ("two", &second), ("three", &third)] {
            std::fs::write(shop.path(&format!("{name}.toml")), text).unwrap();
        }
        let text = |policy: String| RulesText {
            policy,
            ..RulesText::default()
        };
        let mut plan = Plan::read(text(first), None).unwrap();
        plan.take_over(times[0], text(second)).unwrap();
        plan.take_over(times[1], text(third)).unwrap();
        std::fs::write(shop.path("journal"), plan.journal()).unwrap();
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = restage();
        command
            .args(["replay", text(&self.path("log.csv"))])
            .args(more);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn boundaries(&self) -> [u64; 2] {
        self.times.map(|ms| ms.next_multiple_of(1_000))
    }

    /// What one worker makes of the journal.
    fn right(&self) -> Vec<u8> {
        let (out, journal) = (self.path("right.jsonl"), self.path("journal"));
        let flags = ["--policy-schedule", text(&journal), "--out", text(&out)];
        let done = self.command(&flags).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
        std::fs::read(out).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// From when on others take over, as a run has said.
fn turn_of(output: &Output) -> u64 {
    let told = said(output);
    let turn = told.split("take over at ").nth(1);
    let turn = turn.and_then(|rest| rest.split(" ms").next()?.parse().ok());
    turn.unwrap_or_else(|| panic!("{told}"))
}

fn records(decisions: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(decisions).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_record_names_the_policy_that_held_and_shows_none_of_its_gone_arms() {
    let shop = Shop::new(12_000);
    let right = records(&shop.right());
    let [first, second] = shop.boundaries();
    let mut shown = [(); 3].map(|()| BTreeSet::new());
    let mut at_once = 0;
    for record in &right {
        let at = record["at_ms"].as_u64().unwrap();
        let held = usize::from(at >= first) + usize::from(at >= second);
        let policy = record["policy"].as_str().unwrap();
        let name = ["one@", "two@", "three@"][held];
        assert!(policy.starts_with(name), "{record}");
        shown[held].insert(record["layout"]["banner"].as_str().unwrap().to_owned());
        if record["trigger"] == "policy" {
            at_once += 1;
            assert!(at == first || at == second, "{record}");
            let changed = record["changed"].as_array().unwrap();
            assert!(changed.contains(&"banner".into()), "{record}");
        }
    }
    let names = |arms: [&str; 3]| BTreeSet::from(arms.map(String::from));
    let before = names(["brand", "new_arrivals", "category_guide"]);
    assert_eq!(shown[0], before);
    assert_eq!(shown[1], names(["brand", "new_arrivals", "season"]));
    assert_eq!(shown[2], before);
    assert!(
        at_once > 10,
        "pages that showed what is gone changed at once: {at_once}"
    );
}

#[test]
fn a_switch_is_the_same_for_any_shape_and_pace() {
    let shop = Shop::new(12_000);
    let right = shop.right();
    let (out, journal) = (shop.path("out.jsonl"), shop.path("journal"));
    let schedule = ["--policy-schedule", text(&journal)];
    for more in [
        &["-w", "2"][..],
        &["-w", "4", "--grain", "60000"],
        &["--batch", "7", "--read-ahead", "1"],
        &["-w", "3", "--grain", "3600000", "--batch", "65536"],
    ] {
        let flags = [&schedule[..], more, &["--out", text(&out)]].concat();
        let done = shop.command(&flags).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
        assert!(std::fs::read(&out).unwrap() == right, "with {more:?}");
    }
    let hosts = shop.path("hosts");
    std::fs::write(&hosts, free_addresses(2).join("\n")).unwrap();
    let of = |process: &str, more: &[&str]| {
        let place = [
            "-n",
            "2",
            "-p",
            process,
            "-w",
            "2",
            "--hostfile",
            text(&hosts),
        ];
        shop.command(&[&schedule[..], &place, more].concat())
    };
    let other = of("1", &[]).spawn().unwrap();
    let done = of("0", &["--out", text(&out)]).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(other.wait_with_output().unwrap().status.success());
    assert!(std::fs::read(&out).unwrap() == right, "two processes");
}

/// A durable run over the journal's plan, killed at storage operations around the switches and started
/// again in another shape.
#[test]
fn a_run_is_killed_around_its_switches_and_goes_on_in_another_shape() {
    let shop = Shop::new(12_000);
    let right = shop.right();
    let (out, journal, state) = (
        shop.path("o.jsonl"),
        shop.path("journal"),
        shop.path("state"),
    );
    let flags = [
        "--policy-schedule",
        text(&journal),
        "--batch",
        "128",
        "--snapshot-every",
        "20ms",
    ];
    let flags = [&flags[..], &["--state", text(&state), "--out", text(&out)]].concat();
    let shapes = ["1", "2", "4"];
    for (turn, operation) in (14..62).step_by(4).enumerate() {
        let _ = std::fs::remove_dir_all(&state);
        let _ = std::fs::remove_file(&out);
        let failpoint = format!("{operation}:{}", ["before", "after"][turn % 2]);
        let mut run = shop.command(&flags);
        run.args(["-w", shapes[turn % 3]]);
        let first = run.env("RESTAGE_FAILPOINT", &failpoint).output().unwrap();
        let so_far = std::fs::read(&out).unwrap_or_default();
        assert!(right.starts_with(&so_far), "{failpoint}: {}", said(&first));
        let again = shop
            .command(&flags)
            .args(["-w", shapes[(turn + 1) % 3]])
            .output()
            .unwrap();
        assert!(again.status.success(), "{failpoint}: {}", said(&again));
        assert!(std::fs::read(&out).unwrap() == right, "{failpoint}");
        let copy = std::fs::read(shop.path("o.jsonl.rules")).unwrap();
        assert_eq!(copy, std::fs::read(&journal).unwrap());
    }
}

/// Other rules than the state's are refused, or taken from a stated time on; the journal beside the
/// decisions then makes the same ones again.
#[test]
fn a_state_goes_on_under_another_policy_from_a_stated_time_on() {
    let shop = Shop::new(12_000);
    let all = shop.right().len();
    let folder = shop.path("run");
    std::fs::create_dir(&folder).unwrap();
    let (out, state) = (folder.join("o.jsonl"), folder.join("state"));
    let durable = [
        "--state",
        text(&state),
        "--out",
        text(&out),
        "--batch",
        "128",
        "--snapshot-every",
        "20ms",
    ];
    let paths = ["one", "two", "three"].map(|name| shop.path(&format!("{name}.toml")));
    let run = |policy: &Path, more: &[&str], failpoint: &str| {
        let flags = [&durable[..], &["--policy", text(policy)], more].concat();
        let mut command = shop.command(&flags);
        if !failpoint.is_empty() {
            command.env("RESTAGE_FAILPOINT", failpoint);
        }
        command.output().unwrap()
    };
    killed_within(&folder, all, 10..25, |failpoint| {
        run(&paths[0], &[], failpoint)
    });
    let committed = std::fs::read(&out).unwrap();
    let refused = run(&paths[1], &[], "");
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(
        said(&refused).contains("--policy-from now"),
        "{}",
        said(&refused)
    );
    // Advice that would not help is not given.
    let parted = shop.path("parted.toml");
    let [first, ..] = policies();
    std::fs::write(&parted, first.replace("share = ", "share = 0.4 # ")).unwrap();
    let journal = shop.path("journal");
    let scheduled = ["--policy-schedule", text(&journal)];
    for (output, words) in [
        (run(&parted, &[], ""), "Begin a new state"),
        (
            shop.command(&[&durable[..], &scheduled].concat())
                .output()
                .unwrap(),
            "take over from no others",
        ),
    ] {
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
        assert!(
            !said(&output).contains("--policy-from"),
            "{}",
            said(&output)
        );
    }
    let last = records(&committed).last().unwrap()["at_ms"]
        .as_u64()
        .unwrap();
    let early = run(&paths[1], &["--policy-from", "1000"], "");
    assert_eq!(early.status.code(), Some(2), "{}", said(&early));
    assert!(said(&early).contains("is committed"), "{}", said(&early));
    let when = shop.times[1].to_string();
    let later = killed_within(&folder, all, 40..55, |failpoint| {
        run(&paths[1], &["--policy-from", "now", "-w", "2"], failpoint)
    });
    let from = turn_of(&later);
    assert!(from > last, "what is committed stays: {from} after {last}");
    let third = run(&paths[2], &["--policy-from", &when], "");
    assert!(third.status.success(), "{}", said(&third));
    let decisions = std::fs::read(&out).unwrap();
    assert!(decisions.starts_with(&committed), "nothing is taken back");
    let mut held = BTreeSet::new();
    for record in records(&decisions) {
        let at = record["at_ms"].as_u64().unwrap();
        let policy = record["policy"].as_str().unwrap();
        let name = policy.split('@').next().unwrap().to_owned();
        assert_eq!(name == "one", at < from, "{record}");
        assert_eq!(name == "three", at >= shop.boundaries()[1], "{record}");
        held.insert(name);
    }
    assert_eq!(held.len(), 3, "{held:?}");
    let (again, rules) = (shop.path("again.jsonl"), folder.join("o.jsonl.rules"));
    let flags = [
        "--policy-schedule",
        text(&rules),
        "--out",
        text(&again),
        "-w",
        "2",
    ];
    let done = shop.command(&flags).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(
        std::fs::read(&again).unwrap() == decisions,
        "the journal says all"
    );
}

#[test]
fn a_policy_that_cannot_be_taken_over_is_refused_with_its_line() {
    let shop = Shop::new(100);
    let [first, second, _] = policies();
    let (old, new) = (shop.path("one.toml"), shop.path("new.toml"));
    let check = |text_of_new: &str| {
        std::fs::write(&new, text_of_new).unwrap();
        let flags = ["policy", "check", text(&new), "--against", text(&old)];
        common::run(&flags)
    };
    let good = check(&second);
    let page = String::from_utf8(good.stdout).unwrap();
    assert!(good.status.success());
    for part in [
        "can take it over",
        "arm category_guide is gone",
        "arm season is new",
    ] {
        assert!(page.contains(part), "{page}");
    }
    for (from, to, key, why) in [
        (
            "margin = 0.3",
            "margin = 0.4",
            "margin = 0.4",
            "promotions.margin differs",
        ),
        (
            "window = \"session\"",
            "window = \"1d\"",
            "window = \"1d\"",
            "learning.window differs",
        ),
        (
            "share = 0.1",
            "share = 0.2",
            "share = 0.2",
            "holdout.share differs",
        ),
        (
            "name = \"grid\"",
            "name = \"list\"",
            "[[slot]]",
            "slot `grid` is gone",
        ),
        (
            "default = \"brand\"",
            "default = \"new_arrivals\"",
            "default = \"new_arrivals\"",
            "its default differs",
        ),
        (
            "holdout = 0.1 }",
            "holdout = 0.2 }",
            "holdout = 0.2 }",
            "its holdout differs",
        ),
        (
            "context = [\"phase\", \"device\"]",
            "context = [\"phase\"]",
            "context = [\"phase\"]",
            "its context differs",
        ),
    ] {
        let changed = first.replacen(from, to, 1);
        assert_ne!(changed, first, "{from}");
        let refused = check(&changed);
        let told = said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains(why), "{why}: {told}");
        let line: usize = told
            .split("line ")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let at = changed.lines().nth(line - 1).unwrap();
        assert!(at.contains(key), "line {line} is `{at}`: {told}");
    }
}

#[test]
fn the_report_names_all_policies() {
    let shop = Shop::new(3_000);
    let (log, journal) = (shop.path("log.csv"), shop.path("journal"));
    let page = report(&["replay", text(&log), "--policy-schedule", text(&journal)]);
    let policy = page["policy"].as_str().unwrap();
    let [first, _] = shop.boundaries();
    assert!(
        policy.contains(&format!(", from {first} ms two@")),
        "{policy}"
    );
}
