//! JSON lines: objects whose values stay the text that they were.
//!
//! Values are kept as slices of the line, so a number keeps its exact digits and a string without
//! escapes is borrowed; only a string with escapes is copied. Nesting beyond [`DEPTH_MAX`] is
//! refused before anything is parsed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::Reason;

use super::fields;

/// Deepest nesting of a line.
pub(super) const DEPTH_MAX: usize = 64;

/// The members of an object by name.
#[derive(Debug)]
pub(super) struct Object<'a>(pub(super) BTreeMap<Cow<'a, str>, &'a RawValue>);

/// A member's name, borrowed where it has no escapes.
#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member twice"));
                    }
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The text of a line that may be parsed: UTF-8 without NUL, and nested no deeper than the limit.
pub(super) fn text(line: &[u8]) -> Result<&str, Reason> {
    let text = fields::text(line)?;
    if is_deep(line) {
        return Err(Reason::Syntax);
    }
    Ok(text)
}

/// The text of a string, or of a number as it stands; empty for null. All else is no plain value.
pub(super) fn plain(value: &RawValue) -> Result<Cow<'_, str>, Reason> {
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'"') => string(json),
        Some(b'-' | b'0'..=b'9') => Ok(Cow::Borrowed(json)),
        _ if json == "null" => Ok(Cow::Borrowed("")),
        _ => Err(Reason::Syntax),
    }
}

/// The same for a member that may be absent.
pub(super) fn plain_or_empty(value: Option<&RawValue>) -> Result<Cow<'_, str>, Reason> {
    value.map_or(Ok(Cow::Borrowed("")), plain)
}

/// A string's text. Its syntax has been checked, so what is left to fail is a lone surrogate.
fn string(json: &str) -> Result<Cow<'_, str>, Reason> {
    let inner = &json[1..json.len() - 1];
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(inner));
    }
    let text: String = serde_json::from_str(json).map_err(|_| Reason::Encoding)?;
    if text.contains('\0') {
        return Err(Reason::Encoding);
    }
    Ok(Cow::Owned(text))
}

/// Whether brackets nest too deep. Exact only where there are enough of them to matter.
fn is_deep(line: &[u8]) -> bool {
    let openings = memchr::memchr2_iter(b'{', b'[', line)
        .take(DEPTH_MAX + 1)
        .count();
    if openings <= DEPTH_MAX {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in line {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(json: &str) -> Result<String, Reason> {
        let object: Object<'_> = serde_json::from_str(json).map_err(|_| Reason::Syntax)?;
        plain(object.0["a"]).map(Cow::into_owned)
    }

    #[test]
    fn values_keep_their_text() {
        assert_eq!(
            member(r#"{"a":12345678901234567890.10}"#).unwrap(),
            "12345678901234567890.10"
        );
        assert_eq!(member(r#"{"a":"x"}"#).unwrap(), "x");
        assert_eq!(member(r#"{"a":"A\"\n"}"#).unwrap(), "A\"\n");
        assert_eq!(member(r#"{"a":null}"#).unwrap(), "");
        assert_eq!(member(r#"{"a":true}"#), Err(Reason::Syntax));
        assert_eq!(member(r#"{"a":[1]}"#), Err(Reason::Syntax));
    }

    #[test]
    fn text_that_cannot_be_carried_is_refused() {
        assert_eq!(member(r#"{"a":"\u0000"}"#), Err(Reason::Encoding));
        assert_eq!(member(r#"{"a":"\ud800"}"#), Err(Reason::Encoding));
        assert_eq!(member(r#"{"a":1,"a":2}"#), Err(Reason::Syntax));
        assert_eq!(member(r#"{"a":1} x"#), Err(Reason::Syntax));
    }

    #[test]
    fn deep_nesting_is_refused_and_brackets_in_strings_are_not_nesting() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(text(deep(10_000).as_bytes()), Err(Reason::Syntax));
        assert!(text(deep(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(text(deep(DEPTH_MAX + 1).as_bytes()), Err(Reason::Syntax));
        let flat = format!(r#"{{"a":"{}\"{}"}}"#, "[".repeat(100), "{".repeat(100));
        assert!(text(flat.as_bytes()).is_ok());
        assert!(text("[1],".repeat(1000).as_bytes()).is_ok());
    }
}
