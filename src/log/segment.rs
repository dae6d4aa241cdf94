//! Segments: output and the commit rows that make it count.
//!
//! The output of a step is one or more output frames, and then its commit row. Output without a row
//! behind it was never committed. A row says how many bytes it names, what all output up to it comes to,
//! how far the lanes were read, and how much of the file had been **synced** when it was written: a
//! row is evidence that the bytes before that point once were on the disk.
//!
//! That is what tells the torn end of an interrupted append, which is no loss, from damage, which is
//! one. Bytes that do not fit are *damage* if they lie before what is certain (the length in a manifest,
//! or the whole of a segment that has a successor), or if any whole row is found behind them whose
//! evidence covers them. Otherwise nobody was ever promised them: the segment ends before them, and the
//! job, being a pure function of its log, writes them again.
//!
//! Cost of a row: 76 bytes and 10 a lane; of reading: one pass.

use super::codec::{Take, put_u16, put_u32, put_u64, put_u128};
use super::error::{Damage, Fault, LogError};
use super::frame::{BODY_BYTES_MAX, FrameReader, Header, Step, push_frame};
use super::storage::Storage;
use super::{Epoch, Row, Totals};
use crate::event::{Lane, Offset};
use std::path::PathBuf;

/// A frame with output.
const OUTPUT: u8 = 1;
/// A frame with a commit row.
const ROW: u8 = 2;

/// A row as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub row: Row,
    /// Bytes of output since the row before.
    pub output_bytes: u64,
    /// Bytes of this file that had been synced when the row was written.
    pub synced_bytes: u64,
}

impl Stored {
    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(52 + 10 * self.row.lanes.len());
        put_u64(&mut body, self.row.epoch.0);
        put_u64(&mut body, self.output_bytes);
        put_u64(&mut body, self.row.totals.bytes);
        put_u128(&mut body, self.row.totals.digest);
        put_u64(&mut body, self.synced_bytes);
        put_u32(&mut body, self.row.lanes.len() as u32);
        for &(lane, offset) in &self.row.lanes {
            put_u16(&mut body, lane.0);
            put_u64(&mut body, offset.0);
        }
        body
    }

    fn decode(body: &[u8]) -> Option<Stored> {
        let mut take = Take(body);
        let (epoch, output_bytes) = (Epoch(take.u64()?), take.u64()?);
        let totals = Totals {
            bytes: take.u64()?,
            digest: take.u128()?,
        };
        let synced_bytes = take.u64()?;
        let lanes = take.list(|take| Some((Lane(take.u16()?), Offset(take.u64()?))))?;
        take.end()?;
        let row = Row {
            epoch,
            totals,
            lanes,
        };
        Some(Stored {
            row,
            output_bytes,
            synced_bytes,
        })
    }
}

/// Adds a step's frames to `out`, which will stand at `offset` of the file of this identity.
pub(super) fn push_step(
    out: &mut Vec<u8>,
    (identity, offset): (u64, u64),
    output: &[u8],
    stored: &Stored,
) {
    let start = out.len();
    let place = |out: &Vec<u8>| offset + (out.len() - start) as u64;
    for part in output.chunks(BODY_BYTES_MAX) {
        let at = place(out);
        push_frame(out, identity, at, OUTPUT, &[part]);
    }
    let at = place(out);
    push_frame(out, identity, at, ROW, &[&stored.encode()]);
}

/// A step that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    pub stored: Stored,
    /// Its output.
    pub output: Vec<u8>,
    /// Where its row ends in the file, in bytes.
    pub end: u64,
}

/// How much of a segment must be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// All of these first bytes, and what is behind them does not count.
    Exactly(u64),
    /// All of the file: it has a successor.
    Whole,
    /// These first bytes at least.
    AtLeast(u64),
}

/// Reads a segment step by step.
pub(super) struct SegmentReader<'s, S> {
    frames: FrameReader<'s, S>,
    /// Bytes that must be whole.
    certain: u64,
    /// The row before, as far as it is known.
    before: Option<Row>,
    ended: bool,
    /// What was left at the end by an append that did not come to its end.
    pub(super) torn: Option<Damage>,
}

impl<'s, S: Storage> SegmentReader<'s, S> {
    /// Opens a segment, whose first row follows `before`, if that is known.
    pub(super) fn open(
        storage: &'s S,
        path: PathBuf,
        header: &Header,
        promise: Promise,
        before: Option<Row>,
    ) -> Result<SegmentReader<'s, S>, LogError> {
        let limit = match promise {
            Promise::Exactly(bytes) => Some(bytes),
            Promise::Whole | Promise::AtLeast(_) => None,
        };
        let frames = FrameReader::open(storage, path, header, limit)?;
        let certain = match promise {
            Promise::Exactly(bytes) | Promise::AtLeast(bytes) => bytes,
            Promise::Whole => frames.length(),
        };
        Ok(SegmentReader {
            frames,
            certain,
            before,
            ended: false,
            torn: None,
        })
    }

    /// The next step with its output; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Committed>, LogError> {
        let start = self.frames.offset();
        let mut output = Vec::new();
        while !self.ended {
            match self.frames.step()? {
                Step::Frame {
                    kind: OUTPUT, body, ..
                } => output.extend_from_slice(body),
                Step::Frame {
                    kind: ROW,
                    offset,
                    body,
                } => {
                    let stored = Stored::decode(body);
                    return self.row(offset, stored, output).map(Some);
                }
                Step::Frame { offset, .. } => {
                    return Err(self.nonsense(offset, "it was neither output nor a commit row"));
                }
                Step::Broken(damage) => self.end_at(start, damage)?,
                Step::End => self.end(start)?,
            }
        }
        Ok(None)
    }

    fn row(
        &mut self,
        offset: u64,
        stored: Option<Stored>,
        output: Vec<u8>,
    ) -> Result<Committed, LogError> {
        let stored =
            stored.ok_or_else(|| self.nonsense(offset, "a commit row of another shape"))?;
        if stored.output_bytes != output.len() as u64 {
            return Err(self.nonsense(offset, "a commit row named other output than is there"));
        }
        if let Some(before) = &self.before {
            let total = before.totals.bytes.checked_add(stored.output_bytes);
            if stored.row.epoch <= before.epoch || total != Some(stored.row.totals.bytes) {
                return Err(self.nonsense(offset, "a commit row did not follow the one before"));
            }
        }
        self.before = Some(stored.row.clone());
        Ok(Committed {
            stored,
            output,
            end: self.frames.offset(),
        })
    }

    /// The end of the file, which is clean behind a row.
    fn end(&mut self, row_end: u64) -> Result<(), LogError> {
        let offset = self.frames.offset();
        if offset > row_end {
            let damage = self.frames.damage(offset, Fault::FrameShort);
            return self.end_at(row_end, damage);
        }
        self.ended = true;
        if row_end < self.certain {
            return Err(self.frames.damaged(row_end, Fault::CutShort(self.certain)));
        }
        Ok(())
    }

    /// An end that is not behind a row, which is at `row_end`.
    fn end_at(&mut self, row_end: u64, damage: Damage) -> Result<(), LogError> {
        self.ended = true;
        if row_end < self.certain {
            return Err(LogError::Damaged(damage));
        }
        let covers = |body: &[u8]| {
            Stored::decode(body).is_some_and(|stored| stored.synced_bytes > damage.offset)
        };
        if self.frames.find_behind(ROW, covers)? {
            return Err(LogError::Damaged(damage));
        }
        self.torn = Some(damage);
        Ok(())
    }

    fn nonsense(&self, offset: u64, what: &'static str) -> LogError {
        self.frames.damaged(offset, Fault::Nonsense(what))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Generation;
    use super::super::frame::{FileKind, HEADER_BYTES};
    use super::super::memory::Memory;
    use super::super::storage::AppendFile;
    use super::*;

    const HEADER: Header = Header {
        kind: FileKind::Segment,
        generation: Generation(1),
        sequence: 0,
        config: 1,
    };

    fn stored(epoch: u64, output_bytes: u64, bytes: u64, synced_bytes: u64) -> Stored {
        Stored {
            row: Row {
                epoch: Epoch(epoch),
                totals: Totals {
                    bytes,
                    digest: u128::from(epoch),
                },
                lanes: vec![(Lane(0), Offset(epoch * 10))],
            },
            output_bytes,
            synced_bytes,
        }
    }

    /// Two groups of two steps, each synced as a group; and where the rows end.
    fn segment() -> (Vec<u8>, Vec<u64>) {
        let mut bytes = HEADER.encode().to_vec();
        let (mut ends, mut total, mut synced) = (Vec::new(), 0, HEADER_BYTES as u64);
        for n in 1..=4u64 {
            let output = vec![n as u8; n as usize * 3];
            total += output.len() as u64;
            let row = stored(n * 10, output.len() as u64, total, synced);
            let place = (HEADER.identity(), bytes.len() as u64);
            push_step(&mut bytes, place, &output, &row);
            ends.push(bytes.len() as u64);
            if n == 2 {
                synced = bytes.len() as u64;
            }
        }
        (bytes, ends)
    }

    /// The epochs that are given, and whether the end was torn.
    fn read(bytes: &[u8], promise: Promise) -> Result<(Vec<u64>, bool), LogError> {
        let storage = Memory::new(1);
        let path = PathBuf::from("s");
        storage.create(&path).unwrap().append(bytes).unwrap();
        let mut reader = SegmentReader::open(&storage, path, &HEADER, promise, None)?;
        let mut epochs = Vec::new();
        while let Some(step) = reader.next()? {
            let epoch = step.stored.row.epoch.0;
            assert!(
                step.output
                    .iter()
                    .all(|&byte| u64::from(byte) * 10 == epoch)
            );
            epochs.push(epoch);
        }
        Ok((epochs, reader.torn.is_some()))
    }

    #[test]
    fn steps_come_back_and_a_promise_can_end_them() {
        let (bytes, ends) = segment();
        let all = vec![10, 20, 30, 40];
        assert_eq!(read(&bytes, Promise::Whole).unwrap(), (all.clone(), false));
        assert_eq!(read(&bytes, Promise::AtLeast(0)).unwrap(), (all, false));
        let two = read(&bytes, Promise::Exactly(ends[1])).unwrap();
        assert_eq!(two, (vec![10, 20], false));
        assert!(read(&bytes, Promise::AtLeast(bytes.len() as u64 + 1)).is_err());
    }

    /// A flip in the first group is told by the evidence in the second, one in the last is a torn
    /// end: nobody can know better. Under a promise all of them are damage.
    #[test]
    fn a_torn_end_is_told_from_damage() {
        let (bytes, ends) = segment();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(read(&changed, Promise::Whole).is_err(), "byte {at}");
            let open = read(&changed, Promise::AtLeast(0));
            let place = at as u64;
            if at < HEADER_BYTES || place < ends[1] {
                let offset = open.unwrap_err().damage().unwrap().offset;
                assert!(offset <= place && place - offset < 120);
            } else {
                let whole = ends.iter().filter(|&&end| end <= place).count();
                let (epochs, torn) = open.unwrap();
                assert!(torn && epochs.len() == whole, "byte {at}: {epochs:?}");
            }
        }
        for end in HEADER_BYTES..bytes.len() {
            let (epochs, torn) = read(&bytes[..end], Promise::AtLeast(0)).unwrap();
            let whole = ends
                .iter()
                .filter(|&&row_end| row_end <= end as u64)
                .count();
            assert_eq!(epochs.len(), whole);
            let clean = end == HEADER_BYTES || ends.contains(&(end as u64));
            assert_eq!(torn, !clean, "cut at {end}");
            assert!(read(&bytes[..end], Promise::AtLeast(bytes.len() as u64)).is_err());
        }
    }

    #[test]
    fn rows_that_do_not_follow_are_refused() {
        for second in [stored(10, 1, 2, 0), stored(11, 1, 3, 0)] {
            let mut bytes = HEADER.encode().to_vec();
            for row in [stored(10, 1, 1, 0), second] {
                let place = (HEADER.identity(), bytes.len() as u64);
                push_step(&mut bytes, place, &[1], &row);
            }
            let error = read(&bytes, Promise::AtLeast(0)).unwrap_err();
            assert!(matches!(error.damage().unwrap().fault, Fault::Nonsense(_)));
        }
    }
}
