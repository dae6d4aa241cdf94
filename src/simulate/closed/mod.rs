//! The closed loop: a simulated shop whose shoppers react to what they are shown.
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
mod truth;
mod walk;

pub use keeper::{CoreKeeper, DrawingKeeper, FixedKeeper, Shopkeeper, Shown};
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
