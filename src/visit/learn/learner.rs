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
//! Cost: some 10 µs a leaf and set of arms that is weighed, and 0.1 µs an arm and stratum; memory: 32
//! bytes an arm and stratum.

use super::super::policy::{self, ARMS_MAX, Policy, SLOTS_MAX};
use super::fact::{Cell, HELD, JOINT};
use super::group::Group;
use super::safety::{RatioWatch, surely_worse};
use super::spec::{Family, LearnSpec, Method};
use super::stat::Stat;
use super::strata::{Effects, Strata, side_by_side};
use super::tables::{ANY, Change, Row, leaf_name, leaves};
use super::weights::{Weights, credible, weigh};
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

/// Chance that any arm as good as the holdout is ever barred, over all arms that may be.
const BAR_ALPHA: f64 = 0.01;

/// A leaf of a slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Leaf {
    strata: Strata,
    /// The arms side by side, when it was weighed.
    arms: Vec<Stat>,
    /// Weights by set of arms.
    rows: BTreeMap<u16, Row>,
    /// Exposures when it was weighed.
    weighed: i64,
    /// Whether something was earned or taken back since.
    moved: bool,
}

/// A slot that learns.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// Exposures of each arm when it was last held against the holdout.
    judged: [i64; ARMS_MAX],
    /// Arms barred, and since which version.
    barred: u16,
    /// Chance that an arm as good as the holdout is ever barred.
    bar_alpha: f64,
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
    /// The same as if all arms had been shown side by side ([`super::strata`]): what shares rest on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub side_by_side: Option<f64>,
    /// Where that mean lies with a probability of 95 %; none for layouts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interval: Option<[f64; 2]>,
    /// Its share, before the floor, among the arms that could be shown to most visitors of the leaf;
    /// none where it was not among them.
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        let killable = |slot: &&policy::Slot| slot.learn.is_some_and(|spec| spec.kill.is_some());
        let judged = policy.slots.iter().filter(killable);
        let judged: usize = judged.map(|slot| slot.arms.len() - 1).sum();
        let slots = policy.slots.iter().map(|slot| {
            let spec = slot.learn?;
            Some(Slot {
                spec,
                arms: slot.arms.len(),
                default: slot.default,
                budgets: slot.arms.iter().map(|arm| arm.cost.budget).collect(),
                leaves: vec![Leaf::new(slot.arms.len()); leaves(slot)],
                overall: [Stat::default(); ARMS_MAX],
                weighed: 0,
                spent: [Stat::default(); ARMS_MAX],
                visitors: [0; 2],
                watch: RatioWatch::default(),
                judged: [0; ARMS_MAX],
                barred: 0,
                bar_alpha: BAR_ALPHA / judged.max(1) as f64,
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

    /// Takes up what the workers of another run had learned, each of its own slots: those slots that
    /// are this worker's now. Slots belong to workers by number, in turn.
    pub fn take_up(&mut self, mut saved: Vec<Learner>, worker: usize, workers: usize) {
        let before = saved.len().max(1);
        for place in (0..self.slots.len()).filter(|place| place % workers == worker) {
            let owner = saved.get_mut(place % before);
            if let Some(slot) = owner.and_then(|owner| owner.slots.get_mut(place)) {
                self.slots[place] = slot.take();
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

/// The share of an arm among a set; that of an arm alone is one.
fn share_of(arm: usize, set: u16, weights: &Weights) -> Option<f64> {
    let is_alone = set.count_ones() == 1;
    let share = f64::from(weights.share_ppm[arm]) / 1e6;
    (set >> arm & 1 == 1).then_some(if is_alone { 1.0 } else { share })
}

/// Exposures of some arms.
fn trials(arms: &[Stat]) -> i64 {
    arms.iter().map(|stat| stat.trials).sum()
}

/// Whether a number of exposures differs by a sixteenth from what it was.
fn has_grown(now: i64, then: i64) -> bool {
    (now - then).abs() * 16 >= then.max(16)
}

impl Leaf {
    fn new(arms: usize) -> Leaf {
        Leaf {
            strata: Strata::new(arms),
            arms: vec![Stat::default(); arms],
            rows: BTreeMap::new(),
            weighed: 0,
            moved: false,
        }
    }

    /// Exposures of its arms.
    fn trials(&self) -> i64 {
        trials(&self.strata.totals()[..self.strata.held()])
    }

    /// The arms that could be shown to most of its visitors, and their weights.
    fn usual_weights(&self) -> Option<(u16, &Weights)> {
        let set = self.strata.usual_set();
        let row = self.rows.get(&set).or_else(|| self.rows.get(&ANY))?;
        Some((set, &row.weights))
    }

    fn held(&self) -> &Stat {
        &self.strata.totals()[self.strata.held()]
    }
}

impl Slot {
    fn add(&mut self, cell: Cell, change: &Stat) {
        let leaf = &mut self.leaves[usize::from(cell.leaf)];
        leaf.moved |= change.reward != 0 || change.square != 0;
        let is_held = cell.arm == HELD;
        let column = if is_held {
            self.arms
        } else {
            cell.arm as usize
        };
        leaf.strata.add((cell.set, cell.epoch), column, change);
        if !is_held {
            self.overall[column].add(change);
        }
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
            let default = self.default;
            for arm in (0..self.arms).filter(|&arm| arm != default) {
                if self.barred >> arm & 1 == 0 && self.is_due(arm) {
                    let [shown, held] = self.with_held(arm);
                    if surely_worse(&shown, &held, bound, self.bar_alpha) {
                        self.barred |= 1 << arm;
                        self.barred_at.insert(arm, version_ms);
                    }
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
                leaf.moved |= !leaf.rows.is_empty();
            }
        }
        let held = f64::from(self.spec.holdout_ppm) / 1e6;
        self.watch.look(&self.visitors, &[1.0 - held, held]);
    }

    /// Whether an arm's exposures have grown by a sixteenth since it was last held against the
    /// holdout; notes that it is now.
    fn is_due(&mut self, arm: usize) -> bool {
        let trials = self.overall[arm].trials;
        let is_due = has_grown(trials, self.judged[arm]);
        if is_due {
            self.judged[arm] = trials;
        }
        is_due
    }

    /// An arm and the holdout, side by side over the strata of all leaves.
    fn with_held(&self, arm: usize) -> [Stat; 2] {
        let pairs = self
            .leaves
            .iter()
            .flat_map(|leaf| leaf.strata.with_held(arm));
        let pairs: Vec<[Stat; 2]> = pairs.collect();
        let rows: Vec<&[Stat]> = pairs.iter().map(|pair| &pair[..]).collect();
        match side_by_side(&rows)[..] {
            [shown, held] => [shown, held],
            _ => [Stat::default(); 2],
        }
    }

    /// The level of each leaf, where anything was earned.
    fn levels(&self) -> Vec<Option<f64>> {
        let leaves: Vec<&[Stat]> = self.leaves.iter().map(|leaf| &leaf.arms[..]).collect();
        let effects = Effects::of(&leaves);
        leaves.iter().map(|arms| effects.level(arms)).collect()
    }

    /// What the slot knows of its arms, at a leaf's level: what was earned elsewhere by as many
    /// exposures as would earn it here.
    fn pooled(&self, number: usize, levels: &[Option<f64>]) -> Vec<Stat> {
        let here = levels[number];
        let mut pooled = self.leaves[number].arms.clone();
        let others = self.leaves.iter().zip(levels).enumerate();
        for (_, (leaf, there)) in others.filter(|(other, _)| *other != number) {
            let ratio = here.zip(*there).map_or(1.0, |(here, there)| there / here);
            for (sum, stat) in pooled.iter_mut().zip(&leaf.arms) {
                sum.add(&stat.over(ratio));
            }
        }
        pooled
    }

    /// Weighs the leaves that have something new.
    fn weigh(&mut self, place: u8, family: Family, changes: &mut Vec<Change>) {
        if self.watch.is_frozen() {
            return;
        }
        let all = trials(&self.overall);
        let every = has_grown(all, self.weighed);
        if every {
            self.weighed = all;
        }
        let due = self
            .leaves
            .iter_mut()
            .enumerate()
            .filter_map(|(number, leaf)| {
                let now = leaf.trials();
                let known = now != 0 || leaf.weighed != 0;
                let due = known && (leaf.moved || every || has_grown(now, leaf.weighed));
                due.then(|| {
                    (leaf.moved, leaf.weighed) = (false, now);
                    leaf.arms = leaf.strata.arms();
                    number
                })
            });
        let due: Vec<usize> = due.collect();
        if due.is_empty() {
            return;
        }
        let levels = self.levels();
        let open = !(self.exhausted | self.barred) & ((1u32 << self.arms) - 1) as u16;
        for number in due {
            let pooled = self.pooled(number, &levels);
            let leaf = &mut self.leaves[number];
            let mut sets = leaf.strata.sets();
            sets.retain(|set| set & !open == 0 && *set != open && set.count_ones() > 1);
            for set in sets.into_iter().chain([ANY]) {
                let among = open & set;
                let is_warm = |arm: usize| leaf.strata.totals()[arm].trials >= self.spec.warm_up;
                let mut tried = (0..self.arms).filter(|arm| among >> arm & 1 == 1);
                let row = Row {
                    weights: weigh(&leaf.arms, &pooled, among, &self.spec, family),
                    warm: tried.all(is_warm) && self.spec.method.learns(),
                };
                if leaf.rows.insert(set, row) != Some(row) {
                    changes.push(Change::Weights {
                        slot: place,
                        leaf: number as u8,
                        set,
                        row,
                    });
                }
            }
        }
    }

    fn report(&self, names: &policy::Slot, family: Family) -> SlotReport {
        let arms =
            |stats: &[Stat], compared: &[Stat], weights: Option<(u16, &Weights)>, whole: bool| {
                let intervals = credible(compared, family);
                let arms = names.arms.iter().enumerate().map(|(index, arm)| {
                    let promised = self.spent[index].reward as f64 / 1e6;
                    let over = arm.cost.budget.map(|budget| promised - budget as f64 / 1e6);
                    ArmReport {
                        arm: arm.name.clone(),
                        exposures: stats[index].trials,
                        mean: stats[index].mean(),
                        side_by_side: compared.get(index).map(Stat::mean),
                        interval: intervals.get(index).copied(),
                        share: weights.and_then(|(set, weights)| share_of(index, set, weights)),
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
                held: leaf.held().trials,
                held_mean: leaf.held().mean(),
                arms: arms(
                    leaf.strata.totals(),
                    &leaf.strata.arms(),
                    leaf.usual_weights(),
                    false,
                ),
            });
        let rows = self.leaves.iter().flat_map(|leaf| leaf.strata.rows());
        let rows: Vec<&[Stat]> = rows.collect();
        let seen = |leaf: &LeafReport| leaf.held > 0 || leaf.arms.iter().any(|a| a.exposures > 0);
        SlotReport {
            slot: names.name.clone(),
            method: policy::method_name(&self.spec.method).into(),
            frozen: self.watch.is_frozen(),
            leaves: leaves.filter(seen).collect(),
            arms: arms(&self.overall, &side_by_side(&rows), None, true),
        }
    }
}
