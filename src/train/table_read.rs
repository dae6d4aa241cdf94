//! Reading a delimited text table: separator, byte-order mark, quotes, line ends.
//!
//! The separator is the one of `;`, `,`, tab and `|` that gives the first lines the most cells
//! while giving each the same number. Cells come out trimmed; a record keeps its line, and every
//! error names it. Cost: the file's bytes once over, all held in memory.

use super::table::TableError;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::io::Read;

/// Most rows of a table.
pub const ROWS_MAX: usize = 1_000_000;
/// Most columns of a table.
pub const COLUMNS_MAX: usize = 1_000;

const SEPARATORS: [u8; 4] = *b";,\t|";
/// Lines looked at to find the separator, the header among them.
const LINES_LOOKED_AT: usize = 20;

/// A table as text.
#[derive(Debug)]
pub(super) struct Sheet {
    /// Names from the header, none twice.
    pub names: Vec<String>,
    /// The rows, each as long as the header.
    pub rows: Vec<StringRecord>,
}

impl Sheet {
    /// Reads a whole table.
    pub fn read(mut source: impl Read) -> Result<Sheet, TableError> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes)?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = builder(separator(text)).from_reader(text);
        let names = named(reader.headers().map_err(damaged)?)?;
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(damaged)?;
            if record.len() != names.len() {
                return Err(TableError::Ragged {
                    line: line(&record),
                    expected: names.len(),
                    found: record.len(),
                });
            }
            if rows.len() == ROWS_MAX {
                return Err(TableError::TooLarge {
                    what: "rows",
                    most: ROWS_MAX,
                });
            }
            rows.push(record);
        }
        Ok(Sheet { names, rows })
    }
}

/// The line on which a record begins, from 1.
pub(super) fn line(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn builder(separator: u8) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(separator).flexible(true).trim(Trim::All);
    builder
}

fn separator(text: &[u8]) -> u8 {
    let shape = |separator: u8| {
        let mut reader = builder(separator).has_headers(false).from_reader(text);
        let mut widths = reader
            .byte_records()
            .take(LINES_LOOKED_AT)
            .filter_map(Result::ok)
            .map(|record| record.len());
        let first = widths.next().unwrap_or(0);
        (widths.all(|width| width == first) && first > 1, first)
    };
    // The last of several equals wins: reversed, so that the first named does.
    let in_order = SEPARATORS.into_iter().rev();
    in_order
        .max_by_key(|&separator| shape(separator))
        .unwrap_or(b',')
}

fn named(header: &StringRecord) -> Result<Vec<String>, TableError> {
    if header.len() > COLUMNS_MAX {
        return Err(TableError::TooLarge {
            what: "columns",
            most: COLUMNS_MAX,
        });
    }
    let mut names: Vec<String> = Vec::new();
    for (at, name) in header.iter().enumerate() {
        let name = match name {
            "" => format!("column_{}", at + 1),
            name => name.to_string(),
        };
        if names.contains(&name) {
            return Err(TableError::Twice(name));
        }
        names.push(name);
    }
    if names.is_empty() {
        return Err(TableError::Empty);
    }
    Ok(names)
}

fn damaged(error: csv::Error) -> TableError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => TableError::Io(error),
        csv::ErrorKind::Utf8 { .. } => TableError::NotText { line },
        _ => TableError::Damaged { line },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        let sheet = Sheet::read(text.as_bytes()).unwrap();
        let row = |record: &StringRecord| record.iter().map(String::from).collect();
        std::iter::once(sheet.names)
            .chain(sheet.rows.iter().map(row))
            .collect()
    }

    #[test]
    fn every_separator_and_line_end_gives_the_same_cells() {
        let expected = cells("a,b,c\n1,2,3\n4,5,6\n");
        assert_eq!(expected[0], ["a", "b", "c"]);
        assert_eq!(expected[2], ["4", "5", "6"]);
        for separator in [";", "\t", "|"] {
            for end in ["\n", "\r\n"] {
                let text = "\u{feff}a,b,c\n1,2,3\n\"4\",5, 6";
                let text = text.replace(',', separator).replace('\n', end);
                assert_eq!(cells(&text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn a_separator_inside_quotes_does_not_count() {
        let found = cells("a;b\n\"x,y,z\";1\n\"u,v,w\";2\n");
        assert_eq!(found[1], ["x,y,z", "1"]);
    }

    #[test]
    fn errors_name_the_line() {
        let fails = |bytes: &[u8]| Sheet::read(bytes).unwrap_err().to_string();
        assert!(fails(b"a,b\n1,2\n3\n").contains("line 3"));
        assert!(fails(b"a,b\n1,2\n3,\xff\n").contains("line 3"));
        assert!(fails(b"a,a\n1,2\n").contains("`a`"));
        assert!(fails(b"").contains("header"));
        assert!(fails(b"\n\n").contains("header"));
    }
}
