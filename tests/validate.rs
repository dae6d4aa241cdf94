//! `restage validate`: what is wrong with a log is counted, located, and weighed.

mod common;

use common::{run, shared_log, text};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const T: u64 = 1_600_000_000_000;

struct Log {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn log(bytes: impl AsRef<[u8]>) -> Log {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, bytes).unwrap();
    Log { _dir: dir, path }
}

/// The verdict of `--json` on one log, with the exit code.
fn lint(path: &std::path::Path, flags: &[&str]) -> (Value, i32) {
    let mut args = vec!["validate", text(path), "--json"];
    args.extend(flags);
    let output = run(&args);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    assert_eq!(verdict["usable"], verdict["logs"][0]["usable"]);
    (verdict["logs"][0].clone(), output.status.code().unwrap())
}

/// A log of visitor, kind and item at seconds after a base time.
fn rows(rows: &[(u64, &str, &str, &str)]) -> Log {
    let mut text = "event_ms,visitor,kind,item\n".to_owned();
    for (second, visitor, kind, item) in rows {
        text += &format!("{},{visitor},{kind},{item}\n", T + second * 1000);
    }
    log(text)
}

#[test]
fn a_clean_log_is_usable_and_has_nothing_to_show() {
    let log = rows(&[
        (0, "a", "item_view", "i"),
        (10, "a", "add_to_cart", "i"),
        (20, "a", "purchase", "i"),
    ]);
    let (found, code) = lint(&log.path, &[]);
    assert_eq!(
        (code, &found["usable"], &found["accepted"]),
        (0, &json!(true), &json!(3))
    );
    for finding in [
        &found["order"]["jumps_back"],
        &found["silences"],
        &found["clock_jumps"],
        &found["duplicates"]["event_ids"],
        &found["duplicates"]["rows"],
        &found["purchases"]["without_cart"],
        &found["holes"]["nul_lines"],
        &found["holes"]["blank_lines"],
        &found["odd_ids"],
    ] {
        assert_eq!(finding["count"], 0);
    }
    assert_eq!(found["rejected"], json!({}));
    assert_eq!(found["kinds"]["purchase"], 1);
    let page = String::from_utf8(run(&["validate", text(&log.path)]).stdout).unwrap();
    assert!(page.contains("usable       yes"), "{page}");
    assert!(page.contains("2020-09-13T12:26:40Z"), "{page}");
}

#[test]
fn every_kind_of_fault_is_found_where_it_is() {
    let mut bytes = b"event_ms,visitor,kind,item,event_id\n".to_vec();
    let row = |second: u64, rest: &str| format!("{},{rest}\n", T + second * 1000).into_bytes();
    for line in [
        row(0, "a,item_view,i,1"),  // 2
        row(1, "b,purchase,i,2"),   // 3: no cart
        row(1, "b,purchase,i,2"),   // 4: the same again, and its id
        b"\n".to_vec(),             // 5: blank
        row(2, "a,hop,i,3"),        // 6: no such kind
        row(3, "\" a\",search,,4"), // 7: space before an id
        row(1000, "a,search,,5"),   // 8: after a silence
        row(990, "a,search,,6"),    // 9: 10 s back
        vec![0; 100],
        b"\n".to_vec(),             // 10: NUL bytes
        row(40_000, "a,search,,7"), // 11: a leap
    ] {
        bytes.extend(line);
    }
    bytes.extend(format!("{},a,search,,8", T + 40_001_000).bytes());
    let log = log(&bytes);
    let (found, code) = lint(&log.path, &[]);
    assert_eq!(code, 0, "{found}");
    let lines = |finding: &Value| -> Vec<u64> {
        let places = finding["places"].as_array().unwrap();
        assert_eq!(finding["count"], places.len());
        places
            .iter()
            .map(|place| place["line"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(
        (&found["rows"], &found["accepted"]),
        (&json!(10), &json!(8))
    );
    assert_eq!(lines(&found["rejected"]["kind"]), [6]);
    assert_eq!(lines(&found["rejected"]["encoding"]), [10]);
    assert_eq!(lines(&found["purchases"]["without_cart"]), [3, 4]);
    assert_eq!(lines(&found["duplicates"]["event_ids"]), [4]);
    assert_eq!(lines(&found["duplicates"]["rows"]), [4]);
    assert_eq!(lines(&found["holes"]["blank_lines"]), [5]);
    assert_eq!(lines(&found["holes"]["nul_lines"]), [10]);
    assert_eq!(found["holes"]["unterminated"], true);
    assert_eq!(lines(&found["odd_ids"]), [7]);
    assert_eq!(lines(&found["order"]["jumps_back"]), [9]);
    assert_eq!(found["order"]["furthest"]["ms"], 10_000);
    assert_eq!(found["order"]["needs_sort"], false);
    assert_eq!(lines(&found["silences"]), [11, 9]);
    assert_eq!(found["silences"]["longest_ms"], 39_000_000);
    assert_eq!(lines(&found["clock_jumps"]), [11]);
    // The byte is the row's own: what stands there is the row.
    let byte = found["rejected"]["kind"]["places"][0]["byte"]
        .as_u64()
        .unwrap();
    assert!(bytes[byte as usize..].starts_with(&row(2, "a,hop")[..19]));
    let (fewer, _) = lint(&log.path, &["--places", "1"]);
    assert_eq!(fewer["purchases"]["without_cart"]["count"], 2);
    assert_eq!(
        fewer["purchases"]["without_cart"]["places"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_machine_stands_out() {
    let many: Vec<_> = (0..400)
        .map(|n| (n / 10, "robot", "item_view", "i"))
        .collect();
    let (found, code) = lint(&rows(&many).path, &[]);
    assert_eq!((code, &found["busy_visitors"]), (0, &json!(1)));
    assert_eq!(found["busy"][0]["visitor"], "robot");
    assert!(found["busy"][0]["events_in_a_minute"].as_u64().unwrap() > 300);
}

#[test]
fn what_makes_a_log_unusable_ends_with_3() {
    let backwards = rows(&[(7200, "a", "search", ""), (0, "a", "search", "")]);
    let (found, code) = lint(&backwards.path, &[]);
    assert_eq!((code, &found["order"]["needs_sort"]), (3, &json!(true)));
    assert!(
        found["unusable"][0]
            .as_str()
            .unwrap()
            .contains("restage import")
    );
    assert_eq!(lint(&backwards.path, &["--lateness", "2h"]).1, 0);

    let bad = log("event_ms,visitor,kind\n1600000000000,v,search\nx\ny\n");
    assert_eq!(lint(&bad.path, &[]).1, 3);
    assert_eq!(lint(&bad.path, &["--max-reject-ratio", "0.7"]).1, 0);

    for nothing in ["event_ms,visitor,kind\n", "", "what is this?\n"] {
        let (found, code) = lint(&log(nothing).path, &[]);
        assert_eq!((code, &found["accepted"]), (3, &json!(0)), "{nothing:?}");
    }
    let output = run(&["validate", text(&bad.path)]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("usable       no: 2 of 3 rows"), "{page}");
}

#[test]
fn late_and_early_clocks_are_rejected_as_a_job_would() {
    let log = log(format!(
        "arrival_ms,event_ms,visitor,kind\n{},{T},v,search\n{T},{},v,search\n{T},{T},v,search\n{T},{T},w,search\n",
        T + 3_600_001,
        T + 600_001,
    ));
    let (found, _) = lint(&log.path, &["--max-reject-ratio", "1", "--lateness", "1h"]);
    assert_eq!(found["rejected"]["late"]["places"][0]["line"], 2);
    assert_eq!(found["rejected"]["future"]["places"][0]["line"], 3);
    assert_eq!(found["accepted"], 2);
}

#[test]
fn a_log_that_is_not_there_is_no_verdict() {
    let output = run(&["validate", "not-here.csv"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(output.stdout.is_empty());
    assert_eq!(
        run(&["validate", "x", "--gap", "5ms"]).status.code(),
        Some(2)
    );
}

#[test]
fn the_real_logs_show_what_is_known_of_them() {
    let Some(taobao) = shared_log("taobao/users.csv") else {
        return;
    };
    let (found, code) = lint(&taobao, &[]);
    assert_eq!((code, &found["accepted"]), (3, &json!(10_000)));
    assert_eq!(found["order"]["jumps_back"]["count"], 113);
    assert_eq!(found["kinds"]["purchase"], 206);

    let Some(rees46) = shared_log("rees46/2019-oct-first-hours.csv") else {
        return;
    };
    let (found, code) = lint(&rees46, &["--gap", "3m"]);
    assert_eq!((code, &found["accepted"]), (0, &json!(5931)));
    assert_eq!(found["order"]["rows_behind"], 0);
    assert_eq!(found["silences"]["count"], 1);
    assert_eq!(found["silences"]["longest_ms"], 200_000);
    assert_eq!(found["purchases"]["count"], 64);
    assert_eq!(found["purchases"]["without_cart"]["count"], 46);
    assert_eq!(found["duplicates"]["rows"]["count"], 3);

    for (name, rows, exit) in [
        ("jd/appliances.txt", 28_108, 0),
        ("otto/sessions.jsonl", 862, 3),
        ("yoochoose/train.tsv", 53_254, 3),
        ("serenade/train.tsv", 113_601, 3),
        // Tables, not logs.
        ("uci/online_shoppers_dev.csv", 0, 3),
    ] {
        let Some(path) = shared_log(name) else { return };
        let (found, code) = lint(&path, &[]);
        assert_eq!((&found["rows"], code), (&json!(rows), exit), "{name}");
    }
}
