//! A batch: from the bytes of a body to lines of the lane, and what was refused.
//!
//! ```text
//! {"key": "wk_shop", "token": "v1.…", "sent_at": 1600000000100,
//!  "events": [{"event_ms": 1600000000000, "kind": "item_view", "item": "shoe-7", "price": 49.9}]}
//! ```
//!
//! Events have the names and rules of Restage's own JSON lines, by the very reader that reads the lane
//! later: what is taken here is never refused there. A browser's visitor is the token's; a server names
//! each. The schema is published as `data/events.schema.json`.

use super::config::Orders;
use super::identity::{Consent, Naming};
use crate::event::{Kind, Reason};
use crate::format::RawEvent;
use crate::format::restage_jsonl::read_event;
use crate::format::write::write_event;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Deepest nesting of a body.
pub const DEPTH_MAX: usize = 16;
/// Longest text in an event, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// How long after it happened an event may come, in ms: what the lane's reader allows by default.
pub const LATENESS_MS: u64 = 3_600_000;
/// How far an event's time may lie after the time of sending, in ms.
pub const FUTURE_MS: u64 = 600_000;

/// A body.
#[derive(Deserialize)]
pub struct Batch<'a> {
    /// The page's key.
    #[serde(default)]
    pub key: Option<String>,
    /// Whom the browser speaks for.
    #[serde(default)]
    pub token: Option<String>,
    /// The sender's clock when it sent this, in ms since 1970.
    #[serde(default)]
    pub sent_at: Option<u64>,
    /// Events that the browser has lost since its last batch, as its queue ran over.
    #[serde(default)]
    pub dropped: u32,
    /// The events.
    #[serde(borrow)]
    pub events: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Aside {
    #[serde(default)]
    consent: Option<String>,
}

/// An event that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why: a reason of the log's reader, `consent`, or `order`.
    pub reason: &'static str,
}

/// What becomes of a batch.
#[derive(Debug, Default)]
pub struct Taken {
    /// Lines for the lane, without their arrival.
    pub lines: Vec<u8>,
    /// Events in them.
    pub events: usize,
    /// Events that are not written because the visitor did not agree.
    pub withheld: usize,
    /// Events that were not taken.
    pub refused: Vec<Refusal>,
}

/// For whom a batch speaks.
pub enum Speaker<'a> {
    /// A browser, for one visitor since a time.
    Browser {
        /// The visitor.
        visitor: &'a str,
        /// What tells this visit from others.
        session: &'a str,
        /// The most that the browser's signals allow.
        allowed: Consent,
        /// Who may send orders.
        orders: Orders,
    },
    /// A server, for anyone.
    Server,
}

impl Batch<'_> {
    /// Reads the events, at a time of ours.
    pub fn take(&self, speaker: &Speaker<'_>, naming: &Naming, now_ms: u64) -> Taken {
        let mut taken = Taken::default();
        for (index, event) in self.events.iter().enumerate() {
            match self.line(event.get(), speaker, naming, (now_ms, &mut taken.lines)) {
                Ok(true) => taken.events += 1,
                Ok(false) => taken.withheld += 1,
                Err(reason) => taken.refused.push(Refusal { index, reason }),
            }
        }
        taken
    }

    /// Appends the line of an event; not if the visitor did not agree.
    fn line(
        &self,
        text: &str,
        speaker: &Speaker<'_>,
        naming: &Naming,
        (now_ms, lines): (u64, &mut Vec<u8>),
    ) -> Result<bool, &'static str> {
        if has_long_text(text) {
            return Err(Reason::TooLong.name());
        }
        let aside: Aside = serde_json::from_str(text).map_err(|_| Reason::Syntax.name())?;
        let said = match aside.consent.as_deref() {
            None => Consent::Full,
            Some(name) => Consent::parse(name).ok_or("consent")?,
        };
        let own = match speaker {
            Speaker::Browser { visitor, .. } => Some(visitor.as_bytes()),
            Speaker::Server => None,
        };
        let mut written = Ok(false);
        let read = read_event(text.as_bytes(), own, |event| {
            written = self.write(&event, said, speaker, naming, (now_ms, lines));
        });
        read.map_err(Reason::name)?;
        written
    }

    fn write(
        &self,
        event: &RawEvent<'_>,
        said: Consent,
        speaker: &Speaker<'_>,
        naming: &Naming,
        (now_ms, lines): (u64, &mut Vec<u8>),
    ) -> Result<bool, &'static str> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Reason::Encoding.name());
        let (session, allowed) = match speaker {
            Speaker::Browser {
                session, allowed, ..
            } => (*session, *allowed),
            Speaker::Server => (text(event.session)?, Consent::Full),
        };
        let is_order = matches!(event.kind, Kind::Purchase | Kind::Refund);
        if is_order
            && matches!(
                speaker,
                Speaker::Browser {
                    orders: Orders::Servers,
                    ..
                }
            )
        {
            return Err("order");
        }
        let visitor = text(event.visitor)?;
        // Who asks for an erasure may know no more than the name that was written down.
        let is_known = matches!(speaker, Speaker::Server)
            && event.kind == Kind::Erase
            && Naming::is_hash(visitor);
        let name = match is_known {
            true => Some(visitor.to_owned()),
            false => naming.name(visitor, session, said.min(allowed)),
        };
        let Some(name) = name else {
            return Ok(false);
        };
        let event_ms = self.corrected(event.event_ms, now_ms)?;
        let event = RawEvent {
            visitor: name.as_bytes(),
            event_ms,
            ..*event
        };
        write_event(lines, &event).map_err(|_| Reason::Encoding.name())?;
        Ok(true)
    }

    /// When it happened, by our clock: as long before now as it was before it was sent.
    fn corrected(&self, event_ms: u64, now_ms: u64) -> Result<u64, &'static str> {
        let sent_ms = self.sent_at.unwrap_or(now_ms);
        if event_ms > sent_ms.saturating_add(FUTURE_MS) {
            return Err(Reason::Future.name());
        }
        let age_ms = sent_ms.saturating_sub(event_ms);
        if age_ms > LATENESS_MS {
            return Err(Reason::Late.name());
        }
        Ok(now_ms.saturating_sub(age_ms))
    }
}

/// Whether a body is nested no deeper than [`DEPTH_MAX`], which is seen without parsing it.
pub fn is_flat(body: &[u8]) -> bool {
    let (mut depth, mut at) = (0_usize, 0);
    while at < body.len() {
        match body[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = text_at(body, at + 1).0,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether an event has a text, be it of a member that nobody reads, that is too long.
fn has_long_text(event: &str) -> bool {
    let (event, mut at) = (event.as_bytes(), 0);
    while at < event.len() {
        if event[at] == b'"' {
            let (end, bytes) = text_at(event, at + 1);
            if bytes > TEXT_BYTES_MAX {
                return true;
            }
            at = end;
        }
        at += 1;
    }
    false
}

/// Where a text of JSON that begins here ends, and its length in UTF-8.
fn text_at(json: &[u8], begin: usize) -> (usize, usize) {
    let (mut at, mut bytes) = (begin, 0);
    while at < json.len() && json[at] != b'"' {
        let escaped = json.get(at + 1).filter(|_| json[at] == b'\\');
        let (from, to) = match escaped {
            None => (1, 1),
            Some(b'u') => {
                let digits = json.get(at + 2..at + 6);
                let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                match digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
                    Some(..=0x7f) => (6, 1),
                    // Half of a pair is half of four bytes.
                    Some(0x80..=0x7ff | 0xd800..=0xdfff) => (6, 2),
                    Some(_) => (6, 3),
                    None => (2, 1),
                }
            }
            Some(_) => (2, 1),
        };
        at += from;
        bytes += to;
    }
    (at, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::keyed::Secret;

    const NOW: u64 = 1_700_000_000_000;

    fn naming() -> Naming {
        Naming::of(Secret::of(&[5; 32]).unwrap(), false)
    }

    fn browser() -> Speaker<'static> {
        Speaker::Browser {
            visitor: "ann",
            session: "1",
            allowed: Consent::Full,
            orders: Orders::Any,
        }
    }

    fn take(body: &str, speaker: &Speaker<'_>) -> (Vec<String>, Taken) {
        let batch: Batch<'_> = serde_json::from_str(body).unwrap();
        let taken = batch.take(speaker, &naming(), NOW);
        let text = String::from_utf8(taken.lines.clone()).unwrap();
        (text.lines().map(str::to_owned).collect(), taken)
    }

    #[test]
    fn a_browser_speaks_for_its_own_visitor_and_its_clock_is_corrected() {
        let sent = NOW + 90_000;
        let body = format!(
            r#"{{"sent_at":{sent},"events":[{{"event_ms":{},"kind":"item_view","item":"a\"b","visitor":"bob"}}]}}"#,
            sent - 700
        );
        let (lines, taken) = take(&body, &browser());
        assert_eq!((taken.events, taken.refused.len()), (1, 0));
        let expected = format!(
            r#","event_ms":{},"visitor":"ann","kind":"item_view","item":"a\"b"}}"#,
            NOW - 700
        );
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn each_refusal_has_its_index_and_reason() {
        let event = |members: &str| format!(r#"{{"event_ms":{NOW},{members}}}"#);
        let events = [
            event(r#""kind":"search""#),
            event(r#""kind":"dance""#),
            event(r#""kind":"scroll","value":7"#),
            format!(
                r#"{{"event_ms":{},"kind":"search"}}"#,
                NOW - LATENESS_MS - 1
            ),
            format!(r#"{{"event_ms":{},"kind":"search"}}"#, NOW + FUTURE_MS + 1),
            "17".into(),
            event(r#""kind":"search","consent":"maybe""#),
            event(r#""kind":"search","consent":"none""#),
        ];
        let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
        let (lines, taken) = take(&body, &browser());
        let refused: Vec<_> = taken.refused.iter().map(|r| (r.index, r.reason)).collect();
        let expected = [
            (1, "kind"),
            (2, "number"),
            (3, "late"),
            (4, "future"),
            (5, "syntax"),
            (6, "consent"),
        ];
        assert_eq!(refused, expected);
        assert_eq!((lines.len(), taken.events, taken.withheld), (1, 1, 1));
    }

    #[test]
    fn a_server_names_the_visitors() {
        let event = |members: &str| format!(r#"{{"event_ms":{NOW},"kind":"purchase"{members}}}"#);
        let events = [event(r#","visitor":"bob""#), event("")];
        let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
        let (lines, taken) = take(&body, &Speaker::Server);
        assert!(lines[0].contains(r#""visitor":"bob""#));
        assert_eq!(taken.refused[0].reason, "id");
    }

    #[test]
    fn depth_is_seen_without_parsing() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(is_flat(nested(DEPTH_MAX).as_bytes()));
        assert!(!is_flat(nested(DEPTH_MAX + 1).as_bytes()));
        assert!(is_flat(br#"{"a":"[[\"[[[[[[[[[[[[[[[[[[[["}"#));
        assert!(is_flat(b"\"\\") && is_flat(b"\"\\u12"));
    }

    #[test]
    fn a_text_that_is_too_long_costs_its_own_event_alone() {
        let event = |text: &str| format!(r#"{{"event_ms":{NOW},"kind":"search",{text}}}"#);
        let fits = [
            "x".repeat(TEXT_BYTES_MAX),
            "é".repeat(TEXT_BYTES_MAX / 2),
            r"\u00e9".repeat(TEXT_BYTES_MAX / 2),
            r"\ud83d\ude00".repeat(TEXT_BYTES_MAX / 4),
            r"\n".repeat(TEXT_BYTES_MAX),
        ];
        for text in fits {
            for member in ["page", "else"] {
                let one = event(&format!(r#""{member}":"{text}""#));
                let more = event(&format!(r#""{member}":"{text}x""#));
                let body = format!(r#"{{"events":[{one},{more},{one}]}}"#);
                let (lines, taken) = take(&body, &browser());
                let refused: Vec<_> = taken.refused.iter().map(|r| (r.index, r.reason)).collect();
                assert_eq!(refused, [(1, "too_long")], "{member} {text}");
                assert_eq!((lines.len(), taken.events), (2, 2));
            }
        }
    }

    #[test]
    fn orders_may_be_left_to_servers() {
        let event = |kind: &str| format!(r#"{{"event_ms":{NOW},"visitor":"v","kind":"{kind}"}}"#);
        let body = ["purchase", "refund", "search"].map(event).join(",");
        let body = format!(r#"{{"events":[{body}]}}"#);
        let strict = Speaker::Browser {
            visitor: "ann",
            session: "1",
            allowed: Consent::Full,
            orders: Orders::Servers,
        };
        let (_, taken) = take(&body, &strict);
        let refused: Vec<_> = taken.refused.iter().map(|r| (r.index, r.reason)).collect();
        assert_eq!(refused, [(0, "order"), (1, "order")]);
        for speaker in [browser(), Speaker::Server] {
            assert_eq!(take(&body, &speaker).1.events, 3);
        }
    }
}
