//! Headers and frames: the bytes that every state file is made of, and how they are read.
//!
//! A file is a header of 56 bytes and then frames: `length u32, kind u8, zero u24, body, XXH3-64`.
//! The checksum of a frame is seeded with the checksum of its file's header and the frame's offset,
//! so a frame that was copied from another file, generation or place is not taken for one. Every
//! number is little-endian. The header's layout is frozen for all versions; its checksum is looked
//! at before its version, so that a damaged version number reads as damage.
//!
//! What is read is hostile: lengths are bounded before memory is asked for, and what does not fit is
//! a [`Damage`] with its offset. Whether that is the torn end of an append or the loss of something
//! that was promised, the frames cannot know; [`super::segment`] does.
//! A random change goes unseen with probability 2⁻⁶⁴. Cost: one pass of XXH3, some 10 GB/s.

use super::Generation;
use super::error::{Damage, Fault, LogError};
use super::storage::Storage;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The version of the format that is written.
pub const VERSION: u16 = 1;
/// The oldest version that is read: the one before, for one release.
pub const VERSION_OLDEST: u16 = 1;
const _: () = assert!(VERSION == VERSION_OLDEST || VERSION == VERSION_OLDEST + 1);

/// The first eight bytes of every state file.
pub const MAGIC: [u8; 8] = *b"RESTAGE\x97";
/// Bytes of a file's header.
pub const HEADER_BYTES: usize = 56;
/// Bytes of a frame besides its body.
pub const FRAME_BYTES: usize = FRAME_HEAD_BYTES + 8;
/// Most bytes of a frame's body.
pub const BODY_BYTES_MAX: usize = 4 << 20;
const FRAME_HEAD_BYTES: usize = 8;
/// Bytes that a reader asks the disk for at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum FileKind {
    /// Output and commit rows.
    Segment = 1,
    /// State of bins.
    Snapshot = 2,
    /// What is in force.
    Manifest = 3,
    /// What the output goes by.
    Rules = 4,
}

impl FileKind {
    /// What names of such files begin with.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::Segment => "segment",
            FileKind::Snapshot => "snapshot",
            FileKind::Manifest => "manifest",
            FileKind::Rules => "rules",
        }
    }
}

/// The header of a file: which file of which job it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: FileKind,
    /// The generation that wrote it.
    pub generation: Generation,
    /// Its number among its kind and generation.
    pub sequence: u64,
    /// The digest of the job's configuration.
    pub config: u128,
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        self.encode_as(VERSION)
    }

    fn encode_as(&self, version: u16) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&version.to_le_bytes());
        bytes[10] = self.kind as u8;
        bytes[16..24].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.config.to_le_bytes());
        let checksum = xxh3_64(&bytes[..48]);
        bytes[48..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// What the frames of this file are bound to.
    pub fn identity(&self) -> u64 {
        identity(&self.encode())
    }
}

fn identity(header: &[u8; HEADER_BYTES]) -> u64 {
    xxh3_64(&header[..48])
}

/// Adds a frame to `out`, which will stand at `offset` of the file: `parts` make up its body.
///
/// # Panics
/// If the body is longer than [`BODY_BYTES_MAX`]: callers cut.
pub fn push_frame(out: &mut Vec<u8>, identity: u64, offset: u64, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    assert!(length <= BODY_BYTES_MAX, "a frame of {length} bytes");
    let start = out.len();
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.extend_from_slice(&[kind, 0, 0, 0]);
    for part in parts {
        out.extend_from_slice(part);
    }
    let checksum = checksum(&out[start..], identity, offset);
    out.extend_from_slice(&checksum.to_le_bytes());
}

fn checksum(head_and_body: &[u8], identity: u64, offset: u64) -> u64 {
    xxh3_64_with_seed(head_and_body, identity ^ crate::event::mix(offset))
}

/// One step through a file.
pub enum Step<'a> {
    /// A whole frame.
    Frame {
        /// Where it begins.
        offset: u64,
        /// Its kind.
        kind: u8,
        /// Its body.
        body: &'a [u8],
    },
    /// The end, exactly behind a frame or the header.
    End,
    /// Something else.
    Broken(Damage),
}

/// The version of the format that a file is in.
///
/// # Errors
/// A file that is missing, short, damaged, or of a version that is not read.
pub fn version_of<S: Storage>(storage: &S, path: PathBuf) -> Result<u16, LogError> {
    let mut reader = FrameReader::unchecked(storage, path)?;
    reader.header()?;
    Ok(reader.version)
}

/// Reads the frames of a file, up to a limit.
pub struct FrameReader<'s, S> {
    storage: &'s S,
    path: PathBuf,
    version: u16,
    identity: u64,
    length: u64,
    at: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'s, S: Storage> FrameReader<'s, S> {
    /// Opens a file that should have this header; bytes from `limit` on are not looked at.
    ///
    /// # Errors
    /// A file that is missing, short, of another version, or not the one that is wanted.
    pub fn open(
        storage: &'s S,
        path: PathBuf,
        expected: &Header,
        limit: Option<u64>,
    ) -> Result<FrameReader<'s, S>, LogError> {
        let mut reader = FrameReader::unchecked(storage, path)?;
        let found = reader.header()?;
        if found != *expected {
            return Err(reader.damaged(0, Fault::Misplaced));
        }
        reader.length = limit.unwrap_or(reader.length).min(reader.length);
        Ok(reader)
    }

    /// Opens a file of this kind, generation and sequence, whatever its configuration.
    ///
    /// # Errors
    /// As for [`FrameReader::open`].
    pub fn open_any_config(
        storage: &'s S,
        path: PathBuf,
        expected: &Header,
    ) -> Result<(FrameReader<'s, S>, u128), LogError> {
        let mut reader = FrameReader::unchecked(storage, path)?;
        let found = reader.header()?;
        let config = found.config;
        if found
            != (Header {
                config,
                ..*expected
            })
        {
            return Err(reader.damaged(0, Fault::Misplaced));
        }
        Ok((reader, config))
    }

    fn unchecked(storage: &'s S, path: PathBuf) -> Result<FrameReader<'s, S>, LogError> {
        let length = match storage.length(&path) {
            Err(error) if error.is_missing() => {
                return Err(damaged(&path, 0, Fault::Missing));
            }
            other => other?,
        };
        Ok(FrameReader {
            storage,
            path,
            version: 0,
            identity: 0,
            length,
            at: 0,
            buffer: Vec::new(),
            buffer_at: 0,
        })
    }

    /// Reads the header, which leaves the reader at the first frame.
    fn header(&mut self) -> Result<Header, LogError> {
        if self.length < HEADER_BYTES as u64 {
            return Err(self.damaged(0, Fault::HeaderShort));
        }
        let bytes: [u8; HEADER_BYTES] = match self.bytes(HEADER_BYTES)?.try_into() {
            Ok(bytes) => bytes,
            Err(_) => return Err(self.damaged(0, Fault::HeaderShort)),
        };
        let (version, header) = decode_header(&bytes).map_err(|fault| self.damaged(0, fault))?;
        if !(VERSION_OLDEST..=VERSION).contains(&version) {
            return Err(LogError::Version {
                path: self.path.clone(),
                found: version,
                oldest: VERSION_OLDEST,
                newest: VERSION,
            });
        }
        (self.version, self.identity) = (version, identity(&bytes));
        self.at = HEADER_BYTES as u64;
        header.ok_or_else(|| self.damaged(0, Fault::Misplaced))
    }

    /// The next frame. After [`Step::Broken`] or [`Step::End`] the reader stays where it is.
    ///
    /// # Errors
    /// The disk's.
    pub fn step(&mut self) -> Result<Step<'_>, LogError> {
        let left = self.length - self.at;
        if left == 0 {
            return Ok(Step::End);
        }
        if left < FRAME_BYTES as u64 {
            return Ok(Step::Broken(self.damage(self.at, Fault::FrameShort)));
        }
        let head = self.bytes(FRAME_HEAD_BYTES)?;
        let body_bytes = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if body_bytes > BODY_BYTES_MAX {
            return Ok(Step::Broken(self.damage(self.at, Fault::FrameLong)));
        }
        let whole = FRAME_BYTES + body_bytes;
        if left < whole as u64 {
            return Ok(Step::Broken(self.damage(self.at, Fault::FrameShort)));
        }
        let (identity, offset) = (self.identity, self.at);
        if !is_frame(self.bytes(whole)?, identity, offset) {
            return Ok(Step::Broken(self.damage(offset, Fault::FrameChecksum)));
        }
        self.at += whole as u64;
        let start = (offset - self.buffer_at) as usize;
        let frame = &self.buffer[start..start + whole];
        Ok(Step::Frame {
            offset,
            kind: frame[4],
            body: &frame[FRAME_HEAD_BYTES..whole - 8],
        })
    }

    /// Looks behind the place where the reader stands for whole frames of a kind, at any byte.
    ///
    /// # Errors
    /// The disk's.
    pub fn find_behind(
        &mut self,
        kind: u8,
        mut is_it: impl FnMut(&[u8]) -> bool,
    ) -> Result<bool, LogError> {
        let (identity, first) = (self.identity, self.at);
        let left = (self.length - self.at) as usize;
        let bytes = self.bytes(left)?;
        for at in 1..bytes.len().saturating_sub(FRAME_BYTES - 1) {
            let rest = &bytes[at..];
            if rest[4..FRAME_HEAD_BYTES] != [kind, 0, 0, 0] {
                continue;
            }
            let body_bytes = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            let whole = FRAME_BYTES.saturating_add(body_bytes);
            let Some(frame) = rest.get(..whole) else {
                continue;
            };
            if is_frame(frame, identity, first + at as u64)
                && is_it(&frame[FRAME_HEAD_BYTES..whole - 8])
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where the next frame would begin.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Bytes of the file that are looked at.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// A damage in this file.
    pub fn damage(&self, offset: u64, fault: Fault) -> Damage {
        Damage {
            path: self.path.clone(),
            offset,
            fault,
        }
    }

    /// The same as an error.
    pub fn damaged(&self, offset: u64, fault: Fault) -> LogError {
        LogError::Damaged(self.damage(offset, fault))
    }

    /// The `count` bytes from where the reader stands.
    fn bytes(&mut self, count: usize) -> Result<&[u8], LogError> {
        let buffer_end = self.buffer_at + self.buffer.len() as u64;
        if self.at + count as u64 > buffer_end {
            self.fill(count)?;
        }
        let start = (self.at - self.buffer_at) as usize;
        Ok(&self.buffer[start..start + count])
    }

    /// Fills the buffer from where the reader stands, with `count` bytes at least.
    fn fill(&mut self, count: usize) -> Result<(), LogError> {
        let left = usize::try_from(self.length - self.at).unwrap_or(usize::MAX);
        self.buffer.resize(count.max(CHUNK_BYTES.min(left)), 0);
        self.buffer_at = self.at;
        let mut read = 0;
        while read < self.buffer.len() {
            let offset = self.at + read as u64;
            let into = &mut self.buffer[read..];
            match self.storage.read_at(&self.path, offset, into)? {
                0 => {
                    // It was as long as that a moment ago.
                    self.buffer.truncate(read);
                    return Err(self.damaged(offset, Fault::CutShort(self.length)));
                }
                more => read += more,
            }
        }
        Ok(())
    }
}

fn damaged(path: &Path, offset: u64, fault: Fault) -> LogError {
    LogError::Damaged(Damage {
        path: path.to_owned(),
        offset,
        fault,
    })
}

fn is_frame(frame: &[u8], identity: u64, offset: u64) -> bool {
    let (head_and_body, stored) = frame.split_at(frame.len() - 8);
    stored == checksum(head_and_body, identity, offset).to_le_bytes()
}

/// Version and header; no header if a later version has kinds that this one does not know.
fn decode_header(bytes: &[u8; HEADER_BYTES]) -> Result<(u16, Option<Header>), Fault> {
    if bytes[..8] != MAGIC {
        return Err(Fault::Magic);
    }
    if identity(bytes).to_le_bytes() != bytes[48..] {
        return Err(Fault::HeaderChecksum);
    }
    let mut take = super::codec::Take(&bytes[8..48]);
    let mut fields = || {
        let version = take.u16()?;
        let kind = match take.u16()? {
            1 => Some(FileKind::Segment),
            2 => Some(FileKind::Snapshot),
            3 => Some(FileKind::Manifest),
            4 => Some(FileKind::Rules),
            _ => None,
        };
        // Reserved.
        let _ = take.u32()?;
        let generation = Generation(take.u64()?);
        let (sequence, config) = (take.u64()?, take.u128()?);
        let header = kind.map(|kind| Header {
            kind,
            generation,
            sequence,
            config,
        });
        Some((version, header))
    };
    fields().ok_or(Fault::HeaderShort)
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::super::storage::AppendFile;
    use super::*;

    fn header() -> Header {
        Header {
            kind: FileKind::Segment,
            generation: Generation(3),
            sequence: 5,
            config: 7 << 70,
        }
    }

    fn put(storage: &Memory, path: &str, bytes: &[u8]) {
        let mut file = storage.create(path.as_ref()).unwrap();
        file.append(bytes).unwrap();
    }

    fn file_of(bodies: &[&[u8]]) -> Vec<u8> {
        let mut bytes = header().encode().to_vec();
        for body in bodies {
            let offset = bytes.len() as u64;
            push_frame(&mut bytes, header().identity(), offset, 9, &[body]);
        }
        bytes
    }

    /// All frames, and the damage that ended them.
    fn read(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, Option<Damage>), LogError> {
        let storage = Memory::new(1);
        put(&storage, "f", bytes);
        let mut reader = FrameReader::open(&storage, "f".into(), &header(), None)?;
        let mut bodies = Vec::new();
        loop {
            match reader.step()? {
                Step::Frame { kind, body, .. } => {
                    assert_eq!(kind, 9);
                    bodies.push(body.to_vec());
                }
                Step::End => return Ok((bodies, None)),
                Step::Broken(damage) => return Ok((bodies, Some(damage))),
            }
        }
    }

    #[test]
    fn frames_come_back() {
        let long = vec![7; CHUNK_BYTES + 1];
        let bodies: [&[u8]; 4] = [b"one", b"", &long, b"four"];
        let (read, damage) = read(&file_of(&bodies)).unwrap();
        assert_eq!(read, bodies);
        assert_eq!(damage, None);
    }

    /// Whatever byte is changed or cut, frames before it are given and the place is named.
    #[test]
    fn every_flip_and_truncation_is_noticed() {
        let bytes = file_of(&[b"one", b"two and more"]);
        let second = HEADER_BYTES + FRAME_BYTES + 3;
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                match read(&changed) {
                    Err(LogError::Damaged(damage)) => {
                        assert!(at < HEADER_BYTES && damage.offset == 0);
                    }
                    Ok((bodies, Some(damage))) => {
                        let broken = if at < second { HEADER_BYTES } else { second };
                        assert_eq!(damage.offset, broken as u64, "byte {at}");
                        assert_eq!(bodies.len(), usize::from(at >= second));
                    }
                    other => panic!("byte {at}: {other:?}"),
                }
            }
            match read(&bytes[..at]) {
                Err(LogError::Damaged(damage)) => {
                    assert_eq!(damage.fault, Fault::HeaderShort);
                    assert!(at < HEADER_BYTES);
                }
                Ok((_, None)) => assert!([HEADER_BYTES, second].contains(&at), "cut at {at}"),
                Ok((_, Some(damage))) => assert_eq!(damage.fault, Fault::FrameShort),
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_frame_of_another_place_or_file_is_none() {
        let mut twice = file_of(&[b"one"]);
        let frame = twice[HEADER_BYTES..].to_vec();
        twice.extend_from_slice(&frame);
        let (bodies, damage) = read(&twice).unwrap();
        assert_eq!(bodies.len(), 1);
        assert_eq!(damage.unwrap().fault, Fault::FrameChecksum);
        let mut other = header();
        other.sequence += 1;
        let mut grafted = other.encode().to_vec();
        grafted.extend_from_slice(&frame);
        let error = read(&grafted).unwrap_err();
        assert_eq!(error.damage().unwrap().fault, Fault::Misplaced);
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = header().encode_as(VERSION + 1).to_vec();
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, LogError::Version { found, .. } if found == VERSION + 1));
        assert_eq!(error.exit_code(), 4);
        bytes = header().encode_as(VERSION_OLDEST - 1).to_vec();
        assert!(matches!(read(&bytes), Err(LogError::Version { .. })));
    }

    /// The bytes of version 1: later releases must read them, or say that they do not.
    #[test]
    fn the_format_is_pinned() {
        let bytes = file_of(&[b"one"]);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }

    const GOLDEN: &str = concat!(
        "52455354414745970100010000000000030000000000000005000000000000000000000000000000",
        "c0010000000000001e15dffa706c641a03000000090000006f6e656ee7a683b2c486e7"
    );
}
