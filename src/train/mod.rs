//! Fitting intent models. For now the logistic regression behind the shipped default model.

pub mod calibrate;
pub mod logistic;
pub mod split;
