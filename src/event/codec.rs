//! The fixed-width codec of a batch: what crosses between processes and lies in sort runs.
//!
//! Little-endian throughout: `events u32, heap bytes u32`, then 112 bytes an event (96 of record,
//! 16 of text positions), then the heap, padded with zeros to a multiple of 8. Decoding checks
//! every length, kind and position before use: bytes from outside cannot make it panic.

use super::batch::Span;
use super::{ArrivalMs, Batch, Device, Event, EventMs, Id, Kind, Lane, Micros, Offset, VisitorId};

const HEADER: usize = 8;
const WIDTH: usize = 112;

/// Why bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end before what the header announces.
    #[error("batch cut short: {have} bytes of {need}")]
    Short {
        /// Bytes present.
        have: usize,
        /// Bytes announced.
        need: usize,
    },
    /// An event has a kind number that does not exist.
    #[error("event {index} has unknown kind {kind}")]
    Kind {
        /// The event within the batch.
        index: usize,
        /// Its kind byte.
        kind: u8,
    },
    /// An event has a device number that does not exist.
    #[error("event {index} has unknown device {device}")]
    Device {
        /// The event within the batch.
        index: usize,
        /// Its device byte.
        device: u8,
    },
    /// An event's text lies outside the heap.
    #[error("text of event {index} lies outside the batch")]
    Text {
        /// The event within the batch.
        index: usize,
    },
}

/// Bytes that [`encode_batch`] writes for `batch`; a multiple of 8.
pub fn encoded_len(batch: &Batch) -> usize {
    (HEADER + batch.len() * WIDTH + batch.heap.len()).next_multiple_of(8)
}

/// Writes `batch` to `writer`.
///
/// # Errors
/// Whatever the writer reports.
pub fn encode_batch<W: std::io::Write>(batch: &Batch, writer: &mut W) -> std::io::Result<()> {
    writer.write_all(&(batch.len() as u32).to_le_bytes())?;
    writer.write_all(&(batch.heap.len() as u32).to_le_bytes())?;
    for (event, span) in batch.events.iter().zip(&batch.spans) {
        writer.write_all(&encode_event(event, span))?;
    }
    writer.write_all(&batch.heap)?;
    let written = HEADER + batch.len() * WIDTH + batch.heap.len();
    writer.write_all(&[0u8; 8][..encoded_len(batch) - written])
}

/// Reads a batch from the start of `bytes`; what follows it is left alone.
///
/// # Errors
/// [`CodecError`] when the bytes are not a batch.
pub fn decode_batch(bytes: &[u8]) -> Result<Batch, CodecError> {
    let short = |need| CodecError::Short {
        have: bytes.len(),
        need,
    };
    let word = |at: usize| -> Option<usize> {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
    };
    let count = word(0).ok_or(short(HEADER))?;
    let heap_len = word(4).ok_or(short(HEADER))?;
    let heap_start = HEADER + count * WIDTH;
    let need = heap_start + heap_len;
    if bytes.len() < need {
        return Err(short(need));
    }
    let mut batch = Batch {
        events: Vec::with_capacity(count),
        spans: Vec::with_capacity(count),
        heap: bytes[heap_start..need].to_vec(),
    };
    for (index, record) in bytes[HEADER..heap_start].chunks_exact(WIDTH).enumerate() {
        let (event, span) = decode_event(index, record)?;
        let text: usize = span.lens.iter().map(|&len| usize::from(len)).sum();
        if span.start as usize + text > heap_len {
            return Err(CodecError::Text { index });
        }
        batch.events.push(event);
        batch.spans.push(span);
    }
    Ok(batch)
}

fn encode_event(event: &Event, span: &Span) -> [u8; WIDTH] {
    let mut bytes = [0u8; WIDTH];
    let words = [
        event.arrival.0,
        event.time.0,
        event.offset.0,
        event.line,
        event.visitor.0,
        event.session.0,
        event.item.0,
        event.category.0,
        event.event_id.0,
        event.price.raw() as u64,
        event.value.raw() as u64,
    ];
    for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    bytes[88..92].copy_from_slice(&event.quantity.to_le_bytes());
    bytes[92..94].copy_from_slice(&event.lane.0.to_le_bytes());
    bytes[94] = event.kind as u8;
    bytes[95] = event.device as u8;
    bytes[96..100].copy_from_slice(&span.start.to_le_bytes());
    for (slot, len) in bytes[100..].chunks_exact_mut(2).zip(span.lens) {
        slot.copy_from_slice(&len.to_le_bytes());
    }
    bytes
}

fn decode_event(index: usize, bytes: &[u8]) -> Result<(Event, Span), CodecError> {
    let word =
        |at: usize| u64::from_le_bytes(bytes[at * 8..at * 8 + 8].try_into().expect("8 bytes"));
    let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    let pair = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().expect("2 bytes"));
    let kind = Kind::from_number(bytes[94]).ok_or(CodecError::Kind {
        index,
        kind: bytes[94],
    })?;
    let device = Device::from_number(bytes[95]).ok_or(CodecError::Device {
        index,
        device: bytes[95],
    })?;
    let event = Event {
        arrival: ArrivalMs(word(0)),
        time: EventMs(word(1)),
        offset: Offset(word(2)),
        line: word(3),
        visitor: VisitorId(word(4)),
        session: Id(word(5)),
        item: Id(word(6)),
        category: Id(word(7)),
        event_id: Id(word(8)),
        price: Micros::new(word(9) as i64),
        value: Micros::new(word(10) as i64),
        quantity: half(88),
        lane: Lane(pair(92)),
        kind,
        device,
    };
    let span = Span {
        start: half(96),
        lens: std::array::from_fn(|field| pair(100 + 2 * field)),
    };
    Ok((event, span))
}

#[cfg(test)]
mod tests {
    use super::super::Texts;
    use super::*;

    fn sample() -> Batch {
        let mut batch = Batch::default();
        for n in 0..5u64 {
            let event = Event {
                arrival: ArrivalMs(1_600_000_000_000 + n),
                time: EventMs(1_600_000_000_000),
                offset: Offset(n * 40),
                line: n + 1,
                visitor: VisitorId::of(b"v"),
                session: Id::NONE,
                item: Id::of(b"item-7"),
                category: Id::NONE,
                event_id: Id(n),
                price: Micros::NONE,
                value: Micros::new(1_500_000),
                quantity: 2,
                lane: Lane(3),
                kind: Kind::ALL[n as usize],
                device: Device::ALL[n as usize % 4],
            };
            let texts = Texts {
                visitor: b"v",
                item: b"item-7",
                ..Texts::default()
            };
            batch.push(event, texts);
        }
        batch
    }

    #[test]
    fn a_batch_round_trips() {
        let batch = sample();
        let mut bytes = Vec::new();
        encode_batch(&batch, &mut bytes).unwrap();
        assert_eq!(bytes.len(), encoded_len(&batch));
        assert_eq!(decode_batch(&bytes), Ok(batch));
    }

    #[test]
    fn damaged_bytes_are_errors() {
        let mut bytes = Vec::new();
        encode_batch(&sample(), &mut bytes).unwrap();
        for cut in 0..bytes.len() - 7 {
            assert!(decode_batch(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut wrong_kind = bytes.clone();
        wrong_kind[HEADER + 94] = 200;
        assert_eq!(
            decode_batch(&wrong_kind),
            Err(CodecError::Kind {
                index: 0,
                kind: 200
            })
        );
        let mut wrong_text = bytes;
        wrong_text[HEADER + 99] = 1;
        assert_eq!(
            decode_batch(&wrong_text),
            Err(CodecError::Text { index: 0 })
        );
    }
}
