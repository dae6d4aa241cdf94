//! `restage import` and `--sort`: any order in, the order of time out, nothing lost or left behind.

mod common;

use common::{report, restage, run, shared_log, simulated, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// A folder with a log of the simulated shop whose rows were thrown together, and a folder for
/// temporary files.
struct Desk {
    dir: TempDir,
    shuffled: PathBuf,
    temp: PathBuf,
}

impl Desk {
    fn new(events: usize) -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let (ordered, shuffled) = (dir.path().join("ordered.csv"), dir.path().join("log.csv"));
        simulated(&ordered, 5, events);
        let log = fs::read_to_string(&ordered).unwrap();
        let (header, rows) = log.split_once('\n').unwrap();
        let mut rows: Vec<&str> = rows.lines().collect();
        rows.sort_by_key(|row| restage::event::hash_text(row.as_bytes()));
        fs::write(&shuffled, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
        let temp = dir.path().join("temp");
        fs::create_dir(&temp).unwrap();
        Desk {
            dir,
            shuffled,
            temp,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Names in a folder.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// What a failed run said; its exit code is checked.
fn said(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
fn memory_decides_about_runs_and_never_about_bytes() {
    let desk = Desk::new(200_000);
    let (log, temp) = (text(&desk.shuffled), text(&desk.temp));
    let (plenty, least) = (desk.file("plenty.csv"), desk.file("least.csv"));
    let in_memory = report(&["import", log, "-o", text(&plenty)]);
    let spilled = report(&[
        "import",
        log,
        "-o",
        text(&least),
        "--memory",
        "16MiB",
        "--temp-dir",
        temp,
    ]);
    assert_eq!(in_memory["runs_spilled"], 0);
    assert!(spilled["runs_spilled"].as_u64().unwrap() >= 2, "{spilled}");
    assert_eq!(spilled["written"], 200_000);
    assert!(fs::read(&plenty).unwrap() == fs::read(&least).unwrap());
    assert_eq!(Desk::names(&desk.temp), [""; 0]);
    let names = Desk::names(desk.dir.path());
    assert_eq!(
        names,
        ["least.csv", "log.csv", "ordered.csv", "plenty.csv", "temp"]
    );
}

#[test]
fn an_import_restores_the_order_that_a_log_had() {
    let desk = Desk::new(20_000);
    let sorted = desk.file("sorted.csv");
    report(&["import", text(&desk.shuffled), "-o", text(&sorted)]);
    let times = |path: &Path| -> Vec<u64> {
        let log = fs::read_to_string(path).unwrap();
        let arrival = |row: &str| row.split(',').next().unwrap().parse().unwrap();
        log.lines().skip(1).map(arrival).collect()
    };
    let (ordered, restored) = (times(&desk.file("ordered.csv")), times(&sorted));
    assert!(restored.is_sorted());
    assert_eq!(ordered, restored);
}

#[test]
fn sorting_on_the_way_decides_as_importing_first_does() {
    let desk = Desk::new(30_000);
    let log = text(&desk.shuffled);
    let imported = desk.file("imported.jsonl.zst");
    report(&["import", log, "-o", text(&imported)]);
    let refused = run(&["replay", log, "--lateness", "1s"]);
    assert!(said(&refused, 1).contains("--sort"));
    let first = report(&["replay", text(&imported)]);
    for workers in ["1", "2"] {
        let sorted = report(&["replay", log, "--sort", "-w", workers]);
        for field in [
            "digest",
            "decisions",
            "accepted",
            "rejected",
            "visitors",
            "sessions",
        ] {
            assert_eq!(sorted[field], first[field], "{field}, {workers} worker(s)");
        }
    }
}

#[test]
fn late_and_repeated_rows_are_imported_and_left_for_the_job_to_judge() {
    let desk = Desk::new(1);
    let (log, out) = (desk.file("late.csv"), desk.file("out.csv"));
    let t = 1_600_000_000_000u64;
    let rows = [
        format!("{},{},v,search,e1", t + 90_000_000, t),
        format!("{},{},v,search,e2", t, t),
        format!("{},{},v,search,e2", t, t),
        format!("{},{},v,hop,e3", t, t),
        format!("{},{},v,search,e4", t + 1, t + 7_200_000),
    ];
    let header = "arrival_ms,event_ms,visitor,kind,event_id";
    fs::write(&log, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    let rejects = desk.file("rejects.jsonl");
    let imported = report(&[
        "import",
        text(&log),
        "-o",
        text(&out),
        "--rejects",
        text(&rejects),
    ]);
    assert_eq!(
        (&imported["rows"], &imported["written"]),
        (&5.into(), &4.into())
    );
    assert_eq!(imported["rejected"]["kind"], 1);
    let rejected: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&rejects).unwrap()).unwrap();
    assert_eq!(
        (&rejected["line"], &rejected["reason"]),
        (&5.into(), &"kind".into())
    );
    let written = fs::read_to_string(&out).unwrap();
    let ids: Vec<_> = written
        .lines()
        .skip(1)
        .map(|row| row.rsplit(',').next().unwrap())
        .collect();
    assert_eq!(ids, ["e2", "e2", "e4", "e1"]);
    // Both ways agree about what is wrong with them.
    let all = ["--max-reject-ratio", "1"];
    let replayed = report(&[&["replay", text(&out)], &all[..]].concat());
    let sorted = report(&[&["replay", text(&log), "--sort"], &all[..]].concat());
    assert_eq!(replayed["digest"], sorted["digest"]);
    for reason in ["late", "future", "duplicate"] {
        assert_eq!(replayed["rejected"][reason], 1, "{reason}");
        assert_eq!(sorted["rejected"][reason], 1, "{reason}");
    }
}

#[test]
fn devices_are_kept_and_only_a_log_that_names_one_has_the_column() {
    let desk = Desk::new(1);
    let (plain, named) = (desk.file("plain.csv"), desk.file("named.jsonl"));
    let row = "event_ms,visitor,kind,device\n1600000000000,v,search,\n1600000001000,v,search,tv\n";
    fs::write(&plain, row).unwrap();
    let row = r#"{"event_ms":1600000000500,"visitor":"w","kind":"click","device":"Phone"}"#;
    fs::write(&named, format!("{row}\n")).unwrap();
    let ends = |logs: &[&Path], out: &str| -> Vec<String> {
        let out = desk.file(out);
        let logs: Vec<&str> = logs.iter().map(|log| text(log)).collect();
        report(&[&["import"], &logs[..], &["-o", text(&out)]].concat());
        let log = fs::read_to_string(out).unwrap();
        let last = |row: &str| row.rsplit(',').next().unwrap().to_owned();
        log.lines().map(last).collect()
    };
    assert_eq!(ends(&[&plain], "without.csv"), ["event_id", "", ""]);
    assert_eq!(
        ends(&[&plain, &named], "with.csv"),
        ["device", "", "mobile", ""]
    );
    let again = desk.file("with.csv");
    assert_eq!(ends(&[&again], "with.jsonl")[1], "\"device\":\"mobile\"}");
}

#[test]
fn an_id_that_csv_cannot_hold_is_an_error_with_a_way_out() {
    let desk = Desk::new(1);
    let log = desk.file("odd.jsonl");
    let row = r#"{"event_ms":1600000000000,"visitor":"two\nlines","kind":"search"}"#;
    fs::write(&log, format!("{row}\n")).unwrap();
    let out = desk.file("out.csv");
    let error = said(&run(&["import", text(&log), "-o", text(&out)]), 1);
    assert!(
        error.contains("line 1") && error.contains(".jsonl"),
        "{error}"
    );
    assert_eq!(Desk::names(desk.dir.path()).len(), 4);
    let out = desk.file("out.jsonl");
    report(&["import", text(&log), "-o", text(&out)]);
    assert!(
        fs::read_to_string(&out)
            .unwrap()
            .contains(r#""visitor":"two\nlines""#)
    );
}

#[test]
fn too_many_bad_rows_write_nothing() {
    let desk = Desk::new(1);
    let log = desk.file("bad.csv");
    fs::write(
        &log,
        "event_ms,visitor,kind\n1600000000000,v,search\nx\ny\n",
    )
    .unwrap();
    let out = desk.file("out.csv");
    let output = run(&["import", text(&log), "-o", text(&out), "--json"]);
    assert!(said(&output, 3).contains("2 of 3 rows"));
    let counted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&counted["written"], &counted["rows"]),
        (&0.into(), &3.into())
    );
    assert!(!out.exists());
    let all = [
        "import",
        text(&log),
        "-o",
        text(&out),
        "--max-reject-ratio",
        "1",
    ];
    assert_eq!(report(&all)["written"], 1);
}

#[test]
fn stdout_is_a_place_to_write_to() {
    let desk = Desk::new(100);
    let out = desk.file("out.csv");
    report(&["import", text(&desk.shuffled), "-o", text(&out)]);
    let piped = run(&["import", text(&desk.shuffled), "-o", "-"]);
    assert!(said(&piped, 0).contains("100 of 100 rows"));
    assert_eq!(piped.stdout, fs::read(&out).unwrap());
    said(
        &run(&["import", text(&desk.shuffled), "-o", "-", "--json"]),
        2,
    );
}

#[test]
fn wrong_flags_are_refused_before_anything_is_read() {
    let desk = Desk::new(1);
    for (flags, word) in [
        (["--memory", "64"], "64MB"),
        (["--memory", "1MB"], "at least"),
        (["--max-reject-ratio", "2"], "between 0 and 1"),
    ] {
        let out = desk.file("out.csv");
        let mut args = vec!["import", text(&desk.shuffled), "-o", text(&out)];
        args.extend(flags);
        let error = said(&run(&args), 2);
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_sink_that_fails_ends_with_5_and_leaves_nothing() {
    let desk = Desk::new(100_000);
    let (log, temp) = (text(&desk.shuffled), text(&desk.temp));
    let out = desk.file("none/out.csv");
    said(&run(&["import", log, "-o", text(&out)]), 5);
    let out = desk.file("out.csv");
    let nowhere = desk.file("nowhere");
    let failed = run(&[
        "import",
        log,
        "-o",
        text(&out),
        "--memory",
        "16MiB",
        "--temp-dir",
        text(&nowhere),
    ]);
    assert!(said(&failed, 5).contains("nowhere"));
    assert!(!out.exists());
    if Path::new("/dev/full").exists() {
        let full = run(&[
            "import",
            log,
            "-o",
            "/dev/full",
            "--memory",
            "16MiB",
            "--temp-dir",
            temp,
        ]);
        assert!(said(&full, 5).contains("/dev/full"));
    } else {
        eprintln!("skipped: there is no /dev/full here");
    }
    assert_eq!(Desk::names(&desk.temp), [""; 0]);
    assert_eq!(
        Desk::names(desk.dir.path()),
        ["log.csv", "ordered.csv", "temp"]
    );
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_nothing_behind() {
    use std::io::Write;
    let desk = Desk::new(1);
    let out = desk.file("out.csv");
    let mut child = restage()
        .args(["import", "-", "--format", "restage-csv", "-o", text(&out)])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"event_ms,visitor,kind\n").unwrap();
    while !desk.file("out.csv.partial").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // The signal is asked for, then a row lets the reading see it.
    let pid = child.id().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(kill.unwrap().success());
    std::thread::sleep(std::time::Duration::from_millis(200));
    let _ = input.write_all(b"1600000000000,v,search\n");
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(said(&output, 143).contains("signal 15"));
    assert_eq!(
        Desk::names(desk.dir.path()),
        ["log.csv", "ordered.csv", "temp"]
    );
}

#[test]
fn the_real_taobao_log_is_sorted_and_replayed() {
    let Some(log) = shared_log("taobao/users.csv") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("taobao.csv");
    let imported = report(&["import", text(&log), "-o", text(&out)]);
    assert_eq!(
        (&imported["rows"], &imported["written"]),
        (&10_000.into(), &10_000.into())
    );
    let replayed = report(&["replay", text(&out)]);
    assert_eq!(replayed["visitors"], 114);
    assert_eq!(replayed["sessions"], 1700);
    assert_eq!(replayed["accepted"], 10_000);
    let sorted = report(&["replay", text(&log), "--sort"]);
    assert_eq!(sorted["digest"], replayed["digest"]);
    let rows = fs::read_to_string(&log).unwrap();
    let visitor = rows.split(',').next().unwrap();
    let story = run(&["explain", text(&log), "--sort", "--visitor", visitor]);
    assert!(said(&story, 0).is_empty() && !story.stdout.is_empty());
}
