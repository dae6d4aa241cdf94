//! `restage up`: all layers and a demo shop in one process.

use super::kept::kept_secret;
use super::monitor::{Watched, monitor};
use super::run::{end_job, live_job, outlet_in, say_of_ids};
use super::simulated::Crowd;
use super::{
    ConfigArgs, Edges, Failure, check_addresses, collector, listening, own_lane, pages,
    survive_hangups,
};
use crate::cli::args::{RuleArgs, check_workers};
use crate::cli::progress::stop_at_signals;
use crate::cli::reload::{Watches, reload_rules};
use crate::cli::state::StateArgs;
use crate::collect::Config;
use crate::collect::client::Signer;
use crate::flow::failure::say;
use crate::flow::job::{Cluster, run};
use crate::flow::status::JobStatus;
use crate::format::Source;
use crate::format::catalogue::read_catalogue;
use crate::http::keyed::Secret;
use crate::serve::{Board, Server, tail};
use crate::visit::plan::{Plan, RulesText};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The simulated shoppers' key.
const CROWD: &str = "simulated";

/// Run everything in one process, with a demo shop
///
/// Collects, decides and serves on this machine alone, and keeps its logs and state in one folder. The
/// shop's page changes while you browse it; the control room shows why.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage up
  restage up --dir /var/lib/restage --listen 127.0.0.1:8800
  restage up --policy bold.toml --catalogue items.csv")]
pub struct Up {
    /// Where the lane, the decisions and the state are kept
    #[arg(long, value_name = "DIR", default_value = "restage-data")]
    dir: PathBuf,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// Worker threads of the job
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    workers: usize,
    /// Time between two snapshots of the state; without it the policy's `durability.snapshot_every`
    #[arg(long, value_name = "TIME")]
    snapshot_every: Option<String>,
    /// Where to listen for pages; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8700")]
    listen: String,
    /// Where to listen for the control room, health and metrics
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8701")]
    monitor: String,
}

/// What the simulated shoppers' batches are signed with: a server's key of this process alone.
fn crowd_signer(config: &mut Config) -> Result<Signer, Failure> {
    let signer = Signer {
        name: CROWD.into(),
        secret: Secret::random().map_err(|error| Failure::new(1, error))?,
    };
    config
        .secrets
        .insert(signer.name.clone(), signer.secret.clone());
    Ok(signer)
}

impl Up {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        check_workers(self.workers)?;
        check_addresses([&self.listen, &self.monitor])?;
        let stop = stop_at_signals()?;
        survive_hangups(None)?;
        let mut config = self.config.read()?;
        if config.write_keys.is_empty() {
            config.write_keys.insert(pages::KEY.into());
        }
        let state = self.dir.join("state");
        let watches = Watches::of_both(&self.rules);
        let plan = self.plan(&state)?;
        let signer = crowd_signer(&mut config)?;
        let connections = config.limits.connections;
        let (lane_path, outlet) = (self.dir.join("lane.jsonl"), outlet_in(&self.dir));
        let lane = own_lane(&lane_path, &config)?;
        let secret = match &config.token_secret {
            Some(secret) => secret.clone(),
            None => kept_secret(&self.dir.join("token.secret"))?,
        };
        let (origins, hosts) = (config.origins.clone(), config.hosts.clone());
        let key = config.write_keys.first().cloned().unwrap_or_default();
        let collector = collector(config, secret, &lane);

        let status = JobStatus::default();
        let mut spec = live_job(plan, vec![Source::Path(lane_path.clone())], &status, &stop);
        let rules = Arc::clone(&spec.rules);
        spec.cluster = Cluster::local(self.workers);
        say_of_ids(&spec);
        let state = StateArgs {
            state: Some(state),
            snapshot_every: self.snapshot_every.clone(),
            policy_from: Some("now".into()),
        };
        let alive = state.open(&mut spec, Some(&outlet))?;
        reload_rules(&self.rules, spec.changes.clone().zip(alive), watches)?;

        let board = Arc::<Board>::default();
        let reading = tail::follow(outlet, Arc::clone(&board), true);
        let mut edges = Edges::start()?;
        let server = Arc::new(Server {
            board: Arc::clone(&board),
            naming: collector.naming().clone(),
            origins,
            stopping: edges.stopping(),
        });
        let router = crate::collect::router(Arc::clone(&collector))
            .merge(crate::serve::router(server))
            .merge(pages::shop(&key));
        reading.wait(|| stop.reason().is_some());
        let at = edges.listen_here(&self.listen, router, connections, &hosts)?;
        let crowd = Crowd::new(signer);
        crowd.to(at);
        let watched = Watched {
            collector: Some(collector),
            job: Some((status, rules)),
            lanes: vec![(0, lane_path)],
            state: state.state,
            currency: self.has_own_rules().then_some("EUR"),
            board: Some((board, reading)),
            traffic: Arc::clone(&edges.traffic),
        };
        let router = monitor(watched).merge(pages::control(crowd));
        let control = edges.listen_here(&self.monitor, router, 64, &hosts)?;
        listening("the shop", at);
        listening("the control room", control);
        say(&format!(
            "restage: logs and state in {}; ^C ends",
            self.dir.display()
        ));
        end_job(run(spec))?;
        edges.end();
        Ok(())
    }

    /// Whether the demo shop's own rules decide.
    fn has_own_rules(&self) -> bool {
        let rules = &self.rules;
        rules.policy.is_none() && rules.policy_schedule.is_none() && rules.catalogue.is_none()
    }

    /// What decides: the demo shop's own rules where none are named.
    fn plan(&self, state: &Path) -> Result<Plan, Failure> {
        if !self.has_own_rules() {
            return self.rules.live_plan(state);
        }
        let broken = |what: String| Failure::new(1, anyhow::anyhow!(what));
        let name = "the demo shop's catalogue";
        let catalogue = read_catalogue(name, pages::ITEMS.as_bytes())
            .map_err(|error| broken(error.to_string()))?;
        let text = RulesText {
            policy: pages::POLICY.into(),
            ..self.rules.text()?
        };
        Plan::read(text, Some(Arc::new(catalogue))).map_err(|error| broken(error.to_string()))
    }
}
