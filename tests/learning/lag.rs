//! How soon an order is known: at the first version after it, a lag later, everywhere, not before.

use super::world::World;
use crate::script::{START_MS, Told, rules, searching};
use restage::event::{BINS, Kind, VisitorId, bin_of};
use std::collections::BTreeSet;

const QUANTUM_MS: u64 = 1_000;
const LAG_MS: u64 = 3_000;

const POLICY: &str = r#"
version = 1
holdout = { share = 0.0 }
tables = { quantum = "1s", lag = "3s" }
[[slot]]
name = "banner"
default = "brand"
learn = { method = "softmax", warm_up = 1, temperature = 1.0, holdout = 0.0, kill = 0.0 }
arm = [{ name = "brand" }, { name = "new" }]
"#;

/// A name in every bin.
fn everywhere() -> Vec<String> {
    let mut bins = BTreeSet::new();
    let names = (0..).map(|n| format!("late{n}"));
    let new = |name: &String| bins.insert(bin_of(VisitorId::of(name.as_bytes())));
    names.filter(new).take(BINS).collect()
}

#[test]
fn an_order_moves_the_shares_of_every_bin_a_lag_after_its_version() {
    let rules = rules(POLICY, searching());
    // At the first and the last millisecond of a quantum, and within.
    for within in [0, 1, 437, 999] {
        let ordered = START_MS + 20_000 + within;
        let version = (ordered / QUANTUM_MS + 1) * QUANTUM_MS;
        let known = version + LAG_MS;
        let mut log: Vec<Told> = (0..40)
            .map(|n| Told::new(START_MS + n * 100, &format!("early{n}"), Kind::PageView))
            .collect();
        log.push(Told::new(ordered, "early0", Kind::Purchase));
        for (nth, name) in everywhere().iter().enumerate() {
            log.push(Told::new(
                known - 1,
                &format!("before{nth}"),
                Kind::PageView,
            ));
            log.push(Told::new(known, name, Kind::PageView));
        }
        log.sort_by_key(|told| told.event.arrival);
        let mut world = World::new(&rules);
        world.play(&log);
        let mut after = BTreeSet::new();
        for seen in &world.heard.decisions {
            let (ppm, at) = (seen.propensity_ppm[0], seen.at_ms);
            assert_eq!(
                seen.tables_ms,
                at.saturating_sub(LAG_MS) / QUANTUM_MS * QUANTUM_MS
            );
            if at < known {
                assert_eq!(ppm, 500_000, "known {} ms too early", known - at);
            } else {
                assert_ne!(ppm, 500_000, "not known at {at}");
                after.insert(bin_of(VisitorId::of(seen.visitor.as_bytes())));
            }
        }
        assert_eq!(after.len(), BINS, "not in every bin");
    }
}

/// An order taken back within its quantum was never there.
#[test]
fn what_comes_and_goes_within_a_version_moves_nothing() {
    let rules = rules(POLICY, searching());
    let mut log: Vec<Told> = (0..40)
        .map(|n| Told::new(START_MS + n * 100, &format!("early{n}"), Kind::PageView))
        .collect();
    log.push(Told::new(START_MS + 20_100, "early0", Kind::Purchase));
    log.push(Told::new(START_MS + 20_300, "early0", Kind::Refund));
    log.push(Told::new(START_MS + 60_000, "late", Kind::PageView));
    let mut world = World::new(&rules);
    world.play(&log);
    for seen in &world.heard.decisions {
        assert_eq!(seen.propensity_ppm[0], 500_000);
    }
}
