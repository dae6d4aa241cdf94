//! What moved a score: the features that a record names as its reason.
//!
//! Invariant: the greatest come first, and of equals the first feature. Cost: a comparison a feature.

/// Most features that a record may name as the reason for its score.
pub const FACTORS_MAX: usize = 5;

/// The features that moved a score's log-odds most, in either direction, greatest first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Factors {
    /// Place of the feature, and what it added to the log-odds.
    pub parts: [(u8, f64); FACTORS_MAX],
    /// How many there are.
    pub count: u8,
}

impl Factors {
    /// Picks the greatest `most` of all contributions; those that round to nothing are left out.
    pub fn of(contributions: &[f64], most: usize) -> Factors {
        let mut factors = Factors::default();
        let most = most.min(FACTORS_MAX);
        let parts = &mut factors.parts[..most];
        let mut count = 0;
        for (index, &share) in contributions.iter().enumerate() {
            let size = share.abs();
            let full = count == most;
            if !shows(share) || (full && parts.last().is_none_or(|(_, least)| least.abs() >= size))
            {
                continue;
            }
            // Those that are less move up, and the last of a full list goes.
            let mut place = if full { most - 1 } else { count };
            while place > 0 && parts[place - 1].1.abs() < size {
                parts[place] = parts[place - 1];
                place -= 1;
            }
            parts[place] = (index as u8, share);
            count = (count + 1).min(most);
        }
        factors.count = count as u8;
        factors
    }
}

/// Whether a share does not round to nothing: asked of every feature, [`hundredths`] of few.
#[inline]
fn shows(share: f64) -> bool {
    (share * 100.0).abs() >= 0.5
}

pub(super) fn hundredths(share: f64) -> i64 {
    (share * 100.0).round() as i64
}
