//! What those who run the shop may look at: health, metrics, the state of the job as JSON.
//!
//! On a port of its own, since none of it is for the public. Ready means: no lane that this process reads, the
//! job's frontier, and its output, are further than [`LAG_MAX_MS`] behind, there is a log of decisions, and it has
//! been read up to its end. What is not ready is named. The frontier is that of the whole job, so a process of
//! several to which no lane falls is ready once it is connected with the others and all of them come on.

use super::lanes::{LaneNow, lanes_at};
use super::metrics::metrics_of;
use super::page::Page;
use super::snapshots::snapshots_in;
use crate::collect::Collector;
use crate::collect::committer::now_ms;
use crate::flow::status::JobStatus;
use crate::http::server::Traffic;
use crate::serve::Board;
use crate::serve::tail::Reading;
use crate::visit::live::Rules;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
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
    /// The lanes that it reads, by their numbers.
    pub lanes: Vec<(u16, PathBuf)>,
    /// Where the job keeps its state.
    pub state: Option<PathBuf>,
    /// What money is counted in, where that is known.
    pub currency: Option<&'static str>,
    /// It serves.
    pub board: Option<(Arc<Board>, Arc<Reading>)>,
    /// What became of its connections.
    pub traffic: Arc<Traffic>,
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
    match watched.not_ready().await {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n").into_response(),
    }
}

/// The same for a page, which takes an answer other than 200 for an error.
async fn is_ready(State(watched): State<Watched>) -> Response {
    let why = watched.not_ready().await;
    crate::http::json(&serde_json::json!({"ready": why.is_none(), "why": why}))
}

async fn status(State(watched): State<Watched>) -> Response {
    let lanes = lanes_at(&watched.lanes).await;
    match &watched.job {
        Some((job, rules)) => {
            let standing = job.standing();
            let rules = standing.rules.as_ref().unwrap_or(rules);
            let mut page = Page::of(&standing, rules, now_ms());
            page.reads(&standing, &lanes);
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
    let lanes = lanes_at(&watched.lanes).await;
    (form, metrics_of(&watched, &lanes)).into_response()
}

impl Watched {
    async fn not_ready(&self) -> Option<String> {
        if let Some((job, _)) = &self.job {
            let lanes = lanes_at(&self.lanes).await;
            if let Some(why) = lanes.iter().find_map(stands) {
                return Some(why);
            }
            let standing = job.standing();
            if standing.frontier_ms == 0 {
                return Some("the job has not begun to decide".into());
            }
            let behind_ms = now_ms().saturating_sub(standing.frontier_ms);
            if behind_ms > LAG_MAX_MS {
                return Some(format!("the job is {behind_ms} ms behind the clock"));
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
}

/// Why a lane holds up the job, if it does.
fn stands(lane: &LaneNow) -> Option<String> {
    let (number, path) = (lane.lane, lane.path.display());
    let Some(lag_ms) = lane.lag_ms(now_ms()) else {
        return Some(format!("lane {number} ({path}) has not been begun"));
    };
    (lag_ms > LAG_MAX_MS)
        .then(|| format!("lane {number} ({path}) stands {lag_ms} ms behind the clock"))
}
