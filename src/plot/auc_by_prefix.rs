//! How well a model tells sessions apart after how many events, beside its baselines.
//!
//! The lengths stand at equal distances, each with the number of sessions that got so far. The
//! model's line runs in the band of its 95 % intervals; the baselines' intervals are whiskers, set
//! a little apart. A length at which the rows are of one class has no point, and no line runs over
//! it. The axis begins at 0.5, what chance gives, or lower if something lies there. Cost: a few
//! points.

use super::intent::{BESIDE, OWN, nothing, sheet, short_name, upright_axis};
use super::scale::short;
use super::sheet::{AXIS, Face, Frame, Hold, Point, Sheet};
use crate::evaluate::Judgement;
use crate::evaluate::bootstrap::Interval;
use plotters::style::RGBColor;
use std::io;

const FRAME: Frame = Frame {
    left: Frame::LEFT,
    right: Frame::LEFT + 630,
    top: 92,
    bottom: 454,
};
const LEGEND: Point = (FRAME.right + 30, FRAME.top + 8);

/// A figure with its interval at each length; `None` where there is none.
type Series = Vec<Option<(f64, Option<Interval>)>>;

/// Where the axis begins, in tenths.
#[derive(Clone, Copy)]
struct Axis(i32);

impl Axis {
    fn of(series: &[Series]) -> Axis {
        let points = series.iter().flatten().flatten();
        let least = points
            .map(|(auc, interval)| interval.map_or(*auc, |interval| interval.lo.min(*auc)))
            .fold(0.5, f64::min);
        Axis(((least * 10.0).floor() as i32).clamp(0, 5))
    }

    fn y(self, auc: f64) -> i32 {
        FRAME.y((auc * 10.0 - f64::from(self.0)) / f64::from(10 - self.0))
    }
}

/// Draws the plot.
///
/// # Errors
/// None but those of the SVG backend.
pub(super) fn draw(judgement: &Judgement, svg: &mut String) -> io::Result<()> {
    let mut sheet = sheet(
        svg,
        "AUC by number of events",
        "one row a session at each number of events",
        judgement,
    )?;
    let series = series(judgement);
    let why = nothing(judgement).or_else(|| {
        let none = series.iter().flatten().all(Option::is_none);
        none.then_some("at no length are there both classes")
    });
    if let Some(why) = why {
        sheet.say(why, FRAME)?;
        return sheet.finish();
    }
    let axis = Axis::of(&series);
    let name = "area under the ROC curve, with 95 % intervals";
    upright_axis(&mut sheet, FRAME, axis.0..=10, name)?;
    lengths(&mut sheet, judgement)?;
    let chance = axis.y(0.5);
    sheet.path(&[(FRAME.left, chance), (FRAME.right, chance)], AXIS, 1)?;
    sheet.ground(FRAME)?;
    let names = judgement.report.baselines.0.iter().map(|(name, _)| name);
    let mut entries = vec![(short_name(&judgement.report.kind), OWN)];
    for (n, (name, colour)) in names.zip(BESIDE).enumerate() {
        // Beside the lengths by turns: 5 to the right, 5 to the left, 10 to the right ...
        let apart = 5 * (n as i32 / 2 + 1) * if n % 2 == 0 { 1 } else { -1 };
        whiskers(&mut sheet, &series[n + 1], axis, apart, colour)?;
        line(&mut sheet, &series[n + 1], axis, apart, (colour, 2))?;
        entries.push((short_name(name), colour));
    }
    band(&mut sheet, &series[0], axis)?;
    line(&mut sheet, &series[0], axis, 0, (OWN, 3))?;
    entries.push(("by chance".to_owned(), AXIS));
    sheet.list(&entries, LEGEND)?;
    sheet.finish()
}

/// The model's series and then the baselines'.
fn series(judgement: &Judgement) -> Vec<Series> {
    let point = |auc: Option<f64>, interval| auc.map(|auc| (auc, interval));
    let own = judgement.report.by_prefix.iter();
    let own = own.map(|at| point(at.figures.auc, at.figures.interval));
    let mut series: Vec<Series> = vec![own.collect()];
    for (_, baseline) in &judgement.report.baselines.0 {
        let points = baseline.by_prefix.iter();
        series.push(points.map(|at| point(at.auc, at.interval)).collect());
    }
    series
}

/// Where the length number `n` stands.
fn x(n: usize, count: usize) -> i32 {
    FRAME.x((n as f64 + 0.5) / count.max(1) as f64)
}

/// The level axis: lengths, and how many sessions got so far.
fn lengths(sheet: &mut Sheet<'_>, judgement: &Judgement) -> io::Result<()> {
    let stages = &judgement.report.by_prefix;
    for (n, at) in stages.iter().enumerate() {
        let x = x(n, stages.len());
        sheet.line((x, FRAME.bottom), (x, FRAME.bottom + 5), AXIS)?;
        let below = |down| (x, FRAME.bottom + down);
        sheet.text(&at.events.to_string(), below(16), Hold::Middle, Face::NAME)?;
        let sessions = short(at.figures.rows as u64);
        sheet.text(&sessions, below(34), Hold::Middle, Face::SMALL)?;
    }
    let beside = |down| (FRAME.right + 30, FRAME.bottom + down);
    sheet.text("events so far", beside(16), Hold::Left, Face::NAME)?;
    sheet.text("sessions", beside(34), Hold::Left, Face::SMALL)
}

/// Runs of lengths that have a point.
fn runs(series: &Series) -> Vec<Vec<(usize, f64, Interval)>> {
    let mut runs = vec![Vec::new()];
    for (n, point) in series.iter().enumerate() {
        match (point, runs.last_mut()) {
            (Some((auc, interval)), Some(run)) => {
                // Without an interval there is a band of no width.
                let narrow = Interval { lo: *auc, hi: *auc };
                run.push((n, *auc, interval.unwrap_or(narrow)));
            }
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn line(
    sheet: &mut Sheet<'_>,
    series: &Series,
    axis: Axis,
    apart: i32,
    (colour, width): (RGBColor, u32),
) -> io::Result<()> {
    for run in runs(series) {
        let points: Vec<Point> = run
            .iter()
            .map(|(n, auc, _)| (x(*n, series.len()) + apart, axis.y(*auc)))
            .collect();
        sheet.path(&points, colour, width)?;
        for (x, y) in points {
            sheet.rectangle((x - 3, y - 3), (x + 3, y + 3), colour, 1.0)?;
        }
    }
    Ok(())
}

fn band(sheet: &mut Sheet<'_>, series: &Series, axis: Axis) -> io::Result<()> {
    for run in runs(series) {
        let upper = run.iter().map(|(n, _, at)| (*n, at.hi));
        let lower = run.iter().rev().map(|(n, _, at)| (*n, at.lo));
        let edge = upper.chain(lower);
        let points: Vec<Point> = edge
            .map(|(n, auc)| (x(n, series.len()), axis.y(auc)))
            .collect();
        sheet.area(&points, OWN, 0.2)?;
    }
    Ok(())
}

fn whiskers(
    sheet: &mut Sheet<'_>,
    series: &Series,
    axis: Axis,
    apart: i32,
    colour: RGBColor,
) -> io::Result<()> {
    for (n, _, interval) in runs(series).into_iter().flatten() {
        let x = x(n, series.len()) + apart;
        let (top, bottom) = (axis.y(interval.hi), axis.y(interval.lo));
        sheet.line((x, top), (x, bottom), colour)?;
        for y in [top, bottom] {
            sheet.line((x - 3, y), (x + 3, y), colour)?;
        }
    }
    Ok(())
}
