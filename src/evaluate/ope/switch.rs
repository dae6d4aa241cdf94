//! Where the switching estimator gives up on weights.
//!
//! Above τ a weight is not trusted, and the model's guess stands alone: less variance, some bias.
//! Wang, Agarwal and Dudík (2017, section 3.3) choose the τ of the smallest estimated squared error:
//! the variance of the terms over their number, plus the square of a bound on the bias. The bias is
//! at most the target's probability of arms with weights above τ, which is the mean of `w` where
//! `w > τ`, times how wrong the model may be there. With the largest possible reward for that, rare
//! rewards would never let it switch; here it is the mean absolute reward: the model is taken to be
//! wrong by no more than a whole typical reward. Candidates are quantiles of the weights; equal
//! errors go to the larger τ, so that without need nothing is switched. Cost: a pass a candidate.

use super::sums::Term;

/// How τ comes about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Switch {
    /// Chosen from the rows.
    #[default]
    Chosen,
    /// Given: weights above it leave the correction out.
    At(f64),
}

/// Shares of the rows with weights up to a candidate.
const CANDIDATES: [f64; 9] = [1.0, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.75, 0.5];

/// The τ for rows with these terms; 0 without rows.
pub(super) fn switch_at(terms: impl Iterator<Item = Term> + Clone) -> f64 {
    let mut weights: Vec<f64> = terms.clone().map(|term| term.weight).collect();
    weights.sort_by(f64::total_cmp);
    let Some(last) = weights.len().checked_sub(1) else {
        return 0.0;
    };
    let candidates = CANDIDATES.map(|share| weights[(share * last as f64) as usize]);
    let mut best = (f64::INFINITY, candidates[0]);
    for candidate in candidates {
        let error = squared_error(terms.clone(), candidate);
        if error < best.0 {
            best = (error, candidate);
        }
    }
    best.1
}

/// The estimated squared error of the estimator with this τ.
fn squared_error(terms: impl Iterator<Item = Term>, switch_at: f64) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    let (mut above, mut reward) = (0.0, 0.0);
    for term in terms {
        let mut value = term.value;
        if term.weight <= switch_at {
            value += term.correction();
        } else {
            above += term.weight;
        }
        count += 1.0;
        sum += value;
        squares += value * value;
        reward += term.reward.abs();
    }
    let mean = sum / count;
    let variance = (squares / count - mean * mean).max(0.0);
    let bias = (above / count).min(1.0) * reward / count;
    variance / count + bias * bias
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(weight: f64, reward: f64) -> Term {
        Term {
            target: 0.1,
            weight,
            reward,
            guess: 0.5,
            value: 0.5,
        }
    }

    #[test]
    fn even_weights_are_never_switched() {
        let terms: Vec<Term> = (0..1_000).map(|n| term(1.0, f64::from(n % 2))).collect();
        assert_eq!(switch_at(terms.into_iter()), 1.0);
        assert_eq!(switch_at(std::iter::empty()), 0.0);
    }

    /// Where rewards are rare, a handful of heavy rows is all variance and hardly any bias.
    #[test]
    fn a_few_monstrous_weights_are() {
        let of = |n: u32| Term {
            guess: 0.1,
            value: 0.1,
            ..term(
                if n % 20_000 == 7 { 2_000.0 } else { 1.0 },
                f64::from(u8::from(n == 7 || n % 10 == 3)),
            )
        };
        let terms: Vec<Term> = (0..100_000).map(of).collect();
        assert_eq!(switch_at(terms.iter().copied()), 1.0);
        let error = |at| squared_error(terms.iter().copied(), at);
        assert!(error(1.0) < error(2_000.0) && error(1.0) < error(0.5));
    }
}
