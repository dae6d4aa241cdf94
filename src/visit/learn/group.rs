//! The slots that learn together: statistics of whole layouts, and the layouts to be drawn.
//!
//! A layout's statistic is all that a pairwise model needs ([`super::pairwise`]), so it is what is
//! kept: by leaf and code. A leaf is modelled again when its exposures or its rewards have changed
//! by a sixteenth since it last was, which keeps a model of some milliseconds from being fitted for
//! every order; until each arm could have been tried `warm_up` times, layouts are drawn evenly.
//!
//! The draws of the model are seeded by leaf and version: a function of the facts, like everything.
//! Cost: some milliseconds a model; memory: 48 bytes a layout seen.

use super::super::policy::{Policy, Slot};
use super::fact::{Cell, JOINT};
use super::layout::{decode, encode};
use super::learner::{ArmReport, LeafReport, SlotReport};
use super::pairwise::{Spec, layouts};
use super::spec::Method;
use super::stat::Stat;
use super::tables::{Change, leaf_name, leaves};
use crate::event::mix;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Layouts of a leaf that a report names.
const REPORTED_MAX: usize = 8;

/// What the slots of a group have learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    arms: Vec<usize>,
    warm_up: i64,
    leaves: Vec<Leaf>,
    /// Whether one of its slots is frozen.
    frozen: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Leaf {
    cells: BTreeMap<u32, Stat>,
    sum: Stat,
    /// The sum when the layouts were last drawn.
    modelled: Stat,
    layouts: Vec<(u32, u32)>,
    touched: bool,
}

/// The slots of a policy that learn together, in the policy's order.
pub fn members(policy: &Policy) -> impl Iterator<Item = (usize, &Slot)> {
    let slots = policy.slots.iter().enumerate();
    slots.filter(|(_, slot)| {
        let method = slot.learn.map(|spec| spec.method);
        method == Some(Method::Multivariate)
    })
}

/// The same, a bit each.
pub fn joint_slots(policy: &Policy) -> u8 {
    members(policy).fold(0, |bits, (index, _)| bits | 1 << index)
}

impl Group {
    /// Nothing is known yet; `None` if no slots learn together.
    pub fn of(policy: &Policy) -> Option<Group> {
        let (_, first) = members(policy).next()?;
        let arms: Vec<usize> = members(policy).map(|(_, slot)| slot.arms.len()).collect();
        let tries = members(policy).filter_map(|(_, slot)| Some(slot.learn?.warm_up));
        let most = arms.iter().max().map_or(1, |&arms| arms as i64);
        Some(Group {
            warm_up: tries.max().unwrap_or(0).saturating_mul(most),
            leaves: vec![Leaf::default(); leaves(first)],
            arms,
            frozen: false,
        })
    }

    /// Another policy takes over, with the same arms.
    pub fn take_over(&mut self, policy: &Policy) {
        if let Some(group) = Group::of(policy) {
            self.warm_up = group.warm_up;
        }
    }

    /// Adds what has changed of a layout since the version before.
    pub fn add(&mut self, cell: Cell, change: &Stat) {
        debug_assert_eq!(cell.slot, JOINT);
        let leaf = &mut self.leaves[usize::from(cell.leaf)];
        let stat = leaf.cells.entry(cell.arm).or_default();
        stat.add(change);
        if stat.is_zero() {
            leaf.cells.remove(&cell.arm);
        }
        leaf.sum.add(change);
        leaf.touched = true;
    }

    /// Models the leaves in which enough has changed, unless one of its slots is frozen.
    pub fn close(&mut self, version_ms: u64, frozen: bool, changes: &mut Vec<Change>) {
        self.frozen = frozen;
        if frozen {
            return;
        }
        for (number, leaf) in self.leaves.iter_mut().enumerate() {
            if !std::mem::take(&mut leaf.touched)
                || leaf.sum.trials < self.warm_up
                || !leaf.has_moved()
            {
                continue;
            }
            leaf.modelled = leaf.sum;
            let cells: Vec<(u32, Stat)> = leaf.cells.iter().map(|(code, s)| (*code, *s)).collect();
            let open = vec![u16::MAX; self.arms.len()];
            let seed = mix(version_ms ^ mix(number as u64));
            let drawn = layouts(&cells, &self.arms, &open, &Spec::default(), seed);
            if drawn != leaf.layouts {
                leaf.layouts.clone_from(&drawn);
                changes.push(Change::Layouts {
                    leaf: number as u8,
                    layouts: drawn,
                });
            }
        }
    }

    /// The layouts of each leaf, those with the greatest shares first.
    pub fn report(&self, policy: &Policy) -> SlotReport {
        let slots: Vec<&Slot> = members(policy).map(|(_, slot)| slot).collect();
        let name = |code: u32| {
            let layout = decode(code, &self.arms);
            let shown = slots
                .iter()
                .zip(layout)
                .map(|(slot, arm)| slot.arms[arm].name.as_str());
            shown.collect::<Vec<_>>().join("/")
        };
        let leaves = self.leaves.iter().enumerate().map(|(number, leaf)| {
            let mut shares = leaf.layouts.clone();
            shares.sort_by_key(|(code, share)| (std::cmp::Reverse(*share), *code));
            shares.truncate(REPORTED_MAX);
            let arms = shares.into_iter().map(|(code, share)| {
                let stat = leaf.cells.get(&code).copied().unwrap_or_default();
                ArmReport {
                    arm: name(code),
                    exposures: stat.trials,
                    mean: stat.mean(),
                    side_by_side: None,
                    interval: None,
                    share: Some(f64::from(share) / 1e6),
                    barred_ms: None,
                    promised: None,
                    over_budget: None,
                }
            });
            LeafReport {
                leaf: leaf_name(&slots[0].context, number),
                held: 0,
                held_mean: 0.0,
                arms: arms.collect(),
            }
        });
        SlotReport {
            slot: slots
                .iter()
                .map(|slot| slot.name.as_str())
                .collect::<Vec<_>>()
                .join("+"),
            method: "multivariate".into(),
            frozen: self.frozen,
            leaves: leaves.filter(|leaf| !leaf.arms.is_empty()).collect(),
            arms: Vec::new(),
        }
    }
}

impl Leaf {
    fn has_moved(&self) -> bool {
        let much = |now: i64, then: i64, least: i64| (now - then).abs() * 16 >= then.max(least);
        much(self.sum.trials, self.modelled.trials, 16)
            || much(self.sum.reward, self.modelled.reward, 16_000_000)
    }
}

/// The code of the layout that a visit shows in the slots of the group.
pub fn code_of(policy: &Policy, layout: &[u8]) -> u32 {
    let mut arms = Vec::with_capacity(policy.slots.len());
    let mut shown = [0; super::super::policy::SLOTS_MAX];
    for (place, (index, slot)) in members(policy).enumerate() {
        arms.push(slot.arms.len());
        shown[place] = usize::from(layout[index]);
    }
    encode(&shown, &arms)
}
