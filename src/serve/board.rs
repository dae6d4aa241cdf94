//! The latest decisions of each visitor, and who waits for the next.
//!
//! Of each visitor the last [`RING`] decisions are kept, so that a stream that broke off can go on where
//! it was; of all visitors the [`VISITORS_MAX`] that were decided for last. Cost: some 20 KB a visitor at
//! most, a lookup a line.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

/// Decisions that are kept of a visitor.
pub const RING: usize = 64;
/// Visitors that are kept.
pub const VISITORS_MAX: usize = 200_000;
/// Decisions that may wait for one reader.
pub const QUEUE: usize = 64;

/// A decision as it is served.
#[derive(Debug, PartialEq, Eq)]
pub struct Served {
    /// `session/seq`: its id without the visitor, who is known.
    pub id: String,
    /// What it says, as one line of JSON.
    pub data: String,
}

/// What a reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A decision.
    Decision(Arc<Served>),
    /// Something was missed: this is the latest, if there is one.
    Resync(Option<Arc<Served>>),
}

#[derive(Default)]
struct Visitor {
    ring: VecDeque<Arc<Served>>,
    /// The id of the decision that left the ring last.
    before: Option<String>,
    readers: Vec<Sender<Told>>,
    /// Its place among the visitors by when they were last decided for.
    turn: u64,
}

#[derive(Default)]
struct Visitors {
    known: HashMap<String, Visitor>,
    by_turn: BTreeMap<u64, String>,
    turn: u64,
    counts: Counts,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Decisions put on the board.
    pub decisions: u64,
    /// Visitors on it.
    pub visitors: u64,
    /// Visitors dropped for want of room.
    pub dropped: u64,
    /// Readers that did not keep up.
    pub lagging: u64,
    /// Readers now.
    pub readers: u64,
}

/// The board.
#[derive(Default)]
pub struct Board {
    visitors: Mutex<Visitors>,
    requests: Mutex<BTreeMap<&'static str, u64>>,
}

impl Board {
    /// Puts a decision on the board and tells those who wait for it.
    pub fn put(&self, visitor: &str, served: Served) {
        let Ok(mut all) = self.visitors.lock() else {
            return;
        };
        let all = &mut *all;
        all.turn += 1;
        all.counts.decisions += 1;
        let served = Arc::new(served);
        let known = all.known.entry(visitor.to_owned()).or_default();
        all.by_turn.remove(&known.turn);
        known.turn = all.turn;
        all.by_turn.insert(all.turn, visitor.to_owned());
        known.ring.push_back(Arc::clone(&served));
        if known.ring.len() > RING {
            known.before = known.ring.pop_front().map(|served| served.id.clone());
        }
        let lagging = &mut all.counts.lagging;
        known.readers.retain(|reader| {
            let told = reader.try_send(Told::Decision(Arc::clone(&served)));
            if matches!(told, Err(TrySendError::Full(_))) {
                *lagging += 1;
            }
            told.is_ok()
        });
        if all.known.len() > VISITORS_MAX {
            all.drop_oldest();
        }
    }

    /// Counts a request by what was answered.
    pub fn asked(&self, answer: &'static str) {
        if let Ok(mut requests) = self.requests.lock() {
            *requests.entry(answer).or_default() += 1;
        }
    }

    /// Requests by what was answered.
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        let requests = self.requests.lock();
        requests.map_or_else(|_| BTreeMap::new(), |requests| requests.clone())
    }

    /// Forgets a visitor.
    pub fn forget(&self, visitor: &str) {
        let Ok(mut all) = self.visitors.lock() else {
            return;
        };
        if let Some(known) = all.known.remove(visitor) {
            all.by_turn.remove(&known.turn);
        }
    }

    /// The latest decision for a visitor.
    pub fn latest(&self, visitor: &str) -> Option<Arc<Served>> {
        let all = self.visitors.lock().ok()?;
        all.known.get(visitor)?.ring.back().cloned()
    }

    /// Waits for a visitor's decisions: those after the one with this id first, or the latest.
    pub fn watch(&self, visitor: &str, after: Option<&str>) -> Receiver<Told> {
        let (reader, told) = channel(QUEUE + RING);
        if let Ok(mut all) = self.visitors.lock() {
            let all = &mut *all;
            let known = all.known.entry(visitor.to_owned()).or_insert_with(|| {
                all.turn += 1;
                all.by_turn.insert(all.turn, visitor.to_owned());
                Visitor {
                    turn: all.turn,
                    ..Visitor::default()
                }
            });
            for first in known.missed(after) {
                // The queue is empty and longer than the ring.
                let _ = reader.try_send(first);
            }
            known.readers.retain(|reader| !reader.is_closed());
            known.readers.push(reader);
            if all.known.len() > VISITORS_MAX {
                all.drop_oldest();
            }
        }
        told
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        let Ok(all) = self.visitors.lock() else {
            return Counts::default();
        };
        let open = |known: &Visitor| known.readers.iter().filter(|r| !r.is_closed()).count();
        Counts {
            visitors: all.known.len() as u64,
            readers: all.known.values().map(|known| open(known) as u64).sum(),
            ..all.counts
        }
    }
}

impl Visitor {
    /// What a reader has to be told first.
    fn missed(&self, after: Option<&str>) -> Vec<Told> {
        let latest = self.ring.back().cloned();
        let Some(after) = after else {
            return latest.map(Told::Decision).into_iter().collect();
        };
        let is_before = self.before.as_deref() == Some(after);
        let place = self.ring.iter().position(|served| served.id == after);
        match place.map(|place| place + 1).or(is_before.then_some(0)) {
            Some(seen) => {
                let rest = self.ring.iter().skip(seen).cloned();
                rest.map(Told::Decision).collect()
            }
            None => vec![Told::Resync(latest)],
        }
    }
}

impl Visitors {
    fn drop_oldest(&mut self) {
        if let Some((_, oldest)) = self.by_turn.pop_first() {
            self.known.remove(&oldest);
            self.counts.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(number: usize) -> Served {
        Served {
            id: format!("1/{number}"),
            data: format!("{{\"seq\":{number}}}"),
        }
    }

    fn ids(told: &mut Receiver<Told>) -> Vec<String> {
        let mut ids = Vec::new();
        while let Ok(told) = told.try_recv() {
            ids.push(match told {
                Told::Decision(served) => served.id.clone(),
                Told::Resync(latest) => {
                    format!("resync {}", latest.map_or("-".into(), |l| l.id.clone()))
                }
            });
        }
        ids
    }

    #[test]
    fn a_reader_goes_on_where_it_was_or_is_told_that_it_missed_something() {
        let board = Board::default();
        for number in 0..RING + 10 {
            board.put("ann", decision(number));
        }
        assert_eq!(ids(&mut board.watch("ann", None)), ["1/73"]);
        assert_eq!(ids(&mut board.watch("ann", Some("1/71"))), ["1/72", "1/73"]);
        assert!(ids(&mut board.watch("ann", Some("1/73"))).is_empty());
        assert_eq!(ids(&mut board.watch("ann", Some("1/9"))).len(), RING);
        assert_eq!(ids(&mut board.watch("ann", Some("1/8"))), ["resync 1/73"]);
        assert_eq!(ids(&mut board.watch("bob", Some("1/9"))), ["resync -"]);
        assert_eq!(ids(&mut board.watch("ann", Some("1/10"))).len(), RING - 1);
    }

    #[test]
    fn one_that_never_reads_is_dropped_and_the_others_are_not() {
        let board = Board::default();
        let mut never = board.watch("ann", None);
        let mut reads = board.watch("ann", None);
        let mut seen = 0;
        for number in 0..QUEUE + RING + 5 {
            board.put("ann", decision(number));
            seen += ids(&mut reads).len();
        }
        assert_eq!(seen, QUEUE + RING + 5);
        assert_eq!(ids(&mut never).len(), QUEUE + RING);
        assert!(never.is_closed());
        assert_eq!(board.counts().lagging, 1);
    }

    #[test]
    fn nobody_is_told_of_another_and_the_forgotten_are_gone() {
        let board = Board::default();
        let mut bob = board.watch("bob", None);
        board.put("ann", decision(1));
        assert!(ids(&mut bob).is_empty() && board.latest("bob").is_none());
        assert_eq!(board.latest("ann").unwrap().id, "1/1");
        board.forget("ann");
        assert!(board.latest("ann").is_none());
    }
}
