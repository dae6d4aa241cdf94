//! `restage train --table`: judge the learners on a table with one row a session.

use super::Failure;
use crate::evaluate::Options;
use crate::train::intent::Kind;
use std::path::PathBuf;

/// What is asked for.
pub struct TableArgs {
    pub table: PathBuf,
    pub label: String,
    pub drop: Vec<String>,
    pub keep: Vec<String>,
    pub kind: Kind,
    pub folds: u32,
    pub options: Options,
    pub plot: Option<PathBuf>,
    pub json: bool,
}

impl TableArgs {
    /// Judges out of fold.
    pub fn run(self) -> Result<(), Failure> {
        Err(Failure::usage("not yet"))
    }
}
