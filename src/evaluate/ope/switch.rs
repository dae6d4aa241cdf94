//! Where the switching estimator gives up on weights.
//!
//! Above τ a weight is not trusted, and the model's guess stands alone: less variance, some bias.
//! Wang, Agarwal and Dudík (2017, section 3.3) choose the τ of the smallest estimated squared error:
//! the variance of the estimate plus the square of a bound on its bias. Two things differ here,
//! as rewards in a shop are rare. The bias is at most the target's probability of arms with weights
//! above τ, which is the mean of `w` where `w > τ`, times how wrong the model may be there: with the
//! largest possible reward for that nothing would ever be switched, so it is the mean absolute
//! reward. And a weight's part of the variance is `w²` times the mean squared residual of all rows,
//! not its own: or else τ would fall below just those heavy rows that earned something, and the
//! estimate would lean downwards. Candidates are quantiles of the weights; equal errors go to the
//! larger τ. Cost: a pass a candidate.

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
    let model = Model::of(terms);
    let candidates = CANDIDATES.map(|share| weights[(share * last as f64) as usize]);
    let mut best = (f64::INFINITY, candidates[0]);
    for candidate in candidates {
        let error = model.squared_error(&weights, candidate);
        if error < best.0 {
            best = (error, candidate);
        }
    }
    best.1
}

/// How good the model's guesses are, over all rows.
struct Model {
    /// Mean squared residual of the logged arms.
    residual: f64,
    /// Variance of the guesses for the target.
    spread: f64,
    /// Mean absolute reward.
    reward: f64,
}

impl Model {
    fn of(terms: impl Iterator<Item = Term>) -> Model {
        let (mut count, mut residual, mut reward) = (0.0, 0.0, 0.0);
        let (mut sum, mut squares) = (0.0, 0.0);
        for term in terms {
            let off = term.reward - term.guess;
            residual += off * off;
            reward += term.reward.abs();
            sum += term.value;
            squares += term.value * term.value;
            count += 1.0;
        }
        let mean = sum / count;
        Model {
            residual: residual / count,
            spread: (squares / count - mean * mean).max(0.0),
            reward: reward / count,
        }
    }

    /// The estimated squared error of the estimator with this τ.
    fn squared_error(&self, weights: &[f64], switch_at: f64) -> f64 {
        let count = weights.len() as f64;
        let above = weights.partition_point(|weight| *weight <= switch_at);
        let (trusted, others) = weights.split_at(above);
        let squares: f64 = trusted.iter().map(|weight| weight * weight).sum();
        let variance = (squares / count * self.residual + self.spread) / count;
        let bias = (others.iter().sum::<f64>() / count).min(1.0) * self.reward;
        variance + bias * bias
    }
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
            missing: 0.0,
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
        // Whichever of the heavy rows it was that earned something, or none.
        let quiet = terms.iter().map(|term| Term {
            reward: if term.weight > 1.0 { 0.0 } else { term.reward },
            ..*term
        });
        assert_eq!(switch_at(quiet), 1.0);
    }
}
