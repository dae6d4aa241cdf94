//! The live layers on the command line, alone or together, and what they share: addresses, a runtime
//! for the edges, the end.
//!
//! The job has threads of its own; the edges share one small runtime. Whatever ends the process, what was
//! answered as taken is in the lane and what was served is committed.

pub mod collect;
pub mod erasure;
mod kept;
mod lanes;
mod metrics;
mod monitor;
mod page;
mod pages;
pub mod run;
pub mod serve;
mod simulated;
mod snapshots;
pub mod up;

use super::Failure;
use crate::collect::config::Config;
use crate::collect::{Collector, Committer};
use crate::flow::failure::{Stop, say};
use crate::http::host::Hosts;
use crate::http::keyed::Secret;
use crate::http::server::{Door, Stopping, Traffic, serve as serve_http};
use crate::lane::{LaneLock, LaneWriter};
use crate::log::disk::Disk;
use axum::Router;
use clap::Args;
use signal_hook::consts::SIGHUP;
use signal_hook::flag;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// Threads of the edges.
const EDGE_THREADS: usize = 2;
/// How soon a signal is seen.
const LOOK: Duration = Duration::from_millis(20);

/// Keys, origins and limits of the edges.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    /// Keys, origins and limits, as in `data/collect.toml`
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigArgs {
    /// Reads the file, if one is named.
    pub fn read(&self) -> Result<Config, Failure> {
        let Some(path) = &self.config else {
            return Ok(Config::default());
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what = format!("{} could not be read", path.display());
            Failure::new(2, anyhow::Error::new(error).context(what))
        })?;
        Config::read(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    }
}

/// The secret that tokens are signed with: the file's, or one for as long as this process lives.
fn token_secret(config: &Config) -> Result<Secret, Failure> {
    match &config.token_secret {
        Some(secret) => Ok(secret.clone()),
        None => Secret::random().map_err(|error| Failure::new(1, error)),
    }
}

/// From now on SIGHUP, which ends a process that does not know it, ends none. Where the layer has nothing that
/// it reads again, it says so.
fn survive_hangups(reads_nothing: Option<&'static str>) -> Result<(), Failure> {
    let hangup = Arc::new(AtomicBool::new(false));
    flag::register(SIGHUP, Arc::clone(&hangup)).map_err(|error| Failure::new(1, error))?;
    if let Some(layer) = reads_nothing {
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LOOK);
                if hangup.swap(false, Ordering::AcqRel) {
                    say(&format!(
                        "restage: SIGHUP: {layer} reads its files at the start only; it goes on as it was"
                    ));
                }
            }
        });
    }
    Ok(())
}

/// A lane that this process writes to, locked until it ends.
struct OwnLane {
    committer: Committer,
    _lock: LaneLock,
}

/// Opens a lane for writing.
fn own_lane(path: &Path, config: &Config) -> Result<OwnLane, Failure> {
    let failed = |error: std::io::Error, what: String| {
        Failure::new(5, anyhow::Error::new(error).context(what))
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)
            .map_err(|error| failed(error, format!("could not create {}", folder.display())))?;
    }
    let lock = LaneLock::take(path)
        .map_err(|error| failed(error, format!("could not lock {}", path.display())))?;
    let lock = lock.ok_or_else(|| {
        let what = format!("{} is written by another process", path.display());
        Failure::new(5, anyhow::anyhow!(what))
    })?;
    let lane = LaneWriter::open(Disk, path).map_err(|error| Failure::new(5, error))?;
    Ok(OwnLane {
        committer: Committer::start(lane, config.limits.waiting_bytes),
        _lock: lock,
    })
}

/// A collector by a configuration.
fn collector(config: Config, secret: Secret, lane: &OwnLane) -> Arc<Collector> {
    Arc::new(Collector::new(config, secret, lane.committer.clone()))
}

/// Refuses what is no address to listen at, before anything is made.
fn check_addresses<'a>(addresses: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
    let is_whole = |address: &str| {
        let parts = address.rsplit_once(':');
        parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    match addresses.into_iter().find(|address| !is_whole(address)) {
        None => Ok(()),
        Some(address) => Err(Failure::usage(format!(
            "`{address}` is no address to listen at: write HOST:PORT, as 127.0.0.1:8700"
        ))),
    }
}

/// The edges of this process.
struct Edges {
    runtime: Runtime,
    stopping: watch::Sender<bool>,
    servers: Vec<tokio::task::JoinHandle<()>>,
    traffic: Arc<Traffic>,
}

impl Edges {
    fn start() -> Result<Edges, Failure> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(EDGE_THREADS)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(1, error))?;
        Ok(Edges {
            runtime,
            stopping: watch::Sender::new(false),
            servers: Vec::new(),
            traffic: Arc::default(),
        })
    }

    /// Turns true when this process is to stop.
    fn stopping(&self) -> Stopping {
        self.stopping.subscribe()
    }

    /// Listens at an address; the one that it came to, where the port was left open.
    fn listen(
        &mut self,
        address: &str,
        router: Router,
        connections_max: usize,
    ) -> Result<SocketAddr, Failure> {
        let listener = self.bind(address)?;
        self.open(listener, router, connections_max, None)
    }

    /// The same for those who run the shop: what listens for this machine alone answers to its own names
    /// only, and to these.
    fn listen_here(
        &mut self,
        address: &str,
        router: Router,
        connections_max: usize,
        names: &BTreeSet<String>,
    ) -> Result<SocketAddr, Failure> {
        let listener = self.bind(address)?;
        self.serve_here(listener, address, (router, connections_max, names))
    }

    /// The same where the address is the process's already.
    fn serve_here(
        &mut self,
        listener: TcpListener,
        address: &str,
        (router, connections_max, names): (Router, usize, &BTreeSet<String>),
    ) -> Result<SocketAddr, Failure> {
        let hosts = Hosts::of(names, address);
        self.open(listener, router, connections_max, Some(hosts))
    }

    /// Makes an address this process's.
    fn bind(&self, address: &str) -> Result<TcpListener, Failure> {
        let bound = self.runtime.block_on(TcpListener::bind(address));
        bound.map_err(|error| {
            let what = format!("could not listen at {address}");
            Failure::new(5, anyhow::Error::new(error).context(what))
        })
    }

    fn open(
        &mut self,
        listener: TcpListener,
        router: Router,
        connections_max: usize,
        hosts: Option<Hosts>,
    ) -> Result<SocketAddr, Failure> {
        let at = listener
            .local_addr()
            .map_err(|error| Failure::new(5, error))?;
        let door = Door {
            connections_max,
            hosts: hosts.filter(|_| at.ip().is_loopback()).map(Arc::new),
            traffic: Arc::clone(&self.traffic),
        };
        let served = serve_http(listener, router, door, self.stopping());
        self.servers.push(self.runtime.spawn(served));
        Ok(at)
    }

    /// Serves until a signal comes, and then lets requests end.
    fn run(self, stop: &Stop) {
        while stop.reason().is_none() {
            std::thread::sleep(LOOK);
        }
        self.end();
    }

    /// Takes no more requests and lets those that are there end.
    fn end(self) {
        self.stopping.send_replace(true);
        self.runtime.block_on(async {
            for server in self.servers {
                // A server that broke has nothing left to end.
                let _ = server.await;
            }
        });
        self.runtime.shutdown_timeout(Duration::from_millis(100));
    }
}

/// Says where a layer listens.
fn listening(what: &str, at: SocketAddr) {
    say(&format!("restage: {what} at http://{at}"));
}
