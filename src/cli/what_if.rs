//! `restage replay --against`: what another policy would have done, and what it is worth.

use super::Failure;
use super::args::{RuleArgs, read_policy};
use crate::evaluate::ope::rows::Rows;
use crate::evaluate::ope::{Options, estimate};
use crate::evaluate::what_if::report::Against;
use crate::evaluate::what_if::worth::Evidence;
use crate::evaluate::what_if::{Logger, Setup};
use crate::flow::what_if::WhatIf;
use crate::visit::live::Rules;
use crate::visit::policy::learning::Learning;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads the other policy, and makes sure that the two can be compared.
pub fn against(given: &RuleArgs, rules: &Rules, path: &Path) -> Result<WhatIf, Failure> {
    let other = read_policy(path)?;
    let setup = Setup::against(&rules.policy, &other)
        .map_err(|what| Failure::usage(format!("--against {}: {what}", path.display())))?;
    // The models are the same.
    let mut target = RuleArgs {
        policy: Some(PathBuf::from(path)),
        catalogue: given
            .catalogue
            .clone()
            .filter(|_| other.products().is_some()),
        ..given.clone()
    }
    .read()?;
    let from_ms = target.policy.learning.from_ms;
    // Its tables know the rewards of the policy in force, and none other.
    target.policy.learning = Learning {
        from_ms,
        ..rules.policy.learning.clone()
    };
    Ok(WhatIf {
        target: Arc::new(target),
        setup: Arc::new(setup),
    })
}

/// Sums the evidence up.
pub fn compared(what_if: &WhatIf, evidence: &Evidence) -> Result<Against, Failure> {
    let learning = match &what_if.setup.logger {
        Logger::Policy(policy) => &policy.learning,
        Logger::Records(_) => &what_if.target.policy.learning,
    };
    let rows = rows(what_if, evidence, learning)?;
    let estimates = estimate(&rows, &Options::default());
    let policy = &what_if.target.policy.label;
    Ok(Against::new(policy, &what_if.setup, evidence, estimates))
}

/// The choices as rows of the estimators.
pub fn rows(what_if: &WhatIf, evidence: &Evidence, learning: &Learning) -> Result<Rows, Failure> {
    let rows = evidence.rows(&what_if.setup.mapping, learning);
    rows.map_err(|error| Failure::new(1, error))
}
