//! What an arm is expected to earn: means of cells, shrunk towards the means above them.
//!
//! The direct method and both doubly robust estimators need a guess `q(situation, arm)` of the
//! reward. Here it is the mean reward of the cell (group, context, arm), pulled towards the mean of
//! (group, arm), that towards the mean of the group (or of the arm over all groups, where groups
//! share their arms), and that towards the mean of all rows. How hard it is pulled is found in the
//! data, level by level, by the moments of a one-way analysis of variance (empirical Bayes; Morris
//! 1983, Efron and Morris 1975): with variance `s²` within cells and `t²` between them, a cell of
//! `n` rows keeps the share `n / (n + s²/t²)` of its own mean. Where cells differ by no more than
//! chance, `t²` is 0 and all are their parent's.
//!
//! Guesses are cross-fitted (Chernozhukov et al. 2018): a row's guess comes from the rows of other
//! folds, so that it is independent of the row's reward, without which doubly robust estimates are
//! biased. Invariant: guesses depend on the counted rows alone, in their order. Cost: rows + folds²
//! × cells.

/// Count, sum and sum of squares of rewards.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    rows: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    /// Counts a reward so many times.
    pub fn count(&mut self, reward: f64, times: f64) {
        self.rows += times;
        self.sum += times * reward;
        self.squares += times * reward * reward;
    }

    fn add(&mut self, other: &Moments) {
        self.rows += other.rows;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn mean(&self) -> Option<f64> {
        (self.rows > 0.0).then(|| self.sum / self.rows)
    }
}

/// Which mean each cell's is pulled towards. All are numbers from 0 without gaps.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// For every cell (group, context, arm) its pair (group, arm).
    pub pair_of_cell: Vec<u32>,
    /// For every pair its group, or its arm where groups share their arms.
    pub top_of_pair: Vec<u32>,
    /// How many groups, or arms, there are.
    pub tops: u32,
}

impl Tree {
    /// The expected reward of every cell for rows of each fold: `[fold][cell]`, from the cells'
    /// moments in the *other* folds. Without any rows there, it is 0.
    pub fn cross_fit(&self, folds: &[Vec<Moments>]) -> Vec<Vec<f64>> {
        let but = |held: usize| {
            let mut cells = vec![Moments::default(); self.pair_of_cell.len()];
            for (fold, moments) in folds.iter().enumerate() {
                // Of a single fold nothing is held back: there is nothing else.
                if fold != held || folds.len() == 1 {
                    for (cell, more) in cells.iter_mut().zip(moments) {
                        cell.add(more);
                    }
                }
            }
            self.fit(&cells)
        };
        (0..folds.len()).map(but).collect()
    }

    /// The expected reward of every cell.
    fn fit(&self, cells: &[Moments]) -> Vec<f64> {
        let pairs = gathered(cells, &self.pair_of_cell, self.top_of_pair.len());
        let tops = gathered(&pairs, &self.top_of_pair, self.tops as usize);
        let root_of_top = vec![0; tops.len()];
        let root = gathered(&tops, &root_of_top, 1);
        let of_root = vec![root[0].mean().unwrap_or(0.0)];
        let of_tops = shrunk(&tops, &root_of_top, &root, &of_root);
        let of_pairs = shrunk(&pairs, &self.top_of_pair, &tops, &of_tops);
        shrunk(cells, &self.pair_of_cell, &pairs, &of_pairs)
    }
}

fn gathered(children: &[Moments], parent_of: &[u32], parents: usize) -> Vec<Moments> {
    let mut gathered = vec![Moments::default(); parents];
    for (child, parent) in children.iter().zip(parent_of) {
        gathered[*parent as usize].add(child);
    }
    gathered
}

/// The children's means, pulled towards the guesses for their parents.
fn shrunk(
    children: &[Moments],
    parent_of: &[u32],
    parents: &[Moments],
    of_parents: &[f64],
) -> Vec<f64> {
    let rows_alike = rows_alike(children, parent_of, parents);
    let one = |(child, parent): (&Moments, &u32)| {
        let towards = of_parents[*parent as usize];
        match rows_alike {
            Some(alike) if child.rows > 0.0 => (child.sum + alike * towards) / (child.rows + alike),
            _ => towards,
        }
    };
    children.iter().zip(parent_of).map(one).collect()
}

/// How many rows of its own make a child's mean as telling as its parent's, `s²/t²`; `None` if the
/// children differ by no more than chance.
fn rows_alike(children: &[Moments], parent_of: &[u32], parents: &[Moments]) -> Option<f64> {
    let (mut within, mut between, mut rows, mut unevenness) = (0.0, 0.0, 0.0, 0.0);
    let mut counted = 0.0;
    for (child, parent) in children.iter().zip(parent_of) {
        let parent = &parents[*parent as usize];
        let (Some(mean), Some(above)) = (child.mean(), parent.mean()) else {
            continue;
        };
        within += child.squares - child.sum * mean;
        between += child.rows * (mean - above) * (mean - above);
        unevenness += child.rows * child.rows / parent.rows;
        rows += child.rows;
        counted += 1.0;
    }
    let above = parents.iter().filter(|parent| parent.rows > 0.0).count() as f64;
    let (free_within, free_between) = (rows - counted, counted - above);
    if free_within <= 0.0 || free_between <= 0.0 {
        return None;
    }
    let variance_within = (within / free_within).max(0.0);
    let effective = (rows - unevenness) / free_between;
    let variance_between = (between / free_between - variance_within) / effective;
    (variance_between > 0.0).then(|| variance_within / variance_between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// One group of as many arms, one context.
    fn flat(arms: u32) -> Tree {
        Tree {
            pair_of_cell: (0..arms).collect(),
            top_of_pair: vec![0; arms as usize],
            tops: 1,
        }
    }

    fn moments(hits: f64, rows: f64) -> Moments {
        let mut moments = Moments::default();
        moments.count(1.0, hits);
        moments.count(0.0, rows - hits);
        moments
    }

    #[test]
    fn arms_that_differ_keep_their_means_and_arms_that_do_not_share_one() {
        let far = flat(2).fit(&[moments(1_000.0, 10_000.0), moments(9_000.0, 10_000.0)]);
        assert!(
            (far[0] - 0.1).abs() < 1e-3 && (far[1] - 0.9).abs() < 1e-3,
            "{far:?}"
        );
        let near = flat(2).fit(&[moments(100.0, 1_000.0), moments(101.0, 1_000.0)]);
        assert_eq!(near[0], near[1]);
        assert!((near[0] - 0.1005).abs() < 1e-12);
    }

    #[test]
    fn a_cell_without_rows_is_its_parent() {
        let fit = flat(3).fit(&[
            moments(10.0, 100.0),
            moments(90.0, 100.0),
            Moments::default(),
        ]);
        assert!((fit[2] - 0.5).abs() < 1e-12, "{fit:?}");
        assert_eq!(flat(2).fit(&[Moments::default(); 2]), [0.0, 0.0]);
    }

    /// Shrinking must beat both extremes on what is true: the arms' own means, and one mean.
    #[test]
    fn shrunken_means_are_nearer_to_the_truth() {
        let arms = 60u32;
        let (mut own, mut one, mut shrunken) = (0.0, 0.0, 0.0);
        for seed in 0..20 {
            let mut rng = Rng::new(seed);
            let truth: Vec<f64> = (0..arms).map(|_| rng.between(0.05, 0.35)).collect();
            let drawn = |p: &f64| moments((0..20).filter(|_| rng.chance(*p)).count() as f64, 20.0);
            let cells: Vec<Moments> = truth.iter().map(drawn).collect();
            let all = gathered(&cells, &vec![0; arms as usize], 1)[0]
                .mean()
                .unwrap();
            let fit = flat(arms).fit(&cells);
            for ((cell, p), q) in cells.iter().zip(&truth).zip(fit) {
                own += (cell.mean().unwrap() - p).powi(2);
                one += (all - p).powi(2);
                shrunken += (q - p).powi(2);
            }
        }
        assert!(
            shrunken < 0.85 * own && shrunken < 0.85 * one,
            "{shrunken} {own} {one}"
        );
    }

    #[test]
    fn a_row_never_sees_its_own_fold() {
        let (mut one, mut other) = (moments(0.0, 50.0), moments(50.0, 50.0));
        let fits = flat(1).cross_fit(&[vec![one], vec![other]]);
        assert_eq!(fits, [[1.0], [0.0]]);
        // Whatever happens in a fold, its own guesses stay.
        one.count(1.0, 1e6);
        other.count(0.0, 1.0);
        assert_eq!(
            flat(1).cross_fit(&[vec![one], vec![moments(50.0, 50.0)]])[0],
            [1.0]
        );
        assert_eq!(flat(1).cross_fit(&[vec![moments(5.0, 10.0)]]), [[0.5]]);
    }

    #[test]
    fn contexts_are_pulled_towards_their_arm() {
        // Two arms, two contexts each; the arms differ, the contexts do not.
        let tree = Tree {
            pair_of_cell: vec![0, 1, 0, 1],
            top_of_pair: vec![0, 0],
            tops: 1,
        };
        let fit = tree.fit(&[
            moments(100.0, 1_000.0),
            moments(800.0, 1_000.0),
            moments(101.0, 1_000.0),
            moments(799.0, 1_000.0),
        ]);
        assert_eq!((fit[0], fit[1]), (fit[2], fit[3]));
        assert!(
            (fit[0] - 0.1).abs() < 2e-3 && (fit[1] - 0.8).abs() < 2e-3,
            "{fit:?}"
        );
    }
}
