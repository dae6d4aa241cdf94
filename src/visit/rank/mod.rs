//! Product rankers: which items to show a visit, from the sessions of others.
//!
//! [`rules::Rules`] goes by pairs of items within a session, [`session_knn::SessionKnn`] by the
//! sessions most alike (VMIS-kNN), [`trending::Trending`] by what many look at now, [`blend::Blend`] by
//! several of them. Each is an index
//! over sessions behind the same small interface, [`Index`]: a session enters as it closes or as
//! it grows, and leaves when the window moves on, its visitor is erased or ruled a bot.
//!
//! Invariant: what an index answers is a function of the sessions that stand, and for the lists of
//! [`rules`] and [`trending`] of those that stood at the last [`Index::close`]. No history remains:
//! counts and weights are integers, so a removal is exact; every order is total, ties going to the
//! smaller item id, so neither the order of inserts nor a map's order shows.
//!
//! An index knows no clock and no worker. Whoever owns it closes a version at a time of his own,
//! passes the [`Change`]s on to others, who keep them as [`lists::Lists`], and asks on. [`pairs`],
//! [`leaders`], [`numbering`] and [`sessions`] are what the indexes are made of; docs/recommenders.md has the formulas and the figures.

pub mod blend;
pub mod leaders;
pub mod lists;
pub mod numbering;
pub mod pairs;
pub mod recommender;
pub mod row;
pub mod rules;
pub mod session_knn;
pub mod sessions;
pub mod shift;
#[cfg(test)]
mod tests;
pub mod top;
pub mod trending;
pub mod window;

use crate::event::Id;
use serde::{Deserialize, Serialize};
use sessions::Sessions;

/// Who proposes the products of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ranker {
    /// The catalogue's own order.
    Catalogue,
    /// Items of the category of the item touched last, those nearest to it in price first.
    PriceMatch,
    /// What many look at now.
    Trending,
    /// What is seen in the same session as the item on the page.
    AssociationRules,
    /// What is seen soon after the item on the page.
    SequentialRules,
    /// What the sessions most alike held besides.
    SessionKnn,
    /// Several of them, by the ranks that they give.
    Blend,
}

impl Ranker {
    /// All rankers with their names in policies and on the command line.
    pub const ALL: [(Ranker, &'static str); 7] = [
        (Ranker::Catalogue, "catalogue"),
        (Ranker::PriceMatch, "price_match"),
        (Ranker::Trending, "trending"),
        (Ranker::AssociationRules, "association_rules"),
        (Ranker::SequentialRules, "sequential_rules"),
        (Ranker::SessionKnn, "session_knn"),
        (Ranker::Blend, "blend"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Ranker::ALL[self as usize].1
    }

    /// The ranker of a name.
    pub fn named(name: &str) -> Option<Ranker> {
        let mut all = Ranker::ALL.into_iter();
        all.find(|one| one.1 == name).map(|one| one.0)
    }

    /// Whether it learns from the sessions of others.
    pub fn learns(self) -> bool {
        !matches!(self, Ranker::Catalogue | Ranker::PriceMatch)
    }
}

/// Items that an item's list, and a recommendation, has at most by default.
pub const LIST_LENGTH: usize = 20;

/// Most items of a session that count: of a longer one, the last. Without a limit one crawler's
/// session would hold its square in pairs.
pub const SESSION_ITEMS_MAX: usize = 1_000;

/// The name of a session in an index: a hash, unique among the sessions that stand.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SessionKey(pub u64);

/// An item and how strongly it is recommended. Scores compare within one list only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The item.
    pub item: Id,
    /// Its score, above 0.
    pub score: f64,
}

/// A list whose items, or their order, are not what they were at the version before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The item whose list it is; [`Id::NONE`] for the list that goes for all.
    pub item: Id,
    /// The list now, best first; empty if there is none any more.
    pub list: Vec<Id>,
}

/// What the index of every ranker can do.
pub trait Index {
    /// Takes a session in, or in place of what it was before: its last event's time in ms, and
    /// its items in order, as often as they came. Of more than [`SESSION_ITEMS_MAX`] items the
    /// last count. [`Id::NONE`] is no item and left out.
    fn insert(&mut self, session: SessionKey, at_ms: u64, items: &[Id]);

    /// Takes a session out again. Returns whether it was there.
    fn remove(&mut self, session: SessionKey) -> bool;

    /// Takes out all sessions whose last event is earlier than this. Returns how many.
    fn expire(&mut self, before_ms: u64) -> usize {
        let mut expired = 0;
        while let Some(session) = self.sessions().oldest_before(before_ms) {
            self.remove(session);
            expired += 1;
        }
        expired
    }

    /// Brings lists up to date for a version at this time, in ms. Returns those that changed, by
    /// item. An index without lists, which answers from the sessions themselves, returns nothing.
    fn close(&mut self, version_ms: u64) -> Vec<Change>;

    /// Puts the best items for a visit that has seen `visit`, oldest first, into `out`: at most
    /// `length`, best first, none twice. Nothing for a visit without items, or of unknown ones.
    fn recommend(&self, visit: &[Id], length: usize, scratch: &mut Scratch, out: &mut Vec<Scored>);

    /// The sessions that stand.
    fn sessions(&self) -> &Sessions;
}

/// Room that a recommendation needs for a while. One may serve any number of indexes in turn.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Sums by item number, all zero between recommendations.
    sums: Vec<u64>,
    /// Numbers of the items with a sum.
    touched: Vec<u32>,
    /// Neighbours: similarity, rank by recency, session.
    neighbours: Vec<session_knn::Neighbour>,
}
