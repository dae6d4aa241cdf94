//! What the tests of the decoders share: a place to put what was found, and the real logs.

use std::path::PathBuf;

use crate::event::{Device, Kind, Micros, Reason};

use super::{Decoder, Line, RawEvent, Rows};

/// What a decoder found, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Event(Box<OwnedEvent>),
    Reject(u32, Reason),
}

impl Found {
    pub(super) fn event(&self) -> Option<&OwnedEvent> {
        match self {
            Found::Event(event) => Some(event),
            Found::Reject(..) => None,
        }
    }
}

/// A [`RawEvent`] with its own texts: visitor, session, item, category, page, event id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnedEvent {
    pub(super) at: u32,
    pub(super) arrival_ms: Option<u64>,
    pub(super) event_ms: u64,
    pub(super) kind: Kind,
    pub(super) texts: [Vec<u8>; 6],
    pub(super) price: Micros,
    pub(super) value: Micros,
    pub(super) quantity: u32,
    pub(super) device: Device,
}

impl OwnedEvent {
    /// The event, borrowing the texts.
    pub(super) fn raw(&self) -> RawEvent<'_> {
        let [visitor, session, item, category, page, event_id] = &self.texts;
        RawEvent {
            at: self.at,
            arrival_ms: self.arrival_ms,
            event_ms: self.event_ms,
            kind: self.kind,
            visitor,
            session,
            item,
            category,
            page,
            event_id,
            price: self.price,
            value: self.value,
            quantity: self.quantity,
            device: self.device,
        }
    }
}

pub(super) fn event(event: RawEvent<'_>) -> Found {
    let texts = [
        event.visitor,
        event.session,
        event.item,
        event.category,
        event.page,
        event.event_id,
    ];
    Found::Event(Box::new(OwnedEvent {
        at: event.at,
        arrival_ms: event.arrival_ms,
        event_ms: event.event_ms,
        kind: event.kind,
        texts: texts.map(<[u8]>::to_vec),
        price: event.price,
        value: event.value,
        quantity: event.quantity,
        device: event.device,
    }))
}

pub(super) fn reject(at: u32, reason: Reason) -> Found {
    Found::Reject(at, reason)
}

/// Keeps everything.
#[derive(Default)]
pub(super) struct Keep(pub(super) Vec<Found>);

impl Rows for Keep {
    fn event(&mut self, found: RawEvent<'_>) {
        self.0.push(event(found));
    }

    fn reject(&mut self, at: u32, reason: Reason) {
        self.0.push(reject(at, reason));
    }
}

/// What a decoder finds in the given lines, numbered from 1.
pub(super) fn decode<L: AsRef<[u8]>>(decoder: &mut dyn Decoder, lines: &[L]) -> Vec<Found> {
    let mut keep = Keep::default();
    for (index, line) in lines.iter().enumerate() {
        let line = Line {
            bytes: line.as_ref(),
            number: index as u64 + 1,
            offset: 0,
        };
        decoder.decode(line, &mut keep);
    }
    keep.0
}

/// A real log by its place in the folder of shared data; nothing, said aloud, where that is absent.
pub(super) fn shared(name: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("RESTAGE_SHARED_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")),
    };
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}
