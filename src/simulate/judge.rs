//! What the tests ask of a simulated log as a whole: its shares, its tail, and how far a purchase
//! can be told from behaviour.

use super::{Fault, Intent, ItemNo, Page, Shop, ShopParams, SimEvent, VisitNo};
use crate::event::{Kind, Micros};
use std::collections::{BTreeMap, BTreeSet};

/// One visit as its events tell it.
#[derive(Clone, Debug, Default)]
struct Told {
    events: u32,
    bot: bool,
    carted: bool,
    bought: bool,
    /// Counts and sums over the prefix, and nothing from the checkout on.
    features: [f64; FEATURES],
    /// Whether the prefix was reached before the checkout.
    judged: bool,
    paying: bool,
    items: Vec<u32>,
}

const FEATURES: usize = 12;

/// Tells the visits of a log; features are those after `prefix` events, or of the whole visit up
/// to the checkout for `u32::MAX`.
fn tell(events: impl Iterator<Item = SimEvent>, prefix: u32) -> BTreeMap<VisitNo, Told> {
    let mut visits: BTreeMap<VisitNo, Told> = BTreeMap::new();
    for event in events {
        if event.truth.fault == Fault::Duplicate || event.act.kind == Kind::Refund {
            continue;
        }
        visits.entry(event.visit).or_default().take(&event, prefix);
    }
    visits
}

impl Told {
    fn take(&mut self, event: &SimEvent, prefix: u32) {
        self.events += 1;
        self.bot = event.truth.bot;
        let kind = event.act.kind;
        self.carted |= kind == Kind::AddToCart;
        self.bought |= kind == Kind::Purchase;
        self.paying |= matches!(kind, Kind::BeginCheckout | Kind::Purchase);
        if self.events > prefix || self.paying {
            return;
        }
        self.judged = self.events == prefix || prefix == u32::MAX;
        let value = event.act.value.get().unwrap_or(0) as f64 / 1e6;
        let f = &mut self.features;
        f[0] = 1.0;
        f[1] = f64::from(u8::from(event.truth.earlier_visits > 0));
        match kind {
            Kind::ItemView => {
                let item = event.act.item.expect("an item view has an item").0;
                let slot = if self.items.contains(&item) { 3 } else { 2 };
                self.items.push(item);
                f[slot] += 1.0;
            }
            Kind::ListView => f[4] += 1.0,
            Kind::Search => f[5] += 1.0,
            Kind::Scroll => f[6] += value,
            Kind::Dwell => f[7] += libm::log(1.0 + value),
            Kind::Click => f[8] += 1.0,
            Kind::AddToCart => f[9] += 1.0,
            Kind::ViewCart => f[10] += 1.0,
            Kind::ExitIntent => f[11] += 1.0,
            _ => {}
        }
    }
}

/// Area under the curve of a logistic regression, fitted to half of the visits by gradient
/// descent and judged on the other half.
fn auc_of_fit(visits: &BTreeMap<VisitNo, Told>) -> f64 {
    let judged: Vec<&Told> = visits.values().filter(|v| v.judged && !v.bot).collect();
    let mut weights = [0.0; FEATURES];
    let score = |weights: &[f64; FEATURES], told: &Told| -> f64 {
        weights
            .iter()
            .zip(told.features)
            .map(|(w, f)| w * libm::log(1.0 + f))
            .sum()
    };
    for round in 0..12 {
        let rate = 0.1 / f64::from(4 + round);
        for told in judged.iter().step_by(2) {
            let p = 1.0 / (1.0 + libm::exp(-score(&weights, told)));
            let step = rate * (f64::from(u8::from(told.bought)) - p);
            for (w, f) in weights.iter_mut().zip(told.features) {
                *w += step * libm::log(1.0 + f);
            }
        }
    }
    let held = judged.iter().skip(1).step_by(2);
    auc(held
        .map(|told| (score(&weights, told), told.bought))
        .collect())
}

/// Area under the curve of scores, with ties counted half (Mann–Whitney).
fn auc(mut scored: Vec<(f64, bool)>) -> f64 {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut pairs, mut positives) = (0.0, 0.0, 0.0);
    for tied in scored.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|s| s.1).count() as f64;
        let misses = tied.len() as f64 - hits;
        pairs += hits * (below + misses / 2.0);
        below += misses;
        positives += hits;
    }
    pairs / (below * positives)
}

fn log(events: usize) -> impl Iterator<Item = SimEvent> {
    Shop::new(ShopParams::default()).take(events)
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[test]
fn visits_cart_and_buy_at_the_usual_shares() {
    let told = tell(log(300_000), 1);
    let people: Vec<&Told> = told.values().filter(|v| !v.bot).collect();
    let count = |is: &dyn Fn(&Told) -> bool| people.iter().filter(|v| is(v)).count();
    let carted = count(&|v| v.carted);
    let conversion = share(count(&|v| v.bought), people.len());
    let cart_rate = share(carted, people.len());
    let abandoned = share(count(&|v| v.carted && !v.bought), carted);
    let cartless = share(count(&|v| v.bought && !v.carted), count(&|v| v.bought));
    assert!(
        (0.02..0.04).contains(&conversion),
        "conversion {conversion}"
    );
    assert!((0.08..0.12).contains(&cart_rate), "cart rate {cart_rate}");
    assert!((0.65..0.76).contains(&abandoned), "abandonment {abandoned}");
    assert!((0.01..0.12).contains(&cartless), "no cart event {cartless}");
}

#[test]
fn visits_are_short_with_a_heavy_tail() {
    let told = tell(log(300_000), 1);
    let mean = share(told.values().map(|v| v.events as usize).sum(), told.len());
    assert!((6.5..9.0).contains(&mean), "mean {mean}");
    let mut lengths: Vec<u32> = told.values().filter(|v| !v.bot).map(|v| v.events).collect();
    lengths.sort_unstable();
    let at = |part: f64| lengths[(part * lengths.len() as f64) as usize];
    assert!(at(0.35) <= 2, "many bounce");
    assert!((2..=5).contains(&at(0.5)));
    assert!((40..=90).contains(&at(0.99)));
    assert!(at(0.9999) > 150, "some last for hundreds");
}

#[test]
fn a_purchase_shows_in_behaviour_but_in_no_single_field() {
    let told = tell(log(400_000), 5);
    let all = auc_of_fit(&told);
    assert!((0.72..0.88).contains(&all), "after five events {all}");
    let judged: Vec<&Told> = told.values().filter(|v| v.judged && !v.bot).collect();
    for field in 1..FEATURES {
        let scored = judged.iter().map(|v| (v.features[field], v.bought));
        let one = auc(scored.collect());
        let one = one.max(1.0 - one);
        assert!(one < all - 0.02, "field {field} alone {one}, all {all}");
    }
    let whole = auc_of_fit(&tell(log(400_000), u32::MAX));
    assert!((0.88..0.985).contains(&whole), "up to the checkout {whole}");
}

#[test]
fn those_who_come_back_to_a_cart_buy_more_often() {
    // Per visitor: whether the cart was left full. Per visit: (back, to a cart, bought).
    let mut carts: BTreeMap<u64, usize> = BTreeMap::new();
    let mut visits: BTreeMap<VisitNo, (bool, bool, bool)> = BTreeMap::new();
    for event in log(1_500_000).filter(|e| !e.truth.bot && e.truth.fault != Fault::Duplicate) {
        let lines = carts.entry(event.visitor.0).or_default();
        let back = event.truth.earlier_visits > 0;
        let visit = visits
            .entry(event.visit)
            .or_insert((back, *lines > 0, false));
        match event.act.kind {
            Kind::AddToCart => *lines += 1,
            Kind::RemoveFromCart => *lines = lines.saturating_sub(1),
            Kind::Purchase => {
                *lines = 0;
                visit.2 = true;
            }
            _ => {}
        }
    }
    let rate = |is: &dyn Fn(&(bool, bool, bool)) -> bool| {
        let some: Vec<_> = visits.values().filter(|v| is(v)).collect();
        assert!(some.len() > 500, "{}", some.len());
        share(some.iter().filter(|v| v.2).count(), some.len())
    };
    let (new, back, to_cart) = (
        rate(&|v| !v.0),
        rate(&|v| v.0 && !v.1),
        rate(&|v| v.0 && v.1),
    );
    assert!(new < back && 1.5 * back < to_cart, "{new} {back} {to_cart}");
}

#[test]
fn carts_add_up() {
    let params = ShopParams {
        late_share: 0.0,
        very_late_share: 0.0,
        duplicate_share: 0.0,
        ahead_share: 0.0,
        ..ShopParams::default()
    };
    let mut carts: BTreeMap<u64, BTreeMap<ItemNo, (i64, u32)>> = BTreeMap::new();
    let mut orders: BTreeMap<VisitNo, BTreeSet<Micros>> = BTreeMap::new();
    let (mut removed, mut bought, mut bought_now) = (0, 0, 0);
    for event in Shop::new(params).take(1_000_000) {
        let cart = carts.entry(event.visitor.0).or_default();
        let act = event.act;
        match act.kind {
            Kind::AddToCart => {
                let price = act.price.get().expect("an added item has a price");
                let item = act.item.expect("an added item is one");
                assert_eq!(act.page, Page::Item(item));
                assert_eq!(cart.insert(item, (price, act.quantity)), None);
            }
            Kind::RemoveFromCart => {
                let line = cart.remove(&act.item.expect("a removed item is one"));
                assert_eq!(line.expect("it was in the cart").1, act.quantity);
                removed += 1;
            }
            Kind::Purchase => {
                let cart = std::mem::take(cart);
                let worth: i64 = cart.values().map(|(price, n)| price * i64::from(*n)).sum();
                bought += 1;
                if cart.is_empty() {
                    bought_now += 1;
                    assert_eq!((act.value, act.quantity), (act.price, 1));
                } else {
                    assert_eq!(act.value, Micros::new(worth));
                    assert_eq!(act.quantity, cart.values().map(|line| line.1).sum::<u32>());
                }
                orders.entry(event.visit).or_default().insert(act.value);
            }
            Kind::Refund => assert!(orders[&event.visit].contains(&act.value)),
            _ => {}
        }
    }
    assert!(removed > 500 && bought > 2_000 && bought_now > 20);
}

#[test]
fn every_intent_and_every_kind_of_a_shopper_occurs() {
    let (mut kinds, mut intents) = (BTreeSet::new(), BTreeSet::new());
    for event in log(1_500_000) {
        kinds.insert(event.act.kind);
        intents.insert(event.truth.intent);
        let value = event.act.value.get();
        match event.act.kind {
            Kind::Scroll => assert!((0..=1_000_000).contains(&value.unwrap())),
            Kind::Dwell => assert!((0..=36_000_000_000).contains(&value.unwrap())),
            Kind::Purchase | Kind::Refund => assert!(value.unwrap() > 0),
            _ => assert_eq!(value, None),
        }
    }
    assert_eq!(intents.len(), Intent::ALL.len());
    let never = [Kind::Impression, Kind::Consent, Kind::Erase];
    assert!(
        Kind::ALL
            .iter()
            .all(|kind| kinds.contains(kind) != never.contains(kind))
    );
}
