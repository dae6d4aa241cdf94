//! One line of delimited text → its fields.
//!
//! The csv crate reads the fields, quoting included. Its reader is fed exactly one line a call, so
//! positions are those of the line and an unbalanced quote cannot swallow what follows: a line
//! that leaves a quote open is refused and the reader begins anew.
//!
//! Cost: a line without a quote, which is nearly every line, is looked at once, 64 bytes at a time in
//! steps that compilers know how to do on whole registers, and cut at its delimiters where it lies; the same
//! look tells whether anything else has to be asked of it. Only a line with a quote is copied through the
//! csv reader.

use std::io::{self, Read, Seek, SeekFrom};

use csv::{ByteRecord, Position, ReaderBuilder, Terminator};

use crate::event::Reason;
use crate::suggest::nearest;

use super::HeaderFault;
use super::fields;

/// Cuts lines into fields. Holds what it needs again for every line.
pub(super) struct CsvRow {
    delimiter: u8,
    reader: csv::Reader<Feed>,
    record: ByteRecord,
    ends: Vec<u32>,
}

/// The fields of one line.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    text: &'a [u8],
    /// Where fields end: each begins so much after the one before it, and the first is after nothing.
    ends: &'a [u32],
    gap: u32,
}

impl<'a> Row<'a> {
    /// Number of fields.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// The field at `place`, from 0; empty where there is none.
    #[inline]
    pub(super) fn get(&self, place: usize) -> &'a [u8] {
        let ends = self.ends.get(place..).and_then(|ends| ends.first_chunk());
        match ends {
            Some(&[before, end]) => {
                &self.text[before.wrapping_add(self.gap) as usize..end as usize]
            }
            None => b"",
        }
    }
}

impl CsvRow {
    pub(super) fn new(delimiter: u8) -> CsvRow {
        CsvRow {
            delimiter,
            reader: reader(delimiter),
            record: ByteRecord::new(),
            ends: Vec::new(),
        }
    }

    /// The fields of a line.
    #[inline]
    pub(super) fn split<'a>(&'a mut self, line: &'a [u8]) -> Result<Row<'a>, Reason> {
        if cut(line, self.delimiter, &mut self.ends) {
            fields::text(line)?;
            if memchr::memchr(b'"', line).is_some() {
                return self.split_quoted(line);
            }
        }
        Ok(Row {
            text: line,
            ends: &self.ends,
            gap: DELIMITER_BYTES,
        })
    }

    fn split_quoted(&mut self, line: &[u8]) -> Result<Row<'_>, Reason> {
        self.reader.get_mut().give(line);
        let read = self.reader.read_byte_record(&mut self.record);
        if self.reader.get_ref().starved || !matches!(read, Ok(true)) {
            begin_anew(&mut self.reader);
            return Err(Reason::Syntax);
        }
        // The record's fields stand one right after the other.
        let ranges = (0..self.record.len()).filter_map(|place| self.record.range(place));
        self.ends.clear();
        self.ends.push(0);
        self.ends.extend(ranges.map(|range| range.end as u32));
        Ok(Row {
            text: self.record.as_slice(),
            ends: &self.ends,
            gap: 0,
        })
    }

    /// The names in a header line.
    pub(super) fn header(&mut self, line: &[u8]) -> Result<Vec<String>, HeaderFault> {
        let row = self.split(line).map_err(|_| HeaderFault::Unreadable)?;
        let name = |place| String::from_utf8_lossy(row.get(place)).trim().to_owned();
        Ok((0..row.len()).map(name).collect())
    }
}

/// Bytes between two fields of a line.
const DELIMITER_BYTES: u32 = 1;

/// Cuts a line at its delimiters: where fields end, after the place where one before the first would have.
/// Returns whether the line holds a quote, by which the cut is worth nothing, or bytes that are not
/// ASCII's 1 to 127.
#[inline]
fn cut(line: &[u8], delimiter: u8, ends: &mut Vec<u32>) -> bool {
    ends.clear();
    ends.push(0u32.wrapping_sub(DELIMITER_BYTES));
    let mut special = 0;
    // What stands in the first 64 bytes from `base`, but for the first `skip` of them.
    let mut look = |block: &[u8; 64], base: usize, skip: usize| {
        special |= specials(block);
        let mut hits = u64::MAX << skip & delimiters(block, delimiter);
        while hits != 0 {
            ends.push(base as u32 + hits.trailing_zeros());
            hits &= hits - 1;
        }
    };
    let (blocks, rest) = line.as_chunks::<64>();
    for (nth, block) in blocks.iter().enumerate() {
        look(block, nth * 64, 0);
    }
    match line.last_chunk::<64>() {
        _ if rest.is_empty() => {}
        // The last block reaches back into the one before it.
        Some(last) => look(last, line.len() - 64, 64 - rest.len()),
        None => {
            // Filled up with bytes that are nothing special; a delimiter among them is beyond the end.
            let mut last = [1; 64];
            last[..rest.len()].copy_from_slice(rest);
            look(&last, 0, 0);
            let within = |&end: &u32| (end as usize) < rest.len();
            ends.truncate(1 + ends[1..].partition_point(within));
        }
    }
    ends.push(line.len() as u32);
    special & 0x80 != 0
}

/// The highest bit says whether a block holds a quote, or a byte that is not ASCII's 1 to 127.
#[inline]
fn specials(block: &[u8; 64]) -> u8 {
    let mut all = 0;
    for &byte in block {
        let quote = 0u8.wrapping_sub(u8::from(byte == b'"'));
        all |= quote | byte | byte.wrapping_sub(1);
    }
    all
}

/// Where the delimiter stands in a block, a bit for each byte.
#[inline]
fn delimiters(block: &[u8; 64], delimiter: u8) -> u64 {
    let mut equal = [0; 64];
    for (equal, &byte) in equal.iter_mut().zip(block) {
        *equal = u8::from(byte == delimiter);
    }
    let mut hits = 0;
    for (at, eight) in equal.as_chunks::<8>().0.iter().enumerate() {
        // Gathers the bits: the one of byte `i` is moved up by 56 - 7i, to place 56 + i.
        let gathered = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        hits |= gathered << (8 * at);
    }
    hits
}

/// Where the column `name` stands in a header, if it is there; an error if it is there twice.
pub(super) fn column(header: &[String], name: &str) -> Result<Option<usize>, HeaderFault> {
    let mut places = (0..header.len()).filter(|&place| header[place] == name);
    let first = places.next();
    match places.next() {
        None => Ok(first),
        Some(_) => Err(HeaderFault::Repeated {
            column: name.to_owned(),
        }),
    }
}

/// Where the column `name` stands in a header, in which it must be.
pub(super) fn column_required(header: &[String], name: &str) -> Result<usize, HeaderFault> {
    column(header, name)?.ok_or_else(|| HeaderFault::Missing {
        column: name.to_owned(),
        nearest: nearest(name, header.iter().map(String::as_str)).map(str::to_owned),
    })
}

/// A reader that has already passed its first bytes, where it would drop a byte-order mark.
fn reader(delimiter: u8) -> csv::Reader<Feed> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .terminator(Terminator::Any(b'\n'))
        .has_headers(false)
        .flexible(true)
        .from_reader(Feed::default());
    pass_first_bytes(&mut reader);
    reader
}

/// Forgets an open quote. A new reader would do, at thirty times the cost: its tables are built
/// anew each time.
fn begin_anew(reader: &mut csv::Reader<Feed>) {
    // Nothing is sought, so nothing can fail: it is what resets the reader.
    let _ = reader.seek_raw(SeekFrom::Start(0), Position::new());
    pass_first_bytes(reader);
}

fn pass_first_bytes(reader: &mut csv::Reader<Feed>) {
    reader.get_mut().give(b"-");
    // Reading from memory: it cannot fail, and what it reads does not matter.
    let _ = reader.read_byte_record(&mut ByteRecord::new());
}

/// Hands one line to the csv reader, and notes when that asks for more.
#[derive(Default)]
struct Feed {
    text: Vec<u8>,
    at: usize,
    starved: bool,
}

impl Feed {
    fn give(&mut self, line: &[u8]) {
        self.text.clear();
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.at = 0;
        self.starved = false;
    }
}

impl Read for Feed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut rest = &self.text[self.at..];
        self.starved = rest.is_empty();
        let got = rest.read(into)?;
        self.at += got;
        Ok(got)
    }
}

impl Seek for Feed {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(row: &mut CsvRow, line: &str) -> Result<Vec<String>, Reason> {
        let row = row.split(line.as_bytes())?;
        Ok((0..row.len())
            .map(|place| String::from_utf8(row.get(place).to_vec()).unwrap())
            .collect())
    }

    #[test]
    fn fields_come_out_unquoted() {
        let mut row = CsvRow::new(b',');
        assert_eq!(
            fields(&mut row, "a,,\"b,c\",\"d\"\"e\"").unwrap(),
            ["a", "", "b,c", "d\"e"]
        );
        assert_eq!(fields(&mut row, "a\rb,c").unwrap(), ["a\rb", "c"]);
        assert_eq!(fields(&mut row, "\u{feff}a").unwrap(), ["\u{feff}a"]);
        assert_eq!(
            fields(&mut CsvRow::new(b'\t'), "a\tb,c").unwrap(),
            ["a", "b,c"]
        );
    }

    #[test]
    fn an_open_quote_costs_its_own_line_only() {
        let mut row = CsvRow::new(b',');
        let long = format!("\"{}", "x".repeat(60_000));
        for open in ["a,\"b", "\"", &long, "\"a\"\"", "a,\"b"] {
            assert_eq!(fields(&mut row, open), Err(Reason::Syntax));
            assert_eq!(fields(&mut row, "c,\"d\"").unwrap(), ["c", "d"]);
            assert_eq!(fields(&mut row, open), Err(Reason::Syntax));
            assert_eq!(fields(&mut row, "\u{feff}e").unwrap(), ["\u{feff}e"]);
            assert_eq!(fields(&mut row, open), Err(Reason::Syntax));
            assert_eq!(
                fields(&mut row, "\u{feff}\"e\"").unwrap(),
                ["\u{feff}\"e\""]
            );
        }
    }

    #[test]
    fn a_line_longer_than_the_readers_buffer_is_one_row() {
        let mut row = CsvRow::new(b',');
        let long = "x".repeat(60_000);
        assert_eq!(
            fields(&mut row, &format!("{long},\"{long}\"")).unwrap(),
            [&long[..], &long]
        );
    }

    proptest! {
        /// The direct cut and the csv reader agree wherever both apply.
        #[test]
        fn the_short_way_gives_what_the_csv_reader_gives(line in "[a-c,;\r \u{feff}]{1,30}") {
            let mut row = CsvRow::new(b',');
            let direct = fields(&mut row, &line).unwrap();
            let quoted = row.split_quoted(line.as_bytes()).unwrap();
            let quoted: Vec<&[u8]> = (0..quoted.len()).map(|place| quoted.get(place)).collect();
            prop_assert_eq!(direct.iter().map(String::as_bytes).collect::<Vec<_>>(), quoted);
        }
    }

    proptest! {
        /// The cut agrees with a plain search, whatever the bytes.
        #[test]
        fn the_cut_agrees_with_a_plain_search(
            line in proptest::collection::vec(
                prop_oneof![4 => 32u8..127, 1 => Just(b','), 1 => any::<u8>()], 0..200),
            delimiter in prop_oneof![Just(b','), Just(b'\t'), Just(1u8), any::<u8>()],
        ) {
            let mut ends = Vec::new();
            let special = cut(&line, delimiter, &mut ends);
            let row = Row { text: &line, ends: &ends, gap: DELIMITER_BYTES };
            let fields: Vec<&[u8]> = (0..row.len()).map(|place| row.get(place)).collect();
            let expected: Vec<&[u8]> = line.split(|&byte| byte == delimiter).collect();
            prop_assert_eq!(fields, expected);
            let is_special = |&byte: &u8| byte == b'"' || byte == 0 || byte > 127;
            prop_assert_eq!(special, line.iter().any(is_special));
        }
    }

    #[test]
    fn columns_are_found_by_name() {
        let mut row = CsvRow::new(b',');
        let header = row.header(b"a, b ,\"c\",a").unwrap();
        assert_eq!(column(&header, "b"), Ok(Some(1)));
        assert_eq!(column(&header, "d"), Ok(None));
        assert_eq!(
            column(&header, "a"),
            Err(HeaderFault::Repeated { column: "a".into() })
        );
        assert_eq!(row.header(b"a,\"b"), Err(HeaderFault::Unreadable));
    }
}
