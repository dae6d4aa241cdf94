//! What a scouting run finds out: which intents hide behind each phase, and how much each chance
//! matters for orders.
//!
//! A scouting run keeps, for every chance that a shopper meets, the phase that the job saw, the
//! true intent, whether there was a cart, the stage and what came of it. The derivative of expected
//! orders with respect to the logarithm of a factor on a chance is, by the likelihood ratio (Glynn
//! 1990, "Likelihood ratio gradient estimation for stochastic systems", Communications of the ACM
//! 33), the mean of orders × score, the score being 1 where the act happened and −p/(1−p) where it
//! did not. Orders come in by their chance to be placed, not by luck, which takes some noise away.
//! Much more goes by pooling: what a chance is worth follows from intent, cart and stage, and is
//! estimated over all phases together; the phase only tells how many such chances there are. (By
//! phase alone, four scouting runs of 200,000 visits found four different oracles; pooled, three
//! of the four found the same, and each did better than its twin in the run that followed.)
//!
//! With the true responses this gives each arm's worth in each phase to first order:
//! Σ over intents, carts and stages of chances × derivative × log factor. Orders of later visits are
//! not counted. Cost: twenty nanoseconds a chance, and some hundred for each that led to a checkout.

use super::page::{Layout, SLOT_COUNT, SLOTS};
use super::response::{Response, STAGE_COUNT, Stage, Weights};
use crate::simulate::intent::{INTENT_COUNT, Intent};
use crate::visit::phase::Phase;

/// Number of phases.
pub const PHASE_COUNT: usize = Phase::ALL.len();

/// Turns by the phase that the job saw and the shopper's true intent.
pub type Confusion = [[u64; INTENT_COUNT]; PHASE_COUNT];

/// A chance that was met.
#[derive(Clone, Copy, Debug)]
struct Met {
    at: Standing,
    stage: Stage,
    weights: Weights,
    score: f64,
}

/// The chances of one visit.
#[derive(Clone, Debug, Default)]
pub struct Trail(Vec<Met>);

/// Sums over a scouting run.
#[derive(Clone, Debug, Default)]
pub struct Scout {
    /// Expected orders × score × weight, by slot, intent, cart and stage.
    orders: [[ByChance; INTENT_COUNT]; SLOT_COUNT],
    /// Chances met, by phase, intent, cart and stage.
    chances: [[ByChance; INTENT_COUNT]; PHASE_COUNT],
}

/// One number by cart (none, some) and stage.
type ByChance = [[f64; STAGE_COUNT]; 2];

/// Where a shopper stands when a chance is met.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The phase that the job saw.
    pub phase: Phase,
    /// The true intent.
    pub intent: Intent,
    /// Whether something is in the cart.
    pub cart: bool,
}

/// The arm of each slot in each phase.
pub type ByPhase = [Layout; PHASE_COUNT];

impl Scout {
    /// Notes a chance of probability `p` and whether it came true. A chance to pay brings `p`
    /// expected orders to all chances before it.
    pub fn note(
        &mut self,
        trail: &mut Trail,
        at: Standing,
        stage: Stage,
        weights: &Weights,
        (p, happened): (f64, bool),
    ) {
        let mut met = Met {
            at,
            stage,
            weights: *weights,
            score: 1.0,
        };
        let chances = &mut self.chances[at.phase as usize][at.intent as usize];
        chances[usize::from(at.cart)][stage as usize] += 1.0;
        if stage == Stage::Pay {
            self.credit(&met, p);
            for earlier in &trail.0 {
                self.credit(earlier, p);
            }
        }
        if !happened {
            met.score = -p / (1.0 - p);
        }
        trail.0.push(met);
    }

    fn credit(&mut self, met: &Met, orders: f64) {
        let (intent, cart) = (met.at.intent as usize, usize::from(met.at.cart));
        for (slot, weight) in met.weights.iter().enumerate() {
            self.orders[slot][intent][cart][met.stage as usize] += orders * met.score * weight;
        }
    }

    /// What an arm adds to the orders of the run if it is shown in a phase, to first order.
    pub fn worth(&self, response: &Response, slot: usize, arm: usize, phase: Phase) -> f64 {
        let mut worth = 0.0;
        for intent in Intent::ALL {
            for cart in [0, 1] {
                for stage in Stage::ALL {
                    let chances =
                        |of: &[ByChance; INTENT_COUNT]| of[intent as usize][cart][stage as usize];
                    let all: f64 = self.chances.iter().map(chances).sum();
                    if all > 0.0 {
                        let share = chances(&self.chances[phase as usize]) / all;
                        let derivative = share * chances(&self.orders[slot]);
                        worth += derivative * response.log(slot, arm, intent, stage);
                    }
                }
            }
        }
        worth
    }

    /// The best arm of every slot in every phase; the first of several equally good ones.
    pub fn oracle(&self, response: &Response) -> ByPhase {
        Phase::ALL.map(|phase| self.best(response, &[phase]))
    }

    /// The best arm of every slot where one is shown in all phases.
    pub fn fixed(&self, response: &Response) -> Layout {
        self.best(response, &Phase::ALL)
    }

    fn best(&self, response: &Response, phases: &[Phase]) -> Layout {
        std::array::from_fn(|slot| {
            let worth = |arm: usize| -> f64 {
                let worths = phases.iter();
                worths
                    .map(|phase| self.worth(response, slot, arm, *phase))
                    .sum()
            };
            let mut best = (0, worth(0));
            for arm in 1..SLOTS[slot].arms.len() {
                let worth = worth(arm);
                if worth > best.1 {
                    best = (arm, worth);
                }
            }
            best.0 as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Weights = [1.0; SLOT_COUNT];

    /// A visit that adds with chance a and then pays with chance q expects a·q orders; both
    /// derivatives with respect to the logarithms are a·q.
    #[test]
    fn the_derivative_of_a_chain_is_what_the_formula_says() {
        let mut scout = Scout::default();
        let mut rng = crate::rng::Rng::new(5);
        let (visits, a, q) = (200_000, 0.3, 0.4);
        for _ in 0..visits {
            let mut trail = Trail::default();
            let adds = rng.chance(a);
            let at = Standing {
                phase: Phase::Deciding,
                intent: Intent::Comparing,
                cart: false,
            };
            scout.note(&mut trail, at, Stage::Add, &ONE, (a, adds));
            if adds {
                scout.note(&mut trail, at, Stage::Pay, &ONE, (q, rng.chance(q)));
            }
        }
        let found = scout.orders[0][Intent::Comparing as usize][0];
        for stage in [Stage::Add, Stage::Pay] {
            let derivative = found[stage as usize] / f64::from(visits);
            assert!((derivative - a * q).abs() < 0.002, "{derivative}");
        }
    }

    #[test]
    fn the_oracle_takes_the_arm_that_the_intent_behind_the_phase_likes() {
        let mut scout = Scout::default();
        let mut trail = Trail::default();
        let at = Standing {
            phase: Phase::Hesitating,
            intent: Intent::Hesitating,
            cart: true,
        };
        scout.note(&mut trail, at, Stage::Pay, &ONE, (0.3, true));
        let response = Response::new(1.0, None);
        let oracle = scout.oracle(&response);
        // Only promotions act on paying: the discount is what the hesitating like most.
        assert_eq!(oracle[Phase::Hesitating as usize], [0, 0, 2, 0]);
        assert_eq!(oracle[Phase::Browsing as usize], [0; SLOT_COUNT]);
        assert_eq!(scout.fixed(&response), [0, 0, 2, 0]);
    }
}
