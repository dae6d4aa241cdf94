//! Reading a state folder without claiming it: what is there, and the output that was committed.
//!
//! For `restage snapshot`, for readers of the output and for tests. Nothing is changed, so a job may be
//! running meanwhile; what it adds after the look is not seen. Cost: one pass over what is asked for.

use super::error::{Damage, Fault, LogError};
use super::frame::{FileKind, Header, version_of};
use super::manifest::{Manifest, SegmentEntry};
use super::names::Name;
use super::recover::{look, read_snapshot};
use super::rules::read_rules;
use super::segment::{Promise, SegmentReader};
use super::storage::Storage;
use super::{Epoch, Generation, Part, Totals};
use std::path::{Path, PathBuf};

/// What a state folder holds.
#[derive(Debug)]
pub struct Contents {
    /// The newest generation that was claimed.
    pub claimed: Generation,
    /// The configuration that it is for.
    pub config: u128,
    /// The version of the format that the manifest in force is written in.
    pub version: u16,
    /// What is in force.
    pub in_force: Manifest,
    /// All output that was committed, and up to when.
    pub committed: (Totals, Epoch),
    /// Damage that costs nothing but work.
    pub notes: Vec<Damage>,
    /// Why the rules that the output goes by cannot be read, if they cannot: then nothing goes on.
    pub rules: Result<(), LogError>,
}

/// A snapshot of a folder, as it was found.
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Up to when it holds everything.
    pub epoch: Epoch,
    /// The version of the format that it is written in, if its header says so, be it one that is not read.
    pub version: Option<u16>,
    /// The generation that wrote it.
    pub generation: Generation,
    /// Its parts, or why there are none.
    pub parts: Result<Vec<Part>, LogError>,
}

/// What is in a folder; nothing if no job ever began in it.
///
/// # Errors
/// [`LogError`]: damage that no twin makes good, another version, the disk.
pub fn inspect<S: Storage>(storage: &S, dir: &Path) -> Result<Option<Contents>, LogError> {
    let seen = look(storage, dir)?;
    let Some((generation, number)) = seen.manifest else {
        return Ok(None);
    };
    let manifest = Name::File(FileKind::Manifest, generation, number).text();
    let committed = seen.committed();
    // Those that a running job replaces meanwhile are gone, and the names that are read again say by which.
    let rules = read_rules(storage, dir).or_else(|_| read_rules(storage, dir));
    let rules = match rules {
        // Between its first claim and its first rules a folder has decided nothing.
        Ok(None) if committed != Default::default() => Err(LogError::Damaged(Damage {
            path: dir.join(format!("{}-*", FileKind::Rules.name())),
            offset: 0,
            fault: Fault::Missing,
        })),
        other => other.map(|_| ()),
    };
    Ok(Some(Contents {
        claimed: seen.claimed,
        config: seen.config,
        version: version_of(storage, dir.join(manifest))?,
        in_force: seen.in_force,
        committed,
        notes: seen.notes,
        rules,
    }))
}

/// The snapshots in force, newest first, each read as a whole.
pub fn snapshots<S: Storage>(storage: &S, dir: &Path, contents: &Contents) -> Vec<Found> {
    let entries = contents.in_force.snapshots.iter().rev();
    let found = entries.map(|entry| Found {
        path: dir.join(entry.name()),
        bytes: entry.bytes,
        epoch: entry.epoch,
        version: match version_of(storage, dir.join(entry.name())) {
            Ok(version) | Err(LogError::Version { found: version, .. }) => Some(version),
            Err(_) => None,
        },
        generation: entry.generation,
        parts: read_snapshot(storage, dir, entry, contents.config).map(|whole| whole.parts),
    });
    found.collect()
}

/// Hands out the committed output from a byte on, in order; returns what all of it comes to.
///
/// # Errors
/// [`LogError::Collected`] if output from there on is not there any more; damage, the disk.
pub fn read_committed<S: Storage>(
    storage: &S,
    dir: &Path,
    from_bytes: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<Totals, LogError> {
    let seen = look(storage, dir)?;
    let base = seen.in_force.base.0.bytes;
    let segments = (&seen.in_force.segments[..], base, seen.config);
    output(storage, dir, segments, from_bytes, |bytes| {
        take(bytes);
        Ok(())
    })?;
    let mut at = seen.in_force.end().0.bytes;
    for step in &seen.loose {
        let skip = from_bytes.saturating_sub(at).min(step.output.len() as u64);
        take(&step.output[skip as usize..]);
        at += step.output.len() as u64;
    }
    Ok(seen.committed().0)
}

/// Hands out the output of segments, of which exactly so many bytes count, from a byte on.
pub(super) fn output<S: Storage>(
    storage: &S,
    dir: &Path,
    (segments, base, config): (&[SegmentEntry], u64, u128),
    from_bytes: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let first = segments.first().map_or(base, |entry| entry.before.0.bytes);
    if first > from_bytes {
        return Err(LogError::Collected { first });
    }
    for entry in segments
        .iter()
        .filter(|entry| entry.last.0.bytes > from_bytes)
    {
        let header = Header {
            kind: FileKind::Segment,
            generation: entry.generation,
            sequence: entry.number,
            config,
        };
        let (path, promise) = (dir.join(entry.name()), Promise::Exactly(entry.bytes));
        let mut reader = SegmentReader::open(storage, path, &header, promise, entry.row_before())?;
        while let Some(step) = reader.next()? {
            let begin = step.stored.row.totals.bytes - step.output.len() as u64;
            let skip = from_bytes
                .saturating_sub(begin)
                .min(step.output.len() as u64);
            take(&step.output[skip as usize..])?;
        }
    }
    Ok(())
}
