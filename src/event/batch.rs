//! A batch of events with the text of their ids: what moves between threads and processes.
//!
//! Events stand in one vector, the positions of their texts in a second, the text itself in one
//! heap. A batch is reused after [`Batch::clear`], so steady state allocates nothing per event.

use super::Event;

/// The texts of one event. An empty text is absent, or not carried in this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// The visitor's id; always carried.
    pub visitor: &'a [u8],
    /// The log's own session id.
    pub session: &'a [u8],
    /// The item's id.
    pub item: &'a [u8],
    /// The category's id.
    pub category: &'a [u8],
    /// The page's name or address.
    pub page: &'a [u8],
    /// The sender's id of the event.
    pub event_id: &'a [u8],
}

/// Which texts a run carries besides the visitor's. Those not carried are dropped at the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carry {
    /// The log's session id: needed where sessions are the log's.
    pub session: bool,
    /// Item, category, page and event id: needed to tell a visitor's story or to rewrite a log.
    pub details: bool,
}

impl Carry {
    /// Everything.
    pub const ALL: Carry = Carry {
        session: true,
        details: true,
    };
}

/// An event and its texts, borrowed from a batch.
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    /// The fixed-width record.
    pub event: &'a Event,
    /// Its texts.
    pub texts: Texts<'a>,
}

/// Where an event's texts stand in the heap: a start and six lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) lens: [u16; 6],
}

/// Events with their texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) spans: Vec<Span>,
    pub(super) heap: Vec<u8>,
}

impl Batch {
    /// Events after which a batch counts as full.
    pub const EVENTS_MAX: usize = 4096;

    /// An empty batch with room for `events` events and their texts.
    pub fn with_capacity(events: usize) -> Batch {
        Batch {
            events: Vec::with_capacity(events),
            spans: Vec::with_capacity(events),
            heap: Vec::with_capacity(events * 24),
        }
    }

    /// Number of events.
    #[inline]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are no events.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Events the batch can hold before it allocates.
    pub fn capacity(&self) -> usize {
        self.events.capacity()
    }

    /// Makes room for `events` more events.
    pub fn reserve(&mut self, events: usize) {
        self.events.reserve(events);
        self.spans.reserve(events);
        self.heap.reserve(events * 24);
    }

    /// Removes all events and keeps the room.
    pub fn clear(&mut self) {
        self.events.clear();
        self.spans.clear();
        self.heap.clear();
    }

    /// The events, without their texts.
    #[inline]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Adds an event. Texts must be within the limits of the event module.
    ///
    /// # Panics
    /// If the heap would pass 4 GiB; batches are cut at [`Batch::EVENTS_MAX`] events long before.
    pub fn push(&mut self, event: Event, texts: Texts<'_>) {
        let start = u32::try_from(self.heap.len()).expect("a batch's text stays below 4 GiB");
        let fields = [
            texts.visitor,
            texts.session,
            texts.item,
            texts.category,
            texts.page,
            texts.event_id,
        ];
        let mut lens = [0u16; 6];
        for (len, field) in lens.iter_mut().zip(fields) {
            // Most runs carry the visitor's text alone.
            if !field.is_empty() {
                *len = field.len() as u16;
                self.heap.extend_from_slice(field);
            }
        }
        self.events.push(event);
        self.spans.push(Span { start, lens });
    }

    /// The event at `index` with its texts.
    #[inline]
    pub fn get(&self, index: usize) -> EventRef<'_> {
        EventRef {
            event: &self.events[index],
            texts: self.texts(index),
        }
    }

    /// The texts of the event at `index`.
    #[inline]
    pub fn texts(&self, index: usize) -> Texts<'_> {
        let span = &self.spans[index];
        let mut rest = &self.heap[span.start as usize..];
        let mut next = |field: usize| {
            let (text, tail) = rest.split_at(usize::from(span.lens[field]));
            rest = tail;
            text
        };
        Texts {
            visitor: next(0),
            session: next(1),
            item: next(2),
            category: next(3),
            page: next(4),
            event_id: next(5),
        }
    }

    /// All events with their texts, in order.
    pub fn iter(&self) -> impl Iterator<Item = EventRef<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Bytes of memory that the batch holds.
    pub fn bytes(&self) -> usize {
        self.events.capacity() * size_of::<Event>()
            + self.spans.capacity() * size_of::<Span>()
            + self.heap.capacity()
    }
}
