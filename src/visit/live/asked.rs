//! What the policy would do with the page of a visit, were it asked now.
//!
//! Asked before the page has its turn, so that what is due here is seen as the draw will see it: the
//! arm in place, the homes, how often capped arms were put up. Slots that are chosen by rule are
//! looked at after the turn ([`View::show`]): what they show is all that they would do.
//!
//! Invariant: nothing of the visit changes. Cost: 100 ns a learned slot, and a pass over the learned
//! layouts where slots learn together; nothing where nobody asks.

use super::{Judgement, Rules, Visit};
use crate::visit::decision::Trigger;
use crate::visit::feature::Vector;
use crate::visit::learn::group::members;
use crate::visit::learn::spec::Method;
use crate::visit::learn::tables::{Tables, leaf_of};
use crate::visit::learned::{chances, chances_together};
use crate::visit::policy::Situation;
use crate::visit::view::View;

impl Visit {
    /// Notes what the slots that learn would be drawn from, and who is looked at.
    pub(super) fn consider(
        &self,
        judgement: &Judgement,
        (rules, tables): (&Rules, &Tables),
        features: &Vector,
        view: &mut View,
    ) {
        let policy = &rules.policy;
        let phase = self.phase();
        view.begun = judgement.at.0 >= policy.learning.from_ms;
        view.device = self.device;
        view.returning = self.session.history().returning();
        view.held = self.held;
        for (leaf, slot) in view.leaf.iter_mut().zip(&policy.slots) {
            *leaf = leaf_of(&slot.context, phase, view.device, view.returning) as u8;
        }
        if !view.begun {
            return;
        }
        let now = Situation {
            features,
            scores: self.scores,
            phase,
        };
        let (cart, uses) = (judgement.cart_value, self.uses());
        for (index, slot) in policy.slots.iter().enumerate() {
            let method = slot.learn.map(|spec| spec.method);
            if method.is_some_and(|method| method != Method::Multivariate) {
                let shown = usize::from(self.layout[index]);
                let by = (tables, &policy.promotions, cart);
                let place = (index, usize::from(view.leaf[index]));
                (view.set[index], view.chances_ppm[index]) =
                    chances(slot, &now, shown, uses, by, place);
            }
        }
        let Some((first, _)) = members(policy).next() else {
            return;
        };
        let homes = self.homes_together(policy, phase);
        let page = self.together(&homes);
        let starts = judgement.trigger == Trigger::Start;
        let moves = starts || self.is_settled(judgement.at, policy);
        let (by, leaf) = ((tables, cart), usize::from(view.leaf[first]));
        let together = chances_together(policy, &now, moves, page, uses, by, leaf);
        for ((index, _), chances_ppm) in members(policy).zip(together) {
            view.chances_ppm[index] = chances_ppm;
        }
    }
}
