//! What it costs to read a log into batches, by the processor's clock.
//!
//! cargo bench --bench read [-- LOG...]
//!
//! Each log (500,000 events of the simulated shop when none is named: as CSV, with quoted pages, as JSON
//! lines, and the first once more from its pack) is read through by one thread, three times, in the way that a lane is read; the best of the
//! three is printed as MB of its text a second and as nanoseconds a row. Time is that which the
//! system has given to the thread, so that other work on the machine does not count.

use restage::event::{Batch, Lane};
use restage::format::{LaneOptions, LaneRead, LaneReader, LogWriter, Source};
use restage::pack::{PackedLane, pack, path_of};
use restage::simulate::{Scratch, Shop, ShopParams};
use std::path::{Path, PathBuf};

const EVENTS: usize = 500_000;
const RUNS: usize = 3;

fn main() {
    let given = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let mut logs: Vec<PathBuf> = given.map(PathBuf::from).collect();
    let folder = tempfile::tempdir().expect("a folder for the logs");
    if logs.is_empty() {
        logs = simulated(folder.path());
    }
    for log in logs {
        let from = if path_of(&log).exists() {
            &[false, true][..]
        } else {
            &[false]
        };
        for packed in from {
            measure(&log, *packed);
        }
    }
}

/// Reads a log, or its pack, and prints what it cost.
fn measure(log: &Path, packed: bool) {
    let (rows, bytes, best_ns) = (0..RUNS)
        .map(|_| read(log, packed))
        .min_by_key(|(_, _, ns)| *ns)
        .expect("at least one run");
    let name = if packed { path_of(log) } else { log.to_owned() };
    let name = name
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    println!(
        "{name:<16} {rows} rows of {:.1} bytes: {:.0} MB/s, {:.1} ns a row",
        bytes as f64 / rows as f64,
        bytes as f64 * 1e3 / best_ns as f64,
        best_ns as f64 / rows as f64,
    );
}

/// One log in three forms.
fn simulated(folder: &Path) -> Vec<PathBuf> {
    let (plain, quoted) = (folder.join("plain.csv"), folder.join("quoted.csv"));
    let lines = folder.join("lines.jsonl");
    for path in [&plain, &lines] {
        let mut writer = LogWriter::create(path).expect("a log is begun");
        let mut scratch = Scratch::default();
        for event in Shop::new(ShopParams::default()).take(EVENTS) {
            writer
                .write(&event.raw(&mut scratch))
                .expect("a row is written");
        }
        writer.finish().expect("a log is ended");
    }
    let text = std::fs::read_to_string(&plain).expect("the log is there");
    let text = text.replace(",/", ",\"/").replace(",e", "\",e");
    let text = text
        .replacen("\",event", ",event", 2)
        .replace(",\",e", ",,e");
    std::fs::write(&quoted, text).expect("a log is written");
    pack(&plain).expect("a log is packed");
    vec![plain, quoted, lines]
}

/// Rows, bytes of text and nanoseconds of one reading.
fn read(log: &Path, packed: bool) -> (u64, u64, u64) {
    let before = processor_ns();
    let (source, options) = (Source::parse(log), LaneOptions::default());
    let mut reader: Box<dyn LaneRead> = if packed {
        let lane = PackedLane::find(&source, Lane(0), &options).expect("the pack fits");
        Box::new(lane.expect("there is a pack"))
    } else {
        Box::new(LaneReader::open(&source, Lane(0), &options).expect("the log can be read"))
    };
    let mut batch = Batch::with_capacity(Batch::EVENTS_MAX);
    let mut rejects = Vec::new();
    while reader
        .fill(&mut batch, &mut rejects, Batch::EVENTS_MAX)
        .expect("the log can be read on")
    {
        batch.clear();
        rejects.clear();
    }
    let tally = reader.tally();
    (tally.rows, tally.bytes, processor_ns() - before)
}

/// What this thread has had of the processor.
fn processor_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the system counts");
    let first = text.split(' ').next().expect("it has three numbers");
    first.parse().expect("the first is a number")
}
