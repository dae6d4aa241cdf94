//! The closed loop: a simulated shop whose shoppers react to what they are shown.
//!
//! The open-loop shop ([`super::Shop`]) writes a log that nothing shown can change; a policy cannot
//! be judged on it. Here a [`Shopkeeper`] decides the page from the shoppers' events, and the
//! shoppers act on the page: the chances to leave, add, check out and pay follow the layout on show,
//! differently for each hidden intent ([`Response`]). [`experiment`] puts a policy between the best
//! that can be known, chance, and doing nothing, under the same luck; [`Truth`] is how the best is
//! found.
//!
//! The default shop, 200,000 visits, seed 1: under the default layout 4.3 % of visits order, 11 % put
//! something into a cart, a visit has 7 events, and one visit in eight is a return. The oracle sells
//! 52 % more in the last quarter, even draws 5 % more. All of it is set by assumption; none is an
//! estimate from data.
//!
//! Cost: 0.7 µs an event without the keeper; with the job as keeper some 4 µs a step beside, at a quantum
//! of five minutes (2.6 s of processor time for 20,000 visits over seven days; 2026-11-22, a shared
//! two-core x86-64).
//!
//! ```
//! use restage::simulate::closed::{ClosedParams, ClosedShop, FixedKeeper, PageMap};
//!
//! let params = ClosedParams { sessions: 100, ..ClosedParams::default() };
//! let shop = ClosedShop::new(params, PageMap::own()).unwrap();
//! let ledger = shop.run(&mut FixedKeeper::new([0, 0, 0, 0]), &mut |_| {});
//! assert_eq!(ledger.visits.len(), 100);
//! ```
pub mod experiment;
mod keeper;
mod page;
mod params;
pub mod policies;
mod response;
mod scout;
mod shop;
mod shopper;
mod summary;
#[cfg(test)]
mod tests;
mod till;
mod truth;
mod walk;

pub use keeper::{CoreKeeper, FixedKeeper, JobEnd, Shopkeeper, Shown};
pub use page::{
    ARM_COUNT_MAX, BANNER, CTA, GRID, LAYOUT_COUNT, Layout, PROMO, PROMO_COST, PageMap, PageSlot,
    SLOT_COUNT, SLOTS, layouts,
};
pub use params::{CHANGES_BORNE, ClosedParams, ClosedParamsError};
pub use response::{Response, STAGE_COUNT, Stage, Weights};
pub use scout::{ByPhase, Confusion, PHASE_COUNT, Scout};
pub use shop::{ClosedShop, Ledger, Visited, expected};
pub use summary::Summary;
pub use truth::Truth;
