//! Asking a collector to have a visitor forgotten: one `erase` event, signed as a server's.
//!
//! The event goes the way of all others, so it is on the disk when the collector has answered, and a replay
//! of the lane forgets at the same place.

use super::{ConfigArgs, Failure};
use crate::collect::client::{Client, Signer};
use crate::collect::committer::now_ms;
use serde_json::{Value, json};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;
use tokio::runtime::Builder;

/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Has the collector at a URL write an `erase` event.
pub fn ask(visitor: &str, url: &str, key: &str, config: &ConfigArgs) -> Result<(), Failure> {
    let config = config.read()?;
    let secret = config.secrets.get(key).cloned().ok_or_else(|| {
        Failure::usage(format!(
            "there is no secret for --key {key}: --config needs it among keys.servers"
        ))
    })?;
    let signer = Signer {
        name: key.into(),
        secret,
    };
    let address = address(url)?;
    let now = now_ms();
    let event = json!({"event_ms": now, "visitor": visitor, "kind": "erase"});
    let body = json!({"sent_at": now, "events": [event]}).to_string();
    let away = |error: std::io::Error| {
        let what = format!("the collector at {url} could not be asked");
        Failure::new(5, anyhow::Error::new(error).context(what))
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let answer = runtime.map_err(away)?.block_on(async {
        let mut client = Client::new(address);
        let asked = client.post("/v1/events", body.into_bytes(), Some(&signer));
        tokio::time::timeout(PATIENCE, asked).await
    });
    let (status, answer) = answer.map_err(|late| away(late.into()))?.map_err(away)?;
    if status == 204 {
        return Ok(());
    }
    let problem: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("it gave no reason");
    let what = format!("the collector at {url} refused with {status}: {detail}");
    // Told to come again, or that nothing will help.
    let code = if matches!(status, 429 | 503) { 5 } else { 1 };
    Err(Failure::new(code, anyhow::anyhow!(what)))
}

/// Where a URL leads.
fn address(url: &str) -> Result<SocketAddr, Failure> {
    let host = url
        .strip_prefix("http://")
        .map(|host| host.trim_end_matches('/'));
    let Some(host) = host.filter(|host| !host.is_empty() && !host.contains(['/', '?', '@'])) else {
        return Err(Failure::usage(format!(
            "--url {url}: write it as http://HOST:PORT, the collector itself, which speaks no TLS"
        )));
    };
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let found = match has_port {
        true => host.to_socket_addrs(),
        false => (host, 80).to_socket_addrs(),
    };
    let unknown = |error: std::io::Error| {
        let what = format!("--url {url}: the host could not be found");
        Failure::new(5, anyhow::Error::new(error).context(what))
    };
    let nowhere = || unknown(std::io::ErrorKind::NotFound.into());
    found.map_err(unknown)?.next().ok_or_else(nowhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port() {
        let at = |url: &str| address(url).map_err(|failure| failure.code);
        assert_eq!(
            at("http://127.0.0.1:8700/"),
            Ok(([127, 0, 0, 1], 8700).into())
        );
        assert_eq!(at("http://127.0.0.1"), Ok(([127, 0, 0, 1], 80).into()));
        for url in [
            "https://127.0.0.1",
            "127.0.0.1:8700",
            "http://",
            "http://h/v1",
        ] {
            assert_eq!(at(url), Err(2), "{url}");
        }
    }
}
