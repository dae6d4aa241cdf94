//! What a table of weights costs, by criterion: shares by method, layouts, and a look of the kill
//! switch.
//!
//! cargo bench --bench learn

use criterion::{Criterion, criterion_group, criterion_main};
use restage::visit::learn::best::beta_best;
use restage::visit::learn::layout::weight_count;
use restage::visit::learn::pairwise::{Spec, layouts};
use restage::visit::learn::safety::surely_worse;
use restage::visit::learn::spec::{Family, LearnSpec, Method};
use restage::visit::learn::stat::Stat;
use restage::visit::learn::weights::weigh;
use std::hint::black_box;

fn conversions(trials: i64, rewarded: i64) -> Stat {
    Stat {
        trials,
        reward: rewarded * 1_000_000,
        square: i128::from(rewarded) * 1_000_000_000_000,
    }
}

/// Arms of about 3 % in a leaf of some thousand exposures.
fn weights(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("weigh");
    for arms in [4, 16] {
        let leaf: Vec<Stat> = (0..arms).map(|n| conversions(2_000 + n, 60 + n)).collect();
        let slot: Vec<Stat> = (0..arms)
            .map(|n| conversions(20_000 + n, 600 + 2 * n))
            .collect();
        for (family, method, name) in [
            (Family::Bernoulli, Method::Thompson, "thompson-beta"),
            (Family::Normal, Method::Thompson, "thompson-normal"),
            (
                Family::Bernoulli,
                Method::Softmax { temperature: 0.1 },
                "softmax",
            ),
        ] {
            let spec = LearnSpec {
                method,
                floor_ppm: 10_000,
                warm_up: 100,
                heterogeneity: 0.15,
                settle: 0.0,
                kill: None,
                holdout_ppm: 0,
            };
            group.bench_function(format!("{name}/{arms}"), |bencher| {
                bencher.iter(|| weigh(black_box(&leaf), &slot, u16::MAX, &spec, family));
            });
        }
    }
    // Sixteen arms, each known twice as well as the one before: the most panels.
    let widths: Vec<(f64, f64)> = (0..16)
        .map(|n| f64::from(100u32 << n))
        .map(|size| (1.0 + 0.03 * size, 1.0 + 0.97 * size))
        .collect();
    group.bench_function("all-widths/16", |bencher| {
        let mut out = [0.0; 16];
        bencher.iter(|| beta_best(black_box(&widths), &mut out));
    });
    group.finish();
}

fn whole_layouts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layouts");
    group.sample_size(20);
    for arms in [vec![4; 4], vec![3; 8]] {
        let cells: Vec<(u32, Stat)> = (0..arms.iter().product::<usize>().min(2_000))
            .map(|code| (code as u32, conversions(100, 3 + code as i64 % 4)))
            .collect();
        let open: Vec<u16> = arms.iter().map(|&arms| (1 << arms) - 1).collect();
        group.bench_function(format!("{}-weights", weight_count(&arms)), |bencher| {
            bencher.iter(|| layouts(black_box(&cells), &arms, &open, &Spec::default(), 1));
        });
    }
    group.finish();
}

fn kill_switch(criterion: &mut Criterion) {
    let held = conversions(5_000, 150);
    for (name, rewarded) in [("kill/sound", 148), ("kill/bad", 40)] {
        let arm = conversions(5_000, rewarded);
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| surely_worse(black_box(&arm), &held, 0.0, 0.01));
        });
    }
}

criterion_group!(benches, weights, whole_layouts, kill_switch);
criterion_main!(benches);
