//! Session tables: one row a session, one column the outcome, each column of a detected kind.
//!
//! A column is numbers, or truth values (0 and 1), or categories: the first of these that takes
//! all its cells. Empty cells, `NA` and `NaN` are missing. A column of more than
//! [`CATEGORIES_MAX`] texts is left out with a note. Nothing here looks at the outcome, except to
//! read it. Cost: one pass a column.

pub use super::table_error::TableError;
use super::table_read::{Sheet, line};
use crate::suggest;
use csv::StringRecord;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

/// Most different texts in a column of categories.
pub const CATEGORIES_MAX: usize = 64;

/// What to take from a file.
#[derive(Clone, Debug, Default)]
pub struct TableSpec {
    /// The column with the outcome.
    pub label: String,
    /// Only these columns are used, where any are named.
    pub keep: Vec<String>,
    /// These columns are not used.
    pub drop: Vec<String>,
}

/// A table of sessions.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The columns used, in the file's order.
    pub columns: Vec<Column>,
    /// Each row's outcome.
    pub labels: Vec<bool>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in the header.
    pub name: String,
    /// Its cells.
    pub cells: Cells,
}

/// The cells of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Numbers; NaN is missing.
    Number(Vec<f64>),
    /// Truth values as 0 and 1; NaN is missing.
    Boolean(Vec<f64>),
    /// Places in the sorted list of names.
    Category {
        /// The categories.
        names: Vec<String>,
        /// Each row's category; nothing is missing.
        codes: Vec<Option<u8>>,
    },
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TableError`], naming line and column.
    pub fn open(path: &Path, spec: &TableSpec) -> Result<Table, TableError> {
        Table::read(std::fs::File::open(path)?, spec)
    }

    /// Reads a table from anywhere.
    ///
    /// # Errors
    /// [`TableError`], naming line and column.
    pub fn read(source: impl Read, spec: &TableSpec) -> Result<Table, TableError> {
        let sheet = Sheet::read(source)?;
        let find = |name: &String| {
            let at = sheet.names.iter().position(|known| known == name);
            at.ok_or_else(|| TableError::Unknown {
                name: name.clone(),
                hint: suggest::hint(name, sheet.names.iter().map(String::as_str)),
            })
        };
        let label = find(&spec.label)?;
        let keep: Vec<usize> = spec.keep.iter().map(find).collect::<Result<_, _>>()?;
        let drop: Vec<usize> = spec.drop.iter().map(find).collect::<Result<_, _>>()?;
        if drop.contains(&label) {
            return Err(TableError::LabelDropped(spec.label.clone()));
        }
        let mut table = Table {
            labels: outcomes(&sheet, label)?,
            ..Table::default()
        };
        for (at, name) in sheet.names.iter().enumerate() {
            let wanted = (keep.is_empty() || keep.contains(&at)) && !drop.contains(&at);
            if at == label || !wanted {
                continue;
            }
            match cells(&sheet, at)? {
                Ok(cells) => table.columns.push(Column {
                    name: name.clone(),
                    cells,
                }),
                Err(note) => table.notes.push(note),
            }
        }
        // Of a header alone, the missing rows are what is to be said.
        if table.columns.is_empty() && !sheet.rows.is_empty() {
            return Err(TableError::NoColumns);
        }
        Ok(table)
    }
}

fn is_missing(cell: &str) -> bool {
    ["", "NA", "NaN"]
        .iter()
        .any(|word| cell.eq_ignore_ascii_case(word))
}

fn truth(cell: &str) -> Option<bool> {
    let is = |words: [&str; 2]| words.iter().any(|word| cell.eq_ignore_ascii_case(word));
    if is(["true", "yes"]) {
        Some(true)
    } else {
        is(["false", "no"]).then_some(false)
    }
}

/// A column's cells, or the note with which it is left out.
fn cells(sheet: &Sheet, at: usize) -> Result<Result<Cells, String>, TableError> {
    let name = &sheet.names[at];
    let present = || sheet.rows.iter().filter(|row| !is_missing(&row[at]));
    if present().next().is_none() {
        return Ok(Err(format!("column `{name}` has no values: left out")));
    }
    let read = |parse: fn(&str) -> Option<f64>| {
        let cell = |row: &StringRecord| match &row[at] {
            cell if is_missing(cell) => Some(f64::NAN),
            cell => parse(cell),
        };
        sheet.rows.iter().map(cell).collect::<Option<Vec<f64>>>()
    };
    if let Some(values) = read(|cell| cell.parse().ok()) {
        let bad = values
            .iter()
            .position(|x| x.abs() >= super::boost::VALUE_MAX);
        return match bad {
            None => Ok(Ok(Cells::Number(values))),
            Some(row) => Err(TableError::Infinite {
                line: line(&sheet.rows[row]),
                column: name.clone(),
                text: sheet.rows[row][at].to_string(),
            }),
        };
    }
    if let Some(values) = read(|cell| truth(cell).map(|yes| f64::from(u8::from(yes)))) {
        return Ok(Ok(Cells::Boolean(values)));
    }
    let names: BTreeSet<&str> = present().map(|row| &row[at]).collect();
    if names.len() > CATEGORIES_MAX {
        let text = present().find(|row| row[at].parse::<f64>().is_err());
        let text = text.map_or_else(String::new, |row| {
            format!(" ({:?} on line {} is not a number)", &row[at], line(row))
        });
        return Ok(Err(format!(
            "column `{name}` has {} different texts, more than {CATEGORIES_MAX}: left out{text}",
            names.len()
        )));
    }
    let names: Vec<String> = names.into_iter().map(String::from).collect();
    let code = |row: &StringRecord| {
        let found = names.binary_search_by(|name| name.as_str().cmp(&row[at]));
        found.ok().map(|code| code as u8)
    };
    let codes = sheet.rows.iter().map(code).collect();
    Ok(Ok(Cells::Category { names, codes }))
}

/// The label's column. Yes is TRUE, yes or 1; no is FALSE, no or 0, or the only other value.
fn outcomes(sheet: &Sheet, at: usize) -> Result<Vec<bool>, TableError> {
    let name = &sheet.names[at];
    if let Some(row) = sheet.rows.iter().find(|row| is_missing(&row[at])) {
        return Err(TableError::LabelMissing {
            line: line(row),
            name: name.clone(),
        });
    }
    let outcome = |cell: &str| {
        truth(cell).or_else(|| match cell.parse::<f64>() {
            Ok(1.0) => Some(true),
            Ok(0.0) => Some(false),
            _ => None,
        })
    };
    let values: BTreeSet<&str> = sheet.rows.iter().map(|row| &row[at]).collect();
    let unclear = values.iter().filter(|cell| outcome(cell).is_none()).count();
    let positives = values
        .iter()
        .filter(|cell| outcome(cell) == Some(true))
        .count();
    if unclear > 0 && (values.len() != 2 || positives != 1) {
        let mut shown: Vec<String> = values.iter().take(5).map(|x| format!("`{x}`")).collect();
        if values.len() > shown.len() {
            shown.push(format!("and {} more", values.len() - shown.len()));
        }
        return Err(TableError::Label {
            name: name.clone(),
            values: shown.join(", "),
        });
    }
    let rows = sheet.rows.iter();
    Ok(rows.map(|row| outcome(&row[at]) == Some(true)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, spec: TableSpec) -> Result<Table, TableError> {
        let spec = TableSpec {
            label: if spec.label.is_empty() {
                "bought".into()
            } else {
                spec.label
            },
            ..spec
        };
        Table::read(text.as_bytes(), &spec)
    }

    fn says(text: &str, spec: TableSpec) -> String {
        read(text, spec).unwrap_err().to_string()
    }

    #[test]
    fn columns_find_their_kind() {
        let text = "n;b;c;empty;bought\n1;yes;x;;TRUE\nNA;No;;NaN;FALSE\n-2e3;;y;na;FALSE\n";
        let table = read(text, TableSpec::default()).unwrap();
        assert_eq!(table.labels, [true, false, false]);
        let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["n", "b", "c"]);
        assert!(
            matches!(&table.columns[0].cells, Cells::Number(x) if x[2] == -2e3 && x[1].is_nan())
        );
        assert!(matches!(&table.columns[1].cells, Cells::Boolean(x) if x[0] == 1.0 && x[1] == 0.0));
        let expected = Cells::Category {
            names: vec!["x".into(), "y".into()],
            codes: vec![Some(0), None, Some(1)],
        };
        assert_eq!(table.columns[2].cells, expected);
        assert_eq!(table.notes, ["column `empty` has no values: left out"]);
    }

    #[test]
    fn columns_are_kept_and_dropped_by_name() {
        let text = "a,b,c,bought\n1,2,3,1\n4,5,6,0\n";
        let names = |keep: &[&str], drop: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
            let spec = TableSpec {
                keep: list(keep),
                drop: list(drop),
                ..TableSpec::default()
            };
            let table = read(text, spec).map_err(|error| error.to_string())?;
            Ok::<_, String>(
                table
                    .columns
                    .into_iter()
                    .map(|c| c.name)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(names(&["c", "a"], &[]).unwrap(), ["a", "c"]);
        assert_eq!(names(&[], &["b"]).unwrap(), ["a", "c"]);
        assert_eq!(names(&["a", "b"], &["b"]).unwrap(), ["a"]);
        assert!(
            names(&["a"], &["a"])
                .unwrap_err()
                .contains("no usable column")
        );
        assert!(
            names(&[], &["bougth"])
                .unwrap_err()
                .contains("did you mean `bought`")
        );
        assert!(
            names(&[], &["bought"])
                .unwrap_err()
                .contains("is the label")
        );
    }

    #[test]
    fn labels_are_yes_or_no() {
        let labels = |values: [&str; 3]| {
            let text = format!(
                "a,bought\n1,{}\n2,{}\n3,{}\n",
                values[0], values[1], values[2]
            );
            read(&text, TableSpec::default()).map(|table| table.labels)
        };
        for values in [
            ["1", "0", "1"],
            ["Yes", "no", "yes"],
            ["TRUE", "left", "TRUE"],
        ] {
            assert_eq!(labels(values).unwrap(), [true, false, true], "{values:?}");
        }
        let error = labels(["buyer", "none", "buyer"]).unwrap_err().to_string();
        assert!(error.contains("`buyer`, `none`"), "{error}");
        let error = labels(["0", "1", "2"]).unwrap_err().to_string();
        assert!(error.contains("`2`"), "{error}");
        assert!(
            labels(["1", "", "0"])
                .unwrap_err()
                .to_string()
                .contains("line 3")
        );
    }

    #[test]
    fn infinite_values_are_named_by_line_and_column() {
        for value in ["inf", "-Infinity", "1e999", "1e300"] {
            let error = says(&format!("a,bought\n1,1\n{value},0\n"), TableSpec::default());
            assert!(error.contains("line 3") && error.contains("`a`"), "{error}");
        }
    }

    #[test]
    fn a_column_of_too_many_texts_is_left_out() {
        let mut text = String::from("id,n,bought\n");
        for row in 0..100 {
            text += &format!("v{row},{row},{}\n", row % 2);
        }
        let table = read(&text, TableSpec::default()).unwrap();
        assert_eq!(table.columns.len(), 1);
        assert!(
            table.notes[0].contains("`id` has 100 different texts"),
            "{:?}",
            table.notes
        );
        assert!(
            table.notes[0].contains("\"v0\" on line 2"),
            "{:?}",
            table.notes
        );
    }
}
