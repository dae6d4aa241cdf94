//! What a mean is worth at any time: asymptotic confidence sequences.
//!
//! A confidence interval holds at the one time at which it is looked at. Shops look every day, and
//! the kill switch looks at every table: an interval has to hold at all times together. The width
//! is that of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), "Time-uniform central limit
//! theory and asymptotic confidence sequences", Annals of Statistics 52(6), theorem 2.2: with `n`
//! observations of deviation σ, a mean lies within
//!
//! σ · √( 2(nρ² + 1)/(n²ρ²) · ln( √(nρ² + 1) / α ) )
//!
//! of its estimate for all `n` at once with probability 1 − α, as n grows. ρ says at which `n` the
//! sequence is at its tightest; [`rho`] gives it.
//!
//! Cost: a logarithm and two square roots.

/// The tuning that makes a sequence at level 1 − `alpha` about as tight as it can be at `n`
/// observations (the paper's equation 10 and what follows it).
pub fn rho(alpha: f64, n: f64) -> f64 {
    let log = -2.0 * libm::log(alpha);
    ((log + libm::log(log) + 1.0) / n).sqrt()
}

/// Half the width, in deviations of one observation, after `n` observations; infinite before the
/// first.
pub fn half_width(n: f64, rho: f64, alpha: f64) -> f64 {
    if n <= 0.0 {
        return f64::INFINITY;
    }
    let grown = n * rho * rho + 1.0;
    (2.0 * grown / (n * n * rho * rho) * libm::log(grown.sqrt() / alpha)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_sequence_is_wider_than_an_interval_and_shrinks() {
        let rho = rho(0.05, 1_000.0);
        let fixed = |n: f64| 1.96 / n.sqrt();
        let mut before = f64::INFINITY;
        for n in [1.0, 10.0, 100.0, 1_000.0, 1e6] {
            let width = half_width(n, rho, 0.05);
            assert!(width > fixed(n) && width < before, "{n}: {width}");
            before = width;
        }
        assert!(half_width(1_000.0, rho, 0.05) < 1.6 * fixed(1_000.0));
        assert_eq!(half_width(0.0, rho, 0.05), f64::INFINITY);
    }

    #[test]
    fn it_holds_at_all_times_together() {
        let (alpha, runs, mut missed) = (0.05, 400, 0);
        let rho = rho(alpha, 500.0);
        for run in 0..runs {
            let mut rng = Rng::of(5, run);
            let mut sum = 0.0;
            missed += u32::from((1..3_000).any(|n| {
                sum += rng.normal();
                n >= 50 && (sum / f64::from(n)).abs() > half_width(f64::from(n), rho, alpha)
            }));
        }
        assert!(
            missed <= 20,
            "{missed} of {runs} runs were left at some time"
        );
    }
}
