//! Bytes to lines, within limits.
//!
//! A line is lent from the reader's own buffer, without its `\n` or `\r\n` and with its number and
//! the offset of its first byte. A UTF-8 byte-order mark at byte 0 is left out of the first line
//! and still counted in its offset. Blank lines come out as empty ones. A line longer than the
//! limit is passed over in bounded memory and comes out as too long, with its first bytes.
//!
//! Invariant: the offset of a line is the sum of all bytes before it, whatever they were.
//!
//! Cost: one search for the newline a byte, and one copy of what is left of a line when the buffer
//! is refilled. Memory: 256 KiB, and up to the limit where a line needs it.

use std::io::{self, Read};

use super::Line;

/// Longest line of a format in which a line is a row.
pub const LINE_BYTES_MAX: usize = 65_536;
/// Longest line of a format in which a line is a whole session.
pub const SESSION_LINE_BYTES_MAX: usize = 16 << 20;
/// Wrong events of one line after which its rest is given up as one reject, so that a line of
/// rubbish costs bounded memory.
pub const REJECTS_PER_LINE_MAX: u32 = 1024;
/// Bytes that are kept of a line that is too long.
pub const HEAD_BYTES_MAX: usize = 256;
/// Most bytes that [`LineReader::peek`] looks at.
pub const PEEK_BYTES_MAX: usize = 65_536;

const BUFFER_BYTES: usize = 256 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A line, or the head of one.
#[derive(Clone, Copy, Debug)]
pub enum LineRead<'a> {
    /// A whole line.
    Whole(Line<'a>),
    /// The first bytes of a line beyond the limit.
    TooLong(Line<'a>),
}

/// The start of a log, looked at and not consumed.
#[derive(Clone, Copy, Debug)]
pub struct Peek<'a> {
    /// The bytes, without a byte-order mark.
    pub bytes: &'a [u8],
    /// Whether the log ends with them.
    pub ended: bool,
}

/// Cuts a stream of bytes into lines.
pub struct LineReader {
    input: Box<dyn Read + Send>,
    /// `buffer[start..end]` is read and not yet handed out; nothing before `scanned` is a newline.
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
    end: usize,
    /// Offset of `buffer[start]` in the lane.
    offset: u64,
    lines: u64,
    line_bytes_max: usize,
    begun: bool,
    ended: bool,
    unterminated: bool,
}

impl LineReader {
    /// Reads lines of up to [`LINE_BYTES_MAX`] bytes from `input`.
    pub fn new(input: Box<dyn Read + Send>) -> LineReader {
        LineReader {
            input,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            scanned: 0,
            end: 0,
            offset: 0,
            lines: 0,
            line_bytes_max: LINE_BYTES_MAX,
            begun: false,
            ended: false,
            unterminated: false,
        }
    }

    /// Sets the longest line from here on.
    pub fn set_line_bytes_max(&mut self, line_bytes_max: usize) {
        self.line_bytes_max = line_bytes_max;
    }

    /// Goes on at the line that begins at `offset`, `lines` having come before: in `input`, which
    /// begins there, or by passing over what the own input still holds before it. Whether it was there.
    ///
    /// # Errors
    /// Whatever the input reports.
    pub fn go_on(
        &mut self,
        input: Option<Box<dyn Read + Send>>,
        (offset, lines): (u64, u64),
    ) -> io::Result<bool> {
        if let Some(input) = input {
            self.input = input;
            (self.start, self.end, self.ended) = (0, 0, false);
            self.offset = offset;
        }
        while self.offset < offset && !(self.ended && self.start == self.end) {
            if self.start == self.end {
                self.fill()?;
            }
            let passed = (offset - self.offset).min((self.end - self.start) as u64);
            self.offset += passed;
            self.start += passed as usize;
        }
        (self.scanned, self.lines, self.begun) = (self.start, lines, true);
        Ok(self.offset == offset)
    }

    /// The input may have grown since it ended.
    pub fn again(&mut self) {
        self.ended = false;
    }

    /// Lines handed out so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Bytes of the lane handed out so far, line endings included.
    pub fn bytes(&self) -> u64 {
        self.offset
    }

    /// Bytes of the lane taken from the input so far.
    pub fn bytes_taken(&self) -> u64 {
        self.offset + (self.end - self.start) as u64
    }

    /// Whether the last line had no line ending. Known once the lane has ended.
    pub fn unterminated(&self) -> bool {
        self.unterminated
    }

    /// Looks ahead until `lines` line endings, [`PEEK_BYTES_MAX`] bytes or the end are seen.
    ///
    /// # Errors
    /// Whatever the input reports.
    pub fn peek(&mut self, lines: usize) -> io::Result<Peek<'_>> {
        self.begin()?;
        loop {
            let seen = &self.buffer[self.start..self.end];
            let enough = seen.len() >= PEEK_BYTES_MAX
                || memchr::memchr_iter(b'\n', seen).take(lines).count() == lines;
            if enough || self.ended {
                break;
            }
            self.fill()?;
        }
        let seen = &self.buffer[self.start..self.end];
        Ok(Peek {
            bytes: &seen[..seen.len().min(PEEK_BYTES_MAX)],
            ended: self.ended && seen.len() <= PEEK_BYTES_MAX,
        })
    }

    /// The next line; nothing at the end.
    ///
    /// # Errors
    /// Whatever the input reports. Lines that were whole before the failure are handed out first.
    pub fn next_line(&mut self) -> io::Result<Option<LineRead<'_>>> {
        self.begin()?;
        loop {
            let unseen = &self.buffer[self.scanned..self.end];
            if let Some(newline) = memchr::memchr(b'\n', unseen) {
                let stop = self.scanned + newline;
                return Ok(Some(self.hand_out(stop, stop + 1)));
            }
            self.scanned = self.end;
            let pending = self.end - self.start;
            // One byte beyond the limit may be the `\r` of a line that just fits.
            if pending > self.line_bytes_max + 1 {
                return self.pass_over().map(Some);
            }
            if self.ended {
                if pending == 0 {
                    return Ok(None);
                }
                self.unterminated = true;
                return Ok(Some(self.hand_out(self.end, self.end)));
            }
            self.fill()?;
        }
    }

    /// Lends `buffer[start..stop]` as the next line, the one after which begins at `next`.
    fn hand_out(&mut self, stop: usize, next: usize) -> LineRead<'_> {
        let (from, offset) = (self.start, self.offset);
        self.offset += (next - from) as u64;
        (self.start, self.scanned) = (next, next);
        self.lines += 1;
        let bytes = &self.buffer[from..stop];
        // A lone `\r` at the very end of a log belongs to its text.
        let bytes = match bytes {
            [text @ .., b'\r'] if next > stop => text,
            text => text,
        };
        let number = self.lines;
        let line = |bytes| Line {
            bytes,
            number,
            offset,
        };
        if bytes.len() > self.line_bytes_max {
            LineRead::TooLong(line(&bytes[..HEAD_BYTES_MAX.min(bytes.len())]))
        } else {
            LineRead::Whole(line(bytes))
        }
    }

    /// Skips the rest of a line that is already longer than the limit, keeping its head in place.
    fn pass_over(&mut self) -> io::Result<LineRead<'_>> {
        let offset = self.offset;
        let head_len = HEAD_BYTES_MAX.min(self.end - self.start);
        self.buffer
            .copy_within(self.start..self.start + head_len, 0);
        self.offset += (self.end - self.start) as u64;
        (self.start, self.scanned, self.end) = (head_len, head_len, head_len);
        loop {
            if self.ended {
                self.unterminated = true;
                break;
            }
            let got = read_some(&mut self.input, &mut self.buffer[head_len..])?;
            self.ended = got == 0;
            self.end = head_len + got;
            let piece = &self.buffer[head_len..self.end];
            if let Some(newline) = memchr::memchr(b'\n', piece) {
                self.start = head_len + newline + 1;
                self.offset += newline as u64 + 1;
                break;
            }
            self.offset += got as u64;
            (self.start, self.end) = (head_len, head_len);
        }
        self.scanned = self.start;
        self.lines += 1;
        Ok(LineRead::TooLong(Line {
            bytes: &self.buffer[..head_len],
            number: self.lines,
            offset,
        }))
    }

    /// Skips a byte-order mark, once.
    fn begin(&mut self) -> io::Result<()> {
        if self.begun {
            return Ok(());
        }
        while self.end < BOM.len() && !self.ended {
            self.fill()?;
        }
        if self.buffer[..self.end].starts_with(BOM) {
            self.start = BOM.len();
            self.scanned = BOM.len();
            self.offset = BOM.len() as u64;
        }
        self.begun = true;
        Ok(())
    }

    /// Reads more, after what is pending; grows the buffer where a long line fills it.
    fn fill(&mut self) -> io::Result<()> {
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.scanned -= self.start;
                self.end -= self.start;
                self.start = 0;
            }
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        } else if self.start == self.end {
            (self.start, self.scanned, self.end) = (0, 0, 0);
        }
        let got = read_some(&mut self.input, &mut self.buffer[self.end..])?;
        self.end += got;
        self.ended = got == 0;
        Ok(())
    }
}

/// One read, again where a signal interrupted it.
fn read_some(input: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hands out its bytes in pieces of a fixed size, as a slow pipe would.
    struct Drip {
        bytes: Vec<u8>,
        at: usize,
        piece: usize,
    }

    impl Read for Drip {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let got = self.piece.min(into.len()).min(self.bytes.len() - self.at);
            into[..got].copy_from_slice(&self.bytes[self.at..self.at + got]);
            self.at += got;
            Ok(got)
        }
    }

    fn reader(bytes: &[u8], piece: usize) -> LineReader {
        LineReader::new(Box::new(Drip {
            bytes: bytes.to_vec(),
            at: 0,
            piece,
        }))
    }

    /// All lines as (number, offset, text, too long).
    fn all(reader: &mut LineReader) -> Vec<(u64, u64, Vec<u8>, bool)> {
        let mut lines = Vec::new();
        while let Some(read) = reader.next_line().unwrap() {
            let (line, too_long) = match read {
                LineRead::Whole(line) => (line, false),
                LineRead::TooLong(line) => (line, true),
            };
            lines.push((line.number, line.offset, line.bytes.to_vec(), too_long));
        }
        lines
    }

    #[test]
    fn endings_and_the_mark_are_stripped_and_counted() {
        for piece in [1, 2, 3, 7, 1000] {
            let mut reader = reader(b"\xef\xbb\xbfab\r\n\ncd\re\nlast", piece);
            let lines = all(&mut reader);
            let expected: [(u64, u64, &[u8]); 4] = [
                (1, 3, b"ab"),
                (2, 7, b""),
                (3, 8, b"cd\re"),
                (4, 13, b"last"),
            ];
            assert_eq!(lines.len(), expected.len());
            for (line, (number, offset, text)) in lines.iter().zip(expected) {
                assert_eq!(
                    (line.0, line.1, &line.2[..], line.3),
                    (number, offset, text, false)
                );
            }
            assert!(reader.unterminated());
            assert_eq!(reader.bytes(), 17);
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_in_bounded_memory() {
        let mut text = b"a\n".to_vec();
        text.extend(vec![b'x'; 5 << 20]);
        text.extend(b"\nb\n");
        let mut reader = reader(&text, 100_000);
        let lines = all(&mut reader);
        assert_eq!(lines[1], (2, 2, vec![b'x'; 256], true));
        assert_eq!(lines[2], (3, 2 + (5 << 20) + 1, b"b".to_vec(), false));
        assert_eq!(reader.buffer.len(), BUFFER_BYTES);
        assert!(!reader.unterminated());
    }

    #[test]
    fn the_limit_counts_the_text_and_not_its_ending() {
        for ending in ["\n", "\r\n", ""] {
            let mut text = vec![b'x'; LINE_BYTES_MAX];
            text.extend(ending.as_bytes());
            assert!(!all(&mut reader(&text, 9_999))[0].3, "{ending:?}");
            text.insert(0, b'x');
            let lines = all(&mut reader(&text, 9_999));
            assert_eq!((lines.len(), lines[0].3), (1, true), "{ending:?}");
        }
    }

    #[test]
    fn a_session_line_makes_the_buffer_grow() {
        let mut text = vec![b'y'; 3 << 20];
        text.extend(b"\nz");
        let mut reader = reader(&text, 1 << 20);
        reader.set_line_bytes_max(SESSION_LINE_BYTES_MAX);
        let lines = all(&mut reader);
        assert_eq!((lines[0].2.len(), lines[0].3), (3 << 20, false));
        assert_eq!(lines[1].2, b"z");
    }

    #[test]
    fn peeking_consumes_nothing() {
        let mut reader = reader(b"\xef\xbb\xbfa\nb\nc", 1);
        assert_eq!(reader.peek(1).unwrap().bytes, b"a\n");
        let peek = reader.peek(16).unwrap();
        assert_eq!((peek.bytes, peek.ended), (&b"a\nb\nc"[..], true));
        assert_eq!(all(&mut reader).len(), 3);
    }

    proptest! {
        /// Whatever the pieces in which bytes arrive, lines are those that splitting gives.
        #[test]
        fn lines_are_those_of_the_text(
            text in proptest::collection::vec(proptest::sample::select(b"ab\r\n\xef\xbb\xbf".to_vec()), 0..60),
            piece in 1usize..9,
        ) {
            let mut reader = reader(&text, piece);
            let mark = if text.starts_with(BOM) { 3 } else { 0 };
            let mut expected = Vec::new();
            let mut offset = mark as u64;
            for part in text[mark..].split_inclusive(|&b| b == b'\n') {
                let line = part.strip_suffix(b"\n").map_or(part, |l| l.strip_suffix(b"\r").unwrap_or(l));
                expected.push((expected.len() as u64 + 1, offset, line.to_vec(), false));
                offset += part.len() as u64;
            }
            prop_assert_eq!(all(&mut reader), expected);
            prop_assert_eq!(reader.bytes(), text.len() as u64);
        }
    }
}
