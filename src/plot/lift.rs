//! What Restage did to the shop, over time: the relative lift in its band, a panel a metric.
//!
//! The band holds at all looks together: with 95 % probability the truth lies in it all the way.
//! The axis is made for what is known by now: bands of the beginning, which are many times as
//! wide, leave the frame. No shop loses more than all it has, so it ends at −100 %. A panel without
//! any interval says why; so does one whose groups are not sound now, and looks at which they were
//! not are left out. Cost: a few points a look.

use super::scale::Scale;
use super::sheet::{AXIS, BLUE, Face, Frame, GREEN, GRID, Hold, PURPLE, Point, Sheet};
use super::time_axis::Span;
use super::{Plot, PlotError, write_plots};
use crate::evaluate::lift::words::signed_percent;
use crate::evaluate::lift::{LiftPoint, Metric, MetricLift, Verdict};
use plotters::style::RGBColor;
use std::io;
use std::path::{Path, PathBuf};

const TITLE: &str = "Lift against the holdout";
const REMARK: &str = "value a session with Restage over that in the holdout, less 1; bands hold at all looks together";
/// The panels, in the order of [`Metric::ALL`].
const FRAMES: [Frame; 3] = [
    Frame::between(96, 236),
    Frame::between(274, 344),
    Frame::between(382, 452),
];
const COLOURS: [RGBColor; 3] = [BLUE, GREEN, PURPLE];
/// The widest that an axis reaches above 0: three times as much.
const REACH_MAX: f64 = 2.0;
/// The lowest that it reaches.
const LOSS_MAX: f64 = 1.0;

/// The plot of a comparison over time.
const PLOTS: [Plot<[LiftPoint]>; 1] = [("lift.svg", draw)];

/// Draws the lift over time into a folder, as `lift.svg`.
///
/// # Errors
/// The folder or file that could not be written.
pub fn lift_plots(dir: &Path, points: &[LiftPoint]) -> Result<Vec<PathBuf>, PlotError> {
    write_plots(dir, &PLOTS, points)
}

/// Draws the plot.
///
/// # Errors
/// None but those of the SVG backend.
pub fn draw(points: &[LiftPoint], svg: &mut String) -> io::Result<()> {
    let mut sheet = Sheet::new(svg, TITLE, REMARK)?;
    let Some(span) = span(points) else {
        let whole = Frame {
            bottom: FRAMES[2].bottom,
            ..FRAMES[0]
        };
        sheet.say("there was no visitor in the experiment", whole)?;
        return sheet.finish();
    };
    span.draw(&mut sheet, &FRAMES)?;
    for ((metric, frame), colour) in Metric::ALL.into_iter().zip(FRAMES).zip(COLOURS) {
        panel(&mut sheet, points, metric, (frame, colour, &span))?;
    }
    sheet.finish()
}

/// From the first point to a stretch after the last.
fn span(points: &[LiftPoint]) -> Option<Span> {
    let (first, last) = (points.first()?, points.last()?);
    Some(Span {
        from_ms: first.start_ms,
        to_ms: last.start_ms.max(first.start_ms.saturating_add(1)),
    })
}

/// A time, the relative lift, and its interval.
type Known = (u64, f64, [f64; 2]);

fn panel(
    sheet: &mut Sheet<'_>,
    points: &[LiftPoint],
    metric: Metric,
    (frame, colour, span): (Frame, RGBColor, &Span),
) -> io::Result<()> {
    let found = points.last().map(|last| last.lift.metrics.get(metric));
    let title = format!("{}: {}", metric.name(), found.map_or(String::new(), sum));
    let at = (frame.left, frame.top - 14);
    sheet.text(&title, at, Hold::Left, Face::NAME)?;
    if found.is_some_and(|found| found.verdict == Verdict::Unhealthy) {
        return sheet.say(
            "the groups do not have the agreed sizes: no figure holds",
            frame,
        );
    }
    let runs = runs(points, metric);
    let Some(scale) = scale(&runs) else {
        return sheet.say("too little is known for an interval", frame);
    };
    axis(sheet, &scale, frame)?;
    let y = |value: f64| frame.y(height(&scale, value));
    let x = |at_ms: u64| frame.x(span.share(at_ms));
    for run in &runs {
        let upper = run.iter().map(|(at, _, [_, hi])| (x(*at), y(*hi)));
        let lower = run.iter().rev().map(|(at, _, [lo, _])| (x(*at), y(*lo)));
        let edge: Vec<Point> = upper.chain(lower).collect();
        sheet.area(&edge, colour, 0.2)?;
    }
    sheet.path(&[(frame.left, y(0.0)), (frame.right, y(0.0))], AXIS, 2)?;
    for run in &runs {
        let line: Vec<Point> = run.iter().map(|(at, lift, _)| (x(*at), y(*lift))).collect();
        sheet.path(&line, colour, 2)?;
        if let Some(&(x, y)) = line.last() {
            sheet.rectangle((x - 3, y - 3), (x + 3, y + 3), colour, 1.0)?;
        }
    }
    Ok(())
}

/// The lift as of the last look, in a line.
fn sum(found: &MetricLift) -> String {
    let best = found.best();
    let verdict = found.verdict.name();
    let sound = found.verdict != Verdict::Unhealthy;
    match (best.relative, best.relative_interval) {
        (Some(relative), Some([lo, hi])) if sound => {
            let [relative, lo, hi] = [relative, lo, hi].map(signed_percent);
            format!("{relative} ({lo} to {hi}), {verdict}")
        }
        _ => verdict.to_owned(),
    }
}

/// Runs of looks at which the lift had an interval.
fn runs(points: &[LiftPoint], metric: Metric) -> Vec<Vec<Known>> {
    let mut runs: Vec<Vec<Known>> = vec![Vec::new()];
    for point in points {
        let found = point.lift.metrics.get(metric);
        if found.verdict == Verdict::Unhealthy {
            runs.push(Vec::new());
            continue;
        }
        let best = found.best();
        match (best.relative.zip(best.relative_interval), runs.last_mut()) {
            (Some((lift, interval)), Some(run)) => run.push((point.start_ms, lift, interval)),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// An axis from as far below 0 as above, or from all that can be lost, which holds the later half of the bands and all lifts of
/// that half; nothing without any.
fn scale(runs: &[Vec<Known>]) -> Option<Scale> {
    let known: Vec<&Known> = runs.iter().flatten().collect();
    let later = known
        .get(known.len() / 2..)
        .filter(|known| !known.is_empty())?;
    let most = later
        .iter()
        .flat_map(|(_, lift, [lo, hi])| [lift.abs(), lo.abs(), hi.abs()])
        .fold(0.0, f64::max);
    Some(Scale::linear(most.clamp(0.001, REACH_MAX), 2, 0.0))
}

/// The share of a panel's height at which a value lies.
fn height(scale: &Scale, value: f64) -> f64 {
    // What one of the scale's units is over its end.
    let unit = scale.share(1.0);
    let below = (LOSS_MAX * unit).min(1.0);
    (value * unit + below) / (1.0 + below)
}

/// Lines and labels above and below 0.
fn axis(sheet: &mut Sheet<'_>, scale: &Scale, frame: Frame) -> io::Result<()> {
    for (value, _) in scale.ticks() {
        // A shop cannot lose more than all it has.
        for value in [value, -value]
            .into_iter()
            .filter(|value| *value >= -LOSS_MAX)
        {
            let y = frame.y(height(scale, value));
            sheet.line((frame.left, y), (frame.right, y), GRID)?;
            let label = match value {
                0.0 => "0 %".to_owned(),
                _ => signed_percent(value),
            };
            sheet.text(&label, (frame.left - 8, y), Hold::Right, Face::SMALL)?;
            if value == 0.0 {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_texts_apart;
    use super::*;
    use crate::evaluate::lift::{LiftOptions, over_time};
    use crate::rng::Rng;
    use crate::visit::learn::moments::{Account, Moments};

    const DAY_MS: u64 = 86_400_000;
    const START_MS: u64 = 1_767_571_200_000;

    /// A shop in which Restage multiplies conversion, looked at every quarter of a day.
    fn points(days: u64, effect: f64, margins: bool) -> Vec<LiftPoint> {
        let mut rng = Rng::new(9);
        let mut groups = [Moments::default(); 2];
        let mut sums = Vec::new();
        for quarter in 0..days * 4 {
            for _ in 0..300 {
                let held = rng.chance(0.2);
                let p = 0.05 * if held { 1.0 } else { effect };
                let converted = i64::from(rng.chance(p));
                let revenue = converted * (rng.log_normal(40.0, 0.6) * 1e6) as i64;
                groups[usize::from(held)].add(&Account {
                    sessions: 1,
                    converted,
                    revenue,
                    margin: if margins { revenue / 4 } else { 0 },
                    before: 0,
                });
            }
            sums.push((START_MS + quarter * DAY_MS / 4, groups[0], groups[1]));
        }
        over_time(&sums, 0.2, &LiftOptions::default())
    }

    fn drawn(points: &[LiftPoint]) -> String {
        let mut svg = String::new();
        draw(points, &mut svg).unwrap();
        svg
    }

    #[test]
    fn every_picture_is_whole_and_its_texts_are_apart() {
        for (days, effect) in [(1, 1.0), (3, 1.1), (30, 1.25), (60, 0.8)] {
            for margins in [true, false] {
                let svg = drawn(&points(days, effect, margins));
                assert_texts_apart(&format!("{days} days, {effect}"), &svg);
                assert!(svg.ends_with("</svg>\n") && svg.len() < 150_000);
                assert!(!svg.contains("NaN") && !svg.contains("inf"));
            }
        }
    }

    #[test]
    fn there_is_a_band_a_metric_and_words_where_there_is_none() {
        let all = drawn(&points(30, 1.25, true));
        assert_eq!(all.matches("<polygon").count(), 3);
        assert!(all.contains("ahead"));
        let two = drawn(&points(30, 1.25, false));
        assert_eq!(two.matches("<polygon").count(), 2);
        assert!(two.contains("too little is known for an interval"));
        let none = drawn(&[]);
        assert!(none.contains("there was no visitor in the experiment"));
        let one = drawn(&points(1, 1.0, true)[..1]);
        assert_eq!(one.matches("<polygon").count(), 0);
        assert_texts_apart("one", &one);
    }

    /// Unsound groups have no lift to be drawn; what was sound before them is no comfort.
    #[test]
    fn unhealthy_groups_are_not_drawn() {
        let mut all = points(30, 1.25, true);
        let last = all.last_mut().unwrap();
        last.lift.metrics.conversion.verdict = Verdict::Unhealthy;
        let svg = drawn(&all);
        assert_eq!(svg.matches("<polygon").count(), 2);
        assert!(svg.contains("the groups do not have the agreed sizes"));
        assert!(svg.contains("conversion: unhealthy"), "without a figure");
    }

    /// Bands that reach far up: below 0 there is no more to lose than all.
    #[test]
    fn axes_end_at_the_loss_of_everything() {
        let mut all = points(10, 1.25, true);
        for point in &mut all {
            let found = &mut point.lift.metrics.conversion;
            (found.cuped, found.relative) = (None, Some(0.5));
            found.relative_interval = Some([-3.0, 6.0]);
        }
        let svg = drawn(&all);
        for label in ["−100 %", "+100 %", "+200 %"] {
            assert!(svg.contains(label), "{label}");
        }
        assert!(!svg.contains("400 %"));
        let scale = Scale::linear(2.0, 2, 0.0);
        let heights = [-1.0, 0.0, 2.0].map(|value| height(&scale, value));
        assert!(heights[0].abs() < 1e-12 && (heights[1] - 1.0 / 3.0).abs() < 1e-12);
        assert!((heights[2] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn no_difference_lies_in_the_middle_of_its_panel() {
        let svg = drawn(&points(30, 1.25, true));
        for frame in FRAMES {
            let zero = format!("76,{0} 916,{0}", (frame.top + frame.bottom) / 2);
            assert!(svg.contains(&zero), "{zero}");
        }
    }

    #[test]
    fn a_file_is_written_and_is_the_same_again() {
        let dir = tempfile::tempdir().unwrap();
        let points = points(5, 1.1, true);
        let [path] = &lift_plots(dir.path(), &points).unwrap()[..] else {
            panic!("one file");
        };
        let first = std::fs::read(path).unwrap();
        assert!(path.ends_with("lift.svg") && first == drawn(&points).into_bytes());
    }
}
