//! The session fold: one event in, the state of the visit moved on, O(1), no allocation in steady
//! state.
//!
//! Everything is an integer: counts, millionths, milliseconds. The fold sees a session's events in
//! canonical order. Event times may run back a little (late events); a gap is never below zero,
//! and "now" is the latest event time so far. `tests/features.rs` holds the fold against a
//! recomputation from the whole session at every prefix.
//!
//! Sessions live by the million, so what most have lies in few words ([`Narrow`], [`Counters`]) and what
//! most have not, a cart and a past, behind pointers. In snapshots they are what `saved` says.

mod cart;
mod saved;

use super::counters::{Counters, Of};
use super::history::History;
use super::narrow::Narrow;
use super::touched::{Slot, Touched};
use crate::event::{Event, EventMs, Id, Kind};
pub use cart::Cart;
use cart::NO_CART;
use serde::Deserialize;

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

/// What is summed up or remembered besides the counters, by its place.
#[derive(Clone, Copy, Debug)]
enum Sum {
    /// Sum of dwell, in millionths of a second.
    Dwell,
    /// Longest dwell, in millionths of a second.
    DwellMax,
    /// Sum of scroll depths, in millionths.
    Scroll,
    /// Deepest scroll, in millionths.
    ScrollMax,
    /// Gap before the last event, in ms.
    Gap,
    /// Exponentially weighted mean gap, in ms with [`GAP_SHIFT`] binary digits behind the point.
    GapWeighted,
    /// Sum of the gaps, each up to [`ACTIVE_GAP_MS`].
    Active,
}

const SUMS: usize = Sum::Active as usize + 1;

/// The state of one session.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "saved::Saved")]
pub struct Session {
    /// Event time of the first event.
    pub start: EventMs,
    /// Latest event time.
    pub last: EventMs,
    sums: Narrow<SUMS>,
    /// Events of each kind, and what is counted with them.
    pub counters: Counters,
    /// Sum of the prices viewed, in millionths.
    pub price_seen_sum: i64,
    /// Items and categories remembered.
    pub touched: Touched,
    /// What sessions have that put something into the cart, or tried to take something out.
    cart: Option<Box<Cart>>,
    /// What the visitor did before this session, if anything.
    past: Option<Box<History>>,
    /// Events of all kinds.
    pub events: u32,
    /// Whether the latest item touched is in the cart.
    pub cart_item_in_focus: bool,
}

const _: () = assert!(size_of::<Session>() == 128);

impl Session {
    /// Begins a session.
    pub fn begin(&mut self, at: EventMs, history: History) {
        *self = Session {
            past: (history != History::FIRST_VISIT).then(|| Box::new(history)),
            start: at,
            last: at,
            ..Session::default()
        };
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
            overflow.category = !self.touched.count(event.category, limits.categories_max);
        }
        let slot = if event.item.is_none() || !touches_item(event.kind) {
            None
        } else {
            let cart = self.cart.as_deref().unwrap_or(&NO_CART);
            let stays = |item| cart.units_of(item) > 0;
            match self
                .touched
                .find_or_insert(event.item, limits.items_max, stays)
            {
                Slot::Known(at) => Some(at),
                Slot::New { at, evicted } => {
                    self.counters.add(Of::DistinctItems);
                    if let Some(item) = evicted {
                        overflow.item = true;
                        self.forget_carted(item);
                    }
                    Some(at)
                }
                Slot::Full => {
                    overflow.item = true;
                    None
                }
            }
        };
        if slot.is_some() && self.in_cart(event.item) {
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
                    self.add_up((Sum::Dwell, Sum::DwellMax), seconds);
                }
            }
            Kind::Scroll => {
                if let Some(depth) = event.value.get() {
                    self.counters.add(Of::Scrolls);
                    self.add_up((Sum::Scroll, Sum::ScrollMax), depth);
                }
            }
            _ => {}
        }
        if touches_item(event.kind) && !event.item.is_none() {
            self.cart_item_in_focus = slot.is_some() && self.in_cart(event.item);
        }
        overflow
    }

    fn fold_time(&mut self, at: EventMs) {
        if self.events > 0 {
            let gap = at.0.saturating_sub(self.last.0);
            self.put(Sum::Gap, gap);
            self.put(Sum::Active, self.active_ms() + gap.min(ACTIVE_GAP_MS));
            let shifted = gap << GAP_SHIFT;
            let weighted = if self.events == 1 {
                shifted
            } else {
                // Weight 3/10 on the newest gap.
                (self.get(Sum::GapWeighted) * 7 + shifted * 3) / 10
            };
            self.put(Sum::GapWeighted, weighted);
        }
        self.last = self.last.max(at);
    }

    #[inline]
    fn get(&self, sum: Sum) -> u64 {
        self.sums.get(sum as usize)
    }

    #[inline]
    fn put(&mut self, sum: Sum, number: u64) {
        self.sums.put(sum as usize, number);
    }

    /// An amount in millionths.
    #[inline]
    fn amount(&self, sum: Sum) -> i64 {
        self.get(sum) as i64
    }

    /// Adds an amount to a sum, and remembers it if it is the greatest.
    fn add_up(&mut self, (sum, max): (Sum, Sum), amount: i64) {
        self.put(sum, self.amount(sum).saturating_add(amount) as u64);
        self.put(max, self.amount(max).max(amount) as u64);
    }

    fn fold_view(&mut self, event: &Event, slot: Option<usize>) {
        if let Some(at) = slot {
            let views = self.touched.view(at);
            if views > 1 {
                self.counters.add(Of::RepeatViews);
            }
            if views > self.counters.get(Of::ViewsOfOneItemMax) {
                self.counters.put(Of::ViewsOfOneItemMax, views);
            }
        }
        if let Some(price) = event.price.get().filter(|&price| price > 0) {
            self.counters.add(Of::PricedViews);
            self.price_seen_sum = self.price_seen_sum.saturating_add(price);
        }
    }

    /// Sum of dwell, in millionths of a second.
    pub fn dwell_sum(&self) -> i64 {
        self.amount(Sum::Dwell)
    }

    /// Longest dwell, in millionths of a second.
    pub fn dwell_max(&self) -> i64 {
        self.amount(Sum::DwellMax)
    }

    /// Sum of scroll depths, in millionths.
    pub fn scroll_sum(&self) -> i64 {
        self.amount(Sum::Scroll)
    }

    /// Deepest scroll, in millionths.
    pub fn scroll_max(&self) -> i64 {
        self.amount(Sum::ScrollMax)
    }

    /// Gap before the last event, in ms.
    pub fn gap_last(&self) -> u64 {
        self.get(Sum::Gap)
    }

    /// Sum of the gaps, each up to [`ACTIVE_GAP_MS`].
    pub fn active_ms(&self) -> u64 {
        self.get(Sum::Active)
    }

    /// Exponentially weighted mean gap, in ms.
    pub fn gap_weighted_ms(&self) -> f64 {
        self.get(Sum::GapWeighted) as f64 / f64::from(1u32 << GAP_SHIFT)
    }

    /// Number of events of `kind`.
    #[inline]
    pub fn count(&self, kind: Kind) -> u32 {
        self.counters.kind(kind)
    }

    /// Whether the session leaves a cart behind: something in it, and nothing bought.
    pub fn abandons_cart(&self) -> bool {
        self.cart().units > 0 && self.count(Kind::Purchase) == 0
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        let past = self.past.as_ref().map_or(0, |_| size_of::<History>());
        let cart = self.cart.as_ref().map_or(0, |cart| cart.bytes());
        self.touched.bytes() + self.sums.bytes() + self.counters.bytes() + past + cart
    }

    /// Whether `item` is in the cart.
    #[inline]
    pub fn in_cart(&self, item: Id) -> bool {
        self.cart
            .as_ref()
            .is_some_and(|cart| cart.units_of(item) > 0)
    }
}

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
