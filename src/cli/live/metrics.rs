//! What is counted, in Prometheus' text format (version 0.0.4): base units, no ids as labels.
//!
//! docs/live.md lists every name; a test compares the two.

use super::lanes::LaneNow;
use super::monitor::Watched;
use crate::collect::Collector;
use crate::collect::committer::now_ms;
use crate::flow::status::{Held, Standing};
use crate::http::server::Traffic;
use crate::serve::Board;
use crate::serve::tail::Reading;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// The metrics of a process.
pub fn metrics_of(watched: &Watched, lanes: &[LaneNow]) -> String {
    let mut out = Metrics::default();
    if let Some(collector) = &watched.collector {
        out.collected(collector);
    }
    if let Some((job, _)) = &watched.job {
        out.ran(&job.standing(), lanes);
    }
    if let Some((board, reading)) = &watched.board {
        out.served(board, reading);
    }
    out.connected(&watched.traffic);
    out.0
}

/// The text.
#[derive(Default)]
struct Metrics(String);

impl Metrics {
    fn collected(&mut self, collector: &Collector) {
        let counts = collector.counts();
        let events = "restage_collect_events_total";
        self.begin(events, "counter", "Events by what became of them.");
        self.value(events, "result=\"accepted\"", counts.accepted);
        self.value(events, "result=\"withheld\"", counts.withheld);
        self.value(events, "result=\"dropped\"", counts.dropped);
        for (reason, count) in &counts.refused {
            let labels = format!("result=\"refused\",reason=\"{reason}\"");
            self.value(events, &labels, *count);
        }
        self.answered("restage_collect_requests_total", &counts.requests);
        let committed = collector.committer().committed();
        let waiting = collector.committer().room().used() as u64;
        self.counters(&[
            (
                "restage_lane_syncs_total",
                "Groups synced.",
                read(&committed.groups),
            ),
            (
                "restage_lane_bytes_total",
                "Bytes of events synced.",
                read(&committed.bytes),
            ),
        ]);
        self.gauges(&[(
            "restage_lane_waiting_bytes",
            "Bytes of batches on their way to the disk.",
            waiting,
        )]);
    }

    fn ran(&mut self, standing: &Standing, lanes: &[LaneNow]) {
        let (tally, now_ms) = (&standing.tally, now_ms());
        self.counters(&[
            (
                "restage_job_events_total",
                "Events taken.",
                tally.kinds.iter().sum(),
            ),
            (
                "restage_job_duplicates_total",
                "Events whose id had been seen.",
                tally.duplicates,
            ),
            (
                "restage_job_decisions_total",
                "Decision records.",
                tally.decisions,
            ),
            (
                "restage_job_sessions_total",
                "Sessions begun.",
                tally.sessions,
            ),
        ]);
        self.gauges(&[("restage_job_live_sessions", "Sessions live.", standing.live)]);
        self.indexed(standing);
        if standing.frontier_ms > 0 {
            let lag = "restage_job_lag_seconds";
            self.begin(
                lag,
                "gauge",
                "How far what is decided on is behind the wall clock.",
            );
            let lag_ms = now_ms.saturating_sub(standing.frontier_ms);
            self.value(lag, "", seconds(lag_ms));
        }
        let lag = "restage_lane_lag_seconds";
        self.begin(
            lag,
            "gauge",
            "How far a lane's clock is behind the wall clock.",
        );
        for lane in lanes {
            if let Some(lag_ms) = lane.lag_ms(now_ms) {
                self.value(lag, &format!("lane=\"{}\"", lane.lane), seconds(lag_ms));
            }
        }
        let written = "restage_lane_collector";
        self.begin(
            written,
            "gauge",
            "Whether a collector has the lane (1) or none (0).",
        );
        for lane in lanes {
            let labels = format!("lane=\"{}\"", lane.lane);
            self.value(written, &labels, u8::from(lane.is_written));
        }
    }

    /// What the index holds that products are recommended from.
    fn indexed(&mut self, standing: &Standing) {
        let (sessions, items) = ("restage_index_sessions", "restage_index_items");
        let pairs = "restage_index_pairs";
        self.begin(sessions, "gauge", "Sessions in the index.");
        let count = standing.index.get(&Held::Sessions);
        self.value(sessions, "", count.copied().unwrap_or_default());
        self.begin(items, "gauge", "Items with pairs or counts, by ranker.");
        for (held, count) in &standing.index {
            if let Held::Items(ranker) = held {
                self.value(items, &format!("ranker=\"{ranker}\""), count);
            }
        }
        self.begin(pairs, "gauge", "Pairs of items, by ranker.");
        for (held, count) in &standing.index {
            if let Held::Pairs(ranker) = held {
                self.value(pairs, &format!("ranker=\"{ranker}\""), count);
            }
        }
    }

    fn served(&mut self, board: &Board, reading: &Reading) {
        let counts = board.counts();
        self.answered("restage_serve_requests_total", &board.requests());
        let strange = reading.strange.load(Ordering::Relaxed);
        self.counters(&[
            (
                "restage_serve_decisions_total",
                "Decisions read.",
                counts.decisions,
            ),
            (
                "restage_serve_streams_lagging_total",
                "Streams that did not keep up.",
                counts.lagging,
            ),
            (
                "restage_serve_strange_lines_total",
                "Lines that were no decision.",
                strange,
            ),
        ]);
        self.gauges(&[
            (
                "restage_serve_visitors",
                "Visitors on the board.",
                counts.visitors,
            ),
            ("restage_serve_streams", "Open streams.", counts.readers),
        ]);
        let late = reading.latency_ms();
        let latency = "restage_serve_latency_seconds";
        let what =
            "From the arrival of what a decision answers until it is on the board, over a minute.";
        self.begin(latency, "gauge", what);
        for (quantile, ms) in [("0.5", late.p50), ("0.9", late.p90), ("0.99", late.p99)] {
            if late.count > 0 {
                self.value(latency, &format!("quantile=\"{quantile}\""), seconds(ms));
            }
        }
    }

    fn connected(&mut self, traffic: &Traffic) {
        self.counters(&[
            (
                "restage_http_connections_total",
                "Connections taken.",
                read(&traffic.connections),
            ),
            (
                "restage_http_connections_waited_total",
                "Connections that waited, as no more were allowed.",
                read(&traffic.waited),
            ),
            (
                "restage_http_slow_heads_total",
                "Connections closed as the head of a request did not come in time.",
                read(&traffic.slow_heads),
            ),
        ]);
    }

    fn begin(&mut self, name: &str, form: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {form}");
    }

    fn value(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{labels}}}")
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// Requests, by what was answered.
    fn answered(&mut self, name: &str, requests: &BTreeMap<&str, u64>) {
        self.begin(name, "counter", "Requests by what was answered.");
        for (kind, count) in requests {
            self.value(name, &format!("result=\"{kind}\""), *count);
        }
    }

    fn counters(&mut self, all: &[(&str, &str, u64)]) {
        self.plain("counter", all);
    }

    fn gauges(&mut self, all: &[(&str, &str, u64)]) {
        self.plain("gauge", all);
    }

    /// Metrics without labels: name, what it is, and how much.
    fn plain(&mut self, form: &str, all: &[(&str, &str, u64)]) {
        for (name, help, value) in all {
            self.begin(name, form, help);
            self.value(name, "", value);
        }
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
