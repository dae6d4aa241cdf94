//! Looking at a state folder, and what follows from what is there.
//!
//! [`look`] only reads: the newest claim, the newest manifest that is whole, the segments that it names
//! and those that came after it, the snapshots. It decides nothing that could be undone by a second
//! look. A damaged manifest is passed over for the one before it **of its generation**: that one names an
//! older snapshot, and everything it names is still there. The first manifest of a generation has no such
//! twin: its damage is an error, since what the generation committed hangs on it.
//!
//! Rows behind what was certainly synced are kept apart ([`Seen::loose`]): they are whole now, but only in
//! the page cache perhaps, because the sync that they waited for may have failed. The next generation
//! writes them again before it counts on them.
//!
//! Cost: one pass over the segments that hold rows after the oldest snapshot, and over the snapshots
//! until one is whole.

use super::error::{Damage, Fault, LogError};
use super::frame::{FileKind, HEADER_BYTES, Header};
use super::manifest::{Manifest, SegmentEntry, SnapshotEntry};
use super::names::Name;
use super::segment::{Committed, Promise, SegmentReader};
use super::storage::Storage;
use super::{Epoch, Generation, Part, Row, Totals, snapshot};
use std::path::Path;

/// What a state folder says.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The newest generation that was claimed.
    pub claimed: Generation,
    /// The generation and number of the manifest in force; none in a folder where nothing began.
    pub manifest: Option<(Generation, u64)>,
    /// The configuration that it is for.
    pub config: u128,
    /// What it says, its segments and those after them with the bytes that certainly count.
    pub in_force: Manifest,
    /// Committed rows whose segments were read, in order.
    pub rows: Vec<Row>,
    /// Steps behind what certainly counts, in order.
    pub loose: Vec<Committed>,
    /// Damage that costs nothing but work.
    pub notes: Vec<Damage>,
}

impl Seen {
    /// All output that was committed, and up to when.
    pub(super) fn committed(&self) -> (Totals, Epoch) {
        let loose = self.loose.last().map(|step| &step.stored.row);
        loose.map_or(self.in_force.end(), |row| (row.totals, row.epoch))
    }
}

/// The names of ours in a folder.
pub(super) fn names<S: Storage>(storage: &S, dir: &Path) -> Result<Vec<Name>, LogError> {
    let names = storage.names(dir)?;
    Ok(names.iter().filter_map(|name| Name::parse(name)).collect())
}

/// The newest generation that was claimed.
pub(super) fn newest_claim(names: &[Name]) -> Generation {
    let generations = names.iter().map(|name| name.generation());
    generations.max().unwrap_or_default()
}

/// Looks at a state folder without changing anything.
pub(super) fn look<S: Storage>(storage: &S, dir: &Path) -> Result<Seen, LogError> {
    let (mut seen, names) = glance(storage, dir)?;
    let Some(place) = seen.manifest else {
        return Ok(seen);
    };
    let (manifest, config) = (std::mem::take(&mut seen.in_force), seen.config);
    let oldest = manifest.snapshots.first().map(|snapshot| snapshot.epoch);
    let (named, later) = (manifest.segments.clone(), later(&manifest, &names, place.0));
    seen.in_force = Manifest {
        segments: Vec::new(),
        ..manifest
    };
    let count = named.len() + later.len();
    let is_needed = |entry: &SegmentEntry| oldest.is_none_or(|epoch| entry.last.1 > epoch);
    for (at, entry) in named.into_iter().chain(later).enumerate() {
        let is_open = entry.generation == place.0;
        let is_last = at + 1 == count;
        let promise = match (is_open, is_last) {
            (false, _) => Promise::Exactly(entry.bytes),
            (true, false) => Promise::Whole,
            (true, true) => Promise::AtLeast(entry.bytes),
        };
        if promise == Promise::Exactly(entry.bytes) && !is_needed(&entry) {
            seen.in_force.segments.push(entry);
            continue;
        }
        read_segment(storage, dir, (entry, config, promise), &mut seen)?;
    }
    Ok(seen)
}

/// A first look, at no more than the names and the manifest in force: its segments and snapshots are not
/// opened.
pub(super) fn glance<S: Storage>(storage: &S, dir: &Path) -> Result<(Seen, Vec<Name>), LogError> {
    let names = names(storage, dir)?;
    let mut seen = Seen {
        claimed: newest_claim(&names),
        ..Seen::default()
    };
    find_manifest(storage, dir, &names, &mut seen)?;
    if seen.manifest.is_none() {
        check_nothing_began(dir, &names)?;
    }
    Ok((seen, names))
}

/// Finds the newest manifest that is whole.
fn find_manifest<S: Storage>(
    storage: &S,
    dir: &Path,
    names: &[Name],
    seen: &mut Seen,
) -> Result<(), LogError> {
    let mut places: Vec<(Generation, u64)> = names
        .iter()
        .filter_map(|name| match name {
            Name::File(FileKind::Manifest, generation, number) => Some((*generation, *number)),
            _ => None,
        })
        .collect();
    places.sort_unstable();
    while let Some(place) = places.pop() {
        match Manifest::read(storage, dir, place) {
            Ok((manifest, config)) => {
                (seen.manifest, seen.config) = (Some(place), config);
                seen.in_force = manifest;
                return Ok(());
            }
            Err(LogError::Damaged(damage)) if places.last().is_some_and(|p| p.0 == place.0) => {
                seen.notes.push(damage);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A folder without a manifest is new, unless it holds what only follows one.
fn check_nothing_began(dir: &Path, names: &[Name]) -> Result<(), LogError> {
    let orphan = names.iter().find_map(|name| match name {
        Name::File(FileKind::Segment, generation, number) if *number > 0 => Some(*generation),
        Name::File(FileKind::Snapshot, generation, _) => Some(*generation),
        _ => None,
    });
    match orphan {
        None => Ok(()),
        Some(generation) => Err(LogError::Damaged(Damage {
            // Whichever was in force: none is there to say.
            path: dir.join(format!("manifest-{:08}-*", generation.0)),
            offset: 0,
            fault: Fault::Missing,
        })),
    }
}

/// Segments that a generation began after its manifest was written.
fn later(manifest: &Manifest, names: &[Name], generation: Generation) -> Vec<SegmentEntry> {
    let last = manifest.segments.last();
    let next = last.map_or(0, |entry| match entry.generation == generation {
        true => entry.number + 1,
        false => 0,
    });
    let found = |number: u64| names.contains(&Name::File(FileKind::Segment, generation, number));
    (next..)
        .take_while(|number| found(*number))
        .map(|number| SegmentEntry {
            generation,
            number,
            bytes: 0,
            before: Default::default(),
            last: Default::default(),
        })
        .collect()
}

/// Reads a segment's rows, and how many of its bytes certainly count.
fn read_segment<S: Storage>(
    storage: &S,
    dir: &Path,
    (entry, config, promise): (SegmentEntry, u128, Promise),
    seen: &mut Seen,
) -> Result<(), LogError> {
    let header = Header {
        kind: FileKind::Segment,
        generation: entry.generation,
        sequence: entry.number,
        config,
    };
    let before = seen.in_force.end();
    let known = SegmentEntry { before, ..entry }.row_before();
    let path = dir.join(entry.name());
    let is_empty = storage
        .length(&path)
        .is_ok_and(|length| length <= HEADER_BYTES as u64);
    let mut reader = match SegmentReader::open(storage, path, &header, promise, known) {
        // Its header was never finished, and rows only follow one that is synced.
        Err(LogError::Damaged(damage)) if promise == Promise::AtLeast(0) && is_empty => {
            seen.notes.push(damage);
            return Ok(());
        }
        other => other?,
    };
    let mut steps: Vec<Committed> = Vec::new();
    while let Some(mut step) = reader.next()? {
        if promise != Promise::AtLeast(entry.bytes) {
            // Only what is written again is needed as it is.
            step.output = Vec::new();
        }
        steps.push(step);
    }
    seen.notes.extend(reader.torn.take());
    let evidence = steps.iter().map(|step| step.stored.synced_bytes).max();
    let certain = match promise {
        Promise::Exactly(_) | Promise::Whole => u64::MAX,
        Promise::AtLeast(bytes) => bytes.max(evidence.unwrap_or(0)),
    };
    let sure = steps.partition_point(|step| step.end <= certain);
    seen.loose = steps.split_off(sure);
    // One without a row that is certain need not be certain itself.
    if let Some(last) = steps.last() {
        let row = &last.stored.row;
        seen.in_force.segments.push(SegmentEntry {
            bytes: last.end,
            before,
            last: (row.totals, row.epoch),
            ..entry
        });
    }
    seen.rows
        .extend(steps.into_iter().map(|step| step.stored.row));
    let loose = seen.loose.iter().map(|step| step.stored.row.clone());
    seen.rows.extend(loose);
    Ok(())
}

/// A snapshot that is whole, read.
pub(super) struct Whole {
    pub entry: SnapshotEntry,
    pub totals: Totals,
    pub parts: Vec<Part>,
}

/// The newest snapshot that is whole; those that are damaged are noted, and are no longer in force.
pub(super) fn newest_snapshot<S: Storage>(
    storage: &S,
    dir: &Path,
    seen: &mut Seen,
) -> Result<Option<Whole>, LogError> {
    while let Some(entry) = seen.in_force.snapshots.last().copied() {
        match read_snapshot(storage, dir, &entry, seen.config) {
            Ok(whole) => return Ok(Some(whole)),
            Err(LogError::Damaged(damage)) => {
                seen.notes.push(damage);
                seen.in_force.snapshots.pop();
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Reads a snapshot, which must be the one that a manifest names.
pub(super) fn read_snapshot<S: Storage>(
    storage: &S,
    dir: &Path,
    entry: &SnapshotEntry,
    config: u128,
) -> Result<Whole, LogError> {
    let path = dir.join(entry.name());
    let header = Header {
        kind: FileKind::Snapshot,
        generation: entry.generation,
        sequence: entry.number,
        config,
    };
    let (parts, closing) = snapshot::read(storage, path.clone(), &header)?;
    if closing.epoch != entry.epoch || storage.length(&path)? != entry.bytes {
        return Err(LogError::Damaged(Damage {
            path,
            offset: 0,
            fault: Fault::Nonsense("it was not the snapshot that the manifest named"),
        }));
    }
    Ok(Whole {
        entry: *entry,
        totals: closing.totals,
        parts,
    })
}
