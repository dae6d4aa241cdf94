//! A catalogue that changes while a job runs: what a changed file adds to what was said before.
//!
//! What is on sale is a list of rows, each from a time on, and it only grows. A changed file is taken up at a
//! boundary of the quantum ahead of all clocks, and what it says differently becomes rows that hold from
//! there on:
//!
//! - A file that begins with all that it held before has **grown**: its new rows are added, each from its
//!   own time on, but not before the boundary.
//! - Any other was **rewritten**: from the boundary on what it says as a whole holds. Each item of which that
//!   is something else gets a row with all that the file says (`anew`), at the boundary and wherever that
//!   changes later; one that the file no longer names is sold out.
//!
//! Nothing that was said before is taken back, so items keep their numbers, new ones get the next, and
//! whoever has the last list has every earlier one: it makes the same decisions from the log's start. That list
//! in writing, as JSON lines behind a line that says which file was taken last, is the catalogue's part of the
//! journal ([`crate::visit::plan`] has the other).
//!
//! Cost: reading both lists, away from the workers; what differs is looked at where the boundary is known.

use super::catalogue::{COLUMNS, CatalogueError, Row, read_rows};
use crate::visit::products::catalogue::{Builder, Catalogue};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use xxhash_rust::xxh3::xxh3_128;

/// Most bytes of the rows in writing.
pub const BYTES_MAX: usize = 128 << 20;
/// What the part's first line begins with.
const HEAD: &str = "{\"catalogue\":";

/// All that was ever said of what is on sale.
#[derive(Clone, Debug)]
pub struct Stock {
    taken: Taken,
    /// JSON lines.
    rows: String,
    count: usize,
}

/// The file that was taken last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    catalogue: String,
    bytes: u64,
    digest: String,
    /// The boundary from which on it holds, in ms.
    from_ms: u64,
}

/// What a changed file may add.
#[derive(Clone, Debug)]
pub struct News {
    taken: Taken,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// New rows.
    Grown(Vec<Line>),
    /// Items with the rows that were said before, and those of the file.
    Rewritten(Vec<WasAndIs>),
}

/// Why a catalogue cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum RestockError {
    /// A row or header is wrong.
    #[error(transparent)]
    Row(#[from] CatalogueError),
    /// There is too much of it.
    #[error(
        "all that was said of what is on sale would come to more than {BYTES_MAX} bytes: begin a new state"
    )]
    TooLong,
    /// A journal says nonsense.
    #[error("the catalogue in the journal: {0}")]
    Journal(String),
}

/// A row in writing: fields as they were given, empty where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Line {
    #[serde(skip_serializing_if = "is_zero")]
    at_ms: u64,
    item: String,
    #[serde(flatten)]
    said: Fields,
    #[serde(skip_serializing_if = "is_zero")]
    anew: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Fields {
    #[serde(skip_serializing_if = "String::is_empty")]
    category: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    price: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    margin: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    stock: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    order: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A journal's part about rules, and the one about the catalogue, if it has one.
pub fn parts(journal: &str) -> (&str, Option<&str>) {
    let begins = |(at, _): &(usize, &str)| journal[*at..].starts_with(HEAD);
    let mut starts =
        std::iter::once((0, "")).chain(journal.match_indices('\n').map(|(at, end)| (at + 1, end)));
    match starts.find(begins) {
        Some((at, _)) => (&journal[..at], Some(&journal[at..])),
        None => (journal, None),
    }
}

/// A catalogue that some rows in writing were added to.
///
/// # Errors
/// [`CatalogueError`] for a row that is wrong.
pub fn grown(catalogue: &Catalogue, rows: &str) -> Result<Catalogue, CatalogueError> {
    let mut builder = Builder::after(catalogue);
    read_rows(rows.as_bytes(), &mut |row| {
        builder.say(&row.statement);
        Ok(())
    })?;
    Ok(builder.grown())
}

impl Taken {
    fn of(name: &str, text: &[u8], from_ms: u64) -> Taken {
        Taken {
            catalogue: name.into(),
            bytes: text.len() as u64,
            digest: digest(text),
            from_ms,
        }
    }

    fn is(&self, text: &[u8]) -> bool {
        self.bytes == text.len() as u64 && self.digest == digest(text)
    }

    /// Whether a text begins with all of it, up to the end of a line.
    fn begins(&self, text: &[u8]) -> bool {
        let begin = text.get(..self.bytes as usize);
        begin.is_some_and(|begin| begin.ends_with(b"\n") && self.is(begin))
    }
}

fn digest(text: &[u8]) -> String {
    format!("{:032x}", xxh3_128(text))
}

/// An item's rows in what was said before, and in a file.
type WasAndIs = (Vec<Line>, Vec<Line>);

impl Stock {
    /// What a file says, from the beginning.
    ///
    /// # Errors
    /// [`RestockError`] for what is wrong with it.
    pub fn of(name: &str, text: &[u8]) -> Result<Stock, RestockError> {
        let mut stock = Stock {
            taken: Taken::of(name, text, 0),
            rows: String::new(),
            count: 0,
        };
        read_rows(text, &mut |row| {
            Line::of(&row)?.write(&mut stock.rows);
            stock.count += 1;
            Ok(())
        })?;
        stock.fits(0)?;
        Ok(stock)
    }

    /// Reads a journal's part.
    ///
    /// # Errors
    /// [`RestockError`] for what is wrong with it.
    pub fn read(part: &str) -> Result<Stock, RestockError> {
        let (head, rows) = part.split_once('\n').unwrap_or((part, ""));
        let taken = serde_json::from_str(head);
        Ok(Stock {
            taken: taken.map_err(|error| RestockError::Journal(error.to_string()))?,
            rows: rows.into(),
            count: rows.lines().count(),
        })
    }

    /// It in writing.
    pub fn write(&self) -> String {
        let head = serde_json::to_string(&self.taken).expect("it is plain data");
        format!("{head}\n{}", self.rows)
    }

    /// The catalogue, under the name of the file that was taken last; its rows are its source.
    ///
    /// # Errors
    /// [`RestockError`] for what is wrong with it.
    pub fn catalogue(&self) -> Result<Catalogue, RestockError> {
        let catalogue =
            super::catalogue::read_catalogue(&self.taken.catalogue, self.rows.as_bytes());
        catalogue.map_err(|error| RestockError::Journal(error.to_string()))
    }

    /// What a file may add; nothing if it is the one that was taken last, or says what this does in writing.
    ///
    /// # Errors
    /// [`RestockError`] for the first row that is wrong, or if there are too many.
    pub fn news(&self, name: &str, text: &[u8]) -> Result<Option<News>, RestockError> {
        if self.taken.is(text) || self.rows.as_bytes() == text {
            return Ok(None);
        }
        let has_grown = self.taken.begins(text);
        let mut lines = Vec::new();
        read_rows(text, &mut |row| {
            if !has_grown || row.end > self.taken.bytes {
                lines.push(Line::of(&row)?);
            }
            Ok(())
        })?;
        let mut added = String::new();
        lines.iter().for_each(|line| line.write(&mut added));
        self.fits(added.len())?;
        let what = match has_grown {
            true => What::Grown(lines),
            false => What::Rewritten(self.compared(lines)?),
        };
        let taken = Taken::of(name, text, self.taken.from_ms);
        Ok(Some(News { taken, what }))
    }

    fn fits(&self, more: usize) -> Result<(), RestockError> {
        match self.rows.len() + more > BYTES_MAX {
            true => Err(RestockError::TooLong),
            false => Ok(()),
        }
    }

    /// The items of which rows say something else than before: those of the file in its order, then those
    /// that it no longer names.
    fn compared(&self, lines: Vec<Line>) -> Result<Vec<WasAndIs>, RestockError> {
        let mut before = Vec::new();
        read_rows(self.rows.as_bytes(), &mut |row| {
            before.push(Line::of(&row)?);
            Ok(())
        })?;
        let mut items: Vec<WasAndIs> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let all = lines.into_iter().map(|line| (line, true));
        for (line, is_now) in all.chain(before.into_iter().map(|line| (line, false))) {
            let place = *places.entry(line.item.clone()).or_insert_with(|| {
                items.push(Default::default());
                items.len() - 1
            });
            let (was, now) = &mut items[place];
            if is_now { now } else { was }.push(line);
        }
        items.retain(|(was, now)| was != now);
        for lines in items.iter_mut().flat_map(|(was, now)| [was, now]) {
            lines.sort_by_key(|line| line.at_ms);
        }
        Ok(items)
    }

    /// Takes up what a file says, from the first boundary from a time on that is not before the one of the
    /// file before; the rows that this adds, in writing. Nothing if it says the same.
    pub fn take(&mut self, news: News, at_ms: u64, quantum_ms: u64) -> Option<String> {
        let at_ms = at_ms.max(self.taken.from_ms);
        let from_ms = at_ms.checked_next_multiple_of(quantum_ms)?;
        let mut added = String::new();
        let mut add = |line: &Line| line.write(&mut added);
        match news.what {
            What::Grown(lines) => {
                for mut line in lines {
                    line.at_ms = line.at_ms.max(from_ms);
                    add(&line);
                }
            }
            What::Rewritten(items) => {
                for (was, now) in items {
                    differences(&was, &now, from_ms).iter().for_each(&mut add);
                }
            }
        }
        self.rows.push_str(&added);
        self.count += added.lines().count();
        self.taken = Taken {
            from_ms,
            ..news.taken
        };
        (!added.is_empty()).then_some(added)
    }

    /// What is said of rows that were taken up.
    pub fn told(&self, rows: &str) -> String {
        let Taken {
            catalogue, from_ms, ..
        } = &self.taken;
        let what = match rows.lines().count() {
            1 => "a row of it holds".into(),
            many => format!("{many} rows of it hold"),
        };
        format!("catalogue {catalogue} was taken up: {what} from {from_ms} ms on, or from later on")
    }

    /// How many statements there are.
    pub fn statements(&self) -> usize {
        self.count
    }
}

/// The rows that make of what was said of an item what a file says of it, from a boundary on. Both in the
/// order of time.
fn differences(was: &[Line], now: &[Line], from_ms: u64) -> Vec<Line> {
    let later = was.iter().chain(now).map(|line| line.at_ms);
    let times: BTreeSet<u64> = later
        .filter(|at_ms| *at_ms > from_ms)
        .chain([from_ms])
        .collect();
    let item = was.first().or(now.first()).map(|line| &line.item);
    let sold_out = |said: Fields| Fields {
        stock: "0".into(),
        ..said
    };
    let states = times.into_iter().filter_map(|at_ms| {
        let before = state(was, at_ms);
        let after = state(now, at_ms).or_else(|| before.clone().map(sold_out))?;
        Some((at_ms, before, after))
    });
    let states: Vec<_> = states.collect();
    if states
        .iter()
        .all(|(_, before, after)| before.as_ref() == Some(after))
    {
        return Vec::new();
    }
    let lines = states.into_iter().map(|(at_ms, _, said)| Line {
        at_ms,
        item: item.cloned().unwrap_or_default(),
        said,
        anew: 1,
    });
    lines.collect()
}

/// What rows say of their item at a time.
fn state(lines: &[Line], at_ms: u64) -> Option<Fields> {
    let held = lines.iter().take_while(|line| line.at_ms <= at_ms);
    held.fold(None, |before, line| Some(line.upon(before)))
}

impl Line {
    fn of(row: &Row<'_>) -> Result<Line, CatalogueError> {
        let text = |column: usize| match std::str::from_utf8(row.fields[column]) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(CatalogueError {
                line: row.line,
                what: format!(
                    "`{}` is not UTF-8, as it must be where state is kept",
                    COLUMNS[column]
                ),
            }),
        };
        Ok(Line {
            at_ms: row.statement.at_ms,
            item: text(1)?,
            said: Fields {
                category: text(2)?,
                price: text(3)?,
                margin: text(4)?,
                stock: text(5)?,
                order: text(6)?,
            },
            anew: u64::from(row.statement.anew),
        })
    }

    fn write(&self, out: &mut String) {
        *out += &serde_json::to_string(self).expect("fields are plain data");
        out.push('\n');
    }

    /// What holds from this row on.
    fn upon(&self, before: Option<Fields>) -> Fields {
        let before = before.filter(|_| self.anew == 0).unwrap_or_default();
        let of = |said: &String, before: String| match said.is_empty() {
            true => before,
            false => said.clone(),
        };
        let said = &self.said;
        Fields {
            category: of(&said.category, before.category),
            price: of(&said.price, before.price),
            margin: of(&said.margin, before.margin),
            stock: of(&said.stock, before.stock),
            order: of(&said.order, before.order),
        }
    }
}

#[cfg(test)]
mod tests;
