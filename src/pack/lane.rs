//! A lane that is read from its log's pack.
//!
//! Invariant: what it gives (events, counts, clock, marks) is what [`LaneReader`] gives for the log, but
//! for the texts of rows that are rejected, which a pack does not hold, and the texts of items,
//! categories, pages and event ids: who wants those reads the log. Where the pack turns out to be
//! damaged, the lane becomes that reader, from the row it stands at.
//!
//! Cost: a copy of 104 bytes and a comparison of times an event.

use super::file::{Block, PackFile, Unfit};
use super::path_of;
use super::raw::{Packed, REJECTED};
use crate::event::{
    ArrivalMs, Batch, Device, Event, Id, Kind, Lane, Micros, Offset, Reason, Reject, Texts,
    VisitorId,
};
use crate::format::clock::{Clock, Refusal};
use crate::format::lane::REJECTS_MAX;
use crate::format::mark::LaneMark;
use crate::format::{
    FormatName, InputError, LaneOptions, LaneRead, LaneReader, LaneTally, RawEvent, Source,
};
use std::io::Write;
use std::path::Path;

/// A lane, packed.
pub struct PackedLane {
    source: Source,
    options: LaneOptions,
    lane: Lane,
    pack: PackFile,
    /// The block that is being read, and the row of it that comes next.
    block: Option<Block>,
    blocks_begun: usize,
    next: usize,
    clock: Clock,
    tally: LaneTally,
    ended: bool,
    /// The log itself, once the pack could not be read on.
    log: Option<LaneReader>,
}

impl PackedLane {
    /// The lane of a log, if there is a pack of it that may be used.
    ///
    /// # Errors
    /// There is one, and it is not used: why.
    pub fn find(
        source: &Source,
        lane: Lane,
        options: &LaneOptions,
    ) -> Result<Option<PackedLane>, Unfit> {
        let Source::Path(log) = source else {
            return Ok(None);
        };
        let path = path_of(log);
        if options.mapping.is_some() || options.carry.details || !path.is_file() {
            return Ok(None);
        }
        PackedLane::open(log, &path, lane, options)
    }

    fn open(
        log: &Path,
        path: &Path,
        lane: Lane,
        options: &LaneOptions,
    ) -> Result<Option<PackedLane>, Unfit> {
        let pack = PackFile::open(path)?;
        if options
            .format
            .is_some_and(|format| format != format_of(&pack))
        {
            return Ok(None);
        }
        if !pack.header.origin.is(log)? {
            return Err(Unfit::Stale);
        }
        let mut lane = PackedLane {
            source: Source::Path(log.to_owned()),
            options: options.clone(),
            lane,
            pack,
            block: None,
            blocks_begun: 0,
            next: 0,
            clock: Clock::new(
                options.lateness_ms,
                options.future_ms,
                options.tolerate_disorder,
            ),
            tally: LaneTally::default(),
            ended: false,
            log: None,
        };
        lane.count_lines();
        Ok(Some(lane))
    }

    fn fill_until(
        &mut self,
        batch: &mut Batch,
        rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError> {
        while batch.len() < events_max && rejects.len() < REJECTS_MAX {
            let Some(block) = &self.block else {
                if self.blocks_begun == self.pack.directory.len() {
                    return Ok(false);
                }
                match self.pack.block(self.blocks_begun) {
                    Ok(block) => self.block = Some(block),
                    Err(unfit) => return self.read_the_log(&unfit, batch, rejects, events_max),
                }
                (self.blocks_begun, self.next) = (self.blocks_begun + 1, 0);
                continue;
            };
            if self.next == block.rows {
                self.block = None;
                continue;
            }
            let record = block.record(self.next);
            let Some(row) = row(&record, block, self.options.carry.session) else {
                let unfit = Unfit::Damaged("record");
                return self.read_the_log(&unfit, batch, rejects, events_max);
            };
            let reason = match row {
                Row::Rejected(reason) => reason,
                Row::Event(kind, device, texts) => {
                    let given = RawEvent {
                        arrival_ms: (record.arrival_ms != 0).then_some(record.arrival_ms),
                        ..RawEvent::new(record.event_ms, kind, b"")
                    };
                    let admitted = self.clock.admit(record.line, &given);
                    self.tally.has_arrivals |= record.arrival_ms != 0;
                    match admitted {
                        Ok((arrival, time)) => {
                            self.tally.rows += 1;
                            self.tally.accepted += 1;
                            self.next += 1;
                            let event = Event {
                                arrival,
                                time,
                                offset: Offset(record.offset),
                                line: record.line,
                                visitor: VisitorId(record.visitor),
                                session: Id(record.session),
                                item: Id(record.item),
                                category: Id(record.category),
                                event_id: Id(record.event_id),
                                price: Micros::new(record.price),
                                value: Micros::new(record.value),
                                quantity: record.quantity,
                                lane: self.lane,
                                kind,
                                device,
                            };
                            batch.push(event, texts);
                            continue;
                        }
                        Err(Refusal::Row(reason)) => reason,
                        Err(Refusal::Fallen(fallen)) => {
                            return Err(InputError::Backwards {
                                path: self.source.to_string(),
                                line: record.line,
                                line_of_max: fallen.line_of_max,
                                jump_ms: fallen.jump_ms,
                                lateness_ms: self.clock.lateness_ms,
                            });
                        }
                    }
                }
            };
            self.next += 1;
            self.tally.rows += 1;
            self.tally.rejected[reason as usize] += 1;
            rejects.push(Reject {
                arrival: self.clock.latest(),
                lane: self.lane,
                line: record.line,
                offset: Offset(record.offset),
                reason,
                text: Vec::new(),
            });
        }
        Ok(true)
    }

    /// Goes on in the log itself, at the row that comes next.
    fn read_the_log(
        &mut self,
        unfit: &Unfit,
        batch: &mut Batch,
        rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError> {
        self.warn(unfit);
        self.count_lines();
        let mark = self.standing();
        self.become_the_log(&mark)?.fill(batch, rejects, events_max)
    }

    fn warn(&self, unfit: &Unfit) {
        // Who does not hear of it has the same result.
        let _ = writeln!(
            std::io::stderr(),
            "restage: warning: {}.pack: {unfit}; the log itself is read from there",
            self.source
        );
    }

    fn become_the_log(&mut self, mark: &LaneMark) -> Result<&mut LaneReader, InputError> {
        let mut log = LaneReader::open(&self.source, self.lane, &self.options)?;
        log.go_on(&self.source, mark)?;
        self.block = None;
        Ok(self.log.insert(log))
    }

    /// Where the next row begins, and the lines before it.
    fn place(&self) -> (u64, u64) {
        if let Some(block) = &self.block
            && self.next < block.rows
        {
            let record = block.record(self.next);
            return (record.offset, record.line.saturating_sub(1));
        }
        match self.pack.directory.get(self.blocks_begun) {
            Some(next) => (next.first_offset, next.first_line.saturating_sub(1)),
            None => (self.pack.header.text_bytes, self.pack.header.lines),
        }
    }

    fn count_lines(&mut self) {
        let header = &self.pack.header;
        let (bytes, lines) = self.place();
        self.tally.bytes = bytes;
        self.tally.lines = lines;
        // Every line is a row, or blank, or the header.
        let with_text = self.tally.rows + header.header_lines;
        self.tally.blank_lines = lines.saturating_sub(with_text);
        self.tally.unterminated = self.ended && header.unterminated;
    }

    fn standing(&self) -> LaneMark {
        let (clock_ms, line_of_clock) = self.clock.reached();
        LaneMark {
            offset: self.tally.bytes,
            lines: self.tally.lines,
            clock_ms,
            line_of_clock,
            tally: self.tally.clone(),
        }
    }

    /// Stands at the first row after so many lines.
    fn seek(&mut self, lines: u64) -> Result<(), Unfit> {
        let begun = |entry: &super::file::Entry| entry.first_line <= lines + 1;
        let before = self.pack.directory.partition_point(begun);
        (self.block, self.blocks_begun, self.next) = (None, before, 0);
        if let Some(nth) = before.checked_sub(1) {
            let block = self.pack.block(nth)?;
            let (mut low, mut high) = (0, block.rows);
            while low < high {
                let middle = usize::midpoint(low, high);
                if block.record(middle).line <= lines {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            (self.block, self.next) = (Some(block), low);
        }
        Ok(())
    }
}

/// What a record says.
enum Row<'a> {
    Event(Kind, Device, Texts<'a>),
    Rejected(Reason),
}

/// Reads a record's numbers; nothing where they make no sense.
#[inline]
fn row<'a>(record: &Packed, block: &'a Block, session: bool) -> Option<Row<'a>> {
    if record.kind == REJECTED {
        let reason = Reason::ALL.get(usize::from(record.device))?;
        return Some(Row::Rejected(*reason));
    }
    let texts = Texts {
        visitor: block.text(record.visitor_at, record.visitor_bytes)?,
        session: if session {
            block.text(record.session_at, record.session_bytes)?
        } else {
            b""
        },
        ..Texts::default()
    };
    let kind = Kind::from_number(record.kind)?;
    Some(Row::Event(kind, Device::from_number(record.device)?, texts))
}

fn format_of(pack: &PackFile) -> FormatName {
    if pack.header.is_jsonl {
        FormatName::RestageJsonl
    } else {
        FormatName::RestageCsv
    }
}

impl LaneRead for PackedLane {
    fn fill(
        &mut self,
        batch: &mut Batch,
        rejects: &mut Vec<Reject>,
        events_max: usize,
    ) -> Result<bool, InputError> {
        if let Some(log) = &mut self.log {
            return log.fill(batch, rejects, events_max);
        }
        if self.ended {
            return Ok(false);
        }
        let result = self.fill_until(batch, rejects, events_max);
        if self.log.is_none() {
            self.ended = !matches!(result, Ok(true));
            self.count_lines();
        }
        result
    }

    fn clock(&self) -> ArrivalMs {
        match &self.log {
            Some(log) => log.clock(),
            None if self.clock.tolerant => ArrivalMs(0),
            None => self.clock.latest(),
        }
    }

    fn format(&self) -> FormatName {
        format_of(&self.pack)
    }

    fn tally(&self) -> &LaneTally {
        match &self.log {
            Some(log) => log.tally(),
            None => &self.tally,
        }
    }

    fn bytes_total(&self) -> Option<u64> {
        Some(self.pack.bytes)
    }

    fn bytes_read(&self) -> u64 {
        match self.blocks_begun.checked_sub(1) {
            Some(nth) => {
                let entry = &self.pack.directory[nth];
                entry.at + u64::from(entry.bytes)
            }
            None => 0,
        }
    }

    fn mark(&self) -> Option<LaneMark> {
        match &self.log {
            Some(log) => log.mark(),
            None => Some(self.standing()),
        }
    }

    fn go_on(&mut self, source: &Source, mark: &LaneMark) -> Result<(), InputError> {
        if mark.offset > self.pack.header.text_bytes {
            return Err(InputError::Shorter {
                path: source.to_string(),
                bytes: mark.offset,
            });
        }
        if let Err(unfit) = self.seek(mark.lines) {
            self.warn(&unfit);
            return self.become_the_log(mark).map(|_| ());
        }
        self.clock.go_on((mark.clock_ms, mark.line_of_clock));
        self.tally = mark.tally.clone();
        self.count_lines();
        Ok(())
    }
}
