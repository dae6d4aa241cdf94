//! The simulated shop: a seeded, endless and realistic event log, with the truth behind it.
//!
//! A [`Shop`] is an iterator of [`SimEvent`]s in order of arrival. Shoppers have a hidden
//! [`Intent`] that moves within a visit and drives what they do; visits interleave; some events
//! arrive late, twice, or with a clock ahead; some visits are made by bots. Impressions, consents
//! and erasures are not simulated: they belong to a page and to a person, and this shop has none.
//!
//! Invariant: the log is a pure function of [`ShopParams`], to the bit and on every platform. No
//! clock, no hash map and no platform's mathematics has a part in it.
//!
//! The default shop, over its first five million events (625,000 visits), seed 1, bots aside:
//!
//! | figure | value |
//! |---|---|
//! | events a visit | mean 7.1 (8.0 with bots), median 3, 99th percentile 59, longest 634 |
//! | visits of one event, of at most two | 21 %, 44 % |
//! | visits with an item put into the cart | 10.3 % |
//! | visits with an order | 3.6 % |
//! | carts begun and left without an order in the visit | 68 % |
//! | orders without a cart event in the visit | 7 % |
//! | AUC of a logistic regression for the order, after 5 and 10 events | 0.78, 0.79 |
//! | the same, knowing only the true intent at that event | 0.86, 0.83 |
//! | the same, from the whole visit up to the checkout | 0.96 |
//!
//! These are the simulator's own figures, set by assumption to what shops commonly report; for
//! abandonment compare the Baymard Institute's average of published studies, about 70 %. The tests
//! of this module hold them within bounds.
//!
//! Cost: about 0.4 µs an event; some 20 MB for the default shop.
//!
//! ```
//! use restage::simulate::{Scratch, Shop, ShopParams};
//!
//! let mut scratch = Scratch::default();
//! for event in Shop::new(ShopParams::default()).take(3) {
//!     let raw = event.raw(&mut scratch);
//!     assert!(raw.visitor.starts_with(b"v"));
//! }
//! ```
mod bot;
mod catalogue;
pub mod closed;
mod intent;
mod params;
mod record;

mod shop;
mod shopper;
pub mod stock;
mod timeline;
mod visitor;
mod way;

#[cfg(test)]
mod judge;

pub use crate::rng::Rng;
pub use catalogue::{Catalogue, CategoryNo, ItemNo};
pub use intent::{INTENT_COUNT, Intent};
pub use params::{ParamsError, ShopParams};
pub use record::{Act, Fault, Page, Scratch, SimEvent, Truth, VisitNo, VisitorNo};
pub use shop::{BACK_MAX, Shop};
