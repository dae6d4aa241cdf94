//! What those who run the shop may look at: health, metrics, the state of the job as JSON.
//!
//! On a port of its own, since none of it is for the public. Metrics are in Prometheus' text format
//! (version 0.0.4), in base units, without ids as labels. Ready means: the job's output is no further
//! than [`LAG_MAX_MS`] behind the lanes' clock, there is a log of decisions, and it has been read up to its end.

use super::page::Page;
use super::snapshots::snapshots_in;
use crate::collect::Collector;
use crate::collect::committer::now_ms;
use crate::flow::status::JobStatus;
use crate::serve::Board;
use crate::serve::tail::Reading;
use crate::visit::live::Rules;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// How far output may be behind the lanes, in ms.
const LAG_MAX_MS: u64 = 5_000;

/// What this process does.
#[derive(Clone, Default)]
pub struct Watched {
    /// It collects.
    pub collector: Option<Arc<Collector>>,
    /// It runs a job.
    pub job: Option<(JobStatus, Arc<Rules>)>,
    /// Where the job keeps its state.
    pub state: Option<PathBuf>,
    /// What money is counted in, where that is known.
    pub currency: Option<&'static str>,
    /// It serves.
    pub board: Option<(Arc<Board>, Arc<Reading>)>,
}

/// The paths.
pub fn monitor(watched: Watched) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/status", get(status))
        .route("/v1/ready", get(is_ready))
        .with_state(watched)
}

async fn ready(State(watched): State<Watched>) -> Response {
    match watched.not_ready() {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n").into_response(),
    }
}

/// The same for a page, which takes an answer other than 200 for an error.
async fn is_ready(State(watched): State<Watched>) -> Response {
    let why = watched.not_ready();
    crate::http::json(&serde_json::json!({"ready": why.is_none(), "why": why}))
}

async fn status(State(watched): State<Watched>) -> Response {
    match &watched.job {
        Some((job, rules)) => {
            let standing = job.standing();
            let rules = standing.rules.as_ref().unwrap_or(rules);
            let mut page = Page::of(&standing, rules, now_ms());
            page.counts_in(watched.currency);
            if let Some(dir) = &watched.state {
                page.kept(snapshots_in(dir, SystemTime::now()));
            }
            if let Some(collector) = &watched.collector {
                page.collected(&collector.counts());
            }
            if let Some((board, reading)) = &watched.board {
                page.served(board.counts(), reading.latency_ms());
            }
            crate::http::json(&page)
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn metrics(State(watched): State<Watched>) -> Response {
    let form = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (form, watched.metrics()).into_response()
}

impl Watched {
    fn not_ready(&self) -> Option<String> {
        if let Some((job, _)) = &self.job {
            let standing = job.standing();
            let clock = standing.lanes.values().map(|(clock, _)| *clock).min();
            let Some(clock) = clock else {
                return Some("no lane has been read yet".into());
            };
            let behind_ms = now_ms().saturating_sub(clock);
            if behind_ms > LAG_MAX_MS {
                return Some(format!("a lane stands {behind_ms} ms behind the clock"));
            }
            let waits_ms = standing.handed_ms.saturating_sub(standing.committed_ms);
            if waits_ms > LAG_MAX_MS {
                return Some(format!("output waits for the disk since {waits_ms} ms"));
            }
        }
        let (_, reading) = self.board.as_ref()?;
        let caught_up = reading.caught_up.load(Ordering::Acquire);
        (!caught_up).then(|| "the log of decisions is not there or is still being read".into())
    }

    fn metrics(&self) -> String {
        let mut out = Metrics::default();
        if let Some(collector) = &self.collector {
            let counts = collector.counts();
            let events = "restage_collect_events_total";
            out.begin(events, "counter", "Events by what became of them.");
            out.value(events, "result=\"accepted\"", counts.accepted);
            out.value(events, "result=\"withheld\"", counts.withheld);
            out.value(events, "result=\"dropped\"", counts.dropped);
            for (reason, count) in &counts.refused {
                out.value(
                    events,
                    &format!("result=\"refused\",reason=\"{reason}\""),
                    *count,
                );
            }
            let requests = "restage_collect_requests_total";
            out.begin(requests, "counter", "Requests by what was answered.");
            for (kind, count) in &counts.requests {
                out.value(requests, &format!("result=\"{kind}\""), *count);
            }
            let committed = collector.committer().committed();
            let one = [
                (
                    "restage_lane_syncs_total",
                    "counter",
                    "Groups synced.",
                    committed.groups.load(Ordering::Relaxed),
                ),
                (
                    "restage_lane_bytes_total",
                    "counter",
                    "Bytes of events synced.",
                    committed.bytes.load(Ordering::Relaxed),
                ),
                (
                    "restage_lane_waiting_bytes",
                    "gauge",
                    "Bytes that wait for the disk.",
                    committed.waiting.load(Ordering::Relaxed) as u64,
                ),
            ];
            out.all(&one);
        }
        if let Some((job, _)) = &self.job {
            let standing = job.standing();
            let tally = &standing.tally;
            let now_ms = now_ms();
            out.all(&[
                (
                    "restage_job_events_total",
                    "counter",
                    "Events taken.",
                    tally.kinds.iter().sum(),
                ),
                (
                    "restage_job_duplicates_total",
                    "counter",
                    "Events whose id had been seen.",
                    tally.duplicates,
                ),
                (
                    "restage_job_decisions_total",
                    "counter",
                    "Decision records.",
                    tally.decisions,
                ),
                (
                    "restage_job_sessions_total",
                    "counter",
                    "Sessions begun.",
                    tally.sessions,
                ),
                (
                    "restage_job_live_sessions",
                    "gauge",
                    "Sessions live.",
                    standing.live,
                ),
            ]);
            let lag = "restage_lane_lag_seconds";
            out.begin(lag, "gauge", "How far a lane's clock is behind.");
            for (lane, (clock_ms, _)) in &standing.lanes {
                let lag_s = now_ms.saturating_sub(*clock_ms) as f64 / 1_000.0;
                out.value(lag, &format!("lane=\"{lane}\""), lag_s);
            }
        }
        if let Some((board, reading)) = &self.board {
            let counts = board.counts();
            out.all(&[
                (
                    "restage_serve_decisions_total",
                    "counter",
                    "Decisions read.",
                    counts.decisions,
                ),
                (
                    "restage_serve_visitors",
                    "gauge",
                    "Visitors on the board.",
                    counts.visitors,
                ),
                (
                    "restage_serve_streams",
                    "gauge",
                    "Open streams.",
                    counts.readers,
                ),
                (
                    "restage_serve_streams_lagging_total",
                    "counter",
                    "Streams that did not keep up.",
                    counts.lagging,
                ),
                (
                    "restage_serve_strange_lines_total",
                    "counter",
                    "Lines that were no decision.",
                    reading.strange.load(Ordering::Relaxed),
                ),
            ]);
        }
        out.0
    }
}

/// Metrics in Prometheus' text format.
#[derive(Default)]
struct Metrics(String);

impl Metrics {
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

    fn all(&mut self, metrics: &[(&str, &str, &str, u64)]) {
        for (name, form, help, value) in metrics {
            self.begin(name, form, help);
            self.value(name, "", value);
        }
    }
}
