//! What few visits have whose slots are drawn: promotions promised, arms with a cap, and exposures that wait
//! to be seen.
//!
//! It lies with what is seldom there, so that the others' events do not look for it.

use super::{AWAITING_MAX, Visit};
use crate::event::{Id, hash_text};
use crate::visit::learn::fact::Exposure;
use crate::visit::live::promises::Promise;
use crate::visit::policy::{CAPPED_ARMS_MAX, Policy};

/// What may be there.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    /// How often each capped arm was put up.
    pub(super) uses: [u8; CAPPED_ARMS_MAX],
    /// Promotions promised in this session, each once.
    pub(super) promises: Vec<Promise>,
    /// Exposures that wait for the impression of their decision.
    pub(super) awaiting: Vec<Exposure>,
    /// Number of the last decision that an impression named.
    pub(super) seen_seq: Option<u32>,
}

/// Nothing of it.
pub(super) static NONE: Awaited = Awaited {
    uses: [0; CAPPED_ARMS_MAX],
    promises: Vec::new(),
    awaiting: Vec::new(),
    seen_seq: None,
};

impl Visit {
    /// What is there of it, if anything is.
    #[inline]
    pub(super) fn awaited_if_any(&self) -> Option<&Awaited> {
        self.seldom.as_ref()?.awaited.as_deref()
    }

    pub(super) fn awaited_mut(&mut self) -> &mut Awaited {
        let awaited = &mut self.seldom_mut().awaited;
        awaited.get_or_insert_with(|| Box::new(NONE.clone()))
    }

    /// How often each capped arm was put up.
    pub(super) fn uses(&self) -> &[u8; CAPPED_ARMS_MAX] {
        &self.awaited_if_any().unwrap_or(&NONE).uses
    }

    /// The promotions promised in this session.
    #[inline]
    pub(super) fn promises_mut(&mut self) -> &mut [Promise] {
        let awaited = self.seldom.as_mut().and_then(|it| it.awaited.as_mut());
        awaited.map_or(&mut [], |awaited| &mut awaited.promises)
    }

    /// Number of the last decision that an impression named.
    pub fn seen_seq(&self) -> Option<u32> {
        self.awaited_if_any()?.seen_seq
    }

    /// Keeps an exposure until the impression of its decision; whether another had to go for it.
    pub fn await_impression(&mut self, exposure: Exposure) -> bool {
        let awaiting = &mut self.awaited_mut().awaiting;
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
        let seqs = self.awaited_if_any()?.awaiting.iter().rev();
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
        let awaited = self.awaited_mut();
        awaited.seen_seq = Some(seq);
        let seen = awaited
            .awaiting
            .extract_if(.., |exposure| exposure.seq == seq);
        seen.collect()
    }

    /// Nothing waits to be seen any more.
    pub(super) fn await_nothing(&mut self) {
        let awaited = self.seldom.as_mut().and_then(|it| it.awaited.as_mut());
        if let Some(awaited) = awaited {
            awaited.awaiting.clear();
        }
    }
}

impl Awaited {
    /// Whether there is anything of it.
    pub(super) fn is_any(&self) -> bool {
        self.uses != NONE.uses
            || !self.promises.is_empty()
            || !self.awaiting.is_empty()
            || self.seen_seq.is_some()
    }

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
        size_of::<Awaited>()
            + self.promises.capacity() * size_of::<Promise>()
            + self.awaiting.capacity() * size_of::<Exposure>()
    }
}
