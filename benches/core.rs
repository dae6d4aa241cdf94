//! What an event costs in the core, without engine or I/O, by criterion.
//!
//! cargo bench --bench core
//!
//! Every figure is for a stretch of the simulated shop's log, so that sessions, items and phases
//! are as mixed as in a real log; throughput is in events.

mod trees;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use restage::event::{ArrivalMs, Batch, Carry, Event, Lane};
use restage::format::{LaneOptions, LaneRead, LaneReader, LogWriter, Source};
use restage::simulate::{Scratch, Shop, ShopParams};
use restage::visit::decision::{Decision, Digest, Recorder};
use restage::visit::feature::{FEATURE_COUNT, FEATURES, Feature, fill};
use restage::visit::history::History;
use restage::visit::live::Rules;
use restage::visit::model::schedule::Schedule;
use restage::visit::model::{Calibration, Model, ModelFeature, Scorer, Transform, empty_file};
use restage::visit::policy::Policy;
use restage::visit::session::Session;
use restage::visit::visitors::{Output, Step, Visitors};
use restage::visit::wheel::{Timer, Wheel};
use std::hint::black_box;
use std::sync::Arc;
use trees::Random;

const EVENTS: usize = 200_000;

/// A log of the simulated shop: its file and its events.
struct Log {
    file: tempfile::NamedTempFile,
    batches: Vec<Batch>,
}

fn log() -> Log {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let mut writer = LogWriter::create(file.path()).unwrap();
    let mut scratch = Scratch::default();
    for event in Shop::new(ShopParams::default()).take(EVENTS) {
        writer.write(&event.raw(&mut scratch)).unwrap();
    }
    writer.finish().unwrap();
    let batches = read(&Source::Path(file.path().into()), Carry::default());
    Log { file, batches }
}

fn read(source: &Source, carry: Carry) -> Vec<Batch> {
    let options = LaneOptions {
        carry,
        ..LaneOptions::default()
    };
    let mut reader = LaneReader::open(source, Lane(0), &options).unwrap();
    let (mut batches, mut rejects, mut more) = (Vec::new(), Vec::new(), true);
    while more {
        let mut batch = Batch::with_capacity(Batch::EVENTS_MAX);
        more = reader
            .fill(&mut batch, &mut rejects, Batch::EVENTS_MAX)
            .unwrap();
        batches.push(batch);
        rejects.clear();
    }
    batches
}

fn rules(model: Model) -> Arc<Rules> {
    Arc::new(Rules {
        policy: Policy::shipped(),
        models: Schedule::of(model),
        catalogue: None,
    })
}

/// A model of 50 random trees of 16 leaves a head. Its scores mean nothing, but lie where those of
/// a real one do, so that phases and pages move as often.
fn forest() -> Model {
    let mut file = empty_file("forest");
    let feature = |feature: &Feature| ModelFeature {
        name: feature.name.into(),
        unit: feature.unit.into(),
        transform: Transform::Identity,
        mean: 0.0,
        scale: 1.0,
    };
    file.features = FEATURES.iter().map(feature).collect();
    for (seed, head) in [(2, &mut file.purchase), (3, &mut file.abandon)] {
        head.scorer = Scorer::Trees {
            base: 0.0,
            trees: Random(seed).trees(50),
            weights: Vec::new(),
        };
        head.calibration = Calibration::Platt {
            slope: 0.3,
            offset: -2.0,
        };
    }
    Model::of_file(&file, "bench").unwrap()
}

/// Takes decisions and does nothing.
struct Nowhere;

impl Output for Nowhere {
    fn decision(&mut self, decision: &Decision<'_>) {
        black_box(decision);
    }
    fn duplicate(&mut self, _event: &Event) {}
    fn step(&mut self, _step: &Step<'_>) {}
}

/// Writes decisions as JSON lines and digests them.
struct Written {
    recorder: Recorder,
    line: Vec<u8>,
    digest: Digest,
}

impl Output for Written {
    fn decision(&mut self, decision: &Decision<'_>) {
        self.line.clear();
        self.recorder.json(decision, &mut self.line);
        self.digest.add(&self.line);
    }
    fn duplicate(&mut self, _event: &Event) {}
    fn step(&mut self, _step: &Step<'_>) {}
}

fn whole_core(c: &mut Criterion) {
    let log = log();
    let events: usize = log.batches.iter().map(Batch::len).sum();
    let rules = rules(Model::shipped());
    let mut group = c.benchmark_group("core");
    group
        .throughput(Throughput::Elements(events as u64))
        .sample_size(10);
    group.bench_function("parse a CSV log into batches", |b| {
        b.iter(|| read(&Source::Path(log.file.path().into()), Carry::default()).len());
    });
    fn observe(log: &Log, rules: &Arc<Rules>, out: &mut impl Output) -> u64 {
        let mut visitors = Visitors::new(Arc::clone(rules), None, false);
        for event in log.batches.iter().flat_map(Batch::iter) {
            visitors.observe(event, out);
        }
        visitors.finish(out).decisions
    }
    group.bench_function("observe: fold, score, phase, layout", |b| {
        b.iter(|| observe(&log, &rules, &mut Nowhere));
    });
    let by_trees = self::rules(forest());
    group.bench_function("observe, by 50 trees a head", |b| {
        b.iter(|| observe(&log, &by_trees, &mut Nowhere));
    });
    group.bench_function("observe, records written and digested", |b| {
        b.iter_batched(
            || Written {
                recorder: Recorder::of(&rules),
                line: Vec::new(),
                digest: Digest::default(),
            },
            |mut out| observe(&log, &rules, &mut out),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn pieces(c: &mut Criterion) {
    let log = log();
    let rules = rules(Model::shipped());
    // One long session: every event of the first batch as if one visitor had made it.
    let events: Vec<Event> = log.batches[0].events()[..512].to_vec();
    let mut group = c.benchmark_group("pieces");
    group.throughput(Throughput::Elements(events.len() as u64));
    let mut session = Session::default();
    group.bench_function("fold", |b| {
        b.iter(|| {
            session.begin(events[0].time, History::default());
            for event in &events {
                black_box(session.observe(event, &rules.policy.limits.session));
            }
        });
    });
    let mut features = [0.0; FEATURE_COUNT];
    group.throughput(Throughput::Elements(1));
    group.bench_function("features", |b| {
        b.iter(|| fill(black_box(&session), session.last, &mut features));
    });
    group.bench_function("both scores", |b| {
        b.iter(|| rules.models.get(0).score(black_box(&features)))
    });
    group.bench_function("timer set and passed", |b| {
        let mut wheel = Wheel::default();
        let (mut now, mut due) = (1_767_571_200_000u64, Vec::new());
        b.iter(|| {
            now += 1;
            wheel.set(Timer {
                deadline: now + 1_800_000,
                key: 1,
            });
            while wheel.next_due(ArrivalMs(now).0, &mut due) {}
        });
    });
    group.finish();
}

criterion_group!(benches, whole_core, pieces);
criterion_main!(benches);
