//! Plots of open loops: how many events waited how long, latency as time goes on, and latency against
//! throughput.
//!
//! `latency.svg` shows the share of events that waited longer (a complementary distribution, both axes
//! logarithmic), a line a rate; `latency-over-time.svg` the median, the 99th percentile and the longest
//! wait by stretches of the first rate's run; `throughput.svg` the percentiles against what was
//! achieved, a point a rate, with an open mark where the rate was not sustained. Times below a
//! hundredth of a millisecond lie on the edge. Cost: some hundred points a line.

use super::scale::Scale;
use super::sheet::{
    BLUE, Face, Frame, GREEN, GRID, Hold, ORANGE, PURPLE, Point, SKY, Sheet, VERMILION, extend,
};
use super::{Plot, PlotError, write_plots};
use crate::bench::open_loop::{OpenLoop, Stretch};
use crate::grouped::grouped;
use plotters::style::RGBColor;
use std::io;
use std::path::{Path, PathBuf};

const PLOTS: [Plot<[OpenLoop]>; 3] = [
    ("latency.svg", draw_distribution),
    ("latency-over-time.svg", draw_over_time),
    ("throughput.svg", draw_throughput),
];

const FRAME: Frame = Frame::between(126, 482);
const LEGEND_Y: i32 = 78;
/// Powers of ten of a millisecond that latency axes run over.
const DECADES: (i32, i32) = (-2, 4);
const COLOURS: [RGBColor; 6] = [BLUE, GREEN, ORANGE, VERMILION, PURPLE, SKY];

/// Draws the plots of open loops into a folder, which is made if it is not there, and returns the
/// paths of the files. Files of the same names are replaced.
///
/// # Errors
/// The first folder or file that could not be written; files before it are complete.
pub fn latency_plots(dir: &Path, loops: &[OpenLoop]) -> Result<Vec<PathBuf>, PlotError> {
    write_plots(dir, &PLOTS, loops)
}

/// Where a latency lies on a logarithmic axis, as a share of it.
fn share_of(latency_ns: u64) -> f64 {
    let (low, high) = DECADES;
    ((latency_ns as f64 / 1e6).log10() - f64::from(low)) / f64::from(high - low)
}

fn decades() -> impl Iterator<Item = (f64, String)> {
    let (low, high) = DECADES;
    (low..=high).map(move |decade| {
        let label = match decade {
            ..0 => format!(
                "{:.*} ms",
                decade.unsigned_abs() as usize,
                10f64.powi(decade)
            ),
            0..3 => format!("{:.0} ms", 10f64.powi(decade)),
            _ => format!("{:.0} s", 10f64.powi(decade - 3)),
        };
        (f64::from(decade - low) / f64::from(high - low), label)
    })
}

/// A level axis from shares of the width to labels.
fn level_axis(
    sheet: &mut Sheet<'_>,
    ticks: impl Iterator<Item = (f64, String)>,
    name: &str,
) -> io::Result<()> {
    for (share, label) in ticks {
        let x = FRAME.x(share);
        sheet.line((x, FRAME.top), (x, FRAME.bottom), GRID)?;
        sheet.text(&label, (x, FRAME.bottom + 16), Hold::Middle, Face::SMALL)?;
    }
    let middle = ((FRAME.left + FRAME.right) / 2, FRAME.bottom + 38);
    sheet.text(name, middle, Hold::Middle, Face::NAME)
}

/// An upright axis of latency.
fn upright_latency(sheet: &mut Sheet<'_>) -> io::Result<()> {
    for (share, label) in decades() {
        let y = FRAME.y(share);
        if y != FRAME.bottom {
            sheet.line((FRAME.left, y), (FRAME.right, y), GRID)?;
        }
        sheet.text(&label, (FRAME.left - 8, y), Hold::Right, Face::SMALL)?;
    }
    let above = (FRAME.left, FRAME.top - 14);
    sheet.text("latency", above, Hold::Left, Face::NAME)
}

fn called(of: &OpenLoop) -> String {
    let rate = grouped(of.offered_per_s.round().max(0.0) as u64);
    let missed = if of.sustained() {
        ""
    } else {
        " (not sustained)"
    };
    format!("{rate}/s{missed}")
}

/// Draws the distribution of latency.
///
/// # Errors
/// None but those of the SVG backend.
pub fn draw_distribution(loops: &[OpenLoop], svg: &mut String) -> io::Result<()> {
    let remark = "from when an event was due until its decision was known at the sink";
    let mut sheet = Sheet::new(svg, "Share of events that waited longer", remark)?;
    // As far down as one event in the longest run.
    let most = loops.iter().map(|of| of.latency.total()).max().unwrap_or(0);
    let scale = Scale::log(1.0 / most.max(100) as f64);
    level_axis(&mut sheet, decades(), "latency")?;
    scale.draw(&mut sheet, FRAME)?;
    let mut entries = Vec::new();
    for (of, colour) in loops
        .iter()
        .zip(COLOURS.into_iter().cycle())
        .take(COLOURS.len())
    {
        let mut line: Vec<Point> = Vec::new();
        let mut y = FRAME.top;
        for (latency, above) in of.latency.above() {
            let x = FRAME.x(share_of(latency));
            extend(&mut line, (x, y));
            y = FRAME.y(scale.share(above));
            extend(&mut line, (x, y));
        }
        sheet.path(&line, colour, 2)?;
        entries.push((called(of), colour));
    }
    sheet.ground(FRAME)?;
    sheet.legend(&entries, LEGEND_Y)?;
    sheet.finish()
}

/// Draws latency over time, for the first rate.
///
/// # Errors
/// None but those of the SVG backend.
pub fn draw_over_time(loops: &[OpenLoop], svg: &mut String) -> io::Result<()> {
    let remark = loops
        .first()
        .map_or(String::new(), |of| format!("{} offered", called(of)));
    let mut sheet = Sheet::new(svg, "Latency over time", &remark)?;
    let Some(of) = loops.first() else {
        sheet.say("no open loop", FRAME)?;
        return sheet.finish();
    };
    let end_s = of.over_time.last().map_or(1.0, |last| last.at_s).max(1e-9);
    let ticks = Scale::linear(end_s, 6, 0.0).ticks();
    let ticks = ticks.into_iter().filter(|(s, _)| *s <= end_s);
    level_axis(
        &mut sheet,
        ticks.map(|(s, label)| (s / end_s, label)),
        "seconds",
    )?;
    upright_latency(&mut sheet)?;
    type Told = (&'static str, fn(&Stretch) -> u64, RGBColor);
    let told: [Told; 3] = [
        ("median", |of| of.p50_ns, BLUE),
        ("99 %", |of| of.p99_ns, ORANGE),
        ("longest", |of| of.max_ns, VERMILION),
    ];
    let mut entries = Vec::new();
    for (name, quantile, colour) in told {
        let at = |of: &Stretch| (FRAME.x(of.at_s / end_s), FRAME.y(share_of(quantile(of))));
        let line: Vec<Point> = of.over_time.iter().map(at).collect();
        sheet.path(&line, colour, 2)?;
        entries.push((name.to_owned(), colour));
    }
    sheet.ground(FRAME)?;
    sheet.legend(&entries, LEGEND_Y)?;
    sheet.finish()
}

/// Draws latency against throughput.
///
/// # Errors
/// None but those of the SVG backend.
pub fn draw_throughput(loops: &[OpenLoop], svg: &mut String) -> io::Result<()> {
    let remark = "a point a rate; open: the job could not keep up, and the wait grows with the run";
    let mut sheet = Sheet::new(svg, "Latency against throughput", remark)?;
    let mut loops: Vec<&OpenLoop> = loops.iter().collect();
    loops.sort_by(|one, other| one.offered_per_s.total_cmp(&other.offered_per_s));
    let most = loops.iter().map(|of| of.achieved_per_s).fold(0.0, f64::max);
    let scale = Scale::linear(most, 6, 1.0);
    let ticks = scale.ticks().into_iter();
    level_axis(
        &mut sheet,
        ticks.map(|(rate, label)| (scale.share(rate), label)),
        "events a second that were answered",
    )?;
    upright_latency(&mut sheet)?;
    let told = [
        ("median", 0.5, BLUE),
        ("99 %", 0.99, ORANGE),
        ("99.9 %", 0.999, VERMILION),
    ];
    let mut entries = Vec::new();
    for (name, quantile, colour) in told {
        let at = |of: &OpenLoop| {
            let x = FRAME.x(scale.share(of.achieved_per_s));
            (x, FRAME.y(share_of(of.latency.quantile(quantile))))
        };
        let line: Vec<Point> = loops.iter().map(|of| at(of)).collect();
        sheet.path(&line, colour, 2)?;
        for of in &loops {
            let (x, y) = at(of);
            sheet.rectangle((x - 4, y - 4), (x + 4, y + 4), colour, 1.0)?;
            if !of.sustained() {
                sheet.rectangle((x - 2, y - 2), (x + 2, y + 2), RGBColor(255, 255, 255), 1.0)?;
            }
        }
        entries.push((name.to_owned(), colour));
    }
    sheet.ground(FRAME)?;
    sheet.legend(&entries, LEGEND_Y)?;
    sheet.finish()
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_texts_apart;
    use super::*;
    use crate::bench::histogram::Histogram;

    fn open_loop(offered_per_s: f64, achieved_per_s: f64, latencies_us: &[u64]) -> OpenLoop {
        let mut latency = Histogram::default();
        latencies_us
            .iter()
            .for_each(|us| latency.add(us * 1_000, 1));
        let stretch = |nth: usize| Stretch {
            at_s: nth as f64 + 0.5,
            p50_ns: latency.quantile(0.5),
            p99_ns: latency.quantile(0.99),
            max_ns: latency.max(),
        };
        OpenLoop {
            offered_per_s,
            achieved_per_s,
            backlog_slope_per_s: offered_per_s - achieved_per_s,
            over_time: (0..10).map(stretch).collect(),
            offered: latency.total(),
            closing: 0,
            latency,
        }
    }

    #[test]
    fn pictures_are_whole_and_their_text_inside_and_apart() {
        let usual: Vec<u64> = (0..5_000).map(|n| 400 + n * n % 3_000).collect();
        let one = open_loop(1e6, 1e6, &usual);
        let slow = open_loop(2e6, 1.2e6, &[1, 50_000_000, 20_000_000_000]);
        let cases = [
            ("nothing", vec![]),
            ("no latency", vec![open_loop(1.0, 0.0, &[])]),
            ("one", vec![one.clone()]),
            (
                "several",
                vec![one.clone(), slow, open_loop(1e5, 1e5, &[500]), one],
            ),
        ];
        for (case, loops) in cases {
            for (name, draw) in PLOTS {
                let mut svg = String::new();
                draw(&loops, &mut svg).unwrap();
                assert_texts_apart(&format!("{case}, {name}"), &svg);
                assert!(svg.ends_with("</svg>\n"), "{case}, {name}");
                assert!(
                    !svg.contains("NaN") && !svg.contains("inf"),
                    "{case}, {name}"
                );
            }
        }
    }
}
