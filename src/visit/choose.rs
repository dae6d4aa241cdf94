//! The one seam at which a slot's arm is chosen. Today by rule; learned weights come in here.
//!
//! [`choose`] sees a slot, the situation and what is shown now, and returns an arm with its
//! propensity: the probability, in millionths, with which this arm would be chosen here. A rule
//! leaves nothing to chance, so its propensity is 1.

use super::policy::{Rule, Situation, Slot};
use serde::{Deserialize, Serialize};

/// One, in millionths.
pub const CERTAIN_PPM: u32 = 1_000_000;

/// What a difference of two gains may lose to rounding: 0.12 is 0.02 more than 0.1.
const GAIN_SLACK: f64 = 1e-12;

/// Why an arm is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Why {
    /// No rule calls for anything else.
    #[default]
    Default,
    /// The rule at this place in the slot.
    Rule(u8),
    /// The arm shown before may not be shown any more, and no rule calls for another.
    NotEligible,
    /// This arm was drawn by learned weights.
    Drawn(u8),
    /// By a rule of an earlier policy that this one has not.
    Before,
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

/// Whether the arm shown may be shown on.
#[inline]
pub fn keeps(slot: &Slot, now: &Situation<'_>, shown: usize) -> bool {
    shown == slot.default || slot.arms[shown].when.holds(now)
}

/// Chooses the arm of a slot. `uses` counts how often each capped arm was put up in this session.
pub fn choose(
    slot: &Slot,
    now: &Situation<'_>,
    shown: usize,
    uses: &[u8],
    min_gain: f64,
) -> Choice {
    let keeps = keeps(slot, now, shown);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::feature::{FEATURE_COUNT, Vector, index_of};
    use crate::visit::model::Scores;
    use crate::visit::phase::Phase;
    use crate::visit::policy::Policy;

    const MIN_GAIN: f64 = 0.02;

    /// Arms: 0 none, 1 low, 2 high, 3 urgent (while something is in the cart, once).
    fn slot() -> Slot {
        let text = r#"
            version = 1
            [[slot]]
            name = "s"
            default = "none"
            arm = [
              { name = "none" }, { name = "low" }, { name = "high" },
              { name = "urgent", when = { cart_size = { min = 1 } }, uses_max = 1 },
            ]
            rule = [
              { arm = "low", gain = 0.10, when = { clicks = { min = 1 } } },
              { arm = "high", gain = 0.11, when = { clicks = { min = 2 } } },
              { name = "same", arm = "high", gain = 0.10, when = { searches = { min = 1 } } },
              { arm = "urgent", gain = 0.01, priority = 1, when = { clicks = { min = 1 } } },
            ]
        "#;
        Policy::read(text).unwrap().slots.remove(0)
    }

    fn chosen(features: &[(&str, f64)], shown: usize, uses: u8) -> Choice {
        let mut vector: Vector = [0.0; FEATURE_COUNT];
        for (name, value) in features {
            vector[index_of(name).unwrap()] = *value;
        }
        let now = Situation {
            features: &vector,
            scores: Scores::default(),
            phase: Phase::Browsing,
        };
        choose(&slot(), &now, shown, &[uses], MIN_GAIN)
    }

    #[test]
    fn without_a_rule_what_is_shown_stays() {
        for shown in 0..3 {
            let choice = chosen(&[], shown, 0);
            assert_eq!(
                (choice.arm, choice.why, choice.forced),
                (shown, Why::Default, false)
            );
        }
    }

    #[test]
    fn the_greater_gain_wins_from_the_default_and_the_first_at_a_tie() {
        // The rules stand by priority: urgent, low, high, same.
        assert_eq!(chosen(&[("clicks", 1.0)], 0, 0).why, Why::Rule(1));
        assert_eq!(chosen(&[("clicks", 2.0)], 0, 0).why, Why::Rule(2));
        assert_eq!(
            chosen(&[("clicks", 1.0), ("searches", 1.0)], 0, 0).why,
            Why::Rule(1)
        );
    }

    #[test]
    fn an_arm_in_place_is_not_left_for_less_than_min_gain() {
        let choice = chosen(&[("clicks", 2.0)], 1, 0);
        assert_eq!((choice.arm, choice.forced), (1, false));
        // Its own rule does not hold any more: the whole gain of the other counts.
        assert_eq!(chosen(&[("searches", 1.0)], 1, 0).arm, 2);
    }

    #[test]
    fn a_higher_priority_wins_whatever_the_gain_and_stays() {
        let cart = [("clicks", 2.0), ("cart_size", 1.0)];
        for shown in 0..3 {
            assert_eq!(chosen(&cart, shown, 0).why, Why::Rule(0), "from {shown}");
        }
        assert_eq!(
            chosen(&cart, 3, 1).arm,
            3,
            "its one use is the one in place"
        );
    }

    #[test]
    fn an_arm_that_is_used_up_is_not_put_up_again() {
        let cart = [("clicks", 2.0), ("cart_size", 1.0)];
        assert_eq!(chosen(&cart, 0, 1).arm, 2);
    }

    #[test]
    fn an_arm_that_may_not_be_shown_gives_way() {
        let choice = chosen(&[("clicks", 1.0)], 3, 1);
        assert_eq!(
            (choice.arm, choice.why, choice.forced),
            (1, Why::Rule(1), true)
        );
        let choice = chosen(&[], 3, 1);
        assert_eq!(
            (choice.arm, choice.why, choice.forced),
            (0, Why::NotEligible, true)
        );
    }

    #[test]
    fn a_missing_feature_lies_in_no_range() {
        let choice = chosen(&[("clicks", f64::NAN), ("cart_size", f64::NAN)], 3, 1);
        assert_eq!((choice.arm, choice.forced), (0, true));
    }

    #[test]
    fn a_rule_leaves_nothing_to_chance() {
        for clicks in 0..4 {
            let choice = chosen(&[("clicks", f64::from(clicks)), ("cart_size", 1.0)], 0, 0);
            assert_eq!(choice.propensity_ppm, CERTAIN_PPM);
        }
    }
}
