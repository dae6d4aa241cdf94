//! A run: sorted events in a temporary file.
//!
//! A run is a row of frames, each `length u32, CRC-32 u32` and a batch in the codec of the event
//! module. A frame is closed once it has 64 KiB, so that a merge of many runs holds little of
//! each. Reading checks length and checksum of every frame before it is decoded.

use super::{Key, SortError, key};
use crate::event::{Batch, Event, EventRef, Texts, decode_batch, encode_batch, encoded_len};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Bytes after which a frame is closed.
const FRAME_BYTES: usize = 64 << 10;
/// Most bytes of a frame: one event more than that, with texts as long as texts can be.
const FRAME_BYTES_MAX: usize = 2 * FRAME_BYTES + 6 * (1 << 16);
/// Length and checksum.
const HEADER: usize = 8;

/// Writes a run.
pub(super) struct RunWriter {
    file: File,
    dir: PathBuf,
    open: Batch,
    frame: Vec<u8>,
    frames: u64,
    events: u64,
}

/// A whole run.
pub(super) struct Run {
    file: File,
    dir: PathBuf,
    frames: u64,
    /// Events in it.
    pub(super) events: u64,
}

impl RunWriter {
    pub(super) fn create(dir: &Path) -> Result<RunWriter, SortError> {
        let file = tempfile::tempfile_in(dir).map_err(|source| SortError::Temp {
            action: "create",
            dir: dir.into(),
            source,
        })?;
        Ok(RunWriter {
            file,
            dir: dir.into(),
            open: Batch::default(),
            frame: Vec::new(),
            frames: 0,
            events: 0,
        })
    }

    /// Adds the next event in order.
    pub(super) fn push(&mut self, event: Event, texts: Texts<'_>) -> Result<(), SortError> {
        self.open.push(event, texts);
        self.events += 1;
        if encoded_len(&self.open) >= FRAME_BYTES {
            self.close_frame()?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Run, SortError> {
        if !self.open.is_empty() {
            self.close_frame()?;
        }
        self.file.rewind().map_err(|error| self.failed(error))?;
        Ok(Run {
            file: self.file,
            dir: self.dir,
            frames: self.frames,
            events: self.events,
        })
    }

    fn close_frame(&mut self) -> Result<(), SortError> {
        self.frame.clear();
        self.frame.resize(HEADER, 0);
        let encoded = encode_batch(&self.open, &mut self.frame);
        encoded.map_err(|error| self.failed(error))?;
        let (header, body) = self.frame.split_at_mut(HEADER);
        header[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        header[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
        let written = self.file.write_all(&self.frame);
        written.map_err(|error| self.failed(error))?;
        self.open.clear();
        self.frames += 1;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> SortError {
        SortError::Temp {
            action: "write",
            dir: self.dir.clone(),
            source,
        }
    }
}

/// Reads a run, one event after the other.
pub(super) struct RunReader {
    run: Run,
    batch: Batch,
    at: usize,
    frame: Vec<u8>,
}

impl RunReader {
    /// Opens a run at its first event; nothing for an empty one.
    pub(super) fn open(run: Run) -> Result<Option<RunReader>, SortError> {
        let mut reader = RunReader {
            run,
            batch: Batch::default(),
            at: 0,
            frame: Vec::new(),
        };
        Ok(reader.next_frame()?.then_some(reader))
    }

    /// The event that the reader stands at.
    pub(super) fn current(&self) -> EventRef<'_> {
        self.batch.get(self.at)
    }

    /// The key of that event.
    pub(super) fn key(&self) -> Key {
        key(&self.batch.events()[self.at])
    }

    /// Goes to the next event; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, SortError> {
        self.at += 1;
        Ok(self.at < self.batch.len() || self.next_frame()?)
    }

    fn next_frame(&mut self) -> Result<bool, SortError> {
        if self.run.frames == 0 {
            return Ok(false);
        }
        self.run.frames -= 1;
        let mut header = [0; HEADER];
        self.read(&mut header)?;
        let [a, b, c, d, e, f, g, h] = header;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len > FRAME_BYTES_MAX {
            return Err(self.damaged());
        }
        let mut frame = std::mem::take(&mut self.frame);
        frame.resize(len, 0);
        self.read(&mut frame)?;
        self.frame = frame;
        if crc32fast::hash(&self.frame) != u32::from_le_bytes([e, f, g, h]) {
            return Err(self.damaged());
        }
        self.batch = decode_batch(&self.frame).map_err(|_| self.damaged())?;
        self.at = 0;
        if self.batch.is_empty() {
            return Err(self.damaged());
        }
        Ok(true)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), SortError> {
        self.run
            .file
            .read_exact(into)
            .map_err(|source| SortError::Temp {
                action: "read",
                dir: self.run.dir.clone(),
                source,
            })
    }

    fn damaged(&self) -> SortError {
        SortError::Damaged {
            dir: self.run.dir.clone(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::{ArrivalMs, Device, EventMs, Id, Kind, Lane, Micros, Offset, VisitorId};
    use std::io::SeekFrom;

    /// An event at a time and a place, with its texts.
    pub(in crate::sort) fn event(arrival_ms: u64, lane: u16, offset: u64) -> Event {
        Event {
            arrival: ArrivalMs(arrival_ms),
            time: EventMs(arrival_ms / 2),
            offset: Offset(offset),
            line: offset + 1,
            visitor: VisitorId::of(b"v"),
            session: Id::NONE,
            item: Id::of(b"shoe"),
            category: Id::NONE,
            event_id: Id::NONE,
            price: Micros::NONE,
            value: Micros::NONE,
            quantity: 0,
            lane: Lane(lane),
            kind: Kind::Click,
            device: Device::Unknown,
        }
    }

    fn run(events: u64) -> Run {
        let mut writer = RunWriter::create(&std::env::temp_dir()).unwrap();
        for n in 0..events {
            let visitor = format!("visitor-{n}");
            let texts = Texts {
                visitor: visitor.as_bytes(),
                ..Texts::default()
            };
            writer.push(event(n, 0, n), texts).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn a_run_reads_back_as_it_was_written() {
        let run = run(5000);
        assert!(run.frames > 5);
        let mut reader = RunReader::open(run).unwrap().unwrap();
        for n in 0..5000 {
            assert_eq!(*reader.current().event, event(n, 0, n));
            let visitor = format!("visitor-{n}");
            assert_eq!(reader.current().texts.visitor, visitor.as_bytes());
            assert_eq!(reader.advance().unwrap(), n < 4999);
        }
        assert!(RunReader::open(self::run(0)).unwrap().is_none());
    }

    #[test]
    fn a_changed_or_shortened_file_is_noticed() {
        for at in [0, 5, 60, 3000] {
            let mut run = run(100);
            run.file.seek(SeekFrom::Start(at)).unwrap();
            run.file.write_all(b"\xee\xee").unwrap();
            run.file.rewind().unwrap();
            assert!(RunReader::open(run).is_err(), "byte {at}");
        }
        let run = run(100);
        run.file.set_len(1000).unwrap();
        assert!(matches!(
            RunReader::open(run),
            Err(SortError::Temp { action: "read", .. })
        ));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let Err(error) = RunWriter::create(Path::new("/nowhere/at/all")) else {
            panic!("created");
        };
        assert_eq!(
            error.to_string(),
            "could not create a temporary file in /nowhere/at/all"
        );
    }
}
