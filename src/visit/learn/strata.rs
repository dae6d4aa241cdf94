//! Comparing arms that were not shown to the same visitors: statistics by stratum, and what they would
//! have been side by side.
//!
//! Within a leaf, arms are drawn evenly among visitors only where the same arms may be shown and the
//! same shares hold. A basket reminder that only a full cart may see meets better customers than the
//! other arms do; an arm that has taken over since the rest of the page got better earns more than it
//! did before, and more than the arms that it replaced. Means over all of them reward an arm for
//! whom it met and when: the favourite looks better for being the favourite, and stays.
//!
//! So statistics are kept by **stratum**: a set of eligible arms and an epoch. What an arm earns in a
//! stratum is modelled as the stratum's level times the arm's effect,
//!
//! ```text
//! E r_{s,j} = n_{s,j} · a_s · e_j
//! ```
//!
//! and levels are conditioned on rather than estimated: given what a stratum earned in all, what each
//! arm earned of it is multinomial with p_{s,j} = n_{s,j} e_j / Σ_i n_{s,i} e_i, whatever its level
//! (stratified Poisson regression; Breslow and Day 1987, section 4). The likelihood is concave in
//! ln e and has as many parameters as arms, however many strata there are. A stratum in which an arm
//! was alone says nothing, and counts for nothing.
//!
//! What comes out is a [`Stat`] an arm, **as if all arms had been shown side by side** with the same
//! evidence: e_j at the mean level, with as many exposures as give the likelihood's information. With
//! information I_jj = Σ_s R_s p_{s,j} (1 − p_{s,j}) the arm counts for c_j rewards, where
//! c_j (1 − c_j / Σ c) = I_jj: independent arms whose differences are as sure as here
//! (quasi-variances; Firth and de Menezes 2004). With one stratum it is the statistics themselves.
//!
//! Invariant: a function of the strata's sums, in one order. Cost: 20 ns an arm, stratum and round of
//! Newton's, of which there are about five; memory: 32 bytes an arm and stratum.

use super::super::policy::ARMS_MAX;
use super::cholesky::Cholesky;
use super::stat::Stat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most columns of a comparison: the arms and the holdout.
pub const COLUMNS_MAX: usize = ARMS_MAX + 1;
/// One number a column.
pub type PerColumn<T> = [T; COLUMNS_MAX];

/// Rounds of Newton's.
const ROUNDS: usize = 24;
/// Longest step of one, in logarithms: a factor of e.
const STEP_MAX: f64 = 1.0;
/// A step below this is the last.
const STEP_LEAST: f64 = 1e-10;
/// Part of the greatest information that keeps the matrix regular where arms never met.
const RIDGE: f64 = 1e-9;
/// Rounds in which rewards are apportioned to information.
const EVIDENCE_ROUNDS: usize = 64;

/// Statistics of a leaf's arms, by stratum; the last column is the holdout.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Strata {
    columns: usize,
    rows: BTreeMap<(u16, u32), Box<[Stat]>>,
    totals: Box<[Stat]>,
}

/// Effects of columns, relative to each other.
#[derive(Clone, Copy, Debug)]
pub struct Effects {
    /// 0 for a column that has earned nothing.
    of: PerColumn<f64>,
    /// What the comparison knows of the logarithm of each, in rewards.
    information: PerColumn<f64>,
}

/// What rows earned where columns could be compared.
struct Met {
    /// Rewards of each column.
    rewards: PerColumn<f64>,
    /// The mean level of those rows.
    level: f64,
}

impl Strata {
    /// Nothing is known yet of so many arms.
    pub fn new(arms: usize) -> Strata {
        let columns = arms.min(ARMS_MAX) + 1;
        Strata {
            columns,
            rows: BTreeMap::new(),
            totals: vec![Stat::default(); columns].into(),
        }
    }

    /// Makes room for more arms, of which nothing is known yet; the holdout stays last.
    pub fn widen(&mut self, arms: usize) {
        let new = vec![Stat::default(); arms.min(ARMS_MAX).saturating_sub(self.held())];
        let held = self.held();
        let widen = |row: &mut Box<[Stat]>| {
            let mut columns = std::mem::take(row).into_vec();
            columns.splice(held..held, new.iter().copied());
            *row = columns.into();
        };
        self.rows.values_mut().for_each(widen);
        widen(&mut self.totals);
        self.columns = self.totals.len();
    }

    /// The holdout's column.
    pub fn held(&self) -> usize {
        self.columns - 1
    }

    /// Adds what has changed of a column in a stratum: a set of eligible arms and an epoch.
    pub fn add(&mut self, (set, epoch): (u16, u32), column: usize, change: &Stat) {
        let columns = self.columns;
        let row = self.rows.entry((set, epoch));
        let row = row.or_insert_with(|| vec![Stat::default(); columns].into());
        row[column].add(change);
        if row.iter().all(Stat::is_zero) {
            self.rows.remove(&(set, epoch));
        }
        self.totals[column].add(change);
    }

    /// The statistics of all strata together, the holdout's last.
    pub fn totals(&self) -> &[Stat] {
        &self.totals
    }

    /// The sets of eligible arms that were met, in order.
    pub fn sets(&self) -> Vec<u16> {
        let mut sets: Vec<u16> = self.rows.keys().map(|(set, _)| *set).collect();
        sets.dedup();
        sets
    }

    /// The arms side by side.
    pub fn arms(&self) -> Vec<Stat> {
        let arms = self.held();
        if self.rows.is_empty() {
            return vec![Stat::default(); arms];
        }
        side_by_side(&self.rows().collect::<Vec<_>>())
    }

    /// The set of eligible arms that most exposures had; 0 before there are any.
    pub fn usual_set(&self) -> u16 {
        let mut trials: BTreeMap<u16, i64> = BTreeMap::new();
        for ((set, _), row) in &self.rows {
            *trials.entry(*set).or_default() += row.iter().map(|stat| stat.trials).sum::<i64>();
        }
        let most = trials.into_iter().max_by_key(|(_, trials)| *trials);
        most.map_or(0, |(set, _)| set)
    }

    /// The arms of each stratum.
    pub fn rows(&self) -> impl Iterator<Item = &[Stat]> + '_ {
        self.rows.values().map(|row| &row[..self.columns - 1])
    }

    /// An arm and the holdout in each stratum, less what others of as many columns say of them.
    pub fn with_held<'a>(
        &'a self,
        arm: usize,
        less: &'a Strata,
    ) -> impl Iterator<Item = [Stat; 2]> + 'a {
        self.rows.iter().map(move |(stratum, row)| {
            let taken = less.rows.get(stratum);
            [arm, self.held()].map(|column| {
                let mut stat = row[column];
                if let Some(taken) = taken {
                    stat.add(&taken[column].negated());
                }
                stat
            })
        })
    }
}

/// Statistics of columns as if all rows had been shown all columns.
pub fn side_by_side(rows: &[&[Stat]]) -> Vec<Stat> {
    let mut totals = vec![Stat::default(); rows.first().map_or(0, |row| row.len())];
    for row in rows {
        totals
            .iter_mut()
            .zip(*row)
            .for_each(|(sum, stat)| sum.add(stat));
    }
    if rows.len() < 2 {
        return totals;
    }
    let effects = Effects::of(rows);
    let Some(met) = effects.met(rows, &totals) else {
        return totals;
    };
    let (level, counts) = (met.level, effects.evidence(&met, &totals));
    let stats = totals.iter().enumerate().map(|(column, total)| {
        let effect = effects.of[column];
        if effect > 0.0 {
            let kept = counts[column] / total.reward as f64;
            return Stat {
                trials: (counts[column] / (level * effect)).round() as i64,
                reward: counts[column].round() as i64,
                square: (total.square as f64 * kept).round() as i128,
            };
        }
        // Nothing earned: as many exposures as would have been expected to earn as much elsewhere.
        let exposures = rows.iter().map(|row| {
            let here = effects.level(row).unwrap_or(0.0);
            row[column].trials as f64 * here / level
        });
        Stat {
            trials: exposures.sum::<f64>().round() as i64,
            ..*total
        }
    });
    stats.collect()
}

impl Effects {
    /// Effects of the columns of some rows.
    pub fn of(rows: &[&[Stat]]) -> Effects {
        let columns = rows.first().map_or(0, |row| row.len()).min(COLUMNS_MAX);
        let mut effects = Effects {
            of: [0.0; COLUMNS_MAX],
            information: [0.0; COLUMNS_MAX],
        };
        for column in 0..columns {
            let (mut trials, mut reward) = (0.0, 0.0);
            for row in rows {
                trials += row[column].trials as f64;
                reward += row[column].reward as f64;
            }
            if trials > 0.0 && reward > 0.0 {
                effects.of[column] = reward / trials;
            }
        }
        let places: Vec<usize> = (0..columns).filter(|&c| effects.of[c] > 0.0).collect();
        for _ in 0..ROUNDS {
            let Some(step) = effects.step(rows, &places) else {
                break;
            };
            let longest = step
                .iter()
                .fold(0.0, |most: f64, step| most.max(step.abs()));
            let scale = STEP_MAX / longest.max(STEP_MAX);
            for (&column, step) in places.iter().zip(&step) {
                effects.of[column] *= libm::exp(step * scale);
            }
            if longest < STEP_LEAST {
                break;
            }
        }
        effects
    }

    /// A row's level: what it earned over what its exposures are expected to at level 1.
    pub fn level(&self, row: &[Stat]) -> Option<f64> {
        let (mut earned, mut expected) = (0.0, 0.0);
        for (stat, effect) in row.iter().zip(self.of).filter(|(_, effect)| *effect > 0.0) {
            earned += stat.reward as f64;
            expected += stat.trials as f64 * effect;
        }
        (earned > 0.0 && expected > 0.0).then(|| earned / expected)
    }

    /// A step of Newton's towards the greatest likelihood; notes the information on the way.
    fn step(&mut self, rows: &[&[Stat]], places: &[usize]) -> Option<Vec<f64>> {
        let size = places.len();
        let mut score = vec![0.0; size];
        let mut information = vec![0.0; size * size];
        let mut shares = vec![0.0; size];
        for row in rows {
            let (mut earned, mut expected) = (0.0, 0.0);
            for (share, &column) in shares.iter_mut().zip(places) {
                *share = row[column].trials.max(0) as f64 * self.of[column];
                expected += *share;
                earned += row[column].reward as f64;
            }
            if earned <= 0.0 || expected <= 0.0 {
                continue;
            }
            shares.iter_mut().for_each(|share| *share /= expected);
            for (i, &column) in places.iter().enumerate() {
                score[i] += row[column].reward as f64 - earned * shares[i];
                for j in 0..i {
                    information[i * size + j] -= earned * shares[i] * shares[j];
                }
                information[i * size + i] += earned * shares[i] * (1.0 - shares[i]);
            }
        }
        let diagonal = |i: usize| information[i * size + i];
        let most = (0..size).map(diagonal).fold(0.0, f64::max);
        for (i, &column) in places.iter().enumerate() {
            self.information[column] = information[i * size + i];
            // Effects are relative: the direction in which all grow alike is nobody's.
            for j in 0..=i {
                information[i * size + j] += most / size as f64;
            }
            information[i * size + i] += most * RIDGE;
        }
        if most <= 0.0 {
            return None;
        }
        Cholesky::of(information, size)?.solve(&mut score);
        Some(score)
    }

    /// What the columns earned where they met: a row counts by how evenly it was shared, relative to
    /// the totals. `None` where nothing was earned.
    fn met(&self, rows: &[&[Stat]], totals: &[Stat]) -> Option<Met> {
        let spread = |row: &[Stat]| {
            let (mut expected, mut squares) = (0.0, 0.0);
            for (stat, effect) in row.iter().zip(self.of) {
                let share = stat.trials.max(0) as f64 * effect;
                expected += share;
                squares += share * share;
            }
            (expected, 1.0 - squares / (expected * expected))
        };
        let (_, whole) = spread(totals);
        let mut rewards = [0.0; COLUMNS_MAX];
        let (mut earned, mut exposed) = (0.0, 0.0);
        for row in rows {
            let (expected, spread) = spread(row);
            let Some(level) = self.level(row) else {
                continue;
            };
            let weight = (spread / whole).min(1.0);
            for (column, stat) in row.iter().enumerate() {
                rewards[column] += weight * level * stat.trials.max(0) as f64 * self.of[column];
            }
            earned += weight * level * expected;
            exposed += weight * expected;
        }
        let level = earned / exposed;
        (earned > 0.0 && level.is_finite()).then_some(Met { rewards, level })
    }

    /// Rewards that each column counts for, were the columns independent; of two, in the proportion
    /// in which they were earned where both were.
    fn evidence(&self, met: &Met, totals: &[Stat]) -> PerColumn<f64> {
        let mut counts = met.rewards;
        for _ in 0..EVIDENCE_ROUNDS {
            let sum: f64 = counts.iter().sum();
            for (count, (total, information)) in
                counts.iter_mut().zip(totals.iter().zip(self.information))
            {
                let (others, most) = (1.0 - *count / sum, total.reward.max(0) as f64);
                let may = *count > 0.0 && others > 0.0;
                *count = if may {
                    (information / others).min(most)
                } else {
                    *count
                };
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn stat(trials: i64, rewarded: i64) -> Stat {
        Stat {
            trials,
            reward: rewarded * 1_000_000,
            square: i128::from(rewarded) * 1_000_000_000_000,
        }
    }

    #[test]
    fn one_stratum_is_what_it_is() {
        let row = [stat(100, 10), stat(300, 3), stat(7, 0), stat(0, 0)];
        assert_eq!(side_by_side(&[&row]), row);
        // Two of the same kind are one.
        let twice = [stat(200, 20), stat(600, 6), stat(14, 0), stat(0, 0)];
        assert_eq!(side_by_side(&[&row, &row]), twice);
    }

    #[test]
    fn an_arm_is_not_praised_for_whom_it_met() {
        // Everywhere the second arm earns half as much again; but it met the poor stratum more.
        let rich = [stat(9_000, 2_700), stat(1_000, 450)];
        let poor = [stat(1_000, 20), stat(9_000, 270)];
        let raw = (270.0 + 450.0) / 10_000.0 / ((2_700.0 + 20.0) / 10_000.0);
        assert!(raw < 0.3);
        let out = side_by_side(&[&rich, &poor]);
        let ratio = out[1].mean() / out[0].mean();
        assert!((ratio - 1.5).abs() < 0.002, "{ratio}");
        // What is known is the sum of what the strata know: each 1 / (1/R1 + 1/R2).
        let of = |a: f64, b: f64| 1.0 / (1.0 / a + 1.0 / b);
        let rewards = |stat: &Stat| stat.reward as f64 / 1e6;
        let known = of(rewards(&out[0]), rewards(&out[1]));
        let truth = of(2_700.0, 450.0) + of(20.0, 270.0);
        assert!((known / truth - 1.0).abs() < 0.01, "{known} of {truth}");
    }

    #[test]
    fn an_arm_alone_says_nothing() {
        let together = [stat(500, 50), stat(500, 60)];
        let alone = [stat(100_000, 30_000), stat(0, 0)];
        let out = side_by_side(&[&together, &alone]);
        let ratio = out[1].mean() / out[0].mean();
        assert!((ratio - 1.2).abs() < 0.01, "{ratio} {out:?}");
        let rewards = |stat: &Stat| stat.reward as f64 / 1e6;
        let known = 1.0 / (1.0 / rewards(&out[0]) + 1.0 / rewards(&out[1]));
        let truth = 1.0 / (1.0 / 50.0 + 1.0 / 60.0);
        assert!((known / truth - 1.0).abs() < 0.02, "{known} of {truth}");
    }

    #[test]
    fn odd_strata_are_no_trouble() {
        let nothing = [stat(0, 0); 3];
        assert_eq!(side_by_side(&[&nothing, &nothing]), nothing);
        assert!(side_by_side(&[]).is_empty());
        // Arms that never met, and one that loses money.
        let rows = [
            [stat(50, 5), stat(0, 0), stat(10, -2)],
            [stat(0, 0), stat(80, 4), stat(10, -1)],
        ];
        let out = side_by_side(&[&rows[0], &rows[1]]);
        assert!(out.iter().all(|stat| stat.trials >= 0));
        assert!(out[2].mean() < 0.0 && out[0].mean() > 0.0);
    }

    /// Draws of conversions in strata of many levels, in which arms' shares follow the levels.
    #[test]
    fn effects_are_found_and_their_errors_are_honest() {
        let truth = [1.0, 1.25, 0.8];
        let mut rng = Rng::new(5);
        let (mut inside, runs) = (0, 300);
        let mut sums = [0.0; 2];
        for _ in 0..runs {
            let mut rows = Vec::new();
            for stratum in 0..30 {
                let level = 0.03 + 0.002 * f64::from(stratum);
                let favoured = f64::from(stratum) / 30.0;
                let shares = [0.9 - 0.8 * favoured, 0.05 + 0.8 * favoured, 0.05];
                let mut row = [Stat::default(); 3];
                for _ in 0..400 {
                    let arm = rng.weighted(&shares);
                    let success = rng.chance(level * truth[arm]);
                    row[arm].add(&Stat::of(i64::from(success) * 1_000_000));
                }
                rows.push(row);
            }
            let rows: Vec<&[Stat]> = rows.iter().map(|row| &row[..]).collect();
            let out = side_by_side(&rows);
            for other in 1..3 {
                let off = libm::log(out[other].mean() / out[0].mean() / truth[other]);
                sums[other - 1] += off;
                let error = (1e6 / out[0].reward as f64 + 1e6 / out[other].reward as f64).sqrt();
                inside += u32::from(off.abs() < 1.96 * error);
            }
        }
        for sum in sums {
            assert!((sum / f64::from(runs)).abs() < 0.03, "bias {sums:?}");
        }
        let covered = f64::from(inside) / f64::from(2 * runs);
        assert!((0.92..=0.98).contains(&covered), "{covered}");
    }

    #[test]
    fn what_was_added_can_be_taken_away() {
        let mut strata = Strata::new(2);
        strata.add((3, 7), 0, &stat(2, 1));
        strata.add((3, 7), 2, &stat(1, 0));
        strata.add((1, 7), 0, &stat(5, 1));
        assert_eq!(strata.sets(), [1, 3]);
        assert_eq!(strata.totals()[0], stat(7, 2));
        assert_eq!(strata.usual_set(), 1);
        strata.add((1, 7), 0, &stat(5, 1).negated());
        assert_eq!(strata.sets(), [3]);
        let pairs: Vec<_> = strata.with_held(0, &Strata::new(2)).collect();
        assert_eq!(pairs, [[stat(2, 1), stat(1, 0)]]);
        strata.add((3, 7), 0, &stat(2, 1).negated());
        strata.add((3, 7), 2, &stat(1, 0).negated());
        assert_eq!(strata.arms(), [stat(0, 0); 2]);
    }

    #[test]
    fn room_for_an_arm_leaves_the_others_what_they_are() {
        let [mut wide, mut narrow] = [3, 2].map(Strata::new);
        let change = stat(10, 2);
        for (column, of_wide) in [(0, 0), (1, 1), (2, 3)] {
            narrow.add((3, 0), column, &change);
            wide.add((3, 0), of_wide, &change);
        }
        narrow.widen(3);
        narrow.add((7, 1), 2, &change);
        wide.add((7, 1), 2, &change);
        assert_eq!(narrow.totals(), wide.totals());
        assert_eq!((narrow.held(), narrow.sets()), (3, wide.sets()));
        assert_eq!(narrow.arms(), wide.arms());
    }
}
