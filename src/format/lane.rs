//! A lane: one log as the job sees it, with the rules of time applied, ids hashed, batches filled.
//!
//! A log that runs backwards further than the lateness ends the run where it does. A tolerant lane
//! takes everything in any order and with its times as they are; it is for those who sort a log or
//! report on it.
//!
//! Invariant, but for a tolerant lane: arrivals never fall, no event is later than its arrival,
//! and offsets grow strictly.
//!
//! Cost: a few comparisons and up to five hashes an event; nothing is allocated once a batch has
//! its room.

use std::io::Read;
use std::sync::Arc;

use crate::event::{ArrivalMs, Batch, Carry, Lane, Reason, Reject};

use super::clock::Clock;
use super::intake::Intake;
use super::mark::LaneMark;
use super::{FormatName, InputError, Mapping, RowReader, Source};

/// Rejects after which [`LaneRead::fill`] returns.
pub const REJECTS_MAX: usize = 1024;

/// How a lane is read.
#[derive(Clone, Debug)]
pub struct LaneOptions {
    /// The log's format; detected when absent.
    pub format: Option<FormatName>,
    /// A foreign log's mapping; goes before the format.
    pub mapping: Option<Arc<Mapping>>,
    /// How far time may fall back, and how long after it happened an event may arrive.
    pub lateness_ms: u64,
    /// How far an event time may lie after its arrival.
    pub future_ms: u64,
    /// The texts that events carry besides the visitor's.
    pub carry: Carry,
    /// Takes events in any order and their times as they are.
    pub tolerate_disorder: bool,
}

impl Default for LaneOptions {
    fn default() -> Self {
        LaneOptions {
            format: None,
            mapping: None,
            lateness_ms: 3_600_000,
            future_ms: 600_000,
            carry: Carry::default(),
            tolerate_disorder: false,
        }
    }
}

/// What has been read of a lane so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LaneTally {
    /// Events and rejects.
    pub rows: u64,
    /// Events taken.
    pub accepted: u64,
    /// Rejects by the number of their [`Reason`].
    pub rejected: [u64; Reason::ALL.len()],
    /// Lines without text.
    pub blank_lines: u64,
    /// Physical lines, the header and blank ones included.
    pub lines: u64,
    /// Bytes of text, after decompression.
    pub bytes: u64,
    /// Whether the last line had no line ending.
    pub unterminated: bool,
    /// Whether any row gave an arrival.
    pub has_arrivals: bool,
}

/// A lane that can be read: as it stands, or sorted first.
///
/// # Contract
/// No event comes below the clock as it last stood, and events come in the order of (arrival, lane,
/// offset), but for a tolerant lane.
pub trait LaneRead: Send {
    /// Appends events to `batch` until it holds `events_max` events, `rejects` holds
    /// [`REJECTS_MAX`], or the lane ends; a line of several events is always read whole, so both
    /// may be passed. May also return early. Returns false when the lane has ended.
    ///
    /// # Errors
    /// [`InputError`]. What came before stays in `batch`; after an error the lane has ended.
    fn fill(
        &mut self,
        batch: &mut Batch,
        rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError>;

    /// No later event of this lane has an arrival below this. Always 0 for a tolerant lane.
    fn clock(&self) -> ArrivalMs;

    /// The log's format.
    fn format(&self) -> FormatName;

    /// What has been read so far.
    fn tally(&self) -> &LaneTally;

    /// The log's size on disk; nothing for a pipe.
    fn bytes_total(&self) -> Option<u64>;

    /// Bytes read from the disk so far, for showing progress against the size.
    fn bytes_read(&self) -> u64;

    /// Where the lane stands; nothing for one that cannot be read on from there.
    fn mark(&self) -> Option<LaneMark> {
        None
    }

    /// Goes on from a mark of the same log, having just been opened.
    ///
    /// # Errors
    /// [`InputError`] when the log cannot be read, or is shorter than it was.
    fn go_on(&mut self, source: &Source, mark: &LaneMark) -> Result<(), InputError> {
        let _ = (source, mark);
        unreachable!("a lane without marks has none to go on from")
    }
}

/// Reads one lane as it stands.
pub struct LaneReader {
    rows: RowReader,
    lane: Lane,
    clock: Clock,
    carry: Carry,
    tally: LaneTally,
    ended: bool,
}

impl LaneReader {
    /// Opens a log as a lane.
    ///
    /// # Errors
    /// [`InputError`] when the log cannot be read or is not what it is said to be.
    pub fn open(
        source: &Source,
        lane: Lane,
        options: &LaneOptions,
    ) -> Result<LaneReader, InputError> {
        let rows = RowReader::open(source, options.format, options.mapping.as_ref())?;
        Ok(LaneReader::read(rows, lane, options))
    }

    /// The same over bytes that are already at hand; `name` is what errors call them.
    ///
    /// # Errors
    /// As for [`LaneReader::open`].
    pub fn over(
        name: &str,
        bytes: Box<dyn Read + Send>,
        lane: Lane,
        options: &LaneOptions,
    ) -> Result<LaneReader, InputError> {
        let rows = RowReader::over(name, bytes, options.format, options.mapping.as_ref())?;
        Ok(LaneReader::read(rows, lane, options))
    }

    fn read(rows: RowReader, lane: Lane, options: &LaneOptions) -> LaneReader {
        let mut reader = LaneReader {
            rows,
            lane,
            clock: Clock::new(
                options.lateness_ms,
                options.future_ms,
                options.tolerate_disorder,
            ),
            carry: options.carry,
            tally: LaneTally::default(),
            ended: false,
        };
        reader.count_lines();
        reader
    }

    fn fill_until(
        &mut self,
        batch: &mut Batch,
        rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError> {
        if self.ended {
            return Ok(false);
        }
        let mut intake = Intake::new(
            self.lane,
            self.carry,
            &mut self.clock,
            &mut self.tally,
            batch,
            rejects,
        );
        while intake.batch.len() < events_max && intake.rejects.len() < REJECTS_MAX {
            if !self.rows.next_line(&mut intake)? {
                return Ok(false);
            }
            if let Some(fallen) = intake.fallen {
                return Err(InputError::Backwards {
                    path: self.rows.path().to_owned(),
                    line: intake.line,
                    line_of_max: fallen.line_of_max,
                    jump_ms: fallen.jump_ms,
                    lateness_ms: self.clock.lateness_ms,
                });
            }
        }
        Ok(true)
    }

    /// The log may have grown since it ended.
    pub fn again(&mut self) {
        self.ended = false;
        self.rows.again();
    }

    /// Goes on from a mark, in `input`, which begins there.
    ///
    /// # Errors
    /// [`InputError::Read`].
    pub fn read_on(
        &mut self,
        input: Box<dyn Read + Send>,
        mark: &LaneMark,
    ) -> Result<(), InputError> {
        let place = (mark.offset, mark.lines, mark.tally.blank_lines);
        self.rows.read_on(input, place)?;
        self.went_on(mark);
        Ok(())
    }

    fn went_on(&mut self, mark: &LaneMark) {
        self.clock.go_on((mark.clock_ms, mark.line_of_clock));
        self.tally = mark.tally.clone();
    }

    fn count_lines(&mut self) {
        self.tally.lines = self.rows.lines();
        self.tally.blank_lines = self.rows.blank_lines();
        self.tally.bytes = self.rows.bytes();
        self.tally.unterminated = self.rows.unterminated();
    }
}

impl LaneRead for LaneReader {
    /// Fails with [`InputError::Backwards`] or [`InputError::Read`].
    fn fill(
        &mut self,
        batch: &mut Batch,
        rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError> {
        let result = self.fill_until(batch, rejects, events_max);
        self.ended = !matches!(result, Ok(true));
        self.count_lines();
        result
    }

    fn clock(&self) -> ArrivalMs {
        if self.clock.tolerant {
            ArrivalMs(0)
        } else {
            self.clock.latest()
        }
    }

    fn format(&self) -> FormatName {
        self.rows.format()
    }

    fn tally(&self) -> &LaneTally {
        &self.tally
    }

    fn bytes_total(&self) -> Option<u64> {
        self.rows.bytes_total()
    }

    fn bytes_read(&self) -> u64 {
        self.rows.bytes_read()
    }

    fn mark(&self) -> Option<LaneMark> {
        let (clock_ms, line_of_clock) = self.clock.reached();
        Some(LaneMark {
            offset: self.rows.bytes(),
            lines: self.rows.lines(),
            clock_ms,
            line_of_clock,
            tally: self.tally.clone(),
        })
    }

    fn go_on(&mut self, source: &Source, mark: &LaneMark) -> Result<(), InputError> {
        let place = (mark.offset, mark.lines, mark.tally.blank_lines);
        self.rows.go_on(source, place)?;
        self.went_on(mark);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;
    use crate::event::{Event, Id, Offset, VisitorId};
    use std::path::{Path, PathBuf};

    const T: u64 = 1_600_000_000_000;

    struct Log {
        _dir: tempfile::TempDir,
        path: PathBuf,
    }

    fn log(text: &str) -> Log {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, text).unwrap();
        Log { _dir: dir, path }
    }

    /// A log of rows given as (arrival, event time), in ms after a base time.
    fn timed(rows: &[(Option<u64>, u64)]) -> Log {
        let mut text = "arrival_ms,event_ms,visitor,kind\n".to_owned();
        for (arrival, time) in rows {
            let arrival = arrival.map_or(String::new(), |ms| (T + ms).to_string());
            text += &format!("{arrival},{},v,search\n", T + time);
        }
        log(&text)
    }

    fn open(path: &Path, options: &LaneOptions) -> LaneReader {
        LaneReader::open(&Source::parse(path), Lane(3), options).unwrap()
    }

    fn read(
        path: &Path,
        options: &LaneOptions,
    ) -> Result<(Batch, Vec<Reject>, LaneReader), InputError> {
        let mut reader = open(path, options);
        let (mut batch, mut rejects) = (Batch::default(), Vec::new());
        while reader.fill(&mut batch, &mut rejects, usize::MAX)? {}
        Ok((batch, rejects, reader))
    }

    fn small() -> LaneOptions {
        LaneOptions {
            lateness_ms: 100,
            future_ms: 50,
            ..LaneOptions::default()
        }
    }

    /// (arrival, event time) of all events, in ms after the base time.
    fn times(batch: &Batch) -> Vec<(u64, u64)> {
        let times = |event: &Event| (event.arrival.0 - T, event.time.0 - T);
        batch.events().iter().map(times).collect()
    }

    /// From every line of a log, plain or compressed, the rest is what it would have been.
    #[test]
    fn a_lane_is_read_on_from_any_mark() {
        let text = "arrival_ms,event_ms,visitor,kind\n".to_owned();
        let row = |n: u64| format!("{},{},v{n},search\n", T + n * 7 % 90, T + n);
        let rows: String = (0..200).map(row).collect();
        let text = text + &rows + "\nbad\n" + &row(300);
        let log = log(&text);
        let packed = log.path.with_extension("zst");
        std::fs::write(&packed, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
        for path in [&log.path, &packed] {
            let mut through = open(path, &small());
            let (mut whole, mut rejects) = (Batch::default(), Vec::new());
            let mut marks = vec![(through.mark().unwrap(), 0)];
            loop {
                let next = whole.len() + 1;
                if !through.fill(&mut whole, &mut rejects, next).unwrap() {
                    break;
                }
                marks.push((through.mark().unwrap(), whole.len()));
            }
            assert!(marks.len() > 100 && rejects.len() > 50);
            for (mark, before) in &marks {
                let mut on = open(path, &small());
                on.go_on(&Source::parse(path), mark).unwrap();
                let (mut batch, mut rejects) = (Batch::default(), Vec::new());
                while on.fill(&mut batch, &mut rejects, usize::MAX).unwrap() {}
                assert_eq!(batch.events(), &whole.events()[*before..]);
                assert_eq!(on.tally(), through.tally());
            }
            let mut cut = open(path, &small());
            let behind = LaneMark {
                offset: text.len() as u64 + 1,
                ..LaneMark::default()
            };
            let error = cut.go_on(&Source::parse(path), &behind).unwrap_err();
            assert_eq!(error.exit_code(), 5);
        }
    }

    #[test]
    fn a_log_that_runs_backwards_is_refused_where_it_does() {
        for given in [false, true] {
            let row = |ms| (given.then_some(ms), ms);
            let log = timed(&[row(0), row(500), row(400), row(399), row(600)]);
            let mut reader = open(&log.path, &small());
            let (mut batch, mut rejects) = (Batch::default(), Vec::new());
            let error = reader.fill(&mut batch, &mut rejects, 100).unwrap_err();
            let InputError::Backwards {
                line,
                line_of_max,
                jump_ms,
                lateness_ms,
                ..
            } = error
            else {
                panic!("{error}");
            };
            assert_eq!((line, line_of_max, jump_ms, lateness_ms), (5, 3, 101, 100));
            assert_eq!(batch.len(), 3);
            assert!(matches!(
                reader.fill(&mut batch, &mut rejects, 100),
                Ok(false)
            ));
        }
    }

    #[test]
    fn a_tolerant_lane_takes_times_as_they_are() {
        let log = timed(&[(Some(9000), 5000), (None, 10), (Some(20), 4000)]);
        let options = LaneOptions {
            tolerate_disorder: true,
            ..small()
        };
        let (batch, rejects, reader) = read(&log.path, &options).unwrap();
        assert_eq!(times(&batch), [(9000, 5000), (10, 10), (20, 4000)]);
        assert_eq!((rejects.len(), reader.clock()), (0, ArrivalMs(0)));
    }

    #[test]
    fn events_carry_their_place_their_ids_and_the_texts_asked_for() {
        let text = format!("event_ms,visitor,kind,item,session\r\n{T},ann,item_view,shoe,s\r\n");
        let log = log(&text);
        let (batch, _, _) = read(&log.path, &LaneOptions::default()).unwrap();
        let event = batch.events()[0];
        assert_eq!(
            (event.offset, event.line, event.lane),
            (Offset(36), 2, Lane(3))
        );
        assert_eq!(
            (event.kind, event.visitor),
            (Kind::ItemView, VisitorId::of(b"ann"))
        );
        assert_eq!((event.item, event.session), (Id::of(b"shoe"), Id::of(b"s")));
        let texts = batch.texts(0);
        assert_eq!(
            (texts.visitor, texts.item, texts.session),
            (&b"ann"[..], &b""[..], &b""[..])
        );
        let all = LaneOptions {
            carry: Carry::ALL,
            ..LaneOptions::default()
        };
        let (batch, _, _) = read(&log.path, &all).unwrap();
        assert_eq!(
            (batch.texts(0).item, batch.texts(0).session),
            (&b"shoe"[..], &b"s"[..])
        );
    }

    #[test]
    fn rejects_say_where_and_show_the_row() {
        let long = "x".repeat(70_000);
        let log = log(&format!(
            "event_ms,visitor,kind\n{T},v,hop\n\n{long}\n{T},v,search"
        ));
        let (batch, rejects, reader) = read(&log.path, &LaneOptions::default()).unwrap();
        assert_eq!(batch.len(), 1);
        let places: Vec<_> = rejects
            .iter()
            .map(|r| (r.line, r.offset.0, r.reason))
            .collect();
        assert_eq!(places, [(2, 22, Reason::Kind), (4, 43, Reason::TooLong)]);
        assert_eq!(rejects[0].text, format!("{T},v,hop").as_bytes());
        assert_eq!(rejects[1].text, vec![b'x'; Reject::TEXT_BYTES_MAX]);
        let tally = reader.tally();
        assert_eq!(
            (tally.rows, tally.accepted, tally.lines, tally.blank_lines),
            (3, 1, 5, 1)
        );
        assert_eq!(tally.rejected[Reason::Kind as usize], 1);
        assert_eq!(tally.rejected.iter().sum::<u64>(), 2);
        assert!(tally.unterminated);
        assert_eq!(
            (Some(tally.bytes), tally.bytes),
            (reader.bytes_total(), reader.bytes_read())
        );
    }

    #[test]
    fn a_reject_within_a_session_shows_its_own_text() {
        let log = log(
            r#"{"session":7,"events":[{"aid":1,"ts":1659304800025,"type":"clicks"},{"aid":2}]}"#,
        );
        let (batch, rejects, _) = read(&log.path, &LaneOptions::default()).unwrap();
        assert_eq!(batch.len(), 1);
        assert_eq!(rejects[0].text, b"{\"aid\":2}]}");
    }

    #[test]
    fn filling_stops_at_its_limits_and_goes_on() {
        let rows: Vec<_> = (0..10).map(|ms| (None, ms)).collect();
        let log = timed(&rows);
        let mut reader = open(&log.path, &small());
        let (mut batch, mut rejects) = (Batch::default(), Vec::new());
        assert!(reader.fill(&mut batch, &mut rejects, 4).unwrap());
        assert_eq!((batch.len(), reader.clock()), (4, ArrivalMs(T + 3)));
        assert!(reader.fill(&mut batch, &mut rejects, 4).unwrap());
        assert_eq!(batch.len(), 4);
        batch.clear();
        assert!(!reader.fill(&mut batch, &mut rejects, 100).unwrap());
        assert_eq!(batch.len(), 6);
        assert!(!reader.fill(&mut batch, &mut rejects, 100).unwrap());
    }

    #[test]
    fn a_log_of_nothing_but_rejects_is_handed_over_in_pieces() {
        let log = log(&("event_ms,visitor,kind\n".to_owned() + &"x\n".repeat(3000)));
        let mut reader = open(&log.path, &small());
        let (mut batch, mut rejects) = (Batch::default(), Vec::new());
        assert!(reader.fill(&mut batch, &mut rejects, 10).unwrap());
        assert_eq!(rejects.len(), REJECTS_MAX);
        rejects.clear();
        assert!(reader.fill(&mut batch, &mut rejects, 10).unwrap());
        rejects.clear();
        assert!(!reader.fill(&mut batch, &mut rejects, 10).unwrap());
        assert_eq!(reader.tally().rejected[Reason::FieldCount as usize], 3000);
    }

    #[test]
    fn a_lane_can_move_to_another_thread() {
        fn is_send<T: Send>() {}
        is_send::<LaneReader>();
    }
}
