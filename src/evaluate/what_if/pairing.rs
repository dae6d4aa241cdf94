//! What was logged, and what the target would have done at that very moment, side by side.
//!
//! Two lines of moments come in, each in its own order: the logged decisions, and the target's
//! judgements with the ends of its sessions. [`Pairing::settle`] merges them by time, a logged
//! decision before a judgement of the same millisecond. A decision meets the judgement of its
//! session that has its time and trigger; where the target had none there (its hesitation timer
//! fires at another time), the last one before. What meets nothing is counted.
//!
//! Invariant: a function of each session's own moments, so sessions may be spread in any way.
//! Memory: a view (650 bytes) a live session, and 60 bytes a choice, beside records 130.

use super::differences::Differences;
use super::moment::{Logged, Moment, Seen, logged, session_key, trigger_hash};
use super::records::Records;
use super::worth::{Choice, Evidence};
use super::{Logger, Setup};
use crate::event::{ArrivalMs, VisitorId};
use crate::visit::decision::{Decision, PerSlot};
use crate::visit::keys::KeyMap;
use crate::visit::learn::fact::{Cell, Exposure, Fact, HELD, JOINT, Outcome};
use crate::visit::learn::layout::encode;
use crate::visit::live::{Judgement, Visit};
use crate::visit::policy::SLOTS_MAX;
use crate::visit::policy::learning::Learning;
use crate::visit::view::View;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A session in which something was logged, or seen.
#[derive(Debug, Default)]
struct Open {
    visitor: VisitorId,
    waiting: VecDeque<Logged>,
    last: Option<Seen>,
    differs: super::differences::Session,
    /// Records of the session that have been taken.
    records: usize,
    /// The last record that was met.
    met: Option<Logged>,
    /// Bit per leaf in which something was exposed, by slot.
    exposed: PerSlot<u64>,
}

/// Everything that is known of a share of the visitors.
#[derive(Debug)]
pub struct Pairing {
    setup: Arc<Setup>,
    learning: Learning,
    logged: VecDeque<Moment>,
    seen: VecDeque<Moment>,
    open: KeyMap<Open>,
    targets: BTreeMap<Vec<u32>, u32>,
    differences: Differences,
    evidence: Evidence,
    /// The orders and carts that stand, and when they were stated.
    outcomes: BTreeMap<(u64, Outcome), u64>,
    /// Exposures by logged choices since they were last taken, each with the time of the meeting, or,
    /// taken back, of the erasure.
    exposures: Vec<(ArrivalMs, VisitorId, Exposure, i8)>,
    /// Those that stand, where the log is records: else they are the job's own facts.
    stated: Vec<(VisitorId, Exposure)>,
}

impl Pairing {
    /// Nothing yet. Outcomes that leave when facts stop to count have not been taken back.
    pub fn new(setup: Arc<Setup>, learning: Learning) -> Pairing {
        Pairing {
            setup,
            learning,
            logged: VecDeque::new(),
            seen: VecDeque::new(),
            open: KeyMap::default(),
            targets: BTreeMap::new(),
            differences: Differences::default(),
            evidence: Evidence::default(),
            outcomes: BTreeMap::new(),
            exposures: Vec::new(),
            stated: Vec::new(),
        }
    }

    /// Takes a decision of the policy in force.
    pub fn decided(&mut self, decision: &Decision<'_>) {
        if let Logger::Policy(policy) = &self.setup.logger {
            let logged = logged(&self.setup, policy, decision);
            let key = session_key(decision.visitor, decision.session);
            let visitor = VisitorId::of(decision.visitor);
            self.logged.push_back(Moment::Logged(key, visitor, logged));
        }
    }

    /// Takes a judgement of the target.
    pub fn considered(&mut self, visit: &Visit, judgement: &Judgement, view: &View) {
        let key = session_key(&visit.visitor_text, &visit.session_text());
        let seen = Seen {
            at_ms: judgement.at.0,
            trigger: trigger_hash(judgement.trigger.name()),
            visitor: visit.visitor,
            session: visit.session_number(),
            phase: visit.phase(),
            view: Box::new(view.clone()),
        };
        self.seen.push_back(Moment::Seen(key, seen));
    }

    /// Takes the end of a session.
    pub fn ended(&mut self, visit: &Visit, at: ArrivalMs) {
        let key = session_key(&visit.visitor_text, &visit.session_text());
        self.seen.push_back(Moment::Ended(key, at.0));
    }

    /// Takes a fact of which rewards may be made.
    pub fn fact(&mut self, at: ArrivalMs, visitor: VisitorId, fact: &Fact, sign: i8) {
        let Fact::Outcome(outcome) = fact else {
            return;
        };
        let key = (visitor.0, *outcome);
        if sign > 0 {
            self.outcomes.insert(key, at.0);
        } else if let Some(stated) = self.outcomes.get(&key)
            && at.0.saturating_sub(*stated) < self.learning.retention_ms
        {
            self.outcomes.remove(&key);
        }
    }

    /// Exposures by logged choices since the call before, in the order in which they were found.
    pub fn take_exposures(&mut self) -> Vec<(ArrivalMs, VisitorId, Exposure, i8)> {
        std::mem::take(&mut self.exposures)
    }

    /// Forgets a visitor: what is open goes, choices count for nothing, exposures are taken back.
    /// What was only counted, of visits that are over, stays counted.
    pub fn forget(&mut self, at: ArrivalMs, visitor: VisitorId) {
        self.settle();
        self.open.retain(|_, open| open.visitor != visitor);
        let others = |choice: &Choice| choice.unit != visitor.0;
        self.evidence.choices.retain(others);
        let of_visitor = |stated: &mut (VisitorId, Exposure)| stated.0 == visitor;
        let back = self.stated.extract_if(.., of_visitor);
        self.exposures
            .extend(back.map(|(visitor, exposure)| (at, visitor, exposure, -1)));
    }

    /// Notes an exposure by a logged choice.
    fn expose(&mut self, at: ArrivalMs, visitor: VisitorId, exposure: Exposure) {
        self.exposures.push((at, visitor, exposure, 1));
        if matches!(self.setup.logger, Logger::Records(_)) {
            self.stated.push((visitor, exposure));
        }
    }

    /// Merges what both lines have brought up to now.
    pub fn settle(&mut self) {
        loop {
            let logged_first = match (self.logged.front(), self.seen.front()) {
                (None, None) => return,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(one), Some(other)) => one.precedes(other),
            };
            let line = if logged_first {
                &mut self.logged
            } else {
                &mut self.seen
            };
            match line.pop_front() {
                Some(Moment::Logged(key, visitor, logged)) => {
                    let open = self.open.entry(key).or_default();
                    open.visitor = visitor;
                    self.differences
                        .logged(&mut open.differs, logged.at_ms, logged.page);
                    open.waiting.push_back(logged);
                    self.evidence.decisions += 1;
                }
                Some(Moment::Seen(key, seen)) => self.see(key, seen),
                Some(Moment::Ended(key, at_ms)) => self.end(key, at_ms),
                None => {}
            }
        }
    }

    fn see(&mut self, key: u64, seen: Seen) {
        let mut open = self.open.remove(&key).unwrap_or_default();
        open.visitor = seen.visitor;
        self.take_records(key, &mut open, seen.at_ms);
        self.meet_before(&mut open, seen.at_ms, seen.at_ms);
        let page = super::differences::page_of(&seen.view.layout, self.setup.mapping.slot_count());
        let whom = (seen.phase, seen.view.device, seen.view.returning);
        self.differences
            .seen(&mut open.differs, seen.at_ms, page, whom);
        open.last = Some(seen);
        let meets = |logged: &Logged, seen: &Seen| {
            logged.at_ms == seen.at_ms && logged.trigger == seen.trigger
        };
        if let (Some(first), Some(last)) = (open.waiting.front(), &open.last)
            && meets(first, last)
        {
            let logged = open.waiting.pop_front();
            let now_ms = last.at_ms;
            self.meet(logged, &mut open, now_ms);
        }
        if matches!(self.setup.logger, Logger::Records(_)) {
            self.expose_held(&mut open);
        }
        self.open.insert(key, open);
    }

    fn end(&mut self, key: u64, at_ms: u64) {
        let Some(mut open) = self.open.remove(&key) else {
            return;
        };
        self.take_records(key, &mut open, at_ms);
        self.meet_before(&mut open, u64::MAX, at_ms);
        self.differences.ended(open.differs, at_ms);
    }

    /// Records of a session up to a time join those that wait.
    fn take_records(&self, key: u64, open: &mut Open, to_ms: u64) {
        if let Logger::Records(records) = &self.setup.logger {
            let due = records.of(key).iter().skip(open.records);
            let due = due.take_while(|record| record.at_ms <= to_ms);
            let before = open.waiting.len();
            open.waiting.extend(due.cloned());
            open.records += open.waiting.len() - before;
        }
    }

    /// What was logged before a time and met nothing meets the last judgement before.
    fn meet_before(&mut self, open: &mut Open, before_ms: u64, now_ms: u64) {
        let is_past = |first: &Logged| first.at_ms < before_ms;
        while open.waiting.front().is_some_and(is_past) {
            let logged = open.waiting.pop_front();
            self.meet(logged, open, now_ms);
        }
    }

    fn meet(&mut self, logged: Option<Logged>, open: &mut Open, now_ms: u64) {
        let (Some(logged), Some(seen)) = (logged, &open.last) else {
            return;
        };
        self.evidence.matched += 1;
        self.differences.decision(&logged.page, &seen.view.layout);
        for chosen in &logged.chosen {
            let slot = usize::from(chosen.slot);
            if (logged.held | seen.view.held) >> slot & 1 == 1 {
                self.evidence.held += 1;
                continue;
            }
            let target = self.target(slot, seen);
            let choice = Choice {
                unit: seen.visitor.0,
                at_ms: logged.at_ms,
                session: seen.session,
                seq: logged.seq,
                slot: chosen.slot,
                leaf: seen.view.leaf[slot],
                arm: chosen.arm,
                propensity_ppm: chosen.propensity_ppm,
                target,
            };
            self.evidence.choices.push(choice);
            if usize::from(chosen.arm) < self.setup.mapping.own_arms(slot) {
                open.exposed[slot] |= 1 << choice.leaf;
                let mut exposure = exposure(&choice);
                // What the log could have drawn is not in it; what the target could have stands
                // for it.
                exposure.cell.set = seen.view.set[slot] | 1 << chosen.arm;
                exposure.cell.epoch = self.learning.epoch_of(ArrivalMs(choice.at_ms));
                self.expose(ArrivalMs(now_ms), seen.visitor, exposure);
            }
        }
        self.expose_layout(&logged, seen, now_ms);
        open.met = Some(logged);
    }

    /// A layout that was chosen as a whole is a fact for the slots that learn together.
    fn expose_layout(&mut self, logged: &Logged, seen: &Seen, now_ms: u64) {
        let mapping = &self.setup.mapping;
        let Some(first) = mapping.together.first() else {
            return;
        };
        let chosen = |slot: usize| logged.chosen.iter().any(|c| usize::from(c.slot) == slot);
        let held = |slot: usize| (logged.held | seen.view.held) >> slot & 1 == 1;
        let known = |slot: usize| usize::from(logged.page[slot]) < mapping.own_arms(slot);
        let together = || mapping.together.iter().copied();
        if !together().all(|slot| known(slot) && (chosen(slot) || held(slot)))
            || !together().any(chosen)
        {
            return;
        }
        let (mut layout, mut arms) = ([0; SLOTS_MAX], Vec::new());
        for (place, slot) in together().enumerate() {
            layout[place] = usize::from(logged.page[slot]);
            arms.push(mapping.own_arms(slot));
        }
        let exposure = Exposure {
            at_ms: logged.at_ms,
            session: seen.session,
            seq: logged.seq,
            cell: Cell {
                slot: JOINT,
                leaf: seen.view.leaf[*first],
                arm: encode(&layout, &arms),
                ..Cell::default()
            },
            propensity_ppm: 1_000_000,
            tables_ms: 0,
            lot: None,
        };
        self.expose(ArrivalMs(now_ms), seen.visitor, exposure);
    }

    /// Beside records, a leaf that is new to the session of a visitor who keeps a slot's default is a
    /// fact, too.
    fn expose_held(&mut self, open: &mut Open) {
        let setup = Arc::clone(&self.setup);
        let mapping = &setup.mapping;
        let (Some(met), Some(seen)) = (&open.met, &open.last) else {
            return;
        };
        for slot in (0..mapping.slot_count()).filter(|slot| mapping.learns >> slot & 1 == 1) {
            let leaf = seen.view.leaf[slot];
            if met.held >> slot & 1 == 0 || open.exposed[slot] >> leaf & 1 == 1 {
                continue;
            }
            open.exposed[slot] |= 1 << leaf;
            let exposure = Exposure {
                at_ms: seen.at_ms,
                session: seen.session,
                seq: met.seq,
                cell: Cell {
                    slot: slot as u8,
                    leaf,
                    set: seen.view.set[slot],
                    epoch: self.learning.epoch_of(ArrivalMs(seen.at_ms)),
                    arm: HELD,
                },
                propensity_ppm: 1_000_000,
                tables_ms: 0,
                lot: None,
            };
            self.expose(ArrivalMs(seen.at_ms), seen.visitor, exposure);
        }
    }

    /// The number of a distribution over a slot's arms.
    fn target(&mut self, slot: usize, seen: &Seen) -> u32 {
        let mapping = &self.setup.mapping;
        let own = mapping.own_arms(slot);
        let mut chances = seen.view.chances_ppm[slot][..own].to_vec();
        chances.resize(mapping.names.arms[slot].len(), 0);
        let next = self.targets.len() as u32;
        *self.targets.entry(chances).or_insert(next)
    }

    /// Everything that was found.
    pub fn finish(mut self) -> Evidence {
        self.settle();
        let mut evidence = self.evidence;
        let mut targets: Vec<(u32, Vec<u32>)> = self
            .targets
            .into_iter()
            .map(|(chances, number)| (number, chances))
            .collect();
        targets.sort_unstable();
        evidence.targets = targets.into_iter().map(|(_, chances)| chances).collect();
        evidence.outcomes = self.outcomes.into_keys().collect();
        evidence.differences = self.differences;
        evidence
    }
}

/// The choice as a fact to be learned from.
pub(super) fn exposure(choice: &Choice) -> Exposure {
    Exposure {
        at_ms: choice.at_ms,
        session: choice.session,
        seq: choice.seq,
        cell: Cell {
            slot: choice.slot,
            leaf: choice.leaf,
            arm: u32::from(choice.arm),
            ..Cell::default()
        },
        propensity_ppm: choice.propensity_ppm,
        tables_ms: 0,
        lot: None,
    }
}

impl Records {
    fn of(&self, key: u64) -> &[Logged] {
        self.by_session.get(&key).map_or(&[], Vec::as_slice)
    }
}
