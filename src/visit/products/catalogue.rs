//! What a shop sells, as it says so: items with their prices, and when they changed.
//!
//! A catalogue is a list of statements, each about one item from a time on; what a statement leaves
//! open stays as it was. Items are numbered in the order in which they are first named, and keep
//! the text of their id: a list of products is written with the texts that came in.
//!
//! Invariant: statements stand in the order of time, those of one time in the order in which they
//! were made; nothing changes once it is built, so all workers share one. Cost: some 100 bytes an
//! item and 60 a statement.

use super::super::keys::KeyMap;
use crate::event::{Id, hash_text};

/// What holds of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// Its category; none where it has none.
    pub category: Id,
    /// The price of a unit, in millionths of the currency; 0 where unknown.
    pub price: i64,
    /// What remains of the price after the goods, in millionths of the currency.
    pub margin: Option<i64>,
    /// Units left; any number where unknown.
    pub stock: Option<u64>,
    /// Its place among all items, in millionths, least first.
    pub order: i64,
}

/// A statement about an item, as a file gives it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statement<'a> {
    /// From when on it holds, in ms since 1970; 0 from the beginning.
    pub at_ms: u64,
    /// The item's id.
    pub item: &'a [u8],
    /// The category's id, if it says one.
    pub category: Option<&'a [u8]>,
    /// In millionths of the currency.
    pub price: Option<i64>,
    /// In millionths of the currency.
    pub margin: Option<i64>,
    /// Units.
    pub stock: Option<u64>,
    /// In millionths.
    pub order: Option<i64>,
}

/// From a time on, what holds of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stocked {
    /// From when on, in ms since 1970.
    pub at_ms: u64,
    /// The item's number.
    pub number: u32,
    /// What holds.
    pub product: Product,
}

/// What a shop sells, over time.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// `name@0123abcd`.
    pub label: String,
    ids: Vec<Id>,
    texts: Vec<Box<[u8]>>,
    numbers: KeyMap<u32>,
    changes: Vec<Stocked>,
}

/// Puts a catalogue together.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    catalogue: Catalogue,
    /// Statements with what they leave open.
    said: Vec<(u64, u32, Said)>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    category: Option<Id>,
    price: Option<i64>,
    margin: Option<i64>,
    stock: Option<u64>,
    order: Option<i64>,
}

impl Product {
    /// Whether there is any of it to be sold.
    pub fn is_for_sale(&self) -> bool {
        self.stock != Some(0)
    }
}

impl Builder {
    /// Takes a statement.
    pub fn say(&mut self, statement: &Statement<'_>) {
        let id = Id::of(statement.item);
        let catalogue = &mut self.catalogue;
        let number = *catalogue.numbers.entry(id.0).or_insert_with(|| {
            catalogue.ids.push(id);
            catalogue.texts.push(statement.item.into());
            catalogue.ids.len() as u32 - 1
        });
        let said = Said {
            category: statement.category.map(Id::of),
            price: statement.price,
            margin: statement.margin,
            stock: statement.stock,
            order: statement.order,
        };
        self.said.push((statement.at_ms, number, said));
    }

    /// The catalogue. `name` and the bytes that it was read from make its label.
    pub fn build(mut self, name: &str, bytes: &[u8]) -> Catalogue {
        // Stable: what was said first at a time stays first.
        self.said.sort_by_key(|(at_ms, ..)| *at_ms);
        let items = self.catalogue.ids.len();
        // What says nothing of its place stands where it was first named.
        let mut known: Vec<Product> = (0..items)
            .map(|number| Product {
                order: number as i64 * 1_000_000,
                ..Product::default()
            })
            .collect();
        for (at_ms, number, said) in self.said {
            let product = &mut known[number as usize];
            *product = Product {
                category: said.category.unwrap_or(product.category),
                price: said.price.unwrap_or(product.price),
                margin: said.margin.or(product.margin),
                stock: said.stock.or(product.stock),
                order: said.order.unwrap_or(product.order),
            };
            self.catalogue.changes.push(Stocked {
                at_ms,
                number,
                product: *product,
            });
        }
        self.catalogue.label = format!("{name}@{:08x}", hash_text(bytes) >> 32);
        self.catalogue
    }
}

impl Catalogue {
    /// Number of items that are ever named.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no item is named.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// An item's number.
    #[inline]
    pub fn number(&self, item: Id) -> Option<u32> {
        self.numbers.get(&item.0).copied()
    }

    /// An item's id.
    #[inline]
    pub fn id(&self, number: u32) -> Id {
        self.ids[number as usize]
    }

    /// An item's id as it was written.
    pub fn text(&self, number: u32) -> &[u8] {
        &self.texts[number as usize]
    }

    /// What holds from when on, in the order of time.
    pub fn changes(&self) -> &[Stocked] {
        &self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_statements_keep_what_they_leave_open() {
        let mut builder = Builder::default();
        builder.say(&Statement {
            at_ms: 500,
            item: b"lamp",
            stock: Some(0),
            ..Statement::default()
        });
        builder.say(&Statement {
            item: b"lamp",
            category: Some(b"light"),
            price: Some(30),
            ..Statement::default()
        });
        builder.say(&Statement {
            item: b"cord",
            order: Some(-5),
            ..Statement::default()
        });
        let catalogue = builder.build("shop", b"bytes");
        assert_eq!(catalogue.len(), 2);
        assert!(catalogue.label.starts_with("shop@"));
        assert_eq!(catalogue.text(0), b"lamp");
        assert_eq!(catalogue.number(Id::of(b"cord")), Some(1));
        assert_eq!(catalogue.number(Id::of(b"rope")), None);
        let times: Vec<u64> = catalogue.changes().iter().map(|c| c.at_ms).collect();
        assert_eq!(times, [0, 0, 500]);
        let last = catalogue.changes()[2].product;
        assert_eq!((last.price, last.category), (30, Id::of(b"light")));
        assert!(!last.is_for_sale() && catalogue.changes()[0].product.is_for_sale());
        assert_eq!(catalogue.changes()[1].product.order, -5);
    }
}
