//! The plain loop: the job's work on one thread, with the same core and no engine.
//!
//! cargo bench --bench plain_loop [-- LOG]
//!
//! Over a log of the simulated shop, or the one that is named: from its text and from memory, by the
//! default policy, which learns nothing, and by the bundled one that does; event by event and looking ahead for
//! several. The same body stands behind
//! `restage bench --cost`, which runs the job beside it. Figures are on this thread's processor clock.

use restage::bench::held::{HeldLane, HeldLog};
use restage::bench::plain_loop::{Form, plain_loop};
use restage::event::Lane;
use restage::format::{LaneOptions, LaneRead, LaneReader, LogWriter, Source};
use restage::simulate::{Scratch, Shop, ShopParams};
use restage::visit::live::Rules;
use restage::visit::model::Model;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::{DEFAULT_POLICY, LEARNING_POLICY, Policy};
use std::sync::Arc;

const EVENTS: usize = 1_000_000;

fn main() {
    let simulated = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let named = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let source = match named {
        Some(path) => Source::parse(std::path::Path::new(&path)),
        None => {
            let mut writer = LogWriter::create(simulated.path()).unwrap();
            let mut scratch = Scratch::default();
            for event in Shop::new(ShopParams::default()).take(EVENTS) {
                writer.write(&event.raw(&mut scratch)).unwrap();
            }
            writer.finish().unwrap();
            Source::Path(simulated.path().into())
        }
    };
    let options = LaneOptions::default();
    let log = Arc::new(HeldLog::read(std::slice::from_ref(&source), &options).unwrap());
    for (name, text) in [
        ("learns nothing", DEFAULT_POLICY),
        ("learns", LEARNING_POLICY),
    ] {
        let rules = Arc::new(Rules {
            policy: Policy::read(text).unwrap(),
            models: Schedule::of(Model::shipped()),
            catalogue: None,
        });
        for form in [Form::Naive, Form::LookingAhead] {
            let from_text = LaneReader::open(&source, Lane(0), &options).unwrap();
            let from_memory = HeldLane::new(&log, log.len(), None);
            let lanes: [(&str, Box<dyn LaneRead>); 2] = [
                ("text", Box::new(from_text)),
                ("memory", Box::new(from_memory)),
            ];
            for (input, mut lane) in lanes {
                let came = plain_loop(&rules, lane.as_mut(), form).unwrap();
                println!(
                    "{name}, from {input}, {form:?}: {:.0} events per CPU-second, {} decisions, digest {}",
                    log.len() as f64 / came.cpu.as_secs_f64(),
                    came.tally.decisions,
                    came.digest
                );
            }
        }
    }
}
