//! Headers that lack, repeat, misspell or permute columns.

use super::run::{GOOD, replay};

#[test]
fn a_missing_column_is_named() {
    replay("event_ms,kind\n1600000000000,search\n", &[])
        .assert_fails(2, &["line 1", "lacked the column `visitor`"]);
    replay("event_time,event_type,product_id,price\n", &[])
        .assert_fails(2, &["lacked the column `user_id`"]);
}

#[test]
fn a_repeated_column_is_named() {
    replay("event_ms,visitor,kind,item,item\n", &[])
        .assert_fails(2, &["had the column `item` twice"]);
}

#[test]
fn an_unknown_column_gets_a_suggestion() {
    replay("\n\nevent_ms,vistor,kind\n", &[]).assert_fails(
        2,
        &[
            "line 3",
            "unknown column `vistor`",
            "did you mean `visitor`?",
        ],
    );
}

#[test]
fn permuted_columns_give_the_same_digest() {
    let permuted: String = GOOD
        .lines()
        .map(|line| {
            let parts: Vec<&str> = line.split(',').collect();
            let [time, visitor, kind, item, price] = parts[..] else {
                panic!("{line}");
            };
            format!("{price},{kind},{item},{visitor},{time}\n")
        })
        .collect();
    let (plain, permuted) = (replay(GOOD, &[]), replay(permuted, &[]));
    assert_eq!(plain.report["digest"], permuted.report["digest"]);
    assert!(plain.decisions.is_some());
    assert_eq!(plain.decisions, permuted.decisions);
}

#[test]
fn a_byte_order_mark_and_other_line_ends_change_nothing() {
    let plain = replay(GOOD, &[]);
    let marked = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    let outcome = replay(marked, &[]);
    assert_eq!(outcome.report["digest"], plain.report["digest"]);
    assert_eq!(outcome.decisions, plain.decisions);
}
