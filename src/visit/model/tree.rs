//! Decision trees as they are trained, stored and explained: plain arrays, one tree at a time.
//!
//! An inner node sends a row left when its feature is below the threshold, and right otherwise; a
//! missing value (NaN) goes where the node says. Nodes are numbered so that a child always comes
//! after its parent: a walk ends. What the job scores with is made from this, see
//! [`super::forest`]. Cost of [`Tree::leaf`]: one comparison a level.

use serde::{Deserialize, Serialize};

/// Where a missing value goes, and what counts as missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// NaN goes left.
    Left,
    /// NaN goes right.
    Right,
    /// NaN and zero (magnitude up to 1e-35, as LightGBM has it) go left.
    ZeroLeft,
    /// NaN and zero go right.
    ZeroRight,
}

/// Magnitude up to which a value is zero where zero counts as missing: single precision, as
/// LightGBM has it.
pub const ZERO_MAX: f64 = 1e-35f32 as f64;

/// A child of an inner node: an inner node, or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "i32", into = "i32")]
pub enum Child {
    /// The inner node of this number.
    Inner(u32),
    /// The leaf of this number.
    Leaf(u32),
}

/// In files a leaf is −1 − its number.
impl From<i32> for Child {
    fn from(number: i32) -> Child {
        match u32::try_from(number) {
            Ok(inner) => Child::Inner(inner),
            Err(_) => Child::Leaf(!number as u32),
        }
    }
}

impl From<Child> for i32 {
    fn from(child: Child) -> i32 {
        match child {
            Child::Inner(number) => number as i32,
            Child::Leaf(number) => !(number as i32),
        }
    }
}

/// A tree. The first five arrays hold one value per inner node, the last two one per leaf; there
/// is one leaf more than there are inner nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Place of the feature in the row.
    pub feature: Vec<u32>,
    /// Rows below it go left; finite.
    pub threshold: Vec<f64>,
    /// Where missing values go.
    pub missing: Vec<Missing>,
    /// Left children.
    pub left: Vec<Child>,
    /// Right children.
    pub right: Vec<Child>,
    /// What each leaf adds to the log-odds; finite.
    pub value: Vec<f64>,
    /// Weight of the training rows that came to each leaf; above zero.
    pub cover: Vec<f64>,
}

/// Most inner nodes a tree may have.
pub const INNER_MAX: usize = 1 << 15;

impl Missing {
    /// Whether the value counts as missing.
    pub fn is(self, x: f64) -> bool {
        match self {
            Missing::Left | Missing::Right => x.is_nan(),
            Missing::ZeroLeft | Missing::ZeroRight => x.is_nan() || x.abs() <= ZERO_MAX,
        }
    }

    /// Whether missing values go left.
    pub fn goes_left(self) -> bool {
        matches!(self, Missing::Left | Missing::ZeroLeft)
    }
}

impl Tree {
    /// A tree of one leaf.
    pub fn constant(value: f64, cover: f64) -> Tree {
        Tree {
            value: vec![value],
            cover: vec![cover],
            ..Tree::default()
        }
    }

    /// Whether an inner node sends a row left.
    pub fn goes_left(&self, node: usize, row: &[f64]) -> bool {
        self.sends_left(node, row[self.feature[node] as usize])
    }

    /// Whether an inner node sends a value of its feature left.
    pub fn sends_left(&self, node: usize, x: f64) -> bool {
        let missing = self.missing[node];
        if missing.is(x) {
            missing.goes_left()
        } else {
            x < self.threshold[node]
        }
    }

    /// The number of the leaf that a row comes to.
    pub fn leaf(&self, row: &[f64]) -> usize {
        let mut at = self.root();
        loop {
            match at {
                Child::Leaf(leaf) => return leaf as usize,
                Child::Inner(node) => {
                    let node = node as usize;
                    at = if self.goes_left(node, row) {
                        self.left[node]
                    } else {
                        self.right[node]
                    };
                }
            }
        }
    }

    /// Where a walk begins.
    pub fn root(&self) -> Child {
        if self.feature.is_empty() {
            Child::Leaf(0)
        } else {
            Child::Inner(0)
        }
    }

    /// Checks the shape: lengths, every child used once and after its parent, features below
    /// `columns`, numbers finite, covers above zero.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self, columns: usize) -> Result<(), String> {
        let inner = self.feature.len();
        let lengths = [
            self.threshold.len(),
            self.missing.len(),
            self.left.len(),
            self.right.len(),
        ];
        if lengths.iter().any(|&length| length != inner) {
            return Err("its inner arrays differ in length".into());
        }
        if self.value.len() != inner + 1 || self.cover.len() != inner + 1 {
            return Err("it does not have one leaf more than inner nodes".into());
        }
        if inner > INNER_MAX {
            return Err(format!("it has more than {INNER_MAX} inner nodes"));
        }
        if let Some(feature) = self.feature.iter().find(|&&at| at as usize >= columns) {
            return Err(format!("it names feature {feature} of {columns}"));
        }
        if self.threshold.iter().any(|x| !x.is_finite()) {
            return Err("a threshold is not finite".into());
        }
        if self.value.iter().any(|x| !x.is_finite()) {
            return Err("a leaf's value is not finite".into());
        }
        if self.cover.iter().any(|x| !x.is_finite() || *x <= 0.0) {
            return Err("a leaf's cover is not above zero".into());
        }
        let (mut inner_used, mut leaf_used) = (vec![false; inner], vec![false; inner + 1]);
        for node in 0..inner {
            for child in [self.left[node], self.right[node]] {
                let used = match child {
                    Child::Inner(child) if child as usize > node => {
                        inner_used.get_mut(child as usize)
                    }
                    Child::Inner(_) => return Err("a child comes before its parent".into()),
                    Child::Leaf(leaf) => leaf_used.get_mut(leaf as usize),
                };
                match used {
                    Some(used) if !*used => *used = true,
                    _ => return Err("a child does not exist, or has two parents".into()),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Feature 0 below 2 → leaf 0 (1.0); else feature 1 below 0.5 → leaf 1 (−1.0), else leaf 2.
    pub(crate) fn small() -> Tree {
        Tree {
            feature: vec![0, 1],
            threshold: vec![2.0, 0.5],
            missing: vec![Missing::Right, Missing::ZeroLeft],
            left: vec![Child::Leaf(0), Child::Leaf(1)],
            right: vec![Child::Inner(1), Child::Leaf(2)],
            value: vec![1.0, -1.0, 0.25],
            cover: vec![5.0, 3.0, 2.0],
        }
    }

    #[test]
    fn rows_find_their_leaves() {
        let tree = small();
        assert_eq!(tree.check(2), Ok(()));
        for (row, leaf) in [
            ([1.0, 9.0], 0),
            ([2.0, 0.4], 1),
            ([f64::NAN, 0.5], 2),
            ([2.0, f64::NAN], 1),
            ([2.0, 0.0], 1),
            ([2.0, -1.0], 1),
        ] {
            assert_eq!(tree.leaf(&row), leaf, "{row:?}");
        }
        assert_eq!(Tree::constant(3.0, 1.0).leaf(&[]), 0);
    }

    #[test]
    fn children_survive_their_file_form() {
        for child in [
            Child::Inner(0),
            Child::Inner(7),
            Child::Leaf(0),
            Child::Leaf(9),
        ] {
            assert_eq!(Child::from(i32::from(child)), child);
        }
        assert_eq!(i32::from(Child::Leaf(0)), -1);
    }

    #[test]
    fn trees_that_make_no_sense_are_refused() {
        type Spoil = fn(&mut Tree);
        let spoils: [(Spoil, &str); 8] = [
            (|t| t.feature[1] = 2, "names feature 2"),
            (|t| t.threshold[0] = f64::NAN, "threshold"),
            (|t| t.value[0] = f64::INFINITY, "value"),
            (|t| t.cover[2] = 0.0, "cover"),
            (|t| t.left[1] = Child::Inner(0), "before its parent"),
            (|t| t.left[1] = Child::Leaf(0), "two parents"),
            (|t| t.right[1] = Child::Leaf(3), "does not exist"),
            (|t| t.left.truncate(1), "length"),
        ];
        for (spoil, what) in spoils {
            let mut tree = small();
            spoil(&mut tree);
            let error = tree.check(2).unwrap_err();
            assert!(error.contains(what), "{error} does not say {what}");
        }
    }
}
