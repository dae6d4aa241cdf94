//! Intent models from end to end: trained, judged, swapped, explained and refused by the binary.
//!
//! [`shop`] holds what the parts share: logs, models that are trained once, and the rows of a log
//! as the job collects them.

#[path = "../common/mod.rs"]
mod common;

mod bad_logs;
mod bad_models;
mod bad_tables;
mod drift;
mod dumps;
mod judging;
mod prefix;
mod reasons;
mod shop;
mod swap;
mod training;
