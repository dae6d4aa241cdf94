//! A durable run, killed and started again in other shapes, by the real program on a real disk.
//!
//! Whatever happens to it: the file of decisions is at every moment a prefix of what an undisturbed run
//! with one worker writes, and in the end it is that file. `scripts/crash-matrix.sh` tries every failpoint
//! and hundreds of random instants; here are some of each.

#[path = "../common/mod.rs"]
mod common;

mod cluster;
mod ends;
mod meeting;
mod refused;
mod switch;

use common::{check_reports, free_addresses, restage, simulated, text};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Workers of each process.
type Shape = &'static [usize];
const SHAPES: [Shape; 5] = [&[1], &[2], &[4], &[1, 1], &[2, 2]];

/// The name of a policy whose slots learn whole layouts.
const TOGETHER: &str = "together.toml";

fn together() -> String {
    let learn =
        "context = [\"phase\"]\nlearn = { method = \"multivariate\", warm_up = 5, holdout = 0.1 }";
    format!(
        "version = 1\nname = \"together\"\n[stability]\ncooldown = \"1s\"\nmin_gain = 0.0\n\
         [[slot]]\nname = \"order\"\ndefault = \"usual\"\nlearn = {{ method = \"thompson\", warm_up = 5 }}\n\
         arm = [{{ name = \"usual\" }}, {{ name = \"popular\" }}]\n\
         [[slot]]\nname = \"banner\"\ndefault = \"brand\"\n{learn}\n\
         arm = [{{ name = \"brand\" }}, {{ name = \"new\" }}, {{ name = \"guide\" }}]\n\
         [[slot]]\nname = \"promo\"\ndefault = \"none\"\n{learn}\n\
         arm = [{{ name = \"none\" }}, {{ name = \"tenth\", discount = 0.1, budget = 500.0 }}]\n"
    )
}

/// A log, a policy, and what an undisturbed run makes of them.
struct Shop {
    dir: TempDir,
    arguments: Vec<String>,
    /// What only the first process of a durable run is given.
    of_first: Vec<String>,
    right: Vec<u8>,
}

impl Shop {
    fn new(events: usize, policy: &str) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.csv");
        let mut arguments = vec!["replay".to_owned(), text(&log).to_owned()];
        if policy == "products.toml" {
            let items = dir.path().join("items.csv");
            let events = events.to_string();
            let flags = ["simulate", "--events", &events, "--catalogue", text(&items)];
            let made = restage()
                .args(flags)
                .args(["-o", text(&log)])
                .output()
                .unwrap();
            assert!(made.status.success());
            arguments.extend(["--catalogue".into(), text(&items).into()]);
        } else {
            simulated(&log, 5, events);
        }
        let policy = if policy == TOGETHER {
            let own = dir.path().join(policy);
            std::fs::write(&own, together()).unwrap();
            own
        } else {
            let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
            data.join(policy)
        };
        arguments.extend(["--policy".into(), text(&policy).into()]);
        let right = dir.path().join("right.jsonl");
        let done = restage()
            .args(&arguments)
            .args(["--out", text(&right)])
            .output();
        assert!(done.unwrap().status.success());
        let right = std::fs::read(right).unwrap();
        Shop {
            dir,
            arguments,
            of_first: Vec::new(),
            right,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn out(&self) -> Vec<u8> {
        std::fs::read(self.path("out.jsonl")).unwrap_or_default()
    }

    /// A new state folder and a new file.
    fn clear(&self) {
        let _ = std::fs::remove_dir_all(self.path("state"));
        let _ = std::fs::remove_file(self.path("out.jsonl"));
    }

    fn command(&self) -> Command {
        let mut command = restage();
        command.args(&self.arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn durable(&self) -> Command {
        let mut command = self.command();
        command.args([
            "--state",
            text(&self.path("state")),
            "--snapshot-every",
            "30ms",
        ]);
        // Small steps: there is time for snapshots in between.
        command.args(["--out", text(&self.path("out.jsonl")), "--batch", "128"]);
        command.args(&self.of_first);
        command
    }

    /// Starts a run in a shape; the first process comes first.
    fn start(&self, shape: Shape, failpoint: Option<&str>) -> Vec<Child> {
        let hosts = self.path("hosts");
        if shape.len() > 1 {
            std::fs::write(&hosts, free_addresses(shape.len()).join("\n")).unwrap();
        }
        let children = shape.iter().enumerate().map(|(process, workers)| {
            let mut command = if process == 0 {
                self.durable()
            } else {
                self.command()
            };
            command.args(["-w", &workers.to_string()]);
            if shape.len() > 1 {
                command.args(["-n", &shape.len().to_string(), "-p", &process.to_string()]);
                command.args(["--hostfile", text(&hosts)]);
            }
            if let Some(failpoint) = failpoint.filter(|_| process == 0) {
                command.env("RESTAGE_FAILPOINT", failpoint);
            }
            command.spawn().unwrap()
        });
        children.collect()
    }

    /// The file is a prefix of what is right.
    fn check(&self, what: &str) {
        let out = self.out();
        assert!(self.right.starts_with(&out), "{what}: not a prefix");
    }
}

fn ends(children: Vec<Child>) -> Vec<Output> {
    let ends = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap());
    ends.collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Sends a signal to a process, or with a minus to its group.
fn signal(name: &str, id: impl std::fmt::Display) {
    let id = id.to_string();
    let sent = Command::new("kill").args([name, "--", &id]).status();
    assert!(sent.unwrap().success(), "{name} {id}");
}

/// Waits until it holds; a test that waits for half a minute has failed.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Operations of opening a new folder: the last is the sync of the folder with the copy of the rules.
const OPENING: usize = 28;

/// Killed at storage operations, in turn before and after, up to the run's last; each time another shape
/// goes on. The last operation that there was.
fn killed_at_operations(policy: &str, operations: impl Iterator<Item = usize>) -> usize {
    let shop = Shop::new(12_000, policy);
    let mut last = 0;
    for (turn, operation) in operations.enumerate() {
        shop.clear();
        let when = ["before", "after"][turn % 2];
        let failpoint = format!("{operation}:{when}");
        let what = format!("{policy}, {failpoint}");
        let mut children = shop.start(SHAPES[turn % 5], Some(&failpoint));
        let first = children.remove(0).wait_with_output().unwrap();
        shop.check(&what);
        let killed = first.status.signal() == Some(9);
        assert!(killed || first.status.success(), "{what}: {}", said(&first));
        for other in children {
            let other = other.wait_with_output().unwrap();
            // Until a state is in force the run has not begun, and may be tried again.
            let lost = if operation <= OPENING { 5 } else { 1 };
            let expected = if killed { lost } else { 0 };
            assert_eq!(other.status.code(), Some(expected), "{}", said(&other));
        }
        let second = ends(shop.start(SHAPES[(turn * 3 + 1) % 5], None));
        for output in &second {
            assert!(output.status.success(), "{what}: {}", said(output));
        }
        assert!(shop.out() == shop.right, "{what}: the end is another");
        if !killed {
            break;
        }
        last = operation;
    }
    last
}

#[test]
fn a_run_that_learns_is_killed_at_storage_operations() {
    let opening = [2, 5, 9, 14, 17, 20, 26, 29, 32, 38, 45].into_iter();
    let last = killed_at_operations("learning.toml", opening.chain((53..).step_by(32)));
    assert!(last > 53, "{last}");
}

#[test]
fn a_run_that_learns_layouts_is_killed_at_storage_operations() {
    killed_at_operations(TOGETHER, [12, 17, 23, 30, 38].into_iter());
}

#[test]
fn a_run_that_shows_products_is_killed_at_storage_operations() {
    let operations = [11, 16, 28, 35, 42, 50].into_iter();
    assert_eq!(killed_at_operations("products.toml", operations), 50);
}

/// Killed at whatever moment it is, again and again, until it is done.
#[test]
fn a_run_is_killed_at_any_moment() {
    let shop = Shop::new(40_000, "learning.toml");
    for turn in 0..60u64 {
        let mut children = shop.start(SHAPES[turn as usize % 5], None);
        let moment = Duration::from_millis(150 + restage::event::mix(turn) % 900);
        let begun = Instant::now();
        while begun.elapsed() < moment && children[0].try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = children[0].kill();
        let outputs = ends(children);
        shop.check(&format!("turn {turn}"));
        if outputs[0].status.success() {
            assert!(turn > 0, "killed at least once");
            assert!(shop.out() == shop.right);
            return;
        }
        assert_eq!(outputs[0].status.signal(), Some(9), "{}", said(&outputs[0]));
    }
    panic!("never done: too slow a machine, or no progress");
}

/// What is in a folder is told, and a folder without state is none.
#[test]
fn a_state_folder_is_shown() {
    let shop = Shop::new(20_000, "learning.toml");
    assert!(ends(shop.start(&[1], None))[0].status.success());
    let state = shop.path("state");
    let output = restage()
        .args(["snapshot", "ls", text(&state), "--json"])
        .output()
        .unwrap();
    let page: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(page["finished"], true);
    assert_eq!(page["committed_bytes"], shop.right.len());
    assert_eq!(
        (&page["format"], &page["snapshots"][0]["format"]),
        (&1.into(), &1.into())
    );
    assert_eq!(page["rules"]["whole"], true);
    let none = restage()
        .args(["snapshot", "ls", text(shop.dir.path())])
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(4), "{}", said(&none));
}
