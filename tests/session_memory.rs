//! What live sessions take as bytes in a snapshot, which have to stay what they are however sessions lie
//! in memory.

use restage::event::{ArrivalMs, BINS, Batch, Carry, Event, Lane};
use restage::format::{LaneOptions, LaneRead, LaneReader, LogWriter, Source};
use restage::simulate::{Scratch, Shop, ShopParams};
use restage::visit::decision::Decision;
use restage::visit::live::Rules;
use restage::visit::model::Model;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::{DEFAULT_POLICY, LEARNING_POLICY, Policy};
use restage::visit::visitors::{Output, Step, Visitors};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

struct Nowhere;

impl Output for Nowhere {
    fn decision(&mut self, _decision: &Decision<'_>) {}
    fn duplicate(&mut self, _event: &Event) {}
    fn step(&mut self, _step: &Step<'_>) {}
}

/// The first events of the simulated shop, so busy that most of its sessions are live at the end.
fn crowd(events: usize) -> Vec<Batch> {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let mut writer = LogWriter::create(file.path()).unwrap();
    let mut scratch = Scratch::default();
    let params = ShopParams {
        visits_per_hour: 20_000.0,
        ..ShopParams::default()
    };
    for event in Shop::new(params).take(events) {
        writer.write(&event.raw(&mut scratch)).unwrap();
    }
    writer.finish().unwrap();
    let options = LaneOptions {
        carry: Carry::default(),
        ..LaneOptions::default()
    };
    let source = Source::Path(file.path().into());
    let mut reader = LaneReader::open(&source, Lane(0), &options).unwrap();
    let (mut batches, mut rejects, mut more) = (Vec::new(), Vec::new(), true);
    while more {
        let mut batch = Batch::with_capacity(Batch::EVENTS_MAX);
        more = reader
            .fill(&mut batch, &mut rejects, Batch::EVENTS_MAX)
            .unwrap();
        batches.push(batch);
    }
    batches
}

/// Visitors after a log, and when that was.
fn after(batches: &[Batch], policy: &str) -> (Visitors, ArrivalMs) {
    let rules = Arc::new(Rules {
        policy: Policy::read(policy).unwrap(),
        models: Schedule::of(Model::shipped()),
        catalogue: None,
    });
    let mut visitors = Visitors::new(rules, None, false);
    let mut now = ArrivalMs(0);
    for event in batches.iter().flat_map(Batch::iter) {
        now = event.event.arrival;
        visitors.observe(event, &mut Nowhere);
    }
    visitors.advance(now, &mut Nowhere);
    (visitors, now)
}

/// Snapshots are read by later releases.
#[test]
fn sessions_are_put_by_in_the_same_bytes_as_ever() {
    let batches = crowd(40_000);
    let by_log = format!("{LEARNING_POLICY}\n[session]\nsource = \"log\"\n");
    for (policy, bytes, digest) in [
        (DEFAULT_POLICY, 1_394_084, 9_669_472_058_704_400_371),
        (&by_log, 3_624_026, 14_675_543_380_116_756_756),
    ] {
        let (visitors, now) = after(&batches, policy);
        let bins = (0..BINS).map(|bin| visitors.save_bin(bin, now));
        let saved: Vec<u8> = bins
            .flat_map(|bin| postcard::to_allocvec(&bin).unwrap())
            .collect();
        assert_eq!((saved.len(), xxh3_64(&saved)), (bytes, digest));
    }
}
