//! Simulated shoppers in the demo shop, through the real collector.
//!
//! A crowd of the simulated shop, faster than it would be: visits begin within a quarter of a minute and
//! last for some minutes. Its events are sent over HTTP as a server sends them, signed, in batches; one
//! that is told to come again does so, and what is refused is counted.

use crate::collect::client::{Client, Signer};
use crate::collect::committer::now_ms;
use crate::format::write::write_event;
use crate::simulate::{Scratch, Shop, ShopParams};
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Shoppers of a crowd.
const SHOPPERS: usize = 1_000;
/// How much faster than real they are.
const SPEED: u64 = 4;
/// They begin so many an hour of their time.
const VISITS_PER_HOUR: f64 = 60_000.0;
/// How long a crowd is followed, in ms of its time.
const SPAN_MS: u64 = 600_000;
/// How often a batch is sent.
const BEAT: Duration = Duration::from_millis(50);
/// How long to wait when told to come again.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends crowds, one after another.
#[derive(Clone)]
pub struct Crowd(Arc<Inner>);

struct Inner {
    /// Where the collector listens.
    address: OnceLock<SocketAddr>,
    signer: Signer,
    busy: AtomicBool,
    crowds: AtomicU64,
    /// Events of the crowd that was sent last, those of them that are due, and those not taken.
    events: AtomicU64,
    sent: AtomicU64,
    refused: AtomicU64,
}

/// How far a crowd is.
#[derive(Serialize)]
pub struct Progress {
    busy: bool,
    shoppers: usize,
    events: u64,
    sent: u64,
    refused: u64,
}

impl Crowd {
    /// None has been sent.
    pub fn new(signer: Signer) -> Crowd {
        Crowd(Arc::new(Inner {
            address: OnceLock::new(),
            signer,
            busy: AtomicBool::new(false),
            crowds: AtomicU64::new(0),
            events: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    /// How far the crowd is that was sent last.
    pub fn progress(&self) -> Progress {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Progress {
            busy: self.0.busy.load(Ordering::Acquire),
            shoppers: SHOPPERS,
            events: count(&self.0.events),
            sent: count(&self.0.sent),
            refused: count(&self.0.refused),
        }
    }

    /// Where to send them.
    pub fn to(&self, address: SocketAddr) {
        // Said once, before anyone can ask for a crowd.
        let _ = self.0.address.set(address);
    }

    /// Sends a crowd, unless one is on its way.
    pub fn send(&self) -> bool {
        let inner = Arc::clone(&self.0);
        let Some(&address) = inner.address.get() else {
            return false;
        };
        if inner.busy.swap(true, Ordering::AcqRel) {
            return false;
        }
        let seed = 1 + inner.crowds.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            if let Err(error) = walk(address, &inner, seed).await {
                tracing::warn!(%error, "the simulated shoppers were turned away");
            }
            inner.busy.store(false, Ordering::Release);
        });
        true
    }
}

/// The events of a crowd: when, in ms since its first, and the line without its times.
fn events(seed: u64) -> Vec<(u64, Vec<u8>)> {
    let params = ShopParams {
        seed,
        items: 60,
        categories: 6,
        visits_per_hour: VISITS_PER_HOUR,
        late_share: 0.0,
        very_late_share: 0.0,
        duplicate_share: 0.0,
        ahead_share: 0.0,
        bot_share: 0.0,
        refund_share: 0.0,
        ..ShopParams::default()
    };
    let (mut scratch, mut shoppers) = (Scratch::default(), BTreeSet::new());
    let (mut events, mut first_ms) = (Vec::new(), None);
    for event in Shop::new(params) {
        let raw = event.raw(&mut scratch);
        let at_ms = raw.arrival_ms.unwrap_or(raw.event_ms);
        let since_ms = at_ms - *first_ms.get_or_insert(at_ms);
        if since_ms > SPAN_MS {
            break;
        }
        if shoppers.len() < SHOPPERS {
            shoppers.insert(raw.visitor.to_vec());
        }
        if !shoppers.contains(raw.visitor) {
            continue;
        }
        // Another crowd has other shoppers.
        let visitor = [raw.visitor, b"-", seed.to_string().as_bytes()].concat();
        let mut line = Vec::new();
        let own = crate::format::RawEvent {
            visitor: &visitor,
            event_id: b"",
            ..raw
        };
        // Writing to memory cannot fail, and the simulator's texts are plain.
        let _ = write_event(&mut line, &own);
        let times = line.iter().skip(1).position(|&byte| byte == b',');
        line.drain(..times.map_or(0, |at| at + 1));
        events.push((since_ms / SPEED, line));
    }
    events
}

async fn walk(address: SocketAddr, inner: &Inner, seed: u64) -> std::io::Result<()> {
    let mut client = Client::new(address);
    let events = events(seed);
    inner.events.store(events.len() as u64, Ordering::Relaxed);
    inner.sent.store(0, Ordering::Relaxed);
    inner.refused.store(0, Ordering::Relaxed);
    let (begin, mut next) = (tokio::time::Instant::now(), 0);
    while next < events.len() {
        let since_ms = begin.elapsed().as_millis() as u64;
        let due = events[next..].iter().take_while(|(at, _)| *at <= since_ms);
        let due = due.take(500).count();
        if due > 0 {
            let mut body = b"{\"events\":[".to_vec();
            for (place, (_, line)) in events[next..next + due].iter().enumerate() {
                let comma = if place > 0 { "," } else { "" };
                body.extend_from_slice(format!("{comma}{{\"event_ms\":{}", now_ms()).as_bytes());
                body.extend_from_slice(line.trim_ascii_end());
            }
            body.extend_from_slice(b"]}");
            let (status, _) = client.post("/v1/events", body, Some(&inner.signer)).await?;
            if status == 429 || status == 503 {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            if status != 204 {
                inner.refused.fetch_add(due as u64, Ordering::Relaxed);
            }
            next += due;
            inner.sent.store(next as u64, Ordering::Relaxed);
        }
        tokio::time::sleep(BEAT).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_has_its_shoppers_and_ends() {
        let events = events(1);
        assert!(events.len() > 2 * SHOPPERS, "{} events", events.len());
        assert!(events.is_sorted_by_key(|(at, _)| *at));
        assert!(events.last().unwrap().0 <= SPAN_MS / SPEED);
        let text = std::str::from_utf8(&events[0].1).unwrap();
        assert!(text.starts_with(",\"visitor\":\"v"), "{text}");
        assert!(text.ends_with("}\n"));
    }
}
