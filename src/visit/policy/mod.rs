//! The layout policy: what may be shown where, to whom, when, and how often it may change.
//!
//! A policy is a TOML file (`restage policy` prints the default with comments). `parse` reads it,
//! `check` refuses what could never happen; what comes out is [`Policy`], plain data in which
//! every name is an index. Every limit of the job stands here too, with a default and a comment.

mod check;
pub mod learning;
mod parse;
mod parse_index;
mod parse_learn;
mod parse_learning;
mod parse_products;
mod parse_slot;
mod parse_when;
mod succeed;
mod tables;
#[cfg(test)]
mod tests;

use super::bots::Bots;
use super::feature::{FEATURE_COUNT, FEATURES, Vector};
use super::learn::spec::LearnSpec;
use super::model::{Label, Scores};
use super::phase::{Phase, PhaseRules};
use super::products::list::ListSpec;
use super::rank::Ranker;
use super::rank::recommender::{IndexSpec, RankerSettings};
use super::session::SessionLimits;
use crate::event::{VisitorId, hash_text, mix};
use learning::{Cost, Learning, Promotions};

pub use parse::PolicyError;
pub use parse_learn::method_name;

/// The policy that is used when none is named, as text.
pub const DEFAULT_POLICY: &str = include_str!("../../../data/policy.toml");

/// An example whose slots learn what to show, as text.
pub const LEARNING_POLICY: &str = include_str!("../../../data/learning.toml");

/// An example with a slot that shows products, as text.
pub const PRODUCTS_POLICY: &str = include_str!("../../../data/products.toml");

/// Most slots of a policy.
pub const SLOTS_MAX: usize = 8;
/// Most arms of a slot.
pub const ARMS_MAX: usize = 16;
/// Most rules of a slot: a decision remembers its rule by a byte.
pub const RULES_MAX: usize = 256;
/// Most arms with a cap, over all slots.
pub const CAPPED_ARMS_MAX: usize = 16;

/// A policy, ready to use.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Name and digest, as in decision records: `name@0123abcd`.
    pub label: String,
    /// What ends a session.
    pub session: SessionRules,
    /// What may be remembered.
    pub limits: Limits,
    /// Thresholds of the phases.
    pub phases: PhaseRules,
    /// Silence with something in the cart after which a visit counts as stalled, in ms.
    pub hesitation_ms: Option<u64>,
    /// How often a page may change.
    pub stability: Stability,
    /// Who keeps the default layout.
    pub holdout: Holdout,
    /// The slots, in the order of the file.
    pub slots: Vec<Slot>,
    /// Most features that a record names as the reason for its score; 0 to [`FACTORS_MAX`].
    pub factors: usize,
    /// Features that a record shows with their values, by their places.
    pub features: Vec<u8>,
    /// New tables and models take effect at multiples of this, in ms.
    pub quantum_ms: u64,
    /// How old a table is at least when decisions first rest on it, in ms; a multiple of the
    /// quantum.
    pub lag_ms: u64,
    /// Time between two snapshots of a durable run's state, in ms; it cannot change a result.
    pub snapshot_every_ms: u64,
    /// How the job learns.
    pub learning: Learning,
    /// What promotions may cost.
    pub promotions: Promotions,
    /// Who is taken for a bot.
    pub bots: Bots,
    /// How rankers of products go to work.
    pub rankers: RankerSettings,
    /// Which sessions products are recommended from, if any arm's ranker learns.
    pub index: Option<IndexSpec>,
}

/// Where sessions come from and when they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// Whether a change of the log's own session id ends a session.
    pub from_log: bool,
    /// A gap greater than this ends a session, in ms.
    pub idle_ms: u64,
    /// A session that lasts longer than this ends, in ms.
    pub max_ms: u64,
}

/// What may be remembered. Every limit that bites is counted in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items and categories per session.
    pub session: SessionLimits,
    /// Live sessions in a bin (a 256th of all); the longest silent ones are ended early beyond it.
    pub live_sessions_per_bin: usize,
    /// Visitors remembered between sessions in a bin; the longest gone are forgotten beyond it.
    pub histories_per_bin: usize,
    /// How long a visitor is remembered between sessions, in ms.
    pub history_keep_ms: u64,
    /// Event ids remembered in a bin against duplicates.
    pub event_ids_per_bin: usize,
    /// How long an event id is remembered, in ms of the arrival clock.
    pub event_ids_keep_ms: u64,
    /// Tombstones of erased visitors in a bin; the oldest is taken down beyond it.
    pub erased_per_bin: usize,
    /// For how long the events of an erased visitor are not taken, in ms of the arrival clock.
    pub erased_keep_ms: u64,
}

/// How often a page may change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stability {
    /// Least time between two changes of a page, in ms.
    pub cooldown_ms: u64,
    /// Least gain of an arm over the one in place, for a change at equal priority.
    pub min_gain: f64,
    /// Most changes of a page in one session.
    pub changes_max: u32,
}

/// Visitors who keep the default layout, for comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdout {
    /// Share of visitors, in millionths.
    pub share_ppm: u32,
    /// Changes who is drawn.
    pub salt: u64,
}

/// A place on the page.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// The arm shown when no rule holds.
    pub default: usize,
    /// What it may show.
    pub arms: Vec<Arm>,
    /// When it shows what; highest priority first, then the order of the file.
    pub rules: Vec<Rule>,
    /// What the slot's context leaf is made of.
    pub context: Vec<Context>,
    /// How it learns what to show; a slot that learns has no rules.
    pub learn: Option<LearnSpec>,
    /// What its lists of products look like; at most one slot of a policy shows products.
    pub products: Option<ListSpec>,
}

/// Something that a slot may show.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// While this does not hold, the arm may not be shown, whatever the rules say.
    pub when: Condition,
    /// Times it may be put up in a session, and the index of its counter.
    pub cap: Option<(u8, usize)>,
    /// What showing it hands out.
    pub cost: Cost,
    /// Who ranks the products, in a slot that shows some.
    pub ranker: Option<Ranker>,
    /// Whether it was an arm of an earlier policy of the run, and is none any more: it has a number,
    /// and may not be shown.
    pub retired: bool,
}

/// A reason to show an arm.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name: the one given, else `slot.arm`.
    pub name: String,
    /// The arm.
    pub arm: usize,
    /// When.
    pub when: Condition,
    /// Higher wins over lower, whatever the gain.
    pub priority: u32,
    /// What showing the arm is taken to be worth.
    pub gain: f64,
    /// A score that the gain is multiplied by.
    pub scaled_by: Option<Label>,
    /// The words for a record's `reason`.
    pub reason: String,
}

/// A part of a context leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The phase.
    Phase,
    /// The device of the session's first event.
    Device,
    /// Whether the visitor was here before.
    Returning,
}

/// Phases and ranges that must all hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Bit per [`Phase`] number.
    pub phases: u8,
    /// Ranges of measures.
    pub bounds: Vec<Bound>,
}

/// A closed range that a measure must lie in. A missing feature lies in no range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Index of the measure: a feature, then `p_purchase`, then `p_abandon`.
    pub measure: usize,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
}

/// All phases.
pub const ALL_PHASES: u8 = 0b1_1111;
/// Number of measures that conditions may name.
pub const MEASURE_COUNT: usize = FEATURE_COUNT + 2;

/// The name of a measure.
pub fn measure_name(measure: usize) -> &'static str {
    match measure.checked_sub(FEATURE_COUNT) {
        None => FEATURES[measure].name,
        Some(0) => "p_purchase",
        Some(_) => "p_abandon",
    }
}

/// What conditions are held against.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The features.
    pub features: &'a Vector,
    /// The scores.
    pub scores: Scores,
    /// The phase.
    pub phase: Phase,
}

impl Situation<'_> {
    /// The value of a measure.
    #[inline]
    pub fn measure(&self, measure: usize) -> f64 {
        match measure.checked_sub(FEATURE_COUNT) {
            None => self.features[measure],
            Some(0) => self.scores.purchase,
            Some(_) => self.scores.abandon,
        }
    }
}

impl Condition {
    /// Always holds.
    pub fn always() -> Condition {
        Condition {
            phases: ALL_PHASES,
            bounds: Vec::new(),
        }
    }

    /// Whether everything holds.
    #[inline]
    pub fn holds(&self, situation: &Situation<'_>) -> bool {
        self.phases & (1 << situation.phase as u8) != 0
            && self.bounds.iter().all(|bound| {
                let value = situation.measure(bound.measure);
                value >= bound.min && value <= bound.max
            })
    }
}

impl Rule {
    /// What showing the arm is worth now.
    #[inline]
    pub fn worth(&self, scores: Scores) -> f64 {
        match self.scaled_by {
            None => self.gain,
            Some(Label::Purchase) => self.gain * scores.purchase,
            Some(Label::Abandon) => self.gain * scores.abandon,
        }
    }
}

impl Holdout {
    /// Whether a visitor keeps the default layout: a pinned hash of visitor and salt, below the
    /// share.
    #[inline]
    pub fn holds(&self, visitor: VisitorId) -> bool {
        let draw = mix(visitor.0 ^ self.salt) >> 32;
        (draw * 1_000_000) >> 32 < u64::from(self.share_ppm)
    }
}

impl Policy {
    /// The policy that is used when none is named.
    pub fn shipped() -> Policy {
        Policy::read(DEFAULT_POLICY).expect("the shipped policy is valid")
    }

    /// What is possible, and still not what one might expect of it.
    pub fn notes(&self) -> Vec<String> {
        check::notes(&self.slots)
    }

    /// Whether any slot learns what to show.
    pub fn learns(&self) -> bool {
        self.slots.iter().any(|slot| slot.learn.is_some())
    }

    /// Whether decisions rest on tables that the job keeps: weights of arms, or recommendations.
    pub fn has_tables(&self) -> bool {
        self.learns() || self.index.is_some()
    }

    /// The slot that shows products, with its place.
    pub fn products(&self) -> Option<(usize, &Slot, &ListSpec)> {
        let slots = self.slots.iter().enumerate();
        let mut shown = slots.filter_map(|(at, slot)| Some((at, slot, slot.products.as_ref()?)));
        shown.next()
    }

    /// The slots, a bit each, whose default a visitor keeps for comparison: all of them in the
    /// holdout, else those in whose own holdout the visitor is.
    pub fn held(&self, visitor: VisitorId) -> u8 {
        if self.holdout.holds(visitor) {
            return u8::MAX;
        }
        let mut held = 0;
        for (index, slot) in self.slots.iter().enumerate() {
            if let Some(spec) = &slot.learn {
                let of_slot = Holdout {
                    share_ppm: spec.holdout_ppm,
                    salt: mix(self.holdout.salt.wrapping_add(1 + index as u64)),
                };
                held |= u8::from(of_slot.holds(visitor)) << index;
            }
        }
        held
    }

    /// Reads and checks a policy.
    ///
    /// # Errors
    /// [`PolicyError`] with line, column and, for an unknown name, the nearest known one.
    pub fn read(text: &str) -> Result<Policy, PolicyError> {
        let mut policy = parse::parse(text)?;
        let digest = hash_text(text.as_bytes()) >> 32;
        policy.label = format!("{}@{digest:08x}", policy.label);
        Ok(policy)
    }
}
