//! Whoever runs the shop's page: the seam between the simulated shoppers and the job.
//!
//! # Contract
//! The shop calls [`Shopkeeper::serve`] with spans of the arrival clock that follow one another
//! without a gap. A call brings every event that arrived in its span, in canonical order, and the
//! keeper reports every change of a page that it decided for an arrival before the span's end, in
//! the order of decision for each visitor, timers included. What is reported is shown from the end
//! of the span on. A span without events may be long; a keeper must fire its timers in it.
//!
//! [`CoreKeeper`] runs the pure core on one thread, which by the job's own promise decides what any
//! number of workers would, as long as nothing is learned; [`crate::flow::closed::JobKeeper`] is the
//! job. Cost of the first: that of [`Visitors::observe`], some 0.3 µs an event.

use super::page::Layout;
use crate::event::{ArrivalMs, Batch, Event, VisitorId};
use crate::visit::decision::{Decision, Digest, PerSlot};
use crate::visit::learn::learner::SlotReport;
use crate::visit::live::Rules;
use crate::visit::output::{Output, Step};
use crate::visit::phase::Phase;
use crate::visit::policy::SLOTS_MAX;
use crate::visit::tally::Tally;
use crate::visit::visitors::Visitors;
use std::sync::Arc;

/// A page that changed, or a page at the start of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whose page.
    pub visitor: VisitorId,
    /// When it was decided, on the arrival clock; ms since 1970.
    pub at_ms: u64,
    /// The arm of each slot, by the policy's numbers.
    pub layout: PerSlot<u8>,
    /// The phase by which it was decided.
    pub phase: Phase,
}

impl Shown {
    /// What a decision shows.
    pub fn of(decision: &Decision<'_>) -> Shown {
        Shown {
            visitor: VisitorId::of(decision.visitor),
            at_ms: decision.at.0,
            layout: decision.layout,
            phase: decision.phase,
        }
    }
}

/// What a keeper that is a job came to.
#[derive(Clone, Debug)]
pub struct JobEnd {
    /// Its counters, with what visitors of each group came to.
    pub tally: Tally,
    /// The digest of its decision records.
    pub digest: Digest,
    /// What its slots have learned, by their place in the policy.
    pub learned: Vec<SlotReport>,
}

/// Runs the shop's page. See the file's page for the contract.
pub trait Shopkeeper {
    /// Takes the events that arrived since the last call and before `until_ms`, and adds every
    /// change of a page decided for arrivals before `until_ms` to `shown`.
    fn serve(&mut self, events: &Batch, until_ms: u64, shown: &mut Vec<Shown>);

    /// The shop closes: every session ends in its time. Keepers that are no job have nothing to
    /// say. Call it once, after the last call of `serve`.
    fn close(&mut self) -> Option<JobEnd> {
        None
    }
}

/// The pure core as a keeper.
pub struct CoreKeeper {
    visitors: Visitors,
}

impl CoreKeeper {
    /// A keeper by these rules, with nobody in the shop.
    pub fn new(rules: Rules) -> CoreKeeper {
        CoreKeeper {
            visitors: Visitors::new(Arc::new(rules), None, false),
        }
    }
}

impl Shopkeeper for CoreKeeper {
    fn serve(&mut self, events: &Batch, until_ms: u64, shown: &mut Vec<Shown>) {
        let mut pages = Pages(|decision: &Decision<'_>| shown.push(Shown::of(decision)));
        for event in events.iter() {
            self.visitors.observe(event, &mut pages);
        }
        self.visitors.advance(ArrivalMs(until_ms), &mut pages);
    }
}

/// Hands decisions on and drops the rest.
struct Pages<F>(F);

impl<F: FnMut(&Decision<'_>)> Output for Pages<F> {
    fn decision(&mut self, decision: &Decision<'_>) {
        (self.0)(decision);
    }

    fn duplicate(&mut self, _: &Event) {}

    fn step(&mut self, _: &Step<'_>) {}
}

/// A keeper that shows everybody the same layout from the first event on and decides nothing else.
/// For experiments by construction, where no job shall be in the way.
pub struct FixedKeeper {
    layout: PerSlot<u8>,
    seen: crate::visit::keys::KeySet,
}

impl FixedKeeper {
    /// A keeper of one layout, by the shop's own numbers.
    pub fn new(layout: Layout) -> FixedKeeper {
        let mut arms = [0; SLOTS_MAX];
        arms[..layout.len()].copy_from_slice(&layout);
        FixedKeeper {
            layout: arms,
            seen: Default::default(),
        }
    }
}

impl Shopkeeper for FixedKeeper {
    fn serve(&mut self, events: &Batch, _until_ms: u64, shown: &mut Vec<Shown>) {
        for event in events.events() {
            if self.seen.insert(event.session.0) {
                shown.push(Shown {
                    visitor: event.visitor,
                    at_ms: event.arrival.0,
                    layout: self.layout,
                    phase: Phase::Browsing,
                });
            }
        }
    }
}
