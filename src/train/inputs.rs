//! Which features a model is given, how they are standardised, and the table of rows it is fitted
//! to.
//!
//! The row after the k-th event of a session weighs 1/k, so that no long session drowns the others:
//! one of a hundred events weighs five times as much as one of a single event. The weight must not
//! depend on how long the session turns out to be: a row that weighs 1/n in a session of n events
//! would count for less the longer the shopper stayed, and a model would learn that nobody who has
//! just come in ever buys. And
//! no class drowns the other: where the rarer class has less than [`CLASS_SHARE_MIN`] of the
//! weight, its rows are weighed up to that. (Calibration, on sessions weighed as they are, puts the
//! level of the probabilities right again.) A feature that does not vary is left out, and so is the
//! clock where the sessions do not cover it: an hour of the day means nothing to a model that has
//! seen one morning. Cost: two passes over the rows.

use super::logistic::Rows;
use crate::suggest;
use crate::visit::feature::{FEATURES, index_of};
use crate::visit::model::{Label, ModelFeature, Transform};
use crate::visit::rows::SessionRows;

/// Least share of the weight that either class has in a fit.
pub const CLASS_SHARE_MIN: f64 = 0.25;

/// What to give a model.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Features not to use.
    pub drop: Vec<String>,
    /// Features to use, and no others; all if empty.
    pub keep: Vec<String>,
    /// Whether the log has real times.
    pub has_times: bool,
}

/// The features of a model.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// As they stand in the model file.
    pub features: Vec<ModelFeature>,
    /// Their places in the table of features.
    pub places: Vec<usize>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

const DAY_MS: u64 = 86_400_000;
/// Features that read a clock, and how long sessions must reach for them, in days.
const CLOCKS: [(&str, u64); 2] = [("hour_of_day", 2), ("day_of_week", 14)];

impl Choice {
    /// Checks the names.
    ///
    /// # Errors
    /// What is unknown, with the nearest name.
    pub fn check(&self) -> Result<(), String> {
        for name in self.drop.iter().chain(&self.keep) {
            if index_of(name).is_none() {
                let hint = suggest::hint(name, FEATURES.iter().map(|feature| feature.name));
                return Err(format!("`{name}` is not a feature{hint}"));
            }
        }
        Ok(())
    }

    /// Chooses the features by the sessions fitted on.
    pub fn inputs(&self, sessions: &[&SessionRows]) -> Inputs {
        let first = sessions.iter().map(|session| session.start.0).min();
        let last = sessions.iter().map(|session| session.end.0).max();
        let days = last.unwrap_or(0).saturating_sub(first.unwrap_or(0)) / DAY_MS;
        let mut inputs = Inputs {
            features: Vec::new(),
            places: Vec::new(),
            notes: Vec::new(),
        };
        let (mut constant, mut clocks) = (Vec::new(), Vec::new());
        for (place, feature) in FEATURES.iter().enumerate() {
            let is = |name: &String| name == feature.name;
            if self.drop.iter().any(is) || !(self.keep.is_empty() || self.keep.iter().any(is)) {
                continue;
            }
            let clock = CLOCKS.iter().find(|(name, _)| *name == feature.name);
            if clock.is_some_and(|(_, least)| !self.has_times || days < *least) {
                clocks.push(feature.name);
                continue;
            }
            let transform = match feature.unit {
                "ratio" | "index" | "depth" | "yes" => Transform::Identity,
                _ => Transform::Log2,
            };
            match measure(sessions, place, transform) {
                Some((mean, scale)) => {
                    inputs.places.push(place);
                    inputs.features.push(ModelFeature {
                        name: feature.name.into(),
                        unit: feature.unit.into(),
                        transform,
                        mean: super::calibrate::rounded(mean),
                        scale: super::calibrate::rounded(scale),
                    });
                }
                None => constant.push(feature.name),
            }
        }
        let mut note = |names: &[&str], why: &str| {
            if !names.is_empty() {
                inputs
                    .notes
                    .push(format!("left out: {} ({why})", names.join(", ")));
            }
        };
        note(&constant, "the same in every session");
        note(&clocks, "the sessions do not cover the clock");
        inputs
    }
}

/// Least standard deviation of a feature that says anything.
const SCALE_MIN: f64 = 1e-4;

/// Mean and standard deviation after the transform, by weight; none where the feature does not
/// vary.
fn measure(sessions: &[&SessionRows], place: usize, transform: Transform) -> Option<(f64, f64)> {
    let (mut weight, mut sum, mut squares) = (0.0, 0.0, 0.0);
    let mut missing = false;
    for session in sessions {
        for (row, share) in session.weighted() {
            let x = transform.apply(row.features[place]);
            if x.is_nan() {
                missing = true;
            } else {
                weight += share;
                sum += share * x;
                squares += share * x * x;
            }
        }
    }
    let mean = sum / weight;
    let scale = (squares / weight - mean * mean).max(0.0).sqrt();
    if scale >= SCALE_MIN {
        Some((mean, scale))
    } else if missing && weight > 0.0 {
        // Whether it is there may say something to trees; a regression sees the mean.
        Some((mean, 1.0))
    } else {
        None
    }
}

impl Inputs {
    /// The table for a label: values as the trees see them, or standardised for a regression.
    pub fn table(&self, sessions: &[&SessionRows], label: Label, standardised: bool) -> Rows {
        let mut table = Rows {
            columns: self.places.len(),
            ..Rows::default()
        };
        for session in sessions {
            table.groups.push(session.rows.len() as u32);
            for (row, share) in session.weighted() {
                for (feature, place) in self.features.iter().zip(&self.places) {
                    let x = row.features[*place];
                    table.values.push(if standardised {
                        let z = (feature.transform.apply(x) - feature.mean) / feature.scale;
                        if z.is_nan() { 0.0 } else { z }
                    } else {
                        x
                    });
                }
                table.labels.push(session.label(label, row));
                table.weights.push(share);
            }
        }
        weigh_up_the_rarer(&mut table);
        table
    }
}

fn weigh_up_the_rarer(table: &mut Rows) {
    let of = |wanted: bool| -> f64 {
        let rows = table.weights.iter().zip(&table.labels);
        rows.filter(|(_, label)| **label == wanted)
            .map(|(weight, _)| weight)
            .sum()
    };
    let weights = [of(false), of(true)];
    let all: f64 = weights.iter().sum();
    for (rare, of_rare) in [(false, weights[0]), (true, weights[1])] {
        if of_rare > 0.0 && of_rare < CLASS_SHARE_MIN * all {
            let others = all - of_rare;
            let factor = CLASS_SHARE_MIN / (1.0 - CLASS_SHARE_MIN) * others / of_rare;
            for (weight, label) in table.weights.iter_mut().zip(&table.labels) {
                if *label == rare {
                    *weight *= factor;
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::{EventMs, VisitorId, mix};
    use crate::visit::feature::FEATURE_COUNT;
    use crate::visit::rows::Row;

    /// A session of which `cart_size` rises row by row; it buys after its last row if it is to.
    pub(in super::super) fn session(number: u64, rows: usize, buys: bool) -> SessionRows {
        let start = number * 60_000;
        let row = |n: usize| {
            let mut features = [0.0; FEATURE_COUNT];
            features[index_of("events").unwrap()] = n as f64 + 1.0;
            let noise = (mix(number * 64 + n as u64) % 3) as f64;
            features[index_of("cart_size").unwrap()] = noise + if buys { 1.0 } else { 0.0 };
            Row {
                at: EventMs(start + n as u64 * 1_000),
                purchases: 0,
                features,
            }
        };
        SessionRows {
            visitor: VisitorId(number),
            start: EventMs(start),
            end: EventMs(start + rows as u64 * 1_000),
            events: rows as u32,
            purchases: u32::from(buys),
            abandons: !buys && number.is_multiple_of(3),
            rows: (0..rows).map(row).collect(),
        }
    }

    #[test]
    fn a_row_weighs_by_its_place_and_the_rarer_class_a_quarter() {
        let sessions: Vec<SessionRows> = (0..40)
            .map(|n| session(n, 1 + n as usize % 5, n.is_multiple_of(20)))
            .collect();
        let seen: Vec<&SessionRows> = sessions.iter().collect();
        let choice = Choice {
            has_times: true,
            ..Choice::default()
        };
        let table = choice.inputs(&seen).table(&seen, Label::Purchase, false);
        let of = |wanted: bool| -> f64 {
            let rows = table.weights.iter().zip(&table.labels);
            rows.filter(|row| *row.1 == wanted).map(|row| row.0).sum()
        };
        let harmonic = |n: usize| (1..=n).map(|k| 1.0 / k as f64).sum::<f64>();
        let others = sessions.iter().filter(|session| session.purchases == 0);
        let expected: f64 = others.map(|session| harmonic(session.rows.len())).sum();
        assert!((of(false) - expected).abs() < 1e-9);
        assert!((of(true) / (of(true) + of(false)) - CLASS_SHARE_MIN).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_vary_and_clocks_are_left_out_and_named() {
        let sessions: Vec<SessionRows> = (0..10).map(|n| session(n, 3, n == 1)).collect();
        let seen: Vec<&SessionRows> = sessions.iter().collect();
        let inputs = Choice::default().inputs(&seen);
        let names: Vec<&str> = inputs.features.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["events", "cart_size"]);
        assert!(inputs.notes[0].contains("item_views"));
        assert!(inputs.notes[1].contains("hour_of_day, day_of_week"));
    }

    #[test]
    fn unknown_names_are_refused_with_a_hint() {
        let choice = Choice {
            drop: vec!["cart_sise".into()],
            ..Choice::default()
        };
        assert!(choice.check().unwrap_err().contains("cart_size"));
    }
}
