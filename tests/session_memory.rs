//! What live sessions take: counted by an allocator, and said by the report.

mod common;

use common::simulated_by;
use restage::bench::held::HeldLog;
use restage::event::{ArrivalMs, Event};
use restage::format::{LaneOptions, Source};
use restage::simulate::ShopParams;
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
fn crowd(events: usize) -> HeldLog {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let params = ShopParams {
        visits_per_hour: 60_000.0,
        ..ShopParams::default()
    };
    simulated_by(file.path(), params, events);
    HeldLog::read(&[Source::Path(file.path().into())], &LaneOptions::default()).unwrap()
}

/// Visitors after the first events of a log.
fn after(log: &HeldLog, events: usize, policy: &str) -> Visitors {
    let rules = Arc::new(Rules {
        policy: Policy::read(policy).unwrap(),
        models: Schedule::of(Model::shipped()),
        catalogue: None,
    });
    let mut visitors = Visitors::new(rules, None, false);
    let mut now = ArrivalMs(0);
    for event in (0..events).map(|at| log.get(at)) {
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
    let log = crowd(120_000);
    // Next to no event ids and no visitors are remembered: what is counted are sessions.
    let forgetful = DEFAULT_POLICY
        .replace("histories = 4_194_304", "histories = 256")
        .replace("event_ids = 1_048_576", "event_ids = 256");
    let held = |events: usize| {
        let mut kept = None;
        let counted = allocation_counter::measure(|| kept = Some(after(&log, events, &forgetful)));
        (kept.unwrap(), counted.bytes_current)
    };
    let ((visitors, full), (_, empty)) = (held(log.len()), held(0));
    let (live, tally) = (visitors.live(), visitors.tally());
    let counted = (full - empty) as u64 / live;
    let told = tally.state_bytes / tally.state_sessions;
    assert!(live > 10_000, "{live}");
    assert!(told < 385, "{told} bytes a session by the report");
    assert!(counted < 600, "{counted} bytes a session by the allocator");
}
