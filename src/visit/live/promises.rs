//! What a session was promised by the promotions that it was shown, and what its orders took of it.
//!
//! An arm that is put up is a promise, once a session, and counts against the arm's budget at what it
//! would take from the cart as it is. It follows the cart, since a discount is often drawn before there
//! is one. An order puts in its place what it really took, for good; then nothing more is promised until
//! there is something in the cart again. What is still promised when the session ends goes back.
//!
//! Invariant: of each promise, changes sum up to its amount and what the orders took. Cost: a
//! comparison a promise and judgement.

use super::{Mark, Visit};
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
    /// An arm that costs something has been put up, with a cart of this value.
    pub(super) fn promise(
        &mut self,
        (slot, arm): (u8, u8),
        cost: Cost,
        cart: i64,
        spends: &mut Vec<Spend>,
    ) {
        let promises = &mut self.awaited_mut().promises;
        if promises.iter().any(|it| (it.slot, it.arm) == (slot, arm)) {
            return;
        }
        let amount = cost.of(cart);
        let promise = Promise { slot, arm, amount };
        spends.push(promise.spend(amount, 1));
        promises.push(promise);
    }

    /// Promises follow the cart.
    pub(super) fn keep_promises(&mut self, cart: i64, policy: &Policy, spends: &mut Vec<Spend>) {
        let idle = self.is(Mark::Ordered) && cart == 0;
        for promise in self.promises_mut() {
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
        for promise in self.promises_mut() {
            let taken = promise.cost(policy).of(value);
            let changes = [(promise.amount, -1), (0, 1), (taken, 1)];
            spends.extend(changes.map(|(amount, sign)| promise.spend(amount, sign)));
            promise.amount = 0;
        }
        spends
    }

    /// The session has ended: nothing is promised any more.
    pub fn break_promises(&mut self) -> Vec<Spend> {
        let awaited = self.seldom.as_mut().and_then(|it| it.awaited.as_mut());
        let promises = awaited.map(|awaited| std::mem::take(&mut awaited.promises));
        let back = promises.iter().flatten();
        back.map(|promise| promise.spend(promise.amount, -1))
            .collect()
    }
}
