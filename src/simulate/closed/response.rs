//! How shoppers respond to what they are shown: the truth that a policy has to find out.
//!
//! Each arm has a *lift* for each intent, between −25 % and +60 %, and each slot has *channels*:
//! how strongly its lift acts on leaving, adding to the cart, checking out and paying. The chance
//! of an act is its base chance times Π over slots of (1 + lift)^(channel · weight), so effects
//! multiply and every default arm is neutral. The weight is the shopper's own: a promotion moves
//! the thrifty and leaves hunters, who would have bought anyway, where they were; the grid moves
//! those who look at its top.
//!
//! The numbers are assumptions, none an estimate from data; they are chosen so that the best arm
//! of a slot differs by intent and no single layout is right for all. Cost: four multiplications
//! and an exponential a chance.

use super::page::{ARM_COUNT_MAX, Layout, SLOT_COUNT};
use crate::simulate::intent::{INTENT_COUNT, Intent};

/// What a chance decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// To leave the shop.
    Leave,
    /// To put the item into the cart.
    Add,
    /// To go on from the cart to the checkout.
    Checkout,
    /// To place the order.
    Pay,
}

/// Number of stages.
pub const STAGE_COUNT: usize = 4;

impl Stage {
    /// All stages, in the order of their numbers.
    pub const ALL: [Stage; STAGE_COUNT] = [Stage::Leave, Stage::Add, Stage::Checkout, Stage::Pay];
}

/// One number per slot: how much of a slot's effect reaches the shopper.
pub type Weights = [f64; SLOT_COUNT];

/// Lift of each arm by intent: browsing, exploring, comparing, urgent, hesitating.
const LIFTS: [[[f64; INTENT_COUNT]; ARM_COUNT_MAX]; SLOT_COUNT] = [
    [
        [0.0; INTENT_COUNT],
        [0.60, 0.15, -0.15, -0.20, -0.15],
        [0.10, 0.60, 0.10, -0.15, -0.20],
        [-0.20, -0.10, 0.15, 0.30, 0.60],
    ],
    [
        [0.0; INTENT_COUNT],
        [0.15, 0.60, 0.10, -0.20, -0.05],
        [-0.20, 0.05, 0.60, -0.10, 0.25],
        [-0.25, -0.15, -0.10, 0.50, 0.10],
    ],
    [
        [0.0; INTENT_COUNT],
        [0.05, 0.15, 0.50, -0.05, 0.10],
        [-0.15, -0.20, -0.05, -0.15, 0.60],
        [0.0; INTENT_COUNT],
    ],
    [
        [0.0; INTENT_COUNT],
        [-0.05, 0.50, 0.25, -0.25, -0.10],
        [-0.25, -0.20, -0.05, 0.50, 0.30],
        [0.0; INTENT_COUNT],
    ],
];

/// Lift of an arm that is planted to be found out.
pub const BAD_LIFT: f64 = -0.6;

/// How strongly a slot's lift acts on leaving, adding, checking out, paying.
const CHANNELS: [[f64; STAGE_COUNT]; SLOT_COUNT] = [
    [-1.0, 0.5, 0.0, 0.0],
    [-0.6, 1.0, 0.0, 0.0],
    [-0.4, 0.5, 0.7, 1.0],
    [-0.4, 1.0, 1.0, 0.0],
];

/// The responses of the shop's shoppers.
#[derive(Clone, Debug)]
pub struct Response {
    /// Logarithm of the factor by slot, arm, intent and stage.
    logs: [[[[f64; STAGE_COUNT]; INTENT_COUNT]; ARM_COUNT_MAX]; SLOT_COUNT],
}

impl Response {
    /// The responses with every lift times `scale`; 0 is a shop where nothing shown matters. An arm
    /// that is `bad` has the lift [`BAD_LIFT`] for every intent, whatever the scale.
    pub fn new(scale: f64, bad: Option<(usize, u8)>) -> Response {
        let mut logs = [[[[0.0; STAGE_COUNT]; INTENT_COUNT]; ARM_COUNT_MAX]; SLOT_COUNT];
        for (slot, arms) in LIFTS.iter().enumerate() {
            for (arm, lifts) in arms.iter().enumerate() {
                for (intent, lift) in lifts.iter().enumerate() {
                    let is_bad = bad == Some((slot, arm as u8));
                    let lift = if is_bad { BAD_LIFT } else { lift * scale };
                    let log = libm::log1p(lift.max(-0.9));
                    logs[slot][arm][intent] = CHANNELS[slot].map(|channel| channel * log);
                }
            }
        }
        Response { logs }
    }

    /// Logarithm of an arm's factor on a stage, for a shopper of weight 1.
    #[inline]
    pub fn log(&self, slot: usize, arm: usize, intent: Intent, stage: Stage) -> f64 {
        self.logs[slot][arm][intent as usize][stage as usize]
    }

    /// The factor of a whole layout on a stage.
    #[inline]
    pub fn factor(&self, layout: Layout, intent: Intent, stage: Stage, weights: &Weights) -> f64 {
        let log = |slot: usize| {
            let log = self.log(slot, usize::from(layout[slot]), intent, stage);
            weights[slot] * log
        };
        let sum = log(0) + log(1) + log(2) + log(3);
        // Most pages are default ones: no exponential for them.
        if sum == 0.0 { 1.0 } else { libm::exp(sum) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::SLOTS;
    use super::*;

    const ONE: Weights = [1.0; SLOT_COUNT];

    #[test]
    fn lifts_stay_in_their_range_and_defaults_are_neutral() {
        for arms in LIFTS {
            assert_eq!(arms[0], [0.0; INTENT_COUNT]);
            for lift in arms.concat() {
                assert!((-0.25..=0.60).contains(&lift));
            }
        }
    }

    #[test]
    fn the_best_arm_of_a_slot_differs_by_intent() {
        for (slot, arms) in LIFTS.iter().enumerate() {
            let best = |intent: usize| {
                (0..SLOTS[slot].arms.len())
                    .max_by(|a, b| arms[*a][intent].total_cmp(&arms[*b][intent]))
            };
            let mut bests: Vec<_> = (0..INTENT_COUNT).map(best).collect();
            bests.sort_unstable();
            bests.dedup();
            assert!(bests.len() >= 3, "{}", SLOTS[slot].name);
        }
    }

    #[test]
    fn effects_multiply_and_follow_the_weights() {
        let response = Response::new(1.0, None);
        let factor =
            |layout, weights| response.factor(layout, Intent::Hesitating, Stage::Checkout, weights);
        assert_eq!(factor([0; SLOT_COUNT], &ONE), 1.0);
        let (promo, cta) = (factor([0, 0, 2, 0], &ONE), factor([0, 0, 0, 2], &ONE));
        assert!((promo - libm::pow(1.6, 0.7)).abs() < 1e-12);
        assert!((cta - 1.3).abs() < 1e-12);
        assert!((factor([0, 0, 2, 2], &ONE) - promo * cta).abs() < 1e-12);
        assert_eq!(factor([0, 0, 2, 0], &[1.0, 1.0, 0.0, 1.0]), 1.0);
    }

    #[test]
    fn a_good_banner_keeps_shoppers_and_no_scale_means_no_effect() {
        let leaves = |scale| {
            Response::new(scale, None).factor([1, 0, 0, 0], Intent::Browsing, Stage::Leave, &ONE)
        };
        assert!((leaves(1.0) - 1.0 / 1.6).abs() < 1e-12);
        assert_eq!(leaves(0.0), 1.0);
        let planted = Response::new(0.0, Some((0, 2)));
        let leaves = |arm| planted.factor([arm, 0, 0, 0], Intent::Urgent, Stage::Leave, &ONE);
        assert_eq!(
            (leaves(1), leaves(2)),
            (1.0, libm::exp(-libm::log1p(BAD_LIFT)))
        );
    }
}
