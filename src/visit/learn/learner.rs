//! From facts to tables: the statistics of all cells, and what they change at every version.
//!
//! The learner takes what has changed since the version before and says how the tables change. A
//! leaf is weighed again when something was earned or taken back in it, when its exposures have
//! grown by a sixteenth, and when the slot's have; so a purchase reaches the tables at once, and an
//! exposure without one costs nothing most of the time. When that happens follows from the versions
//! alone: what is added and taken away again within one was never there, whoever saw it.
//!
//! Safety lives here, too. An arm that is surely worse than the holdout is barred for good; an arm
//! whose budget is promised is not put up any more; a slot whose visitors do not fall into the
//! groups as drawn, or whose arms do not come as often as they are drawn, is frozen: its weights stay
//! as they are, and so do those of the slots that learn together with it.
//!
//! Invariant: a function of the facts of each version, whatever the order in which they came.
//! Cost: some 10 µs a leaf and set of arms that is weighed, and 0.1 µs an arm and stratum; memory: 32
//! bytes an arm and stratum.

mod report;
mod slot;

pub use report::{ArmReport, LeafReport, SlotReport};

use super::super::policy::{Policy, SLOTS_MAX};
use super::fact::JOINT;
use super::group::{Group, joint_slots};
use super::spec::{Family, Method};
use super::stat::Stat;
use super::subject::{Subject, place_of};
use super::tables::Change;
use serde::{Deserialize, Serialize};
use slot::{Slot, bar_alpha};
use std::collections::BTreeMap;

/// The statistics of the slots that learn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Learner {
    family: Family,
    slots: Vec<Option<Slot>>,
    group: Option<Group>,
    /// The slots that learn together, a bit each.
    joint: u8,
    /// What has changed since the version before, summed up.
    news: BTreeMap<Subject, Stat>,
}

impl Learner {
    /// Nothing is known yet.
    pub fn new(policy: &Policy) -> Learner {
        let slots = policy.slots.iter().map(|slot| Slot::new(slot, policy));
        Learner {
            family: policy.learning.reward.family(),
            slots: slots.collect(),
            group: Group::of(policy),
            joint: joint_slots(policy),
            news: BTreeMap::new(),
        }
    }

    /// Another policy takes over: all leaves of which anything is known are weighed by it at the next
    /// version in which something is said of their slot, be it a change of nothing.
    pub fn take_over(&mut self, policy: &Policy) {
        let bar_alpha = bar_alpha(policy);
        for (names, slot) in policy.slots.iter().zip(&mut self.slots) {
            if let (Some(slot), Some(spec)) = (slot, names.learn) {
                slot.take_over(names, spec, bar_alpha);
            }
        }
        if let Some(group) = &mut self.group {
            group.take_over(policy);
        }
    }

    /// Adds what has changed of a subject since the version before; it counts once that is closed.
    pub fn add(&mut self, subject: Subject, change: &Stat) {
        self.news.entry(subject).or_default().add(change);
    }

    /// All changes of a version have been added: says how the tables change, in a fixed order.
    pub fn close(&mut self, version_ms: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut touched: u16 = 0;
        for (subject, change) in std::mem::take(&mut self.news) {
            let place = usize::from(subject.slot());
            let turned = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.turned);
            // One worker's gain may be another's loss: only the sum is the same for any number. Where
            // another policy has taken over, a change of nothing says that the version has come.
            if change.is_zero() && !self.slots.get(place).is_some_and(turned) {
                continue;
            }
            if let (Subject::Cell(cell), JOINT, Some(group)) =
                (subject, subject.slot(), &mut self.group)
            {
                group.add(cell, &change);
            }
            let Some(Some(slot)) = self.slots.get_mut(place) else {
                continue;
            };
            touched |= 1 << place;
            match subject {
                Subject::Cell(cell) => slot.add(cell, &change),
                Subject::Open(cell) => slot.add_open(cell, &change),
                Subject::Spend { arm, .. } => slot.spent[usize::from(arm)].add(&change),
                Subject::Visitors { side, .. } => slot.visitors[side as usize] += change.trials,
                Subject::Lots { lot, .. } => slot.lots[usize::from(lot)] += change.trials,
                Subject::Matching => {}
            }
        }
        for place in 0..SLOTS_MAX.min(self.slots.len()) {
            if touched >> place & 1 == 1
                && let Some(slot) = &mut self.slots[place]
            {
                slot.turned = false;
                slot.guard(place as u8, version_ms, &mut changes);
                if slot.spec.method != Method::Multivariate {
                    slot.weigh(place as u8, self.family, &mut changes);
                }
            }
        }
        if let Some(group) = &mut self.group {
            let frozen = |slot: &Slot| slot.spec.method == Method::Multivariate && slot.is_frozen();
            let frozen = self.slots.iter().flatten().any(frozen);
            group.close(version_ms, frozen, &mut changes);
        }
        changes
    }

    /// Takes up what the workers of another run had learned, each of its own slots: those slots that
    /// are this worker's now. Slots belong to workers by [place](Subject::place), in turn.
    pub fn take_up(&mut self, mut saved: Vec<Learner>, worker: usize, workers: usize) {
        let before = saved.len().max(1);
        for slot in 0..self.slots.len() {
            let place = usize::from(place_of(slot as u8, self.joint));
            let owner = saved.get_mut(place % before);
            let known = owner.and_then(|owner| owner.slots.get_mut(slot));
            if let (true, Some(known)) = (place % workers == worker, known) {
                self.slots[slot] = known.take();
            }
        }
        let joint = usize::from(JOINT);
        if joint % workers == worker
            && let Some(owner) = saved.get_mut(joint % before)
        {
            self.group = owner.group.take();
        }
    }

    /// What the slots have learned, those of which anything is known.
    pub fn report(&self, policy: &Policy) -> Vec<SlotReport> {
        let slots = policy.slots.iter().zip(&self.slots);
        let slots =
            slots.filter_map(|(names, slot)| Some(slot.as_ref()?.report(names, self.family)));
        let group = self.group.iter().map(|group| group.report(policy));
        slots
            .chain(group)
            .filter(|slot| !slot.leaves.is_empty())
            .collect()
    }
}
