//! `restage import`: turn any supported log into Restage's own, sorted by time.
//!
//! Reading, sorting and writing follow one another; the sort is bounded in memory (see
//! [`crate::sort`]). The output appears under its name only once it is whole.

use super::args::{LogArgs, check_reject_ratio};
use super::report::{Counts, Log};
use super::size::parse_bytes;
use super::{Failure, print, reader_is_gone};
use crate::event::{Carry, Device, Event, EventRef, Lane, Reason};
use crate::flow::failure::{Stop, say};
use crate::flow::job::peak_rss_bytes;
use crate::flow::output::{LineWriter, Target};
use crate::format::{
    InputError, LaneOptions, LaneRead, LaneReader, LaneTally, LogWriter, RawEvent, Source,
};
use crate::grouped::grouped;
use crate::pack::pack;
use crate::sort::{MEMORY_BYTES_MIN, SortError, SortOptions, Sorted, Sorter};
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

/// Turn any supported log into Restage's own, sorted by time
///
/// Several logs become one. Rows are sorted by arrival, or by event time where a log gives no
/// arrival; rows of the same millisecond keep their order. Ids come out exactly as they were.
/// Nothing is judged: duplicates and late events are kept, only rows that cannot be read are
/// rejected. The name of the output says its form: .jsonl is JSON lines, anything else CSV; .gz
/// and .zst compress.
///
/// With --pack, FILE.pack is written beside it: the same rows in fixed width, which `restage replay`
/// takes instead of FILE on its own, as long as FILE is not changed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage import UserBehavior.csv -o taobao.csv
  restage import clicks.dat buys.dat --format yoochoose -o yoochoose.jsonl.zst
  restage import events.csv --mapping shop.toml -o events.csv.gz --rejects bad.jsonl
  restage import monday.csv -o sorted.csv --pack
  restage import 2019-Oct.csv.gz --memory 1GB --temp-dir /scratch -o october.csv")]
pub struct Import {
    #[command(flatten)]
    logs: LogArgs,
    /// Where to; `-` is stdout, and the report then goes to stderr
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Write a pack beside it, from which it is replayed faster
    #[arg(long)]
    pack: bool,
    /// Memory for sorting, at least 17MB; what does not fit goes through temporary files
    #[arg(long, default_value = "256MB", value_name = "SIZE")]
    memory: String,
    /// Folder for temporary files; the system's when absent
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// Write rejected rows here, as JSON lines
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// End with code 3 when more than this share of the rows is rejected
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    max_reject_ratio: f64,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// What an import came to.
#[derive(Serialize)]
struct Report {
    rows: u64,
    written: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    packed_bytes: Option<u64>,
    rejected: Counts,
    runs_spilled: u64,
    elapsed_s: f64,
    peak_rss_mb: f64,
    logs: Vec<Log>,
}

/// What the reading came to.
struct Gathered {
    sorter: Sorter,
    logs: Vec<Log>,
    rows: u64,
    rejected: [u64; Reason::ALL.len()],
    /// Whether any event names a device, so that the log that is written has a column for it.
    device: bool,
}

impl Import {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        let started = Instant::now();
        check_reject_ratio(self.max_reject_ratio)?;
        let to_stdout = self.logs.check_sinks(
            [
                ("--out", Some(&self.out)),
                ("--rejects", self.rejects.as_deref()),
            ],
            self.json,
        )?;
        if self.pack && !self.may_be_packed() {
            return Err(Failure::usage(format!(
                "--pack puts a pack beside a file: --out {} is none",
                self.out.display()
            )));
        }
        let sort = self.sort_options()?;
        let (logs, mut lane_options) = self.logs.resolve(Carry::ALL)?;
        lane_options.tolerate_disorder = true;
        let stop = Stop::default();
        stop.watch_signals()
            .map_err(|error| Failure::new(1, error))?;
        let rejects = self.rejects.as_deref().map(|path| {
            LineWriter::create(Target::parse(path), stop.clone())
                .map_err(|error| Failure::new(5, error))
        });
        let mut rejects = rejects.transpose()?;
        // Made before the logs are read, so that a folder that is not there costs no hour.
        let writer = LogWriter::create(&self.out).map_err(|error| self.not_written(error))?;

        let gathered = gather(&logs, &lane_options, &sort, rejects.as_mut(), &stop)?;
        if let Some(rejects) = rejects {
            rejects
                .finish(true)
                .map_err(|error| Failure::new(5, error))?;
        }
        let rejected: u64 = gathered.rejected.iter().sum();
        let too_many = rejected as f64 > self.max_reject_ratio * gathered.rows as f64;
        let runs_spilled = gathered.sorter.runs_spilled();
        let written = if too_many {
            drop(writer);
            0
        } else {
            let sorted = gathered.sorter.finish().map_err(not_sorted)?;
            let writer = writer.with_device(gathered.device);
            match self.write(sorted, writer, &logs, &stop)? {
                Some(written) => written,
                None => return Ok(()),
            }
        };
        let packed_bytes = if self.pack && !too_many {
            let packed = pack(&self.out).map_err(|error| Failure::new(5, error))?;
            Some(packed)
        } else {
            None
        };
        let report = Report {
            rows: gathered.rows,
            written,
            packed_bytes,
            rejected: Counts::rejected(gathered.rejected),
            runs_spilled,
            elapsed_s: started.elapsed().as_secs_f64(),
            peak_rss_mb: peak_rss_bytes() as f64 / 1e6,
            logs: gathered.logs,
        };
        let page = if self.json {
            report.json()
        } else {
            report.text(&self.out.display().to_string())
        };
        if to_stdout {
            say(page.trim_end());
        } else {
            print(page.as_bytes())?;
        }
        if too_many {
            return Err(Failure::new(
                3,
                anyhow::anyhow!(
                    "{rejected} of {} rows were rejected, more than --max-reject-ratio {} allows; \
                     nothing was written; --rejects FILE shows the rows with their reasons",
                    report.rows,
                    self.max_reject_ratio
                ),
            ));
        }
        Ok(())
    }

    /// Whether the output is, or will be, a file.
    fn may_be_packed(&self) -> bool {
        self.out.as_os_str() != "-" && (self.out.is_file() || !self.out.exists())
    }

    fn sort_options(&self) -> Result<SortOptions, Failure> {
        let memory_bytes = parse_bytes(&self.memory)
            .map_err(|what| Failure::usage(format!("--memory: {what}")))?;
        if memory_bytes < MEMORY_BYTES_MIN {
            return Err(Failure::usage(format!(
                "--memory: {} is too little; sorting needs at least 16MiB (17MB)",
                self.memory
            )));
        }
        Ok(SortOptions {
            memory_bytes,
            temp_dir: self.temp_dir.clone(),
        })
    }

    /// Writes all events and returns their number; nothing when the reader of stdout went away.
    fn write(
        &self,
        mut sorted: Sorted,
        mut writer: LogWriter,
        logs: &[Source],
        stop: &Stop,
    ) -> Result<Option<u64>, Failure> {
        let mut written = 0;
        while let Some(event) = sorted.next_event().map_err(not_sorted)? {
            match writer.write(&raw(event)) {
                Ok(()) => {}
                Err(error) if reader_is_gone(&error) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let (log, line) = (&logs[usize::from(event.event.lane.0)], event.event.line);
                    let what = format!("{log}, line {line}");
                    return Err(Failure::new(1, anyhow::Error::new(error).context(what)));
                }
                Err(error) => return Err(self.not_written(error)),
            }
            written += 1;
            if written % 4096 == 0 {
                check(stop)?;
            }
        }
        match writer.finish() {
            Err(error) if reader_is_gone(&error) => Ok(None),
            Err(error) => Err(self.not_written(error)),
            Ok(()) => Ok(Some(written)),
        }
    }

    fn not_written(&self, error: io::Error) -> Failure {
        let what = format!("{} could not be written", self.out.display());
        Failure::new(5, anyhow::Error::new(error).context(what))
    }
}

/// Reads all logs, one after the other.
fn gather(
    logs: &[Source],
    options: &LaneOptions,
    sort: &SortOptions,
    mut rejects: Option<&mut LineWriter>,
    stop: &Stop,
) -> Result<Gathered, Failure> {
    let mut gathered = Gathered {
        sorter: Sorter::new(sort),
        logs: Vec::new(),
        rows: 0,
        rejected: [0; Reason::ALL.len()],
        device: false,
    };
    let unread = |error: InputError| Failure::new(error.exit_code(), error);
    let (mut rejected, mut line) = (Vec::new(), Vec::new());
    for (index, source) in logs.iter().enumerate() {
        let mut reader = LaneReader::open(source, Lane(index as u16), options).map_err(unread)?;
        loop {
            let batch = gathered.sorter.open_batch();
            let before = batch.len();
            let more = reader
                .fill(batch, &mut rejected, Sorter::BATCH_EVENTS)
                .map_err(unread)?;
            let known = |event: &Event| event.device != Device::Unknown;
            gathered.device = gathered.device || batch.events()[before..].iter().any(known);
            gathered.sorter.settle().map_err(not_sorted)?;
            for reject in rejected.drain(..) {
                if let Some(writer) = &mut rejects {
                    line.clear();
                    reject.write_json(&mut line);
                    writer.write(&line);
                }
            }
            check(stop)?;
            if !more {
                break;
            }
        }
        gathered.count(source, &reader);
    }
    Ok(gathered)
}

impl Gathered {
    fn count(&mut self, source: &Source, reader: &LaneReader) {
        let LaneTally {
            rows,
            accepted,
            rejected,
            ..
        } = reader.tally();
        self.rows += rows;
        for (sum, count) in self.rejected.iter_mut().zip(rejected) {
            *sum += count;
        }
        self.logs.push(Log {
            log: source.to_string(),
            format: reader.format().name().into(),
            events: *rows,
            accepted: *accepted,
        });
    }
}

/// The event as a log writes it. A tolerant lane leaves its times as they were given.
fn raw(EventRef { event, texts }: EventRef<'_>) -> RawEvent<'_> {
    RawEvent {
        at: 0,
        arrival_ms: Some(event.arrival.0),
        event_ms: event.time.0,
        kind: event.kind,
        visitor: texts.visitor,
        session: texts.session,
        item: texts.item,
        category: texts.category,
        page: texts.page,
        event_id: texts.event_id,
        price: event.price,
        value: event.value,
        quantity: event.quantity,
        device: event.device,
    }
}

fn not_sorted(error: SortError) -> Failure {
    Failure::new(5, error)
}

/// Ends the import when a signal asks for it, or the file of rejects cannot be written.
fn check(stop: &Stop) -> Result<(), Failure> {
    match stop.ending() {
        Some(ending) => Err(Failure::new(
            ending.exit_code(),
            anyhow::anyhow!("{ending}; unfinished output was removed"),
        )),
        // What is wrong with the file of rejects shows when it is finished.
        None => Ok(()),
    }
}

impl Report {
    fn json(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a report is plain data");
        text.push('\n');
        text
    }

    fn text(&self, out: &str) -> String {
        let mut page = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to memory cannot fail.
            let _ = writeln!(page, "{name:<12} {value}");
        };
        for log in &self.logs {
            row("log", log.line());
        }
        let written = grouped(self.written);
        row(
            "written",
            format!("{written} of {} rows to {out}", grouped(self.rows)),
        );
        if let Some(bytes) = self.packed_bytes {
            row(
                "packed",
                format!("{:.1} MB in {out}.pack", bytes as f64 / 1e6),
            );
        }
        if !self.rejected.is_empty() {
            row("rejected", self.rejected.line());
        }
        row(
            "sorted",
            match self.runs_spilled {
                0 => "in memory".into(),
                runs => format!("through {runs} temporary run(s)"),
            },
        );
        row(
            "cost",
            format!(
                "{:.3} s, {:.1} MB of memory at most",
                self.elapsed_s, self.peak_rss_mb
            ),
        );
        page
    }
}
