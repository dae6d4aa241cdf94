//! Fitting intent models: regressions, trees, calibrations, and the division of sessions for them.

pub mod boost;
pub mod calibrate;
pub mod inputs;
pub mod intent;
pub mod logistic;
pub mod split;
