//! Gradient-boosted trees for intent scores: fitted by the `perpetual` crate, kept as our own
//! [`Tree`]s.
//!
//! A fit is a pure function of its rows and its [`BoostSpec`]. The learner runs on one thread, so
//! its sums have one order. It also looks at the machine's free memory to size its arena and with it
//! the largest tree; the arena is therefore sized here, by [`BoostSpec::leaves_max`], to something
//! far below what any machine has. The learner's own seed does nothing on small tables, so ours
//! orders the rows: that decides in which of its five internal folds a row lands.
//!
//! Weights only count relative to each other: they are scaled to a mean of one, because the
//! learner's leaf penalty is in units of rows. Columns that do not vary are kept from it. Cost: about
//! rows × columns × trees × levels; see `budget` for how many trees.

use super::logistic::{FitError, Rows};
use crate::event::mix;
use crate::visit::model::tree::{Child, Missing, Tree};
use perpetual::bin::Bin;
use perpetual::binning::bin_matrix;
use perpetual::booster::config::BoosterConfig;
use perpetual::histogram::{FeatureHistogram, NodeHistogram};
use perpetual::node::Node;
use perpetual::objective::Objective;
use perpetual::{Matrix, PerpetualBooster};
use std::collections::HashMap;
use std::mem::size_of;

/// How to boost.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostSpec {
    /// Effort: each 1.0 more makes steps ten times smaller, so more trees. From 0.1 to 3.
    pub budget: f64,
    /// Orders and draws the rows.
    pub seed: u64,
    /// Most trees a bag, up to [`TREES_MAX`].
    pub trees_max: usize,
    /// Most leaves a tree, from 2 to [`LEAVES_MAX`].
    pub leaves_max: usize,
    /// Ensembles to average, each on its own draw of the rows; at least 1.
    pub bags: usize,
    /// Share of each class's rows that a bag draws, without putting back; up to 1.
    pub share: f64,
}

/// Most trees a bag.
pub const TREES_MAX: usize = 1000;
/// Most leaves a tree.
pub const LEAVES_MAX: usize = 512;
/// Values of this magnitude and more are refused like infinite ones.
pub const VALUE_MAX: f64 = 1e300;

/// A fitted ensemble: log-odds = `base` + the values of the leaves that a row comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Boosted {
    /// Log-odds before the first tree.
    pub base: f64,
    /// The trees.
    pub trees: Vec<Tree>,
}

impl Boosted {
    /// The log-odds of a row.
    pub fn log_odds(&self, row: &[f64]) -> f64 {
        let value = |tree: &Tree| tree.value[tree.leaf(row)];
        self.trees
            .iter()
            .fold(self.base, |sum, tree| sum + value(tree))
    }
}

/// Fits an ensemble to the rows. NaN is a missing value.
///
/// # Errors
/// [`FitError`] when the rows are not a table of finite numbers, when all have one label, or when
/// no column tells two rows apart.
pub fn fit(rows: &Rows, spec: &BoostSpec) -> Result<Boosted, FitError> {
    check(rows)?;
    let columns = varying(rows);
    if columns.is_empty() {
        return Err(FitError::Constant);
    }
    let bags = spec.bags.max(1);
    let mut whole = Boosted {
        base: 0.0,
        trees: Vec::new(),
    };
    for bag in 0..bags {
        let drawn = draw(rows, spec, bag);
        let booster = boost(rows, &columns, &drawn, spec)?;
        whole.base += booster.base_score / bags as f64;
        for tree in booster.get_prediction_trees() {
            let tree = convert(&tree.nodes, &columns, bags).ok_or(FitError::Diverged)?;
            tree.check(rows.columns).map_err(|_| FitError::Diverged)?;
            whole.trees.push(tree);
        }
    }
    if whole.base.is_finite() {
        Ok(whole)
    } else {
        Err(FitError::Diverged)
    }
}

fn check(rows: &Rows) -> Result<(), FitError> {
    let count = rows.labels.len();
    if count == 0 {
        return Err(FitError::NoRows);
    }
    if rows.columns == 0 {
        return Err(FitError::NoColumns);
    }
    if rows.values.len() != count * rows.columns || rows.weights.len() != count {
        return Err(FitError::Shape);
    }
    if let Some(at) = rows.values.iter().position(|x| x.abs() >= VALUE_MAX) {
        return Err(FitError::Infinite {
            column: at % rows.columns,
        });
    }
    let usable = |weight: &f64| weight.is_finite() && *weight > 0.0;
    if let Some(row) = rows.weights.iter().position(|weight| !usable(weight)) {
        return Err(FitError::Weight { row });
    }
    let positives = rows.labels.iter().filter(|&&label| label).count();
    if positives == 0 || positives == count {
        return Err(FitError::OneClass);
    }
    Ok(())
}

/// The columns that hold two different values, a missing one being a value too.
fn varying(rows: &Rows) -> Vec<usize> {
    let differs = |column: &usize| {
        let first = rows.values[*column];
        let same = |x: f64| x == first || (x.is_nan() && first.is_nan());
        let mut values = rows.values.iter().skip(*column).step_by(rows.columns);
        values.any(|&x| !same(x))
    };
    (0..rows.columns).filter(differs).collect()
}

/// The rows of a bag, in the order in which the learner sees them: `share` of each class, at least
/// one row, by a pinned hash.
fn draw(rows: &Rows, spec: &BoostSpec, bag: usize) -> Vec<usize> {
    let key = mix(spec.seed ^ mix(bag as u64 + 1));
    let mut drawn = Vec::new();
    for class in [false, true] {
        let of_class = (0..rows.labels.len()).filter(|&row| rows.labels[row] == class);
        let mut keyed: Vec<(u64, usize)> =
            of_class.map(|row| (mix(key ^ row as u64), row)).collect();
        keyed.sort_unstable();
        let count = (keyed.len() as f64 * spec.share).ceil() as usize;
        keyed.truncate(count.max(1));
        drawn.extend(keyed);
    }
    drawn.sort_unstable();
    drawn.into_iter().map(|(_, row)| row).collect()
}

fn boost(
    rows: &Rows,
    columns: &[usize],
    drawn: &[usize],
    spec: &BoostSpec,
) -> Result<PerpetualBooster, FitError> {
    let at = |row: &usize, column: &usize| rows.values[row * rows.columns + column];
    let values: Vec<f64> = columns
        .iter()
        .flat_map(|column| drawn.iter().map(move |row| at(row, column)))
        .collect();
    let matrix = Matrix::new(&values, drawn.len(), columns.len());
    let labels: Vec<f64> = drawn
        .iter()
        .map(|&row| f64::from(u8::from(rows.labels[row])))
        .collect();
    let largest = drawn
        .iter()
        .map(|&row| rows.weights[row])
        .fold(0.0, f64::max);
    let mut weights: Vec<f64> = drawn
        .iter()
        .map(|&row| rows.weights[row] / largest)
        .collect();
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    weights.iter_mut().for_each(|weight| *weight /= mean);

    let trees_max = spec.trees_max.clamp(1, TREES_MAX);
    let cfg = BoosterConfig {
        objective: Objective::LogLoss,
        budget: spec.budget.clamp(0.1, 3.0) as f32,
        num_threads: Some(1),
        create_missing_branch: false,
        seed: spec.seed,
        iteration_limit: Some(trees_max),
        memory_limit: Some(memory_limit(&matrix, &weights, trees_max, spec.leaves_max)?),
        auto_class_weights: false,
        ..BoosterConfig::default()
    };
    let mut booster = PerpetualBooster {
        cfg,
        ..PerpetualBooster::default()
    };
    booster
        .fit(&matrix, &labels, Some(&weights), None)
        .map_err(|_| FitError::Diverged)?;
    Ok(booster)
}

/// The memory limit, in 10⁹ bytes, at which the learner's arena has room for a tree of
/// `leaves_max` leaves and no more: its own sum (`fit_trees`), turned round. There is no other way
/// to bound its trees, and without a limit the bound is what the machine has free.
fn memory_limit(
    matrix: &Matrix<f64>,
    weights: &[f64],
    trees_max: usize,
    leaves_max: usize,
) -> Result<f32, FitError> {
    let defaults = BoosterConfig::default();
    let binned = bin_matrix(matrix, Some(weights), defaults.max_bin, f64::NAN, None)
        .map_err(|_| FitError::Diverged)?;
    let bins: usize = binned.nunique.iter().sum();
    let mut histogram = (size_of::<Bin>() * bins) as f64;
    if matrix.cols > 1 {
        histogram += size_of::<NodeHistogram>() as f64;
        histogram += (size_of::<FeatureHistogram>() * matrix.cols) as f64;
    }
    let data = (matrix.rows * (matrix.cols * 2 + 8 + 4 + 4 + 4)) as f64;
    let ensemble = (trees_max * 256 * size_of::<Node>()) as f64 * 1.3;
    let nodes = 2.0 * leaves_max.clamp(2, LEAVES_MAX) as f64 - 0.5;
    Ok(((data + ensemble + histogram * nodes / 0.7) / 0.9e9) as f32)
}

/// One of the learner's trees in our form, its inner nodes numbered from the root down, left
/// before right. Nothing where a node is absent or has a third child.
fn convert(nodes: &HashMap<usize, Node>, columns: &[usize], bags: usize) -> Option<Tree> {
    let mut tree = Tree::default();
    // Numbers of nodes to come, each with the place where its parent waits for it.
    let mut waiting = vec![(0, None)];
    while let Some((number, parent)) = waiting.pop() {
        let node = nodes.get(&number)?;
        let child = if node.is_leaf {
            tree.value.push(f64::from(node.weight_value) / bags as f64);
            tree.cover.push(f64::from(node.hessian_sum).max(COVER_MIN));
            Child::Leaf(tree.value.len() as u32 - 1)
        } else {
            if node.left_cats.is_some() {
                return None;
            }
            let missing = match node.missing_node {
                number if number == node.left_child => Missing::Left,
                number if number == node.right_child => Missing::Right,
                _ => return None,
            };
            let at = tree.feature.len();
            tree.feature.push(*columns.get(node.split_feature)? as u32);
            tree.threshold.push(node.split_value);
            tree.missing.push(missing);
            tree.left.push(Child::Leaf(0));
            tree.right.push(Child::Leaf(0));
            waiting.push((node.right_child, Some((at, false))));
            waiting.push((node.left_child, Some((at, true))));
            Child::Inner(at as u32)
        };
        match parent {
            Some((at, true)) => tree.left[at] = child,
            Some((at, false)) => tree.right[at] = child,
            None => {}
        }
    }
    Some(tree)
}

/// Least cover of a leaf: its rows' summed p · (1 − p) may round to nothing.
const COVER_MIN: f64 = 1e-12;
