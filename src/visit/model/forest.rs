//! Trees in the compact form that the job scores with.
//!
//! No tree is walked. The thresholds of all trees cut the axis of a feature into intervals, and
//! within an interval a feature rules out the same leaves of every tree whatever the other
//! features are. So each interval has a set of leaves that are left, sixteen leaves to a `u16`
//! lane; the sets of a row's intervals are intersected, and of every tree one leaf remains: the
//! one a walk would come to, since exactly on its path all features agree. (The idea is
//! QuickScorer's, Lucchese et al. 2015; sets ready for every interval are from its successors.)
//! Missing values are one interval more, so they cost nothing extra.
//!
//! Invariant: a score is the same bits alone or in a batch. Lane n adds its leaf to partial sum
//! n mod 4, in order; the score is base + ((s0 + s1) + (s2 + s3)). Lanes are numbered in the order
//! of the trees, a tree with more than sixteen leaves having several, its leaves left to right.
//!
//! Cost: a binary search a feature, and 2 bytes read a feature and lane (`benches/score.rs`
//! measures). A batch reads a block of lanes for many rows while it is in the nearest cache.
//! Memory: 2 bytes a lane for each threshold in its block, and 2 bytes a block for each threshold
//! of the forest.

use super::tree::{Child, Missing, Tree, ZERO_MAX};
use std::hint::select_unpredictable;

/// Leaves in a lane: bits of its integer.
const LANE_LEAVES: usize = 16;
/// Lanes whose sets lie together.
const BLOCK_LANES: usize = 32;
/// Features searched side by side, so that their loads overlap.
const SEARCH_WIDTH: usize = 4;
/// Partial sums.
const SUMS: usize = 4;
/// Rows scored together in a batch.
pub const BATCH_ROWS: usize = 64;
/// Fewer rows than this are scored alone: a batch has its costs.
const BATCH_ROWS_MIN: usize = 4;
/// Intervals kept on the stack for one row, and for a batch; beyond, an allocation.
const SINGLE_RANKS: usize = 128;
const BATCH_RANKS: usize = 64 * BATCH_ROWS;

/// Which leaves of the lanes of a block are left.
type Set = [u16; BLOCK_LANES];
/// The values of a lane's leaves, and 0 for "the leaf is in another lane".
type Values = [f64; LANE_LEAVES + 1];

/// A sum of trees.
#[derive(Clone, Debug)]
pub struct Forest {
    base: f64,
    searches: Vec<Search>,
    cuts: Vec<f64>,
    blocks: Vec<Block>,
    places: Vec<u16>,
    sets: Vec<Set>,
    values: Vec<[Values; BLOCK_LANES]>,
}

/// Some features whose intervals are searched in as many steps.
#[derive(Clone, Copy, Debug)]
struct Search {
    columns: [u32; SEARCH_WIDTH],
    cuts: [u32; SEARCH_WIDTH],
    steps: u32,
}

/// Neighbouring lanes, and the features that their trees ask.
#[derive(Clone, Debug)]
struct Block {
    uses: Vec<Use>,
}

/// What a block knows of a feature: `sets[set + places[place + rank]]` for the interval `rank`.
#[derive(Clone, Copy, Debug)]
struct Use {
    slot: u32,
    place: u32,
    set: u32,
}

impl Forest {
    /// Flattens trees that have been checked. `base` is the log-odds before the first tree.
    pub fn new(base: f64, trees: &[Tree]) -> Forest {
        let mut forest = Forest {
            base,
            searches: Vec::new(),
            cuts: Vec::new(),
            blocks: Vec::new(),
            places: Vec::new(),
            sets: Vec::new(),
            values: Vec::new(),
        };
        forest.lay_cuts(trees);
        let lanes: Vec<Lane> = trees.iter().flat_map(Lane::all).collect();
        for lanes in lanes.chunks(BLOCK_LANES) {
            forest.lay_block(lanes);
        }
        forest
    }

    /// The log-odds of a row.
    pub fn log_odds(&self, row: &[f64]) -> f64 {
        let slots = self.searches.len() * SEARCH_WIDTH;
        let mut sums = [[0.0; SUMS]];
        if slots <= SINGLE_RANKS {
            let mut ranks = [0; SINGLE_RANKS];
            self.rank(row, &mut ranks[..slots]);
            self.add(&ranks[..slots], &mut sums);
        } else {
            let mut ranks = vec![0; slots];
            self.rank(row, &mut ranks);
            self.add(&ranks, &mut sums);
        }
        self.total(&sums[0])
    }

    /// The log-odds of rows that lie one after the other, `columns` values each: the same bits as
    /// one by one. Writes as many as there are whole rows, or places in `out`.
    pub fn log_odds_of_rows(&self, rows: &[f64], columns: usize, out: &mut [f64]) {
        let whole = rows.len().checked_div(columns).unwrap_or(out.len());
        let (out, _) = out.split_at_mut(whole.min(out.len()));
        let slots = self.searches.len() * SEARCH_WIDTH;
        let fits = slots > 0 && slots * BATCH_ROWS <= BATCH_RANKS && columns > 0;
        if out.len() < BATCH_ROWS_MIN || !fits {
            for (at, out) in out.iter_mut().enumerate() {
                *out = self.log_odds(&rows[at * columns..(at + 1) * columns]);
            }
            return;
        }
        let mut ranks = [0; BATCH_RANKS];
        let batches = rows.chunks(columns * BATCH_ROWS);
        for (rows, out) in batches.zip(out.chunks_mut(BATCH_ROWS)) {
            let mut sums = [[0.0; SUMS]; BATCH_ROWS];
            for (row, ranks) in rows
                .chunks_exact(columns)
                .zip(ranks.chunks_exact_mut(slots))
            {
                self.rank(row, ranks);
            }
            self.add(&ranks[..out.len() * slots], &mut sums[..out.len()]);
            for (out, sums) in out.iter_mut().zip(&sums) {
                *out = self.total(sums);
            }
        }
    }

    /// The places of the features that the trees ask, some more than once.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        let columns = self.searches.iter().flat_map(|search| search.columns);
        columns.map(|column| column as usize)
    }

    /// The interval of each feature: how many of its cuts are at most the value. The first cut is
    /// −∞, so only a missing value has rank 0.
    #[inline]
    fn rank(&self, row: &[f64], ranks: &mut [u32]) {
        for (ranks, search) in ranks.chunks_exact_mut(SEARCH_WIDTH).zip(&self.searches) {
            let x = search.columns.map(|column| row[column as usize]);
            let mut at = search.cuts;
            let mut step = 1 << search.steps;
            while step > 1 {
                step >>= 1;
                for (at, x) in at.iter_mut().zip(x) {
                    let beyond = *at + step;
                    *at = select_unpredictable(self.cuts[beyond as usize - 1] <= x, beyond, *at);
                }
            }
            for (rank, (at, start)) in ranks.iter_mut().zip(at.iter().zip(search.cuts)) {
                *rank = at - start;
            }
        }
    }

    /// Adds the leaves of all lanes, for rows whose ranks lie one after the other.
    #[inline]
    fn add(&self, ranks: &[u32], sums: &mut [[f64; SUMS]]) {
        let slots = self.searches.len() * SEARCH_WIDTH;
        for (block, values) in self.blocks.iter().zip(&self.values) {
            for (row, sums) in sums.iter_mut().enumerate() {
                let ranks = &ranks[row * slots..(row + 1) * slots];
                let mut left: Set = [u16::MAX; BLOCK_LANES];
                for at in &block.uses {
                    let place = self.places[(at.place + ranks[at.slot as usize]) as usize];
                    let set = &self.sets[at.set as usize + place as usize];
                    for (left, set) in left.iter_mut().zip(set) {
                        *left &= set;
                    }
                }
                let lanes = left.chunks_exact(SUMS).zip(values.chunks_exact(SUMS));
                for (left, values) in lanes {
                    for ((sum, left), values) in sums.iter_mut().zip(left).zip(values) {
                        *sum += values[left.trailing_zeros() as usize];
                    }
                }
            }
        }
    }

    #[inline]
    fn total(&self, sums: &[f64; SUMS]) -> f64 {
        self.base + ((sums[0] + sums[1]) + (sums[2] + sums[3]))
    }

    /// Collects the thresholds of every feature that is asked, sorted, −∞ before and +∞ after up
    /// to a power of two less one.
    fn lay_cuts(&mut self, trees: &[Tree]) {
        let columns = trees.iter().flat_map(|tree| &tree.feature).max();
        let mut cuts = vec![Vec::new(); columns.map_or(0, |&most| most as usize + 1)];
        for tree in trees {
            for node in 0..tree.feature.len() {
                cuts[tree.feature[node] as usize].extend(node_cuts(tree, node));
            }
        }
        let mut features: Vec<(u32, Vec<f64>)> = (0..).zip(cuts).collect();
        features.retain(|(_, cuts)| !cuts.is_empty());
        for (_, cuts) in &mut features {
            cuts.push(f64::NEG_INFINITY);
            sort(cuts);
        }
        features.sort_by_key(|(_, cuts)| cuts.len());
        for features in features.chunks(SEARCH_WIDTH) {
            let most = features.iter().map(|(_, cuts)| cuts.len()).max();
            let width = (most.unwrap_or(0) + 1).next_power_of_two();
            let mut search = Search {
                columns: [features[0].0; SEARCH_WIDTH],
                cuts: [self.cuts.len() as u32; SEARCH_WIDTH],
                steps: width.ilog2(),
            };
            for (place, (column, cuts)) in features.iter().enumerate() {
                search.columns[place] = *column;
                search.cuts[place] = self.cuts.len() as u32;
                self.cuts.extend(cuts);
                let padding = width - 1 - cuts.len();
                self.cuts
                    .extend(std::iter::repeat_n(f64::INFINITY, padding));
            }
            self.searches.push(search);
        }
    }

    /// Writes the sets of a block: for each feature that its trees ask, for each interval.
    fn lay_block(&mut self, lanes: &[Lane]) {
        let mut uses = Vec::new();
        for slot in 0..self.searches.len() * SEARCH_WIDTH {
            let search = self.searches[slot / SEARCH_WIDTH];
            let place = slot % SEARCH_WIDTH;
            let (column, start) = (search.columns[place], search.cuts[place] as usize);
            let repeated = place > 0 && search.cuts[place] == search.cuts[0];
            if repeated || !lanes.iter().any(|lane| lane.tree.feature.contains(&column)) {
                continue;
            }
            let cuts = &self.cuts[start..start + (1 << search.steps) - 1];
            let mut sets: Vec<Set> = vec![[u16::MAX; BLOCK_LANES]; cuts.len() + 1];
            for (at, lane) in lanes.iter().enumerate() {
                lane.fill(column, cuts, |rank, left| sets[rank][at] = left);
            }
            let first = self.sets.len();
            uses.push(Use {
                slot: slot as u32,
                place: self.places.len() as u32,
                set: first as u32,
            });
            for set in sets {
                if self.sets.len() == first || self.sets.last() != Some(&set) {
                    self.sets.push(set);
                }
                // A lane's set changes at most twice a leaf: the places of a block fit.
                self.places.push((self.sets.len() - 1 - first) as u16);
            }
        }
        self.blocks.push(Block { uses });
        let mut values = [[0.0; LANE_LEAVES + 1]; BLOCK_LANES];
        for (values, lane) in values.iter_mut().zip(lanes) {
            values[..lane.values.len()].copy_from_slice(&lane.values);
        }
        self.values.push(values);
    }
}

/// Sixteen neighbouring leaves of a tree.
struct Lane<'a> {
    tree: &'a Tree,
    /// Per inner node, the lane's leaves under its left and under its right child.
    under: Vec<[u16; 2]>,
    values: Vec<f64>,
}

impl<'a> Lane<'a> {
    fn all(tree: &'a Tree) -> Vec<Lane<'a>> {
        let inner = tree.feature.len();
        let mut leaves = vec![[0u32; 2]; inner];
        for node in (0..inner).rev() {
            leaves[node] = [tree.left[node], tree.right[node]].map(|child| match child {
                Child::Inner(child) => leaves[child as usize].iter().sum(),
                Child::Leaf(_) => 1,
            });
        }
        let (mut start, mut order) = (vec![0u32; inner], vec![0; inner + 1]);
        for node in 0..inner {
            let middle = start[node] + leaves[node][0];
            for (child, at) in [(tree.left[node], start[node]), (tree.right[node], middle)] {
                match child {
                    Child::Inner(child) => start[child as usize] = at,
                    Child::Leaf(leaf) => order[at as usize] = leaf as usize,
                }
            }
        }
        let lane = |(number, order): (usize, &[usize])| {
            let first = number * LANE_LEAVES;
            // The leaves from `from`, `count` of them, as bits of this lane.
            let bits = |from: u32, count: u32| {
                let place = |leaf: u32| (leaf as usize).clamp(first, first + LANE_LEAVES) - first;
                let below = |place: usize| (1u32 << place) - 1;
                (below(place(from + count)) & !below(place(from))) as u16
            };
            let under = |(start, [left, right]): (&u32, &[u32; 2])| {
                [bits(*start, *left), bits(start + left, *right)]
            };
            Lane {
                tree,
                under: start.iter().zip(&leaves).map(under).collect(),
                values: order.iter().map(|&leaf| tree.value[leaf]).collect(),
            }
        };
        order.chunks(LANE_LEAVES).enumerate().map(lane).collect()
    }

    /// Tells for each rank of a feature which leaves it leaves.
    fn fill(&self, column: u32, cuts: &[f64], mut put: impl FnMut(usize, u16)) {
        let tree = self.tree;
        let mut nodes: Vec<usize> = (0..tree.feature.len()).collect();
        nodes.retain(|&node| tree.feature[node] == column && self.under[node] != [0, 0]);
        let left_over = |x: f64| {
            nodes.iter().fold(u16::MAX, |left, &node| {
                let [under_left, under_right] = self.under[node];
                let goes_left = tree.sends_left(node, x);
                left & !if goes_left { under_right } else { under_left }
            })
        };
        put(0, left_over(f64::NAN));
        let mut own = vec![f64::NEG_INFINITY];
        own.extend(nodes.iter().flat_map(|&node| node_cuts(tree, node)));
        sort(&mut own);
        let mut own = own.into_iter().peekable();
        let mut left = u16::MAX;
        for (rank, cut) in (1..).zip(cuts) {
            if own.next_if(|own| own == cut).is_some() {
                left = left_over(*cut);
            }
            put(rank, left);
        }
    }
}

/// Where what a node does changes: each is the least value of an interval.
fn node_cuts(tree: &Tree, node: usize) -> impl Iterator<Item = f64> {
    let zero = matches!(tree.missing[node], Missing::ZeroLeft | Missing::ZeroRight);
    let zeros = [-ZERO_MAX, ZERO_MAX.next_up()];
    // Adding 0 makes −0 into 0: they compare equal and must sort so.
    std::iter::once(tree.threshold[node] + 0.0).chain(zeros.into_iter().filter(move |_| zero))
}

fn sort(cuts: &mut Vec<f64>) {
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// SplitMix64: the same trees and rows on every run.
    pub(crate) struct Random(pub u64);

    impl Random {
        pub(crate) fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % end
        }

        pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
            from[self.below(from.len() as u64) as usize]
        }

        /// A value that thresholds are made of, too: equalities are common.
        pub(crate) fn value(&mut self) -> f64 {
            let odd = [
                0.0, -0.0, 1e-35, -1e-35, ZERO_MAX, -ZERO_MAX, 2e-35, 5e-324, -1e300,
            ];
            match self.below(3) {
                0 => self.pick(&odd),
                _ => self.below(13) as f64 / 2.0 - 3.0,
            }
        }

        pub(crate) fn row(&mut self, columns: usize) -> Vec<f64> {
            let odd = [
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::NAN,
                0.0,
                -0.0,
            ];
            let mut cell = || match self.below(3) {
                0 => self.pick(&odd),
                _ => self.value(),
            };
            (0..columns).map(|_| cell()).collect()
        }

        /// A tree grown by splitting random leaves, or always the newest: a chain.
        pub(crate) fn tree(&mut self, leaves: usize, columns: usize, chain: bool) -> Tree {
            let kinds = [
                Missing::Left,
                Missing::Right,
                Missing::ZeroLeft,
                Missing::ZeroRight,
            ];
            let leaf = |random: &mut Random| (random.below(2001) as f64 - 1000.0) / 700.0;
            let mut tree = Tree::constant(leaf(self), 1.0);
            let mut parent: Vec<Option<(usize, bool)>> = vec![None];
            for new in 1..leaves {
                let split = if chain {
                    new - 1
                } else {
                    self.below(new as u64) as usize
                };
                let node = new - 1;
                match parent[split] {
                    Some((above, true)) => tree.left[above] = Child::Inner(node as u32),
                    Some((above, false)) => tree.right[above] = Child::Inner(node as u32),
                    None => {}
                }
                let left = self.below(2) == 0;
                parent[split] = Some((node, left));
                parent.push(Some((node, !left)));
                let (old, new) = (Child::Leaf(split as u32), Child::Leaf(new as u32));
                tree.left.push(if left { old } else { new });
                tree.right.push(if left { new } else { old });
                tree.feature.push(self.below(columns as u64) as u32);
                tree.threshold.push(self.value());
                tree.missing.push(self.pick(&kinds));
                tree.value.push(leaf(self));
                tree.cover.push(1.0 + self.below(1000) as f64 / 7.0);
            }
            assert_eq!(tree.check(columns), Ok(()));
            tree
        }
    }

    /// The same sum, leaf by leaf, with walks.
    fn naive(base: f64, trees: &[Tree], row: &[f64]) -> f64 {
        let (mut sums, mut lane) = ([0.0; SUMS], 0);
        for tree in trees {
            let order = left_to_right(tree, tree.root());
            let at = order
                .iter()
                .position(|&leaf| leaf == tree.leaf(row))
                .unwrap();
            sums[(lane + at / LANE_LEAVES) % SUMS] += tree.value[order[at]];
            lane += order.len().div_ceil(LANE_LEAVES);
        }
        base + ((sums[0] + sums[1]) + (sums[2] + sums[3]))
    }

    fn left_to_right(tree: &Tree, from: Child) -> Vec<usize> {
        match from {
            Child::Leaf(leaf) => vec![leaf as usize],
            Child::Inner(node) => {
                let mut leaves = left_to_right(tree, tree.left[node as usize]);
                leaves.extend(left_to_right(tree, tree.right[node as usize]));
                leaves
            }
        }
    }

    fn agrees(trees: &[Tree], columns: usize, random: &mut Random) {
        let base = random.value();
        let forest = Forest::new(base, trees);
        let rows: Vec<f64> = (0..150).flat_map(|_| random.row(columns)).collect();
        let mut scores = vec![0.0; 150];
        forest.log_odds_of_rows(&rows, columns, &mut scores);
        for (row, score) in rows.chunks(columns).zip(scores) {
            let expected = naive(base, trees, row);
            assert_eq!(
                forest.log_odds(row).to_bits(),
                expected.to_bits(),
                "{row:?}"
            );
            assert_eq!(score.to_bits(), expected.to_bits(), "{row:?} in a batch");
        }
    }

    #[test]
    fn scores_are_those_of_walks_to_the_last_bit() {
        let mut random = Random(1);
        for round in 0..60 {
            let columns = 1 + random.below(9) as usize;
            let tree = |random: &mut Random| {
                let leaves = 1 + random.below(40) as usize;
                random.tree(leaves, columns, round % 3 == 0)
            };
            let trees: Vec<Tree> = (0..random.below(80)).map(|_| tree(&mut random)).collect();
            agrees(&trees, columns, &mut random);
        }
    }

    #[test]
    fn many_columns_and_large_trees_are_scored_too() {
        let mut random = Random(2);
        for (leaves, columns, chain) in [(700, 300, false), (600, 3, true), (1200, 20, false)] {
            let trees = [(); 4].map(|()| random.tree(leaves, columns, chain));
            agrees(&trees, columns, &mut random);
        }
    }

    #[test]
    fn no_trees_score_the_base() {
        assert_eq!(Forest::new(0.5, &[]).log_odds(&[]), 0.5);
        let constant = Forest::new(0.5, &[Tree::constant(1.0, 1.0)]);
        let mut out = [0.0; 3];
        constant.log_odds_of_rows(&[f64::NAN; 6], 2, &mut out);
        assert_eq!(out, [1.5; 3]);
        constant.log_odds_of_rows(&[], 2, &mut out);
        constant.log_odds_of_rows(&[], 0, &mut out);
        assert_eq!(out, [1.5; 3]);
    }
}
