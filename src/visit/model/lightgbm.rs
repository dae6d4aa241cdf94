//! Reader for models that LightGBM saved as text (`Booster.save_model`, version 3 or 4).
//!
//! Read are boosted trees and random forests for two classes or a cross entropy, over numeric
//! features. What would be read wrongly is refused with its line: other objectives, several
//! classes, categories, linear leaves, a file that was cut. Unknown keys are skipped, as LightGBM
//! does. Every tree that is returned has passed [`Tree::check`].
//!
//! Two things differ from [`Tree`] and are translated. LightGBM sends a row left when the value is
//! at most the threshold, so the threshold becomes the next number above. And a node that knows no
//! missing values reads NaN as zero, so it sends NaN where zero goes.
//!
//! Cost: one pass over the text.

use super::tree::{Child, Missing, Tree};
use std::collections::HashSet;
use std::iter::{Enumerate, Peekable};
use std::str::{FromStr, Lines};

/// A model as its file has it: log-odds are `sigmoid` × (`base` + the sum of the trees' leaves).
#[derive(Clone, Debug, PartialEq)]
pub struct Dump {
    /// Names of the columns, in the order of a row.
    pub feature_names: Vec<String>,
    /// Score before the first tree. LightGBM keeps it within the first tree, so it is 0.
    pub base: f64,
    /// The trees; leaf values include the learning rate, and the mean's divisor for a forest.
    pub trees: Vec<Tree>,
    /// Probability = 1 / (1 + exp(−`sigmoid` × score)).
    pub sigmoid: f64,
}

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightGbmError {
    /// It does not begin as LightGBM's models do.
    #[error("it is not a LightGBM text model: its first line is not \"tree\"")]
    NotAModel,
    /// It ends early.
    #[error("it was cut short after line {line}: {missing} is missing")]
    Cut {
        /// Last line there is.
        line: usize,
        /// What should have followed.
        missing: &'static str,
    },
    /// It has something this reader does not know how to score.
    #[error("line {line}: {what} cannot be scored here")]
    Unsupported {
        /// Where; counted from 1.
        line: usize,
        /// What it is.
        what: String,
    },
    /// It contradicts itself, or has no meaning.
    #[error("line {line}: {what}")]
    Malformed {
        /// Where; counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

type Result<T> = std::result::Result<T, LightGbmError>;

/// Whether bytes look like a dump: its first line is the word `tree`.
pub fn is_dump(bytes: &[u8]) -> bool {
    let first = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    first.trim_ascii() == b"tree"
}

/// Reads a model.
///
/// # Errors
/// When it is no model, was cut, or cannot be scored here; see [`LightGbmError`].
pub fn read(text: &str) -> Result<Dump> {
    let mut lines = Numbered {
        lines: text.lines().enumerate().peekable(),
        last: 0,
    };
    if lines.next().is_none_or(|(_, first)| first != "tree") {
        return Err(LightGbmError::NotAModel);
    }
    let head = Head::read(&mut lines)?;
    let mut trees = Vec::new();
    loop {
        let Some((line, text)) = lines.next() else {
            return Err(lines.cut("\"end of trees\""));
        };
        if text == "end of trees" {
            if trees.len() != head.trees {
                let what = format!("{} trees, where {} were promised", trees.len(), head.trees);
                return Err(malformed(line, what));
            }
            break;
        } else if let Some(number) = text.strip_prefix("Tree=") {
            if number.parse() != Ok(trees.len()) {
                let what = format!("tree {number}, where tree {} follows", trees.len());
                return Err(malformed(line, what));
            }
            trees.push(TreeText::read(line, &mut lines)?.tree(head.names.len())?);
        } else if !text.is_empty() {
            return Err(malformed(
                line,
                "neither a tree nor \"end of trees\"".into(),
            ));
        }
    }
    if head.averaged {
        let share = 1.0 / head.trees.max(1) as f64;
        for value in trees.iter_mut().flat_map(|tree| &mut tree.value) {
            *value *= share;
        }
    }
    Ok(Dump {
        feature_names: head.names,
        base: 0.0,
        trees,
        sigmoid: head.sigmoid,
    })
}

/// Lines, numbered from 1.
struct Numbered<'a> {
    lines: Peekable<Enumerate<Lines<'a>>>,
    last: usize,
}

impl<'a> Numbered<'a> {
    fn next(&mut self) -> Option<(usize, &'a str)> {
        let (at, text) = self.lines.next()?;
        self.last = at + 1;
        Some((self.last, text.trim()))
    }

    /// The next line of a block: of the form `key=value`, or a word alone.
    fn next_in_block(&mut self) -> Option<Entry<'a>> {
        let ends = |text: &str| text.starts_with("Tree=") || text == "end of trees";
        self.lines
            .next_if(|(_, text)| !ends(text.trim()))
            .map(|(at, text)| {
                self.last = at + 1;
                let (key, value) = text.split_once('=').unwrap_or((text, ""));
                Entry {
                    line: at + 1,
                    key: key.trim(),
                    value: value.trim(),
                }
            })
    }

    fn cut(&self, missing: &'static str) -> LightGbmError {
        let line = self.last;
        LightGbmError::Cut { line, missing }
    }
}

/// One line of a block.
#[derive(Clone, Copy)]
struct Entry<'a> {
    line: usize,
    key: &'a str,
    value: &'a str,
}

impl Entry<'_> {
    fn unsupported(&self, what: &str) -> LightGbmError {
        let what = format!("{what} ({}={})", self.key, self.value);
        LightGbmError::Unsupported {
            line: self.line,
            what,
        }
    }

    fn number<T: FromStr>(&self) -> Result<T> {
        let wrong = |_| {
            malformed(
                self.line,
                format!("{} is not a number of its kind", self.key),
            )
        };
        self.value.parse().map_err(wrong)
    }

    fn numbers<T: FromStr>(&self) -> Result<Vec<T>> {
        let number = |text: &str| {
            let wrong = |_| malformed(self.line, format!("{text:?} in {} is no number", self.key));
            text.parse().map_err(wrong)
        };
        self.value.split_ascii_whitespace().map(number).collect()
    }

    fn finite(&self) -> Result<Vec<f64>> {
        let numbers = self.numbers::<f64>()?;
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(malformed(
                self.line,
                format!("a number in {} is not finite", self.key),
            ));
        }
        Ok(numbers)
    }

    fn must_be(&self, only: u64, what: &str) -> Result<()> {
        match self.number::<u64>()? == only {
            true => Ok(()),
            false => Err(self.unsupported(what)),
        }
    }
}

fn malformed(line: usize, what: String) -> LightGbmError {
    LightGbmError::Malformed { line, what }
}

/// What stands before the first tree.
struct Head {
    names: Vec<String>,
    sigmoid: f64,
    averaged: bool,
    trees: usize,
}

impl Head {
    fn read(lines: &mut Numbered<'_>) -> Result<Head> {
        let (mut version, mut names, mut sigmoid, mut trees) = (None, None, None, None);
        let (mut most, mut averaged) = (None, false);
        while let Some(entry) = lines.next_in_block() {
            match entry.key {
                "version" if matches!(entry.value, "v3" | "v4") => version = Some(()),
                "version" => return Err(entry.unsupported("another version")),
                "num_class" => entry.must_be(1, "a model of several classes")?,
                "num_tree_per_iteration" => entry.must_be(1, "a model of several scores")?,
                "objective" => sigmoid = Some(objective(&entry)?),
                "average_output" => averaged = true,
                "max_feature_idx" => most = Some((entry.line, entry.number::<usize>()?)),
                "feature_names" => names = Some(feature_names(&entry)?),
                "tree_sizes" => trees = Some(entry.numbers::<u64>()?.len()),
                _ => {}
            }
        }
        version.ok_or(lines.cut("version"))?;
        let names = names.ok_or(lines.cut("feature_names"))?;
        if let Some((line, most)) = most
            && most.checked_add(1) != Some(names.len())
        {
            let what = format!("the last feature is {most}, but {} have names", names.len());
            return Err(malformed(line, what));
        }
        Ok(Head {
            names,
            sigmoid: sigmoid.ok_or(lines.cut("objective"))?,
            averaged,
            trees: trees.ok_or(lines.cut("tree_sizes"))?,
        })
    }
}

/// The factor before the score, where the objective is one that gives a probability.
fn objective(entry: &Entry<'_>) -> Result<f64> {
    let mut words = entry.value.split_ascii_whitespace();
    match words.next() {
        Some("cross_entropy" | "xentropy") => return Ok(1.0),
        Some("binary") => {}
        _ => return Err(entry.unsupported("an objective other than binary or cross_entropy")),
    }
    match words.find_map(|word| word.strip_prefix("sigmoid:")) {
        None => Ok(1.0),
        Some(number) => match number.parse::<f64>() {
            Ok(sigmoid) if sigmoid.is_finite() && sigmoid > 0.0 => Ok(sigmoid),
            _ => Err(malformed(
                entry.line,
                format!("sigmoid:{number} is not a factor"),
            )),
        },
    }
}

fn feature_names(entry: &Entry<'_>) -> Result<Vec<String>> {
    let names: Vec<String> = entry
        .value
        .split_ascii_whitespace()
        .map(String::from)
        .collect();
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(malformed(
            entry.line,
            format!("feature {twice} is named twice"),
        )),
        None => Ok(names),
    }
}

/// The lines of a tree that are needed.
struct TreeText<'a> {
    line: usize,
    last: usize,
    entries: Vec<Entry<'a>>,
}

impl<'a> TreeText<'a> {
    fn read(line: usize, lines: &mut Numbered<'a>) -> Result<TreeText<'a>> {
        let mut entries = Vec::new();
        while let Some(entry) = lines.next_in_block() {
            match entry.key {
                "num_cat" => entry.must_be(0, "a split by category")?,
                "is_linear" => entry.must_be(0, "a linear tree")?,
                _ => entries.push(entry),
            }
        }
        let last = lines.last;
        Ok(TreeText {
            line,
            last,
            entries,
        })
    }

    fn find(&self, key: &str) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn get(&self, key: &'static str) -> Result<&Entry<'a>> {
        let (line, missing) = (self.last, key);
        self.find(key).ok_or(LightGbmError::Cut { line, missing })
    }

    fn tree(&self, columns: usize) -> Result<Tree> {
        let leaves: usize = self.get("num_leaves")?.number()?;
        let values = self.get("leaf_value")?;
        let mut tree = Tree {
            value: values.finite()?,
            ..Tree::default()
        };
        if tree.value.len() != leaves {
            let what = format!("{} leaf values for {leaves} leaves", tree.value.len());
            return Err(malformed(values.line, what));
        }
        tree.cover = self.cover(leaves)?;
        if leaves > 1 {
            self.inner(leaves - 1, &mut tree)?;
        }
        let wrong = |what| {
            malformed(
                self.line,
                format!("the tree that begins here is wrong: {what}"),
            )
        };
        tree.check(columns).map_err(wrong)?;
        Ok(tree)
    }

    fn inner(&self, inner: usize, tree: &mut Tree) -> Result<()> {
        tree.feature = self.get("split_feature")?.numbers()?;
        let [left, right] = ["left_child", "right_child"].map(|key| {
            let numbers = self.get(key)?.numbers::<i32>()?;
            Ok(numbers.into_iter().map(Child::from).collect())
        });
        (tree.left, tree.right) = (left?, right?);
        let thresholds = self.get("threshold")?;
        let at_most = thresholds.finite()?;
        let entry = self.get("decision_type")?;
        let decisions = entry.numbers::<u8>()?;
        for (at, found) in [(thresholds, at_most.len()), (entry, decisions.len())] {
            if found != inner {
                let what = format!("{found} values of {} for {inner} nodes", at.key);
                return Err(malformed(at.line, what));
            }
        }
        for (at_most, decision) in at_most.into_iter().zip(decisions) {
            tree.missing.push(missing(decision, at_most, entry)?);
            tree.threshold.push(at_most.next_up());
        }
        Ok(())
    }

    /// Rows in each leaf, or their weight if rows were not counted, or else 1.
    fn cover(&self, leaves: usize) -> Result<Vec<f64>> {
        for key in ["leaf_count", "leaf_weight"] {
            if let Some(entry) = self.find(key) {
                let covers = entry.finite()?;
                if covers.len() == leaves && covers.iter().all(|&cover| cover > 0.0) {
                    return Ok(covers);
                }
            }
        }
        Ok(vec![1.0; leaves])
    }
}

/// Bit 0 of a decision: a split by category. Bit 1: missing goes left. Bits 2 and 3: what is
/// missing.
fn missing(decision: u8, at_most: f64, entry: &Entry<'_>) -> Result<Missing> {
    if decision & 1 != 0 {
        return Err(entry.unsupported("a split by category"));
    }
    let left = decision & 2 != 0;
    match decision >> 2 {
        0 if 0.0 <= at_most => Ok(Missing::Left),
        0 => Ok(Missing::Right),
        1 if left => Ok(Missing::ZeroLeft),
        1 => Ok(Missing::ZeroRight),
        2 if left => Ok(Missing::Left),
        2 => Ok(Missing::Right),
        _ => Err(entry.unsupported("a kind of missing value that is unknown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\n\
        max_feature_idx=1\nobjective=binary sigmoid:2\nfeature_names=a b\ntree_sizes=300 90\n\n\
        Tree=0\nnum_leaves=3\nnum_cat=0\nsplit_feature=0 1\nthreshold=1.5 -2\n\
        decision_type=2 8\nleft_child=1 -1\nright_child=-2 -3\nleaf_value=0.5 -1 2\n\
        leaf_count=10 20 0\nleaf_weight=1 2 3\nis_linear=0\nnews=1\n\n\
        Tree=1\nnum_leaves=1\nleaf_value=0.25\n\n\nend of trees\n\nparameters:\n";

    #[test]
    fn a_model_is_translated() {
        let dump = read(SMALL).unwrap();
        assert_eq!(dump.feature_names, ["a", "b"]);
        assert_eq!((dump.base, dump.sigmoid), (0.0, 2.0));
        let tree = &dump.trees[0];
        assert_eq!(tree.missing, [Missing::Left, Missing::Right]);
        assert_eq!(tree.cover, [1.0, 2.0, 3.0], "not every leaf counted rows");
        for (row, leaf) in [([1.5, -2.0], 0), ([1.6, 0.0], 1), ([f64::NAN; 2], 2)] {
            assert_eq!(tree.leaf(&row), leaf, "{row:?}");
        }
        assert_eq!(dump.trees[1], Tree::constant(0.25, 1.0));
        let averaged = SMALL.replace("max_feature", "average_output\nmax_feature");
        assert_eq!(read(&averaged).unwrap().trees[1].value, [0.125]);
        assert_eq!(read(&SMALL.replace('\n', "\r\n")).unwrap(), dump);
    }

    #[test]
    fn what_cannot_be_scored_is_refused_where_it_stands() {
        for (from, to, message) in [
            ("tree\n", "trees\n", "not a LightGBM"),
            ("v4", "v2", "line 2: another version"),
            (
                "num_class=1",
                "num_class=3",
                "line 3: a model of several classes",
            ),
            ("binary", "lambdarank", "line 6: an objective"),
            ("sigmoid:2", "sigmoid:nan", "line 6: sigmoid"),
            (
                "feature_names=a b",
                "feature_names=a a",
                "line 7: feature a",
            ),
            (
                "feature_names=a b",
                "feature_names=a",
                "line 5: the last feature is 1",
            ),
            ("idx=1\n", "idx=18446744073709551615\n", "line 5: the last"),
            ("tree_sizes=300 90", "", "tree_sizes is missing"),
            (
                "tree_sizes=300 90",
                "tree_sizes=300",
                "line 29: 2 trees, where 1",
            ),
            ("Tree=1", "Tree=2", "line 24: tree 2, where tree 1"),
            ("num_cat=0", "num_cat=1", "line 12: a split by category"),
            (
                "split_feature=0 1",
                "split_feature=0 2",
                "line 10: the tree",
            ),
            (
                "threshold=1.5",
                "threshold=inf",
                "line 14: a number in threshold",
            ),
            (
                "threshold=1.5",
                "threshold=1.7976931348623157e308",
                "line 10: the tree",
            ),
            (
                "decision_type=2 8",
                "decision_type=3 8",
                "line 15: a split by category",
            ),
            (
                "decision_type=2 8",
                "decision_type=2 12",
                "line 15: a kind of missing",
            ),
            ("decision_type=2 8", "decision_type=2", "line 15: 1 values"),
            ("left_child=1", "left_child=0", "line 10: the tree"),
            (
                "left_child=1",
                "left_child=x",
                "line 16: \"x\" in left_child",
            ),
            ("leaf_value=0.5", "leaf_value=", "line 18: 2 leaf values"),
            ("is_linear=0", "is_linear=1", "line 21: a linear tree"),
            ("end of trees", "end of tree", "\"end of trees\" is missing"),
        ] {
            let error = read(&SMALL.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(
                error.contains(message),
                "{error:?} does not say {message:?}"
            );
        }
    }
}
