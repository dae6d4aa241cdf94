//! The writer of a lane; see [`super`] for the protocol.
//!
//! Lines come without their arrival, which is stamped here, a group at a time: `{"arrival_ms":` and the
//! time are put before each. What cannot be appended for want of room is refused and cut off again, and
//! the lane goes on; a sync that failed is final.

use super::head::Head;
use crate::event::ArrivalMs;
use crate::log::storage::{AppendFile, Storage, StorageError};
use std::path::{Path, PathBuf};

/// Bytes of a lane that are looked at together when it is opened: more than any line has.
const PIECE_BYTES: usize = 256 << 10;

/// What went wrong with a lane.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The file holds something else.
    #[error("{} is not a lane: its first line has no arrival", path.display())]
    NoLane {
        /// The file.
        path: PathBuf,
    },
    /// The file was cut by somebody else.
    #[error("{} is shorter than the {bytes} bytes that were in it", path.display())]
    Shorter {
        /// The file.
        path: PathBuf,
        /// Bytes that were in it.
        bytes: u64,
    },
    /// There was no room; the lane is as it was, and may be written to again.
    #[error("what came could not be written: {0}")]
    Refused(StorageError),
}

/// The one who writes to a lane.
pub struct LaneWriter<S: Storage> {
    storage: S,
    path: PathBuf,
    file: S::File,
    head: Head,
    /// What a group is put together in.
    room: Vec<u8>,
}

impl<S: Storage> LaneWriter<S> {
    /// Opens a lane, which is made if it is not there, cuts off a torn end, and says so far it may be read.
    ///
    /// # Errors
    /// [`LaneError`]: the disk, or a file that is no lane.
    pub fn open(storage: S, path: &Path) -> Result<LaneWriter<S>, LaneError> {
        if !storage_has(&storage, path)? {
            let folder_of = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
            let folder = folder_of(path);
            storage.create_folder(&folder)?;
            storage.sync_folder(&folder_of(&folder))?;
            storage.create(path)?;
            storage.sync_folder(&folder)?;
        }
        let said = Head::read(&storage, path)?.unwrap_or_default();
        let head = whole_lines(&storage, path, said)?;
        if head.synced_bytes == 0 && storage.length(path)? > 0 && !is_torn(&storage, path)? {
            return Err(LaneError::NoLane {
                path: path.to_owned(),
            });
        }
        let mut file = storage.reopen(path, head.synced_bytes)?;
        file.cut()?;
        // What stood there may never have been synced: from now on it counts.
        file.sync()?;
        head.publish(&storage, path)?;
        Ok(LaneWriter {
            storage,
            path: path.to_owned(),
            file,
            head,
            room: Vec::new(),
        })
    }

    /// How far the lane may be read.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Appends lines, each without its arrival and ended by a line feed, at `now_ms` or as soon after as
    /// the clock allows; returns their arrival. They would survive a power cut.
    ///
    /// # Errors
    /// [`LaneError::Refused`] if there is no room for them; any other error is final.
    pub fn append<'a>(
        &mut self,
        groups: impl IntoIterator<Item = &'a [u8]>,
        now_ms: u64,
    ) -> Result<ArrivalMs, LaneError> {
        let arrival_ms = self.head.clock_ms.max(now_ms);
        let stamp = format!("{{\"arrival_ms\":{arrival_ms}");
        self.room.clear();
        for lines in groups {
            for line in lines.split_inclusive(|&byte| byte == b'\n') {
                debug_assert!(line.ends_with(b"\n"), "whole lines");
                self.room.extend_from_slice(stamp.as_bytes());
                self.room.extend_from_slice(line);
            }
        }
        if let Err(error) = self.file.append(&self.room) {
            self.file = self.storage.reopen(&self.path, self.head.synced_bytes)?;
            self.file.cut()?;
            return Err(LaneError::Refused(error));
        }
        self.file.sync()?;
        self.head = Head {
            synced_bytes: self.head.synced_bytes + self.room.len() as u64,
            clock_ms: arrival_ms + 1,
        };
        self.head.publish(&self.storage, &self.path)?;
        Ok(ArrivalMs(arrival_ms))
    }

    /// Nothing came: the clock goes on.
    ///
    /// # Errors
    /// The disk.
    pub fn tick(&mut self, now_ms: u64) -> Result<(), LaneError> {
        if now_ms > self.head.clock_ms {
            self.head.clock_ms = now_ms;
            self.head.publish(&self.storage, &self.path)?;
        }
        Ok(())
    }
}

fn storage_has<S: Storage>(storage: &S, path: &Path) -> Result<bool, StorageError> {
    match storage.length(path) {
        Ok(_) => Ok(true),
        Err(error) if error.is_missing() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the file may be the torn beginning of a lane: it has the beginning of a line, or zeros.
fn is_torn<S: Storage>(storage: &S, path: &Path) -> Result<bool, StorageError> {
    let mut begin = [0; 14];
    let got = storage.read_at(path, 0, &mut begin)?;
    let stamp = b"{\"arrival_ms\":";
    Ok(begin[..got]
        .iter()
        .zip(stamp)
        .all(|(is, ours)| is == ours || *is == 0))
}

/// Where the last line that is whole ends behind a head, and the clock there.
fn whole_lines<S: Storage>(storage: &S, path: &Path, head: Head) -> Result<Head, LaneError> {
    if storage.length(path)? < head.synced_bytes {
        return Err(LaneError::Shorter {
            path: path.to_owned(),
            bytes: head.synced_bytes,
        });
    }
    let mut whole = head;
    let (mut piece, mut have) = (vec![0; PIECE_BYTES], 0);
    loop {
        let at = whole.synced_bytes + have as u64;
        let got = storage.read_at(path, at, &mut piece[have..])?;
        have += got;
        let mut begin = 0;
        while let Some(length) = memchr::memchr(b'\n', &piece[begin..have]) {
            let Some(arrival_ms) = arrival_of(&piece[begin..begin + length]) else {
                return Ok(whole);
            };
            begin += length + 1;
            whole.synced_bytes += length as u64 + 1;
            whole.clock_ms = whole.clock_ms.max(arrival_ms + 1);
        }
        piece.copy_within(begin..have, 0);
        have -= begin;
        // A line of ours is never as long as the piece.
        if got == 0 || have == piece.len() {
            return Ok(whole);
        }
    }
}

/// The arrival of a line of a lane, in ms; none if it is not whole.
fn arrival_of(line: &[u8]) -> Option<u64> {
    // A block that never reached the disk is full of zeros.
    let text = std::str::from_utf8(line)
        .ok()
        .filter(|text| !text.contains('\0'))?;
    let rest = text.strip_suffix('}')?.strip_prefix("{\"arrival_ms\":")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::{Fault, Memory, Stop};

    const LANE: &str = "lanes/0.jsonl";
    const NOW: u64 = 1_700_000_000_000;

    fn line(visitor: &str) -> Vec<u8> {
        format!(",\"event_ms\":{NOW},\"visitor\":\"{visitor}\",\"kind\":\"search\"}}\n")
            .into_bytes()
    }

    fn text(disk: &Memory) -> String {
        let length = disk.length(Path::new(LANE)).unwrap();
        let mut bytes = vec![0; length as usize];
        let got = disk.read_at(Path::new(LANE), 0, &mut bytes).unwrap();
        String::from_utf8(bytes[..got].to_vec()).unwrap()
    }

    fn opened(disk: &Memory) -> LaneWriter<Memory> {
        LaneWriter::open(disk.clone(), Path::new(LANE)).unwrap()
    }

    #[test]
    fn a_group_has_one_arrival_and_the_clock_never_falls() {
        let disk = Memory::new(7);
        let mut lane = opened(&disk);
        let (a, b) = (line("a"), line("b"));
        assert_eq!(lane.append([&a[..], &b], NOW).unwrap().0, NOW);
        // The wall clock was set back.
        assert_eq!(lane.append([&a[..]], NOW - 500).unwrap().0, NOW + 1);
        lane.tick(NOW - 500).unwrap();
        assert_eq!(lane.head().clock_ms, NOW + 2);
        lane.tick(NOW + 90).unwrap();
        let written = text(&disk);
        let arrivals: Vec<u64> = written
            .lines()
            .map(|line| arrival_of(line.as_bytes()).unwrap())
            .collect();
        assert_eq!(arrivals, [NOW, NOW, NOW + 1]);
        assert_eq!(lane.head().synced_bytes, written.len() as u64);
        drop(lane);
        let lane = opened(&disk);
        assert_eq!(lane.head().clock_ms, NOW + 90, "promises outlive a writer");
    }

    #[test]
    fn what_was_taken_outlives_a_power_cut_at_any_operation() {
        for at in 0..40 {
            let disk = Memory::new(7);
            let mut lane = opened(&disk);
            let before = disk.operations();
            disk.fail_at(before + at, Fault::PowerCut);
            let mut taken = 0;
            for round in 0..10 {
                let lines = line(&format!("v{round}"));
                match lane.append([&lines[..]], NOW + round) {
                    Ok(_) => taken = round + 1,
                    Err(_) => break,
                }
            }
            let promised = lane.head();
            disk.restart(Stop::PowerLost);
            let lane = opened(&disk);
            let written = text(&disk);
            let there = written.lines().count() as u64;
            assert!(there >= taken, "operation {at}: {there} of {taken} lines");
            assert!(written.is_empty() || written.ends_with('\n'));
            assert!(
                lane.head().synced_bytes >= promised.synced_bytes,
                "operation {at}"
            );
            assert!(written.lines().all(|line| line.ends_with('}')));
        }
    }

    #[test]
    fn a_full_disk_refuses_a_group_and_takes_the_next() {
        let disk = Memory::new(7);
        let mut lane = opened(&disk);
        let (a, b) = (line("a"), line("b"));
        lane.append([&a[..]], NOW).unwrap();
        disk.fail_at(disk.operations(), Fault::NoSpace);
        let refused = lane.append([&b[..]], NOW + 5).unwrap_err();
        assert!(matches!(refused, LaneError::Refused(_)), "{refused}");
        lane.append([&a[..]], NOW + 6).unwrap();
        assert_eq!(text(&disk).lines().count(), 2);
        assert!(!text(&disk).contains("\"b\""));
    }

    #[test]
    fn a_file_that_is_no_lane_is_left_alone() {
        let disk = Memory::new(7);
        disk.create_folder(Path::new("lanes")).unwrap();
        let mut file = disk.create(Path::new(LANE)).unwrap();
        file.append(b"event_ms,visitor,kind\n").unwrap();
        let opened = LaneWriter::open(disk.clone(), Path::new(LANE));
        assert!(matches!(opened, Err(LaneError::NoLane { .. })));
        assert_eq!(text(&disk), "event_ms,visitor,kind\n");
    }
}
