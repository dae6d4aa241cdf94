//! Plots of how good an intent model is, as four SVG files.
//!
//! `roc.svg` and `precision_recall.svg` are the curves over all rows beside those of the baselines,
//! `reliability.svg` shows whether a probability comes true as often as it says, and
//! `auc_by_prefix.svg` how well the model tells sessions apart after how many events. Rows of one
//! class, or none, give plots that say so. What the four share is here: the order of the colours,
//! names cut to a length that fits, and axes of probabilities. Cost: a few milliseconds.

use super::scale::{count, things};
use super::sheet::{
    AXIS, BLUE, Face, Frame, GREEN, GRID, Hold, ORANGE, PURPLE, SKY, Sheet, VERMILION,
};
use super::{Plot, PlotError, auc_by_prefix, curves, reliability, write_plots};
use crate::evaluate::Judgement;
use crate::evaluate::bootstrap::Interval;
use plotters::style::RGBColor;
use std::io;
use std::path::{Path, PathBuf};

/// The plots of a model.
pub(super) const PLOTS: [Plot<Judgement>; 4] = [
    ("roc.svg", curves::draw_roc),
    ("precision_recall.svg", curves::draw_precision_recall),
    ("reliability.svg", reliability::draw),
    ("auc_by_prefix.svg", auc_by_prefix::draw),
];

/// The model's colour.
pub(super) const OWN: RGBColor = BLUE;
/// The baselines' colours. Baselines beyond these are not drawn.
pub(super) const BESIDE: [RGBColor; 5] = [VERMILION, GREEN, ORANGE, PURPLE, SKY];
/// Longer names are cut.
const NAME_LENGTH: usize = 16;

/// Draws the plots of a judged model into a folder, which is made if it is not there, and returns
/// the paths of the files. Files of the same names are replaced.
///
/// # Errors
/// The first folder or file that could not be written; files before it are complete.
pub fn intent_plots(dir: &Path, judgement: &Judgement) -> Result<Vec<PathBuf>, PlotError> {
    // Without prefixes, as in a table with one row a session, there is nothing to draw by them.
    let by_prefix = !judgement.report.by_prefix.is_empty();
    let plots = PLOTS.into_iter();
    let wanted = plots.filter(|(name, _)| by_prefix || *name != "auc_by_prefix.svg");
    write_plots(dir, &wanted.collect::<Vec<_>>(), judgement)
}

/// How rows count in the plots over all rows.
pub(super) const ALL: &str = "the k-th row of a session weighs 1/k";

/// A sheet with a title that names the model, and a remark on the rows and how they count.
pub(super) fn sheet<'a>(
    svg: &'a mut String,
    title: &str,
    weighing: &str,
    judgement: &Judgement,
) -> io::Result<Sheet<'a>> {
    let report = &judgement.report;
    let (kind, label) = (short_name(&report.kind), short_name(&report.label));
    let remark = format!(
        "{}, {}, of which {} positive; {weighing}",
        things(u64::from(report.sessions), "session", "sessions"),
        things(report.overall.rows as u64, "row", "rows"),
        count(report.overall.positives as u64)
    );
    Sheet::new(svg, &format!("{title} ({kind}, p_{label})"), &remark)
}

/// Why there is nothing to draw, if so.
pub(super) fn nothing(judgement: &Judgement) -> Option<&'static str> {
    let figures = &judgement.report.overall;
    match figures.auc {
        Some(_) => None,
        None if figures.rows == 0 => Some("no rows"),
        None if figures.positives == 0 => Some("no row is positive"),
        None => Some("every row is positive"),
    }
}

/// A name, cut to a length that fits a legend.
pub(super) fn short_name(name: &str) -> String {
    if name.chars().count() <= NAME_LENGTH {
        return name.to_owned();
    }
    let start: String = name.chars().take(NAME_LENGTH - 1).collect();
    start + "…"
}

/// A figure and its interval for a legend.
pub(super) fn figure(value: Option<f64>, interval: Option<Interval>) -> String {
    let value = value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    interval.map_or(value.clone(), |interval| {
        format!("{value} ({:.3} to {:.3})", interval.lo, interval.hi)
    })
}

/// A level axis from 0 to 1 below a frame, with lines behind the data.
pub(super) fn level_axis(sheet: &mut Sheet<'_>, frame: Frame, name: &str) -> io::Result<()> {
    for fifth in 0..=5 {
        let share = f64::from(fifth) / 5.0;
        let x = frame.x(share);
        sheet.line((x, frame.top), (x, frame.bottom), GRID)?;
        sheet.line((x, frame.bottom), (x, frame.bottom + 5), AXIS)?;
        let at = (x, frame.bottom + 16);
        sheet.text(&format!("{share:.1}"), at, Hold::Middle, Face::SMALL)?;
    }
    let middle = ((frame.left + frame.right) / 2, frame.bottom + 40);
    sheet.text(name, middle, Hold::Middle, Face::NAME)
}

/// An upright axis from a number of tenths to 1 beside a frame, with lines behind the data.
pub(super) fn upright_axis(
    sheet: &mut Sheet<'_>,
    frame: Frame,
    tenths: std::ops::RangeInclusive<i32>,
    name: &str,
) -> io::Result<()> {
    let (low, high) = (*tenths.start(), *tenths.end());
    let stride = if high - low > 5 { 2 } else { 1 };
    for tenth in (low..=high).rev().step_by(stride) {
        let y = frame.y(f64::from(tenth - low) / f64::from((high - low).max(1)));
        sheet.line((frame.left, y), (frame.right, y), GRID)?;
        let label = format!("{:.1}", f64::from(tenth) / 10.0);
        sheet.text(&label, (frame.left - 8, y), Hold::Right, Face::SMALL)?;
    }
    sheet.text(name, (frame.left, frame.top - 16), Hold::Left, Face::NAME)
}
