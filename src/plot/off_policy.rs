//! What a policy would have earned, by every estimator, as an SVG file.
//!
//! One line an estimator: a square at its estimate on its 95 % interval, the numbers beside it, and
//! an upright line at what the log's own policy earned. Estimators that disagree, or whose interval
//! reaches far beyond all others, are to be seen at a glance, and the number of warnings stands
//! below. An estimator without an estimate has a dash for numbers. Cost: a few milliseconds.

use super::scale::{Scale, count, things};
use super::sheet::{AXIS, BLUE, Face, Frame, GRID, Hold, MUTED, Sheet, VERMILION};
use super::{Plot, PlotError, write_plots};
use crate::evaluate::bootstrap::Interval;
use crate::evaluate::ope::page::number;
use crate::evaluate::ope::report::Estimates;
use crate::evaluate::ope::sums::{ESTIMATORS, PerEstimator};
use std::io;
use std::path::{Path, PathBuf};

/// Estimates of a named policy.
struct Drawn<'a> {
    target: &'a str,
    estimates: &'a Estimates,
}

const FRAME: Frame = Frame {
    left: 118,
    right: 676,
    top: 92,
    bottom: 442,
};
/// Where the numbers begin.
const NUMBERS: i32 = FRAME.right + 24;
/// Longer names of policies are cut.
const TARGET_LENGTH: usize = 58;

/// Draws the estimates of a policy into a folder, which is made if it is not there, as
/// `off_policy.svg`, and returns the paths of the files.
///
/// # Errors
/// The folder or file that could not be written.
pub fn off_policy_plot(
    dir: &Path,
    target: &str,
    estimates: &Estimates,
) -> Result<Vec<PathBuf>, PlotError> {
    let plots: [Plot<Drawn>; 1] = [("off_policy.svg", draw)];
    write_plots(dir, &plots, &Drawn { target, estimates })
}

fn draw(drawn: &Drawn, svg: &mut String) -> io::Result<()> {
    let overall = &drawn.estimates.overall;
    let remark = format!(
        "{}, {} rewarded; {} effective; reward per row with 95 % intervals",
        things(overall.rows, "row", "rows"),
        count(overall.clicks),
        count(overall.ess.round() as u64)
    );
    let title = format!("Off-policy estimates: {}", cut(drawn.target));
    let mut sheet = Sheet::new(svg, &title, &remark)?;
    let values = overall.estimates.values();
    let intervals = overall.interval.values();
    let Some(axis) = Axis::of(&values, &intervals) else {
        sheet.say("no rows", FRAME)?;
        return sheet.finish();
    };
    axis.draw(&mut sheet)?;
    if let Some(own) = overall.estimates.on_policy {
        let x = axis.x(own);
        sheet.path(&[(x, FRAME.top), (x, FRAME.bottom)], MUTED, 1)?;
    }
    let numbers = (NUMBERS, FRAME.top - 16);
    sheet.text("estimate (interval)", numbers, Hold::Left, Face::SMALL)?;
    for (n, name) in PerEstimator::<f64>::NAMES.iter().enumerate() {
        line(&mut sheet, &axis, n, name, values[n], intervals[n])?;
    }
    sheet.ground(FRAME)?;
    let known = overall.verdict.is_known();
    warned(&mut sheet, overall.warnings.len(), known)?;
    sheet.finish()
}

/// One estimator's line.
fn line(
    sheet: &mut Sheet<'_>,
    axis: &Axis,
    n: usize,
    name: &str,
    value: Option<f64>,
    interval: Option<Interval>,
) -> io::Result<()> {
    let colour = if n == 0 { MUTED } else { BLUE };
    let height = FRAME.bottom - FRAME.top;
    let y = FRAME.top + height * (2 * n as i32 + 1) / (2 * ESTIMATORS as i32);
    sheet.text(name, (FRAME.left - 10, y), Hold::Right, Face::NAME)?;
    if let Some(Interval { lo, hi }) = interval {
        let (left, right) = (axis.x(lo), axis.x(hi));
        sheet.path(&[(left, y), (right, y)], colour, 3)?;
        for x in [left, right] {
            sheet.path(&[(x, y - 6), (x, y + 6)], colour, 2)?;
        }
    }
    if let Some(value) = value {
        let x = axis.x(value);
        sheet.rectangle((x - 5, y - 5), (x + 5, y + 5), colour, 1.0)?;
    }
    let between = interval.map_or(String::new(), |Interval { lo, hi }| {
        format!(" ({} to {})", number(Some(lo)), number(Some(hi)))
    });
    let text = number(value) + &between;
    sheet.text(&text, (NUMBERS, y), Hold::Left, Face::SMALL)
}

fn warned(sheet: &mut Sheet<'_>, warnings: usize, known: bool) -> io::Result<()> {
    let at = (24, 516);
    if warnings == 0 {
        return sheet.text("no warnings", at, Hold::Left, Face::SMALL);
    }
    let warnings = things(warnings as u64, "warning", "warnings");
    let said = if known {
        format!("{warnings}: read them in the report before believing a number")
    } else {
        format!("{warnings}; not known: believe none of these numbers, the report says why")
    };
    sheet.text(&said, at, Hold::Left, Face::SMALL.strong(VERMILION))
}

fn cut(name: &str) -> String {
    if name.chars().count() <= TARGET_LENGTH {
        return name.to_owned();
    }
    let start: String = name.chars().take(TARGET_LENGTH - 1).collect();
    start + "…"
}

/// A level axis over a whole number of steps, with 0 on it.
struct Axis {
    step: f64,
    /// Steps below 0, and above.
    steps: [i32; 2],
    /// Labels of 0, 1, … steps.
    labels: Vec<String>,
}

impl Axis {
    /// The axis on which all that is there fits; `None` if nothing is.
    fn of(values: &[Option<f64>], intervals: &[Option<Interval>]) -> Option<Axis> {
        let ends = intervals.iter().flatten().flat_map(|one| [one.lo, one.hi]);
        let all: Vec<f64> = values.iter().flatten().copied().chain(ends).collect();
        if all.is_empty() {
            return None;
        }
        let low = all.iter().copied().fold(0.0, f64::min);
        let high = all.iter().copied().fold(0.0, f64::max);
        let ticks = Scale::linear(high.max(-low), 6, 0.0).ticks();
        let step = ticks.get(1)?.0;
        let steps = |end: f64| ((end / step * (1.0 - 1e-9)).ceil() as i32).clamp(0, 100);
        Some(Axis {
            step,
            steps: [steps(-low), steps(high).max(1)],
            labels: ticks.into_iter().map(|(_, label)| label).collect(),
        })
    }

    fn x(&self, value: f64) -> i32 {
        let [below, above] = self.steps.map(f64::from);
        FRAME.x((value / self.step + below) / (below + above))
    }

    fn draw(&self, sheet: &mut Sheet<'_>) -> io::Result<()> {
        let [below, above] = self.steps;
        for step in -below..=above {
            let x = self.x(f64::from(step) * self.step);
            sheet.line((x, FRAME.top), (x, FRAME.bottom), GRID)?;
            sheet.line((x, FRAME.bottom), (x, FRAME.bottom + 5), AXIS)?;
            let label = self.labels.get(step.unsigned_abs() as usize);
            let sign = if step < 0 { "-" } else { "" };
            if let Some(label) = label {
                let at = (x, FRAME.bottom + 16);
                sheet.text(&format!("{sign}{label}"), at, Hold::Middle, Face::SMALL)?;
            }
        }
        let middle = ((FRAME.left + FRAME.right) / 2, FRAME.bottom + 40);
        let name = "reward per row; upright line: what the log's own policy earned";
        sheet.text(name, middle, Hold::Middle, Face::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_texts_apart;
    use super::*;
    use crate::evaluate::ope::rows::{Logged, Rows};
    use crate::evaluate::ope::{Options, estimate};
    use crate::rng::Rng;

    /// A log with rewards so large, and one propensity so small.
    fn rows(count: u64, reward: f64, smallest: f64) -> Rows {
        let (mut rng, mut rows) = (Rng::new(1), Rows::default());
        let target = rows.push_target(&[0.3, 0.7]).unwrap();
        for unit in 0..count {
            let row = Logged {
                unit,
                group: 0,
                context: 0,
                arm: rng.below(2) as u16,
                propensity: if unit == 0 { smallest } else { 0.5 },
                reward: if rng.chance(0.3) { reward } else { 0.0 },
                target,
            };
            rows.push(row).unwrap();
        }
        rows
    }

    fn drawn(rows: &Rows, replicates: u32) -> String {
        let options = Options {
            replicates,
            ..Options::default()
        };
        let estimates = &estimate(rows, &options);
        let mut svg = String::new();
        let target = "a policy with a name that goes on for longer than any title can hold";
        draw(&Drawn { target, estimates }, &mut svg).unwrap();
        svg
    }

    #[test]
    fn pictures_are_whole_and_their_text_inside_and_apart() {
        let cases = [
            ("none", rows(0, 1.0, 0.5), 10),
            ("one", rows(1, 1.0, 0.5), 10),
            ("no intervals", rows(100, 1.0, 0.5), 0),
            ("clicks", rows(2_000, 0.01, 0.5), 50),
            ("losses", rows(500, -3.0, 1e-3), 50),
            ("nothing earned", rows(500, 0.0, 0.5), 20),
            ("revenue", rows(500, 12_345.0, 1e-6), 50),
        ];
        for (case, rows, replicates) in cases {
            let svg = drawn(&rows, replicates);
            assert_texts_apart(case, &svg);
            assert!(svg.ends_with("</svg>\n"), "{case}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{case}");
            assert_eq!(svg, drawn(&rows, replicates), "{case}");
        }
        assert!(drawn(&rows(0, 1.0, 0.5), 0).contains("no rows"));
        assert!(drawn(&rows(900, 1.0, 0.5), 0).contains("no warnings"));
        assert!(drawn(&rows(900, 1.0, 1e-6), 0).contains("believe none of these numbers"));
    }
}
