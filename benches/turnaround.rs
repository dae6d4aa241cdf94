//! How long a version of the tables takes on its way round the loop: the job in this thread, handed
//! one quantum of the log after the other, and the clock read around each.
//!
//! cargo bench --bench turnaround
//!
//! A turn hands over the events of a quantum all at once and ends when every decision up to the
//! quantum's end is made. In it a version closes: facts leave the session operator, are matched and
//! weighed, and the tables are back before the next quantum's events may pass. The same turn under a
//! policy that learns nothing has no version to wait for; what lies between the two is learning.
//! Percentiles over all turns; no warm-up is left out.

use restage::event::{Batch, Event, Lane};
use restage::flow::closed::JobKeeper;
use restage::format::{LaneOptions, LaneRead, LaneReader, LogWriter, Source};
use restage::simulate::closed::Shopkeeper;
use restage::simulate::{Scratch, Shop, ShopParams};
use restage::visit::live::Rules;
use restage::visit::model::Model;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::Policy;
use std::time::Instant;

const EVENTS: usize = 300_000;
const QUANTUM_MS: u64 = 1_000;

fn main() {
    let quanta = quanta();
    let off = turns(&quanta, "", "");
    let on = turns(
        &quanta,
        "learn = { method = \"thompson\" }\n",
        ", { name = \"another\" }, { name = \"third\" }",
    );
    println!("{} turns, µs:", quanta.len());
    println!("  learns nothing  {}", percentiles(off));
    println!("  learns          {}", percentiles(on));
}

/// A simulated log, cut at the quanta's ends, each with its end in ms.
fn quanta() -> Vec<(Batch, u64)> {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let mut writer = LogWriter::create(file.path()).unwrap();
    let mut scratch = Scratch::default();
    for event in Shop::new(ShopParams::default()).take(EVENTS) {
        writer.write(&event.raw(&mut scratch)).unwrap();
    }
    writer.finish().unwrap();
    let source = Source::Path(file.path().into());
    let mut reader = LaneReader::open(&source, Lane(0), &LaneOptions::default()).unwrap();
    let (mut all, mut rejects) = (Batch::default(), Vec::new());
    while reader.fill(&mut all, &mut rejects, EVENTS + 1).unwrap() {}
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|&index| Event::order(all.get(index).event));
    let mut quanta: Vec<(Batch, u64)> = Vec::new();
    for index in order {
        let event = all.get(index);
        let end_ms = (event.event.arrival.0 / QUANTUM_MS + 1) * QUANTUM_MS;
        if quanta.last().is_none_or(|(_, end)| *end < end_ms) {
            quanta.push((Batch::default(), end_ms));
        }
        let (batch, _) = quanta.last_mut().expect("one was pushed");
        batch.push(*event.event, event.texts);
    }
    quanta
}

/// Duration of every turn, in µs.
fn turns(quanta: &[(Batch, u64)], learn: &str, more: &str) -> Vec<f64> {
    let slot = |name: &str| {
        format!(
            "[[slot]]\nname = \"{name}\"\ndefault = \"first\"\n{learn}arm = [{{ name = \"first\" }}{more}]\n"
        )
    };
    let text = format!("version = 1\n{}{}", slot("banner"), slot("grid"));
    let mut keeper = JobKeeper::new(Rules {
        policy: Policy::read(&text).expect("the policy is well-formed"),
        models: Schedule::of(Model::shipped()),
        catalogue: None,
    });
    let (mut turns, mut shown) = (Vec::with_capacity(quanta.len()), Vec::new());
    for (events, end_ms) in quanta {
        shown.clear();
        let start = Instant::now();
        keeper.serve(events, *end_ms, &mut shown);
        turns.push(start.elapsed().as_secs_f64() * 1e6);
    }
    keeper.close();
    turns
}

fn percentiles(mut turns: Vec<f64>) -> String {
    turns.sort_by(f64::total_cmp);
    let at = |share: f64| turns[((turns.len() - 1) as f64 * share) as usize];
    format!("p50 {:.0}  p99 {:.0}", at(0.5), at(0.99))
}
