//! What the two HTTP edges share: a server with limits, problem details, tokens, counters as text.
//!
//! HTTP/1.1 only, without TLS: a proxy in front ends that, as it ends HTTP/2. Nothing here knows of
//! events or decisions.

pub mod keyed;
pub mod problem;
pub mod rate;
pub mod server;
pub mod token;

pub use problem::Problem;

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// An answer in JSON.
pub fn json(value: &impl serde::Serialize) -> Response {
    let text = serde_json::to_string(value).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
