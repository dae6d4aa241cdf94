//! A shop's catalogue, as CSV with a header or as JSON lines: what is for sale, and when it changed.
//!
//! Columns, in any order, of which only `item` must be there: `at_ms` (from when on the row holds, in
//! ms since 1970; empty is from the beginning), `item`, `category`, `price`, `margin`, `stock` (whole
//! units; 0 is sold out), `order` (any number; the least comes first), `anew` (1: what the row leaves empty
//! is unknown from then on). Else what a row leaves empty stays as an earlier row said. A catalogue is
//! configuration: a row that is wrong ends the run, with its line.
//!
//! Cost: a few µs a row, once.

use crate::event::{ID_BYTES_MAX, Micros};
use crate::suggest;
use crate::visit::products::catalogue::{Builder, Catalogue, Statement};
use csv::{ByteRecord, ReaderBuilder};
use std::collections::BTreeMap;

/// The columns, in the order of their numbers.
pub const COLUMNS: [&str; 8] = [
    "at_ms", "item", "category", "price", "margin", "stock", "order", "anew",
];
const ITEM: usize = 1;

/// Why a catalogue was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct CatalogueError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// The fields of a row; empty where it says nothing.
type Fields<'a> = [&'a [u8]; COLUMNS.len()];

/// A row.
pub struct Row<'a> {
    /// Its line, from 1.
    pub line: u64,
    /// Where it ends, in bytes.
    pub end: u64,
    /// Its fields as they were written, in the order of [`COLUMNS`]; empty where it says nothing.
    pub fields: Fields<'a>,
    /// What they say.
    pub statement: Statement<'a>,
}

/// What is told each row, until one is wrong.
type Taker<'t> = dyn FnMut(Row<'_>) -> Result<(), CatalogueError> + 't;

/// Reads a catalogue: JSON lines if the text begins with `{`, else CSV.
///
/// # Errors
/// [`CatalogueError`] for the first row or header that is wrong, and for a catalogue without items.
pub fn read_catalogue(name: &str, bytes: &[u8]) -> Result<Catalogue, CatalogueError> {
    let mut builder = Builder::default();
    read_rows(bytes, &mut |row| {
        builder.say(&row.statement);
        Ok(())
    })?;
    let mut catalogue = builder.build(name, bytes);
    catalogue.source = bytes.into();
    Ok(catalogue)
}

/// The same, row by row.
///
/// # Errors
/// The same, and what the taker refuses.
pub fn read_rows(text: &[u8], take: &mut Taker<'_>) -> Result<(), CatalogueError> {
    let begun = text.strip_prefix(BOM).unwrap_or(text);
    let before = (text.len() - begun.len()) as u64;
    let (text, mut rows) = (begun, 0);
    let mut counted = |mut row: Row<'_>| {
        rows += 1;
        row.end += before;
        take(row)
    };
    if text.trim_ascii_start().starts_with(b"{") {
        read_json(text, &mut counted)?;
    } else {
        read_csv(text, &mut counted)?;
    }
    if rows == 0 {
        let what = "the catalogue holds no item".into();
        return Err(CatalogueError { line: 1, what });
    }
    Ok(())
}

/// May stand before a text.
const BOM: &[u8] = b"\xef\xbb\xbf";

fn read_csv(text: &[u8], take: &mut Taker<'_>) -> Result<(), CatalogueError> {
    let mut reader = ReaderBuilder::new().from_reader(text);
    let wrong = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        let what = match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("it has {len} fields, the header {expected_len}"),
            _ => error.to_string(),
        };
        CatalogueError { line, what }
    };
    let header = reader.byte_headers().map_err(wrong)?;
    let mut places = [None; COLUMNS.len()];
    for (place, name) in header.iter().enumerate() {
        let name = String::from_utf8_lossy(name).trim().to_owned();
        let column = column(&name).map_err(|what| CatalogueError { line: 1, what })?;
        if places[column].replace(place).is_some() {
            let what = format!("column `{name}` stands twice");
            return Err(CatalogueError { line: 1, what });
        }
    }
    if places[ITEM].is_none() {
        let what = format!(
            "the header has no `item`; columns are {}",
            COLUMNS.join(", ")
        );
        return Err(CatalogueError { line: 1, what });
    }
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(wrong)? {
        let line = record.position().map_or(0, csv::Position::line);
        let place = (line, reader.position().byte());
        let field = |place: Option<usize>| place.and_then(|place| record.get(place));
        let fields: Fields<'_> = places.map(|place| field(place).unwrap_or(b"").trim_ascii());
        take_row(place, fields, take)?;
    }
    Ok(())
}

fn read_json(text: &[u8], take: &mut Taker<'_>) -> Result<(), CatalogueError> {
    let mut end = 0;
    for (line, row) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let place = (line, end + row.len() as u64);
        end = place.1 + 1;
        if row.trim_ascii().is_empty() {
            continue;
        }
        let texts = json_row(row).map_err(|what| CatalogueError { line, what })?;
        let fields = std::array::from_fn(|column| texts[column].trim().as_bytes());
        take_row(place, fields, take)?;
    }
    Ok(())
}

fn take_row(
    (line, end): (u64, u64),
    fields: Fields<'_>,
    take: &mut Taker<'_>,
) -> Result<(), CatalogueError> {
    take(Row {
        line,
        end,
        statement: statement(&fields).map_err(|what| CatalogueError { line, what })?,
        fields,
    })
}

fn json_row(text: &[u8]) -> Result<[String; COLUMNS.len()], String> {
    let row: BTreeMap<String, serde_json::Value> = serde_json::from_slice(text)
        .map_err(|error| format!("it is not a JSON object: column {}", error.column()))?;
    let mut texts: [String; COLUMNS.len()] = Default::default();
    for (name, value) in row {
        texts[column(&name)?] = match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Null => String::new(),
            _ => return Err(format!("`{name}` is neither text nor a number")),
        };
    }
    Ok(texts)
}

fn column(name: &str) -> Result<usize, String> {
    let found = COLUMNS.iter().position(|known| *known == name);
    found.ok_or_else(|| {
        let hint = suggest::hint(name, COLUMNS);
        format!(
            "column `{name}` is unknown; columns are {}{hint}",
            COLUMNS.join(", ")
        )
    })
}

fn statement<'a>(fields: &Fields<'a>) -> Result<Statement<'a>, String> {
    let [at_ms, item, category, price, margin, stock, order, anew] = *fields;
    let given = |text: &'a [u8]| (!text.is_empty()).then_some(text);
    for (name, id) in [("item", item), ("category", category)] {
        if id.len() > ID_BYTES_MAX {
            return Err(format!("`{name}` is longer than {ID_BYTES_MAX} bytes"));
        }
    }
    if item.is_empty() {
        return Err("`item` is empty".into());
    }
    Ok(Statement {
        at_ms: whole("at_ms", at_ms)?.unwrap_or(0),
        item,
        category: given(category),
        price: given(price).map(|text| amount("price", text)).transpose()?,
        margin: given(margin)
            .map(|text| signed("margin", text))
            .transpose()?,
        stock: whole("stock", stock)?,
        order: given(order).map(|text| signed("order", text)).transpose()?,
        anew: match anew {
            b"" | b"0" => false,
            b"1" => true,
            _ => {
                let text = String::from_utf8_lossy(anew);
                return Err(format!("`anew` {text} is neither 0 nor 1"));
            }
        },
    })
}

fn whole(name: &str, text: &[u8]) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = std::str::from_utf8(text).ok();
    let number = digits.and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or_else(|| {
        let text = String::from_utf8_lossy(text);
        format!("`{name}` {text} is not a whole number from 0 up")
    })
}

fn amount(name: &str, text: &[u8]) -> Result<i64, String> {
    let amount = Micros::parse(text).map_err(|error| error.to_string());
    let amount = amount.map(|amount| amount.get().unwrap_or(0));
    amount.map_err(|what| format!("`{name}` {} is {what}", String::from_utf8_lossy(text)))
}

fn signed(name: &str, text: &[u8]) -> Result<i64, String> {
    match text.strip_prefix(b"-") {
        Some(rest) => Ok(-amount(name, rest)?),
        None => amount(name, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Id;

    fn refused(text: &str) -> String {
        read_catalogue("shop", text.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let csv = "item,price,stock,category,at_ms,margin,order\n\
                   lamp,29.90,3,light,,-1.5,2\n\
                   \"a, b\",,,,,,\n\
                   lamp,,0,,1767225600000,,\n";
        let json = "{\"item\":\"lamp\",\"price\":29.90,\"stock\":3,\"category\":\"light\",\"margin\":-1.5,\"order\":2}\n\
                    \n{\"item\":\"a, b\"}\n\
                    {\"item\":\"lamp\",\"stock\":0,\"at_ms\":1767225600000,\"price\":null}";
        let of = |text: &str| read_catalogue("shop", text.as_bytes()).unwrap();
        let (csv, json) = (of(csv), of(json));
        assert_eq!(csv.statements(), json.statements());
        assert_eq!((csv.len(), csv.text(1)), (2, &b"a, b"[..]));
        let lamp = csv.statements()[0].upon(None);
        assert_eq!((lamp.price, lamp.margin), (29_900_000, Some(-1_500_000)));
        assert_eq!((lamp.stock, lamp.order), (Some(3), 2_000_000));
        assert_eq!(lamp.category, Id::of(b"light"));
        let last = csv.statements()[2];
        let product = last.upon(Some(lamp));
        assert_eq!((last.at_ms, product.stock), (1_767_225_600_000, Some(0)));
        assert_eq!(product.price, 29_900_000);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            ("", "line 1: the header has no `item`"),
            ("item\n", "line 1: the catalogue holds no item"),
            ("item,prise\na,1\n", "did you mean `price`?"),
            ("item,item\na,1\n", "line 1: column `item` stands twice"),
            (
                "item,price\na,1\nb\n",
                "line 3: it has 1 fields, the header 2",
            ),
            (
                "item,price\na,1\nb,dear\n",
                "line 3: `price` dear is not a number",
            ),
            ("item,price\na,-1\n", "line 2: `price` -1 is negative"),
            (
                "item,stock\na,1.5\n",
                "line 2: `stock` 1.5 is not a whole number",
            ),
            ("item,price\n,1\n", "line 2: `item` is empty"),
            (
                "{\"item\":\"a\"}\n{\"item\":}",
                "line 2: it is not a JSON object: column",
            ),
            (
                "{\"item\":[\"a\"]}",
                "line 1: `item` is neither text nor a number",
            ),
            ("{\"items\":\"a\"}", "did you mean `item`?"),
            (
                "item,anew\na,yes\n",
                "line 2: `anew` yes is neither 0 nor 1",
            ),
        ] {
            let error = refused(text);
            assert!(error.contains(told), "{text:?}: {error}");
        }
        let long = format!("item\n{}\n", "x".repeat(129));
        assert!(refused(&long).contains("line 2: `item` is longer than 128 bytes"));
    }
}
