//! How a live job stands, as one JSON object.

use super::lanes::LaneNow;
use super::snapshots::SnapshotFile;
use crate::cli::drift::Drift;
use crate::cli::learned::Learned;
use crate::cli::report::Counts;
use crate::collect::edge;
use crate::event::Kind;
use crate::flow::status::Standing;
use crate::serve::board;
use crate::serve::tail::Quantiles;
use crate::visit::live::Rules;
use crate::visit::phase::Phase;
use serde::Serialize;
use std::collections::BTreeMap;

/// How a live job stands.
#[derive(Serialize)]
pub struct Page {
    now_ms: u64,
    policy: String,
    model: String,
    /// What money is counted in, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    events: u64,
    kinds: Counts,
    visitors: u64,
    sessions: u64,
    live_sessions: u64,
    /// Those that bought something, the live ones among them where they are counted.
    sessions_bought: u64,
    carts_abandoned: u64,
    revenue: f64,
    scorings: u64,
    decisions: u64,
    changes: u64,
    phases: Counts,
    committed_ms: u64,
    lanes: Vec<LanePage>,
    #[serde(flatten)]
    learned: Learned,
    drift: Vec<Drift>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshots: Option<Vec<SnapshotFile>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collect: Option<CollectPage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serve: Option<ServePage>,
}

#[derive(Serialize)]
struct LanePage {
    lane: u16,
    /// How far its clock is behind; null while it has not been begun.
    lag_ms: Option<u64>,
    /// Bytes that the job has read of it.
    bytes: u64,
    /// Whether a collector has it.
    is_written: bool,
}

#[derive(Serialize)]
struct CollectPage {
    accepted: u64,
    withheld: u64,
    dropped: u64,
    refused: BTreeMap<&'static str, u64>,
    requests: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct ServePage {
    decisions: u64,
    visitors: u64,
    streams: u64,
    streams_lagging: u64,
    /// From the arrival of what a decision answers until it is on the board.
    latency_ms: Quantiles,
}

impl Page {
    /// How a job stands at a time.
    pub fn of(standing: &Standing, rules: &Rules, now_ms: u64) -> Page {
        let tally = &standing.tally;
        let kinds = Kind::ALL
            .iter()
            .map(|kind| (kind.name(), tally.kind(*kind)));
        let names = Phase::ALL.iter().map(|phase| phase.name());
        let live = standing.live_counts.unwrap_or_default();
        let phases = names.zip(live.phases);
        Page {
            now_ms,
            policy: rules.policy.label.clone(),
            model: rules.models.label(),
            events: tally.kinds.iter().sum(),
            kinds: Counts::above_zero(kinds),
            visitors: tally.visitors,
            sessions: tally.sessions,
            live_sessions: standing.live,
            sessions_bought: tally.sessions_bought + live.bought,
            carts_abandoned: tally.carts_abandoned,
            revenue: tally.revenue as f64 / 1e6,
            scorings: tally.scorings,
            decisions: tally.decisions,
            changes: tally.changes,
            phases: Counts::above_zero(phases),
            committed_ms: standing.committed_ms,
            lanes: Vec::new(),
            learned: Learned::new(tally, &standing.learned, &rules.policy),
            drift: Drift::of_run(rules, tally),
            snapshots: None,
            currency: None,
            collect: None,
            serve: None,
        }
    }

    /// Adds the lanes.
    pub fn reads(&mut self, standing: &Standing, lanes: &[LaneNow]) {
        let all = lanes.iter().map(|lane| LanePage {
            lane: lane.lane,
            lag_ms: lane.lag_ms(self.now_ms),
            bytes: standing
                .lanes
                .get(&lane.lane)
                .map_or(0, |(_, bytes)| *bytes),
            is_written: lane.is_written,
        });
        self.lanes = all.collect();
    }

    /// Adds what money is counted in.
    pub fn counts_in(&mut self, currency: Option<&'static str>) {
        self.currency = currency;
    }

    /// Adds the snapshots that are kept.
    pub fn kept(&mut self, snapshots: Vec<SnapshotFile>) {
        self.snapshots = Some(snapshots);
    }

    /// Adds what was collected.
    pub fn collected(&mut self, counts: &edge::Counts) {
        self.collect = Some(CollectPage {
            accepted: counts.accepted,
            withheld: counts.withheld,
            dropped: counts.dropped,
            refused: counts.refused.clone(),
            requests: counts.requests.clone(),
        });
    }

    /// Adds what was served.
    pub fn served(&mut self, counts: board::Counts, latency_ms: Quantiles) {
        self.serve = Some(ServePage {
            decisions: counts.decisions,
            visitors: counts.visitors,
            streams: counts.readers,
            streams_lagging: counts.lagging,
            latency_ms,
        });
    }
}
