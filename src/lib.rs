//! Restage re-arranges a shop's page while the visit is still going on.
//!
//! `cli → flow → visit → event`: arrows point one way. [`event`] is the record, [`format`] reads
//! logs, [`visit`] is the pure core (sessions, features, intent, layout), [`flow`] moves data
//! through timely dataflow, [`cli`] is the outside.

pub mod event;
pub mod format;
pub mod simulate;
