//! What an outcome is worth to the exposures before it, and what an exposure has earned.
//!
//! [`rewards`] matches what a visitor was shown with what came of it: [`credits`] shares an outcome
//! among the exposures of one slot, [`RewardSpec::reward`] sums up what an exposure was credited. Credits are
//! millionths and rewards are millionths, so sums are exact. With decay, an exposure's share halves
//! for every half-life of its age, and the shares of a slot sum to one.
//!
//! Cost: exposures × outcomes of a visitor (of a session, where only its own count).

use super::fact::{Cell, Exposure, Outcome, OutcomeKind};
use super::spec::Family;

/// One, in millionths.
const ONE: i64 = 1_000_000;

/// Who is credited with an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// Every exposure before it, wholly.
    All,
    /// The last exposure of each slot before it.
    Last,
    /// Every exposure of a slot before it, by shares that halve with every `half_life_ms` of age.
    Decayed {
        /// The half-life, above 0.
        half_life_ms: u64,
    },
}

/// What a reward is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reward {
    /// 1 for an order, whatever its worth.
    Conversion,
    /// The orders' worth.
    Revenue,
    /// The orders' margin.
    Margin,
    /// 1 for an addition to the cart.
    AddToCart,
    /// So many millionths for each: of a conversion, of a unit of revenue, of a unit of margin, of
    /// an addition to the cart.
    Weighted {
        /// Of a conversion.
        conversion: i64,
        /// Of revenue.
        revenue: i64,
        /// Of margin.
        margin: i64,
        /// Of an addition to the cart.
        add_to_cart: i64,
        /// Of intent, by how much it rose to higher phases than before.
        intent: i64,
    },
}

/// How exposures are rewarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewardSpec {
    /// What a reward is made of.
    pub reward: Reward,
    /// What an addition to the cart counts for, in millionths of a conversion, until it is known
    /// whether an order follows.
    pub provisional: i64,
}

impl RewardSpec {
    /// What rewards look like.
    pub fn family(&self) -> Family {
        match self.reward {
            Reward::Conversion | Reward::AddToCart => Family::Bernoulli,
            Reward::Revenue | Reward::Margin | Reward::Weighted { .. } => Family::Normal,
        }
    }

    /// Whether additions to the cart enter the reward for good.
    pub fn wants_carts(&self) -> bool {
        match self.reward {
            Reward::AddToCart => true,
            Reward::Weighted { add_to_cart, .. } => add_to_cart != 0,
            _ => false,
        }
    }

    /// Whether rises of intent enter the reward.
    pub fn wants_intent(&self) -> bool {
        matches!(self.reward, Reward::Weighted { intent, .. } if intent != 0)
    }

    /// What an exposure has earned, in millionths, from what it was credited with: outcomes and
    /// their credits in millionths.
    pub fn reward<'a>(&self, credited: impl IntoIterator<Item = (&'a Outcome, i64)>) -> i64 {
        let (mut orders, mut carts, mut promises) = (0i64, 0i64, 0i64);
        let (mut value, mut margin, mut risen) = (0i128, 0i128, 0i128);
        for (outcome, credit) in credited {
            match outcome.kind {
                OutcomeKind::Order => {
                    orders += credit;
                    value += i128::from(outcome.value) * i128::from(credit);
                    margin += i128::from(outcome.margin) * i128::from(credit);
                }
                OutcomeKind::Cart => carts += credit,
                OutcomeKind::Promise => promises += credit,
                OutcomeKind::Intent => risen += i128::from(outcome.value) * i128::from(credit),
            }
        }
        let promised = promises.min(ONE) * self.provisional / ONE;
        let converted = orders.min(ONE).max(promised);
        let amount = |sum: i128| (sum / i128::from(ONE)) as i64;
        match self.reward {
            Reward::Conversion => converted,
            Reward::Revenue => amount(value),
            Reward::Margin => amount(margin),
            Reward::AddToCart => carts.min(ONE),
            Reward::Weighted {
                conversion,
                revenue,
                margin: of_margin,
                add_to_cart,
                intent,
            } => {
                let part =
                    |weight: i64, of: i64| i128::from(weight) * i128::from(of) / i128::from(ONE);
                (part(conversion, converted)
                    + part(revenue, amount(value))
                    + part(of_margin, amount(margin))
                    + part(add_to_cart, carts.min(ONE))
                    + part(intent, amount(risen))) as i64
            }
        }
    }
}

/// What the exposures of a visitor, in their own order, have earned by the visitor's outcomes: cell
/// and reward in millionths of each that has earned anything, in the exposures' order, and what of
/// the reward is settled: what it is without the credit for orders that may yet come.
pub fn rewards(
    (credit, spec, window_ms): (Credit, RewardSpec, Option<u64>),
    exposures: &[&Exposure],
    outcomes: &[&Outcome],
    mut earned: impl FnMut(Cell, i64, i64),
) {
    let mut credited: Vec<Vec<(&Outcome, i64)>> = vec![Vec::new(); exposures.len()];
    let mut slots: Vec<u8> = exposures.iter().map(|shown| shown.cell.slot).collect();
    slots.sort_unstable();
    slots.dedup();
    let (mut places, mut shown, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for outcome in outcomes {
        for slot in &slots {
            let before = |place: &usize| {
                let exposure = exposures[*place];
                exposure.cell.slot == *slot && exposure.precedes(outcome, window_ms)
            };
            places.clear();
            places.extend((0..exposures.len()).filter(before));
            shown.clear();
            shown.extend(places.iter().map(|place| exposures[*place]));
            shares.clear();
            credits(credit, &shown, outcome, &mut shares);
            for (place, share) in places.iter().zip(&shares) {
                credited[*place].push((*outcome, *share));
            }
        }
    }
    let without = RewardSpec {
        provisional: 0,
        ..spec
    };
    for (exposure, credited) in exposures.iter().zip(&credited) {
        let by = |spec: &RewardSpec| spec.reward(credited.iter().copied());
        let reward = by(&spec);
        let settled = match spec.provisional {
            0 => reward,
            _ => by(&without),
        };
        if (reward, settled) != (0, 0) {
            earned(exposure.cell, reward, settled);
        }
    }
}

/// Shares an outcome among the exposures of one slot before it, which come in their own order
/// (time first). Appends a credit in millionths for each of them to `out`.
pub fn credits(credit: Credit, exposures: &[&Exposure], outcome: &Outcome, out: &mut Vec<i64>) {
    match credit {
        Credit::All => out.extend(exposures.iter().map(|_| ONE)),
        Credit::Last => {
            out.extend(exposures.iter().skip(1).map(|_| 0));
            out.extend(exposures.last().map(|_| ONE));
        }
        Credit::Decayed { half_life_ms } => {
            let youngest = exposures
                .last()
                .map_or(0, |exposure| outcome.at_ms - exposure.at_ms);
            // Relative to the youngest, so that none but the truly negligible vanish.
            let weight = |exposure: &Exposure| {
                let older = (outcome.at_ms - exposure.at_ms - youngest) as f64;
                (libm::exp2(-older / half_life_ms as f64) * (1u64 << 40) as f64) as i128
            };
            let sum: i128 = exposures.iter().map(|exposure| weight(exposure)).sum();
            let before = out.len();
            out.extend(
                exposures
                    .iter()
                    .map(|exposure| (weight(exposure) * i128::from(ONE) / sum.max(1)) as i64),
            );
            // What rounding lost goes to the youngest: an outcome is shared out whole.
            let given: i64 = out[before..].iter().sum();
            if let Some(last) = out[before..].last_mut() {
                *last += ONE - given;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposure(at_ms: u64) -> Exposure {
        Exposure {
            at_ms,
            ..Exposure::default()
        }
    }

    fn outcome(kind: OutcomeKind, value: i64) -> Outcome {
        Outcome {
            at_ms: 1_000,
            kind,
            value,
            margin: value / 4,
            ..Outcome::default()
        }
    }

    fn shared(credit: Credit, times: &[u64]) -> Vec<i64> {
        let exposures: Vec<Exposure> = times.iter().map(|&at| exposure(at)).collect();
        let mut out = Vec::new();
        credits(
            credit,
            &exposures.iter().collect::<Vec<_>>(),
            &outcome(OutcomeKind::Order, 1),
            &mut out,
        );
        out
    }

    #[test]
    fn an_outcome_is_shared_as_asked() {
        assert_eq!(shared(Credit::All, &[0, 500, 900]), [ONE, ONE, ONE]);
        assert_eq!(shared(Credit::Last, &[0, 500, 900]), [0, 0, ONE]);
        assert_eq!(shared(Credit::Last, &[]), [] as [i64; 0]);
        let decayed = Credit::Decayed { half_life_ms: 100 };
        assert_eq!(shared(decayed, &[800, 900]), [333_333, 666_667]);
        assert_eq!(shared(decayed, &[700]), [ONE]);
        let many = shared(decayed, &[0, 100, 450, 451, 999]);
        assert_eq!(many.iter().sum::<i64>(), ONE);
        assert!(many.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn rewards_are_capped_and_corrected() {
        let spec = |reward| RewardSpec {
            reward,
            provisional: 200_000,
        };
        let order = outcome(OutcomeKind::Order, 40_000_000);
        let promise = outcome(OutcomeKind::Promise, 0);
        let cart = outcome(OutcomeKind::Cart, 0);
        let conversion = spec(Reward::Conversion);
        assert_eq!(conversion.reward([]), 0);
        assert_eq!(conversion.reward([(&promise, ONE)]), 200_000);
        assert_eq!(conversion.reward([(&promise, ONE), (&order, ONE)]), ONE);
        assert_eq!(conversion.reward([(&order, ONE), (&order, ONE)]), ONE);
        assert_eq!(
            spec(Reward::Revenue).reward([(&order, ONE), (&order, 500_000)]),
            60_000_000
        );
        assert_eq!(spec(Reward::Margin).reward([(&order, 500_000)]), 5_000_000);
        assert_eq!(
            spec(Reward::AddToCart).reward([(&cart, ONE), (&order, ONE)]),
            ONE
        );
        let weighted = spec(Reward::Weighted {
            conversion: 2 * ONE,
            revenue: 10_000,
            margin: 0,
            add_to_cart: 100_000,
            intent: 0,
        });
        assert_eq!(
            weighted.reward([(&cart, ONE), (&order, ONE)]),
            100_000 + 2 * ONE + 400_000
        );
    }
}
