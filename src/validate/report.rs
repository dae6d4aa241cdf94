//! What a lint found, in the shape in which `--json` prints it.

use super::finding::{Finding, Place};
use serde::Serialize;
use std::collections::BTreeMap;

/// All that was found in one log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogReport {
    /// The log, as the command line names it.
    pub log: String,
    /// Its format, where one was found.
    pub format: Option<&'static str>,
    /// Whether a job can use it as it is.
    pub usable: bool,
    /// Why not.
    pub unusable: Vec<String>,
    /// Events and rejected rows.
    pub rows: u64,
    /// Rows that a job would take, duplicates included.
    pub accepted: u64,
    /// Physical lines, the header and blank ones included.
    pub lines: u64,
    /// Bytes of text, after decompression.
    pub bytes: u64,
    /// Rejected rows by reason.
    pub rejected: BTreeMap<&'static str, Finding>,
    /// Accepted rows by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// From when to when, by arrival where there is one.
    pub time: Option<TimeSpan>,
    /// Whether rows are in the order of time.
    pub order: Order,
    /// Times in which nothing happened.
    pub silences: Silences,
    /// Leaps of the clock, forwards.
    pub clock_jumps: Finding,
    /// What is there twice.
    pub duplicates: Duplicates,
    /// Purchases, and those without a cart before them.
    pub purchases: Purchases,
    /// What is missing, or is no text.
    pub holes: Holes,
    /// Rows with an id that has white space around it, or a control character in it.
    pub odd_ids: Finding,
    /// Visitors faster than people are.
    pub busy_visitors: u64,
    /// The first of them.
    pub busy: Vec<Busy>,
}

/// First and last moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimeSpan {
    /// The first, in ms since 1970.
    pub first_ms: u64,
    /// The last.
    pub last_ms: u64,
}

/// The order of the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Rows earlier than the row before them.
    pub jumps_back: Finding,
    /// Rows earlier than the latest of all rows before them.
    pub rows_behind: u64,
    /// The one of those that lies furthest behind.
    pub furthest: Option<Place>,
    /// Whether that is further than the lateness.
    pub needs_sort: bool,
}

/// Silences of the whole log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Silences {
    /// How many, and the longest of them; a place is the row that ends the silence.
    #[serde(flatten)]
    pub found: Finding,
    /// The longest.
    pub longest_ms: Option<u64>,
    /// All silences longer than this were found.
    pub certain_above_ms: u64,
}

/// What is there twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Rows whose event id was there before.
    pub event_ids: Finding,
    /// Rows with the visitor, kind, item and time of a row before.
    pub rows: Finding,
    /// Ids and rows that fell out of the window in which duplicates are found.
    pub forgotten: u64,
}

/// Purchases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Purchases {
    /// All of them.
    pub count: u64,
    /// Those of visitors who had put nothing into a cart in that visit.
    pub without_cart: Finding,
    /// Visitors forgotten on the way; with any, the count may be too high.
    pub visitors_forgotten: u64,
}

/// What is missing, or is no text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holes {
    /// Lines with NUL bytes, as a disk leaves them that was full or went away.
    pub nul_lines: Finding,
    /// Lines without text.
    pub blank_lines: Finding,
    /// Whether the last line has no line ending: the log may have been cut.
    pub unterminated: bool,
}

/// A visitor faster than people are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Busy {
    /// The visitor's id.
    pub visitor: String,
    /// Events in the busiest minute.
    pub events_in_a_minute: u32,
    /// The row with which it became busy.
    #[serde(flatten)]
    pub place: Place,
}
