//! Manifests: what is in force, in one small file that is written aside and put in place by rename.
//!
//! A manifest names the snapshots, oldest first, and the segments that hold output, in order, with how
//! many bytes of each count: exactly so many of all but the last, at least so many of the last, which may
//! have grown since and have successors of its generation. Each new one has the next number; the last
//! two are kept, so that a damaged one costs a snapshot and not the state.
//!
//! A manifest is a header and a single frame; bytes behind it are damage. Cost: 60 bytes a file named.

use super::codec::{Take, put_u8, put_u32, put_u64, put_u128};
use super::error::{Fault, LogError};
use super::frame::{FileKind, FrameReader, HEADER_BYTES, Header, Step, push_frame};
use super::names::Name;
use super::storage::Storage;
use super::{Epoch, Generation, Row, Totals};
use std::path::Path;

/// The only frame of a manifest.
const WHOLE: u8 = 1;

/// What is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Snapshots, oldest first.
    pub snapshots: Vec<SnapshotEntry>,
    /// All output before the first segment, and up to when; zero if that holds the first of all.
    pub base: (Totals, Epoch),
    /// Segments, in the order of their output.
    pub segments: Vec<SegmentEntry>,
    /// The outlet's path, if there is one.
    pub outlet: Option<String>,
    /// Bytes of output that the outlet had for certain.
    pub released_bytes: u64,
    /// Whether the log was over.
    pub finished: bool,
}

/// A complete snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotEntry {
    /// The generation that wrote it.
    pub generation: Generation,
    /// Its number.
    pub number: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Up to when it holds everything.
    pub epoch: Epoch,
}

/// A segment of which `bytes` count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentEntry {
    /// The generation that wrote it.
    pub generation: Generation,
    /// Its number.
    pub number: u64,
    /// Bytes that count, or had been synced.
    pub bytes: u64,
    /// The totals before its first row, and the epoch of the row before; zero before the first of all.
    pub before: (Totals, Epoch),
    /// The epoch of its last row by then, and the totals there.
    pub last: (Totals, Epoch),
}

impl SnapshotEntry {
    /// Its file's name.
    pub fn name(&self) -> String {
        Name::File(FileKind::Snapshot, self.generation, self.number).text()
    }
}

impl SegmentEntry {
    /// Its file's name.
    pub fn name(&self) -> String {
        Name::File(FileKind::Segment, self.generation, self.number).text()
    }

    /// The row before its first, as far as it has to be known.
    pub fn row_before(&self) -> Option<Row> {
        let (totals, epoch) = self.before;
        (totals.bytes > 0).then(|| Row {
            epoch,
            totals,
            lanes: Vec::new(),
        })
    }
}

impl Manifest {
    /// All output up to the end of the last segment, and up to when.
    pub fn end(&self) -> (Totals, Epoch) {
        self.segments.last().map_or(self.base, |entry| entry.last)
    }

    /// Its bytes under a header.
    pub fn encode(&self, header: &Header) -> Vec<u8> {
        let mut body = Vec::new();
        put_u32(&mut body, self.snapshots.len() as u32);
        for entry in &self.snapshots {
            put_u64(&mut body, entry.generation.0);
            put_u64(&mut body, entry.number);
            put_u64(&mut body, entry.bytes);
            put_u64(&mut body, entry.epoch.0);
        }
        put_place(&mut body, self.base);
        put_u32(&mut body, self.segments.len() as u32);
        for entry in &self.segments {
            put_u64(&mut body, entry.generation.0);
            put_u64(&mut body, entry.number);
            put_u64(&mut body, entry.bytes);
            put_place(&mut body, entry.before);
            put_place(&mut body, entry.last);
        }
        let outlet = self.outlet.as_deref().unwrap_or("").as_bytes();
        put_u32(&mut body, outlet.len() as u32);
        body.extend_from_slice(outlet);
        put_u64(&mut body, self.released_bytes);
        put_u8(&mut body, u8::from(self.finished));
        let mut bytes = header.encode().to_vec();
        push_frame(
            &mut bytes,
            header.identity(),
            HEADER_BYTES as u64,
            WHOLE,
            &[&body],
        );
        bytes
    }

    fn decode(body: &[u8]) -> Option<Manifest> {
        let mut take = Take(body);
        let manifest = Manifest {
            snapshots: take.list(|take| {
                Some(SnapshotEntry {
                    generation: Generation(take.u64()?),
                    number: take.u64()?,
                    bytes: take.u64()?,
                    epoch: Epoch(take.u64()?),
                })
            })?,
            base: take_place(&mut take)?,
            segments: take.list(|take| {
                Some(SegmentEntry {
                    generation: Generation(take.u64()?),
                    number: take.u64()?,
                    bytes: take.u64()?,
                    before: take_place(take)?,
                    last: take_place(take)?,
                })
            })?,
            outlet: {
                let path = take.list(Take::u8)?;
                let path = String::from_utf8(path).ok()?;
                (!path.is_empty()).then_some(path)
            },
            released_bytes: take.u64()?,
            finished: take.u8()? == 1,
        };
        take.end()?;
        Some(manifest)
    }

    /// Reads the manifest of a generation and number, and the configuration that it is for.
    ///
    /// # Errors
    /// [`LogError`] when it is damaged or of another version.
    pub fn read<S: Storage>(
        storage: &S,
        dir: &Path,
        (generation, number): (Generation, u64),
    ) -> Result<(Manifest, u128), LogError> {
        let path = dir.join(Name::File(FileKind::Manifest, generation, number).text());
        let header = Header {
            kind: FileKind::Manifest,
            generation,
            sequence: number,
            config: 0,
        };
        let (mut reader, config) = FrameReader::open_any_config(storage, path, &header)?;
        let decoded = match reader.step()? {
            Step::Frame {
                kind: WHOLE, body, ..
            } => Manifest::decode(body),
            Step::Frame { .. } => None,
            Step::End => return Err(reader.damaged(reader.length(), Fault::FrameShort)),
            Step::Broken(damage) => return Err(LogError::Damaged(damage)),
        };
        if reader.offset() != reader.length() {
            return Err(reader.damaged(reader.offset(), Fault::Trailing));
        }
        let nonsense = Fault::Nonsense("it was no manifest");
        let manifest = decoded.ok_or_else(|| reader.damaged(HEADER_BYTES as u64, nonsense))?;
        Ok((manifest, config))
    }
}

fn put_place(body: &mut Vec<u8>, (totals, epoch): (Totals, Epoch)) {
    put_u64(body, totals.bytes);
    put_u128(body, totals.digest);
    put_u64(body, epoch.0);
}

fn take_place(take: &mut Take<'_>) -> Option<(Totals, Epoch)> {
    let totals = Totals {
        bytes: take.u64()?,
        digest: take.u128()?,
    };
    Some((totals, Epoch(take.u64()?)))
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::super::storage::AppendFile;
    use super::*;

    fn manifest() -> Manifest {
        let place = |bytes, epoch| {
            let totals = Totals {
                bytes,
                digest: 7 << 70,
            };
            (totals, Epoch(epoch))
        };
        Manifest {
            snapshots: vec![SnapshotEntry {
                generation: Generation(2),
                number: 3,
                bytes: 77,
                epoch: Epoch(100),
            }],
            base: place(10, 5),
            segments: vec![SegmentEntry {
                generation: Generation(1),
                number: 1,
                bytes: 900,
                before: place(10, 5),
                last: place(200, 90),
            }],
            outlet: Some("/out".into()),
            released_bytes: 40,
            finished: true,
        }
    }

    #[test]
    fn a_manifest_comes_back_or_is_refused_at_every_flip_and_cut() {
        let dir = Path::new("d");
        let header = Header {
            kind: FileKind::Manifest,
            generation: Generation(4),
            sequence: 6,
            config: 99,
        };
        let bytes = manifest().encode(&header);
        let read = |bytes: &[u8]| {
            let storage = Memory::new(1);
            let path = dir.join("manifest-00000004-00000006");
            storage.create(&path).unwrap().append(bytes).unwrap();
            Manifest::read(&storage, dir, (Generation(4), 6))
        };
        assert_eq!(read(&bytes).unwrap(), (manifest(), 99));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            assert!(read(&changed).unwrap_err().damage().is_some());
            assert!(read(&bytes[..at]).unwrap_err().damage().is_some());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(read(&longer).unwrap_err().damage().is_some());
    }
}
