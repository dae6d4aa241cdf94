//! The session fold: one event in, the state of the visit moved on, O(1), no allocation in steady
//! state.
//!
//! Everything is an integer: counts, millionths, milliseconds. The fold sees a session's events in
//! canonical order. Event times may run back a little (late events); a gap is never below zero,
//! and "now" is the latest event time so far. `tests/features.rs` holds the fold against a
//! recomputation from the whole session at every prefix.

use super::counters::{Counters, Of};
use super::history::History;
use super::items::{Categories, Items, Slot};
use crate::event::{Event, EventMs, Id, Kind};
use serde::{Deserialize, Serialize};

/// Limits on what one session may remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Most items remembered.
    pub items_max: usize,
    /// Most categories counted.
    pub categories_max: usize,
}

/// What the fold had to leave out, to be counted by the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overflow {
    /// An item was forgotten, or could not be remembered.
    pub item: bool,
    /// A category could not be counted.
    pub category: bool,
}

/// Binary digits behind the point of the exponentially weighted gap.
const GAP_SHIFT: u32 = 10;

/// Longest part of a gap that counts as time spent: ten minutes.
pub const ACTIVE_GAP_MS: u64 = 600_000;

static FIRST_VISIT: History = History::FIRST_VISIT;

/// What a session knows of its cart besides how much is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Worth of the cart, in millionths of the currency.
    pub value: i64,
    /// Sum of the prices put into the cart, in millionths, once per unit.
    pub price_sum: i64,
    /// Event time since which the cart has not been empty; 0 while it is empty.
    pub since: EventMs,
    /// Event time of the last addition to the cart; 0 before the first.
    pub last_add: EventMs,
    /// Units put into the cart so far.
    pub units_added: u32,
    /// Units taken out of the cart so far, purchases aside.
    pub units_removed: u32,
    /// Additions to the cart with a known price, in units.
    pub priced_units: u32,
}

static NO_CART: Cart = Cart {
    value: 0,
    price_sum: 0,
    since: EventMs(0),
    last_add: EventMs(0),
    units_added: 0,
    units_removed: 0,
    priced_units: 0,
};

/// The state of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What the visitor did before this session, if anything.
    past: Option<Box<History>>,
    /// Event time of the first event.
    pub start: EventMs,
    /// Latest event time.
    pub last: EventMs,
    /// Events of each kind, and what is counted with them.
    pub counters: Counters,
    /// Events of all kinds.
    pub events: u32,
    /// Units in the cart.
    pub cart_units: u32,
    /// Sum of dwell, in millionths of a second.
    pub dwell_sum: i64,
    /// Longest dwell, in millionths of a second.
    pub dwell_max: i64,
    /// Sum of scroll depths, in millionths.
    pub scroll_sum: i64,
    /// Deepest scroll, in millionths.
    pub scroll_max: i64,
    /// Sum of the prices viewed, in millionths.
    pub price_seen_sum: i64,
    /// Whether the latest item touched is in the cart.
    pub cart_item_in_focus: bool,
    /// Gap before the last event, in ms.
    pub gap_last: u64,
    /// Sum of the gaps, each up to [`ACTIVE_GAP_MS`].
    pub active_ms: u64,
    /// Exponentially weighted mean gap, in ms with [`GAP_SHIFT`] binary digits behind the point.
    gap_weighted: u64,
    /// What sessions have that put something into the cart, or tried to take something out.
    cart: Option<Box<Cart>>,
    /// Items remembered.
    pub items: Items,
    /// Categories counted.
    pub categories: Categories,
}

impl Session {
    /// Begins a session in place, keeping the tables' room.
    pub fn begin(&mut self, at: EventMs, history: History) {
        let (mut items, mut categories) = (
            std::mem::take(&mut self.items),
            std::mem::take(&mut self.categories),
        );
        items.clear();
        categories.clear();
        *self = Session {
            past: (history != History::FIRST_VISIT).then(|| Box::new(history)),
            start: at,
            last: at,
            items,
            categories,
            ..Session::default()
        };
    }

    /// What is known of the cart. All zero in a session without one.
    #[inline]
    pub fn cart(&self) -> &Cart {
        self.cart.as_deref().unwrap_or(&NO_CART)
    }

    fn cart_mut(&mut self) -> &mut Cart {
        self.cart.get_or_insert_default()
    }

    /// What the visitor did before this session. All zero for a first visit.
    #[inline]
    pub fn history(&self) -> &History {
        self.past.as_deref().unwrap_or(&FIRST_VISIT)
    }

    /// The same, to change it.
    pub fn history_mut(&mut self) -> &mut History {
        self.past.get_or_insert_default()
    }

    /// Folds one event into the session.
    pub fn observe(&mut self, event: &Event, limits: &SessionLimits) -> Overflow {
        self.fold_time(event.time);
        self.counters.count(event.kind);
        self.events += 1;

        let mut overflow = Overflow::default();
        if !event.category.is_none() && touches_item(event.kind) {
            overflow.category = !self.categories.count(event.category, limits.categories_max);
        }
        let slot = if event.item.is_none() || !touches_item(event.kind) {
            None
        } else {
            match self.items.find_or_insert(event.item, limits.items_max) {
                Slot::Known(at) => Some(at),
                Slot::New { at, evicted } => {
                    self.counters.add(Of::DistinctItems);
                    overflow.item = evicted;
                    Some(at)
                }
                Slot::Full => {
                    overflow.item = true;
                    None
                }
            }
        };
        if let Some(at) = slot
            && self.items.get(at).units > 0
        {
            self.counters.add(Of::CartItemEvents);
        }
        match event.kind {
            Kind::ItemView => self.fold_view(event, slot),
            Kind::AddToCart => self.fold_add(event, slot),
            Kind::RemoveFromCart => self.fold_remove(event, slot),
            Kind::Purchase => self.fold_purchase(event, slot),
            Kind::Dwell => {
                if let Some(seconds) = event.value.get() {
                    self.counters.add(Of::Dwells);
                    self.dwell_sum = self.dwell_sum.saturating_add(seconds);
                    self.dwell_max = self.dwell_max.max(seconds);
                }
            }
            Kind::Scroll => {
                if let Some(depth) = event.value.get() {
                    self.counters.add(Of::Scrolls);
                    self.scroll_sum = self.scroll_sum.saturating_add(depth);
                    self.scroll_max = self.scroll_max.max(depth);
                }
            }
            _ => {}
        }
        if touches_item(event.kind) && !event.item.is_none() {
            self.cart_item_in_focus = slot.is_some_and(|at| self.items.get(at).units > 0);
        }
        overflow
    }

    fn fold_time(&mut self, at: EventMs) {
        if self.events > 0 {
            let gap = at.0.saturating_sub(self.last.0);
            self.gap_last = gap;
            self.active_ms += gap.min(ACTIVE_GAP_MS);
            let shifted = gap << GAP_SHIFT;
            self.gap_weighted = if self.events == 1 {
                shifted
            } else {
                // Weight 3/10 on the newest gap.
                (self.gap_weighted * 7 + shifted * 3) / 10
            };
        }
        self.last = self.last.max(at);
    }

    fn fold_view(&mut self, event: &Event, slot: Option<usize>) {
        if let Some(at) = slot {
            let item = self.items.get_mut(at);
            if item.views > 0 {
                self.counters.add(Of::RepeatViews);
            }
            item.views += 1;
            if item.views > self.counters.get(Of::ViewsOfOneItemMax) {
                self.counters.put(Of::ViewsOfOneItemMax, item.views);
            }
        }
        if let Some(price) = event.price.get().filter(|&price| price > 0) {
            self.counters.add(Of::PricedViews);
            self.price_seen_sum = self.price_seen_sum.saturating_add(price);
        }
    }

    fn fold_add(&mut self, event: &Event, slot: Option<usize>) {
        let units = event.units();
        let price = event.price.get().unwrap_or(0);
        let cart = self.cart.get_or_insert_default();
        cart.units_added = cart.units_added.saturating_add(units);
        cart.last_add = event.time;
        self.counters.put(Of::CartAddEvent, self.events);
        if price > 0 {
            cart.priced_units = cart.priced_units.saturating_add(units);
            cart.price_sum = cart.price_sum.saturating_add(worth(price, units));
        }
        // An item that cannot be remembered could never be taken out again: it stays out.
        let Some(at) = slot else { return };
        let item = self.items.get_mut(at);
        let before = worth(item.cart_price, item.units);
        let units = units.min(UNITS_MAX - item.units);
        item.units += units;
        if price > 0 {
            item.cart_price = price;
        }
        let after = worth(item.cart_price, item.units);
        self.cart_units = self.cart_units.saturating_add(units);
        self.revalue_cart(before, after);
        self.date_cart(event.time);
    }

    fn fold_remove(&mut self, event: &Event, slot: Option<usize>) {
        let cart = self.cart_mut();
        cart.units_removed = cart.units_removed.saturating_add(event.units());
        if let Some(at) = slot {
            self.take_out(at, event.units());
            self.date_cart(event.time);
        }
    }

    /// An order of one item takes that item out of the cart; one without an item, all of it.
    fn fold_purchase(&mut self, event: &Event, slot: Option<usize>) {
        match slot {
            Some(at) => self.take_out(at, event.units()),
            None if event.item.is_none() => {
                self.items.empty_cart();
                self.cart_item_in_focus = false;
                self.cart_units = 0;
                if let Some(cart) = &mut self.cart {
                    cart.value = 0;
                }
            }
            None => {}
        }
        self.date_cart(event.time);
    }

    fn take_out(&mut self, at: usize, units: u32) {
        let item = self.items.get_mut(at);
        let taken = units.min(item.units);
        if taken == 0 {
            return;
        }
        let before = worth(item.cart_price, item.units);
        item.units -= taken;
        let after = worth(item.cart_price, item.units);
        self.cart_units -= taken;
        self.revalue_cart(before, after);
    }

    /// Follows the worth of an item in the cart. A worth beyond any real one stops at the greatest
    /// number; the way back from there is a new sum.
    fn revalue_cart(&mut self, before: i64, after: i64) {
        let value = self.cart().value;
        let most = [value, before, after].contains(&i64::MAX);
        let moved = (value - before).checked_add(after);
        let moved = moved.filter(|_| !most).unwrap_or_else(|| {
            let worths = self.items.iter();
            worths.fold(0i64, |sum, item| {
                sum.saturating_add(worth(item.cart_price, item.units))
            })
        });
        self.cart_mut().value = moved;
    }

    /// Notes since when the cart has not been empty.
    fn date_cart(&mut self, at: EventMs) {
        let Some(cart) = &mut self.cart else { return };
        if self.cart_units == 0 {
            cart.since = EventMs(0);
        } else if cart.since == EventMs(0) {
            cart.since = at;
        }
    }

    /// Exponentially weighted mean gap, in ms.
    pub fn gap_weighted_ms(&self) -> f64 {
        self.gap_weighted as f64 / f64::from(1u32 << GAP_SHIFT)
    }

    /// Number of events of `kind`.
    #[inline]
    pub fn count(&self, kind: Kind) -> u32 {
        self.counters.kind(kind)
    }

    /// Whether the session leaves a cart behind: something in it, and nothing bought.
    pub fn abandons_cart(&self) -> bool {
        self.cart_units > 0 && self.count(Kind::Purchase) == 0
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        let past = self.past.as_ref().map_or(0, |_| size_of::<History>());
        let cart = self.cart.as_ref().map_or(0, |_| size_of::<Cart>());
        self.items.bytes() + self.categories.bytes() + self.counters.bytes() + past + cart
    }

    /// Whether `item` is in the cart.
    pub fn in_cart(&self, item: Id) -> bool {
        self.items
            .iter()
            .any(|known| known.id == item && known.units > 0)
    }
}

/// Most units of one item that a cart is taken to hold.
pub const UNITS_MAX: u32 = 1_000_000;

/// Kinds whose item and category count as attention to them.
pub fn touches_item(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ItemView
            | Kind::Click
            | Kind::Dwell
            | Kind::Scroll
            | Kind::AddToCart
            | Kind::RemoveFromCart
            | Kind::Purchase
    )
}

fn worth(price: i64, units: u32) -> i64 {
    price.saturating_mul(i64::from(units))
}
