//! A worker's side of a snapshot: where it stops, and what it puts by between two epochs.
//!
//! Orders come before the times that they name; the session operator asks for the next time at which it
//! has to stop, goes there, and says that it is there. Cost: a comparison an epoch without a snapshot;
//! with one, a slice of [`SLICE_BYTES`] an epoch.

use super::restore::Tables;
use super::{Counted, Order, Part, PartKind, Shared};
use crate::event::{ArrivalMs, BINS};
use crate::flow::{failure, watchdog};
use crate::visit::decision::Digest;
use crate::visit::output::Output;
use crate::visit::rank::window::Window;
use crate::visit::visitors::Visitors;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Bytes of bins after which the epochs go on: about 1 ms.
pub const SLICE_BYTES: usize = 256 << 10;

/// What is done at a time at which the worker stops.
#[derive(Debug)]
enum Stop {
    Begin,
    End,
    /// The tables up to this version have come.
    Noted(u64),
    /// The snapshot that was taken up ends.
    TakeUp(Box<Counted>),
}

/// Snapshots, as a session operator sees them.
pub struct Saving {
    worker: usize,
    workers: usize,
    begin_ms: u64,
    end_ms: u64,
    /// From a version until every worker has its tables, in ms.
    settling_ms: u64,
    shared: Rc<Shared>,
    stops: BTreeMap<u64, Vec<Stop>>,
    /// The next bin to be put by.
    next_bin: Option<usize>,
    /// What has been put by.
    pub parts: Vec<Part>,
}

impl Saving {
    /// Worker `worker` of `workers`; a snapshot from `begin_ms` to `end_ms` is taken up, if it is not 0.
    pub fn new(
        (worker, workers): (usize, usize),
        (begin_ms, end_ms): (u64, u64),
        settling_ms: u64,
        shared: Rc<Shared>,
    ) -> Saving {
        let mut stops = BTreeMap::new();
        if end_ms > 0 {
            // Who is told nothing of what was counted has counted nothing.
            stops.insert(end_ms, vec![Stop::TakeUp(Box::default())]);
        }
        Saving {
            worker,
            workers,
            begin_ms,
            end_ms,
            settling_ms,
            shared,
            stops,
            next_bin: None,
            parts: Vec::new(),
        }
    }

    /// The feed is told how far the events are, whether or not that lets anything be done: it may be
    /// what it waits for.
    pub fn hears(&self, events_ms: Option<u64>) {
        self.shared.events_ms.set(events_ms.unwrap_or(u64::MAX));
    }

    /// The feed is told up to where epochs are closed.
    pub fn stands(&self, closed_ms: u64) {
        self.shared.closed_ms.set(closed_ms);
    }

    /// Takes an order.
    pub fn order(&mut self, order: Order, visits: &mut Visitors) {
        match order {
            Order::Begin(at) => self.stops.entry(at).or_default().push(Stop::Begin),
            Order::End(at) => {
                self.stops.entry(at).or_default().push(Stop::End);
                if self.worker == 0 {
                    let noted_ms = at.saturating_add(self.settling_ms);
                    self.stops
                        .entry(noted_ms)
                        .or_default()
                        .push(Stop::Noted(at));
                }
            }
            Order::Tables(bytes) => {
                let tables: Tables = decoded("tables", &bytes);
                let begin = ArrivalMs(self.begin_ms);
                visits.take_up_tables(tables.in_force, &tables.neighbours, begin);
                for (version_ms, change) in tables.noted {
                    visits.learn(version_ms, change);
                }
            }
            Order::Counted(bytes) => {
                let counted = Box::new(decoded("counters", &bytes));
                self.stops.insert(self.end_ms, vec![Stop::TakeUp(counted)]);
            }
            Order::Learned(_) | Order::Rules(..) | Order::Restock { .. } => {}
        }
    }

    /// Takes up a bin.
    pub fn take_up(
        &self,
        (bin, state, window): (u64, Vec<u8>, Vec<u8>),
        visits: &mut Visitors,
        out: &mut impl Output,
    ) {
        watchdog::is_busy();
        let before = ArrivalMs(self.begin_ms.saturating_sub(1));
        let bin = bin as usize;
        if let Err(error) = visits.take_up_bin(bin, decoded("a bin", &state), before, out) {
            failure::leave(&format!("state was damaged: {error}"), 4);
        }
        let window: Window = decoded("a bin's index", &window);
        visits.take_up_window(bin, window, before, out);
    }

    /// The next time up to `closed_ms` at which the worker has to stop.
    pub fn next_stop(&self, closed_ms: u64) -> Option<u64> {
        let (&stop_ms, _) = self.stops.first_key_value()?;
        (stop_ms <= closed_ms).then_some(stop_ms)
    }

    /// The worker has stopped: everything before `stop_ms` is done, and nothing else.
    pub fn stopped(&mut self, stop_ms: u64, visits: &mut Visitors, digest: &mut Digest) {
        for stop in self.stops.remove(&stop_ms).unwrap_or_default() {
            match stop {
                Stop::Begin => {
                    let lanes = self.shared.marks_before(stop_ms);
                    self.part(PartKind::Lanes, self.worker, &lanes);
                    if self.worker == 0 {
                        let tables = visits.save_tables(ArrivalMs(stop_ms));
                        self.part(PartKind::Tables, 0, &tables);
                    }
                    self.next_bin = Some(self.worker);
                }
                Stop::End => {
                    let counted = Counted {
                        tally: visits.tally().clone(),
                        digest: digest.0,
                        over: self.shared.over_before(stop_ms),
                    };
                    self.part(PartKind::Counted, self.worker, &counted);
                }
                Stop::Noted(version_ms) => {
                    let noted = visits.noted(version_ms);
                    self.part(PartKind::Noted, 0, &noted);
                }
                Stop::TakeUp(counted) => {
                    visits.take_up_tally(counted.tally);
                    *digest = Digest(counted.digest);
                }
            }
        }
    }

    /// Between two epochs: a slice of the bins is put by as they are now.
    pub fn between(&mut self, closed_ms: u64, visits: &Visitors) {
        let mut bytes = 0;
        while let Some(bin) = self.next_bin.filter(|_| bytes < SLICE_BYTES) {
            if bin >= BINS {
                self.next_bin = None;
                return;
            }
            let state = visits.save_bin(bin, ArrivalMs(closed_ms));
            bytes += self.part(PartKind::Bin, bin, &state);
            drop(state);
            bytes += self.part(PartKind::Window, bin, &visits.save_window(bin));
            self.next_bin = Some(bin + self.workers);
        }
    }

    fn part(&mut self, kind: PartKind, number: usize, state: &impl serde::Serialize) -> usize {
        let part = Part::of(kind, number, state);
        let bytes = part.bytes.len();
        self.parts.push(part);
        bytes
    }
}

/// State that was checked byte by byte when it was read: what does not fit, or leaves bytes over, is of
/// another program.
pub fn decoded<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> T {
    let why = match postcard::take_from_bytes(bytes) {
        Ok((state, [])) => return state,
        Ok((_, rest)) => format!("{} bytes were left over", rest.len()),
        Err(error) => error.to_string(),
    };
    let what = format!("state was damaged: {what} in the snapshot could not be read ({why})");
    failure::leave(&what, 4)
}
