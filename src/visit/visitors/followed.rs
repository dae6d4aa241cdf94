//! The visit that is followed: how it stood before a step, and the step told.

use super::Visitors;
use crate::event::ArrivalMs;
use crate::visit::decision::{PerSlot, Trigger};
use crate::visit::feature::fill;
use crate::visit::model::Scores;
use crate::visit::output::{Cause, Output, Step};
use crate::visit::phase::Phase;

/// How the visit that is followed stood before a step.
pub(super) struct Before {
    starts: bool,
    scores: Scores,
    phase: Phase,
    layout: PerSlot<u8>,
    list: Vec<u32>,
    seq: u32,
}

impl Visitors {
    /// How the visit stands, if it is the one that is followed. Nothing is left to be settled then.
    pub(super) fn before(&mut self, key: u32, out: &mut impl Output) -> Option<Before> {
        if self.followed != Some(self.visits.get(key).visitor) {
            return None;
        }
        self.settle(out);
        let visit = self.visits.get(key);
        let starts = visit.session.events == 0;
        if !starts {
            fill(&visit.session, visit.session.last, &mut self.before);
        }
        Some(Before {
            starts,
            scores: visit.scores,
            phase: visit.phase(),
            layout: *visit.layout(),
            list: visit.list().to_vec(),
            seq: visit.next_seq,
        })
    }

    /// Tells what a change under the visit that is followed made of its page, if it decided anything.
    pub(super) fn tell_turn(
        &mut self,
        key: u32,
        at: ArrivalMs,
        trigger: Trigger,
        before: &Before,
        out: &mut impl Output,
    ) {
        self.settle(out);
        if self.visits.get(key).next_seq == before.seq {
            return;
        }
        let sold_out = std::mem::take(&mut self.said.sold_out);
        let cause = match trigger {
            Trigger::Policy => Cause::Policy,
            _ => Cause::Shelf(&sold_out),
        };
        self.tell(key, at, cause, before, out);
    }

    /// Tells a step of the visit that is followed.
    pub(super) fn tell(
        &mut self,
        key: u32,
        at: ArrivalMs,
        cause: Cause<'_>,
        before: &Before,
        out: &mut impl Output,
    ) {
        self.settle(out);
        out.step(&Step {
            at,
            cause,
            before: (!before.starts).then_some(&*self.before),
            after: &self.features,
            visit: self.visits.get(key),
            scores_before: before.scores,
            phase_before: before.phase,
            layout_before: before.layout,
            list_before: &before.list,
            seq_before: before.seq,
        });
    }
}
