//! What may never happen while the job learns: bad arms that stay, broken comparisons that teach,
//! orders that count twice or too much, bots that teach, and learning before its time.

use super::world::World;
use crate::script::{START_MS, Told, rules, searching};
use restage::event::{Id, Kind, Micros, VisitorId, mix};
use restage::visit::learn::fact::{Fact, OutcomeKind};
use restage::visit::live::Rules;
use std::collections::BTreeMap;
use std::sync::Arc;

const HOUR_MS: u64 = 3_600_000;

/// A slot with a bad arm, shown by fixed shares; tables follow by the hour.
fn policy(learn: &str, lines: &str) -> Arc<Rules> {
    policy_of(learn, lines, 0.0)
}

/// The same with a share of visitors who keep the whole page.
fn policy_of(learn: &str, lines: &str, share: f64) -> Arc<Rules> {
    let text = format!(
        "version = 1\nholdout = {{ share = {share:.1} }}\ntables = {{ quantum = \"1h\", lag = \"1h\" }}\n{lines}\n\
         [[slot]]\nname = \"banner\"\ndefault = \"brand\"\nlearn = {{ {learn} }}\n\
         arm = [{{ name = \"brand\" }}, {{ name = \"bad\" }}]\n"
    );
    rules(&text, searching())
}

/// Visitors who come within the first hour.
fn crowd(count: u64) -> Vec<Told> {
    let come = |n| Told::new(START_MS + n * 800, &format!("v{n}"), Kind::PageView);
    (0..count).map(come).collect()
}

fn sorted(mut log: Vec<Told>) -> Vec<Told> {
    log.sort_by_key(|told| told.event.arrival);
    log
}

#[test]
fn a_bad_arm_is_barred_and_taken_down_in_live_sessions() {
    let rules = policy(
        "method = \"fixed\", holdout = 0.4, kill = 0.1, warm_up = 1",
        "",
    );
    let mut log = crowd(4_000);
    // Someone who stays while the others' orders come in.
    for nth in 0..8 {
        for step in 0..12 {
            let at = START_MS + 1 + step * HOUR_MS / 4;
            log.push(Told::new(at, &format!("loyal{nth}"), Kind::PageView));
        }
    }
    let log = sorted(log);
    let mut first = World::new(&rules);
    first.play(&log);
    let mut shown: BTreeMap<String, u8> = BTreeMap::new();
    for seen in first.heard.decisions.iter().filter(|seen| seen.start) {
        shown.insert(seen.visitor.clone(), seen.layout[0]);
    }
    // Who is shown the bad arm never buys; a third of the others do.
    let mut bought = log.clone();
    for told in &log {
        let lucky = mix(told.event.visitor.0).is_multiple_of(3);
        if told.visitor.starts_with('v') && shown[&told.visitor] == 0 && lucky {
            let at = told.event.arrival.0 + 500;
            bought.push(Told::new(at, &told.visitor, Kind::Purchase));
        }
    }
    let mut world = World::new(&rules);
    world.play(&sorted(bought));
    let report = world.learner.report(&rules.policy);
    let barred = report[0].arms[1].barred_ms.expect("the bad arm is barred");
    assert_eq!(report[0].arms[0].barred_ms, None);
    let known = barred + rules.policy.lag_ms;
    let loyal = (0..8).map(|nth| format!("loyal{nth}"));
    let loyal: Vec<String> = loyal.filter(|name| shown[name] == 1).collect();
    assert!(!loyal.is_empty(), "none of the loyal was shown the bad arm");
    for name in loyal {
        let own = world
            .heard
            .decisions
            .iter()
            .filter(|seen| seen.visitor == name);
        let own: Vec<_> = own.map(|seen| (seen.at_ms, seen.layout[0])).collect();
        let down = own
            .iter()
            .find(|(_, arm)| *arm == 0)
            .expect("it is taken down");
        let next = (0..12).map(|step| START_MS + 1 + step * HOUR_MS / 4);
        assert_eq!(
            Some(down.0),
            next.clone().find(|at| *at >= known),
            "at the first event"
        );
    }
    let after = world
        .heard
        .decisions
        .iter()
        .filter(|seen| seen.at_ms >= known);
    assert!(after.clone().all(|seen| seen.layout[0] == 0));
}

/// Plays visitors whose pages are seen unless `fails` says otherwise of a visitor and the page's arms.
fn seen_unless(rules: &Arc<Rules>, fails: impl Fn(VisitorId, &[u8]) -> bool) -> World {
    let mut world = World::new(rules);
    for told in crowd(4_000) {
        world.observe(&told);
        let seen = world.heard.decisions.last().unwrap();
        let name = format!("{}/{}/{}", seen.visitor, seen.session, seen.seq);
        let mut impression = told.clone();
        impression.event.kind = Kind::Impression;
        impression.event.item = Id::of(name.as_bytes());
        if !fails(told.event.visitor, &seen.layout) {
            world.observe(&impression);
        }
    }
    let tally = world.finish(START_MS + HOUR_MS);
    assert_eq!(tally.impressions_unmatched, 0);
    world
}

/// One in three, whatever is shown.
fn third(visitor: VisitorId) -> bool {
    mix(visitor.0 ^ 5).is_multiple_of(3)
}

const SEEN: &str = "learning = { counts = \"seen\" }";

/// A third of the treated visitors' pages fail before they are seen: the groups do not compare,
/// whether it is the slot's own holdout or that of the page.
#[test]
fn a_slot_of_which_exposures_get_lost_is_frozen() {
    let learn = "method = \"thompson\", warm_up = 1, kill = 0.0";
    let own = policy(&format!("{learn}, holdout = 0.5"), SEEN);
    let none = format!("{learn}, holdout = 0.0");
    let page = policy_of(&none, SEEN, 0.5);
    for rules in [own, page] {
        for lost in [false, true] {
            let held = |visitor| rules.policy.held(visitor) & 1 == 1;
            let world = seen_unless(&rules, |who, _| lost && !held(who) && third(who));
            assert_eq!(world.learner.report(&rules.policy)[0].frozen, lost);
        }
    }
}

/// Nobody is held out, and pages with one arm fail: it does not come as often as it is drawn. Pages
/// that fail whatever they show are no reason.
#[test]
fn a_slot_of_which_an_arm_gets_lost_is_frozen() {
    for method in [
        "\"thompson\"",
        "\"fixed\", weights = { brand = 1, bad = 5 }",
    ] {
        let learn = format!("method = {method}, warm_up = 500, kill = 0.0, holdout = 0.0");
        let rules = policy(&learn, SEEN);
        for arm in [None, Some(0), Some(1)] {
            let of_arm = |layout: &[u8]| arm.is_none_or(|arm| layout[0] == arm);
            let world = seen_unless(&rules, |who, layout| of_arm(layout) && third(who));
            let frozen = world.learner.report(&rules.policy)[0].frozen;
            assert_eq!(frozen, arm.is_some(), "{method}, arm {arm:?}");
        }
    }
}

/// The slots that learn together stand still together: none of their layouts is weighed any more.
#[test]
fn layouts_are_frozen_with_any_of_their_slots() {
    let learn = "learn = { method = \"multivariate\", warm_up = 1, kill = 0.0, holdout = 0.0 }";
    let text = format!(
        "version = 1\nholdout = {{ share = 0.0 }}\ntables = {{ quantum = \"1m\", lag = \"1m\" }}\n\
         stability = {{ min_gain = 0.0 }}\n{SEEN}\n\
         [[slot]]\nname = \"banner\"\ndefault = \"brand\"\n{learn}\n\
         arm = [{{ name = \"brand\" }}, {{ name = \"bad\" }}]\n\
         [[slot]]\nname = \"button\"\ndefault = \"green\"\n{learn}\n\
         arm = [{{ name = \"green\" }}, {{ name = \"red\" }}]\n"
    );
    let rules = rules(&text, searching());
    for lost in [false, true] {
        let fails = |who, layout: &[u8]| lost && layout[1] == 1 && third(who);
        let world = seen_unless(&rules, fails);
        let report = world.learner.report(&rules.policy);
        let frozen: Vec<(&str, bool)> = report
            .iter()
            .map(|slot| (slot.slot.as_str(), slot.frozen))
            .collect();
        let together = ("banner+button", lost);
        assert_eq!(
            frozen,
            [("banner", false), ("button", lost), together],
            "lost: {lost}"
        );
        // With the last third of the visitors the tables stand.
        let late = world.heard.decisions.iter().skip(3_000);
        let chances: std::collections::BTreeSet<_> = late
            .filter(|seen| seen.layout[..2] == [0, 0])
            .map(|seen| seen.propensity_ppm)
            .collect();
        assert_eq!(chances.len() == 1, lost, "{chances:?}");
    }
}

fn purchase(at_ms: u64, who: &str, id: u64, value: i64) -> Told {
    let mut told = Told::new(at_ms, who, Kind::Purchase);
    told.event.event_id = Id(id);
    told.event.value = Micros::new(value * 1_000_000);
    told
}

/// The orders that stand: who, and for how much.
fn orders(world: &World) -> Vec<(VisitorId, i64)> {
    let outcomes = world.standing.outcomes.iter();
    let orders = outcomes.filter(|(_, outcome)| outcome.kind == OutcomeKind::Order);
    orders
        .map(|(who, order)| (*who, order.value / 1_000_000))
        .collect()
}

#[test]
fn an_order_counts_once_and_for_no_more_than_the_cap() {
    let rules = policy(
        "method = \"thompson\"",
        "learning = { reward = \"revenue\", value_max = 100.0 }\nlimits = { event_ids_keep = \"1s\" }",
    );
    let mut world = World::new(&rules);
    let tally = world.play(&[
        purchase(START_MS, "ada", 7, 2_500),
        purchase(START_MS + 60_000, "ada", 7, 2_500),
        purchase(START_MS + 61_000, "ada", 8, 30),
        purchase(START_MS + 62_000, "bea", 7, 40),
    ]);
    let mut found = orders(&world);
    found.sort_by_key(|order| order.1);
    let (ada, bea) = (VisitorId::of(b"ada"), VisitorId::of(b"bea"));
    assert_eq!(found, [(ada, 30), (bea, 40), (ada, 100)]);
    assert_eq!(tally.orders_repeated, 1);
}

/// A refund says what was paid; what it takes back is what the order counts for.
#[test]
fn an_order_above_the_cap_is_found_by_its_refund() {
    let rules = policy("method = \"thompson\"", "learning = { value_max = 100.0 }");
    let mut world = World::new(&rules);
    let mut refund = purchase(START_MS + 1_000, "ada", 8, 2_500);
    refund.event.kind = Kind::Refund;
    let tally = world.play(&[purchase(START_MS, "ada", 7, 2_500), refund]);
    assert_eq!((orders(&world).len(), tally.refunds_unmatched), (0, 0));
}

#[test]
fn a_bots_session_teaches_nothing_even_if_it_ordered_long_before() {
    // The order does not count any more when the verdict comes.
    let lines =
        "learning = { retention = \"1m\" }\nbots = { events_per_minute = 10, events_min = 40 }";
    let rules = policy("method = \"thompson\"", lines);
    let mut log = vec![
        purchase(START_MS, "bot", 1, 50),
        purchase(START_MS, "ada", 2, 60),
    ];
    log.extend((0..60).map(|n| Told::new(START_MS + 1 + n * 3_000, "bot", Kind::PageView)));
    let mut world = World::new(&rules);
    let tally = world.play(&log);
    assert_eq!(tally.bots.total(), 1);
    let treated = tally.lift[0].treated;
    assert_eq!((treated.visitors, treated.sum(2)), (1, 60_000_000));
    let bot = VisitorId::of(b"bot");
    assert!(world.standing.exposures.iter().all(|(who, _)| *who != bot));
}

#[test]
fn before_its_time_everyone_keeps_the_default_and_orders_are_the_covariate() {
    let lines = "learning = { from = 2026-01-05T02:00:00Z }";
    let rules = policy("method = \"thompson\", holdout = 0.2", lines);
    let from = rules.policy.learning.from_ms;
    assert_eq!(from, START_MS + 2 * HOUR_MS);
    let mut log = Vec::new();
    for n in 0..400u64 {
        let who = format!("v{n}");
        for early in 0..n % 3 {
            log.push(purchase(START_MS + n * 1_000 + early, &who, 0, 20));
        }
        log.push(Told::new(START_MS + n * 1_000 + 9, &who, Kind::PageView));
        // A third never comes back.
        if n % 3 != 2 {
            log.push(Told::new(from + n * 1_000, &who, Kind::PageView));
        }
    }
    let mut world = World::new(&rules);
    let tally = world.play(&sorted(log));
    for seen in &world.heard.decisions {
        assert!(seen.at_ms >= from || (seen.layout[0], seen.drawn, seen.changed) == (0, 0, 0));
    }
    let said = world.told.values().flatten();
    let mut exposures = said.filter(|said| matches!(said.fact, Fact::Exposure(_)));
    assert!(exposures.all(|said| said.at.0 >= from));
    assert!(orders(&world).is_empty());
    let treated = tally.lift[0].treated;
    let back = (0..400).filter(|n| n % 3 != 2).count() as i64;
    let before: i64 = (0..400).filter(|n| n % 3 != 2).map(|n| n % 3).sum();
    assert_eq!((treated.visitors, treated.sum(0)), (back, i128::from(back)));
    assert_eq!((treated.sum(1), treated.sum(4)), (0, i128::from(before)));
}
