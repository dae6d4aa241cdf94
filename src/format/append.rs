//! Appends the erasure of a visitor to a log of Restage's own.
//!
//! The event's arrival is the latest time that stands in the log, or one that is given and not
//! earlier, so the log stays in order and a job that reads it forgets the visitor from there on. The
//! row follows the header's columns, is written at once, and reaches the disk before this returns. A
//! last line without an ending gets one first.
//!
//! Cost: one pass over the log, to find its latest time.

use super::csv_row::CsvRow;
use super::fields::FIELD_NAMES;
use super::lines::{LineRead, LineReader};
use super::open::{Source, open};
use super::scrub::{Held, ScrubError, held};
use super::{InputError, RawEvent, RowReader, Rows};
use crate::event::{ID_BYTES_MAX, Kind, Reason, TIME_MS_END, TIME_MS_MIN};
use crate::visit::decision::json_text;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// What the log holds.
    pub held: Held,
    /// The event's arrival, in ms since 1970.
    pub arrival_ms: u64,
    /// Events of the visitor in the log before it.
    pub events_before: u64,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log could not be read, or is none of Restage's own.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It is a file that cannot be appended to.
    #[error("could not append to {path}: {why}")]
    Unfit {
        /// The log.
        path: String,
        /// What stands in the way, and what to do.
        why: String,
    },
    /// It could not be written.
    #[error("could not append to {path}")]
    Write {
        /// The log.
        path: String,
        /// The reason.
        source: io::Error,
    },
}

impl AppendError {
    /// 2 for a log or a time that will not do, 5 for a file that cannot be used.
    pub fn exit_code(&self) -> i32 {
        match self {
            AppendError::Input(error) => error.exit_code(),
            AppendError::Unfit { .. } => 2,
            AppendError::Write { .. } => 5,
        }
    }
}

/// Appends an `erase` event of a visitor, at `at_ms` where that is given.
///
/// # Errors
/// [`AppendError`]; the log is then as it was.
pub fn append_erasure(
    path: &Path,
    visitor: &str,
    at_ms: Option<u64>,
) -> Result<Appended, AppendError> {
    let unfit = |why: String| AppendError::Unfit {
        path: path.display().to_string(),
        why,
    };
    let failed = |source| AppendError::Write {
        path: path.display().to_string(),
        source,
    };
    check_visitor(visitor).map_err(&unfit)?;
    let held = own_log(path)?;
    let length = path.metadata().map_err(failed)?.len();
    let known = latest(path, visitor.as_bytes())?;
    let arrival_ms = arrival(known.latest_ms, at_ms).map_err(&unfit)?;
    let row = match held {
        Held::LogCsv => {
            if visitor.contains(['\n', '\r']) {
                return Err(unfit("a row of CSV is one line, and the id is not".into()));
            }
            csv_row(&header(path)?, visitor, arrival_ms)
        }
        _ => json_row(visitor, arrival_ms),
    };
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .open(path)
        .map_err(failed)?;
    if file.metadata().map_err(failed)?.len() != length {
        let why = "it was written to while it was read; let its writer append the event";
        return Err(unfit(why.into()));
    }
    write(&mut file, row).map_err(failed)?;
    Ok(Appended {
        held,
        arrival_ms,
        events_before: known.of_visitor,
    })
}

fn check_visitor(visitor: &str) -> Result<(), String> {
    if visitor.is_empty() || visitor.len() > ID_BYTES_MAX || visitor.contains('\0') {
        return Err(format!(
            "a visitor's id has 1 to {ID_BYTES_MAX} bytes and no NUL"
        ));
    }
    Ok(())
}

/// What a log of Restage's own holds.
fn own_log(path: &Path) -> Result<Held, AppendError> {
    let unfit = |why: String| AppendError::Unfit {
        path: path.display().to_string(),
        why,
    };
    let source = Source::parse(path);
    if source == Source::Stdin {
        return Err(unfit("standard input is no file".into()));
    }
    if open(&source)?.compressed {
        let why = "it is compressed; decompress it first, or take the visitor out with --scrub";
        return Err(unfit(why.into()));
    }
    match held(path) {
        Ok(held) if held.is_decisions() => {
            let why =
                "it holds decisions; name the log of events, or take the visitor out with --scrub";
            Err(unfit(why.into()))
        }
        Ok(held) => Ok(held),
        Err(ScrubError::Unfit { why, .. }) => match RowReader::open(&source, None, None) {
            Ok(reader) => {
                let format = reader.format().name();
                Err(unfit(format!(
                    "it is a {format} log, and only Restage's own take an `erase`; turn it into one: \
                     restage import {} -o FILE",
                    path.display()
                )))
            }
            Err(InputError::UnknownFormat { .. }) => Err(unfit(why)),
            Err(error) => Err(error.into()),
        },
        Err(ScrubError::Input(error)) => Err(error.into()),
        Err(other) => Err(AppendError::Write {
            path: path.display().to_string(),
            source: io::Error::other(other),
        }),
    }
}

/// What is known of a log's rows.
struct Known<'a> {
    visitor: &'a [u8],
    latest_ms: Option<u64>,
    of_visitor: u64,
}

impl Rows for Known<'_> {
    fn event(&mut self, event: RawEvent<'_>) {
        let at_ms = event.arrival_ms.unwrap_or(event.event_ms);
        self.latest_ms = self.latest_ms.max(Some(at_ms));
        self.of_visitor += u64::from(event.visitor == self.visitor);
    }

    fn reject(&mut self, _at: u32, _reason: Reason) {}
}

fn latest<'a>(path: &Path, visitor: &'a [u8]) -> Result<Known<'a>, InputError> {
    let mut known = Known {
        visitor,
        latest_ms: None,
        of_visitor: 0,
    };
    let mut reader = RowReader::open(&Source::Path(path.to_owned()), None, None)?;
    while reader.next_line(&mut known)? {}
    Ok(known)
}

/// The event's arrival: what is given, if the log may go on with it, or the log's latest time.
fn arrival(latest_ms: Option<u64>, at_ms: Option<u64>) -> Result<u64, String> {
    match (at_ms, latest_ms) {
        (Some(at_ms), Some(latest_ms)) if at_ms < latest_ms => Err(format!(
            "--at {at_ms} lies before the log's latest event, at {latest_ms}; a log never runs backwards"
        )),
        (Some(at_ms), _) if !(TIME_MS_MIN..TIME_MS_END).contains(&at_ms) => Err(format!(
            "--at {at_ms} is not in the years 1990 to 2099; it is in ms since 1970"
        )),
        (Some(at_ms), _) => Ok(at_ms),
        (None, Some(latest_ms)) => Ok(latest_ms),
        (None, None) => {
            Err("it holds no event whose time could be taken; state one with --at".into())
        }
    }
}

/// The names in the header.
fn header(path: &Path) -> Result<Vec<String>, InputError> {
    let mut lines = LineReader::new(open(&Source::Path(path.to_owned()))?.text);
    let failed = |source| InputError::Read {
        path: path.display().to_string(),
        byte: 0,
        compressed: false,
        source,
    };
    while let Some(read) = lines.next_line().map_err(failed)? {
        if let LineRead::Whole(line) = read
            && !line.bytes.is_empty()
        {
            return Ok(CsvRow::new(b',').header(line.bytes).unwrap_or_default());
        }
    }
    Ok(Vec::new())
}

fn csv_row(header: &[String], visitor: &str, arrival_ms: u64) -> Vec<u8> {
    let time = arrival_ms.to_string();
    let value = |column: &String| match FIELD_NAMES.iter().find(|name| **name == column) {
        Some(&("arrival_ms" | "event_ms")) => &time[..],
        Some(&"visitor") => visitor,
        Some(&"kind") => Kind::Erase.name(),
        _ => "",
    };
    let mut row = Vec::new();
    let mut writer = csv::Writer::from_writer(&mut row);
    let record = csv::StringRecord::from_iter(header.iter().map(value));
    writer.write_record(&record).expect("writing to memory");
    drop(writer);
    row
}

fn json_row(visitor: &str, arrival_ms: u64) -> Vec<u8> {
    let mut row = format!("{{\"arrival_ms\":{arrival_ms},\"event_ms\":{arrival_ms},\"visitor\":")
        .into_bytes();
    json_text(visitor.as_bytes(), &mut row);
    row.extend_from_slice(format!(",\"kind\":\"{}\"}}\n", Kind::Erase.name()).as_bytes());
    row
}

/// Writes the row at the end, in one piece, after a line ending if the last line has none.
fn write(file: &mut File, row: Vec<u8>) -> io::Result<()> {
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let mut piece = if last == [b'\n'] {
        Vec::new()
    } else {
        vec![b'\n']
    };
    piece.extend_from_slice(&row);
    file.write_all(&piece)?;
    file.sync_all()
}
