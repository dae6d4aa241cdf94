//! Fitting intent models: the learners, and session tables to try them on.

pub mod boost;
pub mod cross;
pub mod encode;
mod learner;
pub mod logistic;
pub mod table;
mod table_error;
pub mod table_read;
