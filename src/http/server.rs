//! A server with limits: how many connections, how long a head or a body may take.
//!
//! Each connection is served by a task of its own; beyond the limit new ones wait in the system's queue.
//! Those that waited, and heads that did not come in time, are counted.
//! Asked to stop, it takes no new connection, lets each end the request that it is at, and returns.

use axum::Router;
use axum::extract::Request;
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

/// Turns true when the servers are to stop.
pub type Stopping = watch::Receiver<bool>;

/// Serves until it is asked to stop.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    mut stopping: Stopping,
) {
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
        tokio::spawn(async move {
            let _permit = permit;
            let served = service_fn(move |request| call(router.clone(), request, address));
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
