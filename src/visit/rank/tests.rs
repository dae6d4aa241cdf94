//! The rankers against plain recomputation: after any order of inserts, growth, expiries and
//! erasures, an index answers as one built afresh from the sessions that are left.

use super::lists::Lists;
use super::rules::{Count, Rules};
use super::session_knn::SessionKnn;
use super::shift::Shift;
use super::trending::Trending;
use super::{Change, Index, Scored, Scratch, SessionKey, rules, session_knn, trending};
use crate::event::Id;
use crate::rng::Rng;
use std::collections::BTreeMap;

/// What stands: by key, the time and the items.
type Standing = BTreeMap<u64, (u64, Vec<Id>)>;

fn rankers() -> Vec<Box<dyn Index>> {
    let knn = session_knn::Spec {
        sessions: 6,
        neighbours: 3,
        last_items: 3,
        idf: 1.0,
    };
    let short = |spec: rules::Spec| rules::Spec { length: 4, ..spec };
    let hourly = trending::Spec {
        quantum_ms: 50,
        half_life_ms: 70,
        ..trending::Spec::default()
    };
    vec![
        Box::new(Rules::new(short(rules::Spec::ASSOCIATION))),
        Box::new(Rules::new(short(rules::Spec::SEQUENTIAL))),
        Box::new(SessionKnn::new(knn)),
        Box::new(Trending::new(hourly)),
    ]
}

fn items(rng: &mut Rng) -> Vec<Id> {
    let length = 1 + rng.below(7);
    (0..length)
        .map(|_| Id(100 + u64::from(rng.zipf(24))))
        .collect()
}

fn asked(ranker: &dyn Index, visit: &[Id]) -> Vec<Scored> {
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    ranker.recommend(visit, 20, &mut scratch, &mut out);
    out
}

/// One random step: mostly an insert, else growth, an erasure, or the window moving on.
fn step(rng: &mut Rng, now_ms: &mut u64, standing: &mut Standing, indexes: &mut [Box<dyn Index>]) {
    let keys: Vec<u64> = standing.keys().copied().collect();
    let any = |rng: &mut Rng| keys[rng.below(keys.len() as u32) as usize];
    match rng.below(10) {
        0 if !keys.is_empty() => {
            let key = any(rng);
            standing.remove(&key);
            assert!(
                indexes
                    .iter_mut()
                    .all(|index| index.remove(SessionKey(key)))
            );
        }
        1 => {
            let before_ms = now_ms.saturating_sub(250);
            let count = standing.len();
            standing.retain(|_, (at_ms, _)| *at_ms >= before_ms);
            let gone = count - standing.len();
            assert!(
                indexes
                    .iter_mut()
                    .all(|index| index.expire(before_ms) == gone)
            );
        }
        2 | 3 if !keys.is_empty() => {
            let key = any(rng);
            let session = standing.get_mut(&key).unwrap();
            *now_ms += u64::from(rng.below(9));
            session.0 = *now_ms;
            session.1.extend(items(rng));
            for index in indexes {
                index.insert(SessionKey(key), session.0, &session.1);
            }
        }
        _ => {
            // Sessions do not enter in the order of their times, and some share one.
            *now_ms += u64::from(rng.below(9));
            let at_ms = now_ms.saturating_sub(u64::from(rng.below(3)) * 10);
            let (key, seen) = (rng.bits() >> 50, items(rng));
            for index in indexes {
                index.insert(SessionKey(key), at_ms, &seen);
            }
            standing.insert(key, (at_ms, seen));
        }
    }
}

#[test]
fn an_index_is_a_function_of_the_sessions_that_stand() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let (mut now_ms, mut standing) = (1_000, Standing::new());
        let mut indexes = rankers();
        let mut told = vec![Lists::default(); indexes.len()];
        for _ in 0..25 {
            for _ in 0..1 + rng.below(20) {
                step(&mut rng, &mut now_ms, &mut standing, &mut indexes);
            }
            let mut rebuilt = rankers();
            // In the opposite order, and by other numbers.
            for (&key, (at_ms, seen)) in standing.iter().rev() {
                for index in &mut rebuilt {
                    index.insert(SessionKey(key), *at_ms, seen);
                }
            }
            let version_ms = now_ms / 50 * 50;
            let visits: Vec<Vec<Id>> = (0..8).map(|_| items(&mut rng)).collect();
            for ((index, fresh), told) in indexes.iter_mut().zip(&mut rebuilt).zip(&mut told) {
                assert_eq!(index.sessions().len(), standing.len());
                apply(told, index.close(version_ms));
                let mut expected = Lists::default();
                apply(&mut expected, fresh.close(version_ms));
                assert_eq!(
                    *told, expected,
                    "seed {seed}: the changes add up to the lists"
                );
                for visit in &visits {
                    let (found, expected) = (asked(&**index, visit), asked(&**fresh, visit));
                    assert_eq!(found, expected, "seed {seed}, visit {visit:?}");
                    if !told.is_empty() {
                        let of = if told.of(Id::NONE).is_empty() {
                            *visit.last().unwrap()
                        } else {
                            Id::NONE
                        };
                        let found: Vec<Id> = found.iter().map(|one| one.item).collect();
                        let there = &told.of(of)[..found.len()];
                        assert_eq!(found, there, "seed {seed}, visit {visit:?}");
                    }
                }
            }
        }
    }
}

fn apply(lists: &mut Lists, changes: Vec<Change>) {
    for change in &changes {
        lists.apply(change);
    }
}

/// Rules by their definition, over all pairs of events.
fn plain_rules(sessions: &[Vec<Id>], pairs: Count, item: Id, length: usize) -> Vec<(Id, f64)> {
    let mut sums: BTreeMap<Id, f64> = BTreeMap::new();
    for session in sessions {
        for (i, &one) in session.iter().enumerate() {
            for (j, &other) in session.iter().enumerate().skip(i + 1) {
                let distance = (j - i) as f64;
                match pairs {
                    Count::Association => {
                        if one == item {
                            *sums.entry(other).or_default() += 1.0;
                        }
                        if other == item {
                            *sums.entry(one).or_default() += 1.0;
                        }
                    }
                    Count::Sequential { steps } if one == item && j - i <= steps as usize => {
                        *sums.entry(other).or_default() += 1.0 / (distance * distance);
                    }
                    Count::Sequential { .. } => {}
                }
            }
        }
    }
    let mut list: Vec<(Id, f64)> = sums.into_iter().collect();
    list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    list.truncate(length);
    list
}

#[test]
fn rules_are_those_of_the_definition() {
    let mut rng = Rng::new(77);
    let sessions: Vec<Vec<Id>> = (0..60)
        .map(|_| {
            let mut seen = items(&mut rng);
            (0..rng.below(5)).for_each(|_| seen.extend(items(&mut rng)));
            seen
        })
        .collect();
    for spec in [rules::Spec::ASSOCIATION, rules::Spec::SEQUENTIAL] {
        let mut index = Rules::new(spec);
        for (key, seen) in (0..).zip(&sessions) {
            index.insert(SessionKey(key), key, seen);
        }
        index.close(0);
        for item in (100..124).map(Id) {
            let found: Vec<Scored> = index.list(item).collect();
            // All of them, for neighbours in the order that differ by a rounding may change places.
            let expected = plain_rules(&sessions, spec.count, item, usize::MAX);
            assert_eq!(found.len(), expected.len().min(spec.length));
            for (one, (_, weight)) in found.iter().zip(&expected) {
                assert!((one.score - weight).abs() < 1e-9);
                let own = expected.iter().find(|(other, _)| *other == one.item);
                assert!((one.score - own.unwrap().1).abs() < 1e-9);
            }
        }
    }
}

/// What a session was, changed by what its shift says, is what it is, however it grew and whatever fell off its
/// front: for pairs of both kinds, and for counts within a quantum and over its end.
#[test]
fn a_shift_changes_what_was_into_what_is() {
    let specs = [
        rules::Spec::ASSOCIATION,
        rules::Spec::SEQUENTIAL,
        rules::Spec {
            count: Count::Sequential { steps: 2 },
            own_pairs: false,
            ..rules::Spec::SEQUENTIAL
        },
    ];
    let trends = trending::Spec {
        quantum_ms: 50,
        ..trending::Spec::default()
    };
    type Sums = BTreeMap<(u64, u64), i64>;
    fn add(sums: &mut Sums, (item, other): (Id, u64), weight: i64) {
        *sums.entry((item.0, other)).or_default() += weight;
        assert!(sums[&(item.0, other)] >= 0, "what comes is said first");
        sums.retain(|_, weight| *weight > 0);
    }
    let mut rng = Rng::new(79);
    let (mut said, mut anew) = (0, 0);
    for round in 0..600 {
        // A visit of at most twelve items, the oldest of which make room.
        let mut was = if rng.chance(0.1) {
            Vec::new()
        } else {
            items(&mut rng)
        };
        let mut at_ms = 1_000 + u64::from(rng.below(100));
        for _ in 0..1 + rng.below(12) {
            let mut is = was.clone();
            match rng.below(20) {
                0 => is.clear(),
                1 => is = items(&mut rng),
                2 => {}
                _ => is.push(items(&mut rng)[0]),
            }
            is.drain(..is.len().saturating_sub(12));
            let now_ms = at_ms + u64::from(rng.below(30));
            let shift = Shift::between(SessionKey(1), (at_ms, &was), (now_ms, &is));
            let of = |items: &[Id], at| Shift::between(SessionKey(1), (0, &[]), (at, items));
            for spec in &specs {
                let told = |shift: &Shift, sums: &mut Sums, count: &mut usize| {
                    spec.pairs(shift, |(item, other), weight| {
                        add(sums, (item, other.0), weight);
                        *count += 1;
                    });
                };
                let (mut found, mut wanted) = (Sums::new(), Sums::new());
                told(&of(&was, at_ms), &mut found, &mut 0);
                told(&shift, &mut found, &mut said);
                told(&of(&is, now_ms), &mut wanted, &mut anew);
                assert_eq!(found, wanted, "round {round}: {was:?} to {is:?}, {spec:?}");
            }
            let (mut found, mut wanted) = (Sums::new(), Sums::new());
            trends.counts(&of(&was, at_ms), |count, sessions| {
                add(&mut found, count, sessions);
            });
            trends.counts(&shift, |count, sessions| add(&mut found, count, sessions));
            trends.counts(&of(&is, now_ms), |count, sessions| {
                add(&mut wanted, count, sessions);
            });
            assert_eq!(found, wanted, "round {round}: {was:?} to {is:?}");
            assert!(wanted.values().all(|sessions| *sessions == 1));
            (was, at_ms) = (is, now_ms);
        }
    }
    assert!(said * 2 < anew, "{said} said, {anew} anew");
}

/// VMIS-kNN by its definition: the steps of the module's page, with floats and sorts.
fn plain_knn(sessions: &Standing, spec: session_knn::Spec, visit: &[Id]) -> BTreeMap<Id, f64> {
    let window = &visit[visit.len().saturating_sub(spec.last_items)..];
    let mut latest: Vec<(Id, usize)> = Vec::new();
    for (place, &item) in window.iter().rev().enumerate() {
        if latest.iter().all(|(known, _)| *known != item) {
            latest.push((item, place + 1));
        }
    }
    let mut recent: Vec<(u64, u64, &Vec<Id>)> = sessions
        .iter()
        .map(|(&key, (at, seen))| (*at, key, seen))
        .collect();
    recent.sort_unstable_by_key(|&(at, key, _)| std::cmp::Reverse((at, key)));
    let mut named: Vec<usize> = latest
        .iter()
        .flat_map(|(item, _)| {
            let holding = (0..recent.len()).filter(|&n| recent[n].2.contains(item));
            holding.take(spec.sessions).collect::<Vec<_>>()
        })
        .collect();
    named.sort_unstable();
    named.dedup();
    named.truncate(spec.sessions);
    // A posting that an item's cut left out adds nothing to a session that another item named.
    let cut = |item: &Id| {
        let holding = (0..recent.len()).filter(|&n| recent[n].2.contains(item));
        holding.take(spec.sessions).last().unwrap_or(0)
    };
    let mut compared: Vec<(f64, usize, usize)> = named
        .iter()
        .map(|&n| {
            let shared = latest
                .iter()
                .filter(|(item, _)| recent[n].2.contains(item) && n <= cut(item));
            let weight = |place: usize| (window.len() - place + 1) as f64 / latest.len() as f64;
            let similarity = shared.clone().map(|(_, place)| weight(*place)).sum();
            (
                similarity,
                n,
                shared.map(|(_, place)| *place).min().unwrap(),
            )
        })
        .collect();
    compared.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    compared.truncate(spec.neighbours);
    let distinct = |seen: &Vec<Id>| seen.iter().collect::<std::collections::BTreeSet<_>>().len();
    let all: usize = recent.iter().map(|one| distinct(one.2)).sum();
    let mut scores = BTreeMap::new();
    for (similarity, n, place) in compared {
        for &item in recent[n]
            .2
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
        {
            let own = recent.iter().filter(|one| one.2.contains(&item)).count();
            let idf = (all as f64 / own as f64).ln();
            let score = similarity * (1.0 - place as f64 / 10.0) * idf.powf(spec.idf);
            *scores.entry(item).or_insert(0.0) += score;
        }
    }
    scores.retain(|item, score| Some(item) != visit.last() && *score > 0.0);
    scores
}

#[test]
fn neighbours_are_those_of_the_definition() {
    let mut rng = Rng::new(78);
    for (m, k, last_items, idf) in [
        (5, 3, 2, 1.0),
        (40, 10, 4, 2.0),
        (8, 8, 9, 0.0),
        (9, 4, 3, 1.5),
    ] {
        let spec = session_knn::Spec {
            sessions: m,
            neighbours: k,
            last_items,
            idf,
        };
        let mut index = SessionKnn::new(spec);
        let mut standing = Standing::new();
        for key in 0..120 {
            let (at_ms, seen) = (u64::from(rng.below(60)), items(&mut rng));
            index.insert(SessionKey(key), at_ms, &seen);
            standing.insert(key, (at_ms, seen));
        }
        for _ in 0..40 {
            let visit = items(&mut rng);
            let expected = plain_knn(&standing, spec, &visit);
            let found = asked(&index, &visit);
            assert_eq!(found.len(), expected.len().min(20), "{visit:?}");
            for one in found {
                assert!((one.score - expected[&one.item]).abs() < 1e-9, "{visit:?}");
            }
        }
    }
}

/// A session that is longer than the limit counts with its last items.
#[test]
fn a_crawler_does_not_fill_the_memory() {
    let seen: Vec<Id> = (1..=3_000).map(Id).collect();
    let mut index = Rules::new(rules::Spec::ASSOCIATION);
    index.insert(SessionKey(1), 1, &seen);
    let limit = super::SESSION_ITEMS_MAX;
    assert_eq!(index.pairs(), limit * (limit - 1));
    assert!(index.remove(SessionKey(1)));
    assert_eq!((index.pairs(), index.sessions().len()), (0, 0));
}
