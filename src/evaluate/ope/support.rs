//! Where the log could have shown what the target would.
//!
//! An arm is supported in its group and context if the log chose it there at least once: what the
//! log could have chosen but never did is not known. Where a row's propensity is 1 the log could
//! not have chosen anything else, whatever it chose elsewhere. Invariant: a function of the rows as
//! a set. Cost: a search of a tree an arm, once a situation.

use super::rows::{Logged, Rows};
use std::collections::BTreeSet;

/// What the log chose where.
#[derive(Debug)]
pub(super) struct Support(BTreeSet<(u32, u32, u16)>);

impl Support {
    /// Looks at all rows.
    pub fn of(rows: &Rows) -> Support {
        let chosen = rows.rows().iter();
        Support(
            chosen
                .map(|row| (row.group, row.context, row.arm))
                .collect(),
        )
    }

    /// The arms that the target would choose in the place of a row and the log could not.
    pub fn missing(&self, rows: &Rows, row: &Logged) -> Vec<u16> {
        let only = only(row);
        let possible = |arm: u16| match only {
            Some(only) => only == arm,
            None => self.0.contains(&(row.group, row.context, arm)),
        };
        let chances = (0..).zip(rows.target(row.target));
        chances
            .filter(|(arm, p)| **p > 0.0 && !possible(*arm))
            .map(|(arm, _)| arm)
            .collect()
    }
}

/// The one arm that was possible, where the choice was certain.
pub(super) fn only(row: &Logged) -> Option<u16> {
    (row.propensity >= 1.0).then_some(row.arm)
}
