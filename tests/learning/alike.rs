//! With the loop closed, decisions and what was learned are still a pure function of the log.
//!
//! The job is held against itself (workers, grains, batches, read-aheads, processes) and against
//! [`super::world`], which knows no batches at all.

use super::common::{free_addresses, restage, simulated, text};
use super::script::rules;
use super::world::World;
use crate::script::{START_MS, Told, searching, stumps};
use restage::event::{Id, Kind, Micros};
use restage::flow::failure::Stop;
use restage::flow::job::{Cluster, JobSpec, run};
use restage::flow::output::{LineWriter, Target};
use restage::flow::sessions::Lines;
use restage::flow::source::Pace;
use restage::format::Source;
use restage::rng::Rng;
use restage::visit::learn::learner::SlotReport;
use restage::visit::live::Rules;
use restage::visit::model::{Model, file};
use restage::visit::tally::Tally;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A page with four learned slots, one method each.
const PAGE: &str = r#"
[[slot]]
name = "banner"
default = "brand"
context = ["phase", "returning"]
learn = { method = "thompson", warm_up = 5 }
arm = [{ name = "brand" }, { name = "new" }, { name = "guide" }, { name = "reminder", when = { cart_size = { min = 1 } } }]
[[slot]]
name = "promo"
default = "none"
context = ["phase"]
learn = { method = "softmax", warm_up = 2, temperature = 0.5 }
arm = [{ name = "none" }, { name = "shipping", cost = 4.9, budget = 50.0 }, { name = "tenth", discount = 0.1, uses_max = 1 }]
[[slot]]
name = "order"
default = "usual"
context = ["device"]
learn = { method = "epsilon_greedy", warm_up = 1, epsilon = 0.3, kill = 0.05 }
arm = [{ name = "usual" }, { name = "popular" }, { name = "recent" }]
[[slot]]
name = "button"
default = "green"
learn = { method = "fixed", weights = { green = 1.0, red = 3.0 } }
arm = [{ name = "green" }, { name = "red" }]
"#;

/// A page of which two slots learn together and one alone.
const TOGETHER: &str = r#"
[[slot]]
name = "order"
default = "usual"
context = ["phase"]
learn = { method = "thompson", warm_up = 5 }
arm = [{ name = "usual" }, { name = "popular" }, { name = "recent" }]
[[slot]]
name = "banner"
default = "brand"
context = ["phase", "returning"]
learn = { method = "multivariate", warm_up = 3, holdout = 0.1 }
arm = [{ name = "brand" }, { name = "new" }, { name = "guide" }]
[[slot]]
name = "promo"
default = "none"
context = ["phase", "returning"]
learn = { method = "multivariate", warm_up = 3, holdout = 0.1 }
arm = [{ name = "none" }, { name = "shipping", cost = 4.9, budget = 50.0 }, { name = "tenth", discount = 0.1, uses_max = 1 }]
"#;

/// A quick loop, and a reward that moves often.
const QUICK: &str = "[learning]\nretention = \"90s\"\nprovisional = 0.3\nattribution = \"decayed\"\nhalf_life = \"20s\"\nwindow = \"60s\"\n\
                     [tables]\nquantum = \"200ms\"\nlag = \"400ms\"\n";
/// A slow one, short of room, that counts what was seen.
const TIGHT: &str = "[learning]\nreward = \"revenue\"\ncounts = \"seen\"\nretention = \"30m\"\nfacts = 512\n\
                     [tables]\nquantum = \"2s\"\nlag = \"6s\"\n";
const PLAIN: &str = "[tables]\nquantum = \"1s\"\nlag = \"1s\"\n";

fn policy(lines: &str) -> String {
    policy_of(lines, PAGE)
}

fn policy_of(lines: &str, page: &str) -> String {
    format!("version = 1\n{lines}[stability]\ncooldown = \"1s\"\nmin_gain = 0.0\n{page}")
}

/// The layouts that the slots learned together are known, and not drawn evenly.
fn assert_layouts_were_learned(learned: &[SlotReport]) {
    let together = learned.iter().find(|slot| slot.slot == "banner+promo");
    let leaves = &together.expect("two slots learn together").leaves;
    let shares = leaves.iter().flat_map(|leaf| &leaf.arms);
    let most = shares.filter_map(|layout| layout.share).fold(0.0, f64::max);
    assert!(most > 0.15, "the best of nine has {most}");
}

/// What a run came to.
#[derive(PartialEq)]
struct Came {
    digest: String,
    file: Vec<u8>,
    learned: Vec<SlotReport>,
    tally: Tally,
}

struct Logs {
    dir: TempDir,
    paths: Vec<PathBuf>,
}

impl Logs {
    /// A simulated log, dealt out to lanes of which the last ends early.
    fn simulated(events: usize) -> Logs {
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("whole.csv");
        simulated(&whole, 5, events);
        let log = std::fs::read_to_string(&whole).unwrap();
        let (header, rows) = log.split_once('\n').unwrap();
        let mut lanes = vec![format!("{header}\n"); 3];
        for (at, row) in rows.lines().enumerate() {
            let lane = if at < events / 3 { at % 3 } else { at % 2 };
            lanes[lane].push_str(row);
            lanes[lane].push('\n');
        }
        let write = |(at, lane): (usize, &String)| {
            let path = dir.path().join(format!("lane{at}.csv"));
            std::fs::write(&path, lane).unwrap();
            path
        };
        let paths = lanes.iter().enumerate().map(write).collect();
        Logs { dir, paths }
    }

    fn run(&self, rules: &Arc<Rules>, workers: usize, pace: Pace) -> Came {
        let stop = Stop::default();
        let out = self.dir.path().join("decisions");
        let result = run(JobSpec {
            cluster: Cluster::local(workers),
            pace,
            decisions: Some(LineWriter::create(Target::parse(&out), stop.clone()).unwrap()),
            lines: Lines::Json,
            timeline: true,
            stop,
            ..JobSpec::of(
                Arc::clone(rules),
                self.paths.iter().map(Source::parse).collect(),
            )
        });
        let mut result = result.unwrap().unwrap();
        result.finish(true).unwrap();
        let mut tally = result.tally.clone();
        // How much was live at once on all workers together is not one number.
        (
            tally.live_sessions_peak,
            tally.state_bytes,
            tally.state_sessions,
        ) = (0, 0, 0);
        Came {
            digest: result.digest.to_string(),
            file: std::fs::read(&out).unwrap(),
            learned: result.learned,
            tally,
        }
    }

    fn assert_alike(&self, rules: &Arc<Rules>) -> Came {
        let one = self.run(rules, 1, Pace::default());
        let paces = [
            (2, Pace::default()),
            (
                4,
                Pace {
                    grain_ms: 700,
                    ..Pace::default()
                },
            ),
            (
                1,
                Pace {
                    grain_ms: 3_600_000,
                    ..Pace::default()
                },
            ),
            (
                3,
                Pace {
                    grain_ms: 86_400_000,
                    ..Pace::default()
                },
            ),
            (
                2,
                Pace {
                    grain_ms: 1,
                    batch_events_max: 13,
                    read_ahead: 64,
                },
            ),
            (
                1,
                Pace {
                    grain_ms: 50,
                    batch_events_max: 97,
                    read_ahead: 1,
                },
            ),
        ];
        for (workers, pace) in paces {
            let other = self.run(rules, workers, pace);
            let run = format!("{workers} workers, {pace:?}");
            assert!(one.file == other.file, "decision files differ: {run}");
            assert_eq!(one.digest, other.digest, "{run}");
            assert_eq!(one.learned, other.learned, "{run}");
            assert_eq!(one.tally, other.tally, "{run}");
        }
        one
    }
}

#[test]
fn a_loop_short_of_room_decides_alike_and_learns_alike() {
    let came = Logs::simulated(9_000).assert_alike(&rules(&policy(TIGHT), searching()));
    assert!(came.tally.decisions > 1_000, "too few decisions");
}

#[test]
fn a_loop_that_learns_layouts_decides_alike_and_learns_alike() {
    // No impression names a decision in this log.
    let tight = TIGHT.replace("counts = \"seen\"\n", "");
    for lines in [PLAIN, &tight] {
        let rules = rules(&policy_of(lines, TOGETHER), searching());
        let came = Logs::simulated(6_000).assert_alike(&rules);
        assert_layouts_were_learned(&came.learned);
    }
}

/// Judgements by trees wait for their turn, and the facts that they state with them.
#[test]
fn trees_and_a_loop_short_of_room_decide_alike() {
    let trees = Model::read(file::write(&stumps::restless()).as_bytes()).unwrap();
    let lines = TIGHT.replace("counts = \"seen\"\n", "provisional = 0.2\n");
    let came = Logs::simulated(6_000).assert_alike(&rules(&policy(&lines), trees));
    assert!(came.tally.limits.facts > 100, "there was room");
}

#[test]
fn the_sample_log_decides_alike() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo.csv");
    let logs = Logs {
        dir: tempfile::tempdir().unwrap(),
        paths: vec![demo],
    };
    logs.assert_alike(&rules(&policy(PLAIN), searching()));
}

#[test]
fn two_processes_learn_alike() {
    for page in [PAGE, TOGETHER] {
        two_processes_learn_alike_of(&policy_of(QUICK, page));
    }
}

fn two_processes_learn_alike_of(text_of: &str) {
    let logs = Logs::simulated(6_000);
    let dir = logs.dir.path();
    let file = dir.join("policy.toml");
    std::fs::write(&file, text_of).unwrap();
    let hosts = dir.join("hosts");
    std::fs::write(&hosts, free_addresses(2).join("\n")).unwrap();
    let start = |flags: &[&str]| {
        let mut command = restage();
        command.arg("replay").args(&logs.paths);
        command
            .args(["--policy", text(&file), "--json"])
            .args(flags);
        command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (one, two) = (dir.join("one"), dir.join("two"));
    let alone = start(&["--out", text(&one)]).wait_with_output().unwrap();
    assert!(alone.status.success());
    let mesh = ["--hostfile", text(&hosts), "-n", "2", "-w", "1", "-p"];
    let first = start(&[&mesh[..], &["0", "--out", text(&two)]].concat());
    let second = start(&[&mesh[..], &["1"]].concat());
    let (first, second) = (first.wait_with_output(), second.wait_with_output());
    assert!(first.unwrap().status.success() && second.unwrap().status.success());
    let read = |path: &PathBuf| std::fs::read(path).unwrap();
    assert!(!read(&one).is_empty() && read(&one) == read(&two));
}

const ITEMS: [&str; 4] = ["a", "b", "c", "d"];

/// Visitors of all bins, with orders, refunds, stalled carts and facts that age in the last second.
fn crafted(seed: u64, events: usize) -> Vec<Told> {
    let mut rng = Rng::of(seed, 3);
    let mut at = START_MS;
    let mut log = Vec::new();
    for offset in 0..events {
        at += u64::from(rng.below(900));
        let who = format!("v{}", rng.below(60));
        let kinds = [
            Kind::PageView,
            Kind::Search,
            Kind::AddToCart,
            Kind::Purchase,
            Kind::Refund,
        ];
        let mut told = Told::new(at, &who, kinds[rng.weighted(&[4.0, 4.0, 2.0, 1.5, 0.7])]);
        told.event.offset.0 = offset as u64;
        told.event.item = Id::of(ITEMS[rng.below(4) as usize].as_bytes());
        told.event.value = Micros::new(10_000_000 * i64::from(1 + rng.below(3)));
        log.push(told);
    }
    log
}

/// The job, which works by streams, and the world, which works by lists, come to the same.
fn assert_as_lists(number: usize, lines: &str, trees: bool) {
    assert_page_as_lists(
        number,
        &policy(&lines.replace("counts = \"seen\"\n", "")),
        trees,
    );
}

fn assert_page_as_lists(number: usize, policy: &str, trees: bool) {
    let dir = tempfile::tempdir().unwrap();
    let model = match trees {
        true => Model::read(file::write(&stumps::restless()).as_bytes()).unwrap(),
        false => searching(),
    };
    {
        let rules = rules(policy, model);
        let events = crafted(number as u64, 700);
        let mut world = World::judging_in_turns_of(&rules, 1 + number * 5);
        let mut tally = world.play(&events);
        let path = dir.path().join(format!("log{number}.csv"));
        let mut csv = String::from("arrival_ms,event_ms,visitor,kind,item,value\n");
        for told in &events {
            let value = told.event.value.get().unwrap() / 1_000_000;
            let (at, kind) = (told.event.arrival.0, told.event.kind.name());
            let is_item = |name: &&&str| Id::of(name.as_bytes()) == told.event.item;
            let item = ITEMS.iter().find(is_item).unwrap();
            csv += &format!("{at},{at},{},{kind},{item},{value}\n", told.visitor);
        }
        std::fs::write(&path, csv).unwrap();
        let logs = Logs {
            dir: tempfile::tempdir().unwrap(),
            paths: vec![path],
        };
        let streamed = super::retraction::streamed(&world.told, &rules.policy, (3, true));
        assert!(streamed == world.versions, "log {number}: statistics");
        let came = logs.run(
            &rules,
            2,
            Pace {
                grain_ms: 5_000,
                ..Pace::default()
            },
        );
        let mut lines = world.heard.lines.lines;
        lines.sort();
        let wanted: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        let found = String::from_utf8(came.file).unwrap();
        for (found, wanted) in found.lines().zip(wanted.lines()) {
            assert_eq!(found, wanted, "log {number}");
        }
        assert_eq!(found.len(), wanted.len(), "log {number}");
        assert_eq!(
            came.learned,
            world.learner.report(&rules.policy),
            "log {number}"
        );
        (
            tally.live_sessions_peak,
            tally.state_bytes,
            tally.state_sessions,
        ) = (0, 0, 0);
        assert_eq!(came.tally.lift, tally.lift, "log {number}");
    }
}

#[test]
fn a_plain_loop_decides_as_lists_do() {
    assert_as_lists(2, PLAIN, false);
}

#[test]
fn a_quick_loop_decides_as_lists_do() {
    assert_as_lists(0, QUICK, false);
}

#[test]
fn a_loop_short_of_room_decides_as_lists_do() {
    assert_as_lists(1, TIGHT, false);
}

#[test]
fn a_loop_that_learns_layouts_decides_as_lists_do() {
    assert_page_as_lists(4, &policy_of(PLAIN, TOGETHER), false);
}

#[test]
fn a_quick_loop_with_trees_decides_as_lists_do() {
    assert_as_lists(3, QUICK, true);
}

/// A judgement that waits sees the cart as it was, and its facts take their place in time.
#[test]
fn turns_of_judging_cannot_be_seen() {
    let trees = || Model::read(file::write(&stumps::restless()).as_bytes()).unwrap();
    let lines = "[learning]\nreward = \"margin\"\nprovisional = 0.2\nretention = \"20s\"\nfacts = 512\n\
                 [promotions]\nmargin_min = 0.1\n[bots]\nevents_per_minute = 5\nevents_min = 9\n\
                 [tables]\nquantum = \"200ms\"\nlag = \"400ms\"\n";
    let rules = rules(&policy(lines), trees());
    for seed in 0..4 {
        let mut events = crafted(seed, 900);
        for told in &mut events {
            told.event.price = Micros::new(40_000_000);
        }
        let came = |most| {
            let mut world = World::judging_in_turns_of(&rules, most);
            let tally = world.play(&events);
            let told: Vec<_> = world.told.into_iter().collect();
            let told: Vec<_> = told.iter().map(|(at, said)| (*at, said.len())).collect();
            let report = world.learner.report(&rules.policy);
            (
                world.heard.lines.lines,
                report,
                tally.lift,
                tally.limits,
                told,
            )
        };
        let one = came(1);
        assert!(one.3.facts > 20, "there was room");
        for most in [3, 64] {
            let mut other = came(most);
            other.0.sort();
            let mut lines = one.0.clone();
            lines.sort();
            assert_eq!(lines, other.0, "decisions, seed {seed}, turns of {most}");
            assert_eq!(one.1, other.1, "learned, seed {seed}, turns of {most}");
            assert_eq!(
                (&one.2, &one.3),
                (&other.2, &other.3),
                "seed {seed}, turns of {most}"
            );
            assert_eq!(one.4, other.4, "facts, seed {seed}, turns of {most}");
        }
    }
}
