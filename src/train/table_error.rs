//! Why a session table could not be used: every message names the line, the column or the value.

use super::logistic::FitError;

/// Why a table could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file could not be read.
    #[error("could not read the table: {0}")]
    Io(std::io::Error),
    /// Nothing in it.
    #[error("the table has no header line")]
    Empty,
    /// Not UTF-8.
    #[error("line {line} is not UTF-8 text")]
    NotText {
        /// The line, from 1.
        line: u64,
    },
    /// Not a delimited text.
    #[error("line {line} could not be read as delimited text")]
    Damaged {
        /// The line, from 1.
        line: u64,
    },
    /// A row of another length.
    #[error("line {line} has {found} cells where the header has {expected}")]
    Ragged {
        /// The line, from 1.
        line: u64,
        /// Cells in the header.
        expected: usize,
        /// Cells in the line.
        found: usize,
    },
    /// More than this build takes.
    #[error("the table has more than {most} {what}")]
    TooLarge {
        /// Rows or columns.
        what: &'static str,
        /// The most taken.
        most: usize,
    },
    /// A name stands twice in the header.
    #[error("the header has the column `{0}` twice")]
    Twice(String),
    /// No column of that name.
    #[error("the table has no column `{name}`{hint}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// `; did you mean …?`, or nothing.
        hint: String,
    },
    /// The label was to be dropped.
    #[error("the column `{0}` is the label: it cannot be dropped")]
    LabelDropped(String),
    /// A row without an outcome.
    #[error("line {line} has no value in the label `{name}`")]
    LabelMissing {
        /// The line, from 1.
        line: u64,
        /// The label.
        name: String,
    },
    /// An outcome that is not yes or no.
    #[error("the label `{name}` is not a yes or no: it has the values {values}")]
    Label {
        /// The label.
        name: String,
        /// Some of its values.
        values: String,
    },
    /// A number that is no number.
    #[error("line {line}, column `{column}`: {text} is not a finite number below 1e300")]
    Infinite {
        /// The line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The cell.
        text: String,
    },
    /// No columns to learn from.
    #[error("no usable column is left besides the label")]
    NoColumns,
    /// Too few rows to say anything.
    #[error("the table has {found} {what}; cross-validation takes at least {least}")]
    TooFew {
        /// Rows, rows with the outcome, rows without it, or folds.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        least: usize,
    },
    /// More folds than this build takes.
    #[error("{found} folds are more than {most}")]
    Folds {
        /// Folds asked for.
        found: usize,
        /// Most folds.
        most: usize,
    },
    /// The learner gave up.
    #[error("could not fit the table: {0}")]
    Fit(FitError),
}

// The message has the cause in it already: it is no source as well, or it would be said twice.
impl From<std::io::Error> for TableError {
    fn from(error: std::io::Error) -> TableError {
        TableError::Io(error)
    }
}

impl From<FitError> for TableError {
    fn from(error: FitError) -> TableError {
        TableError::Fit(error)
    }
}

impl TableError {
    /// The exit code that the outside fixes for this failure: 2 for what was asked for, 5 for a file
    /// that cannot be reached, 1 for data that cannot be learned from.
    pub fn exit_code(&self) -> i32 {
        match self {
            TableError::Unknown { .. } | TableError::LabelDropped(_) | TableError::Folds { .. } => {
                2
            }
            TableError::Io(_) => 5,
            _ => 1,
        }
    }
}
