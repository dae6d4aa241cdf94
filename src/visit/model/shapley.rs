//! What each feature adds to a sum of trees: exact SHAP values, path-dependent, by covers.
//!
//! The game is TreeSHAP's (Lundberg et al. 2018, algorithm 2): a feature that is not in the
//! coalition goes down both sides of its splits, by the shares of the rows that did so while
//! fitting. Invariant: [`Explainer::expected`] plus all contributions is the row's log-odds, to
//! within rounding.
//!
//! What a leaf contributes depends on the row only by which tests on its path hold. So a tree is
//! cut into groups of neighbouring leaves with few tests between root and leaves, and for every
//! outcome of a group's tests what its leaves contribute together is in a table (the idea is Fast
//! TreeSHAP's second version, Yang 2021, there by leaf). To explain is to test, look up and add.
//! A leaf under very many tests has no table; algorithm 2 runs for it.
//!
//! Cost (`benches/score.rs` measures): a comparison per group and test, an addition per group and
//! feature. Memory: up to 2⁸ rows a group of several leaves, some 22 kB for a tree of 16 leaves.

use super::tree::{Child, Missing, Tree, ZERO_MAX};

/// Most tests of a group of several leaves.
const GROUP_TESTS: usize = 8;
/// Most tests of a leaf that has a table.
const TABLE_TESTS: usize = 10;
/// Values kept on the stack; beyond, an allocation.
const STACK_VIEWS: usize = 256;

/// Trees made ready to be explained.
#[derive(Clone, Debug)]
pub struct Explainer {
    expected: f64,
    views: Vec<View>,
    groups: Vec<Group>,
    tests: Vec<Test>,
    features: Vec<u32>,
    table: Vec<f64>,
    deep: Vec<Deep>,
}

/// A column with its missing values put where they compare as their node says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct View {
    column: u32,
    missing: Missing,
}

/// Holds when the view's value is below the threshold.
#[derive(Clone, Copy, Debug)]
struct Test {
    threshold: f64,
    view: u32,
}

/// Neighbouring leaves: row `outcome` of the table is `features` wide and begins at
/// `table + outcome × width`.
#[derive(Clone, Copy, Debug)]
struct Group {
    tests: [u32; 2],
    features: [u32; 2],
    table: usize,
}

/// A leaf without a table: its tests with the outcome each needs, and whose each is.
#[derive(Clone, Debug)]
struct Deep {
    steps: Vec<(Test, bool, usize)>,
    leaf: Leaf,
}

/// The path to a leaf, a feature's tests taken together.
#[derive(Clone, Debug)]
struct Leaf {
    value: f64,
    features: Vec<u32>,
    /// Per feature, the share of the rows that its splits send this way.
    share: Vec<f64>,
    /// Inner node, whether left is the way, place in `features`.
    steps: Vec<(usize, bool, usize)>,
}

impl Explainer {
    /// Prepares trees that have been checked for rows of `columns` values. `base` is the log-odds
    /// before the first tree.
    pub fn new(base: f64, trees: &[Tree], columns: usize) -> Explainer {
        let mut explainer = Explainer {
            expected: base,
            views: Vec::new(),
            groups: Vec::new(),
            tests: Vec::new(),
            features: Vec::new(),
            table: Vec::new(),
            deep: Vec::new(),
        };
        for tree in trees {
            debug_assert_eq!(tree.check(columns), Ok(()));
            explainer.lay(tree);
        }
        explainer
    }

    /// The log-odds of a row of which nothing is known: the base and every tree's mean.
    pub fn expected(&self) -> f64 {
        self.expected
    }

    /// What each column adds to the log-odds of a row. `out` has a place a column; what was in it
    /// is overwritten.
    pub fn contributions(&self, row: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        if self.views.len() <= STACK_VIEWS {
            let mut values = [0.0; STACK_VIEWS];
            self.look(row, &mut values);
            self.add(&values[..self.views.len()], out);
        } else {
            let mut values = vec![0.0; self.views.len()];
            self.look(row, &mut values);
            self.add(&values, out);
        }
    }

    fn look(&self, row: &[f64], values: &mut [f64]) {
        for (value, view) in values.iter_mut().zip(&self.views) {
            *value = view.look(row[view.column as usize]);
        }
    }

    fn add(&self, values: &[f64], out: &mut [f64]) {
        for group in &self.groups {
            let [from, to] = group.tests.map(|at| at as usize);
            let tests = self.tests[from..to].iter();
            let outcome = tests.fold(0, |outcome, test| {
                2 * outcome + usize::from(test.holds(values))
            });
            let [from, to] = group.features.map(|at| at as usize);
            let features = &self.features[from..to];
            let table = &self.table[group.table + outcome * features.len()..];
            for (feature, part) in features.iter().zip(table) {
                out[*feature as usize] += part;
            }
        }
        for deep in &self.deep {
            let mut agrees = vec![true; deep.leaf.features.len()];
            for (test, left, feature) in &deep.steps {
                agrees[*feature] &= test.holds(values) == *left;
            }
            deep.leaf.spread(&agrees, |place, part| {
                out[deep.leaf.features[place] as usize] += part;
            });
        }
    }

    /// Cuts a tree into the largest groups that have few tests.
    fn lay(&mut self, tree: &Tree) {
        let shape = Shape::of(tree);
        let all: f64 = tree.cover.iter().sum();
        let mean = tree
            .value
            .iter()
            .zip(&tree.cover)
            .map(|(value, cover)| value * (cover / all));
        self.expected += mean.sum::<f64>();
        let mut open = vec![(tree.root(), 0)];
        while let Some((at, depth)) = open.pop() {
            match at {
                Child::Inner(node) if depth + shape.inside[node as usize] > GROUP_TESTS => {
                    open.push((tree.left[node as usize], depth + 1));
                    open.push((tree.right[node as usize], depth + 1));
                }
                Child::Leaf(leaf) if depth > TABLE_TESTS => self.lay_deep(tree, &shape, leaf),
                _ => self.lay_group(tree, &shape, at),
            }
        }
    }

    fn lay_group(&mut self, tree: &Tree, shape: &Shape, at: Child) {
        let (mut leaves, mut open) = (Vec::new(), vec![at]);
        while let Some(at) = open.pop() {
            match at {
                Child::Leaf(leaf) => leaves.push(shape.leaf(tree, leaf as usize)),
                Child::Inner(node) => {
                    open.extend([tree.left[node as usize], tree.right[node as usize]]);
                }
            }
        }
        let mut nodes: Vec<usize> = leaves.iter().flat_map(Leaf::nodes).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let mut features: Vec<u32> = nodes.iter().map(|&node| tree.feature[node]).collect();
        features.sort_unstable();
        features.dedup();
        let (tests, places) = (self.tests.len() as u32, self.features.len() as u32);
        for &node in &nodes {
            let test = self.test(tree, node);
            self.tests.push(test);
        }
        self.features.extend(&features);
        self.groups.push(Group {
            tests: [tests, self.tests.len() as u32],
            features: [places, self.features.len() as u32],
            table: self.table.len(),
        });
        for outcome in 0..1usize << nodes.len() {
            let start = self.table.len();
            self.table.resize(start + features.len(), 0.0);
            for leaf in &leaves {
                let mut agrees = vec![true; leaf.features.len()];
                for &(node, left, feature) in &leaf.steps {
                    let place = nodes.partition_point(|&other| other < node);
                    let holds = outcome >> (nodes.len() - 1 - place) & 1 == 1;
                    agrees[feature] &= holds == left;
                }
                leaf.spread(&agrees, |place, part| {
                    let place = features.partition_point(|&other| other < leaf.features[place]);
                    self.table[start + place] += part;
                });
            }
        }
    }

    fn lay_deep(&mut self, tree: &Tree, shape: &Shape, leaf: u32) {
        let leaf = shape.leaf(tree, leaf as usize);
        let step = |&(node, left, feature): &_| (self.test(tree, node), left, feature);
        let steps = leaf.steps.iter().map(step).collect();
        self.deep.push(Deep { steps, leaf });
    }

    fn test(&mut self, tree: &Tree, node: usize) -> Test {
        let view = View {
            column: tree.feature[node],
            missing: tree.missing[node],
        };
        let found = self.views.iter().position(|other| *other == view);
        let place = found.unwrap_or_else(|| {
            self.views.push(view);
            self.views.len() - 1
        });
        Test {
            threshold: tree.threshold[node],
            view: place as u32,
        }
    }
}

impl View {
    /// −∞ is below every threshold, NaN is below none.
    #[inline]
    fn look(self, x: f64) -> f64 {
        let zero = x.abs() <= ZERO_MAX;
        match self.missing {
            Missing::Left if x.is_nan() => f64::NEG_INFINITY,
            Missing::ZeroLeft if x.is_nan() || zero => f64::NEG_INFINITY,
            Missing::ZeroRight if zero => f64::NAN,
            _ => x,
        }
    }
}

impl Test {
    #[inline]
    fn holds(self, values: &[f64]) -> bool {
        values[self.view as usize] < self.threshold
    }
}

impl Leaf {
    fn nodes(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().map(|step| step.0)
    }

    /// Algorithm 2 of the paper for one leaf: `weights[i]` sums over the coalitions of i features
    /// the chance that a row with only these known comes here, weighed as Shapley weighs them.
    /// `agrees` tells whose tests the row passes.
    fn spread(&self, agrees: &[bool], mut add: impl FnMut(usize, f64)) {
        let most = self.share.len();
        let (mut weights, last) = (vec![0.0; most + 1], most as f64);
        weights[0] = 1.0;
        for (at, (share, agrees)) in self.share.iter().zip(agrees).enumerate() {
            let length = at as f64 + 2.0;
            for i in (0..=at).rev() {
                if *agrees {
                    weights[i + 1] += weights[i] * (i as f64 + 1.0) / length;
                }
                weights[i] *= share * (at - i + 1) as f64 / length;
            }
        }
        for (place, (share, agrees)) in self.share.iter().zip(agrees).enumerate() {
            let (mut sum, mut next) = (0.0, weights[most]);
            for i in (0..most).rev() {
                let rest = (most - i) as f64;
                if *agrees {
                    let without = next * (last + 1.0) / (i as f64 + 1.0);
                    sum += without;
                    next = weights[i] - without * share * rest / (last + 1.0);
                } else {
                    sum += weights[i] * (last + 1.0) / (share * rest);
                }
            }
            let gain = if *agrees { 1.0 - share } else { -share };
            add(place, sum * gain * self.value);
        }
    }
}

/// What is needed to find the way from a leaf up.
struct Shape {
    /// Per inner node, and per leaf: parent and whether it is the left child.
    inner_parent: Vec<Option<(usize, bool)>>,
    leaf_parent: Vec<Option<(usize, bool)>>,
    /// Per inner node: the inner nodes under it and itself, and the cover of its leaves.
    inside: Vec<usize>,
    cover: Vec<f64>,
}

impl Shape {
    fn of(tree: &Tree) -> Shape {
        let inner = tree.feature.len();
        let mut shape = Shape {
            inner_parent: vec![None; inner],
            leaf_parent: vec![None; inner + 1],
            inside: vec![1; inner],
            cover: vec![0.0; inner],
        };
        for node in (0..inner).rev() {
            for (child, left) in [(tree.left[node], true), (tree.right[node], false)] {
                match child {
                    Child::Leaf(leaf) => {
                        shape.leaf_parent[leaf as usize] = Some((node, left));
                        shape.cover[node] += tree.cover[leaf as usize];
                    }
                    Child::Inner(child) => {
                        shape.inner_parent[child as usize] = Some((node, left));
                        shape.cover[node] += shape.cover[child as usize];
                        shape.inside[node] += shape.inside[child as usize];
                    }
                }
            }
        }
        shape
    }

    fn leaf(&self, tree: &Tree, leaf: usize) -> Leaf {
        let mut path = Leaf {
            value: tree.value[leaf],
            features: Vec::new(),
            share: Vec::new(),
            steps: Vec::new(),
        };
        let (mut up, mut cover) = (self.leaf_parent[leaf], tree.cover[leaf]);
        while let Some((node, left)) = up {
            let feature = tree.feature[node];
            let found = path.features.iter().position(|&other| other == feature);
            let place = found.unwrap_or(path.features.len());
            if found.is_none() {
                path.features.push(feature);
                path.share.push(1.0);
            }
            path.share[place] *= cover / self.cover[node];
            path.steps.push((node, left, place));
            cover = self.cover[node];
            up = self.inner_parent[node];
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::super::forest::{Forest, tests::Random};
    use super::*;

    /// The mean of a tree's leaves when only the features in `known` are.
    fn mean(tree: &Tree, at: Child, row: &[f64], known: usize) -> (f64, f64) {
        match at {
            Child::Leaf(leaf) => (tree.value[leaf as usize], tree.cover[leaf as usize]),
            Child::Inner(node) => {
                let node = node as usize;
                let (left, left_cover) = mean(tree, tree.left[node], row, known);
                let (right, right_cover) = mean(tree, tree.right[node], row, known);
                let cover = left_cover + right_cover;
                let mean = (left * left_cover + right * right_cover) / cover;
                match known >> tree.feature[node] & 1 {
                    0 => (mean, cover),
                    _ if tree.goes_left(node, row) => (left, cover),
                    _ => (right, cover),
                }
            }
        }
    }

    /// Shapley's definition: over all sets of the other features.
    fn brute(trees: &[Tree], row: &[f64], feature: usize) -> f64 {
        let factorial = |n: usize| (1..=n).map(|n| n as f64).product::<f64>();
        let value = |known| {
            trees
                .iter()
                .map(|tree| mean(tree, tree.root(), row, known).0)
                .sum::<f64>()
        };
        let sets = (0..1usize << row.len()).filter(|set| set >> feature & 1 == 0);
        let part = |set: usize| {
            let size = set.count_ones() as usize;
            let weight = factorial(size) * factorial(row.len() - size - 1) / factorial(row.len());
            weight * (value(set | 1 << feature) - value(set))
        };
        sets.map(part).sum()
    }

    #[test]
    fn contributions_are_shapleys_by_definition() {
        let mut random = Random(3);
        for round in 0..60 {
            let columns = 1 + random.below(6) as usize;
            let trees = [1, 2, 9, 25].map(|leaves| random.tree(leaves, columns, round % 3 == 0));
            let explainer = Explainer::new(0.25, &trees, columns);
            for _ in 0..4 {
                let row = random.row(columns);
                let mut out = vec![f64::NAN; columns];
                explainer.contributions(&row, &mut out);
                for (feature, found) in out.iter().enumerate() {
                    let expected = brute(&trees, &row, feature);
                    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
                }
            }
        }
    }

    #[test]
    fn contributions_add_up_to_the_score() {
        let mut random = Random(4);
        for (leaves, columns, chain) in [
            (16, 40, false),
            (200, 12, false),
            (60, 30, true),
            (20, 300, false),
        ] {
            let trees = [(); 20].map(|()| random.tree(leaves, columns, chain));
            let explainer = Explainer::new(-1.5, &trees, columns);
            let forest = Forest::new(-1.5, &trees);
            for _ in 0..20 {
                let row = random.row(columns);
                let mut out = vec![0.0; columns];
                explainer.contributions(&row, &mut out);
                let sum = explainer.expected() + out.iter().sum::<f64>();
                let score = forest.log_odds(&row);
                assert!((sum - score).abs() < 1e-9, "{sum} is not {score}");
            }
        }
    }
}
