//! What can go wrong with a log as a whole: it cannot be read, it is not what it is said to be,
//! or it runs backwards. Rows that are wrong one by one are rejects, not errors.
//!
//! Every error names its path, and a line or byte where there is one. Causes are chained through
//! [`std::error::Error::source`], not repeated in the text.

use std::io;

use super::FormatName;
use crate::suggest::did_you_mean;

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file is missing or may not be read.
    #[error("could not open {path}")]
    Open {
        /// The log.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The path is a directory.
    #[error("could not read {path}: it is a directory; name the logs in it")]
    Directory {
        /// The path.
        path: String,
    },
    /// Reading stopped: the disk failed, or compressed data were damaged or cut short.
    #[error("could not read {path} past byte {byte} of its {}", if *compressed { "decompressed text" } else { "text" })]
    Read {
        /// The log.
        path: String,
        /// Bytes of text read until then, after decompression.
        byte: u64,
        /// Whether the log is compressed.
        compressed: bool,
        /// The reason.
        source: io::Error,
    },
    /// Sorting it failed: its temporary files could not be used.
    #[error("could not sort {path}")]
    Sort {
        /// The log.
        path: String,
        /// What went wrong with them.
        source: io::Error,
    },
    /// Nothing in it.
    #[error("{path} was empty: it held no line with text")]
    Empty {
        /// The log.
        path: String,
    },
    /// Not lines of text.
    #[error("{path} was not a text log: {seen}")]
    NotText {
        /// The log.
        path: String,
        /// What it looks like instead.
        seen: String,
    },
    /// No known format.
    #[error(
        "{path} was in no known format: none fits its first lines, which begin `{seen}`; name the format with --format ({}) or describe the log with --mapping",
        FormatName::list()
    )]
    UnknownFormat {
        /// The log.
        path: String,
        /// Its first line, cut and escaped.
        seen: String,
    },
    /// Several formats fit.
    #[error("{path} could be in any of several formats: {}; name the one that is meant with --format", candidates.iter().map(|c| c.name()).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// The log.
        path: String,
        /// The formats that fit.
        candidates: Vec<FormatName>,
    },
    /// A format's name that does not exist.
    #[error(
        "`{name}` was no format{}; the formats are {}",
        did_you_mean(nearest.as_deref()),
        FormatName::list()
    )]
    UnknownFormatName {
        /// The name given.
        name: String,
        /// The nearest that exists.
        nearest: Option<String>,
    },
    /// The header does not fit the format.
    #[error("{path}, line {line}: {fault}")]
    Header {
        /// The log.
        path: String,
        /// The header's physical line.
        line: u64,
        /// What is wrong with it.
        fault: HeaderFault,
    },
    /// A mapping file is wrong.
    #[error("{path}, line {line}: {message}")]
    Mapping {
        /// The mapping file.
        path: String,
        /// The line at fault, from 1.
        line: usize,
        /// What is wrong, with a suggestion where there is one.
        message: String,
    },
    /// The lane's clock fell further than the lateness allows.
    #[error("{path}, line {line}: time went back {} behind line {line_of_max}, further than the lateness of {}; sort the log with `restage import`, or pass --sort; if only the clock of line {line_of_max} is wrong, take that line out", human(*jump_ms), human(*lateness_ms))]
    Backwards {
        /// The log.
        path: String,
        /// The row that fell back.
        line: u64,
        /// The row that had set the latest time.
        line_of_max: u64,
        /// How far back.
        jump_ms: u64,
        /// How far would have been allowed.
        lateness_ms: u64,
    },
    /// A log that is to be read on has been cut.
    #[error(
        "{path} has a hole: {bytes} bytes of it had been read before, and now it is shorter; put the whole log back, or begin a new state folder"
    )]
    Shorter {
        /// The log.
        path: String,
        /// Bytes of text that had been read.
        bytes: u64,
    },
    /// A log that is to be read on is another one.
    #[error(
        "{path} is not the log that was read before: {bytes} bytes of it had been read, and {what}; put that log back, or begin a new state folder"
    )]
    Replaced {
        /// The log.
        path: String,
        /// Bytes of text that had been read.
        bytes: u64,
        /// What tells.
        what: &'static str,
    },
}

/// What is wrong with a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// It is not a row of fields.
    #[error("the header could not be read as fields")]
    Unreadable,
    /// A column is missing that must be there.
    #[error("the header lacked the column `{column}`{}", match nearest { Some(name) => format!("; is `{name}` meant to be it?"), None => String::new() })]
    Missing {
        /// The column.
        column: String,
        /// The header's name that is nearest to it.
        nearest: Option<String>,
    },
    /// A column that the format does not know.
    #[error("the header had an unknown column `{column}`{}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// The column.
        column: String,
        /// The known name nearest to it.
        nearest: Option<String>,
    },
    /// A column twice.
    #[error("the header had the column `{column}` twice")]
    Repeated {
        /// The column.
        column: String,
    },
}

impl InputError {
    /// The exit code that the failure ends a command with.
    pub fn exit_code(&self) -> i32 {
        match self {
            InputError::Backwards { .. } => 1,
            InputError::Open { .. }
            | InputError::Directory { .. }
            | InputError::Read { .. }
            | InputError::Shorter { .. }
            | InputError::Replaced { .. }
            | InputError::Sort { .. } => 5,
            InputError::Empty { .. }
            | InputError::NotText { .. }
            | InputError::UnknownFormat { .. }
            | InputError::Ambiguous { .. }
            | InputError::UnknownFormatName { .. }
            | InputError::Header { .. }
            | InputError::Mapping { .. } => 2,
        }
    }
}

/// A span of time in its two largest units, as people write it: `3 d 4 h`.
pub(crate) fn human(ms: u64) -> String {
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("min", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let first = units.iter().position(|&(_, size)| ms >= size);
    let Some(first) = first else {
        return "0 ms".to_owned();
    };
    let mut rest = ms;
    let mut parts = Vec::new();
    for (unit, size) in units.iter().skip(first).take(2) {
        if rest / size > 0 {
            parts.push(format!("{} {unit}", rest / size));
        }
        rest %= size;
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_in_two_units() {
        assert_eq!(human(0), "0 ms");
        assert_eq!(human(999), "999 ms");
        assert_eq!(human(1500), "1 s 500 ms");
        assert_eq!(human(3_600_000), "1 h");
        assert_eq!(human(3 * 86_400_000 + 4 * 3_600_000 + 5), "3 d 4 h");
        assert_eq!(human(86_400_000 + 61_000), "1 d");
    }

    #[test]
    fn a_jump_back_says_where_how_far_and_what_to_do() {
        let error = InputError::Backwards {
            path: "a.csv".into(),
            line: 12,
            line_of_max: 7,
            jump_ms: 7_200_000,
            lateness_ms: 3_600_000,
        };
        assert_eq!(
            error.to_string(),
            "a.csv, line 12: time went back 2 h behind line 7, further than the lateness of 1 h; \
             sort the log with `restage import`, or pass --sort; if only the clock of line 7 is wrong, take that line out"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_cause_is_chained_and_not_repeated() {
        let error = InputError::Open {
            path: "a.csv".into(),
            source: io::Error::from(io::ErrorKind::NotFound),
        };
        assert_eq!(error.to_string(), "could not open a.csv");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(error.exit_code(), 5);
    }
}
