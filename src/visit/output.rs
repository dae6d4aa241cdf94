//! What the core says: decisions, duplicates, sessions as they go on and end, and the story of one
//! visitor.
//!
//! The core calls an [`Output`] as things come about and keeps nothing for it.

use super::decision::{Decision, PerSlot};
use super::feature::Vector;
use super::learn::fact::{Exposure, Fact};
use super::live::{Judgement, Rules, Visit};
use super::model::Scores;
use super::phase::Phase;
use super::rank::shift::Shift;
use super::view::View;
use crate::event::{ArrivalMs, Event, Texts, VisitorId};
use std::sync::Arc;

/// Where the job's results go.
pub trait Output {
    /// Takes a decision.
    fn decision(&mut self, decision: &Decision<'_>);
    /// Takes an event that was dropped because its id had been seen.
    fn duplicate(&mut self, event: &Event);
    /// Takes a step in the story of the visitor that is followed.
    fn step(&mut self, step: &Step<'_>);
    /// Takes a fact that is stated (`1`) or taken back (`-1`).
    #[inline]
    fn fact(&mut self, _at: ArrivalMs, _visitor: VisitorId, _fact: &Fact, _sign: i8) {}
    /// Takes an exposure that an outcome may be credited to from now on (`1`), or none any more
    /// (`-1`). Every exposure is stated as a fact before; most never come here, for nothing comes of
    /// their visits.
    #[inline]
    fn creditable(&mut self, _at: ArrivalMs, _visitor: VisitorId, _shown: &Exposure, _sign: i8) {}
    /// Takes a session that enters the index, grows there or leaves it.
    #[inline]
    fn indexed(&mut self, _at: ArrivalMs, _shift: Shift) {}
    /// Is shown every visit after every event, with its features, for those who learn from them.
    /// Its scores, phase and layout may not be settled yet.
    #[inline]
    fn observed(&mut self, _visit: &Visit, _features: &Vector) {}
    /// Is shown what the policy would do at every judgement, if it is asked
    /// ([`super::visitors::Visitors::considering`]), after what it did.
    #[inline]
    fn considered(&mut self, _visit: &Visit, _judgement: &Judgement, _view: &View) {}
    /// Is shown every visit whose session has just ended.
    #[inline]
    fn ended(&mut self, _visit: &Visit, _at: ArrivalMs) {}
    /// Takes note that from now on other rules hold.
    #[inline]
    fn took_over(&mut self, _at: ArrivalMs, _rules: &Arc<Rules>) {}
    /// Takes note that a visitor was erased, after the facts have been taken back. A session that was
    /// live has not [`ended`](Output::ended): whoever keeps anything of it drops it.
    #[inline]
    fn forgotten(&mut self, _gone: &Forgotten<'_>) {}
}

/// A visitor who was erased.
#[derive(Clone, Copy, Debug)]
pub struct Forgotten<'a> {
    /// When, on the arrival clock.
    pub at: ArrivalMs,
    /// Who.
    pub visitor: VisitorId,
    /// The visitor's id as the log has it.
    pub visitor_text: &'a [u8],
    /// The visit that was dropped, if a session was live.
    pub live: Option<&'a Visit>,
    /// Sessions that were known of the visitor, the live one among them.
    pub sessions: u64,
    /// Facts that were taken back.
    pub facts: u64,
    /// For how long the visitor's events are not taken, in ms.
    pub keep_ms: u64,
}

/// What happened to the visitor that is followed.
#[derive(Debug)]
pub struct Step<'a> {
    /// When, on the arrival clock.
    pub at: ArrivalMs,
    /// What happened.
    pub cause: Cause<'a>,
    /// The features before, for an event or a stall within a session.
    pub before: Option<&'a Vector>,
    /// The features after.
    pub after: &'a Vector,
    /// The visit after.
    pub visit: &'a Visit,
    /// Scores before.
    pub scores_before: Scores,
    /// Phase before.
    pub phase_before: Phase,
    /// Layout before.
    pub layout_before: PerSlot<u8>,
    /// Number of the next decision before.
    pub seq_before: u32,
    /// Products shown before, by number.
    pub list_before: &'a [u32],
}

/// The causes of a step.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// An event with its texts.
    Event(&'a Event, Texts<'a>),
    /// The hesitation timer.
    Hesitation,
    /// The catalogue: what left the list for being sold out.
    Shelf(&'a [u32]),
    /// Another policy has taken over.
    Policy,
    /// The session ended.
    End(Ending),
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The visitor was silent for too long.
    Idle,
    /// It lasted too long.
    TooLong,
    /// The log's session id changed.
    LogSession,
    /// There were too many live sessions.
    Crowded,
}

impl Ending {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Ending::Idle => "the visitor was silent for longer than session.idle",
            Ending::TooLong => "it lasted longer than session.max",
            Ending::LogSession => "the log's session id changed",
            Ending::Crowded => "limits.live_sessions was reached",
        }
    }
}
