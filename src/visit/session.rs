//! The session fold: one event in, the state of the visit moved on, O(1), no allocation in steady
//! state.
//!
//! Everything is an integer: counts, millionths, milliseconds. The fold sees a session's events in
//! canonical order. Event times may run back a little (late events); a gap is never below zero,
//! and "now" is the latest event time so far. `tests/features.rs` holds the fold against a
//! recomputation from the whole session at every prefix.

use super::history::History;
use super::items::{Categories, Items, Slot};
use crate::event::{Event, EventMs, Id, KIND_COUNT, Kind};
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

/// The state of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What the visitor did before this session.
    pub history: History,
    /// Event time of the first event.
    pub start: EventMs,
    /// Latest event time.
    pub last: EventMs,
    /// Events per kind.
    pub counts: [u32; KIND_COUNT],
    /// Events of all kinds.
    pub events: u32,
    /// Items viewed, clicked or carted that were new to the session.
    pub distinct_items: u32,
    /// Item views of an item viewed before.
    pub repeat_views: u32,
    /// Most views of a single item.
    pub views_of_one_item_max: u32,
    /// Units in the cart.
    pub cart_units: u32,
    /// Units put into the cart so far.
    pub units_added: u32,
    /// Units taken out of the cart so far, purchases aside.
    pub units_removed: u32,
    /// Views of items with a known price.
    pub priced_views: u32,
    /// Additions to the cart with a known price, in units.
    pub priced_units: u32,
    /// Dwell events that carried a duration.
    pub dwells: u32,
    /// Scroll events that carried a depth.
    pub scrolls: u32,
    /// Sum of dwell, in millionths of a second.
    pub dwell_sum: i64,
    /// Longest dwell, in millionths of a second.
    pub dwell_max: i64,
    /// Sum of scroll depths, in millionths.
    pub scroll_sum: i64,
    /// Deepest scroll, in millionths.
    pub scroll_max: i64,
    /// Worth of the cart, in millionths of the currency.
    pub cart_value: i64,
    /// Sum of the prices viewed, in millionths.
    pub price_seen_sum: i64,
    /// Sum of the prices put into the cart, in millionths, once per unit.
    pub price_cart_sum: i64,
    /// Event time since which the cart has not been empty; 0 while it is empty.
    pub cart_since: EventMs,
    /// Event time of the last addition to the cart; 0 before the first.
    pub last_cart_add: EventMs,
    /// Number of the last addition to the cart among the events, from 1; 0 before the first.
    pub cart_add_event: u32,
    /// Events on an item that was in the cart already.
    pub cart_item_events: u32,
    /// Whether the latest item touched is in the cart.
    pub cart_item_in_focus: bool,
    /// Gap before the last event, in ms.
    pub gap_last: u64,
    /// Sum of the gaps, each up to [`ACTIVE_GAP_MS`].
    pub active_ms: u64,
    /// Exponentially weighted mean gap, in ms with [`GAP_SHIFT`] binary digits behind the point.
    gap_weighted: u64,
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
            history,
            start: at,
            last: at,
            items,
            categories,
            ..Session::default()
        };
    }

    /// Folds one event into the session.
    pub fn observe(&mut self, event: &Event, limits: &SessionLimits) -> Overflow {
        self.fold_time(event.time);
        self.counts[event.kind as usize] += 1;
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
                    self.distinct_items += 1;
                    overflow.item = evicted;
                    Some(at)
                }
                Slot::Full => {
                    overflow.item = true;
                    None
                }
            }
        };
        if let Some(at) = slot {
            self.cart_item_events += u32::from(self.items.get(at).units > 0);
        }
        match event.kind {
            Kind::ItemView => self.fold_view(event, slot),
            Kind::AddToCart => self.fold_add(event, slot),
            Kind::RemoveFromCart => self.fold_remove(event, slot),
            Kind::Purchase => self.fold_purchase(event, slot),
            Kind::Dwell => {
                if let Some(seconds) = event.value.get() {
                    self.dwells += 1;
                    self.dwell_sum = self.dwell_sum.saturating_add(seconds);
                    self.dwell_max = self.dwell_max.max(seconds);
                }
            }
            Kind::Scroll => {
                if let Some(depth) = event.value.get() {
                    self.scrolls += 1;
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
                self.repeat_views += 1;
            }
            item.views += 1;
            self.views_of_one_item_max = self.views_of_one_item_max.max(item.views);
        }
        if let Some(price) = event.price.get().filter(|&price| price > 0) {
            self.priced_views += 1;
            self.price_seen_sum = self.price_seen_sum.saturating_add(price);
        }
    }

    fn fold_add(&mut self, event: &Event, slot: Option<usize>) {
        let units = event.units();
        let price = event.price.get().unwrap_or(0);
        self.units_added = self.units_added.saturating_add(units);
        self.last_cart_add = event.time;
        self.cart_add_event = self.events;
        if price > 0 {
            self.priced_units = self.priced_units.saturating_add(units);
            self.price_cart_sum = self.price_cart_sum.saturating_add(worth(price, units));
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
        self.units_removed = self.units_removed.saturating_add(event.units());
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
                self.cart_value = 0;
            }
            None => {}
        }
        self.date_cart(event.time);
    }

    fn take_out(&mut self, at: usize, units: u32) {
        let item = self.items.get_mut(at);
        let taken = units.min(item.units);
        let before = worth(item.cart_price, item.units);
        item.units -= taken;
        let after = worth(item.cart_price, item.units);
        self.cart_units -= taken;
        self.revalue_cart(before, after);
    }

    /// Follows the worth of an item in the cart. A worth beyond any real one stops at the greatest
    /// number; the way back from there is a new sum.
    fn revalue_cart(&mut self, before: i64, after: i64) {
        let most = [self.cart_value, before, after].contains(&i64::MAX);
        let moved = (self.cart_value - before).checked_add(after);
        self.cart_value = moved.filter(|_| !most).unwrap_or_else(|| {
            let worths = self.items.iter();
            worths.fold(0i64, |sum, item| {
                sum.saturating_add(worth(item.cart_price, item.units))
            })
        });
    }

    /// Notes since when the cart has not been empty.
    fn date_cart(&mut self, at: EventMs) {
        if self.cart_units == 0 {
            self.cart_since = EventMs(0);
        } else if self.cart_since == EventMs(0) {
            self.cart_since = at;
        }
    }

    /// Exponentially weighted mean gap, in ms.
    pub fn gap_weighted_ms(&self) -> f64 {
        self.gap_weighted as f64 / f64::from(1u32 << GAP_SHIFT)
    }

    /// Number of events of `kind`.
    #[inline]
    pub fn count(&self, kind: Kind) -> u32 {
        self.counts[kind as usize]
    }

    /// Whether the session leaves a cart behind: something in it, and nothing bought.
    pub fn abandons_cart(&self) -> bool {
        self.cart_units > 0 && self.count(Kind::Purchase) == 0
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        self.items.bytes() + self.categories.bytes()
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
