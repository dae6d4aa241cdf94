//! Live sessions by phase over time, as areas stacked upon one another.
//!
//! The timeline holds, per stretch, how many sessions entered and left each phase; summed up from
//! the beginning this is the number of live sessions at the end of each stretch. Between two such
//! times the line is straight; where stretches are missing nothing happened, and the level stays.
//! Areas are painted from the whole stack down to its lowest layer, each over the last, so that no
//! seam shows between them. Cost: ten points a stretch at most.

use super::events::nothing;
use super::scale::{Scale, count, short};
use super::sheet::{BLUE, Face, Frame, GREEN, Hold, ORANGE, PURPLE, SKY, Sheet, extend};
use super::time_axis::{Span, length};
use crate::visit::phase::Phase;
use crate::visit::tally::{Tally, Timeline};
use plotters::style::RGBColor;
use std::io;

const FRAME: Frame = Frame::between(124, 470);
const TITLE: &str = "Live sessions by phase";

/// The colours of the phases, in the order of [`Phase::ALL`].
const COLOURS: [RGBColor; 5] = [SKY, BLUE, GREEN, ORANGE, PURPLE];

/// Live sessions by phase at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// When.
    pub at_ms: u64,
    /// Sessions in each phase.
    pub phases: [i64; 5],
}

impl Level {
    /// Sessions in the phases up to one, all of them for the last.
    fn up_to(&self, phase: usize) -> f64 {
        let some = self.phases.iter().take(phase + 1);
        some.map(|sessions| (*sessions).max(0) as f64).sum()
    }
}

/// The levels of a timeline wherever they may change, in order of time.
pub fn levels(timeline: &Timeline) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    let mut phases = [0i64; 5];
    for (start_ms, bucket) in timeline.buckets() {
        if levels.last().is_none_or(|level| level.at_ms != start_ms) {
            levels.push(Level {
                at_ms: start_ms,
                phases,
            });
        }
        for (level, change) in phases.iter_mut().zip(bucket.phases) {
            *level = level.saturating_add(change);
        }
        levels.push(Level {
            at_ms: start_ms.saturating_add(timeline.bucket_ms()),
            phases,
        });
    }
    levels
}

/// Draws the plot.
///
/// # Errors
/// None but those of the SVG backend.
pub fn draw(tally: &Tally, svg: &mut String) -> io::Result<()> {
    let timeline = tally.timeline.clone().unwrap_or_default();
    let Some(span) = Span::of(&timeline) else {
        let mut sheet = Sheet::new(svg, TITLE, "")?;
        sheet.say(nothing(tally), FRAME)?;
        return sheet.finish();
    };
    let levels = levels(&timeline);
    let stretch = length(timeline.bucket_ms());
    let most = levels
        .iter()
        .map(|level| level.up_to(4))
        .fold(0.0, f64::max);
    let remark = format!(
        "counted at the end of each stretch of {stretch}; at most {} live",
        count(most as u64)
    );
    let mut sheet = Sheet::new(svg, TITLE, &remark)?;
    legend(&mut sheet, &levels)?;
    let name = (FRAME.left, FRAME.top - 14);
    sheet.text("live sessions", name, Hold::Left, Face::NAME)?;
    span.draw(&mut sheet, &[FRAME])?;
    let scale = Scale::linear(most, 6, 1.0);
    scale.draw(&mut sheet, FRAME)?;
    if most == 0.0 {
        sheet.say(
            &format!("no session was live at the end of a stretch of {stretch}"),
            FRAME,
        )?;
        return sheet.finish();
    }
    for phase in (0..COLOURS.len()).rev() {
        let mut line = vec![(FRAME.left, FRAME.bottom)];
        for level in &levels {
            let height = FRAME.y(scale.share(level.up_to(phase)));
            extend(&mut line, (FRAME.x(span.share(level.at_ms)), height));
        }
        line.push((FRAME.right, FRAME.bottom));
        sheet.area(&line, COLOURS[phase], 1.0)?;
    }
    sheet.ground(FRAME)?;
    sheet.finish()
}

/// The phases from the lowest layer to the highest, with the most sessions each had.
fn legend(sheet: &mut Sheet<'_>, levels: &[Level]) -> io::Result<()> {
    let entries: Vec<(String, RGBColor)> = Phase::ALL
        .iter()
        .zip(COLOURS)
        .enumerate()
        .map(|(n, (phase, colour))| {
            let most = levels.iter().map(|level| level.phases[n]).max();
            let most = u64::try_from(most.unwrap_or(0)).unwrap_or(0);
            (format!("{} (max {})", phase.name(), short(most)), colour)
        })
        .collect();
    sheet.legend(&entries, 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_summed_up_and_kept_where_nothing_happens() {
        let mut timeline = Timeline::default();
        timeline.at(0).phases = [3, 0, 0, 0, 0];
        timeline.at(60_000).phases = [-2, 2, 0, 0, 0];
        timeline.at(600_000).phases = [-1, -1, 0, 1, 0];
        let level = |at_ms, phases| Level { at_ms, phases };
        let expected = [
            level(0, [0; 5]),
            level(60_000, [3, 0, 0, 0, 0]),
            level(120_000, [1, 2, 0, 0, 0]),
            level(600_000, [1, 2, 0, 0, 0]),
            level(660_000, [0, 1, 0, 1, 0]),
        ];
        assert_eq!(levels(&timeline), expected);
        assert_eq!(expected[2].up_to(0), 1.0);
        assert_eq!(expected[2].up_to(4), 3.0);
    }
}
