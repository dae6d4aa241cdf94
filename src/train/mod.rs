//! Fitting intent models: the learners, and session tables to try them on.

pub mod boost;
pub mod cross;
pub mod encode;
pub mod logistic;
pub mod table;
pub mod table_read;
