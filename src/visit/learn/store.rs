//! The facts of one bin's visitors that still count: what a retraction takes back.
//!
//! A fact stays for as long as it counts (`retention`), then it is taken back; earlier when its
//! visitor is erased, its session turns out to be a bot's, its order is given back, or there is no
//! room. Whatever the cause, what is taken back is the very fact that was stated, so statistics end
//! where they would be had it never been stated.
//!
//! An exposure of whose visitor nothing has come is nobody's business but the store's: it is a count.
//! When an outcome is stated, the exposures of its visitor are handed on as
//! [creditable](Output::creditable), and they are taken back there, too. So those who join exposures
//! with outcomes hear of the few per cent of visits in which something happened, and the others'
//! exposures are kept once. Invariant: every exposure that stands and precedes an outcome that stands
//! has been handed on.
//!
//! Cost: O(1) a fact; a walk over a visitor's facts for an outcome or a retraction ([`Dated`]). Memory:
//! some 84 bytes a fact and 12 a visitor.

use super::super::dated::Dated;
use super::super::output::Output;
use super::fact::{Fact, Outcome, OutcomeKind};
use super::stated::Stated;
use crate::event::{ArrivalMs, Id, VisitorId};
use serde::{Deserialize, Serialize};

impl Stated {
    /// Takes the fact back, if it still stands and is `meant`; whether it was.
    fn leave(
        &mut self,
        (at, visitor): (ArrivalMs, VisitorId),
        meant: impl Fn(&Fact) -> bool,
        out: &mut impl Output,
    ) -> bool {
        let Some(fact) = self.fact().filter(meant) else {
            return false;
        };
        self.take_back();
        out.fact(at, visitor, &fact, -1);
        if let (Fact::Exposure(exposure), true) = (&fact, self.is_handed_on()) {
            out.creditable(at, visitor, exposure, -1);
        }
        true
    }
}

/// The facts of one bin.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FactStore {
    stated: Dated<Stated>,
    /// The latest time of any outcome that was stated, in ms of event time.
    outcome_ms: u64,
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
        let stated = Stated::of(fact, order);
        let place = self.stated.put(visitor, stated, until_ms);
        self.hand_on((at, visitor), (&fact, place), out);
        let mut early = 0;
        while self.stated.len() > limit {
            early += u64::from(self.leave(at, out));
        }
        early
    }

    /// Hands on what may be joined because of the fact that has just been stated.
    fn hand_on(
        &mut self,
        (at, visitor): (ArrivalMs, VisitorId),
        (fact, place): (&Fact, u32),
        out: &mut impl Output,
    ) {
        let places = match fact {
            // A shopper's clock may be ahead: then what is shown now precedes what came before.
            Fact::Exposure(exposure) if exposure.at_ms <= self.outcome_ms => vec![place],
            Fact::Outcome(outcome) => {
                self.outcome_ms = self.outcome_ms.max(outcome.at_ms);
                self.stated.places(visitor).collect()
            }
            _ => return,
        };
        for place in places {
            if let Some(exposure) = self.stated.get_mut(place).hand_on() {
                out.creditable(at, visitor, &exposure, 1);
            }
        }
    }

    /// States again what is joined: outcomes that stand, and the exposures that were handed on.
    pub fn restate(&self, at: ArrivalMs, out: &mut impl Output) {
        for (visitor, stated) in self.stated.iter() {
            match stated.fact() {
                Some(fact @ Fact::Outcome(_)) => out.fact(at, visitor, &fact, 1),
                Some(Fact::Exposure(exposure)) if stated.is_handed_on() => {
                    out.creditable(at, visitor, &exposure, 1);
                }
                _ => {}
            }
        }
    }

    /// The number that the next fact will have.
    pub fn next_number(&self) -> u64 {
        self.stated.next_number()
    }

    /// Takes back what does not count any more at `now`, each at the time at which it stopped.
    pub fn expire(&mut self, now: ArrivalMs, out: &mut impl Output) {
        while let Some(until_ms) = self.next_expiry() {
            if until_ms > now.0 {
                return;
            }
            self.leave(ArrivalMs(until_ms), out);
        }
    }

    /// When the next fact stops to count.
    pub fn next_expiry(&self) -> Option<u64> {
        self.stated.next_expiry()
    }

    /// Removes the first fact of the queue; whether it still counted.
    fn leave(&mut self, at: ArrivalMs, out: &mut impl Output) -> bool {
        let first = self.stated.pop();
        first.is_some_and(|(visitor, mut stated)| stated.leave((at, visitor), |_| true, out))
    }

    /// The orders of a visitor that stand, latest first, each with its own id.
    pub fn orders(&self, visitor: VisitorId) -> impl Iterator<Item = (Outcome, Id)> + '_ {
        self.stated.places(visitor).filter_map(|place| {
            let stated = self.stated.get(place);
            match stated.fact() {
                Some(Fact::Outcome(outcome)) if outcome.kind == OutcomeKind::Order => {
                    Some((outcome, stated.order()))
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
        let places: Vec<u32> = self.stated.places(visitor).collect();
        let mut count = 0;
        for place in places {
            let stated = self.stated.get_mut(place);
            count += u64::from(stated.leave((at, visitor), &meant, out));
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
        let place = self.stated.places(visitor).find(|&place| {
            matches!(self.stated.get(place).fact(),
                Some(Fact::Outcome(old)) if old.number == new.number && old.kind == new.kind)
        });
        if let Some(place) = place
            && let Some(old) = self.stated.get_mut(place).replace(Fact::Outcome(new))
        {
            out.fact(at, visitor, &old, -1);
            out.fact(at, visitor, &Fact::Outcome(new), 1);
        }
    }

    /// Facts kept, those taken back among them until their turn comes.
    pub fn len(&self) -> usize {
        self.stated.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stated.is_empty()
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
