//! The lists of a ranker, kept by somebody who is only told what changed.
//!
//! A worker that does not hold the pairs or the trends answers from these: after every [`Change`] of
//! every close has been applied, it proposes the items that [`super::rules::Rules`] or
//! [`super::trending::Trending`] would. Items are kept by their ids: which of them the reader knows may be
//! another thing by the time that he asks. Lists are whole, so applying a change twice does no harm.
//!
//! Cost: a probe of a map; eight bytes for each item of a list.

use super::Change;
use crate::event::Id;
use crate::visit::keys::KeyMap;
use serde::{Deserialize, Serialize};

/// Lists by item, and the one that goes for all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lists {
    by_item: KeyMap<Box<[Id]>>,
}

impl Lists {
    /// Takes a list's new state over.
    pub fn apply(&mut self, change: &Change) {
        if change.list.is_empty() {
            self.by_item.remove(&change.item.0);
        } else {
            let list = change.list.as_slice().into();
            self.by_item.insert(change.item.0, list);
        }
    }

    /// The list of an item, best first; that of [`Id::NONE`] goes for all.
    #[inline]
    pub fn of(&self, item: Id) -> &[Id] {
        self.by_item.get(&item.0).map_or(&[], |list| list)
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
