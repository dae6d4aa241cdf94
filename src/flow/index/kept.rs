//! What is kept by its changes, and asked at every version which of its lists changed.
//!
//! A version has as many changes as a quantum had events, and takes effect a lag later. Applied at its
//! close, all at once, they would hold up every decision meanwhile. So what is added is applied as it
//! comes, once all versions before are closed, and what is left for the close is done in slices: the
//! operator does some, asks to be called again, and lets the worker read, decide and answer in between.
//! The capability is held until the last slice, and with it whoever waits for the version.
//!
//! Invariant: a version's changes are all applied before its lists are looked at, and none of the next;
//! what is taken away comes last, so no sum passes below what it will be, in whatever order changes came.
//! So neither where a slice ends nor what came early can be seen. Of versions that everybody knows
//! already, after a restart, no list is said: their order does not matter.
//!
//! Cost: what is added is never kept; a look at the rest, twice.

use super::super::failure;
use super::super::learning::{Changes, to_all};
use super::super::status::{Held, Teller};
use super::super::versions::Versions;
use super::Of;
use crate::event::Id;
use crate::visit::learn::tables::Change as TableChange;
use crate::visit::rank::pairs::Pairs;
use crate::visit::rank::recommender::Update;
use crate::visit::rank::trending::Trends;
use crate::visit::rank::{Change, Ranker};
use differential_dataflow::{ExchangeData, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

/// Looks at changes before others may go on: some tenths of a millisecond.
const LOOKS_MAX: usize = 4_096;
/// Lists that are compared before others may go on.
const LISTS_MAX: usize = 512;

/// What follows from changes with a sign.
pub(super) trait Kept: 'static {
    /// What changes.
    type Data: ExchangeData;

    /// Applies a change.
    fn change(&mut self, data: &Self::Data, diff: i64);

    /// Brings at most so many lists up to date for a version, in ms, and says which of them changed.
    /// Whether all are.
    fn close_some(&mut self, version_ms: u64, most: usize, lists: &mut Vec<Change>) -> bool;

    /// What it holds, under a ranker's name: items, and pairs where there are any.
    fn held(&self, ranker: &'static str) -> Vec<(Held, u64)>;
}

impl Kept for Pairs {
    type Data = (Id, Id);

    fn change(&mut self, (item, other): &(Id, Id), diff: i64) {
        Pairs::change(self, *item, *other, diff);
    }

    fn close_some(&mut self, _version_ms: u64, most: usize, lists: &mut Vec<Change>) -> bool {
        Pairs::close_some(self, most, lists)
    }

    fn held(&self, ranker: &'static str) -> Vec<(Held, u64)> {
        let items = (Held::Items(ranker), self.items() as u64);
        vec![items, (Held::Pairs(ranker), self.len() as u64)]
    }
}

impl Kept for Trends {
    type Data = (Id, u64);

    fn change(&mut self, (item, quantum): &(Id, u64), diff: i64) {
        Trends::change(self, *item, *quantum, diff);
    }

    fn close_some(&mut self, version_ms: u64, _most: usize, lists: &mut Vec<Change>) -> bool {
        let changed = self.close(version_ms).then(|| Change {
            item: Id::NONE,
            list: self.list().map(|one| one.item).collect(),
        });
        lists.extend(changed);
        true
    }

    fn held(&self, ranker: &'static str) -> Vec<(Held, u64)> {
        vec![(Held::Items(ranker), self.items() as u64)]
    }
}

/// A version that is complete and has not been said yet.
struct Closing<D> {
    version_ms: u64,
    held: Option<Capability<u64>>,
    changes: Vec<(D, i64)>,
    /// Looks that were taken at changes: one at each for what is added, then one for what is taken.
    looks: usize,
    /// The lists that changed, as far as they were compared.
    lists: Vec<Change>,
}

impl<D> Closing<D> {
    fn of(
        (version_ms, held, changes): (u64, Option<Capability<u64>>, Vec<(D, i64)>),
    ) -> Closing<D> {
        Closing {
            version_ms,
            held,
            changes,
            looks: 0,
            lists: Vec::new(),
        }
    }

    /// Does what there is room for, in looks at changes; whether all is done.
    fn go_on<K: Kept<Data = D>>(&mut self, kept: &mut K, room: &mut usize) -> bool {
        let count = self.changes.len();
        while self.looks < 2 * count && *room > 0 {
            let adds = self.looks < count;
            let begin = self.looks % count;
            let end = count.min(begin + *room);
            for (data, diff) in &self.changes[begin..end] {
                if (*diff > 0) == adds {
                    kept.change(data, *diff);
                }
            }
            self.looks += end - begin;
            *room -= end - begin;
        }
        *room > 0 && kept.close_some(self.version_ms, LISTS_MAX, &mut self.lists)
    }
}

/// Keeps something by its changes, and says at every version which of its lists changed.
pub(super) fn by_version<'scope, K: Kept>(
    changes: VecCollection<'scope, u64, K::Data, i64>,
    name: &'static str,
    home: impl Fn(&K::Data) -> u64 + 'static,
    (ranker, of): (Ranker, Of),
    (mut kept, mut teller): (K, Teller),
) -> Changes<'scope> {
    let by_home = Exchange::new(move |(data, _, _): &(K::Data, u64, i64)| home(data));
    let scope = changes.inner.scope();
    let workers = scope.peers();
    changes
        .inner
        .unary_frontier::<CapacityContainerBuilder<Vec<_>>, _, _, _>(by_home, name, |_, info| {
            let again = scope.activator_for(info.address);
            let mut versions = Versions::default();
            let mut closing: Option<Closing<K::Data>> = None;
            move |(input, frontier), output| {
                // No change of an earlier version than the one that the frontier is in can come any more.
                let stands_ms = frontier.frontier().first().copied().unwrap_or(0);
                let early_ms = stands_ms.saturating_add(of.quantum_ms).max(of.known_ms);
                input.for_each_stamp(|capability, batches| {
                    for (data, time, diff) in batches.flat_map(|batch| batch.drain(..)) {
                        let is_next = closing.is_none() && versions.is_first(time);
                        let changes = versions.open(&capability, time);
                        if diff > 0 && is_next && time < early_ms {
                            kept.change(&data, diff);
                        } else {
                            changes.push((data, diff));
                        }
                    }
                });
                let mut room = LOOKS_MAX;
                loop {
                    if closing.is_none() {
                        let next = versions.next_complete(&[frontier.frontier()]);
                        closing = next.map(Closing::of);
                    }
                    let Some(version) = &mut closing else {
                        return;
                    };
                    failure::enter(name, Some(version.version_ms));
                    if !version.go_on(&mut kept, &mut room) {
                        again.activate();
                        return;
                    }
                    let mut lists = std::mem::take(&mut version.lists);
                    lists.sort_unstable_by_key(|change| change.item);
                    let told = version.version_ms > of.known_ms && !lists.is_empty();
                    if let Some(held) = version.held.as_ref().filter(|_| told) {
                        let lists = lists.into_iter();
                        output.session(held).give_iterator(lists.flat_map(|change| {
                            let update = TableChange::Recommended(Update::List(ranker, change));
                            to_all(workers, (version.version_ms, of.whose, update))
                        }));
                    }
                    teller.holds(|| kept.held(ranker.name()));
                    versions.reuse(std::mem::take(&mut version.changes));
                    closing = None;
                }
            }
        })
}
