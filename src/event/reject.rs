//! Why a row was not taken, and where it stands. Rejected rows are counted and kept, never lost.

use super::{ArrivalMs, Lane, Offset};

/// The reasons, in the order in which reports list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// The row is not a row of its format at all.
    Syntax,
    /// Too few or too many fields.
    FieldCount,
    /// A time that cannot be read, or lies outside 1990–2099.
    Timestamp,
    /// An unknown kind of event.
    Kind,
    /// A missing id where one must be.
    Id,
    /// A number that cannot be read, is negative or is not finite.
    Number,
    /// Arrived later after its event time than the lateness allows.
    Late,
    /// An event time further after its arrival than clocks may differ.
    Future,
    /// An event id seen before within the window.
    Duplicate,
    /// A line, an id or a page longer than its limit.
    TooLong,
    /// Not UTF-8, or a NUL byte.
    Encoding,
}

impl Reason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Reason; 11] = [
        Reason::Syntax,
        Reason::FieldCount,
        Reason::Timestamp,
        Reason::Kind,
        Reason::Id,
        Reason::Number,
        Reason::Late,
        Reason::Future,
        Reason::Duplicate,
        Reason::TooLong,
        Reason::Encoding,
    ];

    /// The name in reports and in the file of rejects.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Syntax => "syntax",
            Reason::FieldCount => "field_count",
            Reason::Timestamp => "timestamp",
            Reason::Kind => "kind",
            Reason::Id => "id",
            Reason::Number => "number",
            Reason::Late => "late",
            Reason::Future => "future",
            Reason::Duplicate => "duplicate",
            Reason::TooLong => "too_long",
            Reason::Encoding => "encoding",
        }
    }
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The lane's arrival clock when the row was met: its place in the canonical order.
    pub arrival: ArrivalMs,
    /// The log.
    pub lane: Lane,
    /// The physical line, from 1.
    pub line: u64,
    /// The byte of the lane at which the row (or the event within it) begins.
    pub offset: Offset,
    /// Why.
    pub reason: Reason,
    /// The row's text, cut to [`Reject::TEXT_BYTES_MAX`] bytes; empty for a duplicate,
    /// and for a row of a sorted log that the rules of time refuse.
    pub text: Vec<u8>,
}

impl Reject {
    /// Most bytes of a row's text that are kept.
    pub const TEXT_BYTES_MAX: usize = 256;

    /// Appends the line that the file of rejects holds for it: JSON, line ending included.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    pub fn write_json(&self, into: &mut Vec<u8>) {
        #[derive(serde::Serialize)]
        struct Row<'a> {
            lane: u16,
            line: u64,
            byte: u64,
            reason: &'static str,
            text: std::borrow::Cow<'a, str>,
        }
        let row = Row {
            lane: self.lane.0,
            line: self.line,
            byte: self.offset.0,
            reason: self.reason.name(),
            text: String::from_utf8_lossy(&self.text),
        };
        serde_json::to_writer(&mut *into, &row).expect("writing to memory");
        into.push(b'\n');
    }
}
