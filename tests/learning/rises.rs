//! Intent that rises is an outcome: what a session was shown in a phase earns what came of it.

use super::world::World;
use crate::script::{START_MS, Told, rules, searching};
use restage::event::Kind;
use restage::visit::learn::fact::OutcomeKind;
use restage::visit::learn::subject::Subject;
use std::collections::BTreeMap;

const POLICY: &str = r#"
version = 1
holdout = { share = 0.0 }
stability = { cooldown = "0", min_gain = 0.0 }
[learning]
reward = "weighted"
weights = { intent = 1.0 }
[[slot]]
name = "banner"
default = "brand"
context = ["phase"]
learn = { method = "thompson", holdout = 0.0, kill = 0.0 }
arm = [{ name = "brand" }, { name = "new" }]
"#;

/// A page and so many searches, of which each makes an order likelier.
fn visit(searches: u64) -> Vec<Told> {
    let kinds = std::iter::once(Kind::PageView).chain((0..searches).map(|_| Kind::Search));
    let told = |(nth, kind)| Told::new(START_MS + nth as u64 * 1_000, "ada", kind);
    kinds.enumerate().map(told).collect()
}

fn chance(searches: f64) -> f64 {
    1.0 / (1.0 + (4.0 - searches).exp())
}

#[test]
fn an_exposure_earns_the_rises_after_it() {
    let rules = rules(POLICY, searching());
    let mut world = World::new(&rules);
    world.play(&visit(4));
    let outcomes: Vec<f64> = world
        .standing
        .outcomes
        .iter()
        .filter(|(_, outcome)| outcome.kind == OutcomeKind::Intent)
        .map(|(_, outcome)| outcome.value as f64 / 1e6)
        .collect();
    // Browsing, exploring, deciding twice, buying.
    let steps = [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0)];
    assert_eq!(outcomes.len(), steps.len());
    for (found, (from, to)) in outcomes.iter().zip(steps) {
        assert!(
            (found - (chance(to) - chance(from))).abs() < 1e-4,
            "{found}"
        );
    }
    let mut earned: BTreeMap<u8, f64> = BTreeMap::new();
    for (subject, stat) in &world.versions.last().unwrap().1 {
        if let Subject::Cell(cell) = subject {
            *earned.entry(cell.leaf).or_default() += stat.reward as f64 / 1e6;
        }
    }
    let found: Vec<f64> = earned.into_values().collect();
    let wanted = [0.0, 1.0, 2.0, 4.0].map(|from| chance(4.0) - chance(from));
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-4, "{found} for {wanted}");
    }
}

/// Once risen, coming down and up again is no second rise, and an order ends it.
#[test]
fn intent_rises_once_and_not_after_an_order() {
    let rules = rules(POLICY, searching());
    let mut log = visit(1);
    log.push(Told::new(START_MS + 5_000, "ada", Kind::Purchase));
    for nth in 0..4 {
        log.push(Told::new(START_MS + 6_000 + nth, "ada", Kind::Search));
    }
    let mut world = World::new(&rules);
    world.play(&log);
    let outcomes = world.standing.outcomes.iter();
    let rises = outcomes.filter(|(_, outcome)| outcome.kind == OutcomeKind::Intent);
    assert_eq!(rises.count(), 1);
}
