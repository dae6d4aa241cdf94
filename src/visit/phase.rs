//! The phase of a session: a ladder on `p_purchase` with hysteresis, and hesitation beside it.
//!
//! browsing → exploring → deciding → buying: a rung is climbed when the score reaches its `enter`
//! and left only when it falls below its `leave`, so a score that trembles around a threshold does
//! not make the page tremble. Hesitating shows instead of the rung while something is in the cart
//! and either `p_abandon` is high (with its own hysteresis) or the hesitation timer has fired.

use super::model::Scores;
use serde::Deserialize;

/// The phases, in the order of the ladder; hesitating last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Phase {
    /// Looking around without aim.
    #[default]
    Browsing,
    /// Looking for something.
    Exploring,
    /// Choosing between few things.
    Deciding,
    /// About to buy.
    Buying,
    /// Something is in the cart and the visit has stalled.
    Hesitating,
}

impl Phase {
    /// All phases, in the order of their numbers.
    pub const ALL: [Phase; 5] = [
        Phase::Browsing,
        Phase::Exploring,
        Phase::Deciding,
        Phase::Buying,
        Phase::Hesitating,
    ];

    /// The name in records and policies.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Browsing => "browsing",
            Phase::Exploring => "exploring",
            Phase::Deciding => "deciding",
            Phase::Buying => "buying",
            Phase::Hesitating => "hesitating",
        }
    }
}

/// A threshold with hysteresis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Entered at or above this score.
    pub enter: f64,
    /// Left below this score; never above `enter`.
    pub leave: f64,
}

/// The thresholds of all phases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseRules {
    /// The rungs exploring, deciding, buying, on `p_purchase`.
    pub rungs: [Threshold; 3],
    /// Hesitating, on `p_abandon`.
    pub hesitating: Threshold,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PhaseState {
    rung: u8,
    doubting: bool,
    stalled: bool,
}

impl PhaseState {
    /// Moves to where the scores say, and returns the phase. `cart` is whether something is in the
    /// cart, `stalled` whether the visit has stalled with it.
    pub fn update(
        &mut self,
        scores: Scores,
        cart: bool,
        stalled: bool,
        rules: &PhaseRules,
    ) -> Phase {
        while usize::from(self.rung) < 3
            && scores.purchase >= rules.rungs[usize::from(self.rung)].enter
        {
            self.rung += 1;
        }
        while self.rung > 0 && scores.purchase < rules.rungs[usize::from(self.rung) - 1].leave {
            self.rung -= 1;
        }
        self.stalled = cart && stalled;
        if !cart {
            self.doubting = false;
        } else if scores.abandon >= rules.hesitating.enter {
            self.doubting = true;
        } else if scores.abandon < rules.hesitating.leave {
            self.doubting = false;
        }
        self.phase()
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        if self.doubting || self.stalled {
            Phase::Hesitating
        } else {
            Phase::ALL[usize::from(self.rung)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: PhaseRules = PhaseRules {
        rungs: [
            Threshold {
                enter: 0.1,
                leave: 0.05,
            },
            Threshold {
                enter: 0.3,
                leave: 0.2,
            },
            Threshold {
                enter: 0.6,
                leave: 0.5,
            },
        ],
        hesitating: Threshold {
            enter: 0.7,
            leave: 0.4,
        },
    };

    #[test]
    fn a_trembling_score_does_not_move_the_phase() {
        let mut state = PhaseState::default();
        let mut at = |purchase: f64| {
            state.update(
                Scores {
                    purchase,
                    abandon: 0.0,
                },
                false,
                false,
                &RULES,
            )
        };
        assert_eq!(at(0.09), Phase::Browsing);
        assert_eq!(at(0.31), Phase::Deciding);
        assert_eq!(at(0.21), Phase::Deciding);
        assert_eq!(at(0.19), Phase::Exploring);
        assert_eq!(at(0.99), Phase::Buying);
        assert_eq!(at(0.04), Phase::Browsing);
    }

    #[test]
    fn hesitation_needs_a_cart_and_has_its_own_hysteresis() {
        let mut state = PhaseState::default();
        let mut at = |abandon: f64, cart: bool, stalled: bool| {
            state.update(
                Scores {
                    purchase: 0.35,
                    abandon,
                },
                cart,
                stalled,
                &RULES,
            )
        };
        assert_eq!(at(0.9, false, false), Phase::Deciding);
        assert_eq!(at(0.9, true, false), Phase::Hesitating);
        assert_eq!(at(0.5, true, false), Phase::Hesitating);
        assert_eq!(at(0.3, true, false), Phase::Deciding);
        assert_eq!(at(0.3, true, true), Phase::Hesitating);
        assert_eq!(at(0.3, false, true), Phase::Deciding);
    }
}
