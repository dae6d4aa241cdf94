//! A visit under way when another policy takes over.
//!
//! Slots and arms keep their numbers ([`crate::visit::policy`]), so the page, the homes and the facts of
//! a visit stand as they are. What is counted or remembered by the place of something in the policy's
//! file is carried over here. The page itself changes at the visit's next turn, by the new rules and
//! within cooldown and limits; only a visit that shows an arm that is gone is looked at at once. A timer
//! that runs keeps its deadline.
//!
//! Cost: some 50 ns a visit.

use super::Visit;
use crate::visit::choose::Why;
use crate::visit::policy::Policy;

impl Visit {
    /// Goes on under another policy; whether the page shows an arm that is gone.
    pub fn hand_over(&mut self, before: &Policy, now: &Policy) -> bool {
        let mut shows_gone = false;
        self.at_home = 0;
        if let Some(awaited) = self.seldom.as_mut().and_then(|it| it.awaited.as_mut()) {
            awaited.carry_uses(before, now);
        }
        for (index, (old, new)) in before.slots.iter().zip(&now.slots).enumerate() {
            let why = &mut self.why[index];
            if let Why::Rule(rule) = *why {
                let known = &old.rules[usize::from(rule)].reason;
                let same = new.rules.iter().position(|rule| rule.reason == *known);
                *why = same.map_or(Why::Before, |rule| Why::Rule(rule as u8));
            }
            shows_gone |= new.arms[usize::from(self.layout[index])].retired;
        }
        if let Some(shown) = self.seldom.as_mut().and_then(|it| it.products.as_mut()) {
            shown.stale = true;
        }
        shows_gone
    }
}
