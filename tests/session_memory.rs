//! What live sessions take: counted by an allocator, said by the report, and as bytes in a snapshot,
//! which have to stay what they are however sessions lie in memory.

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

/// The report leaves out what no session can be charged with: room that tables have to spare. So the
/// allocator counts more, but not much.
#[test]
fn a_live_session_takes_little_more_than_the_report_says() {
    let batches = crowd(40_000);
    // Next to no event ids and no visitors are remembered: what is counted are sessions.
    let forgetful = DEFAULT_POLICY
        .replace("histories = 4_194_304", "histories = 256")
        .replace("event_ids = 1_048_576", "event_ids = 256");
    let held = |batches: &[Batch]| {
        let mut kept = None;
        let counted = allocation_counter::measure(|| kept = Some(after(batches, &forgetful).0));
        (kept.unwrap(), counted.bytes_current)
    };
    let ((visitors, full), (_, empty)) = (held(&batches), held(&[]));
    let (live, tally) = (visitors.live(), visitors.tally());
    let counted = (full - empty) as u64 / live;
    let told = tally.state_bytes / tally.state_sessions;
    assert!(live > 5_000, "{live}");
    assert!(told < 385, "{told} bytes a session by the report");
    assert!(counted < 460, "{counted} bytes a session by the allocator");
}
