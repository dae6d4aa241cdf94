//! A run that can be killed at any moment and goes on where it was.
//!
//! The decisions are a pure function of the log, so whoever has an older state and the log from there on
//! has everything. [`crate::log`] keeps both on disk; here is how a running job hands its state over
//! without standing still, and how another takes it up.
//!
//! # A snapshot is a round
//!
//! A worker that wrote all of its sessions at once would hold up the page for as long. So a snapshot has a
//! begin and an end, and in between bins are put by one after the other, a few between two epochs, each
//! as of the epoch that was last closed:
//!
//! 1. The first worker orders the **begin**, a version of the tables ahead of all clocks. Every worker
//!    stops there and says from which mark its lanes have to be read again; the first worker puts by
//!    the tables in force, and notes down those that come from then on. *Without a common begin a lane
//!    could be read again from after an event that some bin has not seen.*
//! 2. Bins are put by, [`saving::SLICE_BYTES`] between two epochs. *Cutting them finer than that would
//!    save nothing: what an epoch waits for is one slice.*
//! 3. When all have come, the first worker orders the **end**, again ahead of all clocks. Every worker
//!    stops there and says what it has counted; those who learn say what they have learned up to that
//!    version. *Counters and statistics are not kept by bin: they hold for one time only.*
//! 4. A lag after the end the tables noted down are complete up to the end's version and are put by.
//!    *What was learned before the end, but holds only after it, would be missing otherwise.*
//!
//! # Taking it up
//!
//! Bins, tables and marks are handed out, to any number of workers, and the log is read from the marks.
//! What happens before a bin's own time is passed over for that bin. What the collections held of its
//! visitors (outcomes, exposures that may be their due, sessions in the index) is stated again, as of
//! the begin. Up to the end no version of a table is computed, since all of them were noted down, no
//! output leaves and no counter counts; at the end, counters and statistics are put in force. From there
//! on the job is the one that was killed. Its output is compared with the rows that were committed, and
//! only what comes after the last row is written ([`keeper`]).
//!
//! A log may end while a round is on, whose end then lies after the log's: the snapshot holds what was decided
//! because nothing more came. So it says which lanes were over, and at which byte. *If such a lane has grown
//! since, its new events would belong before the end, where no output leaves: the run is refused instead.*
//!
//! Invariant: whether, when and how often snapshots are taken cannot be seen in the output. Cost: some
//! 500 bytes of disk a live session and round, and about 1 µs.

pub mod changes;
pub mod keeper;
pub mod restore;
pub mod rounds;
pub mod saving;

use super::sink::Collected;
use crate::format::mark::LaneMark;
use crate::log;
use crate::visit::plan::RulesText;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;

/// What the first worker tells the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// A snapshot begins at this time, in ms.
    Begin(u64),
    /// It ends at this time, in ms.
    End(u64),
    /// Tables to be put in force: [`restore::Tables`], encoded.
    Tables(Vec<u8>),
    /// What had been counted at the end: [`Counted`], encoded.
    Counted(Vec<u8>),
    /// What had been learned: by each worker of then, encoded.
    Learned(Vec<Vec<u8>>),
    /// From this time on, in ms, other rules hold.
    Rules(u64, RulesText),
    /// More is said of what is on sale.
    Restock {
        /// Statements before.
        known: usize,
        /// What is added, in writing.
        rows: String,
    },
}

/// Orders, each with the worker that it is for.
pub type Orders<'scope> = Stream<'scope, u64, Vec<(u64, Order)>>;
/// A bin to be taken up: number, state, sessions in the index.
pub type Bin = (u64, Vec<u8>, Vec<u8>);
/// Bins to be taken up.
pub type Bins<'scope> = Stream<'scope, u64, Vec<Bin>>;
/// Parts of a snapshot on their way to the first worker.
pub type Parts<'scope> = Stream<'scope, u64, Vec<Part>>;

/// What a part of a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum PartKind {
    /// [`restore::About`].
    About,
    /// A bin, by number: [`crate::visit::visitors::saved::SavedBin`].
    Bin,
    /// A bin's sessions in the index, by the bin's number.
    Window,
    /// Where a worker's lanes are read again from, by the worker's number.
    Lanes,
    /// The tables in force at the begin.
    Tables,
    /// What a worker has counted, by its number: [`Counted`].
    Counted,
    /// What a worker has learned, by its number.
    Learned,
    /// The tables noted down.
    Noted,
}

impl PartKind {
    /// All kinds, by number.
    pub const ALL: [PartKind; 8] = [
        PartKind::About,
        PartKind::Bin,
        PartKind::Window,
        PartKind::Lanes,
        PartKind::Tables,
        PartKind::Counted,
        PartKind::Learned,
        PartKind::Noted,
    ];

    /// The name in listings.
    pub fn name(self) -> &'static str {
        match self {
            PartKind::About => "about",
            PartKind::Bin => "bins",
            PartKind::Window => "index",
            PartKind::Lanes => "lanes",
            PartKind::Tables => "tables",
            PartKind::Counted => "counters",
            PartKind::Learned => "learned",
            PartKind::Noted => "tables on their way",
        }
    }
}

/// A part of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// What it holds.
    pub kind: PartKind,
    /// Whose it is, by the kind.
    pub number: u32,
    /// The state, encoded.
    pub bytes: Vec<u8>,
}

impl Part {
    /// A part of something that can be put by.
    pub fn of(kind: PartKind, number: usize, state: &impl Serialize) -> Part {
        Part {
            kind,
            number: number as u32,
            bytes: postcard::to_allocvec(state).expect("state is plain data of known length"),
        }
    }
}

impl From<Part> for log::Part {
    fn from(part: Part) -> log::Part {
        log::Part {
            kind: part.kind as u8,
            number: part.number,
            bytes: part.bytes,
        }
    }
}

impl TryFrom<log::Part> for Part {
    type Error = UnknownPart;

    fn try_from(part: log::Part) -> Result<Part, UnknownPart> {
        let kind = PartKind::ALL.get(usize::from(part.kind));
        Ok(Part {
            kind: *kind.ok_or(UnknownPart(part.kind))?,
            number: part.number,
            bytes: part.bytes,
        })
    }
}

/// A part of a kind that this release does not know.
#[derive(Debug, thiserror::Error)]
#[error("its part of kind {0} is not known to this release")]
pub struct UnknownPart(u8);

/// What a worker has counted, its records' digest among it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counted {
    /// The counters.
    pub tally: crate::visit::tally::Tally,
    /// The digest of the decision records.
    pub digest: u128,
    /// Its lanes that had ended by then, and how many bytes they had.
    pub over: Vec<(u16, u64)>,
}

/// From where a run goes on; the same in every process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Begin of the snapshot, in ms.
    pub begin_ms: u64,
    /// Its end, in ms.
    pub end_ms: u64,
    /// Where each lane is read from.
    pub lanes: Vec<(u16, LaneMark)>,
    /// Lanes that had ended by then, and how many bytes they had.
    pub over: Vec<(u16, u64)>,
}

/// How a run is durable; the same in every process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durability {
    /// Time between two snapshots.
    pub every: Duration,
    /// From where the run goes on, if it does.
    pub resume: Option<Resume>,
    /// By which rules, and from when on each, and what is on sale: the journal.
    pub journal: String,
}

impl Durability {
    /// Begin of the snapshot that is taken up, in ms.
    pub fn begin_ms(&self) -> u64 {
        self.resume.as_ref().map_or(0, |resume| resume.begin_ms)
    }

    /// Versions up to this were learned before, in ms.
    pub fn known_ms(&self) -> u64 {
        self.resume.as_ref().map_or(0, |resume| resume.end_ms)
    }
}

/// What a worker's feed and its operators tell each other.
#[derive(Debug, Default)]
pub struct Shared {
    /// The frontier of the events, in ms; later than any when they have ended.
    pub events_ms: Cell<u64>,
    /// Up to where epochs are closed, in ms.
    pub closed_ms: Cell<u64>,
    marks: RefCell<BTreeMap<u16, VecDeque<LaneMark>>>,
    /// Lanes that have ended: the last arrival in ms, and the bytes.
    over: RefCell<BTreeMap<u16, (u64, u64)>>,
}

impl Shared {
    /// Notes where a lane stands, before what is read next is sent.
    pub fn note(&self, lane: u16, mark: LaneMark) {
        let mut marks = self.marks.borrow_mut();
        let of_lane = marks.entry(lane).or_default();
        of_lane.push_back(mark);
        // A snapshot begins after what is closed: of the marks before it the last is enough.
        let closed_ms = self.closed_ms.get();
        while of_lane
            .get(1)
            .is_some_and(|next| next.clock_ms <= closed_ms)
        {
            of_lane.pop_front();
        }
    }

    /// Notes that a lane has ended, before its end can be seen in the frontier.
    pub fn ended(&self, lane: u16, last_ms: u64, bytes: u64) {
        self.over.borrow_mut().insert(lane, (last_ms, bytes));
    }

    /// Lanes that ended before `end_ms`, and their bytes. What came after these would belong before the end.
    pub fn over_before(&self, end_ms: u64) -> Vec<(u16, u64)> {
        let over = self.over.borrow();
        let before = over.iter().filter(|(_, (last_ms, _))| *last_ms < end_ms);
        before.map(|(lane, (_, bytes))| (*lane, *bytes)).collect()
    }

    /// The last mark of each lane before which nothing arrived at `begin_ms` or later.
    pub fn marks_before(&self, begin_ms: u64) -> Vec<(u16, LaneMark)> {
        let marks = self.marks.borrow();
        let last = marks.iter().map(|(lane, marks)| {
            let before = marks.iter().rev().find(|mark| mark.clock_ms < begin_ms);
            // The mark at which a lane was opened has no time.
            (*lane, before.cloned().unwrap_or_default())
        });
        last.collect()
    }
}

/// Brings the parts of snapshots to the first worker's keeper.
pub fn keep_parts(parts: Parts<'_>, collected: &Rc<RefCell<Collected>>) {
    let collected = Rc::clone(collected);
    parts.sink(
        Exchange::new(|_: &Part| 0),
        "Snapshot",
        move |(input, _)| {
            input.for_each(|_capability, parts| {
                if let Some(keeper) = &mut collected.borrow_mut().keeper {
                    parts.drain(..).for_each(|part| keeper.part(part));
                }
            });
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_read_again_from_before_the_begin() {
        let shared = Shared::default();
        let mark = |clock_ms| LaneMark {
            clock_ms,
            offset: clock_ms + 1,
            ..LaneMark::default()
        };
        for (clock_ms, closed_ms) in [(0, 0), (10, 0), (20, 5), (30, 12), (30, 25), (40, 25)] {
            shared.closed_ms.set(closed_ms);
            shared.note(3, mark(clock_ms));
            for begin_ms in closed_ms + 1..=clock_ms + 1 {
                let [(lane, found)] = &shared.marks_before(begin_ms)[..] else {
                    panic!("one lane");
                };
                assert!(*lane == 3 && found.clock_ms < begin_ms);
            }
        }
        assert_eq!(shared.marks_before(41)[0].1, mark(40));
        assert_eq!(shared.marks_before(40)[0].1, mark(30));
        assert_eq!(shared.marks.borrow()[&3].len(), 4);
    }
}
