//! The hot path allocates nothing: once sessions and their tables are there, an event is folded,
//! scored and decided upon without touching the heap. Nor does it on its whole way, from the row of a log
//! through the exchange to its session: what is allocated there is allocated by the batch.

use restage::event::{
    ArrivalMs, Batch, Device, Event, EventMs, EventRef, Id, Kind, Lane, Micros, Offset, Texts,
    VisitorId,
};
use restage::flow::assembly::assemble;
use restage::flow::container::Spares;
use restage::flow::sessions::SessionsSpec;
use restage::flow::sink::Collected;
use restage::format::{LaneOptions, LaneRead, LaneReader};
use restage::visit::decision::{Decision, Recorder};
use restage::visit::live::Rules;
use restage::visit::model::Model;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::Policy;
use restage::visit::visitors::{Output, Step, Visitors};
use std::cell::RefCell;
use std::fmt::Write;
use std::io::Cursor;
use std::rc::Rc;
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

/// The same events as rows of a log.
fn rows(range: std::ops::Range<u64>) -> String {
    let mut text = "arrival_ms,event_ms,visitor,kind,item,category,price,value\n".to_owned();
    for at in range {
        let event = event(at);
        let (now, kind) = (event.arrival.0, event.kind.name());
        let (visitor, round) = (event.visitor.0, at / 50);
        let (item, category) = (round / 7 % 20, round / 7 % 5);
        writeln!(
            text,
            "{now},{now},v{visitor},{kind},i{item},c{category},20,0.5"
        )
        .unwrap();
    }
    text
}

/// Allocations of a worker while 20,000 events go from rows to their sessions, after as many before.
fn allocated_on_the_way(workers: usize) -> Vec<u64> {
    const EVENTS: u64 = 20_000;
    let text = rows(0..4 * EVENTS);
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let rules = Arc::new(Rules {
            policy: Policy::shipped(),
            models: Schedule::of(Model::shipped()),
            catalogue: None,
        });
        let collected = Rc::new(RefCell::new(Collected::default()));
        let mut job = assemble(worker, &SessionsSpec::of(rules), &collected, None);
        let bytes = Box::new(Cursor::new(text.clone().into_bytes()));
        let options = LaneOptions::default();
        let mut lane = LaneReader::over("log", bytes, Lane(0), &options).unwrap();
        let (mut batch, mut rejects, mut read) = (Batch::default(), Vec::new(), 0);
        let feeds = worker.index() == 0;
        let mut feed = |worker: &mut timely::worker::Worker, until: u64, spares: &Spares<Batch>| {
            while read < until {
                if batch.capacity() == 0 {
                    batch = spares.take().unwrap_or_default();
                }
                lane.fill(&mut batch, &mut rejects, Batch::EVENTS_MAX)
                    .unwrap();
                read += batch.len() as u64;
                let now_ms = lane.clock().0;
                if feeds {
                    job.inputs.events.send_batch(&mut batch);
                }
                batch.clear();
                job.inputs.events.advance_to(now_ms);
                job.inputs.emissions.advance_to(now_ms);
                while job.probe.less_than(&now_ms) {
                    worker.step();
                }
            }
        };
        let spares = job.spare_batches.clone();
        feed(worker, 2 * EVENTS, &spares);
        let counted = allocation_counter::measure(|| feed(worker, 3 * EVENTS, &spares));
        counted.count_total
    })
    .unwrap();
    let each = guards.join().into_iter();
    each.map(|counted| counted.unwrap()).collect()
}

#[test]
fn an_event_on_its_way_from_its_row_to_its_session_allocates_nothing() {
    for workers in [1, 2] {
        for allocated in allocated_on_the_way(workers) {
            // Five batches of 4,096 events: what is allocated for each of them, and nothing by the event.
            assert!(
                allocated < 2_000,
                "{workers} workers allocated {allocated} times"
            );
        }
    }
}
