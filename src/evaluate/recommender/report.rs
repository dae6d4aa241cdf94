//! What the judging of a ranker found out: one JSON object, or a page for people.
//!
//! The names are fixed. The protocol stands with the figures, because a hit rate without it means
//! nothing. Cost: none to speak of.

use crate::evaluate::page::named;
use crate::grouped::grouped;
use serde::Serialize;
use std::time::Duration;

/// The figures, all from 0 to 1; [`super`] has their definitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Hit rate.
    pub hr_at_20: f64,
    /// Mean reciprocal rank.
    pub mrr_at_20: f64,
    /// Normalised discounted cumulative gain.
    pub ndcg_at_20: f64,
    /// Precision.
    pub precision_at_20: f64,
    /// Recall.
    pub recall_at_20: f64,
    /// Share of the catalogue that any list held.
    pub coverage_at_20: f64,
    /// Mean popularity of what was recommended.
    pub popularity_bias: f64,
}

/// How long a recommendation took, in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50: f64,
    /// Nine of ten took no longer.
    pub p90: f64,
    /// Ninety-nine of a hundred took no longer.
    pub p99: f64,
}

impl Latency {
    /// The percentiles of what was measured, by nearest rank; zeros if nothing was.
    pub fn of(mut measured: Vec<Duration>) -> Latency {
        measured.sort_unstable();
        let at = |percent: usize| {
            let rank = (measured.len() * percent).div_ceil(100);
            let found = measured.get(rank.saturating_sub(1));
            found.map_or(0.0, |took| took.as_nanos() as f64 / 1e3)
        };
        Latency {
            p50: at(50),
            p90: at(90),
            p99: at(99),
        }
    }
}

/// How much a log held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counted {
    /// The log.
    pub log: String,
    /// Its sessions with at least one item.
    pub sessions: u64,
    /// Their events that count.
    pub events: u64,
    /// Their different items.
    pub items: u64,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The ranker's name.
    pub recommender: String,
    /// Its settings in words.
    pub settings: String,
    /// What was asked, of what, and what counts as right.
    pub protocol: String,
    /// Positions judged.
    pub predictions: u64,
    /// Positions among them that got no list.
    pub predictions_empty: u64,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// What a recommendation took, in µs, on this machine now.
    pub latency_us: Latency,
    /// The training log.
    pub train: Counted,
    /// The test log.
    pub test: Counted,
    /// What a user should know.
    pub notes: Vec<String>,
}

impl Report {
    /// One JSON object on one line.
    pub fn json(&self) -> String {
        // Plain data with text keys: this cannot fail.
        let mut text = serde_json::to_string(self).expect("a report is plain data");
        text.push('\n');
        text
    }

    /// A page for people.
    pub fn text(&self) -> String {
        let figures = &self.figures;
        let latency = &self.latency_us;
        let mut lines = vec![
            named(
                "recommender",
                &format!("{} ({})", self.recommender, self.settings),
            ),
            named("trained on", &counted(&self.train)),
            named("judged on", &counted(&self.test)),
            named("protocol", &self.protocol),
            named("predictions", &self.predictions_line()),
            named(
                "next item",
                &format!(
                    "HR@20 {:.4}, MRR@20 {:.4}",
                    figures.hr_at_20, figures.mrr_at_20
                ),
            ),
            named(
                "all to come",
                &format!(
                    "NDCG@20 {:.4}, precision@20 {:.4}, recall@20 {:.4}",
                    figures.ndcg_at_20, figures.precision_at_20, figures.recall_at_20
                ),
            ),
            named(
                "breadth",
                &format!(
                    "{:.1} % of the catalogue recommended; popularity bias {:.4}",
                    figures.coverage_at_20 * 100.0,
                    figures.popularity_bias
                ),
            ),
            named(
                "latency",
                &format!(
                    "p50 {}, p90 {}, p99 {} a recommendation",
                    short(latency.p50),
                    short(latency.p90),
                    short(latency.p99)
                ),
            ),
        ];
        lines.extend(self.notes.iter().map(|note| named("note", note)));
        lines.join("\n") + "\n"
    }

    fn predictions_line(&self) -> String {
        let empty = match self.predictions_empty {
            0 => "none without a list".to_owned(),
            empty => format!("{} without a list, counted as misses", grouped(empty)),
        };
        format!("{}, {empty}", grouped(self.predictions))
    }
}

/// A short time: `50 ns`, `4.2 µs`, `125 µs`.
fn short(micros: f64) -> String {
    match micros {
        micros if micros < 1.0 => format!("{:.0} ns", micros * 1e3),
        micros if micros < 100.0 => format!("{micros:.1} µs"),
        micros => format!("{micros:.0} µs"),
    }
}

fn counted(counted: &Counted) -> String {
    format!(
        "{}: {} sessions, {} events on {} items",
        counted.log,
        grouped(counted.sessions),
        grouped(counted.events),
        grouped(counted.items)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_go_by_nearest_rank() {
        let measured: Vec<Duration> = (1..=200).rev().map(Duration::from_micros).collect();
        let expected = Latency {
            p50: 100.0,
            p90: 180.0,
            p99: 198.0,
        };
        assert_eq!(Latency::of(measured), expected);
        assert_eq!(Latency::of(vec![Duration::from_nanos(1_500)]).p99, 1.5);
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }

    #[test]
    fn times_are_said_by_what_is_left_of_them() {
        let said = [0.0, 0.043, 4.23, 130.4].map(short);
        assert_eq!(said, ["0 ns", "43 ns", "4.2 µs", "130 µs"]);
    }
}
