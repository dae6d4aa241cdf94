//! Durable state: what a job has to have on disk to be killed at any moment and go on.
//!
//! The output of the job is a pure function of its log. What is kept is therefore never the only copy of
//! a decision that can be made; it is what saves making all of them again, and what proves that they
//! came out the same. One process writes, whatever the number of processes of the job.
//!
//! # The protocol
//!
//! **Claim.** Whoever opens the folder makes `generation-N`, for an N above all there are, as a new file,
//! and syncs the folder. *Two processes started at once cannot both have made it; the other one ends.*
//! From then on everything that the older generation makes count, it makes count in vain: see *fencing*.
//!
//! **Commit.** What was put out since the last step goes to the segment in frames, and behind it a row:
//! up to which epoch, how many bytes in all, their digest, how far the lanes were read. Steps that have
//! gathered are appended in one go and synced once. *Output counts only once a row names it: a crash
//! between the two leaves output that nobody was shown. Frames are checked by a hash that knows their file
//! and place, so neither a torn append nor a block that the disk put elsewhere is taken for a row.* A row
//! says how much of its file had been synced before it. *A torn end is no loss, damage is one, and only
//! what once was on the disk can be damaged.*
//!
//! **A failed sync is final.** The process ends. *After a failed `fsync` the kernel may have dropped the
//! pages and forgotten it; a second one would succeed and mean nothing.* For the same reason a restart
//! does not count on rows that it finds behind what was certainly synced: it writes them again, to a file
//! of its own.
//!
//! **Outlet.** After the sync the output goes to the user's file, at its place. *A reader never sees what
//! may be taken back.* ([`outlet`](self))
//!
//! **Snapshot.** It is written aside as `.new`, closed by a frame that counts its parts, synced, renamed,
//! and the folder synced. *Half a snapshot has no name and no closing frame.*
//!
//! **Manifest.** Then the outlet is synced, a manifest is written aside that names the last two snapshots,
//! the segments and how much of each counts, synced, renamed, and the folder synced. *The rename is
//! atomic; without the folder's sync it could be undone by a power cut after the sweep.* Only a manifest
//! brings a snapshot into force, and the one before it stays. *If it turns out damaged, the job goes on
//! from the one before.*
//!
//! **Sweep.** What neither of the two newest manifests names is removed: segments that lie before both
//! snapshots and that the outlet has for certain, older snapshots, what was left unfinished. *Nothing is
//! removed that a fall back to the manifest before could want.*
//!
//! **Rules.** What the output goes by besides the log, policies and models and from when on each, is written
//! down before anything that goes by it is committed: a new file, aside, synced, renamed, the folder synced
//! ([`rules`](self)). *A restart that did not know of a change would compute other output than was
//! committed.* The newest file counts or none does; a new generation writes its own before anything else.
//!
//! **Recovery.** Newest manifest that is whole; its segments, checked; the rows after the snapshot. A
//! claim, a segment of its own with the rows that were not certain, a manifest that pins how many bytes
//! of each older segment count. The job loads the snapshot and computes again: up to the last row its
//! output is compared, row by row, and not written. *A log that was changed, or a program that decides
//! otherwise, ends the run and not the truth.*
//!
//! **Fencing.** A process that was thought dead may wake. Before it appends a group or renames a file it
//! looks for a newer claim and ends. *What slips through between the look and the write goes behind the
//! bytes that the successor's manifest has pinned, or to a manifest or rules of an older generation: nobody
//! reads any of them.* To the outlet the sleeper writes what the successor writes there, too, since both
//! go by the same rules: rules that it had put in force before its last look at the claims, the successor
//! has read after its own. *A successor that brings other rules, as it opens the folder or while it runs,
//! would write other bytes there. So it must have found that nobody else is alive, asleep or not: whoever
//! opens the folder holds a lock on it, shared, for as long as its process lives, and whoever brings other
//! rules must get it alone. The caller sees to that.*
//!
//! Everything read is hostile: lengths are bounded, hashes come first, and what does not fit is an error
//! that names the file and the byte. The format's version is in every header; a release reads its own and
//! the one before. There has been one so far, and nothing in here or in [`crate::flow::durable`] asks which.
//!
//! Invariant: what readers are shown is at every moment a prefix of the one right output. Cost: the output
//! is written twice and hashed; a sync a group; [`writer`] says the rest.

mod codec;
pub mod disk;
pub mod error;
pub mod failpoint;
mod frame;
pub mod inspect;
pub mod manifest;
pub mod memory;
mod names;
mod outlet;
mod recover;
mod rules;
mod segment;
mod snapshot;
pub mod storage;
pub mod writer;

use crate::event::{Lane, Offset};
use error::{Damage, LogError};
pub use frame::{VERSION, VERSION_OLDEST};
use manifest::Manifest;
use names::Name;
use outlet::Outlet;
use recover::{Seen, glance, look, newest_snapshot};
pub use rules::{copy_of, read_rules};
use std::path::{Path, PathBuf};
use storage::Storage;
pub use writer::Writer;

/// A time in ms: everything that arrived before it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// One process's time as the writer of a folder, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// All output of the job up to somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Its bytes.
    pub bytes: u64,
    /// Its digest, by whatever rule the caller has.
    pub digest: u128,
}

/// A commit row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Up to when everything is in.
    pub epoch: Epoch,
    /// What all output up to then comes to.
    pub totals: Totals,
    /// How far the lanes had been read.
    pub lanes: Vec<(Lane, Offset)>,
}

/// A part of a snapshot. Parts come back in the order in which they were put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What it is; the caller's.
    pub kind: u8,
    /// Whose it is; the caller's.
    pub number: u32,
    /// The state.
    pub bytes: Vec<u8>,
}

/// How a folder is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes after which the next segment is begun.
    pub segment_bytes_max: u64,
    /// The file that gets all committed output, if one does.
    pub outlet: Option<PathBuf>,
}

/// A folder that was opened.
pub struct Opened<S: Storage> {
    /// What writes to it from now on.
    pub writer: Writer<S>,
    /// What is gone on from; nothing in a new folder.
    pub resume: Option<Resume>,
    /// The rules that the output goes by; none in a new folder.
    pub rules: Option<Vec<u8>>,
    /// Damage that cost nothing but work: torn ends, a snapshot for which the one before was taken.
    pub notes: Vec<Damage>,
}

/// What a job goes on from.
#[derive(Debug, Default)]
pub struct Resume {
    /// The newest snapshot that is whole; without one, the job begins at the log's start.
    pub snapshot: Option<Loaded>,
    /// The rows that were committed after it, in order.
    pub rows: Vec<Row>,
}

/// A snapshot, whole.
#[derive(Debug)]
pub struct Loaded {
    /// Up to when it holds everything.
    pub epoch: Epoch,
    /// All output before that.
    pub totals: Totals,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// Opens a state folder, which is made if it is not there: claims it, looks at what is there, and makes it
/// the own.
///
/// # Errors
/// [`LogError`]: another configuration's folder, damage that no twin makes good, an outlet that is not
/// the folder's, the disk.
pub fn open<S: Storage>(
    storage: S,
    dir: &Path,
    config: u128,
    options: Options,
) -> Result<Opened<S>, LogError> {
    storage.create_folder(dir)?;
    storage.sync_folder(&outlet::folder_of(dir))?;
    let (before, _) = glance(&storage, dir)?;
    check(&before, &storage, dir, config, &options)?;
    let generation = claim(&storage, dir, before.claimed)?;
    // Whoever wrote until now may have committed since; from here on nobody does.
    let found = || -> Result<_, LogError> {
        let mut seen = look(&storage, dir)?;
        let rules = read_rules(&storage, dir)?;
        let whole = newest_snapshot(&storage, dir, &mut seen)?;
        Ok((seen, rules, whole))
    };
    let (mut seen, rules, whole) = match found() {
        Ok(found) => found,
        Err(error) => {
            // Nothing was written under the claim: the folder stays as it was, as far as that can be had.
            let claim = Name::Claim(generation).text();
            let _ = storage.remove(&dir.join(claim));
            return Err(error);
        }
    };
    let snapshot = whole.map(|whole| Loaded {
        epoch: whole.entry.epoch,
        totals: whole.totals,
        parts: whole.parts,
    });
    let rows = std::mem::take(&mut seen.rows);
    let after = snapshot.as_ref().map(|snapshot| snapshot.epoch);
    let rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| Some(row.epoch) > after)
        .collect();
    let is_new = snapshot.is_none() && rows.is_empty();
    let notes = std::mem::take(&mut seen.notes);
    let whose = (generation, config);
    let writer = take_over(storage, dir, whose, (seen, rules.as_deref()), options)?;
    Ok(Opened {
        writer,
        rules,
        resume: (!is_new).then_some(Resume { snapshot, rows }),
        notes,
    })
}

/// What must be right before a folder is claimed.
fn check<S: Storage>(
    seen: &Seen,
    storage: &S,
    dir: &Path,
    config: u128,
    options: &Options,
) -> Result<(), LogError> {
    if let Some((generation, number)) = seen.manifest
        && seen.config != config
    {
        let name = Name::File(frame::FileKind::Manifest, generation, number);
        return Err(LogError::Config {
            path: dir.join(name.text()),
            found: seen.config,
            expected: config,
        });
    }
    let given = name_of(options);
    if seen.manifest.is_some() && seen.in_force.outlet != given {
        let told = |name: &Option<String>| name.clone().unwrap_or("no file".into());
        return Err(LogError::OutletOther {
            known: told(&seen.in_force.outlet),
            given: told(&given),
        });
    }
    if let Some(path) = &options.outlet
        && seen.manifest.is_none()
        && !Outlet::is_free(storage, path)?
    {
        return Err(LogError::Outlet { path: path.clone() });
    }
    Ok(())
}

/// What the outlet is called, wherever the process was started.
fn name_of(options: &Options) -> Option<String> {
    let path = options.outlet.as_ref()?;
    let whole = std::path::absolute(path).unwrap_or(path.clone());
    Some(whole.to_string_lossy().into_owned())
}

fn claim<S: Storage>(storage: &S, dir: &Path, newest: Generation) -> Result<Generation, LogError> {
    let generation = Generation(newest.0 + 1);
    let path = dir.join(Name::Claim(generation).text());
    match storage.create(&path) {
        Ok(_) => {}
        Err(error) if error.source.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(LogError::Claimed { path });
        }
        Err(error) => return Err(error.into()),
    }
    storage.sync_folder(dir)?;
    Ok(generation)
}

/// Makes the rules its own, begins a segment with what was not certain, fills the outlet, and puts a
/// manifest in force that pins what was there.
fn take_over<S: Storage>(
    storage: S,
    dir: &Path,
    whose: (Generation, u128),
    (seen, rules): (Seen, Option<&[u8]>),
    options: Options,
) -> Result<Writer<S>, LogError> {
    let Seen {
        in_force, loose, ..
    } = seen;
    let manifest = Manifest {
        finished: false,
        outlet: name_of(&options),
        ..in_force
    };
    let released = manifest.released_bytes;
    let room = options.segment_bytes_max;
    let mut writer = Writer::new((storage, dir), whose, manifest, room);
    writer.rules_copy = options.outlet.as_deref().map(copy_of);
    if let Some(rules) = rules {
        writer.write_rules(rules)?;
    }
    writer.next_segment()?;
    let loose = loose.into_iter().map(|step| (step.stored.row, step.output));
    let loose: Vec<(Row, Vec<u8>)> = loose.collect();
    if !loose.is_empty() {
        writer.append_group(&loose)?;
    }
    if let Some(path) = &options.outlet {
        let mut outlet = Outlet::open(&writer.storage, path, released)?;
        writer.storage.sync_folder(&outlet::folder_of(path))?;
        let (segments, base) = (&writer.manifest.segments, writer.manifest.base.0.bytes);
        inspect::output(
            &writer.storage,
            dir,
            (segments, base, whose.1),
            released,
            |output| outlet.append(output),
        )?;
        outlet.cut(&writer.storage, path, || writer.check_claim())?;
        writer.outlet = Some(outlet);
    }
    writer.write_manifest()?;
    // The first manifest is kept beside the next one, as every other.
    writer.named_before = writer.named();
    Ok(writer)
}
