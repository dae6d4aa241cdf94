//! Logs that are no logs: empty, binary, cut, too long, damaged, missing, of an unknown format.

use super::run::{GOOD, file, replay, replay_paths};
use std::io::Write;

#[test]
fn an_empty_file_is_said_to_be_empty() {
    for empty in ["", "\n\r\n\n", "\u{feff}"] {
        replay(empty, &[]).assert_fails(2, &["log was empty", "no line with text"]);
        replay(empty, &["--format", "restage-csv"]).assert_fails(2, &["log was empty"]);
    }
}

#[test]
fn a_header_alone_is_a_log_without_events() {
    let outcome = replay("event_ms,visitor,kind\n", &[]);
    outcome.assert_rejects(&[]);
    assert_eq!(
        (outcome.count("events"), outcome.decisions.as_deref()),
        (0, Some(""))
    );
    assert!(outcome.stderr.contains("held no events"));
}

#[test]
fn binary_rubbish_is_no_text_log() {
    let rubbish: Vec<u8> = (0..4096u32).map(|n| (n * n % 251) as u8).collect();
    replay(&rubbish, &[]).assert_fails(2, &["was not a text log", "begins with the bytes"]);
    replay(&rubbish, &["--format", "restage-csv"]).assert_fails(2, &["header"]);
    let elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0";
    replay(elf, &[]).assert_fails(2, &["was not a text log"]);
}

/// A format without a header has nothing to refuse the file by: every line is a reject.
#[test]
fn binary_rubbish_under_a_name_without_a_header_is_all_rejects() {
    let rubbish = b"\x80\x81\0\xff\n\xfe\n";
    for format in ["restage-jsonl", "taobao", "otto", "jd"] {
        let outcome = replay(rubbish, &["--format", format]);
        outcome.assert_fails(3, &["2 of 2 rows were rejected"]);
        assert_eq!(outcome.report["rejected"]["encoding"], 2, "{format}");
        assert_eq!(outcome.rejects[1]["byte"], 5);
    }
}

#[test]
fn other_containers_are_named() {
    for (bytes, name) in [
        (&b"PK\x03\x04rest"[..], "zip"),
        (b"\xfd7zXZ\0", "xz"),
        (b"PAR1....", "Parquet"),
        (b"\xff\xfee\0v\0", "UTF-16"),
    ] {
        replay(bytes, &[]).assert_fails(2, &["was not a text log", name]);
    }
}

#[test]
fn a_file_cut_in_the_middle_of_a_row_loses_only_that_row() {
    let cut = format!("{GOOD}16000000030");
    let outcome = replay(&cut, &[]);
    outcome.assert_rejects(&[(5, GOOD.len() as u64, "field_count")]);
    assert_eq!(outcome.texts(), ["16000000030"]);
    let json = "{\"event_ms\":1600000000000,\"visitor\":\"a\",\"kind\":\"search\"}\n";
    let outcome = replay(format!("{json}{json}{{\"event_ms\":16000"), &[]);
    outcome.assert_rejects(&[(3, 2 * json.len() as u64, "syntax")]);
    assert_eq!(outcome.count("accepted"), 2);
}

#[test]
fn a_line_of_a_hundred_megabytes_is_passed_over_in_bounded_memory() {
    let (dir, path) = file("log", GOOD);
    let mut log = std::fs::File::options().append(true).open(&path).unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        log.write_all(&piece).unwrap();
    }
    log.write_all(b"\n1600000003000,cid,search,,\n").unwrap();
    drop(log);
    let outcome = replay_paths(dir, &[&path], &[]);
    outcome.assert_rejects(&[(5, GOOD.len() as u64, "too_long")]);
    assert_eq!(outcome.texts(), ["x".repeat(256)]);
    assert_eq!(outcome.count("accepted"), 4);
    assert!(outcome.report["peak_rss_mb"].as_f64().unwrap() < 200.0);
}

/// A session of OTTO is one line, which may be long: the limit is higher and still a limit.
#[test]
fn a_session_of_a_hundred_megabytes_is_passed_over_in_bounded_memory() {
    let good =
        "{\"session\":1,\"events\":[{\"aid\":2,\"ts\":1659304800025,\"type\":\"clicks\"}]}\n";
    let (dir, path) = file("log", good);
    let mut log = std::fs::File::options().append(true).open(&path).unwrap();
    log.write_all(b"{\"session\":2,\"events\":[").unwrap();
    let piece = "{\"aid\":2,\"ts\":1659304800025,\"type\":\"clicks\"},".repeat(20_000);
    for _ in 0..110 {
        log.write_all(piece.as_bytes()).unwrap();
    }
    drop(log);
    let outcome = replay_paths(dir, &[&path], &[]);
    outcome.assert_rejects(&[(2, good.len() as u64, "too_long")]);
    assert!(outcome.report["peak_rss_mb"].as_f64().unwrap() < 200.0);
}

#[test]
fn a_folder_a_missing_file_and_a_dangling_link_cannot_be_reached() {
    let (dir, path) = file("log", GOOD);
    let folder = dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    replay_paths(dir, &[&path, &folder], &[]).assert_fails(5, &["folder: it is a directory"]);
    let (dir, path) = file("log", GOOD);
    let gone = dir.path().join("gone");
    replay_paths(dir, &[&path, &gone], &[]).assert_fails(5, &["could not open", "No such file"]);
    let (dir, path) = file("log", GOOD);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    replay_paths(dir, &[&path, &link], &[]).assert_fails(5, &["link", "No such file"]);
}

#[test]
fn a_file_that_may_not_be_read_cannot_be_reached() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, path) = file("log", GOOD);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    // Root reads everything: then there is nothing to see here.
    if std::fs::File::open(&path).is_ok() {
        println!("skipped: permissions do not hold for this user");
        return;
    }
    replay_paths(dir, &[&path], &[]).assert_fails(5, &["could not open", "Permission denied"]);
}

#[test]
fn compressed_data_cut_short_are_a_hole() {
    let mut text = GOOD.lines().next().unwrap().to_owned();
    for n in 0..50_000u64 {
        text += &format!("\n{},v{},search,,", 1_600_000_000_000 + n, n % 977);
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for whole in [gzip.finish().unwrap(), zstd] {
        assert_eq!(replay(&whole, &[]).count("accepted"), 50_000);
        for cut in [8, whole.len() / 2, whole.len() - 1] {
            let outcome = replay(&whole[..cut], &[]);
            outcome.assert_fails(5, &["log past byte", "of its decompressed text: "]);
        }
    }
}

#[test]
fn damage_within_compressed_data_is_a_hole() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(GOOD.as_bytes()).unwrap();
    let mut whole = gzip.finish().unwrap();
    let digit = whole.iter().rposition(|&byte| byte == b'9').unwrap();
    whole[digit] = b'8';
    replay(&whole, &[]).assert_fails(5, &["could not read", "of its decompressed text: "]);
}

#[test]
fn a_format_that_does_not_exist_gets_a_suggestion() {
    let outcome = replay(GOOD, &["--format", "restage-cvs"]);
    outcome.assert_fails(
        2,
        &[
            "`restage-cvs` was no format",
            "did you mean `restage-csv`?",
            "otto",
        ],
    );
    replay(GOOD, &["--format", "parquet"]).assert_fails(2, &["the formats are restage-csv,"]);
}

#[test]
fn a_log_of_no_known_format_shows_its_first_line() {
    let outcome = replay("a;b;c\n1;2;3\n", &[]);
    outcome.assert_fails(2, &["in no known format", "`a;b;c`", "--mapping"]);
}

#[test]
fn a_log_that_two_formats_fit_lists_them() {
    let both = "{\"event_ms\":1600000000000,\"visitor\":\"a\",\"kind\":\"search\",\"session\":3,\"events\":[]}\n";
    let outcome = replay(both, &[]);
    outcome.assert_fails(
        2,
        &[
            "any of several formats: restage-jsonl, otto",
            "name the one",
        ],
    );
}

#[test]
fn too_many_bad_rows_end_the_run_and_keep_no_decisions() {
    let bad = format!("{GOOD}x,ann,search,,\ny,ann,search,,\n");
    let outcome = replay(&bad, &["--max-reject-ratio", "0.3"]);
    outcome.assert_fails(3, &["2 of 5 rows were rejected", "--max-reject-ratio 0.3"]);
    assert_eq!(outcome.decisions, None);
    assert_eq!(outcome.rejects.len(), 2);
    assert_eq!(replay(&bad, &["--max-reject-ratio", "0.4"]).code, 0);
}
