//! What the tests of the binary share: the binary, logs, and free ports.
#![allow(dead_code)]

use restage::format::LogWriter;
use restage::simulate::{Scratch, Shop, ShopParams};
use serde_json::Value;
use std::net::TcpListener;
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
