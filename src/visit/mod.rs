//! The pure core: what one visit is, and what it should be shown. No engine, no I/O, no clock, no
//! randomness but a pinned hash of its inputs.
//!
//! [`visitors::Visitors`] holds all visitors of a worker; [`live::Visit`] is one of them with its
//! live session; [`session::Session`] folds events, [`feature`] reads features off it, [`model`]
//! scores them when [`judging`] has them judged, [`phase`] sums them up, [`policy`] says what may be shown, [`choose`] is the seam
//! at which it is chosen, [`decision`] the record that comes out. [`rows`] is what models are trained on.
//! [`rank`] says which items are like those of a visit.

pub mod bots;
pub mod choose;
pub mod counters;
pub mod dated;
pub mod decision;
pub mod duration;
pub mod erasure;
pub mod feature;
pub mod history;
pub mod judging;
pub mod keys;
pub mod learn;
pub mod learned;
pub mod ledger;
pub mod live;
pub mod lookup;
pub mod memory;
pub mod model;
pub mod narrow;
pub mod output;
pub mod phase;
pub mod plan;
pub mod policy;
pub mod products;
pub mod rank;
pub mod recent;
pub mod rows;
pub mod session;
pub mod slab;
pub mod tally;
pub mod touched;
pub mod view;
pub mod visitors;
pub mod wheel;
