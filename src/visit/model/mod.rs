//! Intent models: the file, and the scores `p_purchase` and `p_abandon` that it gives.
//!
//! A model file is JSON, version 1 (`data/README.md` documents every member). It holds one
//! logistic regression per score over named features, each with a transform, a mean and a scale.
//! The last member is a CRC-32 of every byte before it, so a truncated or edited file is refused,
//! and so is a model that names a feature this build does not have.
//!
//! Scoring is sums and products in one fixed order and an exponential from a pure-Rust library:
//! the same bits on every platform. A missing feature counts as its mean. Cost: about 1 ns a
//! feature and 10 ns a score.

pub mod forest;
pub mod lightgbm;
pub mod shapley;
pub mod tree;

use crate::visit::feature::{FEATURES, Vector, index_of};
use serde::{Deserialize, Serialize};

/// How a feature is bent before it is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// As it is.
    Identity,
    /// log₂(1 + x), interpolated linearly between powers of two: exact at powers of two, at most
    /// 0.0861 too low between them, and made of integer operations only.
    Log2,
}

impl Transform {
    /// Applies the transform; missing stays missing.
    #[inline]
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Transform::Identity => x,
            Transform::Log2 => {
                let bits = (1.0 + x.max(0.0)).to_bits();
                let exponent = ((bits >> 52) & 0x7ff) as f64 - 1023.0;
                let mantissa = (bits & ((1 << 52) - 1)) as f64 / (1u64 << 52) as f64;
                if x.is_nan() { x } else { exponent + mantissa }
            }
        }
    }
}

/// The two scores of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Probability of a purchase later in the session.
    pub purchase: f64,
    /// Probability that the session ends with something in the cart and nothing bought.
    pub abandon: f64,
}

/// A model as its file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Always `restage-intent-model`.
    pub format: String,
    /// Always 1.
    pub version: u32,
    /// What the model is called in records.
    pub name: String,
    /// Always `logistic`.
    pub kind: String,
    /// On what it was fitted, and how.
    pub fitted_on: FittedOn,
    /// How well it did on sessions held out of the fit.
    pub quality: Quality,
    /// Log-odds of a purchase when every feature is at its mean.
    pub purchase_bias: f64,
    /// Log-odds of an abandoned cart when every feature is at its mean.
    pub abandon_bias: f64,
    /// The features used.
    pub features: Vec<ModelFeature>,
}

/// On what a model was fitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOn {
    /// What the data are, in words.
    pub data: String,
    /// The command that makes the model.
    pub command: String,
    /// XXH3-128 of the log, in hexadecimal.
    pub digest: String,
    /// Sessions fitted on.
    pub sessions: u64,
    /// Session prefixes fitted on.
    pub rows: u64,
}

/// Quality on held-out sessions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Sessions held out.
    pub sessions: u64,
    /// Session prefixes held out.
    pub rows: u64,
    /// Area under the ROC curve of `p_purchase` over all prefixes.
    pub purchase_auc: f64,
    /// Area under the ROC curve of `p_abandon` over all prefixes.
    pub abandon_auc: f64,
}

/// One feature of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFeature {
    /// Its name in the table of features.
    pub name: String,
    /// Its unit in the table of features.
    pub unit: String,
    /// How it is bent.
    pub transform: Transform,
    /// Mean after the transform.
    pub mean: f64,
    /// Standard deviation after the transform; never zero.
    pub scale: f64,
    /// Weight for `p_purchase`, per standard deviation.
    pub purchase: f64,
    /// Weight for `p_abandon`, per standard deviation.
    pub abandon: f64,
}

/// Why a model was refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not JSON of the right shape.
    #[error("it is not a model file: {0}")]
    Syntax(#[from] serde_json::Error),
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
    /// A weight, mean or scale that cannot be used.
    #[error("feature {name}: {what}")]
    Number {
        /// The feature, or `bias`.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Format name in the file.
pub const MODEL_FORMAT: &str = "restage-intent-model";
/// Version in the file.
pub const MODEL_VERSION: u32 = 1;

/// A model ready to score.
#[derive(Clone, Debug)]
pub struct Model {
    /// Name and digest, as in decision records: `name@0123abcd`.
    pub label: String,
    /// The file it came from.
    pub file: ModelFile,
    terms: Vec<Term>,
}

#[derive(Clone, Copy, Debug)]
struct Term {
    feature: usize,
    transform: Transform,
    mean: f64,
    inverse_scale: f64,
    purchase: f64,
    abandon: f64,
}

const SEAL: &str = "\n  \"checksum\": \"crc32:";

impl Model {
    /// The model that is used when none is named.
    pub fn shipped() -> Model {
        Model::read(include_bytes!("../../../data/model.json")).expect("the shipped model is valid")
    }

    /// A model that knows nothing: every score is one half. For those who only want features.
    pub fn blank() -> Model {
        Model {
            label: "blank".into(),
            file: ModelFile {
                format: MODEL_FORMAT.into(),
                version: MODEL_VERSION,
                name: "blank".into(),
                kind: "logistic".into(),
                fitted_on: FittedOn::default(),
                quality: Quality::default(),
                purchase_bias: 0.0,
                abandon_bias: 0.0,
                features: Vec::new(),
            },
            terms: Vec::new(),
        }
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelError`] says what is wrong; nothing is guessed.
    pub fn read(bytes: &[u8]) -> Result<Model, ModelError> {
        let text = String::from_utf8_lossy(bytes);
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
        let file: ModelFile = serde_json::from_str(&whole)?;
        Model::new(file, &expected)
    }

    /// Writes a model file, sealed with its checksum.
    pub fn write(file: &ModelFile) -> String {
        let json = serde_json::to_string_pretty(file).expect("a model is plain data");
        let body = format!("{},", json.trim_end_matches("\n}"));
        let sum = checksum(&body);
        format!("{body}{SEAL}{sum}\"\n}}\n")
    }

    fn new(file: ModelFile, digest: &str) -> Result<Model, ModelError> {
        let found = format!("{} version {} ({})", file.format, file.version, file.kind);
        let expected = format!("{MODEL_FORMAT} version {MODEL_VERSION} (logistic)");
        if found != expected {
            return Err(ModelError::Version { found, expected });
        }
        let mut wrong = Vec::new();
        let mut terms: Vec<Term> = Vec::with_capacity(file.features.len());
        for feature in &file.features {
            match index_of(&feature.name) {
                None => wrong.push(format!("{} is unknown", feature.name)),
                Some(index) if FEATURES[index].unit != feature.unit => wrong.push(format!(
                    "{} is in {} here, in {} there",
                    feature.name, FEATURES[index].unit, feature.unit
                )),
                Some(index) if terms.iter().any(|term| term.feature == index) => {
                    wrong.push(format!("{} stands twice", feature.name));
                }
                Some(index) => terms.push(term(index, feature)?),
            }
        }
        if !wrong.is_empty() {
            return Err(ModelError::Features(wrong.join(", ")));
        }
        let biases = [file.purchase_bias, file.abandon_bias];
        if let Some(what) = unusable(&biases, WEIGHT_MAX) {
            let name = "bias".into();
            return Err(ModelError::Number { name, what });
        }
        Ok(Model {
            label: format!("{}@{digest}", file.name),
            file,
            terms,
        })
    }

    /// Scores a feature vector.
    #[inline]
    pub fn score(&self, features: &Vector) -> Scores {
        let (mut purchase, mut abandon) = (self.file.purchase_bias, self.file.abandon_bias);
        for term in &self.terms {
            let x = term.transform.apply(features[term.feature]);
            let z = (x - term.mean) * term.inverse_scale;
            let z = if z.is_nan() { 0.0 } else { z };
            purchase += z * term.purchase;
            abandon += z * term.abandon;
        }
        Scores {
            purchase: sigmoid(purchase),
            abandon: sigmoid(abandon),
        }
    }

    /// What each feature adds to the two log-odds, in the model's order: exact, since the sum of
    /// all plus the bias is the log-odds. Shape: (feature index, purchase, abandon).
    pub fn contributions(&self, features: &Vector) -> Vec<(usize, f64, f64)> {
        let share = |term: &Term| {
            let z = (term.transform.apply(features[term.feature]) - term.mean) * term.inverse_scale;
            let z = if z.is_nan() { 0.0 } else { z };
            (term.feature, z * term.purchase, z * term.abandon)
        };
        self.terms.iter().map(share).collect()
    }
}

/// Greatest bias or weight, and greatest mean or scale, by magnitude; and least scale. Within
/// these, no sum over the features can overflow, so a score is always a number.
const WEIGHT_MAX: f64 = 1e6;
const MEASURE_MAX: f64 = 1e15;
const SCALE_MIN: f64 = 1e-9;

/// Why some of the numbers cannot be used, if so.
fn unusable(numbers: &[f64], most: f64) -> Option<&'static str> {
    if numbers.iter().any(|number| !number.is_finite()) {
        Some("a number is not finite")
    } else if numbers.iter().any(|number| number.abs() > most) {
        Some("a number is too large")
    } else {
        None
    }
}

fn term(index: usize, feature: &ModelFeature) -> Result<Term, ModelError> {
    let wrong = |what| ModelError::Number {
        name: feature.name.clone(),
        what,
    };
    let weights = unusable(&[feature.purchase, feature.abandon], WEIGHT_MAX);
    let measures = unusable(&[feature.mean, feature.scale], MEASURE_MAX);
    if let Some(what) = weights.or(measures) {
        return Err(wrong(what));
    }
    if feature.scale < SCALE_MIN {
        return Err(wrong("its scale is not above zero, or too small"));
    }
    Ok(Term {
        feature: index,
        transform: feature.transform,
        mean: feature.mean,
        inverse_scale: 1.0 / feature.scale,
        purchase: feature.purchase,
        abandon: feature.abandon,
    })
}

fn checksum(body: &str) -> String {
    format!("{:08x}", crc32fast::hash(body.as_bytes()))
}

/// 1 / (1 + e⁻ˣ).
#[inline]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::feature::FEATURE_COUNT;

    fn tiny() -> ModelFile {
        ModelFile {
            format: MODEL_FORMAT.into(),
            version: MODEL_VERSION,
            name: "tiny".into(),
            kind: "logistic".into(),
            fitted_on: FittedOn {
                data: "nothing".into(),
                command: "none".into(),
                digest: String::new(),
                sessions: 0,
                rows: 0,
            },
            quality: Quality {
                sessions: 0,
                rows: 0,
                purchase_auc: 0.5,
                abandon_auc: 0.5,
            },
            purchase_bias: -1.0,
            abandon_bias: 0.0,
            features: vec![ModelFeature {
                name: "cart_size".into(),
                unit: "units".into(),
                transform: Transform::Log2,
                mean: 1.0,
                scale: 0.5,
                purchase: 1.0,
                abandon: -2.0,
            }],
        }
    }

    #[test]
    fn a_model_scores_and_explains_itself() {
        let model = Model::read(Model::write(&tiny()).as_bytes()).unwrap();
        let mut features = [0.0; FEATURE_COUNT];
        features[index_of("cart_size").unwrap()] = 3.0;
        // log₂(1 + 3) = 2, two scales above the mean.
        let scores = model.score(&features);
        assert_eq!(scores.purchase, sigmoid(-1.0 + 2.0));
        assert_eq!(scores.abandon, sigmoid(-4.0));
        let parts = model.contributions(&features);
        assert_eq!(parts, [(index_of("cart_size").unwrap(), 2.0, -4.0)]);
        features[index_of("cart_size").unwrap()] = f64::NAN;
        assert_eq!(model.score(&features).purchase, sigmoid(-1.0));
    }

    #[test]
    fn log2_is_exact_at_powers_of_two() {
        for power in 0..40 {
            let x = (1u64 << power) as f64 - 1.0;
            assert_eq!(Transform::Log2.apply(x), f64::from(power));
        }
        assert!(Transform::Log2.apply(f64::NAN).is_nan());
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_refused() {
        let good = Model::write(&tiny()).into_bytes();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x04;
            assert!(Model::read(&bad).is_err(), "byte {at} changed unnoticed");
            assert!(Model::read(&good[..at]).is_err(), "cut at {at} unnoticed");
        }
    }

    #[test]
    fn features_that_do_not_match_are_named() {
        let mut file = tiny();
        file.features[0].name = "cart_weight".into();
        let error = Model::read(Model::write(&file).as_bytes()).unwrap_err();
        assert!(
            error.to_string().contains("cart_weight is unknown"),
            "{error}"
        );
        let mut file = tiny();
        file.features[0].scale = 0.0;
        let error = Model::read(Model::write(&file).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("cart_size"), "{error}");
    }
}
