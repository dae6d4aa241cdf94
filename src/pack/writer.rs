//! Making a pack of a log in Restage's own form.
//!
//! The log is read once, as a lane reads it but for the rules of time, and written block by block; its
//! digest is taken in a second pass. Within a block every text stands once. The pack appears under its
//! name only once it is whole.
//!
//! Cost: that of decoding the log. Memory: one block.

use super::file::{Entry, HEADER_BYTES, Header, block_bytes};
use super::origin::Origin;
use super::raw::{Packed, REJECTED, encode};
use super::{BLOCK_ROWS, path_of};
use crate::event::{Id, Reason, VisitorId, hash_text};
use crate::format::sink::Partial;
use crate::format::{FormatName, InputError, Line, RawEvent, RowReader, Rows, Source};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// Why a log was not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The log could not be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The pack could not be written, or the log not be looked at.
    #[error("{path}.pack could not be written")]
    Io {
        /// The log.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Only Restage's own logs are packed.
    #[error("{path} is in the format {}: only Restage's own logs are packed", format.name())]
    Foreign {
        /// The log.
        path: String,
        /// Its format.
        format: FormatName,
    },
}

/// Makes the pack of a log, and returns its size in bytes.
///
/// # Errors
/// [`PackError`]; nothing is left behind then.
pub fn pack(log: &Path) -> Result<u64, PackError> {
    let io = |source| PackError::Io {
        path: log.display().to_string(),
        source,
    };
    let mut rows = RowReader::open(&Source::Path(log.to_owned()), None, None)?;
    let format = rows.format();
    if !matches!(format, FormatName::RestageCsv | FormatName::RestageJsonl) {
        return Err(PackError::Foreign {
            path: log.display().to_string(),
            format,
        });
    }
    let path = path_of(log);
    let partial = Partial::of(&path).map_err(io)?;
    let target = partial.as_ref().map_or(&*path, |partial| partial.path());
    let mut writer = Writer::create(target).map_err(io)?;
    let header_lines = rows.lines() - rows.blank_lines();
    while rows.next_line(&mut writer)? {
        writer.cut_if_full().map_err(io)?;
    }
    let header = Header {
        origin: Origin::of(log).map_err(io)?,
        is_jsonl: format == FormatName::RestageJsonl,
        unterminated: rows.unterminated(),
        text_bytes: rows.bytes(),
        lines: rows.lines(),
        header_lines,
        ..Header::default()
    };
    let bytes = writer.finish(header).map_err(io)?;
    partial.map_or(Ok(()), Partial::keep).map_err(io)?;
    Ok(bytes)
}

/// Writes a pack, block by block.
struct Writer {
    file: BufWriter<File>,
    at: u64,
    rows: u64,
    directory: Vec<Entry>,
    /// The block that is being filled: its records, its texts, and where a text stands by its hash.
    records: Vec<u8>,
    texts: Vec<u8>,
    places: HashMap<u64, (u32, u8)>,
    entry: Entry,
    line: u64,
    offset: u64,
}

impl Writer {
    fn create(path: &Path) -> io::Result<Writer> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(&[0; HEADER_BYTES])?;
        Ok(Writer {
            file,
            at: HEADER_BYTES as u64,
            rows: 0,
            directory: Vec::new(),
            records: Vec::new(),
            texts: Vec::new(),
            places: HashMap::new(),
            entry: Entry::default(),
            line: 0,
            offset: 0,
        })
    }

    fn push(&mut self, record: &Packed) {
        if self.entry.rows == 0 {
            (self.entry.first_line, self.entry.first_offset) = (record.line, record.offset);
        }
        self.entry.rows += 1;
        encode(record, &mut self.records);
    }

    /// Where a text stands in the block; it is put there if it does not yet.
    fn text(&mut self, text: &[u8]) -> (u32, u8) {
        if text.is_empty() {
            return (0, 0);
        }
        let hash = hash_text(text);
        if let Some(&(at, bytes)) = self.places.get(&hash)
            && &self.texts[at as usize..][..usize::from(bytes)] == text
        {
            return (at, bytes);
        }
        let place = (self.texts.len() as u32, text.len() as u8);
        self.texts.extend_from_slice(text);
        self.places.insert(hash, place);
        place
    }

    fn cut_if_full(&mut self) -> io::Result<()> {
        if (self.entry.rows as usize) < BLOCK_ROWS {
            return Ok(());
        }
        self.cut()
    }

    /// Writes the block, if there is anything in it.
    fn cut(&mut self) -> io::Result<()> {
        if self.entry.rows == 0 {
            return Ok(());
        }
        let mut entry = std::mem::take(&mut self.entry);
        self.records.extend_from_slice(&self.texts);
        let bytes = block_bytes(entry.rows as usize, self.texts.len());
        self.records.resize(bytes, 0);
        self.file.write_all(&self.records)?;
        entry.at = self.at;
        entry.bytes = bytes as u32;
        entry.text_bytes = self.texts.len() as u32;
        entry.crc = crc32fast::hash(&self.records);
        self.at += bytes as u64;
        self.rows += u64::from(entry.rows);
        self.directory.push(entry);
        self.records.clear();
        self.texts.clear();
        self.places.clear();
        Ok(())
    }

    /// Writes what is left, and the header over its place.
    fn finish(mut self, header: Header) -> io::Result<u64> {
        self.cut()?;
        let listed: Vec<u8> = self.directory.iter().flat_map(Entry::encode).collect();
        self.file.write_all(&listed)?;
        let header = Header {
            rows: self.rows,
            blocks: self.directory.len() as u64,
            directory_at: self.at,
            directory_crc: crc32fast::hash(&listed),
            ..header
        };
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header.encode())?;
        self.file.flush()?;
        Ok(self.at + listed.len() as u64)
    }
}

impl Rows for Writer {
    fn begin(&mut self, line: Line<'_>) {
        (self.line, self.offset) = (line.number, line.offset);
    }

    fn event(&mut self, event: RawEvent<'_>) {
        let (visitor_at, visitor_bytes) = self.text(event.visitor);
        let (session_at, session_bytes) = self.text(event.session);
        self.push(&Packed {
            arrival_ms: event.arrival_ms.unwrap_or(0),
            event_ms: event.event_ms,
            offset: self.offset,
            line: self.line,
            visitor: VisitorId::of(event.visitor).0,
            session: Id::of(event.session).0,
            item: Id::of(event.item).0,
            category: Id::of(event.category).0,
            event_id: Id::of(event.event_id).0,
            price: event.price.raw(),
            value: event.value.raw(),
            quantity: event.quantity,
            visitor_at,
            session_at,
            visitor_bytes,
            session_bytes,
            kind: event.kind as u8,
            device: event.device as u8,
        });
    }

    fn reject(&mut self, _at: u32, reason: Reason) {
        self.push(&Packed {
            offset: self.offset,
            line: self.line,
            kind: REJECTED,
            device: reason as u8,
            ..Packed::default()
        });
    }
}
