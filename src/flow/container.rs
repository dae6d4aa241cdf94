//! What travels on the dataflow's edges: batches of events, and emissions.
//!
//! Both keep their records in one vector and their bytes in one heap, and cross processes in a
//! fixed-width little-endian codec of our own instead of record by record. A container keeps its
//! record count whatever happens to it: the engine's progress tracking rests on that.

use crate::event::{Batch, EventRef, decode_batch, encode_batch, encoded_len};
use std::cell::RefCell;
use std::rc::Rc;
use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::container::{DrainContainer, PushInto, SizableContainer};
use timely::dataflow::channels::ContainerBytes;

/// Records after which a container that an exchange builds is sent on.
const EXCHANGE_RECORDS_MAX: usize = 1024;

impl Accountable for Batch {
    fn record_count(&self) -> i64 {
        self.len() as i64
    }
}

impl DrainContainer for Batch {
    type Item<'a> = EventRef<'a>;
    type DrainIter<'a> = BatchIter<'a>;

    fn drain(&mut self) -> BatchIter<'_> {
        BatchIter {
            batch: self,
            next: 0,
        }
    }
}

/// The events of a batch, in order.
pub struct BatchIter<'a> {
    batch: &'a Batch,
    next: usize,
}

impl<'a> Iterator for BatchIter<'a> {
    type Item = EventRef<'a>;

    fn next(&mut self) -> Option<EventRef<'a>> {
        let index = self.next;
        self.next += 1;
        (index < self.batch.len()).then(|| self.batch.get(index))
    }
}

impl SizableContainer for Batch {
    fn at_capacity(&self) -> bool {
        self.len() >= EXCHANGE_RECORDS_MAX
    }

    fn ensure_capacity(&mut self, stash: &mut Option<Self>) {
        if self.capacity() == 0 {
            *self = stash.take().unwrap_or_default();
            self.clear();
            self.reserve(EXCHANGE_RECORDS_MAX);
        }
    }
}

impl PushInto<EventRef<'_>> for Batch {
    fn push_into(&mut self, item: EventRef<'_>) {
        self.push(*item.event, item.texts);
    }
}

impl ContainerBytes for Batch {
    fn from_bytes(bytes: Bytes) -> Self {
        // Another process of the same job wrote this: anything else is a broken invariant.
        decode_batch(&bytes).expect("a batch from a peer process is well-formed")
    }

    fn length_in_bytes(&self) -> usize {
        encoded_len(self)
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        encode_batch(self, writer).expect("the peer's buffer takes the batch");
    }
}

/// Containers that have done their work and keep their room, for those who need one next.
///
/// One per worker: a fresh container of this size comes from the system as untouched pages, and
/// touching them costs more than filling them.
#[derive(Debug)]
pub struct Spares<C>(Rc<RefCell<Vec<C>>>);

/// Most spares kept; a worker needs about as many as it may read ahead.
const SPARES_MAX: usize = 16;

impl<C> Default for Spares<C> {
    fn default() -> Self {
        Spares(Rc::default())
    }
}

impl<C> Clone for Spares<C> {
    fn clone(&self) -> Self {
        Spares(Rc::clone(&self.0))
    }
}

/// A container that can be emptied and keeps its room.
pub trait Clear {
    /// Empties it.
    fn clear(&mut self);
}

impl Clear for Batch {
    fn clear(&mut self) {
        Batch::clear(self);
    }
}

impl Clear for Emissions {
    fn clear(&mut self) {
        self.entries.clear();
        self.heap.clear();
    }
}

impl<C: Clear> Spares<C> {
    /// Empties a container and keeps it for its room.
    pub fn keep_cleared(&self, mut container: C) {
        let mut spares = self.0.borrow_mut();
        if spares.len() < SPARES_MAX {
            container.clear();
            spares.push(container);
        }
    }

    /// A container with room, if there is one.
    pub fn take(&self) -> Option<C> {
        self.0.borrow_mut().pop()
    }
}

/// What an emission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tag {
    /// A decision record, as its line of output.
    Decision,
    /// A rejected row, as its line of JSON.
    Reject,
    /// A paragraph of the followed visitor's story.
    Story,
    /// The rows of a session that has ended.
    Rows,
    /// What the slots of a worker have learned.
    Learned,
    /// What a worker found out about another policy.
    Evidence,
    /// Counters of a worker.
    Tally,
    /// What a lane came to.
    Lane,
    /// How far a lane has been read.
    Offset,
}

const TAGS: [Tag; 9] = [
    Tag::Decision,
    Tag::Reject,
    Tag::Story,
    Tag::Rows,
    Tag::Learned,
    Tag::Evidence,
    Tag::Tally,
    Tag::Lane,
    Tag::Offset,
];

/// Everything that leaves the job, on its way to the sink: (time, tag, key, body).
///
/// (time, tag, key) is the canonical order of the output. Time is the record's own, at or after
/// the time of the message that carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emissions {
    entries: Vec<Entry>,
    heap: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at_ms: u64,
    start: u32,
    body_len: u32,
    key_len: u16,
    tag: Tag,
}

/// One emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emission<'a> {
    /// When, on the arrival clock.
    pub at_ms: u64,
    /// What it is.
    pub tag: Tag,
    /// Its place among those of the same time and tag.
    pub key: &'a [u8],
    /// The record.
    pub body: &'a [u8],
}

impl Emissions {
    /// Number of emissions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys and bodies.
    pub fn heap_bytes(&self) -> usize {
        self.heap.len()
    }

    /// Adds an emission. The key is put together from `key`, the body appended by `body`.
    pub fn write(&mut self, at_ms: u64, tag: Tag, key: &[&[u8]], body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.heap.len();
        for part in key {
            self.heap.extend_from_slice(part);
        }
        let key_len = self.heap.len() - start;
        body(&mut self.heap);
        let body_len = self.heap.len() - start - key_len;
        self.entries.push(Entry {
            at_ms,
            start: u32::try_from(start).expect("emissions are cut long before 4 GiB"),
            body_len: u32::try_from(body_len).expect("a record is below 4 GiB"),
            key_len: u16::try_from(key_len).expect("a key is a few ids long"),
            tag,
        });
    }

    /// The emission at `index`.
    pub fn get(&self, index: usize) -> Emission<'_> {
        let entry = &self.entries[index];
        let key_end = entry.start as usize + usize::from(entry.key_len);
        Emission {
            at_ms: entry.at_ms,
            tag: entry.tag,
            key: &self.heap[entry.start as usize..key_end],
            body: &self.heap[key_end..key_end + entry.body_len as usize],
        }
    }

    /// All emissions, in the order in which they were added.
    pub fn iter(&self) -> EmissionsIter<'_> {
        EmissionsIter {
            emissions: self,
            next: 0,
        }
    }

    /// Earliest and latest time of any emission.
    pub fn span_ms(&self) -> Option<(u64, u64)> {
        let times = || self.entries.iter().map(|entry| entry.at_ms);
        Some((times().min()?, times().max()?))
    }
}

impl Accountable for Emissions {
    fn record_count(&self) -> i64 {
        self.entries.len() as i64
    }
}

impl DrainContainer for Emissions {
    type Item<'a> = Emission<'a>;
    type DrainIter<'a> = EmissionsIter<'a>;

    fn drain(&mut self) -> EmissionsIter<'_> {
        self.iter()
    }
}

/// Emissions in the order in which they were added.
pub struct EmissionsIter<'a> {
    emissions: &'a Emissions,
    next: usize,
}

impl<'a> Iterator for EmissionsIter<'a> {
    type Item = Emission<'a>;

    fn next(&mut self) -> Option<Emission<'a>> {
        let index = self.next;
        self.next += 1;
        (index < self.emissions.len()).then(|| self.emissions.get(index))
    }
}

impl SizableContainer for Emissions {
    fn at_capacity(&self) -> bool {
        self.len() >= EXCHANGE_RECORDS_MAX
    }

    fn ensure_capacity(&mut self, stash: &mut Option<Self>) {
        if self.entries.capacity() == 0 {
            *self = stash.take().unwrap_or_default();
            self.clear();
            self.entries.reserve(EXCHANGE_RECORDS_MAX);
        }
    }
}

impl PushInto<Emission<'_>> for Emissions {
    fn push_into(&mut self, item: Emission<'_>) {
        self.write(item.at_ms, item.tag, &[item.key], |heap| {
            heap.extend_from_slice(item.body);
        });
    }
}

const ENTRY_BYTES: usize = 24;

impl ContainerBytes for Emissions {
    fn from_bytes(bytes: Bytes) -> Self {
        decode(&bytes).expect("emissions from a peer process are well-formed")
    }

    fn length_in_bytes(&self) -> usize {
        (8 + self.entries.len() * ENTRY_BYTES + self.heap.len()).next_multiple_of(8)
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        let mut bytes = Vec::with_capacity(self.length_in_bytes());
        bytes.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(self.heap.len() as u32).to_le_bytes());
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.at_ms.to_le_bytes());
            bytes.extend_from_slice(&entry.start.to_le_bytes());
            bytes.extend_from_slice(&entry.body_len.to_le_bytes());
            bytes.extend_from_slice(&entry.key_len.to_le_bytes());
            bytes.extend_from_slice(&[entry.tag as u8, 0, 0, 0, 0, 0]);
        }
        bytes.extend_from_slice(&self.heap);
        bytes.resize(self.length_in_bytes(), 0);
        writer
            .write_all(&bytes)
            .expect("the peer's buffer takes the emissions");
    }
}

fn decode(bytes: &[u8]) -> Option<Emissions> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (count, heap_len) = (word(0)? as usize, word(4)? as usize);
    let heap_start = 8 + count * ENTRY_BYTES;
    let heap = bytes.get(heap_start..heap_start + heap_len)?.to_vec();
    let mut entries = Vec::with_capacity(count);
    for record in bytes[8..heap_start].chunks_exact(ENTRY_BYTES) {
        let entry = Entry {
            at_ms: u64::from_le_bytes(record[..8].try_into().ok()?),
            start: u32::from_le_bytes(record[8..12].try_into().ok()?),
            body_len: u32::from_le_bytes(record[12..16].try_into().ok()?),
            key_len: u16::from_le_bytes(record[16..18].try_into().ok()?),
            tag: *TAGS.get(usize::from(record[18]))?,
        };
        let end = entry.start as usize + usize::from(entry.key_len) + entry.body_len as usize;
        if end > heap_len {
            return None;
        }
        entries.push(entry);
    }
    Some(Emissions { entries, heap })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emissions_cross_the_wire_whole() {
        let mut emissions = Emissions::default();
        emissions.write(7, Tag::Decision, &[b"v", b"\0", b"s"], |body| {
            body.extend_from_slice(b"{}");
        });
        emissions.write(u64::MAX, Tag::Lane, &[], |_| ());
        let mut bytes = Vec::new();
        emissions.into_bytes(&mut bytes);
        assert_eq!(bytes.len(), emissions.length_in_bytes());
        assert_eq!(decode(&bytes), Some(emissions.clone()));
        assert_eq!(emissions.get(0).key, b"v\0s");
        assert_eq!(emissions.get(0).body, b"{}");
        for cut in 0..bytes.len() - 7 {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
    }
}
