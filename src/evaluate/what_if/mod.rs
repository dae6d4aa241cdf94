//! What if another policy had been in force: the choices of a log, weighed by what the other would
//! have done there.
//!
//! The other policy, the target, sees the same sessions in the same order and is asked at every
//! judgement what it would do ([`crate::visit::view`]). [`pairing`] brings that together with what
//! was logged, be it the decisions of a policy that runs beside it or the [`records`] that one
//! wrote, as [`moment`]s; [`names`] says which slot and arm of the one is which of the other. [`differences`]
//! counts where the two pages part, [`worth`] makes rewards and the rows of the off-policy
//! estimators, [`verdict`] says what can be said, and [`report`] says it all.
//!
//! Visitors whom either policy holds out for comparison are left out: there, nothing is chosen.
//! A row is one choice: its estimate holds the rest of the visit as it was logged, the choices
//! before and after it included. What the target shows cannot change what shoppers did: features and
//! sessions are the log's.
//!
//! Pure; the same log gives the same evidence in whatever parts it was gathered.

pub mod differences;
pub mod moment;
pub mod names;
pub mod pairing;
pub mod records;
pub mod report;
pub mod verdict;
pub mod worth;

use crate::visit::policy::Policy;
use names::Mapping;
use records::Records;

/// Where the logged choices come from.
#[derive(Debug)]
pub enum Logger {
    /// A policy that decides beside the target.
    Policy(Box<Policy>),
    /// The records that one wrote.
    Records(Records),
}

/// A comparison to be made.
#[derive(Debug)]
pub struct Setup {
    /// The choices' origin.
    pub logger: Logger,
    /// What slots and arms are called, and which is which.
    pub mapping: Mapping,
}

impl Setup {
    /// A policy that decides, against another that only says what it would do.
    ///
    /// # Errors
    /// What keeps the two from being compared, in words.
    pub fn against(logger: &Policy, target: &Policy) -> Result<Setup, String> {
        names::comparable(logger, target)?;
        Ok(Setup {
            mapping: Mapping::of(logger, target)?,
            logger: Logger::Policy(Box::new(logger.clone())),
        })
    }
}
