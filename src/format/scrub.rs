//! Takes a visitor's rows out of files that Restage wrote: its own logs and its decision records.
//!
//! A row goes if its visitor is the one, whatever else it says; every other row is kept, byte by
//! byte, line ending included. A row of which the visitor cannot be told is kept, too, and counted;
//! those among them that hold the visitor's id somewhere are counted once more, for somebody to look.
//! A row is a line, but for a record in CSV, whose quoted ids may hold line breaks.
//!
//! The file is rewritten beside itself and takes its own name only once it is whole and on the disk
//! ([`super::sink`]); where nothing is taken out, it stays as it is. A file that somebody else writes
//! to meanwhile is left alone.
//!
//! Cost: one pass, parsing every row. Memory: a row, 16 MiB at most.

use super::csv_row::{CsvRow, column};
use super::fields::{FIELD_NAMES, FIELDS_REQUIRED};
use super::json::{self, Object};
use super::open::{Source, open};
use super::sink::Sink;
use super::{InputError, lines};
use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

/// Longest row that is parsed; a longer line is passed on in pieces.
pub const ROW_BYTES_MAX: usize = lines::SESSION_LINE_BYTES_MAX;
/// Lines of text by which a file is known.
const KNOWN_BY_LINES: usize = 16;
/// Most lines that one record in CSV may have.
const RECORD_LINES_MAX: usize = 64;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Events, as Restage's own CSV.
    LogCsv,
    /// Events, as Restage's own JSON lines.
    LogJsonl,
    /// Decision records as CSV.
    DecisionsCsv,
    /// Decision records as JSON lines.
    DecisionsJsonl,
}

impl Held {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Held::LogCsv => "restage-csv",
            Held::LogJsonl => "restage-jsonl",
            Held::DecisionsCsv => "decisions-csv",
            Held::DecisionsJsonl => "decisions-jsonl",
        }
    }

    /// Whether it holds decision records.
    pub fn is_decisions(self) -> bool {
        matches!(self, Held::DecisionsCsv | Held::DecisionsJsonl)
    }
}

/// What a file came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Rows, without the header and blank lines.
    pub rows: u64,
    /// Rows of the visitor, which were taken out.
    pub removed: u64,
    /// Rows of which no visitor could be told, which were kept.
    pub unreadable: u64,
    /// Those among them that hold the visitor's id somewhere.
    pub unreadable_naming: u64,
}

/// Why a file was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// It could not be opened or read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It could not be read on.
    #[error("could not read {path} to its end")]
    Read {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// It is not a file that can be rewritten.
    #[error("could not rewrite {path}: {why}")]
    Unfit {
        /// The file.
        path: String,
        /// What stands in the way, and what to do.
        why: String,
    },
    /// It could not be written.
    #[error("could not write {path} anew; it is as it was")]
    Write {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// Somebody else wrote to it.
    #[error(
        "{path} was written to while it was read, and is left as it is; stop its writer and try again"
    )]
    Changed {
        /// The file.
        path: String,
    },
}

impl ScrubError {
    /// 1 for a file that changed, 2 for one that is not understood, 5 for one that cannot be used.
    pub fn exit_code(&self) -> i32 {
        match self {
            ScrubError::Input(error) => error.exit_code(),
            ScrubError::Unfit { .. } => 2,
            ScrubError::Changed { .. } => 1,
            ScrubError::Read { .. } | ScrubError::Write { .. } => 5,
        }
    }

    fn unfit(path: &Path, why: impl Into<String>) -> ScrubError {
        ScrubError::Unfit {
            path: path.display().to_string(),
            why: why.into(),
        }
    }
}

/// What a file holds. Nothing is changed.
///
/// # Errors
/// [`ScrubError`] when it cannot be read, is no regular file, is compressed otherwise than its name
/// says, or holds neither a log of Restage's own nor decision records.
pub fn held(path: &Path) -> Result<Held, ScrubError> {
    if path.as_os_str() == "-" {
        return Err(ScrubError::unfit(path, "standard input is no file"));
    }
    let input = open(&Source::Path(path.to_owned()))?;
    if input.bytes_total.is_none() {
        return Err(ScrubError::unfit(path, "it is no regular file"));
    }
    let packed_by_name = matches!(
        path.extension().and_then(|extension| extension.to_str()),
        Some("gz" | "zst")
    );
    if input.compressed != packed_by_name {
        let is = if input.compressed { "" } else { "not " };
        let why = format!("it is {is}compressed, and its name says otherwise; rename it");
        return Err(ScrubError::unfit(path, why));
    }
    let mut raw = RawLines::new(input.text);
    let mut known_by = 0;
    while let Some(line) = raw.next().map_err(|source| unread(path, source))? {
        let text = row_of(&line, raw.taken == 1);
        if text.is_empty() {
            continue;
        }
        if let Some(held) = known(text, known_by == 0) {
            return Ok(held);
        }
        known_by += 1;
        if known_by == KNOWN_BY_LINES {
            break;
        }
    }
    let why = "it holds neither a log of Restage's own (CSV or JSON lines) nor decision records; \
               `restage import` turns other logs into Restage's own";
    Err(ScrubError::unfit(path, why))
}

/// What the line of a file says that it holds.
fn known(line: &[u8], first: bool) -> Option<Held> {
    if line.first() == Some(&b'{') {
        let object = serde_json::from_str::<Object<'_>>(json::text(line).ok()?).ok()?;
        let has = |names: [&str; 3]| names.iter().all(|name| object.0.contains_key(*name));
        return if has(["event_ms", "visitor", "kind"]) {
            Some(Held::LogJsonl)
        } else if has(["at_ms", "visitor", "trigger"]) {
            Some(Held::DecisionsJsonl)
        } else {
            None
        };
    }
    // A header stands before everything else.
    let names = CsvRow::new(b',').header(line).ok().filter(|_| first)?;
    let has = |name: &str| names.iter().any(|column| column == name);
    if FIELDS_REQUIRED.iter().all(|field| has(FIELD_NAMES[*field])) {
        Some(Held::LogCsv)
    } else if ["at_ms", "visitor", "trigger"].into_iter().all(has) {
        Some(Held::DecisionsCsv)
    } else {
        None
    }
}

/// Rewrites a file without the rows of a visitor.
///
/// # Errors
/// [`ScrubError`]; the file is then as it was.
pub fn scrub(path: &Path, held: Held, visitor: &[u8]) -> Result<Scrubbed, ScrubError> {
    let failed = |source| ScrubError::Write {
        path: path.display().to_string(),
        source,
    };
    let before = stamp(path).map_err(failed)?;
    let input = open(&Source::Path(path.to_owned()))?;
    let mut sink = Sink::create(path).map_err(failed)?;
    let mut scrubber = Scrubber::new(held, visitor);
    let mut lines = RawLines::new(input.text);
    while let Some(row) = scrubber
        .next_row(&mut lines)
        .map_err(|source| unread(path, source))?
    {
        if scrubber.keeps(&row, lines.taken == 1) {
            sink.write_all(&row).map_err(failed)?;
        }
    }
    if stamp(path).map_err(failed)? != before {
        return Err(ScrubError::Changed {
            path: path.display().to_string(),
        });
    }
    if scrubber.found.removed > 0 {
        sink.finish().map_err(failed)?;
    }
    Ok(scrubber.found)
}

/// What shows that a file was written to.
fn stamp(path: &Path) -> io::Result<(u64, Option<std::time::SystemTime>)> {
    let about = fs::metadata(path)?;
    Ok((about.len(), about.modified().ok()))
}

fn unread(path: &Path, source: io::Error) -> ScrubError {
    ScrubError::Read {
        path: path.display().to_string(),
        source,
    }
}

/// Tells the rows of a visitor from others.
struct Scrubber<'a> {
    held: Held,
    visitor: &'a [u8],
    row: CsvRow,
    /// Columns of CSV, and the visitor's, once the header has been read.
    columns: Option<(usize, usize)>,
    found: Scrubbed,
}

impl<'a> Scrubber<'a> {
    fn new(held: Held, visitor: &'a [u8]) -> Scrubber<'a> {
        Scrubber {
            held,
            visitor,
            row: CsvRow::new(b','),
            columns: None,
            found: Scrubbed::default(),
        }
    }

    /// The next row with its line ending: a line, or the lines of one record.
    fn next_row(&mut self, lines: &mut RawLines) -> io::Result<Option<Vec<u8>>> {
        let Some(first) = lines.next()? else {
            return Ok(None);
        };
        if self.held != Held::DecisionsCsv || is_closed(&first) {
            return Ok(Some(first));
        }
        let mut record = first.clone();
        let mut more = Vec::new();
        while more.len() < RECORD_LINES_MAX && record.len() < ROW_BYTES_MAX {
            let Some(line) = lines.next()? else {
                break;
            };
            record.extend_from_slice(&line);
            more.push(line);
            if is_closed(&record) && self.whose(row_of(&record, false)).is_some() {
                return Ok(Some(record));
            }
        }
        // A stray quote: the lines after it are rows of their own.
        lines.put_back(more);
        Ok(Some(first))
    }

    /// Whether a row stays; counts it.
    fn keeps(&mut self, line: &[u8], first: bool) -> bool {
        let text = row_of(line, first);
        if text.is_empty() {
            return true;
        }
        let is_csv = matches!(self.held, Held::LogCsv | Held::DecisionsCsv);
        if is_csv && self.columns.is_none() {
            let names = self.row.header(text).unwrap_or_default();
            let place = column(&names, "visitor").ok().flatten();
            self.columns = place.map(|place| (names.len(), place));
            return true;
        }
        self.found.rows += 1;
        match self.whose(text) {
            Some(is_visitor) => {
                self.found.removed += u64::from(is_visitor);
                !is_visitor
            }
            None => {
                let named = memchr::memmem::find(line, self.visitor).is_some();
                self.found.unreadable += 1;
                self.found.unreadable_naming += u64::from(named);
                true
            }
        }
    }

    /// Whether a row is the visitor's; nothing where that cannot be told.
    fn whose(&mut self, row: &[u8]) -> Option<bool> {
        match self.held {
            Held::LogCsv | Held::DecisionsCsv => {
                let (width, place) = self.columns?;
                let fields = self.row.split(row).ok()?;
                (fields.len() == width).then(|| fields.get(place) == self.visitor)
            }
            Held::LogJsonl | Held::DecisionsJsonl => {
                let object = serde_json::from_str::<Object<'_>>(json::text(row).ok()?).ok()?;
                let name = json::plain(object.0.get("visitor")?).ok()?;
                Some(name.as_bytes() == self.visitor)
            }
        }
    }
}

/// Whether every quoted field of a record is closed again. A quote opens a field only at its start;
/// within one, two of them are one that is meant.
fn is_closed(record: &[u8]) -> bool {
    let (mut quoted, mut may_open) = (false, true);
    for &byte in record {
        match byte {
            b'"' if quoted => (quoted, may_open) = (false, true),
            b'"' if may_open => (quoted, may_open) = (true, false),
            _ => may_open = byte == b',',
        }
    }
    !quoted
}

/// A line without its ending, and without the byte-order mark that the first may have.
fn row_of(line: &[u8], first: bool) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.strip_prefix(b"\xef\xbb\xbf") {
        Some(text) if first => text,
        _ => line,
    }
}

/// Cuts bytes into lines that keep their endings.
struct RawLines {
    input: BufReader<Box<dyn Read + Send>>,
    waiting: VecDeque<Vec<u8>>,
    /// Lines handed out, those that were put back once less.
    taken: u64,
}

impl RawLines {
    fn new(input: Box<dyn Read + Send>) -> RawLines {
        RawLines {
            input: BufReader::with_capacity(1 << 16, input),
            waiting: VecDeque::new(),
            taken: 0,
        }
    }

    /// The next line, or a piece of one that is too long.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(line) = self.waiting.pop_front() {
            self.taken += 1;
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        let mut piece = (&mut self.input).take(ROW_BYTES_MAX as u64);
        piece.read_until(b'\n', &mut line)?;
        self.taken += u64::from(!line.is_empty());
        Ok((!line.is_empty()).then_some(line))
    }

    fn put_back(&mut self, lines: Vec<Vec<u8>>) {
        self.taken -= lines.len() as u64;
        for line in lines.into_iter().rev() {
            self.waiting.push_front(line);
        }
    }
}
