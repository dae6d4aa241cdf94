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
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

/// The journal of a state folder.
pub struct Recorded {
    /// The rules' part of it.
    pub rules: String,
    /// The rules.
    pub plan: Plan,
    /// What was said of what is on sale, if anything is.
    pub stock: Option<Stock>,
}

impl Recorded {
    /// Reads a folder's journal; what is shown of products is from this catalogue.
    ///
    /// # Errors
    /// It is damaged (code 4).
    pub fn read(
        dir: &Path,
        journal: Vec<u8>,
        catalogue: Option<Arc<Catalogue>>,
    ) -> Result<Recorded, Failure> {
        let damaged = |what: &dyn Display| Recorded::damaged(dir, what);
        let journal = String::from_utf8(journal).map_err(|error| damaged(&error))?;
        let (rules, stock) = parts(&journal);
        let stock = stock.map(Stock::read).transpose();
        Ok(Recorded {
            plan: Plan::of_journal(rules, catalogue).map_err(|error| damaged(&error))?,
            stock: stock.map_err(|error| damaged(&error))?,
            rules: rules.to_owned(),
        })
    }

    /// Why a folder's journal is of no use.
    pub fn damaged(dir: &Path, what: &dyn Display) -> Failure {
        let what = format!("{}: its rules could not be read: {what}", dir.display());
        Failure::new(4, anyhow::anyhow!(what))
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
        let journal = read_rules(&Disk, dir);
        let Some(journal) = journal.map_err(|error| Failure::new(error.exit_code(), error))? else {
            return self.plan();
        };
        let recorded = Recorded::read(dir, journal, None)?;
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
        let wrong = |error: &dyn Display| Failure::usage(format!("{}, {error}", path.display()));
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
