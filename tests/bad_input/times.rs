//! Clocks that are wrong: out of this age, late, ahead, running backwards.

use super::run::replay;

#[test]
fn clocks_of_1970_and_2100_are_timestamp() {
    let header = "event_ms,visitor,kind\n";
    let good = "1600000000000,ann,search\n";
    let log =
        format!("{header}0,ann,search\n{good}4102444800000,ann,search\n{good}-5,a,search\n{good}");
    let outcome = replay(&log, &[]);
    let byte = |row: &str| log.find(row).unwrap() as u64;
    outcome.assert_rejects(&[
        (2, byte("0,ann"), "timestamp"),
        (4, byte("4102"), "timestamp"),
        (6, byte("-5"), "timestamp"),
    ]);
    assert_eq!(
        outcome.texts(),
        ["0,ann,search", "4102444800000,ann,search", "-5,a,search"]
    );
}

#[test]
fn an_arrival_of_1970_is_timestamp_and_moves_no_clock() {
    let log = "arrival_ms,event_ms,visitor,kind\n\
               1600000000000,1600000000000,ann,search\n\
               0,1600000000000,ann,search\n\
               1600000001000,1600000001000,ann,search\n";
    let outcome = replay(log, &[]);
    assert_eq!(outcome.count("accepted"), 2);
    assert_eq!(outcome.report["rejected"]["timestamp"], 1);
}

#[test]
fn late_and_future_rows_are_counted() {
    let log = "arrival_ms,event_ms,visitor,kind\n\
               1600000000000,1600000000000,ann,search\n\
               1600000000000,1599996399999,ann,search\n\
               1600000000000,1600000600001,ann,search\n\
               1600000000000,1599996400000,ann,search\n\
               1600000000000,1600000600000,ann,search\n";
    let outcome = replay(log, &[]);
    let row = |number: usize| log.match_indices('\n').nth(number).unwrap().0 as u64 + 1;
    outcome.assert_rejects(&[(3, row(1), "late"), (4, row(2), "future")]);
    assert_eq!(outcome.count("accepted"), 3);
    let strict = replay(log, &["--lateness", "1s", "--future", "0"]);
    assert_eq!(strict.report["rejected"]["late"], 2);
    assert_eq!(strict.report["rejected"]["future"], 2);
}

#[test]
fn a_log_that_runs_backwards_is_refused_at_its_row() {
    let log = "event_ms,visitor,kind\n\
               1600010000000,ann,search\n\
               1600000000000,ann,search\n";
    let outcome = replay(log, &[]);
    outcome.assert_fails(
        1,
        &[
            "log, line 3: time went back 2 h 46 min behind line 2",
            "restage import",
            "--sort",
        ],
    );
    replay(log, &["--lateness", "3h"]).assert_rejects(&[]);
}
