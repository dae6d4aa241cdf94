//! The probability of each arm that it is the best, from what is believed of their means.
//!
//! Thompson sampling (Thompson 1933) shows an arm with the probability that its mean is the
//! greatest, Pᵢ = ∫ fᵢ(x) Πⱼ≠ᵢ Fⱼ(x) dx. It is usually done by drawing; here the integral is taken
//! itself, so that the same statistics give the same shares and shares carry no noise.
//!
//! Panels of Gauss–Legendre nodes ([`super::gauss`]) run from the right down to where no maximum can
//! lie any more: below the highest of the arms' low ends (each holds all but some 10⁻⁸ of its arm).
//! An arm whose high end lies below that is not evaluated at all. A panel is as wide as the
//! narrowest arm in it allows, so widths may differ by any factor. The tails 1 − Fⱼ are integrated
//! along the way, on the same nodes; no incomplete beta function is needed.
//!
//! Beta densities are taken over the logit y = ln(x/(1−x)): αy − (α+β) ln(1+eʸ) is smooth for all α
//! and β, even where the density over x has a corner at 0. Nothing is approximated for large counts.
//! Invariant: what comes out sums to 1 up to rounding.
//!
//! Error: below 10⁻⁶ (tested against closed forms and brute force).
//! Cost: an exponential per arm and node: 9 µs for four arms that lie together, 29 µs for sixteen, 57 µs
//! for sixteen of all widths (cargo bench --bench learn, shared two-core x86-64, 2026-11-22), and half of that
//! since exponentials come by the eight ([`super::exponential`]; 2026-11-29). Nothing is allocated.

use super::super::policy::ARMS_MAX;
use super::exponential::{Nodes, exp_all};
use super::gauss::{AT, BEYOND, NODES, WEIGHTS};
use super::spec::PerArm;

/// Logarithms below the peak at which a density ends: high, where mass would count for the maximum,
/// and low, where it only has to be below the other arms.
const DEPTH_HIGH: f64 = 22.0;
const DEPTH_LOW: f64 = 18.0;
/// Width of a panel, in local deviations of the narrowest arm in it.
const PANEL: f64 = 1.7;
/// Most panels; far more than sixteen arms that do not touch can need.
const PANELS_MAX: usize = 4096;
/// Least α and β of a Beta posterior that are told apart.
const SHAPE_MIN: f64 = 0.1;
/// Least deviation of a normal posterior, relative to the numbers compared.
const DEVIATION_MIN: f64 = 1e-9;

/// What is believed of one arm, as a density over some axis.
trait Belief: Copy {
    /// Where on the axis it has mass that matters, from low to high.
    fn range(&self) -> (f64, f64);
    /// How wide it is around `y`: about a deviation.
    fn scale(&self, y: f64) -> f64;
    /// Its density at nodes; `shared` is what [`Belief::shared`] makes of them.
    fn densities(&self, at: &Nodes, shared: &Nodes) -> Nodes;
    /// What all arms need of nodes, computed once.
    fn shared(at: &Nodes) -> Nodes;
}

/// A Beta posterior over the logit.
#[derive(Clone, Copy)]
struct Logit {
    alpha: f64,
    total: f64,
    /// The density is `height` times e to the drop from `log_peak`, which is at the logit `peak`.
    peak: f64,
    log_peak: f64,
    height: f64,
    deviation: f64,
}

/// A normal posterior.
#[derive(Clone, Copy)]
struct Normal {
    mean: f64,
    deviation: f64,
}

/// The probability of each arm that its rate is the greatest, for Beta(α, β) posteriors, into `out`
/// (same length, at most [`ARMS_MAX`]). α and β below 0.1 are taken for 0.1.
pub fn beta_best(posteriors: &[(f64, f64)], out: &mut [f64]) {
    let mut beliefs = [Logit::of(1.0, 1.0); ARMS_MAX];
    for (belief, &(alpha, beta)) in beliefs.iter_mut().zip(posteriors) {
        *belief = Logit::of(alpha.max(SHAPE_MIN), beta.max(SHAPE_MIN));
    }
    race(&beliefs[..posteriors.len()], out);
}

/// The probability of each arm that its mean is the greatest, for normal posteriors (mean,
/// deviation), into `out` (same length, at most [`ARMS_MAX`]). Deviations of less than a billionth
/// of the numbers compared are taken for that.
pub fn normal_best(posteriors: &[(f64, f64)], out: &mut [f64]) {
    let sizes = posteriors.iter().map(|&(mean, sd)| mean.abs().max(sd));
    let least = (DEVIATION_MIN * sizes.fold(0.0, f64::max)).max(f64::MIN_POSITIVE);
    let mut beliefs = [Normal {
        mean: 0.0,
        deviation: 1.0,
    }; ARMS_MAX];
    for (belief, &(mean, sd)) in beliefs.iter_mut().zip(posteriors) {
        *belief = Normal {
            mean,
            deviation: sd.max(least),
        };
    }
    race(&beliefs[..posteriors.len()], out);
}

/// Integrates all arms from the right, panel by panel.
fn race<B: Belief>(arms: &[B], out: &mut [f64]) {
    out.fill(0.0);
    let mut ranges: PerArm<(f64, f64)> = [(0.0, 0.0); ARMS_MAX];
    for (range, arm) in ranges.iter_mut().zip(arms) {
        *range = arm.range();
    }
    let ranges = &ranges[..arms.len()];
    let low = ranges.iter().fold(f64::NEG_INFINITY, |low, r| low.max(r.0));
    let mut right = ranges
        .iter()
        .fold(f64::NEG_INFINITY, |high, r| high.max(r.1));
    // Mass of each arm to the right of `right`.
    let mut beyond: PerArm<f64> = [0.0; ARMS_MAX];
    for _ in 0..PANELS_MAX {
        let left = left_end(arms, ranges, right).max(low);
        if left >= right || left.is_nan() {
            break;
        }
        panel(arms, ranges, (left, right), &mut beyond, out);
        right = left;
    }
    let sum: f64 = out.iter().sum();
    if sum > 0.0 {
        out.iter_mut().for_each(|share| *share /= sum);
    } else if !out.is_empty() {
        out.fill(1.0 / out.len() as f64);
    }
}

/// Where the panel that ends at `right` begins: the narrowest arm that it meets has to be smooth
/// over it. An arm that begins further left is met in its outermost tail only.
fn left_end<B: Belief>(arms: &[B], ranges: &[(f64, f64)], right: f64) -> f64 {
    let mut left = f64::NEG_INFINITY;
    for (arm, &(_, high)) in arms.iter().zip(ranges) {
        let end = if high < right {
            high - 0.5 * arm.scale(high)
        } else {
            right - PANEL * arm.scale(right)
        };
        left = left.max(end);
    }
    left
}

/// Adds one panel to the shares and to the mass beyond.
fn panel<B: Belief>(
    arms: &[B],
    ranges: &[(f64, f64)],
    (left, right): (f64, f64),
    beyond: &mut PerArm<f64>,
    out: &mut [f64],
) {
    let (middle, half) = ((left + right) / 2.0, (right - left) / 2.0);
    let at: Nodes = std::array::from_fn(|k| middle + half * AT[k]);
    let shared = B::shared(&at);
    // The arms met so far: their places, densities, and distribution functions at the nodes.
    let mut met: PerArm<usize> = [0; ARMS_MAX];
    let mut density = [[0.0; NODES]; ARMS_MAX];
    let mut below = [[1.0; NODES]; ARMS_MAX];
    let mut count = 0;
    for (index, (arm, range)) in arms.iter().zip(ranges).enumerate() {
        if range.1 <= left {
            continue;
        }
        let mut f = arm.densities(&at, &shared);
        for f in &mut f {
            *f *= half;
        }
        for (k, row) in BEYOND.iter().enumerate() {
            let tail: f64 = row.iter().zip(&f).map(|(weight, f)| weight * f).sum();
            below[count][k] = (1.0 - beyond[index] - tail).max(0.0);
        }
        beyond[index] += (0..NODES).map(|k| WEIGHTS[k] * f[k]).sum::<f64>();
        density[count] = f;
        met[count] = index;
        count += 1;
    }
    // Products over all other arms, as those before an arm times those after it.
    let mut before = [[1.0; NODES]; ARMS_MAX];
    for n in 1..count {
        before[n] = std::array::from_fn(|k| before[n - 1][k] * below[n - 1][k]);
    }
    let mut after = [1.0; NODES];
    for n in (0..count).rev() {
        out[met[n]] += (0..NODES)
            .map(|k| WEIGHTS[k] * density[n][k] * before[n][k] * after[k])
            .sum::<f64>();
        for k in 0..NODES {
            after[k] *= below[n][k];
        }
    }
}

impl Logit {
    fn of(alpha: f64, beta: f64) -> Logit {
        let total = alpha + beta;
        let peak = libm::log(alpha / beta);
        let spread = alpha * (beta / total);
        Logit {
            alpha,
            total,
            peak,
            log_peak: alpha * peak - total * log_1_plus_exp(peak),
            height: (spread / std::f64::consts::TAU).sqrt()
                * libm::exp(stirling(total) - stirling(alpha) - stirling(beta)),
            deviation: 1.0 / spread.sqrt(),
        }
    }

    fn drop(&self, y: f64) -> f64 {
        self.alpha * y - self.total * log_1_plus_exp(y) - self.log_peak
    }

    /// Where the logarithm of the density lies `depth` below its peak, or just outside: Newton's
    /// method, which for a concave function comes from outside and never crosses.
    fn end(&self, direction: f64, depth: f64) -> f64 {
        let mut y = self.peak + direction * (2.0 * depth).sqrt() * self.deviation;
        for _ in 0..40 {
            let slope = self.alpha - self.total / (1.0 + libm::exp(-y));
            let step = (self.drop(y) + depth) / slope;
            y -= step;
            if step.abs() < 0.1 * self.deviation {
                break;
            }
        }
        y
    }
}

impl Belief for Logit {
    fn range(&self) -> (f64, f64) {
        (self.end(-1.0, DEPTH_LOW), self.end(1.0, DEPTH_HIGH))
    }

    /// By the curvature, which grows to the right of a peak that lies left of a half.
    fn scale(&self, y: f64) -> f64 {
        let x = 1.0 / (1.0 + libm::exp(-y));
        (1.0 / (self.total * x * (1.0 - x)).sqrt()).min(self.deviation)
    }

    fn densities(&self, at: &Nodes, shared: &Nodes) -> Nodes {
        let mut drops = [0.0; NODES];
        for k in 0..NODES {
            drops[k] = self.alpha * at[k] - self.total * shared[k] - self.log_peak;
        }
        let mut densities = exp_all(&drops);
        for density in &mut densities {
            *density *= self.height;
        }
        densities
    }

    /// [`log_1_plus_exp`].
    fn shared(at: &Nodes) -> Nodes {
        let mut shared = [0.0; NODES];
        for k in 0..NODES {
            shared[k] = -at[k].abs();
        }
        shared = exp_all(&shared);
        for k in 0..NODES {
            shared[k] = at[k].max(0.0) + libm::log1p(shared[k]);
        }
        shared
    }
}

/// ln(1 + eʸ).
#[inline]
fn log_1_plus_exp(y: f64) -> f64 {
    y.max(0.0) + libm::log1p(libm::exp(-y.abs()))
}

impl Belief for Normal {
    fn range(&self) -> (f64, f64) {
        (
            self.mean - (2.0 * DEPTH_LOW).sqrt() * self.deviation,
            self.mean + (2.0 * DEPTH_HIGH).sqrt() * self.deviation,
        )
    }

    fn scale(&self, _: f64) -> f64 {
        self.deviation
    }

    fn densities(&self, at: &Nodes, _: &Nodes) -> Nodes {
        let exponents = at.map(|y| {
            let z = (y - self.mean) / self.deviation;
            -0.5 * z * z
        });
        let height = self.deviation * std::f64::consts::TAU.sqrt();
        exp_all(&exponents).map(|of_peak| of_peak / height)
    }

    fn shared(_: &Nodes) -> Nodes {
        [0.0; NODES]
    }
}

/// What Stirling's formula √(2π/z)·(z/e)ᶻ leaves of ln Γ(z); small, so that nothing cancels where
/// counts are large (Loader 2000, "Fast and accurate computation of binomial probabilities").
fn stirling(z: f64) -> f64 {
    if z < 10.0 {
        let half_log_tau = 0.5 * libm::log(std::f64::consts::TAU);
        return libm::lgamma(z) - ((z - 0.5) * libm::log(z) - z + half_log_tau);
    }
    let square = z * z;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square) / z
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn of_betas(posteriors: &[(f64, f64)]) -> Vec<f64> {
        let mut out = vec![0.0; posteriors.len()];
        beta_best(posteriors, &mut out);
        let sum: f64 = out.iter().sum();
        assert!(out.is_empty() || (sum - 1.0).abs() < 1e-12, "{sum}");
        out
    }

    fn log_beta(a: f64, b: f64) -> f64 {
        libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
    }

    /// P(second > first) for whole α of the second (Miller 2015).
    fn closed(first: (f64, f64), second: (f64, f64)) -> f64 {
        (0..second.0 as i64)
            .map(|i| {
                let i = i as f64;
                libm::exp(
                    log_beta(first.0 + i, first.1 + second.1)
                        - log_beta(1.0 + i, second.1)
                        - log_beta(first.0, first.1),
                ) / (second.1 + i)
            })
            .sum()
    }

    /// A fine midpoint rule over t with x = sin²t, with nothing in common with the code but the
    /// definition.
    fn brute(posteriors: &[(f64, f64)], cells: usize) -> Vec<f64> {
        let mut shares = vec![0.0; posteriors.len()];
        let mut below = vec![0.0; posteriors.len()];
        let logs: Vec<f64> = posteriors.iter().map(|&(a, b)| log_beta(a, b)).collect();
        let width = std::f64::consts::FRAC_PI_2 / cells as f64;
        for cell in 0..cells {
            let (sin, cos) = libm::sincos((cell as f64 + 0.5) * width);
            let (log_sin, log_cos) = (2.0 * libm::log(sin), 2.0 * libm::log(cos));
            let density = |(&(a, b), log): (&(f64, f64), &f64)| {
                let log_f = (a - 0.5) * log_sin + (b - 0.5) * log_cos - log;
                2.0 * width * libm::exp(log_f)
            };
            let mass: Vec<f64> = posteriors.iter().zip(&logs).map(density).collect();
            for i in 0..shares.len() {
                let others = (0..shares.len()).filter(|&j| j != i);
                shares[i] += mass[i] * others.map(|j| below[j] + mass[j] / 2.0).product::<f64>();
            }
            below.iter_mut().zip(&mass).for_each(|(sum, m)| *sum += m);
        }
        shares
    }

    #[test]
    fn two_betas_have_a_closed_form() {
        for (first, second) in [
            ((1.0, 1.0), (1.0, 1.0)),
            ((3.0, 50.0), (9.0, 60.0)),
            ((2.5, 1.5), (1.0, 4.0)),
            ((31.0, 971.0), (41.0, 963.0)),
            ((301.0, 9_701.0), (330.0, 9_672.0)),
            ((1.0, 1_000.0), (1.0, 10.0)),
            ((1.3, 200.0), (4.0, 800.0)),
            ((900.0, 2.0), (95.0, 1.0)),
            ((1.0, 30.0), (500.0, 20_000.0)),
        ] {
            let (out, truth) = (of_betas(&[first, second]), closed(first, second));
            assert!(
                (out[1] - truth).abs() < 1e-7,
                "{first:?} {second:?}: {} for {truth}",
                out[1]
            );
        }
    }

    #[test]
    fn many_betas_agree_with_brute_force() {
        let mut rng = Rng::new(5);
        for case in 0..12 {
            let posteriors: Vec<(f64, f64)> = (0..3 + case % 4)
                .map(|_| {
                    let size = libm::exp(rng.between(1.5, 7.0));
                    let rate = rng.between(0.05, 0.6);
                    (1.0 + size * rate, 1.0 + size * (1.0 - rate))
                })
                .collect();
            let (out, truth) = (of_betas(&posteriors), brute(&posteriors, 20_000));
            for (out, truth) in out.iter().zip(&truth) {
                assert!((out - truth).abs() < 2e-7, "{posteriors:?}: {out} {truth}");
            }
        }
    }

    #[test]
    fn equal_arms_are_equally_good() {
        for (alpha, beta) in [(1.0, 1.0), (1.0, 1e6), (31.0, 970.0), (3e6, 1e8)] {
            let out = of_betas(&[(alpha, beta); ARMS_MAX]);
            assert!(out.iter().all(|p| (p - 1.0 / 16.0).abs() < 1e-9), "{out:?}");
        }
    }

    /// A uniform arm beats a rate known to be r with probability 1 − r.
    #[test]
    fn widths_may_differ_by_any_factor() {
        for rate in [0.02, 0.5, 0.97] {
            let known = (1e7 * rate, 1e7 * (1.0 - rate));
            let out = of_betas(&[(1.0, 1.0), known]);
            assert!((out[1] - rate).abs() < 1e-6, "{rate}: {out:?}");
            // The greatest of two uniform arms lies below r with probability r².
            let out = of_betas(&[(1.0, 1.0), known, (1.0, 1.0)]);
            assert!((out[1] - rate * rate).abs() < 1e-6, "{rate}: {out:?}");
        }
    }

    #[test]
    fn a_hopeless_arm_has_nothing_and_odd_numbers_do_no_harm() {
        let out = of_betas(&[(500.0, 500.0), (10.0, 9_990.0)]);
        assert_eq!(out, [1.0, 0.0]);
        for odd in [(0.0, 0.0), (f64::NAN, 3.0), (-4.0, 1e12)] {
            let out = of_betas(&[odd, (2.0, 3.0)]);
            assert!(out.iter().all(|p| p.is_finite()), "{odd:?}: {out:?}");
        }
        assert!(of_betas(&[]).is_empty());
        assert_eq!(of_betas(&[(7.0, 2.0)]), [1.0]);
    }

    #[test]
    fn two_normals_have_a_closed_form() {
        let mut rng = Rng::new(9);
        for _ in 0..200 {
            let arm = |rng: &mut Rng| (rng.normal(), libm::exp(rng.between(-6.0, 2.0)));
            let (one, other) = (arm(&mut rng), arm(&mut rng));
            let mut out = [0.0; 2];
            normal_best(&[one, other], &mut out);
            let z = (one.0 - other.0) / (one.1 * one.1 + other.1 * other.1).sqrt();
            let truth = 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
            assert!((out[0] - truth).abs() < 1e-6, "{one:?} {other:?}: {out:?}");
        }
    }

    #[test]
    fn normals_without_width_are_compared_by_their_means() {
        let mut out = [0.0; 3];
        normal_best(&[(1.0, 0.0), (3.0, 0.0), (2.0, 0.0)], &mut out);
        assert_eq!(out, [0.0, 1.0, 0.0]);
        normal_best(&[(0.0, 0.0); 3], &mut out);
        assert!(out.iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-9), "{out:?}");
    }

    /// Many normals against many draws; sixteen of unlike widths are the hardest panels.
    #[test]
    fn sixteen_normals_agree_with_draws() {
        let mut rng = Rng::new(2);
        let arms: Vec<(f64, f64)> = (0..ARMS_MAX)
            .map(|_| (rng.normal(), libm::exp(rng.between(-4.0, 1.0))))
            .collect();
        let mut out = [0.0; ARMS_MAX];
        normal_best(&arms, &mut out);
        let (draws, mut wins) = (100_000, [0u32; ARMS_MAX]);
        for _ in 0..draws {
            let drawn: Vec<f64> = arms.iter().map(|a| a.0 + a.1 * rng.normal()).collect();
            let best = (0..ARMS_MAX).max_by(|&i, &j| drawn[i].total_cmp(&drawn[j]));
            wins[best.unwrap()] += 1;
        }
        for (share, wins) in out.iter().zip(wins) {
            let seen = f64::from(wins) / f64::from(draws);
            assert!((share - seen).abs() < 0.006, "{share} {seen}");
        }
    }
}
