//! Exponentials by the eight, with the very bits of [`libm::exp`].
//!
//! Weights are integrals over nodes, and nearly all that they cost is an exponential a node and arm. One after
//! the other they are calls that wait for each other; here the same operations in the same order are done for
//! all nodes of a panel at a time (FreeBSD's `e_exp.c`, as libm has it: x = k ln 2 + r, a rational function of
//! r, and k added to the exponent), so that the compiler can put them side by side. What libm treats apart (next
//! to nothing, and beyond the range of normal numbers) is left to libm.
//!
//! Invariant: bit by bit what libm gives, so that no weight depends on which of the two was asked. Cost: some
//! 5 ns an exponential.

use super::gauss::NODES;

/// One number a node.
pub type Nodes = [f64; NODES];

const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
const P: [f64; 5] = [
    0.166_666_666_666_666_02,
    -0.002_777_777_777_701_559_3,
    6.613_756_321_437_934e-5,
    -1.653_390_220_546_525_2e-6,
    4.138_136_797_057_238_5e-8,
];

/// Up to here exponentials and their inverses are normal numbers.
const MOST: f64 = 708.0;
/// From here on x counts beside 1.
const LEAST: f64 = f64::from_bits(0x3e30_0001_0000_0000);
/// From here on, about half of ln 2, k is not 0.
const ONE: f64 = f64::from_bits(0x3fd6_2e43_0000_0000);
/// From here on, about three halves of ln 2, k may be more than 1.
const MORE: f64 = f64::from_bits(0x3ff0_a2b2_0000_0000);
/// Added to a small number it leaves its whole part in the last bits.
const WHOLE: f64 = 6_755_399_441_055_744.0;

/// e to the power of each.
pub fn exp_all(x: &Nodes) -> Nodes {
    let is_plain = |x: &f64| (LEAST..MOST).contains(&x.abs());
    // A loop by hand: mapped as an array, they were done one by one.
    let mut out = [0.0; NODES];
    if x.iter().all(is_plain) {
        for k in 0..NODES {
            out[k] = plain(x[k]);
        }
    } else {
        for k in 0..NODES {
            out[k] = libm::exp(x[k]);
        }
    }
    out
}

/// e to the power of a number that is neither next to nothing nor beyond the range. Without a branch.
#[inline(always)]
fn plain(x: f64) -> f64 {
    let sign = 1.0f64.copysign(x);
    // Cut off behind the point: rounded, and one less where that was too far.
    let quotient = std::f64::consts::LOG2_E * x + 0.5 * sign;
    let rounded = (quotient + WHOLE) - WHOLE;
    let cut = rounded
        - if rounded.abs() > quotient.abs() {
            sign
        } else {
            0.0
        };
    let small = if x.abs() >= ONE { sign } else { 0.0 };
    let k = if x.abs() >= MORE { cut } else { small };
    let (high, low) = (x - k * LN2_HIGH, k * LN2_LOW);
    let r = high - low;
    let square = r * r;
    let c =
        r - square * (P[0] + square * (P[1] + square * (P[2] + square * (P[3] + square * P[4]))));
    let y = 1.0 + (r * c / (2.0 - c) - low + high);
    // 2 to the power of k, whose exponent is the whole part.
    y * f64::from_bits((k + (WHOLE + 1023.0)).to_bits() << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn same(x: Nodes) {
        for (out, x) in exp_all(&x).into_iter().zip(x) {
            assert_eq!(out.to_bits(), libm::exp(x).to_bits(), "of {x}");
        }
    }

    #[test]
    fn bits_are_those_of_libm() {
        let mut rng = Rng::new(5);
        for range in [1e-9, 1e-6, 1e-3, 0.3, 0.6, 1.0, 2.0, 30.0, 700.0, 707.9] {
            for _ in 0..20_000 {
                same(std::array::from_fn(|_| (2.0 * rng.unit() - 1.0) * range));
            }
        }
    }

    #[test]
    fn bits_are_those_of_libm_at_every_edge() {
        let edges = [0.0, LEAST, ONE, MORE, MOST, 745.2, 709.8, f64::INFINITY];
        for edge in edges {
            for near in [edge.next_down(), edge, edge.next_up()] {
                for x in [near, -near] {
                    if !x.is_nan() {
                        same([x; NODES]);
                    }
                }
            }
        }
        let halves = (1..2000).map(|n| f64::from(n) * 0.5 * std::f64::consts::LN_2);
        for x in halves.filter(|x| *x < MOST) {
            same([
                x,
                -x,
                x.next_up(),
                x.next_down(),
                -x.next_up(),
                1.0,
                -1.0,
                0.2,
            ]);
        }
        assert!(exp_all(&[f64::NAN; NODES]).iter().all(|x| x.is_nan()));
    }
}
