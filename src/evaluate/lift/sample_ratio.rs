//! Whether the groups have the sizes that were agreed, at any time that one looks.
//!
//! When one group loses visitors (a page that fails, a bot filter that knows the change), what is
//! left of it is no longer comparable (Fabijan et al. 2019, "Diagnosing Sample Ratio Mismatch in
//! Online Controlled Experiments", KDD). Pearson's chi-square is the usual test, and it holds at one
//! look: at a threshold of 0.001 and fifty looks it cried wolf in 10 of 400 sound experiments. So
//! the test here is the one that holds at all looks together (Lindon and Malek 2022, "Anytime-Valid
//! Inference for Multinomial Count Data", NeurIPS): how much likelier are the counts if the share is
//! some other one near the agreed one, by a Beta(k·q, k·(1 − q)) law around the agreed q, than if it
//! is q itself? Under q this ratio is a martingale that starts at 1, so it ever reaches 1/p with
//! probability p at most (Ville 1939). It is exact at any number of visitors.
//!
//! Cost: six logarithms of the gamma function.

use super::Visitors;

/// How near the agreed share the others are looked for: as if known from so many visitors. The test
/// is at its sharpest at some ten times as many.
const NEARNESS: f64 = 1_000.0;

/// The probability that groups of the agreed sizes, `held_share` of all visitors in the holdout,
/// would ever look as far off as these do. Nothing unless the share lies between 0 and 1, without
/// visitors in it.
pub fn p(visitors: Visitors, held_share: f64) -> Option<f64> {
    let Visitors { treated, held } = visitors;
    let sound = 0.0 < held_share && held_share < 1.0;
    if !sound || treated < 0 || held < 0 {
        return None;
    }
    let (treated, held) = (treated as f64, held as f64);
    let (of_held, of_treated) = (NEARNESS * held_share, NEARNESS * (1.0 - held_share));
    let log_odds = log_beta(of_held + held, of_treated + treated)
        - log_beta(of_held, of_treated)
        - held * libm::log(held_share)
        - treated * libm::log1p(-held_share);
    let p = libm::exp(-log_odds.max(0.0));
    p.is_finite().then_some(p)
}

/// The logarithm of the beta function.
fn log_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn of(treated: i64, held: i64, held_share: f64) -> Option<f64> {
        p(Visitors { treated, held }, held_share)
    }

    #[test]
    fn it_is_the_ratio_of_the_two_likelihoods() {
        // By adding up over shares: Beta(100, 900) is proportional to x⁹⁹·(1 − x)⁸⁹⁹.
        let law = |x: f64| (99.0 * x.ln() + 899.0 * (1.0 - x).ln() + 325.0).exp();
        let (treated, held, share) = (820.0, 180.0, 0.1f64);
        let relative =
            |x: f64| (held * (x / share).ln() + treated * ((1.0 - x) / (1.0 - share)).ln()).exp();
        let steps = (1..20_000).map(|n| f64::from(n) / 20_000.0);
        let (mut all, mut likelier) = (0.0, 0.0);
        for x in steps {
            all += law(x);
            likelier += law(x) * relative(x);
        }
        let p = of(820, 180, 0.1).unwrap();
        assert!(
            (p * likelier / all - 1.0).abs() < 1e-6,
            "{p} {}",
            all / likelier
        );
    }

    #[test]
    fn sound_groups_are_hardly_ever_called_unsound_and_others_soon_are() {
        let (mut wrong, mut found) = (0, 0);
        for run in 0..1_000 {
            let mut rng = Rng::of(3, run);
            // Of every 100 visitors of the holdout 20 get lost in the second shop.
            let (mut sound, mut losing) = ([0, 0], [0, 0]);
            let (mut called, mut late) = (false, false);
            for at in 1..=5_000 {
                let group = usize::from(rng.chance(0.1));
                let lost = group == 1 && rng.chance(0.2);
                sound[group] += 1;
                losing[group] += i64::from(!lost);
                if at % 20 == 0 {
                    called |= of(sound[0], sound[1], 0.1).unwrap() < 0.05;
                    late = of(losing[0], losing[1], 0.1).unwrap() < 0.001;
                }
            }
            wrong += u32::from(called);
            found += u32::from(late);
        }
        assert!(wrong <= 50, "{wrong} of 1,000 at 0.05");
        assert!(found > 500, "{found} of 1,000 were found");
    }

    #[test]
    fn agreed_sizes_are_no_evidence_and_no_share_no_test() {
        assert_eq!(of(90_000, 10_000, 0.1), Some(1.0));
        assert_eq!(of(0, 0, 0.1), Some(1.0));
        assert!(of(90_000, 12_000, 0.1).unwrap() < 1e-9);
        assert!(of(i64::MAX, i64::MAX, 0.1).unwrap() < 1e-9);
        for share in [0.0, 1.0, -1.0, 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(of(9_000, 1_000, share), None, "{share}");
        }
    }
}
