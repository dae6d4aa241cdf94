//! Trees in the compact form that the job scores with.

use super::tree::Tree;

/// A sum of trees.
#[derive(Clone, Debug)]
pub struct Forest {
    base: f64,
    trees: Vec<Tree>,
}

impl Forest {
    /// Flattens trees that have been checked. `base` is the log-odds before the first tree.
    pub fn new(base: f64, trees: &[Tree]) -> Forest {
        Forest {
            base,
            trees: trees.to_vec(),
        }
    }

    /// The log-odds of a row.
    pub fn log_odds(&self, row: &[f64]) -> f64 {
        self.trees
            .iter()
            .fold(self.base, |sum, tree| sum + tree.value[tree.leaf(row)])
    }
}
