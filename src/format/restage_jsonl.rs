//! Restage's own JSON lines: one object a line with the field names of Restage's own CSV.
//!
//! ```text
//! {"event_ms":1600000000000,"visitor":"ann","kind":"item_view","item":"shoe-7","price":49.90}
//! ```
//!
//! Ids may be strings or numbers; a number is the text of its digits. Members of other names are
//! passed over, so that a log may carry more than is read here; one of the thirteen names twice is
//! a `syntax` fault. A `device` that is no text is an unknown one, whatever it is instead. Cost: no allocation a row, except for strings with escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::Reason;

use super::fields::{FIELD_COUNT, FIELD_NAMES, Fields};
use super::json::{self, Name};
use super::table::field;
use super::{Decoder, Line, RawEvent, Rows, time};

/// Reads Restage's own JSON lines.
#[derive(Default)]
pub struct RestageJsonl;

impl Decoder for RestageJsonl {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        if let Err(reason) = read(line.bytes, |event| rows.event(event)) {
            rows.reject(0, reason);
        }
    }
}

fn read(line: &[u8], take: impl FnOnce(RawEvent<'_>)) -> Result<(), Reason> {
    read_event(line, None, take)
}

/// Hands the event of a line to `take`; the texts live no longer than that. Where a visitor is given,
/// the event is that one's, whatever the line says.
///
/// # Errors
/// What is wrong with the line.
pub fn read_event(
    line: &[u8],
    visitor: Option<&[u8]>,
    take: impl FnOnce(RawEvent<'_>),
) -> Result<(), Reason> {
    let mut parser = serde_json::Deserializer::from_str(json::text(line)?);
    let values = Members
        .deserialize(&mut parser)
        .and_then(|values| parser.end().map(|()| values))
        .map_err(|_| Reason::Syntax)?;
    let mut texts: [Cow<'_, str>; FIELD_COUNT] = std::array::from_fn(|_| Cow::Borrowed(""));
    for (field, (text, value)) in texts.iter_mut().zip(values).enumerate() {
        match value.map(json::plain) {
            Some(Err(reason)) if field != field::DEVICE => return Err(reason),
            Some(Ok(plain)) => *text = plain,
            _ => {}
        }
    }
    let mut texts: [&[u8]; FIELD_COUNT] = std::array::from_fn(|field| texts[field].as_bytes());
    if let Some(visitor) = visitor {
        texts[field::VISITOR] = visitor;
    }
    take(Fields::from(texts).read(time::millis)?);
    Ok(())
}

/// Picks the members with known names out of an object.
struct Members;

impl<'de> DeserializeSeed<'de> for Members {
    type Value = [Option<&'de RawValue>; FIELD_COUNT];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = [Option<&'de RawValue>; FIELD_COUNT];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; FIELD_COUNT];
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            match FIELD_NAMES.iter().position(|&field| field == name) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(field) if values[field].is_none() => {
                    values[field] = Some(map.next_value::<&RawValue>()?);
                }
                Some(_) => return Err(A::Error::custom("a member twice")),
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{decode, event, reject};
    use super::*;
    use crate::event::{Device, Kind, Micros};

    #[test]
    fn a_full_object_gives_every_field() {
        let line = r#" {"arrival_ms":1600000000500,"event_ms":1600000000000,"visitor":"a\"nn","session":17,
            "kind":"purchase","item":"shoe","category":9007199254740993123,"price":49.9,"quantity":2,"value":99.80,
            "page":"pay\nnow","event_id":"e1","extra":{"x":[1,{}]},"another":1e999} "#;
        let mut expected = RawEvent::new(1_600_000_000_000, Kind::Purchase, b"a\"nn");
        expected.arrival_ms = Some(1_600_000_000_500);
        expected.session = b"17";
        expected.item = b"shoe";
        expected.category = b"9007199254740993123";
        expected.price = Micros::new(49_900_000);
        expected.quantity = 2;
        expected.value = Micros::new(99_800_000);
        expected.page = b"pay\nnow";
        expected.event_id = b"e1";
        assert_eq!(decode(&mut RestageJsonl, &[line]), [event(expected)]);
    }

    #[test]
    fn a_device_never_spoils_an_object() {
        for (json, device) in [
            (r#""Mobile""#, Device::Mobile),
            (r#""t\u0061blet""#, Device::Tablet),
            (r#""\u0000""#, Device::Unknown),
            (r#"{"type":"mobile"}"#, Device::Unknown),
            ("[]", Device::Unknown),
            ("true", Device::Unknown),
            ("null", Device::Unknown),
            ("17", Device::Unknown),
        ] {
            let mut expected = RawEvent::new(1_600_000_000_000, Kind::Search, b"v");
            expected.device = device;
            let row = format!(
                r#"{{"event_ms":1600000000000,"visitor":"v","kind":"search","device":{json}}}"#
            );
            assert_eq!(
                decode(&mut RestageJsonl, &[&row]),
                [event(expected)],
                "{json}"
            );
        }
    }

    #[test]
    fn objects_that_are_wrong_have_a_reason() {
        let good = r#""event_ms":1600000000000,"visitor":"v","kind":"search""#;
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let rows = [
            (format!("{{{good}}}}}"), Reason::Syntax),
            (format!("{{{good}"), Reason::Syntax),
            (format!("{{{good},\"kind\":\"search\"}}"), Reason::Syntax),
            (
                format!("{{{good},\"k\\u0069nd\":\"search\"}}"),
                Reason::Syntax,
            ),
            (format!("{{{good},\"item\":[1]}}"), Reason::Syntax),
            (format!("{{{good},\"extra\":{deep}}}"), Reason::Syntax),
            (deep, Reason::Syntax),
            ("[1]".to_owned(), Reason::Syntax),
            ("7".to_owned(), Reason::Syntax),
            (format!("{{{good},\"item\":\"\\u0000\"}}"), Reason::Encoding),
            (
                format!("{{{good},\"page\":\"{}\"}}", "x".repeat(1025)),
                Reason::TooLong,
            ),
            (
                r#"{"event_ms":1600000000000,"kind":"search"}"#.to_owned(),
                Reason::Id,
            ),
            (
                r#"{"visitor":1,"kind":"search"}"#.to_owned(),
                Reason::Timestamp,
            ),
            (
                r#"{"event_ms":1600000000000,"visitor":null,"kind":"search"}"#.to_owned(),
                Reason::Id,
            ),
            (
                r#"{"event_ms":1600000000000.0,"visitor":1,"kind":"search"}"#.to_owned(),
                Reason::Timestamp,
            ),
            (
                r#"{"event_ms":1600000000000,"visitor":1}"#.to_owned(),
                Reason::Kind,
            ),
            (format!("{{{good},\"price\":-1}}"), Reason::Number),
            (format!("{{{good},\"price\":1e400}}"), Reason::Number),
            (format!("{{{good},\"quantity\":2.5}}"), Reason::Number),
        ];
        for (row, reason) in rows {
            assert_eq!(
                decode(&mut RestageJsonl, &[&row]),
                [reject(0, reason)],
                "{row}"
            );
        }
        assert_eq!(
            decode(&mut RestageJsonl, &[b"{\"visitor\":\"\xff\"}"]),
            [reject(0, Reason::Encoding)]
        );
    }
}
