//! Sessions as training and judging see them: the features after every event, as the fold made
//! them.
//!
//! Rows come from the job's own operator, so that a model is fitted on the very numbers that it
//! will be asked to score, and a row knows nothing of what came after it. A session's rows leave
//! the operator when it ends; only the first [`ROWS_MAX`] are kept. Cost: a copy of the features an
//! event, 336 bytes.

use super::feature::{FEATURE_COUNT, Vector};
use super::live::Visit;
use super::model::Label;
use crate::event::{EventMs, Kind, VisitorId};
use xxhash_rust::xxh3::xxh3_128;

/// Most rows kept of a session.
pub const ROWS_MAX: usize = 256;

/// A session prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Latest event time of the session.
    pub at: EventMs,
    /// Purchases until then.
    pub purchases: u32,
    /// Its features.
    pub features: Vector,
}

/// A session that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRows {
    /// Whose.
    pub visitor: VisitorId,
    /// Event time of its first event.
    pub start: EventMs,
    /// Event time of its last event.
    pub end: EventMs,
    /// Events in it, those without a row among them.
    pub events: u32,
    /// Purchases in it.
    pub purchases: u32,
    /// Whether it ended with something in the cart and nothing bought.
    pub abandons: bool,
    /// One row per event, in order.
    pub rows: Vec<Row>,
}

/// The rows of the live sessions of a worker.
#[derive(Debug, Default)]
pub struct RowKeeper {
    open: super::keys::KeyMap<Vec<u8>>,
}

const HEADER_BYTES: usize = 40;
const ROW_BYTES: usize = 8 * (2 + FEATURE_COUNT);

impl RowKeeper {
    /// Keeps a row of a live session.
    pub fn observed(&mut self, visit: &Visit, features: &Vector) {
        let rows = self.open.entry(visit.visitor.0).or_default();
        if rows.len() < ROWS_MAX * ROW_BYTES {
            let purchases = u64::from(visit.session.count(Kind::Purchase));
            rows.extend_from_slice(&visit.session.last.0.to_le_bytes());
            rows.extend_from_slice(&purchases.to_le_bytes());
            for feature in features {
                rows.extend_from_slice(&feature.to_le_bytes());
            }
        }
    }

    /// Drops the rows of a live session whose visitor was erased.
    pub fn forget(&mut self, visitor: VisitorId) {
        self.open.remove(&visitor.0);
    }

    /// Gives up the rows of a session that has ended, encoded.
    pub fn ended(&mut self, visit: &Visit, out: &mut Vec<u8>) {
        let rows = self.open.remove(&visit.visitor.0).unwrap_or_default();
        let session = &visit.session;
        let numbers = [visit.visitor.0, session.start.0, session.last.0];
        for number in numbers {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let abandons = u32::from(session.abandons_cart());
        let counts = [
            session.events,
            session.count(Kind::Purchase),
            abandons,
            (rows.len() / ROW_BYTES) as u32,
        ];
        for count in counts {
            out.extend_from_slice(&count.to_le_bytes());
        }
        out.extend_from_slice(&rows);
    }
}

impl SessionRows {
    /// Reads what [`RowKeeper::ended`] wrote. `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<SessionRows> {
        let (header, rows) = bytes.split_at_checked(HEADER_BYTES)?;
        let long = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("8 bytes"));
        let short = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
        if rows.len() != short(36) as usize * ROW_BYTES {
            return None;
        }
        let row = |bytes: &[u8]| {
            let mut numbers = bytes
                .chunks_exact(8)
                .map(|number| u64::from_le_bytes(number.try_into().expect("8 bytes")));
            let mut next = || numbers.next().unwrap_or_default();
            Row {
                at: EventMs(next()),
                purchases: next() as u32,
                features: std::array::from_fn(|_| f64::from_bits(next())),
            }
        };
        Some(SessionRows {
            visitor: VisitorId(long(0)),
            start: EventMs(long(8)),
            end: EventMs(long(16)),
            events: short(24),
            purchases: short(28),
            abandons: short(32) != 0,
            rows: rows.chunks_exact(ROW_BYTES).map(row).collect(),
        })
    }

    /// The rows with their weights: 1/k for the one after the k-th event.
    pub fn weighted(&self) -> impl Iterator<Item = (&Row, f64)> + Clone {
        self.rows.iter().zip((1..).map(|k: u32| 1.0 / f64::from(k)))
    }

    /// The label of a row. A purchase must come after the row; a session either leaves its cart
    /// behind or does not.
    pub fn label(&self, label: Label, row: &Row) -> bool {
        match label {
            Label::Purchase => self.purchases > row.purchases,
            Label::Abandon => self.abandons,
        }
    }

    /// Hash of the session as encoded; the sum over sessions does not depend on their order.
    pub fn digest(encoded: &[u8]) -> u128 {
        xxh3_128(encoded)
    }
}
