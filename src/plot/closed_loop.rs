//! Plots of a closed-loop experiment: what not knowing cost, and conversion as it was learned.
//!
//! `regret.svg` shows the expected orders that each rival has missed so far against the oracle: a
//! rival that learns nothing rises in a straight line, one that learns bends and flattens. A rival
//! that is ahead of the oracle for a while, by luck, is drawn at 0. `conversion.svg` shows expected
//! orders a visit in stretches of equally many visits. Cost: some hundred points a line.

use super::scale::{Scale, count, things};
use super::sheet::{
    AXIS, BLUE, Face, Frame, GREEN, GRID, Hold, ORANGE, Point, Sheet, VERMILION, extend,
};
use super::{Plot, PlotError, write_plots};
use crate::simulate::closed::experiment::{Findings, STRETCHES};
use plotters::style::RGBColor;
use std::io;
use std::path::{Path, PathBuf};

/// The plots of an experiment.
const PLOTS: [Plot<Findings>; 2] = [
    ("regret.svg", draw_regret),
    ("conversion.svg", draw_conversion),
];

const FRAME: Frame = Frame::between(126, 482);
/// Where the legend stands.
const LEGEND_Y: i32 = 78;

/// Draws the plots of an experiment into a folder, which is made if it is not there, and returns
/// the paths of the files. Files of the same names are replaced.
///
/// # Errors
/// The first folder or file that could not be written; files before it are complete.
pub fn closed_loop_plots(dir: &Path, findings: &Findings) -> Result<Vec<PathBuf>, PlotError> {
    write_plots(dir, &PLOTS, findings)
}

/// A rival's colour, and what a legend calls it.
fn face(name: &str) -> (RGBColor, &'static str) {
    match name {
        "policy" => (BLUE, "policy"),
        "oracle" => (GREEN, "oracle"),
        "uniform" => (VERMILION, "uniform draws"),
        "fixed" => (ORANGE, "best fixed layout"),
        _ => (AXIS, "default layout"),
    }
}

/// Draws cumulative regret.
///
/// # Errors
/// None but those of the SVG backend.
pub fn draw_regret(findings: &Findings, svg: &mut String) -> io::Result<()> {
    let mut sheet = sheet(svg, "Regret against the oracle", findings)?;
    // The oracle is the ground: it misses nothing.
    let lines = ["default", "uniform", "fixed", "policy"];
    let lines = lines.map(|name| (name, findings.regrets(name)));
    let highest = lines.iter().flat_map(|(_, regrets)| regrets);
    let scale = Scale::linear(highest.copied().fold(0.0, f64::max), 6, 1.0);
    axes(&mut sheet, scale, "expected orders missed so far", findings)?;
    let mut entries = Vec::with_capacity(lines.len());
    for (name, regrets) in lines {
        let points = regrets.len() as f64;
        let mut line = vec![(FRAME.left, FRAME.bottom)];
        for (at, regret) in regrets.iter().enumerate() {
            let y = FRAME.y(scale.share(*regret));
            extend(&mut line, (FRAME.x((at + 1) as f64 / points), y));
        }
        let end = regrets.last().copied().unwrap_or(0.0);
        entries.push(path(&mut sheet, name, &line, &format!("{end:.0}"))?);
    }
    sheet.ground(FRAME)?;
    sheet.legend(&entries, LEGEND_Y)?;
    sheet.finish()
}

/// Draws conversion over the visits.
///
/// # Errors
/// None but those of the SVG backend.
pub fn draw_conversion(findings: &Findings, svg: &mut String) -> io::Result<()> {
    let mut sheet = sheet(svg, "Conversion in the closed loop", findings)?;
    let names = ["default", "uniform", "fixed", "oracle", "policy"];
    let lines = names.map(|name| (name, findings.rival(name)));
    let values = lines.iter().flat_map(|(_, r)| &r.conversion_by_stretch);
    let highest = 100.0 * values.copied().fold(0.0, f64::max);
    let scale = Scale::linear(highest, 6, 0.01);
    axes(
        &mut sheet,
        scale,
        "expected orders per 100 sessions",
        findings,
    )?;
    let mut entries = Vec::with_capacity(lines.len());
    for (name, rival) in lines {
        let mut line = Vec::new();
        for (at, conversion) in rival.conversion_by_stretch.iter().enumerate() {
            let y = FRAME.y(scale.share(100.0 * conversion));
            let middle = (at as f64 + 0.5) / STRETCHES as f64;
            extend(&mut line, (FRAME.x(middle), y));
        }
        let late = format!("{:.2}", 100.0 * rival.conversion_late);
        entries.push(path(&mut sheet, name, &line, &late)?);
    }
    sheet.ground(FRAME)?;
    sheet.legend(&entries, LEGEND_Y)?;
    sheet.finish()
}

fn sheet<'a>(svg: &'a mut String, title: &str, findings: &Findings) -> io::Result<Sheet<'a>> {
    let share = findings.gain_ratio.map_or(String::new(), |ratio| {
        format!(
            "; the policy has {:.0}% of the oracle's gain",
            100.0 * ratio
        )
    });
    let remark = format!(
        "{} each, seed {}; gains count over the last quarter{share}",
        things(findings.sessions, "session", "sessions"),
        count(findings.seed)
    );
    Sheet::new(svg, title, &remark)
}

/// Both axes; the level one counts sessions.
fn axes(sheet: &mut Sheet<'_>, scale: Scale, name: &str, findings: &Findings) -> io::Result<()> {
    let sessions = findings.sessions as f64;
    for (value, label) in Scale::linear(sessions, 6, 1.0).ticks() {
        if value <= sessions {
            let x = FRAME.x(value / sessions);
            sheet.line((x, FRAME.top), (x, FRAME.bottom), GRID)?;
            let at = (x, FRAME.bottom + 16);
            sheet.text(&label, at, Hold::Middle, Face::SMALL)?;
        }
    }
    let middle = ((FRAME.left + FRAME.right) / 2, FRAME.bottom + 38);
    sheet.text("sessions", middle, Hold::Middle, Face::NAME)?;
    let above = (FRAME.left, FRAME.top - 14);
    sheet.text(name, above, Hold::Left, Face::NAME)?;
    scale.draw(sheet, FRAME)
}

/// Draws a rival's line, the policy's thicker, and returns its entry in the legend.
fn path(
    sheet: &mut Sheet<'_>,
    name: &str,
    line: &[Point],
    figure: &str,
) -> io::Result<(String, RGBColor)> {
    let (colour, label) = face(name);
    let width = if name == "policy" { 3 } else { 2 };
    sheet.path(line, colour, width)?;
    Ok((format!("{label}: {figure}"), colour))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::closed::experiment::{POINTS, Rival};

    /// A rival that sells `conversion` from the first visit to the last.
    fn rival(name: &str, conversion: f64) -> Rival {
        let orders = |at: usize| 1_000.0 * conversion * (at + 1) as f64 / POINTS as f64;
        Rival {
            name: name.into(),
            conversion,
            conversion_late: conversion,
            conversion_late_error: 0.0,
            orders: 0,
            revenue: 0.0,
            discount: 0.0,
            events_per_session: 0.0,
            changes_per_session: 0.0,
            conversion_by_stretch: vec![conversion; STRETCHES],
            cumulative: (0..POINTS).map(orders).collect(),
        }
    }

    fn findings(oracle: f64) -> Findings {
        let names = ["default", "fixed", "uniform", "policy"];
        let mut rivals: Vec<Rival> = names.map(|name| rival(name, 0.04)).into();
        rivals.push(rival("oracle", oracle));
        Findings {
            sessions: 1_000,
            seed: 1,
            oracle_gain: 0.0,
            policy_gain: 0.0,
            gain_ratio: None,
            regret: 0.0,
            regret_uniform: 0.0,
            regret_fixed: 0.0,
            lift: None,
            digest: None,
            learned: Vec::new(),
            rivals,
            compared: Vec::new(),
            confusion: Default::default(),
            oracle_layouts: Default::default(),
            fixed_layout: Default::default(),
        }
    }

    #[test]
    fn what_was_missed_is_in_the_legend_and_a_lead_is_drawn_at_nothing() {
        let mut svg = String::new();
        draw_regret(&findings(0.06), &mut svg).unwrap();
        assert_eq!(svg.matches(": 20\n").count(), 4, "{svg}");
        assert!(svg.trim_end().ends_with("</svg>"));
        draw_regret(&findings(0.02), &mut svg).unwrap();
        let bottom = FRAME.bottom;
        assert!(svg.contains(&format!("{bottom}")) && !svg.contains("NaN"));
        draw_conversion(&findings(0.0), &mut svg).unwrap();
        assert!(svg.contains("oracle: 0.00") && svg.contains("policy: 4.00"));
    }

    #[test]
    fn the_plots_are_written_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let paths = closed_loop_plots(dir.path(), &findings(0.06)).unwrap();
        let names: Vec<_> = paths.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["regret.svg", "conversion.svg"]);
        assert!(paths.iter().all(|path| path.is_file()));
    }
}
