//! One line of delimited text → its fields.
//!
//! The csv crate reads the fields, quoting included. Its reader is fed exactly one line a call, so
//! positions are those of the line and an unbalanced quote cannot swallow what follows: a line
//! that leaves a quote open is refused and the reader begins anew.
//!
//! Cost: a line without a quote, which is nearly every line, is cut at its delimiters where it
//! lies; only a line with one is copied through the csv reader.

use std::io::{self, Read, Seek, SeekFrom};

use csv::{ByteRecord, Position, ReaderBuilder, Terminator};

use crate::event::Reason;

use super::HeaderFault;
use super::fields;
use super::nearest::nearest;

/// Cuts lines into fields. Holds what it needs again for every line.
pub(super) struct CsvRow {
    delimiter: u8,
    reader: csv::Reader<Feed>,
    record: ByteRecord,
    spans: Vec<(usize, usize)>,
}

/// The fields of one line.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    text: &'a [u8],
    spans: &'a [(usize, usize)],
}

impl<'a> Row<'a> {
    /// Number of fields.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The field at `place`, from 0; empty where there is none.
    #[inline]
    pub(super) fn get(&self, place: usize) -> &'a [u8] {
        match self.spans.get(place) {
            Some(&(start, end)) => &self.text[start..end],
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
            spans: Vec::new(),
        }
    }

    /// The fields of a line.
    pub(super) fn split<'a>(&'a mut self, line: &'a [u8]) -> Result<Row<'a>, Reason> {
        fields::text(line)?;
        self.spans.clear();
        if memchr::memchr(b'"', line).is_some() {
            return self.split_quoted(line);
        }
        let mut start = 0;
        for end in memchr::memchr_iter(self.delimiter, line) {
            self.spans.push((start, end));
            start = end + 1;
        }
        self.spans.push((start, line.len()));
        Ok(Row {
            text: line,
            spans: &self.spans,
        })
    }

    fn split_quoted(&mut self, line: &[u8]) -> Result<Row<'_>, Reason> {
        self.reader.get_mut().give(line);
        let read = self.reader.read_byte_record(&mut self.record);
        if self.reader.get_ref().starved || !matches!(read, Ok(true)) {
            begin_anew(&mut self.reader);
            return Err(Reason::Syntax);
        }
        let ranges = (0..self.record.len()).filter_map(|place| self.record.range(place));
        self.spans
            .extend(ranges.map(|range| (range.start, range.end)));
        Ok(Row {
            text: self.record.as_slice(),
            spans: &self.spans,
        })
    }

    /// The names in a header line.
    pub(super) fn header(&mut self, line: &[u8]) -> Result<Vec<String>, HeaderFault> {
        let row = self.split(line).map_err(|_| HeaderFault::Unreadable)?;
        let name = |place| String::from_utf8_lossy(row.get(place)).trim().to_owned();
        Ok((0..row.len()).map(name).collect())
    }
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
            row.spans.clear();
            let quoted = row.split_quoted(line.as_bytes()).unwrap();
            let quoted: Vec<&[u8]> = (0..quoted.len()).map(|place| quoted.get(place)).collect();
            prop_assert_eq!(direct.iter().map(String::as_bytes).collect::<Vec<_>>(), quoted);
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
