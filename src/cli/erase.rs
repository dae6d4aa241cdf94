//! `restage erase`: forget a visitor, in a job that reads a log, and in files that are there.

use super::live::{ConfigArgs, erasure};
use super::{Failure, print};
use crate::format::append::append_erasure;
use crate::format::scrub::{Scrubbed, held, scrub};
use crate::grouped::grouped;
use crate::lane::head::Head;
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Forget a visitor
///
/// Without --scrub, an `erase` event is appended to a log of Restage's own (CSV or JSON lines, not
/// compressed). A job that reads the log takes back what the visitor taught from there on, drops
/// the live session, writes a `forgotten` record, and passes over later events of the visitor
/// (`limits.erased_keep`). Earlier rows stay in the log.
///
/// With --url, a collector is asked, which writes the event to its lane. The request is signed by a server's
/// key (--key) with the secret that --config has for it, and the id is the one that pages and servers use,
/// or the keyed hash that stands in the lane. One collector is enough for all lanes of a job.
///
/// With --scrub, every row of the visitor is taken out of logs of Restage's own and of decision
/// records (CSV or JSON lines, also .gz and .zst), which are rewritten in place; all other rows keep
/// their bytes. If any of the files is not understood, none is touched.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage erase --visitor v42 events.csv
  restage erase --visitor v42 --at 1767576394806 events.jsonl
  restage erase --visitor v42 --url http://127.0.0.1:8700 --key orders --config collect.toml
  restage erase --visitor v42 --scrub events.csv decisions.jsonl old/*.csv.gz")]
pub struct Erase {
    /// The visitor's id, as the log has it
    #[arg(long, value_name = "V")]
    visitor: String,
    /// The log to append to; with --scrub, the files to rewrite
    #[arg(required_unless_present = "url", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Ask the collector at this address instead
    #[arg(long, value_name = "URL", conflicts_with_all = ["files", "scrub", "at"], requires = "key")]
    url: Option<String>,
    /// The server's key that the request is signed with
    #[arg(long, value_name = "NAME", requires = "url")]
    key: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Take the visitor's rows out of the files
    #[arg(long, conflicts_with = "at")]
    scrub: bool,
    /// When the event arrives, in ms since 1970; the log's latest time when absent
    #[arg(long, value_name = "MS")]
    at: Option<u64>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Erase {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        if self.visitor.is_empty() {
            return Err(Failure::usage("--visitor is empty; it needs an id"));
        }
        if let Some(lane) = self.files.iter().find(|file| Head::path_of(file).exists()) {
            let (lane, head) = (lane.display(), Head::path_of(lane));
            return Err(Failure::usage(format!(
                "{lane} is a lane that a collector writes: name the collector with --url and a server's --key instead of the file; to scrub it, end the collector, remove {} and begin with a new state",
                head.display()
            )));
        }
        let (page, object) = match (&self.url, &self.key) {
            (Some(url), Some(key)) => self.ask(url, key)?,
            _ if self.scrub => self.scrub_files()?,
            _ => self.append()?,
        };
        if self.json {
            return print(format!("{object}\n").as_bytes());
        }
        print(page.as_bytes())
    }

    fn ask(&self, url: &str, key: &str) -> Result<(String, Value), Failure> {
        erasure::ask(&self.visitor, url, key, &self.config)?;
        let page = format!(
            "erased       visitor {} by the collector at {url}\n\
             stays        what its lane says before; --scrub takes it out once the collector has ended\n",
            self.visitor
        );
        let object = json!({ "visitor": self.visitor, "collector": url });
        Ok((page, object))
    }

    fn append(&self) -> Result<(String, Value), Failure> {
        let [log] = &self.files[..] else {
            return Err(Failure::usage(format!(
                "an `erase` goes into one log, and {} were named; the other logs of the same job need \
                 none, and --scrub takes several",
                self.files.len()
            )));
        };
        let appended = append_erasure(log, &self.visitor, self.at)
            .map_err(|error| Failure::new(error.exit_code(), error))?;
        let (before, at_ms) = (appended.events_before, appended.arrival_ms);
        let known = match before {
            0 => "which has no event of the visitor: is the id right?".to_string(),
            many => format!("after {} events of the visitor", grouped(many)),
        };
        let page = format!(
            "erased       visitor {} from {at_ms} on in {}, {known}\n\
             stays        what the log says before; --scrub takes it out\n",
            self.visitor,
            log.display()
        );
        let object = json!({
            "visitor": self.visitor,
            "log": log.display().to_string(),
            "format": appended.held.name(),
            "arrival_ms": at_ms,
            "events_before": before,
        });
        Ok((page, object))
    }

    fn scrub_files(&self) -> Result<(String, Value), Failure> {
        let failed =
            |error: crate::format::scrub::ScrubError| Failure::new(error.exit_code(), error);
        // All are looked at before any is touched.
        let kinds: Result<Vec<_>, _> = self.files.iter().map(|file| held(file)).collect();
        let kinds = kinds.map_err(failed)?;
        let (mut page, mut files, mut all) = (String::new(), Vec::new(), 0);
        for (file, kind) in self.files.iter().zip(kinds) {
            let found = scrub(file, kind, self.visitor.as_bytes()).map_err(failed)?;
            let Scrubbed {
                rows,
                removed,
                unreadable,
                unreadable_naming,
            } = found;
            let name = file.display().to_string();
            // Writing to memory cannot fail.
            let _ = writeln!(page, "{}", line(&name, kind.name(), &found));
            files.push(json!({
                "file": name,
                "format": kind.name(),
                "rows": rows,
                "removed": removed,
                "unreadable": unreadable,
                "unreadable_naming": unreadable_naming,
            }));
            all += removed;
        }
        let object = json!({ "visitor": self.visitor, "removed": all, "files": files });
        Ok((page, object))
    }
}

/// A file for people, on one line.
fn line(name: &str, format: &str, found: &Scrubbed) -> String {
    let mut text = format!(
        "scrubbed     {name} ({format}): {} of {} rows taken out",
        grouped(found.removed),
        grouped(found.rows)
    );
    if found.unreadable > 0 {
        text.push_str(&format!(
            "; {} unreadable rows kept, {} of which hold the id",
            grouped(found.unreadable),
            grouped(found.unreadable_naming)
        ));
    }
    text
}
