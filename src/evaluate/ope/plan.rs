//! The rows, looked up once: what stays the same from replicate to replicate.
//!
//! Units, groups, cells and situations become numbers without gaps, in the order in which the rows
//! first name them (groups in their own order), and each unit draws its fold by a hash. A replicate
//! of the bootstrap is then a count for every unit and two passes over plain arrays: one that gives
//! the cells' moments, and after the model is fitted to these, one that sums the estimators' terms.
//! The model is fitted anew in every replicate, hence intervals of `dm` show what its guesses are
//! worth. Invariant: the same rows and seed give the same sums, bit for bit. Cost: 56 bytes a row;
//! a pass some 10 ns a row.

use super::model::{Moments, Tree};
use super::rows::{Logged, Rows, TargetId};
use super::sums::{Sums, Term};
use super::support::{Support, only};
use crate::event::mix;
use std::collections::{BTreeMap, HashMap};

/// A row, looked up.
#[derive(Clone, Copy, Debug)]
struct Planned {
    unit: u32,
    group: u32,
    cell: u32,
    situation: u32,
    fold: u16,
    target: f64,
    weight: f64,
    reward: f64,
}

/// A distribution in a place.
#[derive(Clone, Debug)]
struct Situation {
    /// The first cell of the (group, context).
    first_cell: u32,
    target: TargetId,
    /// Arms of the target that the log could not show there.
    missing: Vec<u16>,
}

/// Rows, ready to be summed.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    rows: &'a Rows,
    planned: Vec<Planned>,
    situations: Vec<Situation>,
    tree: Tree,
    folds: usize,
    /// What the log could show.
    pub support: Support,
    /// How many units there are.
    pub units: u32,
    /// The groups' numbers, rising.
    pub groups: Vec<u32>,
}

/// The model's guesses: by fold, then by cell or by situation.
pub(super) struct Guesses {
    of_cells: Vec<Vec<f64>>,
    of_situations: Vec<Vec<Guess>>,
}

/// The guess for a target policy in a situation.
#[derive(Clone, Copy)]
struct Guess {
    value: f64,
    /// The part that stands for arms that the log could not show.
    missing: f64,
}

/// Numbers in the order of first appearance.
struct Numbers<K>(HashMap<K, u32>);

impl<K: std::hash::Hash + Eq> Numbers<K> {
    fn new() -> Numbers<K> {
        Numbers(HashMap::new())
    }

    /// The key's number, and whether it is new.
    fn of(&mut self, key: K) -> (u32, bool) {
        let next = self.0.len() as u32;
        let number = *self.0.entry(key).or_insert(next);
        (number, number == next)
    }
}

impl<'a> Plan<'a> {
    /// Looks the rows up.
    pub fn new(rows: &'a Rows, folds: u16, share_arms: bool, seed: u64) -> Plan<'a> {
        let folds = folds.max(1);
        let mut groups: Vec<u32> = rows.rows().iter().map(|row| row.group).collect();
        groups.sort_unstable();
        groups.dedup();
        let (cells, support) = (Cells::new(rows), Support::of(rows));
        let mut units = Numbers::new();
        let mut known = Numbers::new();
        let mut situations = Vec::new();
        let mut planned = Vec::with_capacity(rows.rows().len());
        for row in rows.rows() {
            let first_cell = cells.first[&(row.group, row.context)];
            let (situation, new) = known.of((first_cell, row.target, only(row)));
            if new {
                situations.push(Situation {
                    first_cell,
                    target: row.target,
                    missing: support.missing(rows, row),
                });
            }
            let target = rows.target(row.target)[usize::from(row.arm)];
            planned.push(Planned {
                unit: units.of(row.unit).0,
                group: groups.partition_point(|group| *group < row.group) as u32,
                cell: first_cell + u32::from(row.arm),
                situation,
                fold: (mix(seed ^ mix(row.unit)) % u64::from(folds)) as u16,
                target,
                weight: target / row.propensity,
                reward: row.reward,
            });
        }
        Plan {
            rows,
            planned,
            situations,
            tree: cells.tree(share_arms),
            support,
            folds: usize::from(folds),
            units: units.0.len() as u32,
            groups,
        }
    }

    /// Fits the model to the rows, each counted as often as its unit.
    pub fn guesses(&self, counts: Option<&[u32]>) -> Guesses {
        let none = vec![Moments::default(); self.tree.pair_of_cell.len()];
        let mut moments = vec![none; self.folds];
        for row in &self.planned {
            let cell = &mut moments[usize::from(row.fold)][row.cell as usize];
            cell.count(row.reward, times(counts, row.unit));
        }
        let of_cells = self.tree.cross_fit(&moments);
        let of_fold = |guesses: &Vec<f64>| {
            let value = |situation: &Situation| {
                let chances = self.rows.target(situation.target);
                let guesses = &guesses[situation.first_cell as usize..];
                let of = |arm: usize| chances[arm] * guesses[arm];
                Guess {
                    value: (0..chances.len()).map(of).sum(),
                    missing: situation
                        .missing
                        .iter()
                        .map(|arm| of(usize::from(*arm)))
                        .sum(),
                }
            };
            self.situations.iter().map(value).collect()
        };
        Guesses {
            of_situations: of_cells.iter().map(of_fold).collect(),
            of_cells,
        }
    }

    /// The sums of every group, each row counted as often as its unit.
    pub fn sums(&self, counts: Option<&[u32]>, switch_at: f64) -> Vec<Sums> {
        let guesses = self.guesses(counts);
        let mut sums = vec![Sums::default(); self.groups.len()];
        for row in &self.planned {
            let times = times(counts, row.unit);
            if times > 0.0 {
                sums[row.group as usize].count(&guesses.term(row), times, switch_at);
            }
        }
        sums
    }

    /// Every row's unit, group and terms, in order, beside the row.
    pub fn terms<'b>(
        &'b self,
        guesses: &'b Guesses,
    ) -> impl Iterator<Item = (u32, u32, &'b Logged, Term)> + Clone + use<'a, 'b> {
        let rows = self.planned.iter().zip(self.rows.rows());
        rows.map(|(row, logged)| (row.unit, row.group, logged, guesses.term(row)))
    }
}

impl Guesses {
    fn term(&self, row: &Planned) -> Term {
        let fold = usize::from(row.fold);
        let guess = self.of_situations[fold][row.situation as usize];
        Term {
            target: row.target,
            weight: row.weight,
            reward: row.reward,
            guess: self.of_cells[fold][row.cell as usize],
            value: guess.value,
            missing: guess.missing,
        }
    }
}

fn times(counts: Option<&[u32]>, unit: u32) -> f64 {
    counts.map_or(1.0, |counts| f64::from(counts[unit as usize]))
}

/// The cells: for every (group, context) as many as the largest distribution there has arms.
struct Cells {
    first: BTreeMap<(u32, u32), u32>,
    arms: BTreeMap<(u32, u32), usize>,
}

impl Cells {
    fn new(rows: &Rows) -> Cells {
        let mut arms: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for row in rows.rows() {
            let most = arms.entry((row.group, row.context)).or_default();
            *most = (*most).max(rows.target(row.target).len());
        }
        let mut next = 0;
        let mut first = BTreeMap::new();
        for (place, arms) in &arms {
            first.insert(*place, next);
            next += *arms as u32;
        }
        Cells { first, arms }
    }

    fn tree(&self, share_arms: bool) -> Tree {
        let (mut pairs, mut tops) = (Numbers::new(), Numbers::new());
        let mut tree = Tree::default();
        for (&(group, _), &arms) in &self.arms {
            for arm in 0..arms as u32 {
                let (pair, new) = pairs.of((group, arm));
                tree.pair_of_cell.push(pair);
                if new {
                    let top = if share_arms { arm } else { group };
                    tree.top_of_pair.push(tops.of(top).0);
                }
            }
        }
        tree.tops = tops.0.len() as u32;
        tree
    }
}
