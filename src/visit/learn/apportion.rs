//! Sharing out a whole number in proportion to weights, so that the parts sum to it exactly.
//!
//! Hamilton's method of largest remainders: everyone gets the whole part of the quota, and what is
//! left goes one by one to the largest remainders, the lower index first at a tie. In integers
//! throughout: no share depends on how a machine rounds. Each part is within one of its quota.
//!
//! Cost: two divisions a weight, and a sort of the remainders.

use super::super::policy::ARMS_MAX;

/// Shares out `total` in proportion to `weights` into `out` (same length, any number of them). If
/// all weights are zero, nobody gets anything.
pub fn apportion(weights: &[u64], total: u32, out: &mut [u32]) {
    out.fill(0);
    let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    if sum == 0 {
        return;
    }
    // Slots have few arms: their remainders need no allocation.
    let (mut few, mut many) = ([(0, 0); ARMS_MAX], Vec::new());
    let remainders = if weights.len() <= ARMS_MAX {
        &mut few[..weights.len()]
    } else {
        many.resize(weights.len(), (0, 0));
        &mut many[..]
    };
    let mut left = total;
    for (index, &weight) in weights.iter().enumerate() {
        let quota = u128::from(weight) * u128::from(total);
        let (whole, remainder) = divide(quota, sum);
        out[index] = whole as u32;
        left -= out[index];
        remainders[index] = (remainder, index);
    }
    remainders.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    for &(_, index) in remainders.iter().take(left as usize) {
        out[index] += 1;
    }
}

/// Quotient and remainder. Shares fit into a machine word, whose division is many times as fast.
fn divide(quota: u128, sum: u128) -> (u128, u128) {
    match (u64::try_from(quota), u64::try_from(sum)) {
        (Ok(quota), Ok(sum)) => ((quota / sum).into(), (quota % sum).into()),
        _ => (quota / sum, quota % sum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn parts(weights: &[u64], total: u32) -> Vec<u32> {
        let mut out = vec![7; weights.len()];
        apportion(weights, total, &mut out);
        out
    }

    #[test]
    fn what_is_left_goes_to_the_largest_remainder_and_then_the_lower_index() {
        assert_eq!(parts(&[1, 1, 1], 1_000_000), [333_334, 333_333, 333_333]);
        assert_eq!(parts(&[1, 0, 2, 2], 4), [1, 0, 2, 1]);
        assert_eq!(parts(&[0, 0], 5), [0, 0]);
        assert_eq!(parts(&[u64::MAX, u64::MAX], 3), [2, 1]);
        assert!(parts(&[], 3).is_empty());
    }

    #[test]
    fn parts_sum_to_the_whole_and_keep_to_their_quotas() {
        let mut rng = Rng::new(4);
        for case in 0..500u32 {
            let weights: Vec<u64> = (0..=case % 40)
                .map(|_| rng.bits() >> (6 + rng.below(58)))
                .collect();
            let total = rng.below(1_000_001);
            let (out, sum) = (parts(&weights, total), weights.iter().sum::<u64>());
            let sum = sum.max(1) as f64;
            assert_eq!(out.iter().sum::<u32>(), total, "case {case}");
            for (part, weight) in out.iter().zip(&weights) {
                let quota = *weight as f64 / sum * f64::from(total);
                assert!((f64::from(*part) - quota).abs() < 1.000_001);
                assert!(*weight > 0 || *part == 0);
            }
        }
    }
}
