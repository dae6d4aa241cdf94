//! One behavioural event, as the job sees it, and the batches in which events travel.
//!
//! An [`Event`] is a fixed-width record of integers. Strings are hashed once, where a row is
//! decoded, to 64-bit ids; nothing behind that edge hashes or compares text. The original text
//! rides along in the batch ([`Batch`]) because ids must come out exactly as they went in.
//! Amounts are fixed point ([`Micros`]), so that sums are exact and do not depend on order.
//!
//! Invariant: within one lane, [`Event::offset`] grows strictly from event to event, and
//! [`Event::arrival`] never falls. (arrival, lane, offset) is the canonical order of the job.
//!
//! Cost: 96 bytes an event and 16 bytes of text positions, plus the text that a run carries.

use serde::{Deserialize, Serialize};

mod batch;
mod codec;
mod device;
mod id;
mod kind;
mod micros;
mod reject;

pub use batch::{Batch, Carry, EventRef, Texts};
pub use codec::{CodecError, decode_batch, encode_batch, encoded_len};
pub use device::{DEVICE_COUNT, Device};
pub use id::{BINS, Id, VisitorId, bin_of, hash_text, mix};
pub use kind::{KIND_COUNT, Kind};
pub use micros::{Micros, MicrosError};
pub use reject::{Reason, Reject};

/// Milliseconds since 1970-01-01 UTC on the arrival clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ArrivalMs(pub u64);

/// Milliseconds since 1970-01-01 UTC on the shopper's clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EventMs(pub u64);

/// The number of a log among the logs of a run, from 0, in the order of the command line.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Lane(pub u16);

/// The byte at which an event's text begins in its lane, after decompression.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Offset(pub u64);

/// Longest id in bytes: visitor, session, item, category, event id.
pub const ID_BYTES_MAX: usize = 128;
/// Longest page name or address in bytes.
pub const PAGE_BYTES_MAX: usize = 1024;
/// Earliest time taken for a real one: 1990-01-01. A row before it (a clock of 1970) is rejected.
pub const TIME_MS_MIN: u64 = 631_152_000_000;
/// First millisecond taken for nonsense again: 2100-01-01.
pub const TIME_MS_END: u64 = 4_102_444_800_000;
/// Most lanes in one run.
pub const LANES_MAX: usize = 4096;

/// One behavioural event. See the module's page for the invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the job may see it; never falls within a lane.
    pub arrival: ArrivalMs,
    /// When the shopper did it, never later than `arrival`.
    pub time: EventMs,
    /// Where its text begins in the lane, in bytes.
    pub offset: Offset,
    /// The physical line of its text, from 1.
    pub line: u64,
    /// Who did it.
    pub visitor: VisitorId,
    /// The session id that the log gives, [`Id::NONE`] where it gives none.
    pub session: Id,
    /// The item concerned, [`Id::NONE`] where there is none; for an impression, the decision seen.
    pub item: Id,
    /// The item's category, [`Id::NONE`] where there is none.
    pub category: Id,
    /// The sender's id of this event, for the removal of duplicates.
    pub event_id: Id,
    /// Unit price, [`Micros::NONE`] where unknown.
    pub price: Micros,
    /// The kind's own number: scroll depth 0–1, dwell in seconds, purchase value.
    pub value: Micros,
    /// Units; 0 where the log does not say.
    pub quantity: u32,
    /// The log it came from.
    pub lane: Lane,
    /// What was done.
    pub kind: Kind,
    /// With what in hand.
    pub device: Device,
}

const _: () = assert!(std::mem::size_of::<Event>() == 96);

impl Event {
    /// The key of the canonical order.
    #[inline]
    pub fn order(&self) -> (ArrivalMs, Lane, Offset) {
        (self.arrival, self.lane, self.offset)
    }

    /// Units meant by the event: `quantity`, or 1 where the log does not say.
    #[inline]
    pub fn units(&self) -> u32 {
        self.quantity.max(1)
    }

    /// Money moved by a purchase or refund: its value, else price × units, else zero.
    #[inline]
    pub fn revenue(&self) -> i64 {
        match (self.value.get(), self.price.get()) {
            (Some(value), _) => value,
            (None, Some(price)) => price.saturating_mul(i64::from(self.units())),
            (None, None) => 0,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// An event that says nothing but that a page was viewed.
    pub(crate) fn page_view() -> Event {
        Event {
            arrival: ArrivalMs(0),
            time: EventMs(0),
            offset: Offset(0),
            line: 1,
            visitor: VisitorId(1),
            session: Id::NONE,
            item: Id::NONE,
            category: Id::NONE,
            event_id: Id::NONE,
            price: Micros::NONE,
            value: Micros::NONE,
            quantity: 0,
            lane: Lane(0),
            kind: Kind::PageView,
            device: Device::Unknown,
        }
    }
}
