//! The time axis: a stretch of the arrival clock, with ticks on round UTC times.
//!
//! Ticks lie on whole minutes, hours, days, Mondays, months or years, whichever is the finest of
//! which no more than [`TICKS_MAX`] fit. A label has two lines: what changes from tick to tick, and
//! below it the date or year where that has changed. Times after the year 9999 have no name; an
//! axis that reaches them counts days. Cost: at most [`TICKS_MAX`] + 1 labels.

use super::scale::Scale;
use super::sheet::{AXIS, Face, Frame, GRID, Hold, Sheet};
use crate::visit::tally::Timeline;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::io;

/// Most steps between ticks. A label with a date in it is just narrower than a tenth of a frame.
pub const TICKS_MAX: u64 = 10;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// 1970 began on a Thursday; the first Monday was the fifth.
const MONDAY_MS: u64 = 4 * DAY_MS;

/// Steps of equal length: the step, and a time at which a tick lies.
const STEPS: [(u64, u64); 15] = [
    (MINUTE_MS, 0),
    (2 * MINUTE_MS, 0),
    (5 * MINUTE_MS, 0),
    (10 * MINUTE_MS, 0),
    (15 * MINUTE_MS, 0),
    (30 * MINUTE_MS, 0),
    (HOUR_MS, 0),
    (2 * HOUR_MS, 0),
    (3 * HOUR_MS, 0),
    (6 * HOUR_MS, 0),
    (12 * HOUR_MS, 0),
    (DAY_MS, 0),
    (2 * DAY_MS, 0),
    (7 * DAY_MS, MONDAY_MS),
    (14 * DAY_MS, MONDAY_MS),
];

/// Steps in months, for what is longer.
const MONTHS: [u64; 14] = [
    1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1_200, 2_400, 6_000, 12_000,
];

/// A stretch of the arrival clock, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first millisecond.
    pub from_ms: u64,
    /// The first millisecond after it.
    pub to_ms: u64,
}

/// A tick of the time axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Where.
    pub at_ms: u64,
    /// The upper line of its label.
    pub label: String,
    /// The lower line: the date or year, where it is new.
    pub within: Option<String>,
}

impl Span {
    /// From the first stretch of a timeline that holds anything to the end of the last.
    pub fn of(timeline: &Timeline) -> Option<Span> {
        let from_ms = timeline.buckets().next()?.0;
        let last_ms = timeline.buckets().last()?.0;
        Some(Span {
            from_ms,
            to_ms: last_ms.saturating_add(timeline.bucket_ms()),
        })
    }

    /// The share of the span that has gone by at a time.
    pub fn share(&self, at_ms: u64) -> f64 {
        at_ms.saturating_sub(self.from_ms) as f64 / self.length_ms() as f64
    }

    fn length_ms(&self) -> u64 {
        self.to_ms.saturating_sub(self.from_ms).max(1)
    }

    /// The ticks of the span, in order of time.
    pub fn ticks(&self) -> Vec<Tick> {
        self.calendar_ticks().unwrap_or_else(|| self.day_counts())
    }

    fn calendar_ticks(&self) -> Option<Vec<Tick>> {
        let first = date(self.from_ms)?;
        date(self.to_ms)?;
        let fits = |step: u64| self.length_ms() <= step * TICKS_MAX;
        if let Some(&(step, origin)) = STEPS.iter().find(|(step, _)| fits(*step)) {
            let gone = (self.from_ms % step + step - origin % step) % step;
            let start = self.from_ms + (step - gone) % step;
            let times = (start..=self.to_ms).step_by(step as usize);
            let (label, within) = if step < DAY_MS {
                ("%H:%M", Some("%Y-%m-%d"))
            } else {
                ("%b %-d", Some("%Y"))
            };
            return Some(labelled(times, label, within));
        }
        let months = MONTHS.into_iter().find(|months| fits(months * 30 * DAY_MS));
        let months = i64::try_from(months.unwrap_or(12_000)).ok()?;
        let (label, within) = if months < 12 {
            ("%b", Some("%Y"))
        } else {
            ("%Y", None)
        };
        let start = (i64::from(first.year()) * 12 + i64::from(first.month()) - 1) / months * months;
        let times = (start..)
            .step_by(months as usize)
            .map_while(month_ms)
            .skip_while(|at| *at < self.from_ms)
            .take_while(|at| *at <= self.to_ms);
        Some(labelled(times, label, within))
    }

    fn day_counts(&self) -> Vec<Tick> {
        let Scale::Linear { step, .. } =
            Scale::linear(self.length_ms() as f64 / DAY_MS as f64, 5, 1.0)
        else {
            return Vec::new();
        };
        let step = step as u64;
        (self.from_ms / DAY_MS..=self.to_ms / DAY_MS)
            .step_by(step.max(1) as usize)
            .map(|day| (day, day.saturating_mul(DAY_MS)))
            .filter(|(_, at)| (self.from_ms..=self.to_ms).contains(at))
            .map(|(day, at_ms)| Tick {
                at_ms,
                label: format!("day {day}"),
                within: None,
            })
            .collect()
    }

    /// Draws lines at the ticks through the frames, labels under the last, and the axis' name.
    pub fn draw(&self, sheet: &mut Sheet<'_>, frames: &[Frame]) -> io::Result<()> {
        let Some(last) = frames.last() else {
            return Ok(());
        };
        for tick in self.ticks() {
            let x = last.x(self.share(tick.at_ms));
            for frame in frames {
                sheet.line((x, frame.top), (x, frame.bottom), GRID)?;
            }
            sheet.line((x, last.bottom), (x, last.bottom + 5), AXIS)?;
            let at = (x, last.bottom + 16);
            sheet.text(&tick.label, at, Hold::Middle, Face::SMALL)?;
            if let Some(within) = &tick.within {
                let at = (x, last.bottom + 32);
                sheet.text(within, at, Hold::Middle, Face::SMALL)?;
            }
        }
        let middle = ((last.left + last.right) / 2, last.bottom + 54);
        sheet.text("time (UTC)", middle, Hold::Middle, Face::NAME)
    }
}

fn labelled(times: impl Iterator<Item = u64>, label: &str, within: Option<&str>) -> Vec<Tick> {
    let mut before = None;
    times
        .map(|at_ms| {
            let now = within.map(|format| name(at_ms, format));
            let new = now.clone().filter(|_| before != now);
            before = now;
            Tick {
                at_ms,
                label: name(at_ms, label),
                within: new,
            }
        })
        .collect()
}

fn timestamp(at_ms: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()
}

fn date(at_ms: u64) -> Option<Date> {
    Some(timestamp(at_ms)?.to_zoned(TimeZone::UTC).date())
}

fn name(at_ms: u64, format: &str) -> String {
    timestamp(at_ms)
        .map(|at| at.to_zoned(TimeZone::UTC).strftime(format).to_string())
        .unwrap_or_default()
}

/// The beginning of a month, counted from the year 0.
fn month_ms(month: i64) -> Option<u64> {
    let year = i16::try_from(month.div_euclid(12)).ok()?;
    let first = Date::new(year, month.rem_euclid(12) as i8 + 1, 1).ok()?;
    let at = first.to_zoned(TimeZone::UTC).ok()?.timestamp();
    u64::try_from(at.as_millisecond().max(0)).ok()
}

/// A length of time in its two largest units.
pub fn length(ms: u64) -> String {
    let minutes = ms / MINUTE_MS;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min")];
    let shown: Vec<String> = parts
        .into_iter()
        .skip_while(|(number, _)| *number == 0)
        .take(2)
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    if shown.is_empty() {
        "less than 1 min".to_owned()
    } else {
        shown.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-02-29T22:47:00Z.
    const EVE_MS: u64 = 1_709_246_820_000;

    fn ticks(length_ms: u64) -> Vec<(String, Option<String>)> {
        let span = Span {
            from_ms: EVE_MS,
            to_ms: EVE_MS + length_ms,
        };
        let ticks = span.ticks();
        assert!(ticks.iter().all(|t| t.at_ms >= span.from_ms));
        assert!(ticks.iter().all(|t| t.at_ms <= span.to_ms));
        ticks.into_iter().map(|t| (t.label, t.within)).collect()
    }

    fn pair(label: &str, within: Option<&str>) -> (String, Option<String>) {
        (label.to_owned(), within.map(str::to_owned))
    }

    #[test]
    fn ticks_lie_on_round_times_and_name_a_new_date() {
        let hours = ticks(3 * HOUR_MS);
        assert_eq!(hours[0], pair("23:00", Some("2024-02-29")));
        assert_eq!(hours[1], pair("23:30", None));
        assert_eq!(hours[2], pair("00:00", Some("2024-03-01")));
        assert_eq!(hours[3], pair("00:30", None));
        assert_eq!(
            ticks(MINUTE_MS),
            [pair("22:47", Some("2024-02-29")), pair("22:48", None)]
        );
        let days = ticks(7 * DAY_MS);
        assert_eq!(days[0], pair("Mar 1", Some("2024")));
        assert_eq!(days[6], pair("Mar 7", None));
        let weeks = ticks(50 * DAY_MS);
        assert_eq!(weeks[0], pair("Mar 4", Some("2024")));
        assert_eq!(weeks[1], pair("Mar 11", None));
        let months = ticks(400 * DAY_MS);
        assert_eq!(months[0], pair("Mar", Some("2024")));
        assert_eq!(months[5], pair("Jan", Some("2025")));
        let years = ticks(30 * 365 * DAY_MS);
        assert_eq!(years[0], pair("2025", None));
    }

    #[test]
    fn no_span_has_too_many_ticks_or_none() {
        let mut length_ms = MINUTE_MS;
        while length_ms < u64::MAX / 3 {
            for from_ms in [0, 1, EVE_MS, u64::MAX / 2] {
                let span = Span {
                    from_ms,
                    to_ms: from_ms + length_ms,
                };
                let count = span.ticks().len() as u64;
                assert!(count <= TICKS_MAX + 2, "{span:?}: {count}");
                if from_ms <= EVE_MS {
                    assert!(count > 0, "{span:?}");
                }
            }
            length_ms = length_ms / 2 * 3;
        }
    }

    #[test]
    fn lengths_are_told_in_two_units() {
        assert_eq!(length(MINUTE_MS), "1 min");
        assert_eq!(length(64 * MINUTE_MS), "1 h 4 min");
        assert_eq!(length(DAY_MS), "1 d");
        assert_eq!(length(DAY_MS + 5 * MINUTE_MS), "1 d");
        assert_eq!(length(0), "less than 1 min");
    }
}
