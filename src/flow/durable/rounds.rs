//! When snapshots begin and end, and when they are whole.
//!
//! A round is counted, not timed: it ends when every part has come. Whoever asks says what time it is on
//! the wall and where the inputs stand; neither can be seen in the output, since a snapshot cannot.

use super::{Order, Part, PartKind};
use crate::event::BINS;
use std::time::{Duration, Instant};

/// The rounds of a run, as the first worker sees them.
#[derive(Debug)]
pub struct Rounds {
    every: Duration,
    quantum_ms: u64,
    workers: u32,
    learns: bool,
    /// Snapshots begin after this, in ms.
    not_before_ms: u64,
    last: Instant,
    round: Option<Round>,
}

/// A snapshot that is being put together.
#[derive(Debug)]
struct Round {
    begin_ms: u64,
    end_ms: Option<u64>,
    came: [u32; PartKind::ALL.len()],
}

impl Rounds {
    /// Rounds of a job of so many workers, `learns` if any of them keeps statistics. None begins before
    /// the end of the snapshot that was taken up.
    pub fn new(
        every: Duration,
        quantum_ms: u64,
        (workers, learns): (usize, bool),
        not_before_ms: u64,
    ) -> Rounds {
        Rounds {
            every,
            quantum_ms,
            workers: workers as u32,
            learns,
            not_before_ms,
            last: Instant::now(),
            round: None,
        }
    }

    /// What is to be ordered now, if anything is, while the inputs stand at `stands_ms`.
    pub fn next(&mut self, now: Instant, stands_ms: u64) -> Option<Order> {
        let next_ms = (stands_ms / self.quantum_ms + 1) * self.quantum_ms;
        match &mut self.round {
            None if stands_ms > self.not_before_ms && now - self.last >= self.every => {
                self.round = Some(Round {
                    begin_ms: next_ms,
                    end_ms: None,
                    came: [0; PartKind::ALL.len()],
                });
                Some(Order::Begin(next_ms))
            }
            Some(round) if round.end_ms.is_none() && round.has_bins(self.workers) => {
                let end_ms = next_ms.max(round.begin_ms + self.quantum_ms);
                round.end_ms = Some(end_ms);
                Some(Order::End(end_ms))
            }
            _ => None,
        }
    }

    /// A part has come.
    pub fn came(&mut self, part: &Part) {
        if let Some(round) = &mut self.round {
            round.came[part.kind as usize] += 1;
        }
    }

    /// Begin of the round and its end, in ms, if it has one.
    pub fn span_ms(&self) -> Option<(u64, u64)> {
        let round = self.round.as_ref()?;
        Some((round.begin_ms, round.end_ms?))
    }

    /// Whether every part has come.
    pub fn is_whole(&self) -> bool {
        self.round.as_ref().is_some_and(|round| {
            let came = |kind: PartKind| round.came[kind as usize];
            round.has_bins(self.workers)
                && came(PartKind::Counted) == self.workers
                && came(PartKind::Noted) == 1
                && (!self.learns || came(PartKind::Learned) == self.workers)
        })
    }

    /// The round is over.
    pub fn close(&mut self, now: Instant) {
        self.round = None;
        self.last = now;
    }
}

impl Round {
    fn has_bins(&self, workers: u32) -> bool {
        let came = |kind: PartKind| self.came[kind as usize] as usize;
        came(PartKind::Bin) == BINS
            && came(PartKind::Window) == BINS
            && came(PartKind::Lanes) == workers as usize
            && came(PartKind::Tables) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: PartKind) -> Part {
        Part::of(kind, 0, &())
    }

    #[test]
    fn a_round_ends_when_every_bin_has_come_and_is_whole_when_all_else_has() {
        let every = Duration::from_secs(5);
        let mut rounds = Rounds::new(every, 1_000, (2, true), 3_000);
        let begin = Instant::now();
        assert!(rounds.next(begin, 4_000).is_none(), "too early");
        let later = begin + every * 2;
        assert!(rounds.next(later, 3_000).is_none(), "not taken up yet");
        assert!(matches!(
            rounds.next(later, 3_500),
            Some(Order::Begin(4_000))
        ));
        rounds.came(&part(PartKind::Tables));
        for _ in 0..BINS {
            rounds.came(&part(PartKind::Bin));
            rounds.came(&part(PartKind::Window));
        }
        rounds.came(&part(PartKind::Lanes));
        assert!(
            rounds.next(later, 7_200).is_none(),
            "a worker's marks are missing"
        );
        rounds.came(&part(PartKind::Lanes));
        assert!(matches!(rounds.next(later, 7_200), Some(Order::End(8_000))));
        assert_eq!(rounds.span_ms(), Some((4_000, 8_000)));
        for kind in [PartKind::Counted, PartKind::Learned] {
            rounds.came(&part(kind));
            rounds.came(&part(kind));
        }
        assert!(!rounds.is_whole() && rounds.next(later, 9_000).is_none());
        rounds.came(&part(PartKind::Noted));
        assert!(rounds.is_whole());
        rounds.close(later);
        assert!(rounds.next(later, 10_000).is_none());
    }
}
