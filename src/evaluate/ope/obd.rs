//! The Open Bandit Dataset (Saito et al. 2021): impressions of fashion items, as logged choices.
//!
//! A line is an item shown at one of three positions of a page: `item_id` (from 0), `position` (1 to
//! 3), `click` (0 or 1) and `propensity_score` (of the item at that position, as the collecting
//! policy had it); what else a line holds about the user is not read, as neither of the published
//! policies looks at it. A row is its own unit: the data do not say whose it is. A group is a
//! position, and the target's distribution depends on the position alone. Invariant: a file is taken
//! whole or refused with the line and the column of what is wrong in it. Cost: the text once over,
//! and 40 bytes a row.

use super::rows::{Logged, Names, RowError, Rows, TargetId};
use crate::suggest::hint;
use csv::{ByteRecord, ReaderBuilder};
use std::io::Read;

/// Positions of a page.
pub const POSITIONS: usize = 3;
/// The columns that are read.
const COLUMNS: [&str; 4] = ["item_id", "position", "click", "propensity_score"];

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ObdError {
    /// The file could not be read.
    #[error("could not read it: {0}")]
    Io(std::io::Error),
    /// A column is missing.
    #[error(
        "the header has no column `{name}`{hint}; the Open Bandit Dataset has item_id, position, click and propensity_score"
    )]
    Column {
        /// The column.
        name: &'static str,
        /// `; did you mean …?`, or nothing.
        hint: String,
    },
    /// A line is damaged.
    #[error("line {line}: {what}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The target is not a distribution.
    #[error("the target policy at position {position}: {source}")]
    Target {
        /// The position, from 1.
        position: usize,
        /// Why.
        source: RowError,
    },
    /// Nothing in it.
    #[error("it has no rows")]
    Empty,
}

impl ObdError {
    /// The exit code that the outside fixes for this failure: 2 for a file of another kind, 3 for bad
    /// rows, 5 for a file that cannot be read.
    pub fn exit_code(&self) -> i32 {
        match self {
            ObdError::Io(_) => 5,
            ObdError::Line { .. } | ObdError::Empty => 3,
            ObdError::Column { .. } | ObdError::Target { .. } => 2,
        }
    }
}

/// Reads a log, beside a target policy's probabilities of every item at every position.
///
/// # Errors
/// [`ObdError`] for the first thing that is wrong.
pub fn read(log: impl Read, target: &[Vec<f64>]) -> Result<Rows, ObdError> {
    let items = target.first().map_or(0, Vec::len);
    let names = (0..items).map(|item| format!("item {item}")).collect();
    let mut rows = Rows::named(Names {
        groups: (1..=target.len())
            .map(|n| format!("position {n}"))
            .collect(),
        arms: vec![names; target.len()],
    });
    let mut targets = Vec::with_capacity(target.len());
    for (n, probabilities) in target.iter().enumerate() {
        let id = rows.push_target(probabilities);
        targets.push(id.map_err(|source| ObdError::Target {
            position: n + 1,
            source,
        })?);
    }
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(log);
    let columns = columns(reader.byte_headers().map_err(damaged)?)?;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(damaged)? {
        let line = record.position().map_or(0, csv::Position::line);
        let fault = |what: String| ObdError::Line { line, what };
        let unit = rows.rows().len() as u64;
        let row = row(&record, columns, &targets, unit).map_err(fault)?;
        rows.push(row).map_err(|error| match error {
            RowError::Arm { arm, arms } => fault(format!(
                "`item_id` is {arm}, but the prior has {arms} items, counted from 0: is it of this campaign?"
            )),
            RowError::Propensity(p) => fault(format!(
                "`propensity_score` is {p}, which does not lie above 0 and at most at 1"
            )),
            other => fault(other.to_string()),
        })?;
    }
    if rows.rows().is_empty() {
        return Err(ObdError::Empty);
    }
    Ok(rows)
}

/// Where the columns stand.
fn columns(header: &ByteRecord) -> Result<[usize; 4], ObdError> {
    let names: Vec<String> = header
        .iter()
        .map(|name| {
            String::from_utf8_lossy(name)
                .trim()
                .trim_start_matches('\u{feff}')
                .to_owned()
        })
        .collect();
    let mut found = [0; 4];
    for (at, wanted) in found.iter_mut().zip(COLUMNS) {
        let place = names.iter().position(|name| name == wanted);
        *at = place.ok_or_else(|| ObdError::Column {
            name: wanted,
            hint: hint(wanted, names.iter().map(String::as_str)),
        })?;
    }
    Ok(found)
}

fn row(
    record: &ByteRecord,
    columns: [usize; 4],
    targets: &[TargetId],
    unit: u64,
) -> Result<Logged, String> {
    let cell = |n: usize| {
        let bytes = record.get(columns[n]);
        let bytes =
            bytes.ok_or_else(|| format!("there is no `{}`: the line ends before", COLUMNS[n]))?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| format!("`{}` is not UTF-8 text", COLUMNS[n]))?;
        Ok::<&str, String>(text.trim())
    };
    let wrong = |n: usize, wanted: &str| {
        let text = cell(n).unwrap_or_default();
        format!("`{}` is `{text}`, not {wanted}", COLUMNS[n])
    };
    let arm: u16 = cell(0)?
        .parse()
        .map_err(|_| wrong(0, "a whole number from 0"))?;
    let positions = || wrong(1, &format!("a position from 1 to {}", targets.len()));
    let position: usize = cell(1)?.parse().map_err(|_| positions())?;
    let group = position
        .checked_sub(1)
        .filter(|group| *group < targets.len());
    let group = group.ok_or_else(positions)?;
    let reward = match cell(2)? {
        "0" | "0.0" => 0.0,
        "1" | "1.0" => 1.0,
        _ => return Err(wrong(2, "0 or 1")),
    };
    let propensity: f64 = cell(3)?.parse().map_err(|_| wrong(3, "a probability"))?;
    Ok(Logged {
        unit,
        group: group as u32,
        context: 0,
        arm,
        propensity,
        reward,
        target: targets[group],
    })
}

fn damaged(error: csv::Error) -> ObdError {
    let line = error.position().map_or(0, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ObdError::Io(error),
        _ => ObdError::Line {
            line,
            what: "it could not be read as CSV".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = ",timestamp,item_id,position,click,propensity_score,user_feature_0\n";

    fn target() -> Vec<Vec<f64>> {
        vec![vec![0.5, 0.5], vec![0.25, 0.75], vec![1.0, 0.0]]
    }

    #[test]
    fn rows_are_read_wherever_the_columns_stand() {
        let text = format!("{HEAD}0,2019-11-24,1,3,0,0.5,aa\n1,2019-11-24,0,1,1,0.0125,bb\n");
        let rows = read(text.as_bytes(), &target()).unwrap();
        let [one, other] = rows.rows() else {
            panic!("two rows")
        };
        assert_eq!((one.unit, one.group, one.arm, one.reward), (0, 2, 1, 0.0));
        assert_eq!((other.unit, other.group, other.propensity), (1, 0, 0.0125));
        assert_eq!(other.reward, 1.0);
        assert_eq!(rows.target(one.target), [1.0, 0.0]);
        let turned = "click,propensity_score,position,item_id\n1,0.5,2,0\n";
        assert_eq!(
            read(turned.as_bytes(), &target()).unwrap().rows()[0].group,
            1
        );
    }

    #[test]
    fn every_fault_has_its_line_and_column() {
        for (row, word) in [
            ("0,t,x,1,0,0.5,a", "`item_id` is `x`"),
            ("0,t,2,1,0,0.5,a", "the prior has 2 items"),
            (
                "0,t,1,0,0,0.5,a",
                "`position` is `0`, not a position from 1 to 3",
            ),
            ("0,t,1,4,0,0.5,a", "`position` is `4`"),
            ("0,t,1,1,2,0.5,a", "`click` is `2`"),
            ("0,t,1,1,0,0,a", "`propensity_score` is 0"),
            ("0,t,1,1,0,p,a", "`propensity_score` is `p`"),
            ("0,t,1,1,0,NaN,a", "`propensity_score` is NaN"),
            ("0,t,1", "the line ends before"),
        ] {
            let text = format!("{HEAD}0,t,1,1,0,0.5,a\n{row}\n");
            let error = read(text.as_bytes(), &target()).unwrap_err();
            let said = error.to_string();
            assert!(
                said.starts_with("line 3: ") && said.contains(word),
                "{row}: {said}"
            );
            assert_eq!(error.exit_code(), 3);
        }
    }

    #[test]
    fn another_kind_of_file_is_refused() {
        let error = read(
            "timestamp,item,position,click,propensity\n".as_bytes(),
            &target(),
        );
        let said = error.unwrap_err().to_string();
        assert!(said.contains("no column `item_id`"), "{said}");
        assert!(matches!(
            read(HEAD.as_bytes(), &target()),
            Err(ObdError::Empty)
        ));
        let error = read(HEAD.as_bytes(), &[vec![0.5, 0.6]]).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}
