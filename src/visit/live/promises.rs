//! What a session was promised by the promotions that it was shown, and what its orders took of it.
//!
//! An arm that is put up is a promise, once a session, and counts against the arm's budget at what it
//! would take from the cart as it is. It follows the cart, since a discount is often drawn before there
//! is one. An order puts in its place what it really took, for good; then nothing more is promised until
//! there is something in the cart again. What is still promised when the session ends goes back.
//!
//! Invariant: of each promise, changes sum up to its amount and what the orders took. Cost: a
//! comparison a promise and judgement.

use super::Visit;
use crate::visit::policy::Policy;
use crate::visit::policy::learning::Cost;
use serde::{Deserialize, Serialize};

/// A promotion that a session was promised.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Promise {
    /// The slot.
    pub slot: u8,
    /// The arm.
    pub arm: u8,
    /// What the next order is expected to take, in millionths.
    pub amount: i64,
}

/// Slot, arm, amount in millionths, and whether it is stated or taken back.
pub type Spend = (u8, u8, i64, i8);

impl Promise {
    fn cost<'a>(&self, policy: &'a Policy) -> &'a Cost {
        &policy.slots[usize::from(self.slot)].arms[usize::from(self.arm)].cost
    }

    fn spend(&self, amount: i64, sign: i8) -> Spend {
        (self.slot, self.arm, amount, sign)
    }
}

impl Visit {
    /// An arm has been put up.
    pub(super) fn promise(&mut self, slot: u8, arm: u8, policy: &Policy, spends: &mut Vec<Spend>) {
        let amount = 0;
        let mut promise = Promise { slot, arm, amount };
        let is_it = |other: &Promise| (other.slot, other.arm) == (slot, arm);
        let cost = promise.cost(policy);
        if cost.is_none() || self.promises.iter().any(is_it) {
            return;
        }
        promise.amount = cost.of(self.cart_judged);
        spends.push(promise.spend(promise.amount, 1));
        self.promises.push(promise);
    }

    /// Promises follow the cart.
    pub(super) fn keep_promises(&mut self, policy: &Policy, spends: &mut Vec<Spend>) {
        let (cart, idle) = (self.cart_judged, self.ordered && self.cart_judged == 0);
        for promise in &mut self.promises {
            let now = if idle {
                0
            } else {
                promise.cost(policy).of(cart)
            };
            if now != promise.amount {
                spends.extend([promise.spend(promise.amount, -1), promise.spend(now, 1)]);
                promise.amount = now;
            }
        }
    }

    /// An order of this value takes what was promised.
    pub fn redeem(&mut self, value: i64, policy: &Policy) -> Vec<Spend> {
        let mut spends = Vec::new();
        for promise in &mut self.promises {
            let taken = promise.cost(policy).of(value);
            let changes = [(promise.amount, -1), (0, 1), (taken, 1)];
            spends.extend(changes.map(|(amount, sign)| promise.spend(amount, sign)));
            promise.amount = 0;
        }
        spends
    }

    /// The session has ended: nothing is promised any more.
    pub fn break_promises(&mut self) -> Vec<Spend> {
        let promises = std::mem::take(&mut self.promises);
        let back = promises.iter();
        back.map(|promise| promise.spend(promise.amount, -1))
            .collect()
    }
}
