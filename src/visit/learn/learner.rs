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
//! groups as drawn is frozen: its weights stay as they are.
//!
//! Invariant: a function of the facts of each version, whatever the order in which they came.
//! Cost: some 10 µs a leaf that is weighed; memory: 48 bytes a cell.

use super::super::policy::{ARMS_MAX, Policy, SLOTS_MAX};
use super::fact::{Cell, HELD, JOINT};
use super::group::Group;
use super::safety::{RatioWatch, surely_worse};
use super::spec::{Family, LearnSpec, Method};
use super::stat::Stat;
use super::tables::{Change, Row, leaf_name, leaves};
use super::weights::{Weights, weigh};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What statistics are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// An arm in a leaf: exposures and their rewards.
    Cell(Cell),
    /// Promises of an arm: their number, and as the reward what they cost.
    Spend {
        /// The slot.
        slot: u8,
        /// The arm.
        arm: u8,
    },
    /// Visitors who are compared in a slot.
    Visitors {
        /// The slot.
        slot: u8,
        /// Whether they keep its default.
        held: bool,
    },
}

impl Subject {
    /// The slot that it belongs to, or [`JOINT`].
    pub fn slot(&self) -> u8 {
        match *self {
            Subject::Cell(cell) => cell.slot,
            Subject::Spend { slot, .. } | Subject::Visitors { slot, .. } => slot,
        }
    }
}

/// Chance that an arm as good as the holdout is ever barred.
const BAR_ALPHA: f64 = 0.01;

/// A leaf of a slot.
#[derive(Clone, Debug, Default)]
struct Leaf {
    arms: [Stat; ARMS_MAX],
    held: Stat,
    row: Option<Row>,
    /// Exposures when it was weighed.
    weighed: i64,
    /// Whether something was earned or taken back since.
    moved: bool,
}

/// A slot that learns.
#[derive(Clone, Debug)]
struct Slot {
    spec: LearnSpec,
    arms: usize,
    default: usize,
    budgets: Vec<Option<i64>>,
    leaves: Vec<Leaf>,
    /// Over all leaves.
    overall: [Stat; ARMS_MAX],
    /// Exposures when all leaves were weighed.
    weighed: i64,
    spent: [Stat; ARMS_MAX],
    visitors: [i64; 2],
    watch: RatioWatch,
    /// Arms barred, and since which version.
    barred: u16,
    barred_at: BTreeMap<usize, u64>,
    exhausted: u16,
}

/// What a slot has learned, for reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotReport {
    /// Its name.
    pub slot: String,
    /// How it learns.
    pub method: String,
    /// Whether its weights are frozen because visitors do not fall into the groups as drawn.
    pub frozen: bool,
    /// The context leaves, by number.
    pub leaves: Vec<LeafReport>,
    /// The arms over all leaves.
    pub arms: Vec<ArmReport>,
}

/// What is known in a context leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeafReport {
    /// Its name.
    pub leaf: String,
    /// Exposures of visitors who keep the default.
    pub held: i64,
    /// Their mean reward, in units.
    pub held_mean: f64,
    /// The arms.
    pub arms: Vec<ArmReport>,
}

/// What is known of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmReport {
    /// Its name.
    pub arm: String,
    /// Exposures that count.
    pub exposures: i64,
    /// Their mean reward, in units.
    pub mean: f64,
    /// Its share, before the floor.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share: Option<f64>,
    /// Since which version it is barred, in ms.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub barred_ms: Option<u64>,
    /// What it has promised, in units of the currency.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub promised: Option<f64>,
    /// By how much that is over its budget.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub over_budget: Option<f64>,
}

/// The statistics of the slots that learn.
#[derive(Clone, Debug)]
pub struct Learner {
    family: Family,
    slots: Vec<Option<Slot>>,
    group: Option<Group>,
    /// What has changed since the version before, summed up.
    news: BTreeMap<Subject, Stat>,
}

impl Learner {
    /// Nothing is known yet.
    pub fn new(policy: &Policy) -> Learner {
        let slots = policy.slots.iter().map(|slot| {
            let spec = slot.learn?;
            Some(Slot {
                spec,
                arms: slot.arms.len(),
                default: slot.default,
                budgets: slot.arms.iter().map(|arm| arm.cost.budget).collect(),
                leaves: vec![Leaf::default(); leaves(slot)],
                overall: [Stat::default(); ARMS_MAX],
                weighed: 0,
                spent: [Stat::default(); ARMS_MAX],
                visitors: [0; 2],
                watch: RatioWatch::default(),
                barred: 0,
                barred_at: BTreeMap::new(),
                exhausted: 0,
            })
        });
        Learner {
            family: policy.learning.reward.family(),
            slots: slots.collect(),
            group: Group::of(policy),
            news: BTreeMap::new(),
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
            // One worker's gain may be another's loss: only the sum is the same for any number.
            if change.is_zero() {
                continue;
            }
            let place = usize::from(subject.slot());
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
                Subject::Spend { arm, .. } => slot.spent[usize::from(arm)].add(&change),
                Subject::Visitors { held, .. } => slot.visitors[usize::from(held)] += change.trials,
            }
        }
        for place in 0..SLOTS_MAX.min(self.slots.len()) {
            if touched >> place & 1 == 1
                && let Some(slot) = &mut self.slots[place]
            {
                slot.guard(place as u8, version_ms, &mut changes);
                if slot.spec.method != Method::Multivariate {
                    slot.weigh(place as u8, self.family, &mut changes);
                }
            }
        }
        if let Some(group) = &mut self.group {
            group.close(version_ms, &mut changes);
        }
        changes
    }

    /// What the slots have learned, those of which anything is known.
    pub fn report(&self, policy: &Policy) -> Vec<SlotReport> {
        let slots = policy.slots.iter().zip(&self.slots);
        let slots = slots.filter_map(|(names, slot)| Some(slot.as_ref()?.report(names)));
        let group = self.group.iter().map(|group| group.report(policy));
        slots
            .chain(group)
            .filter(|slot| !slot.leaves.is_empty())
            .collect()
    }
}

/// Mean reward of an exposure of any arm.
fn mean(arms: &[Stat]) -> f64 {
    let mut all = Stat::default();
    arms.iter().for_each(|stat| all.add(stat));
    all.mean()
}

impl Slot {
    fn add(&mut self, cell: Cell, change: &Stat) {
        let leaf = &mut self.leaves[usize::from(cell.leaf)];
        leaf.moved |= change.reward != 0 || change.square != 0;
        if cell.arm == HELD {
            leaf.held.add(change);
            return;
        }
        leaf.arms[cell.arm as usize].add(change);
        self.overall[cell.arm as usize].add(change);
    }

    /// Bars arms, stops promotions, freezes.
    fn guard(&mut self, place: u8, version_ms: u64, changes: &mut Vec<Change>) {
        let before = (self.barred, self.exhausted);
        for (arm, budget) in self.budgets.iter().enumerate() {
            let is_spent = budget.is_some_and(|budget| self.spent[arm].reward >= budget);
            self.exhausted = self.exhausted & !(1 << arm) | u16::from(is_spent) << arm;
        }
        if let Some(bound) = self.spec.kill
            && self.leaves.iter().any(|leaf| leaf.moved)
        {
            for arm in (0..self.arms).filter(|&arm| arm != self.default) {
                if self.barred >> arm & 1 == 0
                    && let Some(held) = self.held_like(arm)
                    && surely_worse(&self.overall[arm], &held, bound, BAR_ALPHA)
                {
                    self.barred |= 1 << arm;
                    self.barred_at.insert(arm, version_ms);
                }
            }
        }
        if (self.barred, self.exhausted) != before {
            changes.push(Change::Arms {
                slot: place,
                open: !self.exhausted,
                barred: self.barred,
            });
            for leaf in &mut self.leaves {
                leaf.moved |= leaf.row.is_some();
            }
        }
        let held = f64::from(self.spec.holdout_ppm) / 1e6;
        self.watch.look(&self.visitors, &[1.0 - held, held]);
    }

    /// What the holdout would have earned had it come in the leaves in which an arm was shown: the
    /// leaves' means, weighted as the arm's exposures are. `None` where it was not seen in all.
    fn held_like(&self, arm: usize) -> Option<Stat> {
        let all = self.overall[arm].trials as f64;
        let (mut mean, mut error) = (0.0, 0.0);
        for leaf in self.leaves.iter().filter(|leaf| leaf.arms[arm].trials > 0) {
            let share = leaf.arms[arm].trials as f64 / all;
            if leaf.held.trials <= 0 {
                return None;
            }
            mean += share * leaf.held.mean();
            error += share * share * leaf.held.variance() / leaf.held.trials as f64;
        }
        let trials = self.leaves.iter().map(|leaf| leaf.held.trials).sum::<i64>();
        // As many exposures as held, with the variance that gives the error of the weighted mean.
        let variance = error * trials as f64;
        (trials > 0).then_some(Stat {
            trials,
            reward: (mean * trials as f64 * 1e6) as i64,
            square: ((variance + mean * mean) * trials as f64 * 1e12) as i128,
        })
    }

    /// What the slot knows of its arms, as a leaf would have seen it: what was earned elsewhere counts
    /// relative to what any arm earns there, times what any arm earns here. An arm that is mostly
    /// shown to those who are about to buy is not taken for a good one for that (indirect
    /// standardization).
    fn alike(&self, number: usize) -> [Stat; ARMS_MAX] {
        let here = mean(&self.leaves[number].arms);
        let mut alike = self.leaves[number].arms;
        for (_, leaf) in self
            .leaves
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != number)
        {
            let there = mean(&leaf.arms);
            let ratio = if here > 0.0 && there > 0.0 {
                here / there
            } else {
                1.0
            };
            for (sum, stat) in alike.iter_mut().zip(&leaf.arms) {
                sum.add(&stat.scaled(ratio));
            }
        }
        alike
    }

    /// Weighs the leaves that have something new.
    fn weigh(&mut self, place: u8, family: Family, changes: &mut Vec<Change>) {
        if self.watch.is_frozen() {
            return;
        }
        let grown = |now: i64, then: i64| (now - then).abs() * 16 >= then.max(16);
        let trials = |stats: &[Stat]| stats.iter().map(|stat| stat.trials).sum::<i64>();
        let open = !(self.exhausted | self.barred);
        let all = trials(&self.overall);
        let every = grown(all, self.weighed);
        if every {
            self.weighed = all;
        }
        for number in 0..self.leaves.len() {
            let leaf = &self.leaves[number];
            let now = trials(&leaf.arms);
            let known = now != 0 || leaf.weighed != 0;
            if !known || !(leaf.moved || every || grown(now, leaf.weighed)) {
                continue;
            }
            let alike = self.alike(number);
            let leaf = &mut self.leaves[number];
            (leaf.moved, leaf.weighed) = (false, now);
            let arms = self.arms;
            let is_open = |arm: &usize| open >> arm & 1 == 1;
            let mut tried = (0..arms).filter(is_open).map(|arm| leaf.arms[arm].trials);
            let row = Row {
                weights: weigh(&leaf.arms[..arms], &alike[..arms], open, &self.spec, family),
                warm: tried.all(|trials| trials >= self.spec.warm_up) && self.spec.method.learns(),
            };
            if leaf.row.replace(row) != Some(row) {
                changes.push(Change::Weights {
                    slot: place,
                    leaf: number as u8,
                    row,
                });
            }
        }
    }

    fn report(&self, names: &super::super::policy::Slot) -> SlotReport {
        let arms = |stats: &[Stat], weights: Option<&Weights>, whole: bool| {
            let arms = names.arms.iter().enumerate().map(|(index, arm)| {
                let promised = self.spent[index].reward as f64 / 1e6;
                let over = arm.cost.budget.map(|budget| promised - budget as f64 / 1e6);
                ArmReport {
                    arm: arm.name.clone(),
                    exposures: stats[index].trials,
                    mean: stats[index].mean(),
                    share: weights.map(|weights| f64::from(weights.share_ppm[index]) / 1e6),
                    barred_ms: self.barred_at.get(&index).copied().filter(|_| whole),
                    promised: (whole && !arm.cost.is_none()).then_some(promised),
                    over_budget: over.filter(|over| whole && *over > 0.0),
                }
            });
            arms.collect::<Vec<_>>()
        };
        let leaves = self
            .leaves
            .iter()
            .enumerate()
            .map(|(number, leaf)| LeafReport {
                leaf: leaf_name(&names.context, number),
                held: leaf.held.trials,
                held_mean: leaf.held.mean(),
                arms: arms(&leaf.arms, leaf.row.as_ref().map(|row| &row.weights), false),
            });
        let seen = |leaf: &LeafReport| leaf.held > 0 || leaf.arms.iter().any(|a| a.exposures > 0);
        SlotReport {
            slot: names.name.clone(),
            method: super::super::policy::method_name(&self.spec.method).into(),
            frozen: self.watch.is_frozen(),
            leaves: leaves.filter(seen).collect(),
            arms: arms(&self.overall, None, true),
        }
    }
}
