//! Rows that are wrong one by one: each is counted with its reason and place, the rest goes on.

use super::run::{GOOD, replay};

/// Good rows around one bad row, given without its newline; the bad one must be rejected.
fn assert_one_reject(bad: &[u8], reason: &str) {
    let tail = b"\n1600000003000,cid,search,,\n";
    let log = [GOOD.as_bytes(), bad, tail].concat();
    let outcome = replay(&log, &[]);
    outcome.assert_rejects(&[(5, GOOD.len() as u64, reason)]);
    assert_eq!(outcome.count("accepted"), 4);
    let shown = String::from_utf8_lossy(&bad[..bad.len().min(256)]);
    assert_eq!(outcome.texts(), [&shown[..]]);
}

#[test]
fn nul_bytes_and_invalid_utf8_are_encoding() {
    assert_one_reject(b"1600000002500,a\0n,search,,", "encoding");
    assert_one_reject(b"1600000002500,ann,search,sh\xffe,", "encoding");
    assert_one_reject(b"1600000002500,ann,search,\xed\xa0\x80,", "encoding");
    assert_one_reject(b"\0\0\0\0", "encoding");
}

#[test]
fn wrong_numbers_are_number() {
    for price in ["-1", "-0.01", "NaN", "nan", "inf", "1e400", "5 EUR", "0x10"] {
        let row = format!("1600000002500,ann,item_view,shoe,{price}");
        assert_one_reject(row.as_bytes(), "number");
    }
}

#[test]
fn wrong_shapes_have_their_reasons() {
    assert_one_reject(b"1600000002500,ann,search", "field_count");
    assert_one_reject(b"1600000002500,ann,search,,,", "field_count");
    assert_one_reject(b"1600000002500,\"ann,search,,", "syntax");
    assert_one_reject(b"1600000002500,ann,seek,,", "kind");
    assert_one_reject(b"1600000002500,,search,,", "id");
    assert_one_reject(b" ", "field_count");
}

#[test]
fn ids_beyond_their_limit_are_too_long() {
    let row = |id: &str| format!("1600000002500,{id},search,,");
    assert_one_reject(row(&"v".repeat(129)).as_bytes(), "too_long");
    let item = format!("1600000002500,ann,item_view,{},", "ü".repeat(65));
    assert_one_reject(item.as_bytes(), "too_long");
    let fits = replay(format!("{GOOD}{}\n", row(&"v".repeat(128))), &[]);
    fits.assert_rejects(&[]);
    assert!(fits.decisions.unwrap().contains(&"v".repeat(128)));
}

#[test]
fn json_of_ten_thousand_levels_is_syntax() {
    let good = "{\"event_ms\":1600000000000,\"visitor\":\"a\",\"kind\":\"search\"}\n";
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!(
            "{{\"event_ms\":1600000000000,\"visitor\":\"a\",\"kind\":\"search\",\"x\":{}1{}}}\n",
            open.repeat(10_000),
            close.repeat(10_000)
        );
        let outcome = replay(format!("{good}{deep}{good}"), &[]);
        outcome.assert_rejects(&[(2, good.len() as u64, "syntax")]);
    }
    let session =
        "{\"session\":1,\"events\":[{\"aid\":2,\"ts\":1659304800025,\"type\":\"clicks\"}]}\n";
    let deep = format!("{{\"session\":2,\"events\":{}\n", "[".repeat(10_000));
    let outcome = replay(format!("{session}{deep}"), &[]);
    outcome.assert_rejects(&[(2, session.len() as u64, "syntax")]);
}

#[test]
fn a_bad_event_within_a_session_is_placed_by_its_byte() {
    let session = "{\"session\":1,\"events\":[{\"aid\":2,\"ts\":1659304800025,\"type\":\"clicks\"},{\"aid\":3,\"ts\":1659304800026,\"type\":\"stare\"}]}\n";
    let outcome = replay(session, &[]);
    let byte = session.find("{\"aid\":3").unwrap() as u64;
    outcome.assert_rejects(&[(1, byte, "kind")]);
    assert!(outcome.texts()[0].starts_with("{\"aid\":3"));
}

#[test]
fn a_repeated_event_id_is_a_duplicate() {
    let log = "event_ms,visitor,kind,event_id\n\
               1600000000000,ann,search,e1\n\
               1600000001000,ann,search,e2\n\
               1600000002000,ann,search,e1\n";
    let outcome = replay(log, &[]);
    let third = log.match_indices('\n').nth(2).unwrap().0 as u64 + 1;
    outcome.assert_rejects(&[(4, third, "duplicate")]);
    assert_eq!(outcome.count("accepted"), 2);
    // A duplicate is known only behind the edge, where its row's text is no more.
    assert_eq!(outcome.texts(), [""]);
}

/// Quotes, line ends and other control characters in ids must not break a line of the output.
#[test]
fn odd_characters_in_ids_come_out_as_they_went_in() {
    let visitor = "a\"b\\c\n\u{1}\u{2028}é";
    let row =
        serde_json::json!({"event_ms": 1_600_000_000_000u64, "visitor": visitor, "kind": "search"});
    let outcome = replay(format!("{row}\n"), &[]);
    outcome.assert_rejects(&[]);
    let decisions = outcome.decisions.unwrap();
    let line: serde_json::Value = serde_json::from_str(decisions.trim_end()).unwrap();
    assert_eq!(line["visitor"], visitor);
}
