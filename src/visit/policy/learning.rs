//! What a policy says about learning: what counts as a success, whom it is credited to, how long it
//! counts, and what promotions may cost.

use super::super::learn::attribution::{Credit, Reward, RewardSpec};
use crate::event::ArrivalMs;

/// How the job learns from what came of its decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct Learning {
    /// What an exposure earns.
    pub reward: RewardSpec,
    /// Who is credited with an outcome.
    pub credit: Credit,
    /// How long after an exposure an outcome may be credited to it, in ms; `None` within the same
    /// session only.
    pub window_ms: Option<u64>,
    /// Whether an exposure counts only once an impression says that it was seen.
    pub seen: bool,
    /// How long facts count, in ms of the arrival clock.
    pub retention_ms: u64,
    /// Arms are compared among exposures of one epoch, this long in ms.
    pub epoch_ms: u64,
    /// Before this arrival, in ms since 1970, everyone keeps the default and nothing is learned.
    pub from_ms: u64,
    /// Most that one order counts for, in millionths of the currency.
    pub value_max: i64,
    /// Facts kept in a bin.
    pub facts_per_bin: usize,
}

/// What promotions may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotions {
    /// Share of an order's value that remains after the goods, in millionths.
    pub margin_ppm: i64,
    /// Least share of the cart's value that must remain after the promotion, in millionths.
    pub floor_ppm: i64,
}

/// What showing an arm hands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// A fixed amount an order, in millionths of the currency.
    pub fixed: i64,
    /// A share of the order's value, in millionths.
    pub discount_ppm: i64,
    /// Most that may be promised in all, in millionths of the currency.
    pub budget: Option<i64>,
}

impl Default for Learning {
    fn default() -> Self {
        Learning {
            reward: RewardSpec {
                reward: Reward::Conversion,
                provisional: 0,
            },
            credit: Credit::All,
            window_ms: None,
            seen: false,
            retention_ms: 30 * 86_400_000,
            epoch_ms: 3_600_000,
            from_ms: 0,
            value_max: 10_000_000_000,
            facts_per_bin: (1 << 22) / crate::event::BINS,
        }
    }
}

impl Learning {
    /// The epoch of an arrival.
    pub fn epoch_of(&self, at: ArrivalMs) -> u32 {
        (at.0 / self.epoch_ms) as u32
    }
}

impl Default for Promotions {
    fn default() -> Self {
        Promotions {
            margin_ppm: 300_000,
            floor_ppm: 0,
        }
    }
}

impl Promotions {
    /// What remains of an order of this value after the goods and a promotion, in millionths.
    pub fn margin(&self, value: i64, cost: i64) -> i64 {
        let goods = i128::from(value) * i128::from(self.margin_ppm) / 1_000_000;
        goods as i64 - cost
    }

    /// Whether a promotion leaves enough of a cart of this value. A discount against a budget needs a
    /// cart: of an empty one it takes nothing, and could be promised to everyone.
    pub fn allows(&self, cart_value: i64, cost: &Cost) -> bool {
        if cost.needs_cart() && cart_value <= 0 {
            return false;
        }
        if cost.is_none() {
            return true;
        }
        let least = i128::from(cart_value) * i128::from(self.floor_ppm) / 1_000_000;
        i128::from(self.margin(cart_value, cost.of(cart_value))) >= least
    }
}

impl Cost {
    /// Whether nothing is handed out.
    pub fn is_none(&self) -> bool {
        self.fixed == 0 && self.discount_ppm == 0
    }

    /// Whether what it hands out is bounded, and only the cart says what it would be.
    pub fn needs_cart(&self) -> bool {
        self.discount_ppm > 0 && self.budget.is_some()
    }

    /// What is handed out with an order of this value, in millionths.
    pub fn of(&self, value: i64) -> i64 {
        let share = i128::from(value) * i128::from(self.discount_ppm) / 1_000_000;
        self.fixed.saturating_add(share as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_has_to_leave_the_floor() {
        let promotions = Promotions {
            margin_ppm: 300_000,
            floor_ppm: 100_000,
        };
        let cost = |fixed, discount_ppm| Cost {
            fixed,
            discount_ppm,
            budget: None,
        };
        // 30 of 100 remain after the goods; 10 have to remain after the promotion.
        let cart = 100_000_000;
        assert!(promotions.allows(cart, &cost(20_000_000, 0)));
        assert!(!promotions.allows(cart, &cost(20_000_001, 0)));
        assert!(promotions.allows(cart, &cost(0, 200_000)));
        assert!(!promotions.allows(cart, &cost(1, 200_000)));
        assert!(!promotions.allows(0, &cost(1, 0)));
        assert!(promotions.allows(0, &Cost::default()));
        let budgeted = Cost {
            budget: Some(1),
            ..cost(0, 100_000)
        };
        assert!(promotions.allows(0, &cost(0, 100_000)));
        assert!(!promotions.allows(0, &budgeted) && promotions.allows(cart, &budgeted));
    }
}
