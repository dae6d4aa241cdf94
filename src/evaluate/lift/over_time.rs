//! The same comparison at one time after another.
//!
//! Sums are cumulative: what was known of all visitors at the end of each stretch of time. Since
//! intervals hold at all looks together, the band over time is one statement: with probability
//! 1 − α the truth never leaves it. Cost: that of [`lift`] a stretch.

use super::{Lift, LiftOptions, lift};
use crate::visit::learn::moments::Moments;
use serde::Serialize;

/// The comparison as of a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiftPoint {
    /// Beginning of the stretch of time at whose end this was known, in ms since 1970.
    pub start_ms: u64,
    /// The comparison.
    #[serde(flatten)]
    pub lift: Lift,
}

/// Compares the groups at the end of each stretch: its beginning in ms since 1970, and the sums of
/// treated and held visitors from the beginning of the experiment up to its end.
pub fn over_time(
    cumulative: &[(u64, Moments, Moments)],
    held_share: f64,
    options: &LiftOptions,
) -> Vec<LiftPoint> {
    let point = |(start_ms, treated, held): &(u64, Moments, Moments)| LiftPoint {
        start_ms: *start_ms,
        lift: lift(treated, held, held_share, options),
    };
    cumulative.iter().map(point).collect()
}
