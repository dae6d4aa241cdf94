//! Fitting intent models. For now the logistic regression behind the shipped default model.

pub mod boost;
pub mod logistic;
