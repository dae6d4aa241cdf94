//! Session tables as rows of numbers for the learners.
//!
//! Numbers and truth values stay as they are. Categories become one column each, 1 where a row has
//! it and 0 elsewhere: a threshold on an order of names would mean nothing. A missing category is
//! missing in all of them. A regression needs more: [`Standard`] bends skewed columns, brings all
//! to mean 0 and deviation 1, and marks what was missing; its measures come from the rows it is
//! fitted on and from no others. Cost: one pass over the cells.

use super::table::{Cells, Table};
use crate::visit::model::Transform;

/// A table as numbers, one for each name a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// The columns' names; a category's is `column=category`.
    pub names: Vec<String>,
    /// All rows' numbers; NaN is missing.
    pub values: Vec<f64>,
}

impl Encoded {
    /// Encodes a table.
    pub fn new(table: &Table) -> Encoded {
        let mut names = Vec::new();
        for column in &table.columns {
            match &column.cells {
                Cells::Number(_) | Cells::Boolean(_) => names.push(column.name.clone()),
                Cells::Category { names: all, .. } => {
                    let each = all.iter().map(|name| format!("{}={name}", column.name));
                    names.extend(each);
                }
            }
        }
        let mut values = Vec::with_capacity(names.len() * table.labels.len());
        for row in 0..table.labels.len() {
            for column in &table.columns {
                match &column.cells {
                    Cells::Number(cells) | Cells::Boolean(cells) => values.push(cells[row]),
                    Cells::Category { names, codes } => {
                        let code = codes[row].map(usize::from);
                        values.extend((0..names.len()).map(|at| match code {
                            None => f64::NAN,
                            Some(code) => f64::from(u8::from(code == at)),
                        }));
                    }
                }
            }
        }
        Encoded { names, values }
    }

    /// The numbers of a row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.names.len()..][..self.names.len()]
    }
}

/// How a regression sees a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Standard {
    columns: Vec<Measure>,
}

#[derive(Clone, Debug, PartialEq)]
struct Measure {
    transform: Transform,
    mean: f64,
    /// 0 where the column does not vary.
    inverse_scale: f64,
    /// Whether a second column marks what is missing.
    marked: bool,
}

/// Skewness from which a column without negative values is bent by log₂(1 + x).
const SKEW_MIN: f64 = 1.0;

impl Standard {
    /// Measures the given rows.
    pub fn fit(encoded: &Encoded, rows: &[usize]) -> Standard {
        let measure = |column: usize| {
            let cells = || rows.iter().map(move |&row| encoded.row(row)[column]);
            let present = || cells().filter(|x| !x.is_nan());
            let plain = moments(present());
            let transform = if plain.skewness >= SKEW_MIN && present().all(|x| x >= 0.0) {
                Transform::Log2
            } else {
                Transform::Identity
            };
            let bent = moments(present().map(|x| transform.apply(x)));
            let usable = bent.deviation.is_finite() && bent.deviation > 1e-9;
            Measure {
                transform,
                mean: if usable { bent.mean } else { 0.0 },
                inverse_scale: if usable { 1.0 / bent.deviation } else { 0.0 },
                marked: usable && cells().any(f64::is_nan),
            }
        };
        Standard {
            columns: (0..encoded.names.len()).map(measure).collect(),
        }
    }

    /// Numbers in a row that comes out.
    pub fn columns(&self) -> usize {
        let marks = self.columns.iter().filter(|measure| measure.marked);
        self.columns.len() + marks.count()
    }

    /// Adds the row as the regression sees it. A missing value is the mean.
    pub fn apply(&self, row: &[f64], out: &mut Vec<f64>) {
        for (measure, &x) in self.columns.iter().zip(row) {
            let z = (measure.transform.apply(x) - measure.mean) * measure.inverse_scale;
            out.push(if z.is_nan() { 0.0 } else { z });
            if measure.marked {
                out.push(f64::from(u8::from(x.is_nan())));
            }
        }
    }
}

struct Moments {
    mean: f64,
    deviation: f64,
    skewness: f64,
}

fn moments(values: impl Iterator<Item = f64> + Clone) -> Moments {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let central = |power: i32| values.clone().map(|x| (x - mean).powi(power)).sum::<f64>() / count;
    let deviation = central(2).sqrt();
    Moments {
        mean,
        deviation,
        skewness: central(3) / (deviation * deviation * deviation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::table::Column;

    fn table(cells: Vec<Cells>) -> Table {
        let column = |(at, cells): (usize, Cells)| Column {
            name: format!("c{at}"),
            cells,
        };
        Table {
            columns: cells.into_iter().enumerate().map(column).collect(),
            labels: vec![false; 4],
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_category_becomes_a_column_each() {
        let encoded = Encoded::new(&table(vec![
            Cells::Number(vec![1.0, 2.0, 3.0, 4.0]),
            Cells::Category {
                names: vec!["x".into(), "y".into()],
                codes: vec![Some(1), None, Some(0), Some(0)],
            },
        ]));
        assert_eq!(encoded.names, ["c0", "c1=x", "c1=y"]);
        assert_eq!(encoded.row(0), [1.0, 0.0, 1.0]);
        assert!(encoded.row(1)[1].is_nan() && encoded.row(1)[2].is_nan());
        assert_eq!(encoded.row(3), [4.0, 1.0, 0.0]);
    }

    #[test]
    fn rows_are_brought_to_one_scale_by_the_rows_fitted_on() {
        let encoded = Encoded::new(&table(vec![
            Cells::Number(vec![-1.0, 1.0, f64::NAN, 100.0]),
            Cells::Number(vec![7.0, 7.0, 7.0, 8.0]),
        ]));
        let standard = Standard::fit(&encoded, &[0, 1, 2]);
        assert_eq!(standard.columns(), 3);
        let mut out = Vec::new();
        (0..4).for_each(|row| standard.apply(encoded.row(row), &mut out));
        let expected = [
            [-1.0, 0.0, 0.0],
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [100.0, 0.0, 0.0],
        ];
        assert_eq!(out, expected.concat());
    }

    #[test]
    fn skewed_columns_are_bent() {
        let values = vec![0.0, 0.0, 0.0, 1023.0];
        let encoded = Encoded::new(&table(vec![Cells::Number(values)]));
        let standard = Standard::fit(&encoded, &[0, 1, 2, 3]);
        assert_eq!(standard.columns[0].transform, Transform::Log2);
        assert_eq!(standard.columns[0].mean, 2.5);
    }

    #[test]
    fn values_too_large_to_measure_do_no_harm() {
        let values = vec![-1e299, 1e299, 3.0, 4.0];
        let encoded = Encoded::new(&table(vec![Cells::Number(values)]));
        let standard = Standard::fit(&encoded, &[0, 1, 2, 3]);
        let mut out = Vec::new();
        standard.apply(encoded.row(1), &mut out);
        assert!(out.iter().all(|z| z.is_finite()), "{out:?}");
    }
}
