//! Reading the rules and the catalogue again while the job runs: at SIGHUP, and, where that is asked for,
//! when a file has changed.
//!
//! What cannot be read, or cannot take over, is said with its place, and what is in force stays. A file
//! that is being written is left alone until two looks at it are the same. Cost: a look at a file's time
//! and length, ten times a second at the policy's and once at the catalogue's.

use super::Failure;
use super::alive::Alive;
use super::args::{RuleArgs, catalogue_text};
use crate::flow::durable::changes::Changes;
use crate::flow::failure::say;
use crate::visit::plan::PlanError;
use signal_hook::consts::SIGHUP;
use signal_hook::flag;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);
/// At every so many looks at the catalogue: whoever writes one may take a while.
const CATALOGUE_LOOKS: u32 = 10;

/// Which files are read again when they have changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watches {
    /// The policy's.
    pub policy: bool,
    /// The catalogue's.
    pub catalogue: bool,
}

/// What a file looks like from outside.
type Stamp = Option<(SystemTime, u64)>;

/// A file that is looked at.
struct Watch {
    path: Option<PathBuf>,
    known: Stamp,
    before: Stamp,
}

impl Watch {
    fn of(path: Option<&PathBuf>, watches: bool) -> Watch {
        let path = path.filter(|_| watches).cloned();
        let now = stamp(path.as_deref());
        Watch {
            path,
            known: now,
            before: now,
        }
    }

    /// Whether it is another than before, and stays so.
    fn has_changed(&mut self) -> bool {
        let now = stamp(self.path.as_deref());
        let has_settled = now.is_some() && now == self.before && now != self.known;
        self.before = now;
        if has_settled {
            self.known = now;
        }
        has_settled
    }
}

fn stamp(path: Option<&Path>) -> Stamp {
    let found = std::fs::metadata(path?).ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// From now on SIGHUP has rules and catalogue read again, and so has a change of a file that is watched.
/// Without anyone to ask, SIGHUP says who can be; of those who can it is known whether they are alone.
///
/// # Errors
/// The system does not let the signal be watched.
pub fn reload_rules(
    rules: &RuleArgs,
    asked: Option<(Changes, Alive)>,
    watches: Watches,
) -> Result<(), Failure> {
    let hangup = Arc::new(AtomicBool::new(false));
    flag::register(SIGHUP, Arc::clone(&hangup)).map_err(|error| Failure::new(1, error))?;
    let rules = rules.clone();
    std::thread::spawn(move || {
        let mut policy = Watch::of(rules.policy.as_ref(), watches.policy);
        let mut catalogue = Watch::of(rules.catalogue.as_ref(), watches.catalogue);
        for look in 1u32.. {
            std::thread::sleep(LOOK);
            let is_told = hangup.swap(false, Ordering::AcqRel);
            let reads_policy = policy.has_changed() || is_told;
            let looks = look.is_multiple_of(CATALOGUE_LOOKS);
            let reads_catalogue = (looks && catalogue.has_changed()) || is_told;
            match &asked {
                Some(asked) if reads_policy => reload(&rules, asked),
                None if is_told => {
                    say("restage: SIGHUP: process 0 reads the policy again and tells the others");
                }
                _ => {}
            }
            if let (Some(asked), true, Some(path)) = (&asked, reads_catalogue, &rules.catalogue) {
                restock(path, asked);
            }
        }
    });
    Ok(())
}

fn reload(rules: &RuleArgs, (changes, alive): &(Changes, Alive)) {
    let asked = || {
        let text = rules.text()?;
        check_alone(alive)?;
        changes.ask(text).map_err(|error| refused(rules, error))
    };
    tell("policy", asked());
}

fn restock(path: &Path, (changes, alive): &(Changes, Alive)) {
    let asked = || {
        let (name, text) = catalogue_text(path)?;
        check_alone(alive)?;
        let asked = changes.restock(&name, &text);
        asked.map_err(|error| Failure::usage(format!("{}, {error}", path.display())))
    };
    tell("catalogue", asked());
}

fn check_alone(alive: &Alive) -> Result<(), Failure> {
    if alive.is_alone()? {
        return Ok(());
    }
    let what = "an earlier process of this run is alive, or asleep: end it first";
    Err(Failure::new(5, anyhow::anyhow!(what)))
}

fn tell(what: &str, asked: Result<bool, Failure>) {
    match asked {
        Ok(true) => {}
        Ok(false) => say(&format!(
            "restage: the {what} was read again, and is the one in force"
        )),
        Err(failure) => say(&format!(
            "restage: warning: {:#}; the {what} in force stays",
            failure.error
        )),
    }
}

/// Rules that cannot take over, with the file that says so.
pub fn refused(rules: &RuleArgs, error: PlanError) -> Failure {
    match (&error, &rules.policy) {
        (PlanError::Policy(error), Some(path)) => {
            Failure::usage(format!("{}: {error}", path.display()))
        }
        _ => Failure::new(2, error),
    }
}
