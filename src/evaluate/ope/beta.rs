//! The Beta distribution, as far as ranking draws of it needs: density and distribution function.
//!
//! Both take the log-odds `x` of the argument, as does [`super::thompson`]'s integration: for any
//! parameters the density over log-odds is smooth, has one peak, and falls off exponentially at both
//! ends, where over probabilities it may be infinite at 0 or a needle. The distribution function is
//! the continued fraction of the incomplete Beta function by Lentz's method (Press et al. 2007,
//! section 6.4), on the side where it converges fast. Accuracy: 1e-9 for parameters up to a million,
//! which is what the logarithm of the Gamma function leaves. Cost: some √(α + β) steps.

use libm::{exp, lgamma, log1p, sqrt};

/// A Beta distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beta {
    /// First parameter: successes and the prior's.
    pub alpha: f64,
    /// Second parameter: failures and the prior's.
    pub beta: f64,
    /// The logarithm of the Beta function.
    log_constant: f64,
}

/// Exponents below minus this count as nothing: e⁻⁴⁴ is 1e-19.
const NOTHING: f64 = 44.0;
const STEPS_MAX: usize = 20_000;
const PRECISION: f64 = 1e-15;

impl Beta {
    /// The distribution; both parameters are above 0.
    pub fn new(alpha: f64, beta: f64) -> Beta {
        Beta {
            alpha,
            beta,
            log_constant: lgamma(alpha) + lgamma(beta) - lgamma(alpha + beta),
        }
    }

    /// The spread over log-odds, about its standard deviation.
    pub fn spread(&self) -> f64 {
        sqrt(1.0 / self.alpha + 1.0 / self.beta)
    }

    /// Log-odds between which all but nothing of the distribution lies.
    pub fn support(&self) -> [f64; 2] {
        let peak = libm::log(self.alpha / self.beta);
        let edge = |direction: f64| {
            let mut step = self.spread();
            while !self.is_nothing(peak + direction * step) {
                step *= 1.25;
            }
            peak + direction * step
        };
        [edge(-1.0), edge(1.0)]
    }

    /// The density over log-odds.
    pub fn density(&self, x: f64) -> f64 {
        exp(self.log_density(x))
    }

    /// The probability of log-odds below `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        let peak = libm::log(self.alpha / self.beta);
        if self.is_nothing(x) {
            return if x < peak { 0.0 } else { 1.0 };
        }
        let front = self.density(x);
        let (p, q) = (exp(-softplus(-x)), exp(-softplus(x)));
        if p < (self.alpha + 1.0) / (self.alpha + self.beta + 2.0) {
            front * fraction(self.alpha, self.beta, p) / self.alpha
        } else {
            1.0 - front * fraction(self.beta, self.alpha, q) / self.beta
        }
    }

    /// `ln(pᵅ (1 − p)ᵝ / B)`: the factor `p (1 − p)` is the step from probability to log-odds.
    fn log_density(&self, x: f64) -> f64 {
        -self.alpha * softplus(-x) - self.beta * softplus(x) - self.log_constant
    }

    /// Whether neither the density nor what lies beyond it counts.
    fn is_nothing(&self, x: f64) -> bool {
        let slowest = self.alpha.min(self.beta).min(1.0);
        self.log_density(x) - libm::log(slowest) < -NOTHING
    }
}

/// `ln(1 + eˣ)`.
fn softplus(x: f64) -> f64 {
    if x > 0.0 {
        x + log1p(exp(-x))
    } else {
        log1p(exp(x))
    }
}

/// The continued fraction of the incomplete Beta function.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let off_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / off_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for step in 1..STEPS_MAX {
        let m = step as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / off_zero(1.0 + term * d);
            c = off_zero(1.0 + term / c);
            change = c * d;
            result *= change;
        }
        if (change - 1.0).abs() < PRECISION {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odds(p: f64) -> f64 {
        libm::log(p / (1.0 - p))
    }

    #[test]
    fn closed_forms_are_met() {
        for p in [0.001, 0.1, 0.5, 0.73, 0.999] {
            let x = odds(p);
            let near = |found: f64, expected: f64| {
                assert!((found - expected).abs() < 1e-12, "{p}: {found} {expected}")
            };
            near(Beta::new(1.0, 1.0).cdf(x), p);
            near(Beta::new(3.0, 1.0).cdf(x), p * p * p);
            near(Beta::new(1.0, 2.0).cdf(x), 1.0 - (1.0 - p) * (1.0 - p));
            // The arcsine law.
            let arcsine = 2.0 / std::f64::consts::PI * libm::asin(sqrt(p));
            near(Beta::new(0.5, 0.5).cdf(x), arcsine);
            near(
                Beta::new(2.0, 2.0).density(x),
                6.0 * p * p * (1.0 - p) * (1.0 - p),
            );
        }
    }

    /// For whole parameters the distribution is a binomial tail.
    #[test]
    fn binomial_tails_are_met() {
        let (alpha, beta, p) = (7u32, 5u32, 0.4f64);
        let n = alpha + beta - 1;
        let choose = |k: u32| (0..k).fold(1.0, |c, i| c * f64::from(n - i) / f64::from(i + 1));
        let tail: f64 = (alpha..=n)
            .map(|k| choose(k) * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32))
            .sum();
        let cdf = Beta::new(7.0, 5.0).cdf(odds(p));
        assert!((cdf - tail).abs() < 1e-12);
    }

    #[test]
    fn needles_and_wide_shapes_integrate_to_one_and_rise() {
        for (alpha, beta) in [(1278.0, 270_771.0), (2.0, 2_308.0), (0.3, 0.2), (1e6, 1e6)] {
            let shape = Beta::new(alpha, beta);
            let [low, high] = shape.support();
            let step = shape.spread() / 8.0;
            let (mut sum, mut x, mut before) = (0.0, low, 0.0);
            while x < high {
                sum += shape.density(x) * step;
                let cdf = shape.cdf(x);
                assert!(cdf >= before - 1e-9 && (0.0..=1.0 + 1e-9).contains(&cdf));
                before = cdf;
                x += step;
            }
            assert!((sum - 1.0).abs() < 1e-8, "{alpha} {beta}: {sum}");
            assert!((shape.cdf(low), shape.cdf(high)) == (0.0, 1.0));
        }
    }
}
