//! How far the operator may go, from what its inputs have promised.
//!
//! Events before the events' frontier are all there. Decisions of an arrival rest on the tables
//! that hold at the last multiple of the quantum up to it, so events may be taken up to the first
//! multiple whose tables may still be on their way. A job without tables waits for none.
//!
//! A worker that is alone states all facts that there are: as long as none is on its way, no table
//! is, and it goes on quantum by quantum without a round of the loop until it states one.
//!
//! Invariant: what is closed never opens again. Cost: some comparisons a round.

use crate::visit::policy::Policy;

/// Rounds of the loop after which those who write are told how far all is said.
const ROUNDS_MAX: u32 = 64;

/// The operator's clock.
pub(super) struct Clock {
    quantum_ms: u64,
    lag_ms: u64,
    has_tables: bool,
    alone: bool,
    /// Events before this have been taken.
    closed_ms: Option<u64>,
    /// The first and the last version that knows of facts that are on their way, of a worker alone.
    stated_ms: Option<(u64, u64)>,
    /// Rounds since those who write were told how far all is said.
    rounds: u32,
    /// The last arrival in any lane, once the lanes have ended.
    pub last_ms: u64,
    /// Whether no event comes any more.
    pub ended: bool,
}

impl Clock {
    /// Nothing has been taken yet, of a worker that has tables or is alone.
    pub fn new(policy: &Policy, has_tables: bool, alone: bool) -> Clock {
        Clock {
            quantum_ms: policy.quantum_ms,
            lag_ms: policy.lag_ms,
            has_tables,
            alone,
            closed_ms: None,
            stated_ms: None,
            rounds: 0,
            last_ms: 0,
            ended: false,
        }
    }

    /// Events before what time may be taken now, if nothing happens before `quiet_ms`; `None` if no
    /// more than before.
    pub fn move_to(
        &mut self,
        events: Option<u64>,
        tables: Option<u64>,
        quiet_ms: u64,
    ) -> Option<u64> {
        self.ended = events.is_none();
        let known = match tables {
            Some(tables) if self.has_tables => {
                let back = self.quantum_before(tables).saturating_add(self.quantum_ms);
                back.max(self.known_alone(tables, quiet_ms))
            }
            _ => u64::MAX,
        };
        let closed_ms = events.unwrap_or(u64::MAX).min(known);
        if self.closed_ms.is_some_and(|before| closed_ms <= before) {
            return None;
        }
        self.closed_ms = Some(closed_ms);
        Some(closed_ms)
    }

    /// Up to when a worker that is alone knows the tables, whatever has come back.
    fn known_alone(&mut self, tables: u64, quiet_ms: u64) -> u64 {
        if !self.alone {
            return 0;
        }
        let is_back = |(_, last): &mut (u64, u64)| last.saturating_add(self.lag_ms) <= tables;
        self.stated_ms.take_if(is_back);
        match self.stated_ms {
            Some((first, _)) => first.saturating_add(self.lag_ms),
            None => {
                let next = quiet_ms.max(self.closed_ms.unwrap_or(0));
                self.quantum_before(next).saturating_add(self.quantum_ms)
            }
        }
    }

    /// Facts were stated whose first and last version are these.
    pub fn state(&mut self, versions_ms: Option<(u64, u64)>) {
        if let (true, Some((first, last))) = (self.alone, versions_ms) {
            let before = self.stated_ms.unwrap_or((first, last));
            self.stated_ms = Some((before.0.min(first), before.1.max(last)));
        }
    }

    /// The last multiple of the quantum up to this time.
    pub fn quantum_before(&self, ms: u64) -> u64 {
        ms / self.quantum_ms * self.quantum_ms
    }

    /// Whether nothing will happen any more.
    pub fn is_over(&self, events: Option<u64>, closed_ms: u64, live: u64) -> bool {
        events.is_none() && (closed_ms == u64::MAX || (live == 0 && closed_ms > self.last_ms))
    }

    /// Before what time nothing more will be said.
    pub fn stand_at(&self, closed_ms: u64, quiet_ms: u64, events: Option<u64>) -> u64 {
        if !self.has_tables {
            return closed_ms;
        }
        quiet_ms.min(events.unwrap_or(u64::MAX)).max(closed_ms)
    }

    /// Whether those who write are told how far all is said: when there is nothing left to be taken,
    /// and every so often until then.
    pub fn says(&mut self, closed_ms: u64, events: Option<u64>) -> bool {
        self.rounds += 1;
        let says = events.is_some_and(|events| closed_ms >= events) || self.rounds >= ROUNDS_MAX;
        if says {
            self.rounds = 0;
        }
        says
    }
}
