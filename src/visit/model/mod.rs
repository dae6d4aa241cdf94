//! Intent models: what gives the scores `p_purchase` and `p_abandon`.
//!
//! A model has two heads, one per score (`head`). A head is a logistic regression ([`linear`]), a sum of
//! trees ([`forest`], from [`tree`]) or a constant; [`calibration`] turns its log-odds into a
//! probability. Models are read from a sealed file ([`file`]) or from a text dump of LightGBM
//! ([`lightgbm`]). [`shapley`] and the regressions' own terms say what each feature contributed,
//! [`summary`] how far the features have drifted since training, [`schedule`] which model holds when.
//! `uses` knows when there is nothing new to score.
//!
//! Scoring is sums in one fixed order and an exponential from a pure-Rust library: the same bits on
//! every platform. Cost: see each part; nothing is allocated.

pub mod calibration;
pub mod file;
pub mod forest;
mod head;
pub mod lightgbm;
pub mod linear;
mod read;
pub mod schedule;
pub mod shapley;
pub mod summary;
pub mod tree;
mod uses;

pub use calibration::{Calibration, sigmoid};
pub use file::{Head, ModelError, ModelFeature, ModelFile, Scorer, Split, Trained};
pub use linear::{Input, Transform};

use super::feature::{FEATURE_COUNT, FEATURES, Vector, index_of};
use file::{Fallback, Quality};
use head::{Ready, ReadyScorer, flattened, moved, ready};
use lightgbm::Dump;
use linear::Linear;
use std::num::NonZeroU64;
use summary::Watch;
use uses::Uses;

/// The two scores of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scores {
    /// Probability of a purchase later in the session.
    pub purchase: f64,
    /// Probability that the session ends with something in the cart and nothing bought.
    pub abandon: f64,
}

/// What a head predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A purchase later in the session.
    Purchase,
    /// The session ends with something in the cart and nothing bought.
    Abandon,
}

impl Label {
    /// Both, in the order of all pairs of heads.
    pub const ALL: [Label; 2] = [Label::Purchase, Label::Abandon];

    /// The name in commands and reports.
    pub fn name(self) -> &'static str {
        match self {
            Label::Purchase => "purchase",
            Label::Abandon => "abandon",
        }
    }
}

/// A model ready to score.
#[derive(Clone, Debug)]
pub struct Model {
    /// Name and digest, as in decision records: `name@0123abcd`.
    pub label: String,
    /// What counts sessions for the report on drift, if the model has a summary.
    pub watch: Option<Watch>,
    heads: [Ready; 2],
    /// Both heads in one pass, where both are regressions over the same inputs.
    fused: Option<Linear<2>>,
    uses: Uses,
}

impl Model {
    /// The model that is used when none is named.
    pub fn shipped() -> Model {
        Model::read(include_bytes!("../../../data/model.json")).expect("the shipped model is valid")
    }

    /// A model that knows nothing: every score is one half. For those who only want features.
    pub fn blank() -> Model {
        let ready = Ready {
            scorer: ReadyScorer::Constant(0.0),
            calibration: Calibration::None,
        };
        Model {
            label: "blank".into(),
            watch: None,
            uses: Uses::of(&[&ready]),
            heads: [ready.clone(), ready],
            fused: None,
        }
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelError`] says what is wrong; nothing is guessed.
    pub fn read(bytes: &[u8]) -> Result<Model, ModelError> {
        let (file, digest) = file::parse(bytes)?;
        Model::of_file(&file, &digest)
    }

    /// Makes the model of a file's contents ready. `digest` goes into its label.
    ///
    /// # Errors
    /// [`ModelError`] when features do not match this build, or a number cannot be used.
    pub fn of_file(file: &ModelFile, digest: &str) -> Result<Model, ModelError> {
        let inputs = inputs(&file.features)?;
        let ready = |head, part| ready(head, part, &inputs);
        let heads = [
            ready(&file.purchase, "purchase")?,
            ready(&file.abandon, "abandon")?,
        ];
        if let Some(fallback) = &file.fallback {
            ready(&fallback.purchase, "fallback for purchase")?;
            ready(&fallback.abandon, "fallback for abandon")?;
        }
        if let Some((name, what)) = file.summary.as_ref().and_then(summary::Summary::wrong) {
            return Err(unusable(&format!("summary of {name}"), what));
        }
        if !is_name(&file.name) {
            return Err(unusable(
                "name",
                "it is not made of letters, digits, - _ . only",
            ));
        }
        let fused = match [&heads[0].scorer, &heads[1].scorer] {
            [ReadyScorer::Linear(purchase), ReadyScorer::Linear(abandon)] => {
                let pairs = purchase.terms.iter().zip(&abandon.terms);
                Some(Linear {
                    bias: [purchase.bias[0], abandon.bias[0]],
                    terms: pairs
                        .map(|((input, [one]), (_, [other]))| (*input, [*one, *other]))
                        .collect(),
                })
            }
            _ => None,
        };
        Ok(Model {
            label: format!("{}@{digest}", file.name),
            watch: file.summary.as_ref().map(Watch::new),
            uses: Uses::of(&[&heads[0], &heads[1]]),
            heads,
            fused,
        })
    }

    /// The model of the regressions that stand beside the trees of a file.
    ///
    /// # Errors
    /// As [`Model::of_file`].
    pub fn of_fallback(file: &ModelFile) -> Option<Result<Model, ModelError>> {
        let Fallback { purchase, abandon } = file.fallback.clone()?;
        let beside = ModelFile {
            name: format!("{}-logistic", file.name),
            purchase,
            abandon,
            fallback: None,
            summary: None,
            ..file.clone()
        };
        Some(Model::of_file(&beside, "fallback"))
    }

    /// A model of which both heads are what LightGBM saved: it gives one score, and the caller knows
    /// which. Features are found by their names; those that no tree asks for do not matter.
    ///
    /// # Errors
    /// [`ModelError`] when it is not a dump that can be read, or asks for a feature unknown here.
    pub fn of_dump(bytes: &[u8]) -> Result<Model, ModelError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ModelError::Encoding)?;
        let dump = lightgbm::read(text)?;
        let asked = |place: usize| {
            let mut asked = dump.trees.iter().flat_map(|tree| &tree.feature);
            asked.any(|feature| *feature as usize == place)
        };
        let mut strange = Vec::new();
        let mut places = Vec::with_capacity(dump.feature_names.len());
        for (place, name) in dump.feature_names.iter().enumerate() {
            match index_of(name) {
                Some(index) => places.push(index),
                // A place that no tree asks for may stand for anything.
                None if !asked(place) => places.push(0),
                None => strange.push(format!("{name} is unknown")),
            }
        }
        if !strange.is_empty() {
            return Err(ModelError::Features(strange.join(", ")));
        }
        let Dump {
            base,
            trees,
            sigmoid,
            ..
        } = dump;
        let trees = moved(base, &trees, &places).map_err(|what| unusable("the dump", what))?;
        let alone = Linear {
            bias: [0.0],
            terms: Vec::new(),
        };
        let ready = Ready {
            scorer: flattened(base, &trees, alone),
            calibration: Calibration::Platt {
                slope: sigmoid,
                offset: 0.0,
            },
        };
        Ok(Model {
            label: format!("lightgbm@{}", file::checksum(text)),
            watch: None,
            uses: Uses::of(&[&ready]),
            heads: [ready.clone(), ready],
            fused: None,
        })
    }

    /// Takes one head from another model.
    pub fn with_head(mut self, label: Label, other: &Model) -> Model {
        self.heads[label as usize] = other.heads[label as usize].clone();
        self.fused = None;
        self.uses = Uses::of(&[&self.heads[0], &self.heads[1]]);
        self.watch = None;
        self.label = match label {
            Label::Purchase => format!("{}+{}", other.label, self.label),
            Label::Abandon => format!("{}+{}", self.label, other.label),
        };
        self
    }

    /// Scores a feature vector.
    #[inline]
    pub fn score(&self, features: &Vector) -> Scores {
        let [purchase, abandon] = match &self.fused {
            Some(both) => both.log_odds(features),
            None => [
                self.heads[0].log_odds(features),
                self.heads[1].log_odds(features),
            ],
        };
        self.calibrated(purchase, abandon)
    }

    /// Scores feature vectors into as many places: the same bits as one by one.
    pub fn score_rows(&self, rows: &[Vector], out: &mut [Scores]) {
        let turns = rows
            .chunks(forest::BATCH_ROWS)
            .zip(out.chunks_mut(forest::BATCH_ROWS));
        for (rows, out) in turns {
            let mut log_odds = [[0.0; forest::BATCH_ROWS]; 2];
            for (head, log_odds) in self.heads.iter().zip(&mut log_odds) {
                head.log_odds_of_rows(rows, &mut log_odds[..rows.len()]);
            }
            let [purchase, abandon] = &log_odds;
            for ((out, purchase), abandon) in out.iter_mut().zip(purchase).zip(abandon) {
                *out = self.calibrated(*purchase, *abandon);
            }
        }
    }

    #[inline]
    fn calibrated(&self, purchase: f64, abandon: f64) -> Scores {
        Scores {
            purchase: self.heads[0].calibration.probability(purchase),
            abandon: self.heads[1].calibration.probability(abandon),
        }
    }

    /// Whether many vectors are scored for less than one by one: where trees are asked.
    #[inline]
    pub fn gains_from_batches(&self) -> bool {
        let asks_trees = |head: &Ready| matches!(head.scorer, ReadyScorer::Trees(_));
        self.fused.is_none() && self.heads.iter().any(asks_trees)
    }

    /// What the scores of a vector rest on, as one number: as long as it stays, so do the scores.
    /// `None` where the model uses a feature that moves with every event. `number` tells the model
    /// from others of its run. Two numbers are the same by accident once in 2⁶⁴ pairs.
    #[inline]
    pub fn footprint(&self, number: u8, features: &Vector) -> Option<NonZeroU64> {
        self.uses.footprint(number, features)
    }

    /// The log-odds of a head, before calibration.
    pub fn log_odds(&self, label: Label, features: &Vector) -> f64 {
        self.heads[label as usize].log_odds(features)
    }

    /// What each feature adds to the log-odds of a head, before calibration, at the places of the
    /// features: their sum and the log-odds that are returned, those of an average session, give
    /// the log-odds of this one.
    pub fn contributions(&self, label: Label, features: &Vector, out: &mut Vector) -> f64 {
        *out = [0.0; FEATURE_COUNT];
        match &self.heads[label as usize].scorer {
            ReadyScorer::Constant(log_odds) => *log_odds,
            ReadyScorer::Linear(linear) => {
                linear.contributions(features, out);
                linear.bias[0]
            }
            ReadyScorer::Trees(trees) => {
                let mut by_trees = [0.0; FEATURE_COUNT];
                trees.explainer.contributions(features, &mut by_trees);
                trees.linear.contributions(features, out);
                for (sum, part) in out.iter_mut().zip(by_trees) {
                    *sum += part;
                }
                trees.explainer.expected()
            }
        }
    }

    /// What kind of head gives a score: `logistic`, `trees` or `constant`.
    pub fn kind(&self, label: Label) -> &'static str {
        match &self.heads[label as usize].scorer {
            ReadyScorer::Constant(_) => "constant",
            ReadyScorer::Linear(_) => "logistic",
            ReadyScorer::Trees(_) => "trees",
        }
    }
}

/// Greatest bias or weight, and greatest mean or scale, by magnitude; and least scale. Within
/// these, no sum over the features can overflow, so a score is always a number.
const WEIGHT_MAX: f64 = 1e6;
const MEASURE_MAX: f64 = 1e15;
const SCALE_MIN: f64 = 1e-9;

/// Most leaves of all trees of a head.
pub const LEAVES_MAX: usize = 200_000;

fn unusable(part: &str, what: impl Into<String>) -> ModelError {
    ModelError::Unusable {
        part: part.into(),
        what: what.into(),
    }
}

/// Whether a model may be called this: records and labels need no escaping then.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

/// Why some of the numbers cannot be used, if so.
fn wrong(numbers: &[f64], most: f64) -> Option<&'static str> {
    if numbers.iter().any(|number| !number.is_finite()) {
        Some("a number is not finite")
    } else if numbers.iter().any(|number| number.abs() > most) {
        Some("a number is too large")
    } else {
        None
    }
}

/// Finds the features of a model in the table of this build.
fn inputs(features: &[ModelFeature]) -> Result<Vec<Input>, ModelError> {
    let mut strange = Vec::new();
    let mut inputs: Vec<Input> = Vec::with_capacity(features.len());
    for feature in features {
        let Some(index) = index_of(&feature.name) else {
            strange.push(format!("{} is unknown", feature.name));
            continue;
        };
        if FEATURES[index].unit != feature.unit {
            strange.push(format!(
                "{} is in {} here, in {} there",
                feature.name, FEATURES[index].unit, feature.unit
            ));
        } else if inputs.iter().any(|input| input.feature == index) {
            strange.push(format!("{} stands twice", feature.name));
        }
        let part = format!("feature {}", feature.name);
        if let Some(what) = wrong(&[feature.mean, feature.scale], MEASURE_MAX) {
            return Err(unusable(&part, what));
        }
        if feature.scale < SCALE_MIN {
            return Err(unusable(&part, "its scale is not above zero, or too small"));
        }
        inputs.push(Input {
            feature: index,
            transform: feature.transform,
            mean: feature.mean,
            inverse_scale: 1.0 / feature.scale,
        });
    }
    if strange.is_empty() {
        Ok(inputs)
    } else {
        Err(ModelError::Features(strange.join(", ")))
    }
}

/// A model file with nothing in it yet.
pub fn empty_file(name: &str) -> ModelFile {
    let head = Head {
        scorer: Scorer::Constant { log_odds: 0.0 },
        calibration: Calibration::None,
        quality: Quality::default(),
    };
    ModelFile {
        format: file::MODEL_FORMAT.into(),
        version: file::MODEL_VERSION,
        name: name.into(),
        trained: Trained::default(),
        features: Vec::new(),
        purchase: head.clone(),
        abandon: head,
        fallback: None,
        summary: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cart_size`, bent, mean 1, scale 0.5; a regression for purchase, a tree for abandonment.
    fn tiny() -> ModelFile {
        let mut file = empty_file("tiny");
        file.features = vec![ModelFeature {
            name: "cart_size".into(),
            unit: "units".into(),
            transform: Transform::Log2,
            mean: 1.0,
            scale: 0.5,
        }];
        file.purchase.scorer = Scorer::Logistic {
            bias: -1.0,
            weights: vec![1.0],
        };
        let mut tree = tree::tests::small();
        tree.feature = vec![0, 0];
        file.abandon.scorer = Scorer::Trees {
            base: -0.1,
            trees: vec![tree],
            weights: Vec::new(),
        };
        file.abandon.calibration = Calibration::Platt {
            slope: 2.0,
            offset: 0.5,
        };
        file
    }

    fn read(file: &ModelFile) -> Result<Model, ModelError> {
        Model::read(file::write(file).as_bytes())
    }

    #[test]
    fn a_file_survives_writing_to_the_last_bit() {
        let mut file = tiny();
        file.features[0].mean = 0.1 + 0.2;
        file.trained.split = Split::Visitors { seed: 7 };
        let text = file::write(&file);
        let (back, digest) = file::parse(text.as_bytes()).unwrap();
        assert_eq!(back, file);
        assert_eq!(file::write(&back), text);
        assert!(text.contains(&digest));
    }

    #[test]
    fn a_model_scores_and_explains_itself() {
        let model = read(&tiny()).unwrap();
        let cart = index_of("cart_size").unwrap();
        let mut features = [0.0; FEATURE_COUNT];
        features[cart] = 3.0;
        // log₂(1 + 3) = 2, two scales above the mean; the tree's last leaf is worth 0.25.
        let scores = model.score(&features);
        assert_eq!(scores.purchase, sigmoid(-1.0 + 2.0));
        assert_eq!(scores.abandon, sigmoid(2.0 * 0.15 + 0.5));
        let mut parts = [0.0; FEATURE_COUNT];
        let average = model.contributions(Label::Purchase, &features, &mut parts);
        assert_eq!((average, parts[cart]), (-1.0, 2.0));
        features[cart] = f64::NAN;
        assert_eq!(model.score(&features).purchase, sigmoid(-1.0));
        assert_eq!(model.kind(Label::Abandon), "trees");
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_refused() {
        let good = file::write(&tiny()).into_bytes();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x04;
            assert!(Model::read(&bad).is_err(), "byte {at} changed unnoticed");
            assert!(Model::read(&good[..at]).is_err(), "cut at {at} unnoticed");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        type Spoil = fn(&mut ModelFile);
        let spoils: [(Spoil, &str); 9] = [
            (
                |f| f.features[0].name = "cart_weight".into(),
                "cart_weight is unknown",
            ),
            (
                |f| f.features[0].unit = "kg".into(),
                "cart_size is in units here",
            ),
            (
                |f| f.features.push(f.features[0].clone()),
                "cart_size stands twice",
            ),
            (|f| f.features[0].scale = 0.0, "cart_size"),
            (|f| f.version = 1, "version 1"),
            (|f| f.name = "a b".into(), "name"),
            (
                |f| f.purchase.scorer = Scorer::Constant { log_odds: 1e9 },
                "purchase: a number is too large",
            ),
            (
                |f| {
                    f.purchase.calibration = Calibration::Platt {
                        slope: -1.0,
                        offset: 0.0,
                    }
                },
                "purchase, calibration",
            ),
            (
                |f| {
                    if let Scorer::Trees { trees, .. } = &mut f.abandon.scorer {
                        trees[0].feature[1] = 1;
                    }
                },
                "abandon: tree 0: it names feature 1 of 1",
            ),
        ];
        for (spoil, what) in spoils {
            let mut file = tiny();
            spoil(&mut file);
            let error = read(&file).unwrap_err().to_string();
            assert!(error.contains(what), "{error} does not say {what}");
        }
    }

    #[test]
    fn trees_and_a_regression_add_up_and_so_do_their_contributions() {
        let mut file = tiny();
        let alone = read(&file).unwrap();
        if let Scorer::Trees { weights, .. } = &mut file.abandon.scorer {
            weights.push(0.5);
        }
        let both = read(&file).unwrap();
        let cart = index_of("cart_size").unwrap();
        for size in [0.0, 1.0, 3.0, f64::NAN] {
            let mut features = [0.0; FEATURE_COUNT];
            features[cart] = size;
            let log_odds = both.log_odds(Label::Abandon, &features);
            let z = (Transform::Log2.apply(size) - 1.0) / 0.5;
            let beside = if z.is_nan() { 0.0 } else { 0.5 * z };
            let expected = alone.log_odds(Label::Abandon, &features) + beside;
            assert!((log_odds - expected).abs() < 1e-12);
            let mut parts = [0.0; FEATURE_COUNT];
            let average = both.contributions(Label::Abandon, &features, &mut parts);
            assert!((parts.iter().sum::<f64>() + average - log_odds).abs() < 1e-9);
        }
    }

    #[test]
    fn a_head_can_come_from_another_model() {
        let (tiny, blank) = (read(&tiny()).unwrap(), Model::blank());
        let mixed = blank.clone().with_head(Label::Abandon, &tiny);
        let features = [0.0; FEATURE_COUNT];
        assert_eq!(mixed.score(&features).purchase, 0.5);
        assert_eq!(
            mixed.score(&features).abandon,
            tiny.score(&features).abandon
        );
        assert_eq!(mixed.label, format!("blank+{}", tiny.label));
    }
}
