//! The session fold against recomputation: at every prefix of a random session, every feature that
//! the incremental fold gives equals the one computed from all events so far, by definition.

use proptest::prelude::*;
use restage::event::{
    ArrivalMs, Device, Event, EventMs, Id, Kind, Lane, Micros, Offset, VisitorId,
};
use restage::visit::feature::{FEATURE_COUNT, FEATURES, Vector, fill};
use restage::visit::history::History;
use restage::visit::session::{Session, SessionLimits};
use std::collections::{BTreeMap, BTreeSet};

const LIMITS: SessionLimits = SessionLimits {
    items_max: 1_000,
    categories_max: 1_000,
};
const START_MS: u64 = 1_767_571_200_000;

#[derive(Clone, Debug)]
struct Act {
    kind: Kind,
    gap_ms: i64,
    item: u64,
    category: u64,
    price: Option<i64>,
    value: Option<i64>,
    quantity: u32,
}

fn act() -> impl Strategy<Value = Act> {
    let kinds = prop::sample::select(Kind::ALL.to_vec());
    let price = prop::option::of(prop::sample::select(vec![
        0, 1_000_000, 19_990_000, 7_500_001,
    ]));
    let value = prop::option::of(0i64..1_000_000);
    (
        kinds,
        -5_000i64..90_000,
        0u64..6,
        0u64..4,
        price,
        value,
        0u32..4,
    )
        .prop_map(
            |(kind, gap_ms, item, category, price, value, quantity)| Act {
                kind,
                gap_ms,
                item,
                category,
                price,
                value,
                quantity,
            },
        )
}

fn events(acts: &[Act]) -> Vec<Event> {
    let mut now = START_MS as i64;
    let mut arrival = START_MS;
    let to_event = |(at, act): (usize, &Act)| {
        now += act.gap_ms;
        arrival = arrival.max(now as u64);
        Event {
            arrival: ArrivalMs(arrival),
            time: EventMs(now as u64),
            offset: Offset(at as u64),
            line: at as u64 + 1,
            visitor: VisitorId(1),
            session: Id::NONE,
            item: Id(act.item),
            category: Id(act.category),
            event_id: Id::NONE,
            price: act.price.map_or(Micros::NONE, Micros::new),
            value: act.value.map_or(Micros::NONE, Micros::new),
            quantity: act.quantity,
            lane: Lane(0),
            kind: act.kind,
            device: Device::Unknown,
        }
    };
    acts.iter().enumerate().map(to_event).collect()
}

/// All features from the whole prefix, by their definitions.
fn recompute(events: &[Event], history: &History) -> BTreeMap<&'static str, f64> {
    let of = |kind: Kind| events.iter().filter(move |event| event.kind == kind);
    let count = |kind: Kind| of(kind).count() as f64;
    let touches = || events.iter().filter(|event| TOUCH.contains(&event.kind));
    let items: BTreeSet<u64> = touches().map(|e| e.item.0).filter(|&id| id != 0).collect();
    let mut categories = BTreeMap::<u64, f64>::new();
    for event in touches().filter(|event| event.category.0 != 0) {
        *categories.entry(event.category.0).or_default() += 1.0;
    }
    let touched: f64 = categories.values().sum();
    let squares: f64 = categories.values().map(|n| n * n).sum();
    let mut views = BTreeMap::<u64, f64>::new();
    for event in of(Kind::ItemView).filter(|event| event.item.0 != 0) {
        *views.entry(event.item.0).or_default() += 1.0;
    }
    let values = |kind: Kind| -> Vec<f64> {
        of(kind)
            .filter_map(|e| e.value.get())
            .map(|v| v as f64 / 1e6)
            .collect()
    };
    let sum_micros = |kind: Kind| of(kind).filter_map(|e| e.value.get()).sum::<i64>() as f64 / 1e6;
    let (dwells, scrolls) = (values(Kind::Dwell), values(Kind::Scroll));
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let per = |sum: f64, n: f64| if n == 0.0 { f64::NAN } else { sum / n };
    let mean = |sum: f64, n: usize| per(sum, n as f64);

    let cart = cart(events);
    let units: u64 = cart.units.values().map(|(units, _)| units).sum();
    let worth: i64 = cart
        .units
        .values()
        .map(|(units, price)| *units as i64 * price)
        .sum();

    let latest: Vec<u64> = events
        .iter()
        .scan(0, |latest, event| {
            *latest = event.time.0.max(*latest);
            Some(*latest)
        })
        .collect();
    let now = *latest.last().unwrap();
    let gaps: Vec<u64> = (1..events.len())
        .map(|at| events[at].time.0.saturating_sub(latest[at - 1]))
        .collect();
    let weighted = gaps.iter().fold(None, |mean: Option<u64>, gap| {
        let gap = gap << 10;
        Some(mean.map_or(gap, |mean| (mean * 7 + gap * 3) / 10))
    });
    let start = events[0].time.0;
    let seen: Vec<i64> = of(Kind::ItemView)
        .filter_map(|e| e.price.get())
        .filter(|&p| p > 0)
        .collect();
    let put: Vec<(i64, i64)> = of(Kind::AddToCart)
        .filter_map(|e| {
            e.price
                .get()
                .map(|price| (price, i64::from(e.quantity.max(1))))
        })
        .filter(|(price, _)| *price > 0)
        .collect();
    let put_units: i64 = put.iter().map(|(_, units)| units).sum();
    let units_of = |kind: Kind| -> f64 { of(kind).map(|e| f64::from(e.quantity.max(1))).sum() };
    let last_add = of(Kind::AddToCart).next_back();
    let since = |then: u64| now.saturating_sub(then) as f64 / 1e3;
    BTreeMap::from([
        ("events", events.len() as f64),
        ("page_views", count(Kind::PageView)),
        ("list_views", count(Kind::ListView)),
        ("item_views", count(Kind::ItemView)),
        ("clicks", count(Kind::Click)),
        ("searches", count(Kind::Search)),
        ("cart_adds", count(Kind::AddToCart)),
        ("cart_removes", count(Kind::RemoveFromCart)),
        ("cart_views", count(Kind::ViewCart)),
        ("checkouts", count(Kind::BeginCheckout)),
        ("purchases", count(Kind::Purchase)),
        ("exit_intents", count(Kind::ExitIntent)),
        ("distinct_items", items.len() as f64),
        ("distinct_categories", categories.len() as f64),
        ("repeat_views", views.values().map(|n| n - 1.0).sum()),
        (
            "views_of_one_item_max",
            views.values().copied().fold(0.0, f64::max),
        ),
        ("dwell_sum", sum_micros(Kind::Dwell)),
        ("dwell_mean", mean(sum_micros(Kind::Dwell), dwells.len())),
        ("dwell_max", most(&dwells)),
        ("scroll_mean", mean(sum_micros(Kind::Scroll), scrolls.len())),
        ("scroll_max", most(&scrolls)),
        ("cart_size", units as f64),
        ("cart_value", worth as f64 / 1e6),
        ("cart_age", cart.since.map_or(0.0, since)),
        (
            "cart_churn",
            per(units_of(Kind::RemoveFromCart), units_of(Kind::AddToCart)),
        ),
        (
            "views_per_cart_add",
            per(count(Kind::ItemView), count(Kind::AddToCart)),
        ),
        ("gap_last", gaps.last().map_or(0.0, |&gap| gap as f64 / 1e3)),
        (
            "gap_mean",
            mean(now.saturating_sub(start) as f64 / 1e3, gaps.len()),
        ),
        (
            "gap_weighted",
            weighted.map_or(f64::NAN, |w| w as f64 / 1024.0 / 1000.0),
        ),
        ("since_start", since(start)),
        (
            "since_cart_add",
            last_add.map_or(f64::NAN, |e| since(e.time.0)),
        ),
        (
            "events_since_cart_add",
            events
                .iter()
                .rposition(|event| event.kind == Kind::AddToCart)
                .map_or(f64::NAN, |at| (events.len() - 1 - at) as f64),
        ),
        (
            "cart_item_events",
            (0..events.len())
                .filter(|&at| touches_cart(&events[..at], &events[at]))
                .count() as f64,
        ),
        (
            "cart_item_in_focus",
            touches()
                .rfind(|event| event.item.0 != 0)
                .map_or(0.0, |event| {
                    let units = cart.units.get(&event.item.0);
                    f64::from(u8::from(units.is_some_and(|(units, _)| *units > 0)))
                }),
        ),
        (
            "active_time",
            gaps.iter().map(|gap| gap.min(&600_000)).sum::<u64>() as f64 / 1e3,
        ),
        ("category_concentration", per(squares, touched * touched)),
        (
            "price_seen",
            mean(seen.iter().sum::<i64>() as f64 / 1e6, seen.len()),
        ),
        (
            "price_in_cart",
            mean(
                put.iter().map(|(p, n)| p * n).sum::<i64>() as f64 / 1e6,
                put_units as usize,
            ),
        ),
        ("hour_of_day", (now % 86_400_000) as f64 / 3_600_000.0),
        ("day_of_week", ((now / 86_400_000 + 3) % 7) as f64),
        ("prior_sessions", f64::from(history.sessions)),
        ("prior_purchases", f64::from(history.purchases)),
        ("prior_abandoned_carts", f64::from(history.abandoned_carts)),
        (
            "days_since_visit",
            if history.sessions == 0 {
                f64::NAN
            } else {
                (start - history.last.0) as f64 / 86_400_000.0
            },
        ),
    ])
}

/// Whether an event is on an item that was in the cart after the events before it.
fn touches_cart(before: &[Event], event: &Event) -> bool {
    let units = cart(before).units.get(&event.item.0).copied();
    event.item.0 != 0 && TOUCH.contains(&event.kind) && units.is_some_and(|(units, _)| units > 0)
}

const TOUCH: [Kind; 7] = [
    Kind::ItemView,
    Kind::Click,
    Kind::Dwell,
    Kind::Scroll,
    Kind::AddToCart,
    Kind::RemoveFromCart,
    Kind::Purchase,
];

#[derive(Default)]
struct Cart {
    /// item → (units, unit price)
    units: BTreeMap<u64, (u64, i64)>,
    since: Option<u64>,
}

fn cart(events: &[Event]) -> Cart {
    let mut cart = Cart::default();
    for event in events {
        let units = u64::from(event.quantity.max(1));
        match event.kind {
            Kind::AddToCart if event.item.0 != 0 => {
                let entry = cart.units.entry(event.item.0).or_default();
                entry.0 += units;
                entry.1 = event
                    .price
                    .get()
                    .filter(|&price| price > 0)
                    .unwrap_or(entry.1);
            }
            Kind::RemoveFromCart | Kind::Purchase if event.item.0 != 0 => {
                let entry = cart.units.entry(event.item.0).or_default();
                entry.0 = entry.0.saturating_sub(units);
            }
            Kind::Purchase => cart.units.values_mut().for_each(|entry| entry.0 = 0),
            _ => continue,
        }
        let empty = cart.units.values().all(|(units, _)| *units == 0);
        cart.since = if empty {
            None
        } else {
            cart.since.or(Some(event.time.0))
        };
    }
    cart
}

fn assert_same(name: &str, incremental: f64, recomputed: f64, prefix: usize) {
    let same = incremental == recomputed || (incremental.is_nan() && recomputed.is_nan());
    assert!(
        same,
        "{name} after {prefix} events: {incremental} by the fold, {recomputed} by recomputation"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_fold_equals_recomputation_at_every_prefix(
        acts in prop::collection::vec(act(), 1..60),
        sessions in 0u32..3,
    ) {
        let history = History {
            sessions,
            purchases: sessions * 2,
            abandoned_carts: sessions,
            last: EventMs(START_MS - 86_400_000 * 3),
            ..History::default()
        };
        let events = events(&acts);
        let mut session = Session::default();
        session.begin(events[0].time, history);
        let mut vector: Vector = [0.0; FEATURE_COUNT];
        for (at, event) in events.iter().enumerate() {
            session.observe(event, &LIMITS);
            fill(&session, session.last, &mut vector);
            let expected = recompute(&events[..=at], &history);
            prop_assert_eq!(expected.len(), FEATURE_COUNT);
            for (feature, value) in FEATURES.iter().zip(vector) {
                assert_same(feature.name, value, expected[feature.name], at + 1);
                let (least, most) = feature.range;
                prop_assert!(value.is_nan() || (least..=most).contains(&value), "{} = {value}", feature.name);
            }
        }
    }

    /// A session begun in the place of another remembers nothing of it.
    #[test]
    fn a_reused_session_is_as_good_as_new(
        before in prop::collection::vec(act(), 1..30),
        acts in prop::collection::vec(act(), 1..30),
    ) {
        let run = |session: &mut Session, acts: &[Act]| {
            let events = events(acts);
            session.begin(events[0].time, History::default());
            for event in &events {
                session.observe(event, &LIMITS);
            }
        };
        let mut fresh = Session::default();
        run(&mut fresh, &acts);
        let mut reused = Session::default();
        run(&mut reused, &before);
        run(&mut reused, &acts);
        // What a session is, is what is put by of it: room that is left over from before does not count.
        let put_by = |session: &Session| postcard::to_allocvec(session).unwrap();
        prop_assert_eq!(put_by(&fresh), put_by(&reused));
    }
}

/// Beyond the limit the oldest item outside the cart is forgotten, the cart itself never.
#[test]
fn a_full_table_keeps_the_cart_right() {
    let limits = SessionLimits {
        items_max: 4,
        categories_max: 2,
    };
    let step = |kind, item| Act {
        kind,
        gap_ms: 1,
        item,
        category: item,
        price: Some(2_000_000),
        value: None,
        quantity: 1,
    };
    let mut acts = vec![step(Kind::AddToCart, 1), step(Kind::AddToCart, 2)];
    acts.extend((3..40).map(|item| step(Kind::ItemView, item)));
    acts.push(step(Kind::RemoveFromCart, 1));
    let events = events(&acts);
    let mut session = Session::default();
    session.begin(events[0].time, History::default());
    let mut overflows = 0;
    for event in &events {
        overflows += u32::from(session.observe(event, &limits).item);
    }
    assert_eq!((session.cart().units, session.cart().value), (1, 2_000_000));
    assert!(session.in_cart(Id(2)) && !session.in_cart(Id(1)));
    assert_eq!(overflows, 35, "37 views, of which two found room");
    assert_eq!(session.touched.categories_count(), 2);
}
