//! Logistic regression: bent, standardised features times weights.
//!
//! Both heads of a model read the same inputs, so each input is bent once and weighed twice. Sums
//! run in the order of the inputs: the same bits everywhere. A missing feature counts as its mean.
//! Cost: some twenty instructions an input for both heads.

use crate::visit::feature::{FEATURE_COUNT, Vector};
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
                // One or more, so the sign is no part of the exponent. Both parts are exact.
                let bits = (1.0 + x.max(0.0)).to_bits();
                let exponent = f64::from((bits >> 52) as i32 - 1023);
                let mantissa = f64::from_bits(bits << 12 >> 12 | 1.0f64.to_bits()) - 1.0;
                if x.is_nan() { x } else { exponent + mantissa }
            }
        }
    }
}

/// An input of a regression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// Its place among the features.
    pub feature: usize,
    /// How it is bent.
    pub transform: Transform,
    /// Mean after the transform.
    pub mean: f64,
    /// One over the standard deviation after the transform.
    pub inverse_scale: f64,
}

impl Input {
    /// The standardised value; 0 for a missing one.
    #[inline]
    pub fn standardised(&self, features: &Vector) -> f64 {
        let x = self.transform.apply(features[self.feature]);
        let z = (x - self.mean) * self.inverse_scale;
        if z.is_nan() { 0.0 } else { z }
    }
}

/// One regression, or several over the same inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear<const HEADS: usize> {
    /// Log-odds when every input is at its mean.
    pub bias: [f64; HEADS],
    /// The inputs, each with its weights.
    pub terms: Vec<(Input, [f64; HEADS])>,
}

impl<const HEADS: usize> Linear<HEADS> {
    /// The log-odds of each head.
    #[inline]
    pub fn log_odds(&self, features: &Vector) -> [f64; HEADS] {
        let mut sums = self.bias;
        for (input, weights) in &self.terms {
            let z = input.standardised(features);
            // By index: zipped, this loop of two was not unrolled and cost more than all the rest.
            for head in 0..HEADS {
                sums[head] += z * weights[head];
            }
        }
        sums
    }
}

impl Linear<1> {
    /// What each feature adds to the log-odds: the sum of all plus the bias is the log-odds.
    pub fn contributions(&self, features: &Vector, out: &mut Vector) {
        *out = [0.0; FEATURE_COUNT];
        for (input, [weight]) in &self.terms {
            out[input.feature] += input.standardised(features) * weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log2_is_exact_at_powers_of_two() {
        for power in 0..40 {
            let x = (1u64 << power) as f64 - 1.0;
            assert_eq!(Transform::Log2.apply(x), f64::from(power));
        }
        assert!(Transform::Log2.apply(f64::NAN).is_nan());
    }
}
