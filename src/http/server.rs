//! A server with limits: how many connections, how long a head or a body may take.
//!
//! Each connection is served by a task of its own; beyond the limit new ones wait in the system's queue.
//! Those that waited, and heads that did not come in time, are counted.
//! Asked to stop, it takes no new connection, lets each end the request that it is at, and returns.

use super::Problem;
use super::heard::{Began, Heard};
use super::host::Hosts;
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower_service::Service;

/// How long the head of a request may take.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long its body may take.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// Most bytes of a head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How long connections may take to end when the server stops.
const STOP_TIME: Duration = Duration::from_secs(2);
/// How long to wait after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end, in a request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(pub IpAddr);

/// Who may come in, and how many.
#[derive(Clone, Debug)]
pub struct Door {
    /// Connections at a time.
    pub connections_max: usize,
    /// The names that this server answers to; none if to all.
    pub hosts: Option<Arc<Hosts>>,
    /// Where connections are counted.
    pub traffic: Arc<Traffic>,
}

/// What became of connections since the start.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Connections taken.
    pub connections: AtomicU64,
    /// Those among them that had to wait, as no more were allowed.
    pub waited: AtomicU64,
    /// Those that were closed because the head of a request did not come in time.
    pub slow_heads: AtomicU64,
}

/// Turns true when the servers are to stop.
pub type Stopping = watch::Receiver<bool>;

/// Serves until it is asked to stop.
pub async fn serve(listener: TcpListener, router: Router, door: Door, mut stopping: Stopping) {
    let Door {
        connections_max,
        hosts,
        traffic,
    } = door;
    let room = Arc::new(Semaphore::new(connections_max));
    let mut stop = stopping.clone();
    loop {
        let accept = async {
            let free = Arc::clone(&room).try_acquire_owned();
            let is_full = free.is_err();
            let permit = match free {
                Ok(permit) => Ok(permit),
                Err(_) => Arc::clone(&room).acquire_owned().await,
            };
            tokio::select! {
                biased;
                accepted = listener.accept() => {
                    // It was there before there was room for it.
                    traffic.waited.fetch_add(u64::from(is_full), Ordering::Relaxed);
                    (accepted, permit)
                }
                () = std::future::ready(()) => (listener.accept().await, permit),
            }
        };
        let (accepted, permit) = tokio::select! {
            accepted = accept => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, address)) = accepted else {
            // No file handles are left: some will be free again.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Small answers leave at once; if that cannot be set, they leave a little later.
        let _ = stream.set_nodelay(true);
        traffic.connections.fetch_add(1, Ordering::Relaxed);
        let (router, mut stopping) = (router.clone(), stopping.clone());
        let (traffic, hosts) = (Arc::clone(&traffic), hosts.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let began = Began::default();
            let stream = Heard::of(stream, began.clone());
            let known = began.clone();
            let served = service_fn(move |request| {
                let is_own = hosts.as_ref().is_none_or(|hosts| is_for(hosts, &request));
                let answered = call(router.clone(), request, address);
                let known = known.clone();
                async move {
                    let answer = match is_own {
                        true => answered.await,
                        false => Ok(misdirected()),
                    };
                    known.over();
                    answer
                }
            });
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .max_buf_size(HEAD_BYTES_MAX);
            let connection = builder.serve_connection(TokioIo::new(stream), served);
            let mut connection = std::pin::pin!(connection);
            // How a connection ends is the other side's business, but for one that is too slow.
            tokio::select! {
                ended = connection.as_mut() => {
                    if ended.is_err_and(|error| error.is_timeout()) && began.has() {
                        traffic.slow_heads.fetch_add(1, Ordering::Relaxed);
                    }
                    return;
                }
                _ = stopping.wait_for(|stop| *stop) => {}
            }
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        });
    }
    drop(listener);
    let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
    let _ = stopping.wait_for(|stop| *stop).await;
    let _ = tokio::time::timeout(STOP_TIME, room.acquire_many(all)).await;
}

async fn call(
    mut router: Router,
    mut request: hyper::Request<hyper::body::Incoming>,
    address: SocketAddr,
) -> Result<axum::response::Response, std::convert::Infallible> {
    request.extensions_mut().insert(Peer(address.ip()));
    router
        .call(Request::from(request.map(axum::body::Body::new)))
        .await
}

/// Whether a request asks for one of these names. One that names none is no browser's.
fn is_for(hosts: &Hosts, request: &hyper::Request<hyper::body::Incoming>) -> bool {
    let named = request.headers().get(header::HOST);
    let named = named.map(|host| host.to_str().unwrap_or("?"));
    let written = request.uri().host();
    named.into_iter().chain(written).all(|host| hosts.has(host))
}

fn misdirected() -> axum::response::Response {
    let what = "this server listens for its own machine, and does not go by that name";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", what).into_response()
}
