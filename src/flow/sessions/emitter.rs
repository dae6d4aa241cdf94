//! What the core says, on its way out of the operator: records as lines with their digest, rows,
//! stories and counters as emissions; facts with the last time before the version that will first know
//! them.
//!
//! Invariant: nothing is kept between one flush and the next but counters, the digest and the rows of
//! live sessions. Cost: a line for each decision; a fact is moved once.

use super::{Lines, Of, SessionsSpec, Tap, Whose, WorkerTally, credited_by};
use crate::clocks;
use crate::event::{ArrivalMs, Event, Reason, Reject, VisitorId};
use crate::flow::container::{Emissions, Spares, Tag};
use crate::flow::what_if::Watch;
use crate::simulate::closed::Shown;
use crate::visit::decision::{Decision, Digest, Recorder};
use crate::visit::feature::Vector;
use crate::visit::learn::fact::{Exposure, Fact, Side, version_after};
use crate::visit::learn::stat::Stat;
use crate::visit::learn::subject::Subject;
use crate::visit::live::{Judgement, Rules, Visit};
use crate::visit::output::{Forgotten, Output, Step};
use crate::visit::products::catalogue::Catalogue;
use crate::visit::rank::shift::Shift;
use crate::visit::rows::RowKeeper;
use crate::visit::tally::Tally;
use crate::visit::view::View;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of emissions after which a container is sent on.
const EMISSION_BYTES: usize = 256 * 1024;

/// Turns what the core says into emissions.
pub(super) struct Emitter {
    pub(super) spec: SessionsSpec,
    tap: Option<Tap>,
    pub(super) emissions: Emissions,
    /// Containers that have as much as one should hold.
    pub(super) full: Vec<Emissions>,
    pub(super) rows: RowKeeper,
    pub(super) digest: Digest,
    pub(super) line: Vec<u8>,
    pub(super) steps: u64,
    /// What is said to those who learn; nothing where nobody does.
    pub(super) facts: Facts,
    quantum_ms: Option<u64>,
    /// Whether those who learn are told of facts that are on their way to be matched.
    pub(super) tells_of_matching: bool,
    /// What another policy would do.
    pub(super) watch: Option<Box<Watch>>,
}

/// Facts on their way out, each with the last time before the version that will first know it.
pub(super) struct Facts {
    pub(super) credited: Of<Fact>,
    pub(super) counts: Vec<(Subject, u64, Stat)>,
    /// Where a subject's latest count may stand among them, by a hash.
    places: [u32; PLACES],
    pub(super) indexed: Vec<(Whose, u64, Shift)>,
    /// The first and the last version that will know of any of them.
    versions_ms: Option<(u64, u64)>,
}

/// Places that counts are found by: far more than an epoch has subjects, in most shops.
const PLACES: usize = 64;

impl Default for Facts {
    fn default() -> Facts {
        Facts {
            credited: Vec::new(),
            counts: Vec::new(),
            places: [0; PLACES],
            indexed: Vec::new(),
            versions_ms: None,
        }
    }
}

impl Facts {
    /// Counts: many visitors are shown the same, and one sum says it.
    fn count(&mut self, subject: Subject, time: u64, change: &Stat) {
        let place = &mut self.places[subject.hash() as usize % PLACES];
        // What stood there before it was sent on, or stands there for another, is not meant.
        match self.counts.get_mut(*place as usize) {
            Some((other, at, sum)) if *at == time && *other == subject => sum.add(change),
            _ => {
                *place = self.counts.len() as u32;
                self.counts.push((subject, time, *change));
            }
        }
    }

    /// The last time before the version that will first know what happened at a time.
    fn time_of(&mut self, at: ArrivalMs, quantum_ms: u64) -> u64 {
        let version_ms = version_after(at, quantum_ms);
        let (first, last) = self.versions_ms.unwrap_or((version_ms, version_ms));
        self.versions_ms = Some((first.min(version_ms), last.max(version_ms)));
        version_ms - 1
    }

    /// Lets go of what has been sent; which versions will know of it, the first and the last.
    pub(super) fn clear(&mut self) -> Option<(u64, u64)> {
        self.credited.clear();
        self.counts.clear();
        self.indexed.clear();
        self.versions_ms.take()
    }
}

impl Emitter {
    pub(super) fn new(spec: SessionsSpec, tap: Option<Tap>) -> Emitter {
        let policy = &spec.rules.policy;
        Emitter {
            quantum_ms: spec.has_tables().then_some(policy.quantum_ms),
            facts: Facts::default(),
            tells_of_matching: false,
            watch: spec
                .what_if
                .as_ref()
                .map(|what_if| Box::new(what_if.watch())),
            spec,
            tap,
            emissions: Emissions::default(),
            full: Vec::new(),
            rows: RowKeeper::default(),
            digest: Digest::default(),
            line: Vec::with_capacity(1024),
            steps: 0,
        }
    }

    /// Sets the container aside when it holds enough: one call of the core may end every session.
    pub(super) fn cut_if_full(&mut self) {
        if self.emissions.heap_bytes() >= EMISSION_BYTES {
            self.full.push(std::mem::take(&mut self.emissions));
        }
    }

    /// Sets the container aside if it holds anything.
    pub(super) fn cut(&mut self, spares: &Spares<Emissions>) {
        if !self.emissions.is_empty() {
            let room = spares.take().unwrap_or_default();
            self.full.push(std::mem::replace(&mut self.emissions, room));
        }
    }

    /// Sends a fact to where exposures and outcomes are matched.
    fn credited(&mut self, at: ArrivalMs, whose: (VisitorId, u64), fact: Fact, sign: i8) {
        let learning = &self.spec.rules.policy.learning;
        if let Some(quantum_ms) = self.quantum_ms {
            let time = self.facts.time_of(at, quantum_ms);
            let of = credited_by(learning.window_ms, whose);
            let update = ((of, fact), time, isize::from(sign));
            self.facts.credited.push(update);
            if self.tells_of_matching {
                let nothing = Stat::default();
                self.facts.count(Subject::Matching, time, &nothing);
            }
        }
    }

    /// Counts a fact that is only counted, from the version after it.
    fn count(&mut self, at: ArrivalMs, subject: Subject, trials: i64, reward: i64) {
        if let Some(quantum_ms) = self.quantum_ms {
            let change = Stat {
                trials,
                reward,
                square: 0,
            };
            let time = self.facts.time_of(at, quantum_ms);
            self.facts.count(subject, time, &change);
        }
    }

    /// Says what becomes of a session in an index.
    fn index(&mut self, at: ArrivalMs, whose: Whose, shift: Shift) {
        if let Some(quantum_ms) = self.quantum_ms {
            let time = self.facts.time_of(at, quantum_ms);
            self.facts.indexed.push((whose, time, shift));
        }
    }

    /// Lets those who watch go on, and states what was chosen where the log says so.
    #[inline]
    pub(super) fn follow(&mut self, go_on: impl FnOnce(&mut Watch)) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        go_on(watch);
        let (indexed, exposures) = (watch.take_indexed(), watch.take_exposures());
        for (at, shift) in indexed {
            self.index(at, Whose::Rival, shift);
        }
        for (at, visitor, exposure, sign) in exposures {
            self.count(at, Subject::Cell(exposure.cell), i64::from(sign), 0);
            let whose = (visitor, exposure.session);
            self.credited(at, whose, Fact::Exposure(exposure), sign);
        }
    }

    /// Products may be shown that a catalogue names that has grown; all numbers before are the same.
    pub(super) fn sells(&mut self, catalogue: &Arc<Catalogue>) {
        Arc::make_mut(&mut self.spec.recorder).catalogue = Some(Arc::clone(catalogue));
    }

    pub(super) fn tally(&mut self, tally: Tally) {
        if let Some(watch) = self.watch.take() {
            let evidence = watch.finish();
            self.emissions.write(u64::MAX, Tag::Evidence, &[], |body| {
                serde_json::to_writer(body, &evidence).expect("evidence is plain data");
            });
        }
        let tally = WorkerTally {
            tally,
            digest: self.digest.to_string(),
            peak_rss_bytes: if self.spec.reports_memory {
                crate::flow::job::peak_rss_bytes()
            } else {
                0
            },
            thread_cpu: clocks::of_thread(),
            process_cpu: if self.spec.reports_memory {
                clocks::of_process().saturating_sub(self.spec.cpu_before)
            } else {
                Duration::ZERO
            },
        };
        self.emissions.write(u64::MAX, Tag::Tally, &[], |body| {
            serde_json::to_writer(body, &tally).expect("counters are plain data");
        });
    }
}

impl Output for Emitter {
    fn decision(&mut self, decision: &Decision<'_>) {
        if let Some(tap) = &self.tap {
            tap.borrow_mut().push(Shown::of(decision));
        }
        if let Some(watch) = &mut self.watch {
            watch.decided(decision);
        }
        self.line.clear();
        self.spec.recorder.json(decision, &mut self.line);
        self.digest.add(&self.line);
        let line = &mut self.line;
        match self.spec.lines {
            Lines::None => return,
            Lines::Json => line.push(b'\n'),
            Lines::Csv => {
                line.clear();
                self.spec.recorder.csv(decision, line);
            }
        }
        // No id holds a NUL, so the order of the key is that of (visitor, session, seq).
        let seq = decision.seq.to_be_bytes();
        let key: [&[u8]; 5] = [decision.visitor, b"\0", decision.session, b"\0", &seq];
        self.emissions
            .write(decision.at.0, Tag::Decision, &key, |body| {
                body.extend_from_slice(line);
            });
        self.cut_if_full();
    }

    fn took_over(&mut self, at: ArrivalMs, rules: &Arc<Rules>) {
        let mut recorder = Recorder::of(rules);
        // It may have grown since the rules were made.
        recorder.catalogue.clone_from(&self.spec.recorder.catalogue);
        self.spec.recorder = Arc::new(recorder);
        self.spec.rules = Arc::clone(rules);
        if let Some(status) = &self.spec.status {
            status.goes_by(rules);
        }
        // A slot of which nothing else is said is weighed by the new rules at the same version.
        for (slot, _) in (0..).zip(&rules.policy.slots) {
            let side = Side::Drawn;
            self.count(at, Subject::Visitors { slot, side }, 0, 0);
        }
    }

    fn duplicate(&mut self, event: &Event) {
        if self.spec.rejects {
            let reject = Reject {
                arrival: event.arrival,
                lane: event.lane,
                line: event.line,
                offset: event.offset,
                reason: Reason::Duplicate,
                text: Vec::new(),
            };
            emit_reject(&reject, &mut self.emissions);
        }
    }

    fn step(&mut self, step: &Step<'_>) {
        self.steps += 1;
        let number = self.steps.to_be_bytes();
        let recorder = &self.spec.recorder;
        self.emissions
            .write(step.at.0, Tag::Story, &[&number], |body| {
                crate::flow::story::write(step, recorder, &self.spec.rules, body);
            });
    }

    fn fact(&mut self, at: ArrivalMs, visitor: VisitorId, fact: &Fact, sign: i8) {
        if let Some(watch) = &mut self.watch
            && !watch.lets_pass(at, visitor, fact, sign)
        {
            return;
        }
        let trials = i64::from(sign);
        let (subject, reward) = match *fact {
            Fact::Outcome(outcome) => {
                return self.credited(at, (visitor, outcome.session), *fact, sign);
            }
            Fact::Exposure(exposure) => {
                if let Some(lots) = Subject::lots(&exposure, &self.spec.rules.policy.learning) {
                    self.count(at, lots, trials, 0);
                }
                (Subject::Cell(exposure.cell), 0)
            }
            Fact::Spend { slot, arm, amount } => (Subject::Spend { slot, arm }, amount * trials),
            Fact::Visitor { slot, side } => (Subject::Visitors { slot, side }, 0),
        };
        self.count(at, subject, trials, reward);
    }

    fn creditable(&mut self, at: ArrivalMs, visitor: VisitorId, shown: &Exposure, sign: i8) {
        if self.watch.as_ref().is_some_and(|watch| !watch.is_shown()) {
            return;
        }
        self.credited(at, (visitor, shown.session), Fact::Exposure(*shown), sign);
    }

    fn indexed(&mut self, at: ArrivalMs, shift: Shift) {
        self.index(at, Whose::Own, shift);
    }

    fn observed(&mut self, visit: &Visit, features: &Vector) {
        if let Some(sample) = self.spec.rows
            && sample.holds(visit.visitor)
        {
            self.rows.observed(visit, features);
        }
    }

    fn considered(&mut self, visit: &Visit, judgement: &Judgement, view: &View) {
        if let Some(watch) = &mut self.watch {
            watch.considered(visit, judgement, view);
        }
    }

    fn ended(&mut self, visit: &Visit, at: ArrivalMs) {
        if let Some(watch) = &mut self.watch {
            watch.ended(visit, at);
        }
        if let Some(sample) = self.spec.rows
            && sample.holds(visit.visitor)
        {
            let key: [&[u8]; 3] = [&visit.visitor_text, b"\0", &visit.session_text()];
            let rows = &mut self.rows;
            self.emissions.write(at.0, Tag::Rows, &key, |body| {
                rows.ended(visit, body);
            });
            self.cut_if_full();
        }
    }

    fn forgotten(&mut self, gone: &Forgotten<'_>) {
        self.forget(gone);
    }
}

/// Adds a rejected row as its line of JSON.
pub fn emit_reject(reject: &Reject, emissions: &mut Emissions) {
    let key: [&[u8]; 2] = [&reject.lane.0.to_be_bytes(), &reject.offset.0.to_be_bytes()];
    emissions.write(reject.arrival.0, Tag::Reject, &key, |body| {
        reject.write_json(body);
    });
}
