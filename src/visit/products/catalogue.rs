//! What a shop sells, as it says so: items with their prices, and when they changed.
//!
//! A catalogue is a list of statements, each about one item from a time on; what a statement leaves
//! open stays as it was. Items are numbered in the order in which they are first named, and keep
//! the text of their id: a list of products is written with the texts that came in.
//!
//! A catalogue may grow while a job runs ([`Builder::after`]): statements are added that hold from a time
//! on which nobody has reached, and none is ever taken out. So a later catalogue says the same as an
//! earlier one of all times before, whoever has the last one can make every decision again, and numbers
//! stay.
//!
//! Invariant: statements stand in the order of time, those of one time in the order in which they
//! were made; nothing changes once it is built, so all workers share one. Cost: some 80 bytes an
//! item and 100 a statement; to grow, a copy of it all.

use super::super::keys::KeyMap;
use crate::event::{Id, hash_text};
use std::sync::Arc;

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
    /// Whether what it leaves open is unknown from then on, whatever was said before.
    pub anew: bool,
}

/// From a time on, something else holds of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// From when on, in ms since 1970.
    pub at_ms: u64,
    /// The item's number.
    pub number: u32,
    anew: bool,
    category: Option<Id>,
    price: Option<i64>,
    margin: Option<i64>,
    stock: Option<u64>,
    order: Option<i64>,
}

/// What a shop sells, over time.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// `name@0123abcd`.
    pub label: String,
    /// The text that it was read from, for a job that takes up what changes in it.
    pub source: Arc<[u8]>,
    ids: Vec<Id>,
    /// All ids as they were written, one after the other, and where each ends.
    texts: Vec<u8>,
    ends: Vec<usize>,
    numbers: KeyMap<u32>,
    statements: Vec<Stated>,
}

/// Puts a catalogue together.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    catalogue: Catalogue,
}

impl Stated {
    /// What holds of the item then, if this held before.
    pub fn upon(&self, before: Option<Product>) -> Product {
        let before = before.filter(|_| !self.anew).unwrap_or(Product {
            // What says nothing of its place stands where it was first named.
            order: i64::from(self.number) * 1_000_000,
            ..Product::default()
        });
        Product {
            category: self.category.unwrap_or(before.category),
            price: self.price.unwrap_or(before.price),
            margin: self.margin.or(before.margin),
            stock: self.stock.or(before.stock),
            order: self.order.unwrap_or(before.order),
        }
    }
}

impl Product {
    /// Whether there is any of it to be sold.
    pub fn is_for_sale(&self) -> bool {
        self.stock != Some(0)
    }
}

impl Builder {
    /// A catalogue that says what another one says, and more.
    pub fn after(catalogue: &Catalogue) -> Builder {
        let catalogue = catalogue.clone();
        Builder { catalogue }
    }

    /// Takes a statement.
    pub fn say(&mut self, statement: &Statement<'_>) {
        let id = Id::of(statement.item);
        let catalogue = &mut self.catalogue;
        let number = *catalogue.numbers.entry(id.0).or_insert_with(|| {
            catalogue.ids.push(id);
            catalogue.texts.extend_from_slice(statement.item);
            catalogue.ends.push(catalogue.texts.len());
            catalogue.ids.len() as u32 - 1
        });
        catalogue.statements.push(Stated {
            at_ms: statement.at_ms,
            number,
            anew: statement.anew,
            category: statement.category.map(Id::of),
            price: statement.price,
            margin: statement.margin,
            stock: statement.stock,
            order: statement.order,
        });
    }

    /// The catalogue. `name` and the bytes that it was read from make its label.
    pub fn build(self, name: &str, bytes: &[u8]) -> Catalogue {
        Catalogue {
            label: format!("{name}@{:08x}", hash_text(bytes) >> 32),
            ..self.grown()
        }
    }

    /// The catalogue that has grown, under its name.
    pub fn grown(self) -> Catalogue {
        let mut catalogue = self.catalogue;
        // Stable: what was said first at a time stays first.
        catalogue.statements.sort_by_key(|stated| stated.at_ms);
        catalogue
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

    /// The name of what it was read from.
    pub fn name(&self) -> &str {
        let name = self.label.rsplit_once('@');
        name.map_or(&self.label, |(name, _)| name)
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
        let number = number as usize;
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[begin..self.ends[number]]
    }

    /// What is said from when on, in the order of time.
    pub fn statements(&self) -> &[Stated] {
        &self.statements
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
        let said = catalogue.statements();
        assert_eq!(
            said.iter().map(|one| one.at_ms).collect::<Vec<_>>(),
            [0, 0, 500]
        );
        let first = said[0].upon(None);
        let last = said[2].upon(Some(first));
        assert_eq!((last.price, last.category), (30, Id::of(b"light")));
        assert!(!last.is_for_sale() && first.is_for_sale());
        assert_eq!(said[1].upon(None).order, -5);
    }

    #[test]
    fn what_is_added_changes_nothing_of_before() {
        let of = |at_ms, item: &'static [u8], price| Statement {
            at_ms,
            item,
            price,
            ..Statement::default()
        };
        let mut builder = Builder::default();
        builder.say(&of(0, b"lamp", Some(3)));
        builder.say(&of(9_000, b"cord", Some(1)));
        let before = builder.build("shop", b"bytes");
        let mut builder = Builder::after(&before);
        builder.say(&of(5_000, b"rope", Some(2)));
        builder.say(&Statement {
            anew: true,
            ..of(5_000, b"lamp", None)
        });
        let after = builder.grown();
        assert_eq!(after.label, before.label);
        assert_eq!(after.statements()[0], before.statements()[0]);
        let order: Vec<u32> = after.statements().iter().map(|one| one.number).collect();
        assert_eq!(order, [0, 2, 0, 1]);
        assert_eq!(
            ["lamp", "cord", "rope"].map(|item| after.number(Id::of(item.as_bytes()))),
            [0, 1, 2].map(Some)
        );
        assert_eq!((after.text(0), after.text(2)), (&b"lamp"[..], &b"rope"[..]));
        let lamp = after.statements()[0].upon(None);
        assert_eq!(
            after.statements()[2].upon(Some(lamp)).price,
            0,
            "it is unknown again"
        );
    }
}
