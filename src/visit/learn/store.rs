//! The facts of one bin's visitors that still count: what a retraction takes back.
//!
//! A fact stays for as long as it counts (`retention`), then it is taken back; earlier when its
//! visitor is erased, its session turns out to be a bot's, its order is given back, or there is no
//! room. Whatever the cause, what is taken back is the very fact that was stated, so statistics end
//! where they would be had it never been stated.
//!
//! Facts stand in a slab; a queue holds them by the time at which they stop to count, and each
//! remembers the one its visitor stated before it. Invariant: every fact in the slab is in the
//! queue once; facts leave the slab when their turn in the queue comes, taken back or not.
//!
//! Cost: O(1) a fact; a walk over a visitor's facts for a retraction. Memory: 112 bytes a fact.

use super::super::keys::KeyMap;
use super::super::output::Output;
use super::fact::{Fact, Outcome, OutcomeKind};
use crate::event::{ArrivalMs, Id, VisitorId};
use std::collections::VecDeque;

/// No fact.
const NONE: u32 = u32::MAX;

/// A fact that was stated.
#[derive(Clone, Copy, Debug)]
struct Stated {
    visitor: VisitorId,
    /// What it is; `None` once it has been taken back.
    fact: Option<Fact>,
    /// The order's own id, for an order.
    order: Id,
    /// Its number among all facts of the bin, from 1.
    number: u64,
    /// The visitor's fact before it; only meant if that fact's number is smaller.
    before: u32,
}

/// The facts of one bin.
#[derive(Debug, Default)]
pub struct FactStore {
    stated: Vec<Stated>,
    free: Vec<u32>,
    /// (first ms at which it does not count, place), earliest first.
    queue: VecDeque<(u64, u32)>,
    latest: KeyMap<u32>,
    numbers: u64,
}

impl FactStore {
    /// States a fact that counts until `until_ms`. Beyond `limit` facts the one that would leave
    /// first is taken back early; returns how many were.
    pub fn state(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        fact: Fact,
        order: Id,
        (until_ms, limit): (u64, usize),
        out: &mut impl Output,
    ) -> u64 {
        out.fact(at, visitor, &fact, 1);
        self.numbers += 1;
        let stated = Stated {
            visitor,
            fact: Some(fact),
            order,
            number: self.numbers,
            before: self.latest.get(&visitor.0).copied().unwrap_or(NONE),
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.stated[place as usize] = stated;
                place
            }
            None => {
                self.stated.push(stated);
                u32::try_from(self.stated.len() - 1).expect("fewer than 2³² facts")
            }
        };
        self.latest.insert(visitor.0, place);
        // Facts come nearly in order: those that a judgement stated late move up a little.
        let mut index = self.queue.len();
        while index > 0 && self.queue[index - 1].0 > until_ms {
            index -= 1;
        }
        self.queue.insert(index, (until_ms, place));
        let mut early = 0;
        while self.queue.len() > limit {
            early += u64::from(self.leave(at, out));
        }
        early
    }

    /// The number that the next fact will have.
    pub fn next_number(&self) -> u64 {
        self.numbers + 1
    }

    /// Takes back what does not count any more at `now`, each at the time at which it stopped.
    pub fn expire(&mut self, now: ArrivalMs, out: &mut impl Output) {
        while let Some(&(until_ms, _)) = self.queue.front() {
            if until_ms > now.0 {
                return;
            }
            self.leave(ArrivalMs(until_ms), out);
        }
    }

    /// When the next fact stops to count.
    pub fn next_expiry(&self) -> Option<u64> {
        self.queue.front().map(|(until_ms, _)| *until_ms)
    }

    /// Removes the first fact of the queue; whether it still counted.
    fn leave(&mut self, at: ArrivalMs, out: &mut impl Output) -> bool {
        let Some((_, place)) = self.queue.pop_front() else {
            return false;
        };
        let stated = &mut self.stated[place as usize];
        let fact = stated.fact.take();
        if let Some(fact) = &fact {
            out.fact(at, stated.visitor, fact, -1);
        }
        if self.latest.get(&stated.visitor.0) == Some(&place) {
            self.latest.remove(&stated.visitor.0);
        }
        self.free.push(place);
        fact.is_some()
    }

    /// The places of a visitor's facts, latest first.
    fn places(&self, visitor: VisitorId) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.latest.get(&visitor.0).copied().unwrap_or(NONE);
        let mut number = u64::MAX;
        std::iter::from_fn(move || {
            let stated = self.stated.get(next as usize)?;
            // A place that has been used anew is not the fact that stood there.
            if stated.visitor != visitor || stated.number >= number {
                return None;
            }
            let place = next;
            (next, number) = (stated.before, stated.number);
            Some(place)
        })
    }

    /// The orders of a visitor that stand, latest first, each with its own id.
    pub fn orders(&self, visitor: VisitorId) -> impl Iterator<Item = (Outcome, Id)> + '_ {
        self.places(visitor).filter_map(|place| {
            let stated = &self.stated[place as usize];
            match stated.fact {
                Some(Fact::Outcome(outcome)) if outcome.kind == OutcomeKind::Order => {
                    Some((outcome, stated.order))
                }
                _ => None,
            }
        })
    }

    /// Takes back every fact of a visitor that `meant` picks; how many there were.
    pub fn take_back(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        meant: impl Fn(&Fact) -> bool,
        out: &mut impl Output,
    ) -> u64 {
        let places: Vec<u32> = self.places(visitor).collect();
        let mut count = 0;
        for place in places {
            let slot = &mut self.stated[place as usize].fact;
            if let Some(fact) = slot.take_if(|fact| meant(fact)) {
                out.fact(at, visitor, &fact, -1);
                count += 1;
            }
        }
        count
    }

    /// Puts another outcome in the place of one that stands, under the same number.
    pub fn replace(
        &mut self,
        at: ArrivalMs,
        visitor: VisitorId,
        new: Outcome,
        out: &mut impl Output,
    ) {
        let place = self.places(visitor).find(|&place| {
            matches!(self.stated[place as usize].fact,
                Some(Fact::Outcome(old)) if old.number == new.number && old.kind == new.kind)
        });
        if let Some(place) = place
            && let Some(old) = self.stated[place as usize].fact.replace(Fact::Outcome(new))
        {
            out.fact(at, visitor, &old, -1);
            out.fact(at, visitor, &Fact::Outcome(new), 1);
        }
    }

    /// Facts kept, those taken back among them until their turn comes.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, mix};
    use crate::visit::decision::Decision;
    use crate::visit::output::Step;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Sum {
        facts: BTreeMap<(VisitorId, Fact), i32>,
        last: u64,
    }

    impl Output for Sum {
        fn decision(&mut self, _: &Decision<'_>) {
            unreachable!("a store decides nothing")
        }

        fn duplicate(&mut self, _: &Event) {
            unreachable!("a store sees no events")
        }

        fn step(&mut self, _: &Step<'_>) {
            unreachable!("a store tells no story")
        }

        fn fact(&mut self, at: ArrivalMs, visitor: VisitorId, fact: &Fact, sign: i8) {
            let count = self.facts.entry((visitor, *fact)).or_default();
            *count += i32::from(sign);
            assert!(
                (0..=1).contains(count),
                "a fact is stated and taken back once"
            );
            if *count == 0 {
                self.facts.remove(&(visitor, *fact));
            }
            self.last = at.0;
        }
    }

    fn order(number: u64, session: u64, value: i64) -> Fact {
        Fact::Outcome(Outcome {
            number,
            session,
            value,
            ..Outcome::default()
        })
    }

    fn state(store: &mut FactStore, at: u64, visitor: u64, session: u64, sum: &mut Sum) {
        let fact = order(store.next_number(), session, 5);
        let until = (at + 100, 1_000);
        store.state(
            ArrivalMs(at),
            VisitorId(visitor),
            fact,
            Id::NONE,
            until,
            sum,
        );
    }

    #[test]
    fn facts_leave_at_their_time() {
        let (mut store, mut sum) = (FactStore::default(), Sum::default());
        state(&mut store, 10, 1, 1, &mut sum);
        state(&mut store, 30, 1, 1, &mut sum);
        // Stated late: its turn comes between the two.
        state(&mut store, 20, 2, 1, &mut sum);
        assert_eq!(store.next_expiry(), Some(110));
        store.expire(ArrivalMs(109), &mut sum);
        assert_eq!(sum.facts.len(), 3);
        store.expire(ArrivalMs(125), &mut sum);
        assert_eq!((sum.facts.len(), sum.last), (1, 120));
        assert_eq!(store.orders(VisitorId(1)).count(), 1);
        assert_eq!(store.orders(VisitorId(2)).count(), 0);
    }

    #[test]
    fn a_session_a_visitor_and_an_order_can_be_taken_back() {
        let (mut store, mut sum) = (FactStore::default(), Sum::default());
        for session in [1, 1, 2] {
            state(&mut store, session, 7, session, &mut sum);
        }
        state(&mut store, 3, 8, 1, &mut sum);
        let (one, _) = store.orders(VisitorId(7)).next().unwrap();
        store.replace(
            ArrivalMs(5),
            VisitorId(7),
            Outcome { value: 2, ..one },
            &mut sum,
        );
        let values: Vec<i64> = store.orders(VisitorId(7)).map(|(o, _)| o.value).collect();
        assert_eq!(values, [2, 5, 5]);
        let first = |fact: &Fact| matches!(fact, Fact::Outcome(o) if o.session == 1);
        assert_eq!(
            store.take_back(ArrivalMs(5), VisitorId(7), first, &mut sum),
            2
        );
        assert_eq!(
            store.take_back(ArrivalMs(5), VisitorId(7), |_| true, &mut sum),
            1
        );
        assert_eq!(
            store.take_back(ArrivalMs(5), VisitorId(7), |_| true, &mut sum),
            0
        );
        assert_eq!(sum.facts.len(), 1);
        store.expire(ArrivalMs(1_000), &mut sum);
        assert!(sum.facts.is_empty() && store.is_empty());
    }

    #[test]
    fn without_room_the_oldest_go_early() {
        let (mut store, mut sum) = (FactStore::default(), Sum::default());
        for at in 0..5 {
            let fact = order(store.next_number(), 1, 5);
            let until = (at + 100, 3);
            let early = store.state(
                ArrivalMs(at),
                VisitorId(at),
                fact,
                Id::NONE,
                until,
                &mut sum,
            );
            assert_eq!(early, u64::from(at >= 3));
        }
        assert_eq!(sum.facts.len(), 3);
        assert_eq!(store.orders(VisitorId(0)).count(), 0);
    }

    #[test]
    fn places_that_are_used_anew_do_not_mix_visitors() {
        let (mut store, mut sum) = (FactStore::default(), Sum::default());
        for step in 0..20_000u64 {
            let visitor = mix(step) % 40;
            match mix(step ^ 77) % 10 {
                0 => {
                    store.take_back(ArrivalMs(step), VisitorId(visitor), |_| true, &mut sum);
                }
                _ => state(&mut store, step, visitor, step % 3, &mut sum),
            }
            store.expire(ArrivalMs(step), &mut sum);
            let told: usize = (0..40).map(|v| store.orders(VisitorId(v)).count()).sum();
            assert_eq!(told, sum.facts.len(), "step {step}");
        }
    }
}
