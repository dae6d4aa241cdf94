//! The `perpetual` crate as a learner: rows in, trees in our own form out.
//!
//! It runs on one thread, so its sums have one order. It also looks at the machine's free memory to
//! size its arena, and with it the largest tree; the arena is therefore sized here, by the leaves
//! asked for, to something far below what any machine has. Its nodes are kept without statistics:
//! with them it would sum over a hash map in an order that differs from fit to fit.

use super::boost::{BoostSpec, LEAVES_MAX, TREES_MAX};
use super::logistic::{FitError, Rows};
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

/// Boosts the drawn rows, in their order, on the given columns, which must vary.
pub(super) fn boost(
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
    // A row that stands for its group has the weight of all of it.
    let by_group = rows.group_weights();
    let weight = |row: &usize| by_group[*row];
    let largest = drawn.iter().map(weight).fold(0.0, f64::max);
    let mut weights: Vec<f64> = drawn.iter().map(|row| weight(row) / largest).collect();
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
        save_node_stats: false,
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
pub(super) fn convert(nodes: &HashMap<usize, Node>, columns: &[usize]) -> Option<Tree> {
    let mut tree = Tree::default();
    // Numbers of nodes to come, each with the place where its parent waits for it.
    let mut waiting = vec![(0, None)];
    while let Some((number, parent)) = waiting.pop() {
        let node = nodes.get(&number)?;
        let child = if node.is_leaf {
            let value = f64::from(node.weight_value);
            tree.value.push(value.clamp(-LEAF_MAX, LEAF_MAX));
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

/// Greatest value of a leaf: where a leaf has rows of one class only, nothing holds the learner back.
const LEAF_MAX: f64 = 20.0;

/// Least cover of a leaf: its rows' summed p · (1 − p) may round to nothing.
const COVER_MIN: f64 = 1e-12;
