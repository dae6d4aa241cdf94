//! Measuring the job: what it gets through, how late a decision is, and what the engine costs.
//!
//! [`held`] is a log in memory, handed to the job as fast as it takes it (closed loop) or by a timetable
//! (open loop). [`mod@plain_loop`] does the job's work without an engine. [`open_loop`] makes latencies of
//! what a run has noted, [`queue`] the latencies that a quiet machine would show, [`histogram`] keeps
//! them. Nothing here is part of the job, and nothing in the job looks at a clock for it.

pub mod held;
pub mod histogram;
pub mod open_loop;
pub mod plain_learning;
pub mod plain_loop;
pub mod queue;
