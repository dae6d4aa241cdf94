//! What a policy is worth, slot by slot, in words that claim no more than the log can answer.
//!
//! The word is that of the slot's estimates ([`crate::evaluate::ope::verdict`]), but for a slot in which
//! the two choose alike: that is `the same`, whatever the log can tell.
//!
//! How much the target would choose otherwise, whatever the luck of two draws, is the distance of the
//! two distributions in total variation, Σ (p − π)⁺, of which the mean of (1 − π/p)⁺ over the logged
//! choices is an unbiased estimate. Invariant: sums of integers, so parts add up. Cost: a pass over the
//! choices.

use super::worth::Evidence;
use crate::evaluate::bootstrap::Interval;
use crate::evaluate::ope::page::number;
use crate::evaluate::ope::report::{Estimate, Estimates};
use crate::evaluate::ope::rows::Names;
use crate::evaluate::page::named;
use crate::visit::learn::attribution::Reward;
use serde::Serialize;

/// What a policy is worth in a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The slot.
    pub slot: String,
    /// `the same`, `more`, `less`, `no difference so far` or `not known`.
    pub verdict: &'static str,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Share of the choices that would be others, whatever the luck of the draw.
    pub otherwise: f64,
    /// What a logged choice earned.
    pub earned: Option<f64>,
    /// What a choice would have earned, doubly robust.
    pub would_earn: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
}

/// The verdicts on all slots of which there are choices, in the target's order.
pub fn verdicts(evidence: &Evidence, names: &Names, estimates: &Estimates) -> Vec<Verdict> {
    let slots = (0..names.groups.len()).map(|slot| (slot, names.group(slot as u32)));
    let of_slot = |(slot, name): (usize, String)| {
        let of_group = estimates.groups.iter().find(|group| group.group == name)?;
        let otherwise = evidence.otherwise(slot as u8);
        Some(Verdict::of(name, otherwise, &of_group.estimate))
    };
    slots.filter_map(of_slot).collect()
}

/// The verdicts for people: what is measured, then a line a slot.
pub fn lines(verdicts: &[Verdict], reward: Reward) -> Vec<String> {
    let what = format!(
        "{} a choice; each choice by itself, the rest of the visit as it was",
        unit(reward)
    );
    let slots = verdicts
        .iter()
        .map(|verdict| named(&verdict.slot, &verdict.line()));
    std::iter::once(named("worth", &what))
        .chain(slots)
        .collect()
}

impl Verdict {
    fn of(slot: String, otherwise: f64, estimate: &Estimate) -> Verdict {
        let (verdict, why) = if otherwise == 0.0 {
            ("the same", None)
        } else {
            (estimate.verdict.verdict, estimate.verdict.why.clone())
        };
        Verdict {
            slot,
            verdict,
            why,
            otherwise,
            earned: estimate.estimates.on_policy,
            would_earn: estimate.estimates.dr,
            interval: estimate.interval.dr,
        }
    }

    fn line(&self) -> String {
        let otherwise = format!("{:.1} % of its choices are others", self.otherwise * 100.0);
        if self.verdict == "the same" {
            return "the same choices".into();
        }
        if let Some(why) = &self.why {
            return format!("not known: {why}; {otherwise}");
        }
        let interval = self.interval.map_or(String::new(), |interval| {
            let (low, high) = (number(Some(interval.lo)), number(Some(interval.hi)));
            format!(" ({low} to {high})")
        });
        let lead = match (self.would_earn, self.earned) {
            (Some(would), Some(earned)) if earned > 0.0 => {
                format!(", {:+.1} %", (would / earned - 1.0) * 100.0)
            }
            _ => String::new(),
        };
        format!(
            "{}: {}{interval} instead of {}{lead}; {otherwise}",
            self.verdict,
            number(self.would_earn),
            number(self.earned),
        )
    }
}

fn unit(reward: Reward) -> &'static str {
    match reward {
        Reward::Conversion => "orders",
        Reward::Revenue => "revenue",
        Reward::Margin => "margin",
        Reward::AddToCart => "additions to the cart",
        Reward::Weighted { .. } => "the policy's weighted reward",
    }
}

impl Evidence {
    /// Share of a slot's choices that the target would have made otherwise, whatever the luck; 0 of
    /// none.
    pub fn otherwise(&self, slot: u8) -> f64 {
        let (mut sum_ppm, mut count) = (0u64, 0u64);
        for choice in self.choices.iter().filter(|choice| choice.slot == slot) {
            let chances = &self.targets[choice.target as usize];
            let would = chances.get(usize::from(choice.arm)).copied().unwrap_or(0);
            let propensity = u64::from(choice.propensity_ppm.max(1));
            let less = propensity.saturating_sub(u64::from(would));
            sum_ppm += less * 1_000_000 / propensity;
            count += 1;
        }
        sum_ppm as f64 / 1e6 / count.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::worth::Choice;
    use super::*;

    /// A log that draws with 0.5, 0.3 and 0.2, and a target with 0.2, 0.4 and 0.4: Σ (p − π)⁺ = 0.3.
    #[test]
    fn what_would_be_chosen_otherwise_is_the_total_variation() {
        let mut evidence = Evidence {
            targets: vec![vec![200_000, 400_000, 400_000]],
            ..Evidence::default()
        };
        for (arm, propensity_ppm) in [(0, 500_000), (1, 300_000), (2, 200_000)] {
            let choice = Choice {
                unit: 1,
                at_ms: 0,
                session: 0,
                seq: 0,
                slot: 0,
                leaf: 0,
                arm,
                propensity_ppm,
                target: 0,
            };
            for _ in 0..propensity_ppm / 100_000 {
                evidence.choices.push(choice);
            }
        }
        assert!((evidence.otherwise(0) - 0.3).abs() < 1e-12);
        assert_eq!(evidence.otherwise(1), 0.0);
    }
}
