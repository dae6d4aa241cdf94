//! Whether a score of 30 % comes true three times in ten.
//!
//! Rows fall into ten bins of equal width by score (0.3 lies in the bin that begins there, 1 in the
//! last). A bin's gap is that between its mean score and its positives' share. Where nearly all
//! scores are small the first bin holds nearly everything, and the error then says little more
//! than that the mean is right: read it beside the log loss. Cost: one pass.

use super::metrics::Ranking;

/// Number of bins.
pub const BINS: usize = 10;

/// A bin of scores that holds something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Mean score, by weight.
    pub score_mean: f64,
    /// The positives' share of the weight.
    pub share: f64,
    /// Sum of the weights.
    pub weight: f64,
    /// Number of rows.
    pub rows: u64,
    /// Number of the bin, from 0, below [`BINS`].
    pub index: usize,
}

/// The bins that hold rows, upwards.
pub fn reliability(ranking: &Ranking) -> Vec<Bin> {
    let mut sums = [(0.0, 0.0, 0.0, 0); BINS];
    for row in ranking.rows() {
        // Scores are probabilities here, and a cast to whole numbers stays within them.
        let index = ((row.score * BINS as f64) as usize).min(BINS - 1);
        let (score, hits, weight, rows) = &mut sums[index];
        *score += row.score * row.weight;
        *hits += row.weight * f64::from(u8::from(row.label));
        *weight += row.weight;
        *rows += 1;
    }
    let bins = sums.into_iter().enumerate();
    bins.filter(|(_, (_, _, weight, _))| *weight > 0.0)
        .map(|(index, (score, hits, weight, rows))| Bin {
            score_mean: score / weight,
            share: hits / weight,
            weight,
            rows,
            index,
        })
        .collect()
}

/// Expected calibration error: the mean gap of the bins by weight (Naeini, Cooper, Hauskrecht
/// 2015); `None` unless both classes are there.
pub fn ece(ranking: &Ranking) -> Option<f64> {
    ranking.both().then_some(())?;
    let bins = reliability(ranking);
    let total: f64 = bins.iter().map(|bin| bin.weight).sum();
    let gap = |bin: &Bin| bin.weight * (bin.score_mean - bin.share).abs();
    Some(bins.iter().map(gap).sum::<f64>() / total)
}

#[cfg(test)]
mod tests {
    use super::super::metrics::tests::{close, ranking};
    use super::super::metrics::{Ranking, Row};
    use super::*;

    /// The expected numbers were computed apart, with NumPy.
    #[test]
    fn the_error_is_the_mean_gap() {
        close(ece(&ranking(false)).expect("both"), 0.249);
        close(ece(&ranking(true)).expect("both"), 0.216_875);
        assert_eq!(ece(&Ranking::default()), None);
    }

    #[test]
    fn bins_hold_their_rows() {
        let bins = reliability(&ranking(false));
        let indices: Vec<usize> = bins.iter().map(|bin| bin.index).collect();
        // 0.05; 0.1; 0.2; 0.35; 0.4 twice; 0.62; 0.8 twice; 0.99.
        assert_eq!(indices, [0, 1, 2, 3, 4, 6, 8, 9]);
        let four = bins[4];
        assert_eq!((four.rows, four.weight, four.share), (2, 2.0, 0.5));
        close(four.score_mean, 0.4);
        assert_eq!(bins.iter().map(|bin| bin.rows).sum::<u64>(), 10);
    }

    #[test]
    fn certain_scores_fall_into_the_last_bin() {
        let sure = Row {
            score: 1.0,
            weight: 0.5,
            session: 0,
            label: true,
        };
        let bins = reliability(&Ranking::new(vec![sure]));
        assert_eq!((bins.len(), bins[0].index, bins[0].share), (1, 9, 1.0));
    }
}
