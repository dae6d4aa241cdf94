//! What a score costs: sums of trees alone and in batches, their explanation, and the logistic
//! model to compare with; by criterion.
//!
//! cargo bench --bench score
//!
//! Every figure is for one row, over rows that all differ, a tenth of their values missing.

mod trees;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restage::visit::feature::FEATURE_COUNT;
use restage::visit::model::Model;
use restage::visit::model::forest::Forest;
use restage::visit::model::shapley::Explainer;
use std::hint::black_box;
use trees::Random;

const ROWS: usize = 4096;

fn rows() -> Vec<[f64; FEATURE_COUNT]> {
    let mut random = Random(1);
    (0..ROWS).map(|_| random.row()).collect()
}

fn forests(criterion: &mut Criterion) {
    let rows = rows();
    let mut group = criterion.benchmark_group("forest");
    group.throughput(Throughput::Elements(ROWS as u64));
    for count in [25, 100, 400] {
        let forest = Forest::new(0.0, &Random(2).trees(count));
        group.bench_function(format!("{count} trees, single"), |bench| {
            let score = |row: &[f64; FEATURE_COUNT]| forest.log_odds(black_box(row));
            bench.iter(|| rows.iter().map(score).sum::<f64>());
        });
        for batch in [8, 64] {
            let mut out = vec![0.0; batch];
            group.bench_function(format!("{count} trees, batch of {batch}"), |bench| {
                bench.iter(|| {
                    for rows in rows.chunks(batch) {
                        let rows = black_box(rows.as_flattened());
                        forest.log_odds_of_rows(rows, FEATURE_COUNT, &mut out);
                        black_box(&out);
                    }
                });
            });
        }
    }
    group.finish();
}

/// Purchase and abandonment, one forest each.
fn pairs(criterion: &mut Criterion) {
    let rows = rows();
    let pair = [2, 3].map(|seed| Forest::new(0.0, &Random(seed).trees(100)));
    let mut group = criterion.benchmark_group("two forests of 100");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("single", |bench| {
        let score = |row: &[f64; FEATURE_COUNT]| {
            let [purchase, abandon] = &pair;
            purchase.log_odds(black_box(row)) + abandon.log_odds(black_box(row))
        };
        bench.iter(|| rows.iter().map(score).sum::<f64>());
    });
    for batch in [8, 64] {
        let mut out = vec![0.0; batch];
        group.bench_function(format!("batch of {batch}"), |bench| {
            bench.iter(|| {
                for rows in rows.chunks(batch) {
                    for forest in &pair {
                        let rows = black_box(rows.as_flattened());
                        forest.log_odds_of_rows(rows, FEATURE_COUNT, &mut out);
                        black_box(&out);
                    }
                }
            });
        });
    }
    group.finish();
}

fn explanations(criterion: &mut Criterion) {
    let rows = rows();
    let mut group = criterion.benchmark_group("shapley");
    group.throughput(Throughput::Elements(ROWS as u64));
    for count in [25, 100, 400] {
        let explainer = Explainer::new(0.0, &Random(2).trees(count), FEATURE_COUNT);
        let mut out = [0.0; FEATURE_COUNT];
        group.bench_function(format!("{count} trees"), |bench| {
            bench.iter(|| {
                for row in &rows {
                    explainer.contributions(black_box(row), &mut out);
                    black_box(&out);
                }
            });
        });
    }
    group.finish();
}

fn logistic(criterion: &mut Criterion) {
    let (rows, model) = (rows(), Model::shipped());
    let mut group = criterion.benchmark_group("logistic");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("both scores", |bench| {
        bench.iter(|| {
            for row in &rows {
                black_box(model.score(black_box(row)));
            }
        });
    });
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default().sample_size(20)
}

criterion_group! {
    name = score;
    config = quick();
    targets = forests, pairs, explanations, logistic
}
criterion_main!(score);
