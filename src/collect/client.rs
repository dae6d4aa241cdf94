//! A small client of the collector: for the simulated shoppers and for those who measure.
//!
//! HTTP/1.1 over one connection that is kept and made anew when it breaks. A server's batches are signed.

use super::committer::now_ms;
use crate::http::keyed::{Secret, hex};
use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A server's name and what it signs with.
#[derive(Clone, Debug)]
pub struct Signer {
    /// Its name.
    pub name: String,
    /// Its secret.
    pub secret: Secret,
}

/// A client on one connection.
pub struct Client {
    address: SocketAddr,
    connection: Option<SendRequest<Body>>,
}

impl Client {
    /// A client of the collector at an address; it is not connected yet.
    pub fn new(address: SocketAddr) -> Client {
        Client {
            address,
            connection: None,
        }
    }

    /// Posts JSON; the status and the body of the answer.
    ///
    /// # Errors
    /// When the collector cannot be reached, or the connection broke before its answer: what was sent may
    /// have been taken.
    pub async fn post(
        &mut self,
        path: &str,
        body: Vec<u8>,
        signer: Option<&Signer>,
    ) -> io::Result<(u16, Bytes)> {
        let mut request = Request::post(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json");
        if let Some(signer) = signer {
            let seconds = (now_ms() / 1_000).to_string();
            let signature = signer.secret.sign(&[seconds.as_bytes(), b".", &body]);
            request = request.header("restage-key", &signer.name).header(
                "restage-signature",
                format!("t={seconds},v1={}", hex(&signature)),
            );
        }
        let request = request.body(Body::from(body)).map_err(io::Error::other)?;
        let mut connection = match self.connection.take().filter(|kept| !kept.is_closed()) {
            Some(kept) => kept,
            None => connect(self.address).await?,
        };
        connection.ready().await.map_err(io::Error::other)?;
        let response = connection
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?;
        self.connection = Some(connection);
        Ok((status, body.to_bytes()))
    }
}

async fn connect(address: SocketAddr) -> io::Result<SendRequest<Body>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // It ends when the sender is gone or the other side closes; the sender is told.
    tokio::spawn(connection);
    Ok(sender)
}
