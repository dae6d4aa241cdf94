//! Writes Restage's own logs: CSV with all twelve columns, or JSON lines.
//!
//! The file's name says which, and how it is compressed: `.jsonl` or anything else, then `.gz`,
//! `.zst` or nothing. The arrival is always written, and is the event's time where none was given.
//! An absent field is an empty one in CSV and left out in JSON. What is written reads back as the
//! same event.
//!
//! A row is one line, so an id that holds a line break cannot be written as CSV: that is an error,
//! and JSON lines are the way out. A file appears under its name only once it is whole: until
//! [`LogWriter::finish`] it is `NAME.partial`, and a writer dropped before that leaves nothing.
//! Pipes and devices are written to directly.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use csv::{QuoteStyle, Terminator, WriterBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::event::Micros;

use super::RawEvent;
use super::fields::FIELD_NAMES;

const BUFFER_BYTES: usize = 256 << 10;
const ZSTD_LEVEL: i32 = 3;

/// Writes one log.
pub struct LogWriter {
    rows: Rows,
    partial: Option<Partial>,
}

enum Rows {
    Csv(Box<csv::Writer<Sink>>),
    Jsonl(Box<Sink>),
}

impl LogWriter {
    /// Begins a log at `path`, or on standard output for `-`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> io::Result<LogWriter> {
        let (raw, partial): (Box<dyn Write + Send>, _) = if path.as_os_str() == "-" {
            (Box::new(io::stdout()), None)
        } else {
            let partial = Partial::of(path)?;
            let file = File::create(partial.as_ref().map_or(path, |partial| &partial.path))?;
            (Box::new(file), partial)
        };
        let (stem, packing) = Packing::of(path);
        let sink = Sink::new(BufWriter::with_capacity(BUFFER_BYTES, raw), packing)?;
        let rows = if stem.ends_with(".jsonl") {
            Rows::Jsonl(Box::new(sink))
        } else {
            let mut writer = WriterBuilder::new()
                .quote_style(QuoteStyle::Necessary)
                .terminator(Terminator::Any(b'\n'))
                .buffer_capacity(1 << 16)
                .from_writer(sink);
            writer.write_record(FIELD_NAMES)?;
            Rows::Csv(Box::new(writer))
        };
        Ok(LogWriter { rows, partial })
    }

    /// Writes an event.
    ///
    /// # Errors
    /// When the log cannot be written to, or the event cannot be written in its format: a text
    /// that is not UTF-8 or holds a NUL, and in CSV one with a line break.
    pub fn write(&mut self, event: &RawEvent<'_>) -> io::Result<()> {
        for text in texts(event) {
            check(text, matches!(self.rows, Rows::Csv(_)))?;
        }
        match &mut self.rows {
            Rows::Csv(writer) => write_csv(writer, event),
            Rows::Jsonl(sink) => write_json(sink, event),
        }
    }

    /// Ends the log and gives it its name.
    ///
    /// # Errors
    /// When what is left cannot be written, or the file cannot be renamed.
    pub fn finish(self) -> io::Result<()> {
        let sink = match self.rows {
            Rows::Csv(writer) => writer.into_inner().map_err(|error| error.into_error())?,
            Rows::Jsonl(sink) => *sink,
        };
        let mut raw = sink.finish()?;
        raw.flush()?;
        drop(raw);
        match self.partial {
            Some(partial) => partial.keep(),
            None => Ok(()),
        }
    }
}

fn texts<'a>(event: &RawEvent<'a>) -> [&'a [u8]; 6] {
    [
        event.visitor,
        event.session,
        event.item,
        event.category,
        event.page,
        event.event_id,
    ]
}

fn check(text: &[u8], is_csv: bool) -> io::Result<()> {
    let refused = |why: &str| {
        let text = text.escape_ascii();
        let message = format!("could not write the text `{text}`: {why}");
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    };
    if super::fields::text(text).is_err() {
        return refused("it was not UTF-8, or held a NUL");
    }
    if is_csv && memchr::memchr2(b'\n', b'\r', text).is_some() {
        return refused("a row of CSV is one line; write JSON lines (.jsonl) instead");
    }
    Ok(())
}

fn write_csv(writer: &mut csv::Writer<Sink>, event: &RawEvent<'_>) -> io::Result<()> {
    let (mut arrival, mut time) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (mut units, price, value) = (itoa::Buffer::new(), event.price, event.value);
    let (price, value) = (amount(price), amount(value));
    let arrival_ms = event.arrival_ms.unwrap_or(event.event_ms);
    let quantity = match event.quantity {
        0 => "",
        quantity => units.format(quantity),
    };
    let fields: [&[u8]; 12] = [
        arrival.format(arrival_ms).as_bytes(),
        time.format(event.event_ms).as_bytes(),
        event.visitor,
        event.session,
        event.kind.name().as_bytes(),
        event.item,
        event.category,
        price.as_bytes(),
        quantity.as_bytes(),
        value.as_bytes(),
        event.page,
        event.event_id,
    ];
    Ok(writer.write_byte_record(&csv::ByteRecord::from(&fields[..]))?)
}

/// The decimal of an amount; no allocation where there is none.
fn amount(amount: Micros) -> String {
    match amount.get() {
        Some(_) => amount.to_string(),
        None => String::new(),
    }
}

fn write_json(sink: &mut Sink, event: &RawEvent<'_>) -> io::Result<()> {
    let arrival_ms = event.arrival_ms.unwrap_or(event.event_ms);
    write!(
        sink,
        "{{\"arrival_ms\":{arrival_ms},\"event_ms\":{}",
        event.event_ms
    )?;
    write_json_text(sink, "visitor", event.visitor)?;
    write_json_text(sink, "session", event.session)?;
    write_json_text(sink, "kind", event.kind.name().as_bytes())?;
    write_json_text(sink, "item", event.item)?;
    write_json_text(sink, "category", event.category)?;
    if event.price.get().is_some() {
        write!(sink, ",\"price\":{}", event.price)?;
    }
    if event.quantity > 0 {
        write!(sink, ",\"quantity\":{}", event.quantity)?;
    }
    if event.value.get().is_some() {
        write!(sink, ",\"value\":{}", event.value)?;
    }
    write_json_text(sink, "page", event.page)?;
    write_json_text(sink, "event_id", event.event_id)?;
    sink.write_all(b"}\n")
}

fn write_json_text(sink: &mut Sink, name: &str, text: &[u8]) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    write!(sink, ",\"{name}\":")?;
    let text = std::str::from_utf8(text).map_err(io::Error::other)?;
    serde_json::to_writer(sink, text).map_err(io::Error::from)
}

/// How a log is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// The name without the ending that says how it is compressed, and what that says.
    fn of(path: &Path) -> (String, Packing) {
        let name = path.to_string_lossy().into_owned();
        for (ending, packing) in [(".gz", Packing::Gzip), (".zst", Packing::Zstd)] {
            if let Some(stem) = name.strip_suffix(ending) {
                return (stem.to_owned(), packing);
            }
        }
        (name, Packing::Plain)
    }
}

type Raw = BufWriter<Box<dyn Write + Send>>;

/// Bytes on their way to the file.
enum Sink {
    Plain(Raw),
    Gzip(GzEncoder<Raw>),
    Zstd(zstd::Encoder<'static, Raw>),
}

impl Sink {
    fn new(raw: Raw, packing: Packing) -> io::Result<Sink> {
        Ok(match packing {
            Packing::Plain => Sink::Plain(raw),
            Packing::Gzip => Sink::Gzip(GzEncoder::new(raw, Compression::default())),
            Packing::Zstd => Sink::Zstd(zstd::Encoder::new(raw, ZSTD_LEVEL)?),
        })
    }

    fn finish(self) -> io::Result<Raw> {
        match self {
            Sink::Plain(raw) => Ok(raw),
            Sink::Gzip(encoder) => encoder.finish(),
            Sink::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(raw) => raw.write(bytes),
            Sink::Gzip(encoder) => encoder.write(bytes),
            Sink::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(raw) => raw.flush(),
            Sink::Gzip(encoder) => encoder.flush(),
            Sink::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// A file that is not whole yet. Removed when dropped.
struct Partial {
    path: PathBuf,
    target: PathBuf,
}

impl Partial {
    /// The partial file for a target that is new or a regular file; none for a pipe or device.
    fn of(target: &Path) -> io::Result<Option<Partial>> {
        // A link's target is what is replaced, not the link.
        let target = match fs::metadata(target) {
            Ok(about) if about.is_file() => fs::canonicalize(target)?,
            Ok(_) => return Ok(None),
            Err(_) => target.to_owned(),
        };
        let mut path = OsString::from(&target);
        path.push(".partial");
        Ok(Some(Partial {
            path: path.into(),
            target,
        }))
    }

    /// Gives the file its name, once its bytes are on the disk.
    fn keep(self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, &self.target)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After `keep` there is nothing left to remove.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Found, Keep, OwnedEvent};
    use super::super::{FormatName, RowReader, Source};
    use super::*;
    use crate::event::Kind;
    use proptest::prelude::*;

    fn sample() -> RawEvent<'static> {
        RawEvent {
            item: b"a \"b\", c",
            price: Micros::new(1_500_000),
            ..RawEvent::new(1_600_000_000_000, Kind::ItemView, b"v")
        }
    }

    fn write_all(path: &Path, events: &[RawEvent<'_>]) -> io::Result<()> {
        let mut writer = LogWriter::create(path)?;
        for event in events {
            writer.write(event)?;
        }
        writer.finish()
    }

    fn read_all(path: &Path) -> (FormatName, Vec<Found>) {
        let mut reader = RowReader::open(&Source::parse(path), None, None).unwrap();
        let mut keep = Keep::default();
        while reader.next_line(&mut keep).unwrap() {}
        (reader.format(), keep.0)
    }

    #[test]
    fn both_formats_are_written_as_documented() {
        let dir = tempfile::tempdir().unwrap();
        let csv = dir.path().join("a.csv");
        write_all(&csv, &[sample()]).unwrap();
        assert_eq!(
            fs::read_to_string(csv).unwrap(),
            "arrival_ms,event_ms,visitor,session,kind,item,category,price,quantity,value,page,event_id\n\
             1600000000000,1600000000000,v,,item_view,\"a \"\"b\"\", c\",,1.5,,,,\n"
        );
        let jsonl = dir.path().join("a.jsonl");
        write_all(&jsonl, &[sample()]).unwrap();
        assert_eq!(
            fs::read_to_string(jsonl).unwrap(),
            "{\"arrival_ms\":1600000000000,\"event_ms\":1600000000000,\"visitor\":\"v\",\
             \"kind\":\"item_view\",\"item\":\"a \\\"b\\\", c\",\"price\":1.5}\n"
        );
    }

    #[test]
    fn the_name_says_format_and_compression() {
        let dir = tempfile::tempdir().unwrap();
        for (name, format, magic) in [
            ("a", FormatName::RestageCsv, &b"arri"[..]),
            ("a.csv.gz", FormatName::RestageCsv, b"\x1f\x8b"),
            ("a.csv.zst", FormatName::RestageCsv, b"\x28\xb5\x2f\xfd"),
            ("a.jsonl", FormatName::RestageJsonl, b"{"),
            ("a.jsonl.gz", FormatName::RestageJsonl, b"\x1f\x8b"),
            ("a.jsonl.zst", FormatName::RestageJsonl, b"\x28\xb5\x2f\xfd"),
        ] {
            let path = dir.path().join(name);
            write_all(&path, &[sample(); 100]).unwrap();
            assert!(fs::read(&path).unwrap().starts_with(magic), "{name}");
            let (found, events) = read_all(&path);
            assert_eq!((found, events.len()), (format, 100), "{name}");
        }
    }

    #[test]
    fn a_file_appears_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, "before").unwrap();
        let mut writer = LogWriter::create(&path).unwrap();
        writer.write(&sample()).unwrap();
        assert!(dir.path().join("a.csv.partial").exists());
        drop(writer);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        write_all(&path, &[]).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("arrival_ms"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(LogWriter::create(&dir.path().join("none/a.csv")).is_err());
    }

    #[test]
    fn a_device_is_written_directly() {
        assert!(write_all(Path::new("/dev/null"), &[sample()]).is_ok());
        assert!(!Path::new("/dev/null.partial").exists());
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, item: &[u8]| {
            let mut writer = LogWriter::create(&dir.path().join(name)).unwrap();
            writer.write(&RawEvent { item, ..sample() })
        };
        let error = write("a.csv", b"a\nb").unwrap_err();
        assert!(error.to_string().contains("`a\\nb`"), "{error}");
        assert!(write("a.csv", b"a\r").is_err());
        assert!(write("a.jsonl", b"a\r\nb").is_ok());
        for name in ["a.csv", "a.jsonl"] {
            assert!(write(name, b"a\0").is_err());
            assert!(write(name, b"\xff").is_err());
        }
    }

    prop_compose! {
        fn any_event()(
            arrival_ms in proptest::option::of(631_152_000_000u64..4_102_444_800_000),
            event_ms in 631_152_000_000u64..4_102_444_800_000,
            kind in 0usize..17,
            visitor in "[^\\x00]{1,32}",
            other in proptest::array::uniform5("[^\\x00]{0,32}|[\",\\\\ \u{feff}]{0,5}"),
            price in proptest::option::of(0i64..1_000_000_000_000_000_000),
            value in proptest::option::of(0i64..1_000_000),
            quantity in 0u32..=1_000_000,
        ) -> OwnedEvent {
            let [session, item, category, page, event_id] = other.map(String::into_bytes);
            OwnedEvent {
                at: 0,
                arrival_ms,
                event_ms,
                kind: Kind::ALL[kind],
                texts: [visitor.into_bytes(), session, item, category, page, event_id],
                price: price.map_or(Micros::NONE, Micros::new),
                value: value.map_or(Micros::NONE, Micros::new),
                quantity,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// What is written reads back as the same event, the arrival filled in.
        #[test]
        fn writing_and_reading_give_the_same_events(events in proptest::collection::vec(any_event(), 1..20)) {
            let dir = tempfile::tempdir().unwrap();
            for name in ["a.csv", "a.jsonl.zst"] {
                let path = dir.path().join(name);
                let mut writer = LogWriter::create(&path).unwrap();
                let mut expected = Vec::new();
                for event in &events {
                    let broken = event.texts.iter().flatten().any(|byte| b"\r\n".contains(byte));
                    if writer.write(&event.raw()).is_err() {
                        prop_assert!(broken && name == "a.csv");
                        continue;
                    }
                    prop_assert!(!broken || name != "a.csv");
                    let arrival_ms = event.arrival_ms.or(Some(event.event_ms));
                    expected.push(Found::Event(Box::new(OwnedEvent { arrival_ms, ..event.clone() })));
                }
                writer.finish().unwrap();
                prop_assert_eq!(read_all(&path).1, expected);
            }
        }
    }
}
