//! Learning several slots together: whole layouts, with one weight for every pair of their arms.
//!
//! Slots interact: a banner that sells beside one product order hides another. Learning each slot by
//! itself then settles on arms that are good with whatever the others happened to show. This is the
//! bandit of Hill, Nassif, Liu, Iyer and Vishwanathan (2017), "An efficient bandit algorithm for
//! realtime multivariate optimization", KDD: the reward of a layout is an intercept, a weight for
//! every (slot, arm) but arm 0, and one for every pair of such in two slots. Higher interactions are
//! left out; pairs are what can be learned from a shop's traffic.
//!
//! The weights have a Gaussian ridge posterior given the cells (layout, statistics): independent
//! normal priors around the overall mean, as wide as [`Spec`] says relative to that mean, pairs
//! narrower than single arms so that they shrink more; the noise is the variance of a reward around
//! its layout's mean. [`layouts`] draws weights from it by a seeded generator, finds the best layout
//! of each draw by hill climbing, and gives each layout the share of draws that it won: Thompson
//! sampling, done once a table instead of once a visitor. (The paper links by a probit; a linear link
//! needs no iteration, and at a shop's rates the two hardly differ.)
//!
//! Arm 0 of a slot has no weight of its own, so before anything is known its layouts are somewhat
//! less spread than others; nothing but the prior's shape depends on which arm is 0.
//!
//! Cost: n³/6 once for n weights, then n²/2 a draw and a few table sums a step of the climb.

use super::super::choose::CERTAIN_PPM;
use super::super::policy::{ARMS_MAX, SLOTS_MAX};
use super::apportion::apportion;
use super::cholesky::Cholesky;
use super::layout::{Model, decode, encode};
use super::stat::Stat;
use crate::rng::Rng;

/// Least deviation of a reward around its layout's mean, relative to the overall mean.
const NOISE_MIN: f64 = 0.01;
/// Least prior width relative to the deviation of a reward: where the mean is about zero.
const PRIOR_MIN: f64 = 0.001;
/// How layouts are learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Draws from the posterior; a share is a multiple of 1 over this.
    pub draws: u32,
    /// Climbs a draw, each from a random layout of its own; the best end counts.
    pub starts: u32,
    /// Prior deviation of an arm's weight, relative to the overall mean.
    pub arm_deviation: f64,
    /// Prior deviation of a pair's weight, relative to the overall mean.
    pub pair_deviation: f64,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            draws: 512,
            starts: 4,
            arm_deviation: 0.5,
            pair_deviation: 0.2,
        }
    }
}

/// What is known of the weights: their means and the factor of their precision.
#[derive(Clone, Debug)]
struct Posterior {
    mean: Vec<f64>,
    precision: Cholesky,
}

/// The layouts to be drawn, as (code, share in millionths), sorted by code; shares sum to 1,000,000.
///
/// `cells` are the statistics of layouts, by code, each at most once; `arms` the number of arms of
/// each slot (at most [`SLOTS_MAX`] slots of 1 to [`ARMS_MAX`] arms); `open` a bit for each arm of a slot
/// that may be used. Empty if some slot has no open arm, or if there are no slots. The same inputs give
/// the same layouts, whatever the order of `cells`.
pub fn layouts(
    cells: &[(u32, Stat)],
    arms: &[usize],
    open: &[u16],
    spec: &Spec,
    seed: u64,
) -> Vec<(u32, u32)> {
    let open: Vec<Vec<usize>> = arms
        .iter()
        .zip(open)
        .map(|(&arms, &open)| {
            (0..arms.min(ARMS_MAX))
                .filter(|&arm| open >> arm & 1 == 1)
                .collect()
        })
        .collect();
    if open.is_empty()
        || arms.len() > SLOTS_MAX
        || open.len() < arms.len()
        || open.iter().any(Vec::is_empty)
    {
        return Vec::new();
    }
    let model = Model::of(arms);
    let posterior = Posterior::of(cells, &model, spec);
    let mut rng = Rng::new(seed);
    let mut won: Vec<u32> = (0..spec.draws.max(1))
        .map(|_| {
            let weights = posterior.draw(&mut rng);
            encode(&model.best(&weights, &open, spec.starts, &mut rng), arms)
        })
        .collect();
    won.sort_unstable();
    let groups = won.chunk_by(|one, other| one == other);
    let (codes, counts): (Vec<u32>, Vec<u64>) =
        groups.map(|group| (group[0], group.len() as u64)).unzip();
    let mut shares = vec![0; codes.len()];
    apportion(&counts, CERTAIN_PPM, &mut shares);
    codes.into_iter().zip(shares).collect()
}

impl Posterior {
    /// The posterior given the cells; those without exposures, and codes of no layout, count for
    /// nothing.
    fn of(cells: &[(u32, Stat)], model: &Model, spec: &Spec) -> Posterior {
        let size = model.weights;
        let end: u64 = model.arms.iter().map(|&arms| arms as u64).product();
        let mut cells: Vec<&(u32, Stat)> = cells
            .iter()
            .filter(|(code, stat)| stat.trials > 0 && u64::from(*code) < end)
            .collect();
        cells.sort_unstable();
        let (overall, noise) = noise(&cells);
        let prior = |relative: f64| {
            let width = relative.max(1e-6) * overall.abs().max(PRIOR_MIN * noise.sqrt());
            1.0 / (width * width)
        };
        let (arm, pair) = (prior(spec.arm_deviation), prior(spec.pair_deviation));
        let singles = 1 + model.arms.iter().map(|arms| arms - 1).sum::<usize>();
        let mut precision = vec![0.0; size * size];
        let mut mean = vec![0.0; size];
        for at in 0..size {
            precision[at * size + at] = if at == 0 {
                prior(1.0)
            } else if at < singles {
                arm
            } else {
                pair
            };
        }
        // Rewards are taken around the overall mean: that is where the intercept's prior lies.
        for (code, stat) in cells {
            let active = model.active(&decode(*code, &model.arms));
            let trials = stat.trials as f64 / noise;
            for &row in &active {
                mean[row] += trials * (stat.mean() - overall);
                for &column in active.iter().filter(|&&column| column <= row) {
                    precision[row * size + column] += trials;
                }
            }
        }
        let precision = Cholesky::of(precision, size).unwrap_or_else(|| Cholesky::unit(size));
        precision.solve(&mut mean);
        mean[0] += overall;
        Posterior { mean, precision }
    }

    /// Weights drawn from the posterior.
    fn draw(&self, rng: &mut Rng) -> Vec<f64> {
        let mut weights: Vec<f64> = self.mean.iter().map(|_| rng.normal()).collect();
        self.precision.backward(&mut weights);
        weights
            .iter_mut()
            .zip(&self.mean)
            .for_each(|(weight, mean)| *weight += mean);
        weights
    }
}

/// The overall mean of a reward, and the variance of a reward around its layout's mean; 1 where there
/// is nothing to tell either from.
fn noise(cells: &[&(u32, Stat)]) -> (f64, f64) {
    let (mut sum, mut trials, mut squares) = (Stat::default(), 0.0, 0.0);
    for (_, stat) in cells {
        sum.add(stat);
        trials += stat.trials as f64;
        squares += stat.trials as f64 * stat.variance();
    }
    let mean = sum.mean();
    let least = NOISE_MIN * NOISE_MIN * mean * mean;
    if trials <= 0.0 || (squares <= 0.0 && least <= 0.0) {
        return (mean, 1.0);
    }
    (mean, (squares / trials).max(least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::learn::layout::Layout;

    fn everything(arms: &[usize]) -> Vec<u16> {
        arms.iter().map(|&arms| (1u16 << arms) - 1).collect()
    }

    /// Conversions of every layout at a rate of its own.
    fn observed(arms: &[usize], trials: i64, rate: impl Fn(&Layout) -> f64) -> Vec<(u32, Stat)> {
        let end: usize = arms.iter().product();
        (0..end as u32)
            .map(|code| {
                let rewarded = (trials as f64 * rate(&decode(code, arms))).round() as i64;
                let stat = Stat {
                    trials,
                    reward: rewarded * 1_000_000,
                    square: i128::from(rewarded) * 1_000_000_000_000,
                };
                (code, stat)
            })
            .collect()
    }

    /// Alone, arm 1 looks worse in both slots; together they are the best.
    #[test]
    fn slots_that_interact_are_learned_together() {
        let arms = [2, 2];
        let rate = |layout: &Layout| match layout[..2] {
            [0, 0] => 0.05,
            [1, 1] => 0.07,
            _ => 0.02,
        };
        let cells = observed(&arms, 5_000, rate);
        let alone = |slot: usize, arm: usize| {
            let mut sum = Stat::default();
            let shown = cells
                .iter()
                .filter(|(code, _)| decode(*code, &arms)[slot] == arm);
            // Shown as the default layout mostly is.
            shown.for_each(|(code, stat)| {
                (0..if *code == 0 { 9 } else { 1 }).for_each(|_| sum.add(stat))
            });
            sum.mean()
        };
        assert!((0..2).all(|slot| alone(slot, 0) > alone(slot, 1)));
        let out = layouts(&cells, &arms, &everything(&arms), &Spec::default(), 1);
        let best = out.iter().find(|(code, _)| *code == 3).unwrap();
        assert!(best.1 > 900_000, "{out:?}");
    }

    /// Against ridge regression by gradient descent on every exposure's squared error.
    #[test]
    fn the_posterior_mean_is_that_of_ridge_regression() {
        let arms = [2, 3];
        let cells = observed(&arms, 400, |layout| 0.1 + 0.05 * layout[0] as f64);
        let (model, spec) = (Model::of(&arms), Spec::default());
        let posterior = Posterior::of(&cells, &model, &spec);
        let (overall, noise) = noise(&cells.iter().collect::<Vec<_>>());
        let width = |at: usize| match at {
            0 => 1.0,
            1..=3 => spec.arm_deviation,
            _ => spec.pair_deviation,
        };
        let mut weights = vec![0.0; model.weights];
        for _ in 0..100_000 {
            let mut slope: Vec<f64> = (0..model.weights)
                .map(|at| weights[at] * noise / (width(at) * overall * width(at) * overall))
                .collect();
            for (code, stat) in &cells {
                let active = model.active(&decode(*code, &arms));
                let fitted: f64 = active.iter().map(|&at| weights[at]).sum();
                let error = fitted + overall - stat.mean();
                active
                    .iter()
                    .for_each(|&at| slope[at] += error * stat.trials as f64);
            }
            weights
                .iter_mut()
                .zip(slope)
                .for_each(|(weight, slope)| *weight -= 1e-4 * slope);
        }
        weights[0] += overall;
        for (mean, truth) in posterior.mean.iter().zip(&weights) {
            assert!((mean - truth).abs() < 1e-9, "{mean} for {truth}");
        }
    }

    #[test]
    fn draws_have_the_posterior_s_spread() {
        // One slot of two arms, both shown n times: the weight's variance is known.
        let cells = observed(&[2], 1_000, |_| 0.1);
        let model = Model::of(&[2]);
        let wide = Spec {
            arm_deviation: 1e3,
            ..Spec::default()
        };
        let posterior = Posterior::of(&cells, &model, &wide);
        let mut rng = Rng::new(1);
        let n = 20_000;
        let square = (0..n).map(|_| posterior.draw(&mut rng)[1]).map(|w| w * w);
        let deviation = (square.sum::<f64>() / f64::from(n)).sqrt();
        let truth = (2.0 * 0.09f64 / 1_000.0).sqrt();
        assert!(
            (deviation / truth - 1.0).abs() < 0.02,
            "{deviation} {truth}"
        );
    }

    #[test]
    fn the_same_inputs_give_the_same_layouts_in_any_order() {
        let arms = [3, 2, 3];
        let mut cells = observed(&arms, 60, |layout| 0.04 + 0.02 * layout[2] as f64);
        let of = |cells: &[(u32, Stat)], seed| {
            layouts(cells, &arms, &everything(&arms), &Spec::default(), seed)
        };
        let out = of(&cells, 7);
        assert_eq!(out.iter().map(|layout| layout.1).sum::<u32>(), 1_000_000);
        assert!(out.windows(2).all(|pair| pair[0].0 < pair[1].0));
        cells.reverse();
        assert_eq!(of(&cells, 7), out);
        assert_ne!(of(&cells, 8), out);
    }

    #[test]
    fn closed_arms_are_in_no_layout_and_odd_input_does_no_harm() {
        let arms = [3, 2];
        let cells = observed(&arms, 1_000, |layout| 0.1 + 0.1 * layout[0] as f64);
        let spec = Spec::default();
        for (code, _) in layouts(&cells, &arms, &[0b011, 0b10], &spec, 5) {
            let layout = decode(code, &arms);
            assert!(layout[0] < 2 && layout[1] == 1);
        }
        assert!(layouts(&cells, &arms, &[0b011, 0], &spec, 5).is_empty());
        assert!(layouts(&cells, &[], &[], &spec, 5).is_empty());
        let odd = [
            (99, Stat::of(1)),
            (1, Stat::of(5).negated()),
            (0, Stat::default()),
        ];
        let out = layouts(&odd, &arms, &everything(&arms), &spec, 5);
        assert_eq!(out.iter().map(|layout| layout.1).sum::<u32>(), 1_000_000);
        assert!(out.len() > 3, "nothing is known: {out:?}");
    }
}
