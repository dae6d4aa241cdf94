//! What becomes of a session in the index, said as one thing: it enters, grows or leaves.
//!
//! A session that grows by an item is nearly what it was. Said as one that leaves and another that
//! enters, all its n² pairs would be taken out and put in again for the n that are new. So how it was and
//! how it is stand in one row of items, each a stretch of it, and what both hold is in no difference:
//!
//! ```text
//! was   a b c d
//! is      b c d e
//! ```
//!
//! Invariant: what it was, changed by what comes and what goes, is what it is. Cost: one allocation and a
//! comparison of the two; the pairs of a growth by one item are its own, and those of what falls off the
//! front.

use super::SessionKey;
use super::window::Seen;
use crate::event::Id;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How a session stood in the index and how it stands; without items it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shift {
    /// Its name.
    session: SessionKey,
    /// Arrival of its last event as it was, in ms.
    was_at_ms: u64,
    /// Arrival of its last event as it is, in ms.
    is_at_ms: u64,
    /// Its items as it was, then those that came.
    items: Box<[Id]>,
    /// Where the stretch of what it was ends, which begins with the row.
    was_end: u32,
    /// Where the stretch of what it is begins, which ends with the row.
    is_begin: u32,
}

/// A stretch of a session's items, and which of them it had, or has, as well.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Its places in [`Shift::items`].
    pub all: Range<usize>,
    /// Those of them that are in the other stretch, too; pairs of two of them are no news.
    pub kept: Range<usize>,
}

impl Shift {
    /// A session that did not stand there enters.
    pub fn enters(seen: &Seen) -> Shift {
        Shift::between(seen.session, (0, &[]), (seen.at_ms, &seen.items))
    }

    /// A session leaves.
    pub fn leaves(seen: &Seen) -> Shift {
        Shift::between(seen.session, (seen.at_ms, &seen.items), (0, &[]))
    }

    /// A session stood with this last arrival, in ms, and these items, and stands with those.
    pub fn between(session: SessionKey, was: (u64, &[Id]), is: (u64, &[Id])) -> Shift {
        let ((was_at_ms, before), (is_at_ms, now)) = (was, is);
        let carries_on = |begin: &usize| now.starts_with(&before[*begin..]);
        let begin = (0..=before.len()).find(carries_on);
        let begin = begin.expect("at its end, nothing is left to be carried on");
        let items = [before, &now[before.len() - begin..]].concat();
        Shift {
            session,
            was_at_ms,
            is_at_ms,
            items: items.into(),
            was_end: before.len() as u32,
            is_begin: begin as u32,
        }
    }

    /// The row of items, of which stretches are places.
    pub fn items(&self) -> &[Id] {
        &self.items
    }

    /// What goes: the session as it was.
    pub fn goes(&self) -> Stretch {
        let (begin, end) = (self.is_begin as usize, self.was_end as usize);
        Stretch {
            all: 0..end,
            kept: begin..end,
        }
    }

    /// What comes: the session as it is.
    pub fn comes(&self) -> Stretch {
        let (begin, end) = (self.is_begin as usize, self.was_end as usize);
        Stretch {
            all: begin..self.items.len(),
            kept: begin..end,
        }
    }

    /// The session as it was, if it stood there.
    pub fn was(&self) -> Option<Seen> {
        self.seen(self.was_at_ms, self.goes().all)
    }

    /// The session as it is, if it stands there.
    pub fn is(&self) -> Option<Seen> {
        self.seen(self.is_at_ms, self.comes().all)
    }

    fn seen(&self, at_ms: u64, places: Range<usize>) -> Option<Seen> {
        let seen = Seen {
            session: self.session,
            at_ms,
            items: self.items[places].into(),
        };
        (!seen.items.is_empty()).then_some(seen)
    }

    /// By how many the sessions become more: 1 for one that enters, -1 for one that leaves.
    pub fn sessions(&self) -> i64 {
        i64::from(!self.comes().all.is_empty()) - i64::from(!self.goes().all.is_empty())
    }

    /// Arrivals of the last event, in ms: as it was, as it is.
    pub fn at_ms(&self) -> (u64, u64) {
        (self.was_at_ms, self.is_at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(items: &[u64]) -> Vec<Id> {
        items.iter().map(|&item| Id(item)).collect()
    }

    /// What stands in both is said once, and both can be told from it.
    #[test]
    fn two_stretches_of_one_row_are_what_it_was_and_what_it_is() {
        let cases: [(&[u64], &[u64], usize); 7] = [
            (&[1, 2, 3], &[1, 2, 3, 4], 4),
            (&[1, 2, 3], &[2, 3, 4], 4),
            (&[1, 2, 3], &[1, 2, 3], 3),
            (&[1, 2], &[3, 4], 4),
            (&[1, 1, 2, 1], &[1, 2, 1, 1], 5),
            (&[], &[5, 6], 2),
            (&[5, 6], &[], 2),
        ];
        for (before, now, row) in cases {
            let (before, now) = (ids(before), ids(now));
            let shift = Shift::between(SessionKey(7), (10, &before), (20, &now));
            assert_eq!(shift.items().len(), row, "{before:?} to {now:?}");
            let of = |at_ms, items: &Vec<Id>| {
                let seen = Seen {
                    session: SessionKey(7),
                    at_ms,
                    items: items.as_slice().into(),
                };
                (!items.is_empty()).then_some(seen)
            };
            let sessions = i64::from(!now.is_empty()) - i64::from(!before.is_empty());
            assert_eq!(shift.sessions(), sessions);
            assert_eq!(shift.was(), of(10, &before));
            assert_eq!(shift.is(), of(20, &now));
        }
    }
}
