//! The loop by plain means: the core, and at every version indexes that are built from nothing but the
//! sessions that stand. No engine takes part, and nothing is kept up to date.

use super::script::{Lines, Told};
use restage::event::{ArrivalMs, Event, Id};
use restage::visit::decision::Decision;
use restage::visit::learn::fact::version_after;
use restage::visit::learn::tables::Change as TableChange;
use restage::visit::live::Rules;
use restage::visit::output::{Forgotten, Output, Step};
use restage::visit::rank::recommender::{IndexSpec, Update};
use restage::visit::rank::rules::Rules as RuleIndex;
use restage::visit::rank::shift::Shift;
use restage::visit::rank::trending::Trending;
use restage::visit::rank::window::Seen;
use restage::visit::rank::{Change, Index, Ranker};
use restage::visit::visitors::Visitors;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

struct Heard {
    lines: Lines,
    said: Vec<(ArrivalMs, Seen, i64)>,
}

impl Output for Heard {
    fn decision(&mut self, decision: &Decision<'_>) {
        self.lines.decision(decision);
    }

    fn duplicate(&mut self, _: &Event) {}

    fn step(&mut self, _: &Step<'_>) {}

    fn forgotten(&mut self, gone: &Forgotten<'_>) {
        self.lines.forgotten(gone);
    }

    fn indexed(&mut self, at: ArrivalMs, shift: Shift) {
        let (is, was) = (shift.is(), shift.was());
        self.said.extend(is.map(|seen| (at, seen, 1)));
        self.said.extend(was.map(|seen| (at, seen, -1)));
    }
}

pub struct Plain {
    rules: Arc<Rules>,
    visitors: Visitors,
    heard: Heard,
    standing: BTreeSet<Seen>,
    /// Every item that was ever seen: lists that are empty now are said, too.
    items: BTreeSet<Id>,
    told: BTreeMap<u64, Vec<(Seen, i64)>>,
    closed_ms: u64,
}

impl Plain {
    pub fn new(rules: &Arc<Rules>) -> Plain {
        Plain {
            rules: Arc::clone(rules),
            visitors: Visitors::new(Arc::clone(rules), None, false),
            heard: Heard {
                lines: Lines::new(rules),
                said: Vec::new(),
            },
            standing: BTreeSet::new(),
            items: BTreeSet::new(),
            told: BTreeMap::new(),
            closed_ms: 0,
        }
    }

    /// Plays a log from first to last; the decision log, in its order.
    pub fn play(mut self, events: &[Told]) -> String {
        for told in events {
            self.close_up_to(told.event.arrival.0);
            self.visitors.observe(told.borrowed(), &mut self.heard);
        }
        let last = events.last().map_or(0, |told| told.event.arrival.0);
        self.visitors.log_ends(ArrivalMs(last));
        self.close_up_to(u64::MAX - 1);
        self.visitors.finish(&mut self.heard);
        let mut lines = self.heard.lines.lines;
        lines.sort();
        lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }

    fn close_up_to(&mut self, to_ms: u64) {
        let quantum_ms = self.rules.policy.quantum_ms;
        loop {
            self.sort_sessions();
            let first = self.told.range(self.closed_ms + 1..).next();
            let pending = first.map_or(u64::MAX, |(version, _)| *version);
            let quiet = version_after(ArrivalMs(self.visitors.quiet_until()), quantum_ms);
            let next = pending.min(quiet.max(self.closed_ms + quantum_ms));
            if next > to_ms {
                return;
            }
            self.visitors.advance(ArrivalMs(next), &mut self.heard);
            self.visitors.expire(ArrivalMs(next), &mut self.heard);
            self.sort_sessions();
            self.closed_ms = next;
            self.close(next);
        }
    }

    /// Lays what entered and left to the version that will know it.
    fn sort_sessions(&mut self) {
        for (at, seen, sign) in self.heard.said.drain(..) {
            let version = version_after(at, self.rules.policy.quantum_ms);
            assert!(version > self.closed_ms, "{seen:?} came too late");
            self.told.entry(version).or_default().push((seen, sign));
        }
    }

    fn close(&mut self, version: u64) {
        let Some(said) = self.told.get(&version) else {
            return;
        };
        let before = self.standing.clone();
        let mut net = BTreeMap::<&Seen, i64>::new();
        for (seen, sign) in said {
            *net.entry(seen).or_default() += sign;
        }
        for (seen, sign) in net {
            self.items.extend(&seen.items);
            match sign {
                1 => assert!(self.standing.insert(seen.clone()), "entered twice"),
                -1 => assert!(self.standing.remove(seen), "left, but was not there"),
                sign => assert_eq!(sign, 0, "{seen:?}"),
            }
        }
        let keys: BTreeSet<_> = self.standing.iter().map(|seen| seen.session).collect();
        assert_eq!(keys.len(), self.standing.len(), "a session stands twice");
        let rules = Arc::clone(&self.rules);
        let spec = rules.policy.index.as_ref().unwrap();
        // All sessions go and all come again.
        let gone = before.into_iter().map(|seen| Update::Session(seen, -1));
        let come = self.standing.iter();
        let come = come.map(|seen| Update::Session(seen.clone(), 1));
        let lists = self.lists(spec, version);
        for update in lists.into_iter().chain(gone).chain(come) {
            self.visitors
                .learn(version, TableChange::Recommended(update));
        }
    }

    /// All lists, those that are empty among them.
    fn lists(&self, spec: &IndexSpec, version: u64) -> Vec<Update> {
        let mut updates = Vec::new();
        for (ranker, rules) in [
            (Ranker::AssociationRules, spec.association),
            (Ranker::SequentialRules, spec.sequential),
        ] {
            let Some(rules) = rules else { continue };
            let mut index = RuleIndex::new(rules);
            self.fill(&mut index, version);
            for &item in &self.items {
                let list = index.list(item).map(|one| one.item).collect();
                updates.push(Update::List(ranker, Change { item, list }));
            }
        }
        let mut trending = Trending::new(spec.trending);
        self.fill(&mut trending, version);
        let change = Change {
            item: Id::NONE,
            list: trending.list().map(|one| one.item).collect(),
        };
        updates.push(Update::List(Ranker::Trending, change));
        updates
    }

    fn fill(&self, index: &mut impl Index, version: u64) {
        for seen in &self.standing {
            index.insert(seen.session, seen.at_ms, &seen.items);
        }
        index.close(version);
    }
}
