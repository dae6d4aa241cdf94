//! Upright axes: from numbers to heights, with round ticks, and numbers as text.
//!
//! A linear scale starts at 0 and ends at a round number not below the largest value; a
//! logarithmic scale runs over whole decades up to 1. Any value has a height, none lies outside
//! the frame. Cost: a handful of ticks.

use super::sheet::{Face, Frame, GRID, Hold, Sheet};
use std::io;

/// A scale from values to shares of a height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// From 0.
    Linear {
        /// Distance of two ticks.
        step: f64,
        /// The value at the upper edge, a whole number of steps.
        end: f64,
    },
    /// Powers of ten up to 1.
    Log {
        /// Decades between the lower edge and 1.
        decades: i32,
    },
}

impl Scale {
    /// A linear scale for values up to `max`, with ticks on 1, 2 or 5 times a power of ten, about
    /// as many as asked for; `least_step` is the smallest distance that makes sense.
    pub fn linear(max: f64, ticks: u32, least_step: f64) -> Scale {
        let max = if max.is_finite() { max.max(0.0) } else { 0.0 };
        let least_step = if max > 0.0 { least_step } else { 1.0 };
        let rough = (max / f64::from(ticks.max(1))).max(least_step.max(f64::MIN_POSITIVE));
        let decade = 10f64.powi(rough.log10().floor() as i32);
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * decade)
            // A hair of tolerance: 10^k computed is not always 10^k.
            .find(|step| *step >= rough * (1.0 - 1e-9))
            .unwrap_or(rough);
        let end = (max / step * (1.0 - 1e-9)).ceil().max(1.0) * step;
        Scale::Linear { step, end }
    }

    /// A logarithmic scale on which the least share above 0 still stands off the lower edge.
    pub fn log(least: f64) -> Scale {
        let decades = if least > 0.0 && least < 1.0 {
            ((-least.log10() + 0.1).floor() as i32 + 1).clamp(2, 18)
        } else {
            2
        };
        Scale::Log { decades }
    }

    /// The share of the height at which a value lies.
    pub fn share(&self, value: f64) -> f64 {
        match *self {
            Scale::Linear { end, .. } => value / end,
            Scale::Log { decades } if value > 0.0 => 1.0 + value.log10() / f64::from(decades),
            Scale::Log { .. } => 0.0,
        }
    }

    /// The ticks: values with labels, upwards.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        match *self {
            Scale::Linear { step, end } => {
                let count = (end / step).round() as i32;
                (0..=count)
                    .map(|n| f64::from(n) * step)
                    .map(|value| (value, axis_number(value, step, end)))
                    .collect()
            }
            Scale::Log { decades } => {
                // A label at every decade up to six, then at every other, and so on.
                let stride = (decades + 5) / 6;
                (0..=decades)
                    .rev()
                    .filter(|down| down % stride == 0)
                    .map(|down| (10f64.powi(-down), per_cent(down)))
                    .collect()
            }
        }
    }

    /// Draws lines and labels at the ticks.
    pub fn draw(&self, sheet: &mut Sheet<'_>, frame: Frame) -> io::Result<()> {
        for (value, label) in self.ticks() {
            let y = frame.y(self.share(value));
            if y != frame.bottom {
                sheet.line((frame.left, y), (frame.right, y), GRID)?;
            }
            sheet.text(&label, (frame.left - 8, y), Hold::Right, Face::SMALL)?;
        }
        Ok(())
    }
}

/// `10^-down` in per cent.
fn per_cent(down: i32) -> String {
    match down {
        0..=8 => format!("{:.*}%", (down - 2).max(0) as usize, 10f64.powi(2 - down)),
        _ => format!("1e{}%", 2 - down),
    }
}

/// A tick of a linear axis, with as many places and the unit that the axis needs.
fn axis_number(value: f64, step: f64, end: f64) -> String {
    const UNITS: [(f64, &str); 6] = [
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e5, "k"),
    ];
    let (unit, sign) = UNITS
        .into_iter()
        .find(|(least, _)| end >= *least)
        .map_or((1.0, ""), |(least, sign)| {
            (if sign == "k" { 1e3 } else { least }, sign)
        });
    let places = (-(step / unit).log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize;
    if value == 0.0 {
        "0".to_owned()
    } else if places > 4 {
        format!("{value:.0e}")
    } else if places == 0 {
        format!("{}{sign}", count((value / unit).round() as u64))
    } else {
        format!("{:.places$}{sign}", value / unit)
    }
}

pub use crate::grouped::grouped as count;

/// A number in five signs at most, to three digits from ten thousand on.
pub fn short(number: u64) -> String {
    if number < 10_000 {
        return count(number);
    }
    let mut value = number as f64;
    let mut units = ["", "k", "M", "G", "T", "P", "E"].into_iter();
    let mut unit = units.next();
    while value >= 999.5 {
        value /= 1e3;
        unit = units.next();
    }
    let places = if value >= 99.95 { 0 } else { 1 };
    format!("{value:.places$}{}", unit.unwrap_or(""))
}

/// A number of things: `1 session`, `2,000 sessions`.
pub fn things(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A rate to three digits.
pub fn rate(value: f64) -> String {
    if value > 0.0 && value < 0.01 {
        format!("{value:.1e}")
    } else if value >= 100.0 {
        count(value.round() as u64)
    } else if value == value.round() {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_reach_the_largest_value() {
        let scale = Scale::linear(1_234.0, 4, 0.0);
        assert_eq!(labels(scale), ["0", "500", "1,000", "1,500"]);
        assert_eq!(
            labels(Scale::linear(0.3, 3, 0.0)),
            ["0", "0.1", "0.2", "0.3"]
        );
        assert_eq!(
            labels(Scale::linear(3.1e6, 4, 0.0)),
            ["0", "1M", "2M", "3M", "4M"]
        );
        assert_eq!(
            labels(Scale::linear(140_000.0, 3, 0.0)),
            ["0", "50k", "100k", "150k"]
        );
        assert_eq!(labels(Scale::linear(2.0, 4, 1.0)), ["0", "1", "2"]);
    }

    #[test]
    fn a_linear_scale_of_nothing_or_of_far_too_much_has_few_ticks() {
        for max in [
            0.0,
            -3.0,
            1e-300,
            u64::MAX as f64,
            f64::NAN,
            f64::INFINITY,
            1e300,
        ] {
            let scale = Scale::linear(max, 4, 0.0);
            let count = scale.ticks().len();
            assert!((2..=12).contains(&count), "{max}: {count} ticks");
            assert!(scale.share(0.0) == 0.0);
        }
        assert_eq!(labels(Scale::linear(0.0, 4, 0.0)), ["0", "1"]);
        assert_eq!(labels(Scale::linear(2e-9, 2, 0.0)), ["0", "1e-9", "2e-9"]);
    }

    #[test]
    fn a_log_scale_keeps_its_least_value_off_the_edge() {
        assert_eq!(labels(Scale::log(0.02)), ["1%", "10%", "100%"]);
        assert_eq!(labels(Scale::log(0.01)), ["0.1%", "1%", "10%", "100%"]);
        assert_eq!(labels(Scale::log(1.0)), ["1%", "10%", "100%"]);
        for least in [1e-12, 1e-4, 0.013, 0.5, 0.99] {
            let scale = Scale::log(least);
            assert!(scale.share(least) > 0.0, "{least}");
            assert!(scale.ticks().len() <= 8, "{least}");
        }
        assert_eq!(Scale::log(0.1).share(0.0), 0.0);
        assert_eq!(Scale::log(0.1).share(1.0), 1.0);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(short(9_999), "9,999");
        assert_eq!(short(10_000), "10.0k");
        assert_eq!(short(99_960), "100k");
        assert_eq!(short(999_499), "999k");
        assert_eq!(short(999_500), "1.0M");
        assert_eq!(short(u64::MAX), "18.4E");
        assert_eq!(things(1, "session", "sessions"), "1 session");
        assert_eq!(rate(0.25), "0.25");
        assert_eq!(rate(7.0), "7");
        assert_eq!(rate(12_345.6), "12,346");
    }
}
