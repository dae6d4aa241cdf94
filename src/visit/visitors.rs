//! All visitors of one worker: the keyed state of the job, without engine, I/O or clock.
//!
//! [`Visitors::observe`] takes events in canonical order; timers fire in between, labelled with
//! their deadline, an event at the very millisecond of a deadline coming first. Visitors live in
//! 256 bins by a pinned hash, and every limit is kept per bin, so that neither the number of
//! workers nor the size of a batch can reach a result: within a bin everything happens in one
//! fixed order (time, events before timers, lane and offset, then visitor).
//!
//! Judgements may wait for company ([`super::judging`]); what they change is settled before anyone
//! looks at it, and [`Visitors::advance`], with which an epoch ends, leaves none behind.
//!
//! Cost: one map probe an event, plus the visit's own step. Memory: the live sessions, what is
//! remembered of visitors between sessions, and recent event ids; all bounded by the policy.

mod erase;
mod followed;
pub mod phases;
mod roll;
pub mod saved;
mod timers;
mod turn;

use super::erasure::Tombstones;
use super::feature::{FEATURE_COUNT, Vector, fill};
use super::history::History;
use super::judging::{Judging, QUEUE_MAX, Reach};
use super::learn::tables::{Change, Tables};
use super::learned::Said;
use super::ledger::{Desk, Ledger};
use super::live::{Judgement, Mark, Rules, Visit};
use super::lookup::Lookup;
use super::memory::Memory;
use super::products::shelf::Shelf;
use super::rank::recommender::Recommender;
use super::recent::{RecentIds, Seen};
use super::slab::Slab;
use super::tally::{Tally, Timeline};
use super::wheel::{Timer, Wheel};
use crate::event::{ArrivalMs, BINS, Event, EventRef, Kind, Texts, VisitorId, bin_of};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

pub use super::output::{Cause, Ending, Forgotten, Output, Step};

#[derive(Default)]
struct Bin {
    live: Lookup,
    memory: Memory,
    recent: RecentIds,
    erased: Tombstones,
}

/// Events that are looked ahead for in one go: enough to wait for their memory together, few enough
/// for the nearest cache to keep it until their turn.
pub const AHEAD: usize = 16;

/// The visitors of one worker.
pub struct Visitors {
    rules: Arc<Rules>,
    bins: Vec<Bin>,
    visits: Slab<Visit>,
    wheel: Wheel,
    due: Vec<Timer>,
    live: u64,
    features: Box<Vector>,
    before: Box<Vector>,
    judging: Judging,
    tables: Tables,
    said: Said,
    ledger: Ledger,
    followed: Option<VisitorId>,
    tally: Tally,
    /// While a snapshot is taken up: from when on bins are to be told what happens.
    ahead: Option<saved::Ahead>,
    /// Rules that are to take over, and when, in order.
    coming: VecDeque<(ArrivalMs, Arc<Rules>)>,
}

impl Visitors {
    /// Nobody yet. `followed` is the visitor whose story is told; `timeline` asks for counts over
    /// time.
    pub fn new(rules: Arc<Rules>, followed: Option<VisitorId>, timeline: bool) -> Visitors {
        let mut tables = Tables::new(&rules.policy);
        let sells = rules
            .catalogue
            .as_ref()
            .filter(|_| rules.policy.products().is_some());
        tables.shelf = sells.map(|all| Shelf::new(Arc::clone(all), rules.policy.quantum_ms));
        if tables.shelf.is_some() {
            tables.recommender = rules.policy.index.as_ref().map(Recommender::new);
        }
        // A list is made of the visit as it is: no judgement may wait.
        let turns = if tables.shelf.is_some() { 1 } else { QUEUE_MAX };
        Visitors {
            tables,
            said: Said::default(),
            ledger: Ledger::default(),
            rules,
            bins: (0..BINS).map(|_| Bin::default()).collect(),
            visits: Slab::default(),
            wheel: Wheel::default(),
            due: Vec::new(),
            live: 0,
            features: Box::new([0.0; FEATURE_COUNT]),
            before: Box::new([0.0; FEATURE_COUNT]),
            judging: Judging::in_turns_of(turns),
            followed,
            tally: Tally {
                timeline: timeline.then(Timeline::default),
                ..Tally::default()
            },
            ahead: None,
            coming: VecDeque::new(),
        }
    }

    /// The same with judgements in turns of `most`, which cannot be seen; for the tests of that.
    #[doc(hidden)]
    pub fn judging_in_turns_of(mut self, most: usize) -> Visitors {
        self.judging = Judging::in_turns_of(most);
        self
    }

    /// The same, asked at every judgement what it would do; none of them waits then.
    pub fn considering(mut self) -> Visitors {
        self.said.view = Some(Box::default());
        self.judging_in_turns_of(1)
    }

    /// Reads what the next events will read first, up to [`AHEAD`] of them: where their sessions
    /// stand, the sessions, and what these remember of items. Loads that do not depend on each other
    /// are waited for together, so this takes little longer than the slowest. Nothing changes, and
    /// nothing is taken from what is read. The job does not do it: on the machine of docs/performance.md it
    /// cost more than it saved. The plain loop has a form that does, to find out on others.
    pub fn look_ahead<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        let (mut keys, mut known, mut sum) = ([0; AHEAD], 0, 0);
        for event in events.take(AHEAD) {
            let bin = &self.bins[bin_of(event.visitor)];
            if let Some(key) = bin.live.find(event.visitor, |_| true) {
                keys[known] = key;
                known += 1;
            }
            if !event.event_id.is_none() {
                sum ^= u64::from(bin.recent.has(event.visitor, event.event_id));
            }
        }
        for key in &keys[..known] {
            sum ^= self.visits.get(*key).touch();
        }
        for key in &keys[..known] {
            sum ^= self.visits.get(*key).session.touched.touch();
        }
        black_box(sum);
    }

    /// Takes the next event in canonical order.
    pub fn observe(&mut self, taken: EventRef<'_>, out: &mut impl Output) {
        let EventRef { event, texts } = taken;
        self.run_to(event.arrival, event.arrival.0.saturating_add(1), out);
        self.turn_tables(event.arrival, out);
        let bin = bin_of(event.visitor);
        if self.is_behind(bin, event.arrival) {
            return;
        }
        let live = self.find(bin, event.visitor);
        if live.is_none() && self.is_erased(bin, event) {
            self.tally.erased_events += 1;
            return;
        }
        if !event.event_id.is_none() && self.is_duplicate(bin, event) {
            self.tally.duplicates += 1;
            out.duplicate(event);
            return;
        }
        if event.kind == Kind::Erase {
            return self.erase(live, taken, out);
        }
        let key = match live {
            Some(key) => {
                if let Some(ending) = self.ends_before(key, event) {
                    let history = self.end(key, event.arrival, ending, out);
                    self.begin(key, event, texts, history);
                }
                key
            }
            None => self.enter(bin, event, texts, out),
        };
        self.step(key, event, texts, out);
    }

    /// Moves the clock to `to`, fires the timers whose deadline lies before it, and settles what
    /// waits to be judged: every decision up to here is made.
    pub fn advance(&mut self, to: ArrivalMs, out: &mut impl Output) {
        // What changes at that very time goes by tables that may still be on their way.
        self.run_to(to, to.0, out);
        self.settle(out);
    }

    /// The log has ended with this arrival: facts do not age beyond it, only timers still fire.
    pub fn log_ends(&mut self, last: ArrivalMs) {
        self.ledger.log_ends(last);
    }

    /// Takes back the facts that stop to count by `to`.
    pub fn expire(&mut self, to: ArrivalMs, out: &mut impl Output) {
        self.ledger.expire(to, out);
    }

    /// Takes a change of the learned tables, ahead of the time from which it holds.
    pub fn learn(&mut self, version_ms: u64, change: Change) {
        self.tables.receive(version_ms, change);
    }

    /// Puts the tables in force that are due. What waits to be judged is judged by those before.
    #[inline]
    fn turn_tables(&mut self, at: ArrivalMs, out: &mut impl Output) {
        if self.tables.is_due(at) {
            self.settle(out);
            self.tables.turn(at);
        }
    }

    /// The log is over: time moves on until every session has ended. Returns what was counted.
    pub fn finish(mut self, out: &mut impl Output) -> Tally {
        self.advance(ArrivalMs(u64::MAX), out);
        debug_assert_eq!(self.live, 0);
        self.tally.products.standing = self.ledger.standing();
        self.tally
    }

    /// Timers that wait, those of ended sessions among them; for the tests of what is bounded.
    pub fn timers(&self) -> usize {
        self.wheel.len()
    }

    fn is_duplicate(&mut self, bin: usize, event: &Event) -> bool {
        let limits = &self.rules.policy.limits;
        let seen = self.bins[bin].recent.note(
            event.visitor,
            event.event_id,
            event.arrival,
            limits.event_ids_keep_ms,
            limits.event_ids_per_bin,
        );
        self.tally.limits.event_ids += u64::from(seen == Seen::FirstCrowded);
        seen == Seen::Again
    }

    /// Whether the live session is over before this event, and why.
    fn ends_before(&self, key: u32, event: &Event) -> Option<Ending> {
        let visit = self.visits.get(key);
        let rules = &self.rules.policy.session;
        let session = &visit.session;
        if event.time.0.saturating_sub(session.last.0) > rules.idle_ms {
            Some(Ending::Idle)
        } else if event.time.0.saturating_sub(session.start.0) > rules.max_ms {
            Some(Ending::TooLong)
        } else if rules.from_log
            && event.session != visit.log_session()
            && !event.session.is_none()
            && !visit.log_session().is_none()
        {
            // An event without a session, such as a refund, belongs to whatever is going on.
            Some(Ending::LogSession)
        } else {
            None
        }
    }

    fn begin(&mut self, key: u32, event: &Event, texts: Texts<'_>, history: History) {
        let visit = self.visits.get_mut(key);
        visit.begin(event, texts.visitor, texts.session, history, &self.rules);
        self.tally.sessions += 1;
    }

    /// Folds the event, counts, has the visit judged, and sets the timer.
    fn step(&mut self, key: u32, event: &Event, texts: Texts<'_>, out: &mut impl Output) {
        self.tally.count(event);
        let before = self.before(key, out);
        let visit = self.visits.get_mut(key);
        let (judgement, overflow) = visit.fold(event, &self.rules, &mut self.features);
        self.tally.limits.items_per_session += u64::from(overflow.item);
        self.tally.limits.categories_per_session += u64::from(overflow.category);
        out.observed(visit, &self.features);
        self.book(key, event, out);
        self.judge(key, judgement, out);
        if let Some(before) = before {
            let cause = Cause::Event(event, texts);
            self.tell(key, event.arrival, cause, &before, out);
        }
        self.set_timer(key);
    }

    /// Books what an event means for accounts and facts, on the page as it was before the event.
    fn book(&mut self, key: u32, event: &Event, out: &mut impl Output) {
        let visit = self.visits.get(key);
        if self.ledger.touches_facts(event, visit, &self.rules) {
            // Facts are stated in the order of time, whoever's they are.
            self.settle(out);
        }
        let mut desk = Desk {
            rules: &self.rules,
            tally: &mut self.tally,
            out,
        };
        let visit = self.visits.get_mut(key);
        self.ledger.book(event, visit, &mut desk);
    }

    fn judge(&mut self, key: u32, judgement: Judgement, out: &mut impl Output) {
        let (judging, features, mut reach) = self.court(out);
        judging.take(key, judgement, features, &mut reach);
    }

    fn settle(&mut self, out: &mut impl Output) {
        let (judging, _, mut reach) = self.court(out);
        judging.settle(&mut reach);
    }

    fn court<'a, O>(&'a mut self, out: &'a mut O) -> (&'a mut Judging, &'a Vector, Reach<'a, O>) {
        let reach = Reach {
            rules: &self.rules,
            tables: &self.tables,
            said: &mut self.said,
            ledger: &mut self.ledger,
            visits: &mut self.visits,
            tally: &mut self.tally,
            out,
        };
        (&mut self.judging, &self.features, reach)
    }

    /// Counts what a session came to.
    fn end(&mut self, key: u32, at: ArrivalMs, ending: Ending, out: &mut impl Output) -> History {
        if self.judging.owes(key) || self.visits.get(key).is(Mark::Promised) {
            // A promise is a fact: it goes when those before it have come.
            self.settle(out);
        }
        let mut desk = Desk {
            rules: &self.rules,
            tally: &mut self.tally,
            out,
        };
        self.ledger.end(at, self.visits.get_mut(key), &mut desk);
        let visit = self.visits.get(key);
        let followed = self.followed == Some(visit.visitor);
        let watch = self.rules.models.get(visit.model).watch.as_ref();
        if followed || watch.is_some() {
            fill(&visit.session, visit.session.last, &mut self.features);
        }
        if let Some(watch) = watch {
            let drift = self.tally.drift.entry(visit.model).or_default();
            watch.count(&self.features, visit.scores, drift);
        }
        if followed {
            out.step(&Step {
                at,
                cause: Cause::End(ending),
                before: None,
                after: &self.features,
                visit,
                scores_before: visit.scores,
                phase_before: visit.phase(),
                layout_before: *visit.layout(),
                list_before: visit.list(),
                seq_before: visit.next_seq,
            });
        }
        let tally = &mut self.tally;
        tally.move_phase(at.0, Some(visit.phase()), None);
        for (phase, count) in tally.phases.iter_mut().enumerate() {
            *count += u64::from(visit.reached >> phase & 1);
        }
        let bought = visit.session.count(Kind::Purchase) > 0;
        tally.carts_abandoned += u64::from(visit.session.abandons_cart());
        tally.sessions_bought += u64::from(bought);
        match (visit.peak_bar(), bought) {
            (Some(peak), true) => tally.peak_bought.count_bar(peak),
            (Some(peak), false) => tally.peak_not_bought.count_bar(peak),
            (None, _) => tally.bought_at_once += 1,
        }
        out.ended(visit, at);
        visit.history()
    }
}
