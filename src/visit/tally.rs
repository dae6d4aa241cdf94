//! What a run counts. Everything is an integer and adds up over workers in any order.

use super::bots::{RULE_COUNT, Rule};
use super::learn::moments::Groups;
use super::model::summary::Observed;
use super::phase::Phase;
use crate::event::{Event, KIND_COUNT, Kind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of equal bars between 0 and 1 in a histogram of scores.
pub const SCORE_BARS: usize = 50;

/// Counters of one worker, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events taken, by kind number; duplicates are not among them.
    pub kinds: [u64; KIND_COUNT],
    /// Earliest event time, in ms; 0 before the first event.
    pub first_ms: u64,
    /// Latest event time, in ms.
    pub last_ms: u64,
    /// Events dropped because their id had been seen.
    pub duplicates: u64,
    /// Visitors, each counted again if it returns after being forgotten.
    pub visitors: u64,
    /// Sessions begun.
    pub sessions: u64,
    /// Sessions that ended with something in the cart and nothing bought.
    pub carts_abandoned: u64,
    /// Sessions that bought something.
    pub sessions_bought: u64,
    /// Worth of the purchases, in millionths.
    pub revenue: i128,
    /// Times that a model was asked for scores.
    pub scorings: u64,
    /// Decision records.
    pub decisions: u64,
    /// Decision records that are not a session's first.
    pub changes: u64,
    /// Sessions that reached each phase.
    pub phases: [u64; 5],
    /// Limits that bit.
    pub limits: LimitCounts,
    /// Most sessions live at once, summed over workers.
    pub live_sessions_peak: u64,
    /// Bytes of state at the time when most sessions were live, summed over workers.
    pub state_bytes: u64,
    /// Sessions live when `state_bytes` was measured, summed over workers.
    pub state_sessions: u64,
    /// Sessions by their highest `p_purchase` before a purchase: those that bought.
    pub peak_bought: Histogram,
    /// The same for sessions that did not buy.
    pub peak_not_bought: Histogram,
    /// Sessions that bought before any score was there.
    pub bought_at_once: u64,
    /// Sessions over the bins of each model's training summary, by the model's number.
    pub drift: BTreeMap<u8, Observed>,
    /// Visitors who see the decisions against those who do not: overall, then for every slot of the
    /// policy, which is empty for slots that do not learn.
    pub lift: Vec<Groups>,
    /// Orders dropped because their event id had been seen before.
    pub orders_repeated: u64,
    /// Refunds for which no order was found.
    pub refunds_unmatched: u64,
    /// Impressions that named no decision that was waited for.
    pub impressions_unmatched: u64,
    /// Sessions taken for a bot's.
    pub bots: BotCounts,
    /// Erasures: visitors who were forgotten, each as often as it was asked for.
    pub erased: u64,
    /// Events passed over because their visitor had been erased.
    pub erased_events: u64,
    /// Lists of products, and the index that they are made from.
    pub products: ProductCounts,
    /// Events and decisions over time, where a plot wants them.
    pub timeline: Option<Timeline>,
}

/// Lists of products, and sessions in the index that they are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductCounts {
    /// Lists made.
    pub lists_made: u64,
    /// Those that were other than the list on the page; a visit's first is not among them.
    pub lists_changed: u64,
    /// Lists made for a visit with an item in view.
    pub in_view: u64,
    /// Those whose item in view the catalogue has.
    pub known: u64,
    /// Sessions that entered the index.
    pub entered: u64,
    /// Sessions that were taken out of it: their visitor was erased, or taken for a bot.
    pub retracted: u64,
    /// Sessions that stand in it at the end of the run.
    pub standing: u64,
}

impl ProductCounts {
    /// Sessions that left the index by themselves, by age or for want of room.
    pub fn left(&self) -> u64 {
        self.entered.saturating_sub(self.retracted + self.standing)
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &ProductCounts) {
        self.in_view += other.in_view;
        self.known += other.known;
        self.lists_made += other.lists_made;
        self.lists_changed += other.lists_changed;
        self.entered += other.entered;
        self.retracted += other.retracted;
        self.standing += other.standing;
    }
}

/// How often each limit bit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCounts {
    /// Items not remembered in a session, or forgotten for another.
    pub items_per_session: u64,
    /// Category touches not counted.
    pub categories_per_session: u64,
    /// Sessions ended early.
    pub live_sessions: u64,
    /// Visitors forgotten early.
    pub histories: u64,
    /// Event ids forgotten early.
    pub event_ids: u64,
    /// Tombstones of erased visitors taken down early.
    pub erased: u64,
    /// Facts that stopped to count early.
    pub facts: u64,
    /// Exposures dropped while they waited for an impression.
    pub exposures: u64,
    /// Sessions that left the index early.
    pub indexed: u64,
    /// Orders that count for less than they were worth.
    pub value_max: u64,
}

/// Sessions taken for a bot's, and what is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotCounts {
    /// Sessions by the number of the rule.
    pub sessions: [u64; RULE_COUNT],
    /// Events in these sessions by the number of the rule, those before the verdict among them.
    pub events: [u64; RULE_COUNT],
    /// Earlier sessions that counted until their visitor was found out.
    pub earlier: u64,
}

impl BotCounts {
    /// Counts a session of so many events that was ruled out.
    pub fn count(&mut self, rule: Rule, events: u32) {
        self.sessions[rule as usize] += 1;
        self.events[rule as usize] += u64::from(events);
    }

    /// Sessions ruled out, by whatever rule.
    pub fn total(&self) -> u64 {
        self.sessions.iter().sum()
    }

    fn merge(&mut self, other: &BotCounts) {
        for rule in 0..RULE_COUNT {
            self.sessions[rule] += other.sessions[rule];
            self.events[rule] += other.events[rule];
        }
        self.earlier += other.earlier;
    }
}

/// A histogram of scores between 0 and 1 with [`SCORE_BARS`] equal bars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram(pub Vec<u64>);

impl Default for Histogram {
    fn default() -> Self {
        Histogram(vec![0; SCORE_BARS])
    }
}

impl Histogram {
    /// The bar of a score.
    #[inline]
    pub fn bar(score: f64) -> usize {
        ((score * SCORE_BARS as f64) as usize).min(SCORE_BARS - 1)
    }

    /// Counts a score.
    pub fn count(&mut self, score: f64) {
        self.count_bar(Self::bar(score));
    }

    /// Counts a score of a bar.
    pub fn count_bar(&mut self, bar: usize) {
        self.0[bar] += 1;
    }

    /// Number of scores counted.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Counts per stretch of the arrival clock.
///
/// The stretch is a minute times a power of two, the least for which no more than
/// [`Timeline::BUCKETS_MAX`] stretches hold anything; so it does not depend on how visitors are
/// spread over workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    doublings: u32,
    buckets: BTreeMap<u64, Bucket>,
}

/// Counts of one stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Events taken.
    pub events: u64,
    /// Decisions made.
    pub decisions: u64,
    /// Sessions that entered each phase, less those that left it.
    pub phases: [i64; 5],
    /// By how much the groups of visitors grew.
    pub lift: Groups,
}

impl Bucket {
    fn add(&mut self, other: &Bucket) {
        self.events += other.events;
        self.decisions += other.decisions;
        for (sum, more) in self.phases.iter_mut().zip(other.phases) {
            *sum += more;
        }
        self.lift.merge(&other.lift);
    }
}

impl Timeline {
    /// Most stretches kept.
    pub const BUCKETS_MAX: usize = 1024;

    /// The bucket of a time, for counting into.
    pub fn at(&mut self, at_ms: u64) -> &mut Bucket {
        let key = self.key(at_ms);
        if !self.buckets.contains_key(&key) && self.buckets.len() >= Self::BUCKETS_MAX {
            self.coarsen(self.doublings + 1);
            return self.at(at_ms);
        }
        self.buckets.entry(key).or_default()
    }

    fn key(&self, at_ms: u64) -> u64 {
        (at_ms / 60_000) >> self.doublings
    }

    fn coarsen(&mut self, doublings: u32) {
        let shift = doublings - self.doublings;
        self.doublings = doublings;
        for (key, bucket) in std::mem::take(&mut self.buckets) {
            self.buckets.entry(key >> shift).or_default().add(&bucket);
        }
    }

    /// Adds another timeline.
    pub fn merge(&mut self, other: &Timeline) {
        let mut other = other.clone();
        let doublings = self.doublings.max(other.doublings);
        self.coarsen(doublings);
        other.coarsen(doublings);
        for (key, bucket) in &other.buckets {
            self.buckets.entry(*key).or_default().add(bucket);
        }
        while self.buckets.len() > Self::BUCKETS_MAX {
            self.coarsen(self.doublings + 1);
        }
    }

    /// Length of a stretch in ms.
    pub fn bucket_ms(&self) -> u64 {
        60_000 << self.doublings
    }

    /// Stretches that hold anything: (first ms, counts), in order of time.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, &Bucket)> {
        self.buckets
            .iter()
            .map(|(key, bucket)| (key * self.bucket_ms(), bucket))
    }
}

impl Tally {
    /// Events taken.
    pub fn accepted(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// Events of a kind.
    pub fn kind(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize]
    }

    /// Counts an event that was taken.
    #[inline]
    pub fn count(&mut self, event: &Event) {
        self.kinds[event.kind as usize] += 1;
        if event.kind == Kind::Purchase {
            self.revenue += i128::from(event.revenue());
        }
        let at = event.time.0;
        self.first_ms = if self.first_ms == 0 {
            at
        } else {
            self.first_ms.min(at)
        };
        self.last_ms = self.last_ms.max(at);
        if let Some(timeline) = &mut self.timeline {
            timeline.at(event.arrival.0).events += 1;
        }
    }

    /// Notes that a session moved from one phase to another; `None` is "not live".
    pub fn move_phase(&mut self, at_ms: u64, from: Option<Phase>, to: Option<Phase>) {
        if from == to {
            return;
        }
        if let Some(timeline) = &mut self.timeline {
            let bucket = timeline.at(at_ms);
            if let Some(from) = from {
                bucket.phases[from as usize] -= 1;
            }
            if let Some(to) = to {
                bucket.phases[to as usize] += 1;
            }
        }
    }

    /// The groups compared at a place: 0 overall, then one more than the slot's.
    pub fn lift_of(&mut self, place: usize) -> &mut Groups {
        if self.lift.len() <= place {
            self.lift.resize(place + 1, Groups::default());
        }
        &mut self.lift[place]
    }

    /// Adds the counters of another worker.
    pub fn merge(&mut self, other: &Tally) {
        let pairs = |into: &mut [u64], from: &[u64]| {
            for (sum, more) in into.iter_mut().zip(from) {
                *sum += more;
            }
        };
        pairs(&mut self.kinds, &other.kinds);
        pairs(&mut self.phases, &other.phases);
        pairs(&mut self.peak_bought.0, &other.peak_bought.0);
        pairs(&mut self.peak_not_bought.0, &other.peak_not_bought.0);
        self.first_ms = match (self.first_ms, other.first_ms) {
            (0, first) | (first, 0) => first,
            (one, two) => one.min(two),
        };
        self.last_ms = self.last_ms.max(other.last_ms);
        self.duplicates += other.duplicates;
        self.visitors += other.visitors;
        self.sessions += other.sessions;
        self.carts_abandoned += other.carts_abandoned;
        self.sessions_bought += other.sessions_bought;
        self.revenue += other.revenue;
        self.scorings += other.scorings;
        self.decisions += other.decisions;
        self.changes += other.changes;
        self.limits.items_per_session += other.limits.items_per_session;
        self.limits.categories_per_session += other.limits.categories_per_session;
        self.limits.live_sessions += other.limits.live_sessions;
        self.limits.histories += other.limits.histories;
        self.limits.event_ids += other.limits.event_ids;
        self.limits.erased += other.limits.erased;
        self.limits.facts += other.limits.facts;
        self.limits.exposures += other.limits.exposures;
        self.limits.indexed += other.limits.indexed;
        self.limits.value_max += other.limits.value_max;
        for (place, groups) in other.lift.iter().enumerate() {
            self.lift_of(place).merge(groups);
        }
        self.orders_repeated += other.orders_repeated;
        self.refunds_unmatched += other.refunds_unmatched;
        self.impressions_unmatched += other.impressions_unmatched;
        self.bots.merge(&other.bots);
        self.products.merge(&other.products);
        self.erased += other.erased;
        self.erased_events += other.erased_events;
        for (model, observed) in &other.drift {
            self.drift.entry(*model).or_default().merge(observed);
        }
        self.live_sessions_peak += other.live_sessions_peak;
        self.state_bytes += other.state_bytes;
        self.state_sessions += other.state_sessions;
        self.bought_at_once += other.bought_at_once;
        if let Some(more) = &other.timeline {
            self.timeline.get_or_insert_default().merge(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::mix;

    #[test]
    fn a_timeline_does_not_depend_on_how_it_was_split() {
        let times: Vec<u64> = (0..20_000).map(|n| mix(n) % (400 * 86_400_000)).collect();
        let count = |parts: u64| {
            let mut split = vec![Timeline::default(); parts as usize];
            for (n, &at) in times.iter().enumerate() {
                split[n % parts as usize].at(at).events += 1;
            }
            let mut whole = Timeline::default();
            for part in &split {
                whole.merge(part);
            }
            whole
        };
        let whole = count(1);
        assert_eq!(whole, count(3));
        assert_eq!(whole.buckets().map(|(_, b)| b.events).sum::<u64>(), 20_000);
        assert!(whole.buckets().count() <= Timeline::BUCKETS_MAX);
    }
}
