//! Tests of the plots as files: the text stays inside and apart, the bytes stay the same.

use super::sheet::{HEIGHT, WIDTH};
use super::*;
use crate::event::mix;
use crate::visit::tally::{Histogram, Timeline};

const START_MS: u64 = 1_767_571_200_000;

/// Counts as of a shop open for some minutes, with `pace` events in a busy one.
fn shop(minutes: u64, pace: u64) -> Tally {
    let mut timeline = Timeline::default();
    let mut live = [0i64; 5];
    for minute in 0..minutes {
        let hour = (minute % 1_440) as f64 / 60.0;
        let busy = 0.15 + 0.85 * (1.0 - ((hour - 19.0) / 12.0).powi(2)).max(0.0);
        let chance = |salt: u64| (mix(minute * 16 + salt) % 1_000) as f64 / 1_000.0;
        let events = (pace as f64 * busy * (0.8 + 0.4 * chance(0))) as u64;
        let bucket = timeline.at(START_MS + minute * 60_000);
        bucket.events += events;
        bucket.decisions += events / 9;
        let fill = 1.0 - (-(minute as f64) / 30.0).exp();
        for (n, share) in [6.0, 2.0, 0.9, 0.25, 0.5].into_iter().enumerate() {
            let there = pace as f64 * fill * busy * share * (0.95 + 0.1 * chance(n as u64 + 1));
            let there = if minute + 1 == minutes {
                0
            } else {
                there as i64
            };
            bucket.phases[n] += there - live[n];
            live[n] = there;
        }
    }
    let mut tally = Tally {
        timeline: Some(timeline),
        bought_at_once: 12,
        ..Tally::default()
    };
    tally.kinds[0] = pace * minutes;
    for n in 0..pace * minutes / 10 {
        let unit = |salt: u64| (mix(n * 4 + salt) % 1_000_000) as f64 / 1e6;
        if n % 40 == 0 {
            tally.peak_bought.count(unit(1).sqrt());
        } else {
            tally.peak_not_bought.count(unit(1).powi(8));
        }
    }
    tally
}

fn only_buckets(buckets: &[(u64, u64, [i64; 5])]) -> Tally {
    let mut timeline = Timeline::default();
    for (at_ms, events, phases) in buckets {
        let bucket = timeline.at(*at_ms);
        bucket.events = *events;
        bucket.phases = *phases;
    }
    Tally {
        timeline: Some(timeline),
        ..Tally::default()
    }
}

fn cases() -> Vec<(&'static str, Tally)> {
    let mut only_bought = Tally::default();
    only_bought.peak_bought.count(0.7);
    let mut only_not_bought = shop(10, 3);
    only_not_bought.peak_bought = Histogram::default();
    only_not_bought.bought_at_once = 1;
    let mut none_bought = only_not_bought.clone();
    none_bought.bought_at_once = 0;
    let far = u64::MAX / 2;
    vec![
        ("none", Tally::default()),
        ("empty", only_buckets(&[])),
        ("single", only_buckets(&[(START_MS, 7, [2, 1, 0, 0, 0])])),
        ("passing", only_buckets(&[(START_MS, 7, [0; 5])])),
        ("only_bought", only_bought),
        ("only_not_bought", only_not_bought),
        ("none_bought", none_bought),
        (
            "crowded",
            only_buckets(&[(START_MS, 1 << 40, [499_000_000; 5])]),
        ),
        (
            "apart",
            only_buckets(&[(0, 1, [1, 0, 0, 0, 0]), (START_MS, 1, [-1, 0, 0, 0, 0])]),
        ),
        (
            "far",
            only_buckets(&[(far, 1, [1; 5]), (far + 600_000, 1, [-1; 5])]),
        ),
        (
            "below",
            only_buckets(&[
                (START_MS, u64::MAX, [i64::MIN; 5]),
                (START_MS + 60_000, u64::MAX, [-1; 5]),
            ]),
        ),
        ("hour", shop(60, 40)),
        ("day", shop(1_440, 2_000)),
        ("two_days", shop(2_460, 2_000)),
        ("month", shop(45_000, 300)),
        ("years", shop(900_000, 1)),
    ]
}

fn drawn(tally: &Tally) -> Vec<(&'static str, String)> {
    let draw = |(name, draw): Plot<Tally>| {
        let mut svg = String::new();
        draw(tally, &mut svg).expect("a string takes all");
        (name, svg)
    };
    PLOTS.into_iter().map(draw).collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
    let rest = tag.split(&format!(" {name}=\"")).nth(1).unwrap_or("");
    rest.split('"').next().unwrap_or("")
}

/// The texts of a picture with estimates of their left, right, upper and lower edges.
fn texts(svg: &str) -> Vec<(String, [f64; 4])> {
    let parts = svg.split("<text").skip(1);
    parts
        .map(|part| {
            let (tag, rest) = part.split_once(">\n").expect("a tag ends");
            let (text, _) = rest.split_once("\n</text>").expect("a text ends");
            let number = |name| attribute(tag, name).parse::<f64>().expect("a number");
            let (x, y, size) = (number("x"), number("y"), number("font-size"));
            let letter = if tag.contains("bold") { 0.66 } else { 0.6 };
            let width = text.replace("&lt;", "<").chars().count() as f64 * size * letter;
            let left = match attribute(tag, "text-anchor") {
                "start" => x,
                "middle" => x - width / 2.0,
                _ => x - width,
            };
            let half = size * 0.5;
            (text.to_owned(), [left, left + width, y - half, y + half])
        })
        .collect()
}

/// Asserts that the texts of a picture stay inside it and do not meet.
pub(super) fn assert_texts_apart(name: &str, svg: &str) {
    let texts = texts(svg);
    assert!(texts.len() >= 2, "{name}");
    for (n, (text, [left, right, top, bottom])) in texts.iter().enumerate() {
        let inside = *left >= 0.0
            && *right <= f64::from(WIDTH)
            && *top >= 0.0
            && *bottom <= f64::from(HEIGHT);
        assert!(inside, "{name}: {text:?} leaves the picture");
        for (other, edges) in &texts[n + 1..] {
            let apart =
                edges[0] >= *right || edges[1] <= *left || edges[2] >= *bottom || edges[3] <= *top;
            assert!(apart, "{name}: {text:?} meets {other:?}");
        }
    }
}

#[test]
fn text_stays_inside_the_picture_and_apart() {
    for (case, tally) in cases() {
        for (name, svg) in drawn(&tally) {
            assert_texts_apart(&format!("{case} {name}"), &svg);
        }
    }
}

#[test]
fn every_picture_is_whole_and_of_numbers() {
    for (case, tally) in cases() {
        for (name, svg) in drawn(&tally) {
            assert!(
                svg.starts_with("<svg width=\"960\" height=\"540\""),
                "{case} {name}"
            );
            assert!(svg.ends_with("</svg>\n"), "{case} {name}");
            assert!(
                !svg.contains("NaN") && !svg.contains("inf"),
                "{case} {name}"
            );
            assert!(svg.len() < 150_000, "{case} {name}: {} bytes", svg.len());
        }
    }
}

#[test]
fn counts_of_nothing_are_said_to_be_nothing() {
    let [events, phases, scores] = &drawn(&Tally::default())[..] else {
        panic!("three plots");
    };
    for (_, svg) in [events, phases, scores] {
        assert!(
            svg.contains("no events") && !svg.contains("<polygon"),
            "{svg}"
        );
    }
    let cases = cases();
    let of = |case: &str, plot: usize| {
        let (_, tally) = cases.iter().find(|(name, _)| *name == case).expect(case);
        drawn(tally).swap_remove(plot).1
    };
    let scores = of("only_not_bought", 2);
    assert!(scores.contains("no sessions bought after a score\n"));
    assert!(scores.contains("not shown: 1 session that bought"));
    assert_eq!(scores.matches("<polygon").count(), 1);
    assert!(of("none_bought", 2).contains("no sessions bought\n"));
    assert!(of("only_bought", 2).contains("no sessions that did not buy"));
    let untimed = Tally {
        timeline: None,
        ..shop(10, 3)
    };
    for (_, svg) in &drawn(&untimed)[..2] {
        assert!(svg.contains("nothing was counted over time"), "{svg}");
    }
    assert!(of("passing", 1).contains("no session was live"));
}

#[test]
fn a_single_stretch_shows_something() {
    let tally = only_buckets(&[(START_MS, 7, [2, 1, 0, 0, 0])]);
    let plots = drawn(&tally);
    assert!(plots[0].1.contains("points=\"76,262 76,"));
    assert!(plots[0].1.contains("7 events in all, at most 7 per minute"));
    assert!(plots[1].1.contains("browsing (max 2)"));
    assert_eq!(plots[1].1.matches("<polygon").count(), 5);
}

#[test]
fn files_are_the_same_for_the_same_counts_and_replace_older_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("made/for/it");
    let tally = shop(1_440, 2_000);
    let paths = replay_plots(&dir, &tally).expect("plots");
    let names: Vec<_> = paths.iter().filter_map(|p| p.file_name()).collect();
    assert_eq!(names, ["events.svg", "phases.svg", "p_purchase.svg"]);
    let read = || paths.iter().map(fs::read).collect::<Result<Vec<_>, _>>();
    let first = read().expect("files");
    assert_ne!(first[0], first[1]);
    fs::write(&paths[0], "old").expect("a file");
    replay_plots(&dir, &tally.clone()).expect("plots");
    assert_eq!(first, read().expect("files"));
}

#[test]
fn what_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let error = replay_plots(&file.join("plots"), &Tally::default()).expect_err("no folder");
    assert!(matches!(&error, PlotError::Folder { path, .. } if path.ends_with("plots")));
    assert!(error.to_string().contains("file/plots"), "{error}");
    fs::create_dir(folder.path().join("phases.svg")).expect("a folder");
    let error = replay_plots(folder.path(), &Tally::default()).expect_err("no file");
    assert!(matches!(&error, PlotError::Write { path, .. } if path.ends_with("phases.svg")));
    assert!(std::error::Error::source(&error).is_some());
}
