//! Events that have come and wait for the frontier to pass their arrival.
//!
//! Batches keep the order in which they came; what is due is brought into canonical order (arrival,
//! lane, offset). Cost: a comparison an event, and a sort where batches overlap in time.

use super::container::Spares;
use crate::event::{ArrivalMs, Batch, Event, Lane, Offset};

/// Batches that wait for the frontier, each with how far it has been taken. A round of the loop
/// takes few events from batches of thousands: it costs what it takes, not what waits.
#[derive(Default)]
pub struct Pending {
    batches: Vec<Waiting>,
    due: Vec<(ArrivalMs, Lane, Offset, u32, u32)>,
    /// How far each batch is taken in a round.
    ends: Vec<usize>,
}

struct Waiting {
    batch: Batch,
    /// The events in canonical order, where the batch is not in it itself.
    order: Option<Vec<u32>>,
    /// How many have been taken.
    taken: usize,
    /// The place in canonical order of the first that has not; of the last once all have.
    first: Place,
}

/// Arrival, lane and offset.
type Place = (ArrivalMs, Lane, Offset);

impl Waiting {
    fn of(batch: Batch) -> Waiting {
        let events = batch.events();
        let sorted = events.is_sorted_by_key(Event::order);
        let order = (!sorted).then(|| {
            let mut order: Vec<u32> = (0..events.len() as u32).collect();
            order.sort_unstable_by_key(|&index| events[index as usize].order());
            order
        });
        let mut waiting = Waiting {
            batch,
            order,
            taken: 0,
            first: Place::default(),
        };
        waiting.take_to(0);
        waiting
    }

    /// Its events have been taken up to here.
    fn take_to(&mut self, end: usize) {
        self.taken = end;
        self.first = self.event(end.min(self.batch.len() - 1)).order();
    }

    /// The place in the batch of its event number `nth` in canonical order.
    fn place(&self, nth: usize) -> usize {
        self.order.as_ref().map_or(nth, |order| order[nth] as usize)
    }

    fn event(&self, nth: usize) -> &Event {
        &self.batch.events()[self.place(nth)]
    }

    /// How many events, from the first, arrived before `end_ms`: searched from where it stands, since most
    /// rounds take little.
    fn before(&self, end_ms: u64) -> usize {
        let (mut low, mut high) = (self.taken, self.batch.len());
        if self.first.0.0 >= end_ms {
            return low;
        }
        let mut step = 1;
        while step < high - low {
            if self.event(low + step).arrival.0 >= end_ms {
                high = low + step;
                break;
            }
            low += step;
            step *= 2;
        }
        while low < high {
            let middle = low.midpoint(high);
            if self.event(middle).arrival.0 < end_ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Pending {
    /// Takes a batch in.
    pub fn add(&mut self, batch: Batch) {
        if !batch.is_empty() {
            self.batches.push(Waiting::of(batch));
        }
    }

    /// Hands out every event that arrived before `end_ms`, in canonical order, and lets go of the
    /// batches of which nothing is left.
    pub fn take_before(
        &mut self,
        end_ms: u64,
        spares: &Spares<Batch>,
        mut take: impl FnMut(&Batch, usize),
    ) {
        // Batches of one lane usually come one after the other: nothing to sort.
        self.batches.sort_by_key(|waiting| waiting.first);
        let mut ends = std::mem::take(&mut self.ends);
        ends.clear();
        ends.extend(self.batches.iter().map(|waiting| waiting.before(end_ms)));
        let due = || {
            let all = self.batches.iter().zip(&ends);
            all.filter(|(waiting, end)| waiting.taken < **end)
        };
        let in_turn = due()
            .zip(due().skip(1))
            .all(|((one, end), (next, _))| one.event(end - 1).order() <= next.first);
        if in_turn {
            for (waiting, end) in due() {
                for nth in waiting.taken..*end {
                    take(&waiting.batch, waiting.place(nth));
                }
            }
        } else {
            self.due.clear();
            for (at, (waiting, end)) in self.batches.iter().zip(&ends).enumerate() {
                for nth in waiting.taken..*end {
                    let (arrival, lane, offset) = waiting.event(nth).order();
                    let place = waiting.place(nth) as u32;
                    self.due.push((arrival, lane, offset, at as u32, place));
                }
            }
            self.due.sort_unstable();
            for &(_, _, _, at, place) in &self.due {
                take(&self.batches[at as usize].batch, place as usize);
            }
        }
        for (waiting, end) in self.batches.iter_mut().zip(&ends) {
            if waiting.taken < *end {
                waiting.take_to(*end);
            }
        }
        self.ends = ends;
        let done = |waiting: &mut Waiting| waiting.taken == waiting.batch.len();
        for waiting in self.batches.extract_if(.., done) {
            spares.keep_cleared(waiting.batch);
        }
    }

    /// Arrival of the first event that waits, or later than any.
    pub fn first_ms(&self) -> u64 {
        let firsts = self.batches.iter().map(|waiting| waiting.first.0.0);
        firsts.min().unwrap_or(u64::MAX)
    }
}
