//! The rules a model has to beat: the base rate, and whether there is something in the cart.
//!
//! Both are shares of positives by weight among training rows, hence calibrated there. A share
//! over no rows falls back to that over all, and that to 0. Cost: one pass.

/// The base rate: the positives' share among `(label, weight)`; the score of every row.
pub fn base_rate(train: impl Iterator<Item = (bool, f64)>) -> f64 {
    share(train.fold((0.0, 0.0), add)).unwrap_or(0.0)
}

/// The cart-only rule: the positives' share among the `(cart, label, weight)` without and with
/// something in the cart. A row's score is `rule[usize::from(cart)]`.
pub fn cart_only(train: impl Iterator<Item = (bool, bool, f64)>) -> [f64; 2] {
    let mut sums = [(0.0, 0.0); 2];
    for (cart, label, weight) in train {
        let sum = &mut sums[usize::from(cart)];
        *sum = add(*sum, (label, weight));
    }
    let all = share((sums[0].0 + sums[1].0, sums[0].1 + sums[1].1)).unwrap_or(0.0);
    sums.map(|sum| share(sum).unwrap_or(all))
}

/// Adds a row to the weight of the positives and that of all.
fn add((hits, total): (f64, f64), (label, weight): (bool, f64)) -> (f64, f64) {
    let hit = if label { weight } else { 0.0 };
    (hits + hit, total + weight)
}

fn share((hits, total): (f64, f64)) -> Option<f64> {
    (total > 0.0).then_some(hits / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_by_weight() {
        let rows = [
            (false, false, 3.0),
            (false, true, 1.0),
            (true, true, 0.5),
            (true, false, 0.5),
        ];
        assert_eq!(cart_only(rows.into_iter()), [0.25, 0.5]);
        let labels = rows.into_iter().map(|(_, label, weight)| (label, weight));
        assert_eq!(base_rate(labels), 0.3);
    }

    #[test]
    fn what_was_never_seen_takes_the_share_of_all() {
        let rows = [(false, true, 1.0), (false, false, 1.0)];
        assert_eq!(cart_only(rows.into_iter()), [0.5, 0.5]);
        assert_eq!(cart_only(std::iter::empty()), [0.0, 0.0]);
        assert_eq!(base_rate(std::iter::empty()), 0.0);
    }
}
