//! The learned tables as a worker holds them: the weights in force, and those on their way.
//!
//! A table's version says up to when its facts arrived; it takes effect a lag later. Changes come
//! from the learner ahead of their time and wait here; [`Tables::turn`] puts those in force that
//! are due. What holds at an arrival is therefore a function of that arrival alone, however the
//! events around it were cut into batches.
//!
//! Weights are those among a set of arms: the chance to be the best of three is not that of being the
//! best of two. Sets that were never met have the shares of all arms.
//!
//! Cost: a comparison an event; 200 bytes a slot, leaf and set of arms. Chances are made of weights once a
//! version and leaf, as long as the arms are the same that may be drawn.

use super::super::phase::Phase;
use super::super::policy::{Context, Policy, SLOTS_MAX, Slot};
use super::super::products::shelf::Shelf;
use super::super::rank::lists::Lists;
use super::super::rank::recommender::{Recommender, Update};
use super::super::rank::window::Seen;
use super::fact::version_at;
use super::spec::PerArm;
use super::weights::Weights;
use crate::event::{ArrivalMs, DEVICE_COUNT, Device};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Most context leaves of a slot: phases × devices × new or returning.
pub const LEAVES_MAX: usize = 5 * DEVICE_COUNT * 2;

/// One change of the tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// The weights of a slot in a context leaf.
    Weights {
        /// The slot.
        slot: u8,
        /// The leaf.
        leaf: u8,
        /// Bit per arm among which they hold; [`ANY`] for all that have none of their own.
        set: u16,
        /// The weights.
        row: Row,
    },
    /// Which arms of a slot may be put up.
    Arms {
        /// The slot.
        slot: u8,
        /// Bit per arm that may be put up.
        open: u16,
        /// Bit per arm that has to be taken down wherever it is shown.
        barred: u16,
    },
    /// The layouts of the slots that learn together, in a context leaf.
    Layouts {
        /// The leaf.
        leaf: u8,
        /// (code, share in millionths), by code.
        layouts: Vec<(u32, u32)>,
    },
    /// What products are recommended from.
    Recommended(Update),
}

/// In place of a set of arms: any.
pub const ANY: u16 = u16::MAX;

/// The weights of a slot in a context leaf, among a set of arms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Shares and means.
    pub weights: Weights,
    /// Whether every arm has been tried often enough for its mean to be relied on.
    pub warm: bool,
}

/// By what an arm is drawn in a leaf, beside the leaf's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnBy {
    /// Bit per arm that may be drawn.
    pub eligible: u16,
    /// Number of the slot's arms.
    pub arms: u8,
    /// The least chance of each, in millionths.
    pub floor_ppm: u32,
}

/// The chances of a leaf's arms as they were last asked for.
type Asked = Cell<Option<(DrawnBy, PerArm<u32>)>>;

/// A worker's tables.
#[derive(Debug)]
pub struct Tables {
    quantum_ms: u64,
    lag_ms: u64,
    rows: Vec<BTreeMap<u16, Row>>,
    /// As many as rows: nearly all draws of a version from a leaf are from the same arms.
    asked: Vec<Asked>,
    open: [u16; SLOTS_MAX],
    barred: [u16; SLOTS_MAX],
    layouts: Vec<Vec<(u32, u32)>>,
    /// What is on sale, where products are shown.
    pub shelf: Option<Shelf>,
    /// What products are recommended from, where that is learned.
    pub recommender: Option<Recommender>,
    /// Changes by the arrival from which they hold.
    upcoming: BTreeMap<u64, Vec<Change>>,
    /// Changes with their versions, while they are noted down.
    noted: Option<Vec<(u64, Change)>>,
}

/// Tables as they are put by: weights, what may be drawn, layouts, lists.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SavedTables {
    rows: Vec<BTreeMap<u16, Row>>,
    open: [u16; SLOTS_MAX],
    barred: [u16; SLOTS_MAX],
    layouts: Vec<Vec<(u32, u32)>>,
    lists: Option<[Lists; 3]>,
}

impl Tables {
    /// Tables that know nothing: every arm of a slot is as good as any other.
    pub fn new(policy: &Policy) -> Tables {
        Tables {
            quantum_ms: policy.quantum_ms,
            lag_ms: policy.lag_ms,
            rows: vec![BTreeMap::new(); policy.slots.len() * LEAVES_MAX],
            asked: vec![Cell::new(None); policy.slots.len() * LEAVES_MAX],
            open: [u16::MAX; SLOTS_MAX],
            barred: [0; SLOTS_MAX],
            layouts: vec![Vec::new(); LEAVES_MAX],
            shelf: None,
            recommender: None,
            upcoming: BTreeMap::new(),
            noted: None,
        }
    }

    /// What is in force.
    pub fn saved(&self) -> SavedTables {
        SavedTables {
            rows: self.rows.clone(),
            open: self.open,
            barred: self.barred,
            layouts: self.layouts.clone(),
            lists: self.recommender.as_ref().map(Recommender::lists),
        }
    }

    /// From now on changes are noted down, those on their way among them.
    pub fn note_down(&mut self) {
        let lag_ms = self.lag_ms;
        let on_their_way = self.upcoming.iter().flat_map(|(from, changes)| {
            let version_ms = from.saturating_sub(lag_ms);
            changes
                .iter()
                .map(move |change| (version_ms, change.clone()))
        });
        self.noted = Some(on_their_way.collect());
    }

    /// What was noted down up to a version.
    pub fn noted(&mut self, version_ms: u64) -> Vec<(u64, Change)> {
        let mut noted = self.noted.take().unwrap_or_default();
        noted.retain(|(of, _)| *of <= version_ms);
        noted
    }

    /// Puts tables in force.
    pub fn take_up(&mut self, saved: SavedTables, sessions: &[Seen]) {
        let SavedTables {
            rows,
            open,
            barred,
            layouts,
            lists,
        } = saved;
        self.asked = vec![Cell::new(None); rows.len()];
        (self.rows, self.open, self.barred) = (rows, open, barred);
        self.layouts = layouts;
        if let (Some(recommender), Some(lists)) = (&mut self.recommender, lists) {
            recommender.take_up(lists, sessions);
        }
    }

    /// Takes a change of version `version_ms`; it will hold a lag later.
    pub fn receive(&mut self, version_ms: u64, change: Change) {
        let from = version_ms.saturating_add(self.lag_ms);
        if let Some(noted) = &mut self.noted {
            noted.push((version_ms, change.clone()));
        }
        self.upcoming.entry(from).or_default().push(change);
    }

    /// Whether something changes with or before this arrival.
    #[inline]
    pub fn is_due(&self, at: ArrivalMs) -> bool {
        self.upcoming
            .first_key_value()
            .is_some_and(|(from, _)| *from <= at.0)
    }

    /// Puts in force what holds at an arrival.
    pub fn turn(&mut self, at: ArrivalMs) {
        while self.is_due(at) {
            let (_, changes) = self.upcoming.pop_first().expect("something is due");
            let mut recommended = Vec::new();
            for change in changes {
                match change {
                    Change::Recommended(update) => recommended.push(update),
                    other => self.apply(other),
                }
            }
            if let Some(recommender) = &mut self.recommender {
                recommender.turn(recommended);
            }
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Weights {
                slot,
                leaf,
                set,
                row,
            } => {
                let place = usize::from(slot) * LEAVES_MAX + usize::from(leaf);
                self.rows[place].insert(set, row);
                self.asked[place].set(None);
            }
            Change::Arms { slot, open, barred } => {
                self.open[usize::from(slot)] = open;
                self.barred[usize::from(slot)] = barred;
            }
            Change::Layouts { leaf, layouts } => self.layouts[usize::from(leaf)] = layouts,
            Change::Recommended(_) => unreachable!("updates of a version are taken together"),
        }
    }

    /// The version in force at an arrival.
    pub fn version_at(&self, at: ArrivalMs) -> u64 {
        version_at(at, self.quantum_ms, self.lag_ms)
    }

    /// The weights of a slot in a leaf among a set of arms, once anything is known.
    #[inline]
    pub fn row(&self, slot: usize, leaf: usize, set: u16) -> Option<&Row> {
        let rows = &self.rows[slot * LEAVES_MAX + leaf];
        rows.get(&set).or_else(|| rows.get(&ANY))
    }

    /// The chances of a leaf's arms: those that `make` makes of its weights, if they were not the last that
    /// were asked for. What it makes must follow from the weights and from `by` alone.
    #[inline]
    pub fn chances(
        &self,
        (slot, leaf): (usize, usize),
        by: DrawnBy,
        make: impl FnOnce(Option<&Row>) -> PerArm<u32>,
    ) -> PerArm<u32> {
        let asked = &self.asked[slot * LEAVES_MAX + leaf];
        if let Some((last, chances)) = asked.get()
            && last == by
        {
            return chances;
        }
        let chances = make(self.row(slot, leaf, by.eligible));
        asked.set(Some((by, chances)));
        chances
    }

    /// Bit per arm that may be put up.
    pub fn open(&self, slot: usize) -> u16 {
        self.open[slot]
    }

    /// Bit per arm that has to be taken down.
    pub fn barred(&self, slot: usize) -> u16 {
        self.barred[slot]
    }

    /// The layouts of the slots that learn together, in a leaf; empty before anything is known.
    pub fn layouts(&self, leaf: usize) -> &[(u32, u32)] {
        &self.layouts[leaf]
    }
}

/// The number of a slot's context leaf. The phase comes last, so that a session's leaves are the
/// five that follow each other.
#[inline]
pub fn leaf_of(context: &[Context], phase: Phase, device: Device, returning: bool) -> usize {
    let has = |part| context.contains(&part);
    let mut leaf = 0;
    if has(Context::Returning) {
        leaf = usize::from(returning);
    }
    if has(Context::Device) {
        leaf = leaf * DEVICE_COUNT + device as usize;
    }
    if has(Context::Phase) {
        leaf = leaf * Phase::ALL.len() + phase as usize;
    }
    leaf
}

/// Number of context leaves of a slot.
pub fn leaves(slot: &Slot) -> usize {
    leaf_of(&slot.context, Phase::Hesitating, Device::Tablet, true) + 1
}

/// The name of a leaf, as in records: `phase=exploring,returning=no`, or `all`.
pub fn leaf_name(context: &[Context], leaf: usize) -> String {
    let mut rest = leaf;
    let mut digit = |part: Context, count: usize| {
        let digit = context.contains(&part).then(|| rest % count);
        rest = digit.map_or(rest, |_| rest / count);
        digit
    };
    let phase = digit(Context::Phase, Phase::ALL.len());
    let device = digit(Context::Device, DEVICE_COUNT);
    let returning = digit(Context::Returning, 2);
    let parts: Vec<String> = context
        .iter()
        .map(|part| match part {
            Context::Phase => format!("phase={}", Phase::ALL[phase.unwrap_or(0)].name()),
            Context::Device => format!("device={}", Device::ALL[device.unwrap_or(0)].name()),
            Context::Returning if returning == Some(1) => "returning=yes".into(),
            Context::Returning => "returning=no".into(),
        })
        .collect();
    if parts.is_empty() {
        return "all".into();
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_context_has_a_leaf_of_its_own() {
        use Context::{Device as D, Phase as P, Returning as R};
        for (context, count) in [
            (vec![], 1),
            (vec![P], 5),
            (vec![R, P], 10),
            (vec![P, D], 20),
            (vec![D, R, P], LEAVES_MAX),
        ] {
            let mut names = std::collections::BTreeMap::new();
            for phase in Phase::ALL {
                for device in Device::ALL {
                    for returning in [false, true] {
                        let leaf = leaf_of(&context, phase, device, returning);
                        names.insert(leaf, leaf_name(&context, leaf));
                    }
                }
            }
            assert_eq!(
                names.keys().copied().collect::<Vec<_>>(),
                (0..count).collect::<Vec<_>>()
            );
            let distinct: std::collections::BTreeSet<_> = names.values().collect();
            assert_eq!(distinct.len(), count);
        }
        assert_eq!(
            leaf_name(
                &[R, P],
                leaf_of(&[R, P], Phase::Deciding, Device::Mobile, true)
            ),
            "returning=yes,phase=deciding"
        );
    }

    #[test]
    fn changes_wait_for_their_time() {
        let mut policy = Policy::shipped();
        (policy.quantum_ms, policy.lag_ms) = (1_000, 2_000);
        let mut tables = Tables::new(&policy);
        let arms = |open| Change::Arms {
            slot: 1,
            open,
            barred: 0,
        };
        tables.receive(5_000, arms(3));
        tables.receive(4_000, arms(1));
        tables.turn(ArrivalMs(5_999));
        assert_eq!(tables.open(1), u16::MAX);
        assert!(tables.is_due(ArrivalMs(6_000)));
        tables.turn(ArrivalMs(6_000));
        assert_eq!(tables.open(1), 1);
        tables.turn(ArrivalMs(9_000));
        assert_eq!(tables.open(1), 3);
        assert_eq!(tables.version_at(ArrivalMs(9_999)), 7_000);
    }
}
