//! Taking bad arms out, and noticing that arms are not shown as often as they should be.
//!
//! **The kill switch** looks at every table, so its error has to hold at all looks together. The evidence
//! that an arm's mean lies below x grows with each of its rewards like a martingale if it does not:
//! the one-sided normal mixture (Robbins 1970; for means of any law as counts grow, Waudby-Smith et al.
//! 2024, see [`super::confidence`]). So does the evidence that the holdout's mean lies above y, and, since
//! an exposure adds to one of the two only, so does their product. An arm is taken out when the
//! product exceeds 1/α for *all* means (x, y) that would excuse it, x ≥ (1 − bound)·y: by Ville's
//! inequality an arm that is not worse is ever taken out with probability α at most.
//!
//! The product, not a sequence of the difference with the variance σₐ²/nₐ + σₕ²/nₕ: that one needs both
//! groups to grow in a fixed proportion, and learned shares move with the rewards themselves. The
//! rewards of one arm, in the order of *its* exposures, are independent however the exposures came
//! about. Two separate intervals that must not touch hold as well, but take up to twice the exposures to
//! find a bad arm.
//!
//! Few rewards are no normal sum yet: nothing is judged before the holdout has [`TRIALS_MIN`]
//! exposures with [`REWARDED_MIN`] rewarded ones, and the arm enough that it should have as many. An
//! arm is given at least the holdout's deviation: one without a reward yet has shown none of its own
//! and would be taken out for it.
//!
//! **The sample ratio** is watched by Pearson's chi-square: counts that do not match the shares mean
//! that something between the draw and the log loses exposures, and all that is learned is suspect
//! (Fabijan et al. 2019). A p-value holds for one look; looked at after every table, p < 0.001 comes
//! sooner or later in every sound experiment (law of the iterated logarithm). [`RatioWatch`] so looks
//! only when the counts have doubled: at most ten looks from a thousand exposures to a million,
//! which together raise a false alarm in less than 1 % of sound runs.
//!
//! An arm's exposures must be as old as the holdout's: where rewards come late, an arm that was opened
//! lately looks bad because its orders are not in yet. The caller counts exposures that are ripe.
//!
//! Cost: two logarithms and error functions for a look that finds nothing (0.2 µs), eighty for one that
//! does (7 µs; cargo bench --bench learn, shared two-core x86-64, 2026-11-22).

use super::confidence::rho;
use super::gamma::chi_square_tail;
use super::stat::Stat;
use serde::{Deserialize, Serialize};

/// Least exposures of an arm and of the holdout that are judged.
pub const TRIALS_MIN: i64 = 200;
/// Least rewarded exposures of the holdout, and of an arm that was as good.
pub const REWARDED_MIN: f64 = 20.0;
/// Least deviation of a reward, relative to the holdout's mean: all rewards may be alike.
const DEVIATION_MIN: f64 = 0.01;
/// Exposures at which the evidence is about as sharp as can be.
const TIGHT_AT: f64 = 2_000.0;
/// Steps of the search for the means that excuse an arm best; each leaves 0.62 of the range.
const STEPS: usize = 40;

/// Exposures at which the sample ratio is first looked at.
pub const RATIO_TRIALS_MIN: i64 = 1_000;
/// A p-value below this is a mismatch.
pub const MISMATCH: f64 = 0.001;

/// Whether an arm's mean is worse than the holdout's by more than `bound`, relative to the holdout's
/// mean, with an error of at most `alpha` over all looks together (0.01 is a sound value).
///
/// `arm` and `held` must be of different visitors. Without a positive holdout's mean there is nothing
/// to be relative to, and the answer is no.
pub fn surely_worse(arm: &Stat, held: &Stat, bound: f64, alpha: f64) -> bool {
    let (trials, held_trials) = (arm.trials as f64, held.trials as f64);
    let rewarded = rewarded(held);
    if arm.trials < TRIALS_MIN
        || held.trials < TRIALS_MIN
        || rewarded < REWARDED_MIN
        || trials * rewarded / held_trials < REWARDED_MIN
        || held.mean() <= 0.0
        || bound >= 1.0
    {
        return false;
    }
    let held_deviation = held.variance().sqrt().max(DEVIATION_MIN * held.mean());
    let deviation = arm.variance().sqrt().max(held_deviation);
    let rho = rho(alpha, TIGHT_AT);
    let keep = 1.0 - bound;
    // Evidence against the arm's mean being `keep · mean` or more and the holdout's `mean` or less.
    let against = |mean: f64| {
        let arm_sum = trials * (keep * mean - arm.mean()) / deviation;
        let held_sum = held_trials * (held.mean() - mean) / held_deviation;
        log_evidence(arm_sum, trials, rho) + log_evidence(held_sum, held_trials, rho)
    };
    // Most looks end here: the means between the two, by their errors, excuse the arm already.
    let enough = -libm::log(alpha);
    let weight = trials * (keep / deviation) * (keep / deviation);
    let held_weight = held_trials / (held_deviation * held_deviation);
    let between = (weight * arm.mean() / keep + held_weight * held.mean()) / (weight + held_weight);
    let slack = 3.0 * (deviation / keep / trials.sqrt() + held_deviation / held_trials.sqrt());
    let range = (arm.mean() / keep - slack, held.mean() + slack);
    against(between) > enough && least(against, range) > enough
}

/// The logarithm of the one-sided normal mixture martingale: how many times likelier a sum of `n`
/// standard numbers is if their mean is drawn from the positive half of a normal of deviation `rho`
/// than if it is 0.
fn log_evidence(sum: f64, n: f64, rho: f64) -> f64 {
    let grown = n * rho * rho + 1.0;
    let u = rho * sum / grown.sqrt();
    // ln 2Φ(u) + u²/2; far below zero Φ(u) is φ(u)/|u|.
    let half = if u > -10.0 {
        libm::log(libm::erfc(-u / std::f64::consts::SQRT_2)) + u * u / 2.0
    } else {
        0.5 * libm::log(2.0 / std::f64::consts::PI) - libm::log(-u)
    };
    half - 0.5 * libm::log(grown)
}

/// The least value of a convex function on a range, by golden sections.
fn least(of: impl Fn(f64) -> f64, (mut low, mut high): (f64, f64)) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_left, mut at_right) = (of(left), of(right));
    for _ in 0..STEPS {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - GOLDEN * (high - low);
            at_left = of(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + GOLDEN * (high - low);
            at_right = of(right);
        }
    }
    at_left.min(at_right)
}

/// How many exposures were rewarded: the squared sum over the sum of squares, which is their number
/// if all rewards are alike and less if few of them make up the sum (Kish 1965).
fn rewarded(stat: &Stat) -> f64 {
    if stat.square <= 0 {
        return 0.0;
    }
    let sum = stat.reward as f64;
    sum * sum / stat.square as f64
}

/// The probability of counts this far from their shares, or further, if the shares are true
/// (Pearson's chi-square). `shares` need not sum to 1; what has no share must have no count, or the
/// probability is 0. Without counts, or with one share only, it is 1.
pub fn sample_ratio_p(observed: &[i64], shares: &[f64]) -> f64 {
    let total: f64 = observed.iter().map(|&count| count as f64).sum();
    let whole: f64 = shares.iter().filter(|&&share| share > 0.0).sum();
    if total <= 0.0 || whole <= 0.0 {
        return 1.0;
    }
    let (mut square, mut cells) = (0.0, 0usize);
    for (&count, &share) in observed.iter().zip(shares) {
        if share > 0.0 {
            let expected = total * share / whole;
            let off = count as f64 - expected;
            square += off * off / expected;
            cells += 1;
        } else if count != 0 {
            return 0.0;
        }
    }
    chi_square_tail(square, cells.saturating_sub(1))
}

/// Watches whether arms are shown as often as their shares say, and freezes learning while they are
/// not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatioWatch {
    looked_at: i64,
    frozen: bool,
}

impl RatioWatch {
    /// Looks at the counts if there are twice as many as at the last look, from
    /// [`RATIO_TRIALS_MIN`] on. Returns whether learning is frozen now; a later look that finds
    /// the counts healthy thaws it.
    pub fn look(&mut self, observed: &[i64], shares: &[f64]) -> bool {
        let total: i64 = observed.iter().sum();
        if total >= RATIO_TRIALS_MIN && total / 2 >= self.looked_at {
            self.looked_at = total;
            self.frozen = sample_ratio_p(observed, shares) < MISMATCH;
        }
        self.frozen
    }

    /// Whether learning is frozen, as of the last look.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Exposures at the last look; 0 before the first.
    pub fn looked_at(&self) -> i64 {
        self.looked_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn conversions(trials: i64, rewarded: i64) -> Stat {
        Stat {
            trials,
            reward: rewarded * 1_000_000,
            square: i128::from(rewarded) * 1_000_000_000_000,
        }
    }

    /// A shop in which a share of the exposures is held out.
    struct Shop {
        rate: f64,
        arm_rate: f64,
        held_share: f64,
        bound: f64,
    }

    impl Shop {
        /// After how many exposures, of both groups, the arm is taken out; looked at every fifty.
        fn kills_at(&self, seed: u64, exposures: u64) -> Option<u64> {
            let mut rng = Rng::of(13, seed);
            let (mut arm, mut held) = ((0, 0), (0, 0));
            (1..=exposures).find(|n| {
                let (group, rate) = if rng.chance(self.held_share) {
                    (&mut held, self.rate)
                } else {
                    (&mut arm, self.arm_rate)
                };
                *group = (group.0 + 1, group.1 + i64::from(rng.chance(rate)));
                let stats = [conversions(arm.0, arm.1), conversions(held.0, held.1)];
                n % 50 == 0 && surely_worse(&stats[0], &stats[1], self.bound, 0.01)
            })
        }
    }

    #[test]
    fn an_equally_good_arm_is_hardly_ever_taken_out() {
        for (rate, held_share) in [(0.02, 0.5), (0.05, 0.05), (0.1, 0.2)] {
            let shop = Shop {
                rate,
                arm_rate: rate,
                held_share,
                bound: 0.0,
            };
            let killed = (0..1_000).filter(|&run| shop.kills_at(run, 10_000).is_some());
            let killed = killed.count();
            assert!(killed < 10, "{killed} of 1,000 at {rate}, {held_share}");
        }
    }

    #[test]
    fn an_arm_with_a_third_of_the_conversion_is_taken_out() {
        for (rate, held_share, most) in
            [(0.02, 0.5, 7_500), (0.05, 0.5, 3_000), (0.05, 0.05, 18_000)]
        {
            let shop = Shop {
                rate,
                arm_rate: rate / 3.0,
                held_share,
                bound: 0.0,
            };
            let mut at: Vec<u64> = (0..41)
                .map(|run| shop.kills_at(run, 100_000).unwrap_or(u64::MAX))
                .collect();
            at.sort_unstable();
            assert!(at[20] < most, "{rate}, {held_share}: median {}", at[20]);
        }
    }

    /// Where there is nothing to find, evidence is 1 on average, whatever the counts.
    #[test]
    fn evidence_is_a_martingale() {
        let rho = rho(0.01, TIGHT_AT);
        for n in [1.0f64, 50.0, 2_000.0, 40_000.0] {
            let (cells, width) = (20_000, 100.0);
            let mean: f64 = (0..cells)
                .map(|cell| {
                    let z = width * ((2 * cell + 1) as f64 / cells as f64 - 1.0);
                    let density = libm::exp(log_evidence(z * n.sqrt(), n, rho) - z * z / 2.0);
                    density * 2.0 * width / cells as f64 / std::f64::consts::TAU.sqrt()
                })
                .sum();
            assert!((mean - 1.0).abs() < 0.002, "{n}: {mean}");
        }
    }

    #[test]
    fn the_least_value_is_found() {
        let found = least(|x| (x - 0.3) * (x - 0.3) + 2.0, (-5.0, 4.0));
        assert!((found - 2.0).abs() < 1e-12);
        assert!((least(|x| x, (1.0, 3.0)) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_bound_is_what_may_be_lost() {
        let (arm, held) = (conversions(100_000, 4_000), conversions(100_000, 5_000));
        assert!(surely_worse(&arm, &held, 0.0, 0.01));
        assert!(surely_worse(&arm, &held, 0.1, 0.01));
        assert!(!surely_worse(&arm, &held, 0.2, 0.01));
        assert!(!surely_worse(&held, &arm, 0.0, 0.01), "it is better");
    }

    #[test]
    fn few_exposures_judge_nothing() {
        let held = conversions(10_000, 200);
        assert!(!surely_worse(&conversions(900, 0), &held, 0.0, 0.01));
        assert!(!surely_worse(
            &conversions(9_000, 0),
            &conversions(199, 100),
            0.0,
            0.01
        ));
        assert!(!surely_worse(
            &conversions(9_000, 0),
            &conversions(300, 19),
            0.0,
            0.01
        ));
        assert!(!surely_worse(&Stat::default(), &Stat::default(), 0.0, 0.01));
        let lost = conversions(10_000, -200);
        assert!(!surely_worse(&conversions(9_000, -900), &lost, 0.0, 0.01));
        assert!((rewarded(&held) - 200.0).abs() < 1e-9);
    }

    #[test]
    fn sample_ratios_have_the_values_of_the_tables() {
        // 520 to 480: χ² = 1.6; 5,100 to 4,900: χ² = 4.
        assert!((sample_ratio_p(&[520, 480], &[0.5, 0.5]) - 0.205_903_210_732_068).abs() < 1e-9);
        assert!(
            (sample_ratio_p(&[5_100, 4_900], &[2.0, 2.0]) - 0.045_500_263_896_358).abs() < 1e-9
        );
        // (10² + 10² + 20²)/… with expected 250, 250, 500: χ² = 0.4 + 0.4 + 0.8.
        let p = sample_ratio_p(&[260, 260, 480], &[0.25, 0.25, 0.5]);
        assert!((p - libm::exp(-0.8)).abs() < 1e-12);
        assert_eq!(sample_ratio_p(&[10, 3], &[1.0, 0.0]), 0.0);
        assert_eq!(sample_ratio_p(&[10, 0], &[1.0, 0.0]), 1.0);
        assert_eq!(sample_ratio_p(&[], &[]), 1.0);
    }

    #[test]
    fn a_mismatch_freezes_and_a_healthy_look_thaws() {
        let (mut watch, even) = (RatioWatch::default(), [0.5, 0.5]);
        assert!(!watch.look(&[900, 50], &even), "too few to look");
        assert!(watch.look(&[950, 50], &even));
        assert!(watch.look(&[999, 999], &even), "not looked at again yet");
        assert!(!watch.look(&[1_000, 1_000], &even));
        assert_eq!((watch.looked_at(), watch.is_frozen()), (2_000, false));
        assert!(!watch.look(&[3_900, 0], &even));
        assert!(watch.look(&[4_000, 0], &even));
    }

    /// Sound counts to a million, looked at after every thousand: the watch freezes less often than
    /// looking at all of them would.
    #[test]
    fn few_looks_raise_few_alarms() {
        let (mut alarms, mut peeked) = (0, 0);
        for run in 0..300 {
            let (mut rng, mut watch) = (Rng::of(21, run), RatioWatch::default());
            let (mut total, mut first) = (0, 0.0);
            let (mut froze, mut would) = (false, false);
            for _ in 0..1_000 {
                total += 1_000;
                first += 500.0 + 250.0f64.sqrt() * rng.normal();
                let counts = [first as i64, total - first as i64];
                froze |= watch.look(&counts, &[0.5, 0.5]);
                would |= sample_ratio_p(&counts, &[0.5, 0.5]) < MISMATCH;
            }
            alarms += u32::from(froze);
            peeked += u32::from(would);
        }
        assert!(alarms <= 3, "{alarms} of 300");
        assert!(peeked > alarms, "{peeked} of 300 by peeking");
    }
}
