//! The record that a visitor was erased: whatever was said of the visitor up to here is void.
//!
//! It stands among the decisions, at the arrival of the `erase` event, with the trigger `forgotten`
//! and nothing else: `{"at_ms":…,"visitor":"…","trigger":"forgotten"}`. It has no session and no
//! number, which sort before any, so decisions of the same millisecond stand after it although they
//! were made before. Readers therefore go by time: it voids every record of its visitor whose `at_ms`
//! is not later.

use super::Recorder;
use super::text::{csv_row, integer, json_text};
use crate::event::ArrivalMs;

/// The trigger in the record of an erased visitor.
pub const FORGOTTEN: &str = "forgotten";

/// Columns of the CSV form that the record fills.
const FILLED: [&str; 3] = ["at_ms", "visitor", "trigger"];

impl Recorder {
    /// Appends the record that a visitor was erased as one JSON object, without a newline.
    pub fn forgotten_json(&self, at: ArrivalMs, visitor: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"at_ms\":");
        integer(at.0, out);
        out.extend_from_slice(b",\"visitor\":");
        json_text(visitor, out);
        out.extend_from_slice(b",\"trigger\":\"");
        out.extend_from_slice(FORGOTTEN.as_bytes());
        out.extend_from_slice(b"\"}");
    }

    /// Appends the same as one CSV row with its newline; columns that it has no value for are empty.
    pub fn forgotten_csv(&self, at: ArrivalMs, visitor: &[u8], out: &mut Vec<u8>) {
        let mut at_ms = Vec::new();
        integer(at.0, &mut at_ms);
        let values = [&at_ms[..], visitor, FORGOTTEN.as_bytes()];
        let fields = self.csv_columns();
        let value = |column: &String| {
            let place = FILLED.iter().position(|name| name == column);
            place.map_or(&b""[..], |place| values[place])
        };
        csv_row(fields.iter().map(value), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::policy::{LEARNING_POLICY, Policy};

    #[test]
    fn the_record_names_the_visitor_and_nothing_else() {
        let recorder = Recorder::new(&Policy::shipped(), ["m"]);
        let mut json = Vec::new();
        recorder.forgotten_json(ArrivalMs(1_234), "a\"b".as_bytes(), &mut json);
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"at_ms":1234,"visitor":"a\"b","trigger":"forgotten"}"#
        );
    }

    #[test]
    fn a_row_has_every_column_and_fills_three() {
        for policy in [Policy::shipped(), Policy::read(LEARNING_POLICY).unwrap()] {
            let recorder = Recorder::new(&policy, ["m"]);
            let mut text = Vec::new();
            recorder.csv_header(&mut text);
            recorder.forgotten_csv(ArrivalMs(1_234), b"a,b", &mut text);
            // The reader refuses rows of another length.
            let mut reader = csv::Reader::from_reader(&text[..]);
            let header = reader.headers().unwrap().clone();
            let row = reader.records().next().unwrap().unwrap();
            let filled: Vec<(&str, &str)> = header
                .iter()
                .zip(&row)
                .filter(|(_, value)| !value.is_empty())
                .collect();
            assert_eq!(
                filled,
                [
                    ("at_ms", "1234"),
                    ("visitor", "a,b"),
                    ("trigger", FORGOTTEN)
                ]
            );
        }
    }
}
