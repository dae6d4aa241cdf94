//! The lists of a ranker, kept by somebody who is only told what changed.
//!
//! A worker that does not hold the index answers from these: after every [`Change`] of every close
//! has been applied, it recommends what [`super::rules::Rules`] or [`super::trending::Trending`]
//! would, down to the scores. A trend is not told from the item on the page here: who wants that one
//! left out, leaves it out. Lists are whole, so applying a change twice does no harm. Cost: a probe of
//! a map; sixteen bytes for each item of a list.

use super::{Change, Scored};
use crate::event::Id;
use crate::visit::keys::KeyMap;

/// Lists by item, and the one that goes for all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists {
    by_item: KeyMap<Vec<Scored>>,
}

impl Lists {
    /// Takes a list's new state over.
    pub fn apply(&mut self, change: Change) {
        if change.list.is_empty() {
            self.by_item.remove(&change.item.0);
        } else {
            self.by_item.insert(change.item.0, change.list);
        }
    }

    /// The list of the item on the page, or of a trend the one that goes for all: the best `length`.
    pub fn recommend(&self, visit: &[Id], length: usize, out: &mut Vec<Scored>) {
        out.clear();
        let Some(last) = visit.last() else {
            return;
        };
        let found = self.by_item.get(&last.0);
        let list = found.or_else(|| self.by_item.get(&Id::NONE.0));
        out.extend(list.into_iter().flatten().take(length));
    }

    /// Items with a list; the one that goes for all is one of them.
    pub fn len(&self) -> usize {
        self.by_item.len()
    }

    /// Whether there are no lists.
    pub fn is_empty(&self) -> bool {
        self.by_item.is_empty()
    }
}
