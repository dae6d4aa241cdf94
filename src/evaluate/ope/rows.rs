//! Logged choices, and what the policy to be judged would have chosen in their place.
//!
//! A row is one choice of an arm: who it was made for, where, with which probability, and what it
//! earned. The policy to be judged (the target) enters as a distribution over arms; situations are
//! few where rows are many, so distributions stand in a table and a row names its own. Nothing in
//! here has an opinion: what a choice is a choice of is said by [`Names`].
//!
//! Invariant: propensities lie in (0, 1], rewards are finite, a row's arm is one of its
//! distribution's, and distributions sum to one; what breaks this is refused. Cost: 40 bytes a row,
//! and 8 an arm of a distribution.

/// A distribution's place in the table of a [`Rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub(super) u32);

/// One logged choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logged {
    /// Whom it was made for: rows of one unit are resampled together.
    pub unit: u64,
    /// Where: the slot, or the position.
    pub group: u32,
    /// What was known: the context that the reward may depend on, within the group.
    pub context: u32,
    /// What was chosen.
    pub arm: u16,
    /// The probability with which the log's policy chose it there; above 0, at most 1.
    pub propensity: f64,
    /// What it earned, in whatever unit the estimates shall have.
    pub reward: f64,
    /// The probabilities of all arms under the target policy.
    pub target: TargetId,
}

/// What groups and arms are called. Where a name is missing, its number stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// By group.
    pub groups: Vec<String>,
    /// By group, then by arm.
    pub arms: Vec<Vec<String>>,
}

/// Why a row or a distribution was refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum RowError {
    /// Not a probability of something that happened.
    #[error("the propensity {0} does not lie above 0 and at most at 1")]
    Propensity(f64),
    /// Not a number.
    #[error("the reward {0} is not a finite number")]
    Reward(f64),
    /// The distribution does not know the arm.
    #[error("arm {arm} does not exist: the target policy has {arms} arms there, counted from 0")]
    Arm {
        /// The arm of the row.
        arm: u16,
        /// Arms of the distribution.
        arms: usize,
    },
    /// No such distribution.
    #[error("the row names a distribution that is not in the table")]
    Target,
    /// Not a distribution.
    #[error("the target's probabilities sum to {sum}, not to 1, or one of them is negative")]
    Distribution {
        /// Their sum.
        sum: f64,
    },
    /// More than the numbers of rows can count.
    #[error("there are more rows or distributions than {}", u32::MAX)]
    TooMany,
}

/// By how much the sum of a distribution may miss 1.
const SUM_TOLERANCE: f64 = 1e-6;

/// Logged choices with the distributions that they name.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// What to call things.
    pub names: Names,
    rows: Vec<Logged>,
    /// Where each distribution ends in `probabilities`.
    ends: Vec<usize>,
    probabilities: Vec<f64>,
}

impl Rows {
    /// No rows yet, whose groups and arms will be called so.
    pub fn named(names: Names) -> Rows {
        Rows {
            names,
            ..Rows::default()
        }
    }

    /// Adds a distribution over arms, in the arms' order.
    ///
    /// # Errors
    /// [`RowError`] if it is none.
    pub fn push_target(&mut self, probabilities: &[f64]) -> Result<TargetId, RowError> {
        let sum: f64 = probabilities.iter().sum();
        let negative = probabilities.iter().any(|p| *p < 0.0);
        if negative || sum.is_nan() || (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(RowError::Distribution { sum });
        }
        let id = u32::try_from(self.ends.len()).map_err(|_| RowError::TooMany)?;
        self.probabilities.extend(probabilities);
        self.ends.push(self.probabilities.len());
        Ok(TargetId(id))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`RowError`] if a number in it makes no sense.
    pub fn push(&mut self, row: Logged) -> Result<(), RowError> {
        if !(row.propensity > 0.0 && row.propensity <= 1.0) {
            return Err(RowError::Propensity(row.propensity));
        }
        if !row.reward.is_finite() {
            return Err(RowError::Reward(row.reward));
        }
        if row.target.0 as usize >= self.ends.len() {
            return Err(RowError::Target);
        }
        let arms = self.target(row.target).len();
        if usize::from(row.arm) >= arms {
            return Err(RowError::Arm { arm: row.arm, arms });
        }
        if self.rows.len() == u32::MAX as usize {
            return Err(RowError::TooMany);
        }
        self.rows.push(row);
        Ok(())
    }

    /// The rows, in the order in which they were added.
    pub fn rows(&self) -> &[Logged] {
        &self.rows
    }

    /// A distribution of the table, by arm.
    ///
    /// # Panics
    /// If it is another table's.
    pub fn target(&self, id: TargetId) -> &[f64] {
        let index = id.0 as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.probabilities[start..self.ends[index]]
    }
}

impl Names {
    /// A group's name.
    pub fn group(&self, group: u32) -> String {
        let name = self.groups.get(group as usize).cloned();
        name.unwrap_or_else(|| format!("group {group}"))
    }

    /// An arm's name.
    pub fn arm(&self, group: u32, arm: u16) -> String {
        let arms = self.arms.get(group as usize);
        let name = arms.and_then(|arms| arms.get(usize::from(arm))).cloned();
        name.unwrap_or_else(|| format!("arm {arm}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut rows = Rows::default();
        let target = rows.push_target(&[0.25, 0.75]).unwrap();
        let three = rows.push_target(&[0.0, 0.0, 1.0]).unwrap();
        assert_eq!(rows.target(target), [0.25, 0.75]);
        assert_eq!(rows.target(three), [0.0, 0.0, 1.0]);
        let good = Logged {
            unit: 1,
            group: 0,
            context: 0,
            arm: 1,
            propensity: 0.5,
            reward: 1.0,
            target,
        };
        assert_eq!(rows.push(good), Ok(()));
        for propensity in [0.0, -0.1, 1.1, f64::NAN] {
            let row = Logged { propensity, ..good };
            assert!(matches!(rows.push(row), Err(RowError::Propensity(_))));
        }
        let reward = f64::INFINITY;
        assert!(matches!(
            rows.push(Logged { reward, ..good }),
            Err(RowError::Reward(_))
        ));
        assert_eq!(
            rows.push(Logged { arm: 2, ..good }),
            Err(RowError::Arm { arm: 2, arms: 2 })
        );
        let target = TargetId(2);
        assert_eq!(rows.push(Logged { target, ..good }), Err(RowError::Target));
        for wrong in [&[0.5, 0.4][..], &[-0.5, 1.5], &[f64::NAN, 1.0], &[]] {
            assert!(rows.push_target(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(rows.rows(), [good]);
    }
}
