//! What a score costs: sums of trees alone and in batches, their explanation, and the logistic
//! model to compare with; by criterion.
//!
//! cargo bench --bench score
//!
//! Trees are random but of the shape that boosting grows: 16 leaves, some features asked far more
//! often than others, half of the thresholds shared. Every figure is for one row, over rows that
//! all differ, a tenth of their values missing.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restage::visit::feature::FEATURE_COUNT;
use restage::visit::model::Model;
use restage::visit::model::forest::Forest;
use restage::visit::model::shapley::Explainer;
use restage::visit::model::tree::{Child, Missing, Tree};
use std::hint::black_box;

const LEAVES: usize = 16;
const ROWS: usize = 4096;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn unit(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1u64 << 53) as f64
    }

    fn tree(&mut self) -> Tree {
        let mut tree = Tree::constant(self.unit() - 0.5, 100.0);
        let mut parent: Vec<Option<(usize, bool)>> = vec![None];
        for node in 0..LEAVES - 1 {
            let split = self.below(node as u64 + 1) as usize;
            match parent[split] {
                Some((above, true)) => tree.left[above] = Child::Inner(node as u32),
                Some((above, false)) => tree.right[above] = Child::Inner(node as u32),
                None => {}
            }
            parent[split] = Some((node, true));
            parent.push(Some((node, false)));
            tree.left.push(Child::Leaf(split as u32));
            tree.right.push(Child::Leaf(node as u32 + 1));
            let column = self.unit() * self.unit() * FEATURE_COUNT as f64;
            tree.feature.push(column as u32);
            tree.threshold.push(self.below(128) as f64 / 2.0);
            let left = self.below(2) == 0;
            tree.missing
                .push(if left { Missing::Left } else { Missing::Right });
            tree.value.push(self.unit() - 0.5);
            tree.cover.push(1.0 + self.unit() * 100.0);
        }
        tree
    }

    fn trees(&mut self, count: usize) -> Vec<Tree> {
        (0..count).map(|_| self.tree()).collect()
    }

    fn row(&mut self) -> [f64; FEATURE_COUNT] {
        std::array::from_fn(|_| match self.below(10) {
            0 => f64::NAN,
            _ => self.below(70) as f64,
        })
    }
}

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
