//! `restage erase --scrub`: every row of a visitor goes, every other byte stays.

use crate::common::{report, run, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use restage::rng::Rng;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

fn scrubbed(visitor: &str, files: &[&Path]) -> Value {
    let mut args = vec!["erase", "--visitor", visitor, "--scrub"];
    args.extend(files.iter().map(|file| text(file)));
    report(&args)
}

/// What a scrub makes of a file's text.
fn after(name: &str, before: &[u8], visitor: &str) -> (Vec<u8>, Value) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, before).unwrap();
    let found = scrubbed(visitor, &[&path]);
    let names = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 1, "nothing is left beside it");
    (fs::read(&path).unwrap(), found["files"][0].clone())
}

#[test]
fn rows_of_others_keep_their_bytes() {
    let before = "\u{feff}kind,visitor,event_ms,item\r\n\
         search,ann,1600000000000,\"a,\"\"b\"\r\n\
         search,bob,1600000000001,\r\n\
         \r\n\
         nonsense,\"bob\",1,\n\
         search,bobby,1600000000002,bob\n\
         search,\"bob,1600000000003,\n\
         search,cem,1600000000004,too,many\n\
         search,bob,1600000000005,last";
    let kept = "\u{feff}kind,visitor,event_ms,item\r\n\
         search,ann,1600000000000,\"a,\"\"b\"\r\n\
         \r\n\
         search,bobby,1600000000002,bob\n\
         search,\"bob,1600000000003,\n\
         search,cem,1600000000004,too,many\n";
    let (now, found) = after("log.csv", before.as_bytes(), "bob");
    assert_eq!(String::from_utf8(now).unwrap(), kept);
    assert_eq!(found["format"], "restage-csv");
    let counts = ["rows", "removed", "unreadable", "unreadable_naming"].map(|name| &found[name]);
    assert_eq!(json!(counts), json!([7, 3, 2, 1]));
}

#[test]
fn json_lines_name_a_visitor_in_any_way() {
    let before = concat!(
        "{\"event_ms\":1600000000000,\"visitor\":17,\"kind\":\"search\"}\n",
        "{\"visitor\":\"\\u00317\",\"kind\":\"search\",\"event_ms\":1600000000001}\r\n",
        "{\"event_ms\":1600000000002,\"visitor\":\"18\",\"kind\":\"search\",\"item\":\"17\"}\n",
        "{\"event_ms\":1600000000003,\"visitor\":\"17\",\n",
        "{\"event_ms\":1600000000003}\n",
    );
    let (now, found) = after("log.jsonl", before.as_bytes(), "17");
    let kept: String = before.split_inclusive('\n').skip(2).collect();
    assert_eq!(String::from_utf8(now).unwrap(), kept);
    let counts = ["rows", "removed", "unreadable", "unreadable_naming"].map(|name| &found[name]);
    assert_eq!(json!(counts), json!([5, 2, 2, 1]));
}

#[test]
fn records_go_with_the_record_that_the_visitor_is_forgotten() {
    let record = |at: u64, visitor: &str, trigger: &str| {
        format!("{{\"at_ms\":{at},\"visitor\":\"{visitor}\",\"trigger\":\"{trigger}\"}}\n")
    };
    let lines = [
        record(1, "bob", "start"),
        record(1, "ann", "start"),
        record(2, "bob", "forgotten"),
    ];
    let (now, found) = after("decisions.jsonl", lines.concat().as_bytes(), "bob");
    assert_eq!(String::from_utf8(now).unwrap(), lines[1]);
    assert_eq!(found["format"], "decisions-jsonl");

    // An id with a line break is one record over two lines.
    let before = "at_ms,visitor,session,seq,trigger,note\n\
         1,\"bob\nby\",1,0,start,\n\
         1,\"bob\",1,0,start,a stray \" here\n\
         2,\"bob\nby\",1,0,start,\"x\n\ny\"\n\
         3,ann,1,0,start,\n";
    let (now, found) = after("decisions.csv", before.as_bytes(), "bob\nby");
    let kept = "at_ms,visitor,session,seq,trigger,note\n\
         1,\"bob\",1,0,start,a stray \" here\n\
         3,ann,1,0,start,\n";
    assert_eq!(String::from_utf8(now).unwrap(), kept, "{found}");
    assert_eq!((&found["rows"], &found["removed"]), (&json!(4), &json!(2)));
}

#[test]
fn compressed_files_stay_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let log = "event_ms,visitor,kind\n1600000000000,ann,search\n1600000000001,bob,search\n";
    let kept = "event_ms,visitor,kind\n1600000000000,ann,search\n";
    let (gz, zst) = (dir.path().join("a.csv.gz"), dir.path().join("a.csv.zst"));
    let mut packer = GzEncoder::new(fs::File::create(&gz).unwrap(), Compression::fast());
    packer.write_all(log.as_bytes()).unwrap();
    packer.finish().unwrap();
    fs::write(&zst, zstd::encode_all(log.as_bytes(), 1).unwrap()).unwrap();
    let found = scrubbed("bob", &[&gz, &zst]);
    assert_eq!(found["removed"], 2);
    let mut plain = String::new();
    let mut unpacker = flate2::read::MultiGzDecoder::new(fs::File::open(&gz).unwrap());
    unpacker.read_to_string(&mut plain).unwrap();
    assert_eq!(plain, kept);
    assert_eq!(
        zstd::decode_all(&fs::read(&zst).unwrap()[..]).unwrap(),
        kept.as_bytes()
    );

    let wrong = dir.path().join("a.csv");
    fs::copy(&gz, &wrong).unwrap();
    let refused = run(&["erase", "--visitor", "bob", "--scrub", text(&wrong)]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("rename it"));
}

/// One file that is not understood, and none is touched.
#[test]
fn nothing_is_touched_unless_all_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let log = "event_ms,visitor,kind\n1600000000001,bob,search\n";
    let good = path("good.csv", log);
    let rees = path(
        "rees.csv",
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n",
    );
    let (empty, none) = (path("empty.csv", ""), dir.path().join("none.csv"));
    for (bad, code, words) in [
        (&rees, 2, "restage import"),
        (&empty, 2, "neither"),
        (&none, 5, "could not open"),
        (&dir.path().to_path_buf(), 5, "directory"),
        (&"-".into(), 2, "standard input"),
    ] {
        let refused = run(&[
            "erase",
            "--visitor",
            "bob",
            "--scrub",
            text(&good),
            text(bad),
        ]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
        assert_eq!(fs::read_to_string(&good).unwrap(), log);
    }
    // Nothing of the visitor in it: not even written anew.
    let before = fs::metadata(&good).unwrap().modified().unwrap();
    assert_eq!(scrubbed("cem", &[&good])["removed"], 0);
    assert_eq!(fs::metadata(&good).unwrap().modified().unwrap(), before);
}

#[cfg(unix)]
#[test]
fn who_may_read_a_file_stays_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.csv");
    fs::write(&path, "event_ms,visitor,kind\n1600000000001,bob,search\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(scrubbed("bob", &[&path])["removed"], 1);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Against a plain filter over rows that are known, in random logs with rubbish between.
#[test]
fn random_files_lose_the_rows_of_one_visitor_and_no_other() {
    let mut rng = Rng::of(5, 9);
    for _ in 0..20 {
        let (mut before, mut kept, mut removed) = (String::new(), String::new(), 0);
        let header = "event_ms,visitor,kind,page\n";
        before += header;
        kept += header;
        for at in 0..100 {
            let who = ["ann", "b,o\"b", "böb", "b"][rng.below(4) as usize];
            let quoted = format!("\"{}\"", who.replace('"', "\"\""));
            let ending = ["\n", "\r\n"][rng.below(2) as usize];
            let rubbish = ["", "\"", "x,y", "b,o\"b"][rng.below(4) as usize];
            let row = match rng.below(5) {
                0 => format!("{rubbish}{ending}"),
                _ => format!("{at},{quoted},search,p{ending}"),
            };
            before += &row;
            if row.contains(",search,") && who == "b,o\"b" {
                removed += 1;
            } else {
                kept += &row;
            }
        }
        let (now, found) = after("log.csv", before.as_bytes(), "b,o\"b");
        assert_eq!(String::from_utf8(now).unwrap(), kept);
        assert_eq!(found["removed"], removed);
    }
}
