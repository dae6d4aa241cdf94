//! The collector's requests: how they are read ([`super::sender`]), the batch, the lane, the answer.
//!
//! | answer | when |
//! |---|---|
//! | 204 | all events were taken, or withheld for want of consent |
//! | 400 | the body is no batch |
//! | 401 | key, token or signature is missing, wrong or too old |
//! | 403 | the page's origin is not one of the shop's |
//! | 413 | too many bytes or events |
//! | 415 | another type or encoding than JSON, as it is or gzipped |
//! | 422 | some events were refused; the others were taken |
//! | 429 | the sender's rate is used up; `Retry-After` says until when |
//! | 503 | nothing was taken, as too much is on its way to the disk; `Retry-After` |
//!
//! All but the first have a body of problem details with the number of events `accepted`.

use super::batch::{Batch, Speaker, Taken};
use super::committer::{Committer, now_ms};
use super::config::Config;
use super::identity::{Consent, Naming};
use super::room::Share;
use super::sender::{Sender, behind, parse, unauthorized};
use crate::http::Problem;
use crate::http::keyed::Secret;
use crate::http::rate::Rates;
use crate::http::token::{LIFE_S, Token};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The schema of a batch.
pub const SCHEMA: &str = include_str!("../../data/events.schema.json");

/// A collector at work.
pub struct Collector {
    config: Config,
    naming: Naming,
    committer: Committer,
    browsers: Rates,
    servers: Rates,
    counts: Mutex<Counts>,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Events taken.
    pub accepted: u64,
    /// Events not written for want of consent.
    pub withheld: u64,
    /// Events that browsers say they have lost.
    pub dropped: u64,
    /// Events refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Requests by what was answered: `taken`, `session`, or a problem's kind.
    pub requests: BTreeMap<&'static str, u64>,
}

impl Collector {
    /// A collector that writes through a committer and signs tokens with a secret.
    pub fn new(config: Config, secret: Secret, committer: Committer) -> Collector {
        let limits = config.limits;
        let rates = |per_second: u32| {
            Rates::of(per_second, per_second.saturating_mul(limits.burst_seconds))
        };
        Collector {
            naming: Naming::of(secret, config.hash_visitors),
            browsers: rates(limits.browser_events_per_second),
            servers: rates(limits.server_events_per_second),
            config,
            committer,
            counts: Mutex::default(),
        }
    }

    /// How visitors are named.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        self.counts
            .lock()
            .map_or_else(|_| Counts::default(), |counts| counts.clone())
    }

    /// What was committed since the start.
    pub fn committer(&self) -> &Committer {
        &self.committer
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        if let Ok(mut counts) = self.counts.lock() {
            count(&mut counts);
        }
    }
}

/// The collector's paths.
pub fn router(collector: Arc<Collector>) -> Router {
    Router::new()
        .route("/v1/events", post(events).options(preflight))
        .route("/v1/session", post(session).options(preflight))
        .route("/v1/events.schema.json", get(schema))
        .with_state(collector)
}

async fn schema() -> Response {
    let form = [(header::CONTENT_TYPE, "application/schema+json")];
    (form, SCHEMA).into_response()
}

async fn preflight(State(collector): State<Arc<Collector>>, headers: HeaderMap) -> Response {
    match origin(&collector.config, &headers) {
        Ok(Some(origin)) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            allow(&mut response, origin);
            let headers = response.headers_mut();
            let set = |name, value| (name, HeaderValue::from_static(value));
            headers.extend([
                set(header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
                set(header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
                set(header::ACCESS_CONTROL_MAX_AGE, "600"),
            ]);
            response
        }
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn events(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    answered(&collector, request, |collector, sender| async move {
        collector.take(sender).await
    })
    .await
}

async fn session(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    answered(&collector, request, |collector, sender| async move {
        collector.issue(&sender)
    })
    .await
}

/// Reads a request, has it answered, counts it, and lets the page read the answer.
async fn answered<F>(
    collector: &Arc<Collector>,
    request: Request,
    act: impl FnOnce(Arc<Collector>, Sender) -> F,
) -> Response
where
    F: Future<Output = Result<(&'static str, Response), Problem>>,
{
    let page = origin(&collector.config, request.headers());
    let (page, answer) = match page {
        Err(problem) => (None, Err(problem)),
        Ok(page) => {
            let share = collector.committer.room().share();
            let answer = match Sender::read(&collector.config, request, share).await {
                Ok(sender) => act(Arc::clone(collector), sender).await,
                Err(problem) => Err(problem),
            };
            (page, answer)
        }
    };
    let (kind, mut response) = match answer {
        Ok(answer) => answer,
        Err(problem) => (problem.kind(), problem.into_response()),
    };
    collector.count(|counts| *counts.requests.entry(kind).or_default() += 1);
    if let Some(page) = page {
        allow(&mut response, page);
    }
    response
}

/// The page that sends, if a page does: it must be one of the shop's.
fn origin(config: &Config, headers: &HeaderMap) -> Result<Option<HeaderValue>, Problem> {
    let origin = match headers.get(header::ORIGIN) {
        Some(origin) if !crate::http::is_own(origin, headers) => origin,
        // No page, or one that came from here: its browser needs no permission to read the answer.
        _ => return Ok(None),
    };
    let is_known = origin
        .to_str()
        .is_ok_and(|origin| config.origins.contains(origin));
    if is_known {
        return Ok(Some(origin.clone()));
    }
    let what = "the page's origin is not one that this collector takes events from";
    Err(Problem::new(StatusCode::FORBIDDEN, "origin", what))
}

fn allow(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
}

impl Collector {
    /// Takes a batch.
    async fn take(&self, sender: Sender) -> Result<(&'static str, Response), Problem> {
        let now_ms = now_ms();
        let Sender {
            body,
            headers,
            client,
            server,
            share,
        } = sender;
        let batch: Batch<'_> = parse(&body)?;
        let limits = self.config.limits;
        if batch.events.len() > limits.events_per_batch {
            let what = format!("a batch has at most {} events", limits.events_per_batch);
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_many",
                what,
            ));
        }
        let token = match &server {
            Some(_) => None,
            None => Some(self.speaker(&batch, now_ms)?),
        };
        let count = batch.events.len() as u32;
        let spent = match &server {
            Some(server) => self.servers.take(server, count, Instant::now()),
            None => self
                .browsers
                .take((&batch.key, client), count, Instant::now()),
        };
        spent.map_err(|seconds| {
            let what = "the sender's rate is used up";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate", what);
            problem.retry_after(seconds).with("accepted", json!(0))
        })?;
        let visit = token.as_ref().map(Token::visit);
        let speaker = match (&token, &visit) {
            (Some(token), Some(visit)) => Speaker::Browser {
                visitor: &token.visitor,
                session: visit,
                allowed: Consent::allowed(&headers),
                orders: self.config.orders,
            },
            _ => Speaker::Server,
        };
        let mut taken = batch.take(&speaker, &self.naming, now_ms);
        self.write(&mut taken, share).await?;
        self.count(|counts| {
            counts.accepted += taken.events as u64;
            counts.withheld += taken.withheld as u64;
            counts.dropped += u64::from(batch.dropped);
            for refusal in &taken.refused {
                *counts.refused.entry(refusal.reason).or_default() += 1;
            }
        });
        if taken.refused.is_empty() {
            return Ok(("taken", StatusCode::NO_CONTENT.into_response()));
        }
        let (refused, all) = (taken.refused.len(), batch.events.len());
        let what = match refused == all {
            true => format!("all {all} events were refused"),
            false => format!("{refused} of {all} events were refused; the others were taken"),
        };
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "events", what);
        Err(problem
            .with("accepted", json!(taken.events))
            .with("refused", json!(taken.refused)))
    }

    /// Whom a browser's batch speaks for.
    fn speaker(&self, batch: &Batch<'_>, now_ms: u64) -> Result<Token, Problem> {
        self.check_key(batch.key.as_deref())?;
        let text = batch.token.as_deref();
        let text = text.ok_or_else(|| unauthorized("token", "the batch has no token"))?;
        Token::read(text, self.naming.secret(), now_ms / 1_000)
            .map_err(|error| unauthorized("token", &error.to_string()))
    }

    fn check_key(&self, key: Option<&str>) -> Result<(), Problem> {
        let is_known = key.is_some_and(|key| self.config.write_keys.contains(key));
        let wrong = || unauthorized("key", "the key is missing or not one of the shop's");
        is_known.then_some(()).ok_or_else(wrong)
    }

    /// Has the lines written, and waits until they are safe.
    async fn write(&self, taken: &mut Taken, share: Share) -> Result<(), Problem> {
        if taken.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut taken.lines);
        match self.committer.hand_over(lines, share).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(what)) => Err(behind(&format!("nothing was taken: {what}"))),
            Err(_) => Err(behind("the collector is stopping; nothing was taken")),
        }
    }

    /// Issues a token, for the visitor of an older one if there is one.
    fn issue(&self, sender: &Sender) -> Result<(&'static str, Response), Problem> {
        #[derive(Deserialize)]
        struct Ask {
            key: Option<String>,
            token: Option<String>,
        }
        let ask: Ask = parse(&sender.body)?;
        self.check_key(ask.key.as_deref())?;
        let spent = self
            .browsers
            .take((&ask.key, sender.client), 1, Instant::now());
        spent.map_err(|seconds| {
            let what = "the sender's rate is used up";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate", what).retry_after(seconds)
        })?;
        let now_s = now_ms() / 1_000;
        let known = ask
            .token
            .as_deref()
            .map(|text| Token::read(text, self.naming.secret(), now_s));
        let token = match known {
            Some(Ok(token)) => token.renewed(now_s),
            // One that has expired, or was signed before a restart, is nobody's any more.
            _ => Token::issue(now_s).map_err(|error| {
                Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "randomness",
                    error.to_string(),
                )
            })?,
        };
        let text = token.sign(self.naming.secret());
        let answer = json!({"token": text, "expires_in_s": LIFE_S});
        Ok(("session", crate::http::json(&answer)))
    }
}
