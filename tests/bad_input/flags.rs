//! Flags that make no sense: exit 2, with what would.

use super::run::{GOOD, assert_calm, file, replay, replay_paths, restage};

#[test]
fn numbers_out_of_their_range_are_refused() {
    for (flags, word) in [
        (&["-w", "0"][..], "--workers 0 does not lie between 1 and"),
        (&["-w", "100000"], "--workers 100000"),
        (&["-w", "-1"], "-1"),
        (&["-w", "two"], "two"),
        (&["-p", "5", "-n", "2"], "--process 5 does not exist"),
        (&["-n", "0"], "--processes 0"),
        (&["--grain", "0"], "--grain 0"),
        (&["--batch", "0"], "--batch 0"),
        (&["--read-ahead", "0"], "--read-ahead 0"),
        (&["--max-reject-ratio", "1.5"], "between 0 and 1"),
        (&["--max-reject-ratio", "NaN"], "between 0 and 1"),
        (
            &["--lateness", "soon"],
            "--lateness: `soon` is not a duration",
        ),
        (&["--future", "99999999999d"], "--future: "),
    ] {
        replay(GOOD, flags).assert_fails(2, &[word]);
    }
}

#[test]
fn a_hostfile_needs_a_line_for_each_process() {
    for (hosts, flags, word) in [
        (
            "127.0.0.1:2101\n",
            &["-n", "2"][..],
            "names 1 hosts, but the job has 2",
        ),
        ("a:1\nb:2\nc:3\n", &["-n", "2"], "names 3 hosts"),
        ("a:1\nb\n", &["-n", "2"], "`b` is not host:port"),
        ("a:1\nb:70000\n", &["-n", "2"], "`b:70000` is not host:port"),
    ] {
        let (dir, log) = file("log", GOOD);
        let path = dir.path().join("hosts");
        std::fs::write(&path, hosts).unwrap();
        let flags = [flags, &["--hostfile", path.to_str().unwrap()]].concat();
        replay_paths(dir, &[&log], &flags).assert_fails(2, &[word]);
    }
    replay(GOOD, &["--hostfile", "/no/such/file"]).assert_fails(2, &["could not be read"]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let (_dir, log) = file("log", GOOD);
    let log = log.to_str().unwrap();
    for (arguments, word) in [
        (
            &["replay", log, "--json", "--out", "-"][..],
            "--out needs a file",
        ),
        (&["replay", "-", "-"], "stands more than once"),
        (&["replay"], "required"),
        (&["replay", log, "--out-format", "xml"], "xml"),
        (
            &["replay", log, "--mapping", "m", "--format", "otto"],
            "cannot be used with",
        ),
        (&["replay", log, "--wrokers", "2"], "--workers"),
        (&["repaly", log], "replay"),
        (&["replay", log, "--out", "o", "--rejects", "o"], "one file"),
        (&["replay", log, "--out", "-", "--rejects", "-"], "one file"),
        (
            &["replay", log, "--json", "--rejects", "-"],
            "--rejects needs a file",
        ),
        (&[], "Usage"),
    ] {
        let run = restage().args(arguments).output().unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(word), "{arguments:?}: {stderr}");
        assert_calm(&stderr);
        assert!(run.stdout.is_empty(), "{arguments:?}");
    }
}

/// The log itself as a sink would be emptied before it is read.
#[test]
fn a_log_is_never_overwritten_by_the_run_that_reads_it() {
    let (dir, log) = file("log", GOOD);
    for flag in ["--out", "--rejects"] {
        let run = restage()
            .arg("replay")
            .arg(&log)
            .arg(flag)
            .arg(&log)
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&run.stderr).contains("is one of the logs"));
        assert_eq!(std::fs::read_to_string(&log).unwrap(), GOOD);
    }
    drop(dir);
}
