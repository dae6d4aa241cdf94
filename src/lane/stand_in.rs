//! Standing in for a collector that is gone, so that its lane does not hold up the others.
//!
//! A head that has not moved for [`STILL`], with a lock that is free, belongs to a writer that has ended.
//! Whoever reads the lane then takes the lock for a moment and does what the next writer would do at its
//! start: settles the end of the lane, and moves the clock on to now. So there is one promise and one place
//! of it, the head, and a collector that comes back begins behind it. *A reader that just went on without
//! the lane could close a time in which lines lie that were taken, but not published.*
//!
//! Where the lock cannot be had, or was taken under another kernel, the lane stands until its writer is
//! back. What is decided does not depend on any of this: a clock is a promise, and no event.
//!
//! Cost: nothing while the head moves; a lock, a look and a head every [`STEP`] while it is stood in for.

use super::head::Head;
use super::lock::LaneLock;
use super::writer::LaneWriter;
use crate::collect::committer::now_ms;
use crate::flow::failure;
use crate::log::disk::Disk;
use crate::log::storage::Storage;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a head stands still before its writer may be gone: a writer moves it every 5 ms.
const STILL: Duration = Duration::from_secs(2);
/// How often the clock goes on without its writer.
const STEP: Duration = Duration::from_millis(25);

/// Stands in for the writer of a lane, when there is none.
pub struct StandIn {
    lane: PathBuf,
    head: Head,
    moved: Instant,
    /// Since the head was moved here last; none while the lane has a writer.
    stepped: Option<Instant>,
    /// Whether it was said that the end of the lane cannot be settled.
    has_failed: bool,
}

impl StandIn {
    /// For a lane.
    pub fn of(lane: &Path) -> StandIn {
        StandIn {
            lane: lane.to_owned(),
            head: Head::default(),
            moved: Instant::now(),
            stepped: None,
            has_failed: false,
        }
    }

    /// Where the head stands, which has just been read; moved on, if nobody else does that any more.
    pub fn look(&mut self, head: Option<Head>, now: Instant) -> Option<Head> {
        let is_still = head.is_none_or(|head| head == self.head);
        if !is_still {
            self.head = head.unwrap_or_default();
            self.moved = now;
            if self.stepped.take().is_some() {
                self.say("a collector writes it again");
            }
            return head;
        }
        let is_due = match self.stepped {
            Some(stepped) => now.duration_since(stepped) >= STEP,
            None => now.duration_since(self.moved) >= STILL,
        };
        if !is_due {
            return head;
        }
        match self.step() {
            Ok(Some(moved)) => {
                if self.stepped.is_none() {
                    self.say("its collector is gone; the clock goes on without it");
                }
                (self.head, self.moved, self.stepped) = (moved, now, Some(now));
                Some(moved)
            }
            // Somebody has it, if only to look, or it is not ours to take: tried again after a while.
            Ok(None) => {
                self.moved = now;
                self.stepped = self.stepped.map(|_| now);
                head
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    let error = failure::chain(&*error);
                    self.say(&format!(
                        "its collector is gone, and its clock stands: {error}"
                    ));
                }
                (self.moved, self.stepped) = (now, None);
                head
            }
        }
    }

    /// Moves the head on, under the lock.
    fn step(&self) -> Result<Option<Head>, Box<dyn std::error::Error>> {
        let Some(_lock) = LaneLock::of_the_gone(&self.lane)? else {
            return Ok(None);
        };
        let head = Head::read(&Disk, &self.lane)?.unwrap_or_default();
        if Disk.length(&self.lane)? != head.synced_bytes {
            let mut writer = LaneWriter::open(Disk, &self.lane)?;
            writer.tick(now_ms())?;
            return Ok(Some(writer.head()));
        }
        let head = Head {
            clock_ms: head.clock_ms.max(now_ms()),
            ..head
        };
        head.publish(&Disk, &self.lane)?;
        Ok(Some(head))
    }

    fn say(&self, what: &str) {
        failure::say(&format!("restage: {}: {what}", self.lane.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::lock::tests::moved;
    use super::*;
    use std::io::Write;

    const NOW: u64 = 1_700_000_000_000;
    const LINE: &[u8] = b",\"event_ms\":1700000000000,\"visitor\":\"v\",\"kind\":\"search\"}\n";

    fn head(lane: &Path) -> Option<Head> {
        Head::read(&Disk, lane).unwrap()
    }

    #[test]
    fn a_writer_that_lives_is_never_stood_in_for_and_one_that_is_gone_is() {
        let dir = tempfile::tempdir().unwrap();
        let lane = dir.path().join("0.jsonl");
        let begin = Instant::now();
        let late = begin + STILL * 2;
        let mut stand_in = StandIn::of(&lane);
        assert_eq!(stand_in.look(head(&lane), late), None, "no lane is made");
        assert!(!lane.exists());

        let lock = LaneLock::take(&lane).unwrap().unwrap();
        let mut writer = LaneWriter::open(Disk, &lane).unwrap();
        writer.append([LINE], NOW).unwrap();
        let left = writer.head();
        assert_eq!(stand_in.look(head(&lane), begin), Some(left));
        assert_eq!(stand_in.look(head(&lane), late), Some(left), "it is silent");
        drop((writer, lock));
        assert_eq!(stand_in.look(head(&lane), late), Some(left), "just looked");
        let later = late + STILL;
        let taken = stand_in.look(head(&lane), later).unwrap();
        assert!(taken.clock_ms > NOW && taken.synced_bytes == left.synced_bytes);
        assert_eq!(head(&lane), Some(taken));

        // Whoever comes back stamps nothing before it.
        let lock = LaneLock::take(&lane).unwrap().unwrap();
        let mut writer = LaneWriter::open(Disk, &lane).unwrap();
        let arrival = writer.append([LINE], NOW).unwrap();
        assert!(arrival.0 >= taken.clock_ms);
        let now = later + STEP * 2;
        assert_eq!(stand_in.look(head(&lane), now), Some(writer.head()));
        drop((writer, lock));
        moved(&lane);
        let left = head(&lane);
        assert_eq!(
            stand_in.look(left, now + STILL * 2),
            left,
            "taken elsewhere"
        );
    }

    #[test]
    fn lines_that_were_never_published_come_before_the_clock_that_is_moved_on() {
        let dir = tempfile::tempdir().unwrap();
        let lane = dir.path().join("0.jsonl");
        let lock = LaneLock::take(&lane).unwrap().unwrap();
        let mut writer = LaneWriter::open(Disk, &lane).unwrap();
        writer.append([LINE], NOW).unwrap();
        let left = writer.head();
        writer.append([LINE], NOW + 7).unwrap();
        let whole = writer.head().synced_bytes;
        drop((writer, lock));
        // It was killed between the sync and the head, and within the next line.
        left.publish(&Disk, &lane).unwrap();
        let mut file = std::fs::File::options().append(true).open(&lane).unwrap();
        file.write_all(b"{\"arrival_ms\":17").unwrap();
        let mut stand_in = StandIn::of(&lane);
        let begin = Instant::now();
        stand_in.look(head(&lane), begin);
        let taken = stand_in.look(head(&lane), begin + STILL).unwrap();
        assert_eq!(taken.synced_bytes, whole);
        assert_eq!(std::fs::metadata(&lane).unwrap().len(), whole);
    }
}
