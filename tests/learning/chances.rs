//! Arms come as often as their logged propensities say: over a million visitors, for all arms and
//! for those that may be shown, at the start and drawn again; and never for those who are held out.

use crate::script::{START_MS, Told, rules, searching};
use restage::event::{Event, Kind};
use restage::visit::decision::Decision;
use restage::visit::learn::tables::{ANY, Change, Row};
use restage::visit::learn::weights::Weights;
use restage::visit::visitors::{Output, Step, Visitors};
use std::collections::BTreeMap;
use std::sync::Arc;

const POLICY: &str = r#"
version = 1
session = { idle = "20s" }
limits = { history_keep = "1m" }
holdout = { share = 0.1 }
stability = { cooldown = "0", min_gain = 0.0 }
tables = { quantum = "1s", lag = "1s" }
hesitation = { after = "15s" }
[[slot]]
name = "banner"
default = "brand"
context = ["phase"]
learn = { method = "thompson", floor = 0.05, holdout = 0.1 }
arm = [{ name = "brand" }, { name = "new" }, { name = "guide" }, { name = "found", when = { searches = { min = 1 } } }]
"#;

/// Draws by situation: how often each arm came, and the propensity logged for it.
#[derive(Default)]
struct Count {
    times: BTreeMap<&'static str, BTreeMap<u8, (u64, u32)>>,
    /// First arm and the arm drawn in the next leaf.
    pairs: BTreeMap<(u8, u8), u64>,
    first: BTreeMap<Vec<u8>, u8>,
    held: u64,
}

impl Output for Count {
    fn decision(&mut self, decision: &Decision<'_>) {
        if decision.holdout {
            assert_eq!(
                (decision.layout[0], decision.drawn),
                (0, 0),
                "a holdout was drawn"
            );
        }
        if decision.drawn == 0 {
            self.held += 1;
            assert_eq!(decision.layout[0], 0, "who is held out keeps the default");
            return;
        }
        let (arm, ppm) = (decision.layout[0], decision.propensity_ppm[0]);
        let starts = decision.trigger.name() == "start";
        let situation = match (starts, decision.phase.name()) {
            (true, "browsing") => "start",
            (true, _) => "start with a search",
            _ => "again",
        };
        let (times, logged) = self
            .times
            .entry(situation)
            .or_default()
            .entry(arm)
            .or_insert((0, ppm));
        assert_eq!(*logged, ppm, "one situation, one propensity");
        *times += 1;
        if starts {
            self.first.insert(decision.visitor.to_vec(), arm);
        } else if let Some(first) = self.first.remove(decision.visitor) {
            *self.pairs.entry((first, arm)).or_default() += 1;
        }
        if self.first.len() > 100_000 {
            self.first.clear();
        }
    }

    fn duplicate(&mut self, _: &Event) {}

    fn step(&mut self, _: &Step<'_>) {}
}

/// Whether Pearson's statistic is one that comes once in ten thousand (Wilson and Hilferty).
fn is_off(cells: &[(u64, f64)]) -> bool {
    let square: f64 = cells
        .iter()
        .map(|(count, expected)| (*count as f64 - expected).powi(2) / expected)
        .sum();
    let degrees = cells.len() as f64 - 1.0;
    let z = 1.0 - 2.0 / (9.0 * degrees) + 3.72 * (2.0 / (9.0 * degrees)).sqrt();
    square > degrees * z.powi(3)
}

#[test]
fn a_million_visitors_are_shown_what_the_propensities_say() {
    let rules = rules(POLICY, searching());
    let mut visitors = Visitors::new(Arc::clone(&rules), None, false);
    for (leaf, shares) in [
        (0, [600_000, 250_000, 100_000, 50_000]),
        (1, [100_000, 200_000, 300_000, 400_000]),
    ] {
        let mut weights = Weights::default();
        weights.share_ppm[..4].copy_from_slice(&shares);
        let row = Row {
            weights,
            warm: false,
        };
        visitors.learn(
            START_MS - 10_000,
            Change::Weights {
                slot: 0,
                leaf,
                set: ANY,
                row,
            },
        );
    }
    let mut count = Count::default();
    for n in 0..1_000_000u64 {
        let at = START_MS + n / 50;
        let name = format!("v{n}");
        let first = if n % 5 == 0 {
            Kind::Search
        } else {
            Kind::PageView
        };
        visitors.observe(Told::new(at, &name, first).borrowed(), &mut count);
        if n % 5 == 1 {
            visitors.observe(Told::new(at, &name, Kind::Search).borrowed(), &mut count);
        }
    }
    for (situation, arms) in &count.times {
        let all: u64 = arms.values().map(|(times, _)| times).sum();
        let sum: u32 = arms.values().map(|(_, ppm)| ppm).sum();
        assert_eq!(sum, 1_000_000, "{situation}: {arms:?}");
        let wanted = if *situation == "start" { 3 } else { 4 };
        assert_eq!(arms.len(), wanted, "{situation}: {arms:?}");
        let cells: Vec<(u64, f64)> = arms
            .values()
            .map(|(times, ppm)| (*times, all as f64 * f64::from(*ppm) / 1e6))
            .collect();
        assert!(!is_off(&cells), "{situation}: {cells:?}");
    }
    assert_eq!(count.times.len(), 3);
    // What is drawn again knows nothing of what was drawn first.
    let all: u64 = count.pairs.values().sum();
    assert!(all > 100_000, "{all} were drawn again");
    let ppm = |situation: &str, arm: u8| f64::from(count.times[situation][&arm].1) / 1e6;
    let cells: Vec<(u64, f64)> = count
        .pairs
        .iter()
        .map(|((first, again), times)| {
            (
                *times,
                all as f64 * ppm("start", *first) * ppm("again", *again),
            )
        })
        .collect();
    assert_eq!(cells.len(), 12);
    assert!(!is_off(&cells), "{:?}", count.pairs);
    let held = count.held as f64 / 1e6;
    assert!(
        (held - 0.19).abs() < 0.002,
        "{held} of the visitors were held out"
    );
}
