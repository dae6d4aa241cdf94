//! What a comparison came to: one JSON object, and a section of a page for people.
//!
//! First where the pages part and for whom, then what the estimators say the target is worth, then
//! what a reader has to know before believing it. Shares are of sessions; a session counts for
//! every phase that it was in. Cost: none to speak of.

use super::Setup;
use super::differences::{ANY_PHASE, Counted, Differences, Place};
use super::verdict::{self, Verdict, verdicts};
use super::worth::Evidence;
use crate::evaluate::ope::report::Estimates;
use crate::evaluate::page::named;
use crate::event::Device;
use crate::grouped::grouped;
use crate::visit::learn::attribution::Reward;
use crate::visit::phase::Phase;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most changes of arms that a page names for a slot.
const INSTEAD_MAX: usize = 5;

/// Where the pages of two policies part, and what the other is worth.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    /// The policy that only said what it would do.
    pub policy: String,
    /// Sessions in which the pages could be compared.
    pub sessions: u64,
    /// Those in which any slot differed at any time.
    pub sessions_differing: u64,
    /// Their share.
    pub share: f64,
    /// By slot.
    pub slots: Vec<SlotAgainst>,
    /// What the other policy is worth in each slot, as far as the log can tell.
    pub worth: Vec<Verdict>,
    /// What met what.
    pub matching: Matching,
    /// What the other policy is worth; a row is a choice of the policy in force.
    pub estimates: Estimates,
    /// What a reader has to know.
    pub notes: Vec<String>,
}

/// What of the log could be used.
#[derive(Clone, Debug, Serialize)]
pub struct Matching {
    /// Decisions of the log.
    pub decisions: u64,
    /// Those that were found in a session of the events.
    pub matched: u64,
    /// Those that were not.
    pub unmatched: u64,
    /// Choices left out, for visitors whom either policy holds out.
    pub held: u64,
}

/// Where the pages part in a slot.
#[derive(Clone, Debug, Serialize)]
pub struct SlotAgainst {
    /// The slot.
    pub slot: String,
    /// Sessions in which it could be compared.
    pub sessions: u64,
    /// Those in which it differed at any time.
    pub sessions_differing: u64,
    /// Their share.
    pub share: f64,
    /// Decisions of the policy in force.
    pub decisions: u64,
    /// Those at which it differed.
    pub decisions_differing: u64,
    /// Sessions by phase.
    pub by_phase: BTreeMap<&'static str, Part>,
    /// Sessions by device.
    pub by_device: BTreeMap<&'static str, Part>,
    /// Sessions of visitors who were here before, and of those who were not.
    pub by_returning: BTreeMap<&'static str, Part>,
    /// What the other shows instead, the most frequent first.
    pub instead: Vec<Instead>,
}

/// A part of the sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    /// Sessions.
    pub sessions: u64,
    /// Those that differed.
    pub differing: u64,
}

/// An arm in place of another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Instead {
    /// What the policy in force shows.
    pub from: String,
    /// What the other shows.
    pub to: String,
    /// In how many sessions.
    pub sessions: u64,
}

impl Matching {
    /// Of all decisions there are.
    pub fn of(evidence: &Evidence, decisions: u64) -> Matching {
        Matching {
            decisions,
            matched: evidence.matched,
            unmatched: decisions.saturating_sub(evidence.matched),
            held: evidence.held,
        }
    }

    /// For people, on one line.
    pub fn line(&self) -> String {
        format!(
            "{} of {} decisions were found in the events, {} were not; {} choices for held-out visitors are left out",
            grouped(self.matched),
            grouped(self.decisions),
            grouped(self.unmatched),
            grouped(self.held)
        )
    }
}

impl Against {
    /// Sums a comparison up.
    pub fn new(policy: &str, setup: &Setup, evidence: &Evidence, estimates: Estimates) -> Against {
        let differences = &evidence.differences;
        let slots = differences.slots.keys();
        Against {
            policy: policy.into(),
            sessions: differences.sessions.all,
            sessions_differing: differences.sessions.parted,
            share: differences.sessions.share(),
            slots: slots
                .map(|slot| of_slot(*slot, setup, differences))
                .collect(),
            worth: verdicts(evidence, &setup.mapping.names, &estimates),
            matching: Matching::of(evidence, evidence.decisions),
            estimates,
            notes: setup.mapping.notes.clone(),
        }
    }

    /// A section for people.
    pub fn text(&self, in_force: &str, reward: Reward) -> String {
        let mut lines = vec![
            String::new(),
            named("against", &format!("{} instead of {in_force}", self.policy)),
        ];
        lines.extend(verdict::lines(&self.worth, reward));
        lines.push(String::new());
        lines.push(named(
            "differs",
            &format!(
                "in {} of {} sessions ({:.1} %) at some time, be it by the luck of the draw",
                grouped(self.sessions_differing),
                grouped(self.sessions),
                self.share * 100.0
            ),
        ));
        for slot in &self.slots {
            lines.extend(slot.lines());
        }
        for note in &self.notes {
            lines.push(named("note", note));
        }
        lines.push(named("matched", &self.matching.line()));
        lines.push(String::new());
        let log = format!("choices of {in_force} in all slots");
        lines.join("\n") + "\n" + &self.estimates.text(&self.policy, &log)
    }
}

impl SlotAgainst {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![named(
            &self.slot,
            &format!(
                "{} of {} sessions ({:.1} %), {} of {} decisions",
                grouped(self.sessions_differing),
                grouped(self.sessions),
                self.share * 100.0,
                grouped(self.decisions_differing),
                grouped(self.decisions)
            ),
        )];
        if self.sessions_differing == 0 {
            return lines;
        }
        for (what, parts) in [
            ("phase", &self.by_phase),
            ("device", &self.by_device),
            ("returning", &self.by_returning),
        ] {
            let parts: Vec<String> = parts.iter().map(|(name, part)| part.line(name)).collect();
            lines.push(named("", &format!("by {what}: {}", parts.join(", "))));
        }
        for instead in self.instead.iter().take(INSTEAD_MAX) {
            let sessions = grouped(instead.sessions);
            let what = format!(
                "{} instead of {}: {sessions} sessions",
                instead.to, instead.from
            );
            lines.push(named("", &what));
        }
        lines
    }
}

impl Part {
    fn line(&self, name: &str) -> String {
        let share = self.differing as f64 / self.sessions.max(1) as f64;
        format!(
            "{name} {:.1} % of {}",
            share * 100.0,
            grouped(self.sessions)
        )
    }
}

fn of_slot(slot: u8, setup: &Setup, differences: &Differences) -> SlotAgainst {
    let names = &setup.mapping.names;
    let sessions = differences.slots.get(&slot).copied().unwrap_or_default();
    let decisions = differences
        .decisions
        .get(&slot)
        .copied()
        .unwrap_or_default();
    let places = || {
        differences
            .places
            .iter()
            .filter(move |(place, _)| place.0 == slot)
    };
    let any = || places().filter(|(place, _)| place.1 == ANY_PHASE);
    let phase = |place: &Place| Phase::ALL[usize::from(place.1)].name();
    let device = |place: &Place| Device::ALL[usize::from(place.2)].name();
    let returning = |place: &Place| if place.3 { "yes" } else { "no" };
    let pairs = differences
        .instead
        .iter()
        .filter(|((of, ..), _)| *of == slot);
    let mut instead: Vec<Instead> = pairs
        .map(|((_, from, to), sessions)| Instead {
            from: names.arm(u32::from(slot), *from),
            to: names.arm(u32::from(slot), *to),
            sessions: *sessions,
        })
        .collect();
    // Stable: what is equally frequent stays in the order of the arms.
    instead.sort_by_key(|instead| std::cmp::Reverse(instead.sessions));
    SlotAgainst {
        slot: names.group(u32::from(slot)),
        sessions: sessions.all,
        sessions_differing: sessions.parted,
        share: sessions.share(),
        decisions: decisions.all,
        decisions_differing: decisions.parted,
        by_phase: parts(places().filter(|(place, _)| place.1 != ANY_PHASE), phase),
        by_device: parts(any(), device),
        by_returning: parts(any(), returning),
        instead,
    }
}

fn parts<'a>(
    places: impl Iterator<Item = (&'a Place, &'a Counted)>,
    name: impl Fn(&Place) -> &'static str,
) -> BTreeMap<&'static str, Part> {
    let mut parts: BTreeMap<&'static str, Part> = BTreeMap::new();
    for (place, counted) in places {
        let part = parts.entry(name(place)).or_default();
        part.sessions += counted.all;
        part.differing += counted.parted;
    }
    parts
}
