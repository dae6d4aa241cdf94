//! Reading the rules and the catalogue again while the job runs: at SIGHUP, and, where that is asked for,
//! when a file has changed.
//!
//! What cannot be read, or cannot take over, is said with its place, and what is in force stays. So is a watched
//! file that is gone, once, and that it is back. A file that is being written, or put in another's place, is left
//! alone until two looks at it are the same. Cost: opening a file and a look at its time and length, ten times a
//! second at the policy's and once at the catalogue's.

use super::Failure;
use super::alive::Alive;
use super::args::{RuleArgs, catalogue_text};
use crate::flow::durable::changes::Changes;
use crate::flow::failure::say;
use crate::visit::plan::PlanError;
use signal_hook::consts::SIGHUP;
use signal_hook::flag;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);
/// At every so many looks at the catalogue: whoever writes one may take a while.
const CATALOGUE_LOOKS: u32 = 10;

/// Which files are read again when they have changed since this was made: before they are read first.
#[derive(Default)]
pub struct Watches {
    policy: Watch,
    catalogue: Watch,
}

impl Watches {
    /// The catalogue's, if there is one.
    pub fn of_catalogue(rules: &RuleArgs) -> Watches {
        Watches {
            catalogue: Watch::of(rules.catalogue.as_ref()),
            ..Watches::default()
        }
    }

    /// The policy's and the catalogue's, as far as there are any.
    pub fn of_both(rules: &RuleArgs) -> Watches {
        Watches {
            policy: Watch::of(rules.policy.as_ref()),
            ..Watches::of_catalogue(rules)
        }
    }
}

/// What a file looks like from outside: its time and length, or why it cannot be read.
type Stamp = Result<(SystemTime, u64), ErrorKind>;

/// What has become of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It is another.
    Changed,
    /// It cannot be read any more.
    Gone(ErrorKind),
    /// It can be read again.
    Back,
}

/// A file that is looked at.
struct Watch {
    path: Option<PathBuf>,
    known: Stamp,
    before: Stamp,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch::of(None)
    }
}

impl Watch {
    fn of(path: Option<&PathBuf>) -> Watch {
        let path = path.cloned();
        let now = stamp(path.as_deref());
        Watch {
            path,
            known: now,
            before: now,
        }
    }

    /// What has become of it, once it stays so.
    fn look(&mut self) -> Option<Seen> {
        let now = stamp(self.path.as_deref());
        let has_settled = now == self.before && now != self.known;
        self.before = now;
        if !has_settled {
            return None;
        }
        let before = std::mem::replace(&mut self.known, now);
        Some(match (before, now) {
            (_, Err(why)) => Seen::Gone(why),
            (Err(_), Ok(_)) => Seen::Back,
            (Ok(_), Ok(_)) => Seen::Changed,
        })
    }

    /// Looks at it, says if it is gone or back; whether it is to be read again.
    fn is_news(&mut self, what: &str) -> bool {
        let seen = self.look();
        let name = self.path.as_deref().unwrap_or(Path::new("")).display();
        match seen {
            Some(Seen::Gone(why)) => say(&format!(
                "restage: warning: {name} cannot be read any more: {why}; the {what} in force stays"
            )),
            Some(Seen::Back) => say(&format!("restage: {name} is back")),
            Some(Seen::Changed) | None => {}
        }
        matches!(seen, Some(Seen::Changed | Seen::Back))
    }
}

fn stamp(path: Option<&Path>) -> Stamp {
    let path = path.ok_or(ErrorKind::NotFound)?;
    let look = || {
        let about = fs::metadata(path)?;
        if about.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        // Only opening it tells whether it may be read; a pipe would wait for someone who writes.
        if about.is_file() {
            fs::File::open(path)?;
        }
        Ok((about.modified()?, about.len()))
    };
    look().map_err(|error: std::io::Error| error.kind())
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
        let Watches {
            mut policy,
            mut catalogue,
        } = watches;
        for look in 1u32.. {
            std::thread::sleep(LOOK);
            let is_told = hangup.swap(false, Ordering::AcqRel);
            let Some(asked) = &asked else {
                if is_told {
                    say("restage: SIGHUP: process 0 reads the policy again and tells the others");
                }
                continue;
            };
            if policy.is_news("policy") || is_told {
                reload(&rules, asked);
            }
            let looks = look.is_multiple_of(CATALOGUE_LOOKS);
            let is_news = looks && catalogue.is_news("catalogue");
            if let (true, Some(path)) = (is_news || is_told, &rules.catalogue) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_seen_to_go_and_come_back_once_each() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.toml");
        fs::write(&path, "one").unwrap();
        let mut watch = Watch::of(Some(&path));
        let mut looks = || [(); 4].map(|()| watch.look());
        assert_eq!(looks(), [None; 4]);
        fs::remove_file(&path).unwrap();
        let gone = Some(Seen::Gone(ErrorKind::NotFound));
        assert_eq!(looks(), [None, gone, None, None]);
        fs::create_dir(&path).unwrap();
        let folder = Some(Seen::Gone(ErrorKind::IsADirectory));
        assert_eq!(looks(), [None, folder, None, None], "for another reason");
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "one").unwrap();
        assert_eq!(looks(), [None, Some(Seen::Back), None, None]);
        fs::write(&path, "three").unwrap();
        assert_eq!(looks(), [None, Some(Seen::Changed), None, None]);
        // Put in another's place, as editors do.
        fs::remove_file(&path).unwrap();
        assert_eq!(watch.look(), None);
        fs::write(&path, "seven").unwrap();
        assert_ne!(watch.look(), gone);
    }

    #[test]
    fn a_file_that_nobody_asked_for_is_never_news() {
        let mut watch = Watch::default();
        assert_eq!([watch.look(), watch.look()], [None; 2]);
    }
}
