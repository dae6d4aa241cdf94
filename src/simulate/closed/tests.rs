//! Tests of the closed loop as a whole: same luck for all, and every response does what it says.

use super::experiment::{Experiment, POINTS, STRETCHES};
use super::shopper::PAUSE_MS_MAX;
use super::*;
use crate::event::{Batch, Device, Kind, hash_text, mix};
use crate::format::RawEvent;
use crate::visit::decision::PerSlot;
use crate::visit::live::Rules;
use crate::visit::model::Model;
use crate::visit::model::schedule::Schedule;
use crate::visit::phase::Phase;
use crate::visit::policy::Policy;
use std::collections::{BTreeMap, BTreeSet};

const DEFAULT: Layout = [0; SLOT_COUNT];

fn params(sessions: u64) -> ClosedParams {
    ClosedParams {
        sessions,
        ..ClosedParams::default()
    }
}

fn core(text: &str) -> Box<dyn Shopkeeper> {
    let policy = Policy::read(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Box::new(CoreKeeper::new(Rules {
        policy,
        models: Schedule::of(Model::shipped()),
        catalogue: None,
    }))
}

fn run(params: &ClosedParams, keeper: &mut dyn Shopkeeper) -> Ledger {
    watched(params, keeper, &mut |_| {})
}

fn watched(
    params: &ClosedParams,
    keeper: &mut dyn Shopkeeper,
    watch: &mut dyn FnMut(&RawEvent<'_>),
) -> Ledger {
    let shop = ClosedShop::new(params.clone(), PageMap::own()).unwrap();
    shop.run(keeper, watch)
}

fn shows(params: &ClosedParams, layout: Layout) -> Ledger {
    run(params, &mut FixedKeeper::new(layout))
}

/// All events as text, hashed.
fn digest(params: &ClosedParams, keeper: &mut dyn Shopkeeper) -> u64 {
    let mut text = Vec::new();
    watched(params, keeper, &mut |raw| {
        text.extend_from_slice(format!("{raw:?}").as_bytes());
    });
    hash_text(&text)
}

#[test]
fn the_same_layouts_give_the_same_events_whoever_shows_them() {
    let own = params(1_500);
    let first = digest(&own, &mut FixedKeeper::new(DEFAULT));
    assert_eq!(first, digest(&own, &mut FixedKeeper::new(DEFAULT)));
    assert_eq!(first, digest(&own, &mut *core(&policies::scout("scout"))));
    assert_ne!(first, digest(&own, &mut FixedKeeper::new([1, 1, 1, 1])));
    let other = ClosedParams { seed: 2, ..own };
    assert_ne!(first, digest(&other, &mut FixedKeeper::new(DEFAULT)));
}

/// New visitors come at the same moments and open the same first page under any policy.
#[test]
fn visitors_are_the_same_whatever_is_shown() {
    let landings = |layout| {
        let mut first = BTreeMap::new();
        watched(&params(3_000), &mut FixedKeeper::new(layout), &mut |raw| {
            let landing = (raw.event_ms, raw.page.to_vec(), raw.device);
            first.entry(raw.visitor.to_vec()).or_insert(landing);
        });
        first
    };
    let (left, right) = (landings(DEFAULT), landings([2, 1, 1, 2]));
    let both = left.iter().filter(|(who, _)| right.contains_key(*who));
    let mut common = 0;
    for (who, landing) in both {
        common += 1;
        assert_eq!(right[who], *landing);
    }
    assert!(common * 20 > left.len() * 19, "{common} of {}", left.len());
}

/// Checks the contract as it serves, and shows the defaults.
#[derive(Default)]
struct Inspector {
    from_ms: u64,
    spans: u64,
    events: usize,
}

impl Shopkeeper for Inspector {
    fn serve(&mut self, events: &Batch, until_ms: u64, _: &mut Vec<Shown>) {
        assert!(until_ms > self.from_ms && until_ms.is_multiple_of(1_000));
        let mut last_ms = self.from_ms;
        let mut visitors = BTreeSet::new();
        for event in events.events() {
            assert!(event.arrival.0 >= last_ms && event.arrival.0 < until_ms);
            assert!(visitors.insert(event.visitor), "acted twice in a step");
            last_ms = event.arrival.0;
        }
        assert!(events.is_empty() || self.from_ms == 0 || until_ms - self.from_ms == 1_000);
        self.from_ms = until_ms;
        self.spans += 1;
        self.events += events.len();
    }
}

#[test]
fn spans_follow_one_another_and_nobody_acts_twice_in_a_step() {
    let mut inspector = Inspector::default();
    let ledger = run(&params(3_000), &mut inspector);
    assert_eq!(inspector.events as u64, ledger.events);
    assert!(inspector.spans > 3_000);
}

#[test]
fn a_visit_is_one_session_of_the_job() {
    let mut last: BTreeMap<Vec<u8>, (Vec<u8>, u64)> = BTreeMap::new();
    watched(&params(5_000), &mut FixedKeeper::new(DEFAULT), &mut |raw| {
        let now = (raw.session.to_vec(), raw.event_ms);
        if let Some((session, at_ms)) = last.insert(raw.visitor.to_vec(), now) {
            let pause_ms = raw.event_ms - at_ms;
            if session == raw.session {
                assert!((1_000..=PAUSE_MS_MAX).contains(&pause_ms), "{pause_ms}");
            } else {
                assert!(pause_ms > 1_800_000, "back after {pause_ms} ms");
            }
        }
    });
}

#[test]
fn the_shop_is_what_shops_are() {
    let ledger = shows(&params(20_000), DEFAULT);
    let visits = ledger.visits.len() as f64;
    assert_eq!(ledger.visits.len(), 20_000);
    assert!((0.037..0.050).contains(&ledger.conversion()));
    assert!((5.5..9.0).contains(&(ledger.events as f64 / visits)));
    assert!((0.08..0.14).contains(&(ledger.carts as f64 / visits)));
    // Expected and placed orders have one mean.
    let placed = ledger.orders as f64 / visits;
    assert!((placed - ledger.conversion()).abs() < 0.004, "{placed}");
    let orders: u32 = ledger.visits.iter().map(|visit| visit.orders).sum();
    assert_eq!(u64::from(orders), ledger.orders);
}

#[test]
fn good_layouts_sell_more_and_bad_ones_less() {
    let own = params(20_000);
    let base = shows(&own, DEFAULT).conversion();
    assert!(shows(&own, [2, 1, 1, 2]).conversion() > 1.1 * base);
    assert!(shows(&own, [1, 3, 2, 0]).conversion() < 0.95 * base);
    let indifferent = ClosedParams {
        effect_scale: 0.0,
        ..own
    };
    let expected = |layout| shows(&indifferent, layout).visits;
    assert_eq!(expected(DEFAULT), expected([1, 3, 2, 0]));
}

#[test]
fn hunters_take_the_promotion_and_buy_no_more() {
    let hunters = ClosedParams {
        hunter_share: 1.0,
        ..params(6_000)
    };
    let (without, with) = (shows(&hunters, DEFAULT), shows(&hunters, [0, 0, 2, 0]));
    assert_eq!(without.visits, with.visits);
    assert!(with.discount > 0 && with.paid + with.discount == without.paid);
    let nobody = ClosedParams {
        hunter_share: 0.0,
        ..hunters
    };
    let (without, with) = (shows(&nobody, DEFAULT), shows(&nobody, [0, 0, 2, 0]));
    assert_ne!(without.visits, with.visits);
}

/// Shows the banner of a coin at every event.
#[derive(Default)]
struct Flicker(u64);

impl Shopkeeper for Flicker {
    fn serve(&mut self, events: &Batch, _: u64, shown: &mut Vec<Shown>) {
        for event in events.events() {
            self.0 = mix(self.0 + 1);
            let mut layout: PerSlot<u8> = Default::default();
            layout[BANNER] = (self.0 & 1) as u8;
            shown.push(Shown {
                visitor: event.visitor,
                at_ms: event.arrival.0,
                layout,
                phase: Phase::Browsing,
            });
        }
    }
}

#[test]
fn a_page_that_flickers_drives_shoppers_away() {
    let of = |annoyance| {
        let params = ClosedParams {
            annoyance,
            effect_scale: 0.0,
            ..params(12_000)
        };
        run(&params, &mut Flicker::default())
    };
    let (patient, annoyed) = (of(0.0), of(0.3));
    assert!(patient.changes > 12_000, "{}", patient.changes);
    assert!(annoyed.conversion() < 0.9 * patient.conversion());
    assert!(annoyed.events < patient.events);
}

#[test]
fn shoppers_come_back_after_days_to_the_cart_they_left() {
    let (mut first_ms, mut late, mut remembered) = (BTreeMap::new(), BTreeSet::new(), 0);
    let mut carted = BTreeSet::new();
    let ledger = watched(
        &params(15_000),
        &mut FixedKeeper::new(DEFAULT),
        &mut |raw| {
            let first = *first_ms.entry(raw.visitor.to_vec()).or_insert(raw.event_ms);
            if raw.event_ms > first + 86_400_000 {
                late.insert(raw.session.to_vec());
            }
            match raw.kind {
                Kind::AddToCart => {
                    carted.insert(raw.session.to_vec());
                }
                Kind::RemoveFromCart if !carted.contains(raw.session) => remembered += 1,
                _ => {}
            }
        },
    );
    assert!(ledger.returning > 1_000, "{}", ledger.returning);
    assert!(late.len() > 300, "{}", late.len());
    assert!(remembered > 20, "{remembered}");
}

#[test]
fn dear_items_are_looked_at_and_cheap_ones_bought_and_desktops_convert() {
    let (mut seen, mut carted) = ((0.0, 0.0), (0.0, 0.0));
    let mut sessions = BTreeMap::new();
    watched(
        &params(20_000),
        &mut FixedKeeper::new(DEFAULT),
        &mut |raw| {
            let price = raw.price.get().unwrap_or(1) as f64;
            match raw.kind {
                Kind::ItemView => seen = (seen.0 + libm::log(price), seen.1 + 1.0),
                Kind::AddToCart => carted = (carted.0 + libm::log(price), carted.1 + 1.0),
                _ => {}
            }
            let bought: &mut bool = sessions
                .entry((raw.device, raw.session.to_vec()))
                .or_default();
            *bought |= raw.kind == Kind::Purchase;
        },
    );
    assert!(carted.0 / carted.1 < seen.0 / seen.1 - 0.05);
    let share = |device| {
        let of = sessions.iter().filter(|((with, _), _)| *with == device);
        let bought = of.clone().filter(|(_, bought)| **bought).count();
        bought as f64 / of.count() as f64
    };
    assert!(share(Device::Desktop) > 1.15 * share(Device::Mobile));
    assert!(share(Device::Tablet) > 0.0 && share(Device::Unknown).is_nan());
}

#[test]
fn the_top_of_the_grid_counts_for_more() {
    let response = Response::new(1.0, None);
    let factor = |attention| {
        let weights = [1.0, attention, 1.0, 1.0];
        response.factor(
            [0, 2, 0, 0],
            crate::simulate::Intent::Comparing,
            Stage::Add,
            &weights,
        )
    };
    assert!(factor(1.3) > factor(0.5) && factor(0.5) > 1.0);
}

#[test]
fn even_draws_show_every_arm_equally_often_and_follow_the_phase() {
    let mut keeper = core(&policies::uniform("uniform"));
    let mut counted = Counting {
        keeper: &mut *keeper,
        arms: [[0; ARM_COUNT_MAX]; SLOT_COUNT],
    };
    let ledger = run(&params(8_000), &mut counted);
    for (slot, known) in SLOTS.iter().enumerate() {
        let arms = &counted.arms[slot][..known.arms.len()];
        let even = arms.iter().sum::<u64>() as f64 / arms.len() as f64;
        for arm in arms {
            assert!((*arm as f64 / even - 1.0).abs() < 0.06, "{arms:?}");
        }
    }
    let share = |phase: Phase| {
        let counts = ledger.confusion[phase as usize];
        counts[3] as f64 / counts.iter().sum::<u64>() as f64
    };
    assert!(share(Phase::Buying) > 4.0 * share(Phase::Browsing));
}

struct Counting<'a> {
    keeper: &'a mut dyn Shopkeeper,
    arms: [[u64; ARM_COUNT_MAX]; SLOT_COUNT],
}

impl Shopkeeper for Counting<'_> {
    fn serve(&mut self, events: &Batch, until_ms: u64, shown: &mut Vec<Shown>) {
        self.keeper.serve(events, until_ms, shown);
        for page in shown.iter() {
            for (counts, arm) in self.arms.iter_mut().zip(page.layout) {
                counts[usize::from(arm)] += 1;
            }
        }
    }
}

#[test]
fn the_oracle_beats_the_best_fixed_layout_and_that_the_default() {
    let text = policies::scout("tested");
    let experiment = Experiment {
        params: params(40_000),
        policy: &text,
        compared: &[],
        rules: &core,
        job: &core,
        told: &|_| {},
    };
    let findings = experiment.run(&mut |_| {}).unwrap();
    let all = |name| findings.rival(name).conversion;
    assert!(all("oracle") > 1.05 * all("fixed"), "{findings:?}");
    assert!(all("fixed") > 1.1 * all("default"));
    assert!(all("oracle") > 1.2 * all("uniform"));
    assert!(findings.regret_uniform > findings.regret_fixed);
    // The policy under test shows the defaults: no gain, and the default's own regret.
    assert_eq!(findings.policy_gain, 0.0);
    assert_eq!(findings.gain_ratio, Some(0.0));
    assert_eq!(findings.regrets("policy"), findings.regrets("default"));
    assert_eq!(findings.regrets("policy").len(), POINTS);
    let oracle = findings.rival("oracle");
    assert_eq!(oracle.conversion_by_stretch.len(), STRETCHES);
    let mean = oracle.conversion_by_stretch.iter().sum::<f64>() / STRETCHES as f64;
    assert!((mean - oracle.conversion).abs() < 1e-9);
    let gained = 40_000.0 * (oracle.conversion - all("default"));
    assert!((findings.regret - gained).abs() < 1e-6);
    let summary = Summary::of(vec![findings.clone(), findings]);
    let json: serde_json::Value = serde_json::to_value(&summary).unwrap();
    for name in [
        "sessions",
        "seed",
        "oracle_gain",
        "policy_gain",
        "gain_ratio",
        "regret",
    ] {
        assert!(json[name].is_number(), "{name}");
    }
    assert!(json["regret_uniform"].is_number() && json["lift"].is_null());
}

#[test]
fn a_policy_for_another_shop_is_refused() {
    let text = policies::fixed("other", DEFAULT).replace("\"brand\"", "\"bland\"");
    let experiment = Experiment {
        params: params(10),
        policy: &text,
        compared: &[],
        rules: &core,
        job: &core,
        told: &|_| {},
    };
    let error = experiment.run(&mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("did you mean `brand`?"), "{error}");
}
