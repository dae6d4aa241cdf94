//! The report of a run: one JSON object, or a page for people.

use super::drift::Drift;
use super::learned::Learned;
use crate::evaluate::what_if::report::Against;
use crate::event::{Kind, Reason};
use crate::flow::job::{Cluster, JobResult};
use crate::grouped::grouped;
use crate::visit::learn::attribution::Reward;
use crate::visit::phase::Phase;
use crate::visit::plan::Plan;
use crate::visit::tally::ProductCounts;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::fmt::Write;

/// The report, as INTERFACE fixes it, with what the run adds.
#[derive(Debug, Serialize)]
pub struct Report {
    events: u64,
    accepted: u64,
    rejected: Counts,
    kinds: Counts,
    visitors: u64,
    sessions: u64,
    carts_abandoned: u64,
    purchases: u64,
    revenue: f64,
    scorings: u64,
    decisions: u64,
    changes_per_session: f64,
    phases: Counts,
    digest: String,
    workers: usize,
    processes: usize,
    elapsed_s: f64,
    events_per_s: f64,
    peak_rss_mb: f64,
    event_time_span_s: f64,
    live_sessions_peak: u64,
    bytes_per_session: u64,
    limits: Counts,
    #[serde(skip_serializing_if = "Counts::is_empty")]
    products: Counts,
    #[serde(flatten)]
    learned: Learned,
    policy: String,
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue: Option<String>,
    drift: Vec<Drift>,
    logs: Vec<Log>,
    /// The comparison with another policy, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) against: Option<Against>,
    #[serde(skip)]
    reward: Reward,
}

/// A log among those of a run.
#[derive(Debug, Serialize)]
pub(super) struct Log {
    pub(super) log: String,
    pub(super) format: String,
    pub(super) events: u64,
    pub(super) accepted: u64,
}

impl Log {
    /// The log for people, on one line.
    pub(super) fn line(&self) -> String {
        let events = grouped(self.events);
        format!("{} ({}, {events} events)", self.log, self.format)
    }
}

/// Names with numbers, in a fixed order.
#[derive(Debug)]
pub(super) struct Counts(Vec<(&'static str, u64)>);

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, count) in &self.0 {
            map.serialize_entry(name, count)?;
        }
        map.end()
    }
}

impl Counts {
    pub(super) fn above_zero(names: impl Iterator<Item = (&'static str, u64)>) -> Counts {
        Counts(names.filter(|(_, count)| *count > 0).collect())
    }

    /// Rejected rows by reason.
    pub(super) fn rejected(counts: [u64; Reason::ALL.len()]) -> Counts {
        Counts::above_zero(Reason::ALL.iter().map(|reason| reason.name()).zip(counts))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn line(&self) -> String {
        let parts = self
            .0
            .iter()
            .map(|(name, count)| format!("{name} {}", grouped(*count)));
        parts.collect::<Vec<_>>().join(", ")
    }
}

impl Report {
    /// Sums up a result.
    pub fn new(result: &JobResult, cluster: &Cluster, plan: &Plan) -> Report {
        let rules = &plan.last().rules;
        let tally = &result.tally;
        let elapsed_s = result.elapsed.as_secs_f64();
        let per_session = |count: u64| count as f64 / tally.sessions.max(1) as f64;
        let limits = &tally.limits;
        Report {
            events: result.rows(),
            accepted: tally.accepted(),
            rejected: Counts::rejected(result.rejected()),
            kinds: Counts::above_zero(
                Kind::ALL
                    .iter()
                    .map(|kind| (kind.name(), tally.kind(*kind))),
            ),
            visitors: tally.visitors,
            sessions: tally.sessions,
            carts_abandoned: tally.carts_abandoned,
            purchases: tally.kind(Kind::Purchase),
            revenue: tally.revenue as f64 / 1e6,
            scorings: tally.scorings,
            decisions: tally.decisions,
            changes_per_session: per_session(tally.changes),
            phases: Counts(
                Phase::ALL
                    .iter()
                    .map(|phase| phase.name())
                    .zip(tally.phases)
                    .collect(),
            ),
            digest: result.digest.to_string(),
            workers: cluster.workers,
            processes: cluster.processes(),
            elapsed_s,
            events_per_s: result.rows() as f64 / elapsed_s.max(1e-9),
            peak_rss_mb: result.peak_rss_bytes as f64 / 1e6,
            event_time_span_s: result.event_time_span_ms() as f64 / 1e3,
            live_sessions_peak: tally.live_sessions_peak,
            bytes_per_session: tally.state_bytes / tally.state_sessions.max(1),
            limits: Counts::above_zero(
                [
                    ("items_per_session", limits.items_per_session),
                    ("categories_per_session", limits.categories_per_session),
                    ("live_sessions", limits.live_sessions),
                    ("histories", limits.histories),
                    ("event_ids", limits.event_ids),
                    ("erased", limits.erased),
                    ("facts", limits.facts),
                    ("exposures", limits.exposures),
                    ("index_sessions", limits.indexed),
                    ("value_max", limits.value_max),
                ]
                .into_iter(),
            ),
            products: Counts(
                rules
                    .catalogue
                    .iter()
                    .flat_map(|_| products(&tally.products))
                    .collect(),
            ),
            learned: Learned::new(tally, &result.learned, &rules.policy),
            policy: plan.policies(),
            model: rules.models.label(),
            catalogue: rules.catalogue.as_ref().map(|all| all.label.clone()),
            drift: Drift::of_run(rules, tally),
            against: None,
            reward: rules.policy.learning.reward.reward,
            logs: result
                .lanes
                .iter()
                .map(|lane| Log {
                    log: lane.log.clone(),
                    format: lane.format.clone(),
                    events: lane.tally.rows,
                    accepted: lane.tally.accepted,
                })
                .collect(),
        }
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a report is plain data");
        text.push('\n');
        text
    }

    /// A page for people.
    pub fn text(&self, decisions: &str) -> String {
        let mut page = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to memory cannot fail.
            let _ = writeln!(page, "{name:<12} {value}");
        };
        for log in &self.logs {
            row("log", log.line());
        }
        row(
            "events",
            format!(
                "{} taken of {}",
                grouped(self.accepted),
                grouped(self.events)
            ),
        );
        if !self.rejected.is_empty() {
            row("rejected", self.rejected.line());
        }
        row("kinds", self.kinds.line());
        row(
            "visits",
            format!(
                "{} visitors, {} sessions",
                grouped(self.visitors),
                grouped(self.sessions)
            ),
        );
        row(
            "phases",
            format!("{} (sessions that reached each)", self.phases.line()),
        );
        row(
            "outcome",
            format!(
                "{} purchases worth {:.2}, {} carts abandoned",
                grouped(self.purchases),
                self.revenue,
                grouped(self.carts_abandoned)
            ),
        );
        row(
            "decisions",
            format!(
                "{}: one a session and {:.3} changes a session, after {} scorings; {decisions}",
                grouped(self.decisions),
                self.changes_per_session,
                grouped(self.scorings)
            ),
        );
        row("digest", self.digest.clone());
        row(
            "rules",
            format!(
                "policy {}, model {}{}",
                self.policy,
                self.model,
                self.catalogue
                    .as_ref()
                    .map_or(String::new(), |all| format!(", catalogue {all}"))
            ),
        );
        if !self.products.is_empty() {
            row("products", self.products.line());
        }
        if !self.limits.is_empty() {
            row(
                "limits",
                format!("{} (times each was reached)", self.limits.line()),
            );
        }
        for drift in &self.drift {
            row("drift", drift.line());
        }
        if self.drift.is_empty() && self.sessions > 0 {
            row(
                "drift",
                "not known: the model has no training summary".into(),
            );
        }
        for (name, line) in self.learned.rows() {
            row(name, line);
        }
        row(
            "memory",
            format!(
                "{:.1} MB at most; {} sessions live at most, {} bytes each",
                self.peak_rss_mb,
                grouped(self.live_sessions_peak),
                grouped(self.bytes_per_session)
            ),
        );
        row(
            "speed",
            format!(
                "{} of the log in {:.3} s: {} events/s on {} worker(s) in {} process(es)",
                span(self.event_time_span_s),
                self.elapsed_s,
                grouped(self.events_per_s as u64),
                self.workers,
                self.processes
            ),
        );
        if let Some(against) = &self.against {
            page += &against.text(&self.policy, self.reward);
        }
        page
    }
}

/// Lists of products, and sessions in the index that they are made from.
fn products(counts: &ProductCounts) -> [(&'static str, u64); 6] {
    [
        ("lists_made", counts.lists_made),
        ("lists_changed", counts.lists_changed),
        ("index_entered", counts.entered),
        ("index_left", counts.left()),
        ("index_retracted", counts.retracted),
        ("index_standing", counts.standing),
    ]
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7_200.0 => format!("{:.1} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} hours", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
