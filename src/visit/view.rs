//! What a policy would do in a situation: the probability of every arm of every slot, without a
//! draw.
//!
//! Two policies are compared, and logged choices are weighed, by these probabilities. A slot that
//! learns has those of a draw made now, from the tables in force, whether or not it is its turn;
//! a slot with rules shows what it shows, with certainty. Learned slots are looked at before the
//! step, as a draw would see them ([`super::live::Visit`] fills them in), ruled ones after it
//! ([`View::show`]).
//!
//! Invariant: the probabilities of a slot sum to a million. Where the policy drew in this very
//! step, they are those that it drew from. Cost: 100 ns a learned slot and judgement.

use super::choose::CERTAIN_PPM;
use super::decision::PerSlot;
use super::learn::spec::PerArm;
use super::live::Visit;
use super::policy::{ARMS_MAX, Policy};
use crate::event::Device;

/// What a policy would do in a situation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Probability of each arm, in millionths, by slot.
    pub chances_ppm: PerSlot<PerArm<u32>>,
    /// Bit per arm that could be drawn, by slot; 0 for slots that learn nothing or learn together.
    pub set: PerSlot<u16>,
    /// The context leaf of each slot.
    pub leaf: PerSlot<u8>,
    /// What is shown now.
    pub layout: PerSlot<u8>,
    /// Bit per slot whose default the visitor keeps for comparison.
    pub held: u8,
    /// The device of the session's first event.
    pub device: Device,
    /// Whether the visitor was here before.
    pub returning: bool,
    /// Whether anything is decided yet.
    pub begun: bool,
}

impl View {
    /// Looks at what is shown after the step.
    pub(super) fn show(&mut self, visit: &Visit, policy: &Policy) {
        self.layout = *visit.layout();
        for (index, slot) in policy.slots.iter().enumerate() {
            if slot.learn.is_none() || !self.begun {
                let mut certain = [0; ARMS_MAX];
                certain[usize::from(self.layout[index])] = CERTAIN_PPM;
                self.chances_ppm[index] = certain;
            }
        }
    }
}
