//! Restage re-arranges a shop's page while the visit is still going on.
//!
//! `cli → flow → visit → event`: arrows point one way. [`event`] is the record, [`format`] reads
//! and writes logs, [`visit`] is the pure core (sessions, features, intent, layout), [`flow`] moves
//! data through timely dataflow, [`train`] fits intent models, [`evaluate`] judges them,
//! [`collect`], [`serve`] and [`http`] are the edges, [`lane`] is a log that is still being written, [`pack`] a copy of a log that is read faster, [`simulate`] is the simulated shop, [`sort`] puts logs in order of time, [`validate`] says what
//! is wrong with them, [`plot`] draws what was counted and judged, [`bench`] measures, [`cli`] is the outside.

pub mod bench;
pub mod cli;
pub mod clocks;
pub mod collect;
pub mod evaluate;
pub mod event;
pub mod flow;
pub mod format;
pub mod grouped;
pub mod http;
pub mod lane;
pub mod log;
pub mod pack;
pub mod plot;
pub mod rng;
pub mod serve;
pub mod simulate;
pub mod sort;
pub mod suggest;
pub mod train;
pub mod validate;
pub mod visit;
