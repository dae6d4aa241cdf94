//! Reading the rules again while the job runs: at SIGHUP, and, where that is asked for, when the policy's
//! file has changed.
//!
//! What cannot be read, or cannot take over, is said with its place, and the rules in force stay. A file
//! that is being written is left alone until two looks at it are the same.

use super::Failure;
use super::alive::Alive;
use super::args::RuleArgs;
use crate::flow::durable::changes::Changes;
use crate::flow::failure::say;
use crate::visit::plan::PlanError;
use signal_hook::consts::SIGHUP;
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);

/// What a file looks like from outside.
type Stamp = Option<(SystemTime, u64)>;

/// From now on SIGHUP has the rules read again, and so has a change of the policy's file, if `watches`.
/// Without anyone to ask, SIGHUP says who can be; of those who can it is known whether they are alone.
///
/// # Errors
/// The system does not let the signal be watched.
pub fn reload_rules(
    rules: &RuleArgs,
    asked: Option<(Changes, Alive)>,
    watches: bool,
) -> Result<(), Failure> {
    let hangup = Arc::new(AtomicBool::new(false));
    flag::register(SIGHUP, Arc::clone(&hangup)).map_err(|error| Failure::new(1, error))?;
    let rules = rules.clone();
    std::thread::spawn(move || {
        let stamp = || -> Stamp {
            let file = rules.policy.as_ref().filter(|_| watches)?;
            let found = std::fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        let (mut known, mut before) = (stamp(), stamp());
        loop {
            std::thread::sleep(LOOK);
            let now = stamp();
            let has_settled = now.is_some() && now == before && now != known;
            before = now;
            if has_settled {
                known = now;
            }
            if hangup.swap(false, Ordering::AcqRel) || has_settled {
                match &asked {
                    Some(asked) => reload(&rules, asked),
                    None => say(
                        "restage: SIGHUP: process 0 reads the policy again and tells the others",
                    ),
                }
            }
        }
    });
    Ok(())
}

fn reload(rules: &RuleArgs, (changes, alive): &(Changes, Alive)) {
    let asked = || {
        let text = rules.text()?;
        if !alive.is_alone()? {
            let what = "an earlier process of this run is alive, or asleep: end it first";
            return Err(Failure::new(5, anyhow::anyhow!(what)));
        }
        changes.ask(text).map_err(|error| refused(rules, error))
    };
    match asked() {
        Ok(true) => {}
        Ok(false) => say("restage: the policy was read again, and is the one in force"),
        Err(failure) => say(&format!(
            "restage: warning: {:#}; the policy in force stays",
            failure.error
        )),
    }
}

/// Rules that cannot take over, with the file that says so.
fn refused(rules: &RuleArgs, error: PlanError) -> Failure {
    match (&error, &rules.policy) {
        (PlanError::Policy(error), Some(path)) => {
            Failure::usage(format!("{}: {error}", path.display()))
        }
        _ => Failure::new(2, error),
    }
}
