//! How long before the outcome a shop would know, if it wants to be right at least so often.
//!
//! A row counts while its label is still open: in a session with the outcome the rows labelled
//! true (for a purchase those before the last purchase; for an abandoned cart all, the last with
//! no lead), in a session without outcome every row. A session is flagged at a threshold when one
//! of its rows that count reaches it; the precision there is flagged sessions with the outcome over
//! flagged sessions. The threshold taken is the lowest whose precision is at least that asked for,
//! with [`FLAGGED_MIN`] flagged sessions or more: of all such it flags, and catches, most. It is
//! chosen on the sessions it is judged on, and so slightly flattering where these are few.
//!
//! Only a session's highest score decides whether it is flagged, and its first row at or above the
//! threshold when. Cost: two passes over the rows and a sort of the sessions.

use super::bootstrap::quantile;
use super::metrics::probability;
use super::{ScoredRow, ScoredSession};
use serde::Serialize;

/// Fewer flagged sessions than these say nothing about a precision.
pub const FLAGGED_MIN: u64 = 10;

/// How early a precision can be had; figures are `None` where it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LeadTime {
    /// The precision asked for, from 0 to 1.
    pub precision: f64,
    /// The precision at the threshold taken; not below that asked for.
    pub precision_reached: Option<f64>,
    /// The highest precision at any threshold with enough flagged sessions.
    pub precision_best: Option<f64>,
    /// The threshold taken, a probability.
    pub threshold: Option<f64>,
    /// Sessions with the outcome, whether they can be flagged or not.
    pub outcomes: u64,
    /// Sessions flagged at the threshold.
    pub flagged: Option<u64>,
    /// Share of the sessions with the outcome that are flagged.
    pub recall: Option<f64>,
    /// Events from the first row that reached the threshold to the outcome: median over the
    /// flagged sessions with the outcome.
    pub events_median: Option<f64>,
    /// The same: lower and upper quartile.
    pub events_quartiles: Option<[f64; 2]>,
    /// Seconds from that row to the outcome: median.
    pub seconds_median: Option<f64>,
    /// The same: lower and upper quartile.
    pub seconds_quartiles: Option<[f64; 2]>,
}

/// Finds the threshold for a precision, and how long before the outcome it is reached.
pub fn lead_time(sessions: &[ScoredSession], precision: f64) -> LeadTime {
    let mut peaks: Vec<(f64, bool)> = sessions.iter().filter_map(peak).collect();
    peaks.sort_by(|left, right| right.0.total_cmp(&left.0));
    let outcomes = sessions.iter().filter(|one| one.outcome.is_some()).count() as u64;
    let mut lead_time = LeadTime {
        precision,
        precision_reached: None,
        precision_best: None,
        threshold: None,
        outcomes,
        flagged: None,
        recall: None,
        events_median: None,
        events_quartiles: None,
        seconds_median: None,
        seconds_quartiles: None,
    };
    let (mut flagged, mut caught) = (0u64, 0u64);
    let mut peaks = peaks.into_iter().peekable();
    while let Some((score, outcome)) = peaks.next() {
        flagged += 1;
        caught += u64::from(outcome);
        let tied = peaks.peek().is_some_and(|next| next.0 == score);
        if tied || flagged < FLAGGED_MIN {
            continue;
        }
        let here = caught as f64 / flagged as f64;
        let best = lead_time.precision_best.map_or(here, |best| best.max(here));
        lead_time.precision_best = Some(best);
        if here >= precision {
            lead_time.precision_reached = Some(here);
            lead_time.threshold = Some(score);
            lead_time.flagged = Some(flagged);
            lead_time.recall = (outcomes > 0).then(|| caught as f64 / outcomes as f64);
        }
    }
    if let Some(threshold) = lead_time.threshold {
        measure(&mut lead_time, sessions, threshold);
    }
    lead_time
}

/// The rows of a session that count.
fn open(session: &ScoredSession) -> impl Iterator<Item = &ScoredRow> {
    let rows = session.rows.iter();
    rows.filter(|row| session.outcome.is_none() || row.label)
}

/// The highest score of the rows that count, and whether the session has the outcome.
fn peak(session: &ScoredSession) -> Option<(f64, bool)> {
    let scores = open(session).map(|row| probability(row.score));
    let peak = scores.reduce(f64::max)?;
    Some((peak, session.outcome.is_some()))
}

/// Fills in the leads of the sessions with the outcome that reach the threshold.
fn measure(lead_time: &mut LeadTime, sessions: &[ScoredSession], threshold: f64) {
    let (mut events, mut seconds) = (Vec::new(), Vec::new());
    for session in sessions {
        let first = open(session).find(|row| probability(row.score) >= threshold);
        if let (Some(outcome), Some(row)) = (session.outcome, first) {
            events.push(f64::from(outcome.event.saturating_sub(row.events)));
            seconds.push(outcome.at_ms.saturating_sub(row.at_ms) as f64 / 1e3);
        }
    }
    (lead_time.events_median, lead_time.events_quartiles) = middle(events);
    (lead_time.seconds_median, lead_time.seconds_quartiles) = middle(seconds);
}

/// Median and quartiles.
fn middle(mut values: Vec<f64>) -> (Option<f64>, Option<[f64; 2]>) {
    values.sort_by(f64::total_cmp);
    let quartiles = quantile(&values, 0.25).zip(quantile(&values, 0.75));
    (
        quantile(&values, 0.5),
        quartiles.map(|(low, high)| [low, high]),
    )
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;
    use crate::event::mix;

    /// A session of one row a second; with an outcome at this event its earlier rows are labelled.
    fn session(scores: &[f64], outcome: Option<u32>) -> ScoredSession {
        let row = |(n, score): (usize, &f64)| ScoredRow {
            events: n as u32 + 1,
            at_ms: n as u64 * 1_000,
            label: outcome.is_some_and(|event| (n as u32) + 1 < event),
            score: *score,
        };
        ScoredSession {
            rows: scores.iter().enumerate().map(row).collect(),
            outcome: outcome.map(|event| Outcome {
                event,
                at_ms: u64::from(event) * 1_000 - 1_000,
            }),
        }
    }

    #[test]
    fn the_lowest_threshold_of_the_precision_is_taken() {
        let mut sessions = Vec::new();
        // Ten buyers that reach 0.9 at once, then six that reach 0.5 at their third row.
        sessions.extend((0..10).map(|_| session(&[0.9, 0.2, 0.2, 0.2], Some(4))));
        sessions.extend((0..6).map(|_| session(&[0.1, 0.2, 0.5, 0.2], Some(4))));
        // Four others that reach 0.7 and four that reach 0.5, and many that stay low.
        sessions.extend((0..4).map(|_| session(&[0.1, 0.7], None)));
        sessions.extend((0..4).map(|_| session(&[0.5, 0.1], None)));
        sessions.extend((0..40).map(|_| session(&[0.1, 0.1], None)));
        let found = lead_time(&sessions, 0.65);
        // 10/14 at 0.7, 16/24 at 0.5, 16/64 at 0.1.
        assert_eq!(found.threshold, Some(0.5));
        assert_eq!((found.flagged, found.outcomes), (Some(24), 16));
        assert_eq!(found.precision_reached, Some(16.0 / 24.0));
        assert_eq!((found.precision_best, found.recall), (Some(1.0), Some(1.0)));
        // Ten leads of 3 events and six of 1.
        assert_eq!(found.events_median, Some(3.0));
        assert_eq!(found.events_quartiles, Some([1.0, 3.0]));
        assert_eq!(found.seconds_median, Some(3.0));
        let stricter = lead_time(&sessions, 0.7);
        assert_eq!(stricter.threshold, Some(0.7));
        assert_eq!(stricter.recall, Some(10.0 / 16.0));
    }

    #[test]
    fn what_cannot_be_reached_says_how_near_it_came() {
        let mut sessions = Vec::new();
        sessions.extend((0..5).map(|_| session(&[0.9, 0.9], Some(2))));
        sessions.extend((0..5).map(|_| session(&[0.8], None)));
        let found = lead_time(&sessions, 0.6);
        assert_eq!((found.threshold, found.events_median), (None, None));
        // All of the first five are right, but five are too few to say so.
        assert_eq!(found.precision_best, Some(0.5));
        assert_eq!(lead_time(&sessions[..9], 0.1).precision_best, None);
        assert_eq!(lead_time(&[], 0.1).outcomes, 0);
    }

    #[test]
    fn rows_after_the_outcome_flag_nothing() {
        let mut sessions: Vec<_> = (0..20)
            .map(|_| session(&[0.3, 0.9, 0.9], Some(2)))
            .collect();
        sessions.push(session(&[0.9], Some(1)));
        let found = lead_time(&sessions, 0.5);
        assert_eq!(found.threshold, Some(0.3));
        assert_eq!((found.flagged, found.events_median), (Some(20), Some(1.0)));
        // A session that bought at its first event has no row that counts: it is missed.
        assert_eq!(found.recall, Some(20.0 / 21.0));
    }

    /// Against every threshold tried in turn.
    #[test]
    fn the_threshold_is_that_of_trying_all() {
        let unit = |n: u64| (mix(n) % 50) as f64 / 50.0;
        let sessions: Vec<_> = (0..200u64)
            .map(|n| {
                let scores: Vec<f64> = (0..1 + n % 5).map(|k| unit(n * 8 + k)).collect();
                let lucky = unit(n * 8 + 7) < scores[0];
                session(&scores, lucky.then_some(scores.len() as u32))
            })
            .collect();
        for precision in [0.3, 0.5, 0.6, 0.9] {
            let mut expected = None;
            for threshold in (0..50).rev().map(|n| f64::from(n) / 50.0) {
                let reach = |one: &&ScoredSession| open(one).any(|row| row.score >= threshold);
                let flagged: Vec<_> = sessions.iter().filter(reach).collect();
                let caught = flagged.iter().filter(|one| one.outcome.is_some()).count();
                let reached = caught as f64 / flagged.len() as f64;
                let there = flagged
                    .iter()
                    .any(|one| peak(one).map(|peak| peak.0) == Some(threshold));
                if there && flagged.len() >= 10 && reached >= precision {
                    expected = Some((threshold, reached));
                }
            }
            let found = lead_time(&sessions, precision);
            assert_eq!(found.threshold.zip(found.precision_reached), expected);
        }
    }
}
