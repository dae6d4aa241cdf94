//! What promotions may cost: caps, the margin's floor, and budgets that a lag can overrun but no more.

use super::world::World;
use crate::script::{START_MS, Told, rules, searching};
use restage::event::{Id, Kind, Micros};
use restage::visit::live::Rules;
use std::sync::Arc;

fn policy(arm: &str, lines: &str) -> Arc<Rules> {
    // Nobody stalls before the session ends.
    let after = if lines.contains("idle") { "59s" } else { "29m" };
    let text = format!(
        "version = 1\nholdout = {{ share = 0.0 }}\nstability = {{ cooldown = \"0\", changes_max = 1000000 }}\n\
         tables = {{ quantum = \"10s\", lag = \"20s\" }}\nhesitation = {{ after = \"{after}\" }}\n{lines}\n\
         [[slot]]\nname = \"promo\"\ndefault = \"none\"\ncontext = [\"phase\"]\n\
         learn = {{ method = \"fixed\", weights = {{ none = 1.0, voucher = 9.0 }}, floor = 0.0, holdout = 0.0, kill = 0.0 }}\n\
         arm = [{{ name = \"none\" }}, {{ name = \"voucher\", {arm} }}]\n"
    );
    rules(&text, searching())
}

/// A visitor begins with something in the cart: a voucher has to leave a margin.
fn cart(at_ms: u64, who: &str, price: i64) -> Told {
    let mut told = Told::new(at_ms, who, Kind::AddToCart);
    told.event.item = Id(1);
    told.event.price = Micros::new(price * 1_000_000);
    told
}

/// One visitor a second; every third orders.
fn crowd(count: u64) -> Vec<Told> {
    let mut log = Vec::new();
    for n in 0..count {
        let (at, who) = (START_MS + n * 1_000, format!("v{n}"));
        log.push(cart(at, &who, 100));
        if n % 3 == 0 {
            log.push(Told::new(at + 1, &who, Kind::Purchase));
        }
    }
    log
}

#[test]
fn a_budget_is_overrun_by_what_a_lag_hands_out_and_no_more() {
    let rules = policy("cost = 5.0, budget = 200.0", "");
    let log = crowd(1_500);
    let mut world = World::new(&rules);
    for told in &log {
        world.observe(told);
    }
    // Still nobody's session has ended: all that was promised is.
    let end = START_MS + 1_500_000;
    let shown = |world: &World| {
        world
            .heard
            .decisions
            .iter()
            .filter(|seen| seen.layout[0] == 1)
            .count()
    };
    let promised = 5.0 * shown(&world) as f64;
    let late = (rules.policy.lag_ms + rules.policy.quantum_ms) / 1_000;
    assert!(promised >= 200.0, "{promised}");
    assert!(promised <= 200.0 + 5.0 * late as f64, "{promised}");
    world.finish(end);
    let report = world.learner.report(&rules.policy);
    let voucher = &report[0].arms[1];
    // What was promised to those who did not order has come back.
    let mut ordered = world
        .heard
        .decisions
        .iter()
        .filter(|seen| seen.layout[0] == 1)
        .collect::<Vec<_>>();
    ordered.retain(|seen| seen.visitor[1..].parse::<u64>().unwrap() % 3 == 0);
    assert_eq!(voucher.promised, Some(5.0 * ordered.len() as f64));
    assert_eq!(voucher.over_budget, None);
}

/// Sessions that end without an order give back what they were promised, and others get it.
#[test]
fn what_is_given_back_is_promised_again() {
    let rules = policy("cost = 5.0, budget = 50.0", "session = { idle = \"1m\" }");
    let visits = (0..1_000).map(|n| cart(START_MS + n * 1_000, &format!("v{n}"), 100));
    let mut world = World::new(&rules);
    world.play(&visits.collect::<Vec<_>>());
    let shown: Vec<u64> = world
        .heard
        .decisions
        .iter()
        .filter(|seen| seen.layout[0] == 1)
        .map(|seen| seen.at_ms)
        .collect();
    let late = |at: u64| shown.iter().any(|shown| *shown > START_MS + at);
    assert!(late(300_000) && late(800_000), "the budget opened again");
    assert!(
        shown.len() < 700,
        "the budget closed in between: {}",
        shown.len()
    );
    assert_eq!(
        world.learner.report(&rules.policy)[0].arms[1].promised,
        Some(0.0)
    );
}

#[test]
fn an_overrun_is_reported() {
    let rules = policy("cost = 5.0, budget = 20.0", "");
    let mut log = Vec::new();
    for n in 0..40 {
        log.push(cart(START_MS, &format!("v{n}"), 100));
        log.push(Told::new(START_MS + 1, &format!("v{n}"), Kind::Purchase));
    }
    log.sort_by_key(|told| told.event.arrival);
    let mut world = World::new(&rules);
    world.play(&log);
    let shown = world
        .heard
        .decisions
        .iter()
        .filter(|seen| seen.layout[0] == 1)
        .count();
    let over = world.learner.report(&rules.policy)[0].arms[1].over_budget;
    assert_eq!(over, Some(5.0 * shown as f64 - 20.0));
}

/// A search more is a leaf more, and a draw; the voucher is put up once for all that.
#[test]
fn a_cap_holds_for_drawn_arms() {
    let rules = policy("uses_max = 1, when = { exit_intents = { max = 0 } }", "");
    let mut world = World::new(&rules);
    let mut log = Vec::new();
    for n in 0..300u64 {
        for (step, kind) in [Kind::PageView, Kind::Search, Kind::Search, Kind::Search]
            .into_iter()
            .enumerate()
        {
            log.push(Told::new(
                START_MS + n * 60_000 + step as u64 * 1_000,
                &format!("v{n}"),
                kind,
            ));
        }
    }
    log.sort_by_key(|told| told.event.arrival);
    world.play(&log);
    let mut twice = 0;
    for n in 0..300 {
        let own = world
            .heard
            .decisions
            .iter()
            .filter(|seen| seen.visitor == format!("v{n}"));
        let arms: Vec<u8> = own.map(|seen| seen.layout[0]).collect();
        let ups = (0..arms.len()).filter(|&at| arms[at] == 1 && (at == 0 || arms[at - 1] == 0));
        twice += usize::from(ups.clone().count() > 1);
    }
    assert_eq!(twice, 0, "put up more often than the cap allows");
    let up = world
        .heard
        .decisions
        .iter()
        .filter(|seen| seen.layout[0] == 1)
        .count();
    assert!(up > 200, "hardly ever put up: {up}");
}

#[test]
fn a_promotion_that_leaves_too_little_is_not_drawn() {
    // 30 of 100 remain after the goods and 20 have to after the voucher: from a cart of 50 on.
    let rules = policy(
        "cost = 5.0",
        "promotions = { margin = 0.3, margin_min = 0.2 }",
    );
    let mut log = Vec::new();
    for n in 0..200u64 {
        let mut cart = Told::new(START_MS + n * 1_000, &format!("v{n}"), Kind::AddToCart);
        cart.event.item = Id(1);
        cart.event.price = Micros::new(if n % 2 == 0 { 49_000_000 } else { 51_000_000 });
        log.push(cart);
    }
    let mut world = World::new(&rules);
    world.play(&log);
    let drawn = |even: u64| {
        let seen = world
            .heard
            .decisions
            .iter()
            .filter(|seen| seen.start && seen.layout[0] == 1);
        seen.filter(|seen| seen.visitor[1..].parse::<u64>().unwrap() % 2 == even)
            .count()
    };
    assert_eq!(drawn(0), 0, "a voucher on too small a cart");
    assert!(drawn(1) > 60);
}

/// A visitor who is promised the voucher with little in the cart, fills it, and orders.
fn late_carts(count: u64) -> Vec<Told> {
    let mut log = Vec::new();
    for n in 0..count {
        let (at, who) = (START_MS + n * 10_000, format!("v{n}"));
        log.push(cart(at, &who, 10));
        let mut more = cart(at + 1, &who, 90);
        more.event.item = Id(2);
        log.push(more);
        let mut order = Told::new(at + 2, &who, Kind::Purchase);
        order.event.value = Micros::new(100_000_000);
        log.push(order);
    }
    log
}

fn shown(world: &World) -> usize {
    let decisions = world.heard.decisions.iter();
    decisions.filter(|seen| seen.layout[0] == 1).count()
}

/// What a discount takes is known with the order: a draw before the cart was full promised less.
#[test]
fn a_discount_drawn_before_the_cart_is_full_costs_what_the_order_takes() {
    let rules = policy("discount = 0.1, budget = 50.0", "");
    let mut world = World::new(&rules);
    world.play(&late_carts(400));
    let voucher = &world.learner.report(&rules.policy)[0].arms[1];
    let spent = 10.0 * shown(&world) as f64;
    assert_eq!(voucher.promised, Some(spent));
    let late = (rules.policy.lag_ms + rules.policy.quantum_ms) / 10_000;
    let most = 50.0 + 10.0 * (late + 1) as f64;
    assert!(spent >= 50.0 && spent <= most, "{spent} of {most}");
}

/// Visitors come every other second, look around for five minutes, fill a cart or none, search, which
/// is another leaf, and order: with nothing in the cart a discount takes nothing that a budget could
/// be held against, and everyone who is there would be promised it.
#[test]
fn a_discount_with_a_budget_waits_for_a_cart() {
    for fills in [true, false] {
        let rules = policy("discount = 0.2, budget = 100.0", "");
        let mut log = Vec::new();
        for n in 0..1_000u64 {
            let (at, who) = (START_MS + n * 2_000, format!("v{n}"));
            log.push(Told::new(at, &who, Kind::PageView));
            if fills {
                log.push(cart(at + 300_000, &who, 50));
            }
            log.push(Told::new(at + 310_000, &who, Kind::Search));
            if n % 2 == 0 {
                let mut order = Told::new(at + 320_000, &who, Kind::Purchase);
                order.event.value = Micros::new(50_000_000);
                log.push(order);
            }
        }
        log.sort_by_key(|told| told.event.arrival);
        let mut world = World::new(&rules);
        world.play(&log);
        let voucher = &world.learner.report(&rules.policy)[0].arms[1];
        let late = (rules.policy.lag_ms + rules.policy.quantum_ms) / 2_000;
        let most = 100.0 + 10.0 * (late + 1) as f64;
        let promised = voucher.promised.unwrap_or(0.0);
        assert!(promised <= most, "{promised} of {most}");
        assert_eq!(shown(&world) > 0, fills);
    }
}

/// The budget closes on what carts are worth now, before anybody orders.
#[test]
fn a_promise_follows_the_cart() {
    let rules = policy("discount = 0.1, budget = 50.0", "");
    // Before the first session ends.
    let mut log = late_carts(150);
    log.retain(|told| told.event.kind != Kind::Purchase);
    let mut world = World::new(&rules);
    for told in &log {
        world.observe(told);
    }
    let most = 5 + (rules.policy.lag_ms + rules.policy.quantum_ms) / 10_000 + 1;
    assert!(shown(&world) as u64 <= most, "{} shown", shown(&world));
    world.finish(log.last().unwrap().event.arrival.0);
    let voucher = &world.learner.report(&rules.policy)[0].arms[1];
    assert_eq!(voucher.promised, Some(0.0));
}

/// Every order of a session takes the promotion, at its own value; what lies in the cart after the
/// last one takes nothing.
#[test]
fn each_order_of_a_session_is_counted() {
    let rules = policy("discount = 0.1", "");
    let mut log = Vec::new();
    for n in 0..50u64 {
        let who = format!("v{n}");
        let at = START_MS + n * 1_000;
        log.push(Told::new(at, &who, Kind::PageView));
        for (step, value) in [100, 50].into_iter().enumerate() {
            let at = at + 60_000 * step as u64;
            log.push(cart(at + 1, &who, value));
            let mut order = Told::new(at + 2, &who, Kind::Purchase);
            order.event.value = Micros::new(value * 1_000_000);
            log.push(order);
        }
        log.push(cart(at + 120_000, &who, 500));
    }
    log.sort_by_key(|told| told.event.arrival);
    let mut world = World::new(&rules);
    world.play(&log);
    let voucher = &world.learner.report(&rules.policy)[0].arms[1];
    let starts = world.heard.decisions.iter().filter(|seen| seen.start);
    let promised = starts.filter(|seen| seen.layout[0] == 1).count();
    assert!(promised > 20, "{promised}");
    assert_eq!(voucher.promised, Some(15.0 * promised as f64));
}
