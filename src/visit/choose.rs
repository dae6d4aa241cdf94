//! The one seam at which a slot's arm is chosen. Today by rule; learned weights come in here.
//!
//! [`choose`] sees a slot, the situation and what is shown now, and returns an arm with its
//! propensity: the probability, in millionths, with which this arm would be chosen here. A rule
//! leaves nothing to chance, so its propensity is 1.

use super::policy::{Rule, Situation, Slot};

/// One, in millionths.
pub const CERTAIN_PPM: u32 = 1_000_000;

/// What a difference of two gains may lose to rounding: 0.12 is 0.02 more than 0.1.
const GAIN_SLACK: f64 = 1e-12;

/// Why an arm is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Why {
    /// No rule calls for anything else.
    #[default]
    Default,
    /// The rule at this place in the slot.
    Rule(u8),
    /// The arm shown before may not be shown any more, and no rule calls for another.
    NotEligible,
}

/// An arm, and how it came to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The arm.
    pub arm: usize,
    /// Probability of this choice, in millionths.
    pub propensity_ppm: u32,
    /// Why.
    pub why: Why,
    /// Whether the arm in place may not stay, whatever stability asks for.
    pub forced: bool,
}

/// Chooses the arm of a slot. `uses` counts how often each capped arm was put up in this session.
pub fn choose(
    slot: &Slot,
    now: &Situation<'_>,
    shown: usize,
    uses: &[u8],
    min_gain: f64,
) -> Choice {
    let keeps = shown == slot.default || slot.arms[shown].when.holds(now);
    let possible = |rule: &Rule| {
        let arm = &slot.arms[rule.arm];
        rule.when.holds(now)
            && arm.when.holds(now)
            && (rule.arm == shown || arm.cap.is_none_or(|(most, counter)| uses[counter] < most))
    };
    // Highest priority, then greatest worth, then first in the file; rules stand by priority.
    let mut best: Option<(usize, &Rule, f64)> = None;
    let mut held = (0, 0.0);
    for (index, rule) in slot.rules.iter().enumerate() {
        if !possible(rule) {
            continue;
        }
        let worth = rule.worth(now.scores);
        if rule.arm == shown && (rule.priority, worth) > held {
            held = (rule.priority, worth);
        }
        if best.is_none_or(|(_, first, most)| rule.priority == first.priority && worth > most) {
            best = Some((index, rule, worth));
        }
    }
    let choice = |arm, why| Choice {
        arm,
        propensity_ppm: CERTAIN_PPM,
        why,
        forced: !keeps,
    };
    match best {
        Some((index, rule, worth))
            if rule.arm != shown
                && (rule.priority > held.0
                    || (rule.priority == held.0 && worth - held.1 + GAIN_SLACK >= min_gain)) =>
        {
            choice(rule.arm, Why::Rule(index as u8))
        }
        Some((index, rule, _)) if rule.arm == shown => choice(shown, Why::Rule(index as u8)),
        _ if keeps => choice(shown, Why::Default),
        _ => choice(slot.default, Why::NotEligible),
    }
}
