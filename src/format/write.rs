//! Writes Restage's own logs: CSV with twelve columns, or JSON lines.
//!
//! The file's name says which, and how it is compressed: `.jsonl` or anything else, then `.gz`,
//! `.zst` or nothing. The arrival is always written, and is the event's time where none was given.
//! An absent field is an empty one in CSV and left out in JSON. What is written reads back as the
//! same event: JSON lines name the device where it is known; CSV has no column for it unless
//! [`LogWriter::with_device`] asks for a thirteenth.
//!
//! A row is one line, so an id that holds a line break cannot be written as CSV: that is an error,
//! and JSON lines are the way out. A log appears under its name only when it is finished; see
//! [`super::sink`].

use std::io::{self, Write};
use std::path::Path;

use csv::{QuoteStyle, Terminator, WriterBuilder};

use crate::event::{Device, Micros};

use super::RawEvent;
use super::fields::{self, FIELD_COUNT, FIELD_NAMES};
use super::sink::Sink;
use super::table::field;

/// Writes one log.
pub struct LogWriter {
    rows: Rows,
    /// Columns of CSV: all, or all before the device.
    columns: usize,
    /// Whether the header of CSV, if it is CSV, is written.
    begun: bool,
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
        let sink = Sink::create(path)?;
        let name = path.to_string_lossy();
        let endings = [".jsonl", ".jsonl.gz", ".jsonl.zst"];
        let rows = if endings.iter().any(|ending| name.ends_with(ending)) {
            Rows::Jsonl(Box::new(sink))
        } else {
            let writer = WriterBuilder::new()
                .quote_style(QuoteStyle::Necessary)
                .terminator(Terminator::Any(b'\n'))
                .buffer_capacity(1 << 16)
                .from_writer(sink);
            Rows::Csv(Box::new(writer))
        };
        Ok(LogWriter {
            rows,
            columns: field::DEVICE,
            begun: false,
        })
    }

    /// The same log with a column for the device, if `device`: for CSV, whose header says so.
    ///
    /// # Panics
    /// If an event has been written.
    pub fn with_device(self, device: bool) -> LogWriter {
        assert!(!self.begun, "the header is written");
        let columns = if device { FIELD_COUNT } else { field::DEVICE };
        LogWriter { columns, ..self }
    }

    /// Writes the header of CSV, once.
    fn begin(&mut self) -> io::Result<()> {
        if let (Rows::Csv(writer), false) = (&mut self.rows, self.begun) {
            let header = csv::ByteRecord::from(&FIELD_NAMES[..self.columns]);
            write_record(writer, &header)?;
        }
        self.begun = true;
        Ok(())
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
        self.begin()?;
        match &mut self.rows {
            Rows::Csv(writer) => write_csv(writer, event, self.columns),
            Rows::Jsonl(sink) => write_json(sink, event),
        }
    }

    /// Ends the log and gives it its name.
    ///
    /// # Errors
    /// When what is left cannot be written, or the file cannot be renamed.
    pub fn finish(mut self) -> io::Result<()> {
        self.begin()?;
        match self.rows {
            Rows::Csv(writer) => {
                let sink = writer.into_inner().map_err(|error| error.into_error())?;
                sink.finish()
            }
            Rows::Jsonl(sink) => sink.finish(),
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
    if fields::text(text).is_err() {
        return refused("it was not UTF-8, or held a NUL");
    }
    if is_csv && memchr::memchr2(b'\n', b'\r', text).is_some() {
        return refused("a row of CSV is one line; write JSON lines (.jsonl) instead");
    }
    Ok(())
}

fn write_csv(
    writer: &mut csv::Writer<Sink>,
    event: &RawEvent<'_>,
    columns: usize,
) -> io::Result<()> {
    let (mut arrival, mut time) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (mut units, price, value) = (itoa::Buffer::new(), event.price, event.value);
    let (price, value) = (amount(price), amount(value));
    let arrival_ms = event.arrival_ms.unwrap_or(event.event_ms);
    let quantity = match event.quantity {
        0 => "",
        quantity => units.format(quantity),
    };
    let fields: [&[u8]; FIELD_COUNT] = [
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
        device(event.device).as_bytes(),
    ];
    write_record(writer, &csv::ByteRecord::from(&fields[..columns]))
}

fn write_record(writer: &mut csv::Writer<Sink>, record: &csv::ByteRecord) -> io::Result<()> {
    writer
        .write_byte_record(record)
        .map_err(|error| match error.into_kind() {
            // As it was: whether a reader went away shows in the kind of the error.
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        })
}

/// The name of a device; nothing where it is not known.
fn device(device: Device) -> &'static str {
    match device {
        Device::Unknown => "",
        known => known.name(),
    }
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
    write!(sink, "{{\"arrival_ms\":{arrival_ms}")?;
    write_event(sink, event)
}

/// Writes an event's JSON line from behind its arrival on.
///
/// # Errors
/// The sink's; a text that is not UTF-8.
pub fn write_event(sink: &mut impl Write, event: &RawEvent<'_>) -> io::Result<()> {
    write!(sink, ",\"event_ms\":{}", event.event_ms)?;
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
    write_json_text(sink, "device", device(event.device).as_bytes())?;
    sink.write_all(b"}\n")
}

fn write_json_text(sink: &mut impl Write, name: &str, text: &[u8]) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    write!(sink, ",\"{name}\":")?;
    let text = std::str::from_utf8(text).map_err(io::Error::other)?;
    serde_json::to_writer(sink, text).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Found, Keep, OwnedEvent};
    use super::super::{FormatName, RowReader, Source};
    use super::*;
    use crate::event::Kind;
    use proptest::prelude::*;
    use std::fs;

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
    fn a_device_is_written_where_it_is_known_and_in_csv_where_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let tablet = RawEvent {
            device: Device::Tablet,
            ..sample()
        };
        let write = |name: &str, device: bool| {
            let path = dir.path().join(name);
            let mut writer = LogWriter::create(&path).unwrap().with_device(device);
            writer.write(&tablet).unwrap();
            writer.write(&sample()).unwrap();
            writer.finish().unwrap();
            fs::read_to_string(path).unwrap()
        };
        let ends = |log: &str| -> Vec<String> {
            let last = |row: &str| row.rsplit(',').next().unwrap().to_owned();
            log.lines().map(last).collect()
        };
        assert_eq!(ends(&write("with.csv", true)), ["device", "tablet", ""]);
        assert_eq!(ends(&write("without.csv", false)), ["event_id", "", ""]);
        assert_eq!(
            ends(&write("a.jsonl", false)),
            ["\"device\":\"tablet\"}", "\"price\":1.5}"]
        );
    }

    #[test]
    fn a_log_without_events_has_its_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        write_all(&path, &[]).unwrap();
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text, FIELD_NAMES[..12].join(",") + "\n");
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
            device in 0usize..4,
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
                device: Device::ALL[device],
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
                let mut writer = LogWriter::create(&path).unwrap().with_device(true);
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
