//! Bins as they are put by, and taken up again by another run.
//!
//! A bin is put by between two epochs, when nothing waits to be judged; another one may be put by
//! some epochs later. So a run that takes a snapshot up begins with bins of different times: until the
//! latest of them, what happens before a bin's own time is passed over for this bin, because it is in
//! there already. Bins know nothing of each other, and what they share, tables and what is on sale, is a
//! function of time; so from then on everything is as if the run had never ended.
//!
//! What was counted in the meantime was counted before: [`Visitors::take_up_tally`] puts the counters
//! in force that held at the end of the snapshot.
//!
//! Cost: about 1 µs a live session, half of it for a fact or a visitor remembered.

use super::super::bots::Rule;
use super::super::erasure::Tombstones;
use super::super::learn::store::FactStore;
use super::super::learn::tables::{Change, SavedTables};
use super::super::live::Visit;
use super::super::memory::Memory;
use super::super::output::Output;
use super::super::rank::window::{Seen, Window};
use super::super::recent::RecentIds;
use super::super::tally::Tally;
use super::super::wheel::Timer;
use super::Visitors;
use crate::event::{ArrivalMs, BINS, bin_of};
use serde::{Deserialize, Serialize};

/// A bin on its way out, without its sessions in the index.
#[derive(Serialize)]
struct SavingBin<'a> {
    at_ms: u64,
    visits: Vec<&'a Visit>,
    memory: &'a Memory,
    recent: &'a RecentIds,
    erased: &'a Tombstones,
    facts: &'a FactStore,
}

/// A bin on its way back.
#[derive(Deserialize)]
pub struct SavedBin {
    at_ms: u64,
    visits: Vec<Visit>,
    memory: Memory,
    recent: RecentIds,
    erased: Tombstones,
    facts: FactStore,
}

/// A saved bin that is another one's.
#[derive(Debug, thiserror::Error)]
#[error("bin {bin} held a visitor of another bin")]
pub struct WrongBin {
    /// Its number.
    pub bin: usize,
}

/// From when on each bin has to be told of what happens, in ms.
pub(super) type Ahead = Box<[u64; BINS]>;

impl SavedBin {
    /// Live sessions in it.
    pub fn live(&self) -> usize {
        self.visits.len()
    }
}

impl Visitors {
    /// A bin as it is now, everything before `at` having happened. Call it after
    /// [`Visitors::advance`].
    pub fn save_bin(&self, bin: usize, at: ArrivalMs) -> impl Serialize + '_ {
        let of_bin = &self.bins[bin];
        let visits = of_bin.live.keys().map(|key| self.visits.get(key));
        SavingBin {
            at_ms: at.0,
            visits: visits.collect(),
            memory: &of_bin.memory,
            recent: &of_bin.recent,
            erased: &of_bin.erased,
            facts: self.ledger.facts(bin),
        }
    }

    /// The sessions of a bin that stand in the index.
    pub fn save_window(&self, bin: usize) -> impl Serialize + '_ {
        self.ledger.window(bin)
    }

    /// Takes a bin up, before any event, and states again what the collections hold of its visitors.
    ///
    /// # Errors
    /// [`WrongBin`] for what is no bin of this number.
    pub fn take_up_bin(
        &mut self,
        bin: usize,
        saved: SavedBin,
        begin: ArrivalMs,
        out: &mut impl Output,
    ) -> Result<(), WrongBin> {
        if saved.visits.iter().any(|v| bin_of(v.visitor) != bin) {
            return Err(WrongBin { bin });
        }
        let ahead = self.ahead.get_or_insert_with(|| Box::new([0; BINS]));
        ahead[bin] = saved.at_ms;
        for visit in saved.visits {
            let key = self.visits.take_key();
            if let Some(deadline) = visit.timer().get() {
                let deadline = deadline.0;
                self.wheel.set(Timer { deadline, key });
            }
            *self.visits.get_mut(key) = visit;
            self.list(bin, key);
        }
        let of_bin = &mut self.bins[bin];
        of_bin.memory = saved.memory;
        of_bin.recent = saved.recent;
        of_bin.erased = saved.erased;
        self.ledger.take_up_facts(bin, saved.facts, begin, out);
        Ok(())
    }

    /// Takes up the sessions of a bin that stand in the index.
    pub fn take_up_window(
        &mut self,
        bin: usize,
        window: Window,
        begin: ArrivalMs,
        out: &mut impl Output,
    ) {
        self.ledger.take_up_window(bin, window, begin, out);
    }

    /// The tables in force just before `at`, the lists among them; from now on changes are noted down,
    /// those on their way among them. Call it after [`Visitors::advance`].
    pub fn save_tables(&mut self, at: ArrivalMs) -> SavedTables {
        self.tables.turn(ArrivalMs(at.0.saturating_sub(1)));
        self.tables.note_down();
        self.tables.saved()
    }

    /// The changes of tables that were noted down, with their versions, up to one.
    pub fn noted(&mut self, version_ms: u64) -> Vec<(u64, Change)> {
        self.tables.noted(version_ms)
    }

    /// Puts tables in force, those of the catalogue among them, before any event. `sessions` are those
    /// in which neighbours are sought.
    pub fn take_up_tables(&mut self, saved: SavedTables, sessions: &[Seen], begin: ArrivalMs) {
        if let Some(shelf) = &mut self.tables.shelf {
            // One after the other: how often it was turned is part of what visits know.
            while let Some(due_ms) = shelf.due_ms().filter(|due_ms| *due_ms < begin.0) {
                shelf.turn(ArrivalMs(due_ms));
            }
        }
        self.tables.take_up(saved, sessions);
    }

    /// What has been counted so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// All bins are of one time now, and this had been counted by then.
    pub fn take_up_tally(&mut self, tally: Tally) {
        let timeline = self.tally.timeline.take();
        self.ahead = None;
        self.tally = tally;
        if self.tally.timeline.is_none() {
            self.tally.timeline = timeline.map(|_| Default::default());
        }
    }

    /// Whether a bin has all this behind it already.
    pub(super) fn is_behind(&self, bin: usize, at: ArrivalMs) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| at.0 < ahead[bin])
    }
}

// Verdicts are among what is put by: a rule that is added goes to the end of the list.
const _: () = assert!(Rule::Known as u8 == 3);
