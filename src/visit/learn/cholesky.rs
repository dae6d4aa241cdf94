//! Symmetric positive definite systems, by the Cholesky factor A = L Lᵀ (Golub and Van Loan 2013,
//! section 4.2). Rows are dense and sums run in one order, so results have the same bits everywhere.
//!
//! Cost: n³/6 multiplications to factor, n²/2 to solve with one triangle.

/// The lower factor of a matrix, row by row.
#[derive(Clone, Debug)]
pub struct Cholesky {
    size: usize,
    rows: Vec<f64>,
}

impl Cholesky {
    /// Factors a matrix of `size` rows, of which only the lower triangle is read; `None` if it is not
    /// positive definite (or not finite).
    pub fn of(mut rows: Vec<f64>, size: usize) -> Option<Cholesky> {
        assert_eq!(rows.len(), size * size, "a square matrix");
        for i in 0..size {
            let (above, here) = rows.split_at_mut(i * size);
            for j in 0..i {
                let other = &above[j * size..j * size + j + 1];
                let sum: f64 = here[..j].iter().zip(other).map(|(a, b)| a * b).sum();
                here[j] = (here[j] - sum) / other[j];
            }
            let squares: f64 = here[..i].iter().map(|a| a * a).sum();
            let rest = here[i] - squares;
            if !(rest > 0.0 && rest.is_finite()) {
                return None;
            }
            here[i] = rest.sqrt();
        }
        Some(Cholesky { size, rows })
    }

    /// The factor of the unit matrix, its own.
    pub fn unit(size: usize) -> Cholesky {
        let mut rows = vec![0.0; size * size];
        rows.iter_mut().step_by(size + 1).for_each(|at| *at = 1.0);
        Cholesky { size, rows }
    }

    /// Solves L x = b, in place.
    pub fn forward(&self, b: &mut [f64]) {
        for i in 0..self.size {
            let row = &self.rows[i * self.size..i * self.size + i + 1];
            let sum: f64 = row[..i].iter().zip(&*b).map(|(l, x)| l * x).sum();
            b[i] = (b[i] - sum) / row[i];
        }
    }

    /// Solves Lᵀ x = b, in place. Of independent standard normals it makes numbers whose covariance
    /// is the inverse of the matrix.
    pub fn backward(&self, b: &mut [f64]) {
        for i in (0..self.size).rev() {
            let row = &self.rows[i * self.size..i * self.size + i + 1];
            b[i] /= row[i];
            let x = b[i];
            for (b, l) in b[..i].iter_mut().zip(row) {
                *b -= l * x;
            }
        }
    }

    /// Solves A x = b, in place.
    pub fn solve(&self, b: &mut [f64]) {
        self.forward(b);
        self.backward(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn what_was_solved_solves_the_system() {
        let mut rng = Rng::new(6);
        for size in [1, 2, 7, 40] {
            let base: Vec<f64> = (0..size * size).map(|_| rng.normal()).collect();
            let at = |i: usize, j: usize| {
                let dot: f64 = (0..size)
                    .map(|k| base[i * size + k] * base[j * size + k])
                    .sum();
                dot + if i == j { 1.0 } else { 0.0 }
            };
            let matrix: Vec<f64> = (0..size * size).map(|n| at(n / size, n % size)).collect();
            let truth: Vec<f64> = (0..size).map(|_| rng.normal()).collect();
            let mut b: Vec<f64> = (0..size)
                .map(|i| (0..size).map(|j| matrix[i * size + j] * truth[j]).sum())
                .collect();
            Cholesky::of(matrix, size).unwrap().solve(&mut b);
            for (x, truth) in b.iter().zip(&truth) {
                assert!((x - truth).abs() < 1e-9, "size {size}: {x} for {truth}");
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        assert!(Cholesky::of(vec![1.0, 0.0, 2.0, 1.0], 2).is_none());
        assert!(Cholesky::of(vec![f64::NAN], 1).is_none());
        assert!(Cholesky::of(vec![4.0], 1).is_some());
    }
}
