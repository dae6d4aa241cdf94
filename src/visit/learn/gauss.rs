//! Gauss–Legendre quadrature on panels: nodes, weights, and integrals that end at a node.
//!
//! A panel is an interval cut in no further; a smooth function is known by its values at the
//! [`NODES`] nodes of each panel. [`WEIGHTS`] integrates it over the panel; [`BEYOND`] gives its
//! integral from every node to the panel's right end, by integrating the polynomial through the
//! values (exact to degree 7). All are for the panel from −1 to 1 and made at compile time from the
//! nodes alone: with P the Legendre polynomials, the polynomial through the values is
//! Σₘ wₘ f(xₘ) Σₙ (2n+1)/2 Pₙ(xₘ) Pₙ(x), and ∫ₓ¹ Pₙ = (Pₙ₋₁(x) − Pₙ₊₁(x))/(2n+1).

/// Nodes of a panel.
pub const NODES: usize = 8;

/// The positive nodes (Abramowitz and Stegun 1964, table 25.4), from the greatest.
const POSITIVE: [f64; NODES / 2] = [
    0.960_289_856_497_536_2,
    0.796_666_477_413_626_7,
    0.525_532_409_916_329,
    0.183_434_642_495_649_8,
];

/// The nodes on (−1, 1), ascending.
pub const AT: [f64; NODES] = nodes();
/// The weight of each node; they sum to 2.
pub const WEIGHTS: [f64; NODES] = weights();
/// `BEYOND[k][m]`: what the value at node `m` adds to the integral from node `k` to 1.
pub const BEYOND: [[f64; NODES]; NODES] = beyond();

const fn nodes() -> [f64; NODES] {
    let mut at = [0.0; NODES];
    let mut k = 0;
    while k < NODES / 2 {
        at[k] = -POSITIVE[k];
        at[NODES - 1 - k] = POSITIVE[k];
        k += 1;
    }
    at
}

/// The Legendre polynomials of degrees 0 to [`NODES`] at `x`, by Bonnet's recursion.
const fn legendre(x: f64) -> [f64; NODES + 1] {
    let mut p = [1.0; NODES + 1];
    p[1] = x;
    let mut n = 1;
    while n < NODES {
        let degree = n as f64;
        p[n + 1] = ((2.0 * degree + 1.0) * x * p[n] - degree * p[n - 1]) / (degree + 1.0);
        n += 1;
    }
    p
}

/// 2 (1 − x²) / (N P₋(x))², with P₋ of degree N − 1.
const fn weights() -> [f64; NODES] {
    let mut weights = [0.0; NODES];
    let mut k = 0;
    while k < NODES {
        let slope = NODES as f64 * legendre(AT[k])[NODES - 1];
        weights[k] = 2.0 * (1.0 - AT[k] * AT[k]) / (slope * slope);
        k += 1;
    }
    weights
}

const fn beyond() -> [[f64; NODES]; NODES] {
    let mut beyond = [[0.0; NODES]; NODES];
    let mut k = 0;
    while k < NODES {
        let here = legendre(AT[k]);
        let mut m = 0;
        while m < NODES {
            let there = legendre(AT[m]);
            let mut sum = (1.0 - AT[k]) / 2.0;
            let mut n = 1;
            while n < NODES {
                sum += there[n] * (here[n - 1] - here[n + 1]) / 2.0;
                n += 1;
            }
            beyond[k][m] = WEIGHTS[m] * sum;
            m += 1;
        }
        k += 1;
    }
    beyond
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_integrated_exactly() {
        for degree in 0..2 * NODES as i32 {
            let sum: f64 = (0..NODES).map(|k| WEIGHTS[k] * AT[k].powi(degree)).sum();
            let truth = (1.0 - (-1f64).powi(degree + 1)) / f64::from(degree + 1);
            assert!((sum - truth).abs() < 1e-14, "degree {degree}: {sum}");
        }
    }

    #[test]
    fn so_are_integrals_from_a_node() {
        for degree in 0..NODES as i32 {
            for (k, row) in BEYOND.iter().enumerate() {
                let sum: f64 = (0..NODES).map(|m| row[m] * AT[m].powi(degree)).sum();
                let truth = (1.0 - AT[k].powi(degree + 1)) / f64::from(degree + 1);
                assert!(
                    (sum - truth).abs() < 1e-14,
                    "degree {degree}, node {k}: {sum}"
                );
            }
        }
    }
}
