//! The loop by plain means: the core, a list of the facts that stand, and the learner in between.
//!
//! [`World`] is told events in canonical order. At every version it recomputes all statistics from
//! the facts that stand ([`super::naive`]), hands the learner the difference, and the tables'
//! changes back to the core. No engine takes part: what the job does with streams has to come to
//! the same.

use super::naive;
use crate::script::{Lines, Told};
use restage::event::{ArrivalMs, Event, VisitorId};
use restage::visit::decision::{Decision, PerSlot};
use restage::visit::learn::fact::{Exposure, Fact, Outcome, version_after};
use restage::visit::learn::learner::Learner;
use restage::visit::learn::stat::Stat;
use restage::visit::learn::subject::Subject;
use restage::visit::live::Rules;
use restage::visit::tally::Tally;
use restage::visit::visitors::{Output, Step, Visitors};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A fact with its sign, as the core stated it.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    pub at: ArrivalMs,
    pub visitor: VisitorId,
    pub fact: Fact,
    pub sign: i8,
    /// Whether it says that outcomes may be credited to an exposure that has been stated before.
    pub creditable: bool,
}

/// A decision without its texts.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at_ms: u64,
    pub visitor: String,
    pub session: String,
    pub seq: u32,
    pub layout: PerSlot<u8>,
    pub changed: u8,
    pub drawn: u8,
    pub propensity_ppm: PerSlot<u32>,
    pub tables_ms: u64,
    pub start: bool,
}

/// What the core says.
pub struct Heard {
    pub lines: Lines,
    pub decisions: Vec<Seen>,
    pub said: Vec<Said>,
    pub duplicates: usize,
}

impl Output for Heard {
    fn decision(&mut self, decision: &Decision<'_>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.decisions.push(Seen {
            at_ms: decision.at.0,
            visitor: text(decision.visitor),
            session: text(decision.session),
            seq: decision.seq,
            layout: decision.layout,
            changed: decision.changed,
            drawn: decision.drawn,
            propensity_ppm: decision.propensity_ppm,
            tables_ms: decision.tables_ms,
            start: decision.trigger.name() == "start",
        });
        self.lines.decision(decision);
    }

    fn duplicate(&mut self, _: &Event) {
        self.duplicates += 1;
    }

    fn step(&mut self, _: &Step<'_>) {}

    fn fact(&mut self, at: ArrivalMs, visitor: VisitorId, fact: &Fact, sign: i8) {
        self.said.push(Said {
            at,
            visitor,
            fact: *fact,
            sign,
            creditable: false,
        });
    }

    fn creditable(&mut self, at: ArrivalMs, visitor: VisitorId, shown: &Exposure, sign: i8) {
        self.said.push(Said {
            at,
            visitor,
            fact: Fact::Exposure(*shown),
            sign,
            creditable: true,
        });
    }
}

/// The facts that stand.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub exposures: BTreeSet<(VisitorId, Exposure)>,
    pub outcomes: BTreeSet<(VisitorId, Outcome)>,
    pub counts: BTreeMap<Subject, Stat>,
}

impl Standing {
    /// Follows a fact; one that stands is stated and taken back once.
    pub fn follow(&mut self, said: &Said) {
        if said.creditable {
            // What stands does not depend on who has heard of it.
            return;
        }
        let Said { visitor, sign, .. } = *said;
        match said.fact {
            Fact::Exposure(exposure) => self.exposures.follow((visitor, exposure), sign),
            Fact::Outcome(outcome) => self.outcomes.follow((visitor, outcome), sign),
            Fact::Spend { slot, arm, amount } => {
                let stat = self.counts.entry(Subject::Spend { slot, arm }).or_default();
                stat.trials += i64::from(sign);
                stat.reward += amount * i64::from(sign);
            }
            Fact::Visitor { slot, side } => {
                let subject = Subject::Visitors { slot, side };
                self.counts.entry(subject).or_default().trials += i64::from(sign);
            }
        }
        self.counts.retain(|_, stat| !stat.is_zero());
    }
}

trait Follow<T> {
    fn follow(&mut self, one: T, sign: i8);
}

impl<T: Ord + Copy + std::fmt::Debug> Follow<T> for BTreeSet<T> {
    #[track_caller]
    fn follow(&mut self, one: T, sign: i8) {
        let fits = if sign > 0 {
            self.insert(one)
        } else {
            self.remove(&one)
        };
        assert!(fits, "{one:?} was stated or taken back twice");
    }
}

/// All statistics as of a version.
pub type Statistics = BTreeMap<Subject, Stat>;

/// Core, facts and learner.
pub struct World {
    pub rules: Arc<Rules>,
    pub visitors: Visitors,
    pub heard: Heard,
    pub learner: Learner,
    /// What stands as of the last version.
    pub standing: Standing,
    /// The statistics of every version at which some fact changed.
    pub versions: Vec<(u64, Statistics)>,
    /// All facts by the version that first knows them.
    pub told: BTreeMap<u64, Vec<Said>>,
    closed_ms: u64,
    seen_ms: u64,
}

impl World {
    pub fn new(rules: &Arc<Rules>) -> World {
        World::judging_in_turns_of(rules, 1)
    }

    /// With judgements by trees settled in turns of `most`.
    pub fn judging_in_turns_of(rules: &Arc<Rules>, most: usize) -> World {
        World {
            visitors: Visitors::new(Arc::clone(rules), None, true).judging_in_turns_of(most),
            rules: Arc::clone(rules),
            heard: Heard {
                lines: Lines::new(rules),
                decisions: Vec::new(),
                said: Vec::new(),
                duplicates: 0,
            },
            learner: Learner::new(&rules.policy),
            standing: Standing::default(),
            versions: Vec::new(),
            told: BTreeMap::new(),
            closed_ms: 0,
            seen_ms: 0,
        }
    }

    /// Takes the next event, after every version up to its arrival.
    pub fn observe(&mut self, told: &Told) {
        self.close_up_to(told.event.arrival.0);
        self.seen_ms = told.event.arrival.0;
        self.visitors.observe(told.borrowed(), &mut self.heard);
    }

    /// The log has ended with an arrival: every session ends, every version closes.
    pub fn finish(&mut self, last_ms: u64) -> Tally {
        self.visitors.log_ends(ArrivalMs(last_ms));
        self.close_up_to(u64::MAX - 1);
        let blank = Visitors::new(Arc::clone(&self.rules), None, false);
        let visitors = std::mem::replace(&mut self.visitors, blank);
        let tally = visitors.finish(&mut self.heard);
        assert!(
            self.heard.said.is_empty(),
            "facts came after the last version"
        );
        tally
    }

    /// Plays a log from first to last.
    pub fn play(&mut self, events: &[Told]) -> Tally {
        for told in events {
            self.observe(told);
        }
        self.finish(events.last().map_or(0, |told| told.event.arrival.0))
    }

    fn close_up_to(&mut self, to_ms: u64) {
        let quantum_ms = self.rules.policy.quantum_ms;
        // Judgements that wait have facts to state.
        self.visitors
            .advance(ArrivalMs(self.seen_ms), &mut self.heard);
        loop {
            self.sort_facts();
            let first = self.told.range(self.closed_ms + 1..).next();
            let pending = first.map_or(u64::MAX, |(version, _)| *version);
            let quiet = version_after(ArrivalMs(self.visitors.quiet_until()), quantum_ms);
            let next = pending.min(quiet.max(self.closed_ms + quantum_ms));
            if next > to_ms {
                return;
            }
            self.visitors.advance(ArrivalMs(next), &mut self.heard);
            self.visitors.expire(ArrivalMs(next), &mut self.heard);
            self.sort_facts();
            self.closed_ms = next;
            self.close(next);
        }
    }

    /// Lays new facts to the version that will know them.
    fn sort_facts(&mut self) {
        for said in self.heard.said.drain(..) {
            let version = version_after(said.at, self.rules.policy.quantum_ms);
            assert!(version > self.closed_ms, "{said:?} came too late");
            self.told.entry(version).or_default().push(said);
        }
    }

    fn close(&mut self, version: u64) {
        let Some(said) = self.told.get(&version) else {
            return;
        };
        said.iter().for_each(|said| self.standing.follow(said));
        let now = naive::statistics(&self.standing, &self.rules.policy);
        let empty = Statistics::new();
        let before = self.versions.last().map_or(&empty, |(_, stats)| stats);
        let subjects: BTreeSet<Subject> = now.keys().chain(before.keys()).copied().collect();
        for subject in subjects {
            let of = |stats: &Statistics| stats.get(&subject).copied().unwrap_or_default();
            let mut change = of(&now);
            change.add(&of(before).negated());
            self.learner.add(subject, &change);
        }
        for change in self.learner.close(version) {
            self.visitors.learn(version, change);
        }
        self.versions.push((version, now));
    }
}
