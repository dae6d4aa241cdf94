//! Gradient-boosted trees for intent scores: fitted by the `perpetual` crate, kept as our own
//! [`Tree`]s.
//!
//! A fit is a pure function of its rows and its [`BoostSpec`]. The learner's own seed does nothing
//! on small tables, so ours orders the rows: that decides in which of its five internal folds a row
//! lands.
//!
//! Weights only count relative to each other: they are scaled to a mean of one, because the
//! learner's leaf penalty is in units of rows. Columns that do not vary are kept from it. Cost: about
//! rows × columns × trees × levels; see `budget` for how many trees.

use super::learner::{boost, convert};
use super::logistic::{FitError, Rows};
use crate::event::mix;
use crate::visit::model::tree::Tree;

/// How to boost.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostSpec {
    /// Effort: the greater, the smaller the steps and the more the trees. From 0.1 to 3.
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

impl BoostSpec {
    /// For the job, where every event is scored: at most 50 trees of at most 16 leaves.
    pub fn serving() -> BoostSpec {
        BoostSpec {
            budget: 0.85,
            seed: 0,
            trees_max: 80,
            leaves_max: 8,
            bags: 1,
            share: 1.0,
        }
    }

    /// For tables: the mean of ten ensembles, each of some fifty small trees.
    pub fn table() -> BoostSpec {
        BoostSpec {
            budget: 1.5,
            trees_max: TREES_MAX,
            leaves_max: 16,
            bags: 10,
            share: 0.6,
            ..BoostSpec::serving()
        }
    }
}

/// Most trees a bag.
pub const TREES_MAX: usize = 1000;
/// Most leaves a tree.
pub const LEAVES_MAX: usize = 512;
/// Values of this magnitude and more are refused like infinite ones.
pub const VALUE_MAX: f64 = 1e300;

/// A fitted ensemble: log-odds = `base` + the values of the leaves that a row comes to.
#[derive(Clone, Debug, Default, PartialEq)]
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
    grow(rows, spec, |_, _| {})
}

/// Fits an ensemble, and gives each row the mean log-odds of the bags that did not draw it:
/// scores to calibrate on, for nothing. Rows that all bags drew have none.
///
/// # Errors
/// Those of [`fit`].
pub fn fit_out_of_bag(
    rows: &Rows,
    spec: &BoostSpec,
) -> Result<(Boosted, Vec<Option<f64>>), FitError> {
    let count = rows.labels.len();
    let mut sums = vec![(0.0, 0u32); count];
    let whole = grow(rows, spec, |bag, drawn| {
        let mut inside = vec![false; count];
        drawn.iter().for_each(|&row| inside[row] = true);
        for row in (0..count).filter(|&row| !inside[row]) {
            let values = &rows.values[row * rows.columns..][..rows.columns];
            sums[row].0 += bag.log_odds(values);
            sums[row].1 += 1;
        }
    })?;
    let mean = |&(sum, bags): &(f64, u32)| (bags > 0).then(|| sum / f64::from(bags));
    Ok((whole, sums.iter().map(mean).collect()))
}

/// Grows the bags one after the other, shows each with its rows, and averages them.
fn grow(
    rows: &Rows,
    spec: &BoostSpec,
    mut show: impl FnMut(&Boosted, &[usize]),
) -> Result<Boosted, FitError> {
    check(rows)?;
    let columns = varying(rows);
    if columns.is_empty() {
        return Err(FitError::Constant);
    }
    let bags = spec.bags.max(1);
    let mut whole = Boosted::default();
    for bag in 0..bags {
        let drawn = draw(rows, spec, bag);
        if drawn.iter().all(|&row| rows.labels[row]) || drawn.iter().all(|&row| !rows.labels[row]) {
            return Err(FitError::OneClass);
        }
        let booster = boost(rows, &columns, &drawn, spec)?;
        let mut one = Boosted {
            base: booster.base_score,
            trees: Vec::new(),
        };
        for tree in booster.get_prediction_trees() {
            let tree = convert(&tree.nodes, &columns).ok_or(FitError::Diverged)?;
            tree.check(rows.columns).map_err(|_| FitError::Diverged)?;
            one.trees.push(tree);
        }
        if !one.base.is_finite() {
            return Err(FitError::Diverged);
        }
        show(&one, &drawn);
        whole.base += one.base / bags as f64;
        for mut tree in one.trees {
            tree.value
                .iter_mut()
                .for_each(|value| *value /= bags as f64);
            whole.trees.push(tree);
        }
    }
    Ok(whole)
}

fn check(rows: &Rows) -> Result<(), FitError> {
    let count = rows.labels.len();
    if count == 0 {
        return Err(FitError::NoRows);
    }
    if rows.columns == 0 {
        return Err(FitError::NoColumns);
    }
    let grouped: usize = rows.groups.iter().map(|&length| length as usize).sum();
    if rows.values.len() != count * rows.columns
        || rows.weights.len() != count
        || !(rows.groups.is_empty() || grouped == count)
    {
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

/// The rows of a bag, in the order in which the learner sees them: of every group one row, and of
/// these `share` of each class, at least one row; by a pinned hash.
///
/// The learner guards against over-fitting by what rows it left out tell it of a split. Rows of one
/// session are all but copies of each other, so with several of them it would be told what it wants
/// to hear.
fn draw(rows: &Rows, spec: &BoostSpec, bag: usize) -> Vec<usize> {
    let key = mix(spec.seed ^ mix(bag as u64 + 1));
    let candidates = one_of_each(rows, key);
    let mut drawn = Vec::new();
    for class in [false, true] {
        let of_class = candidates.iter().filter(|&&row| rows.labels[row] == class);
        let mut keyed: Vec<(u64, usize)> =
            of_class.map(|&row| (mix(key ^ row as u64), row)).collect();
        keyed.sort_unstable();
        let count = (keyed.len() as f64 * spec.share).ceil() as usize;
        keyed.truncate(count.max(1));
        drawn.extend(keyed);
    }
    drawn.sort_unstable();
    drawn.into_iter().map(|(_, row)| row).collect()
}

/// One row of every group, each as likely as its share of the group's weight, by a pinned hash;
/// every row where there are no groups.
fn one_of_each(rows: &Rows, key: u64) -> Vec<usize> {
    if rows.groups.is_empty() {
        return (0..rows.labels.len()).collect();
    }
    let mut first = 0;
    let one = |(group, &length): (usize, &u32)| {
        let range = first..first + length as usize;
        first = range.end;
        let weights = &rows.weights[range.clone()];
        let draw = (mix(mix(key ^ GROUP_SALT) ^ group as u64) >> 11) as f64 / (1u64 << 53) as f64;
        let mut left = draw * weights.iter().sum::<f64>();
        let place = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        place.map_or(range.end.saturating_sub(1), |place| range.start + place)
    };
    let drawn = rows
        .groups
        .iter()
        .enumerate()
        .filter(|(_, length)| **length > 0);
    drawn.map(one).collect()
}

/// Sets the draw within a group apart from that of the groups.
const GROUP_SALT: u64 = 0x67_726f_7570;

#[cfg(test)]
mod tests {
    use super::*;
    use perpetual::Matrix;

    /// Rows of three columns; the label leans on the first two, the third is noise, and a tenth of
    /// the cells is missing.
    fn rows(count: usize) -> Rows {
        let mut rows = Rows {
            columns: 3,
            ..Rows::default()
        };
        let unit = |key: u64| (mix(key) >> 11) as f64 / (1u64 << 53) as f64;
        for row in 0..count as u64 {
            let cell = |column: u64| unit(row * 8 + column + 1);
            for column in 0..3 {
                let gone = unit(row * 8 + column + 4) < 0.1;
                rows.values.push(if gone { f64::NAN } else { cell(column) });
            }
            rows.labels
                .push(cell(0) + cell(1) * cell(1) + 0.3 * unit(row * 8) > 1.1);
            rows.weights.push(1.0 + (row % 3) as f64);
        }
        rows
    }

    fn spec() -> BoostSpec {
        BoostSpec {
            budget: 0.7,
            seed: 7,
            ..BoostSpec::serving()
        }
    }

    #[test]
    fn our_trees_score_as_the_learner_does() {
        let rows = rows(600);
        let all: Vec<usize> = (0..600).collect();
        let booster = boost(&rows, &[0, 1, 2], &all, &spec()).unwrap();
        let by_column: Vec<f64> = (0..3)
            .flat_map(|column| rows.values[column..].iter().step_by(3).copied())
            .collect();
        let theirs = booster.predict(&Matrix::new(&by_column, 600, 3), false);
        let trees = booster.get_prediction_trees().iter();
        let ours = Boosted {
            base: booster.base_score,
            trees: trees
                .map(|tree| convert(&tree.nodes, &[0, 1, 2]).unwrap())
                .collect(),
        };
        assert!(ours.trees.len() > 5);
        assert!(rows.values.iter().any(|x| x.is_nan()));
        for (row, theirs) in rows.values.chunks_exact(3).zip(theirs) {
            assert!((ours.log_odds(row) - theirs).abs() < 1e-5, "{row:?}");
        }
    }

    #[test]
    fn a_fit_is_a_function_of_rows_and_spec() {
        let rows = rows(500);
        let bagged = BoostSpec {
            bags: 3,
            share: 0.7,
            ..spec()
        };
        let first = fit(&rows, &bagged).unwrap();
        assert_eq!(first, fit(&rows, &bagged).unwrap());
        let (same, out_of_bag) = fit_out_of_bag(&rows, &bagged).unwrap();
        assert_eq!(first, same);
        let scored = out_of_bag.iter().flatten().count();
        assert!((200..500).contains(&scored), "{scored}");
        let other = BoostSpec { seed: 8, ..bagged };
        assert_ne!(first, fit(&rows, &other).unwrap());
    }

    #[test]
    fn limits_on_trees_and_leaves_hold_and_are_reached() {
        let rows = rows(2000);
        for leaves_max in [2, 3, 5] {
            let limited = BoostSpec {
                leaves_max,
                trees_max: 9,
                ..spec()
            };
            let fitted = fit(&rows, &limited).unwrap();
            assert!(fitted.trees.len() <= 9);
            let most = fitted.trees.iter().map(|tree| tree.value.len()).max();
            assert_eq!(most, Some(leaves_max));
        }
    }

    #[test]
    fn weights_count_relative_to_each_other() {
        let rows = rows(400);
        let mut scaled = rows.clone();
        scaled
            .weights
            .iter_mut()
            .for_each(|weight| *weight *= 1024.0);
        assert_eq!(fit(&rows, &spec()), fit(&scaled, &spec()));
    }

    #[test]
    fn a_fit_learns_what_there_is_to_learn() {
        let rows = rows(2000);
        let fitted = fit(&rows, &spec()).unwrap();
        let cells = rows.values.chunks_exact(3);
        let scored = cells
            .zip(&rows.labels)
            .map(|(row, &label)| (fitted.log_odds(row), label));
        let auc = crate::evaluate::metrics::auc(scored).unwrap();
        assert!(auc > 0.9, "{auc}");
    }

    #[test]
    fn columns_that_do_not_vary_are_no_trouble() {
        let mut rows = rows(300);
        for row in 0..300 {
            rows.values[row * 3] = f64::NAN;
            rows.values[row * 3 + 2] = 5.0;
        }
        let fitted = fit(&rows, &spec()).unwrap();
        let mut used = fitted.trees.iter().flat_map(|tree| &tree.feature);
        assert!(used.all(|&feature| feature == 1));
        rows.values.fill(f64::NAN);
        assert_eq!(fit(&rows, &spec()), Err(FitError::Constant));
    }

    #[test]
    fn rows_that_make_no_table_are_refused() {
        type Spoil = fn(&mut Rows);
        let spoils: [(Spoil, FitError); 8] = [
            (
                |r| {
                    *r = Rows {
                        columns: 3,
                        ..Rows::default()
                    }
                },
                FitError::NoRows,
            ),
            (|r| r.columns = 0, FitError::NoColumns),
            (|r| r.columns = 2, FitError::Shape),
            (
                |r| r.values[4] = f64::INFINITY,
                FitError::Infinite { column: 1 },
            ),
            (
                |r| r.values[5] = -f64::MAX,
                FitError::Infinite { column: 2 },
            ),
            (|r| r.weights[3] = 0.0, FitError::Weight { row: 3 }),
            (|r| r.weights[2] = f64::NAN, FitError::Weight { row: 2 }),
            (|r| r.labels.fill(true), FitError::OneClass),
        ];
        for (spoil, error) in spoils {
            let mut rows = rows(50);
            spoil(&mut rows);
            assert_eq!(fit(&rows, &spec()), Err(error));
        }
    }

    #[test]
    fn a_handful_of_rows_is_enough_to_not_fail() {
        for count in [2, 3, 9, 40] {
            let mut rows = rows(count);
            rows.labels[0] = !rows.labels[1];
            assert!(fit(&rows, &spec()).is_ok(), "{count} rows");
        }
    }
}
