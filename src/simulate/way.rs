//! The way from the shopper's device to the log: clocks that are off, events that come late, twice
//! or, as refunds do, days afterwards.
//!
//! Invariant: an event leaves the way exactly once, and its copy, if there is one, after it.
//! Cost: a draw an event; memory for the events under way, about one in a hundred of the last hour.

use super::ShopParams;
use super::record::{Act, Fault, Page, SimEvent};
use super::timeline::Timeline;
use crate::event::Kind;
use crate::rng::Rng;

const HOUR_MS: f64 = 3_600_000.0;

/// Events under way, and the chance that rules over them.
#[derive(Clone, Debug)]
pub(super) struct Way {
    rng: Rng,
    under_way: Timeline<SimEvent>,
    sent: u64,
}

impl Way {
    /// A way on which nothing is yet.
    pub fn new(rng: Rng) -> Way {
        Way {
            rng,
            under_way: Timeline::new(),
            sent: 0,
        }
    }

    /// When the next event arrives; ms since 1970.
    #[inline]
    pub fn next_ms(&self) -> u64 {
        self.under_way.next_ms()
    }

    /// The next event to arrive.
    pub fn arrive(&mut self) -> Option<SimEvent> {
        self.under_way.pop()
    }

    /// A visit's clock less the arrival clock, in ms: usually the time that a message takes, so
    /// below zero; for some a clock that is ahead.
    pub fn skew_ms(&mut self, params: &ShopParams) -> i64 {
        if self.rng.chance(params.ahead_share) {
            self.rng.between(100.0, 5_000.0) as i64
        } else {
            -(self.rng.log_normal(80.0, 0.6).min(900.0) as i64)
        }
    }

    /// Plans the refund of some orders, 36 hours later in the median, as event `number`; whether
    /// there will be one.
    pub fn book_refund(&mut self, order: &SimEvent, number: u64, params: &ShopParams) -> bool {
        if !self.rng.chance(params.refund_share) {
            return false;
        }
        let wait_ms = self
            .rng
            .log_normal(36.0 * HOUR_MS, 1.0)
            .min(90.0 * 24.0 * HOUR_MS);
        let at_ms = order.arrival_ms + wait_ms as u64;
        let refund = SimEvent {
            arrival_ms: at_ms,
            event_ms: at_ms,
            number,
            act: Act {
                kind: Kind::Refund,
                page: Page::Nowhere,
                ..order.act
            },
            ..*order
        };
        self.send(refund);
        true
    }

    /// Puts an event on its way: now, late, or twice. What arrives at once comes back.
    pub fn dispatch(&mut self, mut event: SimEvent, params: &ShopParams) -> Option<SimEvent> {
        let lot = self.rng.unit();
        let late = params.very_late_share + params.late_share;
        if event.event_ms > event.arrival_ms {
            event.truth.fault = Fault::Ahead;
        }
        if lot < late {
            let very = lot < params.very_late_share;
            let wait_ms = if very {
                HOUR_MS + 6_000.0 + self.rng.exponential(HOUR_MS)
            } else {
                // Within the hour also by the shopper's clock, whichever way that is off.
                self.rng
                    .log_normal(30_000.0, 1.3)
                    .clamp(7_000.0, HOUR_MS - 7_000.0)
            };
            event.arrival_ms += wait_ms as u64;
            event.truth.fault = if very { Fault::VeryLate } else { Fault::Late };
            self.send(event);
            return None;
        }
        if lot < late + params.duplicate_share {
            let mut copy = event;
            copy.arrival_ms += self.rng.between(100.0, 60_000.0) as u64;
            copy.truth.fault = Fault::Duplicate;
            self.send(copy);
        }
        Some(event)
    }

    fn send(&mut self, event: SimEvent) {
        self.under_way.push(event.arrival_ms, self.sent, event);
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Shop, VisitNo};
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn arrivals_never_fall_and_faults_keep_their_shares() {
        const EVENTS: usize = 200_000;
        let mut last_ms = 0;
        let (mut late, mut very_late, mut ahead, mut bots) = (0, 0, 0, 0);
        let mut copies: BTreeMap<u64, Vec<SimEvent>> = BTreeMap::new();
        let mut shop = Shop::new(ShopParams {
            seed: 5,
            ..ShopParams::default()
        });
        for event in shop.by_ref().take(EVENTS) {
            assert!(event.arrival_ms >= last_ms);
            last_ms = event.arrival_ms;
            let delay_ms = event.arrival_ms as i64 - event.event_ms as i64;
            late += usize::from((2_000..=3_600_000).contains(&delay_ms));
            very_late += usize::from(delay_ms > 3_600_000);
            ahead += usize::from(delay_ms < 0);
            assert!(delay_ms >= -5_000);
            bots += usize::from(event.truth.bot);
            copies.entry(event.number).or_default().push(event);
        }
        let share = |n: usize| n as f64 / EVENTS as f64;
        let twice: Vec<_> = copies.values().filter(|c| c.len() > 1).collect();
        // A copy that took more than 2 s counts as late here as well.
        let late = share(late) - share(twice.len());
        assert!((0.008..0.012).contains(&late), "late {late}");
        assert!((5..=90).contains(&very_late), "very late {very_late}");
        assert!((0.001..0.01).contains(&share(ahead)), "{ahead}");
        assert!((0.05..0.2).contains(&share(bots)), "{bots}");
        assert!((0.004..0.006).contains(&share(twice.len())));
        for copy in twice {
            assert_eq!(copy.len(), 2);
            assert_eq!(copy[0].act, copy[1].act);
            assert_eq!(copy[0].event_ms, copy[1].event_ms);
            assert!(copy[1].arrival_ms - copy[0].arrival_ms <= 60_000);
            assert_eq!(copy[1].truth.fault, Fault::Duplicate);
        }
        assert_eq!(shop.lost_visitors(), 0);
        assert!(shop.visits() > shop.visitors(), "some came back");
    }

    #[test]
    fn what_goes_wrong_on_the_way_does_not_change_what_shoppers_do() {
        let faultless = ShopParams {
            late_share: 0.0,
            duplicate_share: 0.0,
            ..ShopParams::default()
        };
        let faulty = ShopParams {
            late_share: 0.2,
            duplicate_share: 0.2,
            ..ShopParams::default()
        };
        let acts = |params: ShopParams| -> BTreeMap<(VisitNo, u64), Vec<Act>> {
            let params = ShopParams {
                refund_share: 0.0,
                ..params
            };
            let mut acts: BTreeMap<_, Vec<Act>> = BTreeMap::new();
            for event in Shop::new(params).take(20_000) {
                acts.entry((event.visit, event.number))
                    .or_default()
                    .push(event.act);
            }
            acts
        };
        let (clean, noisy) = (acts(faultless), acts(faulty));
        let both: Vec<_> = clean.keys().filter(|key| noisy.contains_key(key)).collect();
        assert!(both.len() > 12_000, "{}", both.len());
        assert!(both.iter().all(|key| clean[key][0] == noisy[key][0]));
    }
}
