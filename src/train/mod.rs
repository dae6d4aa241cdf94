//! Fitting intent models: from sessions to a model file ([`intent`]), and session tables to compare
//! the learners by ([`table`], [`cross`]).

pub mod blend;
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

/// What kind of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Logistic regression.
    Logistic,
    /// Gradient-boosted trees.
    Trees,
}

impl Kind {
    /// The name in commands and reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Logistic => "logistic",
            Kind::Trees => "trees",
        }
    }
}
