//! The decision record: what a session should be shown from now on, and why.
//!
//! A record is made when a session starts and when its layout changes. [`Recorder`] writes it as
//! one line of JSON or CSV; [`Digest`] sums lines up in whatever order they came.

mod digest;
mod factors;
mod forgotten;
mod reason;
mod recorder;
mod text;

use super::choose::Why;
use super::feature::Vector;
use super::model::{Label, Scores};
use super::phase::Phase;
use super::policy::SLOTS_MAX;
use crate::event::{ArrivalMs, Device, Kind};

pub use digest::Digest;
pub use factors::{FACTORS_MAX, Factors};
pub use forgotten::FORGOTTEN;
pub use reason::shelf_words;
pub use recorder::Recorder;
pub use text::{decimal, json_text, ppm};

/// What made the job decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The session's first event.
    Start,
    /// A later event.
    Event(Kind),
    /// Silence with something in the cart.
    Hesitation,
    /// New tables: what is on sale has changed.
    Tables,
    /// Another policy has taken over, and the page showed an arm that is gone.
    Policy,
}

impl Trigger {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            Trigger::Start => "start",
            Trigger::Event(kind) => kind.name(),
            Trigger::Hesitation => "timer:hesitation",
            Trigger::Tables => "tables",
            Trigger::Policy => "policy",
        }
    }
}

/// One value per slot.
pub type PerSlot<T> = [T; SLOTS_MAX];

/// A decision.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// When, on the arrival clock: the event's arrival or the timer's deadline.
    pub at: ArrivalMs,
    /// The visitor's id as the log has it.
    pub visitor: &'a [u8],
    /// The session's name.
    pub session: &'a [u8],
    /// Number of the decision within the session.
    pub seq: u32,
    /// What made the job decide.
    pub trigger: Trigger,
    /// The phase.
    pub phase: Phase,
    /// The scores.
    pub scores: Scores,
    /// Number of the model that gave them.
    pub model: u8,
    /// The score that the phase rests on.
    pub leading: Label,
    /// What moved it.
    pub factors: Factors,
    /// The arm of each slot.
    pub layout: PerSlot<u8>,
    /// Bit per slot whose arm, or list of products, differs from before.
    pub changed: u8,
    /// Probability of each slot's choice, in millionths.
    pub propensity_ppm: PerSlot<u32>,
    /// Why each slot shows what it shows.
    pub why: PerSlot<Why>,
    /// Bit per slot that was drawn by learned weights for this decision.
    pub drawn: u8,
    /// The version of the learned tables in force, in ms; 0 where nothing is learned.
    pub tables_ms: u64,
    /// Whether the visitor was here before.
    pub returning: bool,
    /// The device of the session's first event.
    pub device: Device,
    /// Whether the visitor keeps the default layout.
    pub holdout: bool,
    /// Numbers of the products shown, first to last; nothing where none are.
    pub items: Option<&'a [u32]>,
    /// What left the list for being sold out, where the catalogue changed it without an event.
    pub shelf: Option<&'a [u32]>,
    /// The session's features.
    pub features: &'a Vector,
}
