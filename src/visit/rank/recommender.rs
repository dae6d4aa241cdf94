//! What a worker recommends from: the lists of rules and trends, and an index of sessions of its own.
//!
//! Pairs and trends are kept where their items are, and only lists come here; neighbours are sought
//! among whole sessions, which every worker keeps. [`Update`]s wait until the version that they belong to
//! is in force, and are applied together: so a recommendation is a function of the sessions that stood
//! at the version, not of the order in which they came, nor of the worker that is asked.
//!
//! Cost: a probe for a list, tens of µs for neighbours. Memory: lists of eight bytes an item; for
//! `session_knn` some 250 bytes a session of ten, in every worker.

use super::lists::Lists;
use super::session_knn::SessionKnn;
use super::window::Seen;
use super::{Change, Index, Ranker, Scored, Scratch, rules, session_knn, trending};
use crate::event::Id;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Items that a ranker proposes for a list, at most.
pub const PROPOSED_MAX: usize = 100;
/// Items of a visit whose rules are read, the latest first: those of the one on the page, then, as
/// long as there are not enough, those of the ones before.
const LOOK_BACK: usize = 4;

/// Which sessions the index holds, and what is made of them.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexSpec {
    /// Whether a session enters with every item; else when it closes.
    pub growing: bool,
    /// How long a session counts after it entered, in ms of the arrival clock.
    pub window_ms: u64,
    /// Sessions kept in a bin; the oldest leave early beyond it.
    pub sessions_per_bin: usize,
    /// Association rules, if any arm wants them.
    pub association: Option<rules::Spec>,
    /// Sequential rules, if any arm wants them.
    pub sequential: Option<rules::Spec>,
    /// Trends, which others fall back on, too.
    pub trending: trending::Spec,
    /// Neighbours, if any arm wants them.
    pub session_knn: Option<session_knn::Spec>,
    /// What `blend` is made of, with weights in millionths.
    pub blend: Vec<(Ranker, u64)>,
}

/// How rankers go to work.
#[derive(Clone, Debug, PartialEq)]
pub struct RankerSettings {
    /// The greatest distance of a pair of sequential rules, in events.
    pub steps: u32,
    /// Neighbours.
    pub session_knn: session_knn::Spec,
    /// Trends.
    pub trending: trending::Spec,
    /// What `blend` is made of, with weights in millionths.
    pub blend: Vec<(Ranker, u64)>,
}

impl Default for RankerSettings {
    /// As published, or as docs/recommenders.md has found them.
    fn default() -> RankerSettings {
        RankerSettings {
            steps: 20,
            session_knn: session_knn::Spec::default(),
            trending: trending::Spec::default(),
            blend: super::blend::DEFAULT.to_vec(),
        }
    }
}

impl IndexSpec {
    /// Whether a blend goes by prices.
    pub fn blends_prices(&self) -> bool {
        let mut parts = self.blend.iter();
        parts.any(|(ranker, _)| *ranker == Ranker::PriceMatch)
    }
}

/// A change of what is recommended from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Update {
    /// A list of a ranker is another.
    List(Ranker, Change),
    /// A session enters (`1`) or leaves (`-1`).
    Session(Seen, i64),
}

/// A worker's recommendations.
#[derive(Debug)]
pub struct Recommender {
    association: Lists,
    sequential: Lists,
    trending: Lists,
    session_knn: Option<SessionKnn>,
}

impl Recommender {
    /// One that knows nothing yet.
    pub fn new(spec: &IndexSpec) -> Recommender {
        Recommender {
            association: Lists::default(),
            sequential: Lists::default(),
            trending: Lists::default(),
            session_knn: spec.session_knn.map(SessionKnn::new),
        }
    }

    /// Takes the updates of a version, in whatever order they came.
    pub fn turn(&mut self, updates: Vec<Update>) {
        let mut sessions = Vec::new();
        for update in updates {
            match update {
                Update::List(ranker, change) => {
                    if let Some(lists) = self.lists_mut(ranker) {
                        lists.apply(&change);
                    }
                }
                Update::Session(seen, count) => sessions.push((seen, count)),
            }
        }
        if let Some(index) = &mut self.session_knn {
            take(index, sessions);
        }
    }

    /// The lists: of association rules, sequential rules and trends.
    pub fn lists(&self) -> [Lists; 3] {
        let lists = [&self.association, &self.sequential, &self.trending];
        lists.map(Lists::clone)
    }

    /// Takes lists up, and the sessions in which neighbours are sought.
    pub fn take_up(&mut self, lists: [Lists; 3], sessions: &[Seen]) {
        [self.association, self.sequential, self.trending] = lists;
        if let Some(index) = &mut self.session_knn {
            for seen in sessions {
                index.insert(seen.session, seen.at_ms, &seen.items);
            }
        }
    }

    fn lists_mut(&mut self, ranker: Ranker) -> Option<&mut Lists> {
        match ranker {
            Ranker::AssociationRules => Some(&mut self.association),
            Ranker::SequentialRules => Some(&mut self.sequential),
            Ranker::Trending => Some(&mut self.trending),
            _ => None,
        }
    }

    /// What trends, best first.
    pub fn trending(&self) -> &[Id] {
        self.trending.of(Id::NONE)
    }

    /// What rules say for a visit, latest item last; an item may come more than once.
    pub fn rules<'a>(&'a self, ranker: Ranker, trail: &'a [Id]) -> impl Iterator<Item = Id> + 'a {
        let lists = match ranker {
            Ranker::AssociationRules => Some(&self.association),
            Ranker::SequentialRules => Some(&self.sequential),
            _ => None,
        };
        let latest = trail.iter().rev().take(LOOK_BACK);
        let of_each = latest.flat_map(move |item| lists.map_or(&[][..], |lists| lists.of(*item)));
        of_each.copied()
    }

    /// What the sessions most alike say for a visit, best first.
    pub fn neighbours(&self, trail: &[Id], scratch: &mut Scratch, out: &mut Vec<Scored>) {
        out.clear();
        if let Some(index) = &self.session_knn {
            index.recommend(trail, PROPOSED_MAX, scratch, out);
        }
    }

    /// Sessions in the worker's own index.
    pub fn sessions(&self) -> usize {
        self.session_knn
            .as_ref()
            .map_or(0, |index| index.sessions().len())
    }
}

/// The sessions that stood before a row of changes, of which `standing` came: those that none of the
/// changes touched, and those that the first change that is left of a version took out.
pub fn stood_before(standing: Vec<Seen>, mut changes: Vec<(u64, Seen, i64)>) -> Vec<Seen> {
    changes.sort_unstable_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
    let of_one = |one: &[(u64, Seen, i64)]| {
        let versions = one.chunk_by(|a, b| a.0 == b.0);
        let sums = versions.map(|version| version.iter().map(|(_, _, sign)| sign).sum::<i64>());
        sums.into_iter().find(|sum| *sum != 0)
    };
    let mut touched: BTreeMap<Seen, bool> = BTreeMap::new();
    for one in changes.chunk_by(|a, b| a.1 == b.1) {
        if let Some(first) = of_one(one) {
            touched.insert(one[0].1.clone(), first < 0);
        }
    }
    let mut stood = standing;
    stood.retain(|seen| !touched.contains_key(seen));
    stood.extend(
        touched
            .into_iter()
            .filter(|(_, stood)| *stood)
            .map(|(seen, _)| seen),
    );
    stood
}

/// Puts sessions in and takes others out: what came and went within a version leaves no trace.
fn take(index: &mut SessionKnn, mut sessions: Vec<(Seen, i64)>) {
    sessions.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let of_one = |one: &[(Seen, i64)]| one.iter().map(|(_, count)| count).sum::<i64>();
    let same = || sessions.chunk_by(|a, b| a.0 == b.0);
    for one in same().filter(|one| of_one(one) < 0) {
        index.remove(one[0].0.session);
    }
    for one in same().filter(|one| of_one(one) > 0) {
        let seen = &one[0].0;
        index.insert(seen.session, seen.at_ms, &seen.items);
    }
}
