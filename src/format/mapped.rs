//! Logs that a [`Mapping`] describes.
//!
//! CSV rows cost what a known format's cost. JSON objects are taken apart once a row, and again
//! below the top for every path that leads there; this allocates.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::event::{Kind, Reason};

use super::csv_row::{CsvRow, column_required};
use super::fields::{FIELD_COUNT, Fields};
use super::json::{self, Object};
use super::mapping::{Mapping, Shape};
use super::table::field;
use super::{Decoder, HeaderFault, Line, RawEvent, Rows};

/// Reads a log by its mapping.
pub struct Mapped {
    mapping: Arc<Mapping>,
    /// For CSV: the cutter, the fields that a row must have, and where each of ours stands.
    row: CsvRow,
    width: Width,
    places: [Option<usize>; FIELD_COUNT],
}

/// How many fields a row must have.
enum Width {
    /// As many as the header.
    Exactly(usize),
    /// Enough for the last column that is mapped.
    AtLeast(usize),
}

impl Mapping {
    /// Whether the log's first line is a header.
    pub fn has_header(&self) -> bool {
        matches!(self.shape, Shape::Named(..))
    }
}

impl Mapped {
    /// Reads the header where the mapping says there is one; elsewhere `header` is ignored.
    ///
    /// # Errors
    /// [`HeaderFault`] when a mapped column is missing or there twice.
    pub fn new(mapping: Arc<Mapping>, header: &[u8]) -> Result<Mapped, HeaderFault> {
        let (mut row, width, mut places);
        match &mapping.shape {
            Shape::Named(delimiter, columns) => {
                row = CsvRow::new(*delimiter);
                places = [None; FIELD_COUNT];
                let names = row.header(header)?;
                for (place, column) in places.iter_mut().zip(columns) {
                    if let Some(column) = column {
                        *place = Some(column_required(&names, column)?);
                    }
                }
                width = Width::Exactly(names.len());
            }
            Shape::Placed(delimiter, columns) => {
                row = CsvRow::new(*delimiter);
                places = *columns;
                width = Width::AtLeast(columns.iter().flatten().max().map_or(0, |last| last + 1));
            }
            Shape::Json(_) => {
                row = CsvRow::new(b',');
                places = [None; FIELD_COUNT];
                width = Width::AtLeast(0);
            }
        }
        Ok(Mapped {
            mapping,
            row,
            width,
            places,
        })
    }

    /// Hands the event of a line to `take`; the texts live no longer than that.
    fn read(&mut self, line: &[u8], take: impl FnOnce(RawEvent<'_>)) -> Result<(), Reason> {
        let mapping = &*self.mapping;
        let kind = |word: &[u8]| -> Option<Kind> { mapping.kind(word) };
        let mut texts: [&[u8]; FIELD_COUNT] =
            std::array::from_fn(|field| mapping.constants[field].as_bytes());
        if let Shape::Json(paths) = &mapping.shape {
            let object: Object<'_> =
                serde_json::from_str(json::text(line)?).map_err(|_| Reason::Syntax)?;
            let mut found: [Cow<'_, str>; FIELD_COUNT] = Default::default();
            for (field, (found, path)) in found.iter_mut().zip(paths).enumerate() {
                match path.as_ref().map(|path| follow(&object, path)) {
                    Some(Err(reason)) if field != field::DEVICE => return Err(reason),
                    Some(Ok(text)) => *found = text,
                    _ => {}
                }
            }
            for ((text, found), path) in texts.iter_mut().zip(&found).zip(paths) {
                if path.is_some() {
                    *text = found.as_bytes();
                }
            }
            take(Fields::from(texts).read_with(mapping.time, kind)?);
            return Ok(());
        }
        let row = self.row.split(line)?;
        let fits = match self.width {
            Width::Exactly(fields) => row.len() == fields,
            Width::AtLeast(fields) => row.len() >= fields,
        };
        if !fits {
            return Err(Reason::FieldCount);
        }
        for (text, place) in texts.iter_mut().zip(&self.places) {
            if let Some(place) = *place {
                *text = row.get(place);
            }
        }
        take(Fields::from(texts).read_with(mapping.time, kind)?);
        Ok(())
    }
}

impl Decoder for Mapped {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        if let Err(reason) = self.read(line.bytes, |event| rows.event(event)) {
            rows.reject(0, reason);
        }
    }
}

/// The text at the end of a path; empty where the path leads nowhere.
fn follow<'a>(object: &Object<'a>, path: &[String]) -> Result<Cow<'a, str>, Reason> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(Cow::Borrowed(""));
    };
    let mut value: &'a RawValue = match object.0.get(first.as_str()) {
        Some(value) => value,
        None => return Ok(Cow::Borrowed("")),
    };
    for name in rest {
        value = match member(value, name)? {
            Some(value) => value,
            None => return Ok(Cow::Borrowed("")),
        };
    }
    match value.get() {
        "true" | "false" => Ok(Cow::Borrowed(value.get())),
        _ => json::plain(value),
    }
}

/// A member of an object, or an element of an array by its number from 0.
fn member<'a>(value: &'a RawValue, name: &str) -> Result<Option<&'a RawValue>, Reason> {
    let json = value.get();
    if json.starts_with('{') {
        let object: Object<'a> = serde_json::from_str(json).map_err(|_| Reason::Syntax)?;
        return Ok(object.0.get(name).copied());
    }
    match name.parse::<usize>() {
        Ok(place) if json.starts_with('[') => {
            let elements: Vec<&'a RawValue> =
                serde_json::from_str(json).map_err(|_| Reason::Syntax)?;
            Ok(elements.get(place).copied())
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Found, decode, event, reject};
    use super::*;
    use crate::event::{Device, Micros};

    /// The example in the documentation of mapping files.
    fn documented() -> String {
        let source = include_str!("mapping.rs");
        let example = source.split("//! ```").nth(1).unwrap();
        example
            .lines()
            .skip(1)
            .map(|line| line.trim_start_matches("//!").trim_start().to_owned() + "\n")
            .collect()
    }

    fn read(mapping: &str, header: &str, rows: &[&str]) -> Vec<Found> {
        let mapping = Arc::new(Mapping::parse(mapping, "m.toml").unwrap());
        let mut decoder = Mapped::new(mapping, header.as_bytes()).unwrap();
        decode(&mut decoder, rows)
    }

    #[test]
    fn the_documented_example_reads_a_log() {
        let found = read(
            &documented(),
            "when;customer;action;sku;else",
            &[
                "2020-01-02T03:04:05.678+01:00;ann;Product Viewed;shoe;",
                "2020-01-02T03:04:05Z;ann;search;;",
                "2020-01-02T03:04:05Z;ann;Order Cancelled;;",
                "2020-01-02T03:04:05Z;ann;search;",
            ],
        );
        let mut view = RawEvent::new(1_577_930_645_678, Kind::ItemView, b"ann");
        view.item = b"shoe";
        view.category = b"shoes";
        let mut search = RawEvent::new(1_577_934_245_000, Kind::Search, b"ann");
        search.category = b"shoes";
        assert_eq!(
            found,
            [
                event(view),
                event(search),
                reject(0, Reason::Kind),
                reject(0, Reason::FieldCount),
            ]
        );
    }

    #[test]
    fn a_log_without_a_header_is_read_by_place() {
        let mapping = "[source]\ntype = \"csv\"\ndelimiter = \"\\t\"\nheader = false\ntime_unit = \"s\"\n\
                       [columns]\nevent_ms = 3\nvisitor = 1\nsession = 1\n[constants]\nkind = \"item_view\"\nprice = 9.5\n";
        let found = read(mapping, "", &["7\tx\t1577934245.5\tmore", "7\tx"]);
        let mut view = RawEvent::new(1_577_934_245_500, Kind::ItemView, b"7");
        view.session = b"7";
        view.price = Micros::new(9_500_000);
        assert_eq!(found, [event(view), reject(0, Reason::FieldCount)]);
    }

    #[test]
    fn paths_lead_into_objects_and_arrays() {
        let mapping = "[source]\ntype = \"jsonl\"\n[columns]\nevent_ms = \"at\"\nvisitor = \"user.id\"\n\
                       kind = \"name\"\nitem = \"items.0.sku\"\npage = \"page.path\"\n[kinds]\n\"true\" = \"click\"\n";
        let found = read(
            mapping,
            "",
            &[
                r#"{"at":1577934245000,"user":{"id":17},"name":"view","items":[{"sku":"a\"b"},{"sku":"c"}]}"#,
                r#"{"at":1577934245000,"user":{"id":"u"},"name":true,"items":[],"page":7}"#,
                r#"{"at":1577934245000,"user":"u","name":"view"}"#,
                r#"{"at":1577934245000,"user":{"id":1,"id":2},"name":"view"}"#,
                r#"{"at":1577934245000,"at":1577934245000,"user":{"id":1},"name":"view"}"#,
            ],
        );
        let mut view = RawEvent::new(1_577_934_245_000, Kind::ItemView, b"17");
        view.item = b"a\"b";
        let click = RawEvent::new(1_577_934_245_000, Kind::Click, b"u");
        assert_eq!(
            found,
            [
                event(view),
                event(click),
                reject(0, Reason::Id),
                reject(0, Reason::Syntax),
                reject(0, Reason::Syntax),
            ]
        );
    }

    #[test]
    fn a_device_may_be_mapped_and_is_never_wrong() {
        let mapping = "[source]\ntype = \"jsonl\"\n[columns]\nevent_ms = \"at\"\nvisitor = \"user\"\n\
                       kind = \"name\"\ndevice = \"context.device\"\n";
        for (context, device) in [
            (r#"{"device":"Smartphone"}"#, Device::Mobile),
            (r#"{"device":"fridge"}"#, Device::Unknown),
            (r#"{"device":["phone"]}"#, Device::Unknown),
            (r#"{"device":"phone\u0000"}"#, Device::Unknown),
            (r#"{"device":"pc","device":"pc"}"#, Device::Unknown),
            ("true", Device::Unknown),
            ("{}", Device::Unknown),
        ] {
            let row =
                format!(r#"{{"at":1577934245000,"user":"u","name":"view","context":{context}}}"#);
            let mut expected = RawEvent::new(1_577_934_245_000, Kind::ItemView, b"u");
            expected.device = device;
            assert_eq!(read(mapping, "", &[&row]), [event(expected)], "{context}");
        }
        let constant = "[source]\ntype = \"csv\"\n[columns]\nevent_ms = \"t\"\nvisitor = \"v\"\n\
                        kind = \"k\"\n[constants]\ndevice = \"phone\"\n";
        let mut expected = RawEvent::new(1_577_934_245_000, Kind::Search, b"u");
        expected.device = Device::Mobile;
        let found = read(constant, "t,v,k", &["1577934245000,u,search"]);
        assert_eq!(found, [event(expected)]);
    }

    #[test]
    fn a_mapped_column_must_be_in_the_header() {
        let mapping = Arc::new(Mapping::parse(&documented(), "m.toml").unwrap());
        let fault = Mapped::new(mapping, b"when;costumer;action;sku")
            .err()
            .unwrap();
        assert_eq!(
            fault.to_string(),
            "the header lacked the column `customer`; is `costumer` meant to be it?"
        );
    }
}
