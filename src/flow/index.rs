//! The index path: sessions in, changes of what products are recommended from out.
//!
//! ```text
//!             ┌─ pairs, by item ──► Rules ────┐
//! sessions ───┼─ items by quantum ─► Trends ──┼─► every worker
//!             └───────────────────────────────┘
//! ```
//!
//! Sessions that enter and leave are a differential collection, and so are the pairs and the counts
//! that they come to: a session that leaves takes back what it brought. An item's pairs within a session
//! travel as one row: sixteen bytes a pair, and one look for where they belong.
//! Each is kept by one operator, pairs by the worker that the item's hash names, trends by one; once a
//! version is complete it brings its lists up to date and says which changed. Neighbours are sought among
//! whole sessions, so these go to every worker as they are.
//!
//! A version's changes are applied together, what is added first: so no sum passes below what it
//! will be, in whatever order they came.
//!
//! Invariant: lists and indexes of a version are those of the sessions that stood before it, whatever
//! the number of workers. Cost: n² pairs a session of n items, in n rows that are exchanged once; a session for every
//! worker where neighbours are wanted; a list for every worker when it changes.

use super::failure;
use super::learning::{Changes, to_all};
use super::sessions::Whose;
use super::versions::Versions;
use crate::event::Id;
use crate::visit::learn::tables::Change as TableChange;
use crate::visit::rank::pairs::Pairs;
use crate::visit::rank::recommender::{IndexSpec, Update};
use crate::visit::rank::trending::{Spec as TrendingSpec, Trends};
use crate::visit::rank::window::Seen;
use crate::visit::rank::{Change, Ranker, rules};
use differential_dataflow::{AsCollection, ExchangeData, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Concatenate;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::{Scope, Stream};

/// Sessions that enter and leave the index.
pub type Sessions<'scope> = Stream<'scope, u64, Vec<(Seen, u64, isize)>>;

/// The same, with whose index it is.
pub type Indexed<'scope> = Stream<'scope, u64, Vec<((Whose, Seen), u64, isize)>>;

/// Whose index it is, and up to which version, in ms, everybody knows it: these are not told again.
type Of = (Whose, u64);

/// Attaches what a policy's arms need; says what changes for every worker after a version, in ms, up to
/// which everybody knows it already.
pub fn index<'scope>(
    scope: Scope<'scope, u64>,
    indexed: Indexed<'scope>,
    spec: &IndexSpec,
    (whose, known_ms): Of,
) -> Changes<'scope> {
    let sessions = indexed.flat_map(move |((of, seen), time, diff)| {
        let meant = of == whose;
        meant.then_some((seen, time, diff))
    });
    let mut changes = Vec::new();
    for (ranker, rules) in [
        (Ranker::AssociationRules, spec.association),
        (Ranker::SequentialRules, spec.sequential),
    ] {
        if let Some(rules) = rules {
            let sessions = sessions.clone();
            changes.push(lists_of_rules(sessions, ranker, (whose, known_ms), rules));
        }
    }
    changes.push(list_of_trends(
        sessions.clone(),
        (whose, known_ms),
        spec.trending,
    ));
    if spec.session_knn.is_some() {
        let workers = scope.peers();
        changes.push(sessions.flat_map(move |(seen, time, diff)| {
            let update = Update::Session(seen, diff as i64);
            let change = (time + 1, whose, TableChange::Recommended(update));
            to_all(if time >= known_ms { workers } else { 0 }, change)
        }));
    }
    scope.concatenate(changes)
}

/// The lists of every item, by its pairs.
fn lists_of_rules<'scope>(
    sessions: Sessions<'scope>,
    ranker: Ranker,
    of: Of,
    spec: rules::Spec,
) -> Changes<'scope> {
    let rows = sessions.as_collection().flat_map(move |seen: Seen| {
        let items = seen.items.into_vec();
        let rows = (0..items.len()).map(move |at| (items[at], spec.row(&items, at)));
        rows.filter(|(_, others)| !others.is_empty())
    });
    let mut known = Pairs::new(spec.length);
    by_version(
        rows,
        "Rules",
        |(item, _)| item.0,
        (ranker, of),
        move |_, changes| {
            for ((item, others), times) in changes.iter().filter(|change| change.1 > 0) {
                (0..*times).for_each(|_| known.add(*item, others));
            }
            for ((item, others), times) in changes.iter().filter(|change| change.1 < 0) {
                (*times..0).for_each(|_| known.subtract(*item, others));
            }
            known.close()
        },
    )
}

/// The one list of what trends.
fn list_of_trends<'scope>(
    sessions: Sessions<'scope>,
    of: Of,
    spec: TrendingSpec,
) -> Changes<'scope> {
    let counts = sessions.as_collection().explode(move |seen: Seen| {
        let quantum = spec.quantum(seen.at_ms);
        let mut items = seen.items.into_vec();
        items.sort_unstable();
        items.dedup();
        items.into_iter().map(move |item| ((item, quantum), 1))
    });
    let mut trends = Trends::new(spec);
    by_version(
        counts,
        "Trends",
        |_| 0,
        (Ranker::Trending, of),
        move |version_ms, changes| {
            for ((item, quantum), _) in changes.iter().filter(|change| change.1 > 0) {
                trends.add(*item, *quantum);
            }
            for ((item, quantum), _) in changes.iter().filter(|change| change.1 < 0) {
                trends.subtract(*item, *quantum);
            }
            let changed = trends.close(version_ms).then(|| Change {
                item: Id::NONE,
                list: trends.list().map(|one| one.item).collect(),
            });
            changed.into_iter().collect()
        },
    )
}

/// Keeps something by its changes, and says at every version which of its lists changed.
fn by_version<'scope, D: ExchangeData>(
    changes: VecCollection<'scope, u64, D, isize>,
    name: &'static str,
    home: impl Fn(&D) -> u64 + 'static,
    (ranker, (whose, known_ms)): (Ranker, Of),
    mut close: impl FnMut(u64, &[(D, isize)]) -> Vec<Change> + 'static,
) -> Changes<'scope> {
    let by_home = Exchange::new(move |(data, _, _): &(D, u64, isize)| home(data));
    let workers = changes.inner.scope().peers();
    changes
        .inner
        .unary_frontier::<CapacityContainerBuilder<Vec<_>>, _, _, _>(by_home, name, |_, _| {
            let mut versions = Versions::default();
            move |(input, frontier), output| {
                input.for_each_stamp(|capability, batches| {
                    for (data, time, diff) in batches.flat_map(|batch| batch.drain(..)) {
                        versions.take(&capability, time, (data, diff));
                    }
                });
                while let Some((version_ms, held, changes)) =
                    versions.next_complete(&[frontier.frontier()])
                {
                    failure::enter(name, Some(version_ms));
                    let lists = close(version_ms, &changes);
                    let told = version_ms > known_ms && !lists.is_empty();
                    if let Some(held) = held.filter(|_| told) {
                        let lists = lists.into_iter();
                        output
                            .session(&held)
                            .give_iterator(lists.flat_map(|change| {
                                let update = TableChange::Recommended(Update::List(ranker, change));
                                to_all(workers, (version_ms, whose, update))
                            }));
                    }
                }
            }
        })
}
