//! What happens in a session: a logged decision in the target's numbers, a judgement of the target, an end.
//!
//! Invariant: [`Moment::precedes`] is the one order in which both lines are merged. Cost: a look-up a slot.

use super::Setup;
use super::differences::Page;
use super::names::NO_ARM;
use crate::event::{VisitorId, hash_text};
use crate::visit::decision::{Decision, Trigger};
use crate::visit::phase::Phase;
use crate::visit::policy::{Policy, SLOTS_MAX};
use crate::visit::view::View;

/// An arm that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The target's slot.
    pub slot: u8,
    /// The arm, as [`super::names::Mapping`] numbers it.
    pub arm: u16,
    /// Its probability, in millionths.
    pub propensity_ppm: u32,
}

/// A logged decision, in the target's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// When, on the arrival clock.
    pub at_ms: u64,
    /// Its number in the session.
    pub seq: u32,
    /// The hash of what triggered it.
    pub trigger: u64,
    /// What was chosen.
    pub chosen: Vec<Chosen>,
    /// Bit per slot of the target whose default the visitor keeps in the log.
    pub held: u8,
    /// What was shown, by the target's slot; [`super::names::NO_ARM`] where the log has no such
    /// slot.
    pub page: Page,
}

/// A judgement of the target.
#[derive(Debug)]
pub(super) struct Seen {
    pub at_ms: u64,
    pub trigger: u64,
    pub visitor: VisitorId,
    pub session: u64,
    pub phase: Phase,
    pub view: Box<View>,
}

/// Something that happened in a session.
#[derive(Debug)]
pub(super) enum Moment {
    /// A logged decision, of a session and a visitor.
    Logged(u64, VisitorId, Logged),
    /// A judgement of the target in a session.
    Seen(u64, Seen),
    /// The end of a session, and when.
    Ended(u64, u64),
}

/// A session's key: the hash of visitor and session, as records name them. No id holds a NUL.
pub fn session_key(visitor: &[u8], session: &[u8]) -> u64 {
    hash_text(&[visitor, b"\0", session].concat())
}

/// A trigger's hash.
pub fn trigger_hash(name: &str) -> u64 {
    hash_text(name.as_bytes())
}

/// The hash of what begins a session.
pub(super) fn start() -> u64 {
    trigger_hash(Trigger::Start.name())
}

impl Moment {
    /// When it happened, in ms.
    pub fn at_ms(&self) -> u64 {
        match self {
            Moment::Logged(_, _, logged) => logged.at_ms,
            Moment::Seen(_, seen) => seen.at_ms,
            Moment::Ended(_, at_ms) => *at_ms,
        }
    }

    /// Whether this logged decision comes before a moment of the target. A session's start comes
    /// after the end of the one before it, which it may share a name with.
    pub fn precedes(&self, other: &Moment) -> bool {
        let begins = matches!(self, Moment::Logged(_, _, logged) if logged.trigger == start());
        let tied = !(begins && matches!(other, Moment::Ended(..)));
        self.at_ms() < other.at_ms() || (self.at_ms() == other.at_ms() && tied)
    }
}

/// A decision of the policy in force, in the target's numbers.
pub(super) fn logged(setup: &Setup, policy: &Policy, decision: &Decision<'_>) -> Logged {
    let starts = decision.trigger == Trigger::Start;
    let kept = policy.held(VisitorId::of(decision.visitor));
    let mut page = [NO_ARM; SLOTS_MAX];
    let (mut chosen, mut held) = (Vec::new(), 0);
    for (from, to) in setup.mapping.slots.iter().enumerate() {
        let Some(to) = to else {
            continue;
        };
        let arm = to.arms[usize::from(decision.layout[from])];
        page[to.slot] = arm;
        held |= (kept >> from & 1) << to.slot;
        // What comes back into a leaf without a draw goes on with the choice made there before.
        let kept = kept >> from & 1 == 1;
        let chooses = if policy.slots[from].learn.is_some() {
            decision.drawn >> from & 1 == 1 || (starts && kept)
        } else {
            decision.changed >> from & 1 == 1 || starts
        };
        if chooses {
            chosen.push(Chosen {
                slot: to.slot as u8,
                arm,
                propensity_ppm: decision.propensity_ppm[from],
            });
        }
    }
    Logged {
        at_ms: decision.at.0,
        seq: decision.seq,
        trigger: trigger_hash(decision.trigger.name()),
        chosen,
        held,
        page,
    }
}
