//! The pinned source of chance: xoshiro256++ seeded by SplitMix64, and the few laws drawn from it.
//!
//! Algorithms are those of Blackman and Vigna (2021, "Scrambled Linear Pseudorandom Number
//! Generators", ACM TOMS 47) and Steele, Lea and Flood (2014); both are golden-tested. Logarithms
//! and powers come from the libm crate, so that a draw has the same bits on every platform.
//!
//! Cost: about a nanosecond a draw, some ten where a logarithm is taken, some fifty with a power.

use crate::event::mix;

/// The increment of SplitMix64: 2⁶⁴ over the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A seeded generator. Two generators made from the same numbers draw the same numbers for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The generator of `seed`: its state is the first four outputs of SplitMix64.
    pub fn new(seed: u64) -> Rng {
        Rng {
            state: std::array::from_fn(|n| split_mix(seed, n as u64)),
        }
    }

    /// One of the many generators of a seed, e.g. that of visit number `index`.
    pub fn of(seed: u64, index: u64) -> Rng {
        Rng::new(seed ^ split_mix(index, 0))
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// A number from 0 up to but not including 1, evenly.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number from `low` up to but not including `high`, evenly.
    #[inline]
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number below `end`, evenly up to a bias of `end`/2⁶⁴ (Lemire's multiplication).
    #[inline]
    pub fn below(&mut self, end: u32) -> u32 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u32
    }

    /// True with probability `p`; never for `p` ≤ 0, always for `p` ≥ 1.
    #[inline]
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// An index into `weights`, in proportion to the weights, which must not all be zero.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        // Rounding ate the last sliver: it belongs to the last weight that is one.
        weights.iter().rposition(|&w| w > 0.0).unwrap_or(0)
    }

    /// An exponential waiting time of this mean.
    #[inline]
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// A Weibull time: `scale` · E^(1/`shape`) with E exponential of mean 1.
    #[inline]
    pub fn weibull(&mut self, scale: f64, shape: f64) -> f64 {
        scale * libm::pow(self.exponential(1.0), 1.0 / shape)
    }

    /// A standard normal number (Marsaglia's polar method; the second of the pair is not kept).
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let r = x * x + y * y;
            if r > 0.0 && r < 1.0 {
                return x * (-2.0 * libm::log(r) / r).sqrt();
            }
        }
    }

    /// A log-normal number of this median; `sigma` is the deviation of its logarithm.
    #[inline]
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// A rank below `end` by Zipf's law with exponent 1: rank k (from 0) comes with probability
    /// ln((k+2)/(k+1)) / ln(`end`+1), which is close to 1/(k+1) over the harmonic number.
    #[inline]
    pub fn zipf(&mut self, end: u32) -> u32 {
        let rank = libm::exp(self.unit() * libm::log(f64::from(end) + 1.0)) as u32;
        (rank.max(1) - 1).min(end - 1)
    }
}

/// Output number `n` (from 0) of SplitMix64 started at `seed`.
fn split_mix(seed: u64, n: u64) -> u64 {
    mix(seed.wrapping_add(GOLDEN.wrapping_mul(n + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs that the authors' C code gives.
    #[test]
    fn generators_are_pinned() {
        let outputs: Vec<u64> = (0..4).map(|n| split_mix(1_234_567, n)).collect();
        assert_eq!(
            outputs,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
            ]
        );
        let mut rng = Rng {
            state: [1, 2, 3, 4],
        };
        let outputs: Vec<u64> = (0..6).map(|_| rng.bits()).collect();
        assert_eq!(
            outputs,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386,
                9_228_616_714_210_784_205,
                9_973_669_472_204_895_162,
            ]
        );
    }

    #[test]
    fn laws_have_their_means() {
        let mut rng = Rng::new(7);
        let n = 200_000;
        let mut mean = |draw: &mut dyn FnMut(&mut Rng) -> f64| {
            (0..n).map(|_| draw(&mut rng)).sum::<f64>() / f64::from(n)
        };
        assert!((mean(&mut |r| r.unit()) - 0.5).abs() < 0.003);
        assert!((mean(&mut |r| r.exponential(3.0)) - 3.0).abs() < 0.04);
        assert!(mean(&mut |r| r.normal()).abs() < 0.01);
        let square = mean(&mut |r| {
            let x = r.normal();
            x * x
        });
        assert!((square - 1.0).abs() < 0.02);
        // Γ(1 + 1/0.5) = 2.
        assert!((mean(&mut |r| r.weibull(1.0, 0.5)) - 2.0).abs() < 0.06);
        assert!((mean(&mut |r| f64::from(r.below(11))) - 5.0).abs() < 0.03);
        let first = mean(&mut |r| f64::from(u8::from(r.weighted(&[1.0, 0.0, 3.0]) == 0)));
        assert!((first - 0.25).abs() < 0.01);
    }

    #[test]
    fn zipf_keeps_its_law_and_its_bounds() {
        let mut rng = Rng::new(11);
        let mut counts = [0u32; 100];
        for _ in 0..100_000 {
            counts[rng.zipf(100) as usize] += 1;
        }
        let share = |rank: usize| f64::from(counts[rank]) / 100_000.0;
        assert!((share(0) - libm::log(2.0) / libm::log(101.0)).abs() < 0.006);
        assert!((share(9) - libm::log(11.0 / 10.0) / libm::log(101.0)).abs() < 0.003);
        assert!(counts[99] > 0);
        assert_eq!(rng.zipf(1), 0);
    }

    #[test]
    fn weights_of_zero_are_never_picked() {
        let mut rng = Rng::new(3);
        assert!((0..1000).all(|_| rng.weighted(&[0.0, 1.0, 0.0]) == 1));
    }
}
