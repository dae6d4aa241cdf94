//! From statistics to shares: what part of its draws each arm of a slot gets in one context leaf.
//!
//! A leaf leans on the rest of its slot: what is believed of an arm before the leaf's own exposures is
//! what its exposures in the *other* leaves taught. Effects differ between leaves by a share τ
//! ([`LearnSpec::heterogeneity`]), so n exposures elsewhere say what 1/(1/n + τ²/c²) of the leaf's own
//! would, where c is the deviation of a reward relative to the mean: an empirical-Bayes prior (Casella
//! 1985) of a random-effects model (DerSimonian and Laird 1986) with τ given, which keeps the weights a
//! plain function of statistics. A leaf's own exposures are taken out of the slot's first: nothing
//! counts twice. The caller brings exposures of other strata and leaves to this leaf's level before
//! ([`super::strata`]), or arms would be judged by where they are shown. Thin leaves so begin where the
//! slot stands, and outgrow it by their own data.
//!
//! * Conversions: Beta(1 + successes, 1 + failures), own and pooled, with fractional successes.
//! * Money: a normal posterior of the mean. Its variance leans on the slot's over all arms by
//!   [`VARIANCE_TRIALS`] exposures and its mean on the slot's by one, so that an arm with two equal
//!   rewards is not certain of anything.
//!
//! Shares are even until every open arm has [`LearnSpec::warm_up`] exposures, own and pooled
//! together. Where Thompson's best arm has next to nothing left to lose against the others
//! ([`super::remaining`], [`LearnSpec::settle`]) it has the whole share, for as long as that holds. The floor is not in them: it is added where an arm is drawn ([`super::draw`]), among the
//! arms that may be shown there. Invariant: shares of open arms sum to 1,000,000, closed arms have 0.
//!
//! Cost: that of [`super::best`] for Thompson, else well below a microsecond; no allocation.

use super::super::choose::CERTAIN_PPM;
use super::super::policy::ARMS_MAX;
use super::apportion::apportion;
use super::best::{beta_best, normal_best};
use super::remaining::remaining;
use super::spec::{Family, LearnSpec, Method, PerArm};
use super::stat::Stat;
use serde::{Deserialize, Serialize};

/// Exposures that the variance over all arms counts for beside an arm's own (money).
pub const VARIANCE_TRIALS: f64 = 100.0;
/// Least deviation of a reward, relative to the mean over all arms (money).
const DEVIATION_MIN: f64 = 0.01;
/// Least deviation of a reward in units, where nothing was ever earned (money).
const DEVIATION_LEAST: f64 = 1e-6;
/// Shares in floating point become integers at this resolution before they are apportioned.
const RESOLUTION: f64 = 1e12;

/// So many deviations on both sides of a normal mean hold 95 %.
const Z_95: f64 = 1.959_963_984_540_054;

/// The shares of a slot's arms in a leaf, and what is believed of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Share of each arm, in millionths; those of open arms sum to 1,000,000, others are 0.
    pub share_ppm: PerArm<u32>,
    /// Posterior mean reward of an exposure of each arm, in units.
    pub mean: PerArm<f64>,
}

/// What is known of an arm before a posterior is made of it: its own exposures and the pooled ones.
#[derive(Clone, Copy, Default)]
struct Evidence {
    /// Own exposures, and what they earned in units.
    trials: f64,
    reward: f64,
    /// Pooled exposures, and the mean of each.
    pooled: f64,
    rate: f64,
    /// Variances of a reward around its own mean, own and pooled.
    variance: f64,
    pooled_variance: f64,
}

/// The shares of a slot's arms in a leaf.
///
/// `leaf[i]` and `slot[i]` are the statistics of arm `i` in this leaf and over all leaves, the others
/// at this leaf's level, at most [`ARMS_MAX`] of them; `open` has a bit for every arm that may be used at all. For
/// [`Method::Multivariate`] the shares are even: its layouts are drawn whole, by
/// [`super::pairwise`].
pub fn weigh(leaf: &[Stat], slot: &[Stat], open: u16, spec: &LearnSpec, family: Family) -> Weights {
    let arms = leaf.len().min(slot.len()).min(ARMS_MAX);
    let is_open = |arm: usize| open >> arm & 1 == 1;
    let overall = overall(slot, arms, is_open);
    let apart = apart(&overall, family, spec.heterogeneity);
    let mut evidence = [Evidence::default(); ARMS_MAX];
    for (known, (leaf, slot)) in evidence.iter_mut().zip(leaf.iter().zip(slot)) {
        *known = Evidence::of(leaf, slot, apart);
    }
    let evidence = &evidence[..arms];
    let (mean, width) = posteriors(evidence, &overall, family);

    let warm = (0..arms)
        .filter(|&arm| is_open(arm))
        .all(|arm| evidence[arm].trials + evidence[arm].pooled >= spec.warm_up as f64);
    let mut share = [0.0; ARMS_MAX];
    let learned = match spec.method {
        Method::Fixed { weights } => {
            share = weights.map(f64::from);
            true
        }
        Method::Multivariate => false,
        _ if !warm => false,
        Method::Thompson => {
            let beliefs = (&mean, &width, family);
            thompson(beliefs, arms, is_open, spec.settle, &mut share);
            true
        }
        Method::EpsilonGreedy { epsilon } => {
            greedy(&mean, arms, is_open, epsilon, &mut share);
            true
        }
        Method::Softmax { temperature } => softmax(
            &mean,
            arms,
            is_open,
            temperature * overall.mean().abs(),
            &mut share,
        ),
    };
    Weights {
        share_ppm: to_ppm(&share, learned, arms, is_open),
        mean,
    }
}

/// What is known of an exposure whatever its arm: all open arms over the slot, or none of them.
fn overall(slot: &[Stat], arms: usize, is_open: impl Fn(usize) -> bool) -> Stat {
    let mut sum = Stat::default();
    for (arm, stat) in slot[..arms].iter().enumerate() {
        if is_open(arm) {
            sum.add(stat);
        }
    }
    sum
}

/// The posterior mean of each arm, and how sure it is: α + β for conversions, the deviation of the
/// mean for money.
fn posteriors(evidence: &[Evidence], overall: &Stat, family: Family) -> (PerArm<f64>, PerArm<f64>) {
    let (mut mean, mut width) = ([0.0; ARMS_MAX], [0.0; ARMS_MAX]);
    for (arm, known) in evidence.iter().enumerate() {
        (mean[arm], width[arm]) = match family {
            Family::Bernoulli => {
                let (alpha, beta) = known.beta();
                (alpha / (alpha + beta), alpha + beta)
            }
            Family::Normal => known.normal(overall),
        };
    }
    (mean, width)
}

/// Where the mean reward of an exposure of each arm lies with a probability of 95 %, by the mean and the
/// deviation of its posterior; for those who watch.
pub fn credible(arms: &[Stat], family: Family) -> Vec<[f64; 2]> {
    let overall = overall(arms, arms.len(), |_| true);
    let interval = |stat: &Stat| {
        let known = Evidence::of(stat, stat, 0.0);
        let (mean, deviation) = match family {
            Family::Bernoulli => {
                let (alpha, beta) = known.beta();
                let (mean, sum) = (alpha / (alpha + beta), alpha + beta);
                (mean, (mean * (1.0 - mean) / (sum + 1.0)).sqrt())
            }
            Family::Normal => known.normal(&overall),
        };
        // No reward is below zero.
        [mean - Z_95 * deviation, mean + Z_95 * deviation].map(|end| end.max(0.0))
    };
    arms.iter().map(interval).collect()
}

/// One over the exposures that infinitely many of other leaves would count for: τ²/c².
fn apart(overall: &Stat, family: Family, heterogeneity: f64) -> f64 {
    let mean = overall.mean();
    let variance = match family {
        Family::Bernoulli => mean * (1.0 - mean),
        Family::Normal => overall.variance(),
    };
    // Where nothing was earned, or all the same, there is nothing to be apart in.
    if mean > 0.0 && variance > 0.0 {
        heterogeneity * heterogeneity * mean * mean / variance
    } else {
        0.0
    }
}

/// Each open arm by the probability that it is the best; the best alone where no other is worth a
/// draw.
fn thompson(
    (mean, width, family): (&PerArm<f64>, &PerArm<f64>, Family),
    arms: usize,
    is_open: impl Fn(usize) -> bool,
    settle: f64,
    share: &mut PerArm<f64>,
) {
    let mut normal = [(0.0, 0.0); ARMS_MAX];
    let mut posteriors = [(0.0, 0.0); ARMS_MAX];
    let (mut places, mut count) = ([0; ARMS_MAX], 0);
    for arm in (0..arms).filter(|&arm| is_open(arm)) {
        posteriors[count] = match family {
            Family::Bernoulli => (mean[arm] * width[arm], (1.0 - mean[arm]) * width[arm]),
            Family::Normal => (mean[arm], width[arm]),
        };
        normal[count] = match family {
            Family::Bernoulli => {
                let variance = mean[arm] * (1.0 - mean[arm]) / (width[arm] + 1.0);
                (mean[arm], variance.sqrt())
            }
            Family::Normal => posteriors[count],
        };
        places[count] = arm;
        count += 1;
    }
    if let Some((place, loss)) = remaining(&normal[..count])
        && loss < settle * normal[place].0
    {
        share[places[place]] = 1.0;
        return;
    }
    let mut best = [0.0; ARMS_MAX];
    match family {
        Family::Bernoulli => beta_best(&posteriors[..count], &mut best[..count]),
        Family::Normal => normal_best(&posteriors[..count], &mut best[..count]),
    }
    for (&arm, &probability) in places.iter().zip(&best).take(count) {
        share[arm] = probability;
    }
}

/// The arm with the greatest mean, but for `epsilon`; arms that tie exactly share it.
fn greedy(
    mean: &PerArm<f64>,
    arms: usize,
    is_open: impl Fn(usize) -> bool,
    epsilon: f64,
    share: &mut PerArm<f64>,
) {
    let open = || (0..arms).filter(|&arm| is_open(arm));
    let most = open().fold(f64::NEG_INFINITY, |most, arm| most.max(mean[arm]));
    let ties = open().filter(|&arm| mean[arm] == most).count() as f64;
    let (all, epsilon) = (open().count() as f64, epsilon.clamp(0.0, 1.0));
    for arm in open() {
        let of_best = if mean[arm] == most {
            (1.0 - epsilon) / ties
        } else {
            0.0
        };
        share[arm] = epsilon / all + of_best;
    }
}

/// Each open arm by exp(mean / `heat`); false if there is no heat to measure by.
fn softmax(
    mean: &PerArm<f64>,
    arms: usize,
    is_open: impl Fn(usize) -> bool,
    heat: f64,
    share: &mut PerArm<f64>,
) -> bool {
    if heat.is_nan() || heat <= 0.0 {
        return false;
    }
    let open = || (0..arms).filter(|&arm| is_open(arm));
    let most = open().fold(f64::NEG_INFINITY, |most, arm| most.max(mean[arm]));
    for arm in open() {
        share[arm] = libm::exp((mean[arm] - most) / heat);
    }
    true
}

/// Millionths that sum to a million over the open arms; even where nothing was learned.
fn to_ppm(
    share: &PerArm<f64>,
    learned: bool,
    arms: usize,
    is_open: impl Fn(usize) -> bool,
) -> PerArm<u32> {
    let mut weights = [0u64; ARMS_MAX];
    let open = || (0..arms).filter(|&arm| is_open(arm));
    if learned {
        let sum: f64 = open().map(|arm| share[arm]).sum();
        for arm in open() {
            weights[arm] = (share[arm] / sum * RESOLUTION).round() as u64;
        }
    }
    if weights == [0; ARMS_MAX] {
        open().for_each(|arm| weights[arm] = 1);
    }
    let mut out = [0; ARMS_MAX];
    apportion(&weights, CERTAIN_PPM, &mut out);
    out
}

impl Evidence {
    /// What is known of an arm in a leaf, with the exposures of the slot's other leaves pooled into
    /// 1 over `apart` at most. What a retraction left below zero counts as nothing.
    fn of(leaf: &Stat, slot: &Stat, apart: f64) -> Evidence {
        let mut others = *slot;
        others.add(&leaf.negated());
        let there = others.trials.max(0) as f64;
        Evidence {
            trials: leaf.trials.max(0) as f64,
            reward: if leaf.trials > 0 {
                leaf.reward as f64 / 1e6
            } else {
                0.0
            },
            pooled: there / (1.0 + there * apart),
            rate: others.mean(),
            variance: leaf.variance(),
            pooled_variance: others.variance(),
        }
    }

    /// α and β.
    fn beta(&self) -> (f64, f64) {
        let own = self.reward.clamp(0.0, self.trials);
        let pooled = self.pooled * self.rate.clamp(0.0, 1.0);
        (
            1.0 + pooled + own,
            1.0 + (self.pooled - pooled) + (self.trials - own),
        )
    }

    /// The posterior mean, and its deviation.
    fn normal(&self, overall: &Stat) -> (f64, f64) {
        let trials = self.trials + self.pooled;
        let mean = (self.reward + self.pooled * self.rate + overall.mean()) / (trials + 1.0);
        let own_mean = if self.trials > 0.0 {
            self.reward / self.trials
        } else {
            0.0
        };
        // Around the arm's own mean, not around the posterior's.
        let around = (self.reward + self.pooled * self.rate) / trials.max(1.0);
        let square = |deviation: f64| deviation * deviation;
        let squares = self.trials * (self.variance + square(own_mean - around))
            + self.pooled * (self.pooled_variance + square(self.rate - around));
        let least = (DEVIATION_MIN * overall.mean().abs()).max(DEVIATION_LEAST);
        let shared = overall.variance().max(square(least));
        let variance = (squares + VARIANCE_TRIALS * shared) / (trials + VARIANCE_TRIALS);
        (mean, (variance / (trials + 1.0)).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves that say nothing of each other.
    const APART: f64 = 1e3;

    fn conversions(trials: i64, rewarded: i64) -> Stat {
        Stat {
            trials,
            reward: rewarded * 1_000_000,
            square: i128::from(rewarded) * 1_000_000_000_000,
        }
    }

    fn spec(method: Method, warm_up: i64, heterogeneity: f64) -> LearnSpec {
        LearnSpec {
            method,
            floor_ppm: 10_000,
            warm_up,
            heterogeneity,
            settle: 0.0,
            kill: None,
            holdout_ppm: 50_000,
        }
    }

    fn shares(leaf: &[Stat], slot: &[Stat], open: u16, spec: &LearnSpec) -> Vec<u32> {
        let weights = weigh(leaf, slot, open, spec, Family::Bernoulli);
        let sum: u32 = weights.share_ppm.iter().sum();
        let any = open & ((1 << leaf.len()) - 1) != 0;
        assert_eq!(sum, if any { 1_000_000 } else { 0 });
        weights.share_ppm[..leaf.len()].to_vec()
    }

    #[test]
    fn thompson_shares_are_the_probabilities_of_being_best() {
        let leaf = [
            conversions(1_000, 30),
            conversions(1_000, 40),
            conversions(900, 20),
        ];
        let out = shares(&leaf, &leaf, 0b111, &spec(Method::Thompson, 100, 0.2));
        let mut best = [0.0; 3];
        beta_best(&[(31.0, 971.0), (41.0, 961.0), (21.0, 881.0)], &mut best);
        for (share, best) in out.iter().zip(best) {
            assert!((f64::from(*share) / 1e6 - best).abs() < 2e-6);
        }
    }

    #[test]
    fn an_arm_that_can_hardly_lose_is_settled_on() {
        let leaf = [conversions(20_000, 600), conversions(20_000, 700)];
        let at = |settle: f64| {
            let spec = LearnSpec {
                settle,
                ..spec(Method::Thompson, 100, APART)
            };
            shares(&leaf, &leaf, 0b11, &spec)
        };
        // Behind by 2.8 deviations of 0.0018: 0.0004 of it are expected to be lost.
        assert!((2_000..4_000).contains(&at(0.0)[0]), "{:?}", at(0.0));
        assert_eq!(at(0.000_01), at(0.0));
        assert_eq!(at(0.000_2), [0, 1_000_000]);
    }

    #[test]
    fn closed_arms_get_nothing() {
        let leaf = [
            conversions(1_000, 30),
            conversions(1_000, 400),
            conversions(900, 20),
        ];
        for method in [
            Method::Thompson,
            Method::EpsilonGreedy { epsilon: 0.1 },
            Method::Softmax { temperature: 0.1 },
            Method::Fixed {
                weights: [5; ARMS_MAX],
            },
            Method::Multivariate,
        ] {
            let spec = spec(method, 0, APART);
            let out = shares(&leaf, &leaf, 0b101, &spec);
            assert!(
                out[1] == 0 && out[0] > 0 && out[2] > 0,
                "{method:?}: {out:?}"
            );
            assert_eq!(shares(&leaf, &leaf, 0, &spec), [0, 0, 0]);
            assert_eq!(shares(&leaf, &leaf, 0b010, &spec), [0, 1_000_000, 0]);
        }
    }

    #[test]
    fn shares_are_even_until_all_arms_are_warm() {
        let spec = spec(Method::Thompson, 100, APART);
        let cold = [
            conversions(1_000, 10),
            conversions(99, 50),
            conversions(1_000, 20),
        ];
        assert_eq!(
            shares(&cold, &cold, 0b111, &spec),
            [333_334, 333_333, 333_333]
        );
        // An arm that is closed keeps nobody waiting.
        assert!(shares(&cold, &cold, 0b101, &spec)[2] > 900_000);
    }

    #[test]
    fn a_thin_leaf_leans_on_the_slot_and_outgrows_it() {
        let slot = [conversions(10_000, 300), conversions(10_000, 600)];
        let none = [Stat::default(); 2];
        assert_eq!(
            shares(&none, &slot, 0b11, &spec(Method::Thompson, 100, APART)),
            [500_000, 500_000]
        );
        let spec = spec(Method::Thompson, 100, 0.25);
        assert!(shares(&none, &slot, 0b11, &spec)[1] > 950_000);
        // Its own visitors see it the other way round.
        let leaf = [conversions(5_000, 300), conversions(5_000, 150)];
        let mut all = slot;
        all.iter_mut()
            .zip(&leaf)
            .for_each(|(sum, part)| sum.add(part));
        assert!(shares(&leaf, &all, 0b11, &spec)[0] > 990_000);
    }

    #[test]
    fn a_leaf_does_not_count_its_own_data_twice() {
        let leaf = [conversions(300, 9), conversions(300, 15)];
        let alone = weigh(
            &leaf,
            &leaf,
            0b11,
            &spec(Method::Thompson, 0, 0.0),
            Family::Bernoulli,
        );
        assert_eq!(alone.mean[..2], [10.0 / 302.0, 16.0 / 302.0]);
        let slot = [conversions(350, 29), conversions(300, 15)];
        let spec = spec(Method::Thompson, 0, 1.5);
        let pooled = weigh(&leaf, &slot, 0b11, &spec, Family::Bernoulli);
        // The slot's other fifty converted at 40 %. All of them together earn 44 in 650.
        let level = 44.0f64 / 650.0;
        let counts = 1.0 / (1.0 / 50.0 + 1.5 * 1.5 * level / (1.0 - level));
        assert!((counts - 5.5).abs() < 0.1, "{counts}");
        let mean = (10.0 + 0.4 * counts) / (302.0 + counts);
        assert!((pooled.mean[0] - mean).abs() < 1e-12);
        assert_eq!(pooled.mean[1], alone.mean[1]);
    }

    #[test]
    fn what_retractions_leave_does_no_harm() {
        let odd = [conversions(-3, 2), conversions(5, -2), conversions(0, 7)];
        for family in [Family::Bernoulli, Family::Normal] {
            for slot in [odd, [Stat::default(); 3]] {
                let spec = spec(Method::Thompson, -10, 0.2);
                let out = weigh(&odd, &slot, 0b111, &spec, family);
                assert_eq!(out.share_ppm.iter().sum::<u32>(), 1_000_000, "{out:?}");
                assert!(out.mean.iter().all(|mean| mean.is_finite()));
            }
        }
    }

    #[test]
    fn an_interval_holds_the_mean_and_narrows() {
        let wide = credible(
            &[conversions(100, 10), conversions(0, 0)],
            Family::Bernoulli,
        );
        let narrow = credible(&[conversions(10_000, 1_000)], Family::Bernoulli);
        assert!(wide[0][0] < 0.1 && 0.1 < wide[0][1] && wide[0][0] > 0.0);
        assert!(narrow[0][1] - narrow[0][0] < (wide[0][1] - wide[0][0]) / 5.0);
        assert!(
            wide[1][1] - wide[1][0] > 0.5,
            "nothing is known: {:?}",
            wide[1]
        );
        let mut spent = Stat::default();
        for reward in [0, 0, 20_000_000, 40_000_000] {
            spent.add(&Stat::of(reward));
        }
        let [low, high] = credible(&[spent], Family::Normal)[0];
        assert!(low < 15.0 && 15.0 < high, "{low} to {high}");
    }

    #[test]
    fn two_equal_rewards_prove_nothing() {
        let mut sure = Stat::of(9_000_000);
        sure.add(&Stat::of(9_000_000));
        let mut other = Stat::default();
        [0, 0, 0, 25_000_000, 0, 5_000_000]
            .iter()
            .for_each(|&reward| other.add(&Stat::of(reward)));
        let spec = spec(Method::Thompson, 0, APART);
        let out = weigh(&[sure, other], &[sure, other], 0b11, &spec, Family::Normal);
        assert!((400_000..900_000).contains(&out.share_ppm[0]), "{out:?}");
        // And where nothing varies, nothing breaks.
        let out = weigh(&[sure; 2], &[sure; 2], 0b11, &spec, Family::Normal);
        assert_eq!(out.share_ppm[..2], [500_000; 2]);
    }

    #[test]
    fn money_is_weighed_by_its_mean_and_error() {
        let stat = |trials: i64, mean: f64, sd: f64| Stat {
            trials,
            reward: (mean * 1e6) as i64 * trials,
            square: ((mean * mean + sd * sd) * 1e12) as i128 * i128::from(trials),
        };
        let leaf = [stat(4_000, 1.0, 10.0), stat(4_000, 1.3, 10.0)];
        let spec = spec(Method::Thompson, 100, APART);
        let out = weigh(&leaf, &leaf, 0b11, &spec, Family::Normal);
        let z = 0.3 / (2.0 * 100.0f64 / 4_000.0).sqrt();
        let truth = 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
        assert!((f64::from(out.share_ppm[1]) / 1e6 - truth).abs() < 2e-3);
        assert!((out.mean[1] - 1.3).abs() < 1e-3);
    }

    #[test]
    fn other_methods_keep_to_their_formulas() {
        let leaf = [
            conversions(100, 10),
            conversions(100, 20),
            conversions(100, 20),
        ];
        let of = |method| shares(&leaf, &leaf, 0b111, &spec(method, 0, APART));
        let out = of(Method::EpsilonGreedy { epsilon: 0.3 });
        assert_eq!(out, [100_000, 450_000, 450_000]);
        let out = of(Method::Softmax { temperature: 0.5 });
        // A tenth of 300 successes in 300: the means differ by 10/102, the slot's is 50/300.
        let odds = libm::exp(-(10.0 / 102.0) / (0.5 * 50.0 / 300.0));
        assert!((f64::from(out[0]) / f64::from(out[1]) - odds).abs() < 1e-5);
        let mut weights = [0; ARMS_MAX];
        weights[..3].copy_from_slice(&[1, 2, 1]);
        assert_eq!(of(Method::Fixed { weights }), [250_000, 500_000, 250_000]);
        assert_eq!(of(Method::Multivariate), [333_334, 333_333, 333_333]);
    }
}
