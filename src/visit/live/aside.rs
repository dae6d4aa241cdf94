//! What visits have whose slots are drawn: draws, promises, and exposures that wait to be seen.
//!
//! It is kept aside, behind one pointer, and made when there is something to keep: in a session whose
//! slots are drawn by learned weights, or that was shown an arm with a cap or a cost. So a visit whose
//! page follows rules stays small. Without it everything is as at the start: read it through
//! [`Visit::aside`].

use super::promises::Promise;
use super::{AWAITING_MAX, Visit};
use crate::event::{Id, hash_text};
use crate::visit::choose::CERTAIN_PPM;
use crate::visit::decision::PerSlot;
use crate::visit::learn::fact::Exposure;
use crate::visit::learned::Homes;
use crate::visit::policy::{CAPPED_ARMS_MAX, Policy, SLOTS_MAX};
use serde::{Deserialize, Serialize};

/// What is kept aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Aside {
    /// How often each capped arm was put up.
    pub(super) uses: [u8; CAPPED_ARMS_MAX],
    /// The probability of each slot's last choice, in millionths.
    pub(super) propensity_ppm: PerSlot<u32>,
    /// The arm that each slot had in each phase in which it had its turn.
    pub(super) homes: PerSlot<Homes>,
    /// Draws so far.
    pub(super) draws: u32,
    /// Promotions promised in this session, each once.
    pub(super) promises: Vec<Promise>,
    /// Exposures that wait for the impression of their decision.
    awaiting: Vec<Exposure>,
    /// Number of the last decision that an impression named.
    seen_seq: Option<u32>,
}

static NOTHING: Aside = Aside {
    uses: [0; CAPPED_ARMS_MAX],
    propensity_ppm: [CERTAIN_PPM; SLOTS_MAX],
    homes: [Homes::NONE; SLOTS_MAX],
    draws: 0,
    promises: Vec::new(),
    awaiting: Vec::new(),
    seen_seq: None,
};

impl Visit {
    /// What is kept aside, or that there is nothing.
    #[inline]
    pub(super) fn aside(&self) -> &Aside {
        self.aside.as_deref().unwrap_or(&NOTHING)
    }

    /// The same, to keep something there.
    pub(super) fn aside_mut(&mut self) -> &mut Aside {
        self.aside.get_or_insert_with(|| Box::new(NOTHING.clone()))
    }

    /// The probability of each slot's last choice, in millionths.
    pub fn propensity_ppm(&self) -> &PerSlot<u32> {
        &self.aside().propensity_ppm
    }

    /// Number of the last decision that an impression named.
    pub fn seen_seq(&self) -> Option<u32> {
        self.aside().seen_seq
    }

    /// Keeps an exposure until the impression of its decision; whether another had to go for it.
    pub fn await_impression(&mut self, exposure: Exposure) -> bool {
        let awaiting = &mut self.aside_mut().awaiting;
        let full = awaiting.len() >= AWAITING_MAX;
        if full {
            awaiting.remove(0);
        }
        awaiting.push(exposure);
        full
    }

    /// The decision that is waited for under this id: the hash of `visitor/session/seq`.
    pub fn awaited(&self, decision: Id) -> Option<u32> {
        let mut text = [&self.visitor_text[..], b"/", &self.session_text(), b"/"].concat();
        let stem = text.len();
        let mut before = None;
        // The latest is the most likely.
        let seqs = self.aside().awaiting.iter().rev();
        seqs.map(|exposure| exposure.seq)
            .filter(|seq| before.replace(*seq) != Some(*seq))
            .find(|seq| {
                text.truncate(stem);
                text.extend_from_slice(seq.to_string().as_bytes());
                Id(hash_text(&text)) == decision
            })
    }

    /// Takes the exposures of a decision that has now been seen.
    pub fn take_awaited(&mut self, seq: u32) -> Vec<Exposure> {
        let aside = self.aside_mut();
        aside.seen_seq = Some(seq);
        let seen = aside
            .awaiting
            .extract_if(.., |exposure| exposure.seq == seq);
        seen.collect()
    }

    /// Nothing waits to be seen any more.
    pub(super) fn await_nothing(&mut self) {
        if let Some(aside) = &mut self.aside {
            aside.awaiting.clear();
        }
    }
}

impl Aside {
    /// Counts of capped arms stand where another policy looks for them.
    pub(super) fn carry_uses(&mut self, before: &Policy, now: &Policy) {
        let uses = std::mem::replace(&mut self.uses, [0; CAPPED_ARMS_MAX]);
        let slots = before.slots.iter().zip(&now.slots);
        for (was, is) in slots.flat_map(|(old, new)| old.arms.iter().zip(&new.arms)) {
            if let (Some((_, from)), Some((_, to))) = (was.cap, is.cap) {
                self.uses[to] = uses[from];
            }
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Aside>()
            + self.promises.capacity() * size_of::<Promise>()
            + self.awaiting.capacity() * size_of::<Exposure>()
    }
}
