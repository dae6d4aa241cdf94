//! Random scripts: a few visitors who look, buy, give back, come late, are seen, erased or bots.
//!
//! A script is a seed: [`walk`] makes events up as it goes, because impressions and refunds name
//! what came before. A failing seed is printed and plays again.

use super::world::World;
use crate::script::{START_MS, Told, rules, searching};
use restage::event::{EventMs, Id, Kind, Micros};
use restage::rng::Rng;
use restage::visit::live::Rules;
use std::sync::Arc;

/// Visitors of a script.
pub const NAMES: [&str; 6] = ["ada", "bea", "cem", "dan", "eve", "fay"];

/// Every mode of learning at least once: lines for `[learning]`.
pub const MODES: [&str; 10] = [
    "",
    "provisional = 0.2\nattribution = \"last\"\nwindow = \"2h\"",
    "reward = \"revenue\"\nattribution = \"decayed\"\nhalf_life = \"20m\"\nwindow = \"2h\"",
    "reward = \"margin\"\nretention = \"3h\"\nattribution = \"decayed\"",
    "reward = \"add_to_cart\"\ncounts = \"seen\"\nretention = \"40m\"",
    "reward = \"weighted\"\nweights = { conversion = 1.0, revenue = 0.01, margin = 0.02, add_to_cart = 0.1 }\n\
     provisional = 0.3\nwindow = \"2h\"\nretention = \"3h\"\nvalue_max = 60.0",
    "reward = \"weighted\"\nweights = { conversion = 0.5, intent = 2.0 }\nwindow = \"2h\"\nretention = \"3h\"",
    "counts = \"seen\"\nprovisional = 0.5\nattribution = \"last\"\nretention = \"5m\"",
    "provisional = 0.25\nretention = \"3h\"\nfrom = 2026-01-05T02:00:00Z",
    "reward = \"revenue\"\nprovisional = 0.1\nfacts = 512\nretention = \"3h\"",
];

/// A page with two slots that learn, under a mode. Where a cart promises something, a bot's earlier
/// sessions keep counting.
pub fn policy(mode: &str) -> String {
    let earlier = !mode.contains("provisional");
    format!(
        r#"
version = 1
[limits]
event_ids_keep = "1m"
erased_keep = "20m"
[stability]
cooldown = "5s"
min_gain = 0.0
[holdout]
share = 0.2
[learning]
{mode}
[promotions]
margin = 0.3
[bots]
events_per_minute = 30
events_min = 12
views_without_dwell = 6
dwell_min = "500ms"
gaps = 5
gap_min = "100ms"
earlier = {earlier}
[tables]
quantum = "1m"
lag = "2m"
[[slot]]
name = "banner"
default = "brand"
context = ["phase"]
learn = {{ method = "thompson", warm_up = 2, holdout = 0.2 }}
arm = [{{ name = "brand" }}, {{ name = "new" }}, {{ name = "guide", uses_max = 1 }}]
[[slot]]
name = "promo"
default = "none"
context = ["returning"]
learn = {{ method = "softmax", warm_up = 1, holdout = 0.3, floor = 0.1 }}
arm = [{{ name = "none" }}, {{ name = "shipping", cost = 4.9, budget = 60.0 }}, {{ name = "tenth", discount = 0.1 }}]
"#
    )
}

/// The rules of a mode.
pub fn rules_of(mode: &str) -> Arc<Rules> {
    rules(&policy(mode), searching())
}

/// Plays a script of `steps` events and tells `each` of every one of them, with the number of
/// decisions before it.
pub fn walk(
    seed: u64,
    world: &mut World,
    steps: usize,
    mut each: impl FnMut(&mut World, &Told, usize),
) -> u64 {
    let mut rng = Rng::of(seed, 1);
    let mut at = START_MS;
    let mut orders: Vec<(&str, i64, u64)> = Vec::new();
    let (mut burst, mut pace_ms) = (0, 0);
    let mut who = NAMES[0];
    for step in 0..steps {
        if burst > 0 {
            burst -= 1;
            at += pace_ms;
        } else {
            who = NAMES[rng.below(NAMES.len() as u32) as usize];
            let gaps = [0, 1_000, 30_000, 240_000, 1_500_000, 1_900_000, 9_000_000];
            at += gaps[rng.weighted(&[2.0, 8.0, 6.0, 4.0, 1.0, 0.7, 0.3])];
            // As fast as a script, a crawler, or somebody who cannot wait.
            pace_ms = [40, 250, 300][rng.below(3) as usize];
            burst = if rng.chance(0.015) { 14 } else { 0 };
        }
        let crawls = burst > 0 && pace_ms == 250;
        let kind = [
            Kind::PageView,
            Kind::Search,
            Kind::AddToCart,
            Kind::Purchase,
            Kind::Refund,
            Kind::Impression,
            Kind::Erase,
            Kind::ItemView,
            Kind::Scroll,
            Kind::Dwell,
        ][rng.weighted(&[5.0, 5.0, 3.0, 3.0, 1.5, 4.0, 0.15, 2.0, 0.5, 0.5])];
        let kind = if crawls && !rng.chance(0.04) {
            Kind::ItemView
        } else {
            kind
        };
        let mut told = Told::new(at, who, kind);
        match kind {
            Kind::ItemView => told.event.item = Id(1 + u64::from(rng.below(20))),
            Kind::Dwell => told.event.value = Micros::new(100_000 * i64::from(rng.below(10))),
            Kind::AddToCart => {
                told.event.item = Id(1 + u64::from(rng.below(3)));
                told.event.price = Micros::new(20_000_000);
            }
            Kind::Purchase => {
                let again = orders.iter().rev().find(|order| order.0 == who);
                let again = again.filter(|_| rng.chance(0.2)).copied();
                let value = 10_000_000 * i64::from(1 + rng.below(9)) + 7;
                let (_, value, id) = again.unwrap_or((who, value, 1 + step as u64));
                told.event.value = Micros::new(value);
                told.event.event_id = if rng.chance(0.8) { Id(id) } else { Id::NONE };
                // Some orders are told late.
                let late = [0, 700, 400_000][rng.weighted(&[3.0, 1.0, 0.5])];
                told.event.time = EventMs(at - late);
                orders.push((who, value, id));
            }
            Kind::Refund => {
                let own = orders.iter().filter(|order| order.0 == who);
                let own: Vec<i64> = own.map(|order| order.1).collect();
                let value = match (own.len(), rng.below(5)) {
                    (0, _) | (_, 0) => 3_333_333,
                    (many, 1 | 2) => own[rng.below(many as u32) as usize],
                    (many, 3) => own[rng.below(many as u32) as usize] / 3,
                    _ => 0,
                };
                told.event.value = Micros::new(value);
            }
            Kind::Impression => {
                let heard = world.heard.decisions.iter().rev();
                let own: Vec<_> = heard.filter(|seen| seen.visitor == who).take(2).collect();
                if let Some(seen) = own.get(rng.below(2) as usize) {
                    let name = format!("{}/{}/{}", seen.visitor, seen.session, seen.seq);
                    told.event.item = Id::of(name.as_bytes());
                } else {
                    told.event.item = Id(9);
                }
            }
            _ => {}
        }
        let (before, duplicates) = (world.heard.decisions.len(), world.heard.duplicates);
        world.observe(&told);
        if world.heard.duplicates == duplicates {
            each(world, &told, before);
        }
    }
    at
}
