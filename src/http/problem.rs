//! Problem details (RFC 9457): what was wrong with a request, for people and for programs.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// A request that was refused.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    /// What kind of problem, the last part of its type.
    kind: &'static str,
    detail: String,
    retry_after_s: Option<u64>,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem of a kind, in a sentence.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            kind,
            detail: detail.into(),
            retry_after_s: None,
            more: Map::new(),
        }
    }

    /// The same, and when to try again.
    pub fn retry_after(self, seconds: u64) -> Problem {
        Problem {
            retry_after_s: Some(seconds),
            ..self
        }
    }

    /// The same, with a member of its own.
    pub fn with(mut self, name: &str, value: Value) -> Problem {
        self.more.insert(name.into(), value);
        self
    }

    /// The kind, by which refusals are counted.
    pub fn kind(&self) -> &'static str {
        self.kind
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut members = json!({
            "type": format!("urn:restage:problem:{}", self.kind),
            "title": self.status.canonical_reason().unwrap_or("Refused"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Value::Object(members) = &mut members {
            members.extend(self.more);
        }
        let mut response = Response::new(Body::from(members.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let form = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, form);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
