//! What is on sale now: a catalogue as of a version of the tables.
//!
//! A statement of the catalogue holds from the first multiple of the quantum that is not before it,
//! in every worker alike, however the events around it were cut into batches. [`Shelf::turn`] moves
//! on to a time and says what changed, so that open visits whose pages it may touch can be looked at.
//! Nothing is known of an item before it is first stated, whether or not the catalogue names it already: a
//! job that hears of it only then must do the same.
//!
//! Invariant: the orders hold every item that has been stated, sorted; those that are sold out stay
//! in them and are passed over. Cost: O(changes), and a sort of what a change has moved: a category's
//! items for a price, all items for a place. Memory: some 80 bytes an item and worker.

use super::super::keys::KeyMap;
use super::catalogue::{Catalogue, Product};
use crate::event::{ArrivalMs, Id};
use std::sync::Arc;

/// A worker's view of the catalogue.
#[derive(Clone, Debug)]
pub struct Shelf {
    catalogue: Arc<Catalogue>,
    quantum_ms: u64,
    /// By number; nothing before an item is first stated.
    products: Vec<Option<Product>>,
    /// Place of the next statement.
    next: usize,
    /// All stated items, least place first.
    by_order: Vec<u32>,
    /// A category's stated items, least price first.
    by_price: KeyMap<Vec<u32>>,
    version: u64,
}

/// What a turn of the shelf changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restocked {
    /// Numbers of the items that changed, in order.
    pub items: Vec<u32>,
    /// Their categories, before and after, in order.
    pub categories: Vec<Id>,
    /// Whether anything can be sold that could not before.
    pub more: bool,
}

impl Restocked {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl Shelf {
    /// What is on sale before any time has passed.
    pub fn new(catalogue: Arc<Catalogue>, quantum_ms: u64) -> Shelf {
        let mut shelf = Shelf {
            products: vec![None; catalogue.len()],
            catalogue,
            quantum_ms,
            next: 0,
            by_order: Vec::new(),
            by_price: KeyMap::default(),
            version: 0,
        };
        shelf.turn(ArrivalMs(0));
        shelf
    }

    /// The catalogue.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Goes by a catalogue that has grown: what it says more holds from later on, so the next statement
    /// stands where it stood, or behind what is new.
    pub fn grow(&mut self, catalogue: Arc<Catalogue>) {
        self.products.resize(catalogue.len(), None);
        self.catalogue = catalogue;
    }

    /// When the next statement takes effect, in ms.
    #[inline]
    pub fn due_ms(&self) -> Option<u64> {
        let change = self.catalogue.statements().get(self.next)?;
        let quanta = change.at_ms.div_ceil(self.quantum_ms);
        Some(quanta.saturating_mul(self.quantum_ms))
    }

    /// Puts in force what holds at an arrival; returns what that changed.
    pub fn turn(&mut self, at: ArrivalMs) -> Restocked {
        let mut changed = Vec::new();
        let mut categories: Vec<Id> = Vec::new();
        let (mut moved, mut more) = (false, false);
        while self.due_ms().is_some_and(|due_ms| due_ms <= at.0) {
            let change = self.catalogue.statements()[self.next];
            self.next += 1;
            let place = &mut self.products[change.number as usize];
            let (before, now) = (*place, change.upon(*place));
            *place = Some(now);
            if before == Some(now) {
                continue;
            }
            changed.push(change.number);
            more |= now.is_for_sale() && !before.is_some_and(|one| one.is_for_sale());
            moved |= before.is_none_or(|before| before.order != now.order);
            categories.extend(before.map(|before| before.category));
            categories.push(now.category);
        }
        if changed.is_empty() {
            return Restocked::default();
        }
        self.version += 1;
        changed.sort_unstable();
        changed.dedup();
        if moved {
            self.sort_by_order();
        }
        categories.sort_unstable();
        categories.dedup();
        self.sort_by_price(&categories);
        Restocked {
            items: changed,
            categories,
            more,
        }
    }

    /// Changes with every change of what is on sale.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The number of an item that has been stated.
    #[inline]
    pub fn number(&self, item: Id) -> Option<u32> {
        let number = self.catalogue.number(item)?;
        self.product(number).map(|_| number)
    }

    /// What holds of an item, once it has been stated.
    #[inline]
    pub fn product(&self, number: u32) -> Option<&Product> {
        self.products[number as usize].as_ref()
    }

    /// All stated items, least place first.
    pub fn by_order(&self) -> &[u32] {
        &self.by_order
    }

    /// A category's stated items, least price first.
    pub fn by_price(&self, category: Id) -> &[u32] {
        self.by_price.get(&category.0).map_or(&[], Vec::as_slice)
    }

    fn stated(&self) -> impl Iterator<Item = (u32, &Product)> + '_ {
        let numbered = self.products.iter().enumerate();
        numbered.filter_map(|(number, product)| Some((number as u32, product.as_ref()?)))
    }

    fn sort_by_order(&mut self) {
        let keyed = self
            .stated()
            .map(|(number, product)| (product.order, number));
        let mut keyed: Vec<(i64, u32)> = keyed.collect();
        keyed.sort_unstable();
        self.by_order = keyed.into_iter().map(|(_, number)| number).collect();
    }

    /// Sorts the items of some categories, which are in order, anew.
    fn sort_by_price(&mut self, categories: &[Id]) {
        let mut keyed: Vec<(Id, i64, u32)> = self
            .stated()
            .filter(|(_, product)| categories.binary_search(&product.category).is_ok())
            .map(|(number, product)| (product.category, product.price, number))
            .collect();
        keyed.sort_unstable();
        for category in categories {
            self.by_price.remove(&category.0);
        }
        for group in keyed.chunk_by(|a, b| a.0 == b.0) {
            let items = group.iter().map(|(.., number)| *number).collect();
            self.by_price.insert(group[0].0.0, items);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::{Builder, Statement};
    use super::*;

    fn say(builder: &mut Builder, at_ms: u64, item: &str, category: &str, price: i64, order: i64) {
        builder.say(&Statement {
            at_ms,
            item: item.as_bytes(),
            category: Some(category.as_bytes()),
            price: Some(price),
            order: Some(order),
            ..Statement::default()
        });
    }

    #[test]
    fn changes_take_effect_at_the_next_quantum() {
        let mut builder = Builder::default();
        say(&mut builder, 0, "a", "x", 30, 3);
        say(&mut builder, 0, "b", "x", 20, 2);
        say(&mut builder, 0, "c", "y", 10, 1);
        say(&mut builder, 1_001, "a", "y", 5, 3);
        say(&mut builder, 2_000, "d", "x", 25, 0);
        let mut shelf = Shelf::new(Arc::new(builder.build("shop", b"")), 1_000);
        assert_eq!(shelf.by_order(), [2, 1, 0]);
        assert_eq!(shelf.by_price(Id::of(b"x")), [1, 0]);
        assert_eq!(shelf.due_ms(), Some(2_000));
        assert!(shelf.turn(ArrivalMs(1_999)).is_empty());
        let before = shelf.version();
        let turned = shelf.turn(ArrivalMs(2_000));
        let mut categories = [Id::of(b"x"), Id::of(b"y")];
        categories.sort_unstable();
        assert_eq!(
            (&turned.items[..], &turned.categories[..]),
            (&[0, 3][..], &categories[..])
        );
        assert!(turned.more);
        assert!(shelf.version() > before);
        assert_eq!(shelf.by_order(), [3, 2, 1, 0]);
        assert_eq!(shelf.by_price(Id::of(b"x")), [1, 3]);
        assert_eq!(shelf.by_price(Id::of(b"y")), [0, 2]);
        assert_eq!(shelf.by_price(Id::of(b"z")), [] as [u32; 0]);
        assert_eq!(shelf.due_ms(), None);
    }

    #[test]
    fn however_time_moves_on_the_shelf_is_the_same() {
        let mut rng = crate::rng::Rng::new(5);
        let mut builder = Builder::default();
        for _ in 0..400 {
            let at_ms = u64::from(rng.below(20_000));
            let item = rng.below(60).to_string();
            let category = rng.below(5).to_string();
            let (price, order) = (i64::from(rng.below(9)), i64::from(rng.below(50)));
            say(&mut builder, at_ms, &item, &category, price, order);
        }
        let catalogue = Arc::new(builder.build("shop", b""));
        let mut slow = Shelf::new(Arc::clone(&catalogue), 1_000);
        for at in (0..=20_000).step_by(250) {
            slow.turn(ArrivalMs(at));
            let mut at_once = Shelf::new(Arc::clone(&catalogue), 1_000);
            at_once.turn(ArrivalMs(at));
            assert_eq!(slow.by_order(), at_once.by_order(), "{at}");
            for category in 0..5 {
                let category = Id::of(category.to_string().as_bytes());
                assert_eq!(slow.by_price(category), at_once.by_price(category), "{at}");
            }
            assert_eq!(slow.products, at_once.products);
        }
    }
}
