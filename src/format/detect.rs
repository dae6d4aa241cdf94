//! Which format is this? Told by the header or by the first lines, never by the name.
//!
//! A format with a header fits when its own names stand in the first line. A format without one
//! fits when at least half of the first lines look like its rows, so that a few bad rows at the
//! start do not hide it. One that fits is taken; none or several are errors that say what was seen.

use super::csv_row::CsvRow;
use super::json::Object;
use super::lines::LineReader;
use super::{FormatName, InputError, time, yoochoose};

/// Lines that detection looks at.
pub const DETECT_LINES: usize = 16;
/// Bytes of a first line that an error shows.
const SEEN_BYTES_MAX: usize = 80;

/// Tells the format of the log that `lines` is about to read; nothing is consumed.
///
/// A header decides by itself, so a live log is not waited for longer than its first line.
///
/// # Errors
/// [`InputError`] when the log cannot be read, is empty or no text, or no one format fits.
pub fn detect(
    lines: &mut LineReader,
    path: &str,
    compressed: bool,
) -> Result<FormatName, InputError> {
    let by_header = Sample::take(lines, 1, path, compressed)?.by_header();
    if !by_header.is_empty() {
        return one(by_header, path);
    }
    let sample = Sample::take(lines, DETECT_LINES, path, compressed)?;
    let fitting = [sample.by_header(), sample.by_rows()].concat();
    if fitting.is_empty() {
        return Err(sample.nothing_fits(path));
    }
    one(fitting, path)
}

/// The one format that fits.
fn one(candidates: Vec<FormatName>, path: &str) -> Result<FormatName, InputError> {
    match candidates[..] {
        [format] => Ok(format),
        _ => Err(InputError::Ambiguous {
            path: path.to_owned(),
            candidates,
        }),
    }
}

/// Whether a line looks like a row of a format.
type Look = fn(&[u8]) -> bool;

/// The first lines that have text, and whether the last of them is cut.
struct Sample<'a> {
    lines: Vec<&'a [u8]>,
    last_is_cut: bool,
}

impl<'a> Sample<'a> {
    fn take(
        lines: &'a mut LineReader,
        wanted: usize,
        path: &str,
        compressed: bool,
    ) -> Result<Sample<'a>, InputError> {
        let byte = lines.bytes_taken();
        let peek = lines.peek(wanted).map_err(|source| InputError::Read {
            path: path.to_owned(),
            byte,
            compressed,
            source,
        })?;
        let last_is_cut = !peek.ended && !peek.bytes.ends_with(b"\n");
        let all = peek.bytes.split(|&byte| byte == b'\n').take(wanted);
        let mut lines: Vec<&[u8]> = all
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
            .collect();
        let reaches_the_cut =
            last_is_cut && peek.bytes.ends_with(lines.last().unwrap_or(&&b""[..]));
        if reaches_the_cut && lines.len() > 1 {
            lines.pop();
        }
        Ok(Sample {
            last_is_cut: reaches_the_cut && lines.len() == 1,
            lines,
        })
    }

    /// Formats whose header the first line is.
    fn by_header(&self) -> Vec<FormatName> {
        let Some(first) = self.lines.first() else {
            return Vec::new();
        };
        let names = |delimiter| CsvRow::new(delimiter).header(first).unwrap_or_default();
        let (commas, tabs) = (names(b','), names(b'\t'));
        let count = |header: &[String], wanted: &[&str]| {
            let there = |name: &&&str| header.iter().any(|column| column == **name);
            wanted.iter().filter(there).count()
        };
        // Two of three, so that one misspelt name is an error of the header and not of detection.
        let fits = [
            (
                FormatName::RestageCsv,
                count(&commas, &["event_ms", "visitor", "kind"]) >= 2,
            ),
            (
                FormatName::Rees46,
                count(
                    &commas,
                    &["event_time", "event_type", "product_id", "user_id"],
                ) >= 3,
            ),
            (
                FormatName::RetailRocket,
                count(&commas, &["timestamp", "visitorid", "event", "itemid"]) >= 3,
            ),
            (FormatName::Yoochoose, count(&tabs, &yoochoose::NAMES) >= 2),
        ];
        fits.into_iter()
            .filter(|(_, fits)| *fits)
            .map(|(format, _)| format)
            .collect()
    }

    /// Formats without a header that at least half of the lines look like.
    fn by_rows(&self) -> Vec<FormatName> {
        let looks: [(FormatName, Look); 5] = [
            (FormatName::RestageJsonl, is_restage_jsonl),
            (FormatName::Taobao, is_taobao),
            (FormatName::Yoochoose, is_yoochoose),
            (
                FormatName::Otto,
                if self.last_is_cut {
                    is_otto_cut
                } else {
                    is_otto
                },
            ),
            (FormatName::Jd, is_jd),
        ];
        let fits = |look: Look| {
            let alike = self.lines.iter().filter(|line| look(line)).count();
            alike > 0 && alike * 2 >= self.lines.len()
        };
        looks
            .into_iter()
            .filter(|&(_, look)| fits(look))
            .map(|(format, _)| format)
            .collect()
    }

    fn nothing_fits(&self, path: &str) -> InputError {
        let path = path.to_owned();
        let Some(first) = self.lines.first() else {
            return InputError::Empty { path };
        };
        let text = self
            .lines
            .iter()
            .filter(|line| is_text(line, self.last_is_cut))
            .count();
        if text * 2 <= self.lines.len() {
            let start = &first[..first.len().min(16)];
            return InputError::NotText {
                path,
                seen: format!("it begins with the bytes `{}`", start.escape_ascii()),
            };
        }
        let seen = String::from_utf8_lossy(&first[..first.len().min(SEEN_BYTES_MAX)]);
        InputError::UnknownFormat {
            path,
            seen: seen.escape_debug().to_string(),
        }
    }
}

/// Text without control characters but the tab; a cut line may end within a character.
fn is_text(line: &[u8], cut: bool) -> bool {
    let utf8 = match std::str::from_utf8(line) {
        Ok(_) => true,
        Err(error) => cut && error.error_len().is_none(),
    };
    utf8 && !line
        .iter()
        .any(|&byte| byte < b' ' && byte != b'\t' && byte != b'\r')
}

fn object(line: &[u8], names: &[&str], at_least: usize) -> bool {
    let object = super::json::text(line).ok();
    let object = object.and_then(|text| serde_json::from_str::<Object<'_>>(text).ok());
    object.is_some_and(|object| {
        names
            .iter()
            .filter(|&&name| object.0.contains_key(name))
            .count()
            >= at_least
    })
}

fn is_restage_jsonl(line: &[u8]) -> bool {
    object(line, &["event_ms", "visitor", "kind"], 2)
}

fn is_otto(line: &[u8]) -> bool {
    object(line, &["session", "events"], 2)
}

/// A session so long that only its start was looked at.
fn is_otto_cut(line: &[u8]) -> bool {
    let holds = |name: &[u8]| memchr::memmem::find(line, name).is_some();
    line.starts_with(b"{") && holds(b"\"events\"") && holds(b"\"aid\"")
}

fn is_taobao(line: &[u8]) -> bool {
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b',').collect();
    matches!(parts[..], [_, _, _, b"pv" | b"cart" | b"fav" | b"buy", seconds] if time::whole(seconds).is_some())
}

fn is_yoochoose(line: &[u8]) -> bool {
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b',').collect();
    let (session, when) = match parts[..] {
        [session, when, _, _] | [session, when, _, _, _] => (session, when),
        _ => return false,
    };
    time::whole(session).is_some() && when.contains(&b'T') && time::iso8601(when).is_some()
}

fn is_jd(line: &[u8]) -> bool {
    let first = line.split(|&byte| byte == b' ').next().unwrap_or(line);
    let parts: Vec<&[u8]> = first.split(|&byte| byte == b'+').collect();
    parts.len() == 5 && parts.iter().all(|part| time::whole(part).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn of(text: impl Into<Vec<u8>>) -> Result<FormatName, InputError> {
        let mut lines = LineReader::new(Box::new(Cursor::new(text.into())));
        detect(&mut lines, "log", false)
    }

    #[test]
    fn every_format_is_told_by_its_first_lines() {
        let otto = r#"{"session":0,"events":[{"aid":1,"ts":1659304800025,"type":"clicks"}]}"#;
        for (text, format) in [
            ("event_ms,visitor,kind\n", FormatName::RestageCsv),
            (
                "\u{feff}\"kind\",\"visitor\",\"event_ms\"\r\n",
                FormatName::RestageCsv,
            ),
            ("\n\nevent_ms,vistor,kind\n1,2,3\n", FormatName::RestageCsv),
            (
                "{\"event_ms\":1,\"visitor\":2,\"kind\":3}",
                FormatName::RestageJsonl,
            ),
            (
                "event_time,event_type,product_id,user_id",
                FormatName::Rees46,
            ),
            (
                "timestamp,visitorid,event,itemid,transactionid\n",
                FormatName::RetailRocket,
            ),
            ("1,2,3,pv,1511848894\n1,2,3\n", FormatName::Taobao),
            (
                "SessionId\tItemId\tTime\n1\t2\t3.0\n",
                FormatName::Yoochoose,
            ),
            ("5,2014-04-07T10:51:09.277Z,66,0\n", FormatName::Yoochoose),
            ("5,2014-04-07T10:51:09.277Z,66,1,1\n", FormatName::Yoochoose),
            (otto, FormatName::Otto),
            ("1+5+7+14+9 2+5+7+13+19\n", FormatName::Jd),
        ] {
            assert_eq!(of(text).ok(), Some(format), "{text}");
        }
    }

    #[test]
    fn a_session_longer_than_the_look_is_still_told() {
        let event = r#"{"aid":1,"ts":1659304800025,"type":"clicks"},"#;
        let line = format!("{{\"session\":0,\"events\":[{}", event.repeat(5000));
        assert_eq!(of(line).ok(), Some(FormatName::Otto));
        assert_eq!(of("1+5+7+14+9 ".repeat(50_000)).ok(), Some(FormatName::Jd));
    }

    #[test]
    fn bad_first_rows_do_not_hide_a_format() {
        let text = "broken\n1,2,3,pv,1511848894\n1,2,3,xx,1\n1,2,3,buy,1511848894\n";
        assert_eq!(of(text).ok(), Some(FormatName::Taobao));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let error = |text: &[u8]| of(text).unwrap_err();
        for text in [&b""[..], b"\n\r\n", b"\xef\xbb\xbf"] {
            assert!(matches!(error(text), InputError::Empty { .. }));
        }
        assert!(matches!(
            error(b"\x7fELF\x02\x01\0\0\0\n\0"),
            InputError::NotText { .. }
        ));
        let unknown = error(b"a;b;\"c\"\n1;2;3\n");
        assert_eq!(
            unknown.to_string(),
            "log was in no known format: none fits its first lines, which begin `a;b;\\\"c\\\"`; name the \
             format with --format (restage-csv, restage-jsonl, rees46, retailrocket, taobao, \
             yoochoose, otto, jd) or describe the log with --mapping"
        );
        let ambiguous = error(b"{\"event_ms\":1,\"visitor\":2,\"session\":3,\"events\":[]}\n");
        assert!(
            ambiguous.to_string().contains("restage-jsonl, otto"),
            "{ambiguous}"
        );
        for error in [unknown, ambiguous] {
            assert_eq!(error.exit_code(), 2);
        }
    }
}
