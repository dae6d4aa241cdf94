//! Tests on real, published logs, which lie beside the project and are not part of it. Where they
//! are absent a test says that it was skipped.

use std::path::Path;

use super::testing::{Found, Keep, shared};
use super::{FormatName, InputError, LaneOptions, LaneRead, LaneReader, RowReader, Source};
use crate::event::{Batch, Kind, Lane};

/// All that a log holds, with the reader as it stands at the end.
fn read(path: &Path) -> Result<(Vec<Found>, RowReader), InputError> {
    let mut reader = RowReader::open(&Source::parse(path), None, None)?;
    let mut keep = Keep::default();
    while reader.next_line(&mut keep)? {}
    Ok((keep.0, reader))
}

/// The events of a log read as a lane.
fn read_lane(path: &Path, tolerate_disorder: bool) -> Result<Batch, InputError> {
    let options = LaneOptions {
        tolerate_disorder,
        ..LaneOptions::default()
    };
    let mut reader = LaneReader::open(&Source::parse(path), Lane(0), &options)?;
    let (mut batch, mut rejects) = (Batch::default(), Vec::new());
    while reader.fill(&mut batch, &mut rejects, usize::MAX)? {}
    assert_eq!(rejects, []);
    assert_eq!(reader.tally().accepted, batch.len() as u64);
    Ok(batch)
}

fn count(found: &[Found], kind: Kind) -> usize {
    let is = |found: &&Found| matches!(found, Found::Event(event) if event.kind == kind);
    found.iter().filter(is).count()
}

fn rejects(found: &[Found]) -> usize {
    found
        .iter()
        .filter(|found| matches!(found, Found::Reject(..)))
        .count()
}

#[test]
fn the_real_rees46_log_is_read() {
    let Some(path) = shared("rees46/2019-oct-first-hours.csv") else {
        return;
    };
    let (found, reader) = read(&path).unwrap();
    assert_eq!(
        (reader.format(), found.len(), rejects(&found)),
        (FormatName::Rees46, 5931, 0)
    );
    assert_eq!(count(&found, Kind::ItemView), 5812);
    assert_eq!(count(&found, Kind::Purchase), 64);
    assert_eq!(count(&found, Kind::AddToCart), 55);
}

#[test]
fn the_real_taobao_log_is_read() {
    let Some(path) = shared("taobao/users.csv") else {
        return;
    };
    let (found, reader) = read(&path).unwrap();
    assert_eq!(
        (reader.format(), found.len(), rejects(&found)),
        (FormatName::Taobao, 10_000, 0)
    );
    assert_eq!(count(&found, Kind::ItemView), 9046);
    assert_eq!(count(&found, Kind::Purchase), 206);
}

#[test]
fn the_real_session_tables_are_read() {
    for (name, clicks) in [
        ("yoochoose/train.tsv", 53_254),
        ("yoochoose/valid.tsv", 16_539),
        ("serenade/train.tsv", 113_601),
        ("serenade/test.tsv", 1233),
        ("serenade/valid.tsv", 1451),
    ] {
        let Some(path) = shared(name) else { return };
        let (found, reader) = read(&path).unwrap();
        assert_eq!(reader.format(), FormatName::Yoochoose);
        assert_eq!(
            (count(&found, Kind::ItemView), rejects(&found)),
            (clicks, 0),
            "{name}"
        );
    }
}

#[test]
fn the_real_otto_log_is_read() {
    let Some(path) = shared("otto/sessions.jsonl") else {
        return;
    };
    let (found, reader) = read(&path).unwrap();
    assert_eq!((reader.format(), reader.lines()), (FormatName::Otto, 20));
    assert_eq!((found.len(), rejects(&found)), (862, 0));
}

#[test]
fn the_real_jd_log_is_read_and_never_goes_back() {
    let Some(path) = shared("jd/appliances.txt") else {
        return;
    };
    let (found, reader) = read(&path).unwrap();
    assert_eq!((reader.format(), reader.lines()), (FormatName::Jd, 1000));
    assert_eq!((found.len(), rejects(&found)), (28_108, 0));
    let count = |kind| count(&found, kind);
    assert_eq!((count(Kind::Purchase), count(Kind::AddToCart)), (126, 1836));
    assert_eq!(
        (count(Kind::Dwell), count(Kind::Scroll)),
        (3210 + 3249, 1678)
    );
    let times: Vec<u64> = found
        .iter()
        .filter_map(|found| match found {
            Found::Event(event) => Some(event.event_ms),
            Found::Reject(..) => None,
        })
        .collect();
    assert!(times.is_sorted());
}

/// Logs of other kinds are refused, not misread.
#[test]
fn real_data_of_other_kinds_are_refused() {
    for name in [
        "uci/online_shoppers_dev.csv",
        "segment/track_to_ga4.json",
        "obd/random/men.csv.gz",
    ] {
        let Some(path) = shared(name) else { return };
        let error = read(&path).err().unwrap();
        assert!(
            matches!(error, InputError::UnknownFormat { .. }),
            "{name}: {error}"
        );
    }
}

/// The invariant of a lane on every log: strictly growing offsets, and where the log is in order,
/// arrivals that never fall.
#[test]
fn real_logs_keep_the_lanes_invariant() {
    for (name, in_order) in [
        ("rees46/2019-oct-first-hours.csv", true),
        ("jd/appliances.txt", true),
        ("taobao/users.csv", false),
        ("otto/sessions.jsonl", false),
        ("yoochoose/train.tsv", false),
        ("serenade/train.tsv", false),
    ] {
        let Some(path) = shared(name) else { return };
        assert_eq!(read_lane(&path, false).is_ok(), in_order, "{name}");
        let batch = read_lane(&path, !in_order).unwrap();
        let events = batch.events();
        assert!(
            events.windows(2).all(|two| two[0].offset < two[1].offset),
            "{name}"
        );
        if in_order {
            assert!(
                events.windows(2).all(|two| two[0].order() < two[1].order()),
                "{name}"
            );
            assert!(
                events.iter().all(|event| event.time.0 <= event.arrival.0),
                "{name}"
            );
        }
    }
}
