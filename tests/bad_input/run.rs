//! Running the binary on bytes, and what must hold of every run.

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Three good rows of Restage's own CSV, to stand around bad ones.
pub const GOOD: &str = "\
event_ms,visitor,kind,item,price
1600000000000,ann,item_view,shoe,49.90
1600000001000,bob,search,,
1600000002000,ann,add_to_cart,shoe,49.90
";

/// What a run came to.
pub struct Outcome {
    pub code: i32,
    pub stderr: String,
    /// The report; nothing where the run failed before it had one.
    pub report: Value,
    /// The lines of `--rejects`.
    pub rejects: Vec<Value>,
    /// The file that `--out` names; nothing where it is not there.
    pub decisions: Option<String>,
    pub dir: TempDir,
}

/// The binary.
pub fn restage() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("restage"))
}

/// A new folder with one file in it.
pub fn file(name: &str, bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// Replays `bytes` as a log.
pub fn replay(bytes: impl AsRef<[u8]>, flags: &[&str]) -> Outcome {
    let (dir, path) = file("log", bytes);
    replay_paths(dir, &[&path], flags)
}

/// Replays logs, with their folder to write into, and checks what must hold of every run.
pub fn replay_paths(dir: TempDir, logs: &[&Path], flags: &[&str]) -> Outcome {
    let (out, rejects) = (dir.path().join("out.jsonl"), dir.path().join("rejects"));
    let run = restage()
        .arg("replay")
        .args(logs)
        .args(["--json", "--out"])
        .arg(&out)
        .arg("--rejects")
        .arg(&rejects)
        .args(flags)
        .output()
        .unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    let code = run.status.code().expect("ended by no signal");
    assert!([0, 1, 2, 3, 5].contains(&code), "exit {code}: {stderr}");
    assert_calm(&stderr);
    assert_eq!(partial_files(dir.path()), [] as [PathBuf; 0]);
    let report = match run.stdout.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&run.stdout).expect("stdout holds one object"),
    };
    assert_eq!(report.is_object(), code == 0 || code == 3, "{stderr}");
    let outcome = Outcome {
        code,
        stderr,
        report,
        rejects: lines(&rejects),
        decisions: std::fs::read_to_string(&out).ok(),
        dir,
    };
    outcome.assert_nothing_lost();
    outcome
}

/// No panic, caught or not, and no broken invariant.
pub fn assert_calm(stderr: &str) {
    for word in ["panicked", "broken invariant", "RUST_BACKTRACE"] {
        assert!(!stderr.contains(word), "{stderr}");
    }
}

/// Unfinished files in a folder.
pub fn partial_files(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|e| e == "partial"))
        .collect()
}

/// The lines of a file, each a JSON object, the last one whole; none where it is not there.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "half a line");
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

impl Outcome {
    fn assert_nothing_lost(&self) {
        let decisions = lines(&self.dir.path().join("out.jsonl"));
        if !self.report.is_object() {
            assert_eq!(self.decisions, None, "decisions of a run that failed");
            return;
        }
        let rejected = self.report["rejected"].as_object().unwrap();
        let rejected: u64 = rejected.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(self.count("events"), self.count("accepted") + rejected);
        assert_eq!(rejected, self.rejects.len() as u64);
        if self.code == 0 {
            assert_eq!(self.count("decisions"), decisions.len() as u64);
        }
    }

    /// A number of the report.
    pub fn count(&self, name: &str) -> u64 {
        self.report[name].as_u64().expect(name)
    }

    /// The run failed with this code, and said all of this.
    pub fn assert_fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.stderr);
        for word in words {
            let said = &self.stderr;
            assert!(said.contains(word), "`{word}` was not said:\n{said}");
        }
    }

    /// The run went through with these rejects: line, byte, reason.
    pub fn assert_rejects(&self, expected: &[(u64, u64, &str)]) {
        assert_eq!(self.code, 0, "{}", self.stderr);
        let found: Vec<(u64, u64, &str)> = self
            .rejects
            .iter()
            .map(|reject| {
                assert_eq!(reject["lane"], 0);
                let number = |name: &str| reject[name].as_u64().unwrap();
                (
                    number("line"),
                    number("byte"),
                    reject["reason"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(found, expected);
    }

    /// The texts of the rejects.
    pub fn texts(&self) -> Vec<&str> {
        let texts = self.rejects.iter().map(|reject| reject["text"].as_str());
        texts.map(Option::unwrap).collect()
    }
}
