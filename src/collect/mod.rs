//! The collector: events over HTTP in, a durable lane out.
//!
//! `POST /v1/session` hands a browser a token for a visitor drawn here; `POST /v1/events` takes a batch.
//! What is answered as taken is in the lane and synced ([`committer`]); what is not is named with its
//! index and reason. The times of browsers are corrected by how far their clock is off when they send.
//! The arrival, which all decisions rest on, is stamped here and nowhere else, so whoever reads the lane
//! again decides the same.
//!
//! Limits, each with an answer of its own: bytes of a body, before and after decompression, events in a
//! batch, depth, length of texts, events a second for each sender, bytes on their way to the disk ([`room`]).
//!
//! No body, no id and no key is ever logged. Cost: one parse of the body, some 2 µs an event.

pub mod batch;
pub mod client;
pub mod committer;
pub mod config;
pub mod edge;
pub mod identity;
pub mod room;
pub mod sender;

pub use committer::Committer;
pub use config::Config;
pub use edge::{Collector, router};
