//! What a live job goes by where a file that it is given at its start is wrong: what its state has recorded.
//!
//! While a job runs, a policy, model or catalogue that cannot be read or taken over is said with its place, and
//! what is in force stays. A restart, whoever has it started again, is held to the same. *A file that the job
//! had lived with would keep it down after a crash.* So what cannot take over from the journal's last rules, or
//! from its catalogue, is said, and these stay in force; the file is read again as that of any live job. A folder
//! without a journal has nothing in force, and a wrong file is an error there, as it is in a replay.
//!
//! Nothing here writes. Cost: the journal and the catalogue are read once more.

use super::Failure;
use super::args::{RuleArgs, catalogue_text};
use super::reload::refused;
use crate::event::ArrivalMs;
use crate::flow::failure::say;
use crate::format::catalogue::read_catalogue;
use crate::format::restock::{Stock, parts};
use crate::log::disk::Disk;
use crate::log::read_rules;
use crate::visit::plan::{Plan, RulesText, Term};
use crate::visit::products::catalogue::Catalogue;
use std::path::Path;
use std::sync::Arc;

/// The journal of a state folder.
struct Recorded {
    plan: Plan,
    stock: Option<Stock>,
}

impl Recorded {
    /// None where the folder has no journal yet, or is not there.
    fn of(dir: &Path) -> Result<Option<Recorded>, Failure> {
        let read = read_rules(&Disk, dir);
        let Some(journal) = read.map_err(|error| Failure::new(error.exit_code(), error))? else {
            return Ok(None);
        };
        let damaged = |what: &dyn std::fmt::Display| {
            let what = format!("{}: its rules could not be read: {what}", dir.display());
            Failure::new(4, anyhow::anyhow!(what))
        };
        let journal = String::from_utf8(journal).map_err(|error| damaged(&error))?;
        let (rules, stock) = parts(&journal);
        let stock = stock.map(Stock::read).transpose();
        Ok(Some(Recorded {
            plan: Plan::of_journal(rules, None).map_err(|error| damaged(&error))?,
            stock: stock.map_err(|error| damaged(&error))?,
        }))
    }

    /// Says what is wrong with a file, and what stays in force.
    fn stays(failure: &Failure, what: &str) {
        let error = &failure.error;
        say(&format!(
            "restage: warning: {error:#}; {what}, as the state has recorded it, stays in force"
        ));
    }
}

impl RuleArgs {
    /// The plan of a live job that keeps its state in a folder.
    ///
    /// # Errors
    /// A file is wrong, and nothing has been recorded that could stay in force.
    pub fn live_plan(&self, dir: &Path) -> Result<Plan, Failure> {
        if self.policy_schedule.is_some() {
            return self.plan();
        }
        let Some(recorded) = Recorded::of(dir)? else {
            return self.plan();
        };
        let last = recorded.plan.last();
        let text = match (self.text_after(last), last.text()) {
            (Err(failure), Some(text)) => {
                let policy = &last.rules.policy.label;
                Recorded::stays(&failure, &format!("policy {policy}"));
                text.clone()
            }
            (given, _) => given?,
        };
        let shown = last.rules.policy.products();
        let catalogue = match (&self.catalogue, shown, &recorded.stock) {
            (Some(path), Some(_), Some(stock)) => Some(catalogue_after(stock, path)?),
            _ => self.catalogue(&last.rules.policy)?,
        };
        Plan::read(text, catalogue).map_err(|error| Failure::new(2, error))
    }

    /// The texts of policy and models, if they can take over.
    fn text_after(&self, last: &Term) -> Result<RulesText, Failure> {
        let text = self.text()?;
        if last.text() != Some(&text) {
            let followed = last.followed_by(&text, ArrivalMs(u64::MAX));
            followed.map_err(|error| refused(self, error))?;
        }
        Ok(text)
    }
}

/// What a file says is on sale, or, where it cannot be taken up, what was recorded.
fn catalogue_after(stock: &Stock, path: &Path) -> Result<Arc<Catalogue>, Failure> {
    let given = || {
        let wrong =
            |error: &dyn std::fmt::Display| Failure::usage(format!("{}, {error}", path.display()));
        let (name, text) = catalogue_text(path)?;
        let given = read_catalogue(&name, &text).map_err(|error| wrong(&error))?;
        stock.news(&name, &text).map_err(|error| wrong(&error))?;
        Ok(given)
    };
    let catalogue = given().or_else(|failure: Failure| {
        let catalogue = stock.catalogue().map_err(|error| Failure::new(4, error))?;
        Recorded::stays(&failure, &format!("catalogue {}", catalogue.name()));
        Ok(catalogue)
    });
    catalogue.map(Arc::new)
}
