//! Reading a lane while it is being written.
//!
//! A lane that is not there yet is waited for. The head is looked at, what it says may be read is read,
//! and then its clock holds; if nothing is new, the reading thread sleeps for a moment. A head that nobody
//! moves any more is moved on here ([`super::stand_in`]). Such a lane never ends: the run does.
//!
//! Invariant: the events are those that reading the finished file would give, at any time a prefix of
//! them. Cost: a look at the head, some 5 µs, between naps ([`super::naps`]).

use super::head::Head;
use super::known;
use super::naps::Naps;
use super::stand_in::StandIn;
use crate::event::{ArrivalMs, Batch, Lane, Reject};
use crate::flow::failure;
use crate::format::mark::LaneMark;
use crate::format::{FormatName, InputError, LaneOptions, LaneRead, LaneReader, LaneTally, Source};
use crate::log::disk::Disk;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a lane may be without a head before that is said.
const PATIENCE: Duration = Duration::from_secs(2);

/// A lane that is still being written.
pub struct FollowedLane {
    path: PathBuf,
    reader: LaneReader,
    /// Bytes that may be read.
    limit: Arc<AtomicU64>,
    clock_ms: u64,
    /// Since when a head is waited for, until one has come or its want has been said.
    headless: Option<Instant>,
    naps: Naps,
    stand_in: StandIn,
}

impl FollowedLane {
    /// A lane at a path, whether or not it is there yet.
    ///
    /// # Errors
    /// [`InputError`] for options that a lane cannot be read by.
    pub fn open(
        path: &Path,
        lane: Lane,
        options: &LaneOptions,
    ) -> Result<FollowedLane, InputError> {
        let limit = Arc::<AtomicU64>::default();
        let options = LaneOptions {
            format: Some(FormatName::RestageJsonl),
            mapping: None,
            ..options.clone()
        };
        let text = UpTo {
            path: path.to_owned(),
            file: None,
            at: 0,
            limit: Arc::clone(&limit),
        };
        let name = path.display().to_string();
        let reader = LaneReader::over(&name, Box::new(text), lane, &options)?;
        Ok(FollowedLane {
            path: path.to_owned(),
            reader,
            limit,
            clock_ms: 0,
            headless: Some(Instant::now()),
            naps: Naps::default(),
            stand_in: StandIn::of(path),
        })
    }

    fn look(&mut self) -> Result<Head, InputError> {
        let head = Head::read(&Disk, &self.path);
        let head = head.map_err(|error| InputError::Open {
            path: error.path.display().to_string(),
            source: error.source,
        })?;
        if head.is_some() {
            self.headless = None;
        } else if self
            .headless
            .take_if(|since| since.elapsed() > PATIENCE)
            .is_some()
        {
            self.say_headless();
        }
        let head = self.stand_in.look(head, Instant::now());
        Ok(head.unwrap_or_default())
    }

    /// What is waited for would otherwise be anybody's guess.
    fn say_headless(&self) {
        let (lane, head) = (self.path.display(), Head::path_of(&self.path));
        failure::say(&format!(
            "restage: {lane}: waiting for {}, which says how far the lane may be read; `restage collect` writes both, and `restage replay` reads a log that is no lane",
            head.display()
        ));
    }
}

impl LaneRead for FollowedLane {
    fn fill(
        &mut self,
        batch: &mut Batch,
        rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError> {
        let head = self.look()?;
        self.limit.fetch_max(head.synced_bytes, Ordering::Relaxed);
        let before = (batch.len(), rejects.len());
        if self.reader.fill(batch, rejects, events_max)? {
            // There is more.
            self.clock_ms = self.clock_ms.max(self.reader.clock().0);
            return Ok(true);
        }
        self.reader.again();
        let now_ms = self.reader.clock().0.max(head.clock_ms);
        if before != (batch.len(), rejects.len()) {
            self.naps.end();
        } else if now_ms == self.clock_ms {
            self.naps.nap();
        }
        self.clock_ms = self.clock_ms.max(now_ms);
        Ok(true)
    }

    fn clock(&self) -> ArrivalMs {
        ArrivalMs(self.clock_ms)
    }

    fn format(&self) -> FormatName {
        self.reader.format()
    }

    fn tally(&self) -> &LaneTally {
        self.reader.tally()
    }

    /// It has no end.
    fn bytes_total(&self) -> Option<u64> {
        None
    }

    fn bytes_read(&self) -> u64 {
        self.reader.bytes_read()
    }

    fn mark(&self) -> Option<LaneMark> {
        self.reader.mark()
    }

    fn go_on(&mut self, _source: &Source, mark: &LaneMark) -> Result<(), InputError> {
        known::check(&self.path, mark)?;
        let text = UpTo {
            path: self.path.clone(),
            file: None,
            at: mark.offset,
            limit: Arc::clone(&self.limit),
        };
        self.reader.read_on(Box::new(text), mark)
    }
}

/// A file up to a limit, which moves on. It ends there until then, and where there is no file yet.
struct UpTo {
    path: PathBuf,
    file: Option<File>,
    at: u64,
    limit: Arc<AtomicU64>,
}

impl Read for UpTo {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let room = self.limit.load(Ordering::Relaxed).saturating_sub(self.at);
        let most = into.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = File::open(&self.path)?;
                file.seek(SeekFrom::Start(self.at))?;
                none.insert(file)
            }
        };
        let got = file.read(&mut into[..most])?;
        if got == 0 {
            let what = "the lane is shorter than its head says";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        self.at += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::LaneWriter;
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn line(number: u64) -> Vec<u8> {
        let line = format!(",\"event_ms\":{NOW},\"visitor\":\"v{number}\",\"kind\":\"search\"}}\n");
        line.into_bytes()
    }

    fn arrivals(batch: &Batch) -> Vec<u64> {
        batch.events().iter().map(|event| event.arrival.0).collect()
    }

    #[test]
    fn what_is_published_is_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.jsonl");
        let options = LaneOptions::default();
        let mut lane = FollowedLane::open(&path, Lane(0), &options).unwrap();
        let (mut batch, mut rejects) = (Batch::default(), Vec::new());
        assert!(lane.fill(&mut batch, &mut rejects, 100).unwrap(), "waits");
        assert_eq!((batch.len(), lane.clock().0), (0, 0));

        let mut writer = LaneWriter::open(Disk, &path).unwrap();
        for number in 0..5 {
            writer.append([&line(number)[..]], NOW + number).unwrap();
        }
        // Behind what is synced: another process is about to.
        let mut file = File::options().append(true).open(&path).unwrap();
        io::Write::write_all(&mut file, b"{\"arrival_ms\":17").unwrap();
        let mut seen = Vec::new();
        for _ in 0..8 {
            batch.clear();
            assert!(lane.fill(&mut batch, &mut rejects, 2).unwrap());
            seen.extend(arrivals(&batch));
        }
        assert_eq!(seen, (NOW..NOW + 5).collect::<Vec<_>>());
        assert_eq!((lane.clock().0, rejects.len()), (NOW + 5, 0));

        writer.tick(NOW + 700).unwrap();
        lane.fill(&mut batch, &mut rejects, 100).unwrap();
        assert_eq!((batch.len(), lane.clock().0), (0, NOW + 700));
    }

    #[test]
    fn another_reader_goes_on_from_a_mark() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.jsonl");
        let options = LaneOptions::default();
        let mut writer = LaneWriter::open(Disk, &path).unwrap();
        let mut whole = FollowedLane::open(&path, Lane(0), &options).unwrap();
        let (mut batch, mut rejects) = (Batch::default(), Vec::new());
        for number in 0..20 {
            writer.append([&line(number)[..]], NOW + number).unwrap();
            whole.fill(&mut batch, &mut rejects, 100).unwrap();
            let mark = whole.mark().unwrap();
            let mut other = FollowedLane::open(&path, Lane(0), &options).unwrap();
            other.go_on(&Source::parse(&path), &mark).unwrap();
            let mut rest = Batch::default();
            other.fill(&mut rest, &mut rejects, 100).unwrap();
            assert_eq!((rest.len(), other.clock()), (0, whole.clock()));
            writer.append([&line(99)[..]], NOW + number).unwrap();
            other.fill(&mut rest, &mut rejects, 100).unwrap();
            assert_eq!(rest.len(), 1);
            assert_eq!(other.tally().lines, 2 * number + 2);
        }
    }
}
