//! The job's work grows with its log and not faster, by what can be counted without a clock: calls of
//! the allocator and bytes asked of it. `restage bench --guard` holds the processor's time to the same.

use restage::bench::held::HeldLog;
use restage::event::{Batch, EventRef};
use restage::flow::closed::JobKeeper;
use restage::format::{LaneOptions, LogWriter, Source};
use restage::simulate::closed::Shopkeeper;
use restage::simulate::{Scratch, Shop, ShopParams};
use restage::visit::live::Rules;
use restage::visit::model::Model;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::{DEFAULT_POLICY, LEARNING_POLICY, Policy};
use std::sync::Arc;

const EVENTS: usize = 60_000;

fn log() -> HeldLog {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let mut writer = LogWriter::create(file.path()).unwrap();
    let mut scratch = Scratch::default();
    for event in Shop::new(ShopParams::default()).take(EVENTS) {
        writer.write(&event.raw(&mut scratch)).unwrap();
    }
    writer.finish().unwrap();
    let source = Source::Path(file.path().into());
    HeldLog::read(&[source], &LaneOptions::default()).unwrap()
}

/// Runs the whole job in this thread over the first events, a few at a time.
fn work(log: &HeldLog, events: usize, rules: &Arc<Rules>) -> [u64; 2] {
    let counted = allocation_counter::measure(|| {
        let mut job = JobKeeper::untapped(Arc::clone(rules));
        let (mut batch, mut nobody, mut next) = (Batch::default(), Vec::new(), 0);
        while next < events {
            batch.clear();
            let end = (next + 64).min(events);
            for at in next..end {
                let EventRef { event, texts } = log.get(at);
                batch.push(*event, texts);
            }
            next = end;
            job.serve(&batch, log.arrival(end - 1).0, &mut nobody);
        }
        assert!(job.close().unwrap().tally.decisions > events as u64 / 20);
    });
    [counted.count_total, counted.bytes_total]
}

#[test]
fn ten_times_the_events_are_less_than_twelve_times_the_work() {
    let log = log();
    assert_eq!(log.len(), EVENTS);
    for policy in [DEFAULT_POLICY, LEARNING_POLICY] {
        let rules = Arc::new(Rules {
            policy: Policy::read(policy).unwrap(),
            models: Schedule::of(Model::shipped()),
            catalogue: None,
        });
        // What a graph costs that sees nothing is no part of the growth.
        let [tenth, whole] = [EVENTS / 10, EVENTS].map(|events| work(&log, events, &rules));
        for (tenth, whole) in tenth.into_iter().zip(whole) {
            assert!(
                whole < 12 * tenth,
                "{tenth} for a tenth, {whole} for the whole"
            );
            assert!(whole > tenth, "the count counts");
        }
    }
}
