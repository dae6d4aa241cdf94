//! How long an epoch takes while the state of 200,000 live sessions is put by, and while it is not.
//!
//! cargo bench --bench snapshots -- [--plot DIR] [--sessions N]
//!
//! The job in this thread, with its writer on a thread of its own and a real disk below, is handed
//! epochs of one millisecond with twenty events each, all of visitors that are live; the clock is read
//! around each epoch, from its events to the moment at which everything in it is decided. Two runs over
//! the same epochs: in one, snapshots begin every 300 ms of the wall's clock, in the other none does.
//! Percentiles over all epochs; the plot shows the longest of every hundred.
//!
//! Then epochs come at their own pace, one every millisecond, and what is timed is how long the decisions
//! of an epoch take until they are made, and until the row that names them is synced.

use plotters::style::RGBColor;
use restage::event::{
    ArrivalMs, Batch, Device, Event, EventMs, Id, Kind, Lane, Micros, Offset, Texts, VisitorId,
    hash_text, mix,
};
use restage::flow::assembly::assemble;
use restage::flow::durable::keeper::{Begin, Files, Keeper};
use restage::flow::durable::rounds::Rounds;
use restage::flow::durable::{Durability, Order};
use restage::flow::sessions::{Lines, SessionsSpec};
use restage::flow::sink::Collected;
use restage::flow::source::Inputs;
use restage::log::disk::Disk;
use restage::log::{Options, Totals, open};
use restage::plot::scale::Scale;
use restage::plot::sheet::{BLUE, Face, Frame, GRID, Hold, Sheet, VERMILION};
use restage::visit::live::Rules;
use restage::visit::model::Model;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::Policy;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

const START_MS: u64 = 1_767_571_200_000;
const EPOCHS: u64 = 30_000;
const EVENTS_AN_EPOCH: u64 = 20;

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let at = given.iter().position(|argument| argument == name)?;
        given.get(at + 1).cloned()
    };
    let sessions = after("--sessions").map_or(200_000, |text| text.parse().expect("a number"));
    let (off, _) = run(sessions, Duration::from_secs(3_600));
    let (on, snapshots) = run(sessions, Duration::from_millis(300));
    println!("{sessions} live sessions, {EPOCHS} epochs of {EVENTS_AN_EPOCH} events; µs an epoch:");
    println!("  no snapshots    {}", percentiles(&off));
    println!("  snapshots: {snapshots:3}  {}", percentiles(&on));
    let (made, synced) = paced(sessions);
    println!("an epoch every millisecond, those with decisions; µs:");
    println!("  decided         {}", percentiles(&made));
    println!("  committed       {}", percentiles(&synced));
    if let Some(dir) = after("--plot") {
        let path = std::path::Path::new(&dir).join("snapshots-latency.svg");
        std::fs::write(
            path,
            plot(&off, &on, sessions).expect("SVG is drawn in memory"),
        )
        .expect("the plot can be written");
    }
}

/// The job on one worker in this thread.
struct Job {
    worker: Worker,
    inputs: Inputs,
    probe: ProbeHandle<u64>,
    collected: Rc<RefCell<Collected>>,
    now_ms: u64,
    snapshots: usize,
    _dir: tempfile::TempDir,
}

impl Job {
    /// A job in which so many sessions are live, and a snapshot begins every so often.
    fn new(sessions: u64, every: Duration) -> Job {
        let dir = tempfile::tempdir().expect("a folder for the state");
        let rules = Arc::new(Rules {
            policy: Policy::read(include_str!("../data/learning.toml")).expect("it is whole"),
            models: Schedule::of(Model::shipped()),
            catalogue: None,
        });
        let durability = Durability {
            every,
            resume: None,
            journal: String::new(),
        };
        let spec = SessionsSpec {
            lines: Lines::Json,
            durability: Some(durability),
            ..SessionsSpec::of(Arc::clone(&rules))
        };
        let options = Options {
            segment_bytes_max: 64 << 20,
            outlet: None,
        };
        let opened = open(Files::from_env(Disk), dir.path(), 1, options).expect("an empty folder");
        let begin = Begin {
            from_ms: 0,
            totals: Totals::default(),
            committed: Vec::new(),
            rounds: Rounds::new(every, rules.policy.quantum_ms, (1, true), 0),
            policies: vec![(0, rules.policy.label.clone())],
            milestones: None,
        };
        let collected = Rc::new(RefCell::new(Collected {
            keeper: Some(Keeper::new(opened.writer, begin)),
            ..Collected::default()
        }));
        let allocator = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()));
        let assembly = assemble(&mut worker, &spec, &collected, None);
        let mut job = Job {
            worker,
            inputs: assembly.inputs,
            probe: assembly.probe,
            collected,
            now_ms: START_MS,
            snapshots: 0,
            _dir: dir,
        };
        job.inputs.bins = None;
        // Everybody comes within some minutes, and stays.
        let mut batch = Batch::default();
        for visitor in 0..sessions {
            push(&mut batch, visitor, job.now_ms, visitor);
            if visitor % 1_000 == 999 {
                job.serve(&mut batch, 1_000);
                batch = Batch::default();
            }
        }
        job
    }

    /// Hands over events, moves time on by `ms`, and waits until all before is decided.
    fn serve(&mut self, events: &mut Batch, ms: u64) {
        self.now_ms += ms;
        let until_ms = self.now_ms;
        self.inputs.events.send_batch(events);
        self.inputs.events.advance_to(until_ms);
        self.inputs.emissions.advance_to(until_ms);
        let orders = self
            .inputs
            .orders
            .as_mut()
            .expect("a durable run has orders");
        orders.advance_to(until_ms);
        if let Some(keeper) = &mut self.collected.borrow_mut().keeper
            && let Some(order) = keeper.next_order(until_ms)
        {
            self.snapshots += usize::from(matches!(order, Order::End(_)));
            orders.send((0, order));
            orders.flush();
        }
        while self.probe.less_than(&until_ms) {
            self.worker.step();
        }
    }

    /// The events of an epoch, all of visitors that are live.
    fn events(&self, epoch: u64, sessions: u64) -> Batch {
        let mut batch = Batch::default();
        for event in 0..EVENTS_AN_EPOCH {
            let number = epoch * EVENTS_AN_EPOCH + event;
            push(
                &mut batch,
                mix(number) % sessions,
                self.now_ms,
                sessions + number,
            );
        }
        batch
    }

    /// The epochs of the last row handed over and of the last one committed.
    fn stands(&self) -> (u64, u64) {
        let collected = self.collected.borrow();
        collected.keeper.as_ref().map_or((0, 0), Keeper::stands)
    }
}

/// Time of each epoch in µs, and how many snapshots were completed.
fn run(sessions: u64, every: Duration) -> (Vec<f64>, usize) {
    let mut job = Job::new(sessions, every);
    let mut times = Vec::with_capacity(EPOCHS as usize);
    for epoch in 0..EPOCHS {
        let mut batch = job.events(epoch, sessions);
        let start = Instant::now();
        job.serve(&mut batch, 1);
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    (times, job.snapshots)
}

/// Of epochs that come one a millisecond, with snapshots every five seconds: until their decisions are
/// made, and until they are committed, in µs.
fn paced(sessions: u64) -> (Vec<f64>, Vec<f64>) {
    let mut job = Job::new(sessions, Duration::from_secs(5));
    let (mut made, mut synced) = (Vec::new(), Vec::new());
    let mut open: VecDeque<(u64, Instant)> = VecDeque::new();
    let begin = Instant::now();
    for epoch in 0..EPOCHS / 2 {
        let mut batch = job.events(epoch, sessions);
        let start = Instant::now();
        job.serve(&mut batch, 1);
        if job.stands().0 == job.now_ms {
            made.push(start.elapsed().as_secs_f64() * 1e6);
            open.push_back((job.now_ms, start));
        }
        let next = begin + Duration::from_millis(epoch + 1);
        loop {
            let (_, committed_ms) = job.stands();
            while open.front().is_some_and(|(ms, _)| *ms <= committed_ms) {
                let (_, start) = open.pop_front().expect("there is one");
                synced.push(start.elapsed().as_secs_f64() * 1e6);
            }
            if Instant::now() >= next {
                break;
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }
    (made, synced)
}

/// An item view, or now and then an addition to the cart.
fn push(batch: &mut Batch, visitor: u64, at_ms: u64, number: u64) {
    let text = format!("visitor-{visitor}");
    let event = Event {
        arrival: ArrivalMs(at_ms),
        time: EventMs(at_ms),
        offset: Offset(number),
        line: number,
        visitor: VisitorId::of(text.as_bytes()),
        session: Id::NONE,
        item: Id(hash_text(&(mix(number) % 5_000).to_le_bytes())),
        category: Id::NONE,
        event_id: Id::NONE,
        price: Micros::NONE,
        value: Micros::NONE,
        quantity: 1,
        lane: Lane(0),
        kind: if number.is_multiple_of(23) {
            Kind::AddToCart
        } else {
            Kind::ItemView
        },
        device: Device::Desktop,
    };
    let texts = Texts {
        visitor: text.as_bytes(),
        ..Texts::default()
    };
    batch.push(event, texts);
}

fn percentiles(times: &[f64]) -> String {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
    format!(
        "p50 {p50:.0}  p99 {p99:.0}  p99.9 {p999:.0}  longest {:.0}",
        at(1.0)
    )
}

/// The longest of every hundred epochs over the run, in ms.
fn plot(off: &[f64], on: &[f64], sessions: u64) -> std::io::Result<String> {
    let mut svg = String::new();
    let frame = Frame::between(126, 482);
    let longest = |times: &[f64]| -> Vec<f64> {
        let hundreds = times.chunks(100);
        hundreds
            .map(|some| some.iter().copied().fold(0.0, f64::max) / 1e3)
            .collect()
    };
    let (off, on) = (longest(off), longest(on));
    let highest = off.iter().chain(&on).copied().fold(0.0, f64::max);
    let scale = Scale::linear(highest, 6, 0.01);
    let remark = format!(
        "{sessions} live sessions; the longest of every hundred epochs of 1 ms with {EVENTS_AN_EPOCH} events"
    );
    let mut sheet = Sheet::new(&mut svg, "Epochs while snapshots are taken", &remark)?;
    for (value, label) in Scale::linear(EPOCHS as f64 / 1e3, 6, 1.0).ticks() {
        let x = frame.x(value * 1e3 / EPOCHS as f64);
        sheet.line((x, frame.top), (x, frame.bottom), GRID)?;
        sheet.text(&label, (x, frame.bottom + 16), Hold::Middle, Face::SMALL)?;
    }
    let middle = ((frame.left + frame.right) / 2, frame.bottom + 38);
    sheet.text("seconds of arrival", middle, Hold::Middle, Face::NAME)?;
    sheet.text(
        "ms an epoch",
        (frame.left, frame.top - 14),
        Hold::Left,
        Face::NAME,
    )?;
    scale.draw(&mut sheet, frame)?;
    let lines: [(&[f64], RGBColor); 2] = [(&on, VERMILION), (&off, BLUE)];
    for (times, colour) in lines {
        let points: Vec<(i32, i32)> = times
            .iter()
            .enumerate()
            .map(|(at, ms)| {
                let x = frame.x((at as f64 + 0.5) / times.len() as f64);
                (x, frame.y(scale.share(*ms)))
            })
            .collect();
        sheet.path(&points, colour, 1)?;
    }
    sheet.ground(frame)?;
    let entries = [
        ("snapshots".to_owned(), VERMILION),
        ("no snapshots".to_owned(), BLUE),
    ];
    sheet.legend(&entries, 78)?;
    sheet.finish()?;
    Ok(svg)
}
