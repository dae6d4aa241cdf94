//! What live sessions take: counted by an allocator, and said by the report.

use restage::event::{ArrivalMs, Batch, Carry, Event, Lane};
use restage::format::{LaneOptions, LaneRead, LaneReader, LogWriter, Source};
use restage::simulate::{Scratch, Shop, ShopParams};
use restage::visit::decision::Decision;
use restage::visit::live::Rules;
use restage::visit::model::Model;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::{DEFAULT_POLICY, Policy};
use restage::visit::visitors::{Output, Step, Visitors};
use std::sync::Arc;

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
        visits_per_hour: 60_000.0,
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

/// Visitors after a log.
fn after(batches: &[Batch], policy: &str) -> Visitors {
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
    visitors
}

/// The report leaves out what no session can be charged with: room that tables have to spare. So the
/// allocator counts more, but not much.
#[test]
fn a_live_session_takes_little_more_than_the_report_says() {
    let batches = crowd(120_000);
    // Next to no event ids and no visitors are remembered: what is counted are sessions.
    let forgetful = DEFAULT_POLICY
        .replace("histories = 4_194_304", "histories = 256")
        .replace("event_ids = 1_048_576", "event_ids = 256");
    let held = |batches: &[Batch]| {
        let mut kept = None;
        let counted = allocation_counter::measure(|| kept = Some(after(batches, &forgetful)));
        (kept.unwrap(), counted.bytes_current)
    };
    let ((visitors, full), (_, empty)) = (held(&batches), held(&[]));
    let (live, tally) = (visitors.live(), visitors.tally());
    let counted = (full - empty) as u64 / live;
    let told = tally.state_bytes / tally.state_sessions;
    assert!(live > 10_000, "{live}");
    assert!(told < 385, "{told} bytes a session by the report");
    assert!(counted < 600, "{counted} bytes a session by the allocator");
}
