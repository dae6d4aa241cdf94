//! Statistics from nothing but the facts that stand, by loops that a reader can check.

use super::world::{Standing, Statistics};
use restage::visit::learn::attribution::{Credit, Reward};
use restage::visit::learn::fact::{Exposure, Outcome, OutcomeKind};
use restage::visit::learn::subject::Subject;
use restage::visit::policy::Policy;

const ONE: i128 = 1_000_000;

/// The statistics of all subjects.
pub fn statistics(standing: &Standing, policy: &Policy) -> Statistics {
    let mut sums: Statistics = standing.counts.clone();
    for (visitor, exposure) in &standing.exposures {
        let outcomes = standing.outcomes.iter().filter(|(who, _)| who == visitor);
        let credited: Vec<(Outcome, i128)> = outcomes
            .filter(|(_, outcome)| follows(outcome, exposure, policy.learning.window_ms))
            .map(|(_, outcome)| {
                let rivals = standing.exposures.iter().filter(|(who, rival)| {
                    who == visitor
                        && rival.cell.slot == exposure.cell.slot
                        && follows(outcome, rival, policy.learning.window_ms)
                });
                let rivals: Vec<Exposure> = rivals.map(|(_, rival)| *rival).collect();
                (*outcome, share(exposure, &rivals, policy))
            })
            .collect();
        let reward = earned(&credited, policy) as i64;
        let sum = sums.entry(Subject::Cell(exposure.cell)).or_default();
        sum.trials += 1;
        sum.reward += reward;
        sum.square += i128::from(reward) * i128::from(reward);
        let kept = credited.iter().copied();
        let kept: Vec<_> = kept
            .filter(|(outcome, _)| outcome.kind != OutcomeKind::Promise)
            .collect();
        let settled = earned(&kept, policy) as i64;
        let open = sums.entry(Subject::Open(exposure.cell)).or_default();
        open.reward += reward - settled;
        open.square += i128::from(reward) * i128::from(reward);
        open.square -= i128::from(settled) * i128::from(settled);
        if let (Some(lot), true) = (exposure.lot, policy.learning.seen) {
            let slot = exposure.cell.slot;
            sums.entry(Subject::Lots { slot, lot }).or_default().trials += 1;
        }
    }
    sums.retain(|_, stat| !stat.is_zero());
    sums
}

/// Whether an outcome may be due to an exposure.
fn follows(outcome: &Outcome, exposure: &Exposure, window_ms: Option<u64>) -> bool {
    let in_time = match window_ms {
        None => outcome.session == exposure.session,
        Some(window) => outcome.at_ms <= exposure.at_ms + window,
    };
    in_time && outcome.at_ms >= exposure.at_ms
}

/// The share of an exposure among the slot's exposures that precede the outcome, in their order.
fn share(one: &Exposure, rivals: &[Exposure], policy: &Policy) -> i128 {
    let last = rivals.last() == Some(one);
    match policy.learning.credit {
        Credit::All => ONE,
        Credit::Last => ONE * i128::from(last),
        Credit::Decayed { half_life_ms } => {
            let youngest = rivals.iter().map(|rival| rival.at_ms).max().unwrap();
            let weight = |exposure: &Exposure| {
                let older = (youngest - exposure.at_ms) as f64;
                (libm::exp2(-older / half_life_ms as f64) * (1u64 << 40) as f64) as i128
            };
            let sum: i128 = rivals.iter().map(weight).sum();
            let share = |exposure: &Exposure| weight(exposure) * ONE / sum;
            let left = ONE - rivals.iter().map(share).sum::<i128>();
            share(one) + left * i128::from(last)
        }
    }
}

/// What an exposure earned with these outcomes, in millionths.
fn earned(credited: &[(Outcome, i128)], policy: &Policy) -> i128 {
    let spec = policy.learning.reward;
    let shares = |kind: OutcomeKind| -> i128 {
        let of_kind = credited.iter().filter(|(outcome, _)| outcome.kind == kind);
        of_kind.map(|(_, share)| share).sum()
    };
    let money = |amount: fn(&Outcome) -> i64| -> i128 {
        let orders = credited
            .iter()
            .filter(|(outcome, _)| outcome.kind == OutcomeKind::Order);
        orders
            .map(|(order, share)| i128::from(amount(order)) * share)
            .sum::<i128>()
            / ONE
    };
    let promised = shares(OutcomeKind::Promise).min(ONE) * i128::from(spec.provisional) / ONE;
    let converted = shares(OutcomeKind::Order).min(ONE).max(promised);
    let carted = shares(OutcomeKind::Cart).min(ONE);
    let rises = credited
        .iter()
        .filter(|(outcome, _)| outcome.kind == OutcomeKind::Intent);
    let risen = rises
        .map(|(rise, share)| i128::from(rise.value) * share)
        .sum::<i128>()
        / ONE;
    let (value, margin) = (money(|order| order.value), money(|order| order.margin));
    match spec.reward {
        Reward::Conversion => converted,
        Reward::Revenue => value,
        Reward::Margin => margin,
        Reward::AddToCart => carted,
        Reward::Weighted {
            conversion: a,
            revenue: b,
            margin: c,
            add_to_cart: d,
            intent: e,
        } => {
            let part = |weight: i64, of: i128| i128::from(weight) * of / ONE;
            part(a, converted) + part(b, value) + part(c, margin) + part(d, carted) + part(e, risen)
        }
    }
}
