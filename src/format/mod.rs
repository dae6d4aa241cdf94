//! Log formats: bytes of a recorded log → raw events, or a reject with its reason and place.
//!
//! One file a format. A [`Decoder`] sees one line at a time and knows nothing of lanes, clocks or
//! files. Around it stand [`open`] (files, pipes, compression), [`lines`] (bytes to lines, within
//! limits), [`detect`] (which format is this), [`rows`] (these put together: raw events) and
//! [`lane`] (the rules of time, ids hashed, batches filled). [`mod@write`] goes the other way.
//!
//! A row is one physical line in every format: a quoted field may not span lines, so that one
//! stray quote can never swallow the rest of a log.

pub mod append;
pub mod catalogue;
pub(crate) mod clock;
mod csv_row;
pub mod detect;
pub mod error;
pub mod fields;
#[cfg(test)]
mod hostile;
mod intake;
pub mod jd;
mod json;
pub mod lane;
pub mod lines;
pub mod mapped;
pub mod mapping;
pub mod mark;
pub mod name;
pub mod open;
pub mod otto;
#[cfg(test)]
mod real_logs;
pub mod rees46;
pub mod restage_csv;
pub mod restage_jsonl;
pub mod restock;
pub mod retailrocket;
pub mod rows;
pub mod scrub;
pub mod sink;
mod table;
pub mod taobao;
#[cfg(test)]
mod testing;
mod time;
pub mod write;
pub mod yoochoose;

pub use error::{HeaderFault, InputError};
pub use lane::{LaneOptions, LaneRead, LaneReader, LaneTally};
pub use mapping::Mapping;
pub use name::FormatName;
pub use open::Source;
pub use rows::RowReader;
pub use write::LogWriter;

use crate::event::{Device, Kind, Micros, Reason};

/// One line of a log, without its line ending.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The text.
    pub bytes: &'a [u8],
    /// Physical line number, from 1.
    pub number: u64,
    /// Offset of its first byte in the lane, after decompression.
    pub offset: u64,
}

/// One event as a log gives it, before the rules of time. Empty texts are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent<'a> {
    /// Byte within the line at which the event's own text begins; 0 where a line is one event.
    pub at: u32,
    /// When it arrived, where the log says so; ms since 1970.
    pub arrival_ms: Option<u64>,
    /// When the shopper did it; ms since 1970.
    pub event_ms: u64,
    /// What was done.
    pub kind: Kind,
    /// Who did it.
    pub visitor: &'a [u8],
    /// The log's own session id.
    pub session: &'a [u8],
    /// The item.
    pub item: &'a [u8],
    /// The item's category.
    pub category: &'a [u8],
    /// The page.
    pub page: &'a [u8],
    /// The sender's id of this event.
    pub event_id: &'a [u8],
    /// Unit price.
    pub price: Micros,
    /// The kind's own number.
    pub value: Micros,
    /// Units, 0 where not given.
    pub quantity: u32,
    /// With what in hand.
    pub device: Device,
}

impl<'a> RawEvent<'a> {
    /// An event with nothing but what every event has.
    pub fn new(event_ms: u64, kind: Kind, visitor: &'a [u8]) -> RawEvent<'a> {
        RawEvent {
            at: 0,
            arrival_ms: None,
            event_ms,
            kind,
            visitor,
            session: b"",
            item: b"",
            category: b"",
            page: b"",
            event_id: b"",
            price: Micros::NONE,
            value: Micros::NONE,
            quantity: 0,
            device: Device::Unknown,
        }
    }
}

/// Where a decoder puts what it finds in a line.
pub trait Rows {
    /// A line begins: what follows was found in it. Not needed by everyone.
    fn begin(&mut self, _line: Line<'_>) {}
    /// A line without text. Not needed by everyone.
    fn blank(&mut self, _line: Line<'_>) {}
    /// The line is done: nothing more will come of it. Not needed by everyone.
    fn end(&mut self, _line: Line<'_>) {}
    /// Takes an event.
    fn event(&mut self, event: RawEvent<'_>);
    /// Takes a row, or the event at byte `at` of a row, that could not be read.
    fn reject(&mut self, at: u32, reason: Reason);
    /// Takes what a line that is one event was read as.
    fn row(&mut self, read: Result<RawEvent<'_>, Reason>) {
        match read {
            Ok(event) => self.event(event),
            Err(reason) => self.reject(0, reason),
        }
    }
}

/// Reads the lines of one format.
///
/// # Contract
/// Every line leads to at least one call on `rows`, unless the format says that the line carries
/// no event (a header, a blank line). A decoder never panics and never allocates per event in
/// steady state (maps of foreign columns excepted).
pub trait Decoder: Send {
    /// Reads one line.
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows);
}
