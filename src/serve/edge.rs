//! The requests of pages: the latest decision, and a stream of those to come.
//!
//! `GET /v1/decide?token=T` answers with the latest decision, or 204 if there is none yet.
//! `GET /v1/stream?token=T` is a stream of server-sent events (WHATWG HTML): `decision` with the id
//! `session/seq`, `resync` when something was missed, a comment every [`BEAT`] so that nothing in between
//! takes the connection for dead. `Last-Event-ID`, or `after` for a page that was loaded anew, says what
//! has been seen.

use super::board::{Board, Told};
use crate::collect::identity::{Consent, Naming};
use crate::http::Problem;
use crate::http::server::Stopping;
use crate::http::token::Token;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Frame;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a silent stream says that it is there.
pub const BEAT: Duration = Duration::from_secs(15);

/// A serving layer at work.
pub struct Server {
    /// The decisions.
    pub board: Arc<Board>,
    /// How visitors are named in the log.
    pub naming: Naming,
    /// Pages that may listen.
    pub origins: BTreeSet<String>,
    /// When to end streams.
    pub stopping: Stopping,
}

/// The paths.
pub fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/v1/decide", get(decide))
        .route("/v1/stream", get(stream))
        .with_state(server)
}

async fn decide(State(server): State<Arc<Server>>, request: Request) -> Response {
    let answer = server.listener(&request, "decide").map(|(visitor, _)| {
        let latest = server.board.latest(&visitor);
        latest.map_or(StatusCode::NO_CONTENT.into_response(), |served| {
            let form = [
                (header::CONTENT_TYPE, "application/json"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (form, served.data.clone()).into_response()
        })
    });
    server.allowed(request.headers(), answer)
}

async fn stream(State(server): State<Arc<Server>>, request: Request) -> Response {
    let answer = server.listener(&request, "stream").map(|(visitor, after)| {
        let told = server.board.watch(&visitor, after.as_deref());
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let body = Events {
            told,
            beat,
            over: false,
            stopping: stopping(server.stopping.clone()),
        };
        let form = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (form, Body::new(body)).into_response()
    });
    server.allowed(request.headers(), answer)
}

type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;

fn stopping(mut stopping: Stopping) -> Stopped {
    Box::pin(async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    })
}

impl Server {
    /// Who listens, and what was seen last; counted as what is asked for, or by why it is refused.
    fn listener(
        &self,
        request: &Request,
        asks: &'static str,
    ) -> Result<(String, Option<String>), Problem> {
        let listener = self.named(request);
        let answer = listener.as_ref().map_or_else(Problem::kind, |_| asks);
        self.board.asked(answer);
        listener
    }

    fn named(&self, request: &Request) -> Result<(String, Option<String>), Problem> {
        let query = request.uri().query().unwrap_or("");
        let of = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let unauthorized = |kind, what: &str| Problem::new(StatusCode::UNAUTHORIZED, kind, what);
        let refused = |what: &str| unauthorized("token", what);
        let text = of("token").ok_or_else(|| refused("the request has no token"))?;
        let token = Token::read(text, self.naming.secret(), now_s())
            .map_err(|error| refused(&error.to_string()))?;
        let said = of("consent")
            .and_then(Consent::parse)
            .unwrap_or(Consent::Full);
        let consent = said.min(Consent::allowed(request.headers()));
        let name = self.naming.name(&token.visitor, &token.visit(), consent);
        let name =
            name.ok_or_else(|| unauthorized("consent", "without consent there are no decisions"))?;
        let header = request.headers().get("last-event-id");
        let header = header.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let after = of("after").map(|id| id.replace("%2F", "/").replace("%2f", "/"));
        Ok((name, header.or(after)))
    }

    fn allowed(&self, headers: &HeaderMap, answer: Result<Response, Problem>) -> Response {
        let mut response = answer.unwrap_or_else(IntoResponse::into_response);
        let origin = headers.get(header::ORIGIN);
        let known = origin.filter(|origin| {
            let origin = origin.to_str().unwrap_or("");
            self.origins.contains(origin)
        });
        let headers = response.headers_mut();
        if let Some(origin) = known {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        response
    }
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The body of a stream.
struct Events {
    told: Receiver<Told>,
    beat: Interval,
    over: bool,
    stopping: Stopped,
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |text: String| Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
        if self.over || self.stopping.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        match self.told.poll_recv(context) {
            Poll::Ready(Some(told)) => return frame(text(&told)),
            Poll::Ready(None) => {
                // It did not keep up, or its visitor was forgotten: the page asks anew.
                self.over = true;
                return frame("event: resync\ndata: {}\n\n".into());
            }
            Poll::Pending => {}
        }
        match self.beat.poll_tick(context) {
            Poll::Ready(_) => frame(": beat\n\n".into()),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// As server-sent events: data is one line, since it is JSON.
fn text(told: &Told) -> String {
    match told {
        Told::Decision(served) => {
            format!(
                "id: {}\nevent: decision\ndata: {}\n\n",
                served.id, served.data
            )
        }
        Told::Resync(Some(served)) => {
            format!(
                "id: {}\nevent: resync\ndata: {}\n\n",
                served.id, served.data
            )
        }
        Told::Resync(None) => "event: resync\ndata: {}\n\n".into(),
    }
}
