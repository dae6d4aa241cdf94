//! Sums over visitors, from which a group's conversion and revenue and their errors follow.
//!
//! Visitors are drawn into groups, so visitors are what is counted: a visitor's sessions are not
//! independent of each other. An [`Account`] is what one visitor came to; [`Moments`] adds up
//! accounts and their products. Both are integers: when an account changes, the old one is taken
//! away and the new one added, exactly.

use serde::{Deserialize, Serialize};

/// Numbers of an account that enter the sums.
pub const MEASURES: usize = 5;
/// Products of two of them.
pub const PRODUCTS: usize = MEASURES * (MEASURES + 1) / 2;

/// What one visitor came to within an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Sessions begun.
    pub sessions: i64,
    /// Sessions with an order that stands.
    pub converted: i64,
    /// What the orders that stand are worth, in millionths of the currency.
    pub revenue: i64,
    /// What remains of it, in millionths.
    pub margin: i64,
    /// Orders before the experiment began; the covariate, which nothing in the experiment can have
    /// changed.
    pub before: i64,
}

impl Account {
    /// Adds another's numbers.
    pub fn add(&mut self, other: &Account) {
        self.sessions += other.sessions;
        self.converted += other.converted;
        self.revenue += other.revenue;
        self.margin += other.margin;
        self.before += other.before;
    }

    /// The numbers in their order: sessions, converted, revenue, margin, before.
    pub fn measures(&self) -> [i64; MEASURES] {
        [
            self.sessions,
            self.converted,
            self.revenue,
            self.margin,
            self.before,
        ]
    }
}

/// Sums over the visitors of a group.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Moments {
    /// Visitors.
    pub visitors: i64,
    /// Sums of the measures.
    pub sums: [i128; MEASURES],
    /// Sums of the products of measures `i ≤ j`, at [`Moments::product_at`].
    pub products: [i128; PRODUCTS],
}

impl Moments {
    /// Place of the product of measures `i` and `j`.
    pub const fn product_at(i: usize, j: usize) -> usize {
        let (low, high) = if i < j { (i, j) } else { (j, i) };
        high * (high + 1) / 2 + low
    }

    /// Adds a visitor's account.
    pub fn add(&mut self, account: &Account) {
        self.count(account, 1);
    }

    /// Takes a visitor's account away again.
    pub fn remove(&mut self, account: &Account) {
        self.count(account, -1);
    }

    fn count(&mut self, account: &Account, sign: i64) {
        let measures = account.measures().map(i128::from);
        self.visitors += sign;
        for (high, &one) in measures.iter().enumerate() {
            self.sums[high] = self.sums[high].wrapping_add(one * i128::from(sign));
            for (low, &other) in measures[..=high].iter().enumerate() {
                let sum = &mut self.products[Moments::product_at(low, high)];
                *sum = sum.wrapping_add(one.wrapping_mul(other).wrapping_mul(i128::from(sign)));
            }
        }
    }

    /// Adds another group's sums.
    pub fn merge(&mut self, other: &Moments) {
        self.visitors += other.visitors;
        for (sum, part) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.wrapping_add(part);
        }
        for (sum, part) in self.products.iter_mut().zip(other.products) {
            *sum = sum.wrapping_add(part);
        }
    }

    /// The sum of a measure.
    pub fn sum(&self, measure: usize) -> i128 {
        self.sums[measure]
    }

    /// The sum of the products of two measures.
    pub fn product(&self, i: usize, j: usize) -> i128 {
        self.products[Moments::product_at(i, j)]
    }
}

/// The sums of those who see the decisions, and of those who keep the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// Who see the decisions.
    pub treated: Moments,
    /// Who keep the default.
    pub held: Moments,
}

impl Groups {
    /// Follows the change of a visitor's account. Accounts without a session are not counted.
    pub fn change(&mut self, held: bool, before: &Account, after: &Account) {
        let group = if held {
            &mut self.held
        } else {
            &mut self.treated
        };
        if before.sessions > 0 {
            group.remove(before);
        }
        if after.sessions > 0 {
            group.add(after);
        }
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Groups) {
        self.treated.merge(&other.treated);
        self.held.merge(&other.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_has_a_place_of_its_own() {
        let mut places: Vec<usize> = (0..MEASURES)
            .flat_map(|high| (0..=high).map(move |low| Moments::product_at(low, high)))
            .collect();
        places.sort_unstable();
        assert_eq!(places, (0..PRODUCTS).collect::<Vec<_>>());
        assert_eq!(Moments::product_at(3, 1), Moments::product_at(1, 3));
    }

    #[test]
    fn accounts_come_and_go_exactly() {
        let one = Account {
            sessions: 3,
            converted: 1,
            revenue: 59_990_000,
            margin: 18_000_001,
            before: 2,
        };
        let other = Account {
            sessions: 1,
            ..Account::default()
        };
        let mut moments = Moments::default();
        moments.add(&one);
        moments.add(&other);
        assert_eq!((moments.visitors, moments.sum(0)), (2, 4));
        assert_eq!(moments.product(0, 0), 10);
        assert_eq!(moments.product(2, 3), 59_990_000 * 18_000_001);
        moments.remove(&other);
        moments.remove(&one);
        assert_eq!(moments, Moments::default());
    }
}
