//! A visitor is forgotten: what an `erase` event does to the state of a worker.
//!
//! The event begins no session and leads to no decision. What waits to be judged is settled first,
//! so that facts come and go in the order of time; then a live session is dropped without a trace,
//! as if it had never come to anything: it is not among those that bought, left a cart or reached a
//! phase, and its rows teach no model. What the visitor taught in this session and in all others is
//! taken back, what is remembered of earlier sessions is dropped, and a tombstone
//! ([`crate::visit::erasure`]) keeps the visitor's later events out for a while. Those who listen hear
//! of it once ([`Output::forgotten`]).
//!
//! What stays: the counts of the run, event ids as hashes until they age, and promotions of sessions
//! that ordered, since money that is gone is gone.
//!
//! Cost: a walk over the visitor's own facts.

use super::{Desk, Visitors};
use crate::event::{Event, EventRef, Kind, bin_of};
use crate::visit::history::History;
use crate::visit::live::Visit;
use crate::visit::output::{Forgotten, Output};

impl Visitors {
    /// Whether an event of a visitor without a live session is passed over, because the visitor was
    /// erased.
    #[inline]
    pub(super) fn is_erased(&mut self, bin: usize, event: &Event) -> bool {
        let stones = &mut self.bins[bin].erased;
        if stones.is_empty() || event.kind == Kind::Erase {
            return false;
        }
        let keep_ms = self.rules.policy.limits.erased_keep_ms;
        stones.stands(event.visitor, event.arrival, keep_ms)
    }

    /// Forgets the visitor of an event, whose live session, if there is one, stands under `live`.
    pub(super) fn erase(
        &mut self,
        live: Option<u32>,
        EventRef { event, texts }: EventRef<'_>,
        out: &mut impl Output,
    ) {
        self.tally.count(event);
        self.settle(out);
        let (visitor, at) = (event.visitor, event.arrival);
        let limits = self.rules.policy.limits;
        let mut gone = live.map(|key| self.drop_session(key, event));
        let remembered = match &gone {
            Some(visit) => Some(visit.past()),
            None => {
                let memory = &mut self.bins[bin_of(visitor)].memory;
                memory.recall(visitor, at, limits.history_keep_ms)
            }
        };
        let history: History = remembered.unwrap_or_default();
        let mut desk = Desk {
            rules: &self.rules,
            tally: &mut self.tally,
            out,
        };
        if let Some(visit) = &mut gone {
            self.ledger.end(at, visit, &mut desk);
        }
        let facts = self.ledger.erase(at, visitor, &history, &mut desk);
        self.tally.erased += 1;
        self.tally.limits.erased += self.bins[bin_of(visitor)].erased.put_up(
            visitor,
            at,
            limits.erased_keep_ms,
            limits.erased_per_bin,
        );
        out.forgotten(&Forgotten {
            at,
            visitor,
            visitor_text: texts.visitor,
            live: gone.as_ref(),
            sessions: u64::from(history.sessions) + u64::from(gone.is_some()),
            facts,
            keep_ms: limits.erased_keep_ms,
        });
    }

    /// Takes a live session out. Its timer stays in the wheel, where nobody waits for it.
    fn drop_session(&mut self, key: u32, event: &Event) -> Visit {
        self.strike(bin_of(event.visitor), key);
        let visit = std::mem::take(self.visits.get_mut(key));
        self.visits.give_back(key);
        self.tally
            .move_phase(event.arrival.0, Some(visit.phase()), None);
        visit
    }
}
