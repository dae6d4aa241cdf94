//! The packed record, and the only unsafe code of the project.
//!
//! Three calls cannot be checked by the compiler: abomonation writes and reads a record as the bytes that
//! it is in memory, and a file is mapped. abomonation is unsound in general (RUSTSEC-2021-0120): it writes
//! padding and addresses, and reads back whatever it is given. Here it cannot do either: the record is
//! nothing but integers, laid out by C's rules, without padding (asserted below), each one encoded and
//! decoded by itself; any bytes are such a record; and it is decoded from a copy at an address that
//! is aligned for it. What the integers mean is checked by safe code behind this. The bytes have been
//! under a checksum before they come here ([`super::file`]).
//!
//! A mapped file may change under the program. Packs are only ever replaced whole, by a rename, which
//! leaves what is mapped alone; who cuts one short in place while it is read ends the process.
#![allow(unsafe_code)]

use crate::event::{DEVICE_COUNT, Device, KIND_COUNT, Kind, Reason};
use abomonation::Abomonation;
use memmap2::{Mmap, MmapOptions};
use std::fs::File;
use std::io;
use std::mem::offset_of;

/// One row. A `kind` of [`REJECTED`] is a row that could not be read, its reason in `device`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed {
    /// 0 where none was given.
    pub(super) arrival_ms: u64,
    pub(super) event_ms: u64,
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) visitor: u64,
    pub(super) session: u64,
    pub(super) item: u64,
    pub(super) category: u64,
    pub(super) event_id: u64,
    pub(super) price: i64,
    pub(super) value: i64,
    pub(super) quantity: u32,
    /// Where the texts begin among those of the block.
    pub(super) visitor_at: u32,
    pub(super) session_at: u32,
    pub(super) visitor_bytes: u8,
    pub(super) session_bytes: u8,
    pub(super) kind: u8,
    pub(super) device: u8,
}

/// The kind of a row that could not be read.
pub(super) const REJECTED: u8 = 255;

/// Bytes of a record.
pub(super) const RECORD_BYTES: usize = 104;

const WORDS: usize = 11;
const _: () = assert!(size_of::<Packed>() == RECORD_BYTES);
// The fields fill it: there is no padding.
const _: () = assert!(WORDS * size_of::<u64>() + 3 * size_of::<u32>() + 4 == RECORD_BYTES);
const _: () = assert!(align_of::<Packed>() == 8);
const _: () = assert!(KIND_COUNT < REJECTED as usize);

/// Nothing but integers: there is nothing to do beside copying them.
impl Abomonation for Packed {}

/// Tells packs whose records mean something else: places of the fields, order of the bytes, what the
/// numbers of kinds, devices and reasons stand for, and the release, whose decoder found them.
pub(super) const LAYOUT: u64 = layout();

const fn layout() -> u64 {
    let places = [
        offset_of!(Packed, arrival_ms),
        offset_of!(Packed, event_ms),
        offset_of!(Packed, offset),
        offset_of!(Packed, line),
        offset_of!(Packed, visitor),
        offset_of!(Packed, session),
        offset_of!(Packed, item),
        offset_of!(Packed, category),
        offset_of!(Packed, event_id),
        offset_of!(Packed, price),
        offset_of!(Packed, value),
        offset_of!(Packed, quantity),
        offset_of!(Packed, visitor_at),
        offset_of!(Packed, session_at),
        offset_of!(Packed, visitor_bytes),
        offset_of!(Packed, session_bytes),
        offset_of!(Packed, kind),
        offset_of!(Packed, device),
        size_of::<Packed>(),
        cfg!(target_endian = "big") as usize,
    ];
    let mut hash = fnv(0xcbf2_9ce4_8422_2325, env!("CARGO_PKG_VERSION"));
    let mut at = 0;
    while at < places.len() {
        hash = (hash ^ places[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    at = 0;
    while at < KIND_COUNT {
        hash = fnv(hash, Kind::ALL[at].name());
        at += 1;
    }
    at = 0;
    while at < DEVICE_COUNT {
        hash = fnv(hash, Device::ALL[at].name());
        at += 1;
    }
    at = 0;
    while at < Reason::ALL.len() {
        hash = fnv(hash, Reason::ALL[at].name());
        at += 1;
    }
    hash
}

/// FNV-1a, with an end to each text.
const fn fnv(mut hash: u64, text: &str) -> u64 {
    let (bytes, mut at) = (text.as_bytes(), 0);
    while at <= bytes.len() {
        let byte = if at < bytes.len() { bytes[at] } else { 0xff };
        hash = (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

/// Room for one record, where one may stand.
#[repr(C, align(8))]
struct Aligned([u8; RECORD_BYTES]);

/// Appends a record.
pub(super) fn encode(record: &Packed, into: &mut Vec<u8>) {
    // SAFETY: a `Packed` has no padding and holds no address, so all its bytes are set and all of them
    // mean the same in another process.
    let written = unsafe { abomonation::encode(record, into) };
    written.expect("memory takes a record");
}

/// Reads a record. Any bytes are one: whether it makes sense is for others to say.
#[inline]
pub(super) fn decode(bytes: &[u8; RECORD_BYTES]) -> Packed {
    let mut room = Aligned(*bytes);
    assert!(room.0.as_ptr().addr().is_multiple_of(align_of::<Packed>()));
    // SAFETY: the bytes are as many as a `Packed` has, at an address that is aligned for it, and nobody
    // else's; every pattern of bits is a valid integer, and a `Packed` is nothing but integers.
    let decoded = unsafe { abomonation::decode::<Packed>(&mut room.0) };
    let (record, rest) = decoded.expect("there are as many bytes as a record has");
    debug_assert!(rest.is_empty());
    *record
}

/// Maps a piece of a file, to be read.
pub(super) fn map(file: &File, at: u64, bytes: usize) -> io::Result<Mmap> {
    let mut options = MmapOptions::new();
    // SAFETY: the bytes are only ever read as bytes, and copied before they mean anything; see above on
    // files that change while they are mapped.
    unsafe { options.offset(at).len(bytes).map(file) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The codec without tricks, that the other one is held against.
    fn safe(record: &Packed) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let words = [
            record.arrival_ms,
            record.event_ms,
            record.offset,
            record.line,
            record.visitor,
            record.session,
            record.item,
            record.category,
            record.event_id,
            record.price as u64,
            record.value as u64,
        ];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_ne_bytes());
        }
        let halves = [record.quantity, record.visitor_at, record.session_at];
        for (slot, half) in bytes[88..].chunks_exact_mut(4).zip(halves) {
            slot.copy_from_slice(&half.to_ne_bytes());
        }
        bytes[100..].copy_from_slice(&[
            record.visitor_bytes,
            record.session_bytes,
            record.kind,
            record.device,
        ]);
        bytes
    }

    /// Reads what [`safe`] wrote.
    fn safely(bytes: &[u8; RECORD_BYTES]) -> Packed {
        let word = |at: usize| u64::from_ne_bytes(bytes[at * 8..][..8].try_into().unwrap());
        let half = |at: usize| u32::from_ne_bytes(bytes[at..][..4].try_into().unwrap());
        Packed {
            arrival_ms: word(0),
            event_ms: word(1),
            offset: word(2),
            line: word(3),
            visitor: word(4),
            session: word(5),
            item: word(6),
            category: word(7),
            event_id: word(8),
            price: word(9) as i64,
            value: word(10) as i64,
            quantity: half(88),
            visitor_at: half(92),
            session_at: half(96),
            visitor_bytes: bytes[100],
            session_bytes: bytes[101],
            kind: bytes[102],
            device: bytes[103],
        }
    }

    proptest! {
        // Fewer under Miri, which takes its time.
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 8 } else { 2_000 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Any bytes, at any place in memory, are the record that the safe codec reads from them, and go
        /// back to the same bytes.
        #[test]
        fn both_codecs_agree(bytes in proptest::array::uniform32(any::<u32>()), before in 0usize..9) {
            let all: Vec<u8> = bytes.iter().flat_map(|word| word.to_le_bytes()).collect();
            let bytes: &[u8; RECORD_BYTES] = all[before..][..RECORD_BYTES].try_into().unwrap();
            let record = decode(bytes);
            prop_assert_eq!(record, safely(bytes));
            let mut back = Vec::new();
            encode(&record, &mut back);
            prop_assert_eq!(&back[..], &bytes[..]);
            prop_assert_eq!(safe(&record), *bytes);
        }
    }
}
