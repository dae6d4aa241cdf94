//! The highest `p_purchase` of each session before a purchase, of those that bought and those that
//! did not.
//!
//! Both classes are drawn over one another as shares of their own class, on a logarithmic axis: of
//! those that do not buy almost all stay near 0, and what matters is how few of them reach the
//! scores that buyers reach. An empty class is said to be empty and not drawn. Cost: two points a
//! bar.

use super::scale::{Scale, things};
use super::sheet::{AXIS, BLUE, Face, Frame, GRID, Hold, Point, Sheet, VERMILION, extend};
use crate::visit::tally::{Histogram, SCORE_BARS, Tally};
use plotters::style::RGBColor;
use std::io;

const FRAME: Frame = Frame::between(124, 470);
const TITLE: &str = "Highest p_purchase of each session before a purchase";

/// Width of a bar.
const BAR: f64 = 1.0 / SCORE_BARS as f64;

struct Class<'a> {
    histogram: &'a Histogram,
    colour: RGBColor,
    did: &'static str,
    none: &'static str,
}

impl Class<'_> {
    fn total(&self) -> u64 {
        let bars = self.histogram.0.iter();
        bars.fold(0, |sum, bar| sum.saturating_add(*bar))
    }

    /// The bars as shares of the class.
    fn shares(&self) -> impl Iterator<Item = f64> {
        let total = self.total().max(1) as f64;
        self.histogram.0.iter().map(move |bar| *bar as f64 / total)
    }

    fn label(&self) -> String {
        match self.total() {
            0 => self.none.to_owned(),
            total => format!("{} {}", things(total, "session", "sessions"), self.did),
        }
    }

    /// The upper edge of the bars, or nothing for an empty class.
    fn line(&self, scale: Scale) -> Vec<Point> {
        if self.total() == 0 {
            return Vec::new();
        }
        let bars = self.histogram.0.len() as f64;
        let mut line = vec![(FRAME.left, FRAME.bottom)];
        for (n, share) in self.shares().enumerate() {
            let y = FRAME.y(scale.share(share));
            extend(&mut line, (FRAME.x(n as f64 / bars), y));
            extend(&mut line, (FRAME.x((n + 1) as f64 / bars), y));
        }
        extend(&mut line, (FRAME.right, FRAME.bottom));
        line
    }
}

/// Draws the plot.
///
/// # Errors
/// None but those of the SVG backend.
pub fn draw(tally: &Tally, svg: &mut String) -> io::Result<()> {
    let classes = [
        Class {
            histogram: &tally.peak_not_bought,
            colour: BLUE,
            did: "did not buy",
            none: "no sessions that did not buy",
        },
        Class {
            histogram: &tally.peak_bought,
            colour: VERMILION,
            did: "bought",
            none: if tally.bought_at_once == 0 {
                "no sessions bought"
            } else {
                "no sessions bought after a score"
            },
        },
    ];
    let mut sheet = Sheet::new(svg, TITLE, &remark(tally))?;
    if classes.iter().all(|class| class.total() == 0) {
        sheet.say(nothing(tally), FRAME)?;
        return sheet.finish();
    }
    let legend = classes
        .each_ref()
        .map(|class| (class.label(), class.colour));
    sheet.legend(&legend, 80)?;
    let name = (FRAME.left, FRAME.top - 14);
    let text = format!("share of the class per bar of {BAR}, logarithmic");
    sheet.text(&text, name, Hold::Left, Face::NAME)?;

    let least = classes
        .iter()
        .flat_map(Class::shares)
        .filter(|share| *share > 0.0)
        .fold(1.0, f64::min);
    let scale = Scale::log(least);
    score_axis(&mut sheet)?;
    scale.draw(&mut sheet, FRAME)?;
    let lines = classes.each_ref().map(|class| class.line(scale));
    let drawn = || {
        lines
            .iter()
            .zip(&classes)
            .filter(|(line, _)| !line.is_empty())
    };
    for (line, class) in drawn() {
        sheet.area(line, class.colour, 0.22)?;
    }
    for (line, class) in drawn() {
        sheet.path(line, class.colour, 2)?;
    }
    sheet.ground(FRAME)?;
    sheet.finish()
}

fn remark(tally: &Tally) -> String {
    match tally.bought_at_once {
        0 if tally.peak_bought.0.iter().all(|bar| *bar == 0) => String::new(),
        0 => "every session that bought had a score before".to_owned(),
        some => format!(
            "not shown: {} that bought before any score was there",
            things(some, "session", "sessions")
        ),
    }
}

/// Why neither class has a session.
fn nothing(tally: &Tally) -> &'static str {
    if tally.accepted() == 0 {
        "no events"
    } else {
        "no sessions with a score"
    }
}

fn score_axis(sheet: &mut Sheet<'_>) -> io::Result<()> {
    for tenth in 0..=10 {
        let share = f64::from(tenth) / 10.0;
        let x = FRAME.x(share);
        sheet.line((x, FRAME.top), (x, FRAME.bottom), GRID)?;
        sheet.line((x, FRAME.bottom), (x, FRAME.bottom + 5), AXIS)?;
        let at = (x, FRAME.bottom + 16);
        sheet.text(&format!("{share:.1}"), at, Hold::Middle, Face::SMALL)?;
    }
    let middle = ((FRAME.left + FRAME.right) / 2, FRAME.bottom + 42);
    let text = "highest p_purchase (probability)";
    sheet.text(text, middle, Hold::Middle, Face::NAME)
}
