//! Bad input: every way in which a log, a file of rules, a flag or a sink can be wrong.
//!
//! Each case ends in a clear error (its exit code and its words) or in counted rejects with their
//! places. [`run`] holds what every case must keep: no panic, no row lost, no half-written line.

mod files;
mod flags;
mod headers;
mod rows;
mod rules;
mod run;
mod signals;
mod sinks;
mod times;
