//! What is known of an arm in one place: exposures, and the moments of their rewards.
//!
//! Everything is an integer, so statistics form a commutative group: what was added can be taken
//! away again, in any order, exactly. A reward is in millionths: of one for conversions (a reward
//! of 1 is 1,000,000), of the currency for money.

use serde::{Deserialize, Serialize};

/// Exposures of an arm, and the sum and the sum of squares of their rewards.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stat {
    /// Exposures that count.
    pub trials: i64,
    /// Sum of their rewards, in millionths.
    pub reward: i64,
    /// Sum of the squares of their rewards, in millionths of millionths (10⁻¹²).
    pub square: i128,
}

impl Stat {
    /// One exposure that has earned `reward` millionths so far.
    pub fn of(reward: i64) -> Stat {
        Stat {
            trials: 1,
            reward,
            square: i128::from(reward) * i128::from(reward),
        }
    }

    /// Adds another. Sums wrap at the ends of their integers, so that taking away stays exact.
    pub fn add(&mut self, other: &Stat) {
        self.trials = self.trials.wrapping_add(other.trials);
        self.reward = self.reward.wrapping_add(other.reward);
        self.square = self.square.wrapping_add(other.square);
    }

    /// Its opposite.
    pub fn negated(&self) -> Stat {
        Stat {
            trials: self.trials.wrapping_neg(),
            reward: self.reward.wrapping_neg(),
            square: self.square.wrapping_neg(),
        }
    }

    /// The same rewards, earned by so many times as many exposures: what is known of them stays, where
    /// rewards that are multiplied would pretend to know more.
    pub fn over(&self, ratio: f64) -> Stat {
        Stat {
            trials: (self.trials as f64 * ratio).round() as i64,
            ..*self
        }
    }

    /// Whether nothing is known.
    pub fn is_zero(&self) -> bool {
        *self == Stat::default()
    }

    /// Mean reward of an exposure, in units (not millionths); 0 without exposures.
    pub fn mean(&self) -> f64 {
        if self.trials <= 0 {
            return 0.0;
        }
        self.reward as f64 / 1e6 / self.trials as f64
    }

    /// Variance of the reward of an exposure, in squared units, with the divisor `trials`; 0
    /// without exposures.
    pub fn variance(&self) -> f64 {
        if self.trials <= 0 {
            return 0.0;
        }
        let mean = self.mean();
        (self.square as f64 / 1e12 / self.trials as f64 - mean * mean).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_can_be_taken_away() {
        let mut sum = Stat::default();
        for reward in [0, 1_000_000, 250_000, -3] {
            sum.add(&Stat::of(reward));
        }
        assert_eq!((sum.trials, sum.reward), (4, 1_249_997));
        for reward in [250_000, -3, 1_000_000, 0] {
            sum.add(&Stat::of(reward).negated());
        }
        assert!(sum.is_zero());
    }

    #[test]
    fn moments_are_those_of_the_rewards() {
        let mut sum = Stat::default();
        for reward in [0, 0, 0, 1_000_000] {
            sum.add(&Stat::of(reward));
        }
        assert_eq!((sum.mean(), sum.variance()), (0.25, 0.1875));
        assert_eq!(Stat::default().mean(), 0.0);
    }
}
