//! A slot that learns: the statistics of its leaves, what bars an arm or freezes the slot, and when a leaf
//! is weighed.
//!
//! Invariant: a function of what was added up to a version, whatever the order in which it came. Cost: see
//! [`super`].

use super::super::fact::{Cell, HELD, LOTS, SIDES};
use super::super::safety::{RatioWatch, surely_worse};
use super::super::spec::{Family, LearnSpec};
use super::super::stat::Stat;
use super::super::strata::{Effects, Strata, side_by_side};
use super::super::tables::{ANY, Change, Row, leaves};
use super::super::weights::{Weights, weigh};
use crate::visit::policy::{self, ARMS_MAX, Policy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Chance that any arm as good as the holdout is ever barred, over all arms that may be.
const BAR_ALPHA: f64 = 0.01;

/// A leaf of a slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Leaf {
    pub strata: Strata,
    /// What of their rewards is not settled.
    pub open: Strata,
    /// The arms side by side, when it was weighed.
    pub arms: Vec<Stat>,
    /// Weights by set of arms.
    pub rows: BTreeMap<u16, Row>,
    /// Exposures when it was weighed.
    pub weighed: i64,
    /// Whether something was earned or taken back since.
    pub moved: bool,
}

/// A slot that learns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    pub spec: LearnSpec,
    pub arms: usize,
    pub default: usize,
    pub budgets: Vec<Option<i64>>,
    pub leaves: Vec<Leaf>,
    /// Over all leaves.
    pub overall: [Stat; ARMS_MAX],
    /// Exposures when all leaves were weighed.
    pub weighed: i64,
    pub spent: [Stat; ARMS_MAX],
    /// Visitors by side, and the shares that they should have.
    pub visitors: [i64; SIDES],
    pub shares: [f64; SIDES],
    pub watch: RatioWatch,
    /// Draws by part, which should be even.
    pub lots: [i64; LOTS],
    pub lots_watch: RatioWatch,
    /// Exposures of each arm when it was last held against the holdout.
    pub judged: [i64; ARMS_MAX],
    /// Arms barred, and since which version.
    pub barred: u16,
    /// Chance that an arm as good as the holdout is ever barred.
    pub bar_alpha: f64,
    pub barred_at: BTreeMap<usize, u64>,
    pub exhausted: u16,
    /// Arms that the policy in force no longer has.
    pub retired: u16,
    /// Whether another policy has taken over since the version before.
    pub turned: bool,
}

/// Chance that an arm as good as the holdout is ever barred.
pub(super) fn bar_alpha(policy: &Policy) -> f64 {
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
    pub fn usual_weights(&self) -> Option<(u16, &Weights)> {
        let set = self.strata.usual_set();
        let row = self.rows.get(&set).or_else(|| self.rows.get(&ANY))?;
        Some((set, &row.weights))
    }

    pub fn held(&self) -> &Stat {
        &self.strata.totals()[self.strata.held()]
    }
}

impl Slot {
    /// Nothing is known of a slot yet; `None` of one that does not learn.
    pub fn new(slot: &policy::Slot, policy: &Policy) -> Option<Slot> {
        let spec = slot.learn?;
        let out = f64::from(policy.holdout.share_ppm) / 1e6;
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
    }

    pub fn take_over(&mut self, names: &policy::Slot, spec: LearnSpec, bar_alpha: f64) {
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

    pub fn add(&mut self, cell: Cell, change: &Stat) {
        let column = self.column(cell);
        let leaf = &mut self.leaves[usize::from(cell.leaf)];
        leaf.moved |= change.reward != 0 || change.square != 0;
        leaf.strata.add((cell.set, cell.epoch), column, change);
        if column < self.arms {
            self.overall[column].add(change);
        }
    }

    pub fn add_open(&mut self, cell: Cell, change: &Stat) {
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
    pub fn guard(&mut self, place: u8, version_ms: u64, changes: &mut Vec<Change>) {
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

    pub fn is_frozen(&self) -> bool {
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
    pub fn weigh(&mut self, place: u8, family: Family, changes: &mut Vec<Change>) {
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
