//! `restage snapshot`: what a state folder holds, without touching it.

use super::{Failure, print};
use crate::flow::durable::PartKind;
use crate::flow::durable::restore::About;
use crate::flow::failure::chain;
use crate::log::disk::Disk;
use crate::log::error::LogError;
use crate::log::inspect::{Contents, Found, inspect, snapshots};
use crate::visit::visitors::saved::SavedBin;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Show what a state folder holds
///
/// Nothing is changed, and the job may be running meanwhile. A damaged file is named with the byte at
/// which it is; the exit code is 4 then, and where there is no state or it is of another version of the
/// format. A file that cannot be read is named with the reason, and the code is 5.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage snapshot ls state
  restage snapshot inspect state")]
pub struct Snapshot {
    #[command(subcommand)]
    command: Look,
}

#[derive(Subcommand, Debug)]
enum Look {
    /// The snapshots, and the output that was committed
    Ls(Of),
    /// The same, with the parts of each snapshot, its live sessions, and the segments
    Inspect(Of),
}

#[derive(Args, Debug)]
struct Of {
    /// The state folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A state folder, as it is printed.
#[derive(Serialize)]
struct Page {
    dir: String,
    generation: u64,
    format: u16,
    config: String,
    finished: bool,
    committed_bytes: u64,
    committed_digest: String,
    committed_until_ms: u64,
    released_bytes: u64,
    snapshots: Vec<SnapshotPage>,
    segments: Vec<SegmentPage>,
    notes: Vec<String>,
    rules: RulesPage,
}

/// What the output goes by.
#[derive(Serialize)]
struct RulesPage {
    whole: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

#[derive(Serialize)]
struct SnapshotPage {
    file: String,
    generation: u64,
    format: Option<u16>,
    bytes: u64,
    age_s: Option<u64>,
    until_ms: u64,
    whole: bool,
    #[serde(skip)]
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    begin_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live_sessions: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartsPage>,
}

#[derive(Serialize)]
struct PartsPage {
    kind: &'static str,
    count: usize,
    bytes: usize,
}

#[derive(Serialize)]
struct SegmentPage {
    file: String,
    bytes: u64,
    output_from: u64,
    output_to: u64,
}

impl Snapshot {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        let (of, whole) = match &self.command {
            Look::Ls(of) => (of, false),
            Look::Inspect(of) => (of, true),
        };
        let failed = |error: LogError| Failure::new(error.exit_code(), error);
        let contents = inspect(&Disk, &of.dir).map_err(failed)?;
        let Some(contents) = contents else {
            let what = format!("{} holds no state", of.dir.display());
            return Err(Failure::new(4, anyhow::anyhow!(what)));
        };
        let found = snapshots(&Disk, &of.dir, &contents);
        let page = Page::of(&of.dir, &contents, &found, whole);
        let text = match of.json {
            true => serde_json::to_string(&page).map_err(|error| Failure::new(1, error))? + "\n",
            false => page.text(whole),
        };
        print(text.as_bytes())?;
        // Without its rules nothing goes on, so they come first.
        contents.rules.map_err(failed)?;
        let unread = found.into_iter().find_map(|one| one.parts.err());
        unread.map_or(Ok(()), |error| Err(failed(error)))
    }
}

impl Page {
    fn of(dir: &Path, contents: &Contents, found: &[Found], whole: bool) -> Page {
        let (totals, epoch) = contents.committed;
        let segments = contents.in_force.segments.iter().map(|entry| SegmentPage {
            file: entry.name(),
            bytes: entry.bytes,
            output_from: entry.before.0.bytes,
            output_to: entry.last.0.bytes,
        });
        Page {
            dir: dir.display().to_string(),
            generation: contents.claimed.0,
            format: contents.version,
            config: format!("{:032x}", contents.config),
            finished: contents.in_force.finished,
            committed_bytes: totals.bytes,
            committed_digest: format!("{:032x}", totals.digest),
            committed_until_ms: epoch.0,
            released_bytes: contents.in_force.released_bytes,
            snapshots: found
                .iter()
                .map(|one| SnapshotPage::of(one, whole))
                .collect(),
            segments: segments.collect(),
            notes: contents.notes.iter().map(ToString::to_string).collect(),
            rules: RulesPage {
                whole: contents.rules.is_ok(),
                damage: contents.rules.as_ref().err().map(|error| chain(error)),
            },
        }
    }

    fn text(&self, whole: bool) -> String {
        let mut out = format!(
            "{}: generation {}, format {}, {} bytes of decisions committed{}\n",
            self.dir,
            self.generation,
            self.format,
            self.committed_bytes,
            if self.finished {
                ", the log is over"
            } else {
                ""
            },
        );
        for snapshot in &self.snapshots {
            let age = snapshot
                .age_s
                .map_or(String::new(), |s| format!(", {s} s old"));
            let state = snapshot.state;
            let format = snapshot.format.map_or("unknown".into(), |v| v.to_string());
            let _ = writeln!(
                out,
                "{}  until {} ms, format {format}, {} bytes{age}, {state}",
                snapshot.file, snapshot.until_ms, snapshot.bytes
            );
            if let (true, Some(release), Some(policy)) =
                (whole, &snapshot.release, &snapshot.policy)
            {
                let live = snapshot.live_sessions.unwrap_or(0);
                let _ = writeln!(
                    out,
                    "  release {release}, policy {policy}, {live} live sessions"
                );
                for parts in &snapshot.parts {
                    let _ = writeln!(
                        out,
                        "  {:<18} {:>6} {:>14} bytes",
                        parts.kind, parts.count, parts.bytes
                    );
                }
            }
        }
        if self.snapshots.is_empty() {
            out.push_str("no snapshot yet\n");
        }
        if whole {
            for segment in &self.segments {
                let _ = writeln!(
                    out,
                    "{}  {} bytes, output from byte {} to {}",
                    segment.file, segment.bytes, segment.output_from, segment.output_to
                );
            }
        }
        if let Some(damage) = &self.rules.damage {
            let _ = writeln!(out, "rules: {damage}");
        }
        for note in &self.notes {
            let _ = writeln!(out, "note: {note}");
        }
        out
    }
}

impl SnapshotPage {
    fn of(found: &Found, whole: bool) -> SnapshotPage {
        let name = found.path.file_name().unwrap_or_default();
        let age = std::fs::metadata(&found.path).and_then(|about| about.modified());
        let age = age
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        let mut page = SnapshotPage {
            file: name.to_string_lossy().into_owned(),
            generation: found.generation.0,
            format: found.version,
            bytes: found.bytes,
            age_s: age.map(|age| age.as_secs()),
            until_ms: found.epoch.0,
            whole: found.parts.is_ok(),
            state: match &found.parts {
                Ok(_) => "whole",
                Err(LogError::Version { .. }) => "of another version",
                Err(LogError::Storage(_)) => "could not be read",
                Err(_) => "damaged",
            },
            damage: found.parts.as_ref().err().map(|error| chain(error)),
            begin_ms: None,
            release: None,
            policy: None,
            live_sessions: None,
            parts: Vec::new(),
        };
        if let (true, Ok(parts)) = (whole, &found.parts) {
            let of_kind = |kind: PartKind| parts.iter().filter(move |part| part.kind == kind as u8);
            let about = of_kind(PartKind::About).next();
            let about = about.and_then(|part| postcard::from_bytes::<About>(&part.bytes).ok());
            if let Some(about) = about {
                page.begin_ms = Some(about.begin_ms);
                page.release = Some(about.release);
                page.policy = Some(about.policy);
            }
            let live = of_kind(PartKind::Bin)
                .filter_map(|part| postcard::from_bytes::<SavedBin>(&part.bytes).ok())
                .map(|bin| bin.live());
            page.live_sessions = Some(live.sum());
            page.parts = PartKind::ALL
                .into_iter()
                .map(|kind| PartsPage {
                    kind: kind.name(),
                    count: of_kind(kind).count(),
                    bytes: of_kind(kind).map(|part| part.bytes.len()).sum(),
                })
                .filter(|parts| parts.count > 0)
                .collect();
        }
        page
    }
}
