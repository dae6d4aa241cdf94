//! Which facts stand, and what each visitor came to, by a second reading of the rules: sessions,
//! orders, refunds, erasures, bots and ages, kept in plain lists.

use super::walk::{MODES, NAMES, rules_of, walk};
use super::world::{Said, Seen, Standing, World};
use crate::script::Told;
use restage::event::{Kind, VisitorId};
use restage::visit::bots::{Bots, Rule};
use restage::visit::learn::fact::{Fact, OutcomeKind};
use restage::visit::learn::moments::{Account, Groups};
use restage::visit::policy::Policy;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct Order {
    session: u64,
    id: u64,
    at_ms: u64,
    forgotten_ms: u64,
    value: i64,
    margin: i64,
}

#[derive(Clone, Debug, Default)]
struct Session {
    number: u64,
    start: u64,
    last: u64,
    last_arrival: u64,
    events: u64,
    active_ms: u64,
    counted: bool,
    muted: bool,
    converted: bool,
    /// Event time and arrival of the first addition to the cart.
    carted: Option<(u64, u64)>,
    /// Whether an order is still hoped for.
    promised: bool,
    ordered: bool,
    /// What was done, in the order in which it was told: when, what, with which item, how long.
    deeds: Vec<Deed>,
}

type Deed = (u64, Kind, u64, Option<i64>);

#[derive(Clone, Debug, Default)]
struct Person {
    sessions: Vec<Session>,
    orders: Vec<Order>,
    before: i64,
    /// When it was forgotten last.
    erased_ms: Option<u64>,
    /// Numbers of the sessions that were forgotten.
    gone: Vec<u64>,
    /// Whether the visitor was found out.
    bot: bool,
}

struct Book {
    policy: Policy,
    people: BTreeMap<&'static str, Person>,
    /// Events of visitors who had been erased.
    passed_over: u64,
}

impl Person {
    fn forget(&mut self, at: u64) {
        let mut gone = std::mem::take(&mut self.gone);
        gone.extend(self.sessions.iter().map(|session| session.number));
        *self = Person {
            erased_ms: Some(at),
            gone,
            ..Person::default()
        };
    }

    /// What all sessions taught goes; the sessions stay.
    fn take_back(&mut self) {
        self.orders.clear();
        self.before = 0;
        for session in &mut self.sessions {
            (session.counted, session.converted) = (false, false);
            (session.muted, session.promised) = (true, false);
        }
    }

    fn account(&self) -> Account {
        let count =
            |is: fn(&Session) -> bool| self.sessions.iter().filter(|s| is(s)).count() as i64;
        Account {
            sessions: count(|session| session.counted),
            converted: count(|session| session.converted),
            revenue: self.orders.iter().map(|order| order.value).sum(),
            margin: self.orders.iter().map(|order| order.margin).sum(),
            before: self.before,
        }
    }
}

impl Book {
    fn take(&mut self, told: &Told, page: impl Fn(u64) -> Vec<usize>) {
        let policy = &self.policy;
        let event = &told.event;
        let (at, time) = (event.arrival.0, event.time.0);
        let name = *NAMES.iter().find(|name| **name == told.visitor).unwrap();
        let person = self.people.entry(name).or_default();
        if event.kind == Kind::Erase {
            return person.forget(at);
        }
        let keep = policy.limits.erased_keep_ms;
        if person.erased_ms.is_some_and(|erased| at < erased + keep) {
            self.passed_over += 1;
            return;
        }
        let idle = policy.session.idle_ms;
        let goes_on = person.sessions.last().is_some_and(|session| {
            at <= session.last_arrival + idle
                && time <= session.last + idle
                && time <= session.start + policy.session.max_ms
        });
        if !goes_on {
            let after = person
                .sessions
                .last()
                .map_or(0, |session| session.number + 1);
            if let Some(session) = person.sessions.last_mut() {
                session.promised = false;
            }
            person.sessions.push(Session {
                number: time.max(after),
                start: time,
                last: time,
                muted: person.bot,
                ..Session::default()
            });
        }
        let session = person.sessions.last_mut().unwrap();
        session.events += 1;
        let deed = (time, event.kind, event.item.0, event.value.get());
        session.deeds.push(deed);
        session.active_ms += time.saturating_sub(session.last).min(600_000);
        (session.last, session.last_arrival) = (session.last.max(time), at);
        let number = session.number;
        match event.kind {
            Kind::Refund => return refund(person, at, event.revenue(), policy),
            _ if session.muted => return,
            _ => {}
        }
        let counts = at >= policy.learning.from_ms;
        session.counted |= counts;
        match event.kind {
            Kind::Purchase if !counts => person.before += 1,
            Kind::Purchase => {
                let known = |order: &Order| {
                    order.id != 0 && order.id == event.event_id.0 && order.forgotten_ms > at
                };
                if !person.orders.iter().any(known) {
                    let value = event.revenue().min(policy.learning.value_max);
                    let costs = page(number).into_iter().enumerate();
                    let costs =
                        costs.map(|(slot, arm)| policy.slots[slot].arms[arm].cost.of(value));
                    person.orders.push(Order {
                        session: number,
                        id: event.event_id.0,
                        at_ms: time,
                        forgotten_ms: at + policy.learning.retention_ms,
                        value,
                        margin: policy.promotions.margin(value, costs.sum()),
                    });
                    (session.converted, session.ordered) = (true, true);
                    session.promised = false;
                }
            }
            Kind::AddToCart if counts && session.carted.is_none() => {
                session.carted = Some((time, at));
                session.promised = !session.ordered && policy.learning.reward.provisional > 0;
            }
            _ => {}
        }
        if is_bot(session, &policy.bots) {
            if policy.bots.earlier {
                person.bot = true;
                return person.take_back();
            }
            (session.counted, session.converted) = (false, false);
            (session.muted, session.promised) = (true, false);
            person.orders.retain(|order| order.session != number);
        }
    }

    /// Outcomes that stand at `now`: visitor, session, kind, time, value, margin.
    fn outcomes(&self, now: u64) -> Vec<(VisitorId, u64, OutcomeKind, u64, i64, i64)> {
        let mut all = Vec::new();
        let learning = &self.policy.learning;
        for (name, person) in &self.people {
            let who = VisitorId::of(name.as_bytes());
            for order in person
                .orders
                .iter()
                .filter(|order| order.forgotten_ms > now)
            {
                let Order {
                    session,
                    at_ms,
                    value,
                    margin,
                    ..
                } = *order;
                all.push((who, session, OutcomeKind::Order, at_ms, value, margin));
            }
            for session in person.sessions.iter().filter(|session| !session.muted) {
                let Some((time, at)) = session.carted else {
                    continue;
                };
                let stands = at + learning.retention_ms > now;
                let live = session.last_arrival + self.policy.session.idle_ms >= now;
                let mut put = |kind| all.push((who, session.number, kind, time, 0, 0));
                if stands && learning.reward.wants_carts() {
                    put(OutcomeKind::Cart);
                }
                if stands && live && session.promised {
                    put(OutcomeKind::Promise);
                }
            }
        }
        all.sort_unstable();
        all
    }

    /// The sums over all visitors: overall, and for every slot.
    fn groups(&self) -> Vec<Groups> {
        let mut all = vec![Groups::default(); 1 + self.policy.slots.len()];
        for (name, person) in &self.people {
            let (who, account) = (VisitorId::of(name.as_bytes()), person.account());
            if account.sessions == 0 {
                continue;
            }
            let (holdout, held) = (self.policy.holdout.holds(who), self.policy.held(who));
            let mut add = |place: usize, held: bool| {
                let group = if held {
                    &mut all[place].held
                } else {
                    &mut all[place].treated
                };
                group.add(&account);
            };
            add(0, holdout);
            for slot in (0..self.policy.slots.len()).filter(|_| !holdout) {
                add(1 + slot, held >> slot & 1 == 1);
            }
        }
        all
    }
}

/// Whether any rule holds, each read off the whole list of what was done.
fn is_bot(session: &Session, bots: &Bots) -> bool {
    let rate = session.events >= bots.events_min
        && session.events * 60_000 > bots.per_minute * session.active_ms.max(1);
    let row = |times: Vec<u64>, least: u64| {
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.rev().take_while(|gap| *gap < least).count()
    };
    rate || row(left(&session.deeds, bots), bots.dwell_min_ms) >= usize::from(bots.views_max)
        || row(actions(&session.deeds), bots.gap_min_ms) >= usize::from(bots.gaps_max)
}

/// When items came into view since something was done with one, pages loaded again and late news
/// aside.
fn left(deeds: &[Deed], bots: &Bots) -> Vec<u64> {
    let looks = |(_, kind, _, micros): &Deed| match kind {
        Kind::Scroll | Kind::Search | Kind::AddToCart | Kind::Purchase => true,
        Kind::Dwell => micros.is_none_or(|micros| micros >= bots.dwell_min_ms as i64 * 1_000),
        _ => false,
    };
    let after = deeds.iter().rposition(looks).map_or(0, |last| last + 1);
    let mut views: Vec<(u64, u64)> = Vec::new();
    for (time, kind, item, _) in &deeds[after..] {
        let fits = views
            .last()
            .is_none_or(|(latest, shown)| shown != item && time >= latest);
        if *kind == Kind::ItemView && fits {
            views.push((*time, *item));
        }
    }
    views.into_iter().map(|(time, _)| time).collect()
}

/// When somebody did something by hand: a basket or an order once, late news aside.
fn actions(deeds: &[Deed]) -> Vec<u64> {
    let hands = [
        Kind::PageView,
        Kind::ItemView,
        Kind::Search,
        Kind::AddToCart,
        Kind::Purchase,
    ];
    let mut done: Vec<(u64, Kind)> = Vec::new();
    for (time, kind, ..) in deeds.iter().filter(|deed| hands.contains(&deed.1)) {
        let latest = done.last().map_or(0, |(latest, _)| *latest);
        let again = [Kind::AddToCart, Kind::Purchase].contains(kind)
            && done.last() == Some(&(*time, *kind));
        if *time >= latest && !again {
            done.push((*time, *kind));
        }
    }
    done.into_iter().map(|(time, _)| time).collect()
}

fn refund(person: &mut Person, at: u64, back: i64, policy: &Policy) {
    let back = back.min(policy.learning.value_max);
    let known = || {
        (0..person.orders.len())
            .rev()
            .filter(|&i| person.orders[i].forgotten_ms > at)
    };
    let same = known().find(|&i| back == 0 || person.orders[i].value == back);
    let Some(place) = same.or_else(|| known().find(|&i| person.orders[i].value > back)) else {
        return;
    };
    if back != 0 && person.orders[place].value > back {
        person.orders[place].value -= back;
        person.orders[place].margin -= policy.promotions.margin(back, 0);
        return;
    }
    let session = person.orders.remove(place).session;
    // Of a session that is over, orders that are forgotten do not speak for it any more.
    let live = person
        .sessions
        .last()
        .is_some_and(|last| last.number == session);
    let mut others = person
        .orders
        .iter()
        .filter(|order| order.session == session);
    if !others.any(|order| live || order.forgotten_ms > at) {
        let of = person.sessions.iter_mut().find(|one| one.number == session);
        of.unwrap().converted = false;
    }
}

/// The arms that a session is shown: by its last decision before an event.
fn page(
    decisions: &[Seen],
    told: &Told,
    before: usize,
    session: u64,
    policy: &Policy,
) -> Vec<usize> {
    let mut made = decisions.iter().enumerate().filter(|(place, seen)| {
        (*place < before || seen.at_ms < told.event.arrival.0)
            && seen.visitor == told.visitor
            && seen.session == session.to_string()
    });
    let slots = policy.slots.iter();
    match made.next_back() {
        Some((_, seen)) => slots
            .zip(seen.layout)
            .map(|(_, arm)| usize::from(arm))
            .collect(),
        None => slots.map(|slot| slot.default).collect(),
    }
}

/// What the core says stands now.
fn standing(world: &World) -> Standing {
    let mut standing = Standing::default();
    let all = world.told.values().flatten().chain(&world.heard.said);
    all.for_each(|said| standing.follow(said));
    standing
}

fn check(world: &mut World, book: &Book, now: u64, place: &str) {
    // Nobody can see how often somebody looks.
    world
        .visitors
        .expire(restage::event::ArrivalMs(now), &mut world.heard);
    let standing = standing(world);
    // Rises of intent are the scores', not the book's.
    let outcomes = standing.outcomes.iter();
    let outcomes = outcomes.filter(|(_, outcome)| outcome.kind != OutcomeKind::Intent);
    let mut found: Vec<_> = outcomes
        .map(|(who, o)| (*who, o.session, o.kind, o.at_ms, o.value, o.margin))
        .collect();
    found.sort_unstable();
    assert_eq!(found, book.outcomes(now), "outcomes, {place}");
    let muted = |who: VisitorId, number: u64| {
        book.people.iter().any(|(name, person)| {
            let mut sessions = person.sessions.iter();
            VisitorId::of(name.as_bytes()) == who
                && (person.gone.contains(&number)
                    || sessions.any(|session| session.number == number && session.muted))
        })
    };
    let all = world.told.values().flatten().chain(&world.heard.said);
    let mut wanted: Vec<_> = all
        .filter_map(|said| match said {
            Said {
                fact: Fact::Exposure(exposure),
                sign: 1,
                visitor,
                creditable: false,
                ..
            } => Some((*visitor, *exposure)),
            _ => None,
        })
        .filter(|(who, e)| {
            !muted(*who, e.session) && e.at_ms + book.policy.learning.retention_ms > now
        })
        .collect();
    wanted.sort_unstable();
    assert_eq!(
        standing.exposures.into_iter().collect::<Vec<_>>(),
        wanted,
        "exposures, {place}"
    );
}

#[test]
fn facts_and_accounts_are_those_of_the_rules() {
    let (mut counts, mut bots) = ([0; 5], [0; Rule::ALL.len() + 1]);
    for (number, mode) in MODES.iter().enumerate() {
        // Where room is short, what stands is not a matter of these rules alone.
        if mode.contains("facts") {
            continue;
        }
        let rules = rules_of(mode);
        for seed in 0..12 {
            let seed = seed * 100 + 50 + number as u64;
            let mut book = Book {
                policy: rules.policy.clone(),
                people: BTreeMap::new(),
                passed_over: 0,
            };
            let mut world = World::new(&rules);
            let last_ms = walk(seed, &mut world, 150, |world, told, before| {
                let seen = &world.heard.decisions;
                book.take(told, |session| {
                    page(seen, told, before, session, &rules.policy)
                });
                let now = told.event.arrival.0;
                check(
                    world,
                    &book,
                    now,
                    &format!("seed {seed}, mode {mode:?}, {told:?}"),
                );
            });
            let tally = world.finish(last_ms);
            let mut lift = tally.lift.clone();
            lift.resize(1 + rules.policy.slots.len(), Groups::default());
            assert_eq!(lift, book.groups(), "seed {seed}, mode {mode:?}");
            let mut over_time = Groups::default();
            let timeline = tally.timeline.as_ref().unwrap();
            timeline
                .buckets()
                .for_each(|(_, bucket)| over_time.merge(&bucket.lift));
            assert_eq!(over_time, lift[0], "seed {seed}, over time");
            assert_eq!(tally.erased_events, book.passed_over, "seed {seed}");
            let more = [
                tally.bots.total(),
                tally.erased,
                tally.erased_events,
                tally.orders_repeated,
                tally.refunds_unmatched,
            ];
            let by_rule = tally.bots.sessions.iter().chain([&tally.bots.earlier]);
            bots.iter_mut()
                .zip(by_rule)
                .for_each(|(sum, more)| *sum += more);
            counts
                .iter_mut()
                .zip(more)
                .for_each(|(sum, more)| *sum += more);
        }
    }
    assert!(
        counts.iter().all(|count| *count > 10),
        "scripts are dull: {counts:?}"
    );
    assert!(bots.iter().all(|count| *count > 3), "no bots: {bots:?}");
}
