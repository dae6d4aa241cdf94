//! OTTO: one session a line, `{"session":n,"events":[{"aid":n,"ts":ms,"type":"clicks"},…]}`.
//!
//! A session is its own visitor. Each event stands at the byte of its own object within the line,
//! so the events of a line keep their order. A line that is not JSON is one reject; an event that
//! is wrong costs only itself; a line with too many of them is given up there. Sessions overlap in time, so a log is sorted before it is replayed.
//!
//! Cost: each line is checked once as a whole and its events are then read from slices of it; no
//! allocation an event, except for strings with escapes.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::Reason;

use super::fields::Fields;
use super::json;
use super::lines::REJECTS_PER_LINE_MAX;
use super::{Decoder, Line, Rows, time};

/// Reads OTTO's JSON lines.
#[derive(Default)]
pub struct Otto;

#[derive(serde::Deserialize)]
struct Session<'a> {
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    events: &'a RawValue,
}

#[derive(serde::Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    aid: Option<&'a RawValue>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

impl Decoder for Otto {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        if let Err(reason) = read(line.bytes, rows) {
            rows.reject(0, reason);
        }
    }
}

/// Reads a line; an error is one of the line, and then nothing of it has been handed out.
fn read(line: &[u8], rows: &mut dyn Rows) -> Result<(), Reason> {
    let text = json::text(line)?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Reason::Syntax);
    }
    let session: Session<'_> = serde_json::from_str(text).map_err(|_| Reason::Syntax)?;
    let visitor = json::plain_or_empty(session.session)?;
    if visitor.is_empty() {
        return Err(Reason::Id);
    }
    let events = Events {
        line_start: text.as_ptr() as usize,
        visitor: visitor.as_bytes(),
        rejects: 0,
        rows,
    };
    let mut parser = serde_json::Deserializer::from_str(session.events.get());
    // The text has been checked: all that can fail is that it is no array, before any event.
    events.deserialize(&mut parser).map_err(|_| Reason::Syntax)
}

/// Hands out the events of an array, one by one.
struct Events<'r> {
    line_start: usize,
    visitor: &'r [u8],
    rejects: u32,
    rows: &'r mut dyn Rows,
}

impl<'de> DeserializeSeed<'de> for Events<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut events: A) -> Result<(), A::Error> {
        while let Some(event) = events.next_element::<&'de RawValue>()? {
            let text = event.get();
            // Both are parts of the same line: their distance is the event's place in it.
            let at = (text.as_ptr() as usize - self.line_start) as u32;
            if self.rejects > REJECTS_PER_LINE_MAX {
                continue;
            }
            if self.rejects == REJECTS_PER_LINE_MAX {
                self.rejects += 1;
                self.rows.reject(at, Reason::TooLong);
            } else if let Err(reason) = self.one(at, text) {
                self.rejects += 1;
                self.rows.reject(at, reason);
            }
        }
        Ok(())
    }
}

impl Events<'_> {
    fn one(&mut self, at: u32, text: &str) -> Result<(), Reason> {
        if !text.starts_with('{') {
            return Err(Reason::Syntax);
        }
        let event: Event<'_> = serde_json::from_str(text).map_err(|_| Reason::Syntax)?;
        let item = json::plain_or_empty(event.aid)?;
        let time = json::plain_or_empty(event.ts)?;
        let kind = json::plain_or_empty(event.kind)?;
        let fields = Fields {
            time: time.as_bytes(),
            visitor: self.visitor,
            session: self.visitor,
            kind: kind.as_bytes(),
            item: item.as_bytes(),
            ..Fields::default()
        };
        let mut event = fields.read(time::millis)?;
        event.at = at;
        self.rows.event(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::RawEvent;
    use super::super::testing::{decode, event, reject};
    use super::*;
    use crate::event::Kind;

    #[test]
    fn events_stand_at_their_own_bytes() {
        let line = r#"{"session":7,"events":[{"aid":11,"ts":1659304800025,"type":"clicks"}, {"type":"orders","ts":1659304800026,"aid":12}]}"#;
        let expected = |at, ms, kind, item| {
            let mut expected = RawEvent::new(ms, kind, b"7");
            expected.session = b"7";
            expected.item = item;
            expected.at = at;
            event(expected)
        };
        let first = line.find("{\"aid").unwrap() as u32;
        let second = line.find("{\"type").unwrap() as u32;
        assert_eq!(
            decode(&mut Otto, &[line]),
            [
                expected(first, 1_659_304_800_025, Kind::ItemView, b"11"),
                expected(second, 1_659_304_800_026, Kind::Purchase, b"12"),
            ]
        );
    }

    #[test]
    fn the_session_may_come_behind_its_events() {
        let line = r#"{"events":[{"aid":1,"ts":1659304800025,"type":"carts"}],"session":"s"}"#;
        let mut expected = RawEvent::new(1_659_304_800_025, Kind::AddToCart, b"s");
        expected.session = b"s";
        expected.item = b"1";
        expected.at = 11;
        assert_eq!(decode(&mut Otto, &[line]), [event(expected)]);
    }

    #[test]
    fn a_wrong_event_costs_only_itself() {
        let line = r#"{"session":7,"events":[{"aid":1},5,{"aid":1,"ts":1659304800025,"type":"look"},{"aid":[],"ts":1,"type":"clicks"}]}"#;
        let at = |text| line.find(text).unwrap() as u32;
        assert_eq!(
            decode(&mut Otto, &[line]),
            [
                reject(at("{\"aid\":1}"), Reason::Timestamp),
                reject(at("5,{"), Reason::Syntax),
                reject(at("{\"aid\":1,"), Reason::Kind),
                reject(at("{\"aid\":[]"), Reason::Syntax),
            ]
        );
    }

    #[test]
    fn a_line_of_rubbish_is_given_up() {
        let line = format!("{{\"session\":1,\"events\":[{}0]}}", "0,".repeat(5000));
        let found = decode(&mut Otto, &[line]);
        assert_eq!(found.len(), 1025);
        assert_eq!(found[1024], reject(23 + 2048, Reason::TooLong));
    }

    #[test]
    fn a_wrong_line_is_one_reject() {
        let deep = format!(
            "{{\"session\":1,\"events\":{}{}}}",
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        for (line, reason) in [
            (
                r#"{"session":7,"events":[{"aid":1,"ts":1659304800025,"type":"clicks"}"#,
                Reason::Syntax,
            ),
            (r#"{"session":7,"events":{"aid":1}}"#, Reason::Syntax),
            (r#"{"session":7}"#, Reason::Syntax),
            (r#"{"session":7,"session":8,"events":[]}"#, Reason::Syntax),
            (r#"{"events":[]}"#, Reason::Id),
            (r#"[7,[]]"#, Reason::Syntax),
            (&deep, Reason::Syntax),
        ] {
            assert_eq!(
                decode(&mut Otto, &[line]),
                [reject(0, reason)],
                "{line:.80}"
            );
        }
        assert_eq!(decode(&mut Otto, &[r#"{"session":7,"events":[]}"#]), []);
    }
}
