//! Lints a log: what is wrong with it, counted and located, and whether a job can use it.
//!
//! One pass over the raw rows, as the log has them, feeds a handful of checks, one file each. A
//! check never stops the pass and never looks at another check. Every finding has its count and
//! its first places, by line and byte, so that a person can go and look.
//!
//! Memory is bounded whatever the log: the window of duplicates and the table of visitors forget
//! their oldest entries (`recent`), silences are kept by time slots that widen (`silence`). At
//! most about 120 MB are used, a few MB for logs of a few hundred thousand rows.
//!
//! Cost: three table look-ups a row.

mod finding;
mod lint;
mod order;
mod recent;
mod report;
mod silence;
mod texts;
mod visitors;

pub use finding::{Finding, Place};
pub use report::{Busy, Duplicates, Holes, LogReport, Order, Purchases, Silences, TimeSpan};

use crate::format::{FormatName, InputError, Mapping, RowReader, Source};
use std::sync::Arc;

/// What counts as wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Silences of the whole log longer than this are reported; at least [`GAP_MS_MIN`].
    pub gap_ms: u64,
    /// Forward jumps of the clock longer than this are reported.
    pub jump_ms: u64,
    /// How far the log may run backwards, and how late an event may arrive.
    pub lateness_ms: u64,
    /// How far an event time may lie after its arrival.
    pub future_ms: u64,
    /// A log of which a greater share of rows is rejected cannot be used.
    pub max_reject_ratio: f64,
    /// Most places that are kept of each finding.
    pub places_max: usize,
}

/// Shortest silence that can be asked for.
pub const GAP_MS_MIN: u64 = 1000;
/// A visit ends after this much idle time; a cart before it does not count for a purchase after.
pub const SESSION_IDLE_MS: u64 = 1_800_000;
/// Events of one visitor in a minute above which a machine is likelier than a shopper.
pub const BUSY_EVENTS_A_MINUTE: u32 = 300;
/// Event ids, and rows, among which duplicates are certain to be found: the latest so many.
pub const DUPLICATES_WINDOW: usize = 1 << 19;
/// Visitors whose visit is certain to be remembered: the latest so many.
pub const VISITORS_WINDOW: usize = 1 << 19;

/// Lints one log.
///
/// A log that cannot be read as a log (empty, no text, no known format, damaged on the way) is a
/// report, too, with the error in it.
///
/// # Errors
/// [`InputError`] where the log itself is not at fault: it cannot be opened, or several formats fit.
pub fn validate(
    source: &Source,
    format: Option<FormatName>,
    mapping: Option<&Arc<Mapping>>,
    limits: &Limits,
) -> Result<LogReport, InputError> {
    let mut lint = lint::Lint::new(*limits);
    let mut reader = match RowReader::open(source, format, mapping) {
        Ok(reader) => reader,
        Err(
            error @ (InputError::Open { .. }
            | InputError::Directory { .. }
            | InputError::Ambiguous { .. }),
        ) => return Err(error),
        Err(error) => return Ok(lint.report(source.to_string(), None, Some(error))),
    };
    let failure = loop {
        match reader.next_line(&mut lint) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
    };
    Ok(lint.report(source.to_string(), Some(&reader), failure))
}
