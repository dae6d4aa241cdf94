//! The model file: JSON, version 2, sealed with a checksum (`data/README.md` has every member).
//!
//! The last member is a CRC-32 of every byte before it, so a truncated or edited file is refused,
//! and so is a model that names a feature this build does not have, or has in another unit.
//! Nothing is guessed. Cost: reading is a parse and a check of every number, once a model.

use super::calibration::Calibration;
use super::linear::Transform;
use super::summary::Summary;
use super::tree::Tree;
use serde::{Deserialize, Serialize};

/// Format name in the file.
pub const MODEL_FORMAT: &str = "restage-intent-model";
/// Version in the file.
pub const MODEL_VERSION: u32 = 2;

/// A model as its file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Always `restage-intent-model`.
    pub format: String,
    /// Always 2.
    pub version: u32,
    /// What the model is called in records.
    pub name: String,
    /// On what it was trained, and how.
    pub trained: Trained,
    /// The features used. Trees name them by their place in this list.
    pub features: Vec<ModelFeature>,
    /// What gives `p_purchase`.
    pub purchase: Head,
    /// What gives `p_abandon`.
    pub abandon: Head,
    /// The logistic regressions fitted on the same rows, where the heads are trees: what the trees
    /// are judged against, and what there is to fall back on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// How features and scores were distributed in training: what drift is measured from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// On what a model was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// The logs, in words.
    pub data: String,
    /// The command that makes the model.
    pub command: String,
    /// XXH3-128 of all sessions of the logs, in hexadecimal: the same for any number of workers.
    pub digest: String,
    /// Sessions fitted on.
    pub sessions: u64,
    /// Session prefixes fitted on.
    pub rows: u64,
    /// How the sessions were divided.
    pub split: Split,
}

/// Which sessions were fitted on, which calibrated on, and which judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// By time: fitted on the sessions that ended before the first time, calibrated on those that
    /// lie between, judged on those that began at the second or later. In event time, ms.
    Time {
        /// Calibration sessions begin here.
        calibrate_from_ms: u64,
        /// Judged sessions begin here.
        judge_from_ms: u64,
    },
    /// By a hash of the visitor: a fifth is judged, a fifth of the others calibrated on.
    Visitors {
        /// What the hash is mixed with.
        seed: u64,
    },
    /// In turn: every session was judged by a model that did not see it, and the model in the file
    /// was fitted on all.
    Folds {
        /// How many.
        folds: u32,
        /// What the hash of the visitor is mixed with.
        seed: u64,
    },
    /// Not known.
    #[default]
    Unknown,
}

/// One feature of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFeature {
    /// Its name in the table of features.
    pub name: String,
    /// Its unit in the table of features.
    pub unit: String,
    /// How a regression bends it.
    pub transform: Transform,
    /// Mean after the transform.
    pub mean: f64,
    /// Standard deviation after the transform; never zero.
    pub scale: f64,
}

/// One score: what gives its log-odds, how they become a probability, and how good that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// What gives the log-odds.
    pub scorer: Scorer,
    /// How they become a probability.
    pub calibration: Calibration,
    /// Figures on the sessions judged.
    pub quality: Quality,
}

/// What gives log-odds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scorer {
    /// Always the same: there was nothing to learn from.
    Constant {
        /// The log-odds.
        log_odds: f64,
    },
    /// Logistic regression.
    Logistic {
        /// Log-odds when every feature is at its mean.
        bias: f64,
        /// A weight per feature, per standard deviation.
        weights: Vec<f64>,
    },
    /// Gradient-boosted trees, and a regression whose sum is added to theirs where that was found
    /// to help.
    Trees {
        /// Log-odds before the first tree, every feature at its mean.
        base: f64,
        /// The trees.
        trees: Vec<Tree>,
        /// A weight per feature, per standard deviation; empty for trees alone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        weights: Vec<f64>,
    },
}

/// Figures over all prefixes of the sessions judged, the k-th of a session weighing 1/k; none where
/// they are not defined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Sessions judged.
    pub sessions: u64,
    /// Session prefixes judged.
    pub rows: u64,
    /// Those with the label.
    pub positives: u64,
    /// Area under the ROC curve.
    pub auc: Option<f64>,
    /// Area under the precision–recall curve.
    pub average_precision: Option<f64>,
    /// Mean of −ln of the probability given to what happened.
    pub log_loss: Option<f64>,
    /// Mean squared error of the probability.
    pub brier: Option<f64>,
    /// Expected calibration error.
    pub ece: Option<f64>,
}

/// The regressions beside trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// For `p_purchase`.
    pub purchase: Head,
    /// For `p_abandon`.
    pub abandon: Head,
}

/// Why a model was refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not JSON of the right shape.
    #[error("it is not a model file: {0}")]
    Syntax(serde_json::Error),
    /// Not a dump of LightGBM that can be read.
    #[error("it is not a dump of LightGBM that can be read: {0}")]
    LightGbm(super::lightgbm::LightGbmError),
    /// Not text.
    #[error("it is not UTF-8 text")]
    Encoding,
    /// The checksum is missing: the file was cut, or is something else.
    #[error("it has no checksum on its last line: cut short, or not a model file")]
    Unsealed,
    /// The checksum does not match.
    #[error("its checksum is {found}, its bytes give {expected}: the file was changed or damaged")]
    Checksum {
        /// The checksum in the file.
        found: String,
        /// The checksum of its bytes.
        expected: String,
    },
    /// Another format or version.
    #[error("it is {found}, this build reads {expected}")]
    Version {
        /// What the file says it is.
        found: String,
        /// What is read.
        expected: String,
    },
    /// Features that this build does not have, or with another unit, or twice.
    #[error("its features do not match this build: {0}")]
    Features(String),
    /// A number or a tree that cannot be used.
    #[error("{part}: {what}")]
    Unusable {
        /// Which part of the model.
        part: String,
        /// What is wrong.
        what: String,
    },
}

// The message has the cause in it already: it is no source as well, or it would be said twice.
impl From<serde_json::Error> for ModelError {
    fn from(error: serde_json::Error) -> ModelError {
        ModelError::Syntax(error)
    }
}

impl From<super::lightgbm::LightGbmError> for ModelError {
    fn from(error: super::lightgbm::LightGbmError) -> ModelError {
        ModelError::LightGbm(error)
    }
}

const SEAL: &str = "\n  \"checksum\": \"crc32:";

/// The part of a file that its format and version stand in.
#[derive(Deserialize)]
struct Heading {
    format: String,
    version: u32,
}

/// Unseals and parses a model file. Returns it with its checksum.
///
/// # Errors
/// [`ModelError`], but nothing about what the numbers mean.
pub fn parse(bytes: &[u8]) -> Result<(ModelFile, String), ModelError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ModelError::Encoding)?;
    let at = text.rfind(SEAL).ok_or(ModelError::Unsealed)?;
    let found: String = text[at + SEAL.len()..].chars().take(8).collect();
    if text[at + SEAL.len() + found.len()..] != *"\"\n}\n" {
        return Err(ModelError::Unsealed);
    }
    let body = &text[..at];
    let expected = checksum(body);
    if found != expected {
        return Err(ModelError::Checksum { found, expected });
    }
    let whole = format!("{}\n}}", body.trim_end_matches(','));
    let heading: Heading = serde_json::from_str(&whole)?;
    if (heading.format.as_str(), heading.version) != (MODEL_FORMAT, MODEL_VERSION) {
        return Err(ModelError::Version {
            found: format!("{} version {}", heading.format, heading.version),
            expected: format!("{MODEL_FORMAT} version {MODEL_VERSION}"),
        });
    }
    Ok((serde_json::from_str(&whole)?, found))
}

/// Writes a model file, sealed with its checksum.
pub fn write(file: &ModelFile) -> String {
    let json = lined(&serde_json::to_string(file).expect("a model is plain data"));
    let body = format!("{},", json.trim_end_matches("\n}"));
    let sum = checksum(&body);
    format!("{body}{SEAL}{sum}\"\n}}\n")
}

/// Gives the members of the outer two levels of objects a line each, and the objects of a list, so
/// that two models can be compared line by line.
fn lined(json: &str) -> String {
    const DEPTH: usize = 2;
    let (mut out, mut depth, mut quoted, mut before) = (String::new(), 0, false, ' ');
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    for c in json.chars() {
        if quoted || c == '"' {
            quoted ^= c == '"' && before != '\\';
            out.push(c);
        } else {
            let closes = matches!(c, '}' | ']');
            depth -= usize::from(closes);
            if c == '}' && depth < DEPTH {
                line(&mut out, depth);
            }
            out.push(c);
            depth += usize::from(matches!(c, '{' | '['));
            if (c == '{' && depth <= DEPTH) || (c == ',' && (depth <= DEPTH || before == '}')) {
                line(&mut out, depth);
            } else if matches!(c, ',' | ':') {
                out.push(' ');
            }
        }
        before = if before == '\\' && c == '\\' { ' ' } else { c };
    }
    out
}

/// CRC-32 (IEEE) in hexadecimal.
pub fn checksum(body: &str) -> String {
    format!("{:08x}", crc32fast::hash(body.as_bytes()))
}
