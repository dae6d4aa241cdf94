//! What choosing an arm for good is expected to lose: the value that is left in going on.
//!
//! Drawing by the probability of being the best goes on for long after it has stopped to matter: an
//! arm that is best with one chance in twenty gets one draw in twenty, although all that is known says
//! that there is next to nothing to be gained by it. The *value remaining* (Scott 2015, section 3.3) says
//! when to stop: E[max θ] − E[θ_best], the loss expected from showing the best arm to everybody. It is
//! bounded here by the sum over the other arms of E[(θ_j − θ_best)⁺], each of a normal difference:
//!
//! ```text
//! E(d)⁺ = σ φ(m/σ) − m (1 − Φ(m/σ)),   d ~ N(−m, σ²)
//! ```
//!
//! Invariant: an upper bound for normal posteriors. Cost: an exponential and an error function an arm.

use core::f64::consts::{PI, SQRT_2};

/// The arm with the greatest mean, the first of several, and the loss expected from showing it
/// always; in the unit of the means. `posteriors` are means and deviations. `None` without arms.
pub fn remaining(posteriors: &[(f64, f64)]) -> Option<(usize, f64)> {
    let mut best = 0;
    for (arm, (mean, _)) in posteriors.iter().enumerate() {
        if *mean > posteriors[best].0 {
            best = arm;
        }
    }
    let &(mean, deviation) = posteriors.get(best)?;
    let others = posteriors
        .iter()
        .enumerate()
        .filter(|(arm, _)| *arm != best);
    let loss = others.map(|(_, (other, its))| gain(mean - other, deviation.hypot(*its)));
    Some((best, loss.sum()))
}

/// E(d)⁺ of d ~ N(−`behind`, `deviation`²).
fn gain(behind: f64, deviation: f64) -> f64 {
    if deviation <= 0.0 {
        return (-behind).max(0.0);
    }
    let z = behind / deviation;
    let density = libm::exp(-0.5 * z * z) / (2.0 * PI).sqrt();
    let tail = 0.5 * libm::erfc(z / SQRT_2);
    // Far out both terms are equal but for rounding.
    (deviation * (density - z * tail)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_arms_have_the_closed_form() {
        // Equal means: σ/√(2π) of the difference.
        let (best, loss) = remaining(&[(0.1, 0.03), (0.1, 0.04)]).unwrap();
        assert_eq!(best, 0);
        assert!((loss - 0.05 / (2.0 * PI).sqrt()).abs() < 1e-12);
        // E(d)⁺ at one deviation: φ(1) − Φ(−1).
        let (best, loss) = remaining(&[(0.0, 0.6), (1.0, 0.8)]).unwrap();
        assert_eq!(best, 1);
        assert!((loss - 0.083_315_470_6).abs() < 1e-9);
    }

    #[test]
    fn it_bounds_what_is_lost() {
        // By brute force over a grid of three normals.
        let arms = [(1.0, 0.2), (0.9, 0.1), (0.8, 0.3)];
        let steps = -40..=40;
        let (mut sum, mut weight) = (0.0, 0.0);
        for a in steps.clone() {
            for b in steps.clone() {
                for c in steps.clone() {
                    let z = [a, b, c].map(|step| f64::from(step) / 10.0);
                    let density = libm::exp(-0.5 * z.iter().map(|z| z * z).sum::<f64>());
                    let at = |arm: usize| arms[arm].0 + arms[arm].1 * z[arm];
                    sum += density * (at(0).max(at(1)).max(at(2)) - at(0));
                    weight += density;
                }
            }
        }
        let (_, bound) = remaining(&arms).unwrap();
        let truth = sum / weight;
        assert!(truth < bound && bound < 1.5 * truth, "{truth} {bound}");
    }

    #[test]
    fn certainty_and_nothing_are_no_trouble() {
        assert_eq!(remaining(&[]), None);
        assert_eq!(remaining(&[(0.3, 0.0)]), Some((0, 0.0)));
        assert_eq!(remaining(&[(0.3, 0.0), (0.2, 0.0)]), Some((0, 0.0)));
        let (_, loss) = remaining(&[(1.0, 1e-9), (0.0, 1e-9)]).unwrap();
        assert_eq!(loss, 0.0);
    }
}
