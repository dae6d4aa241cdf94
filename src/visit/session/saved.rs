//! A session as snapshots have it, however it lies in memory: the fields in their order, each number in
//! as many bytes as it needs. To change what is here is to change the format of snapshots.
//!
//! Cost: a copy of the session while it is put by or taken up.

use super::cart::{Cart, Carted};
use super::{Session, Sum};
use crate::event::{EventMs, Id};
use crate::visit::counters::Counters;
use crate::visit::history::History;
use crate::visit::touched::Touched;
use serde::{Deserialize, Serialize, Serializer};

/// A session on its way.
#[derive(Serialize, Deserialize)]
pub struct Saved {
    past: Option<History>,
    start: EventMs,
    last: EventMs,
    counters: Counters,
    events: u32,
    cart_units: u32,
    dwell_sum: i64,
    dwell_max: i64,
    scroll_sum: i64,
    scroll_max: i64,
    price_seen_sum: i64,
    cart_item_in_focus: bool,
    gap_last: u64,
    active_ms: u64,
    gap_weighted: u64,
    cart: Option<SavedCart>,
    items: Vec<SavedItem>,
    categories: Vec<(Id, u32)>,
}

#[derive(Serialize, Deserialize)]
struct SavedCart {
    value: i64,
    price_sum: i64,
    since: EventMs,
    last_add: EventMs,
    units_added: u32,
    units_removed: u32,
    priced_units: u32,
}

/// An item, with what the cart knows of it.
#[derive(Serialize, Deserialize)]
struct SavedItem {
    id: Id,
    cart_price: i64,
    views: u32,
    units: u32,
}

impl Saved {
    fn of(session: &Session) -> Saved {
        let item = |(id, views)| {
            let carted = session.cart().row(id);
            SavedItem {
                id,
                cart_price: carted.map_or(0, |row| row.price),
                views,
                units: carted.map_or(0, |row| row.units),
            }
        };
        Saved {
            past: session.past.as_deref().copied(),
            start: session.start,
            last: session.last,
            counters: session.counters.clone(),
            events: session.events,
            cart_units: session.cart().units,
            dwell_sum: session.dwell_sum(),
            dwell_max: session.dwell_max(),
            scroll_sum: session.scroll_sum(),
            scroll_max: session.scroll_max(),
            price_seen_sum: session.price_seen_sum,
            cart_item_in_focus: session.cart_item_in_focus,
            gap_last: session.gap_last(),
            active_ms: session.active_ms(),
            gap_weighted: session.get(Sum::GapWeighted),
            cart: session.cart.as_deref().map(SavedCart::of),
            items: session.touched.items().map(item).collect(),
            categories: session.touched.categories().collect(),
        }
    }
}

impl SavedCart {
    fn of(cart: &Cart) -> SavedCart {
        SavedCart {
            value: cart.value,
            price_sum: cart.price_sum,
            since: cart.since,
            last_add: cart.last_add,
            units_added: cart.units_added,
            units_removed: cart.units_removed,
            priced_units: cart.priced_units,
        }
    }

    fn cart(self, units: u32, rows: Vec<Carted>) -> Cart {
        Cart {
            value: self.value,
            price_sum: self.price_sum,
            since: self.since,
            last_add: self.last_add,
            units,
            units_added: self.units_added,
            units_removed: self.units_removed,
            priced_units: self.priced_units,
            rows,
        }
    }
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Saved::of(self).serialize(to)
    }
}

impl From<Saved> for Session {
    fn from(saved: Saved) -> Session {
        let carted = saved.items.iter().map(|item| Carted {
            item: item.id,
            price: item.cart_price,
            units: item.units,
        });
        let carted = carted.filter(|row| row.price != 0 || row.units != 0);
        let units = saved.cart_units;
        let cart = saved
            .cart
            .map(|cart| Box::new(cart.cart(units, carted.collect())));
        let items = saved.items.iter().map(|item| (item.id, item.views));
        let mut session = Session {
            past: saved.past.map(Box::new),
            start: saved.start,
            last: saved.last,
            counters: saved.counters,
            events: saved.events,
            price_seen_sum: saved.price_seen_sum,
            cart_item_in_focus: saved.cart_item_in_focus,
            cart,
            touched: Touched::of(items, saved.categories.into_iter()),
            ..Session::default()
        };
        session.put(Sum::Dwell, saved.dwell_sum as u64);
        session.put(Sum::DwellMax, saved.dwell_max as u64);
        session.put(Sum::Scroll, saved.scroll_sum as u64);
        session.put(Sum::ScrollMax, saved.scroll_max as u64);
        session.put(Sum::Gap, saved.gap_last);
        session.put(Sum::Active, saved.active_ms);
        session.put(Sum::GapWeighted, saved.gap_weighted);
        session
    }
}
