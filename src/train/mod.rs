//! Fitting intent models: from sessions to a model file ([`intent`]), and session tables to compare
//! the learners by ([`table`], [`cross`]).

pub mod boost;
pub mod calibrate;
pub mod cross;
pub mod encode;
pub mod inputs;
pub mod intent;
mod learner;
pub mod logistic;
pub mod split;
pub mod table;
mod table_error;
pub mod table_read;
