//! Drawing an arm: from shares and what is eligible to exact probabilities, and from the inputs of a
//! decision to a number below a million.
//!
//! **The floor is added, not clipped.** With n eligible arms and a floor f, arm i is drawn with
//! pᵢ = f + (1 − n·f) · wᵢ/Σw. Every eligible arm is so drawn with at least f, order among the arms is
//! kept, and probabilities are smooth in the weights. The usual max(wᵢ, f)/Σ max(w, f) is none of
//! this: dividing again pushes the floor below f, by as much as all arms at the floor were lifted;
//! it takes what it gives to the arms at the floor from the others by a rule that jumps as an arm
//! crosses f, so two arms just above and below it are drawn alike although one is better known. An
//! inverse-propensity estimate then rests on weights that may exceed 1/f.
//!
//! **A draw is a hash.** [`draw_ppm`] mixes who is drawn for, in which session, slot and leaf, by which
//! table and the how manyth time, and nothing else. A replay draws the same, on any number of
//! workers, and the probability that is logged is the probability of the draw: probabilities are
//! whole millionths, and the draw is even over a million values up to 10⁶/2⁶⁴.
//!
//! Cost: a distribution is one pass with a division an arm; a draw six multiplications by two.

use super::super::choose::CERTAIN_PPM;
use super::super::policy::ARMS_MAX;
use super::apportion::apportion;
use super::spec::PerArm;
use crate::event::{VisitorId, mix};

/// The increment of SplitMix64: 2⁶⁴ over the golden ratio. It keeps zeros from mixing to zero.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The probability of each arm in millionths: the additive floor over the arms in `eligible` (a bit
/// an arm), and beyond it in proportion to `share_ppm`, evenly where those are all zero.
///
/// What comes out sums to 1,000,000 exactly unless nothing is eligible, and is 0 for arms that are
/// not. A floor of more than 1,000,000 over the number of eligible arms is taken for that. An
/// eligible arm never has less than the floor.
pub fn distribution(share_ppm: &[u32], eligible: u16, floor_ppm: u32) -> PerArm<u32> {
    let mut out = [0; ARMS_MAX];
    let arms = share_ppm.len().min(ARMS_MAX);
    let is_eligible = |arm: usize| eligible >> arm & 1 == 1;
    let count = (0..arms).filter(|&arm| is_eligible(arm)).count() as u32;
    if count == 0 {
        return out;
    }
    let floor = floor_ppm.min(CERTAIN_PPM / count);
    let mut weights = [0; ARMS_MAX];
    for arm in (0..arms).filter(|&arm| is_eligible(arm)) {
        weights[arm] = u64::from(share_ppm[arm]);
    }
    if weights == [0; ARMS_MAX] {
        let eligible = (0..arms).filter(|&arm| is_eligible(arm));
        eligible.for_each(|arm| weights[arm] = 1);
    }
    let left = CERTAIN_PPM - count * floor;
    apportion(&weights[..arms], left, &mut out[..arms]);
    for arm in (0..arms).filter(|&arm| is_eligible(arm)) {
        out[arm] += floor;
    }
    out
}

/// The arm that a draw below 1,000,000 falls on. Arms of probability zero are never picked; where
/// all are zero it is arm 0.
pub fn pick(distribution: &[u32], draw_ppm: u32) -> usize {
    let mut end = 0;
    let mut last = 0;
    for (arm, &probability) in distribution.iter().enumerate() {
        if probability > 0 {
            end += probability;
            last = arm;
            if draw_ppm < end {
                return arm;
            }
        }
    }
    last
}

/// A number below 1,000,000, evenly, from what is drawn for: the visitor, the number of its session,
/// the slot, the leaf of its context, the version of the table that is read, and how many draws of
/// this kind came before (`nth`). Pinned: logged propensities depend on it.
pub fn draw_ppm(
    visitor: VisitorId,
    session: u64,
    slot: usize,
    leaf: usize,
    tables_ms: u64,
    nth: u32,
) -> u32 {
    let place = (slot as u64) << 32 | leaf as u64;
    let words = [visitor.0, session, place, tables_ms, u64::from(nth)];
    let bits = words
        .iter()
        .fold(0, |hash: u64, word| mix((hash ^ word).wrapping_add(GOLDEN)));
    ((u128::from(bits) * u128::from(CERTAIN_PPM)) >> 64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn probabilities_are_the_formula() {
        let out = distribution(&[700_000, 200_000, 100_000], 0b111, 20_000);
        assert_eq!(out[..3], [678_000, 208_000, 114_000]);
        // Of the eligible two, in proportion to their shares.
        let out = distribution(&[700_000, 200_000, 100_000], 0b110, 50_000);
        assert_eq!(out[..3], [0, 650_000, 350_000]);
        let out = distribution(&[1_000_000, 0, 0], 0b110, 0);
        assert_eq!(out[..3], [0, 500_000, 500_000]);
        assert_eq!(distribution(&[1, 2], 0, 5), [0; ARMS_MAX]);
        let out = distribution(&[1_000_000, 0, 0], 0b111, 900_000);
        assert_eq!(out[..3], [333_334, 333_333, 333_333]);
    }

    #[test]
    fn probabilities_sum_to_a_million_and_never_lie_below_the_floor() {
        let mut rng = Rng::new(8);
        for _ in 0..5_000 {
            let arms = 1 + rng.below(16) as usize;
            let shares: Vec<u32> = (0..arms).map(|_| rng.below(500_000)).collect();
            let (eligible, floor) = (rng.bits() as u16, rng.below(80_000));
            let out = distribution(&shares, eligible, floor);
            let open: Vec<usize> = (0..arms).filter(|&arm| eligible >> arm & 1 == 1).collect();
            let sum = if open.is_empty() { 0 } else { 1_000_000 };
            assert_eq!(out.iter().sum::<u32>(), sum);
            let least = floor.min(1_000_000 / open.len().max(1) as u32);
            for (arm, &probability) in out.iter().enumerate() {
                if open.contains(&arm) {
                    assert!(probability >= least);
                } else {
                    assert_eq!(probability, 0);
                }
            }
            for pair in open.windows(2) {
                let [one, other] = [pair[0], pair[1]];
                if shares[one] > shares[other] {
                    assert!(out[one] >= out[other], "order is kept");
                }
            }
        }
    }

    #[test]
    fn picks_fall_where_they_should() {
        let arms = [0, 250_000, 0, 750_000, 0];
        for (draw, arm) in [(0, 1), (249_999, 1), (250_000, 3), (999_999, 3)] {
            assert_eq!(pick(&arms, draw), arm);
        }
        assert_eq!((pick(&arms, u32::MAX), pick(&[], 3)), (3, 0));
    }

    /// As an independent program has them.
    #[test]
    fn draws_are_pinned() {
        let draws = [
            draw_ppm(VisitorId(0), 0, 0, 0, 0, 0),
            draw_ppm(VisitorId(1), 0, 0, 0, 0, 0),
            draw_ppm(VisitorId(1), 2, 0, 0, 0, 0),
            draw_ppm(VisitorId(1), 2, 3, 0, 0, 0),
            draw_ppm(VisitorId(1), 2, 3, 4, 0, 0),
            draw_ppm(VisitorId(1), 2, 3, 4, 1_600_000_000_000, 0),
            draw_ppm(VisitorId(1), 2, 3, 4, 1_600_000_000_000, 5),
        ];
        assert_eq!(
            draws,
            [
                471_410, 205_264, 981_415, 800_310, 990_927, 745_018, 846_346
            ]
        );
    }

    /// Pearson's statistic of counts against probabilities.
    fn chi_square(counts: &[u32], shares: &[f64]) -> f64 {
        let total: u32 = counts.iter().sum();
        let expected = shares.iter().map(|share| share * f64::from(total));
        let cell = |(&count, expected): (&u32, f64)| {
            (f64::from(count) - expected) * (f64::from(count) - expected) / expected
        };
        counts.iter().zip(expected).map(cell).sum()
    }

    #[test]
    fn arms_come_as_often_as_they_should() {
        for (eligible, degrees) in [(0b1111u16, 3.0), (0b1011, 2.0)] {
            let probabilities =
                distribution(&[600_000, 250_000, 100_000, 50_000], eligible, 10_000);
            let mut counts = [0; ARMS_MAX];
            for visitor in 0..1_000_000 {
                let draw = draw_ppm(VisitorId(visitor), 1, 2, 0, 86_400_000, 0);
                counts[pick(&probabilities, draw)] += 1;
            }
            let seen: Vec<usize> = (0..4).filter(|&arm| probabilities[arm] > 0).collect();
            let counts: Vec<u32> = seen.iter().map(|&arm| counts[arm]).collect();
            let shares: Vec<f64> = seen
                .iter()
                .map(|&arm| f64::from(probabilities[arm]) / 1e6)
                .collect();
            let square = chi_square(&counts, &shares);
            // Beyond this once in a thousand (Wilson and Hilferty's approximation).
            let z: f64 = 1.0 - 2.0 / (9.0 * degrees) + 3.09 * (2.0f64 / (9.0 * degrees)).sqrt();
            assert!(square < degrees * z * z * z, "{counts:?}: {square}");
        }
    }

    /// Tenths by tenths: any two draws that differ in one input know nothing of each other.
    #[test]
    fn draws_are_independent() {
        let draws = |visitor: u64| {
            let draw = |session, slot, leaf, tables_ms, nth| {
                draw_ppm(VisitorId(visitor), session, slot, leaf, tables_ms, nth) / 100_000
            };
            [
                draw(1, 0, 0, 60_000, 0),
                draw(2, 0, 0, 60_000, 0),
                draw(1, 1, 0, 60_000, 0),
                draw(1, 0, 1, 60_000, 0),
                draw(1, 0, 0, 120_000, 0),
                draw(1, 0, 0, 60_000, 1),
            ]
        };
        let mut counts = [[0u32; 100]; 5];
        for visitor in 0..100_000 {
            let [first, others @ ..] = draws(visitor);
            for (counts, other) in counts.iter_mut().zip(others) {
                counts[(first * 10 + other) as usize] += 1;
            }
        }
        for counts in counts {
            // 99 degrees of freedom: 149 is beyond a thousandth.
            assert!(chi_square(&counts, &[0.01; 100]) < 149.0);
        }
    }
}
