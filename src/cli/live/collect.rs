//! `restage collect`: events over HTTP into a durable lane.

use super::monitor::{Watched, monitor};
use super::{
    ConfigArgs, Edges, Failure, check_addresses, collector, listening, own_lane, survive_hangups,
    token_secret,
};
use crate::cli::progress::stop_at_signals;
use crate::collect::router;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Take events over HTTP into a durable lane
///
/// What is answered as taken is on the disk. `POST /v1/session` gives a browser its token,
/// `POST /v1/events` takes a batch; docs/live.md has both. There is no TLS: put a proxy in front.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage collect --lane lanes/0.jsonl --config collect.toml
  restage collect --lane lanes/1.jsonl --config collect.toml --listen 127.0.0.1:8710")]
pub struct Collect {
    /// The lane to write: JSON lines, with a small file beside it that says how far it may be read
    #[arg(long, value_name = "FILE")]
    lane: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
    /// Where to listen for events
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8700")]
    listen: String,
    /// Where to listen for those who watch: /livez, /readyz, /metrics
    #[arg(long, value_name = "HOST:PORT")]
    monitor: Option<String>,
}

impl Collect {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        check_addresses([&self.listen].into_iter().chain(&self.monitor))?;
        let stop = stop_at_signals()?;
        survive_hangups(Some("restage collect"))?;
        let config = self.config.read()?;
        if config.write_keys.is_empty() && config.secrets.is_empty() {
            return Err(Failure::usage(
                "nobody could send anything: --config needs keys.write, keys.servers, or both (data/collect.toml is an example)",
            ));
        }
        let hosts = config.hosts.clone();
        let (secret, connections) = (token_secret(&config)?, config.limits.connections);
        let lane = own_lane(&self.lane, &config)?;
        let collector = collector(config, secret, &lane);
        let mut edges = Edges::start()?;
        let at = edges.listen(&self.listen, router(collector.clone()), connections)?;
        listening("collecting", at);
        if let Some(address) = &self.monitor {
            let watched = Watched {
                collector: Some(collector),
                traffic: Arc::clone(&edges.traffic),
                ..Watched::default()
            };
            let at = edges.listen_here(address, monitor(watched), 64, &hosts)?;
            listening("monitor", at);
        }
        edges.run(&stop);
        Ok(())
    }
}
