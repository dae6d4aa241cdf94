//! What the tests of the binary share: the binary, logs, and free ports.
#![allow(dead_code)]

use restage::format::LogWriter;
use restage::simulate::{Scratch, Shop, ShopParams};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary under test.
pub fn restage() -> Command {
    Command::new(env!("CARGO_BIN_EXE_restage"))
}

/// Runs the binary and returns what it said.
pub fn run(args: &[&str]) -> Output {
    restage().args(args).output().expect("the binary starts")
}

/// Runs the binary with `--json` and returns its report.
pub fn report(args: &[&str]) -> Value {
    let output = restage()
        .args(args)
        .arg("--json")
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{args:?} ended with {}: {said}",
        output.status
    );
    serde_json::from_slice(&output.stdout).expect("--json prints one JSON object")
}

/// Copies a folder and all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        match from.is_dir() {
            true => copy(&from, &to),
            false => assert!(fs::copy(from, to).is_ok()),
        }
    }
}

/// Has a durable run killed (by a failpoint that it is given) when it has committed a share of `all`
/// bytes of decisions, in hundredths; they and the state stand in a folder, as `o.jsonl` and whatever else.
///
/// What has gathered is committed at once, however much it is: where the disk kept a run waiting until it
/// was past that share, the folder is put back and the run begins again.
pub fn killed_within(
    folder: &Path,
    all: usize,
    share: Range<usize>,
    run: impl Fn(&str) -> Output,
) -> Output {
    let kept = folder.with_extension("kept");
    let _ = fs::remove_dir_all(&kept);
    copy(folder, &kept);
    let bytes = all * share.start / 100..all * share.end / 100;
    for _ in 0..20 {
        let killed = run(&format!("o.jsonl:{}", bytes.start));
        let written = fs::metadata(folder.join("o.jsonl")).map_or(0, |file| file.len());
        if bytes.contains(&(written as usize)) {
            return killed;
        }
        fs::remove_dir_all(folder).unwrap();
        copy(&kept, folder);
    }
    panic!("no run could be killed within {share:?} % of its decisions");
}

/// Two runs, one of them taken up again, counted and learned the same by their reports (`--json`).
pub fn check_reports(on: &Output, through: &Output, hint: &str) {
    let report = |output: &Output| -> Value {
        serde_json::from_slice(&output.stdout).expect("--json prints one JSON object")
    };
    let (on, through) = (report(on), report(through));
    for field in [
        "events",
        "sessions",
        "decisions",
        "digest",
        "rows",
        "learned",
    ] {
        assert_eq!(on[field], through[field], "{field}: {hint}");
    }
}

/// Writes a log of the simulated shop.
pub fn simulated(path: &Path, seed: u64, events: usize) {
    let params = ShopParams {
        seed,
        ..ShopParams::default()
    };
    simulated_by(path, params, events);
}

/// Writes a log of the simulated shop as it is described.
pub fn simulated_by(path: &Path, params: ShopParams, events: usize) {
    let mut writer = LogWriter::create(path).unwrap();
    let mut scratch = Scratch::default();
    for event in Shop::new(params).take(events) {
        writer.write(&event.raw(&mut scratch)).unwrap();
    }
    writer.finish().unwrap();
}

/// Free ports on the loopback address.
pub fn free_addresses(count: usize) -> Vec<String> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    held.iter()
        .map(|listener| listener.local_addr().unwrap().to_string())
        .collect()
}

/// A file of the shared real logs, or `None` with a word about it where they are absent.
pub fn shared_log(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("RESTAGE_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: the real log {name} is not here; set RESTAGE_SHARED_DATA to its folder");
    None
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are text")
}
