//! What a product ranker costs with a million sessions in its index: bytes a session, and the tail of
//! a recommendation, an insert, a removal and a close. Percentiles are wanted, which criterion does
//! not give, so this measures by itself: every call once, by the monotonic clock.
//!
//! cargo bench --bench rank                    # a million sessions of ten events, some minutes
//! RANK_SESSIONS=50000 cargo bench --bench rank
//! RANK_ONLY=session_knn cargo bench --bench rank
//!
//! Memory is what the process grew by: of several rankers in one run only the first is exact, because
//! the next may use what it gave back.
//!
//! The sessions are drawn: a first item by Zipf's law from 100,000, then mostly items near it, else
//! others by the same law. One session arrives a second. The same seed gives the same sessions.

use restage::event::Id;
use restage::rng::Rng;
use restage::visit::rank::rules::{Rules, Spec};
use restage::visit::rank::session_knn::SessionKnn;
use restage::visit::rank::trending::Trending;
use restage::visit::rank::{Index, Scored, Scratch, SessionKey};
use std::hint::black_box;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ITEMS: u32 = 100_000;
const EVENTS: usize = 10;
/// Calls of each kind that are measured.
const CALLS: usize = 20_000;
/// Sessions that end between two closes: a quantum's worth in a busy shop.
const BETWEEN_CLOSES: usize = 1_000;

/// A session's items.
fn items(rng: &mut Rng, out: &mut Vec<Id>) {
    out.clear();
    let first = rng.zipf(ITEMS);
    for _ in 0..EVENTS {
        let near = rng.chance(0.7);
        let rank = if near {
            (first + rng.below(50)) % ITEMS
        } else {
            rng.zipf(ITEMS)
        };
        out.push(Id::of(&rank.to_le_bytes()));
    }
}

fn key(n: usize) -> SessionKey {
    SessionKey(restage::event::mix(n as u64))
}

/// Memory in use now, in bytes; 0 where the system does not say.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1);
    pages
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * 4096
}

/// Measures each of `calls` calls.
fn measure(name: &str, calls: usize, mut call: impl FnMut(usize)) {
    let mut took: Vec<Duration> = (0..calls)
        .map(|n| {
            let started = Instant::now();
            call(n);
            started.elapsed()
        })
        .collect();
    took.sort_unstable();
    let at = |share: f64| took[((calls as f64 * share) as usize).min(calls - 1)].as_nanos() as f64;
    println!(
        "  {name:<10} p50 {:>9.1} µs, p90 {:>9.1} µs, p99 {:>9.1} µs, max {:>9.1} µs",
        at(0.5) / 1e3,
        at(0.9) / 1e3,
        at(0.99) / 1e3,
        at(1.0) / 1e3
    );
}

fn run(name: &str, sessions: usize, mut index: Box<dyn Index>) {
    let (mut rng, mut seen) = (Rng::new(1), Vec::new());
    let before = resident();
    let started = Instant::now();
    for n in 0..sessions {
        items(&mut rng, &mut seen);
        index.insert(key(n), n as u64 * 1_000, &seen);
    }
    index.close(sessions as u64 * 1_000);
    let bytes = resident().saturating_sub(before) as usize;
    println!(
        "{name}: {sessions} sessions in {:.1} s; {:.0} MB, {} bytes a session",
        started.elapsed().as_secs_f64(),
        bytes as f64 / 1e6,
        bytes / sessions
    );
    let drawn: Vec<Vec<Id>> = (0..CALLS)
        .map(|_| {
            items(&mut rng, &mut seen);
            seen.clone()
        })
        .collect();
    let (mut scratch, mut out) = (Scratch::default(), Vec::<Scored>::new());
    measure("recommend", CALLS, |n| {
        let visit = &drawn[n][..1 + n % EVENTS];
        index.recommend(visit, 20, &mut scratch, &mut out);
        black_box(&out);
    });
    measure("insert", CALLS, |n| {
        let n_new = sessions + n;
        index.insert(key(n_new), n_new as u64 * 1_000, &drawn[n]);
    });
    let erased: Vec<usize> = (0..CALLS)
        .map(|_| rng.below(sessions as u32) as usize)
        .collect();
    measure("erase", CALLS, |n| {
        black_box(index.remove(key(erased[n])));
    });
    measure("expire", CALLS, |n| {
        black_box(index.expire(n as u64 * 1_000));
    });
    index.close(sessions as u64 * 1_000);
    let mut closes = Vec::new();
    for close in 0..20 {
        for n in 0..BETWEEN_CLOSES {
            let n_new = sessions + CALLS + close * BETWEEN_CLOSES + n;
            items(&mut rng, &mut seen);
            index.insert(key(n_new), n_new as u64 * 1_000, &seen);
        }
        let started = Instant::now();
        let changes = index.close((sessions + CALLS + (close + 1) * BETWEEN_CLOSES) as u64 * 1_000);
        closes.push((started.elapsed(), changes.len()));
    }
    closes.sort_unstable();
    let (took, changed) = closes[closes.len() / 2];
    println!(
        "  close      {:.1} ms after {BETWEEN_CLOSES} sessions (median of {}), {changed} lists changed",
        took.as_secs_f64() * 1e3,
        closes.len()
    );
}

fn main() {
    let sessions = std::env::var("RANK_SESSIONS").map_or(1_000_000, |text| {
        text.parse().expect("RANK_SESSIONS is a number of sessions")
    });
    let only = std::env::var("RANK_ONLY").unwrap_or_default();
    type Make = fn() -> Box<dyn Index>;
    let rankers: [(&str, Make); 4] = [
        ("session_knn", || {
            Box::new(SessionKnn::new(Default::default()))
        }),
        ("association_rules", || {
            Box::new(Rules::new(Spec::ASSOCIATION))
        }),
        ("sequential_rules", || {
            Box::new(Rules::new(Spec::SEQUENTIAL))
        }),
        ("trending", || Box::new(Trending::new(Default::default()))),
    ];
    for (name, make) in rankers {
        if name.contains(&only) {
            run(name, sessions, make());
        }
    }
}
