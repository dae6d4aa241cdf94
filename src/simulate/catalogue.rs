//! What the simulated shop sells: items with a fixed category, price and popularity.
//!
//! Popularity follows Zipf's law with exponent 1, over the whole shop and within each category;
//! prices are log-normal around the category's own level. Invariant: every category has an item,
//! and nothing changes once built.
//!
//! Cost: 24 bytes an item; a pick is one draw and one exponential.

use crate::event::Micros;
use crate::rng::Rng;

/// The number of an item, from 0; its text is `i` and the number. Says nothing of popularity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemNo(pub u32);

/// The number of a category, from 0; its text is `c` and the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CategoryNo(pub u32);

/// Median price of the median category, in units of the currency.
const PRICE_MEDIAN: f64 = 28.0;
/// Deviation of the logarithm of the categories' median prices.
const CATEGORY_SIGMA: f64 = 0.7;
/// Deviation of the logarithm of prices within a category.
const ITEM_SIGMA: f64 = 0.5;

#[derive(Clone, Debug)]
struct Item {
    category: CategoryNo,
    price_cents: u32,
    /// Logarithm of its price over the median of its category.
    dearness: f64,
}

/// The items of the shop.
#[derive(Clone, Debug)]
pub struct Catalogue {
    items: Vec<Item>,
    /// All items, most popular first.
    ranked: Vec<ItemNo>,
    /// The items of each category, most popular first.
    shelves: Vec<Vec<ItemNo>>,
}

impl Catalogue {
    /// Stocks the shop: `items` items in `categories` categories.
    ///
    /// # Panics
    /// If there are no categories, or fewer items than categories.
    pub fn new(rng: &mut Rng, items: u32, categories: u32) -> Catalogue {
        assert!(categories > 0 && items >= categories, "a shelf stays empty");
        let medians: Vec<f64> = (0..categories)
            .map(|_| rng.log_normal(PRICE_MEDIAN, CATEGORY_SIGMA))
            .collect();
        let stock = (0..items).map(|number| {
            let category = if number < categories {
                number
            } else {
                rng.zipf(categories)
            };
            let dearness = ITEM_SIGMA * rng.normal();
            let price = medians[category as usize] * libm::exp(dearness);
            Item {
                category: CategoryNo(category),
                price_cents: (price * 100.0).clamp(50.0, 9_999_900.0) as u32,
                dearness,
            }
        });
        let stock: Vec<Item> = stock.collect();
        let mut ranked: Vec<ItemNo> = (0..items).map(ItemNo).collect();
        for last in (1..items).rev() {
            ranked.swap(last as usize, rng.below(last + 1) as usize);
        }
        let mut shelves = vec![Vec::new(); categories as usize];
        for &item in &ranked {
            let category = stock[item.0 as usize].category;
            shelves[category.0 as usize].push(item);
        }
        Catalogue {
            items: stock,
            ranked,
            shelves,
        }
    }

    /// Number of items.
    pub fn len(&self) -> u32 {
        self.items.len() as u32
    }

    /// Whether there are no items; never true.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The category of an item.
    pub fn category(&self, item: ItemNo) -> CategoryNo {
        self.items[item.0 as usize].category
    }

    /// The price of one unit of an item, in millionths of a unit of the currency; whole cents.
    pub fn price(&self, item: ItemNo) -> Micros {
        Micros::new(i64::from(self.items[item.0 as usize].price_cents) * 10_000)
    }

    /// How dear an item is among its like: the logarithm of its price over the category's median.
    pub fn dearness(&self, item: ItemNo) -> f64 {
        self.items[item.0 as usize].dearness
    }

    /// An item by its popularity in the whole shop.
    pub fn pick(&self, rng: &mut Rng) -> ItemNo {
        self.ranked[rng.zipf(self.len()) as usize]
    }

    /// An item of a category by its popularity there.
    pub fn pick_from(&self, rng: &mut Rng, category: CategoryNo) -> ItemNo {
        let shelf = &self.shelves[category.0 as usize];
        shelf[rng.zipf(shelf.len() as u32) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stocked() -> Catalogue {
        Catalogue::new(&mut Rng::new(1), 2_000, 50)
    }

    #[test]
    fn every_shelf_holds_its_own_items() {
        let catalogue = stocked();
        assert_eq!(catalogue.len(), 2_000);
        let mut seen = 0;
        for (number, shelf) in catalogue.shelves.iter().enumerate() {
            assert!(!shelf.is_empty());
            seen += shelf.len();
            for &item in shelf {
                assert_eq!(catalogue.category(item), CategoryNo(number as u32));
            }
        }
        assert_eq!(seen, 2_000);
    }

    #[test]
    fn prices_are_whole_cents_around_the_median() {
        let catalogue = stocked();
        let mut prices: Vec<i64> = (0..2_000)
            .map(|n| catalogue.price(ItemNo(n)).get().unwrap())
            .collect();
        assert!(prices.iter().all(|p| p % 10_000 == 0 && *p >= 500_000));
        prices.sort_unstable();
        let median = prices[1_000] as f64 / 1e6;
        assert!((14.0..56.0).contains(&median), "median {median}");
        assert!(prices[1_990] > 4 * prices[1_000], "prices have a long tail");
    }

    #[test]
    fn few_items_draw_most_of_the_looks() {
        let catalogue = stocked();
        let mut rng = Rng::new(2);
        let mut looks = vec![0u32; 2_000];
        for _ in 0..50_000 {
            looks[catalogue.pick(&mut rng).0 as usize] += 1;
        }
        looks.sort_unstable_by(|a, b| b.cmp(a));
        let top: u32 = looks[..100].iter().sum();
        assert!((0.5..0.7).contains(&(f64::from(top) / 50_000.0)));
        let category = CategoryNo(7);
        let item = catalogue.pick_from(&mut rng, category);
        assert_eq!(catalogue.category(item), category);
    }
}
