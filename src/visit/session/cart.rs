//! The cart of a session: what is in it, what it is worth, and what went in and out.
//!
//! One visit in ten has one, so it lies behind a pointer. An item has a row from its first addition on, and
//! keeps the price at which it went in until the session forgets the item. Cost: a look at the few
//! rows of the cart.

use super::{Of, Session};
use crate::event::{Event, EventMs, Id};

/// What a session knows of its cart.
#[derive(Clone, Debug, Default)]
pub struct Cart {
    /// Worth of the cart, in millionths of the currency.
    pub value: i64,
    /// Sum of the prices put into the cart, in millionths, once per unit.
    pub price_sum: i64,
    /// Event time since which the cart has not been empty; 0 while it is empty.
    pub since: EventMs,
    /// Event time of the last addition to the cart; 0 before the first.
    pub last_add: EventMs,
    /// Units in the cart.
    pub units: u32,
    /// Units put into the cart so far.
    pub units_added: u32,
    /// Units taken out of the cart so far, purchases aside.
    pub units_removed: u32,
    /// Additions to the cart with a known price, in units.
    pub priced_units: u32,
    /// Items of the session that are in the cart, or were.
    pub(super) rows: Vec<Carted>,
}

/// An item that is in the cart, or was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carted {
    pub(super) item: Id,
    /// Unit price at which it went in, in millionths; 0 where unknown.
    pub(super) price: i64,
    /// Units of it.
    pub(super) units: u32,
}

/// Most units of one item that a cart is taken to hold.
const UNITS_MAX: u32 = 1_000_000;

pub(super) static NO_CART: Cart = Cart {
    value: 0,
    price_sum: 0,
    since: EventMs(0),
    last_add: EventMs(0),
    units: 0,
    units_added: 0,
    units_removed: 0,
    priced_units: 0,
    rows: Vec::new(),
};

impl Cart {
    /// Units of an item in the cart.
    #[inline]
    pub fn units_of(&self, item: Id) -> u32 {
        self.row(item).map_or(0, |row| row.units)
    }

    #[inline]
    pub(super) fn row(&self, item: Id) -> Option<&Carted> {
        self.rows.iter().find(|row| row.item == item)
    }

    /// Bytes held on the heap, its own among them.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Cart>() + self.rows.capacity() * size_of::<Carted>()
    }

    fn row_mut(&mut self, item: Id) -> &mut Carted {
        let rows = &mut self.rows;
        let at = rows.iter().position(|row| row.item == item);
        let at = at.unwrap_or_else(|| {
            rows.reserve_exact(usize::from(rows.len() == rows.capacity()));
            rows.push(Carted {
                item,
                price: 0,
                units: 0,
            });
            rows.len() - 1
        });
        &mut rows[at]
    }

    fn take_out(&mut self, item: Id, units: u32) {
        let row = self.rows.iter_mut().find(|row| row.item == item);
        let Some(row) = row.filter(|row| row.units > 0) else {
            return;
        };
        let taken = units.min(row.units);
        let before = row.worth();
        row.units -= taken;
        let after = row.worth();
        self.units -= taken;
        self.revalue(before, after);
    }

    /// Follows the worth of an item in the cart. A worth beyond any real one stops at the greatest
    /// number; the way back from there is a new sum.
    fn revalue(&mut self, before: i64, after: i64) {
        let value = self.value;
        let most = [value, before, after].contains(&i64::MAX);
        let moved = (value - before).checked_add(after);
        self.value = moved.filter(|_| !most).unwrap_or_else(|| {
            let worths = self.rows.iter().map(Carted::worth);
            worths.fold(0, i64::saturating_add)
        });
    }

    /// Notes since when the cart has not been empty.
    fn date(&mut self, at: EventMs) {
        if self.units == 0 {
            self.since = EventMs(0);
        } else if self.since == EventMs(0) {
            self.since = at;
        }
    }
}

impl Carted {
    fn worth(&self) -> i64 {
        worth(self.price, self.units)
    }
}

fn worth(price: i64, units: u32) -> i64 {
    price.saturating_mul(i64::from(units))
}

impl Session {
    /// What is known of the cart. All zero in a session without one.
    #[inline]
    pub fn cart(&self) -> &Cart {
        self.cart.as_deref().unwrap_or(&NO_CART)
    }

    pub(super) fn fold_add(&mut self, event: &Event, slot: Option<usize>) {
        let units = event.units();
        let price = event.price.get().unwrap_or(0);
        self.counters.put(Of::CartAddEvent, self.events);
        let cart = self.cart.get_or_insert_default();
        cart.units_added = cart.units_added.saturating_add(units);
        cart.last_add = event.time;
        if price > 0 {
            cart.priced_units = cart.priced_units.saturating_add(units);
            cart.price_sum = cart.price_sum.saturating_add(worth(price, units));
        }
        // An item that cannot be remembered could never be taken out again: it stays out.
        if slot.is_none() {
            return;
        }
        let row = cart.row_mut(event.item);
        let before = row.worth();
        let units = units.min(UNITS_MAX - row.units);
        row.units += units;
        if price > 0 {
            row.price = price;
        }
        let after = row.worth();
        cart.units = cart.units.saturating_add(units);
        cart.revalue(before, after);
        cart.date(event.time);
    }

    pub(super) fn fold_remove(&mut self, event: &Event, slot: Option<usize>) {
        let cart = self.cart.get_or_insert_default();
        cart.units_removed = cart.units_removed.saturating_add(event.units());
        if slot.is_some() {
            cart.take_out(event.item, event.units());
            cart.date(event.time);
        }
    }

    /// An order of one item takes that item out of the cart; one without an item, all of it.
    pub(super) fn fold_purchase(&mut self, event: &Event, slot: Option<usize>) {
        if event.item.is_none() {
            self.cart_item_in_focus = false;
        }
        let Some(cart) = &mut self.cart else { return };
        if event.item.is_none() {
            cart.rows.iter_mut().for_each(|row| row.units = 0);
            (cart.units, cart.value) = (0, 0);
        } else if slot.is_some() {
            cart.take_out(event.item, event.units());
        }
        cart.date(event.time);
    }

    /// An item is not remembered any more, nor is the price at which it went into the cart.
    pub(super) fn forget_carted(&mut self, item: Id) {
        if let Some(cart) = &mut self.cart {
            cart.rows.retain(|row| row.item != item);
        }
    }
}
