//! `restage validate`: what is wrong with a log, counted and located.

use super::args::{ClockArgs, LogArgs, check_reject_ratio};
use super::{Failure, print};
use crate::event::Carry;
use crate::format::error::human;
use crate::grouped::grouped;
use crate::validate::{Finding, GAP_MS_MIN, Limits, LogReport, Place, validate};
use crate::visit::duration::parse_duration_ms;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write;

/// Lint a log: what is wrong with it, counted and located
///
/// Nothing is written and nothing stops the reading but the end of a log. Ends with code 3 if a
/// log cannot be used as it is: no row can be taken, more than --max-reject-ratio of them are
/// rejected, or the log runs backwards further than --lateness.
#[derive(Args, Debug)]
#[command(after_help = "\
What is looked for, and its limits:
  rejected     rows that a job would not take, by reason
  order        rows earlier than the one before, or than the latest of all before
  silences     times in which nobody did anything, the longest first
  clock jumps  leaps of the latest time, forwards
  duplicates   event ids, and rows of the same visitor, kind, item and time, among the latest 524,288
  purchases    without an add_to_cart before in the same visit (30 minutes idle end one);
               the latest 524,288 visitors are remembered
  holes        NUL bytes, blank lines, a last line without an end
  odd ids      white space around an id, control characters within
  busy         visitors with more than 300 events in a minute: likely machines

Examples:
  restage validate 2019-Oct.csv.gz
  restage validate monday.csv tuesday.csv --gap 1h --json
  restage validate events.csv --mapping shop.toml --places 20")]
pub struct Validate {
    #[command(flatten)]
    logs: LogArgs,
    #[command(flatten)]
    clocks: ClockArgs,
    /// Report silences of the whole log longer than this
    #[arg(long, default_value = "5m", value_name = "DURATION")]
    gap: String,
    /// Report leaps of the clock longer than this
    #[arg(long, default_value = "6h", value_name = "DURATION")]
    jump: String,
    /// Show this many places of each finding
    #[arg(long, default_value_t = 5, value_name = "N")]
    places: usize,
    /// A log of which a greater share of rows is rejected cannot be used
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    max_reject_ratio: f64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Verdict {
    logs: Vec<LogReport>,
    usable: bool,
}

/// Most places that are shown of a finding.
const PLACES_MAX: usize = 1000;

impl Validate {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        let (logs, mut options) = self.logs.resolve(Carry::ALL)?;
        self.clocks.apply(&mut options)?;
        check_reject_ratio(self.max_reject_ratio)?;
        let duration = |flag: &str, text: &str| {
            parse_duration_ms(text).map_err(|what| Failure::usage(format!("{flag}: {what}")))
        };
        let limits = Limits {
            gap_ms: duration("--gap", &self.gap)?,
            jump_ms: duration("--jump", &self.jump)?,
            lateness_ms: options.lateness_ms,
            future_ms: options.future_ms,
            max_reject_ratio: self.max_reject_ratio,
            places_max: self.places,
        };
        if limits.gap_ms < GAP_MS_MIN {
            return Err(Failure::usage("--gap is shorter than a second"));
        }
        if limits.places_max > PLACES_MAX {
            return Err(Failure::usage(format!(
                "--places is more than {PLACES_MAX}"
            )));
        }
        let lint = |log| {
            validate(log, options.format, options.mapping.as_ref(), &limits)
                .map_err(|error| Failure::new(error.exit_code(), error))
        };
        let logs = logs.iter().map(lint).collect::<Result<Vec<_>, _>>()?;
        let verdict = Verdict {
            usable: logs.iter().all(|log| log.usable),
            logs,
        };
        print(self.page(&verdict, &limits).as_bytes())?;
        if verdict.usable {
            return Ok(());
        }
        let unusable: Vec<_> = verdict
            .logs
            .iter()
            .filter(|log| !log.usable)
            .map(|log| format!("{}: {}", log.log, log.unusable.join("; ")))
            .collect();
        Err(Failure::new(
            3,
            anyhow::anyhow!("not usable as it is: {}", unusable.join(" | ")),
        ))
    }

    fn page(&self, verdict: &Verdict, limits: &Limits) -> String {
        if self.json {
            let mut text = serde_json::to_string(verdict).expect("a report is plain data");
            text.push('\n');
            return text;
        }
        let pages = verdict.logs.iter().map(|log| text(log, limits));
        pages.collect::<Vec<_>>().join("\n")
    }
}

/// A log's report as a page for people.
fn text(log: &LogReport, limits: &Limits) -> String {
    let mut page = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to memory cannot fail.
        let _ = writeln!(page, "{name:<12} {value}");
    };
    let format = log.format.unwrap_or("in no known format");
    row("log", format!("{} ({format})", log.log));
    row(
        "usable",
        if log.usable {
            "yes".into()
        } else {
            format!("no: {}", log.unusable.join("; "))
        },
    );
    row(
        "rows",
        format!(
            "{} taken of {}, on {} lines",
            grouped(log.accepted),
            grouped(log.rows),
            grouped(log.lines)
        ),
    );
    for (reason, finding) in &log.rejected {
        row("rejected", format!("{reason}: {}", found(finding)));
    }
    if !log.kinds.is_empty() {
        let kinds = log
            .kinds
            .iter()
            .map(|(kind, count)| format!("{kind} {}", grouped(*count)));
        row("kinds", kinds.collect::<Vec<_>>().join(", "));
    }
    if let Some(time) = log.time {
        let span = human(time.last_ms - time.first_ms);
        let (first, last) = (moment(time.first_ms), moment(time.last_ms));
        row("time", format!("{first} to {last}: {span}"));
    }
    row("order", order(log, limits));
    let unsure = match log.silences.certain_above_ms {
        ms if ms > limits.gap_ms => format!("; those below {} may be missing", human(ms)),
        _ => String::new(),
    };
    let silences = &log.silences.found;
    row(
        "silences",
        format!(
            "{} longer than {}{unsure}",
            found(silences),
            human(limits.gap_ms)
        ),
    );
    row(
        "clock jumps",
        format!(
            "{} longer than {}",
            found(&log.clock_jumps),
            human(limits.jump_ms)
        ),
    );
    row(
        "duplicates",
        format!("event ids: {}", found(&log.duplicates.event_ids)),
    );
    row("", format!("rows: {}", found(&log.duplicates.rows)));
    row(
        "purchases",
        format!(
            "{}, without a cart before: {}",
            grouped(log.purchases.count),
            found(&log.purchases.without_cart)
        ),
    );
    if log.purchases.visitors_forgotten > 0 {
        let forgotten = grouped(log.purchases.visitors_forgotten);
        let note = format!("{forgotten} visitors were forgotten: these may be too many");
        row("", note);
    }
    row("holes", holes(log));
    row("odd ids", found(&log.odd_ids));
    row("busy", busy(log));
    page
}

fn order(log: &LogReport, limits: &Limits) -> String {
    let Some(furthest) = log.order.furthest else {
        return "by time".into();
    };
    let needs = if log.order.needs_sort {
        "beyond"
    } else {
        "within"
    };
    format!(
        "{} jumps back; {} rows behind the latest time, the furthest {}: {needs} the lateness of {}",
        found(&log.order.jumps_back),
        grouped(log.order.rows_behind),
        place(&furthest),
        human(limits.lateness_ms)
    )
}

fn holes(log: &LogReport) -> String {
    let mut parts = Vec::new();
    for (what, finding) in [
        ("lines with NUL bytes", &log.holes.nul_lines),
        ("blank lines", &log.holes.blank_lines),
    ] {
        if finding.count > 0 {
            parts.push(format!("{what}: {}", found(finding)));
        }
    }
    if log.holes.unterminated {
        parts.push(format!("the last line, {}, has no end", log.lines));
    }
    if parts.is_empty() {
        return "none".into();
    }
    parts.join("; ")
}

fn busy(log: &LogReport) -> String {
    if log.busy_visitors == 0 {
        return "none".into();
    }
    let each = log.busy.iter().map(|busy| {
        format!(
            "`{}` with {} events in a minute at {}",
            busy.visitor.escape_debug(),
            grouped(u64::from(busy.events_in_a_minute)),
            place(&busy.place)
        )
    });
    let more = dots(log.busy_visitors, log.busy.len());
    let each = each.collect::<Vec<_>>().join(", ");
    format!("{} visitors: {each}{more}", grouped(log.busy_visitors))
}

/// The count and the places: `3 (2 min at line 7, byte 90, …)`.
fn found(finding: &Finding) -> String {
    if finding.count == 0 {
        return "none".into();
    }
    let count = grouped(finding.count);
    if finding.places.is_empty() {
        return count;
    }
    let places: Vec<_> = finding.places.iter().map(place).collect();
    let more = dots(finding.count, places.len());
    format!("{count} ({}{more})", places.join(", "))
}

fn dots(count: u64, shown: usize) -> &'static str {
    if count > shown as u64 { ", …" } else { "" }
}

fn place(place: &Place) -> String {
    let at = format!("line {} byte {}", place.line, place.byte);
    match place.ms {
        Some(ms) => format!("{} at {at}", human(ms)),
        None => at,
    }
}

/// A moment as people write it, in UTC.
fn moment(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| format!("{ms} ms"), |moment| moment.to_string())
}
