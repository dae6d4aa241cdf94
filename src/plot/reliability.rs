//! Whether a probability comes true as often as it says.
//!
//! Above, for every bin of scores its mean score against the share that came true; a calibrated
//! model lies on the diagonal. The thick line is over all rows, the thin ones are after one, five
//! and thirteen events, and leave out bins of fewer than [`ROWS_MIN`] rows. Below, how many rows
//! each bin holds, on a logarithmic axis: nearly all scores are small. Cost: ten points a line.

use super::intent::{ALL, OWN, level_axis, nothing, sheet, upright_axis};
use super::scale::{Scale, short, things};
use super::sheet::{AXIS, Face, Frame, GREEN, Hold, ORANGE, Point, SKY, Sheet, extend};
use crate::evaluate::Judgement;
use crate::evaluate::calibration::{BINS, Bin};
use plotters::style::RGBColor;
use std::io;

const FRAME: Frame = Frame {
    left: Frame::LEFT,
    right: Frame::LEFT + 510,
    top: 92,
    bottom: 386,
};
const BARS: Frame = Frame {
    top: 426,
    bottom: 484,
    ..FRAME
};
const LEGEND: Point = (FRAME.right + 36, FRAME.top + 8);
/// Lengths of sessions that have a line of their own.
const LINES: [(u32, RGBColor); 3] = [(1, SKY), (5, GREEN), (13, ORANGE)];
/// A bin of fewer rows has no point on the line of a length.
const ROWS_MIN: u64 = 10;

/// Draws the plot.
///
/// # Errors
/// None but those of the SVG backend.
pub(super) fn draw(judgement: &Judgement, svg: &mut String) -> io::Result<()> {
    let mut sheet = sheet(svg, "Reliability", ALL, judgement)?;
    if let Some(why) = nothing(judgement) {
        sheet.say(why, FRAME)?;
        return sheet.finish();
    }
    upright_axis(&mut sheet, FRAME, 0..=10, "share that came true")?;
    level_axis(&mut sheet, BARS, "score (probability)")?;
    let exact = [(FRAME.left, FRAME.bottom), (FRAME.right, FRAME.top)];
    sheet.path(&exact, AXIS, 1)?;
    let overall = &judgement.report.overall;
    let error = overall
        .ece
        .map_or(String::new(), |ece| format!(": error {ece:.3}"));
    let mut entries = vec![(format!("all rows{error}"), OWN)];
    for (events, colour) in LINES {
        let stages = judgement.reliability_by_prefix.iter();
        let Some((_, bins)) = stages.clone().find(|stage| stage.0 == events) else {
            continue;
        };
        let line = points(bins.iter().filter(|bin| bin.rows >= ROWS_MIN));
        if line.is_empty() {
            continue;
        }
        sheet.path(&line, colour, 1)?;
        dots(&mut sheet, &line, colour, 2)?;
        let rows = bins.iter().map(|bin| bin.rows).sum();
        let after = things(u64::from(events), "event", "events");
        let sessions = things(rows, "session", "sessions");
        entries.push((format!("after {after}: {sessions}"), colour));
    }
    let line = points(judgement.reliability.iter());
    sheet.path(&line, OWN, 3)?;
    dots(&mut sheet, &line, OWN, 4)?;
    entries.push(("as often as it says".to_owned(), AXIS));
    sheet.ground(FRAME)?;
    bars(&mut sheet, &judgement.reliability)?;
    sheet.list(&entries, LEGEND)?;
    sheet.finish()
}

fn points<'a>(bins: impl Iterator<Item = &'a Bin>) -> Vec<Point> {
    let mut line = Vec::new();
    for bin in bins {
        extend(&mut line, (FRAME.x(bin.score_mean), FRAME.y(bin.share)));
    }
    line
}

fn dots(sheet: &mut Sheet<'_>, line: &[Point], colour: RGBColor, half: i32) -> io::Result<()> {
    for (x, y) in line {
        sheet.rectangle((x - half, y - half), (x + half, y + half), colour, 1.0)?;
    }
    Ok(())
}

/// The bars, each under the number of its rows.
fn bars(sheet: &mut Sheet<'_>, bins: &[Bin]) -> io::Result<()> {
    let most = bins.iter().map(|bin| bin.rows).max().unwrap_or(1).max(1) as f64;
    let least = bins.iter().map(|bin| bin.rows as f64 / most);
    let scale = Scale::log(least.fold(1.0, f64::min));
    for bin in bins {
        let edge = |index: usize| BARS.x(index as f64 / BINS as f64);
        let (left, right) = (edge(bin.index) + 2, edge(bin.index + 1) - 2);
        let y = BARS.y(scale.share(bin.rows as f64 / most));
        sheet.rectangle((left, y), (right, BARS.bottom), OWN, 0.5)?;
        let at = ((left + right) / 2, y - 9);
        sheet.text(&short(bin.rows), at, Hold::Middle, Face::SMALL)?;
    }
    let name = (BARS.left, FRAME.bottom + 14);
    sheet.text("rows per bin, logarithmic", name, Hold::Left, Face::SMALL)?;
    sheet.ground(BARS)
}
