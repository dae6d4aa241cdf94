//! Everything that touches timely dataflow: containers, operators, feeding, assembly.
//!
//! [`job::run`] is the whole job. This folder only moves data: what an event means is decided in
//! [`crate::visit`].

pub mod assembly;
pub mod closed;
pub mod cluster;
pub mod container;
pub mod durable;
pub mod failure;
pub mod index;
pub mod job;
pub mod learning;
pub mod lull;
pub mod mesh;
pub mod milestones;
pub mod output;
pub mod pending;
pub mod sample;
pub mod sessions;
pub mod sink;
pub mod source;
pub mod status;
pub mod story;
pub mod versions;
pub mod watchdog;
pub mod what_if;
