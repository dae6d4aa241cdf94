//! Visitors erased at random times, in random order: what stands at the end is what would stand had
//! the log never held them.

use super::walk::{MODES, policy, walk};
use super::world::{Said, Standing, World};
use crate::script::{Told, rules, searching};
use restage::event::{Kind, VisitorId};
use restage::rng::Rng;
use restage::visit::learn::fact::Fact;
use restage::visit::learn::moments::Groups;
use restage::visit::learn::subject::Subject;
use restage::visit::live::Rules;
use restage::visit::tally::Tally;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one run leaves: the core alone, without tables that come back.
struct Left {
    decisions: Vec<String>,
    standing: Standing,
    sums: BTreeMap<VisitorId, i64>,
    tally: Tally,
}

fn run(rules: &Arc<Rules>, events: &[Told]) -> Left {
    let mut world = World::new(rules);
    for told in events {
        world.visitors.observe(told.borrowed(), &mut world.heard);
    }
    let blank = World::new(rules).visitors;
    let visitors = std::mem::replace(&mut world.visitors, blank);
    let tally = visitors.finish(&mut world.heard);
    let (mut standing, mut sums) = (Standing::default(), BTreeMap::new());
    for said in &world.heard.said {
        standing.follow(said);
        if let Said {
            visitor,
            sign,
            fact: Fact::Exposure(_) | Fact::Outcome(_) | Fact::Visitor { .. },
            ..
        } = said
        {
            *sums.entry(*visitor).or_default() += i64::from(*sign);
        }
    }
    // Money that was promised to those who ordered stays spent.
    standing
        .counts
        .retain(|subject, _| !matches!(subject, Subject::Spend { .. }));
    Left {
        decisions: world
            .heard
            .lines
            .lines
            .into_iter()
            .map(|line| line.1)
            .collect(),
        standing,
        sums,
        tally,
    }
}

/// A random script without erasures.
fn script(seed: u64, rules: &Arc<Rules>) -> Vec<Told> {
    let (mut world, mut events) = (World::new(rules), Vec::new());
    walk(seed, &mut world, 200, |_, told, _| {
        if told.event.kind != Kind::Erase {
            events.push(told.clone());
        }
    });
    events
}

#[test]
fn what_stands_is_what_would_stand_without_them() {
    let mut erased = 0;
    for (number, mode) in MODES.iter().enumerate() {
        // Where room is short, others leave for those who are erased.
        if mode.contains("facts") {
            continue;
        }
        let text = policy(mode).replace("erased_keep = \"20m\"", "");
        let rules = rules(&text, searching());
        for seed in 0..15 {
            let mut rng = Rng::of(seed, number as u64);
            let events = script(seed * 100 + number as u64, &rules);
            let mut with = events.clone();
            let mut gone: Vec<&str> = Vec::new();
            for who in ["ada", "cem", "eve"] {
                if rng.chance(0.7) {
                    let place = rng.below(with.len() as u32) as usize;
                    let at = with[place].event.arrival.0;
                    with.insert(place + 1, Told::new(at, who, Kind::Erase));
                    gone.push(who);
                }
            }
            erased += gone.len();
            let others = |told: &&Told| !gone.contains(&&told.visitor[..]);
            let without: Vec<Told> = events.iter().filter(others).cloned().collect();
            let (held, never) = (run(&rules, &with), run(&rules, &without));
            let place = format!("seed {seed}, mode {mode:?}, {gone:?}");
            for who in &gone {
                let sum = held.sums.get(&VisitorId::of(who.as_bytes()));
                assert_eq!(sum.copied().unwrap_or(0), 0, "{who}, {place}");
            }
            assert_eq!(
                format!("{:?}", held.standing.counts),
                format!("{:?}", never.standing.counts),
                "{place}"
            );
            assert_eq!(held.standing.exposures, never.standing.exposures, "{place}");
            let numbered = |standing: &Standing| -> Vec<_> {
                // An outcome's number counts those of its bin.
                let outcomes = standing.outcomes.iter().cloned();
                let plain = outcomes.map(|(who, mut outcome)| {
                    outcome.number = 0;
                    (who, outcome)
                });
                let mut all: Vec<_> = plain.collect();
                all.sort_unstable();
                all
            };
            assert_eq!(
                numbered(&held.standing),
                numbered(&never.standing),
                "{place}"
            );
            let full = |tally: &Tally| {
                let mut lift = tally.lift.clone();
                lift.resize(1 + rules.policy.slots.len(), Groups::default());
                lift
            };
            assert_eq!(full(&held.tally), full(&never.tally), "{place}");
            let of_others = |left: &Left| -> Vec<String> {
                let named = |line: &&String| {
                    !gone
                        .iter()
                        .any(|who| line.contains(&format!("\"visitor\":\"{who}\"")))
                };
                left.decisions.iter().filter(named).cloned().collect()
            };
            assert!(of_others(&held) == of_others(&never), "{place}");
            let mut live = [0; 5];
            for (_, bucket) in held.tally.timeline.as_ref().unwrap().buckets() {
                live.iter_mut()
                    .zip(bucket.phases)
                    .for_each(|(sum, more)| *sum += more);
            }
            assert_eq!(live, [0; 5], "{place}");
        }
    }
    assert!(erased > 100);
}
