//! A mapping file: a TOML table that says how any other CSV or JSONL log is read.
//!
//! ```toml
//! [source]
//! type = "csv"            # or "jsonl"
//! delimiter = ";"         # CSV only; a comma when absent
//! header = true           # CSV only; true when absent
//! time_unit = "iso8601"   # or "ms", the default, or "s"
//!
//! [columns]               # our field = the log's column
//! event_ms = "when"       # a name; a number from 1 without a header; a path such as "user.id" in JSONL
//! visitor = "customer"
//! kind = "action"
//! item = "sku"
//!
//! [kinds]                 # the log's word = our kind; words not listed may be our own names
//! "Product Viewed" = "item_view"
//! "Order Completed" = "purchase"
//!
//! [constants]             # our field = the same text for every row
//! category = "shoes"
//! ```
//!
//! `event_ms` must have a column; `visitor` and `kind` a column or a constant. A file is judged as
//! a whole when it is read, so that what is wrong with it is said with its line before the first
//! row of a log is met.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::event::{Device, Kind, Reason};
use crate::suggest::{did_you_mean, nearest};

use super::InputError;
use super::fields::{FIELD_COUNT, FIELD_NAMES, FIELDS_REQUIRED, Fields};
use super::table::field;
use super::time::{self, TimeReader};

/// The fields that are times, as places in [`FIELD_NAMES`].
const TIMES: [usize; 2] = [0, field::TIME];

/// How a foreign log is read.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(super) shape: Shape,
    pub(super) time: TimeReader,
    pub(super) kinds: BTreeMap<String, Kind>,
    /// Texts of every row, empty where there is none.
    pub(super) constants: [String; FIELD_COUNT],
}

/// The rows of a foreign log, and where each field is found in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A header names the columns.
    Named(u8, [Option<String>; FIELD_COUNT]),
    /// No header: columns by place, from 0.
    Placed(u8, [Option<usize>; FIELD_COUNT]),
    /// An object a line: the names on the way to the value.
    Json([Option<Vec<String>>; FIELD_COUNT]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: Source,
    columns: Spanned<BTreeMap<Spanned<String>, Spanned<toml::Value>>>,
    #[serde(default)]
    kinds: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    constants: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(rename = "type")]
    shape: SourceType,
    delimiter: Option<Spanned<String>>,
    header: Option<Spanned<bool>>,
    #[serde(default)]
    time_unit: TimeUnit,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum SourceType {
    Csv,
    Jsonl,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TimeUnit {
    #[default]
    Ms,
    S,
    Iso8601,
}

/// What is wrong with a mapping file, and which of its bytes.
struct Fault {
    span: Range<usize>,
    message: String,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`InputError::Open`] when it cannot be read, [`InputError::Mapping`] when it is wrong.
    pub fn load(path: &Path) -> Result<Mapping, InputError> {
        let text = std::fs::read_to_string(path).map_err(|source| InputError::Open {
            path: path.display().to_string(),
            source,
        })?;
        Mapping::parse(&text, &path.display().to_string())
    }

    /// Reads the text of a mapping file; `path` is what errors call it.
    ///
    /// # Errors
    /// [`InputError::Mapping`] when it is wrong.
    pub fn parse(text: &str, path: &str) -> Result<Mapping, InputError> {
        let mapping = match toml::from_str::<File>(text) {
            Ok(file) => build(file),
            Err(error) => Err(Fault {
                span: error.span().unwrap_or(0..0),
                message: with_suggestion(error.message()),
            }),
        };
        mapping.map_err(|fault| InputError::Mapping {
            path: path.to_owned(),
            line: 1 + text
                .bytes()
                .take(fault.span.start)
                .filter(|&b| b == b'\n')
                .count(),
            message: fault.message,
        })
    }

    /// The kind that the log means by a word.
    pub(super) fn kind(&self, word: &[u8]) -> Option<Kind> {
        let listed = std::str::from_utf8(word)
            .ok()
            .and_then(|word| self.kinds.get(word));
        listed.copied().or_else(|| Kind::parse(word))
    }
}

fn build(file: File) -> Result<Mapping, Fault> {
    let source = file.source;
    let time: TimeReader = match source.time_unit {
        TimeUnit::Ms => time::millis,
        TimeUnit::S => time::seconds,
        TimeUnit::Iso8601 => time::utc,
    };
    let kinds = kinds(file.kinds)?;
    let mut constants: [String; FIELD_COUNT] = Default::default();
    for (name, value) in &file.constants {
        let field = field_of(name)?;
        constants[field] = constant(field, value, &kinds)?;
    }
    let columns_span = file.columns.span();
    let mut columns: [Option<Spanned<toml::Value>>; FIELD_COUNT] = Default::default();
    for (name, column) in file.columns.into_inner() {
        let field = field_of(&name)?;
        if !constants[field].is_empty() {
            let message = format!("`{}` has both a column and a constant", name.get_ref());
            return fault(name.span(), message);
        }
        columns[field] = Some(column);
    }
    for field in FIELDS_REQUIRED {
        if columns[field].is_none() && constants[field].is_empty() {
            let message = format!("`{}` has no column", FIELD_NAMES[field]);
            return fault(columns_span, message);
        }
    }
    Ok(Mapping {
        shape: shape(&source, columns)?,
        time,
        kinds,
        constants,
    })
}

/// The place of a field by its name.
fn field_of(name: &Spanned<String>) -> Result<usize, Fault> {
    let known = FIELD_NAMES.iter().position(|field| field == name.get_ref());
    known.ok_or_else(|| {
        let near = nearest(name.get_ref(), FIELD_NAMES);
        Fault {
            span: name.span(),
            message: format!(
                "`{}` is no field of an event{}",
                name.get_ref(),
                did_you_mean(near)
            ),
        }
    })
}

fn kinds(words: BTreeMap<String, Spanned<String>>) -> Result<BTreeMap<String, Kind>, Fault> {
    let kind = |name: Spanned<String>| match Kind::parse(name.get_ref().as_bytes()) {
        Some(kind) => Ok(kind),
        None => fault(name.span(), unknown_kind(name.get_ref())),
    };
    words
        .into_iter()
        .map(|(word, name)| Ok((word, kind(name)?)))
        .collect()
}

fn unknown_kind(name: &str) -> String {
    let near = nearest(name, Kind::ALL.map(Kind::name));
    format!("`{name}` is no kind of event{}", did_you_mean(near))
}

/// The text of a constant, held against the same rules as a row's.
fn constant(
    field: usize,
    value: &Spanned<toml::Value>,
    kinds: &BTreeMap<String, Kind>,
) -> Result<String, Fault> {
    let text = match value.get_ref() {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        _ => return fault(value.span(), "a constant is a text or a number".to_owned()),
    };
    if TIMES.contains(&field) {
        return fault(value.span(), "a time cannot be a constant".to_owned());
    }
    let kind = |word: &[u8]| {
        let word = std::str::from_utf8(word).ok()?;
        kinds
            .get(word)
            .copied()
            .or_else(|| Kind::parse(word.as_bytes()))
    };
    let mut texts: [&[u8]; FIELD_COUNT] = [b""; FIELD_COUNT];
    texts[field::TIME] = b"1600000000000";
    texts[field::VISITOR] = b"v";
    texts[field::KIND] = b"page_view";
    texts[field] = text.as_bytes();
    if text.is_empty() || text.contains('\0') {
        return fault(
            value.span(),
            "a constant must not be empty or hold a NUL".to_owned(),
        );
    }
    match Fields::from(texts).read_with(time::millis, kind) {
        Ok(event) if field == field::DEVICE && event.device == Device::Unknown => {
            let near = nearest(&text, Device::ALL[1..].iter().map(|device| device.name()));
            let message = format!("`{text}` is no device{}", did_you_mean(near));
            fault(value.span(), message)
        }
        Ok(_) => Ok(text),
        Err(Reason::Kind) => fault(value.span(), unknown_kind(&text)),
        Err(reason) => {
            let name = FIELD_NAMES[field];
            fault(
                value.span(),
                format!("`{name}` cannot be `{text}`: {}", reason.name()),
            )
        }
    }
}

/// Where each field is found, as the type of the log has it.
fn shape(
    source: &Source,
    columns: [Option<Spanned<toml::Value>>; FIELD_COUNT],
) -> Result<Shape, Fault> {
    if source.shape == SourceType::Jsonl {
        let csv_only = source.delimiter.as_ref().map(Spanned::span);
        if let Some(span) = csv_only.or(source.header.as_ref().map(Spanned::span)) {
            return fault(
                span,
                "a JSONL log has no delimiter and no header".to_owned(),
            );
        }
        let path = |name: String| name.split('.').map(str::to_owned).collect();
        return Ok(Shape::Json(each(columns, |column| {
            Ok(path(name(column)?))
        })?));
    }
    let delimiter = match &source.delimiter {
        None => b',',
        Some(text) => match text.get_ref().as_bytes() {
            &[byte] if byte.is_ascii() && !b"\"\r\n\0".contains(&byte) => byte,
            _ => {
                let message = "a delimiter is one ASCII character, and not a quote or line end";
                return fault(text.span(), message.to_owned());
            }
        },
    };
    if source
        .header
        .as_ref()
        .is_none_or(|header| *header.get_ref())
    {
        return Ok(Shape::Named(delimiter, each(columns, name)?));
    }
    let place = |column: Spanned<toml::Value>| match column.get_ref() {
        toml::Value::Integer(number @ 1..=65_536) => Ok(*number as usize - 1),
        _ => fault(
            column.span(),
            "without a header a column is a number from 1".to_owned(),
        ),
    };
    Ok(Shape::Placed(delimiter, each(columns, place)?))
}

fn name(column: Spanned<toml::Value>) -> Result<String, Fault> {
    match column.get_ref() {
        toml::Value::String(name) if !name.is_empty() => Ok(name.clone()),
        _ => fault(column.span(), "a column is a name here".to_owned()),
    }
}

/// Turns every column that is there.
fn each<T>(
    columns: [Option<Spanned<toml::Value>>; FIELD_COUNT],
    turn: impl Fn(Spanned<toml::Value>) -> Result<T, Fault>,
) -> Result<[Option<T>; FIELD_COUNT], Fault> {
    let mut turned = std::array::from_fn(|_| None);
    for (slot, column) in turned.iter_mut().zip(columns) {
        *slot = column.map(&turn).transpose()?;
    }
    Ok(turned)
}

fn fault<T>(span: Range<usize>, message: String) -> Result<T, Fault> {
    Err(Fault { span, message })
}

/// Adds the nearest of the names that the message itself lists as expected.
fn with_suggestion(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let near = names.next().and_then(|wrong| nearest(wrong, names));
    format!("{}{}", message.trim_end(), did_you_mean(near))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Mapping::parse(text, "m.toml").unwrap_err().to_string()
    }

    #[test]
    fn faults_are_named_with_line_and_suggestion() {
        let head = "[source]\ntype = \"csv\"\n[columns]\nevent_ms = \"t\"\nvisitor = \"v\"\n";
        let cases = [
            ("[source]\ntype = \"cvs\"\n[columns]\n".to_owned(), 2, "did you mean `csv`?"),
            ("[source]\ntype = \"csv\"\ndelimeter = \";\"\n[columns]\n".to_owned(), 3, "did you mean `delimiter`?"),
            (format!("{head}knd = \"k\"\n"), 6, "did you mean `kind`?"),
            (format!("{head}kind = 3\n"), 6, "a column is a name here"),
            (format!("{head}item = \"i\"\n"), 3, "`kind` has no column"),
            (format!("{head}[constants]\nkind = \"item_veiw\"\n"), 7, "did you mean `item_view`?"),
            (format!("{head}[constants]\nkind = \"search\"\nprice = -1\n"), 8, "`price` cannot be `-1`: number"),
            (format!("{head}[constants]\narrival_ms = 1\n"), 7, "a time cannot be a constant"),
            (format!("{head}[constants]\ndevice = \"tablett\"\n"), 7, "did you mean `tablet`?"),
            (format!("{head}[constants]\nvisitor = \"x\"\nkind = \"search\"\n"), 5, "both a column and a constant"),
            (format!("{head}kind = \"k\"\n[kinds]\nsale = \"purchsae\"\n"), 8, "did you mean `purchase`?"),
            ("[source]\ntype = \"jsonl\"\nheader = true\n[columns]\nevent_ms = \"a\"\nvisitor = \"b\"\nkind = \"c\"".to_owned(), 3, "no header"),
            ("[source]\ntype = \"csv\"\nheader = false\n[columns]\nevent_ms = 0\nvisitor = 2\nkind = 3".to_owned(), 5, "number from 1"),
            ("[source]\ntype = \"csv\"\ndelimiter = \"||\"\n[columns]\nevent_ms = \"a\"\nvisitor = \"b\"\nkind = \"c\"".to_owned(), 3, "one ASCII character"),
            ("[source\n".to_owned(), 1, ""),
        ];
        for (text, line, message) in cases {
            let error = error(&text);
            assert!(
                error.starts_with(&format!("m.toml, line {line}: ")),
                "{error}\n{text}"
            );
            assert!(error.contains(message), "{error}\n{text}");
        }
    }

    #[test]
    fn a_missing_file_is_an_open_error() {
        let error = Mapping::load(Path::new("no-such-mapping.toml")).unwrap_err();
        assert_eq!(error.exit_code(), 5);
    }
}
