//! A request to the collector, from its head to a body that may be parsed: how much, in what form, by whom.
//!
//! More than can be worked on gathers here, as bodies that have been read and not parsed: those that have just
//! come are read first. So it is seen, and what is too much is refused for the price of reading it, instead
//! of waiting unseen in the system's buffers. What a sender has a right to is checked behind it ([`super::edge`]).

use super::batch::is_flat;
use super::committer::now_ms;
use super::config::Config;
use super::room::Share;
use crate::http::Problem;
use crate::http::keyed::unhex;
use crate::http::server::{BODY_TIME, Peer};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};

/// What is said where there is no room.
const FULL: &str = "too much is on its way to the disk; nothing was taken";
/// How far the time of a signature may be off, in seconds.
const SIGNATURE_AGE_S: u64 = 300;

/// A request whose body is here, and who it is from.
pub struct Sender {
    /// What it sent.
    pub body: Bytes,
    /// Its headers.
    pub headers: HeaderMap,
    /// The address it came from, as far as it is known.
    pub client: IpAddr,
    /// The server that signed it, if one did.
    pub server: Option<String>,
    /// What the body takes up.
    pub share: Share,
}

impl Sender {
    /// Reads a request, whose body is to take up this share of the room.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn read(
        config: &Config,
        request: Request,
        mut share: Share,
    ) -> Result<Sender, Problem> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers;
        let peer = parts.extensions.get::<Peer>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        let client = config.trusted_proxies.client(peer, &headers);
        let server = headers.get("restage-key").and_then(|key| key.to_str().ok());
        let most = match server {
            Some(_) => config.limits.server_body_bytes,
            None => config.limits.browser_body_bytes,
        };
        let encoded = check_form(&headers)?;
        let large = || {
            let what = format!("the body is longer than {most} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", what)
        };
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > most) {
            return Err(large());
        }
        let raw = read_body(body, most, &mut share, &large).await?;
        // Others that have come are read before this one is worked on.
        tokio::task::yield_now().await;
        if let Some(server) = server {
            check_signature(config, server, &headers, &raw)?;
        }
        let body = match encoded {
            false => raw.clone(),
            true => inflate(&raw, most).ok_or_else(large)?.map_err(|()| {
                let what = "the body is not what its content-encoding says";
                Problem::new(StatusCode::BAD_REQUEST, "encoding", what)
            })?,
        };
        if encoded && !share.grow(body.len()) {
            return Err(behind(FULL));
        }
        if !is_flat(&body) {
            let what = "the body is nested too deep";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "shape", what));
        }
        Ok(Sender {
            body,
            server: server.map(str::to_owned),
            headers,
            client,
            share,
        })
    }
}

/// What a body says.
///
/// # Errors
/// It says something else.
pub fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        // Where, and not what: what was sent is nobody's business here.
        let (line, column) = (error.line(), error.column());
        let what =
            format!("the body is no batch as the schema has it (line {line}, column {column})");
        Problem::new(StatusCode::BAD_REQUEST, "syntax", what)
    })
}

/// Nothing was taken, and it may be sent again.
pub fn behind(what: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "behind", what)
        .retry_after(1)
        .with("accepted", json!(0))
}

/// Checks the type of a body; whether it is gzipped.
fn check_form(headers: &HeaderMap) -> Result<bool, Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let unsupported = |what: &str| {
        Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media_type",
            what,
        ))
    };
    let form = text(header::CONTENT_TYPE).unwrap_or("").split(';').next();
    let form = form.unwrap_or("").trim().to_ascii_lowercase();
    if form != "application/json" && form != "text/plain" {
        return unsupported("a batch is application/json, or text/plain from a beacon");
    }
    match text(header::CONTENT_ENCODING) {
        None | Some("identity") => Ok(false),
        Some("gzip") => Ok(true),
        Some(_) => unsupported("a body comes as it is, or gzipped"),
    }
}

/// Reads a body to its end. One that there is no room for is read, too, and let go piece by piece: whoever sends it
/// hears the answer, and the connection may be used again.
async fn read_body(
    mut body: Body,
    most: usize,
    share: &mut Share,
    large: &impl Fn() -> Problem,
) -> Result<Bytes, Problem> {
    let (mut raw, mut length, mut fits) = (Vec::new(), 0, true);
    let reading = async {
        while let Some(frame) = body.frame().await {
            let cut = |_| {
                let what = "the body ended before its time";
                Problem::new(StatusCode::BAD_REQUEST, "cut", what)
            };
            let Ok(piece) = frame.map_err(cut)?.into_data() else {
                continue;
            };
            length += piece.len();
            if length > most {
                return Err(large());
            }
            fits = fits && share.grow(piece.len());
            match fits {
                true => raw.extend_from_slice(&piece),
                false => raw = Vec::new(),
            }
        }
        Ok(())
    };
    let read = tokio::time::timeout(BODY_TIME, reading).await;
    let slow = |_| {
        let what = "the body took too long";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "slow", what)
    };
    read.map_err(slow)??;
    match fits {
        true => Ok(raw.into()),
        false => Err(behind(FULL)),
    }
}

/// None if there is more than `most`; an error if it is damaged.
fn inflate(raw: &[u8], most: usize) -> Option<Result<Bytes, ()>> {
    let mut body = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(raw).take(most as u64 + 1);
    match decoder.read_to_end(&mut body) {
        Err(_) => Some(Err(())),
        Ok(_) if body.len() > most => None,
        Ok(_) => Some(Ok(body.into())),
    }
}

/// Whoever sent it is not known.
pub fn unauthorized(kind: &'static str, what: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, kind, what)
}

/// `Restage-Signature: t=SECONDS,v1=HEX`: HMAC-SHA-256 of the seconds, a full stop and the body as sent.
fn check_signature(
    config: &Config,
    server: &str,
    headers: &HeaderMap,
    raw: &[u8],
) -> Result<(), Problem> {
    let wrong = || unauthorized("signature", "the signature is missing, wrong or too old");
    let given = headers
        .get("restage-signature")
        .and_then(|value| value.to_str().ok());
    let given = given.and_then(|given| given.strip_prefix("t=")?.split_once(",v1="));
    let (seconds, signature) = given.ok_or_else(wrong)?;
    let at_s: u64 = seconds.parse().map_err(|_| wrong())?;
    let signature = unhex(signature).ok_or_else(wrong)?;
    let secret = config.secrets.get(server).ok_or_else(wrong)?;
    let is_signed = secret.signs(&[seconds.as_bytes(), b".", raw], &signature);
    let is_recent = at_s.abs_diff(now_ms() / 1_000) <= SIGNATURE_AGE_S;
    (is_signed && is_recent).then_some(()).ok_or_else(wrong)
}
