//! Following the log of decisions.
//!
//! The log is the job's outlet, which only ever holds committed lines. A line that is not whole yet is
//! waited for. At the start a serving process reads the last [`BACK_BYTES`] of what is there, which is
//! enough for the visits that are going on.

use super::board::{Board, Served};
use crate::collect::committer::now_ms;
use crate::lane::naps::{NAP, Naps};
use crate::visit::decision::FORGOTTEN;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes of the log that are read back at the start.
pub const BACK_BYTES: u64 = 64 << 20;
/// Bytes that are read at a time.
const PIECE_BYTES: usize = 256 << 10;

/// How a reader of the log stands.
#[derive(Debug, Default)]
pub struct Reading {
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Lines that were no decision.
    pub strange: AtomicU64,
    /// Whether there is a log, and all there was has been read at least once.
    pub caught_up: AtomicBool,
    /// Whether there is no log yet.
    pub absent: AtomicBool,
    /// The time of the latest decision, in ms since 1970.
    pub latest_ms: AtomicU64,
    latencies: Mutex<VecDeque<(Instant, u64)>>,
}

/// Most latencies that quantiles are taken of.
const LATENCIES: usize = 4_096;
/// How long a latency is among them.
const LATENCIES_KEPT: Duration = Duration::from_secs(60);

/// Quantiles of a latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Quantiles {
    /// How many they are of.
    pub count: usize,
    /// Half were no slower.
    pub p50: u64,
    /// Nine of ten were no slower.
    pub p90: u64,
    /// 99 of a hundred were no slower.
    pub p99: u64,
}

impl Reading {
    /// Waits until all that was there has been read, or there is nothing yet. Who is served earlier would be
    /// told again, as news, what it has seen.
    pub fn wait(&self, give_up: impl Fn() -> bool) {
        let done = || self.caught_up.load(Ordering::Acquire) || self.absent.load(Ordering::Acquire);
        while !done() && !give_up() {
            std::thread::sleep(NAP);
        }
    }

    /// From the arrival of what a decision answers until it was read here, in ms, over the last
    /// minute. For a job that reads live.
    pub fn latency_ms(&self) -> Quantiles {
        self.latency_at(Instant::now())
    }

    fn latency_at(&self, now: Instant) -> Quantiles {
        let Ok(latest) = self.latencies.lock() else {
            return Quantiles::default();
        };
        let is_late = |(at, _): &&(Instant, u64)| now.duration_since(*at) < LATENCIES_KEPT;
        let mut sorted: Vec<u64> = latest.iter().filter(is_late).map(|(_, ms)| *ms).collect();
        sorted.sort_unstable();
        let at = |share: f64| {
            let place = (sorted.len() as f64 * share) as usize;
            sorted.get(place).or(sorted.last()).copied().unwrap_or(0)
        };
        Quantiles {
            count: sorted.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
        }
    }

    /// Notes a decision that has just been read, once all that was there has been.
    fn late(&self, at_ms: u64) {
        if !self.caught_up.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(mut latest) = self.latencies.lock() {
            if latest.len() == LATENCIES {
                latest.pop_front();
            }
            latest.push_back((Instant::now(), now_ms().saturating_sub(at_ms)));
        }
    }
}

/// What a page needs of a record.
#[derive(Deserialize)]
struct Record<'a> {
    at_ms: u64,
    visitor: String,
    #[serde(default)]
    trigger: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    seq: u64,
    #[serde(borrow, default)]
    layout: Option<&'a RawValue>,
    #[serde(borrow, default)]
    changed: Option<&'a RawValue>,
    #[serde(borrow, default)]
    items: Option<&'a RawValue>,
}

/// Follows the log for ever, in a thread of its own. With `whole`, records are served as they are.
pub fn follow(path: PathBuf, board: Arc<Board>, whole: bool) -> Arc<Reading> {
    let reading = Arc::<Reading>::default();
    let told = Arc::clone(&reading);
    std::thread::spawn(move || {
        let mut tail = Tail {
            path,
            file: None,
            rest: Vec::new(),
            piece: vec![0; PIECE_BYTES],
        };
        let mut naps = Naps::default();
        loop {
            match tail.read(|line| take(line, &board, whole, &told)) {
                Ok(None) => {
                    told.absent.store(true, Ordering::Release);
                    naps.nap();
                }
                Ok(Some(0)) => {
                    told.caught_up.store(true, Ordering::Release);
                    naps.nap();
                }
                Ok(Some(bytes)) => {
                    told.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                    naps.end();
                }
                Err(error) => {
                    tracing::warn!(%error, "the log of decisions could not be read");
                    tail.file = None;
                    std::thread::sleep(NAP * 200);
                }
            }
        }
    });
    reading
}

fn take(line: &[u8], board: &Board, whole: bool, told: &Reading) {
    let Ok(record) = serde_json::from_slice::<Record<'_>>(line) else {
        told.strange.fetch_add(1, Ordering::Relaxed);
        return;
    };
    told.latest_ms.fetch_max(record.at_ms, Ordering::Relaxed);
    if record.trigger == FORGOTTEN {
        return board.forget(&record.visitor);
    }
    told.late(record.at_ms);
    let data = match whole {
        true => String::from_utf8_lossy(line).into_owned(),
        false => record.for_a_page(),
    };
    let id = format!("{}/{}", record.session, record.seq);
    board.put(&record.visitor, Served { id, data });
}

impl Record<'_> {
    fn for_a_page(&self) -> String {
        let mut data = format!(
            "{{\"at_ms\":{},\"visitor\":{},\"session\":{},\"seq\":{}",
            self.at_ms,
            serde_json::Value::from(self.visitor.as_str()),
            serde_json::Value::from(self.session.as_str()),
            self.seq
        );
        let members = [
            ("layout", self.layout),
            ("changed", self.changed),
            ("items", self.items),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                data.push_str(&format!(",\"{name}\":{}", value.get()));
            }
        }
        data.push('}');
        data
    }
}

struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line that is not whole yet.
    rest: Vec<u8>,
    piece: Vec<u8>,
}

impl Tail {
    /// Reads a piece of what is new and hands out its whole lines; how many bytes there were. None while there
    /// is no log.
    fn read(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<Option<usize>> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = match File::open(&self.path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    other => other?,
                };
                let length = file.metadata()?.len();
                let from = length.saturating_sub(BACK_BYTES);
                file.seek(SeekFrom::Start(from))?;
                self.rest.clear();
                if from > 0 {
                    // The first line is cut: what comes before its end is passed over.
                    self.rest.push(b'?');
                }
                none.insert(file)
            }
        };
        let got = file.read(&mut self.piece)?;
        self.rest.extend_from_slice(&self.piece[..got]);
        let mut begin = 0;
        while let Some(length) = memchr::memchr(b'\n', &self.rest[begin..]) {
            let line = &self.rest[begin..begin + length];
            if !line.starts_with(b"?") {
                take(line);
            }
            begin += length + 1;
        }
        self.rest.drain(..begin);
        Ok(Some(got))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const LINE: &str = r#"{"at_ms":17,"visitor":"ann","session":"1","seq":2,"trigger":"start","p_purchase":0.5,"layout":{"banner":"plain"},"changed":["banner"],"reason":["x"]}"#;

    #[test]
    fn a_page_gets_what_it_needs_and_no_more() {
        let (board, told) = (Board::default(), Reading::default());
        take(LINE.as_bytes(), &board, false, &told);
        let served = board.latest("ann").unwrap();
        assert_eq!(served.id, "1/2");
        assert_eq!(
            served.data,
            r#"{"at_ms":17,"visitor":"ann","session":"1","seq":2,"layout":{"banner":"plain"},"changed":["banner"]}"#
        );
        take(LINE.as_bytes(), &board, true, &told);
        assert_eq!(board.latest("ann").unwrap().data, LINE);
        take(
            br#"{"at_ms":18,"visitor":"ann","trigger":"forgotten"}"#,
            &board,
            false,
            &told,
        );
        assert!(board.latest("ann").is_none());
        take(b"nonsense", &board, false, &told);
        assert_eq!(told.strange.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_latency_counts_for_a_minute() {
        let told = Reading::default();
        told.late(now_ms() - 500);
        assert_eq!(told.latency_ms().count, 0, "it was there before us");
        told.caught_up.store(true, Ordering::Relaxed);
        told.late(now_ms() - 500);
        let now = told.latency_ms();
        assert!(now.count == 1 && (500..5_000).contains(&now.p99), "{now:?}");
        let later = told.latency_at(Instant::now() + LATENCIES_KEPT);
        assert_eq!(later, Quantiles::default());
    }

    #[test]
    fn lines_come_out_whole_however_they_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("decisions.jsonl");
        let mut tail = Tail {
            path: path.clone(),
            file: None,
            rest: Vec::new(),
            piece: vec![0; 7],
        };
        let mut lines = Vec::new();
        assert_eq!(tail.read(|_| panic!("nothing is there")).unwrap(), None);
        let mut file = File::create(&path).unwrap();
        assert_eq!(tail.read(|_| panic!("it is empty")).unwrap(), Some(0));
        for piece in ["one\ntw", "o\nthr", "ee", "\n", "four"] {
            file.write_all(piece.as_bytes()).unwrap();
            while tail.read(|line| lines.push(line.to_vec())).unwrap() > Some(0) {}
        }
        assert_eq!(lines, [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    }
}
