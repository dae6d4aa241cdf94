//! The same figures at every length of a session, and over all rows.
//!
//! A model that is asked after every event is judged at fixed numbers of events ([`PREFIXES`]): one
//! row a session, sessions that never got so far being absent. A model can look good over all rows
//! only because late rows are easy; these figures show it. Over all rows ([`overall`]) each session
//! weighs one in total, so that long sessions do not drown the rest. Intervals come from
//! resampling the sessions that are there. Cost: a sort a scorer, and the replicates.

use super::ScoredSession;
use super::bootstrap::{Difference, Interval, Resampled, resample};
use super::calibration::ece;
use super::metrics::{Ranking, Row};
use serde::Serialize;

/// Numbers of events at which sessions are judged.
pub const PREFIXES: [u32; 7] = [1, 2, 3, 5, 8, 13, 21];

/// The scores of a model or a baseline, one a row of the sessions.
#[derive(Clone, Copy, Debug)]
pub struct Scorer<'a> {
    sessions: &'a [ScoredSession],
    /// The sessions' own unless given.
    scores: Option<&'a [Vec<f64>]>,
}

impl<'a> Scorer<'a> {
    /// The scores that the sessions bring along.
    pub fn own(sessions: &'a [ScoredSession]) -> Scorer<'a> {
        Scorer {
            sessions,
            scores: None,
        }
    }

    /// Other scores for the same rows.
    ///
    /// # Panics
    /// If there is not exactly one score a row: then the caller mixed up two data sets.
    pub fn beside(sessions: &'a [ScoredSession], scores: &'a [Vec<f64>]) -> Scorer<'a> {
        assert_eq!(scores.len(), sessions.len(), "sessions of a baseline");
        for (n, (session, scores)) in sessions.iter().zip(scores).enumerate() {
            assert_eq!(scores.len(), session.rows.len(), "scores of session {n}");
        }
        Scorer {
            sessions,
            scores: Some(scores),
        }
    }

    /// The row of every session at this length, if it has one; sessions without are not numbered.
    fn at(self, events: u32) -> Vec<Row> {
        let mut rows = Vec::new();
        for n in 0..self.sessions.len() {
            let session = &self.sessions[n].rows;
            if let Some(at) = session.iter().position(|row| row.events == events) {
                let number = rows.len() as u32;
                rows.push(self.row(n, at, number, 1.0));
            }
        }
        rows
    }

    /// All rows; sessions without are not numbered.
    fn all(self) -> Vec<Row> {
        let mut rows = Vec::new();
        let filled = (0..self.sessions.len()).filter(|n| !self.sessions[*n].rows.is_empty());
        for (number, n) in filled.enumerate() {
            let each = self.sessions[n].rows.iter().enumerate();
            rows.extend(each.map(|(at, row)| {
                let weight = 1.0 / f64::from(row.events.max(1));
                self.row(n, at, number as u32, weight)
            }));
        }
        rows
    }

    fn row(self, session: usize, at: usize, number: u32, weight: f64) -> Row {
        let row = &self.sessions[session].rows[at];
        Row {
            score: self.scores.map_or(row.score, |scores| scores[session][at]),
            weight,
            session: number,
            label: row.label,
        }
    }
}

/// One scorer's figures on some rows; `None` where the rows do not define them, which is where
/// they are of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Number of rows.
    pub rows: usize,
    /// Number of rows with the label.
    pub positives: usize,
    /// Area under the ROC curve, from 0 to 1.
    pub auc: Option<f64>,
    /// Average precision, from 0 to 1.
    pub average_precision: Option<f64>,
    /// Mean log loss in nats.
    pub log_loss: Option<f64>,
    /// Mean squared error of the probability.
    pub brier: Option<f64>,
    /// Expected calibration error over ten bins of equal width.
    pub ece: Option<f64>,
    /// 95 % interval of the area under the ROC curve.
    pub interval: Option<Interval>,
    /// 95 % interval of average precision.
    pub average_precision_interval: Option<Interval>,
}

/// All scorers judged on the same rows.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// The scorers' rows by falling score.
    pub rankings: Vec<Ranking>,
    /// The scorers' figures.
    pub figures: Vec<Figures>,
    /// What resampling gave.
    pub resampled: Resampled,
}

impl Stage {
    fn new(scorers: Vec<Vec<Row>>, replicates: u32, seed: u64) -> Stage {
        let sessions = scorers.first().and_then(|rows| rows.last());
        let sessions = sessions.map_or(0, |row| row.session + 1);
        let rankings: Vec<Ranking> = scorers.into_iter().map(Ranking::new).collect();
        let resampled = resample(&rankings, sessions, replicates, seed);
        let figures = rankings.iter().enumerate().map(|(n, ranking)| {
            let areas = ranking.areas();
            Figures {
                rows: ranking.rows().len(),
                positives: ranking.positives(),
                auc: areas.map(|areas| areas.auc),
                average_precision: areas.map(|areas| areas.average_precision),
                log_loss: ranking.log_loss(),
                brier: ranking.brier(),
                ece: ece(ranking),
                interval: resampled.auc(n),
                average_precision_interval: resampled.average_precision(n),
            }
        });
        Stage {
            figures: figures.collect(),
            resampled,
            rankings,
        }
    }

    /// By how much the first scorer's area under the ROC curve is above that of scorer `other`,
    /// and how that moves over the replicates.
    pub fn difference(&self, other: usize) -> (Option<f64>, Option<Difference>) {
        let auc = |scorer: usize| self.figures.get(scorer)?.auc;
        let difference = auc(0).zip(auc(other)).map(|(own, other)| own - other);
        (difference, self.resampled.difference(0, other))
    }
}

/// Judges scorers of the same sessions on the one row per session at this length.
pub fn at_prefix(scorers: &[Scorer<'_>], events: u32, replicates: u32, seed: u64) -> Stage {
    let rows = scorers.iter().map(|scorer| scorer.at(events));
    // Each length has draws of its own.
    Stage::new(rows.collect(), replicates, seed ^ u64::from(events) << 32)
}

/// Judges scorers of the same sessions on all rows, the one after k events weighing 1/k.
pub fn overall(scorers: &[Scorer<'_>], replicates: u32, seed: u64) -> Stage {
    let rows = scorers.iter().map(|scorer| scorer.all());
    Stage::new(rows.collect(), replicates, seed)
}

#[cfg(test)]
mod tests {
    use super::super::ScoredRow;
    use super::*;

    fn session(rows: &[(u32, bool, f64)]) -> ScoredSession {
        let row = |&(events, label, score): &(u32, bool, f64)| ScoredRow {
            events,
            at_ms: u64::from(events) * 1_000,
            label,
            score,
        };
        ScoredSession {
            rows: rows.iter().map(row).collect(),
            outcome: None,
        }
    }

    fn sessions() -> Vec<ScoredSession> {
        vec![
            session(&[(1, false, 0.3)]),
            session(&[]),
            session(&[
                (1, true, 0.2),
                (2, true, 0.6),
                (3, false, 0.1),
                (5, false, 0.1),
            ]),
            session(&[(1, false, 0.1), (2, false, 0.5)]),
        ]
    }

    #[test]
    fn a_length_takes_one_row_of_the_sessions_that_got_so_far() {
        let sessions = sessions();
        let own = [Scorer::own(&sessions)];
        let first = at_prefix(&own, 1, 0, 0);
        // 0.2 beats 0.1 but not 0.3.
        let figures = first.figures[0];
        assert_eq!((figures.rows, figures.positives), (3, 1));
        assert_eq!((figures.auc, figures.interval), (Some(0.5), None));
        let second = at_prefix(&own, 2, 0, 0).figures[0];
        assert_eq!((second.rows, second.auc), (2, Some(1.0)));
        // One session, hence one class; then none.
        let fifth = at_prefix(&own, 5, 10, 0);
        assert_eq!((fifth.figures[0].rows, fifth.figures[0].auc), (1, None));
        assert_eq!(fifth.resampled.skipped, 10);
        assert_eq!(at_prefix(&own, 4, 10, 0).figures[0], Figures::default());
    }

    #[test]
    fn overall_a_row_weighs_by_its_place_alone() {
        let sessions = sessions();
        let stage = overall(&[Scorer::own(&sessions)], 50, 1);
        let rows = sessions.iter().flat_map(|session| &session.rows);
        let rows: Vec<(f64, bool, f64)> = rows
            .map(|row| (row.score, row.label, 1.0 / f64::from(row.events)))
            .collect();
        let (mut above, mut pairs) = (0.0, 0.0);
        for (score, _, weight) in rows.iter().filter(|row| row.1) {
            for (other, _, beside) in rows.iter().filter(|row| !row.1) {
                let wins =
                    f64::from(u8::from(score > other)) + 0.5 * f64::from(u8::from(score == other));
                above += weight * beside * wins;
                pairs += weight * beside;
            }
        }
        let auc = stage.figures[0].auc.expect("both classes");
        assert!((auc - above / pairs).abs() < 1e-12);
    }

    #[test]
    fn a_scorer_beside_is_compared_on_the_same_rows() {
        let sessions = sessions();
        let scores: Vec<Vec<f64>> = vec![vec![0.9], vec![], vec![0.1; 4], vec![0.5; 2]];
        let scorers = [Scorer::own(&sessions), Scorer::beside(&sessions, &scores)];
        let stage = at_prefix(&scorers, 1, 100, 3);
        assert_eq!(stage.figures[1].auc, Some(0.0));
        let (difference, resampled) = stage.difference(1);
        assert_eq!(difference, Some(0.5));
        assert!(resampled.expect("a difference").interval.lo >= 0.0);
    }

    #[test]
    #[should_panic(expected = "scores of session 2")]
    fn scores_of_other_rows_are_refused() {
        let scores = [vec![0.9], vec![], vec![0.1; 3], vec![0.5; 2]];
        Scorer::beside(&sessions(), &scores);
    }
}
