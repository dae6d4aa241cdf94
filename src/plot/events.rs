//! Events and decisions over time: two panels, one above the other, sharing the time axis.
//!
//! Each has its own upright axis from 0, as there may be ten events to a decision, and the same
//! unit, so that the two can be compared. A stretch of the timeline is a step as high as its rate;
//! a stretch that holds nothing is at 0. Cost: two points a stretch.

use super::scale::{Scale, count, rate};
use super::sheet::{BLUE, Face, Frame, Hold, Sheet, VERMILION, extend};
use super::time_axis::{Span, length};
use crate::visit::tally::{Bucket, Tally, Timeline};
use plotters::style::RGBColor;
use std::io;

const UPPER: Frame = Frame::between(96, 262);
const LOWER: Frame = Frame::between(304, 470);
const TITLE: &str = "Events and decisions over time";

struct Panel {
    name: &'static str,
    frame: Frame,
    colour: RGBColor,
    of: fn(&Bucket) -> u64,
}

const PANELS: [Panel; 2] = [
    Panel {
        name: "events",
        frame: UPPER,
        colour: BLUE,
        of: |bucket| bucket.events,
    },
    Panel {
        name: "decisions",
        frame: LOWER,
        colour: VERMILION,
        of: |bucket| bucket.decisions,
    },
];

/// Draws the plot.
///
/// # Errors
/// None but those of the SVG backend.
pub fn draw(tally: &Tally, svg: &mut String) -> io::Result<()> {
    let timeline = tally.timeline.clone().unwrap_or_default();
    let Some(span) = Span::of(&timeline) else {
        let mut sheet = Sheet::new(svg, TITLE, "")?;
        sheet.say(nothing(tally), Frame::between(UPPER.top, LOWER.bottom))?;
        return sheet.finish();
    };
    let (unit, unit_ms) = unit(&timeline);
    let remark = format!(
        "mean rate of each stretch of {}, by arrival",
        length(timeline.bucket_ms())
    );
    let mut sheet = Sheet::new(svg, TITLE, &remark)?;
    span.draw(&mut sheet, &[UPPER, LOWER])?;
    for panel in &PANELS {
        panel.draw(&mut sheet, &timeline, span, (unit, unit_ms))?;
    }
    sheet.finish()
}

/// Why there is nothing over time.
pub(super) fn nothing(tally: &Tally) -> &'static str {
    if tally.accepted() == 0 {
        "no events"
    } else {
        "nothing was counted over time"
    }
}

/// The shortest unit of time in which the busiest stretch has a whole event.
fn unit(timeline: &Timeline) -> (&'static str, u64) {
    let most = timeline.buckets().map(|(_, bucket)| bucket.events).max();
    let most = most.unwrap_or(0) as f64 / timeline.bucket_ms() as f64;
    [("minute", 60_000), ("hour", 3_600_000)]
        .into_iter()
        .find(|(_, unit_ms)| most * *unit_ms as f64 >= 1.0)
        .unwrap_or(("day", 86_400_000))
}

impl Panel {
    fn draw(
        &self,
        sheet: &mut Sheet<'_>,
        timeline: &Timeline,
        span: Span,
        (unit, unit_ms): (&str, u64),
    ) -> io::Result<()> {
        let per_unit = unit_ms as f64 / timeline.bucket_ms() as f64;
        let rates = || {
            timeline
                .buckets()
                .map(|(at_ms, bucket)| (at_ms, (self.of)(bucket) as f64 * per_unit))
        };
        let total = timeline.buckets().fold(0u64, |sum, (_, bucket)| {
            sum.saturating_add((self.of)(bucket))
        });
        let most = rates().map(|(_, rate)| rate).fold(0.0, f64::max);
        let scale = Scale::linear(most, 4, 0.0);
        scale.draw(sheet, self.frame)?;

        let line = steps(rates(), timeline.bucket_ms(), |at_ms, rate| {
            (
                self.frame.x(span.share(at_ms)),
                self.frame.y(scale.share(rate)),
            )
        });
        sheet.area(&line, self.colour, 0.25)?;
        // Few steps may be far apart and thinner than a unit; many would run together.
        let width = if line.len() < 400 { 2 } else { 1 };
        sheet.path(&line, self.colour, width)?;
        let Frame {
            left, right, top, ..
        } = self.frame;
        sheet.ground(self.frame)?;

        let name = format!("{} per {unit}", self.name);
        let face = Face::NAME.strong(self.colour);
        sheet.text(&name, (left, top - 14), Hold::Left, face)?;
        let sums = format!(
            "{} {} in all, at most {} per {unit}",
            count(total),
            self.name,
            rate(most)
        );
        sheet.text(&sums, (right, top - 14), Hold::Right, Face::SMALL)
    }
}

/// A line of steps over stretches of equal length, from 0 to 0, and at 0 between stretches that
/// do not touch.
fn steps(
    values: impl Iterator<Item = (u64, f64)>,
    step_ms: u64,
    point: impl Fn(u64, f64) -> (i32, i32),
) -> Vec<(i32, i32)> {
    let mut line = Vec::new();
    let mut end_ms = None;
    for (start_ms, value) in values {
        if end_ms != Some(start_ms) {
            if let Some(end_ms) = end_ms {
                extend(&mut line, point(end_ms, 0.0));
            }
            extend(&mut line, point(start_ms, 0.0));
        }
        let next_ms = start_ms.saturating_add(step_ms);
        extend(&mut line, point(start_ms, value));
        extend(&mut line, point(next_ms, value));
        end_ms = Some(next_ms);
    }
    if let Some(end_ms) = end_ms {
        extend(&mut line, point(end_ms, 0.0));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fall_to_nothing_where_nothing_was() {
        let values = [(0, 5.0), (10, 7.0), (40, 1.0)];
        let line = steps(values.into_iter(), 10, |at, value| {
            (at as i32, value as i32)
        });
        let expected = [
            (0, 0),
            (0, 5),
            (10, 5),
            (10, 7),
            (20, 7),
            (20, 0),
            (40, 0),
            (40, 1),
            (50, 1),
            (50, 0),
        ];
        assert_eq!(line, expected);
        assert!(steps(std::iter::empty(), 10, |_, _| (0, 0)).is_empty());
    }

    #[test]
    fn the_unit_follows_the_busiest_stretch() {
        let with = |events, every_ms: u64| {
            let mut timeline = Timeline::default();
            for n in 0..2_000 {
                timeline.at(n * every_ms).events += events;
            }
            unit(&timeline).0
        };
        assert_eq!(with(1, 60_000), "minute");
        assert_eq!(with(1, 40 * 60_000), "hour");
        assert_eq!(with(1, 40 * 3_600_000), "day");
        assert_eq!(unit(&Timeline::default()).0, "day");
    }
}
