//! What changes under live sessions: what is on sale, and the rules.
//!
//! Where rules take over, what happens before the boundary is done by the old ones, judgements that wait
//! among it; then every live visit is carried over, and pages that show an arm that is gone are looked
//! at in the order of their visitors ([`Trigger::Policy`]); then comes what happens at the boundary
//! itself. A bin that was put by after the boundary has seen it.
//!
//! Nothing is done at a time before all tables that hold then have come: an epoch that ends there leaves
//! it to the next ([`Visitors::advance`]).
//!
//! Cost: a walk over the live sessions, once a change.

use super::Visitors;
use crate::event::ArrivalMs;
use crate::visit::decision::Trigger;
use crate::visit::live::Rules;
use crate::visit::output::Output;
use crate::visit::products::catalogue::Catalogue;
use std::sync::Arc;

impl Visitors {
    /// Other rules take over at a boundary that is still to come, after all that were announced before.
    pub fn will_take_over(&mut self, from: ArrivalMs, rules: Arc<Rules>) {
        self.coming.push_back((from, rules));
    }

    /// When other rules take over next, in ms.
    pub(super) fn turn_ms(&self) -> Option<u64> {
        self.coming.front().map(|(from, _)| from.0)
    }

    /// The next rules take over.
    pub(super) fn turn_rules(&mut self, out: &mut impl Output) {
        let Some((at, rules)) = self.coming.pop_front() else {
            return;
        };
        self.settle(out);
        self.turn_tables(at, out);
        let before = std::mem::replace(&mut self.rules, rules);
        out.took_over(at, &self.rules);
        let mut gone = Vec::new();
        for key in self.live_at(at) {
            let visit = self.visits.get_mut(key);
            if visit.hand_over(&before.policy, &self.rules.policy) {
                gone.push(key);
            }
        }
        self.look_again(gone, at, Trigger::Policy, out);
    }

    /// What is on sale changes at times that are still to come, as a catalogue says that has grown.
    pub fn will_sell(&mut self, catalogue: Arc<Catalogue>) {
        if let Some(shelf) = &mut self.tables.shelf {
            shelf.grow(catalogue);
        }
    }

    /// When what is on sale changes next, in ms.
    pub(super) fn restock_ms(&self) -> Option<u64> {
        self.tables.shelf.as_ref()?.due_ms()
    }

    /// Puts in force what is on sale from now on, and looks at the pages that show what changed, in
    /// the order of their visitors.
    pub(super) fn restock(&mut self, at: ArrivalMs, out: &mut impl Output) {
        self.turn_tables(at, out);
        let Some(shelf) = &mut self.tables.shelf else {
            return;
        };
        let changed = shelf.turn(at);
        if changed.is_empty() {
            return;
        }
        let mut keys = self.live_at(at);
        if let Some(shelf) = &self.tables.shelf {
            let (visits, policy) = (&self.visits, &self.rules.policy);
            keys.retain(|key| visits.get(*key).is_touched(&changed, policy, shelf));
        }
        self.look_again(keys, at, Trigger::Tables, out);
    }

    /// Live visits of the bins that have not seen what happens at this time.
    fn live_at(&self, at: ArrivalMs) -> Vec<u32> {
        let bins = self.bins.iter().enumerate();
        let bins = bins.filter(|(bin, _)| !self.is_behind(*bin, at));
        bins.flat_map(|(_, bin)| bin.live.keys()).collect()
    }

    /// Looks at some pages again, in the order of their visitors.
    fn look_again(
        &mut self,
        mut keys: Vec<u32>,
        at: ArrivalMs,
        trigger: Trigger,
        out: &mut impl Output,
    ) {
        let visits = &self.visits;
        keys.sort_unstable_by_key(|key| visits.get(*key).visitor);
        for key in keys {
            let before = self.before(key, out);
            let visit = self.visits.get_mut(key);
            let judgement = visit.look_again(at, trigger, &self.rules, &mut self.features);
            self.judge(key, judgement, out);
            if let Some(before) = before {
                self.tell_turn(key, at, trigger, &before, out);
            }
        }
    }
}
