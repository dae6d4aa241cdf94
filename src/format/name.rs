//! The formats by name.

use std::fmt;
use std::str::FromStr;

use super::InputError;
use super::lines::{LINE_BYTES_MAX, SESSION_LINE_BYTES_MAX};
use crate::suggest::nearest;

/// A format of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FormatName {
    /// Restage's own CSV.
    RestageCsv,
    /// Restage's own JSON lines.
    RestageJsonl,
    /// REES46's multi-category store.
    Rees46,
    /// Retailrocket.
    RetailRocket,
    /// Taobao's UserBehavior.
    Taobao,
    /// YooChoose, in its three shapes.
    Yoochoose,
    /// OTTO's sessions.
    Otto,
    /// JD.com's micro-behaviours.
    Jd,
    /// What a mapping file describes. Not to be named: it is chosen by giving the file.
    Mapping,
}

impl FormatName {
    /// All formats that can be named.
    pub const ALL: [FormatName; 8] = [
        FormatName::RestageCsv,
        FormatName::RestageJsonl,
        FormatName::Rees46,
        FormatName::RetailRocket,
        FormatName::Taobao,
        FormatName::Yoochoose,
        FormatName::Otto,
        FormatName::Jd,
    ];

    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            FormatName::RestageCsv => "restage-csv",
            FormatName::RestageJsonl => "restage-jsonl",
            FormatName::Rees46 => "rees46",
            FormatName::RetailRocket => "retailrocket",
            FormatName::Taobao => "taobao",
            FormatName::Yoochoose => "yoochoose",
            FormatName::Otto => "otto",
            FormatName::Jd => "jd",
            FormatName::Mapping => "mapping",
        }
    }

    /// Whether its events have times of day, and not only gaps between them.
    pub const fn has_times(self) -> bool {
        !matches!(self, FormatName::Jd)
    }

    /// Longest line of the format in bytes.
    pub const fn line_bytes_max(self) -> usize {
        match self {
            FormatName::Otto | FormatName::Jd => SESSION_LINE_BYTES_MAX,
            _ => LINE_BYTES_MAX,
        }
    }

    /// The names, as an error lists them.
    pub(super) fn list() -> String {
        FormatName::ALL.map(FormatName::name).join(", ")
    }
}

impl fmt::Display for FormatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FormatName {
    type Err = InputError;

    fn from_str(text: &str) -> Result<FormatName, InputError> {
        let known = FormatName::ALL
            .into_iter()
            .find(|format| format.name() == text);
        known.ok_or_else(|| InputError::UnknownFormatName {
            name: text.to_owned(),
            nearest: nearest(text, FormatName::ALL.map(FormatName::name)).map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_slips_get_a_suggestion() {
        for format in FormatName::ALL {
            assert_eq!(format.name().parse::<FormatName>().ok(), Some(format));
        }
        let error = "restage_cvs".parse::<FormatName>().unwrap_err();
        assert!(
            error.to_string().contains("did you mean `restage-csv`?"),
            "{error}"
        );
    }
}
