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

pub use report::{ArmReport, LeafReport, SlotReport};

use super::super::policy::learning::Learning;
use super::super::policy::{self, ARMS_MAX, Policy, SLOTS_MAX};
use super::fact::{Cell, Exposure, HELD, JOINT, LOTS, SIDES, Side};
use super::group::{Group, joint_slots};
use super::safety::{RatioWatch, surely_worse};
use super::spec::{Family, LearnSpec, Method};
use super::stat::Stat;
use super::strata::{Effects, Strata, side_by_side};
use super::tables::{ANY, Change, Row, leaves};
use super::weights::{Weights, weigh};
use crate::event::mix;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What statistics are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// An arm in a leaf: exposures and their rewards.
    Cell(Cell),
    /// What of a cell's rewards is not settled: credit for orders that may yet come.
    Open(Cell),
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
        /// On which side.
        side: Side,
    },
    /// Draws of a slot that fell into a part of equal probability, of those that count.
    Lots {
        /// The slot.
        slot: u8,
        /// The part.
        lot: u8,
    },
    /// Nothing that is counted: the version has facts that are on their way to be matched, and waits for what
    /// exposures earned by them.
    Matching,
}

impl Subject {
    /// The part that an exposure's draw fell into, where something may get lost between the draw and
    /// what counts: what was only decided counts at once.
    pub fn lots(exposure: &Exposure, learning: &Learning) -> Option<Subject> {
        let (slot, lot) = (exposure.cell.slot, exposure.lot?);
        learning.seen.then_some(Subject::Lots { slot, lot })
    }

    /// A hash to find it by; pinned to nothing.
    #[inline]
    pub fn hash(&self) -> u64 {
        let (kind, slot, low, high) = match *self {
            Subject::Cell(cell) => (0, cell.slot, cell.low(), cell.epoch),
            Subject::Open(cell) => (1, cell.slot, cell.low(), cell.epoch),
            Subject::Spend { slot, arm } => (2, slot, arm.into(), 0),
            Subject::Visitors { slot, side } => (3, slot, side as u64, 0),
            Subject::Lots { slot, lot } => (4, slot, lot.into(), 0),
            Subject::Matching => (5, 0, 0, 0),
        };
        let words = low ^ u64::from(high).rotate_right(20) ^ kind << 56 ^ u64::from(slot) << 60;
        mix(words)
    }

    /// The slot that it belongs to, or [`JOINT`].
    pub fn slot(&self) -> u8 {
        match *self {
            Subject::Cell(cell) | Subject::Open(cell) => cell.slot,
            Subject::Spend { slot, .. }
            | Subject::Visitors { slot, .. }
            | Subject::Lots { slot, .. } => slot,
            Subject::Matching => JOINT,
        }
    }

    /// What an exposure's reward is added to, and how often, with what of it is settled.
    pub fn of_reward(
        cell: Cell,
        reward: i64,
        settled: i64,
    ) -> impl Iterator<Item = (Subject, i64, isize)> {
        let open = Subject::Open(cell);
        let open = (reward != settled).then_some([(open, reward, 1), (open, settled, -1)]);
        std::iter::once((Subject::Cell(cell), reward, 1)).chain(open.into_iter().flatten())
    }

    /// By what it finds its worker: the slots that learn together (`joint`, a bit each) are learned
    /// in one place.
    pub fn place(&self, joint: u8) -> u8 {
        place_of(self.slot(), joint)
    }
}

/// The place of a slot: its own, or that of those that learn together.
fn place_of(slot: u8, joint: u8) -> u8 {
    let is_joint = slot == JOINT || joint >> slot & 1 == 1;
    if is_joint { JOINT } else { slot }
}

/// Chance that any arm as good as the holdout is ever barred, over all arms that may be.
const BAR_ALPHA: f64 = 0.01;

/// A leaf of a slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Leaf {
    strata: Strata,
    /// What of their rewards is not settled.
    open: Strata,
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
    /// Visitors by side, and the shares that they should have.
    visitors: [i64; SIDES],
    shares: [f64; SIDES],
    watch: RatioWatch,
    /// Draws by part, which should be even.
    lots: [i64; LOTS],
    lots_watch: RatioWatch,
    /// Exposures of each arm when it was last held against the holdout.
    judged: [i64; ARMS_MAX],
    /// Arms barred, and since which version.
    barred: u16,
    /// Chance that an arm as good as the holdout is ever barred.
    bar_alpha: f64,
    barred_at: BTreeMap<usize, u64>,
    exhausted: u16,
    /// Arms that the policy in force no longer has.
    retired: u16,
    /// Whether another policy has taken over since the version before.
    turned: bool,
}

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
        let out = f64::from(policy.holdout.share_ppm) / 1e6;
        let slots = policy.slots.iter().map(|slot| {
            let spec = slot.learn?;
            let held = f64::from(spec.holdout_ppm) / 1e6;
            Some(Slot {
                spec,
                arms: slot.arms.len(),
                default: slot.default,
                budgets: slot.arms.iter().map(|arm| arm.cost.budget).collect(),
                leaves: vec![Leaf::new(slot.arms.len()); leaves(slot)],
                overall: [Stat::default(); ARMS_MAX],
                weighed: 0,
                spent: [Stat::default(); ARMS_MAX],
                visitors: [0; SIDES],
                shares: [(1.0 - out) * (1.0 - held), (1.0 - out) * held, out],
                watch: RatioWatch::default(),
                lots: [0; LOTS],
                lots_watch: RatioWatch::default(),
                judged: [0; ARMS_MAX],
                barred: 0,
                bar_alpha: bar_alpha(policy),
                barred_at: BTreeMap::new(),
                exhausted: 0,
                retired: retired(slot),
                turned: false,
            })
        });
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

/// Chance that an arm as good as the holdout is ever barred.
fn bar_alpha(policy: &Policy) -> f64 {
    let killable = |slot: &&policy::Slot| slot.learn.is_some_and(|spec| spec.kill.is_some());
    let judged = policy.slots.iter().filter(killable);
    let judged: usize = judged.map(|slot| slot.arms.len() - 1).sum();
    BAR_ALPHA / judged.max(1) as f64
}

/// Bit per arm that an earlier policy had.
fn retired(slot: &policy::Slot) -> u16 {
    let arms = slot.arms.iter().enumerate();
    arms.fold(0, |bits, (arm, of)| bits | u16::from(of.retired) << arm)
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
            open: Strata::new(arms),
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
    fn take_over(&mut self, names: &policy::Slot, spec: LearnSpec, bar_alpha: f64) {
        self.spec = spec;
        (self.arms, self.default) = (names.arms.len(), names.default);
        self.budgets = names.arms.iter().map(|arm| arm.cost.budget).collect();
        (self.retired, self.bar_alpha, self.turned) = (retired(names), bar_alpha, true);
        for leaf in &mut self.leaves {
            leaf.strata.widen(self.arms);
            leaf.open.widen(self.arms);
            leaf.arms.resize(self.arms, Stat::default());
            leaf.moved = true;
        }
    }

    fn add(&mut self, cell: Cell, change: &Stat) {
        let column = self.column(cell);
        let leaf = &mut self.leaves[usize::from(cell.leaf)];
        leaf.moved |= change.reward != 0 || change.square != 0;
        leaf.strata.add((cell.set, cell.epoch), column, change);
        if column < self.arms {
            self.overall[column].add(change);
        }
    }

    fn add_open(&mut self, cell: Cell, change: &Stat) {
        let column = self.column(cell);
        let open = &mut self.leaves[usize::from(cell.leaf)].open;
        open.add((cell.set, cell.epoch), column, change);
    }

    /// The column of a cell's arm; the holdout's comes after the arms'.
    fn column(&self, cell: Cell) -> usize {
        if cell.arm == HELD {
            self.arms
        } else {
            cell.arm as usize
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
                if (self.barred | self.retired) >> arm & 1 == 0 && self.is_due(arm) {
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
        self.watch.look(&self.visitors, &self.shares);
        self.lots_watch.look(&self.lots, &[1.0; LOTS]);
    }

    fn is_frozen(&self) -> bool {
        self.watch.is_frozen() || self.lots_watch.is_frozen()
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

    /// An arm and the holdout, side by side over the strata of all leaves, by rewards that are settled:
    /// credit that comes with a cart and mostly goes again is no sum of independent rewards, and
    /// whoever was shown last has most of it.
    fn with_held(&self, arm: usize) -> [Stat; 2] {
        let pairs = self
            .leaves
            .iter()
            .flat_map(|leaf| leaf.strata.with_held(arm, &leaf.open));
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
        if self.is_frozen() {
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
        let closed = self.exhausted | self.barred | self.retired;
        let open = !closed & ((1u32 << self.arms) - 1) as u16;
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
}
