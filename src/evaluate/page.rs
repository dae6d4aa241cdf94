//! A judgement as a page for people.
//!
//! First on what the model was judged, then a table by the number of events with the baselines
//! beside it, then the lead over every baseline and the lead time in words. What the data do not
//! define is a dash. Cost: none to speak of.

use super::bootstrap::Interval;
use super::by_prefix::Figures;
use super::report::Report;
use crate::grouped::grouped;

/// What stands for a figure that is not there.
const NONE: &str = "-";

impl Report {
    /// A page for people.
    pub fn text(&self) -> String {
        let score = match self.by_prefix.is_empty() {
            true => self.label.clone(),
            false => format!("p_{}", self.label),
        };
        let kind = format!("{}, for {score}", self.kind);
        let mut lines = vec![named("model", &kind), named("judged on", &self.judged_on())];
        lines.extend(named_once("overall", self.overall_lines()));
        lines.push(String::new());
        if !self.by_prefix.is_empty() {
            lines.extend(table(&self.cells()));
            lines.push(String::new());
        }
        for (name, baseline) in &self.baselines.0 {
            let lead = baseline.auc_difference.overall;
            let difference = lead.difference.map_or(NONE.to_owned(), |difference| {
                format!("{difference:+.3}{}", bracketed(lead.interval))
            });
            let share = lead.share_above_zero.map_or(String::new(), |share| {
                format!("; above in {:.1} % of the replicates", share * 100.0)
            });
            let own = number(baseline.auc, 3);
            let value = format!("{difference} over {name} ({own}){share}");
            lines.push(named("lead in AUC", &value));
        }
        if !self.by_prefix.is_empty() {
            lines.extend(named_once("lead time", self.lead_lines()));
        }
        if self.replicates_skipped > 0 {
            let skipped = grouped(u64::from(self.replicates_skipped));
            let value = format!("{skipped} replicates that lacked a class");
            lines.push(named("skipped", &value));
        }
        lines.join("\n") + "\n"
    }

    fn judged_on(&self) -> String {
        let Figures {
            rows, positives, ..
        } = self.overall;
        format!(
            "{} sessions, {} rows, {} of them positive",
            grouped(u64::from(self.sessions)),
            grouped(rows as u64),
            grouped(positives as u64)
        )
    }

    fn overall_lines(&self) -> Vec<String> {
        let figures = &self.overall;
        let Some(auc) = figures.auc else {
            return vec!["the rows are of one class: there is nothing to tell apart".to_owned()];
        };
        let (precision, precision_interval) = (
            figures.average_precision,
            figures.average_precision_interval,
        );
        vec![
            format!(
                "AUC {auc:.3}{}, average precision {}{}",
                bracketed(figures.interval),
                number(precision, 3),
                bracketed(precision_interval)
            ),
            format!(
                "log loss {}, Brier score {}, calibration error {}{}",
                number(figures.log_loss, 4),
                number(figures.brier, 4),
                number(figures.ece, 4),
                if self.by_prefix.is_empty() {
                    ""
                } else {
                    "; row k of a session weighs 1/k"
                }
            ),
        ]
    }

    /// The table by the number of events: a row of names, then a row a length.
    fn cells(&self) -> Vec<Vec<String>> {
        let names = ["events", "sessions", "positive", "AUC", "95 % interval"];
        let more = ["precision", "log loss", "ECE"];
        let baselines = self.baselines.0.iter();
        let beside = baselines.clone().map(|(name, _)| format!("AUC {name}"));
        let names = names.into_iter().chain(more).map(str::to_owned);
        let mut cells = vec![names.chain(beside).collect::<Vec<String>>()];
        for (n, at) in self.by_prefix.iter().enumerate() {
            let figures = &at.figures;
            let share = figures.positives as f64 / figures.rows.max(1) as f64;
            let own = [
                at.events.to_string(),
                grouped(figures.rows as u64),
                if figures.rows == 0 {
                    NONE.to_owned()
                } else {
                    format!("{:.1} %", share * 100.0)
                },
                number(figures.auc, 3),
                figures.interval.map_or(NONE.to_owned(), between),
                number(figures.average_precision, 3),
                number(figures.log_loss, 4),
                number(figures.ece, 4),
            ];
            let beside = baselines.clone().map(|(_, baseline)| {
                let there = baseline.by_prefix.get(n);
                number(there.and_then(|there| there.auc), 3)
            });
            cells.push(own.into_iter().chain(beside).collect());
        }
        cells
    }

    fn lead_lines(&self) -> Vec<String> {
        let lead = &self.lead_time;
        let (did, end) = match self.label.as_str() {
            "purchase" => ("bought", "the last purchase"),
            "abandon" => ("left a full cart", "the session's last event"),
            _ => ("had the outcome", "the outcome"),
        };
        let asked = format!("{:.0} %", lead.precision * 100.0);
        let (Some(reached), Some(threshold), Some(recall)) =
            (lead.precision_reached, lead.threshold, lead.recall)
        else {
            let best = lead.precision_best.map_or_else(
                || "too few sessions to flag".to_owned(),
                |best| format!("the best is {:.1} %", best * 100.0),
            );
            return vec![format!("no threshold is right {asked} of the time; {best}")];
        };
        let mut lines = vec![
            format!(
                "flagging from {threshold:.3} on is right {:.1} % of the time (asked for: {asked})",
                reached * 100.0
            ),
            format!(
                "it finds {:.1} % of the {} sessions that {did}",
                recall * 100.0,
                grouped(lead.outcomes)
            ),
        ];
        if let (Some(events), Some([few, many]), Some(seconds), Some([short, long])) = (
            lead.events_median,
            lead.events_quartiles,
            lead.seconds_median,
            lead.seconds_quartiles,
        ) {
            lines.push(format!(
                "half of those {events} events ({few} to {many}) and {} ({} to {}) or more before \
                 {end}",
                span(seconds),
                span(short),
                span(long)
            ));
        }
        lines
    }
}

pub(super) fn named(name: &str, value: &str) -> String {
    format!("{name:<12} {value}")
}

/// Lines of which the first bears the name.
fn named_once(name: &str, lines: Vec<String>) -> impl Iterator<Item = String> {
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    names.zip(lines).map(|(name, line)| named(name, &line))
}

/// Lines of columns, the numbers flush right.
pub(super) fn table(cells: &[Vec<String>]) -> Vec<String> {
    let columns = cells.first().map_or(0, Vec::len);
    let length = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.len());
    let width = |column| cells.iter().map(|row| length(row, column)).max();
    let widths: Vec<usize> = (0..columns).map(|n| width(n).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded = cells.map(|(cell, width)| format!("{cell:>width$}"));
        padded.collect::<Vec<_>>().join("  ")
    };
    cells.iter().map(line).collect()
}

fn number(value: Option<f64>, places: usize) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{value:.places$}"))
}

fn between(interval: Interval) -> String {
    format!("{:.3} to {:.3}", interval.lo, interval.hi)
}

fn bracketed(interval: Option<Interval>) -> String {
    interval.map_or(String::new(), |interval| {
        format!(" ({})", between(interval))
    })
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}
