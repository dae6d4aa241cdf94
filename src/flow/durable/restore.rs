//! A snapshot read back: what every process must know of it, and what is handed out to the workers.
//!
//! Everything is in memory at once, on its way from the disk to the workers, wherever they are. Cost:
//! the size of the snapshot, and reading it.

use super::saving::decoded;
use super::{Bin, Counted, Order, Part, PartKind, Resume};
use crate::event::BINS;
use crate::format::mark::LaneMark;
use crate::log;
use crate::visit::decision::Digest;
use crate::visit::learn::tables::{Change, SavedTables};
use crate::visit::rank::recommender::{Update, stood_before};
use crate::visit::rank::window::{Seen, Window};
use crate::visit::tally::Tally;
use serde::{Deserialize, Serialize};

/// What a snapshot says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its begin, in ms.
    pub begin_ms: u64,
    /// Its end, in ms.
    pub end_ms: u64,
    /// The release that wrote it.
    pub release: String,
    /// The policy's label.
    pub policy: String,
}

/// Tables as every worker takes them up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tables {
    /// Those in force at the begin.
    pub in_force: SavedTables,
    /// Those that came, with their versions, up to the end's.
    pub noted: Vec<(u64, Change)>,
    /// The sessions in which neighbours were sought at the begin.
    pub neighbours: Vec<Seen>,
}

/// What is handed out.
#[derive(Debug, Default)]
pub struct Restored {
    /// What the snapshot says of itself.
    pub about: About,
    /// Bins by number, with their sessions in the index.
    pub bins: Vec<Bin>,
    lanes: Vec<(u16, LaneMark)>,
    tables: Tables,
    counted: Counted,
    learned: Vec<Vec<u8>>,
}

impl Restored {
    /// Puts a snapshot together from its parts.
    ///
    /// # Errors
    /// What is missing, or not known.
    pub fn of(
        parts: impl IntoIterator<Item = log::Part>,
        neighbours: bool,
    ) -> Result<Restored, String> {
        let mut whole = Restored {
            bins: (0..BINS as u64)
                .map(|bin| (bin, Vec::new(), Vec::new()))
                .collect(),
            ..Restored::default()
        };
        let (mut tally, mut digest) = (Tally::default(), Digest::default());
        let mut over = Vec::new();
        for part in parts {
            let part = Part::try_from(part).map_err(|unknown| unknown.to_string())?;
            let (kind, number, bytes) = (part.kind, part.number as usize, part.bytes);
            match kind {
                PartKind::About => whole.about = decoded("its description", &bytes),
                PartKind::Bin if number < BINS => whole.bins[number].1 = bytes,
                PartKind::Window if number < BINS => whole.bins[number].2 = bytes,
                PartKind::Bin | PartKind::Window => {
                    return Err(format!("there is no bin {number}"));
                }
                PartKind::Lanes => {
                    let lanes: Vec<(u16, LaneMark)> = decoded("the lanes' marks", &bytes);
                    whole.lanes.extend(lanes);
                }
                PartKind::Tables => whole.tables.in_force = decoded("tables", &bytes),
                PartKind::Noted => whole.tables.noted = decoded("tables", &bytes),
                PartKind::Counted => {
                    let counted: Counted = decoded("counters", &bytes);
                    tally.merge(&counted.tally);
                    digest.merge(Digest(counted.digest));
                    over.extend(counted.over);
                }
                PartKind::Learned => {
                    whole
                        .learned
                        .resize(whole.learned.len().max(number + 1), Vec::new());
                    whole.learned[number] = bytes;
                }
            }
        }
        if let Some((bin, _, _)) = whole.bins.iter().find(|(_, state, _)| state.is_empty()) {
            return Err(format!("bin {bin} was missing"));
        }
        if whole.about.end_ms == 0 {
            return Err("its description was missing".into());
        }
        whole.counted = Counted {
            tally,
            digest: digest.0,
            over,
        };
        if neighbours {
            whole.find_neighbours();
        }
        Ok(whole)
    }

    /// Sessions enter a worker's own index as their version comes into force: those that stood at the
    /// begin are those that stand in the bins, less what was noted down since.
    fn find_neighbours(&mut self) {
        let windows = self.bins.iter().filter(|(_, _, window)| !window.is_empty());
        let standing = windows.flat_map(|(_, _, window)| {
            let window: Window = decoded("a bin's index", window);
            window.iter().cloned().collect::<Vec<_>>()
        });
        let changes = self
            .tables
            .noted
            .iter()
            .filter_map(|(version_ms, change)| match change {
                Change::Recommended(Update::Session(seen, sign)) => {
                    Some((*version_ms, seen.clone(), *sign))
                }
                _ => None,
            });
        self.tables.neighbours = stood_before(standing.collect(), changes.collect());
    }

    /// Whether counts over time were kept.
    pub fn has_timeline(&self) -> bool {
        self.counted.tally.timeline.is_some()
    }

    /// What every process must know.
    pub fn resume(&self) -> Resume {
        Resume {
            begin_ms: self.about.begin_ms,
            end_ms: self.about.end_ms,
            lanes: self.lanes.clone(),
            over: self.counted.over.clone(),
        }
    }

    /// What is told to so many workers.
    pub fn orders(&self, workers: usize) -> Vec<(u64, Order)> {
        let encoded = |state: &Tables| {
            postcard::to_allocvec(state).expect("tables are plain data of known length")
        };
        let tables = encoded(&self.tables);
        let mut orders: Vec<(u64, Order)> = Vec::new();
        for worker in 0..workers as u64 {
            orders.push((worker, Order::Tables(tables.clone())));
            orders.push((worker, Order::Learned(self.learned.clone())));
        }
        let counted = postcard::to_allocvec(&self.counted);
        let counted = counted.expect("counters are plain data of known length");
        orders.push((0, Order::Counted(counted)));
        orders
    }
}
