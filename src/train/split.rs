//! Which sessions a model is fitted on, which it is calibrated on, and which it is judged on.
//!
//! By time where a log has times: a session that is open at a cut is in no part, since what comes
//! of it lies on the other side. By visitor where it has none: no visitor is in two parts. Both are
//! functions of the sessions alone, whatever their order. Cost: a sort of their beginnings.

use crate::event::{VisitorId, mix};
use crate::visit::model::Split;
use crate::visit::rows::SessionRows;
use std::collections::BTreeMap;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The model is fitted on it.
    Fit,
    /// The model is calibrated on it.
    Calibrate,
    /// The model is judged on it.
    Judge,
}

/// Sets the draw apart from those of holdout and sample.
const SPLIT_SALT: u64 = 0x0073_706c_6974;

/// A pinned draw for a visitor.
fn draw(visitor: VisitorId, seed: u64) -> u64 {
    mix(visitor.0 ^ mix(seed ^ SPLIT_SALT))
}

/// Deals visitors to folds, those of whom a session has the label separately, so that all folds
/// have about as many of them. By the visitor's id.
pub fn deal(
    sessions: &[SessionRows],
    has: impl Fn(&SessionRows) -> bool,
    folds: u32,
    seed: u64,
) -> BTreeMap<u64, u32> {
    let mut visitors: BTreeMap<u64, bool> = BTreeMap::new();
    for session in sessions {
        *visitors.entry(session.visitor.0).or_default() |= has(session);
    }
    let mut order: Vec<(bool, u64, u64)> = visitors
        .iter()
        .map(|(visitor, has)| (*has, draw(VisitorId(*visitor), seed), *visitor))
        .collect();
    order.sort_unstable();
    let dealt = order.into_iter().zip((0..folds.max(1)).cycle());
    dealt
        .map(|((_, _, visitor), fold)| (visitor, fold))
        .collect()
}

/// A split by time: the last fifth of the sessions, by their beginning, is judged, and the last
/// fifth of those before is calibrated on.
pub fn by_time(sessions: &[SessionRows]) -> Split {
    let mut starts: Vec<u64> = sessions.iter().map(|session| session.start.0).collect();
    starts.sort_unstable();
    let at = |per_cent: usize| starts.get(starts.len() * per_cent / 100).copied();
    Split::Time {
        calibrate_from_ms: at(64).unwrap_or(0),
        judge_from_ms: at(80).unwrap_or(0),
    }
}

/// The part of a session; none for one that lies on both sides of a cut.
pub fn part(split: Split, session: &SessionRows) -> Option<Part> {
    match split {
        Split::Time {
            calibrate_from_ms,
            judge_from_ms,
        } => {
            if session.start.0 >= judge_from_ms {
                Some(Part::Judge)
            } else if session.end.0 >= judge_from_ms {
                None
            } else if session.start.0 >= calibrate_from_ms {
                Some(Part::Calibrate)
            } else if session.end.0 >= calibrate_from_ms {
                None
            } else {
                Some(Part::Fit)
            }
        }
        Split::Visitors { seed } => {
            let draw = draw(session.visitor, seed);
            Some(match (draw % 5, draw / 5 % 5) {
                (0, _) => Part::Judge,
                (_, 0) => Part::Calibrate,
                _ => Part::Fit,
            })
        }
        // Fitted on all; the judging was done in turn.
        Split::Folds { .. } => Some(Part::Fit),
        Split::Unknown => Some(Part::Judge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventMs;

    fn session(visitor: u64, start: u64, end: u64) -> SessionRows {
        SessionRows {
            visitor: VisitorId(visitor),
            start: EventMs(start),
            end: EventMs(end),
            events: 1,
            purchases: 0,
            abandons: false,
            rows: Vec::new(),
        }
    }

    #[test]
    fn a_session_open_at_a_cut_is_in_no_part() {
        let split = Split::Time {
            calibrate_from_ms: 100,
            judge_from_ms: 200,
        };
        for (start, end, expected) in [
            (0, 99, Some(Part::Fit)),
            (0, 100, None),
            (100, 199, Some(Part::Calibrate)),
            (150, 200, None),
            (0, 900, None),
            (200, 300, Some(Part::Judge)),
        ] {
            assert_eq!(
                part(split, &session(1, start, end)),
                expected,
                "{start}–{end}"
            );
        }
    }

    #[test]
    fn a_split_by_time_has_its_shares_whatever_the_order() {
        let mut sessions: Vec<_> = (0..1_000).map(|n| session(n, n * 10, n * 10 + 5)).collect();
        let split = by_time(&sessions);
        sessions.reverse();
        assert_eq!(by_time(&sessions), split);
        let count = |wanted| {
            let parts = sessions.iter().map(|session| part(split, session));
            parts.filter(|part| *part == Some(wanted)).count()
        };
        assert_eq!(
            [count(Part::Fit), count(Part::Calibrate), count(Part::Judge)],
            [640, 160, 200]
        );
        assert!(matches!(by_time(&[]), Split::Time { .. }));
    }

    #[test]
    fn a_split_by_visitor_has_its_shares_and_keeps_visitors_together() {
        let split = Split::Visitors { seed: 3 };
        let judged = (0..10_000)
            .filter(|n| part(split, &session(*n, 0, 0)) == Some(Part::Judge))
            .count();
        assert!((1_850..2_150).contains(&judged), "{judged}");
        for n in 0..100 {
            assert_eq!(
                part(split, &session(n, 0, 0)),
                part(split, &session(n, 99, 999))
            );
        }
    }

    #[test]
    fn folds_have_the_same_share_of_the_label_and_keep_visitors_together() {
        let sessions: Vec<_> = (0..1_000).map(|n| session(n % 500, n, n)).collect();
        let has = |session: &SessionRows| session.visitor.0 < 50;
        let fold_of = deal(&sessions, has, 5, 1);
        assert_eq!(fold_of.len(), 500);
        for fold in 0..5 {
            let of = |rare: bool| {
                let visitors = fold_of.iter();
                visitors
                    .filter(|(visitor, its)| **its == fold && (**visitor < 50) == rare)
                    .count()
            };
            assert_eq!((of(true), of(false)), (10, 90));
        }
        assert_ne!(deal(&sessions, has, 5, 2), fold_of);
    }
}
