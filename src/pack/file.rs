//! A pack as a file: header, blocks, directory, and the checks before anything is believed.
//!
//! Header and directory are little-endian and read by safe code. Opening compares magic, format, layout,
//! both checksums and the file's length, and that the blocks follow one another without a gap; a block's
//! checksum is compared when it is asked for, before a record of it is decoded.
//!
//! Cost: opening reads 40 bytes a block of 4096 rows; a block is mapped and summed up once.

use super::BLOCK_ROWS;
use super::origin::Origin;
use super::raw::{LAYOUT, Packed, RECORD_BYTES, decode, map};
use memmap2::Mmap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How a pack begins.
const MAGIC: [u8; 8] = *b"RESTPACK";
/// The format of header, directory and blocks.
const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = 128;
const ENTRY_BYTES: usize = 40;
/// Most texts of a block: every row may have two of the longest.
const TEXT_BYTES_MAX: usize = BLOCK_ROWS * 2 * crate::event::ID_BYTES_MAX;

/// Why a pack is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It cannot be read.
    #[error("it could not be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is no pack")]
    Foreign,
    /// Another release made it, or another kind of machine.
    #[error("another release or another kind of machine made it")]
    Layout,
    /// It was made of a log with other bytes.
    #[error("the log is another one since it was made")]
    Stale,
    /// A checksum is wrong, or a length.
    #[error("its {0} is damaged")]
    Damaged(&'static str),
}

/// What a pack says of itself and its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) origin: Origin,
    /// Rows, those that could not be read included.
    pub(super) rows: u64,
    pub(super) blocks: u64,
    pub(super) directory_at: u64,
    pub(super) directory_crc: u32,
    /// Whether the log is JSON lines, and not CSV.
    pub(super) is_jsonl: bool,
    /// Whether its last line has no ending.
    pub(super) unterminated: bool,
    /// Bytes of its text.
    pub(super) text_bytes: u64,
    pub(super) lines: u64,
    /// Lines before the first row that are not blank.
    pub(super) header_lines: u64,
}

/// Where a block lies, and where its first row lies in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: u64,
    pub(super) first_line: u64,
    pub(super) first_offset: u64,
    pub(super) bytes: u32,
    pub(super) rows: u32,
    pub(super) text_bytes: u32,
    pub(super) crc: u32,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let flags = u32::from(self.is_jsonl) | u32::from(self.unterminated) << 1;
        let words = [
            LAYOUT,
            self.origin.bytes,
            self.origin.changed_ns,
            self.origin.sample,
            self.origin.digest as u64,
            (self.origin.digest >> 64) as u64,
            self.rows,
            self.blocks,
            self.directory_at,
            u64::from(self.directory_crc) | u64::from(flags) << 32,
            self.text_bytes,
            self.lines,
            self.header_lines,
            0,
        ];
        for (slot, word) in bytes[16..].chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        let crc = crc32fast::hash(&bytes[16..]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Header, Unfit> {
        let half = |at: usize| u32::from_le_bytes(bytes[at..][..4].try_into().expect("four bytes"));
        let word = |nth: usize| {
            let eight = bytes[16 + nth * 8..][..8].try_into();
            u64::from_le_bytes(eight.expect("eight bytes"))
        };
        if bytes[..8] != MAGIC {
            return Err(Unfit::Foreign);
        }
        if half(8) != VERSION {
            return Err(Unfit::Layout);
        }
        if crc32fast::hash(&bytes[16..]) != half(12) {
            return Err(Unfit::Damaged("header"));
        }
        if word(0) != LAYOUT {
            return Err(Unfit::Layout);
        }
        let flags = (word(9) >> 32) as u32;
        Ok(Header {
            origin: Origin {
                bytes: word(1),
                changed_ns: word(2),
                sample: word(3),
                digest: u128::from(word(4)) | u128::from(word(5)) << 64,
            },
            rows: word(6),
            blocks: word(7),
            directory_at: word(8),
            directory_crc: word(9) as u32,
            is_jsonl: flags & 1 != 0,
            unterminated: flags & 2 != 0,
            text_bytes: word(10),
            lines: word(11),
            header_lines: word(12),
        })
    }
}

impl Entry {
    pub(super) fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let words = [
            self.at,
            self.first_line,
            self.first_offset,
            u64::from(self.bytes) | u64::from(self.rows) << 32,
            u64::from(self.text_bytes) | u64::from(self.crc) << 32,
        ];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Entry {
        let word = |nth: usize| {
            let eight = bytes[nth * 8..][..8].try_into();
            u64::from_le_bytes(eight.expect("eight bytes"))
        };
        Entry {
            at: word(0),
            first_line: word(1),
            first_offset: word(2),
            bytes: word(3) as u32,
            rows: (word(3) >> 32) as u32,
            text_bytes: word(4) as u32,
            crc: (word(4) >> 32) as u32,
        }
    }

    /// Whether its numbers can be those of a block.
    fn is_possible(&self) -> bool {
        let (rows, texts) = (self.rows as usize, self.text_bytes as usize);
        (1..=BLOCK_ROWS).contains(&rows)
            && texts <= TEXT_BYTES_MAX
            && self.bytes as usize == block_bytes(rows, texts)
    }
}

/// Bytes of a block.
pub(super) fn block_bytes(rows: usize, text_bytes: usize) -> usize {
    (rows * RECORD_BYTES + text_bytes).next_multiple_of(8)
}

/// An open pack.
pub(super) struct PackFile {
    file: File,
    pub(super) header: Header,
    pub(super) directory: Vec<Entry>,
    pub(super) bytes: u64,
}

impl PackFile {
    /// Opens a pack and checks all but its blocks.
    pub(super) fn open(path: &Path) -> Result<PackFile, Unfit> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut head = [0; HEADER_BYTES];
        match file.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Unfit::Damaged("header"));
            }
            read => read?,
        }
        let header = Header::decode(&head)?;
        let listed = header.blocks.checked_mul(ENTRY_BYTES as u64);
        let end = listed.and_then(|listed| header.directory_at.checked_add(listed));
        if end != Some(bytes) {
            return Err(Unfit::Damaged("length"));
        }
        file.seek(SeekFrom::Start(header.directory_at))?;
        let mut listed = Vec::new();
        (&file).take(bytes).read_to_end(&mut listed)?;
        let damaged = Unfit::Damaged("directory");
        if crc32fast::hash(&listed) != header.directory_crc {
            return Err(damaged);
        }
        let directory: Vec<Entry> = listed
            .chunks_exact(ENTRY_BYTES)
            .map(Entry::decode)
            .collect();
        let mut at = HEADER_BYTES as u64;
        for entry in &directory {
            if entry.at != at || !entry.is_possible() {
                return Err(damaged);
            }
            at += u64::from(entry.bytes);
        }
        let rows: u64 = directory.iter().map(|entry| u64::from(entry.rows)).sum();
        if at != header.directory_at || rows != header.rows {
            return Err(damaged);
        }
        Ok(PackFile {
            file,
            header,
            directory,
            bytes,
        })
    }

    /// Maps a block and checks it.
    pub(super) fn block(&self, nth: usize) -> Result<Block, Unfit> {
        let entry = &self.directory[nth];
        let end = entry.at + u64::from(entry.bytes);
        if self.file.metadata()?.len() < end {
            return Err(Unfit::Damaged("length"));
        }
        let bytes = map(&self.file, entry.at, entry.bytes as usize)?;
        if crc32fast::hash(&bytes) != entry.crc {
            return Err(Unfit::Damaged("block"));
        }
        Ok(Block {
            bytes,
            rows: entry.rows as usize,
            text_bytes: entry.text_bytes as usize,
        })
    }
}

/// A block whose checksum is right.
pub(super) struct Block {
    bytes: Mmap,
    pub(super) rows: usize,
    text_bytes: usize,
}

impl Block {
    /// A record.
    #[inline]
    pub(super) fn record(&self, nth: usize) -> Packed {
        let bytes = &self.bytes[nth * RECORD_BYTES..][..RECORD_BYTES];
        decode(bytes.try_into().expect("a record's bytes"))
    }

    /// A text, if there is one.
    #[inline]
    pub(super) fn text(&self, at: u32, bytes: u8) -> Option<&[u8]> {
        let texts = &self.bytes[self.rows * RECORD_BYTES..][..self.text_bytes];
        texts.get(at as usize..)?.get(..usize::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{pack, path_of};

    /// A small log and its pack, in a folder.
    fn packed() -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.csv");
        let mut text = "event_ms,visitor,kind,session\n".to_owned();
        for n in 0..9u64 {
            text += &format!("{},v{},search,s{n}\n", 1_600_000_000_000 + n, n % 3);
        }
        std::fs::write(&log, text + "not a row\n").unwrap();
        let bytes = pack(&log).unwrap();
        let path = path_of(&log);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.len() as u64, bytes);
        (dir, path, whole)
    }

    /// Opens a pack and checks all of it, as reading it through does.
    fn read_through(path: &Path) -> Result<usize, Unfit> {
        let pack = PackFile::open(path)?;
        let mut rows = 0;
        for nth in 0..pack.directory.len() {
            rows += pack.block(nth)?.rows;
        }
        Ok(rows)
    }

    /// Nothing of a pack with any byte changed, or cut anywhere, is decoded.
    #[test]
    fn every_changed_byte_and_every_cut_is_caught_before_decoding() {
        let (_dir, path, whole) = packed();
        assert_eq!(read_through(&path).unwrap(), 10);
        for at in 0..whole.len() {
            for change in [1u8, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= change;
                std::fs::write(&path, damaged).unwrap();
                assert!(
                    read_through(&path).is_err(),
                    "byte {at} changed by {change}"
                );
            }
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(read_through(&path).is_err(), "cut at byte {at}");
        }
        std::fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
        assert!(read_through(&path).is_err(), "a byte more");
    }

    #[test]
    fn what_is_no_pack_of_this_release_is_told_as_such() {
        let (_dir, path, whole) = packed();
        let changed = |at: usize, bytes: &[u8]| {
            let mut whole = whole.clone();
            whole[at..at + bytes.len()].copy_from_slice(bytes);
            let crc = crc32fast::hash(&whole[16..HEADER_BYTES]);
            whole[12..16].copy_from_slice(&crc.to_le_bytes());
            std::fs::write(&path, whole).unwrap();
            read_through(&path).unwrap_err()
        };
        assert!(matches!(changed(0, b"PACKREST"), Unfit::Foreign));
        assert!(matches!(changed(8, &[2]), Unfit::Layout));
        assert!(matches!(changed(16, &[whole[16] ^ 1]), Unfit::Layout));
    }

    #[test]
    fn a_text_stands_once_in_a_block() {
        let (_dir, path, whole) = packed();
        let pack = PackFile::open(&path).unwrap();
        let block = pack.block(0).unwrap();
        let visitor = |nth: usize| {
            let record = block.record(nth);
            block.text(record.visitor_at, record.visitor_bytes).unwrap()
        };
        assert_eq!(
            (visitor(0), visitor(1), visitor(3)),
            (&b"v0"[..], &b"v1"[..], &b"v0"[..])
        );
        assert_eq!(block.record(0).visitor_at, block.record(3).visitor_at);
        let stands = memchr::memmem::find_iter(&whole, b"v1").count();
        assert_eq!(stands, 1);
        assert_eq!(block.text(u32::MAX, 1), None);
    }
}
