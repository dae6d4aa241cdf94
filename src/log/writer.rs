//! Writing: groups of rows, snapshots, manifests, and what is no longer needed.
//!
//! The order of the steps is the protocol's ([`super`]); each method is one of its paragraphs. The first
//! failure is the last thing that a writer does: whatever it is asked afterwards, it says so again.
//! Before anything is made to count, the folder is looked at for a newer claim.
//!
//! Cost: a group is one append and one sync; a manifest two syncs more; a look at the folder some 10 µs.

use super::error::LogError;
use super::frame::{FileKind, HEADER_BYTES, Header};
use super::manifest::{Manifest, SegmentEntry, SnapshotEntry};
use super::names::{Name, UNFINISHED};
use super::outlet::Outlet;
use super::recover::{names, newest_claim};
use super::segment::{Stored, push_step};
use super::snapshot::{Closing, push_closing, push_part};
use super::storage::{AppendFile, Storage};
use super::{Epoch, Generation, Part, Row, Totals};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Bytes of a snapshot that are appended, and synced, at a time.
const APPEND_BYTES: usize = 1 << 20;

/// The one who writes to a state folder.
pub struct Writer<S: Storage> {
    pub(super) storage: S,
    pub(super) dir: PathBuf,
    pub(super) generation: Generation,
    pub(super) config: u128,
    pub(super) segment_bytes_max: u64,
    pub(super) manifest: Manifest,
    /// What the manifest before names, which is kept as well.
    pub(super) named_before: BTreeSet<String>,
    pub(super) next_manifest: u64,
    pub(super) segment: Option<Segment<S::File>>,
    pub(super) outlet: Option<Outlet<S>>,
    snapshot: Option<Unfinished<S::File>>,
    next_snapshot: u64,
    pub(super) next_rules: u64,
    /// Where a copy of the rules goes, if it goes anywhere.
    pub(super) rules_copy: Option<PathBuf>,
    /// What a group is put together in.
    room: Vec<u8>,
    failed: Option<String>,
}

/// The segment that is being written.
pub(super) struct Segment<F> {
    file: F,
    identity: u64,
    bytes: u64,
}

/// A snapshot that is being written.
struct Unfinished<F> {
    file: F,
    number: u64,
    identity: u64,
    /// Bytes appended, and those that wait to be.
    bytes: u64,
    waiting: Vec<u8>,
    closing: Closing,
}

impl<S: Storage> Writer<S> {
    /// A writer of a generation that goes on from what is in force; it has no segment yet.
    pub(super) fn new(
        (storage, dir): (S, &Path),
        (generation, config): (Generation, u128),
        manifest: Manifest,
        segment_bytes_max: u64,
    ) -> Writer<S> {
        Writer {
            storage,
            dir: dir.to_owned(),
            generation,
            config,
            segment_bytes_max,
            manifest,
            named_before: BTreeSet::new(),
            next_manifest: 0,
            segment: None,
            outlet: None,
            snapshot: None,
            next_snapshot: 0,
            next_rules: 0,
            rules_copy: None,
            room: Vec::new(),
            failed: None,
        }
    }

    /// The generation that this process claimed.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Commits steps, each with the output since the step before, in one append and one sync; the outlet
    /// gets the bytes after that.
    ///
    /// # Errors
    /// [`LogError`]; the writer is of no use then.
    ///
    /// # Panics
    /// If rows do not follow each other.
    pub fn commit(&mut self, group: &[(Row, Vec<u8>)]) -> Result<(), LogError> {
        self.guarded(|writer| {
            writer.check_claim()?;
            writer.append_group(group)?;
            if let Some(outlet) = &mut writer.outlet {
                outlet.check(&writer.storage)?;
                for (_, output) in group {
                    outlet.append(output)?;
                }
            }
            Ok(())
        })
    }

    pub(super) fn append_group(&mut self, group: &[(Row, Vec<u8>)]) -> Result<(), LogError> {
        let full = |segment: &Segment<S::File>| segment.bytes >= self.segment_bytes_max;
        if self.segment.as_ref().is_none_or(full) {
            self.next_segment()?;
        }
        let (Some(segment), Some(entry)) = (&mut self.segment, self.manifest.segments.last_mut())
        else {
            unreachable!("a segment has just been begun");
        };
        let mut bytes = std::mem::take(&mut self.room);
        bytes.clear();
        for (row, output) in group {
            let (before, epoch) = entry.last;
            assert!(
                row.epoch > epoch || before == Totals::default(),
                "epochs ascend"
            );
            assert_eq!(
                row.totals.bytes,
                before.bytes + output.len() as u64,
                "totals add up"
            );
            let stored = Stored {
                row: row.clone(),
                output_bytes: output.len() as u64,
                synced_bytes: segment.bytes,
            };
            let place = (segment.identity, segment.bytes + bytes.len() as u64);
            push_step(&mut bytes, place, output, &stored);
            entry.last = (row.totals, row.epoch);
        }
        segment.file.append(&bytes)?;
        segment.file.sync()?;
        segment.bytes += bytes.len() as u64;
        entry.bytes = segment.bytes;
        self.room = bytes;
        Ok(())
    }

    /// Begins the next segment: on the disk, header and name, before anything counts on it.
    pub(super) fn next_segment(&mut self) -> Result<(), LogError> {
        let last = self.manifest.segments.last();
        let number = last.map_or(0, |entry| match entry.generation == self.generation {
            true => entry.number + 1,
            false => 0,
        });
        let before = self.manifest.end();
        let header = self.header(FileKind::Segment, number);
        let entry = SegmentEntry {
            generation: self.generation,
            number,
            bytes: HEADER_BYTES as u64,
            before,
            last: before,
        };
        let mut file = self.storage.create(&self.dir.join(entry.name()))?;
        file.append(&header.encode())?;
        file.sync()?;
        self.storage.sync_folder(&self.dir)?;
        self.manifest.segments.push(entry);
        self.segment = Some(Segment {
            file,
            identity: header.identity(),
            bytes: HEADER_BYTES as u64,
        });
        Ok(())
    }

    /// Begins a snapshot, aside.
    ///
    /// # Errors
    /// [`LogError`]; the writer is of no use then.
    pub fn begin_snapshot(&mut self) -> Result<(), LogError> {
        self.guarded(|writer| {
            writer.check_claim()?;
            let number = writer.next_snapshot;
            writer.next_snapshot += 1;
            let header = writer.header(FileKind::Snapshot, number);
            writer.snapshot = Some(Unfinished {
                file: writer.storage.create(&writer.aside(number))?,
                number,
                identity: header.identity(),
                bytes: 0,
                waiting: header.encode().to_vec(),
                closing: Closing::default(),
            });
            Ok(())
        })
    }

    /// Adds a part to the snapshot that was begun; nothing is done if none was.
    ///
    /// # Errors
    /// [`LogError`]; the writer is of no use then.
    pub fn put_part(&mut self, part: &Part) -> Result<(), LogError> {
        self.guarded(|writer| {
            let Some(snapshot) = &mut writer.snapshot else {
                return Ok(());
            };
            let place = snapshot.bytes + snapshot.waiting.len() as u64;
            push_part(&mut snapshot.waiting, (snapshot.identity, place), part);
            snapshot.closing.parts += 1;
            snapshot.closing.state_bytes += part.bytes.len() as u64;
            if snapshot.waiting.len() >= APPEND_BYTES {
                snapshot.flush()?;
                // Synced in one go at its end, it would hold up the commits behind it for as long.
                snapshot.file.sync()?;
            }
            Ok(())
        })
    }

    /// Closes the snapshot, puts it in force, and removes what is no longer needed. `totals` is all
    /// output before `epoch`, which must have been committed.
    ///
    /// # Errors
    /// [`LogError`]; the writer is of no use then.
    pub fn finish_snapshot(&mut self, epoch: Epoch, totals: Totals) -> Result<(), LogError> {
        self.guarded(|writer| {
            let Some(mut snapshot) = writer.snapshot.take() else {
                return Ok(());
            };
            let (committed, _) = writer.manifest.end();
            assert!(
                totals.bytes <= committed.bytes,
                "a snapshot's output is committed"
            );
            let place = snapshot.bytes + snapshot.waiting.len() as u64;
            (snapshot.closing.epoch, snapshot.closing.totals) = (epoch, totals);
            push_closing(
                &mut snapshot.waiting,
                (snapshot.identity, place),
                &snapshot.closing,
            );
            snapshot.flush()?;
            snapshot.file.sync()?;
            let entry = SnapshotEntry {
                generation: writer.generation,
                number: snapshot.number,
                bytes: snapshot.bytes,
                epoch,
            };
            let aside = writer.aside(snapshot.number);
            writer.check_claim()?;
            writer
                .storage
                .rename(&aside, &writer.dir.join(entry.name()))?;
            writer.storage.sync_folder(&writer.dir)?;
            writer.manifest.snapshots.push(entry);
            let spare = writer.manifest.snapshots.len().saturating_sub(2);
            writer.manifest.snapshots.drain(..spare);
            writer.write_manifest()?;
            writer.sweep()
        })
    }

    /// The log is over, if `finished`, or the run is asked to end: everything is put in its place.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn close(mut self, finished: bool) -> Result<(), LogError> {
        self.guarded(|writer| {
            writer.snapshot = None;
            writer.manifest.finished = finished;
            writer.write_manifest()?;
            writer.sweep()
        })
    }

    /// Writes what is in force aside and puts it in place. The outlet is synced first, so that what the
    /// manifest says of it is true.
    pub(super) fn write_manifest(&mut self) -> Result<(), LogError> {
        if let Some(outlet) = &mut self.outlet {
            outlet.check(&self.storage)?;
            self.manifest.released_bytes = outlet.sync()?;
        }
        self.drop_segments();
        let number = self.next_manifest;
        self.next_manifest += 1;
        let header = self.header(FileKind::Manifest, number);
        let name = Name::File(FileKind::Manifest, self.generation, number).text();
        let aside = self.dir.join(format!("{name}{UNFINISHED}"));
        let mut file = self.storage.create(&aside)?;
        file.append(&self.manifest.encode(&header))?;
        file.sync()?;
        self.check_claim()?;
        self.storage.rename(&aside, &self.dir.join(name))?;
        self.storage.sync_folder(&self.dir)?;
        Ok(())
    }

    /// Segments are dropped that lie before every snapshot and that the outlet has for certain.
    fn drop_segments(&mut self) {
        let (oldest, released) = (
            self.manifest.snapshots.first(),
            self.manifest.released_bytes,
        );
        let Some(oldest) = oldest.map(|snapshot| snapshot.epoch) else {
            return;
        };
        let taken = |bytes: u64| self.outlet.is_none() || bytes <= released;
        let spare = |entry: &SegmentEntry| entry.last.1 <= oldest && taken(entry.last.0.bytes);
        let count = self.manifest.segments.len();
        let spare = self.manifest.segments[..count.saturating_sub(1)]
            .iter()
            .take_while(|entry| spare(entry))
            .count();
        if let Some(last) = self.manifest.segments.drain(..spare).next_back() {
            self.manifest.base = last.last;
        }
    }

    /// Removes files of ours that neither the manifest in force nor the one before names.
    pub(super) fn sweep(&mut self) -> Result<(), LogError> {
        let named = self.named();
        for name in self.storage.names(&self.dir)? {
            let whole = name.strip_suffix(UNFINISHED).unwrap_or(&name);
            let Some(known) = Name::parse(whole) else {
                continue;
            };
            let is_now = self.snapshot.as_ref().is_some_and(|snapshot| {
                known == Name::File(FileKind::Snapshot, self.generation, snapshot.number)
            });
            let is_kept = named.contains(&name) || self.named_before.contains(&name) || is_now;
            if known.generation() <= self.generation && !is_kept {
                self.storage.remove(&self.dir.join(&name))?;
            }
        }
        self.named_before = named;
        Ok(())
    }

    /// The names of what is in force, the claim and the manifest among them.
    pub(super) fn named(&self) -> BTreeSet<String> {
        let newest = self.next_manifest.saturating_sub(1);
        let manifest = Name::File(FileKind::Manifest, self.generation, newest).text();
        let snapshots = self.manifest.snapshots.iter().map(SnapshotEntry::name);
        let segments = self.manifest.segments.iter().map(SegmentEntry::name);
        let own = [Name::Claim(self.generation).text(), manifest];
        let rules = self.next_rules.checked_sub(1);
        let rules = rules.map(|newest| Name::File(FileKind::Rules, self.generation, newest).text());
        snapshots.chain(segments).chain(own).chain(rules).collect()
    }

    /// Ends here if a successor has claimed the folder.
    pub(super) fn check_claim(&self) -> Result<(), LogError> {
        let newest = newest_claim(&names(&self.storage, &self.dir)?);
        if newest > self.generation {
            return Err(LogError::Fenced {
                own: self.generation,
                newest,
            });
        }
        Ok(())
    }

    fn header(&self, kind: FileKind, sequence: u64) -> Header {
        Header {
            kind,
            generation: self.generation,
            sequence,
            config: self.config,
        }
    }

    fn aside(&self, number: u64) -> PathBuf {
        let name = Name::File(FileKind::Snapshot, self.generation, number).text();
        self.dir.join(format!("{name}{UNFINISHED}"))
    }

    /// Does something unless something failed before.
    pub(super) fn guarded(
        &mut self,
        act: impl FnOnce(&mut Writer<S>) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        if let Some(first) = &self.failed {
            return Err(LogError::Failed {
                first: first.clone(),
            });
        }
        let done = act(self);
        if let Err(error) = &done {
            self.failed = Some(error.to_string());
        }
        done
    }
}

impl<F: AppendFile> Unfinished<F> {
    fn flush(&mut self) -> Result<(), LogError> {
        self.file.append(&self.waiting)?;
        self.bytes += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}
