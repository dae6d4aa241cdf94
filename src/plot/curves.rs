//! The ROC and the precision-recall curve of a model and its baselines over all rows.
//!
//! Both are drawn in a square from 0 to 1, the legend beside it with the area under each curve.
//! The ROC curve is a line through its points, the diagonal what chance would give. The
//! precision-recall curve is drawn in steps, as average precision is summed, beside the line of
//! the base rate. The model is drawn last, over the others. Cost: some 500 points a curve.

use super::intent::{
    ALL, BESIDE, OWN, figure, level_axis, nothing, sheet, short_name, upright_axis,
};
use super::sheet::{AXIS, Frame, Point, Sheet, extend};
use crate::evaluate::Judgement;
use crate::evaluate::curves::Curves;
use plotters::style::RGBColor;
use std::io;

const FRAME: Frame = Frame {
    left: Frame::LEFT,
    right: Frame::LEFT + 390,
    top: 92,
    bottom: 482,
};
const LEGEND: Point = (FRAME.right + 36, FRAME.top + 8);

/// Draws the ROC curves.
///
/// # Errors
/// None but those of the SVG backend.
pub(super) fn draw_roc(judgement: &Judgement, svg: &mut String) -> io::Result<()> {
    let mut sheet = sheet(svg, "ROC curve", ALL, judgement)?;
    if let Some(why) = nothing(judgement) {
        sheet.say(why, FRAME)?;
        return sheet.finish();
    }
    level_axis(&mut sheet, FRAME, "false positive rate")?;
    upright_axis(&mut sheet, FRAME, 0..=10, "true positive rate")?;
    let chance = [(FRAME.left, FRAME.bottom), (FRAME.right, FRAME.top)];
    sheet.path(&chance, AXIS, 1)?;
    let report = &judgement.report;
    let own = figure(report.overall.auc, report.overall.interval);
    let beside = report.baselines.0.iter();
    let beside = beside.map(|(_, baseline)| figure(baseline.auc, baseline.interval));
    let figures = std::iter::once(own).chain(beside);
    let grey = "by chance: AUC 0.5".to_owned();
    draw(&mut sheet, judgement, "AUC", (figures, grey), |curves| {
        let mut line = Vec::new();
        for (x, y) in &curves.roc {
            extend(&mut line, (FRAME.x(*x), FRAME.y(*y)));
        }
        line
    })?;
    sheet.finish()
}

/// Draws the precision-recall curves.
///
/// # Errors
/// None but those of the SVG backend.
pub(super) fn draw_precision_recall(judgement: &Judgement, svg: &mut String) -> io::Result<()> {
    let mut sheet = sheet(svg, "Precision and recall", ALL, judgement)?;
    if let Some(why) = nothing(judgement) {
        sheet.say(why, FRAME)?;
        return sheet.finish();
    }
    level_axis(&mut sheet, FRAME, "recall")?;
    upright_axis(&mut sheet, FRAME, 0..=10, "precision")?;
    let report = &judgement.report;
    let own = figure(
        report.overall.average_precision,
        report.overall.average_precision_interval,
    );
    let beside = report.baselines.0.iter();
    let beside = beside.map(|(_, baseline)| figure(baseline.average_precision, None));
    let figures = std::iter::once(own).chain(beside);
    let share = judgement.share.unwrap_or(0.0);
    let y = FRAME.y(share);
    sheet.path(&[(FRAME.left, y), (FRAME.right, y)], AXIS, 1)?;
    let grey = format!("share of positives: {share:.3}");
    draw(&mut sheet, judgement, "AP", (figures, grey), |curves| {
        let mut line = Vec::new();
        let mut from = 0.0;
        for (recall, precision) in &curves.precision_recall {
            extend(&mut line, (FRAME.x(from), FRAME.y(*precision)));
            extend(&mut line, (FRAME.x(*recall), FRAME.y(*precision)));
            from = *recall;
        }
        line
    })?;
    sheet.finish()
}

/// Draws a line for every scorer, the model's on top, and the legend: every scorer's figure, and
/// what the grey line is.
fn draw(
    sheet: &mut Sheet<'_>,
    judgement: &Judgement,
    figure: &str,
    (figures, grey): (impl Iterator<Item = String>, String),
    line: impl Fn(&Curves) -> Vec<Point>,
) -> io::Result<()> {
    let report = &judgement.report;
    let beside = report.baselines.0.iter().map(|(name, _)| name);
    let names = std::iter::once(&report.kind).chain(beside);
    let colours = std::iter::once(OWN).chain(BESIDE);
    let mut entries: Vec<(String, RGBColor)> = names
        .zip(figures)
        .zip(colours.clone())
        .map(|((name, value), colour)| (format!("{}: {figure} {value}", short_name(name)), colour))
        .collect();
    entries.push((grey, AXIS));
    let drawn: Vec<_> = judgement.curves.iter().zip(colours).collect();
    for (n, (curves, colour)) in drawn.into_iter().enumerate().rev() {
        sheet.path(&line(curves), colour, if n == 0 { 3 } else { 2 })?;
    }
    sheet.ground(FRAME)?;
    sheet.list(&entries, LEGEND)
}
