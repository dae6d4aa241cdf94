//! The hot path allocates nothing: once sessions and their tables are there, an event is folded,
//! scored and decided upon without touching the heap.

use restage::event::{
    ArrivalMs, Device, Event, EventMs, EventRef, Id, Kind, Lane, Micros, Offset, Texts, VisitorId,
};
use restage::visit::decision::{Decision, Recorder};
use restage::visit::live::Rules;
use restage::visit::model::Model;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::Policy;
use restage::visit::visitors::{Output, Step, Visitors};
use std::sync::Arc;

struct Lines {
    recorder: Recorder,
    line: Vec<u8>,
    decisions: usize,
}

impl Output for Lines {
    fn decision(&mut self, decision: &Decision<'_>) {
        self.line.clear();
        self.recorder.json(decision, &mut self.line);
        self.decisions += 1;
    }
    fn duplicate(&mut self, _event: &Event) {}
    fn step(&mut self, _step: &Step<'_>) {}
}

/// The `at`-th event of fifty visitors who walk through the same twenty items again and again,
/// put some into the cart and take them out again.
fn event(at: u64) -> Event {
    let kinds = [
        Kind::ItemView,
        Kind::Dwell,
        Kind::AddToCart,
        Kind::Scroll,
        Kind::ViewCart,
        Kind::RemoveFromCart,
        Kind::Click,
    ];
    let round = at / 50;
    let now = 1_767_571_200_000 + at * 400;
    Event {
        arrival: ArrivalMs(now),
        time: EventMs(now),
        offset: Offset(at),
        line: at + 1,
        visitor: VisitorId(at % 50 + 1),
        session: Id::NONE,
        item: Id(round / 7 % 20 + 1),
        category: Id(round / 7 % 5 + 1),
        event_id: Id::NONE,
        price: Micros::new(20_000_000),
        value: Micros::new(500_000),
        quantity: 1,
        lane: Lane(0),
        kind: kinds[(round % 7) as usize],
        device: Device::Unknown,
    }
}

#[test]
fn an_event_of_a_known_session_allocates_nothing() {
    let rules = Arc::new(Rules {
        policy: Policy::shipped(),
        models: Schedule::of(Model::shipped()),
        catalogue: None,
    });
    let mut out = Lines {
        recorder: Recorder::of(&rules),
        line: Vec::with_capacity(4096),
        decisions: 0,
    };
    let mut visitors = Visitors::new(rules, None, false);
    let texts = Texts {
        visitor: b"somebody",
        ..Texts::default()
    };
    let mut feed = |range: std::ops::Range<u64>, out: &mut Lines| {
        for at in range {
            let event = event(at);
            visitors.observe(
                EventRef {
                    event: &event,
                    texts,
                },
                out,
            );
        }
    };
    feed(0..20_000, &mut out);
    let before = out.decisions;
    let counted = allocation_counter::measure(|| feed(20_000..40_000, &mut out));
    assert_eq!(
        counted.count_total, 0,
        "20,000 events allocated {counted:?}"
    );
    assert!(before > 50, "the visitors were decided upon: {before}");
}
