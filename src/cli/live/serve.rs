//! `restage serve`: the decision log to pages.

use super::monitor::{Watched, monitor};
use super::{
    ConfigArgs, Edges, Failure, check_addresses, listening, survive_hangups, token_secret,
};
use crate::cli::progress::stop_at_signals;
use crate::collect::identity::Naming;
use crate::serve::{Board, Server, router, tail};
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Serve the latest decisions to pages
///
/// Follows the log of decisions that `restage run` writes. `GET /v1/decide` answers with the latest page
/// of a visitor, `GET /v1/stream` goes on telling; docs/live.md has both. Tokens are those of
/// `restage collect`, so both need the same `tokens.secret`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage serve decisions.jsonl --config collect.toml
  restage serve decisions.jsonl --config collect.toml --listen 127.0.0.1:8712 --monitor 127.0.0.1:8713")]
pub struct Serve {
    /// The log of decisions
    #[arg(value_name = "DECISIONS")]
    decisions: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
    /// Where to listen for pages
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8701")]
    listen: String,
    /// Where to listen for those who watch: /livez, /readyz, /metrics
    #[arg(long, value_name = "HOST:PORT")]
    monitor: Option<String>,
}

impl Serve {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        check_addresses([&self.listen].into_iter().chain(&self.monitor))?;
        let stop = stop_at_signals()?;
        survive_hangups(Some("restage serve"))?;
        let config = self.config.read()?;
        if config.token_secret.is_none() {
            return Err(Failure::usage(
                "a serving layer of its own needs a --config with tokens.secret, the collector's: else it knows no token",
            ));
        }
        let hosts = config.hosts.clone();
        let naming = Naming::of(token_secret(&config)?, config.hash_visitors);
        let board = Arc::<Board>::default();
        let reading = tail::follow(self.decisions.clone(), Arc::clone(&board), false);
        let mut edges = Edges::start()?;
        let server = Arc::new(Server {
            board: Arc::clone(&board),
            naming,
            origins: config.origins,
            stopping: edges.stopping(),
        });
        reading.wait(|| stop.reason().is_some());
        let at = edges.listen(&self.listen, router(server), config.limits.connections)?;
        listening("serving", at);
        if let Some(address) = &self.monitor {
            let watched = Watched {
                board: Some((board, reading)),
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
