//! A durable run, killed and started again in other shapes, by the real program on a real disk.
//!
//! Whatever happens to it: the file of decisions is at every moment a prefix of what an undisturbed run
//! with one worker writes, and in the end it is that file. `scripts/crash-matrix.sh` tries every failpoint
//! and hundreds of random instants; here are some of each.

mod common;

use common::{free_addresses, restage, simulated, text};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Workers of each process.
type Shape = &'static [usize];
const SHAPES: [Shape; 5] = [&[1], &[2], &[4], &[1, 1], &[2, 2]];

/// A log, a policy, and what an undisturbed run makes of them.
struct Shop {
    dir: TempDir,
    arguments: Vec<String>,
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
        let policy = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("data")
            .join(policy);
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

/// Operations of opening a new folder: the last is the sync of the folder with the first manifest.
const OPENING: usize = 16;

/// Killed at storage operations, in turn before and after; each time another shape goes on.
fn killed_at_operations(policy: &str, operations: impl Iterator<Item = usize>) {
    let shop = Shop::new(12_000, policy);
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
        for mut other in children {
            // Until a state is in force nobody has called the others, who wait for a minute.
            if killed && operation <= OPENING {
                other.kill().unwrap();
            }
            let other = other.wait_with_output().unwrap();
            let code = other.status.code();
            let expected = Some(i32::from(killed));
            assert!(code.is_none() || code == expected, "{}", said(&other));
        }
        let second = ends(shop.start(SHAPES[(turn * 3 + 1) % 5], None));
        for output in &second {
            assert!(output.status.success(), "{what}: {}", said(output));
        }
        assert!(shop.out() == shop.right, "{what}: the end is another");
    }
}

#[test]
fn a_run_that_learns_is_killed_at_storage_operations() {
    killed_at_operations(
        "learning.toml",
        [2, 5, 9, 12, 14, 17, 20, 26, 33, 41].into_iter(),
    );
}

#[test]
fn a_run_that_shows_products_is_killed_at_storage_operations() {
    killed_at_operations("products.toml", [11, 16, 23, 30, 38].into_iter());
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

/// Asked to end, it commits and ends with 0; so does its report, once it is through, say all.
#[test]
fn asked_to_end_a_run_commits_and_goes_on_later() {
    let shop = Shop::new(60_000, "learning.toml");
    let mut children = shop.start(&[1], None);
    while shop.out().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let asked = Instant::now();
    let id = children[0].id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = children.remove(0).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert!(
        said(&output).contains("goes on from there"),
        "{}",
        said(&output)
    );
    shop.check("asked to end");
    assert!(shop.out().len() < shop.right.len());
    let on = shop
        .durable()
        .arg("--json")
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let through = shop
        .command()
        .arg("--json")
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(shop.out() == shop.right);
    let report = |output: &Output| -> serde_json::Value {
        serde_json::from_slice(&output.stdout).expect("a report")
    };
    let (on, through) = (report(&on), report(&through));
    for field in [
        "events",
        "sessions",
        "decisions",
        "digest",
        "rows",
        "learned",
    ] {
        assert_eq!(on[field], through[field], "{field}");
    }
}

/// Each of these is refused with a reason and a code, and nothing of the state is touched.
#[test]
fn what_does_not_go_on_is_refused() {
    let shop = Shop::new(8_000, "learning.toml");
    let first = ends(shop.start(&[1], Some("40:after")));
    assert_eq!(first[0].status.signal(), Some(9));
    let log = shop.path("log.csv");
    let whole = std::fs::read(&log).unwrap();
    let refused = |command: &mut Command, code: i32, words: &str| {
        let output = command.output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    };
    let mut other = shop.durable();
    refused(
        other.args(["--out-format", "csv"]),
        2,
        "another configuration",
    );
    let mut elsewhere = shop.command();
    let (state, other) = (shop.path("state"), shop.path("other.jsonl"));
    elsewhere.args(["--state", text(&state), "--out", text(&other)]);
    refused(&mut elsewhere, 2, "out.jsonl");
    let mut sorted = shop.durable();
    refused(sorted.arg("--sort"), 2, "--sort");
    let mut out = shop.command();
    refused(
        out.args(["--state", text(&state), "--out", "-"]),
        2,
        "--out -",
    );
    // Another log under the same name: what was committed does not come out again.
    let changed = String::from_utf8(whole.clone())
        .unwrap()
        .replace(",item_view,", ",click,");
    std::fs::write(&log, changed).unwrap();
    refused(&mut shop.durable(), 1, "other output than was committed");
    std::fs::write(&log, &whole).unwrap();
    let on = ends(shop.start(&[2], None));
    assert!(on[0].status.success(), "{}", said(&on[0]));
    assert!(shop.out() == shop.right);
    // A snapshot that decayed costs a snapshot; both, all of them.
    for name in std::fs::read_dir(&state).unwrap() {
        let path = name.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("snapshot-")
        {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let inspected = restage()
                .args(["snapshot", "inspect", text(&state)])
                .output()
                .unwrap();
            assert_eq!(inspected.status.code(), Some(4));
            assert!(said(&inspected).contains("byte"), "{}", said(&inspected));
        }
    }
    let on = ends(shop.start(&[1], None));
    assert!(on[0].status.success(), "{}", said(&on[0]));
    assert!(
        said(&on[0]).contains("going on without it"),
        "{}",
        said(&on[0])
    );
    assert!(shop.out() == shop.right);
}

/// One of two processes is killed, or frozen: the other one says so and ends.
#[test]
fn a_process_that_is_lost_ends_the_others() {
    let shop = Shop::new(200_000, "learning.toml");
    for (signal, within, words) in [("-KILL", 2, "process"), ("-STOP", 6, "nothing was heard")] {
        shop.clear();
        let hosts = shop.path("hosts");
        std::fs::write(&hosts, free_addresses(2).join("\n")).unwrap();
        let start = |process: &str| {
            let mut command = if process == "0" {
                shop.durable()
            } else {
                shop.command()
            };
            let flags = [
                "-n",
                "2",
                "-p",
                process,
                "--watchdog",
                "2",
                "--hostfile",
                text(&hosts),
            ];
            command.args(flags).spawn().unwrap()
        };
        let (first, mut second) = (start("0"), start("1"));
        while shop.out().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let id = second.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let lost = Instant::now();
        let output = first.wait_with_output().unwrap();
        let noticed = lost.elapsed();
        second.kill().unwrap();
        second.wait().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(words), "{signal}: {}", said(&output));
        assert!(
            noticed < Duration::from_secs(within),
            "{signal}: {noticed:?}"
        );
        shop.check(signal);
    }
}

/// Started again as often as it is allowed to, and no more.
#[test]
fn a_supervisor_starts_a_broken_run_again() {
    let shop = Shop::new(8_000, "learning.toml");
    let mut command = shop.durable();
    command.args(["--supervise", "--supervise-limit", "2"]);
    let output = command
        .env("RESTAGE_FAILPOINT", "8:before")
        .output()
        .unwrap();
    let words = said(&output);
    assert_eq!(output.status.code(), Some(137), "{words}");
    assert!(
        words.contains("restart 2 in 1000 ms") && words.contains("giving up"),
        "{words}"
    );
    let mut command = shop.durable();
    let output = command.arg("--supervise").output().unwrap();
    assert!(
        output.status.success() && shop.out() == shop.right,
        "{}",
        said(&output)
    );
}

/// What is in a folder is told, and a folder without state is none.
#[test]
fn a_state_folder_is_shown() {
    let shop = Shop::new(8_000, "learning.toml");
    assert!(ends(shop.start(&[1], None))[0].status.success());
    let state = shop.path("state");
    let output = restage()
        .args(["snapshot", "ls", text(&state), "--json"])
        .output()
        .unwrap();
    let page: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(page["finished"], true);
    assert_eq!(page["committed_bytes"], shop.right.len());
    let none = restage()
        .args(["snapshot", "ls", text(shop.dir.path())])
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(4), "{}", said(&none));
}
