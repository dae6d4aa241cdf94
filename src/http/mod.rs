//! What the two HTTP edges share: a server with limits, problem details, tokens, counters as text.
//!
//! HTTP/1.1 only, without TLS: a proxy in front ends that, as it ends HTTP/2. Nothing here knows of
//! events or decisions.

pub mod heard;
pub mod host;
pub mod keyed;
pub mod problem;
pub mod proxy;
pub mod rate;
pub mod server;
pub mod token;

pub use problem::Problem;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// An answer in JSON.
pub fn json(value: &impl serde::Serialize) -> Response {
    let text = serde_json::to_string(value).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Whether an origin is that of the server which is asked: its own page asks.
pub fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let origin = origin.to_str().unwrap_or("");
    let authority = ["http://", "https://"]
        .iter()
        .find_map(|scheme| origin.strip_prefix(scheme));
    let host = headers.get(header::HOST);
    host.is_some_and(|host| host.to_str().ok() == authority && authority.is_some())
}
