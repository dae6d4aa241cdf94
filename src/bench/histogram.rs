//! A histogram of fixed precision: any number of values in constant memory, quantiles within 0.4 %.
//!
//! Values below 512 have a bucket each; above, every power of two is cut into 256 buckets (the layout
//! known as HDR). A quantile is the upper end of its bucket, so it is never told too small; the
//! greatest value is kept exactly. Cost: a shift and an addition a value; 113 kB.

/// Buckets a power of two.
const PARTS_BITS: u32 = 8;
const BUCKETS: usize = (64 - PARTS_BITS as usize + 1) << PARTS_BITS;

/// Counts of values by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: vec![0; BUCKETS],
            total: 0,
            max: 0,
        }
    }
}

fn bucket_of(value: u64) -> usize {
    let shift = (64 - value.leading_zeros()).saturating_sub(PARTS_BITS + 1);
    ((shift as usize) << PARTS_BITS) + (value >> shift) as usize
}

/// The greatest value of a bucket.
fn end_of(bucket: usize) -> u64 {
    let shift = (bucket >> PARTS_BITS).saturating_sub(1) as u32;
    let part = (bucket - ((shift as usize) << PARTS_BITS)) as u64;
    (part << shift) + ((1 << shift) - 1)
}

impl Histogram {
    /// Counts a value so many times.
    pub fn add(&mut self, value: u64, times: u64) {
        self.counts[bucket_of(value)] += times;
        self.total += times;
        self.max = self.max.max(if times > 0 { value } else { 0 });
    }

    /// How many values there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The greatest value; 0 if there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The least value that a share of all values does not exceed; 0 if there is none.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank && *count > 0 {
                return end_of(bucket).min(self.max);
            }
        }
        0
    }

    /// Values with the share of all values above each, upwards: a complementary distribution.
    pub fn above(&self) -> impl Iterator<Item = (u64, f64)> {
        let mut left = self.total;
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(move |(bucket, count)| {
                left -= count;
                (
                    end_of(bucket).min(self.max),
                    left as f64 / self.total as f64,
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for value in (0..100_000).chain((9..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit])) {
            let bucket = bucket_of(value);
            assert!(value <= end_of(bucket), "{value}");
            assert!(bucket == 0 || end_of(bucket - 1) < value, "{value}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(end_of(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values_within_the_precision() {
        let mut rng = Rng::new(7);
        let mut values: Vec<u64> = (0..20_000)
            .map(|_| u64::from(rng.below(1 << 20)) << rng.below(20))
            .collect();
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.add(*value, 1));
        values.sort_unstable();
        for share in [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((values.len() as f64 * share).ceil() as usize).max(1);
            let exact = values[rank - 1];
            let told = histogram.quantile(share);
            assert!(
                told >= exact && told as f64 <= exact as f64 * 1.004 + 1.0,
                "{share}"
            );
        }
        assert_eq!(
            (histogram.total(), histogram.max()),
            (20_000, values[19_999])
        );
        let above: Vec<(u64, f64)> = histogram.above().collect();
        assert!(above.is_sorted_by(|one, next| one.0 < next.0 && one.1 > next.1));
        assert_eq!(
            above.last().map(|(value, share)| (*value, *share)),
            Some((values[19_999], 0.0))
        );
    }

    #[test]
    fn nothing_has_no_quantiles() {
        let histogram = Histogram::default();
        assert_eq!((histogram.quantile(0.5), histogram.max()), (0, 0));
        assert_eq!(histogram.above().count(), 0);
    }
}
